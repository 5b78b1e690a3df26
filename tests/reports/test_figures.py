"""The figures of reports are those that plain Python finds in the same rows."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict

import pytest

from tests.reports.conftest import SHANGHAI


def fen(text: str) -> int:
    return round(float(text) * 100)


def test_sales_by_month_leave_no_month_out(client, figures, paid):
    wanted = Counter()
    for row in paid:
        wanted[row["month"]] += row["value"]
    found = figures(client, "sales_over_time")
    assert {month: fen(value) for month, value in found if fen(value)} == dict(wanted)
    months = [month for month, _value in found]
    (year, month), (last_year, last_month) = (map(int, end.split("-")) for end in (months[0], months[-1]))
    # Two years; on the first of a month nobody may have paid in it yet.
    assert months == sorted(months) and len(months) == (last_year - year) * 12 + last_month - month + 1 >= 23


def test_the_numbers_on_top(client, figures, paid, rows):
    assert fen(figures(client, "sales")[0][0]) == sum(r["value"] for r in paid)
    assert int(figures(client, "orders")[0][0]) == len(paid)
    assert int(figures(client, "paying_customers")[0][0]) == len({r["customer"] for r in paid})
    assert fen(figures(client, "average_order")[0][0]) == round(sum(r["value"] for r in paid) / len(paid))
    assert int(figures(client, "customers")[0][0]) == len(rows("customer"))
    refunded = sum(r["refunded"] or 0 for r in paid) / sum(r["amount"] for r in paid)
    assert float(figures(client, "refund_rate")[0][0]) == pytest.approx(refunded, abs=1e-4)


def test_the_repurchase_rate_counts_customers_with_two_paid_orders(client, figures, paid):
    times = Counter(r["customer"] for r in paid)
    wanted = sum(n >= 2 for n in times.values()) / len(times)
    assert float(figures(client, "repurchase_rate")[0][0]) == pytest.approx(wanted, abs=1e-4)


def test_channels_stand_in_order_of_their_sales(client, figures, paid):
    wanted = Counter()
    for row in paid:
        wanted[row["channel"]] += row["value"]
    found = figures(client, "sales_by_channel")
    assert [fen(value) for _name, value in found] == [n for _key, n in wanted.most_common()]
    assert found[0][0] == "抖音"


def test_categories_count_the_items_of_paid_orders_only(client, figures, paid, rows):
    ids, wanted = {r["id"] for r in paid}, Counter()
    for item in rows("order_item"):
        if item["order"] in ids:
            wanted[item["category"]] += item["amount"]
    assert {name: fen(value) for name, value in figures(client, "sales_by_category")} == dict(wanted)


def test_the_ten_best_customers_by_name(client, figures, paid, rows):
    names = {r["id"]: r["name"] for r in rows("customer")}
    value, orders = Counter(), Counter(r["customer"] for r in paid)
    for row in paid:
        value[row["customer"]] += row["value"]
    best = sorted(value, key=lambda c: (-value[c], c))[:10]
    found = figures(client, "top_customers")
    assert [(n, fen(v), int(o)) for n, v, o in found] == [(names[c], value[c], orders[c]) for c in best]


def test_what_is_beyond_the_first_groups_stands_together(client, figures, paid):
    by_channel = {"form": "order", "measure": '{"agg": "count"}', "dimension": '{"field": "channel"}'}
    key = _made(client, **by_channel, chart="pie", limit="2")
    found = figures(client, key)
    counts = [n for _c, n in Counter(r["channel"] for r in paid).most_common()]
    assert [int(n) for _name, n in found] == [*counts[:2], sum(counts[2:])] and found[-1][0] == "其他"


PAID = [{"field": "paid_at", "op": "not_empty"}, {"field": "status", "op": "ne", "value": "cancelled"}]


def _made(client, **sent):
    always = {"label": "我的报表", "where": json.dumps({"all": PAID}), "shared": "1"}
    answer = client.post("/reports", data=always | sent)
    assert answer.status_code == 303, answer.text[:800]
    return answer.location.rsplit("/", 1)[1]


def test_a_range_of_days_is_counted_in_the_zone_of_the_company(client, figures, paid):
    days = sorted({r["day"] for r in paid})
    first, last = days[len(days) // 3], days[2 * len(days) // 3]
    found = figures(client, "orders", range="custom", **{"from": first.isoformat(), "to": last.isoformat()})
    assert int(found[0][0]) == sum(first <= r["day"] <= last for r in paid)


def test_this_month_is_compared_with_the_same_days_of_the_last(client, figures, paid):
    today = dt.datetime.now(SHANGHAI).date()
    start = today.replace(day=1)
    before = (start - dt.timedelta(days=1)).replace(day=1)
    until = min(before + (today - start) + dt.timedelta(days=1), start)
    now = sum(r["value"] for r in paid if r["day"] >= start)
    then = sum(r["value"] for r in paid if before <= r["day"] < until)
    value, compared, change = figures(client, "sales_this_month")[0]
    assert (fen(value), fen(compared)) == (now, then)
    if then:
        assert float(change) == pytest.approx((now - then) / then, abs=1e-3)


def test_two_dimensions_cross(client, figures, paid):
    wanted = defaultdict(int)
    for row in paid:
        wanted[row["month"], row["channel"]] += row["value"]
    found = figures(client, "channel_by_month")
    assert len(found) == len(wanted)
    assert sum(fen(v) for _m, _c, v in found) == sum(wanted.values())
    page = client.get("/reports/channel_by_month?range=all").text
    assert "table-pivot" in page and "小红书" in page


def test_the_months_of_a_year_ago_stand_beside_those_of_this_year(client, figures, paid):
    key = _made(
        client, form="order", measure='{"agg": "count"}', dimension='{"field": "paid_at", "bucket": "month"}',
        chart="line", compare="last_year",
    )  # fmt: skip
    counts = Counter(r["month"] for r in paid)
    found = figures(client, key, range="12m")
    assert len(found) == 12
    for month, now, before, _change in found:
        year, number = month.split("-")
        last_year = f"{int(year) - 1}-{number}"
        assert int(now) == counts[month]
        if month != max(m for m, *_rest in found):
            assert int(before) == counts[last_year]
