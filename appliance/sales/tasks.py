"""Tasks: a person's day, doing, putting off, repeating; all through the generic records."""

from __future__ import annotations

import calendar
import datetime as dt
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..accounts import departments, people
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, settings
from ..core.db import db, write
from ..core.errors import NotFound, UserError
from ..forms import catalog, causes, conditions, query, records
from ..forms.catalog import Form
from ..forms.hooks import UNSET, Batch, Cause, Draft, after_write, before_write
from ..forms.models import Change
from ..forms.query import Query, Record
from .builtin import OPEN_STATUSES

REPEAT = "repeat"
causes.label(REPEAT, _l("重复的任务"))

SHOWN = 50
AHEAD = 7
"""Days that "upcoming" looks ahead."""

FIELDS = ("title", "due_at", "priority", "customer", "lead", "assignee", "status", "repeat", "done_at")

OPEN = {"field": "status", "op": "in", "value": list(OPEN_STATUSES)}
MINE = {"field": "assignee", "op": "eq", "value": {"me": True}}


def form() -> Form:
    return catalog.get("task")


# -- what follows from what is written ------------------------------------------------------------------------------


@before_write("task")
def complete(draft: Draft) -> None:
    """A task that is done has a moment of being done and the other way round; what it is about is said in both ways."""
    _keep_done_at(draft)
    _keep_about(draft)


def _column(draft: Draft, key: str) -> list[Any]:
    """The values of a field, made so that they can be filled in."""
    empty = UNSET if draft.ids else None
    return draft.columns.setdefault(key, [empty] * draft.size)


def _keep_done_at(draft: Draft) -> None:
    if "status" not in draft.columns and "done_at" not in draft.columns:
        return
    status, done_at = _column(draft, "status"), _column(draft, "done_at")
    for i in range(draft.size):
        old = draft.before.get(draft.ids[i], {}) if draft.ids else {}
        given = done_at[i] not in (UNSET, None)
        if status[i] == "done":
            if not given and (old.get("status") != "done" or done_at[i] is None):
                done_at[i] = clock.now()
        elif given and done_at[i] != old.get("done_at"):
            status[i] = "done"
        elif status[i] is not UNSET and (old.get("done_at") is not None or given):
            done_at[i] = None


def _keep_about(draft: Draft) -> None:
    """``form`` and ``record`` name the same as the relations to a customer or a lead."""
    for key in ("customer", "lead"):
        if key in draft.columns:
            for i, value in enumerate(draft.columns[key]):
                if isinstance(value, int) and i not in draft.errors:
                    _fill_about(draft, i, key, value)
    if "form" in draft.columns and "record" in draft.columns:
        for i, (form_key, record_id) in enumerate(zip(draft.columns["form"], draft.columns["record"], strict=True)):
            if form_key in ("customer", "lead") and isinstance(record_id, int):
                column = _column(draft, form_key)
                if column[i] in (UNSET, None) and record_id in query.visible_ids(form_key, [record_id], draft.actor):
                    column[i] = record_id


def _fill_about(draft: Draft, i: int, key: str, record_id: int) -> None:
    """A lead says more than the customer that it may be about as well."""
    forms, ids = _column(draft, "form"), _column(draft, "record")
    old = draft.before.get(draft.ids[i], {}) if draft.ids else {}
    named = old.get("form") if forms[i] is UNSET else forms[i]
    if named in (None, UNSET, key):
        forms[i], ids[i] = key, record_id


@after_write("task")
def repeat(batch: Batch) -> None:
    """The next one of a task that repeats, when one is done."""
    if "status" not in batch.fields or batch.action not in ("create", "update"):
        return
    f, names = batch.form, ("id", *COPIED)
    rows = f.table.select(*[f.col(name) for name in names]).where(
        dialect.among(f.col("id"), batch.ids), f.col("status") == "done", f.col("repeat").is_null(False),
        f.col("due_at").is_null(False),
    )  # fmt: skip
    for row in rows.tuples().execute(db):
        task = dict(zip(names, row, strict=True))
        task_id = task.pop("id")
        if batch.before.get(task_id, {}).get("status") == "done":
            continue
        due_at = next_due(task["due_at"], task["repeat"])
        if task["remind_at"] is not None:
            task["remind_at"] += due_at - task["due_at"]
        # Whoever did it may not see all that it is about; the next one is about the same.
        records.create_many(
            f, None, SYSTEM, Cause(REPEAT, task_id, batch.cause.depth),
            columns={key: [value] for key, value in (task | {"due_at": due_at}).items()}, parsed=True,
        )  # fmt: skip


COPIED = (
    "title", "assignee", "due_at", "remind_at", "priority", "repeat", "customer", "lead", "content", "form", "record",
)  # fmt: skip


def next_due(due_at: int, every: str) -> int:
    """The first moment of the series that is still to come; times of day and days of the month are the company's."""
    tz = settings.tz()
    first = clock.local(due_at, tz)
    number = 0
    while True:
        number += 1
        if every == "monthly":
            month = first.month - 1 + number
            year, month = first.year + month // 12, month % 12 + 1
            day = dt.date(year, month, min(first.day, calendar.monthrange(year, month)[1]))
        else:
            day = first.date() + dt.timedelta(days=number * (7 if every == "weekly" else 1))
        moment = int(dt.datetime.combine(day, first.time(), tz).timestamp())
        if moment > clock.now():
            return moment


# -- a person's day ---------------------------------------------------------------------------------------------------


class Day(Struct):
    """The open tasks of one person by when they are due; ``done``: those of today. ``now``: when that was asked."""

    overdue: list[Record] = field(default_factory=list)
    today: list[Record] = field(default_factory=list)
    upcoming: list[Record] = field(default_factory=list)
    someday: list[Record] = field(default_factory=list)
    done: list[Record] = field(default_factory=list)
    now: int = 0

    @property
    def empty(self) -> bool:
        return not (self.overdue or self.today or self.upcoming or self.someday)


def whose(user_id: int | None) -> dict[str, Any]:
    """The condition of one person's tasks; ``None``: the asker's."""
    return MINE if user_id is None else {"field": "assignee", "op": "eq", "value": user_id}


def end_of_today(days: int = 0) -> int:
    """The end of the day so many days from today, in the company's zone."""
    tz = settings.tz()
    return clock.start_of(clock.today(tz) + dt.timedelta(days=days + 1), tz)


def day_of(actor: Actor, user_id: int | None = None, limit: int = SHOWN) -> Day:
    """The asker's day, or (as far as the asker sees the tasks) somebody else's."""
    f, due, now = form(), form().col("due_at"), clock.now()
    open_ones = Query(f, actor).where({"all": [whose(user_id), OPEN]}).sort("due_at")

    def those(test: Any) -> list[Record]:
        return open_ones.only(test).page(limit, fields=FIELDS).records

    since = clock.start_of(clock.today(settings.tz()), settings.tz())
    finished = Query(f, actor).where({"all": [whose(user_id), {"field": "status", "op": "eq", "value": "done"}]})
    return Day(
        those(due < now),
        those((due >= now) & (due < end_of_today())),
        those((due >= end_of_today()) & (due < end_of_today(AHEAD))),
        those(due.is_null() | (due >= end_of_today(AHEAD))),
        finished.only(f.col("done_at") >= since).sort("-done_at").page(limit, fields=FIELDS).records,
        now,
    )


class Counts(Struct, frozen=True):
    open: int = 0
    overdue: int = 0
    today: int = 0
    user_id: int | None = None

    @property
    def name(self) -> str:
        return people.name(self.user_id) if self.user_id else _("没有负责人")


def _measures() -> list[dict[str, Any]]:
    now, today = clock.iso(clock.now(), settings.tz()), clock.iso(end_of_today(), settings.tz())
    late = {"field": "due_at", "op": "lt", "value": now}
    due = {"all": [{"field": "due_at", "op": "gte", "value": now}, {"field": "due_at", "op": "lt", "value": today}]}
    return [
        {"agg": "count", "as": "open"}, {"agg": "count", "where": late, "as": "overdue"},
        {"agg": "count", "where": due, "as": "today"},
    ]  # fmt: skip


def counts(actor: Actor) -> Counts:
    """How many tasks the person has: open, overdue, due today."""
    rows = Query(form(), actor).where({"all": [MINE, OPEN]}).aggregate([], _measures())
    row = rows[0] if rows else {}
    return Counts(int(row.get("open") or 0), int(row.get("overdue") or 0), int(row.get("today") or 0))


def team(actor: Actor) -> list[Counts]:
    """By person: the people of the departments that the asker heads (an administrator: everybody), the most overdue first."""
    wanted = team_ids(actor)
    found = Query(form(), actor).where(OPEN)
    if wanted is not None:
        found = found.where({"field": "assignee", "op": "in", "value": sorted(wanted)})
    rows = found.aggregate([{"field": "assignee"}], _measures())
    by_person = {row["assignee"]: row for row in rows}
    for user_id in wanted or ():
        by_person.setdefault(user_id, {"assignee": user_id})
    out = [
        Counts(int(row.get("open") or 0), int(row.get("overdue") or 0), int(row.get("today") or 0), row["assignee"])
        for row in by_person.values()
    ]
    return sorted(out, key=lambda one: (-one.overdue, -one.open, one.name))


def team_ids(actor: Actor) -> set[int] | None:
    """Whom the person looks after; ``None``: everybody."""
    if actor.is_admin:
        return None
    return departments.people_in(departments.headed_by(actor.id or 0))


# -- doing ------------------------------------------------------------------------------------------------------------


def done(task_id: int, actor: Actor, cause: Cause = records.USER) -> None:
    """Raises NotFound, Forbidden."""
    records.update(form(), task_id, {"status": "done"}, actor, cause=cause)


def reopen(task_id: int, actor: Actor) -> None:
    """Takes :func:`done` back, and the next one of its series with it if nobody has touched that. Raises NotFound."""
    f = form()
    with write():
        records.update(f, task_id, {"status": "open"}, actor)
        made = Change.select(Change.record_id).where(
            Change.form_id == f.id, Change.cause_kind == REPEAT, Change.cause_id == task_id, Change.action == "create"
        )
        untouched = f.table.select(f.col("id")).where(f.col("id").in_(made), f.col("version") == 1)
        ids = [i for (i,) in untouched.tuples().execute(db)]
        if ids:
            records.delete_many(f, ids, conditions.seeing_all(actor), Cause(REPEAT, task_id))


SNOOZES = {"hour": _l("1 小时后"), "evening": _l("今天 18:00"), "tomorrow": _l("明天 9:00"), "week": _l("下周一 9:00")}
"""Where a task can be put off to with one tap."""


def snooze_to(word: str) -> int:
    """The moment a word of :data:`SNOOZES` stands for. Raises UserError."""
    tz = settings.tz()
    today = clock.today(tz)
    if word == "hour":
        return clock.now() + 3600
    if word == "evening":
        return max(clock.start_of(today, tz) + 18 * 3600, clock.now() + 3600)
    if word == "tomorrow":
        return clock.start_of(today + dt.timedelta(days=1), tz) + 9 * 3600
    if word == "week":
        return clock.start_of(today + dt.timedelta(days=7 - today.weekday()), tz) + 9 * 3600
    raise UserError(_("请从列表中选择一项。"), "to")


def snooze(task_id: int, word: str, actor: Actor) -> int | None:
    """Puts a task off; a reminder moves along. Returns when it was due before. Raises NotFound, UserError."""
    record = query.get(form(), task_id, actor)
    return move(record, snooze_to(word), actor)


def move(record: Record, due_at: int | None, actor: Actor) -> int | None:
    """Sets when a task is due; its own reminder keeps its distance. Returns when it was due before."""
    tz, was, remind_at = settings.tz(), record.values.get("due_at"), record.values.get("remind_at")
    values: dict[str, Any] = {"due_at": None if due_at is None else clock.iso(due_at, tz)}
    if remind_at is not None and was is not None and due_at is not None:
        values["remind_at"] = clock.iso(remind_at + due_at - was, tz)
    records.update(form(), record.id, values, actor)
    return was


def add(values: dict[str, Any], actor: Actor) -> int:
    """A new task, the asker's own unless it says otherwise. Raises FieldErrors, Forbidden."""
    return records.create(form(), values, actor)


def of_record(form_key: str, record_id: int, actor: Actor, limit: int = 20) -> list[Record]:
    """The open tasks about a customer or a lead, then what was done lately. The caller has made sure that it may be seen."""
    f = form()
    about = Query(f, actor).only(f.col(form_key) == record_id)
    found = about.where(OPEN).sort("due_at").page(limit, fields=FIELDS).records
    finished = about.where({"field": "status", "op": "eq", "value": "done"}).sort("-done_at").page(3, fields=FIELDS)
    return found + finished.records


def get(task_id: int, actor: Actor) -> Record:
    """Raises NotFound."""
    found = Query(form(), actor).get_many([task_id], FIELDS)
    if not found:
        raise NotFound()
    return found[0]
