"""A robot in a DingTalk (钉钉) group chat. Protocol: open.dingtalk.com, custom robots; the signature is over
``timestamp + "\\n" + secret`` with the secret as key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Choice, Param, Secret, SecretUrl
from ...core import clock
from .base import Limit, Message, Outcome, Transport
from .saying import MINUTE, Said, by_errcode, failed, hello, later, post, refused, too_long, whole

NAME = _l("钉钉群机器人")
TEXT_BYTES = 20_000

CODES: dict[Any, Said] = {
    -1: later(_l("钉钉正忙，稍后再试。")),
    130101: later(_l("这个机器人一分钟最多发 20 条，超过后钉钉停发 10 分钟。"), 10 * MINUTE),
    300001: refused(_l("机器人的地址无效，请重新复制。")),
    310000: refused(_l("没有通过机器人的安全设置，请核对连接里的加签密钥或关键词。")),
    400013: refused(_l("机器人已不在群里，请重新添加。")),
    400101: refused(_l("机器人的地址无效，请重新复制。")),
    400102: refused(_l("机器人已被停用，请在群里重新启用。")),
    430101: failed(_l("钉钉认为内容不合适，没有发出。")),
}


class DingtalkRobot(Kind):
    key = "dingtalk_robot"
    label = _l("钉钉群机器人")
    icon = "messages"
    order = 21
    about = _l("把通知发到一个钉钉群。")
    costs = _l("测试会在群里发一条消息。")
    params = (
        SecretUrl(
            "url",
            _l("Webhook 地址"),
            _l("群设置 → 机器人 → 自定义机器人的 Webhook，整条复制。"),
            required=True,
            placeholder="https://oapi.dingtalk.com/robot/send?access_token=…",
        ),
        Secret("secret", _l("加签密钥"), _l("安全设置选「加签」时，SEC 开头的那一串。")),
        Param("keyword", _l("自定义关键词"), _l("安全设置选「自定义关键词」时填写，固客会把它加进每条消息。"), most=50),
        Choice("style", _l("消息样式"), default="text", options={"text": _l("文字"), "markdown": "Markdown"}),
    )

    def check(self, config: dict[str, Any]) -> dict[str, str]:
        if not parse_qs(urlsplit(config["url"]).query).get("access_token"):
            return {"url": _("地址里没有 access_token=…，请整条复制机器人的 Webhook 地址。")}
        return {}

    def test(self, connection: Connection) -> str:
        return hello(GroupRobot(), connection)


kinds.register(DingtalkRobot())


def sign(secret: str, milliseconds: int) -> str:
    """The signature before it is put into the URL."""
    digest = hmac.digest(secret.encode(), f"{milliseconds}\n{secret}".encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()


class GroupRobot(Transport):
    kind = DingtalkRobot.key
    reaches = frozenset({"group"})
    repeatable = True

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(20, MINUTE),)

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        return too_long(whole(message.subject, message.text, message.link), TEXT_BYTES - 200, NAME)

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        answer = post(_url(connection), _content(message, connection))
        doc = by_errcode(answer, NAME, CODES)
        return doc if isinstance(doc, Outcome) else Outcome.delivered()


def _url(connection: Connection) -> str:
    url, secret = str(connection.config["url"]), connection.config.get("secret")
    if not secret:
        return url
    now = clock.now() * 1_000
    return f"{url}&{urlencode({'timestamp': now, 'sign': sign(secret, now)})}"


def _content(message: Message, connection: Connection) -> dict[str, Any]:
    text, keyword = whole(message.subject, message.text, message.link), connection.config.get("keyword")
    if keyword and keyword not in text:
        text = f"{text}\n{keyword}"
    if connection.config.get("style") == "markdown":
        title = message.subject or message.text.split("\n", 1)[0][:40]
        return {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
    return {"msgtype": "text", "text": {"content": text}}
