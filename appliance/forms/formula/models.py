"""Tables of the formula engine."""

from __future__ import annotations

import peewee as pw

from ...core.db import Model


class NumberCounter(Model):
    """The next automatic number of a field in one period (``""``: it never begins anew)."""

    form_id = pw.IntegerField()
    field_key = pw.TextField()
    period = pw.TextField()
    next = pw.IntegerField()

    class Meta:
        table_name = "number_counter"
        primary_key = pw.CompositeKey("form_id", "field_key", "period")


class ComputedState(Model):
    """By which definition a field's existing records were computed last; without a row they were not yet."""

    form_id = pw.IntegerField()
    field_key = pw.TextField()
    signature = pw.TextField()

    class Meta:
        table_name = "computed_state"
        primary_key = pw.CompositeKey("form_id", "field_key")


TABLES = [NumberCounter, ComputedState]
