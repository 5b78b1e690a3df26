"""A record's Changes as the API prints them, as far as the reader may see the fields they name."""

from __future__ import annotations

from typing import Any

from ..accounts import people
from ..accounts.actor import Actor
from ..forms.catalog import Form
from ..forms.fields.base import Field
from ..forms.models import Change
from ..forms.query import clear
from . import answers

Doc = dict[str, Any]


def documents(form: Form, record_id: int, actor: Actor, before: int | None, limit: int) -> list[Doc]:
    """Newest first, those older than the Change ``before``. The caller has made sure that the record may be seen."""
    seen = clear(form, actor)
    query = Change.select().where(Change.form_id == form.id, Change.record_id == record_id)
    if before is not None:
        query = query.where(Change.id < before)
    return [_document(form, row, seen) for row in query.order_by(Change.id.desc()).limit(limit)]


def _document(form: Form, row: Any, seen: dict[str, Field]) -> Doc:
    return {
        "id": row.id,
        "at": answers.when(row.at),
        "action": row.action,
        "actor": people.login(row.actor_id) if row.actor_id is not None else None,
        "cause": {"kind": row.cause_kind, "id": row.cause_id},
        "fields": {
            key: _value(form.field_at(key, row.id) or seen[key], row.action, value)
            for key, value in row.fields.items()
            if key in seen
        },
    }


def _value(f: Field, action: str, value: Any) -> Any:
    if not f.column:
        return value
    return [f.to_api(side) for side in value] if action == "update" else f.to_api(value)
