"""Whose loyalty a record is about: the customer itself, or the customer that it names."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import dialect
from ..core.db import db
from ..forms.catalog import Form


def customer_field(form: Form) -> str | None:
    """The relation that names the customer of a form's records: ``customer``, else the first to a customer; for customers
    themselves ``id``."""
    if form.key == "customer":
        return "id"
    found = [key for key, f in form.columns.items() if f.type == "relation" and f.options.get("form") == "customer"]
    return "customer" if "customer" in found else (found[0] if found else None)


def customers(form: Form, ids: Sequence[int]) -> dict[int, int]:
    """Record id → customer, of the records that name one."""
    key = customer_field(form)
    if key is None:
        return {}
    if key == "id":
        return {i: i for i in ids}
    rows = form.table.select(form.col("id"), form.col(key)).where(dialect.among(form.col("id"), ids))
    return {i: customer for i, customer in rows.tuples().execute(db) if customer is not None}
