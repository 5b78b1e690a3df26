"""Putting a draft in force, and the versions that were."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts import permissions
from ...accounts.actor import Actor
from ...core.db import read, write
from ...core.errors import Conflict, FieldErrors, NotFound, UserError
from .. import catalog
from ..catalog import Form
from ..fields.base import Field, Spec
from . import conversion, drafts, plans
from .drafts import Draft
from .models import FormDraft, FormVersion

Doc = dict[str, Any]


class Version(Struct):
    """``words``: what it changed against the one before; empty for the first."""

    number: int
    at: int
    by: int | None
    doc: Doc
    words: list[str]
    current: bool


def publish(draft_id: int, version: int, actor: Actor, accept: bool = False) -> Form:
    """Makes the draft what is in force, in one transaction; only large conversions go on behind (``Form.converting``).

    Raises Conflict (the draft or the published form changed), FieldErrors (it cannot be as it is), UserError when
    records would lose values and ``accept`` is false.
    """
    draft = drafts.get(draft_id, actor)
    demand_publishable(draft, version)
    plan = plans.plan(draft)
    if plan.problems:
        raise FieldErrors(plan.problems)
    if plan.losing and not accept:
        raise UserError(
            _("这样发布会丢失数据，请确认后再发布：%(what)s。", what=_("；").join(c.words for c in plan.losing))
        )
    with write():
        demand_publishable(drafts.get(draft_id, actor), version)
        key = draft.form_key or str(draft.doc["key"])
        form = apply(draft.form, draft.doc, actor) if draft.form else catalog.create_form(_new(draft.doc), actor)
        FormDraft.delete().where(FormDraft.id == draft_id).execute()
    return catalog.all_forms().get(key, form)


def demand_publishable(draft: Draft, version: int) -> None:
    drafts.demand_version(draft, version)
    if draft.behind:
        raise Conflict(_("这份草稿开始之后，表单又被改过。请先把那些改动并入草稿，看过后再发布。"))


def _new(doc: Doc) -> Doc:
    return {k: v for k, v in doc.items() if v is not None and k != "system"}


def apply(form: Form, doc: Doc, actor: Actor) -> Form:
    """Changes a form into the definition ``doc``, which was checked. Values that need time are converted by a job."""
    with catalog.editing(form.key, actor):
        wanted = {f["key"]: f for f in doc.get("fields", [])}
        for key in [key for key in form.fields if key not in wanted]:
            catalog.delete_field(catalog.get(form.key), key, actor)
        for key, field_doc in wanted.items():
            _apply_field(form, key, field_doc, actor)
        catalog.order_fields(catalog.get(form.key), list(wanted), actor)
        catalog.update_form(catalog.get(form.key), {key: doc.get(key) for key in catalog.FORM_KEYS}, actor)
    return catalog.get(form.key)


def _apply_field(form: Form, key: str, doc: Doc, actor: Actor) -> None:
    doc = {name: value for name, value in doc.items() if value is not None}
    old = form.fields.get(key)
    if old is None and catalog.hidden(form.key, key):
        catalog.restore_field(catalog.get(form.key), key, actor)
        form = catalog.get(form.key)
        old = form.fields[key]
    if old is None:
        catalog.add_field(catalog.get(form.key), doc, actor)
        return
    if old.spec.document() == doc:
        return
    new = catalog.whole_field(form, key, doc)
    if conversion.needed(old, new):
        conversion.start(catalog.get(form.key), key, new.spec, actor)
    else:
        # What the document no longer says goes back to its default.
        gone = dict.fromkeys(old.spec.document().keys() - doc.keys())
        catalog.update_field(catalog.get(form.key), key, gone | doc, actor)


def planned_field(form: Form, key: str, doc: Doc) -> tuple[Field, Field]:
    """The field as it is and as ``doc`` over its definition would make it. Raises NotFound, UserError."""
    old = form.fields.get(key)
    if old is None:
        raise NotFound(_("没有「%(key)s」这个字段。", key=key))
    kept = old.spec.document()
    if doc.get("type", old.type) != old.type:
        # The options of one type mean nothing to another, unless they are said again.
        kept = {
            name: value
            for name, value in kept.items()
            if name in (*Spec.PLAIN, "section", "width", "placeholder", "personal")
        }
        kept.pop("default", None)
        kept.pop("unique", None)
    new = catalog.whole_field(form, key, kept | doc)
    if conversion.needed(old, new) and (why := conversion.impossible(old, new)):
        raise UserError(why, "type")
    return old, new


def change_field(
    form: Form, key: str, doc: Doc, actor: Actor, accept: bool = False, position: int | None = None
) -> int | None:
    """Changes one field at once, its type too; ``position``: its place among the fields, from 0.

    Returns the job that converts its values, if that takes one. Raises UserError when values would be lost and
    ``accept`` is false.
    """
    old, new = planned_field(form, key, doc)
    if doc.get("key", key) != key:
        raise UserError(_("字段的键名不能改。"), "key")
    job = None
    with catalog.editing(form.key, actor):
        if conversion.needed(old, new):
            found = conversion.Conversion() if accept else conversion.examine(form, old, new)
            if found.lost:
                words = _(
                    '有 %(count)s 条记录的值转换不了，会变为空。确认的话请加上 "convert": true。',
                    count=f"{found.lost:,}",
                )
                raise UserError(words, "convert")
            if found.estimated:
                raise UserError(
                    _("记录太多，无法逐条预先检查。确认转换的话请加上 \"convert\": true。"), "convert"
                )  # fmt: skip
            job = conversion.start(form, key, new.spec, actor)
        elif doc:
            catalog.update_field(form, key, doc, actor)
        if position is not None:
            keys = [k for k in form.fields if k != key]
            catalog.order_fields(form, [*keys[:position], key, *keys[position:]], actor)
    return job


# -- what was -----------------------------------------------------------------------------------------------------


def history(form: Form) -> list[Version]:
    """The published versions, the newest first."""
    with read():
        rows = list(FormVersion.select().where(FormVersion.form_id == form.id).order_by(FormVersion.number))
    found, gone = [], False
    for n, row in enumerate(rows):
        words = [change.words for change in plans.differences(rows[n - 1].doc, row.doc)] if n else []
        if n and rows[n - 1].doc == row.doc:
            # Deleting and restoring a form leaves its definition as it was.
            gone = not gone
            words = [_("移到回收站") if gone else _("从回收站恢复")]
        found.append(Version(row.number, row.at, row.by, row.doc, words, n == len(rows) - 1))
    return found[::-1]


def revert(form: Form, number: int, actor: Actor) -> Draft:
    """A draft that says what that version said: publishing it goes back. Deleted fields it names come out of the bin.

    Raises NotFound, Conflict when there is a draft with changes.
    """
    permissions.demand(actor, "design", form.key)
    with write():
        row = FormVersion.get_or_none(FormVersion.form_id == form.id, FormVersion.number == number)
        if row is None:
            raise NotFound(_("没有第 %(number)s 版。", number=number))
        draft = drafts.open(form.key, actor)
        if draft.changed:
            raise Conflict(_("这个表单有一份还没发布的草稿，请先发布或丢弃它。"))
        return drafts.save(draft.id, row.doc, draft.version, actor)
