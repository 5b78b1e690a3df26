"""The table of the company's metrics; their values are fields of the customer."""

from __future__ import annotations

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField


class MeasureRow(Model):
    """One metric; ``definition.Measure`` opens the document. ``key``: also that of its field."""

    key = pw.TextField(unique=True)
    document = JSONField()
    version = pw.IntegerField(default=1)
    built_at = pw.IntegerField(null=True)
    """When all customers were first computed."""
    created_at = pw.IntegerField()
    updated_at = pw.IntegerField()
    updated_by = pw.IntegerField(null=True)
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "measure"


TABLES = [MeasureRow]
