"""A custom robot in a Feishu (飞书) group chat. Protocol: open.feishu.cn, custom bots; the signature is the HMAC of an
empty message with ``timestamp + "\\n" + secret`` as key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Param, Secret, SecretUrl
from ...core import clock
from .base import Limit, Message, Outcome, Transport
from .saying import (
    MINUTE,
    Said,
    document,
    failed,
    hello,
    http_trouble,
    judge,
    later,
    post,
    refused,
    strange,
    too_long,
    whole,
)

NAME = _l("飞书群机器人")
BODY_BYTES = 20_000

CODES: dict[Any, Said] = {
    9499: failed(_l("飞书不接受这条消息的格式。")),
    11232: later(_l("这个机器人一分钟最多发 100 条、一秒 5 条，稍后再试。")),
    19001: refused(_l("机器人的地址无效，请重新复制。")),
    19021: refused(_l("签名不对，请核对连接里的签名密钥，以及服务器的时间。")),
    19022: refused(_l("这台服务器的 IP 不在机器人的白名单里。")),
    19024: refused(_l("消息里没有机器人要求的关键词，请在连接里填写。")),
}


class FeishuRobot(Kind):
    key = "feishu_robot"
    label = _l("飞书群机器人")
    icon = "messages"
    order = 30
    about = _l("把通知发到一个飞书群。")
    costs = _l("测试会在群里发一条消息。")
    params = (
        SecretUrl(
            "url",
            _l("Webhook 地址"),
            _l("群设置 → 群机器人 → 自定义机器人的 webhook 地址，整条复制。"),
            required=True,
            placeholder="https://open.feishu.cn/open-apis/bot/v2/hook/…",
        ),
        Secret("secret", _l("签名密钥"), _l("安全设置选「签名校验」时的密钥。")),
        Param("keyword", _l("自定义关键词"), _l("安全设置选「自定义关键词」时填写，固客会把它加进每条消息。"), most=50),
    )

    def check(self, config: dict[str, Any]) -> dict[str, str]:
        if "/hook/" not in str(config["url"]):
            return {"url": _("地址里没有 /hook/…，请整条复制机器人的 webhook 地址。")}
        return {}

    def test(self, connection: Connection) -> str:
        return hello(GroupRobot(), connection)


kinds.register(FeishuRobot())


def sign(secret: str, seconds: int) -> str:
    digest = hmac.digest(f"{seconds}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(digest).decode()


class GroupRobot(Transport):
    kind = FeishuRobot.key
    reaches = frozenset({"group"})
    repeatable = True

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(100, MINUTE), Limit(5, 1))

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        return too_long(whole(message.subject, message.text, message.link), BODY_BYTES - 500, NAME)

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        config = connection.config
        text = whole(message.subject, message.text, message.link)
        if config.get("keyword") and config["keyword"] not in text:
            text = f"{text}\n{config['keyword']}"
        sent: dict[str, Any] = {"msg_type": "text", "content": {"text": text}}
        if config.get("secret"):
            now = clock.now()
            sent |= {"timestamp": str(now), "sign": sign(config["secret"], now)}
        answer = post(config["url"], sent)
        doc = document(answer)
        if doc is not None and "code" in doc and doc["code"]:
            # Errors come with HTTP 400 too; the code says more.
            return judge(CODES, doc["code"], NAME, str(doc.get("msg")))
        if trouble := http_trouble(answer, NAME):
            return trouble
        if doc is None or (doc.get("code", doc.get("StatusCode")) != 0):
            return strange(NAME)
        return Outcome.delivered()
