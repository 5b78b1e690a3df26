"""Formula, lookup, rollup and automatic number: right after every kind of write, and read as what they result in."""

from __future__ import annotations

import pytest

from appliance.accounts.actor import SYSTEM
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
