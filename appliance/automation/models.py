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
    folder = pw.TextField(default="")
    """The name of the folder it is kept in; empty: none."""
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
    stop = pw.BooleanField(default=False)
    """Rules behind it do not hear of what it acted on."""
    working_hours = pw.TextField(null=True)
    """Outside them: wait, skip; null: it acts at any time."""
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
    """One enabled definition that wants to hear of one kind of entry of one stream."""

    form = pw.TextField()
    action = pw.TextField()
    field = pw.TextField(null=True)
    """What it names: a field, a kind of event, a segment, a connection; null: any."""
    scope = pw.TextField(null=True)
    """The connection through which it must have come; null: any."""
    kind = pw.TextField()
    subject_id = pw.IntegerField()
    stream = pw.TextField(default="changes")
    since = pw.IntegerField(default=0)
    """The newest entry when it was switched on: what is older is none of its business."""

    class Meta:
        table_name = "rule_listener"
        indexes = ((("form", "action"), False), (("kind", "subject_id"), False))


class StreamCursor(Model):
    """How far the dispatcher has read a stream; and how far the dates of a rule have been worked through."""

    stream = pw.TextField(primary_key=True)
    position = pw.IntegerField(default=0)

    class Meta:
        table_name = "rule_stream"


class DefinitionsVersion(Model):
    """One row: a token that changes with every definition, so that all processes read them again."""

    token = pw.TextField()

    class Meta:
        table_name = "rule_token"


class RuleRun(Model):
    """One run of a rule or decision table, and what it did. What it did to which record are the Changes of its cause.

    ``status``: running, done, failed, cancelled, stopped (it fed itself), skipped (outside working hours), delayed (until
    working hours), waiting (a person must say yes), dismissed (a person said no).
    """

    kind = pw.TextField()
    subject_id = pw.IntegerField()
    version = pw.IntegerField()
    trigger = pw.TextField()
    """schedule, date, manual, change, event, segment, webhook or retry."""
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
    """``log.Detail``: outcomes of a table; what the job of a run that waits was asked."""
    affects = pw.IntegerField(null=True)
    """How many records it would change, when it waits for a person."""
    decided_at = pw.IntegerField(null=True)
    decided_by = pw.IntegerField(null=True)
    undone_at = pw.IntegerField(null=True)
    undone_by = pw.IntegerField(null=True)
    undo_job_id = pw.IntegerField(null=True)
    reverted = pw.IntegerField(null=True)
    kept = pw.IntegerField(null=True)

    class Meta:
        table_name = "rule_run"
        indexes = ((("kind", "subject_id", "id"), False), (("started_at",), False), (("status",), False))


class RunRecord(Model):
    """What a run did to one record. ``state``: done, skipped, failed. ``slot``: the action's place; done stands once, with
    none. ``cycle`` and ``origin`` of a failure: what another try needs."""

    run_id = pw.IntegerField()
    record_id = pw.IntegerField()
    slot = pw.TextField(default="")
    state = pw.TextField()
    why = pw.TextField(null=True)
    cycle = pw.TextField(null=True)
    origin = JSONField(null=True)

    class Meta:
        table_name = "rule_run_record"
        primary_key = pw.CompositeKey("run_id", "record_id", "slot")
        without_rowid = True


RunRecord.add_index(RunRecord.run_id, RunRecord.state, where=RunRecord.state != "done")


class Held(Model):
    """An entry of a stream that a run has yet to act on: it waits for working hours, for a person, or for another try."""

    run_id = pw.IntegerField()
    stream = pw.TextField()
    signal_id = pw.IntegerField()

    class Meta:
        table_name = "rule_held"
        primary_key = pw.CompositeKey("run_id", "stream", "signal_id")
        without_rowid = True


class RuleDone(Model):
    """A rule with ``once_per`` has acted on this record in this period."""

    rule_id = pw.IntegerField()
    record_id = pw.IntegerField()
    period = pw.TextField()

    class Meta:
        table_name = "rule_done"
        primary_key = pw.CompositeKey("rule_id", "period", "record_id")


class Made(Model):
    """A record that an action made for another one, by the name of the effect: doing it twice is doing it once."""

    key = pw.TextField(primary_key=True)
    form_id = pw.IntegerField()
    record_id = pw.IntegerField()
    at = pw.IntegerField(index=True)
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "rule_made"
        indexes = ((("cause_kind", "cause_id"), False),)


TABLES = [
    RuleRow, DecisionTableRow, DefinitionVersion, Listener, StreamCursor, DefinitionsVersion, RuleRun, RunRecord, Held,
    RuleDone, Made,
]  # fmt: skip
