"""Computes existing records: when a definition is new or changed, and each night what depends on the date."""

from __future__ import annotations

from collections.abc import Iterator

import peewee
from flask_babel import lazy_gettext as _l
from peewee import fn

from ...accounts import permissions
from ...accounts.actor import SYSTEM
from ...core import clock, dialect, jobs, schema, settings
from ...core.db import PARAM, db, write
from .. import catalog, hooks
from ..catalog import Form
from ..fields.auto_number import AutoNumber
from ..fields.computed import Computed
from ..hooks import Cause
from . import graph, numbers, spreading
from .models import ComputedState

JOB = "formula.settle"
NIGHTLY = "formula.moving"
CHUNK = 1_000


@schema.seed
def timer() -> None:
    jobs.schedule(NIGHTLY, "1 0 * * *", NIGHTLY)


def signatures() -> dict[graph.Place, str]:
    """Of every computed field; one with a problem is empty."""
    return {
        (form.key, f.key): "" if f.problem else f.signature()
        for form in catalog.all()
        for f in form.fields.values()
        if isinstance(f, Computed)
    }


def ask() -> None:
    """Asks for the job when a definition is not the one by which its values were computed. Inside ``write()``."""
    settled, wanted = _settled(), signatures()
    ids = {form.key: form.id for form in catalog.all()}
    if any(settled.get((ids[form_key], key)) != mine for (form_key, key), mine in wanted.items()) or any(
        (form.id, f.key) not in settled for form in catalog.all() for f in numbers.fields_of(form)
    ):
        jobs.enqueue(JOB, unique=JOB)


@permissions.origins
def origins(form_key: str, field_key: str) -> tuple[tuple[str, str], ...]:
    """Which fields a computed one repeats."""
    form = catalog.all_forms().get(form_key)
    f = form.fields.get(field_key) if form else None
    return f.origins if f else ()


def _settled() -> dict[tuple[int, str], str]:
    rows = ComputedState.select(ComputedState.form_id, ComputedState.field_key, ComputedState.signature)
    return {(form_id, key): signature for form_id, key, signature in rows.tuples()}


@jobs.handler(JOB, label=_l("计算公式和编号"))
def settle(job: jobs.Job) -> dict[str, int]:
    """Every field whose definition is not the one that its values were computed by, and what follows from it."""
    done = _Pass(job)
    for form in catalog.all():
        for number in numbers.fields_of(form):
            done.number(form, number)
    known, settled, wanted = graph.current(), _settled(), signatures()
    forms = {form.key: form for form in catalog.all()}
    new = {place for place, mine in wanted.items() if settled.get((forms[place[0]].id, place[1])) != mine}
    for key, field_key in sorted(new):
        if not wanted[key, field_key]:
            done.empty(forms[key], field_key)
    working = {place for place in new if wanted[place]}
    affected = known.following(working) if working else set()
    todo = [(form, f) for form, f in known.everything() if (form.key, f.key) in affected]
    for form, fields in _runs(todo):
        done.compute(form, fields)
        for f in fields:
            _note(form, f.key, wanted[form.key, f.key])
    return {"records": done.records}


def _note(form: Form, key: str, signature: str) -> None:
    with write():
        ComputedState.insert(form_id=form.id, field_key=key, signature=signature).on_conflict(
            conflict_target=[ComputedState.form_id, ComputedState.field_key],
            update={ComputedState.signature: signature},
        ).execute()


def _runs(todo: list[tuple[Form, Computed]]) -> list[tuple[Form, list[Computed]]]:
    """Neighbours of one form are computed in one pass."""
    out: list[tuple[Form, list[Computed]]] = []
    for form, f in todo:
        if out and out[-1][0] is form:
            out[-1][1].append(f)
        else:
            out.append((form, [f]))
    return out


class _Pass:
    """Goes over a form's records by id, a batch a transaction. Doing a batch again does no harm, so nothing is kept."""

    def __init__(self, job: jobs.Job, told: bool = False) -> None:
        self.job = job
        self.told = told
        self.records = 0

    def batches(self, form: Form, *tests: object) -> Iterator[list[int]]:
        last = 0
        row_id = form.col("id")
        while True:
            query = form.table.select(row_id).where(row_id > last, *tests).order_by(row_id).limit(CHUNK)
            ids = [i for (i,) in query.tuples().execute(db)]
            if not ids:
                return
            last = ids[-1]
            yield ids

    def step(self, form: Form, count: int, total: int) -> None:
        self.records += count
        self.job.progress(self.records, max(self.records, total), form.label)

    def compute(self, form: Form, fields: list[Computed], *tests: object) -> None:
        total = self.records + int(form.table.select(fn.COUNT(peewee.SQL("*"))).scalar(db))
        cause = Cause("computed")
        for ids in self.batches(form, *tests):
            with write():
                told = self.told and hooks.heard(form, {f.key for f in fields})
                spreading.refresh(form, ids, fields, SYSTEM, cause, told=told)
            self.step(form, len(ids), total)

    def empty(self, form: Form, key: str) -> None:
        """Takes the values away of a field that cannot be computed any more."""
        column = form.col(key)
        for ids in self.batches(form, column.is_null(False)):
            with write():
                peewee.Update(form.table, {column: None}).where(dialect.among(form.col("id"), ids)).execute(db)
            self.step(form, len(ids), 0)
        _note(form, key, "")

    def number(self, form: Form, f: AutoNumber) -> None:
        """Gives the records that have none their numbers, in the order in which they were made."""
        if ComputedState.get_or_none(ComputedState.form_id == form.id, ComputedState.field_key == f.key):
            return
        bare = form.col(f.key).is_null()
        total = self.records + int(form.table.select(fn.COUNT(peewee.SQL("*"))).where(bare).scalar(db))
        set_number = peewee.Update(form.table, {form.col(f.key): PARAM}).where(form.col("id") == PARAM)
        statement = form.statement(("number", f.key), lambda: set_number)
        while True:
            with write():
                query = form.table.select(form.col("id"), form.col("created_at")).where(bare)
                rows = list(query.order_by(form.col("id")).limit(CHUNK).tuples().execute(db))
                if not rows:
                    numbers.done(form, f)
                    return
                days = [clock.local(at, settings.tz()).date() for _id, at in rows]
                statement.executemany(zip(numbers.take(form, f, days), [i for i, _at in rows], strict=True))
            self.step(form, len(rows), total)


@jobs.handler(NIGHTLY, label=_l("更新与今天有关的公式"))
def moving(job: jobs.Job) -> dict[str, int]:
    """Just after midnight of the company: formulas over today, figures over the last days."""
    done = _Pass(job, told=True)
    todo = [(form, f) for form, f in graph.current().everything() if f.moving]
    for form, fields in _runs(todo):
        done.compute(form, fields, form.col("deleted_at").is_null())
    return {"records": done.records}
