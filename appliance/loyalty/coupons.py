"""Coupons: issued within stock and limits, used by the order that names the code, given back when that order falls, expired."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from peewee import Case, fn

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, jobs, schema, settings
from ..core.db import db, write
from ..core.jobs import Job
from ..forms import catalog, records, reversing
from ..forms.catalog import Form
from ..forms.hooks import Batch, Cause, Draft, after_write, before_write
from ..messaging import texts
from . import whose

COUPON, HELD, ORDER = "coupon", "customer_coupon", "order"
ISSUED, USED, EXPIRED, REVOKED = "issued", "used", "expired", "revoked"
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without what is mistaken for another when read aloud or typed."""
LENGTH = 10
BATCH = 500
GONE = ("cancelled", "closed", "refunded")
"""Orders in these states have used nothing."""
_CODES = re.compile(r"[\s,，、;；|]+")


class Coupon(Struct, frozen=True):
    """What issuing needs of a coupon. ``left``: how many there still are; ``None``: no limit."""

    id: int
    name: str
    active: bool
    left: int | None
    per_customer: int | None
    valid_days: int | None
    starts_on: str | None
    ends_on: str | None

    def refusal(self, today: dt.date) -> str | None:
        """Why none is issued at all now."""
        if not self.active:
            return _("「%(coupon)s」已停止发放。", coupon=self.name)
        if self.starts_on and today.isoformat() < self.starts_on:
            return _("「%(coupon)s」还没到开始日期。", coupon=self.name)
        if self.ends_on and today.isoformat() > self.ends_on:
            return _("「%(coupon)s」已经过了截止日期。", coupon=self.name)
        return None

    def expires_at(self, now: int) -> int | None:
        """The end of the last day on which one that is issued now is good."""
        tz, days = settings.tz(), []
        if self.valid_days:
            days.append(clock.local(now, tz).date() + dt.timedelta(days=self.valid_days))
        if self.ends_on:
            days.append(dt.date.fromisoformat(self.ends_on) + dt.timedelta(days=1))
        return clock.start_of(min(days), tz) if days else None


def find(named: Any) -> int | None:
    """The coupon of that key, else the one of that name."""
    form = catalog.get(COUPON)
    for key in ("key", "name"):
        rows = form.table.select(form.col("id")).where(form.col(key) == str(named), form.col("deleted_at").is_null())
        found = [i for (i,) in rows.limit(2).tuples().execute(db)]
        if len(found) == 1:
            return int(found[0])
    return None


def choices() -> list[tuple[str, str]]:
    """What the inputs offer: key (else name) and name of the coupons that may be issued."""
    form = catalog.get(COUPON)
    rows = form.table.select(form.col("key"), form.col("name")).where(
        form.col("deleted_at").is_null(), fn.COALESCE(form.col("active"), 1) == 1
    )
    return [(key or name, name) for key, name in rows.order_by(form.col("id")).limit(500).tuples().execute(db)]


def load(ids: Collection[int]) -> dict[int, Coupon]:
    form = catalog.get(COUPON)
    names = ["id", "name", "active", "stock", "per_customer", "valid_days", "starts_on", "ends_on"]
    rows = form.table.select(*[form.col(name) for name in names]).where(
        dialect.among(form.col("id"), list(ids)), form.col("deleted_at").is_null()
    )
    issued, out = _issued(ids), {}
    for coupon_id, name, active, stock, per_customer, days, starts, ends in rows.tuples().execute(db):
        left = None if stock is None else max(0, stock - issued.get(coupon_id, 0))
        out[coupon_id] = Coupon(coupon_id, name, active in (None, 1, True), left, per_customer, days, starts, ends)
    return out


def _issued(coupons: Collection[int]) -> dict[int, int]:
    form = catalog.get(HELD)
    rows = form.table.select(form.col("coupon"), fn.COUNT(form.col("id"))).where(
        dialect.among(form.col("coupon"), list(coupons)),
        form.col("deleted_at").is_null(),
        form.col("status") != REVOKED,
    )
    return dict(rows.group_by(form.col("coupon")).tuples().execute(db))


def refusals(wanted: Sequence[tuple[int, int]]) -> dict[int, str]:
    """Which of ``(customer, coupon)``, taken in order, cannot be issued now: place → sentence."""
    found = load({coupon for _customer, coupon in wanted})
    held = _held(wanted, found)
    today, out = clock.today(settings.tz()), {}
    left = {i: c.left for i, c in found.items()}
    closed = {i: c.refusal(today) for i, c in found.items()}
    for n, (customer, coupon_id) in enumerate(wanted):
        coupon = found.get(coupon_id)
        if coupon is None:
            out[n] = _("没有这张优惠券。")
        elif closed[coupon_id]:
            out[n] = str(closed[coupon_id])
        elif left[coupon_id] == 0:
            out[n] = _("「%(coupon)s」已经发完了。", coupon=coupon.name)
        elif coupon.per_customer is not None and held[customer, coupon_id] >= coupon.per_customer:
            out[n] = _("已经领过 %(count)d 张「%(coupon)s」了。", count=held[customer, coupon_id], coupon=coupon.name)
        else:
            held[customer, coupon_id] += 1
            if (rest := left[coupon_id]) is not None:
                left[coupon_id] = rest - 1
    return out


def _held(wanted: Sequence[tuple[int, int]], coupons: Collection[int]) -> Counter[tuple[int, int]]:
    form = catalog.get(HELD)
    rows = (
        form.table.select(form.col("customer"), form.col("coupon"), fn.COUNT(form.col("id")))
        .where(
            dialect.among(form.col("customer"), [customer for customer, _coupon in wanted]),
            dialect.among(form.col("coupon"), list(coupons)),
            form.col("deleted_at").is_null(),
            form.col("status") != REVOKED,
        )
        .group_by(form.col("customer"), form.col("coupon"))
    )
    return Counter({(customer, coupon): n for customer, coupon, n in rows.tuples().execute(db)})


# -- what follows from what is written ----------------------------------------------------------------------------------


@before_write(HELD)
def complete(draft: Draft) -> None:
    """A new one gets its code, its time and its end; what stock and limits do not allow is refused."""
    if draft.action != "create":
        return
    size = draft.size
    columns = {key: draft.columns.setdefault(key, [None] * size) for key in ("code", "issued_at", "expires_at")}
    customers, coupons = draft.columns.get("customer", []), draft.columns.get("coupon", [])
    places = [
        i for i in range(size)
        if i not in draft.errors and customers and coupons and isinstance(customers[i], int) and isinstance(coupons[i], int)
    ]  # fmt: skip
    for n, why in refusals([(customers[i], coupons[i]) for i in places]).items():
        draft.fail(places[n], COUPON, why)
    known, now = load({coupons[i] for i in places}), clock.now()
    for i in range(size):
        if columns["code"][i] is None:
            columns["code"][i] = "".join(secrets.choice(ALPHABET) for _place in range(LENGTH))
        if columns["issued_at"][i] is None:
            columns["issued_at"][i] = now
        coupon = known.get(coupons[i]) if coupons else None
        if columns["expires_at"][i] is None and coupon is not None:
            columns["expires_at"][i] = coupon.expires_at(now)


@after_write(HELD)
def counted(batch: Batch) -> None:
    """Keeps how many of a coupon were issued and used."""
    if batch.action == "update" and not batch.fields & {"status", "coupon"}:
        return
    form, held = catalog.get(COUPON), batch.form
    rows = held.table.select(held.col("coupon")).where(dialect.among(held.col("id"), batch.ids)).distinct()
    ids = {i for (i,) in rows.tuples().execute(db) if i is not None}
    ids |= {row["coupon"] for row in batch.before.values() if row.get("coupon") is not None}
    if not ids:
        return
    alive = held.col("deleted_at").is_null() & (held.col("status") != REVOKED)
    sums = (
        held.table.select(
            held.col("coupon").alias("coupon"),
            fn.SUM(Case(None, [(alive, 1)], 0)).alias("issued"),
            fn.SUM(Case(None, [(alive & (held.col("status") == USED), 1)], 0)).alias("used"),
        )
        .where(dialect.among(held.col("coupon"), list(ids)))
        .group_by(held.col("coupon"))
        .alias("sums")
    )
    found = {key: peewee.Column(sums, key) for key in ("issued", "used")}
    records.write_derived(form, found, form.col("id") == peewee.Column(sums, "coupon"), sums)


LOOKED_AT = frozenset({"coupon", "customer", "status", "amount", "discount", "refunded"})


class Naming(Struct, frozen=True):
    """An order that stands and names a code. ``at``: when it was placed; ``worth``: fen, before anything came off; ``None``: not
    known."""

    order: int
    customer: int | None
    at: int
    worth: int | None

    def reaches(self, minimum: int | None) -> bool:
        """Whether it is large enough for a coupon. One of an order whose amount is not known is taken at its word."""
        return not minimum or self.worth is None or self.worth >= minimum


@after_write(ORDER)
def ordered(batch: Batch) -> None:
    """The order that names a code and reaches its minimum uses that coupon; when it no longer does, or falls, the coupon comes
    back."""
    if "coupon" not in batch.form.columns or (batch.action == "create" and "coupon" not in batch.fields):
        return
    if batch.action == "update" and not batch.fields & LOOKED_AT:
        return
    held = catalog.get(HELD)
    named = _named(batch.form, batch.ids)
    mine = _rows(held, dialect.among(held.col("order"), batch.ids) & (held.col("status") == USED))
    free = held.col("status").in_((ISSUED, EXPIRED))
    asked = _rows(held, dialect.among(held.col("code"), list(named)) & free) if named else []
    least = _minima({row["coupon"] for row in [*mine, *asked]})
    rows: dict[int, dict[str, Any]] = {}
    for row in mine:
        use = named.get(row["code"])
        if use is None or use.order != row["order"] or not use.reaches(least.get(row["coupon"])):
            late = row["expires_at"] is not None and row["expires_at"] <= clock.now()
            rows[row["id"]] = {"status": EXPIRED if late else ISSUED, "order": None, "used_at": None}
    for row in asked:
        use = named[row["code"]]
        in_time = row["expires_at"] is None or use.at < row["expires_at"]
        if use.customer == row["customer"] and in_time and use.reaches(least.get(row["coupon"])):
            rows[row["id"]] = {"status": USED, "order": use.order, "used_at": use.at}
    if rows:
        # Whoever wrote the order need not be allowed to write coupons.
        records.update_many(held, rows, SYSTEM, batch.cause, parsed=True)


def _minima(coupons: Collection[int]) -> dict[int, int | None]:
    """Coupon → fen that an order must reach."""
    form = catalog.get(COUPON)
    if not coupons or "minimum" not in form.columns:
        return {}
    rows = form.table.select(form.col("id"), form.col("minimum"))
    return dict(rows.where(dialect.among(form.col("id"), list(coupons))).tuples().execute(db))


def _named(form: Form, ids: list[int]) -> dict[str, Naming]:
    """Code → the order (of these) that stands and names it."""
    keys = [
        "id",
        "customer",
        "coupon",
        "status",
        "amount",
        "discount",
        "refunded",
        "ordered_at",
        "paid_at",
        "created_at",
    ]
    rows = form.table.select(*[form.col(key) for key in keys]).where(
        dialect.among(form.col("id"), ids), form.col("deleted_at").is_null(), form.col("coupon").is_null(False)
    )
    out: dict[str, Naming] = {}
    for row in rows.tuples().execute(db):
        order, customer, text, status, amount, discount, refunded, ordered_at, paid_at, created_at = row
        if status in GONE or (amount and (refunded or 0) >= amount):
            continue
        worth = None if amount is None else amount + (discount or 0)
        for code in _CODES.split(text.upper()):
            if code:
                out.setdefault(code, Naming(order, customer, ordered_at or paid_at or created_at, worth))
    return out


def _rows(held: Form, test: Any) -> list[dict[str, Any]]:
    keys = ["id", "code", "coupon", "customer", "order", "expires_at"]
    rows = held.table.select(*[held.col(key) for key in keys]).where(test, held.col("deleted_at").is_null())
    return [dict(zip(keys, row, strict=True)) for row in rows.tuples().execute(db)]


@reversing.keeps(HELD)
def used(form: Form, ids: list[int]) -> set[int]:
    """What an order has used stays when its issuing is undone."""
    rows = form.table.select(form.col("id")).where(dialect.among(form.col("id"), ids), form.col("status") == USED)
    return {i for (i,) in rows.tuples().execute(db)}


# -- expiry -----------------------------------------------------------------------------------------------------------


@schema.seed
def timer() -> None:
    jobs.schedule("loyalty.coupons", "5 0 * * *", "loyalty.coupons")


@jobs.handler("loyalty.coupons", label=_l("优惠券到期"))
def expire(job: Job) -> dict[str, Any]:
    """A batch a transaction."""
    form, done = catalog.get(HELD), 0
    while True:
        with write():
            due = form.table.select(form.col("id")).where(
                form.col("status") == ISSUED, form.col("expires_at") <= clock.now(), form.col("deleted_at").is_null()
            )
            ids = [i for (i,) in due.limit(BATCH).tuples().execute(db)]
            if not ids:
                return {"coupons_expired": done}
            done += len(records.update_set(form, {"status": EXPIRED}, ids, SYSTEM, Cause("system")))
        job.check()


# -- what texts may say -----------------------------------------------------------------------------------------------


def latest(form: Form, ids: list[int], actor: Actor) -> Mapping[int, Any]:
    """The newest unused coupon of each record's customer: ``code``, ``name``, ``expires_at``."""
    owners = whose.customers(form, ids)
    held, coupon = catalog.get(HELD), catalog.get(COUPON)
    h, c = held.table.alias("h"), coupon.table.alias("c")
    columns = [held.col("customer", h), held.col("code", h), coupon.col("name", c), held.col("expires_at", h)]
    rows = (
        peewee.Select([peewee.Join(h, c, on=held.col("coupon", h) == coupon.col("id", c))], columns)
        .where(
            dialect.among(held.col("customer", h), list(owners.values())), held.col("status", h) == ISSUED,
            held.col("deleted_at", h).is_null(),
        )
        .order_by(held.col("id", h))
    )  # fmt: skip
    tz, newest = settings.tz(), {}
    for customer, code, name, expires_at in rows.tuples().execute(db):
        # The last moment that counts is just before the end.
        last_day = None if expires_at is None else clock.local(expires_at - 1, tz).date()
        newest[customer] = {"code": code, "name": name, "expires_at": last_day}
    return {i: newest.get(customer, {}) for i, customer in owners.items()}


texts.root(
    texts.Root(
        "coupon", _l("优惠券"), {"code": _l("券码"), "name": _l("名称"), "expires_at": _l("有效期至")}, latest,
        lambda form: whose.customer_field(form) is not None,
    )
)  # fmt: skip
