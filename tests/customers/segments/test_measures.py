"""Company metrics: made on screen, kept as a field of the customer, right after whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.core.errors import FieldErrors, UserError
from appliance.customers.measures import store
from appliance.customers.segments import store as segments
from appliance.forms import catalog, query, records
from tests.customers.segments.test_membership import customer, members, order
from tests.support.clock import Clock

Work = Callable[[], dict[str, Any]]


def value(record_id: int, key: str) -> Any:
    return query.get(catalog.get("customer"), record_id, SYSTEM).values[key]


def test_a_metric_is_a_field_that_follows_orders_refunds_and_time(app: Any, work: Work, clock: Clock) -> None:
    clock.set("2026-06-10T12:00:00+08:00")
    one, two = customer(name="甲"), customer(name="乙")
    order(one, "A1", amount="100.00", paid_at="2026-05-01")
    late = order(one, "A2", amount="50.00", paid_at="2026-06-09T12:00:00+08:00")
    store.save(
        {
            "key": "spent_7",
            "label": "七天消费",
            "form": "order",
            "agg": "sum",
            "of": "amount",
            "on": "paid_at",
            "window": {"days": 7},
            "indexed": True,
        },
        SYSTEM,
    )
    store.save({"key": "mean_order", "label": "平均一单", "form": "order", "agg": "avg", "of": "amount"}, SYSTEM)
    store.save(
        {
            "key": "last_big",
            "label": "最近大单",
            "form": "order",
            "agg": "last",
            "where": {"field": "amount", "op": "gte", "value": 80},
        },
        SYSTEM,
    )
    store.save(
        {"key": "this_month", "label": "本月单数", "form": "order", "agg": "count", "window": {"this": "month"}}, SYSTEM
    )
    segments.save({"key": "buying", "label": "在买", "where": {"field": "spent_7", "op": "gte", "value": 50}}, SYSTEM)
    work()
    assert [value(one, k) for k in ("spent_7", "mean_order", "this_month")] == [5000, 7500, 1]
    assert value(one, "last_big") and value(two, "spent_7") == 0 and value(two, "mean_order") is None
    assert members("buying") == {one}
    records.update(catalog.get("order"), late, {"customer": two}, SYSTEM)
    work()
    assert (value(one, "spent_7"), value(two, "spent_7"), value(two, "mean_order")) == (0, 5000, 5000)
    assert members("buying") == {two}
    clock.set("2026-06-16T12:00:01+08:00")
    work()
    assert value(two, "spent_7") == 0 and members("buying") == set() and value(two, "this_month") == 1
    clock.set("2026-07-01T00:00:00+08:00")
    work()
    assert value(two, "this_month") == 0


def test_a_metric_that_is_used_stays_and_one_that_is_not_goes_and_comes_back(app: Any, work: Work) -> None:
    store.save({"key": "orders_all", "label": "单数", "form": "order"}, SYSTEM)
    segments.save({"key": "some", "label": "有单", "where": {"field": "orders_all", "op": "gte", "value": 1}}, SYSTEM)
    work()
    with pytest.raises(UserError, match="客群「有单」"):
        store.delete("orders_all", SYSTEM)
    segments.delete("some", SYSTEM)
    gone = store.delete("orders_all", SYSTEM)
    assert "orders_all" not in catalog.get("customer").fields
    one = customer(name="甲")
    order(one, "A1")
    store.restore(gone.id, SYSTEM)
    work()
    assert value(one, "orders_all") == 1


def test_what_makes_no_sense_is_refused_beside_its_field(app: Any) -> None:
    for doc, at in (
        ({"label": "", "form": "order"}, "label"),
        ({"label": "a", "form": "nothing"}, "form"),
        ({"label": "a", "form": "product"}, "form"),
        ({"label": "a", "form": "order", "agg": "sum"}, "of"),
        ({"label": "a", "form": "order", "agg": "sum", "of": "remark"}, "of"),
        ({"label": "a", "form": "order", "window": {"days": 0}}, "window"),
        ({"label": "a", "form": "order", "on": "amount", "agg": "last"}, "on"),
        ({"label": "a", "form": "order", "where": {"field": "no", "value": 1}}, "where"),
        ({"label": "a", "form": "order", "key": "city"}, "key"),
    ):
        with pytest.raises(FieldErrors) as caught:
            store.save(doc, SYSTEM)
        assert at in caught.value.errors, doc
