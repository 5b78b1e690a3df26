"""What hangs on the coming of events. Hooks see a whole batch, inside the transaction that wrote it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ...forms.hooks import Cause


class Ingested(Struct, frozen=True):
    """Events just written. ``customer_ids`` and ``types`` stand beside ``ids``, one each an event."""

    ids: list[int]
    customer_ids: list[int]
    types: list[str]
    cause: Cause


Listener = Callable[[Ingested], None]
_after: list[Listener] = []
_removed: list[Listener] = []


def after_ingest(fn: Listener) -> Listener:
    """Registers an effect in the same transaction as the events."""
    _after.append(fn)
    return fn


def after_removal(fn: Listener) -> Listener:
    """Registers an effect of events that were taken away again, or are told of differently; what it is given names those."""
    _removed.append(fn)
    return fn


def run_removed(batch: Ingested) -> None:
    for fn in _removed:
        fn(batch)


def run_after(batch: Ingested) -> None:
    for fn in _after:
        fn(batch)
