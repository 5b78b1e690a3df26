"""Metrics and RFM follow orders, whatever happens to them, and equal a plain computation of the same definitions."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.core import incidents
from appliance.core.db import read
from appliance.customers import explaining, identities, rfm, scoring
from appliance.customers.events import ingest
from appliance.customers.models import RfmTouched
from appliance.forms import catalog, query, records
from appliance.forms.hooks import Cause
from tests.customers import plain
from tests.customers.plain import Order

KEYS = ("first_paid_at", "last_paid_at", "order_count", "total_paid", "average_order", "refund_rate")
SCORES = ("r_score", "f_score", "m_score", "rfm_segment")
Work = Callable[[], dict[str, Any]]


def values(form_key: str) -> dict[int, dict[str, Any]]:
    return {r.id: r.values for r in query.Query(catalog.get(form_key), SYSTEM).each()}


def orders() -> list[Order]:
    return [
        Order(v["customer"], v["paid_at"], v["amount"], v["refunded"], v["status"])
        for v in values("order").values()
        if v["customer"] is not None
    ]


def check_figures() -> None:
    """Every live customer's figures and scores are those of their orders."""
    all_orders = orders()
    mine = plain.by_customer(all_orders)
    live = values("customer")
    scores = plain.rfm([o for o in all_orders if o.customer in live])
    for customer, found in live.items():
        assert {k: found[k] for k in KEYS} == plain.figures(mine.get(customer, [])), customer
        assert tuple(found[k] for k in SCORES) == scores.get(customer, (None,) * 4), customer


def make_customers(count: int) -> list[int]:
    written = records.create_many(catalog.get("customer"), [{"name": f"c{i}"} for i in range(count)], SYSTEM)
    return [i for i in written.ids if i]


def make_orders(rows: list[dict[str, Any]]) -> list[int]:
    written = records.create_many(catalog.get("order"), rows, SYSTEM, Cause("import", 1))
    assert not written.errors
    return [i for i in written.ids if i]


MONEY = st.one_of(
    st.none(), st.integers(0, 5).map(lambda n: f"{n * 10}.00"), st.integers(0, 99_999).map(lambda n: n / 100)
)
ORDER = st.fixed_dictionaries(
    {
        "customer": st.integers(0, 11),
        "amount": MONEY,
        "refunded": st.one_of(st.none(), st.just("5.00")),
        "status": st.sampled_from([None, "paid", "completed", "cancelled"]),
        "paid_at": st.one_of(
            st.none(),
            st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2026, 6, 1)).map(lambda d: d.replace(microsecond=0)),
        ),
    }
)
STEP = st.one_of(
    st.tuples(st.just("create"), st.lists(ORDER, min_size=1, max_size=5)),
    st.tuples(st.just("update"), st.integers(0, 999), ORDER),
    st.tuples(st.sampled_from(["delete", "restore"]), st.integers(0, 999)),
    st.tuples(st.just("customer"), st.integers(0, 11)),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(STEP, min_size=1, max_size=6))
def test_under_any_history_figures_and_scores_equal_a_plain_computation(
    app: Flask, work: Work, history: list[Any]
) -> None:
    """Examples share one database: the histories add up, and after each the incremental scores equal the full ones."""
    with read():
        customers = [*range(1, 13)] if values("customer") or getattr(app, "made", 0) else make_customers(12)
        app.made = 1  # type: ignore[attr-defined]
        for step in history:
            play(step, customers)
        work()
        check_figures()
        assert RfmTouched.select().count() == 0


def play(step: Any, customers: list[int]) -> None:
    form, all_ids = catalog.get("order"), list(values("order"))
    live = values("customer")
    if step[0] == "create":
        numbers = [f"{len(all_ids)}-{i}-{id(step)}" for i in range(len(step[1]))]
        rows = [r | {"customer": customers[r["customer"]], "number": n} for r, n in zip(step[1], numbers, strict=True)]
        rows = [r for r in rows if r["customer"] in live]
        if rows:
            make_orders(rows)
    elif step[0] == "update" and all_ids and customers[step[2]["customer"]] in live:
        records.update(
            form, all_ids[step[1] % len(all_ids)], step[2] | {"customer": customers[step[2]["customer"]]}, SYSTEM
        )
    elif step[0] == "delete" and all_ids:
        records.delete(form, all_ids[step[1] % len(all_ids)], SYSTEM)
    elif step[0] == "restore":
        gone = [r.id for r in query.Query(form, SYSTEM, deleted=True).each()]
        records.restore_many(form, gone[:3], SYSTEM)
    elif step[0] == "customer":
        customer, people = customers[step[1]], catalog.get("customer")
        if customer in live:
            records.delete(people, customer, SYSTEM)
        else:
            records.restore(people, customer, SYSTEM)


def test_a_refund_a_cancellation_and_a_deletion_take_back_what_the_order_gave(app: Flask, work: Work) -> None:
    with read():
        one, other = make_customers(2)
        first, second, third = make_orders(
            [
                {"number": "A", "customer": one, "amount": "100", "paid_at": "2026-03-01"},
                {"number": "B", "customer": one, "amount": "200", "paid_at": "2026-04-01"},
                {"number": "C", "customer": other, "amount": "50", "paid_at": "2026-05-01"},
            ]
        )
        form = catalog.get("order")

        def total(customer: int) -> tuple[int, int]:
            found = values("customer")[customer]
            return found["order_count"], found["total_paid"]

        assert total(one) == (2, 30_000)
        records.update(form, first, {"refunded": "30"}, SYSTEM)
        assert total(one) == (2, 27_000)
        records.update(form, second, {"status": "cancelled"}, SYSTEM)
        assert total(one) == (1, 7_000)
        records.update(form, first, {"customer": other}, SYSTEM)
        assert total(one) == (0, 0) and total(other) == (2, 12_000)
        records.delete(form, third, SYSTEM)
        assert total(other) == (1, 7_000)
        records.restore(form, third, SYSTEM)
        assert total(other) == (2, 12_000)
        work()
        check_figures()


def test_a_new_customer_has_nothing_bought_and_no_scores(app: Flask, work: Work) -> None:
    with read():
        [one] = make_customers(1)
        work()
        found = values("customer")[one]
    assert (found["order_count"], found["total_paid"], found["last_paid_at"]) == (0, 0, None)
    assert found["r_score"] is None and found["rfm_segment"] is None


def test_rfm_on_every_order_of_cdnow_equals_a_plain_computation(app: Flask, work: Work, samples: Path) -> None:
    with gzip.open(samples / "cdnow_orders.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with read():
        form = catalog.get("order")
        for start in range(0, len(rows), 2_000):
            part = rows[start : start + 2_000]
            columns = {key: [row[key] for row in part] for key in ("number", "paid_at", "amount")}
            columns["customer"] = [{"member_no": row["member_no"]} for row in part]
            written = records.create_many(form, None, SYSTEM, Cause("import", 1), columns=columns)
            assert not written.errors
        work()
        live = values("customer")
        members = {key.value: who for who, keys in identities.of(live).items() for key in keys}
    assert (len(rows), len(live)) == (69_659, 23_570)
    expected_orders = [
        Order(
            members[row["member_no"]],
            int(dt.datetime.fromisoformat(row["paid_at"]).replace(tzinfo=plain.ZONE).timestamp()),
            round(float(row["amount"]) * 100),
        )
        for row in rows
    ]
    scores, mine = plain.rfm(expected_orders), plain.by_customer(expected_orders)
    assert {who: tuple(found[k] for k in SCORES) for who, found in live.items()} == scores
    assert {who: {k: found[k] for k in KEYS} for who, found in live.items()} == {
        who: plain.figures(found) for who, found in mine.items()
    }


def test_a_period_counts_only_its_orders_and_moves_with_the_days(app: Flask, work: Work, clock: Any) -> None:
    with read():
        one, other = make_customers(2)
        history = [("A", one, "900", 100), ("B", one, "10", 5), ("C", other, "50", 14)]
        make_orders(
            [
                {"number": number, "customer": who, "amount": amount, "paid_at": clock.now() - days * 86_400}
                for number, who, amount, days in history
            ]
        )
        rfm.configure({"period": 30})
        work()
        found = values("customer")
        assert (found[one]["m_score"], found[other]["m_score"]) == (1, 3)
        clock.move(days=20)
        work()
        found = values("customer")
        assert found[other]["m_score"] is None and found[one]["m_score"] == 1
        # The figures themselves are of all time.
        assert found[one]["total_paid"] == 91_000


def test_cut_points_in_days_move_the_r_score_every_night(app: Flask, work: Work, clock: Any) -> None:
    with read():
        [one] = make_customers(1)
        make_orders([{"number": "A", "customer": one, "amount": "10", "paid_at": clock.now() - 2 * 86_400}])
        rfm.configure({"cuts": {"r": [2, 7, 30, 90]}})
        work()
        assert values("customer")[one]["r_score"] == 5
        clock.move(days=1)
        work()
        assert values("customer")[one]["r_score"] == 4


def test_interactions_are_scored_among_customers_with_events(app: Flask, work: Work, clock: Any) -> None:
    with read():
        ids = make_customers(4)

        def tell(customer: int, kind: str, days: int, seconds: int | None = None) -> None:
            at = clock.now() - days * 86_400
            ingest.ingest([{"customer": customer, "type": kind, "at": at, "seconds": seconds}], SYSTEM)

        for days in (1, 40, 41):
            tell(ids[0], "comment", days)
        tell(ids[0], "watch", 2, 60)
        tell(ids[1], "watch", 40, 90)
        tell(ids[2], "follow", 3)
        work()
        found = values("customer")
        # Whoever only followed did something, too: with nothing watched and no interaction.
        assert [(found[i]["i_score"], found[i]["w_score"]) for i in ids] == [(4, 2), (1, 4), (1, 1), (None, None)]
        rfm.configure({"period": 30})
        work()
        found = values("customer")
        assert [(found[i]["i_score"], found[i]["w_score"]) for i in ids] == [(3, 3), (None, None), (1, 1), (None, None)]


def test_drift_is_mended_at_night_and_reported(app: Flask, work: Work, clock: Any) -> None:
    with read():
        [one] = make_customers(1)
        make_orders([{"number": "A", "customer": one, "amount": "10", "paid_at": "2026-03-01"}])
        work()
        form = catalog.get("customer")
        records.write_derived(form, {"total_paid": 1}, form.col("id") == one)
        clock.move(days=1)
        work()
        check_figures()
        assert any("1 位客户" in i.why for i in incidents.unresolved())


def test_a_scoring_that_dies_half_way_is_made_good(app: Flask, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    with read():
        customers = make_customers(40)
        rows = [
            {"number": f"{i}", "customer": c, "amount": i + 1, "paid_at": "2026-03-01"} for i, c in enumerate(customers)
        ]
        make_orders(rows)
        work()
        monkeypatch.setattr(scoring, "BATCH", 5)
        make_orders([r | {"number": f"x{i}", "amount": 1000 + i} for i, r in enumerate(rows[:20])])
        done = scoring.rfm.write_scores
        calls = []

        def dying(*args: Any) -> int:
            calls.append(1)
            if len(calls) == 3:
                raise RuntimeError("power cut")
            return done(*args)

        monkeypatch.setattr(scoring.rfm, "write_scores", dying)
        assert work()["errors"]
        monkeypatch.setattr(scoring.rfm, "write_scores", done)
        make_orders([{"number": "y", "customer": customers[-1], "amount": 5000, "paid_at": "2026-04-01"}])
        work()
        check_figures()


def test_the_explanation_says_what_each_score_is_for(app: Flask, work: Work, clock: Any) -> None:
    clock.set("2026-06-15T10:00:00+08:00")
    with read():
        customers = make_customers(5)
        make_orders(
            [
                {"number": f"{i}", "customer": c, "amount": (i + 1) * 100, "paid_at": f"2026-06-0{i + 1}"}
                for i, c in enumerate(customers)
            ]
        )
        work()
        best = explaining.explain(customers[-1])
    by_letter = {one.letter: one for one in best.letters}
    assert by_letter["r"].sentence == "10 天前（2026-06-05），强于 80% 的客户，得 5 分"
    assert by_letter["m"].value == "¥500.00" and by_letter["m"].high and not by_letter["f"].high
    assert best.segment == "重要发展"
