"""Tables of import and export."""

from __future__ import annotations

from typing import Any

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField


class Import(Model):
    """One file on its way into a form. Status: draft, running, done, failed, cancelled, undoing, undone."""

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


TABLES = [Import, ImportFailure]
