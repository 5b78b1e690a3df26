"""Computes the fields of rows that are being written, in the writer's transaction: they stand in the same row and Change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _

from ...accounts.actor import Actor
from ..catalog import Form
from ..fields.base import Field
from ..fields.computed import Computed
from ..fields.formula import scope
from ..hooks import Draft
from . import compiling, graph, numbers
from .functions import Env
from .parser import FormulaProblem

Row = dict[str, Any]


def complete(rows: list[Row], fields: Sequence[Computed], env: Env | None = None) -> None:
    """Computes ``fields``, in this order, of rows of stored values, in place."""
    if rows and fields:
        now = env or compiling.environment()
        with compiling.running(speaks=any(f.speaks for f in fields)):
            for f in fields:
                f.fill(rows, now)


def fill_new(draft: Draft, good: list[int], first: int, now: int) -> None:
    """Numbers and computes the new records ``good`` (places in the draft; the first one's id is ``first``)."""
    form = draft.form
    fields, numbered = graph.current().order.get(form.key, []), numbers.fields_of(form)
    if not fields and not numbered:
        return
    keys = [key for key in draft.columns if key in form.columns]
    rows: list[Row] = [
        {"id": first + n, "created_at": now, "created_by": draft.actor.id, **{k: draft.columns[k][i] for k in keys}}
        for n, i in enumerate(good)
    ]
    if numbered:
        numbers.fill(form, rows)
    # Nothing can point at a record that is not there yet.
    related = [f for f in fields if f.needs.via]
    for f in related:
        for row in rows:
            row[f.key] = f.empty()
    complete(rows, [f for f in fields if not f.needs.via])
    for key in [f.key for f in fields] + [f.key for f in numbered]:
        column: list[Any] = [None] * draft.size
        for i, row in zip(good, rows, strict=True):
            column[i] = row.get(key)
        draft.columns[key] = column


def fill_changed(form: Form, before: dict[int, Row], changes: dict[int, Row]) -> None:
    """Adds to the ``changes`` of records what follows from them; the rest of a record is ``before``."""
    if not changes:
        return
    numbers.note_changed(form, changes)
    fields = graph.current().dependents(form, {key for new in changes.values() for key in new})
    if not fields:
        return
    rows = {i: {**before[i], **new} for i, new in changes.items()}
    complete(list(rows.values()), fields)
    for i, row in rows.items():
        for f in fields:
            if row[f.key] != before[i][f.key]:
                changes[i][f.key] = row[f.key]


def watched(form: Form, keys: set[str]) -> bool:
    """Whether anything, here or in other forms, follows from these fields."""
    return graph.current().watched(form, keys)


def differs_by_record(form: Form, keys: set[str]) -> bool:
    """Whether records given the same values for ``keys`` end up with values of their own in others."""
    return bool(graph.current().dependents(form, keys))


# -- default values -----------------------------------------------------------------------------------------------


def defaults(draft: Draft) -> None:
    """Values for new records from ``default_formula``, where none was given; later fields see those of earlier ones."""
    wanted = [f for f in draft.form.columns.values() if f.options.get("default_formula") and not f.computed]
    if not wanted:
        return
    env = compiling.environment(draft.actor.id)
    for f in wanted:
        program = default_program(draft.form, f)
        column = draft.columns.setdefault(f.key, [None] * draft.size)
        bare = [i for i, value in enumerate(column) if value is None and i not in draft.errors]
        if program is None or not bare:
            continue
        rows = [_row(draft, program.fields, i) for i in bare]
        with compiling.running():
            values = [compiling.value_of(program, row, env) for row in rows]
        for i, value in zip(bare, values, strict=True):
            try:
                column[i] = default_value(f, program.type, value)
            except ValueError as error:
                draft.fail(i, f.key, _("默认值放不进去：%(why)s", why=error))


def _row(draft: Draft, keys: Sequence[str], place: int) -> Row:
    row = {key: draft.columns[key][place] for key in keys if key in draft.columns}
    lookups = [
        f for f in graph.current().order.get(draft.form.key, []) if f.key in keys and not f.needs.via
    ]  # fmt: skip
    if lookups:
        every = {key: column[place] for key, column in draft.columns.items() if key in draft.form.columns}
        complete([every], [f for f in graph.current().order[draft.form.key] if not f.needs.via])
        row |= {f.key: every.get(f.key) for f in lookups}
    return row


def default_program(form: Form, f: Field) -> compiling.Program | None:
    """The compiled default of a field; ``None`` when it cannot be computed at present."""
    found: Any = getattr(f, "_default_program", None)
    if found is None:
        try:
            found = compiling.compile(str(f.options["default_formula"]), scope(form), form.label, default=True)
        except FormulaProblem:
            found = False
        f._default_program = found  # type: ignore[attr-defined]
    return found or None


def default_value(f: Field, kind: str, value: Any) -> Any:
    """What a default's formula resulted in, as the field stores it. Raises ValueError."""
    if value is None:
        return None
    if kind == f.formula_type and kind != "text":
        return f.from_formula(value)
    if kind == "person":
        return f.parse(value)
    with compiling.speaking():
        return f.parse(compiling.functions.plain(value))


# -- rows that are not saved --------------------------------------------------------------------------------------


def compute(form: Form, rows: list[Row], actor: Actor) -> list[Row]:
    """See :func:`appliance.forms.formula.compute`."""
    from .. import query

    fields = graph.current().order.get(form.key, [])
    seen = query.clear(form, actor)
    out = [dict(row) for row in rows]
    # Figures over other records stay as they stand: typing here does not change them.
    for row in out:
        if row.get("id") is None:
            row |= {f.key: f.empty() for f in fields if f.needs.via}
    complete(out, [f for f in fields if not f.needs.via])
    hidden = [key for key, f in form.fields.items() if f.computed and key not in seen]
    for row in out:
        for key in hidden:
            row.pop(key, None)
    return out
