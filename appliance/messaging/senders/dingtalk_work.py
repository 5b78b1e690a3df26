"""A DingTalk (钉钉) work notice to people of the company.

Protocol: open.dingtalk.com, gettoken, message/corpconversation/asyncsend_v2 and getsendresult. The platform takes a
message that goes beyond its limits all the same and does not deliver it: what became of it is asked later.
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
from ...connections.params import Base, Number, Param, Secret
from ...core import clock, outbound
from . import reaching, tokens
from .base import Limit, Message, Outcome, Target, Transport
from .saying import Said, by_errcode, document, later, post, refused, too_long, whole

NAME = _l("钉钉")
TEXT_BYTES = 2_048
EXPIRED = (40014, 42001)
CONFIRM_AFTER = 60
"""Seconds after which the platform knows what became of a message."""

CODES: dict[Any, Said] = {
    -1: later(_l("钉钉正忙，稍后再试。")),
    88: refused(_l("钉钉不认可这个应用，请核对 AppKey、AppSecret 和应用的权限。")),
    40014: later(_l("访问令牌失效，稍后再试。")),
    40089: refused(_l("AppKey 或 AppSecret 不对，请在连接里重新填写。")),
    40096: refused(_l("AppKey 或 AppSecret 不对，请在连接里重新填写。")),
    42001: later(_l("访问令牌过期，稍后再试。")),
    60011: refused(_l("应用没有发工作通知的权限，请在钉钉开放平台的「权限管理」里添加。")),
    60020: refused(_l("这台服务器的 IP 不在应用的白名单里，请在钉钉开放平台添加。")),
    90018: later(_l("调用太频繁，钉钉要求等一会儿。")),
    143103: later(_l("这一分钟的发送数量已满，稍后再试。")),
    143104: later(_l("这一分钟的发送数量已满，稍后再试。")),
}


class DingtalkWork(Kind):
    key = "dingtalk_work"
    label = _l("钉钉工作通知")
    icon = "message-circle"
    order = 20
    about = _l("由公司的钉钉应用给员工发工作通知。")
    params = (
        Param("appkey", "AppKey", _l("钉钉开放平台，应用的「凭证与基础信息」。"), required=True, most=64),
        Secret("appsecret", "AppSecret", _l("钉钉开放平台，应用的「凭证与基础信息」。"), required=True),
        Number(
            "agent_id",
            "AgentId",
            _l("钉钉开放平台，应用的「凭证与基础信息」。"),
            required=True,
            least=1,
            greatest=10**15,
        ),
        Base("base", _l("接口地址"), _l("经代理访问时才改。"), default="https://oapi.dingtalk.com"),
    )

    def test(self, connection: Connection) -> str:
        _token(connection)
        return _("钉钉认可这个应用。收到第一条工作通知才说明 AgentId 也对。")


kinds.register(DingtalkWork())


class WorkNotice(Transport):
    kind = DingtalkWork.key
    reaches = frozenset({"user", "address"})
    repeatable = True
    confirm_after = CONFIRM_AFTER

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        todo = list(targets)
        return reaching.users(todo, "dingtalk_userid") | super().addresses(todo)

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(500, clock.DAY, "address"),)

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        return too_long(whole(message.subject, message.text, message.link), TEXT_BYTES, NAME)

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        sent = {"agent_id": connection.config["agent_id"], "userid_list": message.to, "msg": _content(message)}
        doc = _call(connection, "asyncsend_v2", sent)
        if isinstance(doc, Outcome):
            return doc
        return Outcome.delivered(doc.get("task_id"))

    def confirm(self, message: Message, provider_id: str, connection: Connection | None) -> Outcome | None:
        assert connection is not None
        sent = {"agent_id": connection.config["agent_id"], "task_id": int(provider_id)}
        doc = _call(connection, "getsendresult", sent)
        if isinstance(doc, Outcome):
            return None
        result = doc.get("send_result") or {}
        if message.to in (result.get("invalid_user_id_list") or []):
            return Outcome.failed(_("钉钉里没有这位员工，或他不在应用的可见范围内，请核对他的钉钉用户 ID。"))
        if message.to in (result.get("forbidden_user_id_list") or []):
            return Outcome.failed(_("钉钉没有送达：今天发给他的通知太多，或同样的内容今天已发过一次。"))
        if message.to in (result.get("failed_user_id_list") or []):
            return Outcome.failed(_("钉钉没有送达，没有说明原因。"))
        told = [*(result.get("read_user_id_list") or []), *(result.get("unread_user_id_list") or [])]
        return Outcome.delivered(provider_id) if message.to in told else None


def _content(message: Message) -> dict[str, Any]:
    if message.link:
        title = message.subject or message.text.split("\n", 1)[0][:40]
        card = {"title": title, "markdown": whole(message.subject, message.text)}
        return {"msgtype": "action_card", "action_card": card | {"single_title": _("查看"), "single_url": message.link}}
    return {"msgtype": "text", "text": {"content": whole(message.subject, message.text)}}


def _call(connection: Connection, name: str, doc: dict[str, Any]) -> dict[str, Any] | Outcome:
    """The answer when it is a good one; a token that ended is renewed once."""
    answer, token = _post(connection, name, doc)
    if (document(answer) or {}).get("errcode") in EXPIRED:
        tokens.drop(_secret(connection), token)
        answer, token = _post(connection, name, doc)
    return by_errcode(answer, NAME, CODES)


def _post(connection: Connection, name: str, doc: dict[str, Any]) -> tuple[outbound.Answer, str]:
    token = _token(connection)
    query = urlencode({"access_token": token})
    return post(f"{connection.config['base']}/topapi/message/corpconversation/{name}?{query}", doc), token


def _secret(connection: Connection) -> tuple[str, ...]:
    config = connection.config
    return (config["base"], config["appkey"], config["appsecret"])


def _token(connection: Connection) -> str:
    """Raises :class:`Rejected` when the platform gives none."""
    config = connection.config
    query = urlencode({"appkey": config["appkey"], "appsecret": config["appsecret"]})
    return tokens.get(_secret(connection), partial(tokens.ask, f"{config['base']}/gettoken?{query}", NAME, CODES))
