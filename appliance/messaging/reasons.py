"""Why a message stands where it stands, in one plain sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _

from ..accounts import people
from ..connections.models import ConnectionRow
from ..core import clock, settings
from ..customers import consents
from . import outbox, senders
from .models import Message

Words = Callable[[Message, dict[str, Any]], str]


def _at(seconds: int | None) -> str:
    return clock.local(seconds, settings.tz()).strftime("%Y-%m-%d %H:%M") if seconds else ""


def _via(row: Message) -> str:
    sender = senders.SENDERS.get(row.via)
    return str(sender.label) if sender else row.via


def _connection(row: Message) -> str:
    name = ConnectionRow.select(ConnectionRow.label).where(ConnectionRow.key == row.connection).scalar()
    return name or row.connection or _via(row)


def _again(row: Message, detail: dict[str, Any]) -> str:
    return _(
        "第 %(n)d 次发送没有成功（%(why)s），%(at)s 再试。", n=row.attempts, why=row.error or "", at=_at(row.due_at)
    )


def _capped(row: Message, detail: dict[str, Any]) -> str:
    from .policy import PERIODS

    return _(
        "%(period)s最多给一位客户发 %(n)d 条%(purpose)s，这位客户已经收满，所以没有发。",
        period=str(PERIODS.get(detail.get("period", ""), "")), n=detail.get("most", 0), purpose=str(outbox.PURPOSES[row.purpose]),
    )  # fmt: skip


def _rate(row: Message, detail: dict[str, Any]) -> str:
    return _(
        "平台规定 %(seconds)s 秒内最多 %(count)s 条，%(at)s 之后再发。",
        count=detail.get("count", ""), seconds=detail.get("seconds", ""), at=_at(row.due_at),
    )  # fmt: skip


def _by(row: Message, detail: dict[str, Any]) -> str:
    return people.name(detail["by"]) if detail.get("by") else _("固客")


REASONS: dict[str, Words] = {
    "later": lambda row, d: _("定在 %(at)s 发送。", at=_at(row.due_at)),
    "quiet": lambda row, d: _("现在是免打扰时段，%(at)s 之后再发。", at=_at(row.due_at)),
    "rate": _rate,
    "budget": lambda row, d: _("本月的发送预算已经用完，加了预算就发，否则到下个月。"),
    "connection_off": lambda row, d: _("连接停用了或打不开，%(at)s 再看一次；启用连接后就发。", at=_at(row.due_at)),
    "turn": lambda row, d: _("排在发给同一人的上一条消息后面，%(at)s 再看一次。", at=_at(row.due_at)),
    "retry": _again,
    "resend": lambda row, d: _("第 %(n)d 次发送没有等到回答；重复发送没有害处，%(at)s 再发一次。", n=row.attempts, at=_at(row.due_at)),
    "asked_again": lambda row, d: _("%(who)s确认没有送到，要求再发一次。", who=_by(row, d)),
    "no_consent": lambda row, d: _("客户没有同意用%(channel)s接收营销信息，所以没有发。", channel=consents.channel_label(d.get("channel", ""))),
    "withdrawn": lambda row, d: _(
        "客户撤回了用%(channel)s接收%(purpose)s的同意，所以没有发。",
        channel=consents.channel_label(d.get("channel", "")), purpose=str(outbox.PURPOSES[row.purpose]),
    ),
    "capped": _capped,
    "blocked": lambda row, d: _("这个号码或地址在不发送名单里，所以没有发。"),
    "unsubscribed": lambda row, d: _("这个号码或地址已经退订，所以没有发营销信息。"),
    "no_address": lambda row, d: _("没有对方的%(via)s号码或地址，所以没有发。", via=_via(row)),
    "gone": lambda row, d: _("客户已被删除或并入别的客户，所以没有发。"),
    "inactive": lambda row, d: _("接收人已停用，所以没有发。"),
    "empty": lambda row, d: _("填好变量以后文字是空的，所以没有发。"),
    "unconfigured": lambda row, d: _("还没有「%(via)s」的连接：只记下来，没有发出。", via=_via(row)),
    "test_mode": lambda row, d: _("「%(via)s」处于测试模式：只记下来，没有发出。", via=_via(row)),
    "told_instead": lambda row, d: _("还没有「%(via)s」的连接：没有发出，已改用站内通知告诉接收人。", via=_via(row)),
    "no_address_told": lambda row, d: _("没有对方的%(via)s账号：没有发出，已改用站内通知告诉接收人。", via=_via(row)),
    "delivered": lambda row, d: _("%(at)s 由「%(connection)s」发出，对方平台已接收。", at=_at(row.ended_at), connection=_connection(row)),
    "received": lambda row, d: _("%(at)s 由「%(connection)s」发出，平台回执：已送到对方手里。", at=_at(row.ended_at), connection=_connection(row)),
    "not_received": lambda row, d: _("%(at)s 由「%(connection)s」发出，平台回执：没有送到。%(why)s", at=_at(row.ended_at), connection=_connection(row), why=row.error or ""),
    "refused": lambda row, d: _("平台没有接收：%(why)s", why=row.error or ""),
    "gave_up": lambda row, d: _("试了 %(n)d 次都没有成功，不再尝试。最后一次：%(why)s", n=row.attempts, why=row.error or ""),
    "no_answer": lambda row, d: _("发出后没有等到平台的回答，可能已经送到；请核实后处理，固客不会自己再发。"),
    "crashed": lambda row, d: _("发送途中固客被中断，可能已经送到；请核实后处理，固客不会自己再发。"),
    "expired": lambda row, d: _("到 %(at)s 还没能发出，已过时效，不再发送。", at=_at(row.expires_at)),
    "cancelled": lambda row, d: _("%(who)s取消了发送。", who=_by(row, d)),
    "undone": lambda row, d: _("引起它的操作被撤销，还没发出的都取消了。"),
    "erased": lambda row, d: _("客户的个人信息已删除，还没发出的都取消了。"),
    "arrived": lambda row, d: _("%(who)s核实：已经送到。", who=_by(row, d)),
    "left": lambda row, d: _("%(who)s决定不再处理；是否送到不清楚。", who=_by(row, d)),
}  # fmt: skip
"""``message.why`` → its sentence."""


def sentence(row: Message) -> str:
    """Why the message was sent, not sent, or not yet."""
    if row.state == outbox.SENDING:
        return _("正在发送，%(at)s 开始。", at=_at(row.began_at))
    if row.state == outbox.RESERVED and not row.why:
        return _("排在队里，马上发送。")
    words = REASONS.get(row.why)
    return words(row, row.detail or {}) if words else str(outbox.STATES.get(row.state, row.state))
