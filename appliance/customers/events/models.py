"""Tables of events: what happened, and the kinds of it that the company knows."""

from __future__ import annotations

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField, RisingKey


class EventType(Model):
    """A kind of event. ``counts_as``: ``interaction`` or ``watch`` when it makes up those figures of a customer."""

    key = pw.TextField(unique=True)
    label = JSONField()
    icon = pw.TextField(default="point")
    counts_as = pw.TextField(null=True)
    position = pw.IntegerField(default=0)
    system = pw.BooleanField(default=False)
    deleted_at = pw.IntegerField(null=True)
    """Set when no more of it is taken; events of the kind that are there keep their name."""

    class Meta:
        table_name = "event_type"


class Event(Model):
    """Something a customer did on a channel. Rows are added, and taken away only by what takes their cause back."""

    id = RisingKey()
    connection = pw.TextField(default="")
    """The key of the connection it came through."""
    external_id = pw.TextField(null=True)
    customer_id = pw.IntegerField()
    type = pw.TextField()
    at = pw.IntegerField()
    """When it happened, however late it came."""
    seconds = pw.IntegerField(null=True)
    live_session_id = pw.IntegerField(null=True)
    session_ref = pw.TextField(null=True)
    """The outside number of the session as the event named it, known here or not (yet)."""
    channel = pw.TextField(null=True)
    host = pw.TextField(null=True)
    props = JSONField(null=True)
    received_at = pw.IntegerField()
    times = pw.IntegerField(default=1)
    """How often it happened: a platform's summary says "37 likes"."""
    entry_id = pw.IntegerField(null=True)
    """The entry (a record of the form ``event``) that tells of it: it changes and goes with that."""

    class Meta:
        table_name = "event"
        indexes = (
            # Both hold all that figures and conditions ask: of some customers, and of everybody within a time.
            (("customer_id", "at", "type", "seconds", "times"), False),
            (("at", "type", "customer_id", "seconds", "times"), False),
        )


Event.add_index(
    Event.index(
        Event.connection, Event.external_id, unique=True, where=Event.external_id.is_null(False), name="u_event"
    )
)
Event.add_index(
    Event.index(
        Event.live_session_id, Event.customer_id, where=Event.live_session_id.is_null(False), name="x_event_session"
    )
)
Event.add_index(Event.index(Event.session_ref, where=Event.session_ref.is_null(False), name="x_event_session_ref"))
Event.add_index(Event.index(Event.entry_id, where=Event.entry_id.is_null(False), name="x_event_entry"))


class EventMove(Model):
    """An event that went along when its customer was merged into another: taking the merge back returns it."""

    merge_id = pw.IntegerField()
    event_id = pw.IntegerField()

    class Meta:
        table_name = "event_move"
        primary_key = pw.CompositeKey("merge_id", "event_id")


TABLES = [EventType, Event, EventMove]
