"""Moments at which people are told of tasks and follow-ups: kept in step with the records, found by index, told once.

What is due is told and marked in one transaction. Who comes back to many at once (a server that was away, a Monday) gets
one notice that counts them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct
from peewee import fn

from ..accounts import departments, people, permissions
from ..accounts.actor import Actor
from ..core import clock, dialect, jobs, schema, settings, workdays
from ..core.db import PARAM, Statement, db, write
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.hooks import Batch, after_write
from ..forms.query import Query
from . import telling
from .builtin import OPEN_STATUSES
from .models import Reminder

JOB = "sales.remind"
BATCH = 500
MOST = 20_000
"""So many reminders of one person are told of, as one, in one transaction."""
NAMED = 3
"""So many are told one by one; more at once are counted in one notice."""

REMIND, LATE, DIGEST = "remind", "late", "digest"

settings.declare(
    "tasks.escalate_hours", 8, _l("逾期多少小时后告诉主管"), "integer", least=0, most=1000,
    help=_l("任务过了截止时间、约好的跟进过了时间还没做，就告诉负责人的主管；0 表示不告诉。"),
)  # fmt: skip
settings.declare(
    "tasks.escalate_working", True, _l("只算工作时间"), "boolean", help=_l("按工作日历，节假日和下班时间不算。"),
)  # fmt: skip


class Wish(Struct, frozen=True):
    """What should be remembered of a record."""

    user_id: int
    due_at: int


# -- keeping in step ------------------------------------------------------------------------------------------------


@after_write("task")
def tasks_written(batch: Batch) -> None:
    if batch.action == "update" and not batch.fields & {"due_at", "remind_at", "assignee", "status"}:
        return
    rows = _read(batch.form, batch.ids, ("assignee", "due_at", "remind_at", "status"))
    early = telling.choices({row["assignee"] for row in rows if row["assignee"] is not None})
    wishes: dict[tuple[int, str], Wish] = {}
    for row in rows:
        if row["deleted_at"] is not None or row["assignee"] is None or row["status"] not in OPEN_STATUSES:
            continue
        wishes |= _of_due(row, row["assignee"], row["due_at"], row["remind_at"], early[row["assignee"]])
    _keep(batch.form, batch.ids, wishes)


@after_write("follow_up")
def follow_ups_written(batch: Batch) -> None:
    if batch.action == "update" and not batch.fields & {"next_at", "owner"}:
        return
    rows = _read(batch.form, batch.ids, ("owner", "next_at"))
    early = telling.choices({row["owner"] for row in rows if row["owner"] is not None})
    wishes: dict[tuple[int, str], Wish] = {}
    for row in rows:
        if row["deleted_at"] is None and row["owner"] is not None:
            wishes |= _of_due(row, row["owner"], row["next_at"], None, early[row["owner"]])
    _keep(batch.form, batch.ids, wishes)


def _read(form: Form, ids: list[int], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    names = ("id", "deleted_at", *keys)
    rows = form.table.select(*[form.col(name) for name in names]).where(dialect.among(form.col("id"), ids))
    return [dict(zip(names, row, strict=True)) for row in rows.tuples().execute(db)]


def _of_due(
    row: dict[str, Any], user_id: int, due_at: int | None, remind_at: int | None, choice: telling.Choice
) -> dict[tuple[int, str], Wish]:
    found = {}
    if remind_at is None and due_at is not None and choice.early is not None:
        remind_at = due_at - choice.early * 60
        if remind_at < clock.now() <= due_at:
            # Due sooner than the person wants to be told ahead: when it is due, then.
            remind_at = due_at
    if remind_at is not None:
        found[row["id"], REMIND] = Wish(user_id, remind_at)
    late_at = escalates_at(due_at) if due_at is not None else None
    if late_at is not None:
        found[row["id"], LATE] = Wish(user_id, late_at)
    return found


def escalates_at(due_at: int) -> int | None:
    """When the manager is told of something that was due then; ``None``: never."""
    hours = settings.get("tasks.escalate_hours")
    if not hours:
        return None
    seconds = hours * 3600
    return workdays.add_working(due_at, seconds) if settings.get("tasks.escalate_working") else due_at + seconds


_INSERT = Statement(
    Reminder.insert_many(
        [(PARAM,) * 5],
        fields=[Reminder.form_id, Reminder.record_id, Reminder.kind, Reminder.user_id, Reminder.due_at],
    )
)


def _keep(form: Form, ids: list[int], wishes: dict[tuple[int, str], Wish]) -> None:
    """Makes the rows of these records what they should be; one that was told of is told again only when it has moved."""
    now = clock.now()
    known = {
        (row.record_id, row.kind): row
        for row in Reminder.select().where(Reminder.form_id == form.id, dialect.among(Reminder.record_id, ids))
    }
    same = {key for key, row in known.items() if key in wishes and wishes[key] == Wish(row.user_id, row.due_at)}
    stale = [row.id for key, row in known.items() if key not in same]
    # What lay in the past when it was written (imported, entered afterwards) reminds nobody.
    fresh = {key: wish for key, wish in wishes.items() if key not in same and wish.due_at >= now}
    if stale:
        Reminder.delete().where(dialect.among(Reminder.id, stale)).execute()
    if fresh:
        _INSERT.executemany((form.id, i, kind, w.user_id, w.due_at) for (i, kind), w in fresh.items())
        _ask(min(wish.due_at for wish in fresh.values()))


def _ask(at: int | None) -> None:
    if at is not None:
        jobs.enqueue(JOB, {}, due_at=max(at, clock.now()), unique=JOB)


# -- telling --------------------------------------------------------------------------------------------------------


@jobs.handler(JOB, label=_l("提醒"))
def remind(job: jobs.Job) -> dict[str, int]:
    told, waiting = 0, Reminder.sent_at.is_null()
    while True:
        with write():
            due = waiting & (Reminder.due_at <= clock.now())
            first = Reminder.select().where(due).order_by(Reminder.due_at).first()
            if first is None:
                _ask(Reminder.select(fn.MIN(Reminder.due_at)).where(waiting).scalar())
                return {"told": told}
            told += _tell_all_of(first, due)
        job.check()


def _tell_all_of(first: Any, due: Any) -> int:
    """Tells of everything of one sort that is due to one person, so that much becomes one notice. Returns how many it took."""
    if first.kind == DIGEST:
        return _digest(first)
    same = (Reminder.user_id == first.user_id) & (Reminder.form_id == first.form_id) & (Reminder.kind == first.kind)
    rows = list(Reminder.select().where(due, same).order_by(Reminder.due_at).limit(MOST))
    Reminder.update(sent_at=clock.now()).where(dialect.among(Reminder.id, [row.id for row in rows])).execute()
    form = catalog.by_id(first.form_id)
    mine = _still_so(form, rows) if form is not None else []
    reader = first.user_id if first.kind == REMIND else departments.manager_of(first.user_id)
    if form is None or not mine or reader is None:
        return 0
    told = [mine] if len(mine) > NAMED else [[row] for row in mine]
    for few in told:
        words, link = _words(form, few, first.kind, first.user_id), _link(form, few, first.kind)
        telling.tell(reader, "reminder", words, link, _key(few))
    return len(told)


def _key(rows: list[Any]) -> str:
    return f"remind:{rows[0].id}:{rows[0].due_at}:{len(rows)}"


def _still_so(form: Form, rows: list[Any]) -> list[Any]:
    """Without appointments that somebody has kept: a later follow-up was written for the same customer or lead."""
    if form.key != "follow_up":
        return rows
    latest = _latest(form, [row.record_id for row in rows])
    return [row for row in rows if row.record_id in latest]


def _latest(form: Form, ids: list[int]) -> set[int]:
    """Those of the follow-ups after which none was written for the same customer or lead."""
    later = form.table.alias("later")
    same = [
        (form.col(key, later) == form.col(key)) & (form.col("id", later) > form.col("id"))
        for key in ("customer", "lead")
    ]
    newer = later.select(form.col("id", later)).where(form.col("deleted_at", later).is_null(), same[0] | same[1])
    rows = form.table.select(form.col("id")).where(dialect.among(form.col("id"), ids), ~fn.EXISTS(newer))
    return {i for (i,) in rows.tuples().execute(db)}


def _words(form: Form, rows: list[Any], kind: str, user_id: int) -> Any:
    """What the reader is told, in their language and as far as they may see the records."""

    def say(actor: Actor) -> str:
        who = people.name(user_id)
        if len(rows) > NAMED:
            return _many(form, len(rows), kind, who)
        record_id, due = rows[0].record_id, rows[0].due_at
        name = _name(form, record_id, actor)
        if kind == LATE:
            if form.key == "task":
                return _("%(who)s 的任务「%(name)s」逾期未完成。", who=who, name=name)
            return _("%(who)s 约好的跟进「%(name)s」过了时间还没有做。", who=who, name=name)
        if form.key == "task":
            return _("任务「%(name)s」%(when)s到期。", name=name, when=_due(form, record_id, due))
        return _("该跟进了：%(name)s（%(when)s）", name=name, when=_due(form, record_id, due))

    return say


def _many(form: Form, count: int, kind: str, who: str) -> str:
    if kind == LATE:
        if form.key == "task":
            return ngettext(
                "%(who)s 有 %(num)d 项任务逾期未完成。", "%(who)s 有 %(num)d 项任务逾期未完成。", count, who=who
            )
        return ngettext("%(who)s 有 %(num)d 次跟进过了时间。", "%(who)s 有 %(num)d 次跟进过了时间。", count, who=who)
    if form.key == "task":
        return ngettext("您有 %(num)d 项任务到期。", "您有 %(num)d 项任务到期。", count)
    return ngettext("您有 %(num)d 次跟进到时间了。", "您有 %(num)d 次跟进到时间了。", count)


def _due(form: Form, record_id: int, otherwise: int) -> str:
    key = "due_at" if form.key == "task" else "next_at"
    found = form.table.select(form.col(key)).where(form.col("id") == record_id).scalar(db)
    return telling.due_words(int(found) if found is not None else otherwise)


def _name(form: Form, record_id: int, actor: Actor) -> str:
    """The task's title; of a follow-up the customer's or the lead's name."""
    found = Query(form, actor).get_many([record_id]) if permissions.can(actor, "see", form.key) else []
    if not found:
        return _("%(form)s %(id)d", form=form.label, id=record_id)
    record = found[0]
    if form.key == "follow_up":
        return record.text("customer") or record.text("lead") or record.title
    return record.title


def _link(form: Form, rows: list[Any], kind: str) -> str:
    if len(rows) > NAMED:
        return "/tasks" if kind == REMIND else "/tasks/team"
    if form.key == "task":
        return f"/forms/task/records/{rows[0].record_id}"
    about = form.table.select(form.col("customer"), form.col("lead")).where(form.col("id") == rows[0].record_id)
    customer, lead = about.tuples().execute(db)[0]
    if not (customer or lead):
        return f"/forms/follow_up/records/{rows[0].record_id}"
    return f"/forms/customer/records/{customer}" if customer else f"/forms/lead/records/{lead}"


# -- the day's summary ------------------------------------------------------------------------------------------------


def set_digest(user_id: int) -> None:
    """Sets, moves or takes away the person's daily summary. Only inside ``write()``."""
    mine = (Reminder.form_id == 0) & (Reminder.record_id == user_id) & (Reminder.kind == DIGEST)
    Reminder.delete().where(mine).execute()
    at = telling.choice(user_id).digest
    if at:
        when = _next_digest(at)
        _INSERT.execute(0, user_id, DIGEST, user_id, when)
        _ask(when)


def _next_digest(at: str) -> int:
    """The next working day's moment."""
    tz = settings.tz()
    day = clock.today(tz)
    hour, minute = int(at[:2]), int(at[3:])
    for _n in range(workdays.HORIZON):
        moment = int(dt.datetime(day.year, day.month, day.day, hour, minute, tzinfo=tz).timestamp())
        if moment > clock.now() and workdays.is_working_day(day):
            return moment
        day += dt.timedelta(days=1)
    return clock.now() + clock.DAY


def _digest(row: Any) -> int:
    """Tells what the day brings (nothing when it brings nothing) and sets the next one. One that is half a day late is
    left out."""
    at = telling.choice(row.user_id).digest
    if clock.now() - row.due_at < clock.DAY // 2:
        telling.tell(row.user_id, "digest", _day_words, "/tasks", f"digest:{row.user_id}:{row.due_at}")
    if at:
        Reminder.update(due_at=_next_digest(at)).where(Reminder.id == row.id).execute()
    else:
        Reminder.delete().where(Reminder.id == row.id).execute()
    return 1


def _day_words(actor: Actor) -> str | None:
    from . import tasks

    found = tasks.counts(actor)
    if not (found.today or found.overdue):
        return None
    return _("今天有 %(today)d 项任务到期，%(late)d 项已逾期。", today=found.today, late=found.overdue)


# -- after a change of the settings -----------------------------------------------------------------------------------


def _settings_changed(_value: Any) -> None:
    jobs.enqueue("sales.reset_late", {}, unique="sales.reset_late")


settings.on_change("tasks.escalate_hours", _settings_changed)
settings.on_change("tasks.escalate_working", _settings_changed)


@jobs.handler("sales.reset_late", label=_l("重算逾期提醒"))
def reset_late(job: jobs.Job) -> None:
    """Open tasks and appointments get their moments by the new settings; who was told already is not told again."""
    state = job.state or ["task", 0]
    for form_key in ("task", "follow_up"):
        if form_key == "follow_up" and state[0] == "task":
            state = ["follow_up", 0]
        if form_key != state[0]:
            continue
        form, due = catalog.get(form_key), "due_at" if form_key == "task" else "next_at"
        person = "assignee" if form_key == "task" else "owner"
        while True:
            with write():
                rows = _page(form, state[1], due, person)
                if not rows:
                    break
                _reset(form, rows)
                state = [form_key, rows[-1][0]]
                job.save_state(state)
            job.check()


def _page(form: Form, after: int, due: str, person: str) -> list[tuple[int, int, int]]:
    rows = form.table.select(form.col("id"), form.col(person), form.col(due)).where(
        form.col("id") > after, form.col("deleted_at").is_null(), form.col(due).is_null(False),
        form.col(person).is_null(False),
    )  # fmt: skip
    if form.key == "task":
        rows = rows.where(form.col("status").in_(OPEN_STATUSES))
    return list(rows.order_by(form.col("id")).limit(BATCH).tuples().execute(db))


def _reset(form: Form, rows: Iterable[tuple[int, int, int]]) -> None:
    rows, now = list(rows), clock.now()
    mine = (
        (Reminder.form_id == form.id)
        & (Reminder.kind == LATE)
        & dialect.among(Reminder.record_id, [row[0] for row in rows])
    )
    told = {i for (i,) in Reminder.select(Reminder.record_id).where(mine, Reminder.sent_at.is_null(False)).tuples()}
    Reminder.delete().where(mine, Reminder.sent_at.is_null()).execute()
    fresh = []
    for record_id, user_id, due_at in rows:
        when = escalates_at(due_at)
        if record_id not in told and when is not None and when >= now:
            fresh.append((form.id, record_id, LATE, user_id, when))
    if fresh:
        _INSERT.executemany(fresh)
        _ask(min(row[4] for row in fresh))


# -- upkeep -------------------------------------------------------------------------------------------------------------

KEPT = 90 * clock.DAY
"""What was told so long ago is forgotten; a moment that has passed reminds nobody again."""


@schema.seed
def timer() -> None:
    jobs.schedule("sales.sweep", "55 4 * * *", "sales.sweep", catch_up="skip")


@jobs.handler("sales.sweep", label=_l("清理提醒"))
def sweep(job: jobs.Job) -> None:
    with write():
        Reminder.delete().where(Reminder.sent_at < clock.now() - KEPT).execute()
