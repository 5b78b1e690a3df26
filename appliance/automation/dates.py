"""``{"date": "birthday", "offset": {"days": -7}, "at": "09:00", "yearly": true, "lunar": true}``: a date of the record comes near.

Who is due on a day is found by the index of the field: the day is turned into the values that fall on it (of every year,
for an anniversary), never the field of every record into a day.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext, ngettext
from msgspec import Struct

from ..core import clock, jobs, settings
from ..core.db import read, write
from ..core.errors import NotFound
from ..core.jobs import Job
from ..forms import catalog
from ..forms.catalog import SYSTEM_FIELDS, Form
from ..forms.conditions import Context
from ..forms.fields.base import Field
from . import streams
from .models import StreamCursor
from .triggers import Timer, Trigger, TriggerError, register

JOB = "rule.date"
LATE = 3
"""Days: an occurrence that was missed longer ago is let go, and one whose date has passed since."""
MOST_DAYS = 366
FIRST_YEAR, LAST_YEAR = 1900, 2099
"""The years that the lunar calendar's tables cover."""
EVERY = "*/5 * * * *"
"""How often moments (not days) are looked for."""

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")

LUNAR = {
    "": _l("公历"),
    "born": _l("农历：按这个日期换算成农历，每年过农历的那一天"),
    "written": _l("农历：填写的月和日本来就是农历"),
}

UNITS = {
    "days": lazy_pgettext("unit", "天"),
    "hours": lazy_pgettext("unit", "小时"),
    "minutes": lazy_pgettext("unit", "分钟"),
}


class Occurrence(Struct, frozen=True):
    """The date that comes near on one day. ``name``: what it is counted by, so that nobody has it twice."""

    date: dt.date
    name: str


@register
class DateReached(Trigger):
    """``date``: a field; ``offset``: ``{"days": n}``, before (negative) or after; for a moment without ``at`` also ``hours`` and
    ``minutes``. ``yearly``: its anniversaries. ``lunar``: true (the lunar anniversary of a date that is written as usual)
    or ``"written"`` (month and day are lunar as they stand). ``late``: ``{"days": n}``, how late it may still act."""

    key = "date"
    label = _l("到了某个日期")
    icon = "cake"
    template = "automation/triggers/date.html"
    params = frozenset({"offset", "at", "yearly", "lunar", "late"})
    decides = False

    @staticmethod
    def fields(form: Form) -> list[Field]:
        """The fields that hold a date."""
        own = [f for f in form.columns.values() if f.value_input in ("date", "datetime")]
        return [*own, SYSTEM_FIELDS["created_at"], SYSTEM_FIELDS["updated_at"]]

    def check(self) -> None:
        known = {f.key: f for f in self.fields(self.form)}
        key = self.doc[self.key]
        if not isinstance(key, str) or key not in known:
            raise TriggerError(_("请选择一个日期字段。"))
        self.field = known[key]
        self.is_day = self.field.value_input == "date"
        self.yearly = self._flag("yearly")
        self.lunar = {True: "born", False: "", None: ""}.get(self.doc.get("lunar"), self.doc.get("lunar"))
        if self.lunar not in LUNAR:
            raise TriggerError(_('「lunar」只能是 true 或 "written"。'))
        if self.lunar and not (self.yearly and self.is_day):
            raise TriggerError(_("农历只能用于每年重复的日期。"))
        at = self.doc.get("at")
        if at is not None and not (isinstance(at, str) and _TIME.fullmatch(at)):
            raise TriggerError(_("请按 24 小时制填写时间，例如 09:00。"))
        self.exact = not self.is_day and not at and not self.yearly
        self.at: str = at or "09:00"
        self.offset = self._offset()
        self.late = self._late()

    def _flag(self, name: str) -> bool:
        value = self.doc.get(name, False)
        if not isinstance(value, bool):
            raise TriggerError(_("「%(name)s」只能是 true 或 false。", name=name))
        return value

    def _offset(self) -> int:
        """Days, or seconds when it is about moments."""
        doc = self.doc.get("offset") or {}
        units = ("days", "hours", "minutes") if self.exact else ("days",)
        if not isinstance(doc, dict) or set(doc) - set(units) or any(type(n) is not int for n in doc.values()):
            raise TriggerError(_('提前或推后的时间要写成整数，例如 {"days": -7}。'))
        if not self.exact:
            days = doc.get("days", 0)
            if abs(days) > MOST_DAYS:
                raise TriggerError(_("提前或推后最多 %(max)d 天。", max=MOST_DAYS))
            return days
        return int(dt.timedelta(**doc).total_seconds())

    def _late(self) -> int | None:
        doc = self.doc.get("late")
        if doc is None:
            return None
        if (
            not isinstance(doc, dict)
            or set(doc) != {"days"}
            or type(doc["days"]) is not int
            or not 0 <= doc["days"] <= 60
        ):
            raise TriggerError(_('错过后还补做的天数要写成 {"days": 3}，最多 60 天。'))
        return doc["days"]

    # -- in words -----------------------------------------------------------------------------------------------

    def words(self) -> str:
        name = (
            _("农历「%(field)s」", field=self.field.label) if self.lunar else _("「%(name)s」", name=self.field.label)
        )
        if self.exact:
            minutes = abs(self.offset) // 60
            span = _span_words(minutes)
            if not minutes:
                return _("到了%(field)s的时刻", field=name)
            return (
                _("%(field)s前 %(span)s", field=name, span=span)
                if self.offset < 0
                else _("%(field)s后 %(span)s", field=name, span=span)
            )
        days = abs(self.offset)
        known = {"field": name, "days": days, "at": self.at}
        if self.yearly:
            if not days:
                return _("每年%(field)s当天 %(at)s", **known)
            return (
                _("每年%(field)s前 %(days)d 天 %(at)s", **known)
                if self.offset < 0
                else _("每年%(field)s后 %(days)d 天 %(at)s", **known)
            )
        if not days:
            return _("%(field)s当天 %(at)s", **known)
        return (
            _("%(field)s前 %(days)d 天 %(at)s", **known)
            if self.offset < 0
            else _("%(field)s后 %(days)d 天 %(at)s", **known)
        )

    # -- when ---------------------------------------------------------------------------------------------------

    def timer(self) -> Timer:
        hour, minute = self.at.split(":")
        return Timer(EVERY if self.exact else f"{int(minute)} {int(hour)} * * *", "date", JOB)

    def prepare(self, subject: str) -> None:
        """The index by which it looks, and the day from which it counts."""
        if self.field.key in self.form.fields and not self.field.indexed and not self.field.unique:
            catalog.update_field(self.form, self.field.key, {"indexed": True})
        if not StreamCursor.select().where(StreamCursor.stream == self.cursor(subject)).exists():
            StreamCursor.insert(stream=self.cursor(subject), position=self.reached(clock.now())).execute()

    def cursor(self, subject: str) -> str:
        return f"{subject}:moment" if self.exact else f"{subject}:day"

    def reached(self, now: int) -> int:
        """How far the time has come: the ordinal of the newest day whose ``at`` has passed, or the moment."""
        if self.exact:
            return now
        local = clock.local(now, settings.tz())
        hour, minute = (int(part) for part in self.at.split(":"))
        day = local.date().toordinal()
        return day if (local.hour, local.minute) >= (hour, minute) else day - 1

    def missed(self, since: int, now: int) -> Iterator[tuple[int, int]]:
        """The spans (from, to], of days or of seconds, that are to be worked through now; what is too late is left out."""
        upto = self.reached(now)
        if self.exact:
            yield max(since, upto - (LATE if self.late is None else self.late) * clock.DAY), upto
            return
        today = clock.local(now, settings.tz()).date()
        for day in range(max(since, upto - (LATE if self.late is None else self.late) - 1) + 1, upto + 1):
            stale = self.late is None and self.offset <= 0 and dt.date.fromordinal(day - self.offset) < today
            if not stale:
                yield day - 1, day

    # -- who ----------------------------------------------------------------------------------------------------

    def occurrence(self, day: int) -> Occurrence:
        """What comes near on a day (its ordinal)."""
        date = dt.date.fromordinal(day - self.offset)
        if not self.yearly:
            return Occurrence(date, date.isoformat())
        return Occurrence(date, str(_lunar().LunarDate.from_solar_date(*_ymd(date)).year if self.lunar else date.year))

    def newest(self, now: int) -> tuple[int, int]:
        """The span of :meth:`missed` that has come last."""
        upto = self.reached(now)
        return upto - (clock.DAY if self.exact else 1), upto

    def standing(self, ctx: Context) -> Any:
        test = self.due(*self.newest(ctx.now))
        return peewee.Value(1) == 0 if test is None else test

    def due(self, begin: int, end: int) -> Any:
        """A test: the records that are due in a span (from, to] of :meth:`missed`; ``None``: nobody can be."""
        column = self.form.col(self.field.key)
        if self.exact:
            return (column > begin - self.offset) & (column <= end - self.offset)
        date = self.occurrence(end).date
        days = _days_of(date, self.yearly, self.lunar)
        if self.is_day:
            return column.in_(days) if days else None
        tz = settings.tz()
        spans = [
            clock_span(dt.date.fromisoformat(day), tz) for day in days if day[5:] != "02-29" or _leap(int(day[:4]))
        ]
        return streams.either([(column >= start) & (column < stop) for start, stop in spans if stop > 0])

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        offset = doc.get("offset")
        given = offset if isinstance(offset, dict) else {}
        unit, amount = next(((u, n) for u, n in given.items() if u in UNITS and type(n) is int), ("days", 0))
        fields = cls.fields(form)
        lunar, late = doc.get("lunar"), doc.get("late")
        return {
            "fields": fields,
            "field": doc.get(cls.key) or ("birthday" if "birthday" in form.fields else fields[0].key),
            "side": "before" if amount < 0 else "after" if amount else "on" if doc else "before",
            "amount": abs(amount) if doc else 7,
            "unit": unit,
            "units": UNITS,
            "at": doc.get("at") or ("" if doc and unit != "days" else "09:00"),
            "yearly": doc.get("yearly", not doc and "birthday" in form.fields),
            "lunar": "born" if lunar is True else lunar or "",
            "calendars": LUNAR,
            "late": late.get("days", "") if isinstance(late, dict) else "",
        }

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        doc: dict[str, Any] = {cls.key: values.get("date.field", "")}
        unit = values.get("date.unit", "days")
        try:
            amount = int(values.get("date.amount") or 0)
        except ValueError as error:
            raise TriggerError(_("提前或推后的时间要填整数。")) from error
        side = values.get("date.side", "on")
        if side != "on" and amount:
            doc["offset"] = {
                unit if unit in ("days", "hours", "minutes") else "days": -abs(amount)
                if side == "before"
                else abs(amount)
            }
        if not (side != "on" and unit in ("hours", "minutes")) and values.get("date.at", "").strip():
            doc["at"] = values["date.at"].strip()
        if values.get("date.yearly"):
            doc["yearly"] = True
            lunar = values.get("date.lunar", "")
            if lunar:
                doc["lunar"] = True if lunar == "born" else lunar
        if values.get("date.late", "").strip().isdigit():
            doc["late"] = {"days": int(values["date.late"])}
        return doc


def _span_words(minutes: int) -> str:
    if minutes % 1440 == 0:
        return ngettext("%(num)d 天", "%(num)d 天", minutes // 1440)
    if minutes % 60 == 0:
        return ngettext("%(num)d 小时", "%(num)d 小时", minutes // 60)
    return ngettext("%(num)d 分钟", "%(num)d 分钟", minutes)


def _lunar() -> Any:
    """The lunar calendar's tables; they are loaded for the first rule that asks, not at start."""
    from borax.calendars import lunardate

    return lunardate


def _ymd(date: dt.date) -> tuple[int, int, int]:
    return date.year, date.month, date.day


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def clock_span(day: dt.date, tz: Any) -> tuple[int, int]:
    """From the beginning of a day to that of the next, UTC seconds."""
    return clock.start_of(day, tz), clock.start_of(day + dt.timedelta(days=1), tz)


@lru_cache(maxsize=512)
def _days_of(date: dt.date, yearly: bool, lunar: str) -> list[str]:
    """The stored dates whose day falls on ``date``."""
    if not yearly:
        return [date.isoformat()]
    if lunar:
        return _lunar_days(date, lunar)
    wanted = [f"{date:%m-%d}"]
    # Born on 29 February: the day is kept on the 28th in years without one.
    if wanted == ["02-28"] and not _leap(date.year):
        wanted.append("02-29")
    return [f"{year}-{day}" for year in range(FIRST_YEAR, date.year + 1) for day in wanted]


def _lunar_days(date: dt.date, lunar: str) -> list[str]:
    """As :func:`_days_of`: the lunar month and day of ``date``, once a lunar year.

    A birthday in a leap month is kept in the month itself; one on the 30th on the 29th, when the month has no more.
    """
    day = _lunar().LunarDate.from_solar_date(*_ymd(date))
    if day.leap:
        return []
    wanted = [day.day]
    if day.day == 29 and _lunar().LCalendars.ndays(day.year, day.month, 0) == 29:
        wanted.append(30)
    if lunar == "written":
        return [f"{year}-{day.month:02d}-{n:02d}" for year in range(FIRST_YEAR, date.year + 1) for n in wanted]
    return [found for n in wanted for found in _solar_days(day.month, n) if found <= date.isoformat()]


@lru_cache(maxsize=400)
def _solar_days(month: int, day: int) -> tuple[str, ...]:
    """The days, of every year, whose lunar month and day these are; those of leap months too."""
    found = []
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        for leap in (0, 1):
            try:
                found.append(_lunar().LunarDate(year, month, day, leap).to_solar_date().isoformat())
            except ValueError:
                continue
    return tuple(found)


@jobs.handler(JOB, label=_l("查看到了日期的记录"))
def look(job: Job) -> dict[str, Any] | None:
    """Asks for a run for each day (once, however long the house was dark) on which somebody is due, and moves on."""
    from .rules import book

    with read():
        try:
            rule = book.by_id(job.payload["id"])
            trigger = next((t for t in rule.triggers() if isinstance(t, DateReached)), None)
        except NotFound:
            return None
    if trigger is None or not rule.enabled:
        return None
    now, name = clock.now(), trigger.cursor(rule.timer_key)
    with write():
        since = StreamCursor.select(StreamCursor.position).where(StreamCursor.stream == name).scalar()
        for begin, end in trigger.missed(now if since is None else since, now):
            test = trigger.due(begin, end)
            table, row_id = rule.form.table, rule.form.col("id")
            if (
                test is None
                or not table.select(row_id).where(test, rule.form.col("deleted_at").is_null()).limit(1).tuples().first()
            ):
                continue
            payload = {"id": rule.id, "trigger": "date", "span": [begin, end]}
            jobs.enqueue("rule.run", payload)
        StreamCursor.update(position=trigger.reached(now)).where(StreamCursor.stream == name).execute()
    return None
