"""The only source of time. Times are whole seconds since 1970 in UTC; the company's zone is for people."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from functools import lru_cache
from zoneinfo import ZoneInfo

_source: Callable[[], float] = time.time

DAY = 86_400


def now() -> int:
    """Seconds since 1970-01-01T00:00Z."""
    return int(_source())


def use(source: Callable[[], float] | None) -> None:
    """Replaces the clock (tests); ``None`` puts the machine's clock back."""
    global _source
    _source = source or time.time


@lru_cache(maxsize=16)
def zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def local(seconds: int, tz: ZoneInfo) -> dt.datetime:
    """The wall-clock time in ``tz`` of a moment in UTC seconds."""
    return dt.datetime.fromtimestamp(seconds, tz)


def today(tz: ZoneInfo) -> dt.date:
    return local(now(), tz).date()


def start_of(day: dt.date, tz: ZoneInfo) -> int:
    """UTC seconds at which ``day`` begins in ``tz``."""
    return int(dt.datetime(day.year, day.month, day.day, tzinfo=tz).timestamp())


def iso(seconds: int, tz: ZoneInfo) -> str:
    """ISO 8601 with the zone's offset, as the API prints times."""
    return local(seconds, tz).isoformat()
