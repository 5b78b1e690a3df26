"""Every ready-made form can be started from, published as it is and used."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.core.i18n import label
from appliance.forms import catalog
from appliance.forms.designing import drafts, plans, publishing, templates
from tests.support.http import Api

NAMES = [template.name for template in templates.all()]


def test_there_are_enough_and_they_use_many_types() -> None:
    assert len(NAMES) >= 8
    types = {f["type"] for template in templates.all() for f in template.doc["fields"]}
    assert len(types) >= 28


@pytest.mark.parametrize("name", NAMES)
def test_a_template_installs_whole(api: Api, amy: Any, name: str) -> None:
    draft = templates.start(name, amy)
    assert plans.plan(draft).problems == {}
    form = publishing.publish(draft.id, draft.version, amy)
    assert [f.problem for f in form.fields.values() if f.problem] == []
    doc = form.document()
    told = {key: value for key, value in templates.get(name).doc.items() if key != "fields"}
    assert {key: doc[key] for key in told} == told
    placed = [key for section in form.layout.sections for key in section.fields]
    assert set(form.fields) <= set(placed)
    # Started a second time it becomes a form beside the first.
    again = templates.start(name, amy)
    assert again.doc["key"] != form.key
    publishing.publish(again.id, again.version, amy)
    assert len(api.get(f"/forms/{again.doc['key']}")["fields"]) == len(form.fields)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_speaks_both_languages(name: str) -> None:
    def walk(doc: Any) -> None:
        if isinstance(doc, dict):
            if "label" in doc:
                assert set(doc["label"]) == {"zh", "en"} and all(doc["label"].values()), doc
            for value in doc.values():
                walk(value)
        elif isinstance(doc, list):
            for value in doc:
                walk(value)

    template = templates.get(name)
    walk(template.doc)
    assert label(template.spec_about) and template.icon


def test_an_after_sales_ticket_is_written_computed_and_held_to_its_conditions(api: Api, amy: Any) -> None:
    draft = templates.start("after_sales", amy)
    publishing.publish(draft.id, draft.version, amy)
    customer = api.post("/forms/customer/records", {"values": {"name": "李欣"}})["id"]
    values = {"customer": customer, "kind": "refund", "description": "瓶子碎了", "refund": "59", "freight": "10"}
    made = api.post("/forms/after_sales/records", {"values": values})["values"]
    assert made["number"].startswith("SH-") and made["paid_back"] == "69.00" and made["owner"] == "amy"
    values = {"customer": customer, "kind": "refund", "description": "x", "status": "done"}
    problem = api.post("/forms/after_sales/records", {"values": values}, expect=422)
    assert {error["field"] for error in problem["errors"]} == {"refund", "solution"}
    assert drafts.all(amy) == [] and catalog.get("after_sales").color == "red"
