"""The condition compiler against a plain Python evaluator, over random records and random conditions."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core.db import read
from appliance.forms import catalog, conditions, records
from appliance.forms.conditions import Context
from appliance.forms.query import Query
from tests.support import world

TZ = ZoneInfo("Asia/Shanghai")
NOW = int(dt.datetime(2026, 3, 1, 10, 30, tzinfo=TZ).timestamp())
DAY = 86_400

SHOP = {
    "key": "shop",
    "label": "店铺",
    "title_field": "name",
    "fields": [
        {"key": "name", "label": "名称", "type": "text"},
        {"key": "rank", "label": "等级", "type": "integer"},
        {"key": "opened", "label": "开业", "type": "date"},
        {"key": "seen", "label": "来访", "type": "datetime"},
        {"key": "kind", "label": "类型", "type": "choice", "choices": ["a", "b", "c"]},
        {"key": "good", "label": "好", "type": "yes_no"},
    ],
}
SALE = {
    "key": "sale",
    "label": "销售",
    "fields": [
        {"key": "shop", "label": "店铺", "type": "relation", "form": "shop"},
        {"key": "amount", "label": "金额", "type": "money"},
        {"key": "sold", "label": "时间", "type": "datetime"},
    ],
}

days = st.integers(-800, 800)
SHOPS = st.fixed_dictionaries(
    {
        "name": st.sampled_from([None, "杭州店", "上海店", "杭_州", "100%", "a'b"]),
        "rank": st.none() | st.integers(-3, 3),
        "opened": st.none() | days.map(lambda n: (dt.date(2026, 3, 1) + dt.timedelta(days=n)).isoformat()),
        "seen": st.none() | days.map(lambda n: NOW + n * DAY // 8),
        "kind": st.none() | st.sampled_from("abc"),
        "good": st.none() | st.integers(0, 1),
    }
)
SALES = st.fixed_dictionaries(
    {
        "shop": st.none() | st.integers(0, 5),
        "amount": st.none() | st.integers(0, 400),
        "sold": st.none() | days.map(lambda n: NOW + n * DAY // 8),
    }
)

NAMES = st.sampled_from(["杭州店", "上海店", "杭", "_", "%", "100%", "'", "无"])
SPAN = st.integers(0, 90).map(lambda n: {"days": n})
PERIOD = st.sampled_from(["day", "week", "month", "quarter", "year"])
DATE = days.map(lambda n: (dt.date(2026, 3, 1) + dt.timedelta(days=n)).isoformat())
ORDER_OPS = ["eq", "ne", "lt", "lte", "gt", "gte"]


def leaf(field: str, ops: Any, value: Any) -> Any:
    return st.fixed_dictionaries({"field": st.just(field), "op": ops, "value": value})


def leaves(prefix: str = "") -> Any:
    many = lambda s: st.lists(s, min_size=1, max_size=3)  # noqa: E731
    two = lambda s: st.lists(s, min_size=2, max_size=2)  # noqa: E731
    ranks = st.integers(-3, 3)
    return st.one_of(
        leaf(prefix + "name", st.sampled_from(["eq", "ne", "contains", "not_contains", "starts_with"]), NAMES),
        leaf(prefix + "name", st.sampled_from(["in", "not_in"]), many(NAMES)),
        leaf(prefix + "rank", st.sampled_from(ORDER_OPS), ranks),
        leaf(prefix + "rank", st.just("between"), two(ranks)),
        leaf(prefix + "rank", st.sampled_from(["in", "not_in"]), many(ranks)),
        leaf(prefix + "kind", st.sampled_from(["eq", "ne"]), st.sampled_from("abc")),
        leaf(prefix + "good", st.sampled_from(["eq", "ne"]), st.booleans()),
        leaf(prefix + "opened", st.sampled_from(ORDER_OPS), DATE),
        leaf(prefix + "opened", st.sampled_from(["within", "not_within", "next", "anniversary_within"]), SPAN),
        leaf(prefix + "opened", st.sampled_from(["this", "last"]), PERIOD),
        leaf(prefix + "seen", st.sampled_from(["within", "not_within", "next"]), SPAN),
        leaf(prefix + "seen", st.sampled_from(["this", "last"]), PERIOD),
        *[
            leaf(prefix + key, st.sampled_from(["empty", "not_empty"]), st.none())
            for key in ("name", "rank", "opened", "seen", "kind", "good")
        ],
    )


RELATED = st.fixed_dictionaries(
    {
        "related": st.just("sale"),
        "agg": st.sampled_from(["count", "sum", "avg", "min", "max", "distinct"]),
        "of": st.just("amount"),
        "op": st.sampled_from(ORDER_OPS),
        "value": st.integers(0, 4),
    },
    optional={
        "within": SPAN,
        "on": st.just("sold"),
        "where": leaf("amount", st.sampled_from(["gt", "ne"]), st.integers(0, 4)),
    },
).map(lambda c: {**c, "on": "sold"} if "within" in c else c)

SHOP_CONDITION = st.recursive(
    leaves() | RELATED,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda cs: {"all": cs}),
        st.lists(inner, max_size=3).map(lambda cs: {"any": cs}),
        inner.map(lambda c: {"not": c}),
    ),
    max_leaves=6,
)


# -- the plain evaluator ------------------------------------------------------------------------------------------


def date_of(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, TZ).date()


TODAY = date_of(NOW)


def period(name: str, back: int) -> tuple[dt.date, dt.date]:
    if name == "day":
        start = TODAY - dt.timedelta(days=back)
        return start, start
    if name == "week":
        start = TODAY - dt.timedelta(days=TODAY.weekday() + 7 * back)
        return start, start + dt.timedelta(days=6)
    size = {"month": 1, "quarter": 3, "year": 12}[name]
    first = (TODAY.year * 12 + TODAY.month - 1) // size * size - back * size
    start = dt.date(first // 12, first % 12 + 1, 1)
    end = dt.date((first + size) // 12, (first + size) % 12 + 1, 1) - dt.timedelta(days=1)
    return start, end


def compare(op: str, actual: Any, wanted: Any) -> bool:
    if op == "ne":
        return not compare("eq", actual, wanted)
    if actual is None:
        return False
    return {
        "eq": actual == wanted, "lt": actual < wanted, "lte": actual <= wanted, "gt": actual > wanted, "gte": actual >= wanted,
    }[op]  # fmt: skip


def value_test(field: str, op: str, actual: Any, wanted: Any) -> bool:
    if op in ("not_in", "not_contains", "not_within"):
        return not value_test(field, op[4:], actual, wanted)
    if op == "empty":
        return actual is None
    if op == "ne":
        return not value_test(field, "eq", actual, wanted)
    if actual is None:
        return False
    if op == "not_empty":
        return True
    if op in ORDER_OPS:
        return compare(op, actual, int(wanted) if field == "good" else wanted)
    if op == "in":
        return actual in wanted
    if op == "between":
        return wanted[0] <= actual <= wanted[1]
    if op == "contains":
        return wanted in actual
    if op == "starts_with":
        return bool(actual.startswith(wanted))
    moment = (
        int(dt.datetime.fromisoformat(actual).replace(tzinfo=TZ).timestamp()) if isinstance(actual, str) else actual
    )
    day = date_of(moment)
    if op == "within":
        return NOW - wanted["days"] * DAY <= moment <= NOW
    if op == "next":
        begins = day >= TODAY if isinstance(actual, str) else moment >= NOW
        return begins and day <= TODAY + dt.timedelta(days=wanted["days"])
    if op in ("this", "last"):
        start, end = period(wanted, int(op == "last"))
        return start <= day <= end
    assert op == "anniversary_within"
    for n in range(wanted["days"] + 1):
        candidate = TODAY + dt.timedelta(days=n)
        leap = candidate.year % 4 == 0
        kept = dt.date(2000, 2, 28) if (day.month, day.day) == (2, 29) and not leap else day
        if (kept.month, kept.day) == (candidate.month, candidate.day):
            return True
    return False


def evaluate(c: dict, shop: dict, sales: list[dict]) -> bool:
    if not c:
        return True
    if "all" in c:
        return all(evaluate(x, shop, sales) for x in c["all"])
    if "any" in c:
        return any(evaluate(x, shop, sales) for x in c["any"])
    if "not" in c:
        return not evaluate(c["not"], shop, sales)
    if "field" in c:
        return value_test(c["field"], c["op"], shop[c["field"]], c.get("value"))
    mine = [s for s in sales if s["shop"] == shop["id"]]
    if "within" in c:
        mine = [s for s in mine if value_test("sold", "within", s["sold"], c["within"])]
    if "where" in c:
        wanted = c["where"]["value"] * 100
        mine = [s for s in mine if value_test("amount", c["where"]["op"], s["amount"], wanted)]
    values = [s["amount"] for s in mine if s["amount"] is not None]
    agg = c["agg"]
    if agg in ("count", "distinct"):
        total: Any = len(values) if agg == "count" else len(set(values))
        return compare(c["op"], total, c["value"])
    if agg == "sum":
        total = sum(values)
    elif not values:
        total = None
    else:
        total = {"avg": sum(values) / len(values), "min": min(values), "max": max(values)}[agg]
    return compare(c["op"], total, c["value"] * 100)


# -- the tests ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(template: world.Template, tmp_path_factory: pytest.TempPathFactory) -> Any:
    import shutil

    folder: Path = tmp_path_factory.mktemp("conditions") / "data"
    shutil.copytree(template.folder, folder)
    with world.running(folder) as app:
        with app.app_context(), read():
            catalog.create_form(SHOP)
            catalog.create_form(SALE)
        yield app


def fill(shops: list[dict], sales: list[dict]) -> tuple[list[dict], list[dict]]:
    for key in ("sale", "shop"):
        form = catalog.get(key)
        records.delete_many(form, [r.id for r in Query(form, SYSTEM).each()], SYSTEM)
    shop_form, sale_form = catalog.get("shop"), catalog.get("sale")

    def columns(rows: list[dict]) -> dict[str, list[Any]]:
        return {key: [row[key] for row in rows] for key in rows[0]}

    made = records.create_many(shop_form, None, SYSTEM, columns=columns(shops), parsed=True)
    shops = [{**shop, "id": i} for shop, i in zip(shops, made.ids, strict=True)]
    sales = [{**s, "shop": None if s["shop"] is None else shops[s["shop"] % len(shops)]["id"]} for s in sales]
    if sales:
        written = records.create_many(sale_form, None, SYSTEM, columns=columns(sales), parsed=True)
        sales = [{**s, "id": i} for s, i in zip(sales, written.ids, strict=True)]
    return shops, sales


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(shops=st.lists(SHOPS, min_size=1, max_size=6), sales=st.lists(SALES, max_size=10), condition=SHOP_CONDITION)
def test_sql_and_plain_python_agree(company: Flask, shops: list[dict], sales: list[dict], condition: dict) -> None:
    with company.app_context(), read():
        shops, sales = fill(shops, sales)
        form = catalog.get("shop")
        context = Context(now=NOW, tz=TZ)
        expression = conditions.compile(condition, form, context)
        query = Query(form, SYSTEM)
        found = {r.id for r in (query.only(expression) if expression is not None else query).page(100).records}
        expected = {shop["id"] for shop in shops if evaluate(condition, shop, sales)}
        assert found == expected
        # Asked of one record, explained, and put into words: the same answer, and no crash.
        for shop in shops:
            told = conditions.explain(condition, form, shop["id"], context)
            assert told.passed == (shop["id"] in expected)
        assert conditions.words(condition, form)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    shops=st.lists(SHOPS, min_size=1, max_size=4), sales=st.lists(SALES, min_size=1, max_size=8), test=leaves("shop.")
)
def test_a_path_through_a_relation_agrees(company: Flask, shops: list[dict], sales: list[dict], test: dict) -> None:
    nowhere = dict.fromkeys(("name", "rank", "opened", "seen", "kind", "good"))
    with company.app_context(), read():
        shops, sales = fill(shops, sales)
        form = catalog.get("sale")
        expression = conditions.compile(test, form, Context(now=NOW, tz=TZ))
        found = {r.id for r in Query(form, SYSTEM).only(expression).page(100).records}
        by_id = {shop["id"]: shop for shop in shops} | {None: nowhere}
        field = test["field"].removeprefix("shop.")
        expected = {s["id"] for s in sales if value_test(field, test["op"], by_id[s["shop"]][field], test.get("value"))}
        assert found == expected
