"""Takes an import back: what it made goes to the recycle bin, what it changed is put back, unless people went on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from msgspec.structs import asdict

from ...accounts.actor import Actor
from ...core import clock, jobs
from ...core.db import db, write
from ...core.errors import Conflict
from ...core.jobs import Job
from .. import catalog, records, reversing
from ..catalog import Form
from ..hooks import Cause
from ..models import Change
from . import imports
from .mapping import children
from .models import Import

BATCH = 500
DONE = ("done", "cancelled", "failed")


class Preview(Struct):
    """What an undo would do. ``edited``: of the records made by the import, those that people changed afterwards."""

    created: list[tuple[str, int]]
    """Label of the form, number of its records, for each form."""
    updated: int
    edited: int

    @property
    def total(self) -> int:
        return sum(count for _label, count in self.created)


class Undone(Struct):
    """``kept_fields``: values that were changed again since; ``kept_records``: made along the way, needed by others."""

    deleted: int = 0
    restored: int = 0
    kept_fields: int = 0
    kept_records: int = 0


def preview(row: Import) -> Preview:
    made = (
        Change.select(Change.form_id, peewee.fn.COUNT(Change.record_id))
        .where(_by(row) & (Change.action == "create"))
        .group_by(Change.form_id)
        .tuples()
        .execute()
    )
    created = [(form.label, count) for form_id, count in made if (form := catalog.by_id(form_id))]
    updated = (
        Change.select(peewee.fn.COUNT(peewee.fn.DISTINCT(Change.record_id)))
        .where(_by(row) & (Change.action == "update"))
        .scalar()
    )
    later = Change.alias()
    edited = (
        Change.select(peewee.fn.COUNT(peewee.fn.DISTINCT(Change.record_id)))
        .join(later, on=(later.form_id == Change.form_id) & (later.record_id == Change.record_id))
        .where(_by(row) & (Change.action == "create"))
        .where((later.cause_kind << ["user", "api"]) & (later.action == "update"))
        .scalar()
    )
    return Preview(created, int(updated or 0), int(edited or 0))


def start(row: Import, actor: Actor) -> int:
    """Puts the undo into the queue; an import is taken back once. Returns the job's id."""
    if row.status not in DONE:
        raise Conflict(_("这次导入正在进行，或已经撤销过。"))
    with write():
        job_id = jobs.enqueue("import.undo", {"import_id": row.id, "actor": actor.id}, actor_id=actor.id)
        changed = (
            Import.update(status="undoing", undo_job=job_id)
            .where((Import.id == row.id) & (Import.status == row.status))
            .execute()
        )
        if not changed:
            raise Conflict(_("这次导入正在进行，或已经撤销过。"))
    return job_id


@jobs.handler("import.undo", label=_l("撤销导入"))
def run(job: Job) -> dict[str, Any]:
    row = imports.get(job.payload["import_id"])
    state = job.state or {"step": 0, "cursor": 0, "done": asdict(Undone())}
    undo = _Undo(job, row, imports.in_the_name_of(job.payload["actor"]), Undone(**state["done"]))
    steps = list(undo.steps())
    for number, step in enumerate(steps):
        if number >= state["step"]:
            undo.carry_out(number, step, state["cursor"] if number == state["step"] else 0)
    with write():
        Import.update(status="undone", undone=asdict(undo.done), finished_at=clock.now()).where(
            Import.id == row.id
        ).execute()
    return {"records_deleted": undo.done.deleted}


class _Undo(Struct, dict=True):
    job: Job
    row: Import
    actor: Actor
    done: Undone

    def __post_init__(self) -> None:
        self.cause = Cause("undo", self.row.id)

    def steps(self) -> Iterator[tuple[str, Form]]:
        """Values first, then records: items before their order, the order before its customer."""
        touched = {
            form_id for (form_id,) in Change.select(Change.form_id).where(_by(self.row)).distinct().tuples().execute()
        }
        forms = [form for form in catalog.all() if form.id in touched]
        main = catalog.get(self.row.form)
        items = {form.key for form, _relation in children(main)}
        forms.sort(key=lambda form: (form.key not in items, form.key != main.key))
        for form in forms:
            yield "put_back", form
        for form in forms:
            yield "delete", form

    def carry_out(self, number: int, step: tuple[str, Form], cursor: int) -> None:
        what, form = step
        action = "update" if what == "put_back" else "create"
        while ids := self._ids(form, action, cursor):
            cursor = ids[-1]
            with write():
                if what == "put_back":
                    self._put_back(form, ids)
                else:
                    self._delete(form, ids)
                self.job.save_state({"step": number, "cursor": cursor, "done": asdict(self.done)})
            self.job.progress(self.done.deleted + self.done.restored)

    def _ids(self, form: Form, action: str, after: int) -> list[int]:
        """The next records of the form that the import made or changed, by id."""
        query = (
            Change.select(Change.record_id)
            .where(_by(self.row) & (Change.form_id == form.id) & (Change.action == action) & (Change.record_id > after))
            .order_by(Change.record_id)
            .distinct()
            .limit(BATCH)
        )
        return [record_id for (record_id,) in query.tuples().execute()]

    def _delete(self, form: Form, ids: list[int]) -> None:
        needed = set() if form.key == self.row.form else _referred(form, ids)
        gone = records.delete_many(form, [i for i in ids if i not in needed], self.actor, self.cause)
        self.done.deleted += len(gone)
        self.done.kept_records += len(needed)

    def _put_back(self, form: Form, ids: list[int]) -> None:
        """Each field gets its value from before the import, if it still holds what the import wrote."""
        made = set(self._made(form, ids))
        mine = _by(self.row) & (Change.form_id == form.id)
        undone = reversing.reverse(
            form, reversing.nets(mine, [i for i in ids if i not in made]), self.actor, self.cause
        )
        self.done.restored += len(undone.changed)
        self.done.kept_fields += sum(len(keys - {"_missing"}) for keys in undone.kept.values())

    def _made(self, form: Form, ids: list[int]) -> list[int]:
        query = Change.select(Change.record_id).where(
            _by(self.row) & (Change.form_id == form.id) & (Change.action == "create") & Change.record_id.in_(ids)
        )
        return [record_id for (record_id,) in query.tuples().execute()]


def _by(row: Import) -> Any:
    return (Change.cause_kind == "import") & (Change.cause_id == row.id)


def _referred(form: Form, ids: list[int]) -> set[int]:
    """Those of ``ids`` that a live record of any form refers to."""
    found: set[int] = set()
    for other, relation in catalog.inverse(form):
        column = other.col(relation.key)
        query = other.table.select(column).where(column.in_(ids), other.col("deleted_at").is_null()).distinct()
        found |= {record_id for (record_id,) in query.tuples().execute(db)}
    return found
