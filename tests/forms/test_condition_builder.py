"""The condition builder: what the server tells it, and that it shows and keeps every condition, in Chromium."""

from __future__ import annotations

import json

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, records
from tests.support.browser import PHONE

WIDE = {"width": 1440, "height": 900}
both = pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])


@pytest.fixture
def some(app):
    form = catalog.get("customer")
    rows = [
        {"name": f"客户{i}", "city": "杭州" if i % 2 else "上海", "level": "vip" if i == 3 else None} for i in range(8)
    ]
    ids = records.create_many(form, rows, SYSTEM).ids
    order = catalog.get("order")
    records.create_many(order, [{"number": f"A{i}", "customer": ids[i], "amount": 1000 + i} for i in range(3)], SYSTEM)
    return ids


# -- the server's side ------------------------------------------------------------------------------------------------


def test_the_builder_is_told_fields_operators_and_related_forms(client):
    meta = client.get("/forms/customer/conditions/meta").get_json()
    fields = {f["key"]: f for f in meta["forms"]["customer"]["fields"]}
    assert ["gte", "不早于"] in fields["birthday"]["ops"] and ["gte", "不低于"] in fields["total_paid"]["ops"]
    assert ["vip", "VIP"] in fields["level"]["choices"]
    assert "related:order:customer" in [entry["id"] for entry in meta["forms"]["customer"]["tests"]]
    order = {f["key"]: f for f in meta["forms"]["order"]["fields"]}
    assert order["customer"]["form"] == "customer" and order["customer"]["through"]


def test_every_test_that_offers_itself_makes_a_condition_the_compiler_knows(client):
    """What the builder starts with compiles as soon as its empty inputs are filled."""
    meta = client.get("/forms/customer/conditions/meta").get_json()
    for entry in meta["forms"]["customer"]["tests"]:
        assert entry["test"] in entry["start"] and entry["label"] and entry["group"], entry
        inputs = {part["input"] for part in entry["parts"]}
        assert inputs <= {"select", "choices", "text", "number", "span", "where", "field", "compare"}, entry


def test_words_and_count_of_a_condition(client, some):
    doc = {
        "where": {
            "all": [
                {"field": "city", "op": "eq", "value": "杭州"},
                {"not": {"field": "level", "op": "eq", "value": "vip"}},
            ]
        }
    }
    assert (
        client.post("/forms/customer/conditions/words", json=doc).get_json()["words"]
        == "城市 是 杭州 且 不满足（等级 是 VIP）"
    )
    assert client.post("/forms/customer/conditions/count", json=doc).get_json() == {"count": 3, "more": False}


WRONG = {
    "a field that is not there": ({"any": [{}, {"field": "nothing", "op": "eq", "value": 1}]}, "any.1."),
    "a value that is none": ({"all": [{"field": "birthday", "op": "eq", "value": "昨天吧"}]}, "all.0."),
    "no condition at all": ("city", ""),
    "a test that is not there": ({"moon": "full"}, ""),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("ask", ["words", "count"])
def test_a_wrong_condition_says_what_is_wrong_and_where(client, case, ask):
    where, path = WRONG[case]
    answer = client.post(f"/forms/customer/conditions/{ask}", json={"where": where})
    assert answer.status_code == 422
    assert answer.get_json()["path"] == path and answer.get_json()["message"]


# -- the browser's side -----------------------------------------------------------------------------------------------

EDITED = [
    {"field": "city", "op": "eq", "value": "杭州"},
    {"field": "city", "op": "in", "value": ["杭州", "上海"]},
    {"field": "name", "op": "not_contains", "value": "王"},
    {"field": "phone", "op": "starts_with", "value": "138"},
    {"field": "phone", "op": "empty"},
    {"field": "level", "op": "in", "value": ["vip", "别的"]},
    {"field": "level", "op": "ne", "value": "gold"},
    {"field": "total_paid", "op": "gte", "value": 2000},
    {"field": "total_paid", "op": "between", "value": [100, "2,000.50"]},
    {"field": "refund_rate", "op": "lt", "value": "15%"},
    {"field": "order_count", "op": "in", "value": [1, 2, 3]},
    {"field": "birthday", "op": "anniversary_within", "value": {"days": 7}},
    {"field": "birthday", "op": "gte", "value": "1990-01-01"},
    {"field": "birthday", "op": "this", "value": "month"},
    {"field": "last_paid_at", "op": "within", "value": {"days": 30}},
    {"field": "last_paid_at", "op": "not_within", "value": {"weeks": 2}},
    {"field": "last_paid_at", "op": "between", "value": ["2026-01-01", "2026-02-01 12:00"]},
    {"field": "last_paid_at", "op": "lt", "value": "2026-01-01T00:00:00+08:00"},
    {"field": "first_seen_at", "op": "next", "value": {"days": 3}},
    {"field": "first_seen_at", "op": "last", "value": "quarter"},
    {"field": "owner", "op": "eq", "value": {"me": True}},
    {"field": "owner", "op": "in", "value": [{"me": True}, "bo"]},
    {"field": "created_at", "op": "within", "value": {"hours": 12}},
    {"field": "tags", "op": "has_any", "value": ["新粉-待转化"]},
    {"related": "order"},
    {"related": "order", "agg": "count", "op": "eq", "value": 0},
    {"related": "order", "via": "customer", "agg": "sum", "of": "amount", "op": "gte", "value": 2000,
     "within": {"days": 30}, "on": "paid_at"},
    {"related": "order", "agg": "max", "of": "paid_at", "op": "lt", "value": "2026-01-01"},
    {"related": "order", "where": {"all": [{"field": "status", "op": "eq", "value": "paid"}, {"field": "amount", "op": "gt", "value": 5}]},
     "agg": "avg", "of": "amount", "op": "between", "value": [1, 2]},
    {"related": "order", "where": {"related": "order_item", "where": {"field": "product.name", "op": "contains", "value": "面膜"}}},
    {"tag": "高价值核心粉"},
    {"not": {"field": "city", "op": "eq", "value": "杭州"}},
    {"all": [{"field": "city", "op": "eq", "value": "杭州"}, {"any": [{"field": "phone", "op": "not_empty"}, {"not": {"related": "order"}}]}]},
    {"any": [{"field": "city", "op": "eq", "value": "杭州"}, {"not": {"all": [{"field": "phone", "op": "empty"}, {"field": "name", "op": "empty"}]}}]},
]  # fmt: skip
KEPT = [
    {"field": "last_paid_at", "op": "within", "value": {"days": 1, "hours": 12}},
    {"moon": "full"},
    {"field": "nothing", "op": "eq", "value": 1},
]
ORDERS = [
    {"field": "customer", "op": "eq", "value": 1},
    {"field": "customer", "op": "in", "value": [1, 2]},
    {"field": "customer.level", "op": "eq", "value": "vip"},
    {"field": "customer.birthday", "op": "anniversary_within", "value": {"days": 3}},
    {"field": "paid_at", "op": "this", "value": "week"},
]

SHOW = """doc => {
    const box = document.querySelector("[data-conditions]");
    box.querySelector("input[type=hidden]").value = JSON.stringify(doc);
    box.dispatchEvent(new Event("guke:conditions"));
    const builder = box.gukeBuilder;
    return [builder.value(), box.querySelectorAll(".cond-kept").length, box.querySelectorAll(".cond-row").length,
            box.querySelectorAll("[data-lacks]").length];
}"""


def open_builder(page, form="customer"):
    page.goto(f"/forms/{form}")
    page.locator("[data-filter]").first.click()
    page.wait_for_selector("#filter-dialog .cond-add")


def leaves(doc):
    if isinstance(doc, dict) and len(doc) == 1 and next(iter(doc)) in ("all", "any"):
        return sum(leaves(d) for d in next(iter(doc.values())))
    if isinstance(doc, dict) and set(doc) == {"not"}:
        return leaves(doc["not"])
    inner = doc.get("where")
    return 1 + (leaves(inner) if inner else 0)


def test_every_condition_can_be_edited_and_comes_back_as_it_was(page):
    page.complaints.allow("422")
    open_builder(page)
    for doc in EDITED:
        assert page.evaluate(SHOW, doc) == [doc, 0, leaves(doc), 0], doc
    open_builder(page, "order")
    for doc in ORDERS:
        assert page.evaluate(SHOW, doc) == [doc, 0, 1, 0], doc


def test_what_cannot_be_edited_is_shown_as_words_and_kept(page):
    open_builder(page)
    for doc in KEPT:
        value, kept, _rows, lacks = page.evaluate(SHOW, {"all": [{"field": "city", "op": "eq", "value": "杭州"}, doc]})
        assert value["all"][1] == doc and kept == 1 and lacks == 0
    page.locator(".cond-kept", has_text="没有字段「nothing」").wait_for()


@both
def test_a_filter_is_built_with_the_keyboard_and_counted_while_it_is_built(page, some):
    open_builder(page)
    page.locator("#filter-dialog .cond-add").first.click()
    page.keyboard.type("城市")
    page.keyboard.press("Enter")
    page.locator(".cond-op").select_option("eq")
    page.locator(".cond-row input").fill("杭州")
    page.locator(".conditions-summary", has_text="符合 4 条").wait_for()
    assert "城市 是 杭州" in page.locator(".conditions-summary").inner_text()
    page.locator("#filter-dialog .cond-root > .cond-foot > .cond-add").click()
    page.keyboard.type("订单")
    page.keyboard.press("Enter")
    page.locator(".conditions-summary", has_text="符合 1 条").wait_for()
    page.locator("#filter-dialog button[type=submit]").click()
    page.locator(".list-chips .chip").nth(1).wait_for()
    assert page.locator("tbody .title").all_inner_texts() == ["客户1"]
    assert json.loads(page.evaluate("new URL(location).searchParams.get('where')"))["all"][0]["value"] == "杭州"
    page.locator(".list-chips .chip-x").nth(1).click()
    page.locator("tbody .title").nth(3).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_half_a_condition_is_not_sent(page, some):
    open_builder(page)
    page.locator("#filter-dialog .cond-add").first.click()
    page.keyboard.type("等级")
    page.keyboard.press("Enter")
    page.locator("#filter-dialog button[type=submit]").click()
    assert "还有条件没有填完整" in page.locator(".cond-row .field-error").inner_text()
    assert page.locator("#filter-dialog").evaluate("d => d.open") and "where" not in page.url
    page.locator(".cond-row input").fill("VIP")
    page.locator("#filter-dialog button[type=submit]").click()
    page.locator(".list-chips .chip").wait_for()
    assert page.locator("tbody .title").all_inner_texts() == ["客户3"]


def test_what_the_server_does_not_take_is_said_at_its_place(page, some):
    page.goto('/forms/order?where={"field":"amount","op":"gte","value":1}')
    page.locator("[data-filter]").first.click()
    page.locator(".cond-row input").fill("很多")
    page.locator(".cond-row .field-error").wait_for()
    assert "数字" in page.locator(".cond-row .field-error").inner_text()
    page.locator(".cond-row input").fill("1001")
    page.locator(".conditions-summary", has_text="符合 2 条").wait_for()
    assert page.locator(".cond-row .field-error").count() == 0
