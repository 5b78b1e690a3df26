"""Random forms, random records, random conditions: what SQL finds is what plain Python finds; pages hold each record once."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core import clock
from appliance.core.db import read
from appliance.forms import catalog, conditions, records
from appliance.forms.conditions import Context
from appliance.forms.query import Query
from tests.forms.test_conditions import DAY, NOW, ORDER_OPS, TZ, value_test
from tests.support import world

ORDER = [*ORDER_OPS, "between", "in", "not_in"]
TEXT = ["eq", "ne", "in", "not_in", "contains", "not_contains", "starts_with"]
SAME = ["eq", "ne", "in", "not_in"]
MANY = ["has_any", "has_all", "has_none"]
TREE = [{"value": "a", "label": "甲", "children": ["b", {"value": "c", "label": "丙", "children": ["d"]}]}, {"value": "e", "label": "戊", "children": ["f"]}]  # fmt: skip


def same(*values: Any) -> list[tuple[Any, Any]]:
    return [(value, value) for value in values]


def numbers(*texts: str) -> list[tuple[Any, Any]]:
    return [(text, Decimal(text)) for text in texts]


def day(offset: int) -> str:
    return (dt.date(2026, 3, 1) + dt.timedelta(days=offset)).isoformat()


def moment(offset: int) -> tuple[str, int]:
    at = NOW + offset * DAY // 8
    return dt.datetime.fromtimestamp(at, TZ).isoformat(), at


KINDS: dict[str, tuple[list[tuple[Any, Any]], list[str], dict[str, Any]]] = {
    "text": (same("杭州店", "上海店", "杭_州", "100%", "a'b", "店"), TEXT, {}),
    "long_text": (same("杭州\n店", "100%", "_"), ["contains", "not_contains"], {}),
    "integer": (same(*range(-3, 4)), ORDER, {}),
    "decimal": (numbers("-0.125", "0", "0.1", "2.5", "1000"), ORDER, {"digits": 3}),
    "money": (numbers("-5", "0", "0.01", "9.90", "1200"), ORDER, {}),
    "percent": (numbers("0", "0.05", "0.1", "1.2"), ORDER, {}),
    "rating": (same(1, 2, 3, 4, 5), ORDER, {}),
    "slider": (same(0, 2.5, 10, 97.5), ORDER, {"step": 2.5}),
    "date": (same(*(day(n) for n in (-800, -365, -31, -1, 0, 1, 8, 40))), [*ORDER, "within", "not_within", "next", "this", "last"], {}),
    "datetime": ([moment(n) for n in (-6400, -900, -9, -1, 0, 1, 9, 300)], [*ORDER, "within", "not_within", "next", "this", "last"], {}),
    "month": (same("2025-03", "2026-02", "2026-03", "2027-01"), ORDER, {}),
    "time": (same("00:00", "08:30", "12:00:01", "23:59:59"), ORDER, {}),
    "duration": ([("0:45:00", 2700), ("1:30:00", 5400), ("25:00:00", 90_000)], ORDER, {}),
    "yes_no": (same(True, False), ["eq", "ne"], {}),
    "choice": (same("a", "b", "c"), SAME, {"choices": ["a", "b", "c"]}),
    "multi_choice": ([(["a"], {"a"}), (["a", "c"], {"a", "c"}), (["b", "c"], {"b", "c"})], MANY, {"choices": ["a", "b", "c"]}),
    "cascade": (same("a/b", "a/c/d", "e/f"), [*SAME, "under", "not_under"], {"tree": TREE}),
    "color": (same("#000000", "#ff8800", "#ffffff"), SAME, {}),
    "phone": (same("13800138000", "0571-88886666", "+14155552671"), TEXT, {}),
    "email": (same("a@b.cn", "c@d.com"), TEXT, {}),
    "url": (same("https://a.cn/x", "http://b.cn"), TEXT, {}),
    "barcode": (same("A-1", "690"), TEXT, {}),
    "person": (same("amy", "bo", "cy"), SAME, {}),
    "persons": ([(["amy"], {"amy"}), (["bo", "cy"], {"bo", "cy"})], MANY, {}),
}  # fmt: skip
"""Values as the API takes them with what they are to plain Python; operators; options."""


@st.composite
def forms(draw: Any) -> tuple[list[str], list[dict[str, Any]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=6))
    fields = []
    for number, kind in enumerate(kinds):
        values, _ops, options = KINDS[kind]
        doc = {"key": f"f{number}", "label": f"值{number}", "type": kind, **options}
        if kind not in ("multi_choice", "persons", "long_text"):
            doc["indexed"] = draw(st.booleans())
        if kind in ("choice", "integer", "rating", "yes_no") and draw(st.booleans()):
            doc["default"] = draw(st.sampled_from(values))[0]
        fields.append(doc)
    return kinds, fields


@st.composite
def leaves(draw: Any, kinds: list[str]) -> dict[str, Any]:
    number = draw(st.integers(0, len(kinds) - 1))
    values, ops, _options = KINDS[kinds[number]]
    op = draw(st.sampled_from([*ops, "empty", "not_empty"]))
    raws = st.sampled_from([raw for raw, _plain in values])
    value: Any = None
    if op in MANY:
        value = draw(
            st.lists(st.sampled_from(sorted(set().union(*(plain for _raw, plain in values)))), min_size=1, max_size=3)
        )
    elif op in ("in", "not_in"):
        value = draw(st.lists(raws, min_size=1, max_size=3))
    elif op == "between":
        value = [draw(raws), draw(raws)]
    elif op in ("contains", "not_contains", "starts_with"):
        text = draw(raws)
        start = draw(st.integers(0, len(text) - 1))
        value = text[start : start + draw(st.integers(1, 4))].strip() or text
    elif op in ("under", "not_under"):
        value = draw(st.sampled_from(["a", "a/b", "a/c", "e"]))
    elif op in ("within", "not_within", "next"):
        value = {"days": draw(st.integers(0, 90))}
    elif op in ("this", "last"):
        value = draw(st.sampled_from(["day", "week", "month", "quarter", "year"]))
    elif op not in ("empty", "not_empty"):
        value = draw(raws)
    return {"field": f"f{number}", "op": op, "value": value}


def trees(kinds: list[str]) -> Any:
    return st.recursive(
        leaves(kinds),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
            st.lists(inner, max_size=3).map(lambda parts: {"any": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=4,
    )


# -- the plain evaluator ----------------------------------------------------------------------------------------------


def plain(kind: str, raw: Any) -> Any:
    return next((value for known, value in KINDS[kind][0] if known == raw and type(known) is type(raw)), None)


def held(kind: str, doc: dict[str, Any], raw: Any) -> Any:
    """What a new record holds: its default where nothing was given."""
    raw = doc.get("default") if raw is None else raw
    return None if raw is None else plain(kind, raw)


def meets(test: dict[str, Any], kinds: list[str], row: dict[str, Any]) -> bool:
    """Whether a row of plain values meets a condition."""
    if "all" in test:
        return all(meets(part, kinds, row) for part in test["all"])
    if "any" in test:
        return any(meets(part, kinds, row) for part in test["any"])
    if "not" in test:
        return not meets(test["not"], kinds, row)
    kind, op, wanted, actual = kinds[int(test["field"][1:])], test["op"], test["value"], row[test["field"]]
    if op in MANY:
        shared = (actual or set()) & set(wanted)
        return {"has_any": bool(shared), "has_all": shared == set(wanted), "has_none": not shared}[op]
    if op in ("under", "not_under"):
        inside = actual is not None and (actual == wanted or actual.startswith(f"{wanted}/"))
        return inside == (op == "under")
    if op in (*ORDER, "eq", "ne"):
        wanted = [plain(kind, one) for one in wanted] if isinstance(wanted, list) else plain(kind, wanted)
    return value_test(test["field"], op, actual, wanted)


# -- the test ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def company(template: world.Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("random") / "data"
    shutil.copytree(template.folder, folder)
    clock.use(lambda: float(NOW))
    with world.running(folder) as app:
        yield app
    clock.use(None)


serial = itertools.count()


@settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_random_form_is_filtered_sorted_and_paged_as_plain_python_would(company: Flask, data: Any) -> None:
    kinds, fields = data.draw(forms())
    cell = [st.none() | st.sampled_from([raw for raw, _plain in KINDS[kind][0]]) for kind in kinds]
    rows = data.draw(st.lists(st.tuples(*cell), min_size=1, max_size=9))
    tests = data.draw(st.lists(trees(kinds), min_size=4, max_size=10))
    with company.app_context(), read():
        form = catalog.create_form({"key": f"box_{next(serial)}", "label": "盒", "fields": fields})
        written = records.create_many(form, [{f"f{i}": v for i, v in enumerate(row)} for row in rows], SYSTEM)
        assert not written.errors
        values = {
            record_id: {f"f{i}": held(kinds[i], fields[i], v) for i, v in enumerate(row)}
            for record_id, row in zip(written.ids, rows, strict=True)
        }
        context = Context(now=NOW, tz=TZ)
        saved = list(Query(form, SYSTEM).each())
        assert {record.id for record in saved} == set(values)
        for test in tests:
            expected = {record_id for record_id, row in values.items() if meets(test, kinds, row)}
            expression = conditions.compile(test, form, context)
            query = Query(form, SYSTEM) if expression is None else Query(form, SYSTEM).only(expression)
            assert {record.id for record in query.page(100).records} == expected, test
            assert query.count() == len(expected)
            # Values that are in no table yet meet what they would meet in the table.
            told = conditions.met_by(test, form, [record.values for record in saved], context)
            assert {record.id for record, met in zip(saved, told, strict=True) if met} == expected, test
            assert conditions.explain(test, form, saved[0].id, context).passed == (saved[0].id in expected)
            assert conditions.words(test, form)
        for number, kind in enumerate(kinds):
            if form.fields[f"f{number}"].sortable and kind not in ("choice", "person"):
                check_order(form, f"f{number}", values)


def check_order(form: Any, key: str, values: dict[int, dict[str, Any]]) -> None:
    """Pages of two, forwards and back, hold each record once, in order, those without a value last."""
    for sort in (key, f"-{key}"):
        query = Query(form, SYSTEM).sort(sort)
        pages = [query.page(2)]
        while pages[-1].next_cursor:
            pages.append(query.page(2, pages[-1].next_cursor))
        found = [record.id for page in pages for record in page.records]
        assert sorted(found) == sorted(values)
        held = [values[record_id][key] for record_id in found]
        filled = [value for value in held if value is not None]
        assert held == filled + [None] * (len(held) - len(filled))
        assert filled == sorted(filled, reverse=sort.startswith("-"))
        back = pages[-1]
        for page in reversed(pages[:-1]):
            back = query.page(2, back.prev_cursor)
            assert [record.id for record in back.records] == [record.id for record in page.records]
