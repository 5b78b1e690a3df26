"""The span of days that a report looks at: chosen on the page, kept in the URL."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core import clock, settings
from ..core.errors import UserError

PRESETS = {
    "month": _l("本月"),
    "30d": _l("近 30 天"),
    "12m": _l("近 12 个月"),
    "year": _l("今年"),
    "all": _l("全部"),
}
CUSTOM = "custom"


class Range(Struct, frozen=True):
    """Calendar days of the company from ``start`` to before ``end``; ``None``: without a bound."""

    key: str
    start: dt.date | None = None
    end: dt.date | None = None

    @property
    def label(self) -> str:
        if self.key in PRESETS:
            return str(PRESETS[self.key])
        last = self.end - dt.timedelta(days=1) if self.end else None
        return _("%(start)s 至 %(end)s", start=self.start or _("最早"), end=last or _("今天"))

    @property
    def arguments(self) -> dict[str, str]:
        """What stands in the URL."""
        if self.key != CUSTOM:
            return {"range": self.key}
        last = self.end - dt.timedelta(days=1) if self.end else None
        days = {"from": self.start, "to": last}
        return {"range": CUSTOM} | {k: v.isoformat() for k, v in days.items() if v}

    def condition(self, field: str) -> list[dict[str, Any]]:
        """The tests that ``field`` lies within."""
        tests = []
        if self.start:
            tests.append({"field": field, "op": "gte", "value": self.start.isoformat()})
        if self.end:
            tests.append({"field": field, "op": "lt", "value": self.end.isoformat()})
        return tests

    def within(self, start: dt.date | None, end: dt.date | None) -> Range:
        """The days that lie in both."""
        latest = max((d for d in (self.start, start) if d), default=None)
        earliest = min((d for d in (self.end, end) if d), default=None)
        return Range(CUSTOM, latest, earliest)

    def before(self, how: str) -> Range | None:
        """What to compare with: the span before (``previous``) or the same days of last year; ``None`` without bounds.

        A span that begins with a month or year is compared with the same number of days from the start of the month
        or year before: eleven days of this month with eleven of the last one.
        """
        if self.start is None or self.end is None:
            return None
        if how == "last_year":
            return Range("compared", _months(self.start, -12), _months(self.end, -12))
        if self.key == "12m":
            return Range("compared", _months(self.start, -12), _months(self.end, -12))
        length = self.end - self.start
        if self.key in ("month", "year"):
            start = _months(self.start, -1 if self.key == "month" else -12)
            return Range("compared", start, min(start + length, self.start))
        return Range("compared", self.start - length, self.start)

    @property
    def compared_label(self) -> str:
        """What :meth:`before` compares with, in words."""
        known = {"month": _("较上月同期"), "year": _("较去年同期"), "12m": _("较前 12 个月"), "30d": _("较前 30 天")}
        return known.get(self.key, _("较上一时段"))


ALL = Range("all")


def _months(day: dt.date, count: int) -> dt.date:
    index = day.year * 12 + day.month - 1 + count
    year, month = index // 12, index % 12 + 1
    last = (dt.date(year + month // 12, month % 12 + 1, 1) - dt.timedelta(days=1)).day
    return dt.date(year, month, min(day.day, last))


def preset(key: str) -> Range:
    """Raises UserError for a key that is not in ``PRESETS``."""
    today = clock.today(settings.tz())
    tomorrow = today + dt.timedelta(days=1)
    starts = {
        "month": today.replace(day=1),
        "30d": today - dt.timedelta(days=29),
        "12m": _months(today.replace(day=1), -11),
        "year": today.replace(month=1, day=1),
    }
    if key == "all":
        return ALL
    if key not in starts:
        raise UserError(_("没有「%(key)s」这个时间范围。", key=key), "range")
    return Range(key, starts[key], tomorrow)


def read(arguments: Mapping[str, str]) -> Range | None:
    """The range that a URL names; ``None`` when it names none. Raises UserError."""
    key = arguments.get("range", "")
    if not key:
        return None
    if key != CUSTOM:
        return preset(key)
    start, last = _day(arguments.get("from"), "from"), _day(arguments.get("to"), "to")
    if start and last and last < start:
        raise UserError(_("结束日期不能早于开始日期。"), "to")
    return Range(CUSTOM, start, last + dt.timedelta(days=1) if last else None)


def _day(text: str | None, name: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UserError(_("请按 2026-11-22 的样子填写日期。"), name) from error
