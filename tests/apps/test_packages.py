"""App packages: installed from a name or a file, upgraded without touching the company's work, removed, exported."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support import world

REPAIRS: dict[str, Any] = {
    "app": "repairs",
    "version": "1.0.0",
    "label": {"zh": "维修", "en": "Repairs"},
    "forms": [
        {
            "key": "repair_part", "label": "配件", "title_field": "name",
            "fields": [
                {"key": "name", "label": "名称", "type": "text", "required": True},
                {"key": "repair", "label": "维修单", "type": "relation", "form": "repair"},
            ],
        },
        {
            "key": "repair", "label": "维修单", "icon": "clipboard", "title_field": "number",
            "fields": [
                {"key": "number", "label": "单号", "type": "text", "required": True, "unique": True},
                {"key": "customer", "label": "客户", "type": "relation", "form": "customer"},
                {"key": "cost", "label": "费用", "type": "money"},
                {"key": "status", "label": "状态", "type": "choice", "choices": ["新", "完成"], "default": "新"},
            ],
        },
        {"extends": "customer", "fields": [{"key": "warranty", "label": "保修到", "type": "date"}]},
    ],
    "tag_groups": [{"key": "repairs", "label": "维修", "exclusive": True, "tags": ["常修", "少修"]}],
    "decision_tables": [
        {
            "key": "repair_often", "form": "customer", "target": {"tag_group": "repairs"},
            "rows": [{"where": {"related": "repair", "agg": "count", "op": "gte", "value": 2}, "then": "常修"}],
        },
    ],
    "rules": [
        {
            "key": "repair_done", "label": "没有费用就是完成", "form": "repair", "on": {"created": True},
            "where": {"field": "cost", "op": "empty"}, "stop": True, "folder": "维修",
            "do": [{"action": "set", "values": {"status": "完成"}}],
        },
    ],
    "reports": [
        {"key": "repairs_by_status", "label": "维修状态", "form": "repair", "chart": "bar",
         "dimensions": [{"field": "status"}], "measures": [{"agg": "count", "as": "n"}]},
    ],
    "dashboards": [{"key": "repairs", "label": "维修", "tiles": [{"report": "repairs_by_status", "w": 6, "h": 2}]}],
    "roles": [{"key": "mechanic", "label": "技师", "forms": {"repair": {"verbs": ["see", "edit"]}}}],
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path):
    """``file(document)`` writes it and returns its path."""

    def write(document: Any, name: str = "repairs.json") -> Path:
        path = tmp_path / name
        path.write_text(document if isinstance(document, str) else json.dumps(document, ensure_ascii=False), "utf-8")
        return path

    return write


def newer(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(REPAIRS) | {"version": "1.1.0"} | changes


def form_keys(api) -> set[str]:
    return {form["key"] for form in api.get("/forms")["forms"]}


def test_a_file_brings_forms_rules_reports_and_dashboards_to_life(cli, api, work, file):
    done = cli("app", "install", file(REPAIRS), "--json").ok().json
    assert done["installed"] and "rule:repair_done" in done["added"] and not done["kept"]
    repair = api.post("/forms/repair/records", {"values": {"number": "R1"}})
    work()
    assert api.get(f"/forms/repair/records/{repair['id']}")["values"]["status"] == "完成"
    assert "warranty" in {f["key"] for f in api.get("/forms/customer")["fields"]}
    listed = {a["app"]: a for a in cli("app", "list", "--json").ok().json["apps"]}
    assert listed["repairs"]["version"] == "1.0.0" and not listed["aftersales"]["installed"]


def test_installing_twice_changes_nothing(cli, file):
    path = file(REPAIRS)
    cli("app", "install", path).ok()
    again = cli("app", "install", path, "--json").ok().json
    assert again["installed"] is False and again["added"] == again["changed"] == []


def test_a_newer_version_adds_and_changes_but_keeps_what_the_company_changed(cli, api, app, file):
    cli("app", "install", file(REPAIRS)).ok()
    from appliance.accounts.actor import SYSTEM
    from appliance.automation import rules
    from appliance.forms import catalog

    catalog.update_field(catalog.get("repair"), "cost", {"label": "维修费"})
    rules.switch("repair_done", False, SYSTEM)
    document = newer()
    fields = document["forms"][1]["fields"]
    fields[2]["label"], fields[3]["label"] = "价格", "进度"
    fields.append({"key": "note", "label": "说明", "type": "text"})
    document["forms"][1]["title_field"] = "note"
    document["rules"][0]["label"] = "改了名字"
    document["dashboards"], document["reports"] = [], []
    done = cli("app", "install", file(document), "--json").ok().json
    assert done["upgraded_from"] == "1.0.0" and done["added"] == ["field:repair.note"]
    assert done["changed"] == ["field:repair.status", "form:repair"]
    assert sorted(done["kept"]) == ["field:repair.cost", "rule:repair_done"]
    assert done["removed"] == ["dashboard:repairs", "report:repairs_by_status"]
    labels = {f["key"]: f["label"] for f in api.get("/forms/repair")["fields"]}
    assert (labels["cost"], labels["status"], labels["note"]) == ("维修费", "进度", "说明")
    assert rules.get("repair_done").label == "没有费用就是完成" and not rules.get("repair_done").enabled


def test_an_older_version_is_refused(cli, file):
    cli("app", "install", file(newer())).ok()
    refused = cli("app", "install", file(REPAIRS))
    assert refused.status == 1 and "1.1.0" in refused.err


def broken(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(REPAIRS) | changes


BROKEN = {
    "no JSON": "{,",
    "no object": "[]",
    "an unknown section": broken(froms=[]),
    "a section of a later release": broken(flows=[{"key": "welcome"}]),
    "a version that is none": broken(version="new"),
    "no label": broken(label=None),
    "an unknown key in a rule": broken(rules=[REPAIRS["rules"][0] | {"whne": {}}]),
    "a section that is no list": broken(reports={"key": "x"}),
    "an object that is no object": broken(rules=["x"]),
    "a field of no type": broken(forms=[{"key": "repair", "label": "x", "fields": [{"key": "a", "type": "magic"}]}]),
    "fields that are none": broken(forms=[{"key": "repair", "label": "x", "fields": [5]}]),
    "a rule about a missing field": broken(rules=[REPAIRS["rules"][0] | {"where": {"field": "gone", "op": "empty"}}]),
    "a condition that is none": broken(rules=[REPAIRS["rules"][0] | {"where": "x"}]),
    "a report about a missing form": broken(reports=[{"key": "r", "label": "x", "form": "gone"}]),
    "measures that are none": broken(reports=[{"key": "r", "label": "x", "form": "repair", "measures": 5}]),
    "a dashboard of a missing report": broken(dashboards=[{"key": "d", "label": "x", "tiles": [{"report": "gone"}]}]),
    "a role of unknown rights": broken(roles=[{"key": "m", "label": "x", "forms": {"repair": {"verbs": ["fly"]}}}]),
    "sample data that does not fit": broken(sample_data={"repair": [{"cost": "much"}]}),
    "a key that is taken": broken(reports=[{"key": "sales", "label": "x", "form": "order"}], dashboards=[]),
}


@pytest.mark.parametrize("document", BROKEN.values(), ids=BROKEN)
def test_a_broken_package_is_refused_in_one_sentence_and_leaves_nothing(cli, api, file, document):
    before = form_keys(api)
    refused = cli("app", "install", file(document))
    assert refused.status == 1 and len(refused.err.strip().splitlines()) == 1 and "意外错误" not in refused.err
    assert form_keys(api) == before
    assert not any(a["installed"] for a in cli("app", "list", "--json").ok().json["apps"])
    cli("app", "install", file(REPAIRS)).ok()


def test_what_is_wrong_in_a_rule_is_said_with_its_place(cli, file):
    rule, assign = REPAIRS["rules"][0], {"action": "assign", "by": "city", "map": {"杭州": "nobody"}}
    for wrong, place in (
        ({"form": "customer", "where": {}, "do": [{"action": "add_tag", "tag": "x"}, assign]}, "do.1.map.杭州"),
        ({"do": [{"action": "set", "values": {"status": "完成"}, "when": "now"}]}, "do.0.when"),
        ({"on": {"created": True, "where": {}}}, "on"),
        ({"on": {"updated": ["cost"]}, "where": {"changed": "cost", "form": "1"}}, "where"),
        ({"stop": "yes"}, "stop"),
    ):
        refused = cli("app", "install", file(broken(rules=[rule | wrong])))
        assert refused.status == 1 and place in refused.err, refused.err


def test_a_section_of_a_later_release_is_named(cli, file):
    assert "segments" in cli("app", "install", file(broken(segments=[{"key": "vip"}]))).err


def test_a_missing_package_is_told_with_those_there_are(cli):
    refused = cli("app", "install", "nothing")
    assert refused.status == 1 and "aftersales" in refused.err


def test_removing_takes_everything_away_but_what_holds_records_and_comes_back_whole(cli, api, file):
    cli("app", "install", file(REPAIRS)).ok()
    api.post("/forms/repair/records", {"values": {"number": "R1"}})
    gone = cli("app", "remove", "repairs", "--json").ok().json
    assert set(gone["stays"]) == {"form:repair"} and "维修单" in gone["stays"]["form:repair"]
    assert {"rule:repair_done", "report:repairs_by_status", "dashboard:repairs", "form:repair_part"} <= set(
        gone["removed"]
    )
    assert "repair" in form_keys(api) and "repair_part" not in form_keys(api)
    assert cli("app", "remove", "repairs").status == 1
    done = cli("app", "install", file(REPAIRS), "--json").ok().json
    assert done["kept"] == [] and "form:repair_part" in done["added"]
    assert form_keys(api) >= {"repair", "repair_part"}


def test_tags_that_customers_hold_stay_when_the_app_goes(cli, api, file):
    cli("app", "install", file(REPAIRS)).ok()
    api.post("/forms/customer/records", {"values": {"name": "张三", "tags": ["常修"]}})
    gone = cli("app", "remove", "repairs", "--json").ok().json
    assert "tag_group:repairs" in gone["stays"] and "tag:常修" in gone["stays"]
    assert len(cli("app", "install", file(REPAIRS), "--json").ok().json["kept"]) == 0


def test_sample_data_comes_once(cli, api, file):
    sample = {"repair": [{"number": "R1"}], "repair_part": [{"name": "电池", "repair": {"number": "R1"}}]}
    assert cli("app", "install", file(broken(sample_data=sample)), "--json").ok().json["sample_records"] == 2
    assert cli("app", "install", file(newer(sample_data=sample)), "--json").ok().json["sample_records"] == 0
    assert len(api.get("/forms/repair/records")["records"]) == 1


def test_what_was_exported_installs_the_same_in_another_company(cli, data, file, tmp_path, template):
    cli("app", "install", file(broken(rules=[REPAIRS["rules"][0] | {"working_hours": "wait"}]))).ok()
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    cli("app", "export", first, "--app", "ours").ok()
    other = tmp_path / "other"
    shutil.copytree(template.folder, other)
    for args in (["install", str(first)], ["export", str(second), "--app", "ours"]):
        status, out, err = world.command(other, ["app", *args])
        assert status == 0, out + err
    exported = json.loads(first.read_text("utf-8"))
    assert {f.get("key", f.get("extends")) for f in exported["forms"]} == {"repair_part", "repair", "customer"}
    assert exported["rules"][0]["enabled"] and exported["dashboards"][0]["tiles"][0]["report"] == "repairs_by_status"
    by_key = {s: sorted(v, key=str) if isinstance(v, list) else v for s, v in exported.items()}
    again = json.loads(second.read_text("utf-8"))
    assert {s: sorted(v, key=str) if isinstance(v, list) else v for s, v in again.items()} == by_key


def test_an_export_of_some_forms_holds_what_is_about_them(cli, file, tmp_path):
    cli("app", "install", file(REPAIRS)).ok()
    path = tmp_path / "parts.json"
    assert cli("app", "export", path, "--forms", "repair_part", "--json").ok().json["forms"] == 1
    document = json.loads(path.read_text("utf-8"))
    assert document["app"] == "parts" and document["rules"] == [] and document["dashboards"] == []
    assert cli("app", "export", path, "--forms", "gone").status == 1


def test_the_shipped_after_sales_app_works(cli, api, client, work):
    cli("app", "install", "aftersales").ok()
    customer = api.post("/forms/customer/records", {"values": {"name": "张三"}})["id"]
    for title in ("少发一件", "态度差"):
        ticket = api.post(
            "/forms/ticket/records", {"values": {"title": title, "customer": customer, "kind": "complaint"}}
        )
    work()
    assert api.get(f"/forms/ticket/records/{ticket['id']}")["values"]["priority"] == "urgent"
    page = client.get("/dashboards/aftersales")
    assert page.status_code == 200 and "售后看板" in page.text
    assert cli("app", "remove", "aftersales", "--json").ok().json["stays"]
