"""Finding the record that a reference names: ``{"number": "A1"}``, or whatever a higher room can resolve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import peewee
from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import dialect
from ..core.db import PARAM, db
from . import catalog
from .fields.base import FieldError
from .fields.link import LinkField

if TYPE_CHECKING:
    from .hooks import Draft

Reference = dict[str, Any]
Resolver = Callable[[list[Reference], "Draft | None"], tuple[list[int | None], dict[int, str]]]
"""References → record ids, and by index the sentence for each that names nobody. With a draft it may create records."""

resolvers: dict[str, Resolver] = {}
"""By form key; a form without one is looked up by its unique fields."""


def resolve(form_key: str, references: list[Reference], draft: Draft | None) -> tuple[list[int | None], dict[int, str]]:
    """Ids of the records that ``references`` name, many at a time. What the draft's actor may not read names nothing to them:
    else whoever sees a phone in part could try numbers until one is right."""
    actor = draft.actor if draft is not None else SYSTEM
    refused = _refused(catalog.get(form_key), references, actor)
    if not refused:
        return _resolved(form_key, references, draft)
    rest = [i for i in range(len(references)) if i not in refused]
    found, errors = _resolved(form_key, [references[i] for i in rest], draft)
    ids: list[int | None] = [None] * len(references)
    for n, i in enumerate(rest):
        ids[i] = found[n]
        if n in errors:
            refused[i] = errors[n]
    return ids, refused


def find(form_key: str, reference: Reference, actor: Actor = SYSTEM) -> int | None:
    """The record one reference names, or ``None``; creates nothing. Raises FieldError for a name that ``actor`` may not read;
    a record that they may not see is not there."""
    from . import query

    for sentence in _refused(catalog.get(form_key), [reference], actor).values():
        raise FieldError(sentence)
    ids, _errors = _resolved(form_key, [reference], None)
    return ids[0] if ids[0] in query.visible_ids(form_key, {i for i in ids if i is not None}, actor) else None


def _resolved(
    form_key: str, references: list[Reference], draft: Draft | None
) -> tuple[list[int | None], dict[int, str]]:
    return resolvers.get(form_key, lambda refs, d: _by_unique(form_key, refs, d))(references, draft)


def _refused(form: catalog.Form, references: list[Reference], actor: Actor) -> dict[int, str]:
    """By index the sentence for each reference with a name whose values the actor does not see whole."""
    if actor is SYSTEM or actor.is_admin:
        return {}
    names = {key: key for key, f in form.fields.items() if f.unique}
    for key, f in form.fields.items():
        if isinstance(f, LinkField):
            names |= {part: part if part in form.fields else key for part in f.import_parts()}
    unread = {
        name for name, key in names.items() if permissions.field_access(actor, form.key, key) in ("hidden", "masked")
    }
    return {
        i: _("「%(form)s」不能按「%(key)s」来找。", form=form.label, key=key)
        for i, reference in enumerate(references)
        for key in reference
        if key in unread
    }


def _by_unique(
    form_key: str, references: list[Reference], draft: Draft | None
) -> tuple[list[int | None], dict[int, str]]:
    from . import query

    form = catalog.get(form_key)
    ids: list[int | None] = [None] * len(references)
    errors: dict[int, str] = {}
    wanted: dict[str, dict[Any, list[int]]] = {}
    for i, reference in enumerate(references):
        try:
            key, value = _single(reference)
            field = form.field(key)
            if field is None or not (field.unique or key == "id"):
                raise FieldError(_("「%(form)s」不能按「%(key)s」来找。", form=form.label, key=key))
            wanted.setdefault(key, {}).setdefault(field.parse(value), []).append(i)
        except ValueError as error:
            errors[i] = str(error)
    actor = draft.actor if draft is not None else SYSTEM
    for key, values in wanted.items():
        found = dict(lookup(form, key, list(values)))
        seen = query.visible_ids(form_key, found.values(), actor) if found else set()
        for value, places in values.items():
            for i in places:
                ids[i] = known if (known := found.get(value)) in seen else None
                if ids[i] is None:
                    errors[i] = _("没有找到「%(value)s」。", value=value)
    return ids, errors


def _single(reference: Reference) -> tuple[str, Any]:
    if len(reference) != 1:
        raise FieldError(_("请用一个字段来指明关联的记录。"))
    return next(iter(reference.items()))


def lookup(form: catalog.Form, key: str, values: list[Any]) -> list[tuple[Any, int]]:
    """``(value, id)`` of the live records whose field ``key`` holds one of ``values``."""
    if not values:
        return []
    statement = form.statement(
        ("lookup", key),
        lambda: form.table.select(form.col(key), form.col("id")).where(
            dialect.any_of(form.col(key), PARAM), form.col("deleted_at").is_null()
        ),
    )
    return statement.execute(dialect.dumps(values)).fetchall()


def lookup_together(
    form: catalog.Form, keys: Sequence[str], values: list[tuple[Any, ...]]
) -> dict[tuple[Any, ...], set[int]]:
    """The ids of the live records that hold one of the rows of ``values`` in the fields ``keys``."""
    if not values:
        return {}
    given = dialect.json_rows([list(row) for row in values], list(keys))
    match = form.col("deleted_at").is_null()
    for key in keys:
        match = match & (form.col(key) == peewee.Column(given, key))
    held = [form.col(key) for key in keys]
    rows = peewee.Select([given], [form.col("id"), *held]).join(form.table, on=match).tuples().execute(db)
    found: dict[tuple[Any, ...], set[int]] = {}
    for record_id, *row in rows:
        found.setdefault(tuple(row), set()).add(record_id)
    return found
