"""Tables of the messaging room: the ledger of everything that was to be sent, its tries, templates and the policy."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField


class Message(Model):
    """One message to one receiver. It is committed before anything is sent and never sent twice under one key."""

    key = pw.TextField(unique=True)
    """What it is for: cause, place, record and cycle."""
    state = pw.TextField(default="reserved")
    """``outbox.STATES`` lists them."""
    via = pw.TextField()
    connection = pw.TextField(default="")
    """The key of the connection it goes through; empty: none is needed, or none is there."""
    pinned = pw.BooleanField(default=False)
    """The connection was asked for by name: no other is taken instead."""
    purpose = pw.TextField()
    priority = pw.IntegerField()
    target_kind = pw.TextField()
    target_id = pw.IntegerField(null=True)
    customer_id = pw.IntegerField(null=True)
    address = pw.TextField(default="")
    """Where it was sent, once that was found out; of an ``address`` target from the beginning."""
    lane = pw.TextField()
    """The receiver: messages of one lane are sent one after the other."""
    subject = pw.TextField(default="")
    text = pw.TextField(default="")
    link = pw.TextField(default="")
    template = pw.TextField(null=True)
    params = JSONField(null=True)
    """Connection kind → ``{"code", "params"}`` of the platform's own template."""
    reads = JSONField(null=True)
    """The fields whose values stand in the text, as ``form.field``."""
    form_key = pw.TextField(null=True)
    record_id = pw.IntegerField(null=True)
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)
    actor_id = pw.IntegerField(null=True)
    created_at = pw.BigIntegerField()
    due_at = pw.BigIntegerField()
    expires_at = pw.BigIntegerField(null=True)
    began_at = pw.BigIntegerField(null=True)
    """The last try's beginning."""
    ended_at = pw.BigIntegerField(null=True)
    attempts = pw.IntegerField(default=0)
    cost = pw.IntegerField(default=0)
    """What it cost (or may have cost), in hundredths of a fen."""
    provider_id = pw.TextField(null=True)
    error = pw.TextField(null=True)
    why = pw.TextField(default="")
    """A key of ``reasons.REASONS``: why it stands where it stands."""
    detail = JSONField(null=True)
    """What the reason's sentence needs."""
    struck = pw.BooleanField(default=False)
    """Its words are gone: too old, or about a person who was erased."""

    class Meta:
        table_name = "message"
        indexes = (
            (("state", "connection", "priority", "id"), False),
            (("state", "due_at"), False),
            (("customer_id", "id"), False),
            (("customer_id", "purpose", "began_at"), False),
            (("lane", "id"), False),
            (("cause_kind", "cause_id", "id"), False),
            (("ended_at",), False),
        )


Message.add_index(Message.index(Message.template, name="message_by_template"))
Message.add_index(
    Message.index(Message.provider_id, name="message_by_provider", where=Message.provider_id.is_null(False))
)
Message.add_index(Message.index(Message.address, name="message_by_address", where=Message.address != ""))


class MessageAttempt(Model):
    """One try: made before the provider is asked, ended by what it answered. Without an end the process died meanwhile."""

    message_id = pw.IntegerField()
    number = pw.IntegerField()
    connection = pw.TextField(default="")
    address = pw.TextField(default="")
    began_at = pw.BigIntegerField()
    ended_at = pw.BigIntegerField(null=True)
    state = pw.TextField(null=True)
    """delivered, failed, retry or unknown; a person's answer is ``arrived`` or ``lost``."""
    provider_id = pw.TextField(null=True)
    error = pw.TextField(null=True)
    cost = pw.IntegerField(default=0)

    class Meta:
        table_name = "message_attempt"
        indexes = (
            (("message_id", "number"), True),
            (("connection", "began_at"), False),
            (("connection", "address", "began_at"), False),
        )


class MessageSpend(Model):
    """What a month's messages cost, in hundredths of a fen. ``month``: ``2026-11`` in the company's zone."""

    month = pw.TextField()
    via = pw.TextField()
    connection = pw.TextField(default="")
    count = pw.IntegerField(default=0)
    cost = pw.BigIntegerField(default=0)

    class Meta:
        table_name = "message_spend"
        primary_key = pw.CompositeKey("month", "via", "connection")


class MessagePolicy(Model):
    """One row: what the company allows (``policy.Policy`` opens it)."""

    config = JSONField(default=dict)

    class Meta:
        table_name = "message_policy"


class MessageBlock(Model):
    """An address that gets nothing (``all``) or no advertising (``marketing``) by one way any more."""

    via = pw.TextField()
    address = pw.TextField()
    scope = pw.TextField(default="all")
    why = pw.TextField(default="")
    """unsubscribed, blacklist or bounced."""
    at = pw.BigIntegerField()
    actor_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "message_block"
        indexes = ((("via", "address"), True),)


class MessageTemplate(Model):
    """A text that is used again and again (``templates.Template`` opens the definition)."""

    key = pw.TextField(unique=True)
    label = JSONField()
    definition = JSONField()
    enabled = pw.BooleanField(default=True)
    version = pw.IntegerField(default=1)
    updated_at = pw.BigIntegerField()
    updated_by = pw.IntegerField(null=True)
    deleted_at = pw.BigIntegerField(null=True)

    class Meta:
        table_name = "message_template"


class MessageTemplateVersion(Model):
    """What a template was, each time it was saved."""

    template = pw.ForeignKeyField(MessageTemplate, backref="versions", on_delete="CASCADE")
    version = pw.IntegerField()
    label = JSONField()
    definition = JSONField()
    at = pw.BigIntegerField()
    actor_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "message_template_version"
        indexes = ((("template", "version"), True),)


TABLES = [
    Message, MessageAttempt, MessageSpend, MessagePolicy, MessageBlock, MessageTemplate, MessageTemplateVersion,
]  # fmt: skip
