"""Finding records by a few words: in one form for pickers, in all forms for the search of everything."""

from __future__ import annotations

from typing import Any

from flask import url_for
from msgspec import Struct

from ..accounts import permissions
from ..accounts.actor import Actor
from . import catalog, query
from .catalog import Form

PICKS = 12


class Hit(Struct, frozen=True):
    """A record as search shows it. ``hint``: another value that tells it from its namesakes."""

    form: Form
    id: int
    title: str
    hint: str

    @property
    def url(self) -> str:
        return url_for("forms.show_record", form_key=self.form.key, record_id=self.id)

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "title": self.title, "hint": self.hint}


def search(form: Form, text: str, actor: Actor, limit: int = PICKS) -> list[Hit]:
    """The latest records that ``text`` finds; without text the latest of all."""
    keys = _hint_keys(form, actor)
    found = query.Query(form, actor).search(text).page(limit, fields=keys).records
    return [_hit(record, keys) for record in found]


def by_ids(form: Form, ids: list[int], actor: Actor) -> list[Hit]:
    keys = _hint_keys(form, actor)
    return [_hit(record, keys) for record in query.Query(form, actor).get_many(ids, keys)]


def find(text: str, actor: Actor, limit: int = 5) -> list[tuple[Form, list[Hit]]]:
    """By form, up to ``limit`` records each, of all forms that the actor may see."""
    if not text.strip():
        return []
    forms = [f for f in catalog.all() if not f.part_of and permissions.can(actor, "see", f.key)]
    found = ((form, search(form, text, actor, limit)) for form in forms)
    return [(form, hits) for form, hits in found if hits]


def _hint_keys(form: Form, actor: Actor) -> list[str]:
    """Two short fields besides the title: those that quick search looks into first."""
    seen = query.readable(form, actor)
    named = [*form.search_fields, *form.options.get("columns", [])]
    keys = dict.fromkeys(k for k in named if k in seen and k != form.title_field and seen[k].column)
    return list(keys)[:3]


def _hit(record: query.Record, keys: list[str]) -> Hit:
    values = [text for key in keys if (text := record.text(key))]
    return Hit(record.form, record.id, record.title, " · ".join(values[:2]))
