"""Whatever happens to orders, the balance is what a plain model says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.automation import rules
from appliance.core.db import write
from appliance.forms import catalog, records, reversing
from appliance.forms.hooks import Cause
from appliance.loyalty import points

from .conftest import Shop
from .test_points import PAID

ORDERS = 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("refund"), st.integers(0, ORDERS - 1), st.integers(0, 20_000)),
        st.tuples(st.just("status"), st.integers(0, ORDERS - 1), st.sampled_from(["paid", "cancelled", "completed"])),
        st.tuples(st.just("bin"), st.integers(0, ORDERS - 1), st.booleans()),
        st.tuples(st.just("spend"), st.just(0), st.integers(1, 150)),
        st.tuples(st.just("undo"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_balance_equals_a_plain_model_under_random_histories(
    shop: Shop, work: Callable[[], Any], steps: list[tuple[str, int, Any]]
) -> None:
    """With debts allowed the balance is Σ ⌊earned × worth ÷ worth then⌋ of the orders that stand, less what was spent."""
    from appliance.core import settings as company

    company.set("loyalty.points_floor", "debt")
    form = catalog.get("order")
    if not rules.book.all(form="order", enabled=True):
        shop.rule("order", PAID)
    ann = shop.customer("安")
    number = shop.value("customer", ann, "id") or ann
    rows = [
        {"number": f"{number}-{i}", "customer": ann, "amount": 123 + i, "paid_at": "2026-06-01T10:00:00+08:00"}
        for i in range(ORDERS)
    ]
    ids = shop.many("order", rows)
    work()
    state = [{"refunded": 0, "status": None, "gone": False} for _each in ids]
    spent, undone = 0, False
    last = shop.last_run(next(rule.key for rule in rules.book.all(form="order", enabled=True)))["id"]
    for what, n, value in steps:
        if what == "refund" and not state[n]["gone"]:
            records.update(form, ids[n], {"refunded": value / 100}, SYSTEM)
            state[n]["refunded"] = value
        elif what == "status" and not state[n]["gone"]:
            records.update(form, ids[n], {"status": value}, SYSTEM)
            state[n]["status"] = value
        elif what == "bin" and state[n]["gone"] != value:
            (records.delete if value else records.restore)(form, ids[n], SYSTEM)
            state[n]["gone"] = value
        elif what == "spend":
            points.adjust(ann, -value, "兑换", SYSTEM)
            spent += value
        elif what == "undo":
            undone = True
            with write():
                at: Any = None
                while not (step := reversing.take_back("rule", last, at, 50, SYSTEM, Cause("undo", last))).done:
                    at = step.state
    expected = -spent
    for i, order in enumerate(state):
        amount = (123 + i) * 100
        worth = max(0, amount - order["refunded"])
        if not undone and not order["gone"] and order["status"] != "cancelled":
            expected += (123 + i) * min(worth, amount) // amount
    assert shop.points(ann) == expected
