"""Tables of the loyalty room: the ledger of points, the levels customers had."""

from __future__ import annotations

import peewee as pw

from ..core.db import Model


class PointsEntry(Model):
    """One line of a customer's points. The balance is the sum of ``points``; lines are added, never changed, but for what
    they keep about themselves from ``stands`` on.

    ``kind``: earned, spent, adjusted, taken_back, given_back, expired.
    """

    customer_id = pw.IntegerField()
    points = pw.IntegerField()
    kind = pw.TextField()
    reason = pw.TextField(default="")
    at = pw.IntegerField()
    expires_at = pw.IntegerField(null=True)
    of: pw.Field = pw.IntegerField(null=True, index=True)
    """The entry that this line takes back, gives back or lets expire."""
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)
    actor_id = pw.IntegerField(null=True)
    form = pw.TextField(null=True)
    """With ``record_id``: the record that it was for (an order), by which it stands or falls."""
    record_id = pw.IntegerField(null=True)
    basis = pw.IntegerField(null=True)
    """What the order was worth then, in fen; a refund takes back in proportion."""
    key = pw.TextField(null=True, unique=True)
    """Names one effect for ever: doing it twice is doing it once."""
    stands = pw.IntegerField(default=0)
    """How many of ``points`` its cause still justifies."""
    expired = pw.IntegerField(default=0)
    waived = pw.IntegerField(default=0)
    """What should have been taken back but was not there to take (the company's balances do not go below zero)."""
    undone = pw.BooleanField(default=False)
    """A person took its cause back: it stays gone whatever becomes of the record."""
    closed = pw.BooleanField(default=False)
    """Its expiry is done."""

    class Meta:
        table_name = "points_entry"
        indexes = ((("customer_id", "id"), False), (("form", "record_id"), False))


PointsEntry.add_index(PointsEntry.cause_kind, PointsEntry.cause_id, where=PointsEntry.cause_id.is_null(False))
PointsEntry.add_index(
    PointsEntry.expires_at,
    where=PointsEntry.expires_at.is_null(False) & (PointsEntry.closed == False),  # noqa: E712
)


class LevelMove(Model):
    """A customer's level became another, by whatever way."""

    customer_id = pw.IntegerField()
    at = pw.IntegerField()
    old = pw.TextField(null=True)
    new = pw.TextField(null=True)
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)
    actor_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "level_move"
        indexes = ((("customer_id", "id"), False),)


class LevelTerm(Model):
    """A level that was given for a while: when it ends, the customer gets ``after`` if they still hold ``level``."""

    customer_id = pw.IntegerField(primary_key=True)
    level = pw.TextField()
    after = pw.TextField(null=True)
    until = pw.IntegerField(index=True)
    cause_kind = pw.TextField()
    cause_id = pw.IntegerField(null=True)

    class Meta:
        table_name = "level_term"


TABLES = [PointsEntry, LevelMove, LevelTerm]
