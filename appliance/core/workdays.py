"""Which days and hours the company works: its own days, the national holidays with their exchanged days, its week.

What was decided last wins: a day that the company entered, else the national calendar (``chinesecalendar`` as data, a
year at a time as the State Council publishes it), else the week. For a year that the data does not know the week alone
decides; :func:`notice` says so.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from chinese_calendar.constants import holidays as _HOLIDAYS
from chinese_calendar.constants import workdays as _EXCHANGED
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from . import clock, settings
from .errors import UserError
from .settings import Declared

Span = tuple[int, int]
"""Minutes of a day, from and to: 09:00–18:00 is (540, 1080)."""

HORIZON = 400
"""Days after which nobody looks further for working time."""

_SPAN = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*(?:-|–|—|~|至|到)\s*([01]?\d|2[0-4]):([0-5]\d)")
_NATIONAL_YEARS = frozenset(day.year for day in _HOLIDAYS)

HOLIDAY_NAMES = {
    "New Year's Day": _l("元旦"),
    "Spring Festival": _l("春节"),
    "Tomb-sweeping Day": _l("清明节"),
    "Labour Day": _l("劳动节"),
    "Dragon Boat Festival": _l("端午节"),
    "National Day": _l("国庆节"),
    "Mid-autumn Festival": _l("中秋节"),
    "Anti-Fascist 70th Day": _l("抗战胜利纪念日"),
}
WEEKDAYS = (_l("周一"), _l("周二"), _l("周三"), _l("周四"), _l("周五"), _l("周六"), _l("周日"))


def parse_hours(text: str) -> list[Span]:
    """``"09:00-12:00, 13:30-18:00"`` as minutes; empty for a day off. Raises :class:`UserError`."""
    parts = [part for part in re.split(r"[,，;；、\s]+(?=\d)", text.strip()) if part]
    spans: list[Span] = []
    for part in parts:
        match = _SPAN.fullmatch(part.strip())
        begin, end = (int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])) if match else (0, 0)
        if not match or end <= begin or end > 1440 or (spans and begin < spans[-1][1]):
            raise UserError(_("请按先后写起止时间，例如 09:00-12:00，13:30-18:00；休息日留空。"))
        spans.append((begin, end))
    return spans


def hours_text(spans: list[Span]) -> str:
    """The inverse of :func:`parse_hours`."""
    return ", ".join(f"{a // 60:02d}:{a % 60:02d}-{b // 60:02d}:{b % 60:02d}" for a, b in spans)


def _hours(setting: Declared, raw: Any) -> str:
    try:
        return hours_text(parse_hours(str(raw or "")))
    except UserError as error:
        raise UserError(error.message, setting.key) from error


def _days(setting: Declared, raw: Any) -> dict[str, list[Any]]:
    """ISO day → [working, note]."""
    return {dt.date.fromisoformat(day).isoformat(): [bool(on), str(note)[:60]] for day, (on, note) in raw.items()}


settings.kind("hours", _hours)
settings.kind("days", _days)
for _number, _label in enumerate(WEEKDAYS):
    settings.declare(f"workdays.hours.{_number}", "09:00-18:00" if _number < 5 else "", _label, "hours")
settings.declare("workdays.national", True, _l("按国家法定节假日放假和调休"), "boolean")
settings.declare("workdays.days", {}, _l("公司自己的日子"), "days")


class Day(Struct, frozen=True):
    """One day of the calendar: its hours (none: a day off), what decided (company, national, week), and its name."""

    date: dt.date
    spans: tuple[Span, ...]
    source: str
    name: str = ""

    @property
    def working(self) -> bool:
        return bool(self.spans)


class Calendar(Struct, frozen=True):
    """What the settings say at one moment: read once, asked for many days."""

    week: list[list[Span]]
    """The hours of Monday to Sunday."""
    days: dict[str, list[Any]]
    national: bool

    def day(self, date: dt.date) -> Day:
        """What the calendar says of a day."""
        own = tuple(self.week[date.weekday()])
        usual = own or tuple(next((spans for spans in self.week if spans), [(0, 1440)]))
        entered = self.days.get(date.isoformat())
        if entered is not None:
            return Day(date, usual if entered[0] else (), "company", entered[1])
        if self.national and date in _EXCHANGED:
            return Day(date, usual, "national", _("%(holiday)s调休", holiday=_named(_EXCHANGED[date])))
        # A day off in lieu is in the list of the holiday it belongs to.
        if self.national and date in _HOLIDAYS:
            return Day(date, (), "national", _named(_HOLIDAYS[date]))
        return Day(date, own, "week")


def calendar() -> Calendar:
    """The company's calendar as it is now."""
    week = [_parsed(settings.get(f"workdays.hours.{number}")) for number in range(7)]
    return Calendar(week, settings.get("workdays.days"), settings.get("workdays.national"))


@lru_cache(maxsize=64)
def _parsed(text: str) -> list[Span]:
    return parse_hours(text)


def knows(year: int) -> bool:
    """Whether the national holidays of ``year`` are known."""
    return year in _NATIONAL_YEARS


def notice(year: int) -> str | None:
    """What to tell people where a day of ``year`` matters and only the week decides; ``None`` when all is known."""
    if not settings.get("workdays.national") or knows(year):
        return None
    return _(
        "固客还没有 %(year)d 年的放假安排，这一年只按每周的工作时间计算。升级固客，或在“工作日历”里填写放假和调休的日子。",
        year=year,
    )


def day(date: dt.date) -> Day:
    """What the calendar says of a day."""
    return calendar().day(date)


def _named(holiday: str) -> str:
    return str(HOLIDAY_NAMES.get(holiday, holiday))


def is_working_day(date: dt.date) -> bool:
    return day(date).working


def is_working_moment(seconds: int) -> bool:
    """Whether the company works at a moment (UTC seconds)."""
    return next_working_moment(seconds) == seconds


def next_working_moment(seconds: int) -> int:
    """The moment itself when the company works then, else when it next begins to; UTC seconds.

    A company that never works is asked nothing: the moment itself.
    """
    return next((max(seconds, begin) for begin, end in _spans(seconds) if end > seconds), seconds)


def add_working(seconds_from: int, seconds: int) -> int:
    """The moment at which ``seconds`` of working time have passed since ``seconds_from``; UTC seconds."""
    left = seconds
    for begin, end in _spans(seconds_from):
        begin = max(begin, seconds_from)
        if end <= begin:
            continue
        if left <= end - begin:
            return begin + left
        left -= end - begin
    return seconds_from + seconds


def working_seconds(begin: int, end: int) -> int:
    """How much working time lies between two moments."""
    total = 0
    for start, stop in _spans(begin):
        if start >= end:
            break
        total += max(0, min(stop, end) - max(start, begin))
    return total


def _spans(seconds: int) -> Iterator[tuple[int, int]]:
    """Spans of working time in UTC seconds, from the day of a moment on."""
    tz, known = settings.tz(), calendar()
    first = clock.local(seconds, tz).date()
    for number in range(HORIZON):
        date = first + dt.timedelta(days=number)
        for begin, end in known.day(date).spans:
            yield _at(date, begin, tz), _at(date, end, tz)


def _at(date: dt.date, minute: int, tz: dt.tzinfo) -> int:
    midnight = dt.datetime(date.year, date.month, date.day)
    return int((midnight + dt.timedelta(minutes=minute)).replace(tzinfo=tz).timestamp())


def national_years() -> tuple[int, int]:
    """The first and the last year whose national holidays are known."""
    return min(_NATIONAL_YEARS), max(_NATIONAL_YEARS)
