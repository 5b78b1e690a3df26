"""Line items: rows of a record are records of their own form, written with it, and they come and go with it."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.accounts import permissions, tokens, users
from appliance.accounts.actor import SYSTEM
from tests.support.http import Api, Client
from tests.support.people import BO

COLUMNS = [
    {"key": "what", "label": "项目", "type": "text", "required": True},
    {"key": "count", "label": "数量", "type": "integer", "min": 1, "default": 1},
    {"key": "price", "label": "单价", "type": "money"},
    {"key": "note", "label": "备注", "type": "text"},
]


@pytest.fixture
def form(api: Api) -> str:
    rows = {"key": "lines", "label": "明细", "type": "sub_form", "fields": COLUMNS}
    title = {"key": "title", "label": "标题", "type": "text"}
    api.post("/forms", {"key": "quote", "label": "报价单", "title_field": "title", "fields": [title, rows]})
    return "quote"


def quote(api: Api, rows: Any, expect: int | None = None, title: str = "一") -> Any:
    return api.post("/forms/quote/records", {"values": {"title": title, "lines": rows}}, expect=expect)


def names(record: Any) -> list[str]:
    return [row["what"] for row in record["values"]["lines"]]


def test_its_form_is_made_with_it_and_stays_out_of_the_way(api: Api, client: Client, form: str) -> None:
    child = api.get("/forms/quote_lines")
    assert [f["key"] for f in child["fields"]] == ["quote", "what", "count", "price", "note"]
    assert child["fields"][0]["required"] is True
    assert 'href="/forms/quote_lines"' not in client.get("/forms/quote").text


def test_rows_are_made_changed_and_deleted_with_their_record(api: Api, form: str) -> None:
    made = quote(api, [{"what": "甲", "count": 2, "price": "10"}, {"what": "乙", "count": 1}])
    rows = made["values"]["lines"]
    assert [(r["what"], r["count"], r["price"]) for r in rows] == [("甲", 2, "10.00"), ("乙", 1, None)]
    assert [r["values"]["quote"] for r in api.get("/forms/quote_lines/records")["records"]] == [made["id"]] * 2
    path = f"/forms/quote/records/{made['id']}"
    after = api.patch(path, {"values": {"lines": [{"what": "丙"}, rows[1] | {"count": 5}]}})
    assert names(after) == ["丙", "乙"]
    assert after["values"]["lines"][1]["id"] == rows[1]["id"] and after["values"]["lines"][1]["count"] == 5
    assert after["version"] == 2
    api.get(f"/forms/quote_lines/records/{rows[0]['id']}", expect=404)
    same = api.patch(path, {"values": {"lines": after["values"]["lines"]}})
    assert same["version"] == 2, "what it prints it takes again"
    turned = api.patch(path, {"values": {"lines": after["values"]["lines"][::-1]}})
    assert names(turned) == ["乙", "丙"]
    assert api.patch(path, {"values": {"lines": None}})["values"]["lines"] == []


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"what": "甲"}, {"count": 2}], "第 2 行 · 项目"), ([{"what": "甲", "count": "many"}], "第 1 行 · 数量"),
        ([{"what": "甲", "count": 0}], "第 1 行 · 数量"), ([{"what": "甲", "gone": 1}], "第 1 行"),
        ([{"id": "x", "what": "甲"}], "第 1 行"), ("text", "明细"), ([1], "明细"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_row_and_field(api: Api, form: str, rows: Any, told: str) -> None:
    problem = quote(api, rows, expect=422)
    assert problem["errors"][0]["field"] == "lines" and told in problem["errors"][0]["message"]
    assert api.get("/forms/quote_lines/records")["records"] == []


def test_a_wrong_row_saves_nothing_of_its_record(api: Api, form: str) -> None:
    made = quote(api, [{"what": "甲", "count": 2}])
    path = f"/forms/quote/records/{made['id']}"
    row = made["values"]["lines"][0]
    api.patch(path, {"values": {"title": "二", "lines": [row | {"count": 9}, {"what": ""}]}}, expect=422)
    now = api.get(path)
    assert now["values"]["title"] == "一" and now["values"]["lines"][0]["count"] == 2


def test_among_many_a_wrong_row_fails_its_record_alone(api: Api, form: str) -> None:
    api.patch("/forms/quote/fields/title", {"unique": True})
    records = [{"title": "a", "lines": [{"what": "甲"}]}, {"title": "b", "lines": [{"count": 1}]}]
    results = api.post("/forms/quote/records:upsert", {"key": "title", "records": records})["results"]
    assert [r["status"] for r in results] == ["created", "failed"]
    assert "第 1 行 · 项目" in results[1]["errors"][0]["message"]


def test_a_copy_gets_rows_of_its_own(api: Api, client: Client, form: str) -> None:
    made = quote(api, [{"what": "甲", "count": 2}])
    copied = quote(api, made["values"]["lines"])
    assert names(copied) == ["甲"] and copied["values"]["lines"][0]["id"] != made["values"]["lines"][0]["id"]
    assert 'value="甲"' in client.get(f"/forms/quote/new?copy={made['id']}").text


def test_rows_of_another_record_cannot_be_taken(api: Api, form: str) -> None:
    one, other = quote(api, [{"what": "甲"}]), quote(api, [{"what": "乙"}])
    stolen = one["values"]["lines"]
    api.patch(f"/forms/quote/records/{other['id']}", {"values": {"lines": stolen}}, expect=422)


def test_rows_go_with_their_record_and_come_back_with_it(api: Api, form: str, clock: Any) -> None:
    made = quote(api, [{"what": "甲"}, {"what": "乙"}, {"what": "丙"}])
    path = f"/forms/quote/records/{made['id']}"
    rows = made["values"]["lines"]
    api.patch(path, {"values": {"lines": [rows[2], rows[0]]}})
    api.delete(path)
    assert api.get("/forms/quote_lines/records")["records"] == []
    api.post(f"{path}:restore")
    assert names(api.get(path)) == ["丙", "甲"], "the one taken out before stays out"


def test_rows_of_an_existing_form_are_line_items_too(api: Api) -> None:
    field = {"key": "items", "label": "商品明细", "type": "sub_form", "form": "order_item", "via": "order"}
    api.post("/forms/order/fields", field)
    api.post("/forms/product/records", {"values": {"sku": "P1", "name": "面霜"}})
    customer = api.post("/forms/customer/records", {"values": {"name": "王"}})["id"]
    items = [{"product": {"sku": "P1"}, "name": "面霜", "quantity": 2, "amount": "99"}]
    order = {"number": "A1", "customer": customer, "items": items}
    made = api.post("/forms/order/records", {"values": order})
    assert made["values"]["items"][0]["quantity"] == "2.00"
    where = {"related": "order_item", "agg": "sum", "of": "quantity", "op": "eq", "value": 2}
    assert len(api.post("/forms/order/query", {"where": where})["records"]) == 1
    api.post("/forms/order/fields", field | {"key": "more", "form": "customer", "via": "name"}, expect=422)
    api.post("/forms/order/fields", field | {"key": "more", "form": "nothing"}, expect=422)


def test_the_page_shows_a_table_with_totals_and_its_inputs_take_rows(api: Api, client: Client, form: str) -> None:
    made = quote(api, [{"what": "甲", "count": 2, "price": "10"}, {"what": "乙", "count": 3, "price": "5.5"}])
    path = f"/forms/quote/records/{made['id']}"
    page = client.get(path).text
    assert "rows-shown" in page and "数量合计" in page and "单价合计" not in page and "甲" in page
    assert "related-quote_lines" not in page, "the rows stand in the page already"
    edit = client.get(f"{path}/edit").text
    assert 'name="lines.0.what"' in edit and 'name="lines.__n__.what"' in edit and 'data-total="1"' in edit
    first, second = (row["id"] for row in made["values"]["lines"])
    data = {
        "lines": "1", "title": "一", "lines.1.id": second, "lines.1.what": "乙", "lines.1.count": "3", "lines.1.price": "5.50",
        "lines.7.id": "", "lines.7.what": "丁", "lines.7.count": "1", "lines.8.id": "", "lines.8.what": "", "lines.8.count": "1",
    }  # fmt: skip
    assert client.post(f"{path}/edit", data=data).status_code == 303
    assert names(api.get(path)) == ["乙", "丁"]
    api.get(f"/forms/quote_lines/records/{first}", expect=404)
    wrong = client.post(f"{path}/edit", data=data | {"lines.7.count": "many", "lines.7.id": ""})
    assert wrong.status_code == 422 and "第 2 行 · 数量" in wrong.text and 'value="many"' in wrong.text


def test_history_tells_rows_and_an_export_too(api: Api, client: Client, cli: Any, form: str, tmp_path: Any) -> None:
    made = quote(api, [{"what": "甲", "count": 2}])
    path = f"/forms/quote/records/{made['id']}"
    row = made["values"]["lines"][0]
    assert "甲 × 2" in client.get(f"{path}/history").text, "a new record tells its rows"
    api.patch(path, {"values": {"lines": [row | {"note": "加急"}, {"what": "乙", "count": 1}]}})
    text = client.get(f"{path}/history").text
    assert "乙 × 1" in text and "加急" in text
    cli("export", "quote", tmp_path / "out.csv").ok()
    assert "甲 × 2; 乙 × 1" in (tmp_path / "out.csv").read_text(encoding="utf-8-sig")
    assert "甲 × 2; 乙 × 1" in client.get("/forms/quote?cols=lines").text


def test_it_is_found_by_whether_there_are_rows(api: Api, form: str) -> None:
    one, none = quote(api, [{"what": "甲"}])["id"], quote(api, [], title="二")["id"]
    for op, wanted in (("not_empty", [one]), ("empty", [none])):
        found = api.post("/forms/quote/query", {"where": {"field": "lines", "op": op}})["records"]
        assert [r["id"] for r in found] == wanted


@pytest.mark.parametrize("shut", ["rows", "field", "masked"])
def test_rows_are_seen_by_those_who_see_their_record_and_field(app: Any, api: Api, form: str, shut: str) -> None:
    theirs = quote(api, [{"what": "SECRETROW", "count": 1}], title="SECRET")
    own = quote(api, [{"what": "mine", "count": 1}], title="mine")
    rights: dict[str, Any] = {"verbs": list(permissions.VERBS)}
    if shut == "rows":
        rights["scope"] = {"field": "title", "op": "ne", "value": "SECRET"}
    else:
        rights["fields"] = {"lines": "hidden" if shut == "field" else "masked"}
    everything = {"verbs": list(permissions.VERBS)}
    users.add_role("narrow", "narrow", permissions.Rights.open({"forms": {"*": everything, "quote": rights}}))
    bo = users.by_login(BO.login)
    users.update(bo.id, SYSTEM, role="narrow")
    narrow = Api(app.test_client(), tokens.create(bo.id, "narrow"))
    seen = str(narrow.get("/forms/quote/records")) + str(narrow.raw("GET", "/forms/quote_lines/records").text)
    seen += narrow.raw("GET", f"/forms/quote/records/{theirs['id']}/changes").text
    seen += narrow.raw("GET", f"/forms/quote_lines/records/{theirs['values']['lines'][0]['id']}").text
    assert "SECRETROW" not in seen
    if shut == "rows":
        assert narrow.get(f"/forms/quote/records/{own['id']}")["values"]["lines"][0]["what"] == "mine"


def test_a_role_with_its_form_alone_fills_in_its_rows(app: Any, api: Api, form: str) -> None:
    users.add_role(
        "narrow", "narrow", permissions.Rights.open({"forms": {"quote": {"verbs": ["see", "create", "edit"]}}})
    )
    bo = users.by_login(BO.login)
    users.update(bo.id, SYSTEM, role="narrow")
    narrow = Api(app.test_client(), tokens.create(bo.id, "narrow"))
    made = quote(narrow, [{"what": "甲"}])
    assert names(made) == ["甲"]
    path = f"/forms/quote/records/{made['id']}"
    assert names(narrow.patch(path, {"values": {"lines": [{"what": "乙"}]}})) == ["乙"]
    # The rows are seen with their record, through their own form too.
    assert [r["values"]["what"] for r in narrow.get("/forms/quote_lines/records")["records"]] == ["乙"]


def test_its_columns_are_changed_with_the_field(api: Api, form: str) -> None:
    made = quote(api, [{"what": "甲", "note": "旧"}])
    fields = [*COLUMNS[:3], {"key": "unit", "label": "单位", "type": "text"}]
    api.patch("/forms/quote/fields/lines", {"fields": fields})
    assert [f["key"] for f in api.get("/forms/quote_lines")["fields"]] == ["quote", "what", "count", "price", "unit"]
    row = api.get(f"/forms/quote/records/{made['id']}")["values"]["lines"][0]
    assert "note" not in row and row["unit"] is None


@pytest.mark.parametrize(
    "options", [{}, {"fields": 5}, {"fields": [{"key": "a", "type": "sub_form"}]}, {"fields": [{"key": "a"}]}]
)
def test_a_definition_that_makes_no_sense_is_refused(api: Api, form: str, options: dict[str, Any]) -> None:
    api.post("/forms/quote/fields", {"key": "v", "label": "值", "type": "sub_form", **options}, expect=422)


def test_rows_and_files_are_gone_for_good_with_their_record(app: Any, api: Api, form: str) -> None:
    from appliance.core import files
    from appliance.core.errors import NotFound
    from appliance.forms import catalog, purging
    from tests.forms.test_files import fetch, send

    api.post("/forms/quote/fields", {"key": "papers", "label": "资料", "type": "attachments"})
    file = send(api, "a.txt", b"hello")
    values = {"title": "一", "lines": [{"what": "甲"}], "papers": [file["id"]]}
    made = api.post("/forms/quote/records", {"values": values})
    assert fetch(api, made["id"], file["id"], "quote").data == b"hello"
    api.delete(f"/forms/quote/records/{made['id']}")
    with app.app_context():
        assert purging.purge(catalog.get("quote"), [made["id"]], SYSTEM) == 1
        with pytest.raises(NotFound):
            files.get(file["id"])
    api.post(f"/forms/quote_lines/records/{made['values']['lines'][0]['id']}:restore", expect=404)
