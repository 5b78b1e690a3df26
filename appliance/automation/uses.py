"""Which rules and decision tables name a field or a form: asked before one is deleted."""

from __future__ import annotations

from collections.abc import Iterator

from flask_babel import gettext as _

from ..forms import catalog
from ..forms.catalog import Form
from ..forms.designing import uses
from ..forms.designing.uses import Use
from . import rules, tables


@uses.finder
def find(form: Form, key: str | None) -> Iterator[Use]:
    """One that is switched on would fail without what it names, so it stands in the way."""
    for book in (rules.book, tables.book):
        for subject in book.all():
            over = catalog.all_forms().get(subject.form_key)
            own = key is None and subject.form_key == form.key
            if over and (own or (form.key, key) in uses.named(subject.document(), over)):
                words = _("%(noun)s「%(name)s」", noun=subject.noun, name=subject.label)
                yield Use(words, subject.enabled and not own)
