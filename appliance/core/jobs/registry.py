"""Which function does which kind of job."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from .job import Job

Run = Callable[["Job"], "dict[str, Any] | None"]

BACKOFF = (30, 300, 1800)
"""Seconds before the second, third and fourth try."""


class Handler(Struct, frozen=True):
    """``backoff``: seconds to wait before each further try. ``heavy``: of all heavy jobs one runs at a time."""

    kind: str
    run: Run
    backoff: tuple[int, ...]
    heavy: bool
    label: Any


_handlers: dict[str, Handler] = {}


def handler(
    kind: str, *, backoff: tuple[int, ...] = BACKOFF, heavy: bool = False, label: Any = None
) -> Callable[[Run], Run]:
    """Makes a function the one that does jobs of ``kind``.

    It gets a :class:`Job` and may return a dict of results (numbers are added up by ``guke work``). What it writes and
    ``job.save_state`` belong in one ``write()``, so that a job run again after a crash does nothing twice.
    """

    def register(run: Run) -> Run:
        if kind in _handlers:
            raise ValueError(f"jobs of kind {kind!r} have a handler already ({_handlers[kind].run}); rename one")
        _handlers[kind] = Handler(kind, run, backoff, heavy, label)
        return run

    return register


def get(kind: str) -> Handler:
    try:
        return _handlers[kind]
    except KeyError:
        raise KeyError(f"no handler for jobs of kind {kind!r}; list its module in appliance/schema.py") from None


def kinds() -> list[str]:
    return list(_handlers)


def heavy_kinds() -> list[str]:
    return [h.kind for h in _handlers.values() if h.heavy]


def label(kind: str) -> Any:
    """What people call this kind of job."""
    known = _handlers.get(kind)
    return known.label or kind if known else kind
