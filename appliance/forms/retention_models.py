"""Tables of the rules that say how long records are kept."""

from __future__ import annotations

from typing import Any

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField


class RetentionRule(Model):
    """What happens to records of a form whose ``field`` is more than ``months`` ago. ``action``: delete or pseudonymise."""

    form = pw.TextField(index=True)
    action = pw.TextField()
    months = pw.IntegerField()
    field = pw.TextField()
    where: Any = JSONField(default=dict)
    enabled = pw.BooleanField(default=False)
    last_at = pw.IntegerField(null=True)
    last_count = pw.IntegerField(null=True)
    error = pw.TextField(null=True)
    """Why the last night did nothing, e.g. because a field of the condition is gone."""
    updated_at = pw.IntegerField()
    updated_by = pw.IntegerField(null=True)

    class Meta:
        table_name = "retention_rule"


class RetentionDone(Model):
    """A record whose personal data a rule has taken away: it is not done again."""

    form = pw.TextField()
    record_id = pw.IntegerField()

    class Meta:
        table_name = "retention_done"
        primary_key = pw.CompositeKey("form", "record_id")
        without_rowid = True


TABLES = [RetentionRule, RetentionDone]
