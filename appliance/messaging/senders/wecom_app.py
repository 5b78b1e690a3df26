"""A WeCom (企业微信) application's message to members of the company.

Protocol: developer.work.weixin.qq.com, documents 91039 (token), 90236 (message/send), 90454 (limits).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Base, Choice, Number, Param, Secret
from ...core import outbound
from . import reaching, tokens
from .base import Limit, Message, Outcome, Rejected, Target, Transport
from .saying import MINUTE, Said, by_errcode, cut, document, failed, later, post, refused, too_long, whole

NAME = _l("企业微信")
TEXT_BYTES = 2_048
TITLE_BYTES, CARD_BYTES = 128, 512
EXPIRED = (40014, 42001)
STYLES = {"auto": _l("自动：带链接时用卡片，否则用文字"), "text": _l("文字"), "markdown": "Markdown"}

CODES: dict[Any, Said] = {
    -1: later(_l("企业微信正忙，稍后再试。")),
    40001: refused(_l("应用的 Secret 不对，请在连接里重新填写。")),
    40013: refused(_l("企业 ID 不对，请在连接里重新填写。")),
    40014: later(_l("访问令牌失效，稍后再试。")),
    40056: refused(_l("AgentId 不对，请在连接里重新填写。")),
    40091: refused(_l("应用的 Secret 不对，请在连接里重新填写。")),
    42001: later(_l("访问令牌过期，稍后再试。")),
    45009: later(_l("发送太频繁，企业微信要求等一会儿。")),
    45033: later(_l("同时发送太多，企业微信要求等一会儿。")),
    60011: failed(_l("应用没有权限发给这位成员，请在企业微信后台把他加入应用的可见范围。")),
    60020: refused(_l("这台服务器的 IP 不在应用的「企业可信 IP」里，请在企业微信后台添加，约一分钟后生效。")),
    81013: failed(_l("企业微信里没有这位成员，或他不在应用的可见范围内，请核对他的企业微信账号。")),
}


class WecomApp(Kind):
    key = "wecom_app"
    label = _l("企业微信应用")
    icon = "message-circle"
    order = 10
    about = _l("由公司自建的应用给员工发消息。")
    params = (
        Param("corpid", _l("企业 ID"), _l("企业微信后台「我的企业」页底部。"), required=True, most=64),
        Number("agentid", "AgentId", _l("自建应用的页面里。"), required=True, least=1),
        Secret("secret", "Secret", _l("自建应用的页面里，点「查看」后在企业微信里收到。"), required=True),
        Choice("style", _l("消息样式"), default="auto", options=STYLES),
        Base("base", _l("接口地址"), _l("经代理访问时才改。"), default="https://qyapi.weixin.qq.com"),
    )

    def test(self, connection: Connection) -> str:
        query = urlencode({"access_token": _token(connection), "agentid": connection.config["agentid"]})
        answer = outbound.fetch(f"{connection.config['base']}/cgi-bin/agent/get?{query}")
        doc = by_errcode(answer, NAME, CODES)
        if isinstance(doc, Outcome):
            raise Rejected(doc)
        return _("可以使用：应用「%(name)s」。", name=str(doc.get("name") or connection.config["agentid"]))


kinds.register(WecomApp())


class AppMessage(Transport):
    kind = WecomApp.key
    reaches = frozenset({"user", "address"})
    repeatable = True

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        todo = list(targets)
        return reaching.users(todo, "wecom_userid") | super().addresses(todo)

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        # What a member gets beyond these the platform drops without a word.
        return (Limit(30, MINUTE, "address"), Limit(1_000, 60 * MINUTE, "address"), Limit(10_000, MINUTE))

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        return too_long(whole(message.subject, message.text, message.link), TEXT_BYTES, NAME)

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        sent = {"touser": message.to, "agentid": connection.config["agentid"], **_content(message, connection)}
        answer, token = _send(connection, sent)
        if (document(answer) or {}).get("errcode") in EXPIRED:
            tokens.drop(_secret(connection), token)
            answer, token = _send(connection, sent)
        doc = by_errcode(answer, NAME, CODES)
        if isinstance(doc, Outcome):
            return doc
        if message.to in str(doc.get("invaliduser") or "").split("|"):
            return Outcome.failed(CODES[81013].words)
        if message.to in str(doc.get("unlicenseduser") or "").split("|"):
            return Outcome.failed(_("这位成员没有企业微信的接口许可，请在企业微信后台为他激活。"))
        return Outcome.delivered(doc.get("msgid"))


def _content(message: Message, connection: Connection) -> dict[str, Any]:
    style = connection.config.get("style") or "auto"
    text = whole(message.subject, message.text, message.link)
    if style == "markdown":
        return {"msgtype": "markdown", "markdown": {"content": text}}
    if style == "auto" and message.link:
        title = message.subject or message.text.split("\n", 1)[0]
        card = {"title": cut(title, TITLE_BYTES), "description": message.text, "url": message.link}
        if len(message.text.encode()) <= CARD_BYTES:
            return {"msgtype": "textcard", "textcard": card}
    return {"msgtype": "text", "text": {"content": text}}


def _send(connection: Connection, doc: dict[str, Any]) -> tuple[outbound.Answer, str]:
    token = _token(connection)
    query = urlencode({"access_token": token})
    return post(f"{connection.config['base']}/cgi-bin/message/send?{query}", doc), token


def _secret(connection: Connection) -> tuple[str, ...]:
    config = connection.config
    return (config["base"], config["corpid"], config["secret"])


def _token(connection: Connection) -> str:
    """Raises :class:`Rejected` when the platform gives none."""
    config = connection.config
    query = urlencode({"corpid": config["corpid"], "corpsecret": config["secret"]})
    return tokens.get(
        _secret(connection), partial(tokens.ask, f"{config['base']}/cgi-bin/gettoken?{query}", NAME, CODES)
    )
