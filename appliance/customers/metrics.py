"""The figures of a customer's orders (CONTRACT section 6), kept in step inside the transaction that changes an order.

A *paid order* has ``paid_at`` and is not cancelled; its value is amount − refunded. One statement computes the figures of
any number of customers, so an order taken back (refund, cancellation, deletion, undone import) takes its share with it.
"""

from __future__ import annotations

from typing import Any

import peewee
from peewee import Case, fn

from ..core import dialect, schema
from ..core.db import db
from ..forms import catalog, records
from ..forms.catalog import Form
from ..forms.hooks import Batch, after_write
from . import touched
from .builtin import ORDER

FIELDS = ("first_paid_at", "last_paid_at", "order_count", "total_paid", "average_order", "refund_rate")
LOOKED_AT = frozenset({"customer", "paid_at", "status", "amount", "refunded"})
"""Fields of an order that the figures depend on."""
CANCELLED = "cancelled"


@schema.seed
def index() -> None:
    """All that the figures need stands in one index: the orders themselves are never read."""
    # deleted_at is a column of it and not its WHERE: SQLite reads the row to test what a partial index implies.
    on = ["customer", "paid_at", "status", "amount", "refunded", "deleted_at"]
    dialect.create_index(db, "x_order__figures", f"f_{ORDER['key']}", on)


def paid(order: Form, source: Any = None) -> Any:
    """An expression: a live paid order."""
    return (
        order.col("deleted_at", source).is_null()
        & order.col("paid_at", source).is_null(False)
        & (fn.COALESCE(order.col("status", source), "") != CANCELLED)
    )


def value(order: Form, source: Any = None) -> Any:
    """An expression: what an order is worth, in fen."""
    return fn.COALESCE(order.col("amount", source), 0) - fn.COALESCE(order.col("refunded", source), 0)


def recompute(which: Any) -> int:
    """Computes the figures of customers anew. ``which``: makes a test of the id column it is given. Returns how many changed."""
    customer, order = catalog.get("customer"), catalog.get("order")
    sums = _sums(customer, order, which).alias("sums")
    found = {key: peewee.Column(sums, key) for key in FIELDS}
    changed: Any = None
    for key, column in found.items():
        test = dialect.differs(customer.col(key), column)
        changed = test if changed is None else changed | test
    return records.write_derived(customer, found, (customer.col("id") == peewee.Column(sums, "id")) & changed, sums)


def _sums(customer: Form, order: Form, which: Any) -> Any:
    c, o = customer.table.alias("c"), order.table.alias("o")
    cid = customer.col("id", c)
    paid_at = order.col("paid_at", o)
    count = fn.COUNT(paid_at)
    total = fn.COALESCE(fn.SUM(value(order, o)), 0)
    amount = fn.SUM(fn.COALESCE(order.col("amount", o), 0))
    refunded = fn.SUM(fn.COALESCE(order.col("refunded", o), 0))
    source = peewee.Join(c, o, peewee.JOIN.LEFT_OUTER, on=(order.col("customer", o) == cid) & paid(order, o))
    # Sums have no row of an order to add up when there is none: COUNT over paid_at is then 0.
    return (
        peewee.Select(
            [source],
            [
                cid.alias("id"),
                fn.MIN(paid_at).alias("first_paid_at"),
                fn.MAX(paid_at).alias("last_paid_at"),
                count.alias("order_count"),
                Case(None, [(count > 0, total)], 0).alias("total_paid"),
                Case(None, [(count > 0, (total * 2 + count) / (count * 2))], None).alias("average_order"),
                Case(None, [((count > 0) & (amount > 0), (refunded * 20_000 + amount) / (amount * 2))], None).alias(
                    "refund_rate"
                ),
            ],
        )
        .where(which(cid))
        .group_by(cid)
    )


@after_write("order")
def orders_written(batch: Batch) -> None:
    """After orders were written: the figures of their customers, the old ones and the new ones."""
    if batch.action == "update" and not batch.fields & LOOKED_AT:
        return
    order = batch.form
    mine = (
        order.col("id").between(batch.ids[0], batch.ids[-1])
        if batch.action == "create"
        else dialect.among(order.col("id"), batch.ids)
    )
    rows = order.table.select(order.col("customer")).where(mine, order.col("customer").is_null(False)).distinct()
    ids = {row[0] for row in rows.tuples().execute(db)}
    ids |= {row["customer"] for row in batch.before.values() if row["customer"] is not None}
    if ids:
        recompute(lambda column: dialect.among(column, ids))
        touched.mark(ids)


@after_write("customer")
def customers_written(batch: Batch) -> None:
    """A customer who goes leaves the scored, one who comes back joins them."""
    if batch.action in ("delete", "restore"):
        touched.mark(batch.ids)
