"""A record's history: its Changes, as far as the reader may see the fields they name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..accounts import people
from ..accounts.actor import Actor
from ..core import clock, settings
from ..core.db import read
from .catalog import Form
from .fields.base import Field
from .models import Change
from .query import clear


@dataclass
class Entry:
    """One Change for one reader. ``fields``: key → ``(field, old, new)`` as stored; what may not be seen is left out."""

    id: int
    at: int
    action: str
    actor_id: int | None
    cause_kind: str
    cause_id: int | None
    fields: dict[str, tuple[Field, Any, Any]]
    hidden: int = 0
    """How many more fields changed that the reader may not see."""

    @property
    def actor(self) -> str:
        return people.name(self.actor_id) if self.actor_id is not None else ""

    def document(self) -> dict[str, Any]:
        """The Change as the API prints it."""
        return {
            "id": self.id,
            "at": clock.iso(self.at, settings.tz()),
            "action": self.action,
            "actor": people.login(self.actor_id) if self.actor_id is not None else None,
            "cause": {"kind": self.cause_kind, "id": self.cause_id},
            "fields": {
                key: new if not f.column else [f.to_api(old), f.to_api(new)]
                for key, (f, old, new) in self.fields.items()
            },
        }


def changes(form: Form, record_id: int, actor: Actor, *, before: int | None = None, limit: int = 50) -> list[Entry]:
    """Newest first, those older than the Change ``before``. The caller has made sure that the record may be seen."""
    seen = clear(form, actor)
    query = Change.select().where(Change.form_id == form.id, Change.record_id == record_id)
    if before is not None:
        query = query.where(Change.id < before)
    with read():
        return [_entry(row, form, seen) for row in query.order_by(Change.id.desc()).limit(limit)]


def _entry(row: Any, form: Form, seen: dict[str, Field]) -> Entry:
    fields: dict[str, tuple[Field, Any, Any]] = {}
    for key, value in row.fields.items():
        f = seen.get(key)
        if f is None:
            continue
        if not f.column or row.action == "create":
            fields[key] = (f, None, value)
        else:
            fields[key] = (f, value[0], value[1])
    return Entry(
        row.id,
        row.at,
        row.action,
        row.actor_id,
        row.cause_kind,
        row.cause_id,
        fields,
        len(row.fields) - len(fields),
    )
