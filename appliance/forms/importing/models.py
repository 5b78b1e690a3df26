"""Tables of import and export."""

from __future__ import annotations

from typing import Any

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField


class Import(Model):
    """One file, or one sheet of it, on its way into a form.

    Status: draft, waiting (for an earlier sheet), running, done, failed, cancelled, undoing, undone.
    """

    id = pw.AutoField()
    form = pw.TextField()
    file_id = pw.IntegerField()
    file_name = pw.TextField()
    status = pw.TextField(default="draft")
    facts: Any = JSONField(null=True)
    """What the reader found in the file (``plan.Facts``)."""
    plan: Any = JSONField(null=True)
    """What the person decided (``plan.Plan``)."""
    check_job = pw.IntegerField(null=True)
    checked: Any = JSONField(null=True)
    counts: Any = JSONField(null=True)
    job_id = pw.IntegerField(null=True)
    undo_job = pw.IntegerField(null=True)
    undone: Any = JSONField(null=True)
    errors_file = pw.IntegerField(null=True)
    files_kept = pw.BooleanField(default=True)
    """False once the uploaded file is older than the company keeps such files."""
    error = pw.TextField(null=True)
    actor_id = pw.IntegerField(null=True)
    set_id = pw.IntegerField(null=True, index=True)
    """The first import of those that take in the sheets of one file together."""
    place = pw.IntegerField(default=0)
    """Which of them this is: related records come before those that point at them."""
    ready = pw.BooleanField(default=False)
    """Whether the person has gone through this sheet."""
    created_at = pw.IntegerField()
    started_at = pw.IntegerField(null=True)
    finished_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "import"
        indexes = ((("created_at",), False),)


class ImportFailure(Model):
    """A row that was not imported: its number in the sheet, and why. The cells are in the file, which is kept."""

    import_id = pw.IntegerField()
    row = pw.IntegerField()
    reason = pw.TextField()

    class Meta:
        table_name = "import_failure"
        indexes = ((("import_id", "row"), False),)


class SavedPreset(Model):
    """How the columns of one kind of file fill a form, by the columns' headers."""

    form = pw.TextField(index=True)
    name = pw.TextField()
    plan: Any = JSONField()
    owner_id = pw.IntegerField(null=True)
    created_at = pw.IntegerField()
    updated_at = pw.IntegerField()
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "import_preset"


TABLES = [Import, ImportFailure, SavedPreset]
