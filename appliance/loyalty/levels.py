"""The levels of customers: their history, by whatever way they came, and those that last a while."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, jobs, schema, settings
from ..core.db import db, insert_rows, read, write
from ..core.jobs import Job
from ..customers import personal_data
from ..forms import catalog, causes, merging, purging, query, records
from ..forms.catalog import Form
from ..forms.fields.base import Field
from ..forms.hooks import Batch, Cause, after_write
from ..forms.query import Record
from .models import LevelMove, LevelTerm

FIELD = "level"
BATCH = 500


def field() -> Field | None:
    return catalog.get("customer").columns.get(FIELD)


def words(value: str | None) -> str:
    """A level by its name."""
    f = field()
    return "" if value is None else f.format(value) if f else value


# -- history ----------------------------------------------------------------------------------------------------------


@after_write("customer")
def written(batch: Batch) -> None:
    """Each change of a level is a line of its history: by a person, a rule, a decision table, an import."""
    if batch.action not in ("create", "update") or FIELD not in batch.fields:
        return
    form = batch.form
    rows = form.table.select(form.col("id"), form.col(FIELD)).where(dialect.among(form.col("id"), batch.ids))
    now, lines = clock.now(), []
    for customer_id, new in rows.tuples().execute(db):
        old = batch.before.get(customer_id, {}).get(FIELD)
        if new != old:
            lines.append({
                "customer_id": customer_id, "at": now, "old": old, "new": new, "cause_kind": batch.cause.kind,
                "cause_id": batch.cause.id, "actor_id": batch.actor.id,
            })  # fmt: skip
    insert_rows(LevelMove, lines)


def history(record: Record, actor: Actor, limit: int = 50) -> list[LevelMove]:
    """Newest first; nothing for who may not see the level."""
    if FIELD not in query.clear(record.form, actor):
        return []
    mine = LevelMove.select().where(LevelMove.customer_id == record.id)
    with read():
        return list(mine.order_by(LevelMove.id.desc()).limit(limit))


class Shown(Struct, frozen=True):
    """The level of a customer. ``until``: when it ends; ``after``: what follows."""

    name: str
    since: int | None
    until: int | None
    after: str


def shown(record: Record, actor: Actor) -> Shown | None:
    """What the panel says of the level; ``None``: nothing to say."""
    value = record.values.get(FIELD)
    if FIELD not in query.clear(record.form, actor) or value is None:
        return None
    with read():
        term = LevelTerm.get_or_none(LevelTerm.customer_id == record.id, LevelTerm.level == value)
    last = next(iter(history(record, actor, 1)), None)
    return Shown(
        words(value), last.at if last else None, term.until if term else None, words(term.after) if term else ""
    )


# -- levels that last a while -----------------------------------------------------------------------------------------


def give_until(
    customers: Sequence[int], level: str, after: str | None, until: int, actor: Actor, cause: Cause
) -> set[int]:
    """Makes customers hold ``level`` until then; ``after`` follows (``None``: what they held before). Inside ``write()``.
    Who holds it already gets the longer time. Returns the ids that changed."""
    form = catalog.get("customer")
    rows = form.table.select(form.col("id"), form.col(FIELD)).where(dialect.among(form.col("id"), list(customers)))
    held = dict(rows.tuples().execute(db))
    known = {t.customer_id: t for t in LevelTerm.select().where(dialect.among(LevelTerm.customer_id, list(held)))}
    changed = give(customers, level, actor, cause)
    for i, before in held.items():
        term = known.get(i)
        if before == level and (term is None or term.level != level or term.until >= until):
            # It was held without an end, or for longer.
            continue
        back = after if after is not None else (term.after if term and before == level else before)
        LevelTerm.insert(
            customer_id=i, level=level, after=back, until=until, cause_kind=cause.kind, cause_id=cause.id
        ).on_conflict_replace().execute()
        changed.add(i)
    return changed


def give(customers: Sequence[int], level: str, actor: Actor, cause: Cause) -> set[int]:
    return set(records.update_set(catalog.get("customer"), {FIELD: level}, customers, actor, cause))


@schema.seed
def timer() -> None:
    jobs.schedule("loyalty.levels", "10 0 * * *", "loyalty.levels")


@jobs.handler("loyalty.levels", label=_l("等级到期"))
def end(job: Job) -> dict[str, Any]:
    """Customers whose level ends get what follows, unless it is another by now."""
    done, form = 0, catalog.get("customer")
    while True:
        with write():
            due = list(LevelTerm.select().where(LevelTerm.until <= clock.now()).limit(BATCH))
            if not due:
                return {"levels_ended": done}
            rows = form.table.select(form.col("id"), form.col(FIELD)).where(
                dialect.among(form.col("id"), [t.customer_id for t in due]), form.col("deleted_at").is_null()
            )
            held = dict(rows.tuples().execute(db))
            wanted = {t.customer_id: {FIELD: t.after} for t in due if held.get(t.customer_id) == t.level}
            records.update_many(form, wanted, SYSTEM, Cause("system"), parsed=True)
            LevelTerm.delete().where(dialect.among(LevelTerm.customer_id, [t.customer_id for t in due])).execute()
            done += len(wanted)
        job.check()


# -- the customer -----------------------------------------------------------------------------------------------------


@merging.moves("customer")
class Levels(merging.Mover):
    """The histories of both are one; the target's own term stands."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        ids = [i for (i,) in LevelMove.select(LevelMove.id).where(LevelMove.customer_id == source).tuples()]
        LevelMove.update(customer_id=target).where(dialect.among(LevelMove.id, ids)).execute()
        return ids

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        LevelMove.update(customer_id=source).where(dialect.among(LevelMove.id, moved)).execute()


@purging.also("customer")
def purged(form: Form, ids: Collection[int]) -> None:
    for model in (LevelMove, LevelTerm):
        model.delete().where(dialect.among(model.customer_id, list(ids))).execute()


@personal_data.part("levels", _l("等级"))
def of_customer(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    tz = settings.tz()
    return [
        {"at": clock.iso(m.at, tz), "old": words(m.old), "new": words(m.new),
         "by": causes.words(m.cause_kind, m.cause_id, m.actor_id)}
        for m in history(customer, actor, 10_000)
    ]  # fmt: skip
