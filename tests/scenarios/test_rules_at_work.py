"""Rules at work, with a moved clock: what a shop expects of them over days and months."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.accounts.actor import SYSTEM
from appliance.customers import consents
from tests.messaging.conftest import pigeons
from tests.support.clock import Clock
from tests.support.http import Api

__all__ = ["pigeons"]
Work = Callable[[], dict[str, Any]]


def customer(api: Api, **values: Any) -> int:
    return int(api.post("/forms/customer/records", {"values": values}, expect=201)["id"])


def of(api: Api, record_id: int) -> dict[str, Any]:
    values: dict[str, Any] = api.get(f"/forms/customer/records/{record_id}")["values"]
    return values


def order(api: Api, number: str, customer_id: int, amount: str, **more: Any) -> int:
    values = {"number": number, "customer": customer_id, "amount": amount, "status": "completed", **more}
    return int(api.post("/forms/order/records", {"values": values}, expect=201)["id"])


def drain(work: Work) -> None:
    while work()["jobs"]:
        pass


def test_a_month_s_spend_of_2000_makes_a_vip_and_a_refund_takes_it_back(clock: Clock, api: Api, work: Work) -> None:
    clock.set("2026-06-10T10:00:00+08:00")
    drain(work)
    for key in ("guke_month_vip_in", "guke_month_vip_out"):
        api.patch(f"/rules/{key}", {"enabled": True})
    ann, ben = customer(api, name="ann"), customer(api, name="ben")
    drain(work)
    order(api, "A1", ann, "1500.00", paid_at="2026-06-09T12:00:00+08:00")
    order(api, "B1", ben, "1900.00", paid_at="2026-06-09T12:00:00+08:00")
    second = order(api, "A2", ann, "600.00", paid_at="2026-06-10T09:00:00+08:00")
    order(api, "B2", ben, "900.00", paid_at="2026-05-30T09:00:00+08:00")
    drain(work)
    assert (of(api, ann)["level"], of(api, ben)["level"]) == ("vip", None)
    api.patch(f"/forms/order/records/{second}", {"values": {"refunded": "150.00"}})
    drain(work)
    assert of(api, ann)["level"] == "normal"
    api.patch(f"/forms/order/records/{second}", {"values": {"refunded": "50.00"}})
    drain(work)
    assert of(api, ann)["level"] == "vip"
    clock.set("2026-07-01T00:05:00+08:00")
    drain(work)
    assert of(api, ann)["level"] == "normal", "a new month begins at nothing"


def test_thirty_days_of_silence_are_noticed_and_so_is_the_end_of_them(clock: Clock, api: Api, work: Work) -> None:
    clock.set("2026-06-10T10:00:00+08:00")
    drain(work)
    for key in ("guke_losing_30_days", "guke_losing_no_more"):
        api.patch(f"/rules/{key}", {"enabled": True})
    ann = customer(api, name="ann", douyin_id=None)
    order(api, "A1", ann, "100.00", paid_at="2026-06-10T09:00:00+08:00")
    drain(work)
    for day, tagged in ((15, False), (29, False), (32, True)):
        clock.set("2026-06-10T10:00:00+08:00")
        clock.move(days=day)
        drain(work)
        assert ("预流失" in of(api, ann)["tags"]) == tagged, day
    order(api, "A2", ann, "100.00", paid_at="2026-07-12T09:00:00+08:00")
    clock.move(days=1)
    drain(work)
    assert "预流失" not in of(api, ann)["tags"]


def test_a_new_customer_goes_to_the_region_with_a_task_and_three_days_of_silence_go_to_the_manager(
    clock: Clock, api: Api, work: Work
) -> None:
    clock.set("2026-06-10T10:00:00+08:00")
    api.post("/departments", {"name": "华东", "head": "amy", "members": ["bo", "cy"]}, expect=201)
    api.post("/rules", {
        "key": "by_region", "label": "按地区分配", "form": "customer", "enabled": True, "on": {"created": True},
        "do": [
            {"action": "assign", "by": "city", "map": {"杭州": "bo"}, "else": "cy"},
            {"action": "create_task", "title": "首次联系 {{ record.name }}", "assignee": "owner", "due": {"hours": 2}},
        ],
    }, expect=201)  # fmt: skip
    api.post("/rules", {
        "key": "no_follow_up", "label": "三天没有跟进", "form": "customer", "enabled": True,
        "on": {"date": "created_at", "offset": {"days": 3}, "at": "09:00"},
        "where": {"not": {"related": "follow_up", "within": {"days": 3}}},
        "do": [{"action": "send", "via": "in_app", "to": "manager_of_owner", "text": "{{ record.name }} 三天没有跟进"}],
    }, expect=201)  # fmt: skip
    ann = customer(api, name="安安", city="杭州")
    customer(api, name="贝贝", city="上海")
    drain(work)
    owners = {r["values"]["name"]: r["values"]["owner"] for r in api.get("/forms/customer/records")["records"]}
    assert owners["安安"] != owners["贝贝"] and None not in owners.values()
    tasks = api.get("/tasks", assignee="all")["records"]
    assert sorted(task["values"]["title"] for task in tasks) == ["首次联系 安安", "首次联系 贝贝"]
    api.post("/forms/follow_up/records", {"values": {"customer": ann, "content": "聊过了"}}, expect=201)
    clock.set("2026-06-12T20:00:00+08:00")
    drain(work)
    assert told() == []
    clock.set("2026-06-13T09:00:00+08:00")
    drain(work)
    assert told() == ["贝贝 三天没有跟进"]
    clock.set("2026-06-20T09:00:00+08:00")
    drain(work)
    assert told() == ["贝贝 三天没有跟进"]


def told() -> list[str]:
    """What rules told people in the appliance."""
    from appliance.accounts.models import Notice

    return [row.text for row in Notice.select().order_by(Notice.id) if "三天没有跟进" in row.text]


def test_a_birthday_in_seven_days_brings_a_message_with_a_coupon_once_a_year_and_not_at_night(
    clock: Clock, api: Api, work: Work, pigeons: Any
) -> None:
    clock.set("2026-06-10T10:00:00+08:00")
    drain(work)
    text = "{{ record.name }}，生日快乐！凭券码 BDAY 减 50 元"
    on = {"date": "birthday", "offset": {"days": -7}, "at": "22:30", "yearly": True, "lunar": True}
    api.post("/rules", {
        "key": "greet", "label": "生日", "form": "customer", "enabled": True, "on": on,
        "do": [{"action": "send", "via": "pigeon", "to": "customer", "text": text, "purpose": "marketing"}],
    }, expect=201)  # fmt: skip
    # Both were born on the 5th of the 5th lunar month: 19 June 2026.
    asked = customer(api, name="安安", phone="13800000001", birthday="1990-05-28")
    customer(api, name="没有同意过", phone="13800000002", birthday="1990-05-28")
    consents.record(asked, "marketing", list(consents.CHANNELS), "granted", "phone", SYSTEM)
    clock.set("2026-06-12T22:30:00+08:00")
    drain(work)
    assert pigeons.sent == [], "nobody is woken"
    run = api.get("/rules/greet/runs")["runs"][0]
    assert (run["matched"], run["changed"], run["skipped"]) == (2, 1, 1)
    [skipped] = api.get(f"/rules/greet/runs/{run['id']}/records", state="skipped")["records"]
    assert skipped["record"] != asked and "没有同意" in skipped["why"]
    clock.set("2026-06-13T09:30:00+08:00")
    drain(work)
    assert [message.text for message in pigeons.sent] == ["安安，生日快乐！凭券码 BDAY 减 50 元"]
    clock.set("2026-06-19T22:30:00+08:00")
    drain(work)
    clock.set("2027-05-28T22:30:00+08:00")
    drain(work)
    assert len(pigeons.sent) == 1
    # The same lunar day in 2027 is 9 June.
    clock.set("2027-06-02T22:30:00+08:00")
    consents.record(asked, "marketing", list(consents.CHANNELS), "granted", "phone", SYSTEM)
    drain(work)
    clock.move(hours=12)
    drain(work)
    assert len(pigeons.sent) == 2
