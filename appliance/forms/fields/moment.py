"""Dates (ISO text) and moments (UTC seconds)."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext, ngettext
from markupsafe import Markup, escape
from peewee import Case

from ...core import clock, dialect, settings
from ..parsing import parse_date, parse_datetime
from .base import NEGATIVE, ORDERED, Field, FieldError

if TYPE_CHECKING:
    from ..conditions import Context

NOW = ("today", "now")
"""A default that is the present, not a fixed day."""
PERIODS = ("day", "week", "month", "quarter", "year")
PERIOD_WORDS = {"day": _l("日"), "week": _l("周"), "month": _l("月"), "quarter": _l("季度"), "year": _l("年")}
PERIOD_DAYS = {"day": 1, "week": 7, "month": 28, "quarter": 90, "year": 365}
FAR_DAYS = 100_000
AHEAD = (*range(1, 33), *(1 << n for n in range(6, 17)))
"""How many days or periods ahead the moments lie at which a value that is further off is looked at again: too early is never
wrong, and a value a hundred years off is looked at a dozen times."""
SPAN_SECONDS = {"minutes": 60, "hours": 3600, "days": clock.DAY, "weeks": 7 * clock.DAY}
SPAN_WORDS = {"minutes": _l("分钟"), "hours": _l("小时"), "days": _l("天"), "weeks": lazy_pgettext("span", "周")}


def span_seconds(span: Any) -> int:
    """``{"days": 30}`` → seconds. Raises :class:`FieldError`."""
    if not isinstance(span, dict) or not span or not set(span) <= set(SPAN_SECONDS):
        raise FieldError(_('请写出一段时间，比如 {"days": 30}。'))
    total = 0
    for unit, count in span.items():
        if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= 1_000_000:
            raise FieldError(_("时间要是不小于 0 的整数。"))
        total += count * SPAN_SECONDS[unit]
    return total


def span_days(span: Any) -> int:
    seconds = span_seconds(span)
    if seconds % clock.DAY:
        raise FieldError(_("这里只能按整天计算。"))
    return seconds // clock.DAY


def span_words(span: Any) -> str:
    """A length of time as words: ``30 天``."""
    words = {
        "minutes": lambda n: ngettext("%(num)d 分钟", "%(num)d 分钟", n),
        "hours": lambda n: ngettext("%(num)d 小时", "%(num)d 小时", n),
        "days": lambda n: ngettext("%(num)d 天", "%(num)d 天", n),
        "weeks": lambda n: ngettext("%(num)d 周", "%(num)d 周", n),
    }
    return " ".join(words[unit](n) for unit, n in span.items() if unit in words)


def period(name: Any, today: dt.date, back: int = 0) -> tuple[dt.date, dt.date]:
    """First day of this period (``back=1``: of the one before), and of the one after it. Weeks begin on Monday."""
    if name == "day":
        start = today - dt.timedelta(days=back)
        return start, start + dt.timedelta(days=1)
    if name == "week":
        start = today - dt.timedelta(days=today.weekday() + 7 * back)
        return start, start + dt.timedelta(days=7)
    months = {"month": 1, "quarter": 3, "year": 12}.get(name)
    if months is None:
        raise FieldError(_("周期只能是 day、week、month、quarter 或 year。"))
    index = today.year * 12 + (today.month - 1)
    index = index // months * months - back * months
    end = index + months
    return dt.date(index // 12, index % 12 + 1, 1), dt.date(end // 12, end % 12 + 1, 1)


def too_early_or_late(name: str, limit: str) -> str:
    """The sentence for a time beyond a limit, ``min`` or ``max``."""
    if name == "min":
        return _("不能早于 %(limit)s。", limit=limit)
    return _("不能晚于 %(limit)s。", limit=limit)


class Moment(Field):
    """What dates and moments share: the operators about time."""

    group = "time"
    rules = ("min", "max")
    operators: ClassVar[tuple[str, ...]] = (*ORDERED, "within", "not_within", "next", "this", "last")
    aggregates = ("min", "max", "count", "distinct")
    buckets: ClassVar[tuple[str, ...]] = dialect.BUCKETS
    operator_words: ClassVar[dict[str, Any]] = {
        "lt": _l("早于"),
        "lte": _l("不晚于"),
        "gt": _l("晚于"),
        "gte": _l("不早于"),
    }

    def day_start(self, day: dt.date, ctx: Context) -> Any:
        """The stored value at which a calendar day of the company begins."""
        raise NotImplementedError

    def at(self, seconds: int, ctx: Context) -> Any:
        """The smallest stored value that is not before a moment (UTC seconds)."""
        raise NotImplementedError

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        today = clock.local(ctx.now, ctx.tz).date()
        if op == "within":
            return (column >= self.at(ctx.now - span_seconds(value), ctx)) & (column < self.after_now(ctx))
        if op == "next":
            end = today + dt.timedelta(days=span_days(value) + 1)
            return (column >= self.from_now(ctx)) & (column < self.day_start(end, ctx))
        if op in ("this", "last"):
            start, end = period(value, today, back=1 if op == "last" else 0)
            return (column >= self.day_start(start, ctx)) & (column < self.day_start(end, ctx))
        return super().compile_positive(column, op, value, ctx)

    # -- when to look again -------------------------------------------------------------------------------------

    def next_look(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        positive = NEGATIVE.get(op, op)
        today = clock.local(ctx.now, ctx.tz).date()
        absent = (column.is_null(), None)
        if positive == "within":
            begins, span = self.begins(column, ctx), span_seconds(value)
            return Case(None, [absent, (begins > ctx.now, begins), (begins >= ctx.now - span, begins + span + 1)], None)
        if positive == "next":
            return self._next_in_days(column, span_days(value), today, absent, ctx)
        if positive in ("this", "last"):
            return self._next_in_periods(column, value, 1 if positive == "last" else 0, today, absent, ctx)
        return None

    def _next_in_days(self, column: Any, days: int, today: dt.date, absent: Any, ctx: Context) -> Any:
        """Inside, a value leaves when it is over; one further off comes in when its day is near enough."""

        def day(n: int) -> dt.date:
            return today + dt.timedelta(days=n)

        cases = [
            absent,
            (column < self.from_now(ctx), None),
            (column < self.day_start(day(days + 1), ctx), self.ends(column, ctx)),
        ]
        for near, far in pairwise(AHEAD):
            cases.append((column < self.day_start(day(days + far), ctx), clock.start_of(day(near), ctx.tz)))
        return Case(None, cases, clock.start_of(day(AHEAD[-1]), ctx.tz))

    def _next_in_periods(self, column: Any, name: Any, back: int, today: dt.date, absent: Any, ctx: Context) -> Any:
        """Whatever is inside now leaves with the next period; what lies ahead comes in with its own."""
        starts = [period(name, today, back=-n)[0] for n in AHEAD if n * PERIOD_DAYS[name] < FAR_DAYS]
        first = period(name, today, back=back)[0]
        moments = [clock.start_of(day, ctx.tz) for day in starts]
        cases = [
            absent,
            (column < self.day_start(first, ctx), None),
            (column < self.day_start(starts[0], ctx), moments[0]),
        ]
        cases += [(column < self.day_start(far, ctx), at) for at, far in zip(moments, starts[1:], strict=False)]
        return Case(None, cases, moments[-1])

    def begins(self, column: Any, ctx: Context) -> Any:
        """An expression: the moment (UTC seconds) at which a stored value begins."""
        raise NotImplementedError

    def ends(self, column: Any, ctx: Context) -> Any:
        """An expression: the first moment after a stored value."""
        raise NotImplementedError

    def bucketed(self, column: Any, size: str) -> Any:
        return dialect.bucket(column, size, settings.tz(), is_date=self.column == dialect.TEXT)

    def limit_words(self, name: str, limit: Any) -> str:
        return too_early_or_late(name, self.format(limit))

    def default(self) -> Any:
        """A fixed value, or the day (the moment) on which the record is made: ``"today"``, ``"now"``."""
        if self.spec.default not in NOW:
            return super().default()
        value = self.at_making()
        self.check_rules(value)
        return value

    def at_making(self) -> Any:
        """The present as a stored value."""
        raise NotImplementedError

    def from_now(self, ctx: Context) -> Any:
        raise NotImplementedError

    def after_now(self, ctx: Context) -> Any:
        raise NotImplementedError

    def operand_words(self, op: str, value: Any) -> str:
        if op in ("within", "not_within", "next", "anniversary_within"):
            return _("%(span)s 内", span=span_words(value))
        if op in ("this", "last"):
            return str(PERIOD_WORDS.get(value, value))
        return super().operand_words(op, value)


class Date(Moment):
    """A calendar day, stored as ``YYYY-MM-DD``."""

    type = "date"
    formula_type = "date"
    name = _l("日期")
    icon = "calendar"
    operators = (*Moment.operators, "anniversary_within")
    value_input = "date"
    input_template = "forms/fields/date.html"
    written = False

    def parse(self, raw: Any) -> str | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填日期，比如 2026-11-22。"))
        return parse_date(raw)

    def at_making(self) -> str:
        return clock.today(settings.tz()).isoformat()

    def day_start(self, day: dt.date, ctx: Context) -> str:
        return day.isoformat()

    def at(self, seconds: int, ctx: Context) -> str:
        local = clock.local(seconds, ctx.tz)
        day = local.date()
        if local.time() != dt.time():
            day += dt.timedelta(days=1)
        return day.isoformat()

    def from_now(self, ctx: Context) -> str:
        return clock.local(ctx.now, ctx.tz).date().isoformat()

    def begins(self, column: Any, ctx: Context) -> Any:
        return dialect.day_start(column, ctx.tz)

    def ends(self, column: Any, ctx: Context) -> Any:
        return dialect.day_start(column, ctx.tz, 1)

    def next_look(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op != "anniversary_within" or span_days(value) >= 365:
            return super().next_look(column, op, value, ctx)
        today, days = clock.local(ctx.now, ctx.tz).date(), span_days(value)
        md = dialect.month_day(column)
        first = today.strftime("%m-%d")
        cases: list[Any] = [(column.is_null(), None)]
        reach = sorted({*range(min(days, 31) + 1), days, *(days + n for n in AHEAD if days + n < 365)})
        before = -1
        for n in reach:
            last = self._last_md(today + dt.timedelta(days=n))
            inside = (md >= first) & (md <= last) if first <= last else (md >= first) | (md <= last)
            # Inside it leaves the day after it; outside it comes in when its day is near enough.
            cases.append(
                (inside, clock.start_of(today + dt.timedelta(days=before + (2 if n <= days else 1 - days)), ctx.tz))
            )
            before = n
        return Case(None, cases, clock.start_of(today + dt.timedelta(days=before + 1 - days), ctx.tz))

    @staticmethod
    def _last_md(day: dt.date) -> str:
        """Born on 29 February: the day is kept on the 28th in years without one."""
        text = day.strftime("%m-%d")
        return "02-29" if text == "02-28" and not _leap(day.year) else text

    def after_now(self, ctx: Context) -> str:
        return (clock.local(ctx.now, ctx.tz).date() + dt.timedelta(days=1)).isoformat()

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op != "anniversary_within":
            return super().compile_positive(column, op, value, ctx)
        today = clock.local(ctx.now, ctx.tz).date()
        days = span_days(value)
        if days >= 365:
            return column.is_null(False)
        wanted = [today + dt.timedelta(days=n) for n in range(days + 1)]
        first, last = wanted[0].strftime("%m-%d"), self._last_md(wanted[-1])
        day = dialect.month_day(column)
        if first <= last:
            return column.is_null(False) & (day >= first) & (day <= last)
        return column.is_null(False) & ((day >= first) | (day <= last))

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "format": "date"}

    def formula_value(self, value: Any) -> dt.date:
        return dt.date.fromisoformat(value)

    def from_formula(self, value: Any) -> str:
        return (value.date() if isinstance(value, dt.datetime) else value).isoformat()


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


class DateTime(Moment):
    """A moment, stored as UTC seconds, shown in the company's time zone. The API prints ISO 8601 with offset."""

    type = "datetime"
    formula_type = "datetime"
    name = _l("日期时间")
    icon = "clock"
    column = dialect.INTEGER
    value_input = "datetime"
    input_template = "forms/fields/datetime.html"
    written = False

    def parse(self, raw: Any) -> int | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填日期和时间，比如 2026-11-22 09:30。"))
        return parse_datetime(raw, settings.tz())

    def at_making(self) -> int:
        return clock.now()

    def day_start(self, day: dt.date, ctx: Context) -> int:
        return clock.start_of(day, ctx.tz)

    def at(self, seconds: int, ctx: Context) -> int:
        return seconds

    def from_now(self, ctx: Context) -> int:
        return ctx.now

    def after_now(self, ctx: Context) -> int:
        return ctx.now + 1

    def begins(self, column: Any, ctx: Context) -> Any:
        return column

    def ends(self, column: Any, ctx: Context) -> Any:
        return column + 1

    def to_api(self, value: Any) -> Any:
        return None if value is None else clock.iso(value, settings.tz())

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        return clock.local(value, settings.tz()).strftime("%Y-%m-%d %H:%M:%S").removesuffix(":00")

    def render(self, value: Any, record: Any = None) -> Markup:
        """To the minute: seconds are noise in a list."""
        return Markup("") if value is None else escape(clock.local(value, settings.tz()).strftime("%Y-%m-%d %H:%M"))

    def form_value(self, value: Any) -> str:
        return "" if value is None else clock.local(value, settings.tz()).strftime("%Y-%m-%dT%H:%M:%S")

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "format": "date-time"}

    def formula_value(self, value: Any) -> dt.datetime:
        return clock.local(value, settings.tz())

    def from_formula(self, value: Any) -> int:
        if isinstance(value, dt.datetime):
            return int(value.timestamp())
        return clock.start_of(value, settings.tz())
