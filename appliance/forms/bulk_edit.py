"""Writing one field of many records: a value, nothing, or values added to or taken from a list. It says beforehand what it would
do, and can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct

from ..accounts import people
from ..accounts.actor import Actor
from ..core import jobs
from ..core.errors import UserError
from . import bulk_actions, bulk_undo, query, record_pages, records
from .bulk_actions import Outcome, Selection
from .catalog import Form
from .fields.base import Field
from .hooks import Cause

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

AT_ONCE = 500
"""More records than this are written by a job."""
SAMPLES = 5
WAYS = {"set": _l("改成"), "clear": _l("清空"), "add": _l("加上"), "remove": _l("去掉")}


class Edit(Struct, frozen=True):
    """What to write. ``raw``: as a person or the API writes it."""

    field: Field
    way: str
    raw: Any

    @property
    def values(self) -> dict[str, Any]:
        """For the write path."""
        if self.way in ("add", "remove"):
            return {self.field.key: {self.way: self.raw if isinstance(self.raw, list) else [self.raw]}}
        return {self.field.key: None if self.way == "clear" else self.raw}

    def document(self) -> dict[str, Any]:
        return {"field": self.field.key, "way": self.way, "raw": self.raw}

    def words(self) -> str:
        return _("「%(field)s」%(way)s「%(value)s」", field=self.field.label, way=WAYS[self.way], value=self.value_words) if (
            self.way != "clear"
        ) else _("清空「%(field)s」", field=self.field.label)  # fmt: skip

    @property
    def value_words(self) -> str:
        stored = self.field.parse(self.raw)
        if self.field.type == "relation" and isinstance(stored, int):
            from ..accounts.actor import current_actor
            from . import catalog
            from .query import titles

            return titles(catalog.get(self.field.options["form"]), [stored], current_actor()).get(stored, str(stored))
        return self.field.format(stored)


def fields_of(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields that the person may write and that many records can share."""
    seen = query.clear(form, actor)
    return {
        k: f
        for k, f in seen.items()
        if not f.unique and record_pages.editable(form, f, actor) and (f.column or ways_of(f) != ["set"])
    }


def ways_of(f: Field) -> list[str]:
    """What can be done with the field: ``set``, ``clear``; with several values also ``add`` and ``remove``."""
    found = ["set"] if f.required else ["set", "clear"]
    if not f.column and "has_any" in f.operators:
        return ["add", "remove", *found]
    return found


def read(form: Form, actor: Actor, values: MultiDict[str, str]) -> Edit:
    """Raises UserError with the sentence for what is missing or wrong."""
    f = fields_of(form, actor).get(values.get("field", ""))
    if f is None:
        raise UserError(_("请选择要修改的字段。"))
    way = values.get("way", "")
    if way not in ways_of(f):
        way = ways_of(f)[0]
    if way == "clear":
        return Edit(f, way, None)
    raw = f.from_form(values)
    try:
        stored = f.parse(raw)
    except ValueError as error:
        raise UserError(str(error)) from error
    if stored in (None, [], {}):
        raise UserError(_("请填写新的值，或选择“清空”。") if "clear" in ways_of(f) else _("请填写新的值。"))
    # Every record is given the same: what a file or a list of parts stands for cannot be shared.
    return Edit(f, way, f.to_api(stored) if f.column or isinstance(stored, list) else raw)


class Sample(Struct, frozen=True):
    title: str
    old: str
    new: str


class Preview(Struct, frozen=True):
    """``same``: how many hold the value already; ``None``: it cannot be told without looking at each."""

    count: int
    same: int | None
    samples: list[Sample]

    @property
    def changes(self) -> int:
        return self.count - (self.same or 0)


def preview(selection: Selection, edit: Edit) -> Preview:
    """What would happen, without writing."""
    found, f = selection.query(), edit.field
    same, differing = None, found
    if f.column:
        column, stored = selection.form.col(f.key), f.parse(edit.raw) if edit.way == "set" else None
        if not isinstance(stored, dict):
            already = column.is_null() if stored is None else column == stored
            same = found.only(already).count()
            differing = found.only(column.is_null(False) if stored is None else column.is_null() | (column != stored))
    elif f.operators and "has_any" in f.operators and edit.way in ("add", "remove", "clear"):
        op = {"add": "has_all", "remove": "has_none", "clear": "empty"}[edit.way]
        test = {"field": f.key, "op": op} | ({"value": edit.raw} if edit.way != "clear" else {})
        same, differing = found.where(test).count(), found.where({"not": test})
    page = differing.page(SAMPLES, None, [f.key])
    after = "" if edit.way == "clear" else edit.value_words
    sign = {"add": "+", "remove": "−"}.get(edit.way, "")
    samples = [Sample(r.title, r.text(f.key) or _("空"), sign + after if after else _("空")) for r in page.records]
    return Preview(found.count(), same, samples)


@bulk_actions.action("edit", _l("修改字段"), "edit", right="bulk", order=10)
class EditMany(bulk_actions.BulkAction):
    def suits(self, form: Form, actor: Actor) -> bool:
        return bool(fields_of(form, actor))

    def dialog(self, selection: Selection) -> str:
        fields = fields_of(selection.form, selection.actor)
        return render_template("forms/_bulk_edit.html", form=selection.form, fields=fields)

    def button(self, selection: Selection, count: int) -> str:
        return ngettext("修改 %(count)s 条", "修改 %(count)s 条", count, count=f"{count:,}")

    def preview(self, selection: Selection, values: MultiDict[str, str]) -> str:
        if not values.get("field"):
            return ""
        edit = read(selection.form, selection.actor, values)
        return render_template("forms/_bulk_preview.html", preview=preview(selection, edit), edit=edit)

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        edit = read(selection.form, selection.actor, values)
        payload = selection.document() | {"edit": edit.document(), "words": edit.words()}
        return bulk_undo.start("forms.bulk_edit", payload, selection, AT_ONCE)


def inputs(form: Form, actor: Actor, key: str) -> str:
    """The input of a field and what can be done with it. Raises UserError."""
    f = fields_of(form, actor).get(key)
    if f is None:
        raise UserError(_("请选择要修改的字段。"))
    one = record_pages.Input(f, "")
    return render_template(
        "forms/_bulk_input.html", form=form, one=one, ways=[(w, WAYS[w]) for w in ways_of(f)], people=people.active()
    )


@jobs.handler("forms.bulk_edit", label=_l("批量修改"))
def run(job: jobs.Job) -> dict[str, Any]:
    """A batch a transaction; the Changes name the job, so that it can be taken back."""
    selection = Selection.open(job.payload)
    doc = job.payload["edit"]
    f = fields_of(selection.form, selection.actor).get(doc["field"])
    if f is None:
        raise UserError(_("这个字段已经不能修改了。"))
    edit = Edit(f, doc["way"], doc["raw"])
    return bulk_undo.each_batch(job, selection, lambda ids, cause: _write(selection, edit, ids, cause))


def _write(selection: Selection, edit: Edit, ids: list[int], cause: Cause) -> bulk_undo.Effect:
    written = records.update_many(selection.form, dict.fromkeys(ids, edit.values), selection.actor, cause)
    failed = {ids[n]: _("；").join(errors.values()) for n, errors in written.errors.items() if "_missing" not in errors}
    return bulk_undo.Effect(len(written.changed), failed)
