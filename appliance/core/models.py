"""Tables of the foundations: settings, jobs, timers, incidents, files, and the version of the schema."""

from __future__ import annotations

from peewee import (
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    CompositeKey,
    IntegerField,
    TextField,
)

from .db import Model
from .dialect import JSONField


class SchemaVersion(Model):
    """One row a step the database went through; the highest number is its version."""

    number = IntegerField(primary_key=True)
    name = TextField()
    applied_at = BigIntegerField()

    class Meta:
        table_name = "schema_version"


class Setting(Model):
    key = CharField(primary_key=True)
    value = JSONField(null=True)
    updated_at = BigIntegerField()
    updated_by = IntegerField(null=True)

    class Meta:
        table_name = "setting"


class JobRow(Model):
    """Something to do later. Status: queued, running, done, failed, cancelled."""

    kind = CharField()
    payload = JSONField()
    status = CharField()
    due_at = BigIntegerField()
    lease_until = BigIntegerField(null=True)
    owner = CharField(null=True)
    attempts = IntegerField(default=0)
    # Jobs of one key are coalesced while they wait and never run side by side.
    unique_key = CharField(null=True)
    cancel_asked = BooleanField(default=False)
    done = IntegerField(default=0)
    total = IntegerField(null=True)
    note = TextField(null=True)
    state = JSONField(null=True)
    result = JSONField(null=True)
    error = TextField(null=True)
    actor_id = IntegerField(null=True)
    created_at = BigIntegerField()
    started_at = BigIntegerField(null=True)
    finished_at = BigIntegerField(null=True)

    class Meta:
        table_name = "job"
        indexes = ((("status", "due_at"), False), (("unique_key", "status"), False), (("finished_at",), False))


class ScheduleRow(Model):
    """A recurring timer. ``next_at`` is the next due moment, ``catch_up`` what to do when it was missed."""

    key = CharField(primary_key=True)
    cron = CharField()
    kind = CharField()
    payload = JSONField()
    catch_up = CharField()
    next_at = BigIntegerField(index=True)
    last_at = BigIntegerField(null=True)

    class Meta:
        table_name = "schedule"


class IncidentRow(Model):
    """What cannot go on by itself and needs a person: why, and what it is about (``ref``, e.g. ``job:12``)."""

    kind = CharField()
    why = TextField()
    ref = CharField()
    # Incidents of one topic close by themselves when the thing succeeds later (a nightly backup, a timer).
    topic = CharField(null=True)
    times = IntegerField(default=1)
    created_at = BigIntegerField()
    last_at = BigIntegerField()
    resolved_at = BigIntegerField(null=True)
    resolution = CharField(null=True)
    resolved_by = IntegerField(null=True)

    class Meta:
        table_name = "incident"
        indexes = ((("resolved_at", "created_at"), False), (("kind", "ref"), False))


class FileRow(Model):
    """A stored file. ``size`` is null until the last chunk is in."""

    name = TextField()
    mime = CharField()
    size = BigIntegerField(null=True)
    sha256 = CharField(null=True)
    actor_id = IntegerField(null=True)
    created_at = BigIntegerField()

    class Meta:
        table_name = "file"


class FileChunk(Model):
    file_id = IntegerField()
    number = IntegerField()
    data = BlobField()

    class Meta:
        table_name = "file_chunk"
        primary_key = CompositeKey("file_id", "number")


class ThumbnailRow(Model):
    """A small copy of a picture; ``data`` is null when none could be made."""

    file_id = IntegerField()
    size = CharField()
    data = BlobField(null=True)

    class Meta:
        table_name = "file_thumbnail"
        primary_key = CompositeKey("file_id", "size")


TABLES = [SchemaVersion, Setting, JobRow, ScheduleRow, IncidentRow, FileRow, FileChunk, ThumbnailRow]
