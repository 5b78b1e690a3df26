"""Which rules and decision tables name a field, a form, a segment or a connection: asked before one is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _

from ..connections import uses as connection_uses
from ..customers.segments import uses as segment_uses
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.designing import uses
from ..forms.designing.uses import Use
from . import rules, tables
from .definitions import Subject


@uses.finder
def find(form: Form, key: str | None) -> Iterator[Use]:
    """One that is switched on would fail without what it names, so it stands in the way."""
    for subject in _subjects():
        over = catalog.all_forms().get(subject.form_key)
        own = key is None and subject.form_key == form.key
        if over and (own or (form.key, key) in uses.named(subject.document(), over) | _dated(subject)):
            yield Use(_words(subject), subject.enabled and not own)


def _dated(subject: Subject) -> set[tuple[str, str | None]]:
    """The field at whose date it acts."""
    on = getattr(subject, "on", None) or {}
    return {(subject.form_key, on["date"])} if isinstance(on.get("date"), str) else set()


@segment_uses.finder
def of_segment(key: str) -> Iterator[str]:
    """A segment that a rule waits at, or asks about."""
    for subject in _subjects():
        if _names_segment(subject.document(), key):
            yield _words(subject)


@connection_uses.finder
def of_connection(key: str) -> Iterator[connection_uses.Use]:
    """A connection that sets a rule off, or that one of its actions goes through."""
    for subject in _subjects():
        if _names_connection(subject.document(), key):
            yield connection_uses.Use(_words(subject))


def _subjects() -> Iterator[Subject]:
    for book in (rules.book, tables.book):
        yield from book.all()


def _words(subject: Subject) -> str:
    return _("%(noun)s「%(name)s」", noun=subject.noun, name=subject.label)


def _names_segment(doc: Any, key: str) -> bool:
    if isinstance(doc, dict):
        mine = any(doc.get(name) == key for name in ("segment", "enters", "leaves"))
        return mine or any(_names_segment(part, key) for part in doc.values())
    return isinstance(doc, list) and any(_names_segment(part, key) for part in doc)


def _names_connection(doc: Any, key: str) -> bool:
    if isinstance(doc, dict):
        mine = any(doc.get(name) == key for name in ("connection", "webhook"))
        return mine or any(_names_connection(part, key) for part in doc.values())
    return isinstance(doc, list) and any(_names_connection(part, key) for part in doc)
