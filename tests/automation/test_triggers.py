"""What sets rules off beside writes and the clock: deletions, events, segments, calls from outside, buttons."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from appliance.accounts.actor import SYSTEM
from appliance.automation import rules, tables
from appliance.automation.triggers import TRIGGERS
from appliance.connections import inbound
from appliance.connections.models import ConnectionRow, WebhookCall
from appliance.core import clock as core_clock
from appliance.core import incidents
from appliance.core.db import write
from appliance.customers.segments import store as segments
from appliance.forms import catalog, merging, records
from appliance.web.help import FOLDER as HELP
from tests.support.clock import Clock
from tests.support.http import Api, Client

from .conftest import Shop
from .test_safety import Call, arrive, call, save

__all__ = ["call"]
Work = Callable[[], dict[str, Any]]
Runs = Callable[..., list[Any]]


def tell(api: Api, *events: dict[str, Any]) -> None:
    answer = api.post("/events", {"events": list(events)})
    assert not answer["failed"], answer


def event(number: int, kind: str = "follow", who: str = "u1", **more: Any) -> dict[str, Any]:
    return {
        "connection": "douyin-main", "id": f"e{number}", "customer": {"douyin_id": who}, "type": kind,
        "at": core_clock.iso(core_clock.now(), core_clock.zone("Asia/Shanghai")), **more,
    }  # fmt: skip


def test_every_event_sets_a_rule_off_once_and_old_ones_do_not(
    clock: Clock, shop: Shop, work: Work, api: Api, call: type[Call], runs: Runs
) -> None:
    save("liked", on={"event": "like", "connection": "douyin-main"}, do=[{"action": "test_call"}])
    tell(api, event(1, "like"), event(2, "like"), event(3, "follow"), event(4, "like", "u2"))
    tell(api, event(1, "like"))
    tell(api, event(5, "like", connection="kuaishou"))
    work()
    assert len(call.calls) == len({key for _i, key in call.calls}) == 3
    tell(api, event(6, "like", at="2020-01-01T00:00:00+08:00"))
    work()
    assert len(call.calls) == 3
    assert runs(kind="rule")[0].trigger == "event"


def test_coming_into_a_segment_and_leaving_it_set_rules_off(shop: Shop, work: Work, runs: Runs) -> None:
    city = {"field": "city", "op": "eq", "value": "杭州"}
    segments.save({"key": "hangzhou", "label": "杭州客户", "where": city}, SYSTEM)
    arrive("before")
    work()
    save("in", on={"enters": "hangzhou"}, do=[{"action": "add_tag", "tag": "来了"}])
    save("out", on={"leaves": "hangzhou"}, do=[{"action": "add_tag", "tag": "走了"}])
    shop.ids["ann"] = arrive("ann")[0]
    shop.change("ann", city="杭州")
    work()
    assert (shop.with_tag("来了"), shop.with_tag("走了")) == (["ann"], [])
    shop.change("ann", city="上海")
    work()
    assert shop.with_tag("走了") == ["ann"]
    assert {run.trigger for run in runs(kind="rule")} == {"segment"}


def test_who_comes_right_after_a_segment_was_saved_enters_it(shop: Shop, work: Work) -> None:
    shop.ids["old"], shop.ids["new"] = arrive("old", "new")
    shop.change("old", city="杭州")
    work()
    city = {"field": "city", "op": "eq", "value": "杭州"}
    segments.save({"key": "hangzhou", "label": "杭州客户", "where": city}, SYSTEM)
    save("in", on={"enters": "hangzhou"}, do=[{"action": "add_tag", "tag": "来了"}])
    shop.change("new", city="杭州")
    work()
    assert shop.with_tag("来了") == ["new"]


def test_segments_and_rules_that_feed_each_other_stop_with_an_incident(shop: Shop, work: Work, runs: Runs) -> None:
    for key, city, there in (("a", "杭州", "上海"), ("b", "上海", "杭州")):
        segments.save({"key": key, "label": key, "where": {"field": "city", "op": "eq", "value": city}}, SYSTEM)
        save(f"at_{key}", on={"enters": key}, do=[{"action": "set", "values": {"city": there}}])
    work()
    shop.ids["ann"] = arrive("ann")[0]
    shop.change("ann", city="杭州")
    for _turn in range(30):
        if not work()["jobs"]:
            break
    assert [one.kind for one in incidents.unresolved()] == ["rule_loop"]


def test_a_call_from_outside_sets_a_rule_off(shop: Shop, work: Work, call: type[Call]) -> None:
    with write():
        now = core_clock.now()
        erp = ConnectionRow.create(key="erp", kind="webhook_in", label="ERP", params={}, created_at=now, updated_at=now)
    save("called", on={"webhook": "erp"}, do=[{"action": "test_call"}])
    ann = arrive("ann")[0]
    for number in range(2):
        with write():
            row = WebhookCall.create(
                connection_id=erp.id, at=now, body={"n": number}, form_key="customer", record_id=ann, call_id=number
            )
            inbound.tell([row.id])
    work()
    assert [i for i, _key in call.calls] == [ann, ann] and len(set(call.calls)) == 2


def test_what_went_to_the_bin_is_told_of(shop: Shop, work: Work, call: type[Call]) -> None:
    save(
        "gone", on={"deleted": True}, where={"field": "name", "op": "eq", "value": "ann"}, do=[{"action": "test_call"}]
    )
    ann, ben = arrive("ann", "ben")
    records.delete_many(catalog.get("customer"), [ann, ben], SYSTEM)
    work()
    assert [i for i, _key in call.calls] == [ann]


def test_what_is_said_of_a_deleted_record_names_it(api: Api, work: Work) -> None:
    task = {"action": "create_task", "title": "{{ record.name }} 被删除了", "assignee": "bo"}
    note = {"action": "create_record", "form": "follow_up", "values": {"content": "删除 {{ record.name }}"}}
    rule = {"key": "gone", "label": "删除", "form": "customer", "on": {"deleted": True}, "do": [task, note]}
    api.post("/rules", rule, expect=201)
    ann = api.post("/forms/customer/records", {"values": {"name": "安安"}}, expect=201)["id"]
    work()
    api.call("DELETE", f"/forms/customer/records/{ann}")
    work()
    told = api.get("/forms/task/records")["records"][0]["values"]
    assert (told["title"], told["customer"], told["record"]) == ("安安 被删除了", None, ann)
    assert api.get("/forms/follow_up/records")["records"][0]["values"]["content"] == "删除 安安"


def test_a_text_says_what_was_before_the_change_that_the_rule_asks_about(api: Api, work: Work) -> None:
    api.post("/rules", {
        "key": "won", "label": "成交", "form": "customer", "on": {"updated": ["stage", "city"]},
        "where": {"changed": "stage", "from": ["following"], "to": ["customer"]},
        "do": [{"action": "create_task", "title": "{{ old.stage }} {{ old.city }}", "assignee": "bo"}],
    }, expect=201)  # fmt: skip
    ann = api.post("/forms/customer/records", {"values": {"name": "安安", "stage": "new", "city": "杭州"}})["id"]
    work()
    for values in ({"stage": "following"}, {"stage": "customer"}, {"stage": "lost", "city": "上海"}):
        api.patch(f"/forms/customer/records/{ann}", {"values": values})
    work()
    assert [t["values"]["title"] for t in api.get("/forms/task/records")["records"]] == ["跟进中 杭州"]


def test_a_decision_table_decides_when_an_event_comes(shop: Shop, work: Work, api: Api) -> None:
    doc = {
        "key": "warm", "label": "热度", "form": "customer", "on": {"event": "gift"}, "target": {"field": "level"},
        "rows": [{"where": {"event": "gift", "agg": "count", "op": "gte", "value": 2}, "then": "vip"}], "enabled": True,
    }  # fmt: skip
    tables.save(doc, SYSTEM)
    tell(api, event(1, "gift"))
    work()
    form = catalog.get("customer")
    assert form.table.select(form.col("level")).tuples().first() == (None,)
    tell(api, event(2, "gift"))
    work()
    assert form.table.select(form.col("level")).tuples().first() == ("vip",)


def test_who_was_greeted_is_not_greeted_again_as_part_of_another(shop: Shop, work: Work, call: type[Call]) -> None:
    save("once", on={"manual": True}, once_per="record", do=[{"action": "test_call"}])
    ann, double = arrive("ann", "ann2")
    rules.run("once", SYSTEM, [double])
    work()
    merging.merge(catalog.get("customer"), ann, double, {}, SYSTEM)
    rules.run("once", SYSTEM, [ann])
    work()
    assert [i for i, _key in call.calls] == [double]


def test_each_trigger_has_its_inputs_in_the_editor(shop: Shop, client: Client) -> None:
    page = client.get("/automation/rules/new").text
    assert {"event", "enters", "leaves", "webhook", "date", "deleted"} <= TRIGGERS.keys()
    for key, cls in TRIGGERS.items():
        assert f'value="{key}"' in page, key
        assert cls.template is None or f'id="trigger-{key}"' in page, key


def test_the_manual_has_a_heading_for_each_trigger() -> None:
    for language in ("zh", "en"):
        text = (HELP / language / "rules.md").read_text(encoding="utf-8")
        headings = " ".join(line for line in text.splitlines() if line.startswith("### "))
        missing = [key for key in TRIGGERS if not re.search(rf"\b{key}\b", headings)]
        assert missing == [], f"{language}: the manual does not explain {missing}"
