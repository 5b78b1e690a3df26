"""Taking a cause back: what still waits is cancelled. What went out cannot be called back."""

from __future__ import annotations

from ..accounts.actor import Actor
from ..core import dialect
from ..forms import reversing
from ..forms.hooks import Cause
from . import outbox
from .models import Message


def _waiting(kind: str, cause_id: int) -> object:
    return (Message.cause_kind == kind) & (Message.cause_id == cause_id) & Message.state.in_(outbox.WAITING)


@reversing.ledger
class Messages(reversing.Ledger):
    def holds(self, kind: str, cause_id: int) -> bool:
        return bool(Message.select().where(_waiting(kind, cause_id)).exists())

    def take_back(self, kind: str, cause_id: int, limit: int, actor: Actor, cause: Cause) -> tuple[int, int]:
        ids = [row[0] for row in Message.select(Message.id).where(_waiting(kind, cause_id)).limit(limit).tuples()]
        return outbox.cancel(dialect.among(Message.id, ids), actor, "undone"), 0
