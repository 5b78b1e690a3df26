"""Live sessions: which one an event or an order falls in, and what came of each.

An event that names its session belongs to that one, known already or not. Any other, and every order, belongs to the session
of its channel (and host or shop, where they are known) that was on at its moment; of several the one that began last. The
rule is one SQL expression for each, so that what comes later, moves or goes is settled like what was there before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import Case, fn

from ...core import clock, dialect, jobs, schema
from ...core.db import PARAM, Statement, db, write
from ...core.jobs import Job
from ...forms import catalog, records
from ...forms.catalog import Form
from ...forms.hooks import UNSET, Batch, Draft, after_write, before_write
from .. import metrics
from . import kinds
from .models import Event

LONGEST = 31 * clock.DAY
"""No session is longer (seconds)."""
OPEN = 12 * 3600
"""How long a session lasts whose end nobody has told."""
BATCH = 2_000
JOB = "customers.live_sessions"
WHEN = frozenset({"starts_at", "ends_at", "channel", "shop", "host", "external_id"})
"""What says which events and orders are a session's."""
ORDER_FIELDS = frozenset({"customer", "channel", "shop", "ordered_at", "paid_at", "status", "amount", "refunded"})
FIGURES = ("viewers", "watch_seconds", "interactions", "orders", "buyers", "paid")


@schema.seed
def index() -> None:
    """Orders by the moment at which they were placed, and by their session with all that its sums need."""
    dialect.create_index(db, "x_order__ordered", "f_order", ["ordered_at"])
    on = ["live_session", "customer", "paid_at", "status", "amount", "refunded", "deleted_at"]
    dialect.create_index(db, "x_order__session", "f_order", on)


def _form() -> Form:
    return catalog.get("live_session")


def any_there() -> bool:
    """Whether the company has sessions at all."""
    form = _form()
    found = form.statement("any", lambda: form.table.select(form.col("id")).limit(1))
    return found.execute().fetchone() is not None


@before_write("live_session")
def make_sense(draft: Draft) -> None:
    """A session ends after it began, and within a month."""
    starts, ends = draft.columns.get("starts_at"), draft.columns.get("ends_at")
    if starts is None and ends is None:
        return
    for i in range(draft.size):
        old = draft.before.get(draft.ids[i], {}) if draft.ids else {}
        begin = starts[i] if starts is not None and starts[i] is not UNSET else old.get("starts_at")
        end = ends[i] if ends is not None and ends[i] is not UNSET else old.get("ends_at")
        if begin is None or end is None:
            continue
        if end < begin:
            draft.fail(i, "ends_at", _("下播时间不能早于开播时间。"))
        elif end - begin > LONGEST:
            draft.fail(i, "ends_at", _("一场直播最长 %(days)d 天。", days=LONGEST // clock.DAY))


# -- the rule -----------------------------------------------------------------------------------------------------


def _on_at(s: Any, moment: Any) -> Any:
    """An expression: the session in ``s`` was on at a moment."""
    form = _form()
    starts, ends = form.col("starts_at", s), form.col("ends_at", s)
    return (
        form.col("deleted_at", s).is_null()
        & (starts <= moment)
        & (starts >= moment - LONGEST)
        & (fn.COALESCE(ends, starts + OPEN) >= moment)
    )


def _session_of_order(order: Form) -> Any:
    form = _form()
    s = form.table.alias("s")
    channel, shop = form.col("channel", s), form.col("shop", s)
    where = (
        _on_at(s, fn.COALESCE(order.col("ordered_at"), order.col("paid_at")))
        & (channel.is_null(False) | shop.is_null(False))
        & (channel.is_null() | (channel == order.col("channel")))
        & (shop.is_null() | (shop == order.col("shop")))
    )
    rows = s.select(form.col("id", s)).where(where)
    return rows.order_by(shop.is_null(False).desc(), form.col("starts_at", s).desc(), form.col("id", s).desc()).limit(1)


def _session_of_event() -> Any:
    form = _form()
    s = form.table.alias("s")
    record_id, host, channel = form.col("id", s), form.col("host", s), form.col("channel", s)
    there = form.col("deleted_at", s).is_null()
    by_id = s.select(record_id).where(
        record_id == dialect.text_from(Event.session_ref, 2).cast("INTEGER"), there
    ).limit(1)  # fmt: skip
    by_name = s.select(record_id).where(form.col("external_id", s) == Event.session_ref, there).limit(1)
    on_air = s.select(record_id).where(_on_at(s, Event.at))
    begun = form.col("starts_at", s).desc()
    same_host, same_channel = host == Event.host, channel == Event.channel
    of_host = on_air.where(
        (same_host & (Event.channel.is_null() | channel.is_null() | same_channel)) | (host.is_null() & same_channel)
    ).order_by(host.is_null(False).desc(), begun, record_id.desc()).limit(1)  # fmt: skip
    of_channel = on_air.where(same_channel).order_by(begun, record_id.desc()).limit(1)
    return Case(
        None,
        [
            (dialect.starts_with(Event.session_ref, "#"), by_id),
            (Event.session_ref.is_null(False), by_name),
            (Event.host.is_null(False), of_host),
            (Event.channel.is_null(False), of_channel),
        ],
        None,
    )


def tie_again(ids: list[int]) -> None:
    """Ties events to the sessions they fall in now. Only inside ``write()``; figures are the caller's."""
    Event.update({Event.live_session_id: _session_of_event()}).where(dialect.among(Event.id, ids)).execute()


def tie_new(first: int, last: int) -> None:
    """Ties events just written (their ids lie between) and adds them to their sessions' figures. Only inside ``write()``."""
    form, mine = _form(), Event.id.between(PARAM, PARAM)
    could = Event.session_ref.is_null(False) | Event.channel.is_null(False) | Event.host.is_null(False)
    tie = form.statement(
        "tie_new", lambda: Event.update({Event.live_session_id: _session_of_event()}).where(mine & could)
    )
    if tie.execute(first, last).rowcount and _TIED.execute(first, last).fetchone():
        _add(first, last)


_TIED = Statement(
    Event.select(Event.id).where(Event.id.between(PARAM, PARAM), Event.live_session_id.is_null(False)).limit(1)
)


def _add(first: int, last: int) -> None:
    form, e, earlier = _form(), Event.alias("e"), Event.alias("p")
    before = earlier.select(peewee.Value(1)).where(
        earlier.live_session_id == e.live_session_id, earlier.customer_id == e.customer_id, earlier.id < first
    )
    fresh = Case(None, [(~fn.EXISTS(before), e.customer_id)], None)
    sums = (
        e.select(e.live_session_id.alias("id"), fn.COUNT(fresh.distinct()).alias("viewers"), *event_sums(e))
        .where(e.id.between(first, last), e.live_session_id.is_null(False))
        .group_by(e.live_session_id)
        .alias("sums")
    )
    added = {
        key: fn.COALESCE(form.col(key), 0) + peewee.Column(sums, key)
        for key in ("viewers", "watch_seconds", "interactions")
    }
    records.write_derived(form, added, form.col("id") == peewee.Column(sums, "id"), sums)


def event_sums(e: Any) -> list[Any]:
    """``watch_seconds`` and ``interactions`` of a group of events."""
    watch, interaction = kinds.counted_as(kinds.WATCH), kinds.counted_as(kinds.INTERACTION)
    seconds = Case(None, [(e.type.in_(watch), fn.COALESCE(e.seconds, 0))], 0)
    counted = Case(None, [(e.type.in_(interaction), e.times)], 0)
    return [
        fn.COALESCE(fn.SUM(seconds), 0).alias("watch_seconds"),
        fn.COALESCE(fn.SUM(counted), 0).alias("interactions"),
    ]


# -- figures ------------------------------------------------------------------------------------------------------


def recompute(which: Any) -> int:
    """Computes the figures of sessions anew. ``which``: makes a test of the id column it is given. Returns how many changed."""
    form, order = _form(), catalog.get("order")
    s, e, o = form.table.alias("s"), Event.alias("e"), order.table.alias("o")
    sid = form.col("id", s)
    seen = (
        e.select(e.live_session_id.alias("id"), fn.COUNT(e.customer_id.distinct()).alias("viewers"), *event_sums(e))
        .where(which(e.live_session_id))
        .group_by(e.live_session_id)
        .alias("seen")
    )
    session = order.col("live_session", o)
    sold = (
        o.select(
            session.alias("id"),
            fn.COUNT(order.col("id", o)).alias("orders"),
            fn.COUNT(order.col("customer", o).distinct()).alias("buyers"),
            fn.SUM(metrics.value(order, o)).alias("paid"),
        )
        .where(which(session), metrics.paid(order, o))
        .group_by(session)
        .alias("sold")
    )
    source = peewee.Join(s, seen, peewee.JOIN.LEFT_OUTER, on=peewee.Column(seen, "id") == sid)
    source = peewee.Join(source, sold, peewee.JOIN.LEFT_OUTER, on=peewee.Column(sold, "id") == sid)
    columns = [
        fn.COALESCE(peewee.Column(seen if key in ("viewers", "watch_seconds", "interactions") else sold, key), 0)
        for key in FIGURES
    ]
    spend = form.col("spend", s)
    paid = fn.COALESCE(peewee.Column(sold, "paid"), 0)
    roi = Case(None, [(spend > 0, fn.ROUND((paid - spend) * 10_000.0 / spend).cast("INTEGER"))], None)
    found = (
        peewee.Select(
            [source],
            [sid.alias("id"), *[c.alias(key) for key, c in zip(FIGURES, columns, strict=True)], roi.alias("roi")],
        )
        .where(which(sid))
        .alias("found")
    )
    new = {key: peewee.Column(found, key) for key in (*FIGURES, "roi")}
    changed: Any = None
    for key, column in new.items():
        old = form.col(key) if key == "roi" else fn.COALESCE(form.col(key), 0)
        test = dialect.differs(old, column)
        changed = test if changed is None else changed | test
    return records.write_derived(form, new, (form.col("id") == peewee.Column(found, "id")) & changed, found)


def recompute_ids(ids: Collection[int | None]) -> int:
    """As :func:`recompute`, of these sessions. Only inside ``write()``."""
    known = sorted({i for i in ids if i is not None})
    return recompute(lambda column: dialect.among(column, known)) if known else 0


# -- what changes -------------------------------------------------------------------------------------------------


@after_write("order")
def orders_written(batch: Batch) -> None:
    """After orders were written: the session that each falls in, and the figures of the old ones and the new."""
    if (batch.action == "update" and not batch.fields & ORDER_FIELDS) or not any_there():
        return
    which = (
        batch.form.col("id").between(batch.ids[0], batch.ids[-1])
        if batch.action == "create"
        else dialect.among(batch.form.col("id"), batch.ids)
    )
    touched = tie_orders(which) | {row.get("live_session") for row in batch.before.values()}
    recompute_ids(touched)


def tie_orders(which: Any) -> set[int | None]:
    """Ties orders to the sessions they fall in; returns the sessions that they are in now. Only inside ``write()``."""
    order = catalog.get("order")
    session = _session_of_order(order)
    records.write_derived(order, {"live_session": session}, which & dialect.differs(order.col("live_session"), session))
    rows = order.table.select(order.col("live_session")).where(which, order.col("live_session").is_null(False))
    return {row[0] for row in rows.distinct().tuples().execute(db)}


@after_write("live_session")
def sessions_written(batch: Batch) -> None:
    """After sessions were written: asks for what falls in them, or has, to be tied anew; a new spend counts at once."""
    if batch.action == "update" and "spend" in batch.fields:
        recompute_ids(batch.ids)
    if batch.action == "update" and not batch.fields & WHEN:
        return
    form = batch.form
    keys = ("starts_at", "ends_at", "external_id")
    rows = form.table.select(form.col("id"), *[form.col(key) for key in keys]).where(
        dialect.among(form.col("id"), batch.ids)
    )
    spans = []
    for record_id, *now in rows.tuples().execute(db):
        old = batch.before.get(record_id)
        states = [now, *([[old[key] for key in keys]] if old else [])]
        begins = [s for s, _e, _x in states if s is not None]
        ends = [s + OPEN if e is None else e for s, e, _x in states if s is not None]
        names = sorted({x for _s, _e, x in states if x is not None} | {f"#{record_id}"})
        spans.append([record_id, min(begins, default=None), max(ends, default=None), names])
    if spans:
        jobs.enqueue(JOB, {"spans": spans})


@jobs.handler(JOB, label=_l("归集直播场次的互动和订单"))
def settle(job: Job) -> dict[str, int]:
    """Ties the orders and events that fall in sessions which were added, moved or deleted, or that were theirs."""
    moved = 0
    for n, (record_id, begin, end, names) in enumerate(job.payload["spans"]):
        sessions: set[int | None] = {record_id}
        for batch in _batches(_orders_about(record_id, begin, end)):
            with write():
                order = catalog.get("order")
                which = dialect.among(order.col("id"), batch)
                before = _sessions_of(order.table.select(order.col("live_session")).where(which))
                sessions |= before | tie_orders(which)
            moved += len(batch)
            job.check()
        for batch in _batches(_events_about(record_id, begin, end, names)):
            with write():
                mine = Event.select(Event.live_session_id).where(dialect.among(Event.id, batch))
                sessions |= _sessions_of(mine)
                tie_again(batch)
                sessions |= _sessions_of(mine)
            moved += len(batch)
            job.check()
        with write():
            recompute_ids(sessions)
        job.progress(n + 1, len(job.payload["spans"]))
    return {"looked_at": moved}


def _sessions_of(query: Any) -> set[int | None]:
    return {row[0] for row in query.distinct().tuples().execute(db)}


def _orders_about(record_id: int, begin: int | None, end: int | None) -> list[int]:
    order = catalog.get("order")
    found = set(_ids(order.table.select(order.col("id")).where(order.col("live_session") == record_id)))
    if begin is not None and end is not None:
        ordered, paid = order.col("ordered_at"), order.col("paid_at")
        select = partial(order.table.select, order.col("id"))
        found |= set(_ids(select().where(ordered.between(begin, end))))
        found |= set(_ids(select().where(ordered.is_null(), paid.between(begin, end))))
    return sorted(found)


def _events_about(record_id: int, begin: int | None, end: int | None, names: list[str]) -> list[int]:
    found = set(_ids(Event.select(Event.id).where(Event.live_session_id == record_id)))
    found |= set(_ids(Event.select(Event.id).where(Event.session_ref.in_(names))))
    if begin is not None and end is not None:
        could = Event.channel.is_null(False) | Event.host.is_null(False)
        inside = Event.select(Event.id).where(Event.at.between(begin, end), Event.session_ref.is_null(), could)
        found |= set(_ids(inside))
    return sorted(found)


def _ids(query: Any) -> Iterable[int]:
    return [row[0] for row in query.tuples().execute(db)]


def _batches(ids: list[int]) -> Iterable[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
