"""The records API, as a program of the company uses it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http import Api

CUSTOMERS = [
    {"name": "王小明", "city": "杭州", "phone": "13800000001", "channel": "douyin"},
    {"name": "李雷", "city": "上海", "phone": "13800000002", "channel": "抖音"},
    {"name": "韩梅梅", "phone": "13800000003"},
]


@pytest.fixture
def people(api: Api) -> list[int]:
    return [api.post("/forms/customer/records", {"values": values})["id"] for values in CUSTOMERS]


def names(answer: dict) -> list[str]:
    return [record["values"]["name"] for record in answer["records"]]


def test_a_record_is_created_read_changed_deleted_and_restored(api: Api) -> None:
    made = api.post("/forms/customer/records", {"values": CUSTOMERS[1]}, expect=201)
    assert made["version"] == 1
    assert made["values"]["channel"] == "douyin", "a label is understood as its value"
    path = f"/forms/customer/records/{made['id']}"
    assert api.get(path)["values"]["city"] == "上海"
    changed = api.patch(path, {"values": {"city": "北京"}, "version": 1})
    assert (changed["version"], changed["values"]["city"]) == (2, "北京")
    api.delete(path, expect=204)
    api.get(path, expect=404)
    assert api.get("/forms/customer/records", count=1)["total"] == 0
    assert api.post(f"{path}:restore")["values"]["name"] == "李雷"


def test_a_stale_version_is_refused_and_changes_nothing(api: Api, people: list[int]) -> None:
    path = f"/forms/customer/records/{people[0]}"
    api.patch(path, {"values": {"city": "宁波"}, "version": 1})
    problem = api.patch(path, {"values": {"city": "温州"}, "version": 1}, expect=409)
    assert problem["status"] == 409
    assert api.get(path)["values"]["city"] == "宁波"


def test_history_says_who_changed_what_from_what_to_what(api: Api, people: list[int]) -> None:
    path = f"/forms/customer/records/{people[0]}"
    api.patch(path, {"values": {"city": "宁波"}})
    newest, oldest = api.get(f"{path}/changes")["changes"]
    assert (newest["action"], newest["actor"], newest["fields"]["city"]) == ("update", "amy", ["杭州", "宁波"])
    assert oldest["action"] == "create"


def test_writing_what_already_holds_leaves_no_trace(api: Api, people: list[int]) -> None:
    path = f"/forms/customer/records/{people[0]}"
    assert api.patch(path, {"values": {"city": " 杭州 "}})["version"] == 1
    assert len(api.get(f"{path}/changes")["changes"]) == 1


@pytest.mark.parametrize(
    ("form", "values", "field"),
    [
        ("customer", {"phone": "12"}, "phone"),
        ("customer", {"birthday": "2026-02-30"}, "birthday"),
        ("customer", {"gender": "sideways"}, "gender"),
        ("customer", {"no_such_field": 1}, "no_such_field"),
        ("customer", {"total_paid": "99"}, "total_paid"),
        ("customer", {"email": "not-an-address"}, "email"),
        ("customer", {"name": "x" * 300}, "name"),
        ("customer", {"name": {"a": 1}}, "name"),
        ("customer", {"owner": "nobody"}, "owner"),
        ("order", {"amount": "5"}, "number"),
        ("order", {"number": "A1", "amount": "a lot"}, "amount"),
        ("order", {"number": "A1", "amount": 10**30}, "amount"),
        ("order", {"number": "A1", "paid_at": "yesterday-ish"}, "paid_at"),
        ("order", {"number": "A1", "customer": 999_999}, "customer"),
        ("order", {"number": "A1", "customer": 2**70}, "customer"),
        ("order", {"number": "A1", "customer": {"nonsense": "x"}}, "customer"),
        ("product", {"name": "面霜", "active": "perhaps"}, "active"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_written(api: Api, form: str, values: dict, field: str) -> None:
    problem = api.post(f"/forms/{form}/records", {"values": values}, expect=422)
    assert [e["field"] for e in problem["errors"]] == [field]
    assert problem["errors"][0]["message"]
    assert api.post(f"/forms/{form}/records:count")["count"] == 0


def test_a_unique_value_is_taken_once_until_its_record_is_deleted(api: Api) -> None:
    first = api.post("/forms/order/records", {"values": {"number": "A1"}})["id"]
    assert api.post("/forms/order/records", {"values": {"number": "A1"}}, expect=422)["errors"][0]["field"] == "number"
    api.delete(f"/forms/order/records/{first}")
    api.post("/forms/order/records", {"values": {"number": "A1"}})
    assert api.post(f"/forms/order/records/{first}:restore", expect=422)["errors"][0]["field"] == "number"


def test_money_is_exact_and_a_decimal_string(api: Api) -> None:
    for raw, shown in [
        ("199", "199.00"),
        (0.1, "0.10"),
        ("1,299.5", "1299.50"),
        ("￥12", "12.00"),
        ("１２.5", "12.50"),
    ]:
        number = f"N{raw}"
        made = api.post("/forms/order/records", {"values": {"number": number, "amount": raw}})
        assert made["values"]["amount"] == shown


def test_times_carry_the_companys_offset(api: Api) -> None:
    values = {"number": "A1", "paid_at": "2026-11-11T00:00:00Z"}
    assert api.post("/forms/order/records", {"values": values})["values"]["paid_at"] == "2026-11-11T08:00:00+08:00"


def test_pages_by_cursor_meet_every_record_once_whatever_the_sort(api: Api) -> None:
    for i in range(23):
        values = {"number": f"N{i:02d}", **({"amount": i % 4} if i % 5 else {})}
        api.post("/forms/order/records", {"values": values})
    for sort in ("amount", "-amount", "number", "-created_at", "id"):
        seen, cursor = [], None
        while True:
            page = api.get("/forms/order/records", sort=sort, limit=4, **({"cursor": cursor} if cursor else {}))
            seen += page["records"]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert sorted(r["values"]["number"] for r in seen) == [f"N{i:02d}" for i in range(23)]
        if "amount" in sort:
            amounts = [r["values"]["amount"] for r in seen]
            filled = [float(a) for a in amounts if a is not None]
            assert filled == sorted(filled, reverse=sort.startswith("-"))
            assert amounts[len(filled) :] == [None] * 5, "records without a value come last"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("小明", ["王小明"]), ("明", ["王小明"]), ("wangxm", []), ("wxm", ["王小明"]), ("wangxiao", ["王小明"]),
        ("xiaoming", ["王小明"]), ("hmm", ["韩梅梅"]), ("0003", ["韩梅梅"]), ("1380000", ["王小明", "李雷", "韩梅梅"]),
        ("lilei", ["李雷"]), ("'\"*) OR", []), ("小 明", ["王小明"]),
    ],
)  # fmt: skip
def test_quick_search_knows_pinyin_initials_and_last_digits(
    api: Api, people: list[int], text: str, found: list[str]
) -> None:
    assert sorted(names(api.get("/forms/customer/records", q=text))) == sorted(found)


def test_an_upsert_fails_row_by_row(api: Api) -> None:
    odd = api.post("/forms/order/records:upsert", {"key": "number", "records": [{"values": 3}, {"number": "O1"}]})
    assert [row["status"] for row in odd["results"]] == ["failed", "created"]
    assert odd["results"][0]["errors"][0]["field"] == "values"
    rows = [
        {"number": "A1", "amount": "5"},
        {"number": "A2", "amount": "x"},
        {"amount": "1"},
        {"number": "A1", "amount": "7"},
    ]
    answer = api.post("/forms/order/records:upsert", {"key": "number", "records": rows})
    assert [r["status"] for r in answer["results"]] == ["created", "failed", "failed", "updated"]
    assert answer["results"][1]["errors"][0]["field"] == "amount"
    again = api.post("/forms/order/records:upsert", {"key": "number", "records": [{"number": "A1", "amount": "7"}]})
    assert again["unchanged"] == 1
    assert api.get("/forms/order/records")["records"][0]["values"]["amount"] == "7.00"


def test_an_order_names_its_customer_by_any_identity_and_creates_the_unknown(api: Api) -> None:
    for number in ("A1", "A2"):
        values = {"number": number, "customer": {"taobao_nick": "t_88"}, "amount": "10", "paid_at": "2026-11-01 10:00"}
        api.post("/forms/order/records", {"values": values})
    (customer,) = api.get("/forms/customer/records")["records"]
    assert customer["values"]["identities"] == {"taobao_nick": ["t_88"]}
    assert (customer["values"]["order_count"], customer["values"]["total_paid"]) == (2, "20.00")


def test_aggregates_group_by_period_and_through_relations(api: Api, people: list[int]) -> None:
    for i, day in enumerate(["2026-01-31T23:30:00+08:00", "2026-02-01T00:10:00+08:00", "2026-02-03"]):
        values = {"number": f"A{i}", "amount": "10.50", "paid_at": day, "customer": people[i % 2]}
        api.post("/forms/order/records", {"values": values})
    doc = {
        "group_by": [{"field": "paid_at", "bucket": "month", "as": "month"}, {"field": "customer.city", "as": "city"}],
        "measures": [{"agg": "sum", "of": "amount", "as": "paid"}, {"agg": "count", "as": "n"}],
    }
    assert api.post("/forms/order/records:aggregate", doc)["rows"] == [
        {"month": "2026-01", "city": "杭州", "paid": "10.50", "n": 1},
        {"month": "2026-02", "city": "上海", "paid": "10.50", "n": 1},
        {"month": "2026-02", "city": "杭州", "paid": "10.50", "n": 1},
    ]


def test_a_post_with_an_idempotency_key_is_done_once(api: Api) -> None:
    headers = {"Idempotency-Key": "k-1"}
    body = {"values": {"number": "A1"}}
    first = api.post("/forms/order/records", body, headers=headers)
    assert api.post("/forms/order/records", body, headers=headers) == first
    other = {"values": {"number": "A2"}}
    assert (
        api.post("/forms/order/records", other, headers=headers, expect=422)["errors"][0]["field"] == "Idempotency-Key"
    )
    assert api.post("/forms/order/records:count")["count"] == 1


def test_a_failed_post_may_be_tried_again_with_its_key(api: Api) -> None:
    headers = {"Idempotency-Key": "k-1"}
    api.post("/forms/order/records", {"values": {}}, headers=headers, expect=422)
    api.post("/forms/order/records", {"values": {"number": "A1"}}, headers=headers, expect=201)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/forms/nothing/records", {}, 404),
        ("GET", "/forms/customer/records/99", {}, 404),
        ("GET", f"/forms/customer/records/{10**30}", {}, 404),
        ("GET", "/forms/customer/records?limit=0", {}, 422),
        ("GET", "/forms/customer/records?limit=many", {}, 422),
        ("GET", "/forms/customer/records?sort=nothing", {}, 422),
        ("GET", "/forms/customer/records?sort=tags", {}, 422),
        ("GET", "/forms/customer/records?cursor=xyz", {}, 422),
        ("GET", "/forms/customer/records?where=%7Bx", {}, 422),
        ("GET", "/forms/customer/records?where=%5B%5D", {}, 422),
        ("GET", "/forms/customer/records?fields=nothing", {}, 422),
        ("POST", "/forms/customer/records", {"data": "{", "content_type": "application/json"}, 400),
        ("POST", "/forms/customer/records", {"data": "[1]", "content_type": "application/json"}, 422),
        ("POST", "/forms/customer/records", {"data": '{"values": NaN}', "content_type": "application/json"}, 400),
        ("POST", "/forms/customer/records", {"data": r'{"values": {"name": "\ud800"}}', "content_type": "application/json"}, 422),
        ("POST", "/forms/customer/records", {"data": "[" * 3000, "content_type": "application/json"}, 400),
        ("POST", "/forms/customer/records", {"data": "values=1"}, 415),
        ("POST", "/forms/customer/records", {"json": {"value": {}}}, 422),
        ("DELETE", "/forms/customer/records/99", {}, 404),
        ("DELETE", "/forms/customer", {}, 422),
        ("PUT", "/forms/customer/records", {}, 405),
        ("GET", "/no/such/thing", {}, 404),
    ],
)  # fmt: skip
def test_a_wrong_request_gets_its_problem(api: Api, method: str, path: str, options: dict, status: int) -> None:
    response = api.client.open(f"/api/v1{path}", method=method, headers=api.headers, **options)
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    problem = json.loads(response.text)
    assert problem["status"] == status and problem["title"]


WRONG_KIND = (
    ("/departments", {"name": "a\0b"}, "name"),
    ("/forms/customer/records", {"values": {"name": "a\0b"}}, "name"),
    ("/event-types", {"key": [[]], "label": "x"}, "key"),
    ("/message-templates", {"key": "x", "label": "x", "text": "x", "purpose": [], "fallbacks": 0}, "purpose"),
    ("/metrics", {"key": "x", "label": "x", "form": "order", "agg": [[]]}, "agg"),
    ("/forms/customer/records:count", {"where": {"related": "order", "agg": None, "op": "gte", "value": 1}}, "where"),
    ("/forms/customer/records", {"values": {"name": "x", "identities": {"add": 3}}}, "identities"),
    ("/forms/customer/records:merge", {"keep": 1, "merge": 2, "choose": {"phone": []}}, "phone"),
    ("/rules", {"key": "x", "label": "x", "form": "order", "on": {"created": True}, "do": [{"action": "set", "values": {}}],
                "once_per": ["day"], "working_hours": {"a": 1}}, "once_per"),
    ("/rules", {"key": "x", "label": "x", "form": "order", "on": {"created": True},
                "do": [{"action": "call_webhook", "connection": []}]}, "do.0.connection"),
    ("/decision-tables", {"key": "x", "label": "x", "form": "order", "schedule": "0 3 * * *", "on": 1, "rows": []}, "on"),
    ("/reports", {"label": "x", "form": "order", "where": True}, "where"),
    ("/reports", {"label": "x", "form": "order", "chart": []}, "chart"),
    ("/reports", {"label": "x", "form": "order", "measures": 3}, "measures"),
    ("/reports", {"label": "x", "form": "order", "sort": {"a": 1}}, "sort"),
)  # fmt: skip


def test_what_is_of_the_wrong_kind_is_named(api: Api) -> None:
    for path, doc, field in WRONG_KIND:
        problem = api.post(path, doc, expect=422)
        assert field in [error["field"] for error in problem["errors"]], (path, doc, problem)


def test_without_a_token_nothing_is_answered(app: object, api: Api) -> None:
    for rule in app.url_map.iter_rules():  # type: ignore[attr-defined]
        if rule.rule.startswith("/api/v1") and "GET" in rule.methods:
            path = rule.rule.replace("<form_key>", "customer")
            response = api.client.get(path.split("<")[0])
            assert response.status_code in (401, 404), rule.rule
    assert Api(api.client, "guke_wrong").raw("GET", "/forms").status_code == 401


def test_a_condition_that_makes_no_sense_says_so(api: Api) -> None:
    for where in (
        {"field": "nothing", "op": "eq", "value": 1}, {"field": "city", "op": "within", "value": {"days": 1}},
        {"field": "city", "op": "eq"}, {"all": {}}, {"what": 1}, {"related": "product"}, {"field": "city.x", "value": 1},
        {"related": "order", "agg": "sum", "op": "gte", "value": 1}, {"field": "last_paid_at", "op": "within", "value": {"days": -1}},
        {"field": "last_paid_at", "op": "this", "value": "decade"}, {"not": []}, {"field": ["city"], "op": "eq", "value": 1},
    ):  # fmt: skip
        problem = api.post("/forms/customer/records:count", {"where": where}, expect=422)
        assert problem["errors"][0]["field"] == "where", where


def test_a_hundred_levels_of_nesting_are_refused(api: Api) -> None:
    where: dict = {"field": "city", "op": "eq", "value": "x"}
    for _ in range(20):
        where = {"not": where}
    api.post("/forms/customer/records:count", {"where": where}, expect=422)


def test_a_company_form_is_in_the_api_at_once(api: Api) -> None:
    form = {
        "key": "ticket",
        "label": {"zh": "售后单", "en": "Tickets"},
        "title_field": "subject",
        "fields": [
            {"key": "subject", "label": "主题", "type": "text", "required": True},
            {"key": "customer", "label": "客户", "type": "relation", "form": "customer"},
            {"key": "fee", "label": "费用", "type": "money"},
        ],
    }
    api.post("/forms", form, expect=201)
    api.post("/forms/ticket/fields", {"key": "due", "label": "期限", "type": "date"}, expect=201)
    made = api.post("/forms/ticket/records", {"values": {"subject": "漏发", "fee": 3, "due": "2026年1月2日"}})
    assert made["values"] | {"fee": "3.00", "due": "2026-01-02"} == made["values"]
    described = api.get("/openapi.json")
    assert "/forms/ticket/records" in described["paths"]
    assert "due" in described["components"]["schemas"]["ticket.values"]["properties"]
    api.post("/forms", form, expect=422)
    api.delete("/forms/ticket", expect=204)
    api.get("/forms/ticket", expect=404)


def test_staff_may_use_records_but_not_shape_them(staff_api: Api) -> None:
    staff_api.post("/forms/customer/records", {"values": {"name": "周周"}}, expect=201)
    staff_api.post("/forms", {"key": "x", "label": "x", "fields": []}, expect=403)
    staff_api.post("/forms/customer/fields", {"key": "x", "label": "x", "type": "text"}, expect=403)


def test_two_writers_at_once_lose_nothing(app: object, api: Api) -> None:
    def make(i: int) -> int:
        return Api(app.test_client(), api.headers["Authorization"][7:]).raw(  # type: ignore[attr-defined]
            "POST", "/forms/order/records", {"values": {"number": f"N{i % 20}"}}
        ).status_code  # fmt: skip

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(make, range(40)))
    assert sorted(statuses) == [201] * 20 + [422] * 20
    assert api.post("/forms/order/records:count")["count"] == 20
