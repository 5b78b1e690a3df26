"""Tables of selling: who owned what and when, the terms of the pool, and moments at which people are reminded."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model
from ..core.dialect import JSONField


class Ownership(Model):
    """One stretch of time in which somebody owned a lead or a customer; the open one (``to_at`` null) also keeps the clock
    by which the record goes back to the pool."""

    form_id = pw.IntegerField()
    record_id = pw.IntegerField()
    owner_id = pw.IntegerField()
    from_at = pw.IntegerField()
    to_at = pw.IntegerField(null=True)
    how = pw.TextField()
    """How it began: a key of ``ownership.HOW``."""
    ended = pw.TextField(null=True)
    """How it ended: the same keys, or returned, expired, deleted."""
    reason = pw.TextField(default="")
    """Why it ended, in a person's words."""
    by = pw.IntegerField(null=True)
    """Who gave it to the owner."""
    touched_at = pw.IntegerField()
    """The last follow-up, else when it began."""
    deal_at = pw.IntegerField(null=True)
    warned_at = pw.IntegerField(null=True)
    told_at = pw.IntegerField(null=True)
    """When the owner's manager was told that nobody follows up."""
    next_at = pw.IntegerField(null=True)
    """When it must be looked at again, never later than anything can be due; null: nothing is ever due."""

    class Meta:
        table_name = "ownership"
        indexes = ((("form_id", "record_id"), False), (("owner_id", "from_at"), False))


Ownership.add_index(
    Ownership.next_at, where=Ownership.next_at.is_null(False), name="i_ownership_next"
)  # fmt: skip


class PoolTerms(Model):
    """The terms of a form's pool, for the company (department 0) or as a department has them."""

    form_key = pw.TextField()
    department_id = pw.IntegerField(default=0)
    doc = JSONField()
    updated_at = pw.IntegerField()
    updated_by = pw.IntegerField(null=True)

    class Meta:
        table_name = "pool_terms"
        primary_key = pw.CompositeKey("form_key", "department_id")


class Reminder(Model):
    """A moment at which somebody is told about a record. ``kind``: remind, late (the manager is told) or digest, which is
    about no record (form 0) but about the day of the person ``record_id``."""

    form_id = pw.IntegerField()
    record_id = pw.IntegerField()
    kind = pw.TextField()
    user_id = pw.IntegerField()
    due_at = pw.IntegerField()
    sent_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "reminder"
        indexes = ((("form_id", "record_id", "kind"), True),)


Reminder.add_index(Reminder.due_at, where=Reminder.sent_at.is_null(), name="i_reminder_due")


class ReminderChoice(Model):
    """How a person wants to be reminded."""

    user_id = pw.IntegerField(primary_key=True)
    doc = JSONField()

    class Meta:
        table_name = "reminder_choice"


TABLES = [Ownership, PoolTerms, Reminder, ReminderChoice]


class ScoreEntry(Model):
    """Points that a lead was given, and how they fade. The lead's score is the sum of what is left of them."""

    lead_id = pw.IntegerField()
    points = pw.IntegerField()
    reason = pw.TextField(default="")
    at = pw.IntegerField()
    fade = pw.TextField()
    """none, half_life or linear."""
    days = pw.IntegerField(default=0)
    """The half-life, or the days until nothing is left."""
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)
    actor_id = pw.IntegerField(null=True)
    key = pw.TextField(null=True, unique=True)
    undone = pw.BooleanField(default=False)

    class Meta:
        table_name = "score_entry"
        indexes = ((("lead_id", "id"), False),)


ScoreEntry.add_index(ScoreEntry.cause_kind, ScoreEntry.cause_id, where=ScoreEntry.cause_id.is_null(False))


class ScoreDue(Model):
    """The next moment at which a lead's score is another by fading alone: only then it is looked at."""

    lead_id = pw.IntegerField(primary_key=True)
    next_at = pw.IntegerField(index=True)

    class Meta:
        table_name = "score_due"


TABLES += [ScoreEntry, ScoreDue]
