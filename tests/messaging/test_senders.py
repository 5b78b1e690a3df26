"""Senders: what each does with the answers of its platform, which checks what comes as the real one does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from appliance.forms.hooks import Cause
from appliance.messaging import senders
from appliance.messaging.senders import Message, Outcome, Target
from tests.support import mail_server, platforms
from tests.support.clock import Clock
from tests.support.http import Api, Client
from tests.support.platforms import Platforms

PLATFORMS = {
    "wecom_app": "wecom", "wecom_robot": "wecom", "dingtalk_work": "dingtalk", "dingtalk_robot": "dingtalk",
    "feishu_robot": "feishu", "sms_aliyun": "sms", "sms_tencent": "sms", "webhook_out": "webhook", "smtp": "email",
}  # fmt: skip
"""Each kind of connection that messages go through, and the way out it belongs to."""

PAID = {"sms_aliyun", "sms_tencent"}


@pytest.fixture
def world(api: Api, tmp_path: Path) -> Iterator[World]:
    with platforms.serving() as outside, mail_server.serving("none", tmp_path) as mail:
        yield World(api, outside, mail)


class World:
    """Connections to platforms on loopback; ``send`` is one try."""

    def __init__(self, api: Api, outside: Platforms, mail: mail_server.MailServer) -> None:
        self.api, self.outside, self.mail = api, outside, mail
        allow_loopback()

    def connect(self, kind: str, **params: Any) -> str:
        doc = smtp(self.mail) if kind == "smtp" else platforms.connection(self.outside, kind)
        doc["params"] |= params
        return str(self.api.post("/connections", doc, expect=201)["key"])

    def mode(self, mode: str) -> None:
        self.outside.mode = self.mail.mode = mode

    def send(self, kind: str, key: str, text: str = "您好，张三", **more: Any) -> Outcome:
        sender = senders.get(PLATFORMS[kind])
        message = Message(
            **{"key": "order:7:step-1", "to": ADDRESS.get(kind, ""), "text": text, **template(kind), **more}
        )
        return sender.deliver(message, sender.connection_for(GOES_TO.get(kind, Target.group()), key))


ADDRESS = {
    "wecom_app": "zhangsan",
    "dingtalk_work": "u1",
    "sms_aliyun": "13800138000",
    "sms_tencent": "13800138000",
    "smtp": "li@example.com",
}
GOES_TO = {kind: Target.address(address) for kind, address in ADDRESS.items()}


def template(kind: str) -> dict[str, Any]:
    return {"template_code": "SMS_1", "template_params": {"name": "张三"}} if kind in PAID else {}


def smtp(mail: mail_server.MailServer) -> dict[str, Any]:
    params = {
        "host": "127.0.0.1", "port": mail.port, "security": mail.security, "login": mail_server.LOGIN,
        "password": mail_server.PASSWORD, "sender": "service@example.com", "sender_name": "固客商城",
    }  # fmt: skip
    return {"kind": "smtp", "label": "测试邮箱", "params": params}


def allow_loopback() -> None:
    from appliance.core import settings

    settings.set("security.allowed_hosts", "127.0.0.1")


OUTCOMES = {
    "ok": "delivered",
    "credentials": "failed",
    "busy": "retry",
    "broken": "retry",
    "silent": "unknown",
    "refused": "failed",
}
"""What the platform does → how the try ends; after a fault of a server what is paid for may have gone out."""


@pytest.mark.parametrize("kind", PLATFORMS)
def test_every_answer_of_a_platform_becomes_the_right_outcome(world: World, kind: str) -> None:
    key = world.connect(kind)
    for mode, state in OUTCOMES.items():
        world.mode(mode)
        outcome = world.send(kind, key)
        wanted = "unknown" if mode == "broken" and kind in PAID else state
        assert outcome.state == wanted, (kind, mode, outcome)
        assert outcome.credentials is (mode == "credentials"), (kind, mode, outcome)
        assert bool(outcome.error) is (mode != "ok")
        assert "Remote end" not in str(outcome.error), "Python's own English on a Chinese page"
        assert platforms.SECRET not in repr(outcome)
        if wanted == "retry":
            assert outcome.retry_after and outcome.retry_after >= 30
        forget_tokens()
    assert len(world.outside.sent) + len(world.mail.letters) == 1


def forget_tokens() -> None:
    from appliance.messaging.senders import tokens

    tokens._held.clear()


def test_the_table_of_outcomes_leaves_no_platform_out() -> None:
    kinds = {kind for sender in senders.SENDERS.values() for kind in sender.connection_kinds}
    assert kinds == set(PLATFORMS)


@pytest.mark.parametrize("kind", PLATFORMS)
def test_the_test_button_calls_and_says_what_is_wrong(world: World, kind: str) -> None:
    key = world.connect(kind)
    assert world.api.post(f"/connections/{key}:test")["message"]
    world.mode("credentials")
    forget_tokens()
    problem = world.api.raw("POST", f"/connections/{key}:test")
    assert problem.status_code == 422 and len(problem.get_json()["detail"]) > 8
    assert platforms.SECRET not in problem.text and mail_server.PASSWORD not in problem.text
    assert world.api.get(f"/connections/{key}")["state"] == "failing"
    assert "401" not in str(world.outside.mode)


def test_a_token_is_asked_for_once_and_renewed_once_when_it_ends_early(world: World, clock: Clock) -> None:
    forget_tokens()
    for kind in ("wecom_app", "dingtalk_work"):
        key, before = world.connect(kind), world.outside.tokens
        assert [world.send(kind, key).state for _n in range(3)] == ["delivered"] * 3
        assert world.outside.tokens == before + 1
        world.outside.stale.add(f"token-{world.outside.tokens}")
        assert world.send(kind, key).state == "delivered"
        assert world.outside.tokens == before + 2
        clock.move(hours=2)
        assert world.send(kind, key).state == "delivered"
        assert world.outside.tokens == before + 3


def test_a_secret_that_was_changed_is_used_at_once(world: World) -> None:
    key = world.connect("wecom_app")
    assert world.send("wecom_app", key).state == "delivered"
    world.api.patch(f"/connections/{key}", {"params": {"secret": "another-one"}})
    outcome = world.send("wecom_app", key)
    assert outcome.credentials and "Secret" in str(outcome.error)


def test_wecom_gets_a_card_for_a_link_and_text_or_markdown_otherwise(world: World) -> None:
    key = world.connect("wecom_app")
    world.send("wecom_app", key, "订单已付款", subject="新订单", link="https://guke.example.com/f/order/7")
    world.send("wecom_app", key, "订单已付款", subject="新订单")
    world.api.patch(f"/connections/{key}", {"params": {"style": "markdown"}})
    world.send("wecom_app", key, "**订单**已付款")
    card, text, marked = (doc for _platform, doc in world.outside.sent)
    assert card["textcard"] == {
        "title": "新订单", "description": "订单已付款", "url": "https://guke.example.com/f/order/7",
    }  # fmt: skip
    assert card["touser"] == "zhangsan" and card["agentid"] == 1000002
    assert text["text"] == {"content": "新订单\n订单已付款"}
    assert marked["msgtype"] == "markdown" and marked["markdown"] == {"content": "**订单**已付款"}


@pytest.mark.parametrize(("kind", "most"), [("wecom_app", 2048), ("wecom_robot", 2048), ("dingtalk_work", 2048)])
def test_what_is_too_long_is_refused_before_it_is_sent(world: World, kind: str, most: int) -> None:
    key = world.connect(kind)
    assert world.send(kind, key, "汉" * (most // 3)).state == "delivered"
    outcome = world.send(kind, key, "汉" * (most // 3 + 1))
    assert outcome.state == "failed" and str(most) in str(outcome.error)
    assert len(world.outside.sent) == 1


def test_dingtalk_is_asked_later_what_became_of_a_notice(world: World) -> None:
    key = world.connect("dingtalk_work")
    outcome = world.send("dingtalk_work", key)
    sender = senders.get("dingtalk")
    connection = sender.connection_for(Target.address("u1"), key)
    message = Message("k", "u1", "x")

    def told(**result: Any) -> Outcome | None:
        world.outside.results = result
        return sender.confirm(message, str(outcome.provider_id), connection)

    assert told() is None
    assert told(unread_user_id_list=["u1"]).state == "delivered"  # type: ignore[union-attr]
    gone = told(forbidden_user_id_list=["u1"])
    assert gone is not None and gone.state == "failed" and "今天" in str(gone.error)


def test_a_notice_that_did_not_arrive_is_a_failed_message_after_all(world: World, clock: Clock, work: Any) -> None:
    from appliance.accounts import contacts
    from appliance.accounts.actor import SYSTEM
    from appliance.messaging import outbox
    from appliance.messaging.models import Message as Row
    from appliance.messaging.outbox import Draft

    key = world.connect("dingtalk_work")
    contacts.save(user_id("bo"), {"dingtalk_userid": "u1"}, SYSTEM)
    outbox.send(
        [Draft("dingtalk", Target.user(user_id("bo")), "有新订单", connection=key, key="k")], Cause("rule", 1), SYSTEM
    )
    work()
    assert Row.get().state == "delivered"
    clock.move(minutes=2)
    work()
    assert Row.get().state == "delivered"
    world.outside.results = {"forbidden_user_id_list": ["u1"]}
    clock.move(minutes=12)
    work()
    row = Row.get()
    assert row.state == "failed" and "今天" in row.error


def test_a_robot_adds_the_keyword_that_its_group_asks_for(world: World) -> None:
    for kind in ("dingtalk_robot", "feishu_robot"):
        key = world.connect(kind, keyword="固客提醒")
        world.send(kind, key, "有新订单")
    texts = [json.dumps(doc, ensure_ascii=False) for _platform, doc in world.outside.sent]
    assert all("有新订单" in text and "固客提醒" in text for text in texts) and len(texts) == 2


def test_sms_goes_out_by_template_with_its_variables_and_costs_by_the_piece(world: World) -> None:
    aliyun, tencent = world.connect("sms_aliyun"), world.connect("sms_tencent")
    world.send("sms_aliyun", aliyun)
    world.send("sms_tencent", tencent)
    (_a, first), (_t, second) = world.outside.sent
    assert first["TemplateCode"] == "SMS_1" and json.loads(first["TemplateParam"]) == {"name": "张三"}
    assert first["PhoneNumbers"] == "13800138000" and first["SignName"] == "固客"
    assert second["PhoneNumberSet"] == ["+8613800138000"] and second["TemplateParamSet"] == ["张三"]
    sender = senders.get("sms")
    connection = sender.connection_for(Target.address("13800138000"), aliyun)
    short, long = Message("k", "13800138000", "汉" * 66), Message("k", "13800138000", "汉" * 67)
    assert (sender.cost(short, connection), sender.cost(long, connection)) == (450, 900)
    assert "模板" in str(sender.refusal(short, connection)) and sender.paid(connection)


def test_a_template_of_the_connection_takes_texts_that_name_none(world: World) -> None:
    key = world.connect("sms_aliyun", template_code="SMS_9", text_param="content")
    assert world.send("sms_aliyun", key, "生日快乐", template_code="", template_params={}).state == "delivered"
    assert json.loads(world.outside.sent[0][1]["TemplateParam"]) == {"content": "生日快乐"}


def test_a_day_limit_waits_longer_than_a_minute_limit() -> None:
    from appliance.messaging.senders.sms_aliyun import _said

    waits = [
        _said("isv.BUSINESS_LIMIT_CONTROL", f"触发{word}流控Permits:1").retry_after
        for word in ("分钟级", "小时级", "天级")
    ]
    assert waits == [60, 3600, 86400]


def test_a_call_is_signed_over_time_and_body_and_keeps_its_key(world: World) -> None:
    key = world.connect("webhook_out", token="bearer-token-1")
    world.send("webhook_out", key, '{"order": 7, "name": "张三"}')
    assert world.outside.sent == [("webhook_out", {"order": 7, "name": "张三"})]
    assert world.outside.headers["idempotency-key"] == "order:7:step-1"
    assert world.outside.headers["authorization"] == "Bearer bearer-token-1"
    world.send("webhook_out", key, "只是一句话")
    assert world.outside.sent[1][1] == {"subject": "", "text": "只是一句话", "link": ""}
    world.mode("busy")
    assert world.send("webhook_out", key).retry_after == 90


def test_a_host_of_the_own_network_is_not_called_unless_it_is_allowed(world: World, client: Client) -> None:
    from appliance.core import settings

    key, mail = world.connect("webhook_out"), world.connect("smtp")
    settings.set("security.allowed_hosts", "")
    for kind, which in (("webhook_out", key), ("smtp", mail)):
        outcome = world.send(kind, which)
        assert outcome.state == "failed" and outcome.credentials and "内网" in str(outcome.error)
    assert world.outside.calls == [] and world.mail.letters == []


def test_a_letter_to_an_address_that_no_server_knows_is_refused_not_unknown(world: World) -> None:
    outcome = world.send("smtp", world.connect("smtp"), to="张三＠@example.com")
    assert outcome.state == "failed" and "全角" in str(outcome.error) and not world.mail.letters


def test_a_fault_inside_a_platform_that_charges_is_unknown_whatever_it_is_called(world: World) -> None:
    from appliance.core.outbound import Answer
    from appliance.messaging.senders import sms_aliyun, sms_tencent

    assert sms_tencent._said("InternalError.SendAndRecvFail", "x").state == "unknown"
    answer = Answer(500, {}, json.dumps({"Code": "InternalError", "Message": "x"}).encode(), "")
    connection = senders.get("sms").connection_for(Target.address("13800138000"), world.connect("sms_aliyun"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sms_aliyun.outbound, "fetch", lambda *args, **more: answer)
        outcome = sms_aliyun._call(connection, "SendSms", {})
    assert isinstance(outcome, Outcome) and outcome.state == "unknown"


def test_a_letter_carries_what_mail_servers_and_readers_need(world: World) -> None:
    key = world.connect("smtp", reply_to="kefu@example.com")
    for _try in range(2):
        sent = world.send(
            "smtp", key, "您好：\n\n.开头有点\n谢谢", subject="生日快乐\r\nBcc: evil@example.com",
            link="https://shop.example.com/a", unsubscribe="https://guke.example.com/u/abc",
        )  # fmt: skip
        assert sent.state == "delivered"
    first, second = world.mail.letters
    assert first["Message-ID"] == second["Message-ID"] == sent.provider_id
    assert first["Bcc"] is None and first["Subject"] == "生日快乐 Bcc: evil@example.com"
    assert first["From"] == "固客商城 <service@example.com>" and first["Reply-To"] == "kefu@example.com"
    assert first["List-Unsubscribe"] == "<https://guke.example.com/u/abc>"
    assert first["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert first.get_content().replace("\r\n", "\n") == "您好：\n\n.开头有点\n谢谢\n\nhttps://shop.example.com/a\n"


@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_a_letter_goes_over_an_encrypted_line_to_a_server_that_is_who_it_says(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    allow_loopback()
    with mail_server.serving(security, tmp_path) as mail:
        key = api.post("/connections", smtp(mail), expect=201)["key"]
        sender, message = senders.get("email"), Message("k", "li@example.com", "您好")
        connection = sender.connection_for(Target.address("li@example.com"), key)
        outcome = sender.deliver(message, connection)
        assert outcome.state == "failed" and "证书" in str(outcome.error) and mail.letters == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert sender.deliver(message, connection).state == "delivered"
        assert mail.encrypted == [True]


def test_people_and_customers_are_found_where_they_are_reached(api: Api, client: Client) -> None:
    from appliance.accounts import contacts, users
    from appliance.accounts.actor import SYSTEM

    allow_loopback()
    bo = user_id("bo")
    assert users.actor_of(bo)
    contacts.save(
        bo, {"email": "bo@example.com", "mobile": "138 0013-8001", "wecom_userid": "BoLi", "dingtalk_userid": "d-1"}, SYSTEM
    )  # fmt: skip
    made = [
        api.post("/forms/customer/records", {"values": values})["id"]
        for values in (
            {"name": "张三", "phone": "13800138000", "email": "zhang@example.com"},
            {"name": "李四", "phone": "0571-88886666"},
        )
    ]
    customers = [Target.customer(number) for number in made]
    assert senders.get("sms").addresses([*customers, Target.user(bo)]) == {
        customers[0]: "13800138000", Target.user(bo): "13800138001",
    }  # fmt: skip
    assert senders.get("email").addresses([*customers, Target.user(bo), Target.address("a@b.cn")]) == {
        customers[0]: "zhang@example.com", Target.user(bo): "bo@example.com", Target.address("a@b.cn"): "a@b.cn",
    }  # fmt: skip
    assert senders.get("wecom").address_of(Target.user(bo)) == "BoLi"
    assert senders.get("dingtalk").address_of(Target.user(bo)) == "d-1"
    assert senders.get("wecom").address_of(customers[0]) is None


def test_without_a_connection_the_sentence_says_where_to_add_one(app: Any) -> None:
    from appliance.core.errors import UserError

    with pytest.raises(UserError, match="设置 → 连接"):
        senders.get("sms").connection_for(Target.customer(1))
    with pytest.raises(UserError, match="没有「fax」"):
        senders.get("fax")


def test_a_notice_in_the_app_reaches_its_person(client: Client, staff_client: Client) -> None:
    sender, bo = senders.get("in_app"), user_id("bo")
    assert sender.connection_for(Target.user(bo)) is None
    address = sender.address_of(Target.user(bo))
    assert address is not None and sender.address_of(Target.customer(1)) is None
    outcome = sender.deliver(Message("k1", address, "张三已下单", "新订单"), None)
    assert outcome.state == "delivered"
    assert "新订单：张三已下单" in staff_client.get("/notices").text
    assert "张三已下单" not in client.get("/notices").text


def user_id(login: str) -> Any:
    from appliance.accounts.models import User
    from appliance.core.db import read

    with read():
        return User.select(User.id).where(User.login == login).scalar()


def test_the_signatures_are_those_of_the_platforms_own_documents(samples: Path) -> None:
    from appliance.messaging.senders import dingtalk_robot, feishu_robot, sms_aliyun, sms_tencent

    for vector in json.loads((samples / "signatures.json").read_text("utf-8")):
        given, wanted = vector["inputs"], vector["expected"]
        if vector["platform"] == "dingtalk":
            found = dingtalk_robot.sign(given["secret"], int(given["timestamp_ms"]))
            assert found == wanted["sign_base64"] and quote(found, safe="") == wanted["sign_urlencoded"]
        elif vector["platform"] == "feishu":
            assert feishu_robot.sign(given["secret"], int(given["timestamp_s"])) == wanted
        elif vector["platform"] == "aliyun":
            headers = given["headers"] | {"x-acs-content-sha256": EMPTY}
            request = sms_aliyun.canonical_request(given["query"], headers)
            assert request == wanted.get("canonical_request", request)
            said = sms_aliyun.authorization(given["access_key_id"], given["access_key_secret"], given["query"], headers)
            assert said.endswith(f"Signature={wanted['signature']}") and said == wanted.get("authorization", said)
        else:
            request = sms_tencent.canonical_request(given["payload"].encode(), given["headers"])
            found = sms_tencent.signature(given["secret_key"], given["service"], request, given["timestamp"])
            assert found == wanted["signature"]


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
