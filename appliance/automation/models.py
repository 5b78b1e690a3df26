"""Tables of automation: definitions with their versions, what they listen to, and the log of their runs."""

from __future__ import annotations

from typing import Any

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField


class Definition(Model):
    """What a rule and a decision table have in common."""

    key = pw.TextField(unique=True)
    label = JSONField()
    form = pw.TextField()
    enabled = pw.BooleanField(default=False)
    position = pw.IntegerField(default=0)
    """Rules that listen to the same change act in this order."""
    version = pw.IntegerField(default=1)
    since = pw.IntegerField(default=0)
    """The newest Change when it was switched on: what is older is none of its business."""
    system = pw.BooleanField(default=False)
    """Came with Guke or an app; the company may change it all the same."""
    created_at = pw.IntegerField()
    created_by = pw.IntegerField(null=True)
    updated_at = pw.IntegerField()
    updated_by = pw.IntegerField(null=True)
    deleted_at = pw.IntegerField(null=True)


class RuleRow(Definition):
    on = JSONField()
    where = JSONField(default=dict)
    once_per = pw.TextField(null=True)
    do = JSONField()
    memory = JSONField(default=dict)
    """What actions keep from one batch to the next (whose turn it is), by the action's place."""

    class Meta:
        table_name = "rule"


class DecisionTableRow(Definition):
    schedule = pw.TextField(null=True)
    on = JSONField(null=True)
    target = JSONField()
    rows = JSONField()
    default = JSONField(null=True)

    class Meta:
        table_name = "decision_table"


class DefinitionVersion(Model):
    """What a definition said from then on, and who said so. ``document`` is null when it was deleted."""

    kind = pw.TextField()
    subject_id = pw.IntegerField()
    version = pw.IntegerField()
    document = JSONField(null=True)
    enabled = pw.BooleanField()
    at = pw.IntegerField()
    actor_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "rule_version"
        indexes = ((("kind", "subject_id", "version"), False),)


class Listener(Model):
    """One enabled definition that wants to hear of one kind of write: asked by the write path on every write."""

    form = pw.TextField()
    action = pw.TextField()
    field = pw.TextField(null=True)
    kind = pw.TextField()
    subject_id = pw.IntegerField()

    class Meta:
        table_name = "rule_listener"
        indexes = ((("form", "action"), False), (("kind", "subject_id"), False))


class RuleCursor(Model):
    """How far the dispatcher has read the Changes: one row."""

    change_id = pw.IntegerField(default=0)

    class Meta:
        table_name = "rule_cursor"


class RuleRun(Model):
    """One run of a rule or decision table, and what it did. What it did to which record are the Changes of its cause.

    ``status``: running, done, failed, cancelled, stopped (it fed itself).
    """

    kind = pw.TextField()
    subject_id = pw.IntegerField()
    version = pw.IntegerField()
    trigger = pw.TextField()
    """schedule, manual, change or retry."""
    status = pw.TextField()
    job_id = pw.IntegerField(null=True)
    actor_id = pw.IntegerField(null=True)
    """Who asked for it; the run itself acts as the appliance."""
    started_at = pw.IntegerField()
    finished_at = pw.IntegerField(null=True)
    seconds = pw.FloatField(default=0)
    """Time really worked, interruptions not counted."""
    matched = pw.IntegerField(default=0)
    changed = pw.IntegerField(default=0)
    skipped = pw.IntegerField(default=0)
    failed = pw.IntegerField(default=0)
    depth = pw.IntegerField(default=0)
    error = pw.TextField(null=True)
    detail: Any = JSONField(default=dict)
    """``RunDetail``: outcomes of a table, first failures, records of a failed batch."""
    undone_at = pw.IntegerField(null=True)
    undone_by = pw.IntegerField(null=True)
    undo_job_id = pw.IntegerField(null=True)
    reverted = pw.IntegerField(null=True)
    kept = pw.IntegerField(null=True)

    class Meta:
        table_name = "rule_run"
        indexes = ((("kind", "subject_id", "id"), False), (("started_at",), False))


class RuleDone(Model):
    """A rule with ``once_per`` has acted on this record in this period."""

    rule_id = pw.IntegerField()
    record_id = pw.IntegerField()
    period = pw.TextField()

    class Meta:
        table_name = "rule_done"
        primary_key = pw.CompositeKey("rule_id", "period", "record_id")


TABLES = [RuleRow, DecisionTableRow, DefinitionVersion, Listener, RuleCursor, RuleRun, RuleDone]
