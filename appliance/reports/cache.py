"""Figures that were computed a moment ago, kept in this process.

Small data is always computed anew. What takes long is shown again for twenty times as long as it took, at most five
minutes; a dashboard opens at once with older figures, says when they were taken, and renews them in place.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from msgspec import Struct

from ..core import clock
from ..core.db import read
from ..forms import records

MOST = 400
SLOW = 1.0
"""Seconds; figures that take longer are kept although records changed in the meantime."""
HOLD, STALE = 300.0, 3600.0


class Kept(Struct, frozen=True):
    """``at``: UTC seconds; ``took``: seconds."""

    value: Any
    at: int
    took: float
    since: float
    version: int

    @property
    def age(self) -> float:
        return time.monotonic() - self.since

    def fresh(self) -> bool:
        if self.age > min(HOLD, 20 * self.took):
            return False
        return self.took >= SLOW or self.version == records.latest_change()


_kept: OrderedDict[Hashable, Kept] = OrderedDict()
_lock = threading.Lock()
_busy: dict[Hashable, threading.Lock] = {}


def peek(key: Hashable) -> Kept | None:
    """What was kept, fresh or not, if it may still be shown."""
    found = _kept.get(key)
    return found if found and found.age < STALE else None


_slots = threading.Semaphore(2)
"""Of the figures that nobody waits for, two are computed at a time: pages keep their threads and a core."""


class _Answer:
    """Figures being computed by a thread of their own."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.error: Exception | None = None


_asked: dict[Hashable, _Answer] = {}


def soon(key: Hashable, compute: Callable[[], Any], wait: float) -> Kept | None:
    """As :func:`get`, but after ``wait`` seconds ``None``: then it goes on behind, and whoever asks again finds it.

    ``compute`` runs in another thread. Raises what it raised.
    """
    found = _kept.get(key)
    if found and found.fresh():
        return found
    with _lock:
        answer = _asked.get(key)
        if answer is None:
            answer = _asked[key] = _Answer()
            threading.Thread(target=_work, args=(key, compute, answer), name="figures", daemon=True).start()
    if not answer.ready.wait(wait):
        return None
    if answer.error:
        raise answer.error
    return _kept.get(key)


def _work(key: Hashable, compute: Callable[[], Any], answer: _Answer) -> None:
    try:
        with _slots, read():
            get(key, compute)
    except Exception as error:
        answer.error = error
    finally:
        with _lock:
            _asked.pop(key, None)
        answer.ready.set()


def get(key: Hashable, compute: Callable[[], Any]) -> Kept:
    """What was kept, or computed now; of several who ask at once one computes."""
    found = _kept.get(key)
    if found and found.fresh():
        return found
    with _lock:
        turn = _busy.setdefault(key, threading.Lock())
    with turn:
        found = _kept.get(key)
        if found and found.fresh():
            return found
        try:
            version, started = records.latest_change(), time.monotonic()
            value = compute()
            made = Kept(value, clock.now(), time.monotonic() - started, time.monotonic(), version)
        finally:
            with _lock:
                _busy.pop(key, None)
        with _lock:
            _kept[key] = made
            _kept.move_to_end(key)
            while len(_kept) > MOST:
                _kept.popitem(last=False)
    return made
