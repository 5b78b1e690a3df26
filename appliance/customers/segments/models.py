"""Tables of segments: definitions, who is in, who came and went, and what is still to be asked again."""

from __future__ import annotations

import peewee as pw

from ...core.db import Model
from ...core.dialect import JSONField, RisingKey


class SegmentRow(Model):
    """One segment; ``store.Segment`` opens it."""

    key = pw.TextField(unique=True)
    label = JSONField()
    description = JSONField(default="")
    kind = pw.TextField()
    """condition, set or static."""
    definition = JSONField(default=dict)
    """The condition, or the set expression; nothing for a static list."""
    enabled = pw.BooleanField(default=True)
    system = pw.BooleanField(default=False)
    tag_id = pw.IntegerField(null=True, unique=True)
    """The dynamic tag whose own condition it is; such a segment is not listed."""
    version = pw.IntegerField(default=1)
    size = pw.IntegerField(default=0)
    """How many customers are in it."""
    built_at = pw.IntegerField(null=True)
    """When all customers were first asked about; until then its members are no news."""
    moved_at = pw.IntegerField(null=True)
    position = pw.IntegerField(default=0)
    created_at = pw.IntegerField()
    updated_at = pw.IntegerField()
    updated_by = pw.IntegerField(null=True)
    deleted_at = pw.IntegerField(null=True)

    class Meta:
        table_name = "segment"


class SegmentMember(Model):
    segment_id = pw.IntegerField()
    customer_id = pw.IntegerField()
    since = pw.IntegerField()

    class Meta:
        table_name = "segment_member"
        primary_key = pw.CompositeKey("segment_id", "customer_id")
        indexes = ((("customer_id",), False),)
        without_rowid = True


class SegmentMove(Model):
    """A customer came into a segment or left it. Rows are only added, ids rise."""

    id = RisingKey()
    segment_id = pw.IntegerField()
    customer_id = pw.IntegerField(index=True)
    joined = pw.BooleanField()
    at = pw.IntegerField()
    depth = pw.IntegerField(default=0)
    """How many rules and dynamic tags led to it, one by another."""

    class Meta:
        table_name = "segment_move"
        indexes = ((("segment_id", "id"), False),)


class SegmentDay(Model):
    """How many were in a segment at the end of a day (``YYYY-MM-DD`` of the company), and how many came and went on it."""

    segment_id = pw.IntegerField()
    day = pw.TextField()
    size = pw.IntegerField()
    joined = pw.IntegerField(default=0)
    left = pw.IntegerField(default=0)

    class Meta:
        table_name = "segment_day"
        primary_key = pw.CompositeKey("segment_id", "day")


class SegmentChosen(Model):
    """Who was put into a static list. Who of them is not deleted is a member."""

    segment_id = pw.IntegerField()
    customer_id = pw.IntegerField(index=True)
    at = pw.IntegerField()
    by = pw.IntegerField(null=True)

    class Meta:
        table_name = "segment_chosen"
        primary_key = pw.CompositeKey("segment_id", "customer_id")
        without_rowid = True


class Touch(Model):
    """One write: which customers it touched, and whose answers may be other since. Gone once they were asked again."""

    subjects = JSONField()
    """Numbers of ``subjects.Subject``."""
    customers = JSONField()
    depth = pw.IntegerField(default=0)

    class Meta:
        table_name = "segment_touch"


class NextLook(Model):
    """When a customer must be asked about again though nobody writes anything. ``subject``: a ``subjects.Subject`` number."""

    subject = pw.IntegerField()
    customer_id = pw.IntegerField(index=True)
    at = pw.IntegerField()

    class Meta:
        table_name = "segment_look"
        primary_key = pw.CompositeKey("subject", "customer_id")
        indexes = ((("at",), False),)
        without_rowid = True


class DynamicTag(Model):
    """A tag that follows a segment: given to who comes in, taken from who leaves."""

    tag_id = pw.IntegerField(primary_key=True)
    segment_id = pw.IntegerField(index=True)

    class Meta:
        table_name = "dynamic_tag"


TABLES = [
    SegmentRow, SegmentMember, SegmentMove, SegmentDay, SegmentChosen, Touch, NextLook, DynamicTag,
]  # fmt: skip
