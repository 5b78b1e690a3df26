"""The timeline of a customer: everything on one scroll, in one order, as far as its reader may see it."""

from __future__ import annotations

import itertools
import random
import re

import pytest

from appliance.accounts.actor import SYSTEM, Actor
from appliance.core import clock as core_clock
from appliance.core.db import db, read
from appliance.customers import timeline
from appliance.customers.timeline import Item, Mark
from appliance.forms import catalog, query, records
from appliance.forms.query import Record
from tests.customers.test_pages import customer, order
from tests.support.clock import Clock
from tests.support.http import Api, Client


def shown(client: Client, customer_id: int, **args: str) -> str:
    return client.get(f"/customers/{customer_id}/timeline", query_string=args).text


def on(page: str) -> str:
    found = re.search(r"cursor=([^&\"]+)", page)
    assert found
    return found[1]


def test_orders_changes_comments_and_the_companys_own_forms_stand_on_one_scroll(
    client: Client, api: Api, clock: Clock
) -> None:
    clock.set("2026-03-01T10:00:00+08:00")
    api.post(
        "/forms",
        {"key": "visit", "label": {"zh": "拜访", "en": "Visits"}, "title_field": "what", "fields": [
            {"key": "what", "label": "事由", "type": "text"},
            {"key": "customer", "label": "客户", "type": "relation", "form": "customer"},
        ]},
    )  # fmt: skip
    one = customer(tags=["老客"])
    bought = order("A1", one, amount="199", refunded="99", paid_at="2026-03-02 09:00")
    with read():
        for name, quantity in (("口红", "2"), ("面膜", "1")):
            records.create(catalog.get("order_item"), {"order": bought, "name": name, "quantity": quantity}, SYSTEM)
    clock.set("2026-03-05T10:00:00+08:00")
    client.post(f"/forms/customer/records/{one}/comments", data={"text": "喜欢哑光"})
    client.post(f"/customers/{one}/tags", data={"add": "大额"})
    api.post("/forms/visit/records", {"values": {"what": "送样品", "customer": one}})
    page = shown(client, one)
    for text in (
        "订单 A1",
        "口红 ×2、面膜",
        "退款 ¥99.00",
        "喜欢哑光",
        "标签变了",
        "大额",
        "送样品",
        "新建了记录",
        "今天",
        "3月2日 周一",
    ):
        assert text in page, text
    assert page.index("送样品") < page.index("订单 A1") < page.index("新建了记录")


def test_filters_are_several_at_once_and_are_remembered(client: Client) -> None:
    one = customer()
    order("A1", one, amount="10")
    client.post(f"/forms/customer/records/{one}/comments", data={"text": "喜欢哑光"})
    both = shown(client, one, kinds="orders,comments")
    assert "A1" in both and "喜欢哑光" in both and "新建了记录" not in both
    assert "新建了记录" not in shown(client, one), "the next customer opens with the same filter"
    assert "新建了记录" in shown(client, one, kinds="")
    assert "所选的几类还没有动态" in shown(client, one, kinds="merges")


def test_pages_of_many_sources_hold_every_moment_once_and_in_order(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a list that is sorted whole, with many moments in the same second."""
    one = customer()
    rng = random.Random(7)
    kept: dict[str, list[Item]] = {}
    for name in ("a", "b", "c"):
        rows = [Item(rng.randrange(1, 40), n, f"{name}{n}", fold=rng.choice(["", "", "like"])) for n in range(1, 90)]
        kept[name] = sorted(rows, key=lambda item: (item.at, item.id), reverse=True)

    def reader(name: str) -> timeline.Reader:
        def read_some(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
            return [i for i in kept[name] if (i.at, i.id) < (before.at, before.id)][:limit]

        return read_some

    made = {name: timeline.Source(name, name, "x", n, reader(name)) for n, name in enumerate(kept)}
    monkeypatch.setattr(timeline, "_sources", made)
    monkeypatch.setattr(timeline, "_makers", [])
    wanted = [
        item.title
        for _at, _place, _id, item in sorted(
            ((item.at, -place, item.id, item) for place, items in enumerate(kept.values()) for item in items),
            key=lambda row: row[:3],
            reverse=True,
        )
    ]
    got: list[str] = []
    with read():
        record = query.get(catalog.get("customer"), one, SYSTEM)
        cursor = None
        for _page in itertools.count():
            page = timeline.page(record, SYSTEM, (), cursor)
            entries = [entry for day in page.days for entry in day.entries]
            got += [item.title for entry in entries for item in entry.items]
            assert all(len({item.fold for item in entry.items}) == 1 for entry in entries)
            if (cursor := page.following) is None:
                break
            assert len(entries) == timeline.PAGE
    assert got == wanted


def test_a_long_run_of_the_same_is_one_line(client: Client, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.set("2026-03-03T12:00:00+08:00")
    one, now = customer(), core_clock.now() - 60
    likes = [Item(now - n, 100 - n, "给直播点赞", fold="like") for n in range(38)]

    def reader(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
        return [item for item in likes if (item.at, item.id) < (before.at, before.id)][:limit]

    monkeypatch.setitem(timeline._sources, "likes", timeline.Source("likes", "互动", "heart", 20, reader))
    page = shown(client, one)
    assert "给直播点赞 38 次" in page and page.count("给直播点赞") == 1 and "更早的" not in page


def test_orders_go_on_by_cursor(client: Client) -> None:
    one = customer()
    for day in range(1, 26):
        order(f"N{day:02d}", one, amount="10", paid_at=f"2026-03-{day:02d} 12:00")
    first = shown(client, one, kinds="orders")
    second = shown(client, one, kinds="orders", cursor=on(first))
    assert "N25" in first and "N06" in first and "N05" not in first
    assert "N05" in second and "N01" in second and "N06" not in second
    assert client.get(f"/customers/{one}/timeline?cursor=1.x").status_code == 422


def test_an_open_page_learns_that_something_is_new(client: Client) -> None:
    one = customer()
    asked = f"/customers/{one}/timeline/head"
    before = client.get(asked).json["head"]
    assert client.get(asked).json["head"] == before and before in shown(client, one)
    client.post(f"/customers/{one}/tags", data={"add": "大额"})
    assert client.get(asked).json["head"] != before


def test_the_number_of_statements_does_not_grow_with_the_orders(client: Client) -> None:
    one, other = customer(), customer(name="李明")
    for n in range(1, 20):
        order(f"N{n:02d}", one, amount="10", paid_at=f"2026-03-{n:02d} 12:00")
    order("M1", other, amount="10")

    def statements(customer_id: int) -> int:
        seen: list[str] = []
        raw = db.execute_sql

        def counted(sql: str, *args: object, **more: object) -> object:
            seen.append(sql)
            return raw(sql, *args, **more)

        db.execute_sql = counted
        try:
            shown(client, customer_id)
        finally:
            del db.execute_sql
        return len(seen)

    shown(client, one)
    assert statements(one) <= statements(other) + 1
