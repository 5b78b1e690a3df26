"""One contract for every field type: in, stored, out, filtered by each of its operators, sorted, refused when wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appliance.forms import fields
from appliance.forms.fields.base import OPERATOR_WORDS
from appliance.web import help as web_help
from tests.forms.test_files import png, send
from tests.support.http import Api, Client


@dataclass
class Sample:
    """``values``: what is sent → what the API prints, in rising order. ``bad``: what is refused. ``filters``: an
    operator with its value → the places in ``values`` that it finds (operators without a value are added by the test)."""

    values: list[tuple[Any, Any]]
    bad: list[Any]
    filters: list[tuple[str, Any, set[int]]]
    options: dict[str, Any] = field(default_factory=dict)


ORDERED = [
    ("eq", 1, {1}), ("ne", 1, {0, 2, 3}), ("in", [0, 2], {0, 2}), ("not_in", [0, 2], {1, 3}), ("lt", 1, {0}),
    ("lte", 1, {0, 1}), ("gt", 1, {2}), ("gte", 1, {1, 2}), ("between", [0, 1], {0, 1}),
]  # fmt: skip
"""By place in ``values``; place 3 is the record without a value."""

TEXT = [
    ("eq", "杭州店", {1}), ("ne", "杭州店", {0, 2, 3}), ("in", ["abc", "杭州店"], {0, 1}), ("not_in", ["abc"], {1, 2, 3}),
    ("contains", "州", {1, 2}), ("not_contains", "州", {0, 3}), ("starts_with", "杭", {1}),
]  # fmt: skip

CHOICES = ["new", {"value": "old", "label": {"zh": "老客", "en": "Old"}}, "lost"]
TREE = [
    {"value": "digital", "label": {"zh": "数码", "en": "Digital"}, "children": [
        {"value": "phone", "label": "手机"}, {"value": "pc", "label": "电脑", "children": ["laptop", "desktop"]},
    ]},
    {"value": "food", "label": "食品", "children": [{"value": "fruit", "label": "水果"}]},
]  # fmt: skip
NEXT_AND_LAST = [
    ("within", {"days": 30}, {0}), ("not_within", {"days": 30}, {1, 2, 3}), ("next", {"days": 30}, {1}),
    ("this", "year", {0, 1}), ("last", "year", set()),
]  # fmt: skip

SAMPLES = {
    "text": Sample([("abc", "abc"), (" 杭州店 ", "杭州店"), ("温州店", "温州店")], ["x" * 256, {"a": 1}, ["a"]], TEXT),
    "long_text": Sample(
        [("abc\r\nd", "abc\nd"), ("杭州店", "杭州店"), ("温州店", "温州店")], ["x" * 20_001, {"a": 1}], TEXT[4:6]
    ),
    "integer": Sample([(-3, -3), ("1,200", 1200), ("１.2万", 12000)], ["1.5", "many", True, 10**30, []], ORDERED),
    "decimal": Sample(
        [("-0.125", "-0.125"), (0, "0.000"), ("1e3", "1000.000")], ["many", {}], ORDERED, {"digits": 3}
    ),
    "money": Sample([("0.1", "0.10"), ("￥1,299.50", "1299.50"), ("1.2万", "12000.00")], ["free", True], ORDERED),
    "percent": Sample([("5%", "0.0500"), ("0.15", "0.1500"), ("120%", "1.2000")], ["most"], ORDERED),
    "date": Sample(
        [("2026-11-01", "2026-11-01"), ("2026年12月3日", "2026-12-03"), ("2028/2/29", "2028-02-29")],
        ["2026-02-30", "soon", 5.5e9, True],
        [*ORDERED, *NEXT_AND_LAST, ("anniversary_within", {"days": 20}, {1})],
    ),
    "datetime": Sample(
        [
            ("2026-11-01T02:00:00Z", "2026-11-01T10:00:00+08:00"),
            ("2026/12/3 9:05", "2026-12-03T09:05:00+08:00"),
            ("2028-02-29", "2028-02-29T00:00:00+08:00"),
        ],
        ["2026-02-30 10:00", "soon"],
        [*ORDERED, *NEXT_AND_LAST],
    ),
    "yes_no": Sample([("否", False), (True, True)], ["perhaps", []], [("eq", True, {1}), ("ne", True, {0, 3})]),
    "choice": Sample(
        [("lost", "lost"), ("NEW", "new"), ("老客", "old")],
        ["gone", ["new"]],
        [
            ("eq", "老客", {2}), ("ne", "old", {0, 1, 3}), ("in", ["new", "old"], {1, 2}), ("not_in", ["new", "old"], {0, 3}),
            ("contains", "ne", {1}),
        ],
        {"choices": CHOICES},
    ),
    "phone": Sample(
        [("+1 415 555 2671", "+14155552671"), ("0571-8888 6666", "0571-88886666"), (13800138000.0, "13800138000")],
        ["123", "phone", True],
        [
            ("eq", "+86 138-0013-8000", {2}), ("ne", "13800138000", {0, 1, 3}), ("in", ["13800138000"], {2}),
            ("not_in", ["13800138000"], {0, 1, 3}), ("contains", "8888", {1}), ("not_contains", "8888", {0, 2, 3}),
            ("starts_with", "138", {2}),
        ],
    ),
    "email": Sample(
        [("A@b.cn", "a@b.cn"), ("c@d.com", "c@d.com")],
        ["a@", "a b@c.cn", "x"],
        [
            ("eq", "A@B.cn", {0}), ("ne", "a@b.cn", {1, 3}), ("in", ["a@b.cn"], {0}), ("not_in", ["a@b.cn"], {1, 3}),
            ("contains", "d.com", {1}), ("not_contains", "d.com", {0, 3}), ("starts_with", "a@", {0}),
        ],
    ),
    "url": Sample(
        [("http://a.cn/x?y=1", "http://a.cn/x?y=1"), ("https://b.cn", "https://b.cn")],
        ["javascript:alert(1)", "a.cn", "http://"],
        [
            ("eq", "https://b.cn", {1}), ("ne", "https://b.cn", {0, 3}), ("in", ["https://b.cn"], {1}),
            ("not_in", ["https://b.cn"], {0, 3}), ("contains", "a.cn", {0}), ("not_contains", "a.cn", {1, 3}),
            ("starts_with", "https:", {1}),
        ],
    ),
    "rich_text": Sample(
        [
            ("<h1 onclick='x()'>abc</h1><script>alert(1)</script>", "<h2>abc</h2>"),
            ("杭州店\n<b>x", "杭州店\n<strong>x</strong>"),
            ("温州店 & 1 < 2", "<p>温州店 &amp; 1 &lt; 2</p>"),
        ],
        ["x" * 200_001, {"a": 1}, True],
        [*TEXT[4:5], ("contains", "strong", set()), ("contains", "1 < 2", {2}), *TEXT[5:6]],
    ),
    "markdown": Sample(
        [("# abc", "# abc"), ("**杭州店**", "**杭州店**"), ("- 温州店", "- 温州店")], ["x" * 50_001, {"a": 1}], TEXT[4:6]
    ),
    "rating": Sample(
        [("★", 1), ("三星", 3), ("5/5", 5)], ["6", "0", 0, "many", 4.5, True], [*ORDERED, ("gte", 3, {1, 2})]
    ),
    "slider": Sample(
        [("2.5", 2.5), (10, 10), ("97.5 分", 97.5)],
        ["101", "3", "-2.5", "much", []],
        [*ORDERED, ("lte", 50, {0, 1})],
        {"step": 2.5, "unit": "分"},
    ),
    "time": Sample(
        [("上午8点半", "08:30"), (0.5, "12:00"), ("23:59:59", "23:59:59")],
        ["25:00", "9", "soon", True, 1.5],
        [*ORDERED, ("between", ["9:00", "18:00"], {1})],
    ),
    "duration": Sample(
        [("45", "0:45:00"), ("90分钟", "1:30:00"), ("1天1小时30分", "25:30:00")],
        ["1:75", "long", "-3", "3 parsecs", True],
        [*ORDERED, ("gte", "1h30m", {1, 2}), ("eq", 90, {1})],
    ),
    "month": Sample(
        [("2026年11月", "2026-11"), ("202612", "2026-12"), ("2028/2/29", "2028-02")],
        ["2026-13", "soon", True],
        [*ORDERED, ("this", "month", {0}), ("this", "quarter", {0, 1}), ("last", "year", set())],
    ),
    "multi_choice": Sample(
        [("NEW", ["new"]), (["lost", "老客"], ["old", "lost"]), ("new、lost", ["new", "lost"])],
        ["gone", ["new", "gone"], {"new": 1}, True],
        [("has_any", ["new", "old"], {0, 1, 2}), ("has_all", ["new", "lost"], {2}), ("has_none", ["老客"], {0, 2, 3})],
        {"choices": CHOICES},
    ),
    "cascade": Sample(
        [(["digital", "电脑", "laptop"], "digital/pc/laptop"), ("数码 / 手机", "digital/phone"), ("食品>水果", "food/fruit")],
        ["digital", "数码/电视", "gone", {"a": 1}, True],
        [
            ("eq", "digital/phone", {1}), ("ne", "手机", {0, 2, 3}), ("in", ["手机", "水果"], {1, 2}), ("not_in", ["手机"], {0, 2, 3}),
            ("under", "数码", {0, 1}), ("under", "digital/pc", {0}), ("not_under", "digital", {2, 3}),
        ],
        {"tree": TREE},
    ),
    "color": Sample(
        [("rgb(0, 128, 255)", "#0080ff"), ("#FA3", "#ffaa33"), ("白色", "#ffffff")],
        ["#12", "rgb(1,2,300)", "colour", 5, {}],
        [("eq", "#0080FF", {0}), ("ne", "#ffffff", {0, 1, 3}), ("in", ["white"], {2}), ("not_in", ["#fff"], {0, 1, 3})],
    ),
    "json": Sample(
        [({"a": [1, None]}, {"a": [1, None]}), ('{"b": "杭州"}', {"b": "杭州"}), ([], [])],
        ["{", "abc", '{"a": NaN}', ["x" * 20_001]],
        [("contains", "州", {1}), ("not_contains", "州", {0, 2, 3})],
    ),
    "barcode": Sample(
        [("400638133393", "4006381333931"), ("6 901028-075831", "6901028075831"), (6921168509256.0, "6921168509256")],
        ["4006381333932", "12", "abc", True],
        [
            ("eq", "6901028075831", {1}), ("ne", "6901028075831", {0, 2, 3}), ("in", ["4006381333931"], {0}),
            ("not_in", ["4006381333931"], {1, 2, 3}), ("contains", "168", {2}), ("not_contains", "168", {0, 1, 3}),
            ("starts_with", "69", {1, 2}),
        ],
        {"kind": "ean13"},
    ),
    "person": Sample(
        [("amy", "amy"), ({"login": "bo"}, "bo")],
        ["nobody", 999, []],
        [
            ("eq", "bo", {1}), ("eq", {"me": True}, {0}), ("ne", "bo", {0, 3}), ("in", ["amy", "bo"], {0, 1}),
            ("not_in", ["bo"], {0, 3}), ("eq", {"my_department": True}, {0}), ("ne", {"my_department": True}, {1, 3}),
        ],
    ),
    "owner": Sample(
        [("amy", "amy"), (2, "bo")],
        ["nobody", 999, []],
        [
            ("eq", {"me": True}, {0}), ("ne", "bo", {0, 3}), ("in", [{"my_department": True}, "bo"], {0, 1}),
            ("not_in", [{"me": True}], {1, 3}),
        ],
        {"creator": False},
    ),
    "persons": Sample(
        [("amy", ["amy"]), (["bo", 3], ["bo", "cy"]), ("cy、amy", ["cy", "amy"])],
        ["nobody", ["amy", "nobody"], {"me": True}, True],
        [
            ("has_any", ["amy", "bo"], {0, 1, 2}), ("has_any", [{"me": True}], {0, 2}), ("has_all", ["amy", "cy"], {2}),
            ("has_none", [{"my_department": True}], {1, 3}),
        ],
    ),
    "department": Sample(
        [("销售部", 1), ("销售部 / 华东组", 2), ({"name": "客服部"}, 3)],
        ["没有", 99, [], True],
        [
            ("eq", "销售部", {0}), ("ne", 1, {1, 2, 3}), ("in", [1, "客服部"], {0, 2}), ("not_in", [1], {1, 2, 3}),
            ("under", "销售部", {0, 1}), ("not_under", 1, {2, 3}), ("eq", {"my_department": True}, {0, 1}),
        ],
    ),
    "departments": Sample(
        [("客服部", [3]), (["华东组", 1], [2, 1]), ("销售部、客服部", [1, 3])],
        ["没有", ["客服部", 99], {"a": 1}, True],
        [
            ("has_any", [2], {1}), ("has_any", [{"my_department": True}], {1, 2}), ("has_all", [1, 3], {2}),
            ("has_none", ["华东组"], {0, 2, 3}),
        ],
    ),
    "region": Sample(
        [("北京市朝阳区", "110105"), ("浙江 杭州", "330100"), ("浙江/杭州/西湖", "330106")],
        ["西湖", "没有", "990000", [], True],
        [
            ("eq", "330100", {1}), ("ne", "浙江省杭州市", {0, 2, 3}), ("in", ["北京朝阳", "330106"], {0, 2}),
            ("not_in", ["330106"], {0, 1, 3}), ("under", "浙江", {1, 2}), ("under", "浙江省杭州市西湖区", {2}), ("not_under", "33", {0, 3}),
        ],
    ),
    "address": Sample(
        [
            (
                "张三 13800138000 浙江省杭州市西湖区文三路1号",
                {"region": "330106", "detail": "文三路1号", "recipient": "张三", "phone": "13800138000",
                 "text": "浙江省杭州市西湖区文三路1号 张三 13800138000"},
            ),
            (
                {"region": "上海浦东", "detail": "世纪大道 8 号"},
                {"region": "310115", "detail": "世纪大道 8 号", "recipient": None, "phone": None, "text": "上海市浦东新区世纪大道 8 号"},
            ),
        ],
        [{"region": "没有"}, {"street": "x"}, {"phone": "123"}, ["a"], 5, "x" * 300],
        [
            ("contains", "杭州", {0}), ("not_contains", "文三路", {1, 3}), ("under", "浙江", {0}), ("not_under", "上海", {0, 3}),
        ],
        {"contact": True},
    ),
    "location": Sample(
        [
            ("30.274085,120.155070 西湖", {"lat": 30.274085, "lng": 120.15507, "label": "西湖"}),
            ({"lat": "-33.8568", "lng": 151.2153}, {"lat": -33.8568, "lng": 151.2153, "label": None}),
        ],
        ["西湖", "120.15,30.27", "91,0", {"lat": 1}, {"lat": 1, "lng": None}, [], 5],
        [
            ("near", {"of": "30.25,120.15", "km": 5}, {0}), ("near", {"of": "30.25,120.15", "km": 0.5}, set()),
            ("contains", "西", {0}), ("not_contains", "西", {1, 3}),
        ],
    ),
    "relation": Sample(
        [({"sku": "P1"}, 1), (2, 2)],
        [99, {"sku": "P9"}, {"name": "面霜"}, "面霜"],
        [
            ("eq", {"sku": "P1"}, {0}), ("ne", 1, {1, 3}), ("in", [1, 2], {0, 1}), ("not_in", [1], {1, 3}),
            ("eq", {"sku": "P9"}, set()),
        ],
        {"form": "product"},
    ),
}  # fmt: skip


@dataclass
class Held:
    """A type whose API form nobody can write down beforehand: it names files, rows or a sealed value.

    ``give``: what is sent; ``printed``: of what the API prints; ``shown``: in lists and in files. ``filters`` are of two
    records: the first has the value, the second has none.
    """

    give: Callable[[Api], Any]
    printed: Callable[[Any], Any]
    value: Any
    shown: str
    bad: list[Any]
    filters: list[tuple[str, Any, set[int]]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def names(files: Any) -> list[str]:
    return [file["name"] for file in files]


HELD = {
    "attachments": Held(lambda api: [send(api, "合同.pdf", b"%PDF-")["id"]], names, ["合同.pdf"], "合同.pdf", [[99], "x", {"a": 1}, True]),
    "images": Held(lambda api: [send(api, "照片.png", png())["id"]], names, ["照片.png"], "照片.png", [[99], "x", {"a": 1}, True]),
    "signature": Held(
        lambda api: send(api, "签名.png", png())["id"], lambda file: file["type"], "image/png", "已签名", [99, "x", {"a": 1}, True]
    ),
    "relations": Held(
        lambda api: [{"sku": "P1"}, 2], lambda ids: ids, [1, 2], "面霜", [[99], [{"sku": "P9"}], True],
        [("has_any", [1], {0}), ("has_all", [1, 2], {0}), ("has_none", [{"sku": "P2"}], {1}), ("has_any", [99], set())],
        {"form": "product"},
    ),
    "sub_form": Held(
        lambda api: [{"item": "壳", "quantity": 2}], lambda rows: [(row["item"], row["quantity"]) for row in rows], [("壳", 2)],
        "壳", [[{"item": "壳", "quantity": "x"}], [{"nothing": 1}], [5], {"a": 1}, True],
        options={"fields": [{"key": "item", "label": "品名", "type": "text"}, {"key": "quantity", "label": "数量", "type": "integer"}]},
    ),
    "id_card": Held(
        lambda api: "11010519491231002x", lambda value: value["masked"], "110***********002X", "110***********002X",
        ["110105194912310021", "123", 5.5, ["x"], True],
        [
            ("eq", "11010519491231002X", {0}), ("ne", "11010519491231002X", {1}), ("in", ["11010519491231002X"], {0}),
            ("not_in", ["11010519491231002X"], {1}), ("ends_with", "002X", {0}), ("ends_with", "0021", set()),
        ],
    ),
}  # fmt: skip


ELSEWHERE = {"identities", "tags"}
"""Types of the customer form alone: their tests are with the customers."""
COMPUTED = {"formula", "lookup", "rollup", "auto_number"}
"""Types that Guke fills itself: ``test_computed_fields`` holds them to a contract of their own."""


def test_every_type_has_its_sample() -> None:
    assert set(SAMPLES) | set(HELD) == set(fields.TYPES) - ELSEWHERE - COMPUTED


@pytest.fixture
def ids(api: Api, clock: Any, kind: str) -> list[int]:
    """A form with one field of the type; a record for each value, and one without."""
    clock.set("2026-11-20T12:00:00+08:00")
    for sku in ("P1", "P2"):
        api.post("/forms/product/records", {"values": {"sku": sku, "name": "面霜"}})
    for name, parent, members in (("销售部", None, ["amy"]), ("华东组", 1, []), ("客服部", None, ["bo"])):
        api.post("/departments", {"name": name, "parent": parent, "members": members})
    sample = SAMPLES[kind]
    api.post(
        "/forms", {"key": "box", "label": "盒", "fields": [{"key": "v", "label": "值", "type": kind, **sample.options}]}
    )
    made = [api.post("/forms/box/records", {"values": {"v": raw}}) for raw, _out in sample.values]
    assert [m["values"]["v"] for m in made] == [out for _raw, out in sample.values]
    return [m["id"] for m in made] + [api.post("/forms/box/records", {"values": {}})["id"]]


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_it_filters_by_each_of_its_operators(api: Api, ids: list[int], kind: str) -> None:
    sample = SAMPLES[kind]
    last = len(ids) - 1
    filters = [("empty", None, {3}), ("not_empty", None, set(range(last))), *sample.filters]
    assert {op for op, _value, _places in filters} == set(fields.TYPES[kind].operators), "a sample for each operator"
    for op, value, places in filters:
        if sample.filters[: len(ORDERED)] == ORDERED and (op, value, places) in ORDERED:
            # These are written by place, so that one list serves all ordered types.
            raws = [raw for raw, _out in sample.values]
            value = [raws[i] for i in value] if isinstance(value, list) else raws[value]
        where = {"field": "v", "op": op, "value": value}
        found = {r["id"] for r in api.post("/forms/box/query", {"where": where})["records"]}
        assert found == {ids[last if place == 3 else place] for place in places}, (op, value)


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_it_sorts_with_empty_values_last(api: Api, ids: list[int], kind: str) -> None:
    if not fields.TYPES[kind].sortable:
        api.get("/forms/box/records", sort="v", expect=422)
        return
    for sort, wanted in (("v", ids[:-1]), ("-v", ids[-2::-1])):
        assert [r["id"] for r in api.get("/forms/box/records", sort=sort)["records"]] == [*wanted, ids[-1]]


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_it_refuses_what_it_cannot_be(api: Api, ids: list[int], kind: str) -> None:
    for bad in SAMPLES[kind].bad:
        problem = api.patch(f"/forms/box/records/{ids[0]}", {"values": {"v": bad}}, expect=422)
        assert problem["errors"][0]["field"] == "v", bad
    assert api.get(f"/forms/box/records/{ids[0]}")["version"] == 1


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_what_it_prints_and_shows_it_takes_again(app: Any, api: Api, ids: list[int], kind: str) -> None:
    from appliance.core.db import read
    from appliance.forms import catalog

    for record_id, (_raw, out) in zip(ids, SAMPLES[kind].values, strict=False):
        assert api.patch(f"/forms/box/records/{record_id}", {"values": {"v": out}})["version"] == 1
    with app.test_request_context(), read():
        v = catalog.get("box").fields["v"]
        for raw, _out in SAMPLES[kind].values:
            stored = v.parse(raw)
            if isinstance(stored, dict):
                continue
            assert v.parse(v.form_value(stored)) == stored, "the input shows what it takes back"
        assert v.parse("") in (None, []) and v.parse(None) in (None, [])


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_it_can_be_emptied_again(api: Api, ids: list[int], kind: str) -> None:
    assert api.patch(f"/forms/box/records/{ids[0]}", {"values": {"v": None}})["values"]["v"] in (None, [])


def test_every_operator_has_words() -> None:
    # A computed field compares as what it results in.
    own = [cls for name, cls in fields.TYPES.items() if name not in COMPUTED]
    assert {op for cls in own for op in cls.operators} <= set(OPERATOR_WORDS)


@pytest.mark.parametrize(
    "definition",
    [
        {"key": "v", "label": "值", "type": "nothing"}, {"key": "V", "label": "值", "type": "text"},
        {"key": "id", "label": "值", "type": "text"}, {"key": "v", "label": "值", "type": "choice"},
        {"key": "v", "label": "值", "type": "decimal", "digits": 9}, {"key": "v", "label": "值", "type": "relation"},
        {"key": "v", "label": "值", "type": "relation", "form": "nothing"}, {"key": "v", "label": "值", "type": "text", "pattern": "("},
        {"key": "v", "label": "值", "type": "text", "max_length": "x"}, {"label": "值", "type": "text"}, {},
        {"key": "v", "label": 5, "type": "text"}, {"key": "v", "label": "值", "type": "integer", "min": "x"},
        {"key": "v", "label": "值", "type": "choice", "choices": [1]}, {"key": "v", "label": "值", "type": "integer", "default": "x"},
        {"key": "v", "label": "值", "type": []}, {"key": "v", "label": "值", "type": "choice", "choices": 5},
    ],
)  # fmt: skip
def test_a_definition_that_makes_no_sense_is_refused(api: Api, definition: dict[str, Any]) -> None:
    problem = api.post("/forms/customer/fields", definition, expect=422)
    assert problem["detail"]


def test_required_unique_and_default_are_kept(api: Api) -> None:
    v = {"key": "v", "label": "值", "type": "text", "required": True, "unique": True}
    w = {"key": "w", "label": "数", "type": "integer", "default": 7}
    api.post("/forms", {"key": "box", "label": "盒", "fields": [v, w]})
    first = api.post("/forms/box/records", {"values": {"v": "a"}})
    assert first["values"]["w"] == 7
    assert api.post("/forms/box/records", {"values": {"v": " "}}, expect=422)["errors"][0]["field"] == "v"
    assert api.post("/forms/box/records", {"values": {"v": "a"}}, expect=422)["errors"][0]["field"] == "v"
    api.patch(f"/forms/box/records/{first['id']}", {"values": {"v": None}}, expect=422)
    api.patch("/forms/box/fields/v", {"unique": False, "required": False})
    api.post("/forms/box/records", {"values": {"v": "a"}})
    assert api.patch("/forms/box/fields/v", {"unique": True}, expect=422)["errors"][0]["field"] == "unique"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_manual_has_a_heading_for_every_type(language: str) -> None:
    page = Path(web_help.FOLDER, language, "fields.md").read_text(encoding="utf-8")
    told = {line.rsplit(" ", 1)[-1] for line in page.splitlines() if line.startswith("## ")}
    assert set(fields.TYPES) - ELSEWHERE <= told


def test_every_type_tells_the_designer_what_it_is() -> None:
    groups = {"basic", "number", "time", "choice", "people", "contact", "relation", "file", "computed"}
    kinds = {"text", "long_text", "number", "yes_no", "choice", "choices_editor", "form", "field", "fields", "formula",
             "condition", "pattern", "color", "tree"}  # fmt: skip
    for name, cls in fields.TYPES.items():
        assert cls.group in groups and cls.icon and str(cls.name), name
        assert set(cls.rules) <= {"min", "max", "min_length", "max_length", "pattern"}, name
        for setting in cls.settings():
            assert setting.kind in kinds and str(setting.label), (name, setting.key)
            assert bool(setting.choices) == (setting.kind == "choice"), (name, setting.key)


PLAIN_IN_FILES = {"rich_text"}
"""Types of which a file holds less than the record does."""


@pytest.mark.parametrize("kind", sorted(set(SAMPLES) - {"relation"}))
def test_a_file_that_was_exported_is_imported_as_it_was(
    api: Api, cli: Any, ids: list[int], kind: str, tmp_path: Path
) -> None:
    before = [r["values"]["v"] for r in api.get("/forms/box/records", sort="id")["records"]]
    path, mapping = tmp_path / "box.csv", tmp_path / "map.json"
    mapping.write_text('{"值": "v"}', encoding="utf-8")
    cli("export", "box", path, "--json").ok()
    counts = cli("import", "box", path, "--map", mapping, "--on-duplicate", "create", "--json").ok().json
    assert counts["failed"] == 0
    after = [r["values"]["v"] for r in api.get("/forms/box/records", sort="id")["records"]]
    assert len(after) == 2 * len(before)
    if kind not in PLAIN_IN_FILES:
        assert all(after.count(value) == 2 * before.count(value) for value in before)


@pytest.mark.parametrize("kind", sorted(HELD))
def test_what_cannot_be_written_down_keeps_the_contract_too(
    api: Api, client: Client, cli: Any, kind: str, tmp_path: Path
) -> None:
    held = HELD[kind]
    for sku in ("P1", "P2"):
        api.post("/forms/product/records", {"values": {"sku": sku, "name": "面霜"}})
    v = {"key": "v", "label": "值", "type": kind, **held.options}
    api.post("/forms", {"key": "box", "label": "盒", "columns": ["v"], "fields": [v]})
    made = api.post("/forms/box/records", {"values": {"v": held.give(api)}})
    ids = [made["id"], api.post("/forms/box/records", {"values": {}})["id"]]
    out = made["values"]["v"]
    assert held.printed(out) == held.value
    path = f"/forms/box/records/{ids[0]}"
    assert api.patch(path, {"values": {"v": out}})["version"] == 1, "it takes again what it prints"

    filters = [("empty", None, {1}), ("not_empty", None, {0}), *held.filters]
    assert {op for op, _value, _places in filters} == set(fields.TYPES[kind].operators), "a sample for each operator"
    for op, value, places in filters:
        where = {"field": "v", "op": op, "value": value}
        found = {r["id"] for r in api.post("/forms/box/query", {"where": where})["records"]}
        assert found == {ids[place] for place in places}, (op, value)
    if fields.TYPES[kind].sortable:
        assert [r["id"] for r in api.get("/forms/box/records", sort="v")["records"]] == ids
    else:
        api.get("/forms/box/records", sort="v", expect=422)

    for bad in held.bad:
        problem = api.patch(path, {"values": {"v": bad}}, expect=422)
        assert problem["errors"][0]["field"].partition(".")[0] == "v", bad
    assert api.get(path)["version"] == 1
    for page in ("/forms/box", f"/forms/box/records/{ids[0]}", f"/forms/box/records/{ids[0]}/edit"):
        assert client.get(page).status_code == 200
    shown = client.get(f"/forms/box/records/{ids[0]}").text
    assert held.shown in shown or "/files/" in shown, "in words, or as a picture"
    cli("export", "box", tmp_path / "box.csv").ok()
    assert held.shown in (tmp_path / "box.csv").read_text(encoding="utf-8-sig")
    assert api.patch(path, {"values": {"v": None}})["values"]["v"] in (None, [])
