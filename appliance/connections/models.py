"""Tables of the connections room."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField
from ..core.secrets import SealedField


class ConnectionRow(Model):
    """One outside system. Texts that may be read stand in ``params``, the secret ones together in ``secrets``."""

    key = pw.TextField(unique=True)
    kind = pw.TextField(index=True)
    label = pw.TextField()
    enabled = pw.BooleanField(default=True)
    params = JSONField()
    secrets = SealedField(null=True)
    """A JSON object, param key → text; never selected where it is not used."""
    version = pw.IntegerField(default=1)
    created_at = pw.BigIntegerField()
    created_by = pw.IntegerField(null=True)
    updated_at = pw.BigIntegerField()
    deleted_at = pw.BigIntegerField(null=True)
    """Set while a deletion can still be taken back."""
    last_ok_at = pw.BigIntegerField(null=True)
    last_error = pw.TextField(null=True)
    last_error_at = pw.BigIntegerField(null=True)
    failures = pw.IntegerField(default=0)
    """How often it has failed since it last succeeded."""

    class Meta:
        table_name = "connection"


class ConnectionUse(Model):
    """What went through a connection on one day (the company's zone, ISO date)."""

    connection_id = pw.IntegerField()
    day = pw.CharField()
    ok = pw.IntegerField(default=0)
    failed = pw.IntegerField(default=0)

    class Meta:
        table_name = "connection_use"
        primary_key = pw.CompositeKey("connection_id", "day")
        indexes = ((("day",), False),)


class HookCall(Model):
    """One call that reached ``/hooks/{connection}``, as it came: kept before it is answered, so that nothing is lost.

    ``state``: waiting, done (a record was written), ignored (a trial call, nothing to write), failed (``error`` says why).
    """

    connection_id = pw.IntegerField()
    at = pw.BigIntegerField(index=True)
    dedupe = pw.CharField()
    """The caller's own id of the call, else the body's SHA-256."""
    body = pw.TextField()
    ip = pw.CharField()
    state = pw.CharField()
    attempts = pw.IntegerField(default=0)
    error = pw.TextField(null=True)
    form_key = pw.TextField(null=True)
    record_id = pw.IntegerField(null=True)
    done_at = pw.BigIntegerField(null=True)

    class Meta:
        table_name = "hook_call"
        indexes = ((("connection_id", "dedupe"), True), (("connection_id", "id"), False))


HookCall.add_index(HookCall.connection_id, HookCall.id, name="i_hook_call_waiting", where=HookCall.state == "waiting")
HookCall.add_index(HookCall.form_key, HookCall.record_id, name="i_hook_call_record")


class WebhookCall(Model):
    """An inbound call that led to a record; ids rise, rows are only added. ``body``: the call's JSON."""

    connection_id = pw.IntegerField()
    at = pw.BigIntegerField()
    body = JSONField()
    form_key = pw.TextField()
    record_id = pw.IntegerField()
    call_id = pw.IntegerField(index=True)
    """The :class:`HookCall` that it came as."""

    class Meta:
        table_name = "webhook_call"
        indexes = ((("connection_id", "id"), False), (("form_key", "record_id"), False))


TABLES = [ConnectionRow, ConnectionUse, HookCall, WebhookCall]
