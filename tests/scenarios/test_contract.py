"""One app package with every kind of trigger and most actions, set off from outside: the API, the clock and ``guke work``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import Api

PACKAGE: dict[str, Any] = {
    "app": "live_ops",
    "version": "1.0.0",
    "label": {"zh": "直播运营", "en": "Live ops"},
    "forms": [{"key": "customer", "extends": "customer", "fields": [{"key": "skin", "label": "肤质", "type": "text"}]}],
    "tag_groups": [{"key": "life", "label": "生命周期", "exclusive": True, "tags": ["新粉", "首购粉", "复购粉"]}],
    "segments": [
        {
            "key": "silent",
            "label": "三十天沉默",
            "where": {
                "all": [
                    {"field": "order_count", "op": "gte", "value": 1},
                    {
                        "event": ["watch", "like", "comment"],
                        "within": {"days": 30},
                        "agg": "count",
                        "op": "eq",
                        "value": 0,
                    },
                    {
                        "related": "order",
                        "within": {"days": 30},
                        "on": "paid_at",
                        "agg": "count",
                        "op": "eq",
                        "value": 0,
                    },
                ]
            },
        },
        {
            "key": "big_month",
            "label": "月消费两千",
            "form": "customer",
            "where": {
                "related": "order",
                "where": {"field": "status", "op": "ne", "value": "cancelled"},
                "within": {"days": 30},
                "on": "paid_at",
                "agg": "sum",
                "of": "amount",
                "op": "gte",
                "value": 2000,
            },
        },
    ],
    "decision_tables": [
        {
            "key": "life",
            "label": "生命周期",
            "form": "customer",
            "schedule": "0 3 * * *",
            "target": {"tag_group": "life"},
            "rows": [
                {"where": {"field": "order_count", "op": "gte", "value": 2}, "then": "复购粉"},
                {"where": {"field": "order_count", "op": "eq", "value": 1}, "then": "首购粉"},
            ],
            "default": "新粉",
        }
    ],
    "message_templates": [{"key": "hello", "label": "问候", "text": "{{ record.name }}，您好"}],
    "rules": [
        {
            "key": "welcome",
            "label": "新客分配",
            "form": "customer",
            "on": {"created": True},
            "where": {"field": "province", "op": "in", "value": ["浙江", "江苏"]},
            "do": [
                {"action": "assign", "by": "province", "map": {"浙江": "bo", "江苏": ["cy"]}, "else": "amy"},
                {"action": "create_task", "title": "联系 {{ record.name }}", "assignee": "owner", "due": {"hours": 2}},
            ],
        },
        {
            "key": "fan",
            "label": "关注",
            "form": "customer",
            "on": {"event": "follow"},
            "do": [{"action": "add_tag", "tag": "已关注"}],
        },
        {
            "key": "lost",
            "label": "沉默",
            "form": "customer",
            "on": {"enters": "silent"},
            "do": [{"action": "add_tag", "tag": "预流失"}],
        },
        {
            "key": "back",
            "label": "回来",
            "form": "customer",
            "on": {"leaves": "silent"},
            "do": [{"action": "remove_tag", "tag": "预流失"}],
        },
        {
            "key": "vip",
            "label": "VIP",
            "form": "customer",
            "on": {"enters": "big_month"},
            "do": [
                {"action": "set_level", "level": "vip"},
                {"action": "send", "via": "in_app", "to": "owner", "text": "{{ record.name }} 成为 VIP"},
            ],
        },
        {
            "key": "unvip",
            "label": "VIP 取消",
            "form": "customer",
            "on": {"leaves": "big_month"},
            "do": [{"action": "set_level", "level": "normal"}],
        },
        {
            "key": "birthday",
            "label": "生日",
            "form": "customer",
            "on": {"date": "birthday", "offset": {"days": -7}, "at": "09:00", "yearly": True},
            "do": [{"action": "send", "via": "sms", "to": "customer", "template": "hello", "expires": {"days": 2}}],
        },
        {
            "key": "pts",
            "label": "积分",
            "form": "order",
            "on": {"updated": ["paid_at"]},
            "where": {"field": "paid_at", "op": "not_empty"},
            "once_per": "record",
            "do": [{"action": "add_points", "points": 10, "reason": "下单"}],
        },
        {
            "key": "moved",
            "label": "阶段",
            "form": "customer",
            "on": {"updated": ["stage"]},
            "where": {"changed": "stage", "from": ["new"], "to": ["following"]},
            "do": [
                {
                    "action": "create_record",
                    "form": "follow_up",
                    "values": {"customer": "{{ record.id }}", "content": "开始跟进 {{ record.name }}"},
                }
            ],
        },
        {
            "key": "byhand",
            "label": "手动",
            "form": "customer",
            "on": {"manual": True},
            "do": [{"action": "set", "values": {"remark": "手动"}}],
        },
    ],
}


@pytest.fixture
def shop(cli: Any, tmp_path: Path, clock: Any, work: Any, api: Api) -> Any:
    """The package, installed twice; ``shop(**time)`` moves the clock and does what is due."""
    clock.set("2026-06-01T10:00:00+08:00")
    file = tmp_path / "live_ops.json"
    file.write_text(json.dumps(PACKAGE, ensure_ascii=False), encoding="utf-8")
    cli("app", "install", file, "--json").ok()
    cli("app", "install", file, "--json").ok()
    work()

    def later(**time: float) -> None:
        clock.move(**time)
        work()

    return later


def customer(api: Api, **values: Any) -> int:
    return int(api.post("/forms/customer/records", {"values": {"name": "王芳", **values}}, expect=201)["id"])


def values(api: Api, form: str, record_id: int) -> dict[str, Any]:
    return dict(api.get(f"/forms/{form}/records/{record_id}")["values"])


def found(api: Api, form: str, **where: Any) -> list[dict[str, Any]]:
    query = {"all": [{"field": key, "op": "eq", "value": value} for key, value in where.items()]}
    return [r["values"] for r in api.post(f"/forms/{form}/query", {"where": query})["records"]]


def members(api: Api, key: str) -> set[int]:
    return {m["id"] for m in api.get(f"/segments/{key}/members")["records"]}


def test_a_new_customer_is_assigned_by_province_with_a_task(shop: Any, api: Api, work: Any) -> None:
    ids = [customer(api, name=p, province=p) for p in ("浙江", "江苏", "四川")]
    work()
    assert [values(api, "customer", i)["owner"] for i in ids] == ["bo", "cy", None]
    tasks = found(api, "task")
    assert {(t["title"], t["assignee"]) for t in tasks} == {("联系 浙江", "bo"), ("联系 江苏", "cy")}
    assert {t["due_at"] for t in tasks} == {"2026-06-01T12:00:00+08:00"}


def test_what_customers_do_sets_rules_off_and_silence_comes_and_goes(shop: Any, api: Api, work: Any) -> None:
    who = customer(api, phone="13800138000")
    order = {"number": "A1", "customer": {"phone": "13800138000"}, "status": "paid"}
    api.post("/forms/order/records", {"values": {**order, "amount": "199.00", "paid_at": "2026-06-01T09:00:00+08:00"}})
    event = {"connection": "douyin-main", "customer": {"phone": "13800138000"}, "at": "2026-06-01T09:30:00+08:00"}
    told = api.post(
        "/events", {"events": [event | {"id": "e1", "type": "follow"}, event | {"id": "e1", "type": "follow"}]}
    )
    assert (told["accepted"], told["duplicate"], told["failed"]) == (1, 1, [])
    work()
    assert values(api, "customer", who)["tags"] == ["已关注"]
    shop(days=29)
    assert members(api, "silent") == set()
    shop(days=1, hours=1)
    assert members(api, "silent") == {who}
    assert set(values(api, "customer", who)["tags"]) >= {"预流失"}
    api.post(
        "/events", {"events": [event | {"id": "e2", "type": "watch", "at": "2026-07-01T11:00:00+08:00", "seconds": 60}]}
    )
    work()
    assert members(api, "silent") == set()
    assert "预流失" not in values(api, "customer", who)["tags"]


def test_a_month_of_two_thousand_makes_a_vip_and_a_refund_takes_it_back(shop: Any, api: Api, work: Any) -> None:
    who = customer(api, owner="bo")
    order = api.post("/forms/order/records", {"values": {
        "number": "B1", "customer": who, "status": "paid", "amount": "2400.00", "paid_at": "2026-06-01T09:00:00+08:00",
    }})  # fmt: skip
    work()
    assert members(api, "big_month") == {who} and values(api, "customer", who)["level"] == "vip"
    assert [m["state"] for m in api.get("/messages")["messages"]] == ["delivered"]
    api.patch(f"/forms/order/records/{order['id']}", {"values": {"status": "cancelled"}})
    work()
    assert members(api, "big_month") == set() and values(api, "customer", who)["level"] == "normal"


def test_a_birthday_is_remembered_once_a_year(shop: Any, api: Api, clock: Any) -> None:
    customer(api, birthday="1990-06-20", phone="13800138000")
    shop(days=11)
    assert api.get("/messages")["messages"] == []
    shop(days=1, hours=1)
    shop(days=1)
    [sent] = api.get("/messages")["messages"]
    assert (sent["via"], sent["text"]) == ("sms", "王芳，您好")
    shop(days=364)
    assert len(api.get("/messages")["messages"]) == 2


def test_a_run_by_hand_is_about_those_whom_the_trigger_means(shop: Any, api: Api, work: Any) -> None:
    """Somebody presses "run" on rules of a segment, of an event and of a date: customers who have nothing to do with it stay as they are."""
    other, big, fan = (customer(api, name=n, level="gold") for n in ("甲", "乙", "丙"))
    birthday = customer(api, name="丁", birthday="1990-06-08", phone="13900139000")
    paid = {"number": "E1", "customer": big, "status": "paid", "amount": "2400", "paid_at": "2026-06-01T09:00:00+08:00"}
    api.post("/forms/order/records", {"values": paid})
    api.post("/events", {"events": [{"customer": fan, "type": "follow", "at": "2026-06-01T09:30:00+08:00"}]})
    work()
    for i in (big, fan):
        api.patch(f"/forms/customer/records/{i}", {"values": {"level": "gold", "tags": []}})
    for key in ("vip", "unvip", "fan", "birthday"):
        api.post(f"/rules/{key}:run", {})
    work()
    assert [values(api, "customer", i)["level"] for i in (other, big, fan)] == ["gold", "vip", "gold"]
    assert [values(api, "customer", i)["tags"] for i in (other, big, fan)] == [[], [], ["已关注"]]
    assert [m["text"] for m in api.get("/messages")["messages"] if m["via"] == "sms"] == ["丁，您好"]
    assert birthday


def test_points_follow_payment_and_go_with_the_order(shop: Any, api: Api, work: Any) -> None:
    who = customer(api)
    order = api.post(
        "/forms/order/records", {"values": {"number": "C1", "customer": who, "status": "pending", "amount": "99"}}
    )
    api.patch(
        f"/forms/order/records/{order['id']}", {"values": {"status": "paid", "paid_at": "2026-06-01T09:00:00+08:00"}}
    )
    work()
    assert values(api, "customer", who)["points"] == 10
    api.delete(f"/forms/order/records/{order['id']}")
    work()
    assert values(api, "customer", who)["points"] == 0


def test_a_rule_told_by_the_api_acts_at_once(shop: Any, api: Api, work: Any) -> None:
    told = {"form": "customer", "on": {"created": True}, "do": [{"action": "add_tag", "tag": "接口"}]}
    api.post("/rules", {"key": "by_api", "label": "接口", **told}, expect=201)
    api.post(
        "/segments", {"key": "tagged", "label": "接口客户", "form": "customer", "where": {"tag": "接口"}}, expect=201
    )
    work()
    who = customer(api)
    work()
    assert members(api, "tagged") == {who}


def test_a_stage_that_moves_writes_a_follow_up_and_the_button_does_its_work(shop: Any, api: Api, work: Any) -> None:
    who = customer(api, stage="new")
    api.patch(f"/forms/customer/records/{who}", {"values": {"stage": "following"}})
    work()
    assert [f["content"] for f in found(api, "follow_up", customer=who)] == ["开始跟进 王芳"]
    api.post("/rules/byhand:run", {"ids": [who]})
    work()
    assert values(api, "customer", who)["remark"] == "手动"


def test_the_nightly_table_gives_exclusive_tags(shop: Any, api: Api, cli: Any, clock: Any) -> None:
    ids = [customer(api, name=str(n)) for n in range(3)]
    for n, i in enumerate(ids):
        for k in range(n):
            paid = {
                "number": f"D{n}{k}",
                "customer": i,
                "status": "paid",
                "amount": "5",
                "paid_at": "2026-06-01T09:00:00+08:00",
            }
            api.post("/forms/order/records", {"values": paid})
    clock.move(hours=17, minutes=1)
    done = cli("work", "--json").ok().json
    assert done["errors"] == []
    assert [values(api, "customer", i)["tags"] for i in ids] == [["新粉"], ["首购粉"], ["复购粉"]]
