"""What a definition says of its values (range, length, pattern) holds on every way in; formatted text can do nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.forms.test_record_pages import inputs
from tests.support.http import Api

FIELDS = [
    {"key": "code", "label": "编码", "type": "text", "pattern": "[A-Z]{2}[0-9]{4}", "message": {"zh": "编码是两个字母加四个数字。"}},
    {"key": "note", "label": "备注", "type": "long_text", "min_length": 2, "max_length": 10},
    {"key": "age", "label": "年龄", "type": "integer", "min": 18, "max": 99},
    {"key": "price", "label": "价格", "type": "money", "min": "0.50", "message": "价格太低了。"},
    {"key": "day", "label": "日子", "type": "date", "min": "2026-01-01", "max": "2026-12-31"},
    {"key": "at", "label": "几点", "type": "time", "min": "09:00", "max": "18:00"},
    {"key": "long", "label": "多久", "type": "duration", "max": "2:00"},
    {"key": "likes", "label": "喜欢", "type": "multi_choice", "choices": ["a", "b", "c"], "min": 1, "max": 2},
    {"key": "mail", "label": "邮箱", "type": "email", "pattern": ".*@guke\\.cn"},
    {"key": "text", "label": "介绍", "type": "rich_text", "max_length": 5},
]  # fmt: skip

GOOD = {
    "code": "AB1234", "note": "好的", "age": 18, "price": "0.50", "day": "2026-12-31", "at": "18:00", "long": "2:00",
    "likes": ["a", "b"], "mail": "a@guke.cn", "text": "<p><strong>12345</strong></p>",
}  # fmt: skip

BAD = [
    ("code", "AB123", "编码是两个字母加四个数字。"), ("note", "x", "至少 2 个字。"), ("note", "x" * 11, "最多 10 个字，现在有 11 个。"),
    ("age", 17, "不能小于 18。"), ("age", "100", "不能大于 99。"), ("price", "0.49", "价格太低了。"), ("day", "2025-12-31", "不能早于 2026-01-01。"),
    ("day", "2027/1/1", "不能晚于 2026-12-31。"), ("at", "8:59", "不能早于 09:00。"), ("long", "121分钟", "不能大于 2 小时。"),
    ("likes", ["a", "b", "c"], "最多选 2 项。"), ("likes", "a,b,c", "最多选 2 项。"), ("mail", "a@b.cn", "格式不对。"), ("text", "<p>123456</p>", "最多 5 个字。"),
]  # fmt: skip


@pytest.fixture
def box(api: Api) -> Api:
    api.post("/forms", {"key": "box", "label": "盒", "fields": FIELDS})
    return api


@pytest.mark.parametrize(("key", "value", "sentence"), BAD)
def test_a_value_beyond_the_rules_is_refused_in_the_company_s_words(
    box: Api, key: str, value: Any, sentence: str
) -> None:
    made = box.post("/forms/box/records", {"values": GOOD})
    for problem in (
        box.post("/forms/box/records", {"values": GOOD | {key: value}}, expect=422),
        box.patch(f"/forms/box/records/{made['id']}", {"values": {key: value}}, expect=422),
    ):
        assert problem["errors"] == [{"field": key, "message": sentence}]
    assert box.get(f"/forms/box/records/{made['id']}")["version"] == 1


def test_a_file_is_held_to_the_rules_too(box: Api, cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("编码,年龄,喜欢\nAB1234,20,a、b\nab1,30,a\nCD5678,7,b\nEF5678,40,a;b;c\n", encoding="utf-8")
    counts = cli("import", "box", path, "--json").json
    assert (counts["created"], counts["failed"]) == (1, 3)
    assert box.get("/forms/box/records")["records"][0]["values"]["likes"] == ["a", "b"]


def test_a_file_replaces_the_choices_of_a_record(box: Api, cli: Callable[..., Any], tmp_path: Path) -> None:
    made = box.post("/forms/box/records", {"values": GOOD})
    path = tmp_path / "rows.csv"
    path.write_text(f"固客编号,喜欢\n{made['id']},c\n", encoding="utf-8")
    assert cli("import", "box", path, "--key", "id", "--json").ok().json["updated"] == 1
    assert box.get(f"/forms/box/records/{made['id']}")["values"]["likes"] == ["c"]


def test_a_change_of_some_choices_is_held_to_the_rules(box: Api) -> None:
    made = box.post("/forms/box/records", {"values": GOOD})
    url = f"/forms/box/records/{made['id']}"
    assert box.patch(url, {"values": {"likes": {"add": ["c"]}}}, expect=422)["errors"][0]["message"] == "最多选 2 项。"
    changed = box.patch(url, {"values": {"likes": {"add": ["c"], "remove": ["a"]}}})
    assert changed["values"]["likes"] == ["b", "c"] and changed["version"] == 2
    assert box.patch(url, {"values": {"likes": {"add": ["c"]}}})["version"] == 2


def test_conditions_may_look_for_what_nobody_may_type(box: Api) -> None:
    for field, op, value in (("age", "lt", 5), ("code", "eq", "x"), ("day", "gt", "2030-01-01"), ("at", "lt", "3:00")):
        assert box.post("/forms/box/query", {"where": {"field": field, "op": op, "value": value}})["records"] == []


@pytest.mark.parametrize(
    ("definition", "word"),
    [
        ({"type": "text", "pattern": "(a+)+"}, "太久"), ({"type": "text", "pattern": "(.*)*x"}, "太久"),
        ({"type": "text", "pattern": "(a|a)*"}, "太久"), ({"type": "text", "pattern": ".*.*.*.*"}, "太久"),
        ({"type": "text", "pattern": "(.)\\1"}, "前面"), ({"type": "text", "pattern": "["}, "写得不对"),
        ({"type": "text", "pattern": "x" * 301}, "300"), ({"type": "text", "min_length": 9, "max_length": 3}, "对调"),
        ({"type": "integer", "min": 9, "max": 3}, "对调"), ({"type": "date", "min": "soon"}, "日期"),
        ({"type": "integer", "min": 5, "default": 3}, "不能小于"), ({"type": "rating", "max": 11}, "最高几星"),
        ({"type": "slider", "step": 0}, "每档"), ({"type": "slider", "min": 5, "max": 5}, "最小值"),
        ({"type": "multi_choice"}, "选项"), ({"type": "multi_choice", "choices": ["a"], "max": "x"}, "项数"),
        ({"type": "cascade"}, "选项"), ({"type": "cascade", "tree": ["a/b"]}, "分隔"), ({"type": "cascade", "tree": ["a", "a"]}, "两次"),
        ({"type": "duration", "unit": "years"}, "单位"), ({"type": "barcode", "kind": "aztec"}, "码制"),
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused_when_it_is_designed(
    api: Api, definition: dict[str, Any], word: str
) -> None:
    problem = api.post("/forms/customer/fields", {"key": "v", "label": "值"} | definition, expect=422)
    assert word in problem["detail"]


@pytest.mark.parametrize(
    "pattern",
    [
        "1[3-9]\\d{9}",
        "(\\d{1,3}\\.){3}\\d{1,3}",
        "[^@]+@[^@]+\\.[a-z]+",
        "\\d{1,3}(,\\d{3})*",
        "(foo|bar)+",
        "(?=.*\\d).{8,}",
    ],
)
def test_patterns_as_people_write_them_are_taken(api: Api, pattern: str) -> None:
    api.post("/forms/customer/fields", {"key": "v", "label": "值", "type": "text", "pattern": pattern})


DANGERS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>x</a>", "<p onclick=alert(1)>x</p>",
    "<svg onload=alert(1)>", "<iframe src='//evil'></iframe>", "<p style='position:fixed'>x</p>", "<a href='  JaVaScRiPt:alert(1)'>y</a>",
    "<math><mi xlink:href='data:x'>", "<form action='//evil'><input name=p></form>",
]  # fmt: skip


def test_formatted_text_can_do_nothing(api: Api, client: Any) -> None:
    api.post(
        "/forms",
        {"key": "page", "label": "页", "fields": [
            {"key": "html", "label": "富", "type": "rich_text"}, {"key": "md", "label": "标", "type": "markdown"},
        ]},
    )  # fmt: skip
    for danger in DANGERS:
        made = api.post(
            "/forms/page/records",
            {"values": {"html": f"<p>ok {danger}</p>", "md": f"ok {danger} [x](javascript:alert(1))"}},
        )
        kept = made["values"]["html"].lower()
        assert "ok" in kept
        for word in (
            "script",
            "onerror",
            "onclick",
            "onload",
            "iframe",
            "style",
            "javascript",
            "<svg",
            "<form",
            "<img",
        ):
            assert word not in kept, danger
        shown = client.get(f"/forms/page/records/{made['id']}").text.lower()
        for word in (
            "<script>alert",
            "<img src=x",
            "<svg onload",
            "<iframe",
            'href="javascript',
            "<math",
            "<form action='//",
            "<p onclick",
        ):
            assert word not in shown, danger


def test_a_value_that_an_older_rule_let_in_may_stay(api: Api, client: Any) -> None:
    """A new rule does not stand in the way of changing something else."""
    fields = [{"key": "code", "label": "编码", "type": "text"}, {"key": "age", "label": "年龄", "type": "integer"}]
    api.post("/forms", {"key": "box", "label": "盒", "fields": fields})
    api.post("/forms/box/records", {"values": {"code": "old", "age": 5}})
    api.patch("/forms/box/fields/code", {"pattern": "[A-Z]+", "message": "只能是大写字母。"})
    edit = "/forms/box/records/1/edit"
    held = inputs(client.get(edit).text)
    assert client.post(edit, data=held | {"age": "6"}).status_code == 303
    values = api.get("/forms/box/records/1")["values"]
    assert (values["code"], values["age"]) == ("old", 6)
    refused = client.post(edit, data=inputs(client.get(edit).text) | {"code": "new"})
    assert refused.status_code == 422 and "只能是大写字母。" in refused.text
