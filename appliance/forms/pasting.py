"""A column of values, copied from a spreadsheet, put into the cells of a list from one row downwards."""

from __future__ import annotations

import csv
import io
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..accounts import users
from ..accounts.actor import SYSTEM, Actor
from ..core import jobs
from ..core.db import write
from ..core.errors import Forbidden, NotFound, UserError
from . import bulk_undo, catalog, query, record_pages, records
from .bulk_actions import Outcome
from .catalog import Form
from .fields.base import Field
from .fields.relations import Relations
from .hooks import Cause
from .importing import naming
from .parsing import clean

MOST = 500
"""Rows that a list shows at most."""


class Cell(Struct):
    """``value``: what would be stored; ``error``: why it cannot be; ``same``: it is there already."""

    id: int
    version: int
    title: str
    old: str
    new: str
    value: Any = None
    error: str = ""
    same: bool = False


class Pasted(Struct, frozen=True):
    """``ids``: the rows that were meant; ``beyond``: how many values there was no row for."""

    form: Form
    field: Field
    ids: list[int]
    cells: list[Cell]
    beyond: int

    @property
    def good(self) -> list[Cell]:
        return [cell for cell in self.cells if not cell.error and not cell.same]

    @property
    def wrong(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.error]

    @property
    def seen(self) -> str:
        """What was shown, to tell whether it still is so: ``id:version`` of each."""
        return ",".join(f"{cell.id}:{cell.version}" for cell in self.cells)


def read(form: Form, key: str, ids: list[int], text: str, actor: Actor) -> Pasted:
    """What the text would make of the cells of these records. Raises NotFound, Forbidden, UserError."""
    f = query.readable(form, actor).get(key)
    if f is None:
        raise NotFound()
    if not record_pages.editable(form, f, actor):
        raise Forbidden(_("您不能修改「%(field)s」。", field=f.label))
    if f.value_input == "none":
        raise UserError(_("「%(field)s」不能粘贴，请打开记录来修改。", field=f.label))
    typed, ids = _column(text), ids[:MOST]
    known = {r.id: r for r in query.Query(form, actor).get_many(ids[: len(typed)], [key])}
    rows = [(known[i], typed[n]) for n, i in enumerate(ids[: len(typed)]) if i in known]
    values, errors = _values(f, [raw for _record, raw in rows], actor)
    cells = []
    for n, (record, raw) in enumerate(rows):
        now = f.form_value(record.values.get(key))
        new = f.form_value(values[n])
        shown = raw if f.points_at or n in errors or values[n] in (None, []) else f.format(values[n])
        old, error = record.text(key), errors.get(n, "")
        cells.append(Cell(record.id, record.version, record.title, old, shown, values[n], error, now == new))
    _check(form, key, [cell for cell in cells if not cell.error and not cell.same], actor)
    return Pasted(form, f, ids[: len(typed)], cells, max(0, len(typed) - len(ids)))


def _column(text: str) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(text.replace("\r\n", "\n").replace("\r", "\n")), dialect="excel-tab"))
    except csv.Error as error:
        raise UserError(_("粘贴的内容读不懂，请从表格里重新复制。")) from error
    if not rows:
        raise UserError(_("没有可以粘贴的内容。"))
    if any(len(row) > 1 for row in rows):
        raise UserError(_("一次只能粘贴一列，请只复制一列。"))
    return [row[0].strip() if row else "" for row in rows]


def _values(f: Field, raws: list[str], actor: Actor) -> tuple[list[Any], dict[int, str]]:
    if isinstance(f, Relations):
        return naming.read(f, [raw or None for raw in raws], actor)
    if f.points_at and f.column:
        found = naming.find(catalog.get(f.points_at), {clean(raw) for raw in raws if raw}, actor)
        named = [found[clean(raw)] if raw else None for raw in raws]
        errors = {n: one for n, one in enumerate(named) if isinstance(one, str)}
        return [None if n in errors else one for n, one in enumerate(named)], errors
    return f.parse_many([raw or None for raw in raws])


def _check(form: Form, key: str, cells: list[Cell], actor: Actor) -> None:
    with write():
        rows = [{key: cell.value} for cell in cells]
        found = records.problems(form, rows, actor, Cause("bulk"), [cell.id for cell in cells])
    for n, errors in found.items():
        cells[n].error = errors.get(key) or _("；").join(errors.values())


def put(pasted: Pasted, actor: Actor) -> Outcome:
    """Writes the cells that can be; one undo takes them all back. Raises UserError."""
    values = [[cell.id, cell.value] for cell in pasted.good]
    payload = {"form": pasted.form.key, "actor": actor.id, "field": pasted.field.key, "values": values}
    job_id = jobs.enqueue("forms.paste", payload, actor_id=actor.id)
    job = jobs.work_on(job_id) or jobs.get(job_id)
    if job.status == "failed":
        raise UserError(job.error or _("没有完成。"))
    if not job.finished:
        return Outcome(_("正在修改…"), job=job_id)
    return Outcome(bulk_undo.words(job), bulk_undo.undo_url(job))


@jobs.handler("forms.paste", label=_l("粘贴一列"))
def run(job: jobs.Job) -> dict[str, Any]:
    """All cells in one transaction, whose Changes name the job."""
    doc = job.payload
    actor = SYSTEM if doc["actor"] is None else users.actor_of(doc["actor"])
    if actor is None:
        raise NotFound()
    form = catalog.get(doc["form"])
    rows = {record_id: {doc["field"]: value} for record_id, value in doc["values"]}
    with write():
        written = records.update_many(form, rows, actor, Cause("bulk", job.id), parsed=True)
    why = list(dict.fromkeys(_("；").join(errors.values()) for errors in written.errors.values()))
    return {"changed": len(written.changed), "failed": len(written.errors), "why": why[: bulk_undo.TOLD]}
