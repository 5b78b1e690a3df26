"""What was sent to a customer, in the timeline of their page."""

from __future__ import annotations

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_pgettext
from peewee import fn

from ..accounts.actor import Actor
from ..customers import timeline
from ..customers.timeline import Item, Mark
from ..forms.query import Record
from . import ledger
from .models import Message


@timeline.source("messages", lazy_pgettext("sent", "消息"), "send", 40, colour="blue")
def messages(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    at = fn.COALESCE(Message.began_at, Message.created_at)
    rows = list(
        Message.select()
        .where(Message.customer_id == customer.id, before.below(at, Message.id))
        .order_by(at.desc(), Message.id.desc())
        .limit(limit)
    )
    return [_item(entry) for entry in ledger.entries(rows, actor)]


def _item(entry: ledger.Entry) -> Item:
    row = entry.row
    text = entry.text if entry.text is not None else _("（文字里有您不能查看的内容）")
    return Item(
        row.began_at or row.created_at, row.id, _("%(via)s · %(state)s", via=entry.via, state=entry.state),
        url=url_for("messages.show", message_id=row.id), text=text, because=(entry.cause, None), colour=entry.colour,
        icon=entry.icon,
    )  # fmt: skip
