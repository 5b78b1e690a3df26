"""What goes through a connection: asked before one is switched off or deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """``words``: what uses it, for people. ``url``: its page."""

    words: str
    url: str | None = None


Finder = Callable[[str], Iterable[Use]]
_finders: list[Finder] = []


def finder(fn: Finder) -> Finder:
    """Registers what knows who names a connection: ``fn(connection key)``."""
    _finders.append(fn)
    return fn


def of(key: str) -> list[Use]:
    return [use for fn in _finders for use in fn(key)]
