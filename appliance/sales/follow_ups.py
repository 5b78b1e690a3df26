"""Follow-ups: writing one in two taps, and what leads and customers keep of them.

``last_follow_up_at`` and ``next_follow_up_at`` are computed anew from the follow-ups and tasks themselves whenever one of
those changes, so that a deletion, a merge or an undone import is right as well.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import peewee
from flask_babel import gettext as _
from peewee import fn

from ..accounts.actor import Actor
from ..core import clock, dialect, settings
from ..core.db import db
from ..core.db import write as transaction
from ..core.errors import NotFound
from ..forms import catalog, query, records
from ..forms.catalog import Form
from ..forms.hooks import Batch, after_write
from . import ownership, terms

ABOUT = terms.FORMS
"""The forms whose records are followed up; a follow-up and a task have a relation of the same key to each."""


def write(form_key: str, record_id: int, values: dict[str, Any], actor: Actor) -> int:
    """Writes a follow-up of a lead or a customer; returns its id. ``values``: content, kind, next_at, attachments…

    Raises NotFound for a record that the actor may not see, FieldErrors, Forbidden.
    """
    if form_key not in ABOUT:
        raise NotFound()
    record = query.get(catalog.get(form_key), record_id, actor)
    about = {form_key: record.id}
    if form_key == "lead" and record.values.get("customer"):
        about["customer"] = record.values["customer"]
    return records.create(catalog.get("follow_up"), values | about, actor)


# -- what is kept -----------------------------------------------------------------------------------------------------


@after_write("follow_up")
def follow_ups_written(batch: Batch) -> None:
    if batch.action == "update" and not batch.fields & {"customer", "lead", "next_at"}:
        return
    for form_key in ABOUT:
        _renew(batch, form_key, "follow_up")


@after_write("task")
def tasks_written(batch: Batch) -> None:
    if batch.action == "create" and "done_at" not in batch.fields:
        return
    if batch.action == "update" and not batch.fields & {"customer", "lead", "done_at", "status"}:
        return
    for form_key in ABOUT:
        _renew(batch, form_key, "task")


@after_write("order")
def orders_written(batch: Batch) -> None:
    """An order that was paid is a deal: it protects who owns the customer, and counts as a follow-up if the company says so."""
    if batch.action not in ("create", "update") or "paid_at" not in batch.fields:
        return
    rows = _latest(batch.form, batch.ids, "customer", "paid_at")
    _touch("customer", rows, "order", deal=True)


def _renew(batch: Batch, form_key: str, signal: str) -> None:
    """Computes what is kept of the records that these follow-ups or tasks are about, and were about before."""
    source = batch.form
    at = "created_at" if signal == "follow_up" else "done_at"
    rows = _latest(source, batch.ids, form_key, at)
    ids = set(rows) | {row[form_key] for row in batch.before.values() if row.get(form_key) is not None}
    if not ids:
        return
    recompute(catalog.get(form_key), ids)
    if batch.action != "delete":
        _touch(form_key, rows, signal)


def _latest(source: Form, ids: Collection[int], relation: str, at: str) -> dict[int, int]:
    """Record → the latest of these moments, of the live rows among ``ids``; 0 where there is none."""
    rows = (
        source.table.select(source.col(relation), fn.COALESCE(fn.MAX(source.col(at)), 0))
        .where(dialect.among(source.col("id"), ids), source.col(relation).is_null(False))
        .group_by(source.col(relation))
    )
    return dict(rows.tuples().execute(db))


def _touch(form_key: str, moments: dict[int, int], signal: str, deal: bool = False) -> None:
    """Sets the pool's clock anew for those that somebody followed up."""
    counts = signal in terms.book(form_key).company.counts
    form, now = catalog.get(form_key), clock.now()
    by_moment: dict[int, list[int]] = {}
    for record_id, at in moments.items():
        if at:
            by_moment.setdefault(min(at, now), []).append(record_id)
    for at, ids in by_moment.items():
        if counts:
            ownership.touch(form, ids, at)
        if deal:
            ownership.deal(form, ids, at)


def recompute(form: Form, ids: Collection[int]) -> int:
    """Brings the kept fields of these records in line with their follow-ups and tasks; returns how many changed."""
    new = {"last_follow_up_at": _last(form), "next_follow_up_at": _next(form)}
    changed: Any = None
    for key, value in new.items():
        test = dialect.differs(form.col(key), value)
        changed = test if changed is None else changed | test
    with transaction():
        return records.write_derived(form, new, dialect.among(form.col("id"), ids) & changed)


def _last(form: Form) -> Any:
    follow_up, task = catalog.get("follow_up"), catalog.get("task")
    written = follow_up.table.select(fn.MAX(follow_up.col("created_at"))).where(
        follow_up.col(form.key) == form.col("id"), follow_up.col("deleted_at").is_null()
    )
    if "task" not in terms.book(form.key).company.counts:
        return written
    done = task.table.select(fn.MAX(task.col("done_at"))).where(
        task.col(form.key) == form.col("id"), task.col("deleted_at").is_null(), task.col("status") == "done"
    )
    # Of two the later; of one that one; of none nothing.
    return peewee.Case(
        None,
        [(fn.COALESCE(written, 0) >= fn.COALESCE(done, 0), written)],
        done,
    )


def _next(form: Form) -> Any:
    """What the latest follow-up agreed on."""
    follow_up = catalog.get("follow_up")
    return (
        follow_up.table.select(follow_up.col("next_at"))
        .where(follow_up.col(form.key) == form.col("id"), follow_up.col("deleted_at").is_null())
        .order_by(follow_up.col("id").desc())
        .limit(1)
    )


def words_of_choices() -> list[tuple[str, str]]:
    """When the next follow-up can be agreed on with one tap: key and label."""
    return [("", _("不约")), ("1", _("明天")), ("3", _("3 天后")), ("7", _("一周后")), ("30", _("一个月后"))]


def moment_in(days: int) -> int:
    """Ten in the morning, so many days from now, in the company's zone."""
    tz = settings.tz()
    return clock.start_of(clock.local(clock.now() + days * clock.DAY, tz).date(), tz) + 10 * 3600
