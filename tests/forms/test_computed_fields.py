"""Formula, lookup, rollup and automatic number: right after every kind of write, and read as what they result in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts import permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.core.db import db, write
from appliance.forms import catalog, formula, query, records
from appliance.forms.formula import compiling
from appliance.forms.formula.functions import FUNCTIONS
from appliance.forms.formula.parser import FormulaProblem
from appliance.web import help as web_help

SHOP = {"key": "shop", "label": "店铺", "fields": [
    {"key": "name", "label": "名称", "type": "text"},
    {"key": "city", "label": "城市", "type": "choice", "choices": [
        {"value": "hz", "label": {"zh": "杭州", "en": "Hangzhou"}}, {"value": "wz", "label": "温州"}]},
    {"key": "target", "label": "目标", "type": "money"},
    {"key": "code", "label": "店号", "type": "text", "unique": True},
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
        st.tuples(
            st.just("shop"), st.integers(0, 3), st.sampled_from(["hz", "wz", None]), st.sampled_from([None, "100", "3"])
        ),
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


@pytest.mark.parametrize(
    "pattern, more", [("ORD", {}), ("{0000}-{00}", {}), ("{00}", {"reset": "month"}), ("{x}{0}", {})]
)
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


# -- read as what they result in ------------------------------------------------------------------------------------

READ = {
    "text": ('{title} & "！"', "乙！", [("contains", "乙", {1}), ("eq", "甲！", {0}), ("empty", None, {2})]),
    "integer": ("{quantity} + 1", 3, [("gt", 2, {1}), ("between", [2, 2], {0}), ("in", [3], {1})]),
    "decimal": ("{quantity} / 3", "0.67", [("lt", "0.5", {0, 2}), ("eq", "0.67", {1})]),
    "money": ("{price} * 2", "4.20", [("gte", "4.2", {1}), ("lt", 4, {0, 2})]),
    "percent": ("{quantity}%", "0.0200", [("eq", "2%", {1})]),
    "date": ("{day} + 1", "2026-11-03", [("lt", "2026-11-03", {0}), ("this", "month", {0, 1}), ("empty", None, {2})]),
    "datetime": ('DATEADD({day}, 8, "hour")', "2026-11-02T08:00:00+08:00", [("within", {"days": 90}, {0, 1})]),
    "yes_no": ("{quantity} > 1", True, [("eq", True, {1}), ("ne", True, {0, 2})]),
}
"""By result: the formula, what the API prints for the second record, and filters with the records they find."""


@pytest.mark.parametrize("result", READ)
def test_a_result_is_filtered_sorted_grouped_and_exported_like_its_type(shops, api, client, work, clock, result):
    clock.set("2026-11-22T10:00:00+08:00")
    text, printed, filters = READ[result]
    add(api, "sale", key="out", type="formula", formula=text, result=result)
    rows = [{"title": "甲", "quantity": 1, "price": "1", "day": "2026-11-01"},
            {"title": "乙", "quantity": 2, "price": "2.1", "day": "2026-11-02"}, {}]  # fmt: skip
    ids = [api.post("/forms/sale/records", {"values": row}, expect=201)["id"] for row in rows]
    if result == "text":
        # Nothing and a mark is the mark.
        api.patch("/forms/sale/fields/out", {"formula": 'IF(ISBLANK({title}), "", {title} & "！")'})
        work()
    assert api.get(f"/forms/sale/records/{ids[1]}")["values"]["out"] == printed
    for op, value, places in filters:
        where = {"field": "out", "op": op} | ({} if value is None else {"value": value})
        found = api.post("/forms/sale/query", {"where": where})["records"]
        assert {r["id"] for r in found} == {ids[i] for i in places}, (op, value)
    down = [r["id"] for r in api.get("/forms/sale/records", sort="-out")["records"]]
    assert down.index(ids[1]) < down.index(ids[0]) or result == "text"
    groups = api.post(
        "/forms/sale/records:aggregate", {"group_by": [{"field": "out"}], "measures": [{"agg": "count", "as": "n"}]}
    )
    assert sum(g["n"] for g in groups["rows"]) == 3 if "rows" in groups else groups
    page = client.get("/forms/sale?cols=title,out").text
    assert "乙" in page
    exported = client.get("/forms/sale/export?format=csv&columns=title,out")
    assert exported.status_code in (200, 202, 302, 303)


def test_an_import_does_not_fill_computed_columns(shops, cli, tmp_path, api):
    file = tmp_path / "sales.csv"
    file.write_text("标题,单价,数量,小计\n一,2,3,999\n", encoding="utf-8")
    done = cli("import", "sale", file, "--json")
    found = api.get("/forms/sale/records")["records"]
    assert [r["values"]["amount"] for r in found] == (["6.00"] if done.status == 0 else [])


def test_numbers_come_with_an_import_where_that_is_allowed(app, cli, tmp_path, api):
    catalog.create_form({"key": "bill", "label": "单", "fields": [
        {"key": "no", "label": "编号", "type": "auto_number", "pattern": "B{000}", "manual": True},
        {"key": "name", "label": "名称", "type": "text"}]})  # fmt: skip
    file = tmp_path / "bills.csv"
    file.write_text("编号,名称\nB041,a\n,b\n旧-7,c\n", encoding="utf-8")
    cli("import", "bill", file, "--json").ok()
    numbers = {r["values"]["name"]: r["values"]["no"] for r in api.get("/forms/bill/records")["records"]}
    assert numbers == {"a": "B041", "b": "B042", "c": "旧-7"}


def test_undoing_an_import_takes_its_sums_back(shops, cli, tmp_path, api, work):
    shop = api.post("/forms/shop/records", {"values": {"name": "甲", "code": "S1"}}, expect=201)["id"]
    file = tmp_path / "sales.csv"
    file.write_text("标题,单价,数量,店号\n一,2,3,S1\n二,1,1,S1\n", encoding="utf-8")
    done = cli("import", "sale", file, "--json").ok().json
    assert api.get(f"/forms/shop/records/{shop}")["values"]["total"] == "7.00"
    cli("import", "undo", str(done["import_id"])).ok()
    work()
    assert api.get(f"/forms/shop/records/{shop}")["values"]["total"] == "0.00"


def test_typing_is_answered_before_anything_is_saved(shops):
    shop = records.create(catalog.get("shop"), {"name": "甲", "city": "hz"}, SYSTEM)
    row = formula.compute(catalog.get("sale"), [{"price": 250, "quantity": 2, "shop": shop}], SYSTEM)[0]
    assert (row["amount"], row["city"]) == (500, "hz")


def test_a_formula_of_fields_kept_by_statement_follows_them(app, api, work):
    add(
        api,
        "customer",
        key="per_order",
        type="formula",
        formula="IF({order_count} > 0, {total_paid} / {order_count}, 0)",
    )
    work()
    customer = api.post("/forms/customer/records", {"values": {"name": "张三"}}, expect=201)["id"]
    for amount in (100, 201):
        api.post(
            "/forms/order/records",
            {"values": {"number": f"N{amount}", "customer": customer, "amount": amount, "paid_at": "2026-01-02"}},
            expect=201,
        )
    assert api.get(f"/forms/customer/records/{customer}")["values"]["per_order"] == "150.50"


def test_the_designer_is_told_what_a_formula_comes_to(shops, client, staff_client):
    records.create(catalog.get("sale"), {"title": "甲单", "price": "2.50", "quantity": 2}, SYSTEM)
    told = client.post("/forms/sale/formula", json={"formula": "单价 * 数量 + 1"}).get_json()
    assert (told["type"], told["text"], told["sample"]["value"]) == ("money", "{price} * {quantity} + 1", "6.00")
    assert told["shown"] == "{单价} * {数量} + 1" and told["problems"] == []
    told = client.post("/forms/sale/formula", json={"formula": "单价 * 件数"}).get_json()
    assert told["type"] is None and told["problems"] == [{"message": "「销售」没有叫“件数”的字段。", "position": 5}]
    told = client.post("/forms/sale/formula", json={"formula": "{amount} + 1", "field": "amount"}).get_json()
    assert "互相引用" in told["problems"][0]["message"]
    assert staff_client.post("/forms/sale/formula", json={"formula": "1"}).status_code == 403


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_manual_has_every_function(language):
    page = Path(web_help.FOLDER, language, "formulas.md").read_text(encoding="utf-8")
    for function in FUNCTIONS.values():
        assert f"| `{function.name}` {function.zh} |" in page and f"`{function.example}`" in page, function.name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_does_what_its_example_says(app, name):
    function = FUNCTIONS[name]
    program = compiling.compile(function.example, {}, default=True)
    with compiling.running():
        value = compiling.value_of(program, {}, compiling.environment())
        assert (
            compiling.text_of(compiling.Typed(program.type, lambda row, env: value, program.tree))({}, None)
            == function.shows
        )


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet='0123456789.+-*/^%&=<>(),"{}ab单IFROUND ', max_size=60))
def test_no_text_does_harm(app, text):
    """Whatever is typed is a formula or a sentence, and is computed at once."""
    try:
        program = compiling.compile(text, {}, default=True)
    except FormulaProblem as problem:
        assert problem.message and 0 <= problem.start <= len(text) + 1
        return
    with compiling.running():
        compiling.value_of(program, {}, compiling.environment())


def test_sums_of_money_are_exact(app):
    form = catalog.create_form({"key": "f", "label": "f", "fields": [
        {"key": "a", "label": "a", "type": "money"}, {"key": "b", "label": "b", "type": "money"},
        {"key": "c", "label": "c", "type": "formula", "formula": "a + b"}]})  # fmt: skip
    made = records.create_many(form, [{"a": "0.10", "b": "0.20"}, {"a": "90071992547409.93", "b": "0.01"}], SYSTEM).ids
    assert [stored("f", i)["c"] for i in made] == [30, 9007199254740994]


def test_a_rollup_counts_through_a_relation_to_several_records(shops, api):
    api.post("/forms", {"key": "event", "label": "活动", "fields": [
        {"key": "cost", "label": "费用", "type": "money"},
        {"key": "shops", "label": "店铺", "type": "relations", "form": "shop"}]}, expect=201)  # fmt: skip
    api.post(
        "/forms/shop/fields",
        {"key": "costs", "label": "费用", "type": "rollup", "form": "event", "agg": "sum", "of": "cost"},
        expect=201,
    )
    a, b = (api.post("/forms/shop/records", {"values": {"name": n}}, expect=201)["id"] for n in "ab")

    def costs():
        return [api.get(f"/forms/shop/records/{i}")["values"]["costs"] for i in (a, b)]

    event = api.post("/forms/event/records", {"values": {"cost": 5, "shops": [a, b]}}, expect=201)["id"]
    api.post("/forms/event/records", {"values": {"cost": 2, "shops": [b]}}, expect=201)
    assert costs() == ["5.00", "7.00"]
    api.patch(f"/forms/event/records/{event}", {"values": {"shops": {"remove": [b]}, "cost": 6}})
    assert costs() == ["6.00", "2.00"]
    api.delete(f"/forms/event/records/{event}")
    assert costs() == ["0.00", "2.00"]
    api.post(f"/forms/event/records/{event}:restore")
    assert costs() == ["6.00", "2.00"]


def test_a_rollup_adds_up_the_line_items_of_a_record(app, api, work):
    api.post("/forms", {"key": "quote", "label": "报价", "fields": [
        {"key": "lines", "label": "明细", "type": "sub_form", "fields": [
            {"key": "price", "label": "单价", "type": "money"}, {"key": "count", "label": "数量", "type": "integer"},
            {"key": "sum", "label": "小计", "type": "formula", "formula": "单价 * 数量"}]},
        {"key": "total", "label": "合计", "type": "rollup", "over": "lines", "agg": "sum", "of": "sum"},
        {"key": "gross", "label": "含税", "type": "formula", "formula": "{total} * 1.13"}]}, expect=201)  # fmt: skip
    made = api.post(
        "/forms/quote/records",
        {"values": {"lines": [{"price": 2, "count": 3}, {"price": "0.50", "count": 1}]}},
        expect=201,
    )
    assert (made["values"]["total"], made["values"]["gross"]) == ("6.50", "7.35")


def test_a_field_that_comes_back_from_the_bin_is_right_again(shops, api, work):
    shop = api.post("/forms/shop/records", {"values": {"name": "甲"}}, expect=201)["id"]
    catalog.add_field(catalog.get("shop"), {"key": "again", "label": "次数", "type": "rollup", "form": "sale"})
    work()
    catalog.delete_field(catalog.get("shop"), "again")
    api.post("/forms/sale/records", {"values": {"shop": shop}}, expect=201)
    catalog.restore_field(catalog.get("shop"), "again")
    work()
    assert stored("shop", shop)["again"] == 1


def test_who_may_not_see_the_sources_sees_the_result_only_where_the_designer_says_so(shops, staff_api):
    catalog.add_field(
        catalog.get("sale"), {"key": "open", "label": "公开", "type": "formula", "formula": "{price} * 2", "open": True}
    )
    rights = {"forms": {"*": {"verbs": list(permissions.VERBS)},
                        "sale": {"verbs": list(permissions.VERBS), "fields": {"price": "hidden"}}}}  # fmt: skip
    users.add_role("narrow", "narrow", permissions.Rights.open(rights))
    users.update(users.by_login("bo").id, SYSTEM, role="narrow")
    made = records.create(catalog.get("sale"), {"price": "7", "quantity": 1}, SYSTEM)
    seen = staff_api.get(f"/forms/sale/records/{made}")["values"]
    assert "price" not in seen and "amount" not in seen and seen["open"] == "14.00"
    staff_api.get("/forms/sale/records", sort="amount", expect=422)
