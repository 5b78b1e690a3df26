"""Merging two customers and taking it back, over everything that any room keeps of them.

The snapshot reads every table that has a column for a customer or a record, so a room that keeps something new and does not
move it, or does not bring it back, fails here without being named.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from appliance import schema
from appliance.accounts.actor import SYSTEM
from appliance.core import clock as core_clock
from appliance.core.db import db, read
from appliance.customers import consents
from appliance.customers.events.models import Event
from appliance.forms import catalog, merging, query, records
from tests.customers import plain
from tests.support.clock import Clock
from tests.support.http import Api, Client

Work = Callable[[], Any]
HISTORY = {
    "change": "what was written is never unwritten",
    "record_merge": "the merge itself",
    "duplicate": "that the two are not the same is known now",
    "segment_move": "who joined and left, and when, is never unwritten",
    "level_move": "the same for levels",
    "segment_touch": "a queue", "rfm_touched": "a queue", "favourite_touched": "a queue", "segment_look": "when to look again is computed by the look",
}  # fmt: skip
WRITTEN = {"version", "updated_at", "updated_by"}


def customers_tables() -> dict[str, list[str]]:
    """Table → its columns, for those that know of customers or records."""
    found = {}
    for model in schema.tables():
        columns = [f.column_name for f in model._meta.sorted_fields]
        if {"customer_id", "record_id"} & set(columns) and model._meta.table_name not in HISTORY:
            found[model._meta.table_name] = columns
    for form in catalog.all_forms().values():
        kept = [f.key for f in form.columns.values()]
        found[form.table_name] = [c for c in ("id", "deleted_at", "created_at", *kept) if c not in WRITTEN]
    return found


def snapshot() -> dict[str, set[tuple[Any, ...]]]:
    with read():
        found = {
            table: {tuple(row) for row in db.execute_sql(f'SELECT {", ".join(f"{chr(34)}{c}{chr(34)}" for c in columns)} FROM "{table}"')}
            for table, columns in customers_tables().items()
        }  # fmt: skip
    # Nothing and no points are the same balance.
    points = customers_tables()["f_customer"].index("points")
    found["f_customer"] = {(*row[:points], row[points] or 0, *row[points + 1 :]) for row in found["f_customer"]}
    # What came with a merge that was taken back is there and void.
    void = customers_tables()["consent"].index("void")
    found["consent"] = {row for row in found["consent"] if not row[void]}
    return found


def differences(one: dict[str, set[tuple[Any, ...]]], other: dict[str, set[tuple[Any, ...]]]) -> list[str]:
    """What one has and the other has not: of rows that both have by their first column, the columns that differ."""
    found = []
    for table, columns in customers_tables().items():
        gone, came = one[table] - other[table], other[table] - one[table]
        for row in sorted(gone | came, key=str):
            twin = next((r for r in (came if row in gone else gone) if r[0] == row[0]), ())
            values = {c: v for c, v, w in zip(columns, row, twin or row, strict=True) if not twin or v != w}
            found.append(f"{'-' if row in gone else '+'} {table} {row[0]} {values}")
    return found


class Shop:
    """Makes histories of two customers."""

    def __init__(self, api: Api, client: Client, seed: int) -> None:
        self.api, self.client, self.rng, self.n = api, client, random.Random(seed), 0
        with read():
            make = catalog.get("customer")
            self.one = records.create(
                make,
                {"name": "王芳", "phone": "13800138000", "identities": {"member_no": ["1"]}, "city": "杭州"},
                SYSTEM,
            )
            self.other = records.create(
                make, {"name": "王小芳", "phone": "13900139000", "identities": {"taobao_nick": ["fang"]}}, SYSTEM
            )

    def number(self) -> int:
        self.n += 1
        return self.n

    def who(self) -> int:
        return self.rng.choice([self.one, self.other])

    def order(self) -> None:
        amount = self.rng.randrange(10, 900)
        status = self.rng.choice(["paid", "completed", "cancelled", None])
        day = self.rng.randrange(1, 28)
        values = {"number": f"N{self.number()}", "customer": self.who(), "amount": amount, "status": status,
                  "refunded": self.rng.choice([None, amount // 2]), "paid_at": f"2026-05-{day:02d} 12:00"}  # fmt: skip
        with read():
            order = records.create(catalog.get("order"), values, SYSTEM)
            item = {"order": order, "name": "口红", "category": self.rng.choice(["彩妆", "护肤"]), "quantity": 1}
            records.create(catalog.get("order_item"), item | {"amount": amount}, SYSTEM)

    def event(self) -> None:
        kind = self.rng.choice(["watch", "like", "comment", "follow"])
        doc = {"connection": "dy", "id": f"e{self.number()}", "customer": {"id": self.who()}, "type": kind,
               "at": f"2026-05-{self.rng.randrange(1, 28):02d}T20:00:00+08:00"}  # fmt: skip
        answer = self.api.post("/events", {"events": [doc | ({"seconds": 60} if kind == "watch" else {})]})
        assert answer["accepted"] == 1, answer

    def tag(self) -> None:
        name = self.rng.choice(["老客", "敏感肌", "高价值核心粉", "潜力消费粉"])
        self.client.post(f"/customers/{self.who()}/tags", data={"add": name})

    def comment(self) -> None:
        self.client.post(f"/forms/customer/records/{self.who()}/comments", data={"text": f"说明 {self.number()}"})

    def follow_up(self) -> None:
        self.client.post(f"/customers/{self.who()}/follow-up", data={"content": f"跟进 {self.number()}", "days": "3"})

    def task(self) -> None:
        with read():
            values = {"title": f"任务 {self.number()}", "customer": self.who(), "due_at": "2026-07-01 10:00"}
            records.create(catalog.get("task"), values, SYSTEM)

    def consent(self) -> None:
        with read():
            state = self.rng.choice([consents.GRANTED, consents.WITHDRAWN])
            consents.record(self.who(), "marketing", [self.rng.choice(["sms", "email"])], state, "phone", SYSTEM)

    def points(self) -> None:
        self.api.post(f"/customers/{self.who()}/points", {"points": self.rng.randrange(1, 50), "reason": "活动"})

    def live(self, steps: int) -> None:
        acts = [self.order, self.event, self.tag, self.comment, self.follow_up, self.task, self.consent, self.points]
        for act in [*acts, *(self.rng.choice(acts) for _n in range(steps))]:
            act()

    def figures_are_right(self) -> None:
        """Totals of every live customer are those of their orders, computed by hand; and so are the counts of events."""
        order, customer = catalog.get("order"), catalog.get("customer")
        with read():
            rows = query.Query(order, SYSTEM).page(500).records
            for record in query.Query(customer, SYSTEM).page(500).records:
                mine = [
                    plain.Order(record.id, o.get("paid_at"), o.get("amount"), o.get("refunded"), o.get("status"))
                    for o in rows
                    if o.get("customer") == record.id
                ]
                wanted = plain.figures([o for o in mine if o.counts])
                assert {k: record.get(k) for k in wanted} == wanted
                acts = Event.select().where(Event.customer_id == record.id, Event.type.in_(["like", "comment"]))
                assert (record.get("interaction_count") or 0) == acts.count()


@pytest.mark.parametrize("seed", range(4))
def test_merging_and_taking_back_leaves_everything_as_it_was(
    api: Api, client: Client, work: Work, clock: Clock, seed: int
) -> None:
    clock.set("2026-06-20T10:00:00+08:00")
    shop = Shop(api, client, seed)
    shop.live(12)
    clock.move(minutes=1)
    work()
    before = snapshot()
    shop.figures_are_right()
    target, source = (shop.one, shop.other) if seed % 2 else (shop.other, shop.one)
    merge = api.post("/forms/customer/records:merge", {"keep": target, "merge": source})["merge"]
    clock.move(minutes=1)
    work()
    shop.figures_are_right()
    left = snapshot()
    for table, columns in customers_tables().items():
        if "customer_id" in columns and table not in (
            "identity",
            "customer_tag",
            "consent",
            "erasure",
            "segment_chosen",
        ):
            place = columns.index("customer_id")
            assert source not in {row[place] for row in left[table]}, f"{table} still names the customer that went"
    assert api.post(f"/forms/customer/merges/{merge}:undo")["kept_values"] == 0
    clock.move(minutes=1)
    work()
    shop.figures_are_right()
    assert differences(before, snapshot()) == []


def test_what_came_after_the_merge_stays_where_it_is(api: Api, client: Client, work: Work, clock: Clock) -> None:
    clock.set("2026-06-20T10:00:00+08:00")
    shop = Shop(api, client, 99)
    shop.live(0)
    merge = api.post("/forms/customer/records:merge", {"keep": shop.one, "merge": shop.other})["merge"]
    clock.move(hours=1)
    with read():
        new = records.create(
            catalog.get("order"),
            {"number": "NEW", "customer": shop.one, "amount": 500, "paid_at": "2026-06-19 12:00"},
            SYSTEM,
        )
        records.update(catalog.get("customer"), shop.one, {"city": "上海"}, SYSTEM)
        consents.record(shop.one, "service", ["sms"], consents.WITHDRAWN, "phone", SYSTEM, at=core_clock.now())
    page = client.get(f"/forms/customer/merges/{merge}").text
    assert "合并之后新增的会留在「王芳」：订单 1" in page, page[page.index("<h1") :]
    api.post(f"/forms/customer/merges/{merge}:undo")
    work()
    shop.figures_are_right()
    with read():
        assert query.get(catalog.get("order"), new, SYSTEM).get("customer") == shop.one
        assert query.get(catalog.get("customer"), shop.one, SYSTEM).get("city") == "上海"
        assert consents.current(shop.one)["service", "sms"].state == consents.WITHDRAWN
        assert ("service", "sms") not in consents.current(shop.other)


def test_the_stricter_word_stands_whoever_said_it_and_whenever(api: Api, client: Client, clock: Clock) -> None:
    shop = Shop(api, client, 5)
    with read():
        consents.record(shop.one, "marketing", ["sms"], consents.GRANTED, "phone", SYSTEM)
        clock.move(days=-1)
        consents.record(shop.other, "marketing", ["sms"], consents.WITHDRAWN, "phone", SYSTEM)
        consents.record(shop.other, "marketing", ["email"], consents.GRANTED, "phone", SYSTEM)
        clock.move(days=1)
    api.post("/forms/customer/records:merge", {"keep": shop.one, "merge": shop.other})
    with read():
        stands = consents.current(shop.one)
    assert stands["marketing", "sms"].state == consents.WITHDRAWN
    assert stands["marketing", "email"].state == consents.GRANTED


def test_every_mover_is_one_that_takes_its_move_back() -> None:
    """A mover without ``back`` must leave its trace in Changes; those are named here."""
    by_changes = {"joining.Identities"}
    for mover in merging._movers["customer"] + merging._movers["*"]:
        own = type(mover).back is not merging.Mover.back
        assert own or mover.key in by_changes, mover.key
