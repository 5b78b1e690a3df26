"""The figures of a customer's events: seconds watched, interactions, and when the last of each was.

They are kept in step inside the transaction that changes an event. Coming events are added, in whatever order they come; what
takes events away (an undone import, a merge) has the figures of those customers counted again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

import peewee
from flask_babel import lazy_gettext as _l
from peewee import Case, fn

from ...core import dialect, jobs
from ...core.db import PARAM, db, write
from ...core.jobs import Job
from ...forms import catalog, records
from ...forms.catalog import Form
from .. import touched
from . import kinds
from .models import Event

FIELDS = ("last_watch_at", "watch_seconds", "interaction_count", "last_interaction_at")
WATCHED = ("last_watch_at", "watch_seconds")
INTERACTED = ("interaction_count", "last_interaction_at")
BATCH = 2_000
RECOUNT = "customers.recount_events"
REST = 5
"""Seconds that scoring rests between two runs which events asked for: a stream of events does not keep it running."""


def begin_with_nothing() -> None:
    """Customers of a release that knew no events have watched nothing and done nothing."""
    form = catalog.get("customer")
    for key in ("watch_seconds", "interaction_count"):
        f = form.fields.get(key)
        if f is not None and f.spec.default is None:
            catalog.update_field(form, key, {"default": 0})
            records.write_derived(form, {key: 0}, form.col(key).is_null())


Row = tuple[int, str, int, int | None, int]
"""Customer, kind, moment, seconds, how often."""


def add(rows: Iterable[Row]) -> None:
    """Adds new events to their customers' figures and has those scored. Only inside ``write()``."""
    watch, interaction = set(kinds.counted_as(kinds.WATCH)), set(kinds.counted_as(kinds.INTERACTION))
    watched: dict[int, list[int]] = {}
    interacted: dict[int, list[int]] = {}
    customers: set[int] = set()
    for customer_id, kind, at, seconds, times in rows:
        customers.add(customer_id)
        if kind in watch:
            _more(watched, customer_id, seconds or 0, at)
        elif kind in interaction:
            _more(interacted, customer_id, times, at)
    form = catalog.get("customer")
    if watched:
        values = [(at, at, n, customer_id) for customer_id, (n, at) in watched.items()]
        records.write_derived_each(form, WATCHED, partial(_added, form, "watch_seconds", "last_watch_at"), values)
    if interacted:
        values = [(n, at, at, customer_id) for customer_id, (n, at) in interacted.items()]
        records.write_derived_each(
            form, INTERACTED, partial(_added, form, "interaction_count", "last_interaction_at"), values
        )
    touched.mark(customers, rest=REST)


def _more(sums: dict[int, list[int]], customer_id: int, n: int, at: int) -> None:
    known = sums.get(customer_id)
    if known is None:
        sums[customer_id] = [n, at]
    else:
        known[0] += n
        known[1] = max(known[1], at)


def _added(form: Form, total: str, last: str) -> Any:
    """Takes, in the order of the names of its columns, the moment twice and what is added; then the customer."""
    later = Case(None, [(form.col(last).is_null() | (form.col(last) < PARAM), PARAM)], form.col(last))
    more = fn.COALESCE(form.col(total), 0) + PARAM
    return peewee.Update(form.table, {form.col(last): later, form.col(total): more}).where(form.col("id") == PARAM)


def recompute(which: Any) -> int:
    """Computes the figures of customers anew. ``which``: makes a test of the id column it is given. Returns how many changed."""
    customer = catalog.get("customer")
    c, e = customer.table.alias("c"), Event.alias("e")
    cid = customer.col("id", c)
    source = peewee.Join(c, e, peewee.JOIN.LEFT_OUTER, on=e.customer_id == cid)
    counted = peewee.Select([source], [cid.alias("id"), *_figures(e)]).where(which(cid)).group_by(cid).alias("counted")
    found = {key: peewee.Column(counted, key) for key in FIELDS}
    changed: Any = None
    for key, column in found.items():
        old = customer.col(key) if key.startswith("last_") else fn.COALESCE(customer.col(key), 0)
        test = dialect.differs(old, column)
        changed = test if changed is None else changed | test
    return records.write_derived(
        customer, found, (customer.col("id") == peewee.Column(counted, "id")) & changed, counted
    )


def sums(which: Any, since: int) -> Any:
    """``(customer, last_watch_at, watch_seconds, interaction_count, last_interaction_at)`` of the events since a moment, of the
    customers who have any."""
    rows = Event.select(Event.customer_id.alias("customer"), *_figures(Event))
    return rows.where(which(Event.customer_id), Event.at >= since).group_by(Event.customer_id)


def _figures(e: Any) -> list[Any]:
    """The figures of a group of events."""
    is_watch = e.type.in_(kinds.counted_as(kinds.WATCH))
    is_interaction = e.type.in_(kinds.counted_as(kinds.INTERACTION))
    return [
        fn.MAX(Case(None, [(is_watch, e.at)], None)).alias("last_watch_at"),
        fn.SUM(Case(None, [(is_watch, fn.COALESCE(e.seconds, 0))], 0)).alias("watch_seconds"),
        fn.SUM(Case(None, [(is_interaction, e.times)], 0)).alias("interaction_count"),
        fn.MAX(Case(None, [(is_interaction, e.at)], None)).alias("last_interaction_at"),
    ]


def recompute_ids(ids: Collection[int]) -> None:
    """As :func:`recompute`, of these customers, and has them scored. Only inside ``write()``."""
    if ids:
        recompute(lambda column: dialect.among(column, ids))
        touched.mark(ids)


def ask_recount() -> None:
    """Asks for everybody's figures to be counted anew: a kind of event counts as something else now."""
    jobs.enqueue(RECOUNT, {}, unique=RECOUNT)


@jobs.handler(RECOUNT, label=_l("重新统计互动"))
def recount(job: Job) -> dict[str, int]:
    """Interrupted anywhere, it goes on from the saved place."""
    from . import sessions

    state = job.state or {"from": 0, "changed": 0, "session": 0}
    customer, session = catalog.get("customer"), catalog.get("live_session")
    top, last = (form.table.select(fn.MAX(form.col("id"))).scalar(db) or 0 for form in (customer, session))
    for place, end, count in (("from", top, recompute), ("session", last, sessions.recompute)):
        for low in range(state[place], end + 1, BATCH):
            with write():
                state["changed"] += count(lambda column, low=low: column.between(low, low + BATCH - 1))
                state[place] = low + BATCH
                job.save_state(state)
            job.progress(low, end)
    from .. import rfm

    rfm.ask_full()
    return {"figures_changed": state["changed"]}
