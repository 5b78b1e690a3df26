"""Whatever happens, in whatever order: whom the engine holds is whom a question to everybody would find, at every moment."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM, Actor
from appliance.core import clock as core_clock
from appliance.core import jobs
from appliance.core import settings as company
from appliance.core.db import db, write
from appliance.core.errors import UserError
from appliance.core.models import ScheduleRow
from appliance.customers import consents, tags
from appliance.customers.events import ingest
from appliance.customers.measures import store as measures
from appliance.customers.segments import dynamic_tags, lists, subjects
from appliance.customers.segments import store as segments
from appliance.customers.segments.membership import Membership
from appliance.customers.segments.models import SegmentMember, SegmentMove, SegmentRow, Touch
from appliance.forms import catalog, merging, records
from appliance.forms.conditions import Context
from tests.support.clock import Clock

BOSS = Actor(1, "amy", "amy", is_admin=True)

CONDITIONS: dict[str, dict[str, Any]] = {
    "field": {"field": "city", "op": "eq", "value": "杭州"},
    "nobody_said": {"not": {"field": "city", "op": "not_empty"}},
    "spent": {"related": "order", "agg": "sum", "of": "amount", "op": "gte", "value": 100},
    "spent_30": {
        "related": "order", "within": {"days": 30}, "on": "paid_at", "agg": "sum", "of": "amount", "op": "gte", "value": 100,
        "where": {"not": {"field": "status", "op": "eq", "value": "cancelled"}},
    },
    "no_order_7": {"related": "order", "within": {"days": 7}, "on": "paid_at", "op": "eq", "value": 0},
    "tea": {"related": "order", "where": {"related": "order_item", "where": {"field": "category", "op": "eq", "value": "茶"}}},
    "this_month": {"related": "order", "where": {"field": "paid_at", "op": "this", "value": "month"}},
    "last_week": {"related": "order", "where": {"field": "paid_at", "op": "last", "value": "week"}},
    "active": {"field": "last_paid_at", "op": "within", "value": {"days": 30}},
    "silent": {"all": [{"field": "order_count", "op": "gte", "value": 1}, {"field": "last_paid_at", "op": "not_within", "value": {"days": 30}}]},
    "birthday": {"field": "birthday", "op": "anniversary_within", "value": {"days": 7}},
    "birthday_today": {"field": "birthday", "op": "anniversary_within", "value": {"days": 0}},
    "born_this_month": {"field": "birthday", "op": "this", "value": "month"},
    "coming": {"field": "next_visit", "op": "next", "value": {"days": 3}},
    "visited": {"field": "next_visit", "op": "within", "value": {"days": 3}},
    "seen_next": {"field": "first_seen_at", "op": "next", "value": {"days": 2}},
    "tagged": {"all": [{"tag": "甲"}, {"not": {"tag": "乙"}}]},
    "few_tags": {"field": "tags", "op": "has_any", "value": ["甲", "动"]},
    "agreed": {"consent": "marketing", "channel": "sms"},
    "of_rich": {"field": "referrer.total_paid", "op": "gte", "value": 100},
    "metric": {"field": "orders_30", "op": "gte", "value": 2},
    "changed": {"field": "updated_at", "op": "within", "value": {"days": 2}},
    "both": {"all": [{"segment": "spent"}, {"not": {"segment": "silent"}}]},
}  # fmt: skip
SETS = {"union": {"any": ["spent", "birthday"], "not": "both"}}
CITIES = ["杭州", "宁波", None]
TYPES = ["watch", "comment"]


class World:
    """A company whose history is drawn by lot; a seed gives the same one again."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self.lot = random.Random(seed)
        self.clock = clock
        self.number = 0

    # -- what there is ------------------------------------------------------------------------------------------

    def ids(self, form_key: str, *, deleted: bool = False) -> list[int]:
        form = catalog.get(form_key)
        rows = form.table.select(form.col("id")).where(form.col("deleted_at").is_null(not deleted))
        return [i for (i,) in rows.order_by(form.col("id")).tuples().execute(db)]

    def one(self, form_key: str, *, deleted: bool = False) -> int | None:
        found = self.ids(form_key, deleted=deleted)
        return self.lot.choice(found) if found else None

    def moment(self) -> int:
        return (
            core_clock.now()
            + self.lot.randint(-40, 6) * 86_400
            + self.lot.choice([0, 0, self.lot.randint(-4000, 4000)])
        )

    def day(self) -> str:
        return core_clock.local(self.moment(), company.tz()).date().isoformat()

    def birthday(self) -> str | None:
        day = self.day()
        return self.lot.choice(
            [None, "1992-02-29", "1990-02-28", "1990-03-01", "1985" + day[4:] if day[5:] != "02-29" else day, day]
        )

    # -- what happens -------------------------------------------------------------------------------------------

    def customer_comes(self) -> None:
        values = {
            "name": f"客{self.lot.randint(1, 99)}", "city": self.lot.choice(CITIES), "birthday": self.birthday(),
            "next_visit": self.lot.choice([None, self.day()]), "first_seen_at": self.lot.choice([None, self.moment()]),
            "referrer": self.one("customer"),
        }  # fmt: skip
        records.create(catalog.get("customer"), {k: v for k, v in values.items() if v is not None}, BOSS)

    def customer_changes(self) -> None:
        if (one := self.one("customer")) is None:
            return
        key, value = self.lot.choice([
            ("city", self.lot.choice(CITIES)), ("birthday", self.birthday()), ("next_visit", self.day()),
            ("first_seen_at", self.moment()), ("referrer", self.one("customer")), ("remark", "x"),
        ])  # fmt: skip
        records.update_many(catalog.get("customer"), {one: {key: value}}, BOSS)

    def order_comes(self) -> None:
        self.number += 1
        values = {
            "number": f"N{self.number}", "customer": self.one("customer"), "amount": self.lot.choice([30, 60, 120]),
            "paid_at": self.lot.choice([None, self.moment(), self.moment()]), "status": self.lot.choice(["paid", "cancelled"]),
        }  # fmt: skip
        made = records.create(catalog.get("order"), {k: v for k, v in values.items() if v is not None}, BOSS)
        if self.lot.random() < 0.5:
            records.create(
                catalog.get("order_item"), {"order": made, "name": "x", "category": self.lot.choice(["茶", "碗"])}, BOSS
            )

    def order_changes(self) -> None:
        if (one := self.one("order")) is None:
            return
        key, value = self.lot.choice([
            ("amount", self.lot.choice([30, 60, 120])), ("paid_at", self.lot.choice([None, self.moment()])),
            ("status", self.lot.choice(["paid", "cancelled"])), ("refunded", self.lot.choice([None, 30])),
            ("customer", self.one("customer")),
        ])  # fmt: skip
        records.update_many(catalog.get("order"), {one: {key: value}}, BOSS)

    def something_goes(self) -> None:
        form = self.lot.choice(["customer", "order", "order_item"])
        if (one := self.one(form)) is not None:
            records.delete_many(catalog.get(form), [one], BOSS)

    def something_comes_back(self) -> None:
        form = self.lot.choice(["customer", "order", "order_item"])
        if (one := self.one(form, deleted=True)) is not None:
            records.restore_many(catalog.get(form), [one], BOSS)

    def two_are_one(self) -> None:
        found = self.ids("customer")
        if len(found) > 1:
            target, source = self.lot.sample(found, 2)
            merging.merge(catalog.get("customer"), target, source, {}, BOSS)

    def they_were_two(self) -> None:
        rows = merging.Merge.select().where(merging.Merge.undone_at.is_null()).order_by(merging.Merge.id.desc())
        for row in rows.limit(1):
            with contextlib.suppress(UserError):
                merging.undo(catalog.get("customer"), row.id, BOSS)

    def tag_changes(self) -> None:
        if (one := self.one("customer")) is not None:
            how = self.lot.choice(["add", "remove"])
            records.update_many(
                catalog.get("customer"), {one: {"tags": {how: [self.lot.choice(["甲", "乙", "动"])]}}}, BOSS
            )

    def tag_goes_or_comes_back(self) -> None:
        tag = tags.Tag.get_or_none(tags.Tag.name == "甲")
        if tag is None:
            tags.create("甲")
        elif tag.deleted_at is None:
            tags.delete(tag.id)
        else:
            tags.restore(tag.id)

    def customer_says(self) -> None:
        if (one := self.one("customer")) is not None:
            state = self.lot.choice([consents.GRANTED, consents.WITHDRAWN])
            consents.record(
                one, "marketing", ["sms"], state, "phone", BOSS, at=core_clock.now() - self.lot.randint(0, 9)
            )

    def list_changes(self) -> None:
        if (one := self.one("customer")) is not None:
            self.lot.choice([lists.add, lists.remove])("list", [one], BOSS)

    def something_is_done(self) -> None:
        if (one := self.one("customer")) is not None:
            self.number += 1
            row = {
                "id": f"E{self.number}", "customer": {"id": one}, "type": self.lot.choice(TYPES),
                "at": min(self.moment(), core_clock.now()), "seconds": self.lot.randint(1, 90),
            }  # fmt: skip
            ingest.ingest([row], SYSTEM)

    def time_goes_by(self) -> None:
        self.clock.move(
            seconds=self.lot.choice([1, 59, 3600, 86_400, 86_400 - 1, self.lot.randint(1, 9) * 86_400, 31 * 86_400])
        )

    def company_moves(self) -> None:
        company.set("company.timezone", self.lot.choice(["Asia/Shanghai", "America/New_York", "Europe/London"]))

    EVENTS: tuple[Callable[[World], None], ...] = (
        customer_comes, customer_changes, customer_changes, order_comes, order_comes, order_changes, order_changes,
        something_goes, something_comes_back, two_are_one, they_were_two, tag_changes, tag_changes, tag_goes_or_comes_back,
        customer_says, list_changes, something_is_done, time_goes_by, time_goes_by, time_goes_by, company_moves,
    )  # fmt: skip

    # -- what must be true --------------------------------------------------------------------------------------

    def check(self, told: list[str]) -> None:
        form = catalog.get("customer")
        history = "\n".join(told)
        for subject in subjects.index().subjects:
            if isinstance(subject, Membership):
                rows = form.table.select(form.col("id")).where(subject.meets(form, form.table, Context()))
                wanted = {i for (i,) in rows.tuples().execute(db)}
                held = {
                    i
                    for (i,) in SegmentMember.select(SegmentMember.customer_id)
                    .where(SegmentMember.segment_id == subject.number)
                    .tuples()
                }
                assert held == wanted, f"{subject.segment.key}\n{history}"
                size = SegmentRow.select(SegmentRow.size).where(SegmentRow.id == subject.number).scalar()
                assert size == len(held), f"size of {subject.segment.key}\n{history}"
            else:
                source = form.table.alias("w")
                value = subject.measure.value(form, source, Context())  # type: ignore[attr-defined]
                rows = source.select(form.col("id", source), form.col(subject.measure.key, source), value)  # type: ignore[attr-defined]
                rows = rows.where(form.col("deleted_at", source).is_null())
                wrong = [r for r in rows.tuples().execute(db) if r[1] != r[2]]
                assert not wrong, f"{subject.label} {wrong}\n{history}"
        self.check_moves(history)
        assert not Touch.select().exists()

    def check_moves(self, history: str) -> None:
        """Moves alternate for each customer, and end where membership stands."""
        state: dict[tuple[int, int], bool] = {}
        for move in SegmentMove.select().order_by(SegmentMove.id):
            pair = (move.segment_id, move.customer_id)
            assert state.get(pair, False) != move.joined, f"{pair}\n{history}"
            state[pair] = move.joined
        members = set(SegmentMember.select(SegmentMember.segment_id, SegmentMember.customer_id).tuples())
        assert {pair for pair, inside in state.items() if inside} == members, history


@contextlib.contextmanager
def undone() -> Iterator[None]:
    """What happens inside leaves no trace."""

    class Done(Exception):
        pass

    with contextlib.suppress(Done), write():
        yield
        raise Done


@pytest.fixture
def ready(app: Any, clock: Clock) -> Clock:
    clock.set("2026-02-20T10:00:00+08:00")
    form = catalog.get("customer")
    catalog.add_field(form, {"key": "next_visit", "label": "下次到店", "type": "date"})
    catalog.add_field(
        catalog.get("customer"), {"key": "referrer", "label": "介绍人", "type": "relation", "form": "customer"}
    )
    for name in ("甲", "乙", "动"):
        tags.create(name)
    measures.save({"key": "orders_30", "label": "三十天单数", "form": "order", "window": {"days": 30}}, BOSS)
    conditions_ = dict(CONDITIONS)
    if True:
        measures.save(
            {
                "key": "seconds_7",
                "label": "七天观看",
                "event": "watch",
                "agg": "sum",
                "of": "seconds",
                "window": {"days": 7},
            },
            BOSS,
        )
        conditions_["watched"] = {
            "event": "watch",
            "within": {"days": 7},
            "agg": "sum",
            "of": "seconds",
            "op": "gte",
            "value": 60,
        }
        conditions_["not_seen"] = {"event": TYPES, "within": {"days": 3}, "agg": "count", "op": "eq", "value": 0}
        conditions_["seen_last"] = {"event": TYPES, "agg": "last", "op": "within", "value": {"days": 2}}
    for key, where in conditions_.items():
        segments.save({"key": key, "label": key, "where": where}, BOSS)
    for key, expression in SETS.items():
        segments.save({"key": key, "label": key, "set": expression}, BOSS)
    segments.save({"key": "list", "label": "list", "static": True}, BOSS)
    dynamic_tags.follow(tags.get("动").id, "spent", BOSS)
    jobs.work()
    # Nothing may put right at night what was forgotten; and a backup cannot be made inside a transaction.
    ScheduleRow.delete().where(ScheduleRow.key != "customers.check").execute()
    return clock


@settings(
    max_examples=6, deadline=None, phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(seed=st.integers(0, 10**9))
def test_incremental_membership_is_what_asking_everybody_would_find(ready: Clock, seed: int) -> None:
    ready.set("2026-02-20T10:00:00+08:00")
    with undone():
        world, told = World(seed, ready), [f"seed {seed}"]
        for _n in range(4):
            world.customer_comes()
        for _round in range(10):
            for _n in range(world.lot.randint(1, 3)):
                event = world.lot.choice(World.EVENTS)
                told.append(f"{core_clock.now()} {event.__name__}")
                event(world)
            jobs.work()
            world.check(told)
