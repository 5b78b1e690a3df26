"""The category that a customer has spent most on, kept in ``favourite_category`` so that conditions can ask for it, and tags of
it where the company wants them.

Whoever's orders or items change is noted; a job soon computes a few thousand customers a statement.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import peewee
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from peewee import fn

from ..accounts.actor import SYSTEM
from ..core import clock, dialect, jobs, schema, settings
from ..core.db import PARAM, db, executemany, read, write
from ..core.jobs import Job
from ..forms import catalog, causes, records
from ..forms.hooks import Batch, Cause, after_write
from . import metrics, tagging, tags
from .models import FavouriteTouched, Tag, TagGroup

FIELD = "favourite_category"
JOB = "customers.favourites"
BATCH = 2_000
REST = 20
"""Seconds from the first change to the job: a stream of orders is one piece of work."""
GROUP = "favourite_category"
PREFIX = "偏好·"
MOST = 60
"""Tags of categories at most: the commonest ones."""
SETTING = "customers.favourite_tags"
CAUSE = Cause("favourite")

settings.declare(SETTING, False, _l("按购买类目自动打偏好标签"), "boolean")
causes.label(CAUSE.kind, _l("偏好类目"))

LOOKED_AT = frozenset({"customer", "paid_at", "status"})
ITEM_LOOKED_AT = frozenset({"order", "category", "product", "amount"})

_mark = FavouriteTouched.insert_many([(PARAM,)], fields=[FavouriteTouched.customer_id])


def touch(ids: Collection[int]) -> None:
    """Notes customers and asks for the job. Only inside ``write()``."""
    executemany(_mark, [(i,) for i in ids])
    _ask()


def _ask() -> None:
    jobs.enqueue(JOB, {}, due_at=clock.now() + REST, unique=JOB)


@after_write("order_item")
def items_written(batch: Batch) -> None:
    """The customers of the orders that these items belong to, or belonged to."""
    if batch.action == "update" and not batch.fields & ITEM_LOOKED_AT:
        return
    item, order = batch.form, catalog.get("order")
    rows = item.table.select(item.col("order")).where(dialect.among(item.col("id"), batch.ids)).tuples().execute(db)
    orders: set[Any] = {row[0] for row in rows} | {row.get("order") for row in batch.before.values()}
    _touch_orders(order, orders - {None})


@after_write("order")
def orders_written(batch: Batch) -> None:
    """A new order has no items yet; what changes is told by what its items belong to."""
    if batch.action == "create" or (batch.action == "update" and not batch.fields & LOOKED_AT):
        return
    before: set[Any] = {row.get("customer") for row in batch.before.values()} - {None}
    if before:
        touch(before)
    _touch_orders(batch.form, set(batch.ids))


@after_write("product")
def products_written(batch: Batch) -> None:
    """Items without a category of their own have that of the product."""
    if batch.action != "update" or "category" not in batch.fields:
        return
    item, order = catalog.get("order_item"), catalog.get("order")
    rows = (
        peewee.Select([order.table], [order.col("customer")])
        .join(item.table, on=(item.col("order") == order.col("id")))
        .where(dialect.among(item.col("product"), batch.ids), order.col("customer").is_null(False))
        .distinct()
    )
    FavouriteTouched.insert_from(rows, fields=[FavouriteTouched.customer_id]).execute()
    _ask()


def _touch_orders(order: Any, ids: set[int]) -> None:
    if not ids:
        return
    rows = order.table.select(order.col("customer")).where(
        dialect.among(order.col("id"), list(ids)), order.col("customer").is_null(False)
    )
    if found := {row[0] for row in rows.distinct().tuples().execute(db)}:
        touch(found)


@schema.seed
def begin() -> None:
    """A database that had orders before there was this field: everybody is looked at once."""
    customer, item = catalog.get("customer"), catalog.all_forms().get("order_item")
    if item is None or FIELD not in customer.fields:
        return
    one = peewee.Value(1)
    known = customer.table.select(one).where(customer.col(FIELD).is_null(False)).limit(1).scalar(db)
    if not known and item.table.select(one).limit(1).scalar(db):
        FavouriteTouched.insert_from(
            customer.table.select(customer.col("id")), fields=[FavouriteTouched.customer_id]
        ).execute()
        _ask()


# -- computing ----------------------------------------------------------------------------------------------------------


@jobs.handler(JOB, label=_l("计算偏好类目"))
def settle(job: Job) -> dict[str, int]:
    """Computes those who were noted, a batch a transaction, and renews their tags. Stopped anywhere it goes on."""
    changed = done = 0
    while True:
        with read():
            rows = FavouriteTouched.select(FavouriteTouched.customer_id).distinct().limit(BATCH).tuples()
            ids = [row[0] for row in rows]
        if not ids:
            return {"favourites": changed}
        with write():
            changed += recompute(ids)
            FavouriteTouched.delete().where(dialect.among(FavouriteTouched.customer_id, ids)).execute()
        if settings.get(SETTING):
            keep_tags(ids)
        done += len(ids)
        job.progress(done)


def recompute(ids: Collection[int]) -> int:
    """Computes the favourite category of customers. Returns how many changed. Only inside ``write()``."""
    customer = catalog.get("customer")
    best = _best(ids).alias("best")
    category = peewee.Column(best, "category")
    where = (customer.col("id") == peewee.Column(best, "id")) & dialect.differs(customer.col(FIELD), category)
    return records.write_derived(customer, {FIELD: category}, where, best)


def _best(ids: Collection[int]) -> Any:
    """``(id, category)`` of each customer: what most was spent on, by name among equals; NULL when nothing was bought."""
    customer, order, item, product = (catalog.get(key) for key in ("customer", "order", "order_item", "product"))
    c, o, i, p = (form.table.alias(name) for form, name in ((customer, "c"), (order, "o"), (item, "i"), (product, "p")))
    category = fn.COALESCE(item.col("category", i), product.col("category", p))
    source = peewee.Join(o, i, on=(item.col("order", i) == order.col("id", o)) & item.col("deleted_at", i).is_null())
    source = peewee.Join(source, p, peewee.JOIN.LEFT_OUTER, on=product.col("id", p) == item.col("product", i))
    spent = fn.SUM(fn.COALESCE(item.col("amount", i), 0))
    who = order.col("customer", o)
    place = fn.ROW_NUMBER().over(partition_by=[who], order_by=[spent.desc(), category])
    ranked = (
        peewee.Select([source], [who.alias("id"), category.alias("category"), place.alias("place")])
        .where(dialect.among(who, ids), metrics.paid(order, o), category.is_null(False))
        .group_by(who, category)
        .alias("ranked")
    )
    joined = peewee.Join(
        c, ranked, peewee.JOIN.LEFT_OUTER,
        on=(peewee.Column(ranked, "id") == customer.col("id", c)) & (peewee.Column(ranked, "place") == 1),
    )  # fmt: skip
    cid = customer.col("id", c)
    return peewee.Select([joined], [cid.alias("id"), peewee.Column(ranked, "category").alias("category")]).where(
        dialect.among(cid, ids)
    )


# -- tags ---------------------------------------------------------------------------------------------------------------


def counts() -> list[tuple[str, int]]:
    """The commonest favourite categories and how many customers have each."""
    customer = catalog.get("customer")
    category = customer.col(FIELD)
    count = fn.COUNT(peewee.SQL("*"))
    with read():
        rows = (
            customer.table.select(category, count)
            .where(category.is_null(False), customer.col("deleted_at").is_null())
            .group_by(category)
            .order_by(count.desc(), category)
            .limit(MOST)
        )
        return list(rows.tuples().execute(db))


class Preview(Struct, frozen=True):
    """What switching the tags on would do: ``(tag, customers)`` of the commonest, and how many customers in all."""

    tags: list[tuple[str, int]]
    customers: int


def preview() -> Preview:
    found = counts()
    return Preview([(name_of(category), count) for category, count in found], sum(count for _category, count in found))


def name_of(category: str) -> str:
    """The tag of a category."""
    plain = "".join(" " if ch in ",，、;；|" else ch for ch in category)
    return tags.clean_name(f"{PREFIX}{plain}"[: tags.MAX_NAME])


def keep_tags(ids: Collection[int] | None = None) -> int:
    """Makes customers (all, or those of ``ids``) hold the tag of their favourite category. Returns how many changed."""
    by_category = _tag_ids()
    customer = catalog.get("customer")
    whens = [(name, tag_id) for name, tag_id in by_category.items()]
    tag = peewee.Case(customer.col(FIELD), whens, None) if whens else peewee.Value(None)
    source = customer.table.select(customer.col("id"), tag.alias("tag_id")).where(customer.col("deleted_at").is_null())
    if ids is not None:
        source = source.where(dialect.among(customer.col("id"), ids))
    return tagging.assign_exclusive(GROUP, source, SYSTEM, CAUSE)


def _tag_ids() -> dict[str, int]:
    """Category → its tag, which is made when it is not there; one that somebody deleted stays away."""
    found = {category: name_of(category) for category, _count in counts()}
    with write():
        if TagGroup.get_or_none(TagGroup.key == GROUP) is None:
            tags.install_group(
                {
                    "key": GROUP,
                    "label": {"zh": "偏好类目", "en": "Favourite category"},
                    "exclusive": True,
                    "color": "cyan",
                }
            )
        gone = {name for (name,) in Tag.select(Tag.name).where(Tag.deleted_at.is_null(False)).tuples()}
        known = tags.ids_of(found.values())
        for name in dict.fromkeys(found.values()):
            if name not in known and name not in gone:
                known[name] = tags.create(name, group=GROUP).id
    return {category: known[name] for category, name in found.items() if name in known}


@jobs.handler("customers.favourite_tags", label=_l("按购买类目打标签"))
def tag_everybody(job: Job) -> dict[str, int]:
    return {"tags": keep_tags()} if settings.get(SETTING) else {"tags": 0}


def _switched(on: Any) -> None:
    if on:
        jobs.enqueue("customers.favourite_tags", {}, unique="customers.favourite_tags")


settings.on_change(SETTING, _switched)
