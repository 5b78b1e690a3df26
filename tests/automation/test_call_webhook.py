"""The action ``call_webhook``: rules call the company's own programs, each record and occurrence once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from appliance.core.db import read
from appliance.messaging.models import Message
from tests.support import platforms
from tests.support.clock import Clock
from tests.support.http import Api, Client
from tests.support.platforms import Platforms

Work = Callable[[], dict[str, Any]]


@pytest.fixture
def outside(api: Api, app: Flask, clock: Clock) -> Iterator[Platforms]:
    from appliance.core import settings

    with platforms.serving() as found:
        settings.set("security.allowed_hosts", "127.0.0.1")
        api.post(
            "/connections", platforms.connection(found, "webhook_out") | {"key": "erp", "label": "ERP"}, expect=201
        )
        yield found


def rule(**action: Any) -> dict[str, Any]:
    do = {"action": "call_webhook", "connection": "erp", **action}
    return {
        "key": "tell_erp",
        "label": "告诉 ERP",
        "form": "customer",
        "on": {"created": True},
        "do": [do],
        "enabled": True,
    }


def add(api: Api, **values: Any) -> int:
    return int(api.post("/forms/customer/records", {"values": values}, expect=201)["id"])


def test_a_new_record_is_called_about_once_with_the_body_that_was_written(
    api: Api, outside: Platforms, work: Work
) -> None:
    body = {
        "who": "{{ record.name }}",
        "city": "{{ record.city or '未知' }}",
        "fixed": [1, True, None, "词"],
        "deep": {"a": "x-{{ record.phone }}"},
    }
    made = api.post("/rules", rule(body=body), expect=201)
    assert "调用「ERP」" in made["words"]
    add(api, name='张"三\\', phone="13800138000")
    work()
    work()
    [(_platform, doc)] = outside.sent
    assert doc == {"who": '张"三\\', "city": "未知", "fixed": [1, True, None, "词"], "deep": {"a": "x-13800138000"}}


def test_without_a_body_the_whole_record_is_sent(api: Api, outside: Platforms, work: Work) -> None:
    api.post("/rules", rule(), expect=201)
    number = add(api, name="张三", city="杭州")
    work()
    [(_platform, doc)] = outside.sent
    assert (doc["form"], doc["id"], doc["values"]["name"], doc["values"]["city"]) == (
        "customer",
        number,
        "张三",
        "杭州",
    )


def test_a_call_that_does_not_get_through_is_tried_again_with_the_same_key(
    api: Api, outside: Platforms, work: Work, clock: Clock
) -> None:
    api.post("/rules", rule(), expect=201)
    keys = []
    add(api, name="张三")
    for mode in ("broken", "silent", "busy", "ok"):
        outside.mode = mode
        work()
        keys.append(outside.headers["idempotency-key"])
        clock.move(hours=1)
    work()
    assert len(outside.calls) == 4 and len(set(keys)) == 1 and len(outside.sent) == 1


def test_the_other_side_may_refuse_for_good(api: Api, outside: Platforms, work: Work, clock: Clock) -> None:
    api.post("/rules", rule(), expect=201)
    outside.mode = "refused"
    add(api, name="张三")
    work()
    clock.move(hours=2)
    work()
    assert len(outside.calls) == 1
    with read():
        [message] = Message.select()
    assert message.state == "failed" and "no such order" in message.error


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"connection": "nowhere"}, "ERP"),
        ({"body": "not json"}, "JSON"),
        ({"body": {"a": "{{ record.nonsense }}"}}, "nonsense"),
        ({"body": {"a": "{{ record.name"}}, ""),
        ({"wrong": 1}, "wrong"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_saved(
    api: Api, outside: Platforms, action: dict[str, Any], why: str
) -> None:
    problem = api.raw("POST", "/rules", rule(**action))
    assert problem.status_code == 422 and why in problem.text


def test_the_editor_offers_the_addresses_and_keeps_what_was_typed(api: Api, client: Client, outside: Platforms) -> None:
    part = client.get(
        "/automation/rules/action", query_string={"form": "customer", "action": "call_webhook"}, htmx=True
    )
    assert "ERP" in part.text and "发送整条记录" in part.text
    api.post("/rules", rule(body={"a": "{{ record.name }}"}), expect=201)
    page = client.get("/automation/rules/tell_erp").text
    assert "&#34;a&#34;: &#34;{{ record.name }}&#34;" in page
    used = client.get("/settings/connections/erp").text
    assert "规则「告诉 ERP」" in used and "/automation/rules/tell_erp" in used
