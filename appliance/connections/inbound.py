"""Who is told of inbound calls that led to a record. The calls themselves are taken and worked on in ``channels``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

OnCall = Callable[[Sequence[int]], None]
_told: list[OnCall] = []


def on_call(fn: OnCall) -> OnCall:
    """``fn(ids)`` runs in the transaction that wrote the :class:`models.WebhookCall` rows of these ids."""
    _told.append(fn)
    return fn


def tell(ids: Sequence[int]) -> None:
    for fn in _told:
        fn(ids)
