"""The visible list of ways out. A new platform is one module, one line here and a heading in the manual."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core.errors import UserError
from .base import Limit, Message, Outcome, Sender, Target, Transport
from .in_app import InApp

SENDERS: dict[str, Sender] = {}


def register(sender: Sender) -> Sender:
    """Adds a way out (also used by higher rooms). Raises on a name that is taken."""
    if sender.name in SENDERS:
        raise ValueError(f"sender {sender.name!r} is registered twice")
    SENDERS[sender.name] = sender
    return sender


for _sender in (Sender("in_app", _l("站内通知"), "bell", InApp()),):
    register(_sender)


def get(name: str) -> Sender:
    """Raises :class:`UserError` for a way out that does not exist."""
    try:
        return SENDERS[name]
    except KeyError:
        known = _("、").join(SENDERS)
        raise UserError(_("没有「%(name)s」这种发送方式，可用：%(known)s。", name=name, known=known), "via") from None


__all__ = ["SENDERS", "Limit", "Message", "Outcome", "Sender", "Target", "Transport", "get", "register"]
