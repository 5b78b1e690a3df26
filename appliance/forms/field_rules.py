"""Fields that are asked for, needed or locked only under a condition over the record's own fields.

The same conditions hold on the screen while a person types (``live``) and here, on every way in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ..accounts.actor import SYSTEM
from ..core.errors import UserError
from . import conditions
from .catalog import Form
from .fields.base import Field
from .fields.link import LinkField
from .hooks import UNSET, Draft

PEOPLE = ("user", "api", "import")
"""Kinds of causes that a lock stops; what the company's own rules do it lets through."""


class State(Struct, frozen=True):
    """How a field stands in one record."""

    shown: bool = True
    required: bool = False
    locked: bool = False


NAMES = ("show_if", "require_if", "lock_if")


def check(form: Form | None, old: Mapping[str, Any] | None) -> None:
    """Raises UserError for a condition of a field that is new (not in the definition ``old``) and makes no sense."""
    before = {doc["key"]: doc for doc in (old or {}).get("fields", [])}
    for f in form.fields.values() if form else ():
        for name in NAMES:
            condition = f.options.get(name)
            if form is None or not condition or condition == before.get(f.key, {}).get(name):
                continue
            try:
                conditions.validate(condition, form)
            except conditions.ConditionError as error:
                raise UserError(_("「%(field)s」的条件：%(why)s", field=f.label, why=error.message), name) from error


def ruled(form: Form) -> list[Field]:
    """The fields that have such a condition."""
    return [f for f in form.fields.values() if f.show_if or f.require_if or f.lock_if]


def states(form: Form, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, State]]:
    """By row of stored values, the state of each field that has such a condition."""
    out: list[dict[str, State]] = [{} for _row in rows]
    for f in ruled(form):
        shown = _met(f.show_if, form, rows, True)
        needed = _met(f.require_if, form, rows, False)
        locked = _met(f.lock_if, form, rows, False)
        for i in range(len(rows)):
            out[i][f.key] = State(shown[i], shown[i] and (f.required or needed[i]), locked[i])
    return out


def _met(
    condition: dict[str, Any] | None, form: Form, rows: Sequence[Mapping[str, Any]], otherwise: bool
) -> list[bool]:
    """``otherwise``: without a condition, or with one about a field that has been deleted since."""
    if condition is not None:
        try:
            return conditions.met_by(condition, form, rows)
        except conditions.ConditionError:
            pass
    return [otherwise] * len(rows)


def apply(draft: Draft) -> None:
    """Holds a draft to the conditions: what is not asked for is left as it was, what is needed must be there, what is
    locked stays. Fills ``draft.excused``: the rows in which a required field is not asked for."""
    fields = ruled(draft.form)
    if not fields:
        return
    old = _old(draft)
    rows = _merged(draft, old)
    now = states(draft.form, rows)
    stops = draft.action == "update" and draft.cause.kind in PEOPLE and draft.actor is not SYSTEM
    before = states(draft.form, old) if stops else []
    for f in fields:
        column = draft.columns.get(f.key)
        decisive = _decisive(draft.form, f) | {f.key}
        for i in range(draft.size):
            state = now[i][f.key]
            if not state.shown:
                draft.excused.setdefault(f.key, set()).add(i)
                if column is not None:
                    column[i] = UNSET if draft.action == "update" else [] if f.multiple else None
                continue
            if stops and before[i][f.key].locked and _changes(draft, f, i, old[i]):
                draft.fail(i, f.key, _("「%(field)s」现在已锁定，不能修改。", field=f.label))
            elif state.required and _blank(rows[i].get(f.key)) and _concerns(draft, decisive, i):
                draft.fail(i, f.key, _("请填写「%(field)s」。", field=f.label))


def _old(draft: Draft) -> list[dict[str, Any]]:
    """The rows as they are stored, with what they hold in link tables; empty for new records."""
    if not draft.ids:
        return [{} for _row in range(draft.size)]
    form = draft.form
    used = {f.key for f in ruled(form)}.union(*[_decisive(form, f) for f in ruled(form)])
    linked = {key: f.load(draft.ids) for key, f in form.links.items() if key in used and isinstance(f, LinkField)}
    return [
        draft.before.get(record_id, {}) | {key: values.get(record_id) for key, values in linked.items()}
        for record_id in draft.ids
    ]


def _merged(draft: Draft, old: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows as they will be: what they hold now and over it what is being written."""
    rows = [dict(row) for row in old]
    for key, column in draft.columns.items():
        for row, value in zip(rows, column, strict=True):
            if value is not UNSET:
                row[key] = value
    return rows


def _decisive(form: Form, f: Field) -> set[str]:
    """The fields that decide how ``f`` stands."""
    found: set[str] = set()
    for condition in (f.show_if, f.require_if, f.lock_if):
        with suppress(conditions.ConditionError):
            found |= conditions.fields_used(condition, form)
    return found


def _concerns(draft: Draft, keys: set[str], index: int) -> bool:
    """Whether this write has to do with one of the fields: an old record that lacks a value can still be changed elsewhere."""
    return draft.action == "create" or any(
        key in draft.columns and draft.columns[key][index] is not UNSET for key in keys
    )


def _changes(draft: Draft, f: Field, index: int, old: Mapping[str, Any]) -> bool:
    column = draft.columns.get(f.key)
    if column is None or column[index] is UNSET or (_blank(column[index]) and _blank(old.get(f.key))):
        return False
    return bool(column[index] != old.get(f.key))


def _blank(value: Any) -> bool:
    return value is None or value in ("", [], {})
