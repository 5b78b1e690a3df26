"""Deleted forms and fields, with their data: back, or gone for good."""

from __future__ import annotations

from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ...accounts import audit, permissions
from ...accounts.actor import SYSTEM, Actor
from ...core import dialect, jobs
from ...core.db import db, read, write
from ...core.errors import Forbidden, NotFound, UserError
from ...core.i18n import label as i18n_label
from .. import catalog, conditions, sealing
from ..catalog import Form
from ..fields import build
from ..fields.base import Field
from ..fields.link import LinkField
from ..models import Change, FieldRow, FormRow, View
from ..records import latest_change
from . import uses
from .models import FormDraft, FormVersion
from .uses import Use

BATCH = 5_000


class DeletedField(Struct):
    """``values``: how many records have one in it."""

    form_key: str
    key: str
    label: str
    type: str
    deleted_at: int
    deleted_by: int | None
    values: int


class DeletedForm(Struct):
    """``records``: how many it has, those that were deleted before it included."""

    key: str
    label: str
    icon: str
    deleted_at: int
    deleted_by: int | None
    records: int
    fields: int


def fields(form: Form) -> list[DeletedField]:
    """The deleted fields of a form, the latest first."""
    with read():
        rows = FieldRow.select().where(FieldRow.form == form.id, FieldRow.deleted_at.is_null(False))
        return [
            DeletedField(
                form.key,
                row.key,
                i18n_label(row.label),
                row.type,
                row.deleted_at,
                _deleted_by(form.id, row.deleted_at),
                values(form, build(catalog.spec_of(row))),
            )
            for row in rows.order_by(FieldRow.deleted_at.desc(), FieldRow.id.desc())
        ]


def forms(actor: Actor) -> list[DeletedForm]:
    """The deleted forms that the actor may design, the latest first."""
    with read():
        rows = FormRow.select().where(FormRow.deleted_at.is_null(False))
        return [
            DeletedForm(
                row.key, i18n_label(row.label), row.icon, row.deleted_at, _deleted_by(row.id, row.deleted_at),
                catalog.count(catalog.shell(row), deleted=None),
                FieldRow.select().where(FieldRow.form == row.id, FieldRow.deleted_at.is_null()).count(),
            )
            for row in rows.order_by(FormRow.deleted_at.desc(), FormRow.id.desc())
            if permissions.can(actor, "design", row.key) and catalog.PART_OF not in row.options
        ]  # fmt: skip


def values(form: Form, f: Field) -> int:
    """How many records have a value in a field, whether it is deleted or not."""
    if f.column:
        return int(form.table.select(peewee.fn.COUNT(form.col(f.key))).scalar(db) or 0)
    test = f.compile(form.col("id"), "not_empty", None, conditions.Context(SYSTEM))
    return int(form.table.select(peewee.fn.COUNT(form.col("id"))).where(test).scalar(db) or 0)


def _deleted_by(form_id: int, at: int) -> int | None:
    """Who made the version in which it is gone."""
    then = FormVersion.select(FormVersion.by).where(FormVersion.form_id == form_id, FormVersion.at.between(at, at + 1))
    found: int | None = then.order_by(FormVersion.number.desc()).limit(1).scalar()
    return found


# -- into the bin -------------------------------------------------------------------------------------------------


def refuse_field(form: Form, key: str) -> None:
    """Raises UserError, naming it, when something would fail without the field."""
    _refuse(uses.of_field(form, key), form.fields[key].label if key in form.fields else key)


def refuse_form(form: Form) -> None:
    """Raises UserError, naming it, when something would fail without the form."""
    _refuse(uses.of_form(form), form.label)


def _refuse(found: list[Use], name: str) -> None:
    blocking = [use for use in found if use.blocks]
    if blocking:
        raise UserError(_("%(uses)s还在用「%(name)s」，请先改它。", uses=uses.words(blocking), name=name))


def delete_field(form: Form, key: str, actor: Actor) -> None:
    """Moves a field with its values to the bin. Raises UserError when something would fail without it."""
    permissions.demand(actor, "design", form.key)
    if key in form.fields and not form.fields[key].spec.system:
        refuse_field(form, key)
    catalog.delete_field(form, key, actor)


def delete_form(form: Form, actor: Actor) -> None:
    """Moves a form with its records to the bin. Raises UserError when something would fail without it."""
    permissions.demand(actor, "design", form.key)
    if not form.system:
        refuse_form(form)
    catalog.delete_form(form, actor)


def restore_field(form: Form, key: str, actor: Actor) -> Field:
    permissions.demand(actor, "design", form.key)
    return catalog.restore_field(form, key, actor)


def restore_form(key: str, actor: Actor) -> Form:
    permissions.demand(actor, "design", key)
    return catalog.restore_form(key, actor)


# -- for good -----------------------------------------------------------------------------------------------------


def purge_field(form: Form, key: str, word: str, actor: Actor) -> int:
    """Deletes a field in the bin with its values for good; ``word``: its label, as typed. Returns how many values went.

    Raises Forbidden, NotFound, UserError.
    """
    permissions.demand(actor, "design", form.key)
    _demand_purge(actor, form.key)
    row = FieldRow.get_or_none(FieldRow.form == form.id, FieldRow.key == key, FieldRow.deleted_at.is_null(False))
    if row is None:
        raise NotFound(_("回收站里没有字段「%(key)s」。", key=key))
    _demand_word(word, i18n_label(row.label))
    f = build(catalog.spec_of(row))
    with write():
        count = values(form, f)
        if f.column:
            catalog.drop_column(form, f)
        else:
            _drop_links(form, f)
        row.delete_instance()
        catalog.touch()
        audit.note("field.purged", {"form": form.key, "field": key, "records": count}, actor)
    return count


def purge_form(key: str, word: str, actor: Actor) -> int:
    """Deletes a form in the bin for good, with its records, files and history; ``word``: its label, as typed.

    Returns how many records went. Raises Forbidden, NotFound, UserError.
    """
    permissions.demand(actor, "design", key)
    _demand_purge(actor, key)
    row = FormRow.get_or_none(FormRow.key == key, FormRow.deleted_at.is_null(False))
    if row is None:
        raise NotFound(_("回收站里没有「%(key)s」这个表单。", key=key))
    _demand_word(word, i18n_label(row.label))
    with write():
        count = catalog.count(catalog.shell(row), deleted=None)
        for part in [*catalog.deleted_parts(key), row]:
            _drop_form(part)
        audit.note("form.purged", {"form": key, "records": count}, actor)
    return count


def _drop_form(row: Any) -> None:
    form = catalog.shell(row)
    for f in form.fields.values():
        if not f.column:
            _drop_links(form, f)
    dialect.drop_table(db, form.table_name)
    dialect.drop_table(db, form.search_table)
    View.delete().where(View.form == row.id).execute()
    FormDraft.delete().where(FormDraft.form_id == row.id).execute()
    FormVersion.delete().where(FormVersion.form_id == row.id).execute()
    catalog.forget(row)
    jobs.enqueue("forms.forget", {"form": row.id})


def _demand_purge(actor: Actor, form_key: str) -> None:
    if not permissions.can(actor, "purge", form_key):
        raise Forbidden(_("彻底删除需要「彻底删除」权限，请联系管理员。"))


def _demand_word(word: str, label: str) -> None:
    if word.strip() != label.strip():
        raise UserError(_("彻底删除后无法恢复。请输入「%(name)s」来确认。", name=label), "word")


def _drop_links(form: Form, f: Field) -> None:
    """What a field keeps outside the form's table: values in link tables, files."""
    assert isinstance(f, LinkField)
    ids = [row[0] for row in form.table.select(form.col("id")).tuples().execute(db)]
    for start in range(0, len(ids), BATCH):
        f.purged(ids[start : start + BATCH])


@jobs.handler("forms.forget", label=_l("清理已删除表单的历史"))
def forget(job: jobs.Job) -> dict[str, Any]:
    """Deletes the history of a form that is gone for good, a batch a transaction."""
    theirs = Change.form_id == job.payload["form"]
    done = 0
    while True:
        with write():
            # The newest Change of all stays, emptied: its number is never given to another.
            newest = latest_change()
            old = Change.select(Change.id).where(theirs, Change.id < newest).order_by(Change.id).limit(BATCH)
            ids = [row[0] for row in old.tuples()]
            with sealing.opened(dialect.among(Change.id, [*ids, newest]) & theirs):
                Change.delete().where(dialect.among(Change.id, ids)).execute()
                Change.update(fields={}).where(theirs, Change.id == newest).execute()
        done += len(ids)
        if not ids:
            return {}
        job.progress(done)
