"""Points: earned by orders, taken back with them, spent, expired, corrected by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.clock import Clock
from tests.support.http import Api, Client

from .conftest import Shop

PAID = {"action": "add_points", "points": {"per": "amount", "rate": 1}, "reason": "付款得积分"}
Work = Callable[[], Any]


def test_a_paid_order_earns_points_and_a_refund_takes_them_back_in_proportion_once(shop: Shop, work: Work) -> None:
    shop.rule("order", PAID)
    ann = shop.customer("安")
    order = shop.order(ann, "199.90", "A1")
    work()
    assert shop.points(ann) == 199
    work()
    assert shop.points(ann) == 199
    shop.change("order", order, refunded="100.00")
    assert shop.points(ann) == 99
    shop.change("order", order, refunded="100.00", remark="催")
    assert shop.points(ann) == 99
    shop.change("order", order, refunded="199.90")
    assert shop.points(ann) == 0
    shop.change("order", order, refunded="0")
    assert shop.points(ann) == 199


def test_an_order_earns_once_for_one_reason_whichever_rule_says_so(shop: Shop, work: Work) -> None:
    shop.rule("order", PAID, where={"field": "paid_at", "op": "not_empty"})
    shop.rule("order", PAID, on={"updated": ["paid_at"]})
    ann = shop.customer("安")
    order = shop.order(ann, "100", "A1")
    later = shop.add("order", number="A2", customer=ann, amount="50", status="pending")
    work()
    assert shop.points(ann) == 100
    shop.change("order", order, paid_at="2026-06-02T10:00:00+08:00")
    shop.change("order", later, paid_at="2026-06-02T10:00:00+08:00", status="paid")
    work()
    assert shop.points(ann) == 150


def test_a_cancelled_or_deleted_order_takes_its_points_along_and_brings_them_back(
    shop: Shop, work: Work, api: Api
) -> None:
    shop.rule("order", PAID)
    ann = shop.customer("安")
    order = shop.order(ann, "100", "A1")
    work()
    shop.change("order", order, status="cancelled")
    assert shop.points(ann) == 0
    shop.change("order", order, status="paid")
    assert shop.points(ann) == 100
    api.delete(f"/forms/order/records/{order}")
    assert shop.points(ann) == 0
    api.post(f"/forms/order/records/{order}:restore")
    assert shop.points(ann) == 100


def test_an_order_that_is_not_paid_earns_nothing_and_one_of_nobody_neither(shop: Shop) -> None:
    ann = shop.customer("安")
    key = shop.rule("order", PAID, on={"manual": True})
    unpaid = shop.add("order", number="U1", customer=ann, amount="50")
    nobody = shop.order(None, "50", "N1")  # type: ignore[arg-type]
    run = shop.run(key, [unpaid, nobody])
    assert (run["changed"], shop.points(ann)) == (0, 0)


def test_undoing_a_run_takes_its_points_back_for_good(shop: Shop, work: Work, client: Client) -> None:
    ann, ben = shop.customer("安"), shop.customer("本")
    key = shop.rule("customer", {"action": "add_points", "points": 50, "reason": "生日礼"}, on={"manual": True})
    run = shop.run(key)
    assert (run["changed"], shop.points(ann), shop.points(ben)) == (2, 50, 50)
    client.post(f"/automation/runs/{run['id']}/undo")
    work()
    assert (shop.points(ann), shop.points(ben)) == (0, 0)
    order_rule = shop.rule("order", PAID)
    order = shop.order(ann, "80", "A1")
    work()
    client.post(f"/automation/runs/{shop.last_run(order_rule)['id']}/undo")
    work()
    assert shop.points(ann) == 0
    shop.change("order", order, refunded="10")
    shop.change("order", order, refunded="0")
    assert shop.points(ann) == 0


def test_a_bulk_operation_gives_points_and_is_taken_back_by_one_click(shop: Shop, client: Client, work: Work) -> None:
    ann = shop.customer("安")
    data = {"ids": str(ann), "go": "1", "do.way": "fixed", "do.points": "30", "do.reason": "活动"}
    answer = client.post("/forms/customer/bulk/add_points", data=data)
    assert answer.status_code < 400, answer.text
    assert shop.points(ann) == 30
    job = shop.api.get(f"/customers/{ann}/points")["entries"][0]
    assert job["reason"] == "活动"
    from appliance.loyalty.models import PointsEntry

    cause = PointsEntry.get().cause_id
    assert client.post(f"/forms/customer/bulk/revert/{cause}").status_code < 400
    assert shop.points(ann) == 0


def test_a_correction_by_hand_needs_a_reason_and_the_right_and_can_be_taken_back(
    shop: Shop, client: Client, staff_client: Client, staff_api: Api
) -> None:
    ann = shop.customer("安")
    dialog = client.get(f"/customers/{ann}/points/adjust").text
    assert "现在有 0 积分" in dialog
    refused = client.post(f"/customers/{ann}/points/adjust", data={"points": "一百", "reason": "补偿"}, htmx=True)
    assert "请填写不为 0 的整数" in refused.text and 'value="补偿"' in refused.text
    done = client.post(f"/customers/{ann}/points/adjust", data={"points": "100", "reason": "补偿"}, htmx=True)
    assert "已加 100 积分" in done.headers["HX-Trigger"].encode().decode("unicode_escape") and "补偿" in done.text
    assert shop.points(ann) == 100
    client.post(f"/customers/{ann}/points/undo?points=100", htmx=True)
    assert shop.points(ann) == 0
    told = shop.api.post(f"/customers/{ann}/points", {"points": 5, "reason": ""}, expect=422)
    assert told["errors"][0]["field"] == "reason"
    assert staff_client.get(f"/customers/{ann}/points/adjust").status_code == 403
    staff_api.post(f"/customers/{ann}/points", {"points": 5, "reason": "自己人"}, expect=403)


def test_what_was_spent_cannot_be_taken_unless_the_company_keeps_debts(shop: Shop, client: Client, work: Work) -> None:
    shop.rule("order", PAID)
    ann = shop.customer("安")
    first = shop.order(ann, "100", "A1")
    work()
    shop.api.post(f"/customers/{ann}/points", {"points": -80, "reason": "兑换"})
    shop.change("order", first, status="cancelled")
    assert shop.points(ann) == 0
    shop.change("order", first, status="paid")
    assert shop.points(ann) == 20
    answer = client.post("/settings/loyalty", data={"loyalty.points_floor": "debt", "loyalty.points_days": "0"})
    assert answer.status_code == 303
    shop.change("order", first, status="cancelled")
    assert shop.points(ann) == -80
    wrong = client.post("/settings/loyalty", data={"loyalty.points_days": "很久"})
    assert wrong.status_code == 422 and 'value="很久"' in wrong.text


def test_points_expire_oldest_first_and_what_was_spent_does_not_expire(
    shop: Shop, clock: Clock, client: Client, work: Work
) -> None:
    assert client.post("/settings/loyalty", data={"loyalty.points_days": "10"}).status_code == 303
    ann = shop.customer("安")
    shop.api.post(f"/customers/{ann}/points", {"points": 100, "reason": "一"})
    clock.move(days=5)
    shop.api.post(f"/customers/{ann}/points", {"points": 50, "reason": "二"})
    shop.api.post(f"/customers/{ann}/points", {"points": -60, "reason": "兑换"})
    assert "30 天内有 90 积分到期" in client.get(f"/forms/customer/records/{ann}/panels/points", htmx=True).text
    clock.move(days=6)
    work()
    assert shop.points(ann) == 50
    clock.move(days=5)
    work()
    work()
    assert shop.points(ann) == 0
    assert [e["points"] for e in shop.api.get(f"/customers/{ann}/points")["entries"]] == [-50, -40, -60, 50, 100]


def test_merging_joins_two_ledgers_and_undoing_it_parts_them(shop: Shop, api: Api, work: Work) -> None:
    shop.rule("order", PAID)
    ann, twin = shop.customer("安"), shop.customer("安安")
    shop.order(ann, "10", "A1")
    late = shop.order(twin, "20", "T1")
    work()
    api.post(f"/customers/{twin}/points", {"points": 5, "reason": "补偿"})
    merge = api.post("/forms/customer/records:merge", {"keep": ann, "merge": twin})
    assert shop.points(ann) == 35
    shop.change("order", late, refunded="10")
    assert shop.points(ann) == 25
    api.post(f"/forms/customer/merges/{merge['merge']}:undo")
    assert (shop.points(ann), shop.points(twin)) == (10, 15)


def test_an_order_given_to_another_customer_takes_its_points_along(shop: Shop, work: Work) -> None:
    shop.rule("order", PAID)
    ann, ben = shop.customer("安"), shop.customer("本")
    order = shop.order(ann, "100", "A1")
    work()
    shop.change("order", order, refunded="40")
    shop.change("order", order, customer=ben)
    assert (shop.points(ann), shop.points(ben)) == (0, 60)


def test_the_nightly_check_mends_a_balance_that_went_astray_and_says_so(shop: Shop, clock: Clock, work: Work) -> None:
    ann = shop.customer("安")
    shop.api.post(f"/customers/{ann}/points", {"points": 100, "reason": "补偿"})
    from appliance.core import incidents
    from appliance.core.db import write
    from appliance.forms import catalog, records

    form = catalog.get("customer")
    with write():
        records.write_derived(form, {"points": 7}, form.col("id") == ann)
    clock.move(days=1)
    work()
    assert shop.points(ann) == 100
    assert [one.kind for one in incidents.unresolved()] == ["points_drift"]


def test_a_rule_on_the_balance_hears_of_points(shop: Shop, work: Work) -> None:
    shop.rule(
        "customer", {"action": "set_level", "level": "gold"}, on={"updated": ["points"]},
        where={"field": "points", "op": "gte", "value": 100},
    )  # fmt: skip
    ann = shop.customer("安")
    shop.api.post(f"/customers/{ann}/points", {"points": 99, "reason": "一"})
    work()
    assert shop.value("customer", ann, "level") is None
    shop.api.post(f"/customers/{ann}/points", {"points": 1, "reason": "二"})
    work()
    assert shop.value("customer", ann, "level") == "gold"


def test_parameters_that_make_no_sense_are_refused_at_their_place(shop: Shop) -> None:
    assert "points" in shop.refuse("customer", {"action": "add_points", "points": 0, "reason": "x"})
    assert "reason" in shop.refuse("customer", {"action": "add_points", "points": 5})
    bad = {"action": "add_points", "points": {"per": "number", "rate": 1}, "reason": "x"}
    assert "points.per" in shop.refuse("order", bad)
    assert "points.rate" in shop.refuse("order", bad | {"points": {"per": "amount", "rate": "很多"}})
    assert "level" in shop.refuse("customer", {"action": "set_level", "level": ""})
    assert "days" in shop.refuse("customer", {"action": "set_level", "level": "gold", "days": 0})
