"""Who is told of inbound calls that led to a record, and who takes what a platform reports to a connection that we send
through. The calls themselves come in at ``channels``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .kinds import Connection

OnCall = Callable[[Sequence[int]], None]
_told: list[OnCall] = []

Report = Callable[[Connection, Any], Any]
_reports: dict[str, Report] = {}


def on_call(fn: OnCall) -> OnCall:
    """``fn(ids)`` runs in the transaction that wrote the :class:`models.WebhookCall` rows of these ids."""
    _told.append(fn)
    return fn


def tell(ids: Sequence[int]) -> None:
    for fn in _told:
        fn(ids)


def on_report(*kinds: str) -> Callable[[Report], Report]:
    """``fn(connection, document)`` takes what the platform of these kinds reports, who it is being known, and returns the
    JSON that the platform wants to hear. It raises :class:`UserError` for what is none of its reports."""

    def mark(fn: Report) -> Report:
        _reports.update(dict.fromkeys(kinds, fn))
        return fn

    return mark


def report(connection: Connection) -> Report | None:
    """Who takes the reports to a connection of this kind."""
    return _reports.get(connection.kind)
