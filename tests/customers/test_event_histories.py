"""Whatever happens, in whatever order: the figures of customers and sessions equal those counted anew from the events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core import clock, jobs
from appliance.core.db import db, read, write
from appliance.customers.events import ingest
from appliance.customers.events.models import Event, EventMove
from appliance.forms import catalog, merging, records
from appliance.forms.query import Query

HOUR = 3600
BEGIN = 1_780_000_000
HOSTS = (None, "小满", "大寒")

moments = st.integers(0, 30)
steps = st.one_of(
    st.tuples(st.just("event"), st.integers(0, 9), st.integers(0, 2), st.sampled_from(["watch", "like", "follow"]), moments,
              st.sampled_from([None, "s0", "s1", {"host": "小满"}]), st.sampled_from(["douyin", "kuaishou"])),
    st.tuples(st.just("entry"), st.integers(0, 2), moments, st.integers(0, 3), st.integers(0, 2)),
    st.tuples(st.just("edit"), st.integers(0, 3), st.integers(0, 2), moments, st.integers(0, 3)),
    st.tuples(st.just("bin"), st.integers(0, 3)),
    st.tuples(st.just("session"), st.integers(0, 1), moments, st.integers(1, 9), st.sampled_from(HOSTS)),
    st.tuples(st.just("drop"), st.integers(0, 1)),
    st.tuples(st.just("order"), st.integers(0, 2), moments, st.sampled_from(["douyin", "kuaishou"])),
    st.tuples(st.just("refund"), st.integers(0, 3)),
    st.tuples(st.just("merge"), st.integers(0, 2), st.integers(0, 2)),
    st.tuples(st.just("unmerge"),),
)  # fmt: skip


class World:
    """What the steps act on."""

    def __init__(self) -> None:
        self.customers = records.create_many(catalog.get("customer"), [{"name": f"c{i}"} for i in range(3)], SYSTEM).ids
        self.entries: list[int] = []
        self.orders: list[int] = []
        self.sessions: dict[int, int] = {}
        self.merges: list[tuple[int, int]] = []

    def do(self, step: tuple[Any, ...]) -> None:
        getattr(self, step[0])(*step[1:])
        jobs.work()

    def _who(self, place: int) -> int:
        found = self.customers[place]
        gone = {source: target for _merge, source, target in self._merged()}
        while found in gone:
            found = gone[found]
        return found

    def _merged(self) -> list[tuple[int, int, int]]:
        return [(merge, source, target) for merge, source, target in self.merges]  # type: ignore[misc]

    def event(self, number: int, who: int, kind: str, hour: int, session: Any, channel: str) -> None:
        row = {
            "connection": "x", "id": str(number), "customer": self._who(who), "type": kind, "at": BEGIN + hour * HOUR,
            "seconds": 60, "live_session": session, "channel": channel,
        }  # fmt: skip
        assert not ingest.ingest([row], SYSTEM).failed

    def entry(self, who: int, hour: int, likes: int, gifts: int) -> None:
        values = {"customer": self._who(who), "at": BEGIN + hour * HOUR, "watched": 5, "likes": likes, "gifts": gifts}
        self.entries.append(records.create(catalog.get("event_entry"), values, SYSTEM))

    def edit(self, place: int, who: int, hour: int, likes: int) -> None:
        if place < len(self.entries):
            values = {"customer": self._who(who), "at": BEGIN + hour * HOUR, "likes": likes, "channel": "douyin"}
            records.update_many(catalog.get("event_entry"), {self.entries[place]: values}, SYSTEM)

    def bin(self, place: int) -> None:
        form = catalog.get("event_entry")
        if place < len(self.entries) and not records.delete_many(form, [self.entries[place]], SYSTEM):
            records.restore_many(form, [self.entries[place]], SYSTEM)

    def session(self, place: int, hour: int, long: int, host: str | None) -> None:
        form = catalog.get("live_session")
        values = {
            "external_id": f"s{place}", "channel": "douyin", "host": host, "starts_at": BEGIN + hour * HOUR,
            "ends_at": BEGIN + (hour + long) * HOUR, "spend": 100,
        }  # fmt: skip
        if place not in self.sessions:
            self.sessions[place] = records.create(form, values, SYSTEM)
        else:
            records.update_many(form, {self.sessions[place]: values}, SYSTEM)

    def drop(self, place: int) -> None:
        form = catalog.get("live_session")
        if place in self.sessions and not records.delete_many(form, [self.sessions[place]], SYSTEM):
            records.restore_many(form, [self.sessions[place]], SYSTEM)

    def order(self, who: int, hour: int, channel: str) -> None:
        values = {
            "number": f"{len(self.orders)}", "customer": self._who(who), "channel": channel, "amount": 50,
            "paid_at": BEGIN + hour * HOUR,
        }  # fmt: skip
        self.orders.append(records.create(catalog.get("order"), values, SYSTEM))

    def refund(self, place: int) -> None:
        if place < len(self.orders):
            records.update(catalog.get("order"), self.orders[place], {"refunded": 20}, SYSTEM)

    def merge(self, keep: int, gone: int) -> None:
        target, source = self._who(keep), self._who(gone)
        if target != source:
            number = merging.merge(catalog.get("customer"), target, source, {}, SYSTEM)
            self.merges.append((number, source, target))  # type: ignore[arg-type]

    def unmerge(self) -> None:
        if self.merges:
            merging.undo(catalog.get("customer"), self.merges.pop()[0], SYSTEM)

    # -- the same, counted anew ---------------------------------------------------------------------------------

    def check(self) -> None:
        told = list(Event.select())
        shows = {r.id: r for r in Query(catalog.get("live_session"), SYSTEM).each()}
        for e in told:
            assert e.live_session_id == self.session_of(e, shows), (e.id, e.at, e.channel, e.session_ref)
        for r in Query(catalog.get("customer"), SYSTEM).each():
            mine = [e for e in told if e.customer_id == r.id]
            watched = [e for e in mine if e.type == "watch"]
            did = [e for e in mine if e.type in ("like", "gift")]
            assert [r.get(k) for k in ("watch_seconds", "interaction_count", "last_watch_at", "last_interaction_at")] == [
                sum(e.seconds or 0 for e in watched), sum(e.times for e in did),
                max((e.at for e in watched), default=None), max((e.at for e in did), default=None),
            ]  # fmt: skip
        orders = list(Query(catalog.get("order"), SYSTEM).each())
        for number, show in shows.items():
            mine = [e for e in told if e.live_session_id == number]
            sold = [o for o in orders if self.on_air(show, o.get("paid_at")) and o.get("channel") == "douyin"]
            later = [s for s in shows.values() if (s.get("starts_at"), s.id) > (show.get("starts_at"), show.id)]
            sold = [o for o in sold if not any(self.on_air(s, o.get("paid_at")) for s in later)]
            assert {o.id for o in orders if o.get("live_session") == number} == {o.id for o in sold}
            assert [show.get(k) for k in ("viewers", "watch_seconds", "interactions", "orders", "paid")] == [
                len({e.customer_id for e in mine}), sum(e.seconds or 0 for e in mine if e.type == "watch"),
                sum(e.times for e in mine if e.type in ("like", "gift")), len(sold),
                sum(o.get("amount") - (o.get("refunded") or 0) for o in sold),
            ]  # fmt: skip

    @staticmethod
    def on_air(show: Any, at: int) -> bool:
        return show.get("starts_at") <= at <= show.get("ends_at")

    def session_of(self, e: Event, shows: dict[int, Any]) -> int | None:
        """The rule in plain Python."""
        if e.session_ref is not None:
            return next((i for i, s in shows.items() if s.get("external_id") == e.session_ref), None)
        fits = []
        for i, s in shows.items():
            same_host, same_channel = s.get("host") == e.host, e.channel == s.get("channel")
            if not self.on_air(s, e.at):
                continue
            if e.host is None and same_channel:
                fits.append((0, s.get("starts_at"), i))
            elif e.host is not None and (
                (same_host and (e.channel is None or same_channel)) or (s.get("host") is None and same_channel)
            ):
                fits.append((s.get("host") is not None, s.get("starts_at"), i))
        return max(fits)[2] if fits else None


@contextmanager
def fresh() -> Iterator[World]:
    """A world of its own; the tables are emptied before."""
    with read():
        with write():
            Event.delete().execute()
            EventMove.delete().execute()
            for key in ("order_item", "order", "event_entry", "live_session", "customer"):
                db.execute_sql(f"DELETE FROM f_{key}")  # nosec B608: a test's own tables
        yield World()


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(history=st.lists(steps, min_size=4, max_size=14))
def test_under_any_history_figures_equal_those_counted_anew(app: Flask, history: list[tuple[Any, ...]]) -> None:
    clock.use(lambda: BEGIN + 40 * HOUR)
    try:
        with fresh() as world:
            for step in history:
                world.do(step)
            world.check()
    finally:
        clock.use(None)
