"""Who owned a lead or a customer, from when to when, and how that came: kept in the transaction that changes the owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import peewee
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from peewee import fn

from ..accounts import people
from ..core import clock, dialect, jobs, schema
from ..core.db import PARAM, Statement, db, read, write
from ..forms import catalog, causes
from ..forms.catalog import Form
from ..forms.hooks import Batch, after_write
from . import builtin as builtin  # its seed makes the forms before the one here looks at them
from . import terms
from .models import Ownership

CAUSE = "pool"
causes.label(CAUSE, _l("公海"))

HOW = {
    "created": _l("新建"),
    "claimed": _l("从公海领取"),
    "assigned": _l("分配"),
    "imported": _l("导入"),
    "handed_over": _l("交接"),
    "merged": _l("合并"),
    "before": _l("原有"),
}
"""How somebody came to own it."""

ENDED = HOW | {
    "returned": _l("退回公海"),
    "expired": _l("超时退回公海"),
    "taken": _l("取消负责人"),
    "deleted": _l("记录已删除"),
}
"""How that ended."""

_BY_CAUSE = {"import": "imported", "handover": "handed_over", "merge": "merged"}

BATCH = 2_000


class Deed(Struct, frozen=True):
    """What a verb of the pool is doing, so that the owners' history can say it."""

    how: str
    reason: str = ""


_deed: ContextVar[Deed | None] = ContextVar("deed", default=None)


@contextmanager
def doing(how: str, reason: str = "") -> Iterator[None]:
    """Changes of owner in here are ``how`` (a key of :data:`ENDED`), for ``reason``."""
    token = _deed.set(Deed(how, reason))
    try:
        yield
    finally:
        _deed.reset(token)


def _written(batch: Batch) -> None:
    """After leads or customers were written: stretches end and begin where owners changed."""
    if batch.action in ("create", "update") and "owner" not in batch.fields:
        return
    form = batch.form
    gone = batch.action == "delete"
    owners = {} if gone else _owners(form, batch.ids)
    held = {} if batch.action == "create" else _open(form, batch.ids)
    ending = {i: span for i, span in held.items() if owners.get(i) != span[1]}
    beginning = {i: user_id for i, user_id in owners.items() if i not in held or i in ending}
    for how in {_ended(batch, owners.get(i)) for i in ending}:
        _end([span[0] for i, span in ending.items() if _ended(batch, owners.get(i)) == how], how)
    if beginning:
        _begin(form, beginning, batch)


for _form_key in terms.FORMS:
    after_write(_form_key)(_written)


@after_write("lead")
def reopened(batch: Batch) -> None:
    """A lead that was closed and is worked on again has its clock back."""
    if batch.action == "update" and "stage" in batch.fields:
        ids = [i for i, row in batch.before.items() if row["stage"] in builtin.CLOSED_STAGES]
        if ids:
            Ownership.update(next_at=clock.now()).where(_held(batch.form, ids)).execute()
            ask([clock.now()])


def _owners(form: Form, ids: Collection[int]) -> dict[int, int]:
    rows = form.table.select(form.col("id"), form.col("owner")).where(
        dialect.among(form.col("id"), ids), form.col("owner").is_null(False)
    )
    return dict(rows.tuples().execute(db))


def _open(form: Form, ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Record → (stretch, owner) of those that are open."""
    rows = Ownership.select(Ownership.record_id, Ownership.id, Ownership.owner_id).where(
        Ownership.form_id == form.id, dialect.among(Ownership.record_id, ids), Ownership.to_at.is_null()
    )
    return {record_id: (span_id, owner_id) for record_id, span_id, owner_id in rows.tuples()}


def _how(batch: Batch) -> str:
    deed = _deed.get()
    if deed is not None:
        return deed.how
    if batch.cause.kind in _BY_CAUSE:
        return _BY_CAUSE[batch.cause.kind]
    return "created" if batch.action == "create" else "assigned"


def _ended(batch: Batch, new_owner: int | None) -> str:
    if batch.action == "delete":
        return "deleted"
    return "taken" if new_owner is None and _deed.get() is None else _how(batch)


def _end(span_ids: list[int], how: str) -> None:
    deed = _deed.get()
    Ownership.update(
        to_at=clock.now(), ended=how, reason=deed.reason if deed else "", next_at=None
    ).where(dialect.among(Ownership.id, span_ids)).execute()  # fmt: skip


def _begin(form: Form, owners: dict[int, int], batch: Batch) -> None:
    now, how, by = clock.now(), _how(batch), batch.actor.id
    looks = {user_id: _first_look(form, user_id, now) for user_id in set(owners.values())}
    _BEGIN.executemany(
        (form.id, i, user_id, now, how, by, now, looks[user_id], "") for i, user_id in owners.items()
    )  # fmt: skip
    ask([at for at in looks.values() if at is not None])


_COLUMNS = [
    Ownership.form_id, Ownership.record_id, Ownership.owner_id, Ownership.from_at, Ownership.how, Ownership.by,
    Ownership.touched_at, Ownership.next_at, Ownership.reason,
]  # fmt: skip
_BEGIN = Statement(peewee.Insert(Ownership, insert=[(PARAM,) * len(_COLUMNS)], columns=_COLUMNS))


def _first_look(form: Form, user_id: int, now: int) -> int | None:
    after = terms.book(form.key).of_user(user_id).first_look
    return None if after is None else now + after


def ask(moments: list[int]) -> None:
    """Has the pool looked at by the first of ``moments``."""
    if moments:
        jobs.enqueue("sales.pool", {}, due_at=max(min(moments), clock.now()), unique="sales.pool")


def touch(form: Form, ids: Collection[int], at: int) -> None:
    """Somebody followed up; what was to happen for want of it starts anew. Only inside ``write()``.

    The clock is not moved: when it strikes, it finds that somebody was here and is set again.
    """
    Ownership.update(touched_at=at, warned_at=None, told_at=None).where(
        _held(form, ids), Ownership.touched_at < at
    ).execute()


def deal(form: Form, ids: Collection[int], at: int) -> None:
    """A deal was made then, which protects the owner. Only inside ``write()``."""
    before = Ownership.deal_at.is_null() | (Ownership.deal_at < at)
    Ownership.update(deal_at=at).where(_held(form, ids), before).execute()


def _held(form: Form, ids: Collection[int]) -> Any:
    return (Ownership.form_id == form.id) & dialect.among(Ownership.record_id, ids) & Ownership.to_at.is_null()


# -- reading ------------------------------------------------------------------------------------------------------


class Span(Struct, frozen=True):
    """A stretch as a page shows it."""

    owner_id: int
    owner: str
    from_at: int
    to_at: int | None
    how: str
    ended: str
    reason: str
    by: str


def of_record(form: Form, record_id: int, limit: int = 20) -> list[Span]:
    """The owners of a record, the present one first. The caller has made sure that it may be seen."""
    with read():
        rows = list(
            Ownership.select()
            .where(Ownership.form_id == form.id, Ownership.record_id == record_id)
            .order_by(Ownership.id.desc())
            .limit(limit)
        )
    return [
        Span(
            row.owner_id, people.name(row.owner_id), row.from_at, row.to_at, str(HOW.get(row.how, row.how)),
            str(ENDED.get(row.ended, "")) if row.ended else "", row.reason,
            people.name(row.by) if row.by and row.by != row.owner_id else "",
        )
        for row in rows
    ]  # fmt: skip


def last_of(form: Form, ids: Collection[int]) -> dict[int, Any]:
    """The last stretch that ended, of each record that had one."""
    last = (
        Ownership.select(fn.MAX(Ownership.id))
        .where(Ownership.form_id == form.id, dialect.among(Ownership.record_id, ids), Ownership.to_at.is_null(False))
        .group_by(Ownership.record_id)
    )
    with read():
        return {row.record_id: row for row in Ownership.select().where(Ownership.id.in_(last))}


# -- what was owned before this was kept ------------------------------------------------------------------------------


@schema.seed
def begin_history() -> None:
    """Records that have an owner but no stretch get one: those of a database from before 0.3.0."""
    for form_key in terms.FORMS:
        # Whom somebody has to follow up stands in one index.
        dialect.create_index(db, f"x_{form_key}__next", f"f_{form_key}", ["owner", "next_follow_up_at"])
        if _upper(catalog.get(form_key), 0) is not None:
            jobs.enqueue("sales.begin", {"form": form_key}, unique=f"sales.begin:{form_key}")


@jobs.handler("sales.begin", label=_l("整理负责人历史"))
def begin(job: jobs.Job) -> dict[str, int]:
    """One INSERT a batch of ids, each with its checkpoint."""
    form, made, last = catalog.get(job.payload["form"]), 0, int(job.state or 0)
    while True:
        with write():
            upper = _upper(form, last)
            if upper is None:
                break
            made += _insert_missing(form, last, upper)
            job.save_state(upper)
        last = upper
        job.check()
    if made:
        with write():
            jobs.enqueue("sales.reclock", {"form": form.key}, unique=f"sales.reclock:{form.key}")
    return {"owners": made}


def _upper(form: Form, last: int) -> int | None:
    """The last id of the next batch."""
    column = form.col("id")
    inner = form.table.select(column.alias("id")).where(column > last).order_by(column).limit(BATCH).alias("batch")
    found = peewee.Select([inner], [fn.MAX(inner.c.id)]).scalar(db)
    return None if found is None else int(found)


def _insert_missing(form: Form, last: int, upper: int) -> int:
    now = clock.now()
    there = Ownership.alias()
    known = there.select(there.id).where(
        there.form_id == form.id, there.record_id == form.col("id"), there.to_at.is_null()
    )
    rows = form.table.select(
        peewee.Value(form.id), form.col("id"), form.col("owner"), peewee.Value(now), peewee.Value("before"),
        peewee.Value(now), peewee.Value(""),
    ).where(
        form.col("id") > last, form.col("id") <= upper, form.col("owner").is_null(False),
        form.col("deleted_at").is_null(), ~fn.EXISTS(known),
    )  # fmt: skip
    fields = [
        Ownership.form_id, Ownership.record_id, Ownership.owner_id, Ownership.from_at, Ownership.how,
        Ownership.touched_at, Ownership.reason,
    ]  # fmt: skip
    return int(Ownership.insert_from(rows, fields=fields).as_rowcount().execute())


@jobs.handler("sales.reclock", label=_l("公海规则生效"))
def reclock(job: jobs.Job) -> None:
    """After the terms changed: every open stretch is looked at when the new ones can first be due. One UPDATE a batch."""
    form, last = catalog.get(job.payload["form"]), int(job.state or 0)
    terms.forget()
    book = terms.book(form.key)
    while True:
        with write():
            spans = (
                Ownership.select(Ownership.id, Ownership.owner_id)
                .where(Ownership.form_id == form.id, Ownership.to_at.is_null(), Ownership.id > last)
                .order_by(Ownership.id)
                .limit(BATCH)
            )
            found = list(spans.tuples())
            if not found:
                break
            groups: dict[int | None, list[int]] = defaultdict(list)
            for span_id, owner_id in found:
                groups[book.of_user(owner_id).first_look].append(span_id)
            for after, ids in groups.items():
                when = None if after is None else Ownership.touched_at + after
                Ownership.update(next_at=when).where(dialect.among(Ownership.id, ids)).execute()
            last = found[-1][0]
            job.save_state(last)
        job.check()
    with write():
        due = Ownership.select(fn.MIN(Ownership.next_at)).where(Ownership.next_at.is_null(False)).scalar()
        ask([due] if due is not None else [])
