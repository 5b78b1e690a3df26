"""Which customers a write touches, and whose answers about them may be other since: noted in the writer's transaction.

Nothing but a look into an index in memory happens while no segment and no metric looks at what was written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import peewee

from ...accounts.actor import SYSTEM
from ...core import clock, dialect, jobs
from ...core.db import PARAM, Statement, db, write
from ...forms import catalog, hooks
from ...forms.catalog import Form
from ...forms.conditions import Step
from ...forms.fields.relations import Relations
from ...forms.formula import spreading
from ...forms.hooks import Batch
from ...forms.models import FieldLink
from .. import consents, tags
from ..events import hooks as event_hooks
from . import subjects
from .models import NextLook, Touch

KEEP = "segments.keep"
"""The job that asks again."""
FULL = "segments.full"
"""The job that asks about everybody."""
SIZE = 250
"""Customers in one row of touches."""
CROWD = 20_000
"""One write that touches more customers than this is not listed: everybody is asked again."""

Numbers = Collection[int]
_INSERT = Statement(Touch.insert({Touch.subjects: PARAM, Touch.customers: PARAM, Touch.depth: PARAM}))
_collector: ContextVar[Callable[[int, Collection[int], int], bool] | None] = ContextVar("collector", default=None)


@contextmanager
def collecting(take: Callable[[int, Collection[int], int], bool]) -> Iterator[None]:
    """While a pass runs, ``take(number, customers, depth)`` may take what is touched into the same pass."""
    before = _collector.set(take)
    try:
        yield
    finally:
        _collector.reset(before)


def mark(numbers: Numbers, customers: Collection[int], depth: int = 0) -> None:
    """Notes that subjects must ask about customers again. Only inside ``write()``."""
    take = _collector.get()
    waiting = [n for n in numbers if take is None or not take(n, customers, depth)]
    if not waiting or not customers:
        return
    wanted, found = dialect.dumps(sorted(waiting)), sorted(customers)
    for start in range(0, len(found), SIZE):
        _INSERT.execute(wanted, dialect.dumps(found[start : start + SIZE]), depth)
    jobs.enqueue(KEEP, unique=KEEP)


def touched(what: str, fields: Iterable[str] | None, customers: Collection[int], depth: int = 0) -> None:
    """Notes a write that concerns customers directly: ``what`` as in ``conditions.Look``. Only inside ``write()``."""
    numbers = {number for look, number in subjects.index().watchers(what, fields) if not look.trail}
    if numbers:
        mark(numbers, customers, depth)


def ask_everything(what: str, field: str | None = None) -> None:
    """Something changed for nobody knows how many: whoever looks at it asks about everybody again."""
    for number in {number for _look, number in subjects.index().watchers(what, None if field is None else {field})}:
        ask_full(number)


def ask_full(number: int) -> int:
    """Asks about all customers again, as a job. Returns the job's id."""
    return jobs.enqueue(FULL, {"subject": number}, unique=f"{FULL}:{number}")


# -- what was written -----------------------------------------------------------------------------------------------


@hooks.after_write(hooks.ANY)
def written(batch: Batch) -> None:
    _note(batch, batch.fields if batch.action == "update" else None)


def _note(batch: Batch, fields: set[str] | None) -> None:
    trails: dict[tuple[Step, ...], set[int]] = defaultdict(set)
    for look, number in subjects.index().watchers(batch.form.key, fields):
        trails[look.trail].add(number)
    for trail, numbers in trails.items():
        customers = _customers(batch, trail)
        if customers is None:
            for number in numbers:
                ask_full(number)
        elif customers:
            mark(numbers, customers, batch.cause.depth)


def _customers(batch: Batch, trail: tuple[Step, ...]) -> set[int] | None:
    """The customers from whom ``trail`` leads, or led, to a record of the batch; ``None``: too many to list."""
    if not trail:
        return set(batch.ids)
    last = trail[-1]
    if last.back:
        if last.field not in batch.form.fields:
            return set()
        found = spreading.owners(batch, last.field)
    else:
        found = _leading(last, set(batch.ids))
    for step in reversed(trail[:-1]):
        if len(found) > CROWD:
            return None
        found = _pointed(step, found) if step.back else _leading(step, found)
    return None if len(found) > CROWD else found


def _leading(step: Step, ids: set[int]) -> set[int]:
    """The records whose field leads to one of ``ids``; as many as make a crowd are enough."""
    form = catalog.get(step.form)
    f = form.fields[step.field]
    if isinstance(f, Relations):
        rows = FieldLink.select(FieldLink.record_id).where(
            FieldLink.field_id == f.field_id, dialect.among(FieldLink.value, ids)
        )
        return {i for (i,) in rows.limit(CROWD + 1).tuples()}
    rows = form.table.select(form.col("id")).where(dialect.among(form.col(step.field), ids)).limit(CROWD + 1)
    return {i for (i,) in rows.tuples().execute(db)}


def _pointed(step: Step, ids: set[int]) -> set[int]:
    """The records at which those of ``ids`` point."""
    form = catalog.get(step.form)
    pairs, owner = form.fields[step.field].pairs(form, form.table)  # type: ignore[attr-defined]
    rows = peewee.Select([pairs], [owner]).where(dialect.among(form.col("id"), ids), owner.is_null(False)).distinct()
    return {i for (i,) in rows.tuples().execute(db)}


@hooks.listener
def listening(form: Form, keys: set[str]) -> bool:
    """Values that change by themselves at night are told when somebody looks at them."""
    return bool(subjects.index().watchers(form.key, keys))


@hooks.after_derived(listening)
def derived(form: Form, ids: list[int], keys: set[str]) -> None:
    """Figures kept by Guke change without a Change."""
    _note(Batch(form, "update", ids, keys, SYSTEM, hooks.Cause("system")), keys)


@event_hooks.after_removal
@event_hooks.after_ingest
def ingested(batch: event_hooks.Ingested) -> None:
    by_kind: dict[str, set[int]] = defaultdict(set)
    for customer, kind in zip(batch.customer_ids, batch.types, strict=True):
        by_kind[kind].add(customer)
    for kind, customers in by_kind.items():
        touched("@event", {kind}, customers, batch.cause.depth)


@consents.after_said
def said(customers: Collection[int]) -> None:
    touched("@consent", None, customers)


@hooks.after_retype
def retyped(form_key: str, field_key: str) -> None:
    ask_everything(form_key, field_key)


@tags.after_changed
def tag_changed() -> None:
    """A tag was renamed, deleted or brought back: its holders are no longer, or again, holders."""
    ask_everything("customer", "tags")


def next_due() -> int | None:
    """The earliest moment at which somebody must be looked at again."""
    found: int | None = NextLook.select(peewee.fn.MIN(NextLook.at)).scalar()
    return found


def arrange() -> None:
    """Asks for the job at the next moment. Only inside ``write()``."""
    due = next_due()
    if due is not None:
        jobs.enqueue(KEEP, unique=KEEP, due_at=max(due, clock.now()))


def everything() -> None:
    """All subjects ask about everybody again."""
    with write():
        for subject in subjects.index().subjects:
            ask_full(subject.number)
