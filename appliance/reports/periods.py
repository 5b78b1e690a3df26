"""The periods that moments are grouped by: their order, their days, and how they are written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

NAMES = {
    "day": _l("按天"),
    "week": _l("按周"),
    "month": _l("按月"),
    "quarter": _l("按季度"),
    "year": _l("按年"),
    "weekday": _l("按星期几"),
    "hour": _l("按钟点"),
}
WEEKDAYS = (_l("周日"), _l("周一"), _l("周二"), _l("周三"), _l("周四"), _l("周五"), _l("周六"))
CYCLES = {"weekday": ["1", "2", "3", "4", "5", "6", "0"], "hour": [f"{h:02d}" for h in range(24)]}
"""Periods that come again: all their values, in the order people read them."""

MOST = 800
"""More empty periods than this are not filled in."""


def words(size: str, value: str) -> str:
    if size == "weekday":
        return str(WEEKDAYS[int(value)])
    if size == "hour":
        return f"{value}:00"
    if size == "week":
        return _("%(day)s 周", day=value)
    return value


def days(size: str, value: str) -> tuple[dt.date, dt.date] | None:
    """First day of a period and of the one after it; ``None`` for one that comes again (a weekday, an hour)."""
    if size in CYCLES:
        return None
    if size in ("day", "week"):
        start = dt.date.fromisoformat(value)
        return start, start + dt.timedelta(days=1 if size == "day" else 7)
    year, months, first = int(value[:4]), {"month": 1, "quarter": 3, "year": 12}[size], 0
    if size == "month":
        first = int(value[5:7]) - 1
    elif size == "quarter":
        first = (int(value[6:]) - 1) * 3
    end = year * 12 + first + months
    return dt.date(year, first + 1, 1), dt.date(end // 12, end % 12 + 1, 1)


def of(size: str, day: dt.date) -> str:
    """The period that a day lies in, as the database writes it."""
    if size == "day":
        return day.isoformat()
    if size == "week":
        return (day - dt.timedelta(days=day.weekday())).isoformat()
    if size == "month":
        return f"{day:%Y-%m}"
    if size == "quarter":
        return f"{day.year}-Q{(day.month + 2) // 3}"
    return f"{day.year}"


def between(size: str, first: str, last: str) -> list[str]:
    """All periods from ``first`` to ``last``; none when there would be too many."""
    found: list[str] = []
    for value in _from(size, first):
        if value > last:
            return found
        found.append(value)
        if len(found) > MOST:
            break
    return []


def _from(size: str, value: str) -> Iterator[str]:
    while True:
        yield value
        span = days(size, value)
        assert span
        value = of(size, span[1])
