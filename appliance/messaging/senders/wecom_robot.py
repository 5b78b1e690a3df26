"""A robot in a WeCom (企业微信) group chat. Protocol: developer.work.weixin.qq.com, documents 91770 and 99398."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Choice, SecretUrl
from .base import Limit, Message, Outcome, Transport
from .saying import MINUTE, Said, by_errcode, hello, later, post, refused, too_long, whole

NAME = _l("企业微信群机器人")
TEXT_BYTES = 2_048

CODES: dict[Any, Said] = {
    -1: later(_l("企业微信正忙，稍后再试。")),
    45009: later(_l("这个机器人一分钟最多发 20 条，稍后再试。")),
    45033: later(_l("同时发送太多，企业微信要求等一会儿。")),
    93000: refused(_l("机器人的地址无效，或机器人已被移出群，请重新复制地址。")),
    93004: refused(_l("机器人已被停用，请在群里重新启用。")),
}


class WecomRobot(Kind):
    key = "wecom_robot"
    label = _l("企业微信群机器人")
    icon = "messages"
    order = 11
    about = _l("把通知发到一个企业微信群。")
    costs = _l("测试会在群里发一条消息。")
    params = (
        SecretUrl(
            "url",
            _l("Webhook 地址"),
            _l("群设置 → 群机器人 → 机器人的 Webhook 地址，整条复制。"),
            required=True,
            placeholder="https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…",
        ),
        Choice("style", _l("消息样式"), default="text", options={"text": _l("文字"), "markdown": "Markdown"}),
    )

    def check(self, config: dict[str, Any]) -> dict[str, str]:
        if not parse_qs(urlsplit(config["url"]).query).get("key"):
            return {"url": _("地址里没有 key=…，请整条复制机器人的 Webhook 地址。")}
        return {}

    def test(self, connection: Connection) -> str:
        return hello(GroupRobot(), connection)


kinds.register(WecomRobot())


class GroupRobot(Transport):
    kind = WecomRobot.key
    reaches = frozenset({"group"})
    repeatable = True

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(20, MINUTE),)

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        return too_long(whole(message.subject, message.text, message.link), TEXT_BYTES, NAME)

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        style = connection.config.get("style") or "text"
        content = whole(message.subject, message.text, message.link)
        answer = post(connection.config["url"], {"msgtype": style, style: {"content": content}})
        doc = by_errcode(answer, NAME, CODES)
        return doc if isinstance(doc, Outcome) else Outcome.delivered()
