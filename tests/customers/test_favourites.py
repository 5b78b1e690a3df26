"""The favourite category of customers, its tags, and the ready-made tables."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from appliance.accounts.actor import SYSTEM
from appliance.core.db import read
from appliance.forms import catalog, query, records
from tests.customers.test_pages import customer, order, tags_of
from tests.support.clock import Clock
from tests.support.http import Api, Client

Work = Callable[[], Any]


def item(order_id: int, category: str | None, amount: int, **values: Any) -> int:
    with read():
        doc = {
            "order": order_id,
            "name": category or "x",
            "category": category,
            "amount": amount,
            "quantity": 1,
            **values,
        }
        return records.create(catalog.get("order_item"), doc, SYSTEM)


def favourite(customer_id: int) -> Any:
    with read():
        return query.get(catalog.get("customer"), customer_id, SYSTEM).values["favourite_category"]


def test_the_category_most_was_spent_on_is_kept_through_every_change(clock: Clock, client: Client, work: Work) -> None:
    """Against the same computed by hand, after random writes, refunds, deletions and changes of category."""
    rng = random.Random(3)
    people = [customer(name=f"人{n}") for n in range(4)]
    with read():
        product = records.create(catalog.get("product"), {"name": "口红", "category": "彩妆"}, SYSTEM)
    orders: list[int] = []
    items: list[int] = []
    for n in range(60):
        act = rng.choice(["order", "item", "item", "cancel", "move", "delete", "category", "product"])
        with read():
            if act == "order" or not orders:
                orders.append(order(f"N{n}", rng.choice(people), amount=10))
            elif act == "item" or not items:
                kind = rng.choice(["护肤", "母婴", "食品", None])
                items.append(item(rng.choice(orders), kind, rng.randrange(1, 900), product=None if kind else product))
            elif act == "cancel":
                status = rng.choice(["cancelled", "paid"])
                records.update(catalog.get("order"), rng.choice(orders), {"status": status}, SYSTEM)
            elif act == "move":
                records.update(catalog.get("order"), rng.choice(orders), {"customer": rng.choice(people)}, SYSTEM)
            elif act == "delete" and len(items) > 3:
                records.delete(catalog.get("order_item"), items.pop(), SYSTEM)
            elif act == "category":
                records.update(
                    catalog.get("order_item"), rng.choice(items), {"category": rng.choice(["护肤", "食品"])}, SYSTEM
                )
            elif act == "product":
                records.update(catalog.get("product"), product, {"category": rng.choice(["彩妆", "护肤"])}, SYSTEM)
    clock.move(minutes=1)
    work()
    with read():
        lipstick = query.get(catalog.get("product"), product, SYSTEM).values["category"]
        owners = {
            o.id: o.get("customer")
            for o in query.Query(catalog.get("order"), SYSTEM).page(200).records
            if o.get("status") != "cancelled"
        }
        spent: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for i in query.Query(catalog.get("order_item"), SYSTEM).page(200).records:
            if i.get("order") in owners:
                spent[owners[i.get("order")]][i.get("category") or lipstick] += i.get("amount")
    for one in people:
        wanted = min(spent[one], key=lambda c: (-spent[one][c], c), default=None)
        assert favourite(one) == wanted


def test_tags_of_favourite_categories_are_off_until_somebody_has_seen_how_many(
    clock: Clock, client: Client, staff_client: Client, work: Work
) -> None:
    one, other = customer(), customer(name="李明")
    item(order("A", one, amount=10), "护肤", 10)
    item(order("B", other, amount=10), "彩妆、香水", 10)
    clock.move(minutes=1)
    work()
    assert tags_of(one) == []
    page = client.get("/tags").text
    assert "偏好·护肤" in page and "给 2 位客户打上" in page
    assert staff_client.post("/tags/favourites", data={"on": "1"}).status_code == 403
    assert client.post("/tags/favourites", data={"on": "1"}).status_code == 200
    assert work()["errors"] == []
    assert tags_of(one) == ["偏好·护肤"] and tags_of(other) == ["偏好·彩妆 香水"]
    item(order("C", one, amount=90), "食品", 90)
    clock.move(minutes=1)
    work()
    assert tags_of(one) == ["偏好·食品"]
    assert "偏好类目" in client.get(f"/customers/{one}/why-tag?tag=偏好·食品").text
    client.post("/tags/favourites", data={"on": "0"})
    item(order("D", one, amount=900), "护肤", 900)
    clock.move(minutes=1)
    work()
    assert tags_of(one) == ["偏好·食品"] and favourite(one) == "护肤"


def test_the_ready_made_tables_tag_as_the_field_means_it(clock: Clock, client: Client, api: Api, work: Work) -> None:
    clock.set("2026-06-20T10:00:00+08:00")
    one, two, fan, lurker, new = (customer(name=name) for name in ("买过一次", "买过两次", "铁粉", "看客", "新人"))
    order("A", one, amount=10, paid_at="2026-06-01 10:00")
    for n in range(2):
        order(f"B{n}", two, amount=10, paid_at="2026-06-01 10:00")
    for n in range(6):
        order(f"C{n}", fan, amount=400, paid_at=f"2026-06-{n + 1:02d} 10:00")

    def event(who: int, n: int, type: str, at: str, **more: Any) -> dict[str, Any]:
        return {"connection": "dy", "id": f"{who}-{n}", "customer": {"id": who}, "type": type, "at": at, **more}

    events = [event(fan, n, "watch", "2026-06-18T20:00:00+08:00", seconds=3600) for n in range(3)]
    events += [event(fan, 50 + n, "like", "2026-06-18T20:00:00+08:00") for n in range(3)]
    events += [event(lurker, n, "comment", "2026-04-01T20:00:00+08:00") for n in range(25)]
    api.post("/events", {"events": events})
    work()
    for key in ("guke_customer_activity", "guke_customer_life_cycle", "guke_customer_rfm_tags", "guke_watch_and_spend"):
        assert "switch" in client.get(f"/automation/tables/{key}/enable", htmx=True).text
        client.post(f"/automation/tables/{key}/switch", data={"on": "1", "run": "1"}, htmx=True)
    work()
    assert {"铁杆活跃", "忠诚粉", "高观看高消费"} <= set(tags_of(fan))
    assert {"沉默流失预警", "新粉", "高互动低消费"} == set(tags_of(lurker))
    assert "首购粉" in tags_of(one) and "复购粉" in tags_of(two) and tags_of(new) == ["新粉"]
    segments = [tag for tag in tags_of(fan) if tag.endswith("客户")]
    with read():
        assert segments == [query.get(catalog.get("customer"), fan, SYSTEM).values["rfm_segment"] + "客户"]
