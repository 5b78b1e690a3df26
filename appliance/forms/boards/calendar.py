"""Records on the days of a month or week, by one date or from one to another. Dragging an entry writes the day.

A range with few entries is read by one query; a crowded one day by day, so that a day with ten thousand costs as much as one
with ten.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from flask_babel import format_date, lazy_pgettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ...core import clock, settings
from ...core.errors import UserError
from .. import conditions, query
from ..fields.base import Field
from ..fields.moment import Moment
from ..listing import State
from . import cards
from .base import Board, Kind, Move, Offer, labels, may_move, moments, pick
from .cards import Card

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ...accounts.actor import Actor
    from ..catalog import Form

FEW = 400
"""Entries of a range that are read by one query."""
CAP = 99
"""Where counting a crowded day stops."""
LANES = {"month": 3, "week": 12}
DAY_PAGE = 50
LONGEST = 62
"""Days a crowded range looks back for entries that have begun before it."""
WEEKDAYS = (_l("周一"), _l("周二"), _l("周三"), _l("周四"), _l("周五"), _l("周六"), _l("周日"))


class Entry(Struct, frozen=True):
    """A record from ``first`` to ``last``, both included."""

    card: Card
    first: dt.date
    last: dt.date


class Bar(Struct, frozen=True):
    """A piece of an entry within one week: from weekday ``start`` (1 is Monday) over ``days``, in ``lane``.

    ``begins``, ``ends``: whether the entry does so here.
    """

    entry: Entry
    start: int
    days: int
    lane: int
    begins: bool
    ends: bool


class Day(Struct):
    date: dt.date
    outside: bool = False
    today: bool = False
    entries: list[Entry] = field(default_factory=list)
    hidden: int = 0
    """Entries for which the cell has no room."""
    more: bool = False
    """Whether there are yet more than that."""

    @property
    def words(self) -> str:
        return str(format_date(self.date, _("M月d日 EEEE")))


class Week(Struct):
    days: list[Day]
    bars: list[Bar] = field(default_factory=list)


class CalendarBoard(Board):
    date: Field | None = None
    until: Field | None = None
    span: str = "month"
    title: str = ""
    weeks: list[Week] = field(default_factory=list)
    may_move: bool = False
    may_create: bool = False
    today: str = ""
    before: str = ""
    after: str = ""
    lanes: int = 3
    empty: bool = False

    @property
    def agenda(self) -> list[Day]:
        return [d for week in self.weeks for d in week.days if (d.entries or d.today) and not d.outside]


class Calendar(Kind):
    key = "calendar"
    label = lazy_pgettext("view", "日历")
    icon = "calendar"
    template = "forms/boards/_calendar.html"

    def suits(self, form: Form, actor: Actor) -> bool:
        # Every record has the day it was made; a calendar is offered where a day means more than that.
        return any(k in form.fields for k in moments(form, actor))

    def offers(self, state: State) -> list[Offer]:
        days = moments(state.form, state.actor)
        date, until = fields_of(state)
        own = {k: f for k, f in days.items() if k != date.key and f.type == date.type and k in state.form.fields}
        return [
            Offer("date", _("日期"), labels(days), date.key),
            *([Offer("until", _("到"), labels(own), until.key if until else "", optional=True)] if own else []),
        ]

    def read(self, state: State, chips: list[tuple[str, str]]) -> CalendarBoard:
        date, until = fields_of(state)
        span = state.settings.span if state.settings.span in LANES else "month"
        day, today = day_of(state), clock.today(settings.tz())
        first, last, month = _range(day, span)
        board = CalendarBoard(state, chips, "", date, until, span, may_move=may_move(state.form, date, state.actor))
        board.may_create = may_move(state.form, date, state.actor)
        board.lanes = LANES[span]
        board.title = _title(first, last, day, span)
        back, on = _steps(day, span)
        board.before, board.after = state.url(on=back.isoformat()), state.url(on=on.isoformat())
        board.today = state.url(on="")
        days = [
            Day(d, outside=month is not None and d.month != month, today=d == today)
            for d in (first + dt.timedelta(days=n) for n in range((last - first).days + 1))
        ]
        entries = _entries(state, date, until, days, board.lanes)
        board.empty = not entries
        board.weeks = [_week(days[n : n + 7], entries, board.lanes) for n in range(0, len(days), 7)]
        return board

    def move(self, state: State, record: query.Record, args: MultiDict[str, str]) -> Move:
        date, until = fields_of(state)
        to, came = read_day(args.get("to", "")), read_day(args.get("from", ""))
        if to is None or came is None:
            raise UserError(_("请选择日期。"))
        values, expected = {}, {}
        for f in (date, until):
            stored = record.values.get(f.key) if f else None
            if f is not None and stored is not None:
                values[f.key], expected[f.key] = _shifted(f, stored, (to - came).days), stored
        if date.key not in values:
            raise UserError(_("这条记录没有日期，请打开它来填写。"))
        return Move(values, expected, _("已移到 %(day)s", day=format_date(to, _("M月d日"))))


def fields_of(state: State) -> tuple[Field, Field | None]:
    """The field of an entry's day, and of its last day where there is one. Raises UserError."""
    days = moments(state.form, state.actor)
    what = _("「%(form)s」没有日期字段。加一个日期字段就能用日历。", form=state.form.label)
    date = pick(state.settings.date, days, what)
    until = days.get(state.settings.until)
    return date, until if until is not None and until.type == date.type and until.key != date.key else None


def read_day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1900 <= day.year <= 9990 else None


def day_of(state: State) -> dt.date:
    """The day that the calendar is open at."""
    return read_day(state.on) or clock.today(settings.tz())


def _range(day: dt.date, span: str) -> tuple[dt.date, dt.date, int | None]:
    """The Monday and the Sunday between which all is shown, and the month whose days are not pale."""
    if span == "week":
        monday = day - dt.timedelta(days=day.weekday())
        return monday, monday + dt.timedelta(days=6), None
    begin = day.replace(day=1)
    end = (begin + dt.timedelta(days=32)).replace(day=1) - dt.timedelta(days=1)
    return begin - dt.timedelta(days=begin.weekday()), end + dt.timedelta(days=6 - end.weekday()), day.month


def _steps(day: dt.date, span: str) -> tuple[dt.date, dt.date]:
    if span == "week":
        return day - dt.timedelta(days=7), day + dt.timedelta(days=7)
    begin = day.replace(day=1)
    return (begin - dt.timedelta(days=1)).replace(day=1), (begin + dt.timedelta(days=32)).replace(day=1)


def _title(first: dt.date, last: dt.date, day: dt.date, span: str) -> str:
    if span == "month":
        return str(format_date(day, _("yyyy年M月")))
    pattern = _("yyyy年M月d日")
    return _("%(first)s – %(last)s", first=format_date(first, pattern), last=format_date(last, _("M月d日")))


def _stored(f: Field, day: dt.date) -> Any:
    """The stored value with which a day begins."""
    assert isinstance(f, Moment)
    return f.day_start(day, conditions.Context())


def _day(f: Field, stored: Any) -> dt.date:
    return dt.date.fromisoformat(stored) if isinstance(stored, str) else clock.local(stored, settings.tz()).date()


def _shifted(f: Field, stored: Any, days: int) -> Any:
    """The stored value so many days later, at the same hour of the day."""
    step = dt.timedelta(days=days)
    if isinstance(stored, str):
        return (dt.date.fromisoformat(stored) + step).isoformat()
    wall = clock.local(stored, settings.tz()).replace(tzinfo=None) + step
    return int(wall.replace(tzinfo=settings.tz()).timestamp())


def on_days(state: State, date: Field, until: Field | None, first: dt.date, last: dt.date) -> query.Query:
    """The records of a stretch of days, both included, in the order of their days."""
    begin, end = _stored(date, first), _stored(date, last + dt.timedelta(days=1))
    at = state.form.col(date.key)
    within = (at >= begin) & (at < end)
    if until is not None:
        reach = _stored(date, first - dt.timedelta(days=LONGEST))
        within = within | ((at >= reach) & (at < begin) & (state.form.col(until.key) >= begin))
    found = state.query().only(within)
    # Along the index the days come in order; without one, sorting would mean looking at every record first.
    return found.sort(date.key) if _indexed(date) else found


def _indexed(f: Field) -> bool:
    return f.indexed or f.key == "created_at"


def _entries(state: State, date: Field, until: Field | None, days: list[Day], lanes: int) -> list[Entry]:
    """What stands on the days; those of a crowded range know how many are hidden."""
    first, last = days[0].date, days[-1].date
    keys = cards.chosen(state, [date.key, *([until.key] if until else [])])
    wanted = cards.read_keys(state, [*keys, date.key, *([until.key] if until else [])])
    page = on_days(state, date, until, first, last).page(FEW + 1, None, wanted)
    if len(page.records) <= FEW:
        return entries_of(state, page.records, date, until, keys)
    found: dict[int, query.Record] = {}
    for day in days:
        of_day = on_days(state, date, until, day.date, day.date)
        for record in of_day.page(lanes, None, wanted).records:
            found.setdefault(record.id, record)
        number = of_day.count(CAP)
        day.hidden, day.more = min(number, CAP), number > CAP
    return entries_of(state, list(found.values()), date, until, keys)


def entries_of(
    state: State, records: list[query.Record], date: Field, until: Field | None, keys: list[str]
) -> list[Entry]:
    def time(record: query.Record) -> str:
        stored = record.get(date.key)
        return clock.local(stored, settings.tz()).strftime("%H:%M") if isinstance(stored, int) else ""

    out = []
    for record, card in zip(records, cards.make(state, records, keys, time), strict=True):
        first = _day(date, record.get(date.key))
        end = record.get(until.key) if until else None
        last = _day(date, end) if end is not None else first
        out.append(Entry(card, first, max(first, last)))
    return out


def _week(days: list[Day], entries: list[Entry], lanes: int) -> Week:
    """Gives each entry of a week the first free lane; what has none is hidden behind a number."""
    monday, sunday = days[0].date, days[-1].date
    here = [e for e in entries if e.first <= sunday and e.last >= monday]
    here.sort(key=lambda e: (max(e.first, monday), -(min(e.last, sunday) - max(e.first, monday)).days, e.card.words))
    week = Week(days)
    taken: dict[int, set[int]] = defaultdict(set)
    shown: dict[int, int] = defaultdict(int)
    for entry in here:
        start = max(0, (entry.first - monday).days)
        end = min(6, (entry.last - monday).days)
        for n in range(start, end + 1):
            days[n].entries.append(entry)
        lane = next((i for i in range(lanes) if not taken[i] & set(range(start, end + 1))), None)
        if lane is None:
            continue
        taken[lane] |= set(range(start, end + 1))
        for n in range(start, end + 1):
            shown[n] += 1
        week.bars.append(Bar(entry, start + 1, end - start + 1, lane + 1, entry.first >= monday, entry.last <= sunday))
    for n, day in enumerate(days):
        day.hidden = max(day.hidden, len(day.entries)) - shown[n]
    return week
