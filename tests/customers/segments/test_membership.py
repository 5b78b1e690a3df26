"""Who is in a segment, and when: written to, as time goes by, and told why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.customers.segments import store
from appliance.customers.segments.models import SegmentMember, SegmentMove
from appliance.forms import catalog, conditions, records
from tests.support.clock import Clock

Work = Callable[[], dict[str, Any]]


def members(key: str) -> set[int]:
    segment = store.get(key)
    rows = SegmentMember.select(SegmentMember.customer_id).where(SegmentMember.segment_id == segment.id)
    found = {i for (i,) in rows.tuples()}
    assert segment.size == len(found)
    return found


def customer(**values: Any) -> int:
    return records.create(catalog.get("customer"), values, SYSTEM)


def order(customer_id: int, number: str, **values: Any) -> int:
    return records.create(catalog.get("order"), {"number": number, "customer": customer_id, **values}, SYSTEM)


@pytest.fixture
def hangzhou(app: Any, work: Work) -> str:
    key = store.save({"label": "杭州", "where": {"field": "city", "op": "eq", "value": "杭州"}}, SYSTEM).key
    work()
    return key


def test_a_new_segment_finds_who_is_there_and_follows_who_changes(hangzhou: str, work: Work) -> None:
    one, two = customer(name="甲", city="杭州"), customer(name="乙", city="宁波")
    work()
    assert members(hangzhou) == {one}
    records.update_many(catalog.get("customer"), {one: {"city": "宁波"}, two: {"city": "杭州"}}, SYSTEM)
    work()
    assert members(hangzhou) == {two}
    moves = [(m.customer_id, m.joined) for m in SegmentMove.select().order_by(SegmentMove.id)]
    assert moves[0] == (one, True) and sorted(moves[1:]) == [(one, False), (two, True)]
    records.delete(catalog.get("customer"), two, SYSTEM)
    work()
    assert members(hangzhou) == set()
    records.restore(catalog.get("customer"), two, SYSTEM)
    work()
    assert members(hangzhou) == {two}


def test_orders_and_their_items_move_the_customers_they_belong_to(app: Any, work: Work, clock: Clock) -> None:
    spent = {
        "related": "order",
        "where": {"field": "paid_at", "op": "not_empty"},
        "agg": "sum",
        "of": "amount",
        "op": "gte",
        "value": 500,
    }
    tea = {
        "related": "order",
        "where": {"related": "order_item", "where": {"field": "category", "op": "eq", "value": "茶"}},
    }
    store.save({"key": "spent", "label": "满五百", "where": spent}, SYSTEM)
    store.save({"key": "tea", "label": "买过茶", "where": tea}, SYSTEM)
    one, two = customer(name="甲"), customer(name="乙")
    first = order(one, "A1", amount="499.00", paid_at="2026-11-01")
    work()
    assert members("spent") == set()
    records.update(catalog.get("order"), first, {"amount": "500.00"}, SYSTEM)
    item = records.create(catalog.get("order_item"), {"order": first, "name": "龙井", "category": "茶"}, SYSTEM)
    work()
    assert members("spent") == {one} and members("tea") == {one}
    records.update(catalog.get("order"), first, {"customer": two}, SYSTEM)
    work()
    assert members("spent") == {two} and members("tea") == {two}
    records.delete(catalog.get("order_item"), item, SYSTEM)
    work()
    assert members("spent") == {two} and members("tea") == set()


def test_a_window_moves_customers_at_the_right_moment_without_asking_everybody(
    app: Any, work: Work, clock: Clock
) -> None:
    clock.set("2026-06-01T10:00:00+08:00")
    store.save(
        {"key": "active", "label": "活跃", "where": {"field": "last_paid_at", "op": "within", "value": {"days": 30}}},
        SYSTEM,
    )
    store.save(
        {
            "key": "quiet",
            "label": "沉默",
            "where": {"all": [{"field": "order_count", "op": "gte", "value": 1}, {"not": {"segment": "active"}}]},
        },
        SYSTEM,
    )
    one = customer(name="甲")
    customer(name="乙")
    work()
    order(one, "A1", amount="10.00", paid_at="2026-06-01T09:00:00+08:00")
    work()
    assert members("active") == {one} and members("quiet") == set()
    clock.set("2026-07-01T09:00:00+08:00")
    assert work()["jobs"] >= 0
    assert members("active") == {one}
    clock.move(seconds=1)
    done = work()
    assert members("active") == set() and members("quiet") == {one}
    assert done["customers_looked_at"] == 1
    moved = SegmentMove.select().where(SegmentMove.joined == False).get()  # noqa: E712
    assert moved.at == SegmentMember.get().since


def test_why_a_customer_is_in_a_segment_is_told_test_by_test(hangzhou: str, work: Work) -> None:
    one = customer(name="甲", city="杭州")
    work()
    told = conditions.explain({"segment": hangzhou}, catalog.get("customer"), one)
    assert told.passed and told.words == "在客群「杭州」中" and told.actual.endswith("加入")
