"""Rules through the API: rehearsed, tried on one record, their runs record by record, taken back, older versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.clock import Clock
from tests.support.http import Api

Work = Callable[[], dict[str, Any]]
RULE = {
    "key": "hangzhou", "label": "杭州客户", "form": "customer", "enabled": True, "on": {"created": True},
    "where": {"field": "city", "op": "eq", "value": "杭州"}, "do": [{"action": "add_tag", "tag": "杭州人"}],
    "folder": "地区", "stop": True, "working_hours": "skip",
}  # fmt: skip


def customer(api: Api, **values: Any) -> int:
    return int(api.post("/forms/customer/records", {"values": values}, expect=201)["id"])


def test_a_rehearsal_says_by_day_what_would_have_happened_and_does_nothing(clock: Clock, api: Api, work: Work) -> None:
    clock.set("2026-06-10T10:00:00+08:00")
    api.post("/rules", {**RULE, "enabled": False}, expect=201)
    for day in range(3):
        customer(api, name=f"h{day}", city="杭州")
        customer(api, name=f"s{day}", city="上海")
        clock.move(days=1)
    played = api.post("/rules/hangzhou:rehearse", {"days": 5})
    acted = {day["day"]: (day["heard"], day["matched"], day["acted"]) for day in played["days"]}
    assert acted == {
        "2026-06-09": (0, 0, 0), "2026-06-10": (2, 1, 1), "2026-06-11": (2, 1, 1), "2026-06-12": (2, 1, 1),
        "2026-06-13": (0, 0, 0),
    }  # fmt: skip
    assert played["acted"] == 3 and len(played["sample"]) == 3 and played["notes"]
    assert api.get("/rules/hangzhou/runs")["runs"] == []
    assert not any(r["values"].get("tags") for r in api.get("/forms/customer/records")["records"])
    nightly = {**RULE, "key": "nightly", "on": {"schedule": "0 3 * * *"}, "enabled": False}
    api.post("/rules", nightly, expect=201)
    assert api.post("/rules/nightly:rehearse", {"days": 3})["acted"] == 3
    dated = {
        **RULE,
        "key": "dated",
        "on": {"date": "created_at", "offset": {"days": 1}, "at": "09:00"},
        "enabled": False,
    }
    api.post("/rules", dated, expect=201)
    days = {day["day"]: day["acted"] for day in api.post("/rules/dated:rehearse", {"days": 4})["days"]}
    assert days == {"2026-06-10": 0, "2026-06-11": 1, "2026-06-12": 1, "2026-06-13": 1}
    api.post("/rules/hangzhou:rehearse", {"days": 500}, expect=422)


def test_one_record_is_explained_test_by_test(clock: Clock, api: Api) -> None:
    clock.set("2026-06-13T10:00:00+08:00")  # a Saturday
    api.post("/rules", {**RULE, "enabled": False}, expect=201)
    ann, ben = customer(api, name="ann", city="杭州"), customer(api, name="ben", city="上海")
    tried = api.post("/rules/hangzhou:try", {"record": ann})
    assert tried["passed"] and tried["actions"][0]["would_change"] and len(tried["held_back"]) == 1
    tried = api.post("/rules/hangzhou:try", {"record": ben})
    assert not tried["passed"] and tried["test"]["actual"] == "上海"
    api.post("/rules/hangzhou:try", {"record": 10**6}, expect=404)


def test_a_run_is_read_record_by_record_and_taken_back(api: Api, work: Work) -> None:
    rule = {**RULE, "working_hours": None}
    assert api.post("/rules", rule, expect=201)["folder"] == "地区"
    ann = customer(api, name="ann", city="杭州")
    work()
    (run,) = api.get("/rules/hangzhou/runs", status="done")["runs"]
    assert (run["trigger"], run["matched"], run["changed"]) == ("change", 1, 1)
    path = f"/rules/hangzhou/runs/{run['id']}"
    assert api.get(f"{path}/records")["records"] == [{"record": ann, "state": "done", "action": None, "why": None}]
    assert api.get(f"{path}/records", state="failed")["records"] == []
    api.post(f"{path}:approve", expect=409)
    api.post(f"{path}:undo", expect=202)
    work()
    assert api.get(path)["undone_at"] and api.get(f"/forms/customer/records/{ann}")["values"]["tags"] == []
    api.get(f"/decision-tables/customer_value/runs/{run['id']}", expect=404)


def test_versions_say_what_changed_and_an_older_one_comes_back(api: Api) -> None:
    api.post("/rules", RULE, expect=201)
    api.patch("/rules/hangzhou", {"where": {"field": "city", "op": "eq", "value": "上海"}, "stop": False})
    newest, first = api.get("/rules/hangzhou/versions")["versions"]
    assert (newest["version"], first["version"], newest["by"]) == (2, 1, "amy")
    assert any("杭州" in line and "上海" in line for line in newest["changes"])
    assert any("不再处理" in line for line in newest["changes"])
    back = api.post("/rules/hangzhou:restore", {"version": 1})
    assert (back["version"], back["where"], back["stop"]) == (3, RULE["where"], True)
    api.post("/rules/hangzhou:restore", {"version": 9}, expect=404)


def test_rules_are_put_into_another_order_and_into_folders(api: Api) -> None:
    for key in "abc":
        api.post("/rules", {**RULE, "key": key, "folder": ""}, expect=201)
    api.post("/rules:arrange", {"keys": ["c", "a"], "folders": {"a": " 每 日 "}})
    listed = api.get("/rules")["rules"]
    assert [rule["key"] for rule in listed][:2] == ["c", "a"]
    assert next(rule for rule in listed if rule["key"] == "a")["folder"] == "每 日"
    api.post("/rules:arrange", {"keys": ["nobody"]}, expect=404)
