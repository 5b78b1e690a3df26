"""Changing a few values of a record where it is shown: a cell of a list, a card that was dragged. Each change can be taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import render_template, url_for
from flask_babel import gettext as _
from msgspec import Struct

from ..accounts import people
from ..accounts.actor import Actor
from ..core.errors import Conflict, FieldErrors, Forbidden, NotFound, UserError
from . import query, record_pages, records
from .catalog import Form
from .fields.base import Field
from .hooks import Cause


class Changed(Struct, frozen=True):
    """``undo``: the URL that a POST to takes it back; empty when nothing was changed."""

    record: query.Record
    undo: str


def fields_of(record: query.Record, keys: Mapping[str, Any], actor: Actor) -> list[Field]:
    """The fields of ``keys``. Raises NotFound for one that is not there for the actor, Forbidden for one that is not theirs
    to write."""
    seen = query.readable(record.form, actor)
    found = []
    for key in keys:
        f = seen.get(key)
        if f is None:
            raise NotFound()
        if not record_pages.editable(record.form, f, actor):
            raise Forbidden(_("您不能修改「%(field)s」。", field=f.label))
        found.append(f)
    return found


def field_of(record: query.Record, key: str, actor: Actor) -> Field:
    """:func:`fields_of` for one field."""
    return fields_of(record, {key: None}, actor)[0]


def editor(
    template: str,
    record: query.Record,
    f: Field,
    actor: Actor,
    typed: Any = None,
    error: str = "",
    theirs: str | None = None,
) -> str:
    """The input of one field, as ``template`` shows it: with what is saved, or what was ``typed``. ``theirs``: what somebody
    else saved meanwhile."""
    stored = record.values.get(f.key)
    saved = f.form_value(stored)
    value = saved if typed is None else typed
    return render_template(
        template, form=record.form, record=record, base=saved, people=people.active(),
        one=record_pages.Input(f, value, error, record_pages.title_of(f, value, actor), theirs, stored=stored),
        who=people.name(record.updated_by) if record.updated_by else "",
    )  # fmt: skip


def overtaken(record: query.Record, f: Field, typed: Any, base: Any = None) -> bool:
    """Whether somebody saved another value than ``typed`` since the input was opened, when it held ``base``."""
    saved = f.form_value(record.values.get(f.key))
    return saved != (saved if base is None else base) and bool(
        record_pages.changed_values([f], {f.key: typed}, {f.key: saved})
    )


def change(
    form: Form,
    record_id: int,
    values: dict[str, Any],
    expected: Mapping[str, Any],
    actor: Actor,
    cause: Cause = records.USER,
) -> Changed:
    """Writes ``values`` while the record still holds ``expected``. Raises NotFound, Forbidden, Conflict, UserError."""
    record = query.get(form, record_id, actor)
    for f in fields_of(record, values, actor):
        if f.key in expected and not same(f, expected[f.key], record.values.get(f.key)):
            raise Conflict(
                _("%(who)s刚刚把「%(field)s」改成了「%(value)s」。已显示最新内容，请再试一次。",
                  who=people.name(record.updated_by) if record.updated_by else _("别人"),
                  field=f.label, value=record.text(f.key) or _("空"))
            )  # fmt: skip
    before = {key: record.values.get(key) for key in values}
    try:
        records.update(form, record_id, values, actor, version=record.version, cause=cause)
    except FieldErrors as error:
        # There is one place for the sentence: a notice, or the cell that was edited.
        raise UserError(_("；").join(error.errors.values())) from error
    fresh = query.get(form, record_id, actor)
    undo = _undo(form, record_id, before, {key: fresh.values.get(key) for key in values})
    return Changed(fresh, undo)


def _undo(form: Form, record_id: int, before: dict[str, Any], after: dict[str, Any]) -> str:
    api = {key: [form.fields[key].to_api(before[key]), form.fields[key].to_api(after[key])] for key in before}
    pairs = {key: pair for key, pair in api.items() if pair[0] != pair[1]}
    if not pairs:
        return ""
    return url_for(
        "forms.put_back", form_key=form.key, record_id=record_id, values=json.dumps(pairs, ensure_ascii=False)
    )


def put_back(form: Form, record_id: int, pairs: Any, actor: Actor) -> Changed:
    """Takes a change back: ``{key: [before, after]}`` as the API writes values. Raises as :func:`change` does."""
    if not isinstance(pairs, dict) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs.values()):
        raise UserError(_("这个撤销已经用不了了。"))
    before = {key: pair[0] for key, pair in pairs.items()}
    after = {key: pair[1] for key, pair in pairs.items()}
    return change(form, record_id, before, after, actor, Cause("undo"))


def same(f: Field, given: Any, stored: Any) -> bool:
    """Whether a value as a person or the API writes it is the stored one."""
    if given == stored or (given in (None, "") and stored in (None, [], {})):
        return True
    try:
        return bool(f.form_value(f.parse(given)) == f.form_value(stored))
    except ValueError:
        return False
