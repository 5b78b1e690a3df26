"""What goes through a connection: asked before one is switched off or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field


class Use(Struct, frozen=True):
    """``words``: what uses it, for people. ``endpoint`` and ``values``: its page."""

    words: str
    endpoint: str | None = None
    values: dict[str, Any] = field(default_factory=dict)


Finder = Callable[[str], Iterable[Use]]
_finders: list[Finder] = []


def finder(fn: Finder) -> Finder:
    """Registers what knows who names a connection: ``fn(connection key)``."""
    _finders.append(fn)
    return fn


def of(key: str) -> list[Use]:
    return [use for fn in _finders for use in fn(key)]
