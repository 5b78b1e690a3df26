"""Saved reports and dashboards."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField


class ReportRow(Model):
    key = pw.TextField(unique=True)
    label = JSONField()
    definition = JSONField()
    """The question, in the shape of an app package's *report*; ``definition.Definition`` opens it."""
    system = pw.BooleanField(default=False)
    owner_id = pw.IntegerField(null=True)
    shared = pw.BooleanField(default=True)
    """Seen by everybody (their figures are over their own rows all the same); else by its owner and administrators."""
    updated_at = pw.IntegerField()

    class Meta:
        table_name = "report"


class DashboardRow(Model):
    key = pw.TextField(unique=True)
    label = JSONField()
    tiles = JSONField()
    system = pw.BooleanField(default=False)
    position = pw.IntegerField(default=0)
    updated_at = pw.IntegerField()

    class Meta:
        table_name = "dashboard"


TABLES = [ReportRow, DashboardRow]
