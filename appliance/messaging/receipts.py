"""What platforms tell of messages that they took: arrived, not arrived, answered.

They tell at least once, in any order and sometimes years later, and of messages that other programs sent through the same
account: what is not ours is passed over, and what is told twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..accounts.actor import SYSTEM
from ..connections import health, inbound
from ..connections.kinds import Connection
from ..core import clock, dialect
from ..core.db import read, write
from ..customers.events import ingest
from ..forms import query
from ..forms.hooks import Cause
from . import outbox, senders, unsubscribing
from .models import Message, MessageAttempt
from .senders.base import Receipt, Reply, Transport
from .senders.sms import mark_of

RECEIVED, NOT_RECEIVED = "received", "not_received"
REPLY_EVENT = "message"
"""The kind of event that an answer of a customer is."""
BATCH = 50
"""Receipts of one transaction."""


def _transports() -> dict[str, tuple[str, Transport]]:
    """Kind of connection → the way out and its transport."""
    return {t.kind: (sender.name, t) for sender in senders.SENDERS.values() for t in sender.transports if t.kind}


@inbound.on_report("sms_aliyun", "sms_tencent")
def take(connection: Connection, doc: Any) -> Any:
    """Writes down what the platform tells; returns what it wants to hear. Raises UserError for what is none of its reports."""
    via, transport = _transports()[connection.kind]
    told = transport.heard(doc)
    receipts = [one for one in told if isinstance(one, Receipt)]
    for start in range(0, len(receipts), BATCH):
        with write():
            for receipt in receipts[start : start + BATCH]:
                _received(receipt, connection)
    _replied([one for one in told if isinstance(one, Reply)], via, connection)
    health.note(connection, ok=True)
    return transport.thanks


def _received(receipt: Receipt, connection: Connection) -> None:
    row = _message(receipt, connection)
    if row is None:
        return
    state, why = (outbox.DELIVERED, RECEIVED) if receipt.arrived else (outbox.FAILED, NOT_RECEIVED)
    error = None if receipt.arrived else receipt.error[:500]
    values = {"state": state, "why": why, "error": error, "provider_id": receipt.provider_id or row.provider_id}
    # What a person said of it, and that one of its pieces did not arrive, stays.
    told = Message.state.in_((outbox.DELIVERED, outbox.UNKNOWN)) & (Message.why != "arrived")
    if Message.update(values).where(Message.id == row.id, told).execute():
        MessageAttempt.update(state=why, error=error).where(
            MessageAttempt.message_id == row.id, MessageAttempt.number == row.attempts
        ).execute()


def _message(receipt: Receipt, connection: Connection) -> Message | None:
    """The message that a receipt is about; one without an answer is known by what we gave along with it."""
    if receipt.provider_id:
        mine = (Message.provider_id == receipt.provider_id) & (Message.connection == connection.key)
        row: Message | None = Message.get_or_none(mine)
        if row is not None:
            return row
    if not receipt.mark:
        return None
    unsure = (Message.state == outbox.UNKNOWN) & (Message.connection == connection.key)
    for row in Message.select().where(unsure, Message.address.in_((receipt.address, f"+86{receipt.address}"))):
        if mark_of(row.key) == receipt.mark:
            return row
    return None


def _replied(replies: Iterable[Reply], via: str, connection: Connection) -> None:
    """An answer that says no is obeyed; every answer of somebody whom we wrote to stands in their timeline."""
    said = list(replies)
    for reply in said:
        unsubscribing.replied(via, reply.address, reply.text)
    whose = _customers(via, {reply.address for reply in said})
    rows: list[dict[str, Any]] = []
    for reply in said:
        if reply.address in whose:
            row = {"customer": {"id": whose[reply.address]}, "type": REPLY_EVENT, "connection": connection.key}
            row |= {"id": f"reply:{reply.id}"[:200], "props": {"text": reply.text}}
            rows.append(row | ({"at": clock.iso(reply.at, clock.zone("UTC"))} if reply.at else {}))
    if rows:
        ingest.ingest(rows, SYSTEM, Cause("system"))


def _customers(via: str, addresses: set[str]) -> dict[str, int]:
    """Address → the customer whom we wrote to there last, if they are still here."""
    if not addresses:
        return {}
    with read():
        rows = Message.select(Message.address, Message.customer_id).where(
            Message.via == via, dialect.among(Message.address, sorted(addresses)), Message.customer_id.is_null(False)
        )
        found = dict(rows.order_by(Message.id).tuples())
    here = query.visible_ids("customer", set(found.values()), SYSTEM)
    return {address: customer_id for address, customer_id in found.items() if customer_id in here}
