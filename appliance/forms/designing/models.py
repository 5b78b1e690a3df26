"""Tables of the designer: what is being drafted and what was published."""

from __future__ import annotations

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField


class FormDraft(Model):
    """One shared draft of a form, or of one that does not exist yet (``form_id`` is empty then)."""

    form_id = pw.IntegerField(null=True, unique=True)
    doc = JSONField()
    version = pw.IntegerField(default=1)
    """Counts the savings: who saves on top of an older one is told."""
    base = pw.IntegerField(default=0)
    """The number of the published version the draft began from."""
    created_at = pw.IntegerField()
    updated_at = pw.IntegerField()
    updated_by = pw.IntegerField(null=True)

    class Meta:
        table_name = "form_draft"


class FormVersion(Model):
    """A form's definition as it stood after a change; the newest is what is in force."""

    form_id = pw.IntegerField()
    number = pw.IntegerField()
    doc = JSONField()
    at = pw.IntegerField()
    by = pw.IntegerField(null=True)

    class Meta:
        table_name = "form_version"
        indexes = ((("form_id", "number"), True),)


TABLES = [FormDraft, FormVersion]
