"""How long a text is for those who charge by it: parts of a text message, and what they cost."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from ..core.errors import UserError
from . import outbox, policy, senders
from .senders import Target

FIRST, NEXT = 70, 67
"""Characters of a text message in one part, and in each part of a longer one (Chinese operators count all alike)."""


class Measure(Struct, frozen=True):
    """``cost``: hundredths of a fen a receiver, ``None`` when nothing says what it costs."""

    length: int
    parts: int
    cost: int | None


def parts(length: int) -> int:
    return 1 if length <= FIRST else -(-length // NEXT)


def measure(text: str, purpose: str, via: Iterable[str]) -> Measure | None:
    """Of a text that may go out as a text message; ``None`` for one that never does."""
    if "sms" not in via:
        return None
    rules = policy.get()
    if purpose == outbox.MARKETING and rules.sms_suffix and rules.sms_suffix not in text:
        text = f"{text} {rules.sms_suffix}"
    return Measure(len(text), parts(len(text)), _cost(text))


def _cost(text: str) -> int | None:
    sender = senders.SENDERS.get("sms")
    if sender is None:
        return None
    try:
        connection = sender.connection_for(Target("customer"))
        return sender.cost(senders.Message("", "", text), connection)
    except UserError:
        return None
