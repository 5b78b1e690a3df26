"""What the text message platforms tell us: arrived, not arrived, answered; and that only they are listened to."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.customers import consents
from appliance.messaging.models import Message, MessageBlock
from appliance.messaging.outbox import Draft
from appliance.messaging.senders import Target
from tests.messaging.conftest import NOON, customer, reserve, row
from tests.messaging.test_senders import allow_loopback
from tests.support import platforms

LI, ZHOU = "13800138000", "13900139000"


@pytest.fixture(autouse=True)
def daytime(clock: Any) -> None:
    clock.set(NOON)


@pytest.fixture
def outside() -> Iterator[platforms.Platforms]:
    with platforms.serving() as found:
        yield found


class Line:
    """A connection to a platform, a customer who is sent something, and the platform that calls back."""

    def __init__(self, api: Any, client: Any, outside: platforms.Platforms, kind: str, work: Any) -> None:
        allow_loopback()
        doc = platforms.connection(outside, kind)
        doc["params"]["template_code"] = "SMS_9"
        self.key = api.post("/connections", doc, expect=201)["key"]
        self.anon, self.work = client.application.test_client(), work
        page = client.post(f"/settings/connections/{self.key}/hook").text
        self.url = re.search(r"/hooks/[\w-]+\?token=[\w-]+", page)[0]  # type: ignore[index]
        assert self.url.rpartition("=")[2] not in client.get(f"/settings/connections/{self.key}").text

    def send(self, to: int, key: str, purpose: str = "service") -> Message:
        reserve(Draft("sms", Target.customer(to), "您的快递到了", key=key, purpose=purpose, connection=self.key))
        self.work()
        return row(key)

    def tells(self, doc: Any, url: str = "", status: int = 200) -> Any:
        answer = self.anon.post(url or self.url, json=doc)
        assert answer.status_code == status, answer.text
        return answer.get_json()


def aliyun(message: Message, ok: bool = True, **more: Any) -> dict[str, Any]:
    why = ("DELIVERED", "用户接收成功") if ok else ("MOBILE_NOT_ON_SERVICE", "空号")
    return {
        "phone_number": LI, "send_time": "2026-06-15 12:00:00", "report_time": "2026-06-15 12:00:05", "success": ok,
        "err_code": why[0], "err_msg": why[1], "sms_size": "1", "biz_id": message.provider_id, "out_id": "x",
    } | more  # fmt: skip


def tencent(message: Message, ok: bool = True) -> dict[str, Any]:
    return {
        "user_receive_time": "2026-06-15 12:00:05", "nationcode": "86", "mobile": LI, "sid": message.provider_id,
        "report_status": "SUCCESS" if ok else "FAIL", "errmsg": "DELIVRD" if ok else "UNDELIV", "description": "空号",
    }  # fmt: skip


CALLS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "sms_aliyun": (
        aliyun,
        {"code": 0, "msg": "接收成功"},
        {
            "phone_number": LI,
            "content": " 退订 ",
            "send_time": "2026-06-15 11:59:00",
            "sign_name": "固客",
            "sequence_id": 7,
        },
    ),
    "sms_tencent": (
        tencent,
        {"result": 0, "errmsg": "OK"},
        {"extend": "", "mobile": LI, "nationcode": "86", "sign": "固客", "text": "TD", "time": 1781495940},
    ),
}


@pytest.mark.parametrize("kind", CALLS)
def test_receipts_settle_messages_and_a_no_is_obeyed(
    api: Any, client: Any, outside: platforms.Platforms, work: Any, kind: str
) -> None:
    report, thanks, no = CALLS[kind]
    line, li = Line(api, client, outside, kind, work), customer(phone=LI, agrees=True)
    good = line.send(li, "good")
    assert good.state == "delivered" and line.tells([report(good)]) == thanks
    assert "已送到对方手里" in client.get(f"/messages/{good.id}").text
    bad = Message.create(**good.__data__ | {"id": None, "key": "bad", "provider_id": "p-2", "why": "delivered"})
    # Told twice, with a stranger's among them, in the wrong order: what did not arrive did not arrive.
    other = Message(provider_id="of-another-program")
    line.tells([report(other), report(bad, False)])
    line.tells([report(bad, False), report(bad)])
    assert (row("bad").state, row("bad").why) == ("failed", "not_received")
    assert "空号" in client.get(f"/messages/{bad.id}").text and row("good").why == "received"

    assert line.tells(no if kind == "sms_tencent" else [no]) == thanks and line.tells(no) == thanks
    assert consents.current(li)["marketing", "sms"].state == "withdrawn"
    assert MessageBlock.get().address == LI
    assert line.send(li, "ad", "marketing").why == "withdrawn"
    assert no.get("content", no.get("text")).strip() in client.get(f"/customers/{li}/timeline").text


def test_a_receipt_ends_what_nobody_knew(api: Any, client: Any, outside: platforms.Platforms, work: Any) -> None:
    """The platform did not answer in time, and its receipt says by our own number which message it was."""
    line, li = Line(api, client, outside, "sms_aliyun", work), customer(phone=LI)
    outside.mode = "silent"
    lost = line.send(li, "lost")
    assert lost.state == "unknown" and lost.provider_id is None
    mark = hashlib.sha256(b"lost").hexdigest()[:32]
    line.tells([aliyun(lost, biz_id="b-1", out_id="somebody-elses")])
    assert row("lost").state == "unknown"
    line.tells([aliyun(lost, biz_id="b-1", out_id=mark)])
    assert (row("lost").state, row("lost").why, row("lost").provider_id) == ("delivered", "received", "b-1")


def test_strangers_tell_nothing_and_a_switched_off_line_still_hears_a_no(
    api: Any, client: Any, staff_client: Any, outside: platforms.Platforms, work: Any
) -> None:
    report, thanks, no = CALLS["sms_aliyun"]
    line, li = Line(api, client, outside, "sms_aliyun", work), customer(phone=LI, agrees=True)
    sent = line.send(li, "one")
    bare = line.url.partition("?")[0]
    for url in (bare, f"{bare}?token=guessed", line.url + "x"):
        line.tells([report(sent, False), no], url, 401)
    for nonsense in ("[1]", '[{"a": 1}]', "{", "[" * 99):
        answer = line.anon.post(line.url, data=nonsense, content_type="application/json")
        assert answer.status_code == 400 and json.loads(answer.data)["title"]
    assert row("one").state == "delivered" and not MessageBlock.select().exists()
    old = line.url
    assert staff_client.post(f"/settings/connections/{line.key}/hook").status_code == 403
    client.post(f"/settings/connections/{line.key}/hook")
    line.tells([no], old, 401)
    assert client.post("/settings/connections/nobody/hook").status_code == 404
    page = client.post(f"/settings/connections/{line.key}/hook").text
    line.url = re.search(r"/hooks/[\w-]+\?token=[\w-]+", page)[0]  # type: ignore[index]
    client.post(f"/settings/connections/{line.key}/switch", htmx=True)
    assert line.tells([no]) == thanks and consents.current(li)["marketing", "sms"].state == "withdrawn"
