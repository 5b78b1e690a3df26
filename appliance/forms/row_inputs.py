"""Inputs of another form's record inside a page: their names begin with a prefix, so that they meet nobody else's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.datastructures import MultiDict

from ..accounts.actor import Actor
from . import record_pages
from .fields.base import Field
from .record_pages import Input


class Prefixed(Input):
    """``name`` is ``<prefix><field key>``."""

    prefix: str = ""

    @property
    def name(self) -> str:
        return self.prefix + self.field.key


def inputs(
    fields: Iterable[Field], prefix: str, typed: Mapping[str, Any], errors: Mapping[str, str], actor: Actor,
    stored: Mapping[str, Any] | None = None,
) -> list[Prefixed]:  # fmt: skip
    """``typed``: what the inputs hold by key (else the field's default); ``stored``: the values of a saved record."""
    found = []
    for f in fields:
        if f.key in typed:
            value = typed[f.key]
        else:
            value = f.form_value(stored.get(f.key) if stored is not None else f.default())
        one = Prefixed(f, value, errors.get(f.key, ""), record_pages.title_of(f, value, actor), prefix=prefix)
        one.stored = stored.get(f.key) if stored is not None else None
        found.append(one)
    return found


def read(given: MultiDict[str, str], prefix: str, fields: Iterable[Field]) -> dict[str, Any]:
    """What the inputs of one record hold, by key."""
    mine = MultiDict([(k[len(prefix) :], v) for k, v in given.items(multi=True) if k.startswith(prefix)])
    return {f.key: f.from_form(mine) for f in fields if f.key in mine}
