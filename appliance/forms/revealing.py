"""Showing a masked value whole: only to who sees the field unmasked, and never without a line in the audit log."""

from __future__ import annotations

from ..accounts import audit
from ..accounts.actor import Actor
from ..core.errors import NotFound
from . import query
from .catalog import Form


def reveal(form: Form, record_id: int, key: str, actor: Actor) -> str:
    """The whole value of one field of one record. Raises NotFound for what may not be seen and for what is not masked."""
    f = query.clear(form, actor).get(key)
    if f is None or not f.revealable:
        raise NotFound()
    value = f.reveal(query.Query(form, actor).get(record_id).values.get(key))
    if value is None:
        raise NotFound()
    detail = {"form": form.label, "record": record_id, "field": f.label}
    audit.note("record.revealed", detail, actor, f"record:{form.key}:{record_id}")
    return value
