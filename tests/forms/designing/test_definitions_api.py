"""Definitions through the API: layout, joint uniqueness, types, the recycle bin, rights."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http import Api
from tests.support.people import BO

from .conftest import REPAIR

LAYOUT = {
    "tabs": [
        {
            "label": "基本",
            "sections": [
                {"label": "单据", "columns": 3, "fields": ["number", "state", "created_at"]},
                {"label": "其它", "collapsed": True, "fields": ["price"]},
            ],
        }
    ]
}


def prices(api: Api) -> list[Any]:
    found = api.get("/forms/fix_job/records", sort="id")["records"]
    return [record["values"].get("price") for record in found]


def test_a_form_keeps_everything_its_document_says(api: Api) -> None:
    doc = REPAIR | {
        "layout": LAYOUT, "unique": [["shop", "number"]], "color": "teal", "color_field": "state", "group": "售后",
        "search": ["number", "shop"], "columns": ["number", "price"], "views": {"kanban": {"by": "state"}},
    }  # fmt: skip
    api.post("/forms", doc, expect=201)
    found = api.get("/forms/fix_job")
    for key in ("unique", "color", "color_field", "group", "search", "columns", "views"):
        assert found[key] == doc[key]
    sections = found["layout"]["tabs"][0]["sections"]
    assert [s["fields"] for s in sections] == [["number", "state", "created_at"], ["price"], ["shop"]]
    assert sections[1]["collapsed"] is True and sections[0]["columns"] == 3


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"layout": []}, "layout"),
        ({"layout": {"tabs": [{"sections": [{"fields": ["nothing"]}]}]}}, "layout.tabs.0.sections.0.fields"),
        ({"layout": {"tabs": [{"sections": [{"columns": 9}]}]}}, "layout.tabs.0.sections.0.columns"),
        ({"layout": {"tabs": [{"sections": [{"fields": ["price", "price"]}]}]}}, "layout.tabs.0.sections.0.fields"),
        ({"layout": {"tabs": 5}}, "layout"),
        ({"layout": {"tabs": [{"wide": True}]}}, "layout.tabs.0.wide"),
        ({"unique": [["shop"]]}, "unique.0"),
        ({"unique": [["shop", "nothing"]]}, "unique.0"),
        ({"unique": "shop"}, "unique"),
        ({"color": "#123456"}, "color"),
        ({"color_field": "price"}, "color_field"),
        ({"search": ["nothing"]}, "search.0"),
        ({"columns": "number"}, "columns"),
        ({"views": {"kanban": {"by": "nothing"}}}, "views.kanban.by"),
        ({"views": []}, "views"),
        ({"group": 5}, "group"),
        ({"title_field": "nothing"}, "title_field"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(api: Api, repair: str, part: dict[str, Any], place: str) -> None:
    before = api.get("/forms/fix_job")
    problem = api.patch("/forms/fix_job", part, expect=422)
    assert place in [error["field"] for error in problem["errors"]]
    assert api.get("/forms/fix_job") == before
    made = api.post("/forms", REPAIR | {"key": "other"} | part, expect=422)
    assert place in [error["field"] for error in made["errors"]]
    api.get("/forms/other", expect=404)


def test_joint_uniqueness_holds_for_records_and_is_refused_when_they_disagree(api: Api, repair: str) -> None:
    problem = api.patch("/forms/fix_job", {"unique": [["shop", "state"]]}, expect=422)
    assert "2 组" in problem["detail"] and "待修" in problem["detail"]
    api.patch("/forms/fix_job", {"unique": [["shop", "number"]]})
    api.patch("/forms/fix_job/fields/number", {"unique": False})
    api.post("/forms/fix_job/records", {"values": {"number": "R0", "shop": "A"}}, expect=422)
    api.post("/forms/fix_job/records", {"values": {"number": "R0", "shop": "C"}}, expect=201)
    assert "R0" in api.patch("/forms/fix_job/fields/number", {"unique": True}, expect=422)["detail"]
    api.patch("/forms/fix_job", {"unique": None})
    api.post("/forms/fix_job/records", {"values": {"number": "R0", "shop": "A"}}, expect=201)


def test_a_type_change_says_what_it_loses_and_asks(api: Api, repair: str) -> None:
    path = "/forms/fix_job/fields/price"
    seen = api.post(f"{path}:preview", {"type": "money"})
    assert (seen["converted"], seen["lost"], seen["estimated"]) == (2, 1, False)
    assert seen["failures"][0]["old"] == "面议"
    assert prices(api) == ["12", "¥1,300.50", "面议", None]
    problem = api.patch(path, {"type": "money"}, expect=422)
    assert problem["errors"][0]["field"] == "convert" and "1" in problem["detail"]
    assert api.patch(path, {"type": "money", "convert": True}, expect=200)["type"] == "money"
    assert prices(api) == ["12.00", "1300.50", None, None]
    lost = api.get("/forms/fix_job/records/3/changes")["changes"][0]
    assert lost["fields"] == {"price": ["面议", None]}
    # The new type rules from here on, in writing, sorting and adding up.
    api.patch("/forms/fix_job/records/3", {"values": {"price": "面议"}}, expect=422)
    total = api.post("/forms/fix_job/records:aggregate", {"measures": [{"agg": "sum", "of": "price", "as": "sum"}]})
    assert total["rows"][0]["sum"] == "1312.50"


def test_going_back_brings_what_was_lost(api: Api, repair: str) -> None:
    path = "/forms/fix_job/fields/price"
    api.patch(path, {"type": "money", "convert": True})
    api.patch(path, {"type": "text"})
    assert prices(api) == ["¥12.00", "¥1,300.50", "面议", None]
    kinds = [change["fields"]["price"] for change in api.get("/forms/fix_job/records/3/changes")["changes"]]
    assert kinds == [["面议", None], "面议"]


@pytest.mark.parametrize(
    ("start", "value", "to", "becomes"),
    [
        ({"type": "text"}, "2026-3-5", {"type": "date"}, "2026-03-05"),
        ({"type": "date"}, "2026-03-05", {"type": "text"}, "2026-03-05"),
        ({"type": "integer"}, 1200, {"type": "money"}, "1200.00"),
        ({"type": "money"}, "1200.00", {"type": "integer"}, 1200),
        ({"type": "decimal", "digits": 2}, "12.50", {"type": "decimal", "digits": 4}, "12.5000"),
        ({"type": "text"}, "是", {"type": "yes_no"}, True),
        ({"type": "yes_no"}, True, {"type": "text"}, "是"),
        ({"type": "choice", "choices": [{"value": "a", "label": "甲"}]}, "a", {"type": "text"}, "甲"),
        ({"type": "text"}, "甲", {"type": "choice", "choices": [{"value": "a", "label": "甲"}]}, "a"),
        ({"type": "choice", "choices": ["甲", "乙"]}, "乙", {"type": "multi_choice", "choices": ["甲", "乙"]}, ["乙"]),
        ({"type": "multi_choice", "choices": ["甲", "乙"]}, ["乙"], {"type": "choice", "choices": ["甲", "乙"]}, "乙"),
        ({"type": "multi_choice", "choices": ["甲", "乙"]}, ["甲", "乙"], {"type": "text"}, "甲、乙"),
        ({"type": "multi_choice", "choices": ["甲", "乙"]}, ["甲", "乙"], {"type": "choice", "choices": ["甲", "乙"]}, None),
        ({"type": "text"}, "甲、乙", {"type": "multi_choice", "choices": ["甲", "乙"]}, ["甲", "乙"]),
        ({"type": "relation", "form": "product"}, {"sku": "P1"}, {"type": "text"}, "面膜"),
        ({"type": "relation", "form": "product"}, {"sku": "P1"}, {"type": "relations", "form": "product"}, [1]),
        ({"type": "person"}, "bo", {"type": "persons"}, ["bo"]),
        ({"type": "person"}, "bo", {"type": "text"}, BO.name),
        ({"type": "datetime"}, "2026-03-05T23:30:00+08:00", {"type": "date"}, "2026-03-05"),
        ({"type": "date"}, "2026-03-05", {"type": "datetime"}, "2026-03-05T00:00:00+08:00"),
        ({"type": "text"}, "13800138000", {"type": "phone"}, "+8613800138000"),
    ],
)  # fmt: skip
def test_values_become_what_people_would_type(
    api: Api, start: dict[str, Any], value: Any, to: dict[str, Any], becomes: Any
) -> None:
    api.post("/forms/product/records", {"values": {"sku": "P1", "name": "面膜"}})
    fields = [{"key": "name", "label": "名称", "type": "text"}, {"key": "thing", "label": "东西"} | start]
    api.post("/forms", {"key": "things", "label": "东西", "title_field": "name", "fields": fields})
    made = api.post("/forms/things/records", {"values": {"name": "x", "thing": value}})
    api.patch("/forms/things/fields/thing", to | {"convert": True})
    found = api.get(f"/forms/things/records/{made['id']}")["values"]["thing"]
    if isinstance(becomes, list) and found and isinstance(found[0], dict):
        found = [one.get("id") for one in found]
    if isinstance(becomes, str) and isinstance(found, str):
        assert found.casefold().replace("+86", "") == becomes.casefold().replace("+86", "")
    else:
        assert found == becomes
    # Nothing is left of the old values where the new ones live.
    api.patch(f"/forms/things/records/{made['id']}", {"values": {"thing": None}})
    assert not api.get(f"/forms/things/records/{made['id']}")["values"]["thing"]


@pytest.mark.parametrize(
    ("form", "field", "to"),
    [
        ("customer", "name", {"type": "integer"}),
        ("customer", "tags", {"type": "text"}),
        ("fix_job", "shop", {"type": "relation", "form": "customer"}),
        ("fix_job", "shop", {"type": "attachments"}),
        ("fix_job", "shop", {"type": "nothing"}),
    ],
)
def test_types_that_cannot_be_are_refused(api: Api, repair: str, form: str, field: str, to: dict[str, Any]) -> None:
    before = api.get(f"/forms/{form}")
    api.patch(f"/forms/{form}/fields/{field}", to | {"convert": True}, expect=422)
    assert api.get(f"/forms/{form}") == before


def test_a_key_never_changes(api: Api, repair: str) -> None:
    api.patch("/forms/fix_job/fields/price", {"key": "cost"}, expect=422)
    api.patch("/forms/fix_job", {"key": "other"}, expect=422)


def test_a_deleted_field_comes_back_with_its_values(api: Api, repair: str) -> None:
    api.patch("/forms/fix_job", {"layout": LAYOUT, "unique": [["price", "number"]]})
    api.delete("/forms/fix_job/fields/price")
    found = api.get("/forms/fix_job")
    assert "price" not in [f["key"] for f in found["fields"]] and "unique" not in found
    assert "price" not in str(found["layout"])
    (gone,) = api.get("/forms/fix_job/fields", deleted=1)["fields"]
    assert (gone["key"], gone["values"], gone["deleted_by"]) == ("price", 3, "amy")
    assert (
        "回收站"
        in api.post("/forms/fix_job/fields", {"key": "price", "label": "x", "type": "text"}, expect=422)["detail"]
    )
    api.post("/forms/fix_job/fields/price:restore")
    assert prices(api) == ["12", "¥1,300.50", "面议", None]
    assert api.get("/forms/fix_job")["unique"] == [["price", "number"]]
    api.post("/forms/fix_job/fields/price:restore", expect=404)


def test_a_deleted_form_comes_back_with_its_records(api: Api, repair: str) -> None:
    api.delete("/forms/fix_job")
    api.get("/forms/fix_job", expect=404)
    assert "fix_job" not in api.raw("GET", "/openapi.json").text
    (gone,) = api.get("/forms", deleted=1)["forms"]
    assert (gone["key"], gone["records"], gone["deleted_by"]) == ("fix_job", 4, "amy")
    assert "回收站" in api.post("/forms", REPAIR, expect=422)["detail"]
    api.post("/forms/fix_job:restore")
    assert len(prices(api)) == 4
    api.post("/forms/fix_job:restore", expect=404)


def test_what_a_rule_needs_is_not_deleted(api: Api, repair: str) -> None:
    rule = {
        "key": "dear", "label": "贵重提醒", "form": "fix_job", "on": {"updated": ["state"]}, "enabled": True,
        "where": {"field": "shop", "op": "eq", "value": "A"}, "do": [{"action": "set", "values": {"price": "0"}}],
    }  # fmt: skip
    api.post("/rules", rule)
    for key in ("state", "shop", "price"):
        assert "贵重提醒" in api.delete(f"/forms/fix_job/fields/{key}", expect=422)["detail"]
    api.delete("/forms/fix_job/fields/number")


def test_own_fields_of_guke_are_relabelled_and_extended_only(api: Api) -> None:
    api.delete("/forms/customer/fields/phone", expect=422)
    api.delete("/forms/customer", expect=422)
    api.patch("/forms/customer/fields/phone", {"label": "联系电话", "help": "加区号"})
    api.post("/forms/customer/fields", {"key": "shoe_size", "label": "鞋码", "type": "integer"}, expect=201)
    layout = {"tabs": [{"sections": [{"fields": ["name", "phone"]}]}], "hidden": ["gender"]}
    found = api.patch("/forms/customer", {"layout": layout})
    assert found["layout"]["hidden"] == ["gender"]
    assert next(f for f in found["fields"] if f["key"] == "phone")["label"] == "联系电话"


def test_a_new_form_and_field_are_in_the_openapi_document_at_once(api: Api, repair: str) -> None:
    api.post("/forms/fix_job/fields", {"key": "parts", "label": "配件", "type": "integer"})
    doc = api.get("/openapi.json")
    assert "/forms/fix_job/records" in doc["paths"]
    assert "parts" in doc["components"]["schemas"]["fix_job.values"]["properties"]


def test_definitions_take_the_right_to_design(api: Api, staff_api: Api, repair: str) -> None:
    for method, path, body in (
        ("POST", "/forms", REPAIR | {"key": "mine"}),
        ("PATCH", "/forms/fix_job", {"label": "x"}),
        ("DELETE", "/forms/fix_job", None),
        ("POST", "/forms/fix_job:restore", {}),
        ("POST", "/forms/fix_job/fields", {"key": "x", "label": "x", "type": "text"}),
        ("PATCH", "/forms/fix_job/fields/price", {"type": "money", "convert": True}),
        ("POST", "/forms/fix_job/fields/price:preview", {"type": "money"}),
        ("DELETE", "/forms/fix_job/fields/price", None),
        ("POST", "/forms/fix_job/fields/price:restore", {}),
    ):
        staff_api.call(method, path, body, expect=403)
    staff_api.get("/forms/fix_job/fields", deleted=1, expect=403)
    assert staff_api.get("/forms", deleted=1)["forms"] == []
    assert len(api.get("/forms/fix_job")["fields"]) == 4


def test_every_change_of_a_definition_is_in_the_audit_log(api: Api, client: Any, repair: str) -> None:
    api.patch("/forms/fix_job/fields/price", {"label": "费用"})
    api.delete("/forms/fix_job")
    api.post("/forms/fix_job:restore")
    page = client.get("/settings/log").text
    for words in ("新建表单", "修改表单", "删除表单", "恢复表单"):
        assert words in page
