"""Small caches of who may do what: right at once after a change in this process, within seconds after one elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from ..core.db import after_commit, db

SECONDS = 5.0
_LIMIT = 5_000

T = TypeVar("T")
_caches: list[Cache] = []


class Cache(Generic[T]):
    """Values by key, for at most :data:`SECONDS` (the command line is another process), one database at a time."""

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[float, T]] = {}
        _caches.append(self)

    def get(self, key: Hashable, load: Callable[[], T]) -> T:
        full = (db.database, key)
        held = self._held.get(full)
        now = time.monotonic()
        if held and now < held[0]:
            return held[1]
        value = load()
        if len(self._held) >= _LIMIT:
            self._held.clear()
        self._held[full] = (now + SECONDS, value)
        return value

    def clear(self) -> None:
        self._held.clear()


def forget() -> None:
    """Empties every cache of people, roles and tokens once the transaction that is open has committed."""
    after_commit(_clear)


def _clear() -> None:
    for cache in _caches:
        cache.clear()
