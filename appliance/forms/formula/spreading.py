"""Carries every write on to the records that depend on it, in the same transaction.

What follows is a Change of its own (cause ``computed``, as deep as the write that led to it), so that rules hear that a total
has changed; the record's version and time of change stay: nobody has edited it. Each such write is carried on in turn, which
ends because no field can depend on itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from peewee import fn

from ...accounts.actor import SYSTEM, Actor
from ...core import dialect, jobs
from ...core.db import PARAM, db, write
from .. import catalog, records
from ..catalog import Form
from ..fields.computed import Computed
from ..fields.relations import Relations
from ..hooks import ANY, Batch, Cause, after_write
from ..models import Change, FieldLink
from . import filling, graph
from .filling import Row

CHUNK = 1_000
AT_ONCE = 5_000
"""Records that follow from one write are brought up to date in its transaction; more than that by a job."""
JOB = "formula.spread"


@after_write(ANY)
def spread(batch: Batch) -> None:
    """After every write: what other records keep of these."""
    known = graph.current()
    form = batch.form
    if batch.action == "restore":
        refresh(form, batch.ids, known.order.get(form.key, []), batch.actor, batch.cause)
    readers = known.readers(form, batch.fields if batch.action == "update" else None)
    if not readers:
        return
    cause = Cause("computed", None, batch.cause.depth)
    for reader, fields in _grouped(readers):
        first = fields[0]
        if first.needs.via:
            refresh(reader, owners(batch, first.needs.via), fields, batch.actor, cause)
        elif batch.action != "create":
            _lookups(reader, fields, batch.ids, batch.actor, cause)


def derived(form: Form, ids: Iterable[int], keys: set[str]) -> None:
    """After fields kept by Guke were written by statement (``records.write_derived``)."""
    known, cause = graph.current(), Cause("computed")
    for part in _chunks(sorted(ids)):
        refresh(form, part, known.dependents(form, keys), SYSTEM, cause)
        readers = known.readers(form, keys)
        if readers:
            spread(Batch(form, "update", list(part), set(keys), SYSTEM, cause))


def _grouped(readers: list[tuple[Form, Computed]]) -> Iterator[tuple[Form, list[Computed]]]:
    """Those that the same records hold and that are reached the same way are brought up to date together."""
    found: dict[tuple[str, str | None, str | None], list[tuple[Form, Computed]]] = defaultdict(list)
    for form, f in readers:
        found[form.key, f.needs.relation, f.needs.via].append((form, f))
    for group in found.values():
        yield group[0][0], [f for _form, f in group]


def owners(batch: Batch, via: str) -> set[int]:
    """The records that the batch's records point at or pointed at."""
    form = batch.form
    link = form.fields[via]
    if isinstance(link, Relations):
        return _linked(batch, link)
    column = form.col(via)
    if batch.action == "create":
        statement = form.statement(
            ("owners of new", via),
            # Neither DISTINCT nor NOT NULL: for them SQLite would walk the whole index of the relation.
            lambda: form.table.select(column).where(form.col("id").between(PARAM, PARAM)),
        )
        rows = statement.execute(batch.ids[0], batch.ids[-1]).fetchall()
    else:
        statement = form.statement(
            ("owners", via),
            lambda: form.table.select(column).where(dialect.any_of(form.col("id"), PARAM)),
        )
        rows = statement.execute(dialect.dumps(batch.ids)).fetchall()
    led = [row[0] for row in rows] + [row.get(via) for row in batch.before.values()]
    return {i for i in led if i is not None}


def _linked(batch: Batch, link: Relations) -> set[int]:
    """The same for a relation to several records: those that a write took away stand in the Changes it has just made."""
    held = FieldLink.select(FieldLink.value).where(
        FieldLink.field_id == link.field_id, dialect.among(FieldLink.record_id, batch.ids)
    )
    found = {i for (i,) in held.tuples()}
    if batch.action == "update" and link.key in batch.fields:
        last = (
            Change.select(fn.MAX(Change.id))
            .where(Change.form_id == batch.form.id, dialect.among(Change.record_id, batch.ids))
            .group_by(Change.record_id)
        )
        for change in Change.select(Change.fields).where(Change.id.in_(last)):
            delta = change.fields.get(link.key)
            found |= set(delta.get("remove", [])) if isinstance(delta, dict) else set()
    return found


def _lookups(form: Form, fields: list[Computed], ids: Sequence[int], actor: Actor, cause: Cause) -> None:
    """Brings the records up to date that lead to ``ids``."""
    relation = str(fields[0].needs.relation)
    for part in _chunks(ids):
        found = _leading(form, relation, part, 0, AT_ONCE + 1)
        if len(found) > AT_ONCE:
            doc = {"form": form.key, "fields": [f.key for f in fields], "ids": list(part), "depth": cause.depth}
            jobs.enqueue(JOB, doc, actor_id=actor.id)
        else:
            refresh(form, found, fields, actor, cause)


def _leading(form: Form, relation: str, ids: Sequence[int], after: int, limit: int) -> list[int]:
    row_id = form.col("id")
    query = form.table.select(row_id).where(dialect.among(form.col(relation), ids), row_id > after)
    return [i for (i,) in query.order_by(row_id).limit(limit).tuples().execute(db)]


@jobs.handler(JOB, label=_l("更新引用的值"))
def spread_job(job: jobs.Job) -> dict[str, Any]:
    """The same for a great many records, a batch a transaction."""
    form = catalog.all_forms().get(job.payload["form"])
    state = job.state or {"after": 0, "done": 0}
    known = {f.key: f for f in graph.current().order.get(form.key, [])} if form else {}
    fields = [known[key] for key in job.payload["fields"] if key in known]
    while form and fields:
        with write():
            ids = _leading(form, str(fields[0].needs.relation), job.payload["ids"], state["after"], CHUNK)
            if not ids:
                break
            refresh(form, ids, fields, SYSTEM, Cause("computed", None, job.payload["depth"]))
            state = {"after": ids[-1], "done": state["done"] + len(ids)}
            job.save_state(state)
        job.progress(state["done"])
    return {"records": state["done"]}


# -- computing records again --------------------------------------------------------------------------------------


def refresh(
    form: Form,
    ids: Collection[int],
    fields: Sequence[Computed],
    actor: Actor,
    cause: Cause,
    *,
    told: bool = True,
) -> int:
    """Computes ``fields`` of these records and what follows from them in the same record. Returns how many records changed.

    Not ``told``: no Change is written (a definition is new, not the data). Inside ``write()``.
    """
    if not ids or not fields:
        return 0
    known = graph.current()
    keys = {f.key for f in fields}
    after = {f.key for f in known.dependents(form, keys)}
    todo = [f for f in known.order.get(form.key, []) if f.key in keys or f.key in after]
    changed = 0
    for part in _chunks(sorted(ids)):
        before = rows_of(form, part)
        rows = {i: dict(row) for i, row in before.items()}
        filling.complete(list(rows.values()), todo)
        changes = {
            i: new
            for i, row in rows.items()
            if (new := {f.key: row[f.key] for f in todo if row[f.key] != before[i][f.key]})
        }
        records.write_computed(form, before, changes, actor, cause, told=told)
        changed += len(changes)
    return changed


def rows_of(form: Form, ids: Sequence[int]) -> dict[int, Row]:
    """Rows as stored, those in the recycle bin too."""
    names = ["id", "version", "created_at", "created_by", "deleted_at", *form.columns]
    statement = form.statement(
        "every stored",
        lambda: form.table.select(*[form.col(name) for name in names]).where(dialect.any_of(form.col("id"), PARAM)),
    )
    rows = statement.execute(dialect.dumps(list(ids))).fetchall()
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def _chunks(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
