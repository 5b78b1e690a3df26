"""Points: earned by orders, taken back with them, spent, expired, corrected by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
    data = {"ids": str(ann), "do.way": "fixed", "do.points": "30", "do.reason": "活动"}
    answer = client.post("/forms/customer/bulk/add_points", data=data)
    assert answer.status_code < 400, answer.text
    assert shop.points(ann) == 30
    job = shop.api.get(f"/customers/{ann}/points")["entries"][0]
    assert job["reason"] == "活动"
    from appliance.loyalty.models import PointsEntry

    cause = PointsEntry.get().cause_id
    assert client.post(f"/forms/customer/bulk/revert/{cause}").status_code < 400
    assert shop.points(ann) == 0
