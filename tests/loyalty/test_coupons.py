"""Coupons: issued within stock and limits, used by orders, given back with them, expired, undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from appliance.forms import catalog
from appliance.messaging import texts
from tests.support.clock import Clock
from tests.support.http import Client

from .conftest import Shop

Work = Callable[[], Any]
ISSUE = {"action": "issue_coupon", "coupon": "ten"}


def held(shop: Shop, customer: int | None = None) -> list[dict[str, Any]]:
    found = shop.api.get("/forms/customer_coupon/records", sort="id", limit=100)["records"]
    return [r["values"] | {"id": r["id"]} for r in found if customer in (None, r["values"]["customer"])]


def states(shop: Shop) -> Counter[str]:
    return Counter(one["status"] for one in held(shop))


def test_it_is_issued_within_stock_and_limit_and_says_why_not(shop: Shop) -> None:
    coupon = shop.add("coupon", key="ten", name="满100减10", value=10, minimum="100", stock=3, valid_days=7)
    for name in ("安", "本", "陈", "丁"):
        shop.customer(name)
    key = shop.rule("customer", ISSUE, on={"manual": True})
    run = shop.run(key)
    assert run["changed"] == 3 and states(shop) == {"issued": 3}
    assert (shop.value("coupon", coupon, "issued"), shop.value("coupon", coupon, "used")) == (3, 0)
    codes = {one["code"] for one in held(shop)}
    assert len(codes) == 3 and all(len(code) == 10 for code in codes)
    shop.change("coupon", coupon, stock=10)
    run = shop.run(key)
    # Three have theirs, the fourth gets one.
    assert (run["changed"], states(shop)) == (1, {"issued": 4})
    refused = shop.api.post("/forms/customer_coupon/records", {"values": {"customer": 1, "coupon": coupon}}, expect=422)
    assert "已经领过 1 张" in refused["errors"][0]["message"]


def test_the_order_that_names_the_code_uses_it_and_a_refund_or_a_cancellation_gives_it_back(shop: Shop) -> None:
    coupon = shop.add("coupon", key="ten", name="满100减10", value=10)
    ann, ben = shop.customer("安"), shop.customer("本")
    shop.run(shop.rule("customer", ISSUE, on={"manual": True}))
    code = held(shop, ann)[0]["code"]
    shop.order(ben, "120", "B1", coupon=code)
    assert states(shop) == {"issued": 2}
    order = shop.order(ann, "120", "A1", coupon=code.lower())
    one = held(shop, ann)[0]
    assert (one["status"], one["order"], shop.value("coupon", coupon, "used")) == ("used", order, 1)
    shop.change("order", order, refunded="20")
    assert held(shop, ann)[0]["status"] == "used"
    shop.change("order", order, refunded="120")
    assert (held(shop, ann)[0]["status"], shop.value("coupon", coupon, "used")) == ("issued", 0)
    shop.change("order", order, refunded="0")
    assert held(shop, ann)[0]["status"] == "used"
    shop.change("order", order, status="cancelled")
    assert held(shop, ann)[0]["status"] == "issued"
    again = shop.order(ann, "90", "A2", coupon=code)
    shop.api.delete(f"/forms/order/records/{again}")
    assert held(shop, ann)[0]["status"] == "issued"


def test_an_order_below_the_minimum_does_not_use_it_and_what_came_off_counts(shop: Shop) -> None:
    shop.add("coupon", key="ten", name="满100减10", value=10, minimum="100")
    ann = shop.customer("安")
    shop.run(shop.rule("customer", ISSUE, on={"manual": True}))
    code = held(shop, ann)[0]["code"]
    order = shop.order(ann, "89.99", "A1", coupon=code, discount="10")
    assert states(shop) == {"issued": 1}
    shop.change("order", order, amount="90")
    assert held(shop, ann)[0]["order"] == order, "100 before the coupon"
    shop.change("order", order, refunded="50")
    assert states(shop) == {"used": 1}, "part of it went back later"
    shop.change("order", order, amount="80")
    assert states(shop) == {"issued": 1}


def test_what_is_not_used_expires_at_the_end_of_its_last_day(shop: Shop, clock: Clock, work: Work) -> None:
    shop.add("coupon", key="ten", name="满100减10", value=10, valid_days=2)
    ann = shop.customer("安")
    shop.run(shop.rule("customer", ISSUE, on={"manual": True}), [ann])
    clock.move(days=1)
    work()
    assert states(shop) == {"issued": 1}
    clock.move(days=1.1)
    work()
    assert states(shop) == {"expired": 1}


def test_undoing_the_run_takes_back_what_nobody_used(shop: Shop, client: Client, work: Work) -> None:
    shop.add("coupon", key="ten", name="满100减10", value=10)
    ann, ben = shop.customer("安"), shop.customer("本")
    run = shop.run(shop.rule("customer", ISSUE, on={"manual": True}))
    shop.order(ann, "120", "A1", coupon=held(shop, ann)[0]["code"])
    client.post(f"/automation/runs/{run['id']}/undo")
    work()
    assert [(one["customer"], one["status"]) for one in held(shop)] == [(ann, "used")] and ben


def test_an_unknown_coupon_is_refused_and_one_that_stopped_is_skipped(shop: Shop) -> None:
    assert "coupon" in shop.refuse("customer", {"action": "issue_coupon", "coupon": "nichts"})
    coupon = shop.add("coupon", key="ten", name="满100减10", value=10)
    ann = shop.customer("安")
    key = shop.rule("customer", ISSUE, on={"manual": True})
    assert "发优惠券「满100减10」" in shop.api.get(f"/rules/{key}")["words"]
    shop.change("coupon", coupon, active=False)
    assert shop.run(key, [ann])["changed"] == 0 and held(shop) == []


def test_a_message_may_name_the_customer_s_coupon(shop: Shop) -> None:
    shop.add("coupon", key="ten", name="满100减10", value=10, valid_days=2)
    ann, ben = shop.customer("安"), shop.customer("本")
    shop.run(shop.rule("customer", ISSUE, on={"manual": True}), [ann])
    form = catalog.get("customer")
    texts.check("{{ coupon.code }}", form)
    code = held(shop, ann)[0]["code"]
    said = texts.render_many("{{ record.name }}：{{ coupon.code or '没有券' }}", form, [ann, ben])
    assert said == {ann: f"安：{code}", ben: "本：没有券"}
