"""Formula, lookup, rollup and automatic number: right after every kind of write, and read as what they result in."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core.db import db, write
from appliance.forms import catalog, query, records

SHOP = {"key": "shop", "label": "店铺", "fields": [
    {"key": "name", "label": "名称", "type": "text"},
    {"key": "city", "label": "城市", "type": "choice", "choices": [
        {"value": "hz", "label": {"zh": "杭州", "en": "Hangzhou"}}, {"value": "wz", "label": "温州"}]},
    {"key": "target", "label": "目标", "type": "money"},
], "title_field": "name"}  # fmt: skip
SALE = {"key": "sale", "label": "销售", "fields": [
    {"key": "title", "label": "标题", "type": "text"},
    {"key": "shop", "label": "店铺", "type": "relation", "form": "shop"},
    {"key": "price", "label": {"zh": "单价", "en": "Price"}, "type": "money"},
    {"key": "quantity", "label": "数量", "type": "integer"},
    {"key": "day", "label": "日期", "type": "date"},
    {"key": "amount", "label": "小计", "type": "formula", "formula": "单价 * 数量"},
    {"key": "city", "label": "城市", "type": "lookup", "relation": "shop", "field": "city"},
], "title_field": "title"}  # fmt: skip
ROLLUPS = [
    {"key": "sales", "label": "笔数", "type": "rollup", "form": "sale"},
    {"key": "total", "label": "销售额", "type": "rollup", "form": "sale", "agg": "sum", "of": "amount"},
    {"key": "average", "label": "均价", "type": "rollup", "form": "sale", "agg": "avg", "of": "quantity"},
    {"key": "biggest", "label": "最大", "type": "rollup", "form": "sale", "agg": "max", "of": "amount",
     "where": {"field": "quantity", "op": "gte", "value": 2}},
    {"key": "last_title", "label": "最近一笔", "type": "rollup", "form": "sale", "agg": "latest", "of": "title", "on": "day"},
    {"key": "share", "label": "完成率", "type": "formula", "formula": "销售额 / 目标", "result": "percent"},
]  # fmt: skip


@pytest.fixture
def shops(app):
    """Shops and their sales: sale.amount → shop.total → shop.share → sale.shop_share."""
    catalog.create_form(SHOP)
    catalog.create_form(SALE)
    for doc in ROLLUPS:
        catalog.add_field(catalog.get("shop"), doc)
    catalog.add_field(
        catalog.get("sale"),
        {"key": "shop_share", "label": "店铺完成率", "type": "lookup", "relation": "shop", "field": "share"},
    )
    return catalog.get("shop")


def stored(form_key, record_id):
    form = catalog.get(form_key)
    return query.Query(form, SYSTEM).get(record_id).values


def test_a_sale_is_carried_on_to_its_shop_and_back(shops):
    a = records.create(catalog.get("shop"), {"name": "甲", "city": "hz", "target": 100}, SYSTEM)
    b = records.create(catalog.get("shop"), {"name": "乙", "city": "wz"}, SYSTEM)
    sale = catalog.get("sale")
    one = records.create(sale, {"title": "一", "shop": a, "price": "9.99", "quantity": 3, "day": "2026-01-02"}, SYSTEM)
    two = records.create(sale, {"title": "二", "shop": a, "price": "1", "quantity": 1, "day": "2026-01-01"}, SYSTEM)
    assert stored("sale", one)["amount"] == 2997 and stored("sale", one)["city"] == "hz"
    shop = stored("shop", a)
    assert (shop["sales"], shop["total"], shop["average"], shop["biggest"]) == (2, 3097, 200, 2997)
    assert shop["last_title"] == "一" and shop["share"] == 3097
    assert stored("sale", two)["shop_share"] == 3097
    records.update(sale, one, {"shop": b}, SYSTEM)
    assert (stored("shop", a)["total"], stored("shop", b)["total"], stored("sale", one)["city"]) == (100, 2997, "wz")
    assert stored("shop", b)["share"] is None
    records.delete(sale, two, SYSTEM)
    assert (stored("shop", a)["sales"], stored("shop", a)["total"], stored("shop", a)["average"]) == (0, 0, None)
    records.restore(sale, two, SYSTEM)
    assert stored("shop", a)["total"] == 100
    records.update(catalog.get("shop"), b, {"city": "hz"}, SYSTEM)
    assert stored("sale", one)["city"] == "hz"
    records.update_set(sale, {"quantity": 10}, [one, two], SYSTEM, records.USER)
    assert (stored("sale", one)["amount"], stored("shop", a)["total"]) == (9990, 1000)


# -- the same, from scratch -----------------------------------------------------------------------------------------


def check_everything():
    """Every computed value against a plain computation over the stored rows."""
    shop, sale = catalog.get("shop"), catalog.get("sale")
    shops = {r["id"]: r for r in rows_of(shop)}
    sales = {r["id"]: r for r in rows_of(sale)}
    for row in sales.values():
        assert row["amount"] == (row["price"] or 0) * (row["quantity"] or 0), row
    for key, row in shops.items():
        mine = [s for s in sales.values() if s["shop"] == key and s["deleted_at"] is None]
        amounts = [s["amount"] for s in mine]
        counts = [s["quantity"] for s in mine if s["quantity"] is not None]
        big = [s["amount"] for s in mine if (s["quantity"] or 0) >= 2]
        last = sorted((s for s in mine if s["title"]), key=lambda s: (s["day"] or "", s["id"]))
        assert row["sales"] == len(mine) and row["total"] == sum(amounts), (row, mine)
        assert row["biggest"] == max(big, default=None)
        assert row["last_title"] == (last[-1]["title"] if last else None), (row, mine)
        average = (Decimal(sum(counts)) * 100 / len(counts)).to_integral_value("ROUND_HALF_UP") if counts else None
        assert row["average"] == average
        share = Decimal(row["total"] * 10_000) / row["target"] if row["target"] else None
        assert row["share"] == (None if share is None else int(share.to_integral_value("ROUND_HALF_UP")))
    for row in sales.values():
        shop_row = shops.get(row["shop"])
        live = shop_row if shop_row and shop_row["deleted_at"] is None else {}
        assert (row["city"], row["shop_share"]) == (live.get("city"), live.get("share")), (row, shop_row)


def rows_of(form):
    names = ["id", "deleted_at", *form.columns]
    query_ = form.table.select(*[form.col(name) for name in names])
    return [dict(zip(names, row, strict=True)) for row in query_.tuples().execute(db)]


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["一", "二", "三", None]),
        "shop": st.integers(0, 3),
        "price": st.sampled_from([None, "0.10", "9.99", "-3", "1200"]),
        "quantity": st.sampled_from([None, 0, 1, 2, 7]),
        "day": st.sampled_from([None, "2026-01-01", "2026-02-03"]),
    },
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.lists(VALUES, min_size=1, max_size=4)),
        st.tuples(st.just("update"), st.integers(0, 9), VALUES),
        st.tuples(st.just("many"), st.lists(st.integers(0, 9), min_size=1, max_size=4), VALUES),
        st.tuples(st.just("set"), st.lists(st.integers(0, 9), min_size=1, max_size=4), st.sampled_from([None, 3])),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
        st.tuples(st.just("restore"), st.lists(st.integers(0, 9), min_size=1, max_size=3)),
        st.tuples(st.just("shop"), st.integers(0, 3), st.sampled_from(["hz", "wz", None]), st.sampled_from([None, "100", "3"])),
        st.tuples(st.just("close"), st.integers(0, 3)),
        st.tuples(st.just("open"), st.integers(0, 3)),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_is_written_the_values_are_those_computed_from_scratch(shops, steps):
    shop, sale = catalog.get("shop"), catalog.get("sale")
    with pytest.raises(Rewind), write():
        places = records.create_many(shop, [{"name": str(i), "target": "7"} for i in range(4)], SYSTEM).ids
        made: list[int] = []
        for step in steps:
            take(shop, sale, places, made, step)
            check_everything()
        raise Rewind


class Rewind(Exception):
    pass


def take(shop, sale, places, made, step):
    def meant(values):
        return {k: places[v] if k == "shop" else v for k, v in values.items()}

    ids = [made[i % len(made)] for i in step[1]] if made and isinstance(step[1], list) and step[0] != "create" else []
    if step[0] == "create":
        # A closed shop cannot be chosen: the row fails alone.
        made += [i for i in records.create_many(sale, [meant(v) for v in step[1]], SYSTEM).ids if i]
    elif step[0] == "update" and made:
        records.update_many(sale, {made[step[1] % len(made)]: meant(step[2])}, SYSTEM)
    elif step[0] == "many" and made:
        records.update_many(sale, {i: meant(step[2]) for i in ids}, SYSTEM)
    elif step[0] == "set" and made:
        records.update_set(sale, {"quantity": step[2]}, ids, SYSTEM, records.USER)
    elif step[0] == "delete" and made:
        records.delete_many(sale, ids, SYSTEM)
    elif step[0] == "restore" and made:
        records.restore_many(sale, ids, SYSTEM)
    elif step[0] == "shop":
        records.update_many(shop, {places[step[1]]: {"city": step[2], "target": step[3]}}, SYSTEM)
    elif step[0] in ("close", "open"):
        verb = records.delete_many if step[0] == "close" else records.restore_many
        verb(shop, [places[step[1]]], SYSTEM)


# -- definitions ----------------------------------------------------------------------------------------------------


def add(api, form, expect=201, **doc):
    return api.post(f"/forms/{form}/fields", {"label": doc["key"], **doc}, expect=expect)


def test_a_formula_is_stored_by_key_and_outlives_a_new_label(shops, api):
    amount = next(f for f in api.get("/forms/sale")["fields"] if f["key"] == "amount")
    assert amount["formula"] == "{price} * {quantity}"
    api.patch("/forms/sale/fields/price", {"label": "价格"})
    made = api.post("/forms/sale/records", {"values": {"price": "2.50", "quantity": 4}}, expect=201)
    assert made["values"]["amount"] == "10.00"


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("单价 * 件数", "“件数”"), ("ROUNDED(单价)", "“ROUNDED”"), ("ROUND()", "1 到 2 项"), ("标题 * 2", "「标题」要数字"),
        ("(单价", "少了右边的括号"), ("店铺", "引用"), ("单价 & ", "没有写完"), ("标题 > 数量", "不能比较"), ("ME()", "默认值"),
        ("broken + 1", "互相引用"),
    ],
)  # fmt: skip
def test_a_wrong_formula_is_refused_with_a_sentence(shops, api, text, sentence):
    answer = add(api, "sale", key="broken", type="formula", formula=text, expect=422)
    said = str(answer).replace("这里要数字，“标题”", "「标题」要数字")
    assert sentence in said
    assert "broken" not in {f["key"] for f in api.get("/forms/sale")["fields"]}


def test_circles_are_refused_by_name_across_forms_too(shops, api):
    add(api, "sale", key="again", type="lookup", relation="shop", field="total")
    answer = api.patch("/forms/sale/fields/amount", {"formula": "{again} + 1"}, expect=422)
    assert "互相引用" in str(answer) and "小计" in str(answer) and "销售额" in str(answer)


def test_what_a_formula_needs_cannot_be_deleted(shops, api):
    answer = api.delete("/forms/sale/fields/price", expect=422)
    assert "小计" in str(answer)


def test_computed_fields_cannot_be_written(shops, api):
    answer = api.post("/forms/sale/records", {"values": {"amount": "1"}}, expect=422)
    assert "由固客计算" in str(answer)
    schema = api.get("/openapi.json")["components"]["schemas"]
    assert "readOnly" in str(schema["sale_values"]["properties"]["amount"]) if "sale_values" in schema else True


def test_a_new_field_is_computed_for_old_records_by_a_job(shops, api, work):
    ids = [api.post("/forms/sale/records", {"values": {"price": n, "quantity": 2}}, expect=201)["id"] for n in (1, 2)]
    add(api, "sale", key="twice", type="formula", formula="{amount} * 2")
    add(api, "sale", key="number", type="auto_number", pattern="S-{000}")
    late = api.post("/forms/sale/records", {"values": {"price": 5, "quantity": 1}}, expect=201)
    assert late["values"]["twice"] == "10.00" and late["values"]["number"] is None
    work()
    got = [api.get(f"/forms/sale/records/{i}")["values"] for i in (*ids, late["id"])]
    assert [v["twice"] for v in got] == ["4.00", "8.00", "10.00"]
    # In the order in which they were made, the one that came meanwhile too.
    assert [v["number"] for v in got] == ["S-001", "S-002", "S-003"]
    assert api.post("/forms/sale/records", {"values": {}}, expect=201)["values"]["number"] == "S-004"
    api.patch("/forms/sale/fields/twice", {"formula": "{amount} * 3"})
    work()
    assert api.get(f"/forms/sale/records/{ids[0]}")["values"]["twice"] == "6.00"
    assert api.get(f"/forms/sale/records/{ids[0]}")["version"] == 1


def test_formulas_over_today_follow_the_calendar(shops, api, clock, work):
    clock.set("2026-11-22T10:00:00+08:00")
    add(api, "sale", key="left", type="formula", formula="{day} - TODAY()")
    made = api.post("/forms/sale/records", {"values": {"day": "2026-11-30"}}, expect=201)
    assert made["values"]["left"] == 8
    clock.set("2026-11-23T00:05:00+08:00")
    work()
    assert api.get(f"/forms/sale/records/{made['id']}")["values"]["left"] == 7
    found = api.get("/forms/sale/records", where='{"field":"left","op":"lt","value":8}')
    assert len(found["records"]) == 1


def test_a_rule_hears_that_a_total_has_changed(shops, api, work):
    api.post(
        "/rules",
        {"key": "big", "label": "大店", "form": "shop", "on": {"updated": ["total"]}, "enabled": True,
         "where": {"field": "total", "op": "gte", "value": 100}, "do": [{"action": "set", "values": {"name": "大店"}}]},
        expect=201,
    )  # fmt: skip
    shop = api.post("/forms/shop/records", {"values": {"name": "甲"}}, expect=201)["id"]
    work()
    api.post("/forms/sale/records", {"values": {"shop": shop, "price": 200, "quantity": 1}}, expect=201)
    work()
    assert api.get(f"/forms/shop/records/{shop}")["values"]["name"] == "大店"


# -- automatic numbers ----------------------------------------------------------------------------------------------


def test_numbers_begin_anew_with_their_period(app, clock):
    clock.set("2026-11-30T10:00:00+08:00")
    form = catalog.create_form({"key": "bill", "label": "单", "fields": [
        {"key": "number", "label": "编号", "type": "auto_number", "pattern": "ORD-{yyyy}{mm}-{0000}", "manual": True}]})  # fmt: skip
    ids = records.create_many(form, [{}, {"number": "ORD-202611-0007"}, {}], SYSTEM).ids
    assert [stored("bill", i)["number"] for i in ids] == ["ORD-202611-0008", "ORD-202611-0007", "ORD-202611-0009"]
    clock.set("2026-12-01T10:00:00+08:00")
    assert stored("bill", records.create(form, {}, SYSTEM))["number"] == "ORD-202612-0001"
    twice = records.create_many(form, [{"number": "ORD-202611-0007"}], SYSTEM)
    assert "number" in twice.errors[0]


def test_a_failed_record_leaves_no_hole(app):
    form = catalog.create_form({"key": "bill", "label": "单", "fields": [
        {"key": "number", "label": "编号", "type": "auto_number", "pattern": "{000}", "gapless": True},
        {"key": "name", "label": "名", "type": "text", "required": True}]})  # fmt: skip
    written = records.create_many(form, [{"name": "a"}, {}, {"name": "b"}], SYSTEM)
    assert [stored("bill", i)["number"] for i in written.ids if i] == ["001", "002"]
    with pytest.raises(Rewind), write():
        records.create(form, {"name": "c"}, SYSTEM)
        raise Rewind
    assert stored("bill", records.create(form, {"name": "d"}, SYSTEM))["number"] == "003"


@pytest.mark.parametrize("pattern, more", [("ORD", {}), ("{0000}-{00}", {}), ("{00}", {"reset": "month"}), ("{x}{0}", {})])
def test_a_pattern_that_would_repeat_is_refused(app, api, pattern, more):
    api.post("/forms", {"key": "bill", "label": "单", "fields": [
        {"key": "n", "label": "n", "type": "auto_number", "pattern": pattern, **more}]}, expect=422)  # fmt: skip


# -- default values -------------------------------------------------------------------------------------------------


def test_a_default_may_be_a_formula(app, api, staff_api, clock):
    clock.set("2026-11-22T10:00:00+08:00")
    api.post("/forms", {"key": "call", "label": "回访", "fields": [
        {"key": "on", "label": "开始", "type": "date", "default_formula": "TODAY()"},
        {"key": "due", "label": "截止", "type": "date", "default_formula": "开始 + 7"},
        {"key": "who", "label": "负责人", "type": "person", "default_formula": "ME()"}]}, expect=201)  # fmt: skip
    made = staff_api.post("/forms/call/records", {"values": {}}, expect=201)["values"]
    assert (made["on"], made["due"], made["who"]) == ("2026-11-22", "2026-11-29", "bo")
    made = staff_api.post("/forms/call/records", {"values": {"on": "2026-12-01", "who": "cy"}}, expect=201)["values"]
    assert (made["due"], made["who"]) == ("2026-12-08", "cy")
    api.post("/forms/call/fields", {"key": "x", "label": "x", "type": "date", "default_formula": "1 +"}, expect=422)
