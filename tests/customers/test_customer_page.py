"""The 360° page of a customer: what to do now, what they like, how they are known, and what is done in place."""

from __future__ import annotations

import json
from typing import Any

from appliance.accounts.actor import SYSTEM
from appliance.core.db import read
from appliance.customers.models import Identity
from appliance.forms import catalog, query, records
from tests.customers.test_pages import customer, order
from tests.support.clock import Clock
from tests.support.http import Api, Client


def make(form: str, **values: Any) -> int:
    with read():
        return records.create(catalog.get(form), values, SYSTEM)


def stored(form: str, record_id: int) -> dict[str, Any]:
    with read():
        return query.get(catalog.get(form), record_id, SYSTEM).values


def told(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.headers["HX-Trigger"])
    return found


def undo_of(answer: Any) -> str:
    return str(told(answer)["guke:toast"]["undo"])


def part(client: Client, customer_id: int, name: str) -> str:
    return client.get(f"/customers/{customer_id}/{name}").text


def test_what_is_due_and_what_the_figures_suggest_stands_first(client: Client, clock: Clock) -> None:
    clock.set("2026-06-20T10:00:00+08:00")
    one = customer(birthday="1990-06-25")
    for n, day in enumerate(("2026-02-01", "2026-03-01", "2026-04-01", "2026-05-01")):
        order(f"N{n}", one, amount="100", paid_at=f"{day} 20:30")
    order("W1", one, amount="50", paid_at=None, status="pending")
    make("task", title="回电话", customer=one, due_at="2026-06-19 09:00")
    make("task", title="别人的事", customer=customer(name="李明"), due_at="2026-06-19 09:00")
    page = part(client, one, "next")
    for text in ("回电话", "已过期 1 天", "生日在 5 天后", "50 天未购", "通常 30 天买一次", "W1", "还没有负责人"):
        assert text in page, text
    assert "别人的事" not in page and page.index("回电话") < page.index("生日在")


def test_a_task_is_finished_in_place_with_undo(client: Client) -> None:
    one = customer()
    task = make("task", title="回电话", customer=one)
    answer = client.post(f"/customers/{one}/tasks/{task}/finish")
    assert stored("task", task)["status"] == "done" and "guke:next" in told(answer)
    client.post(undo_of(answer))
    assert stored("task", task)["status"] == "open"
    assert client.post(f"/customers/{customer(name='李明')}/tasks/{task}/finish").status_code == 404


def test_a_follow_up_is_written_from_the_page_and_keeps_what_was_typed_when_it_is_wrong(
    client: Client, clock: Clock
) -> None:
    clock.set("2026-06-20T10:00:00+08:00")
    one = customer()
    assert 'id="note-box"' in client.get(f"/forms/customer/records/{one}").text
    wrong = client.post(f"/customers/{one}/follow-up", data={"content": " ", "kind": "visit", "days": "3"})
    assert "field-error" in wrong.text and 'value="visit" checked' in wrong.text
    answer = client.post(f"/customers/{one}/follow-up", data={"content": "想要小号", "kind": "visit", "days": "3"})
    assert "想要小号" not in answer.text and {"guke:timeline", "guke:next"} <= told(answer).keys()
    with read():
        (found,) = query.Query(catalog.get("follow_up"), SYSTEM).page().records
        assert found.text("next_at").startswith("2026-06-23 10:00") and found.values["kind"] == "visit"
    assert "想要小号" in client.get(f"/customers/{one}/timeline").text
    client.post(undo_of(answer))
    assert "想要小号" not in client.get(f"/customers/{one}/timeline?kinds=").text


def test_preference_and_stage_come_from_what_was_bought(client: Client, clock: Clock) -> None:
    clock.set("2026-06-20T10:00:00+08:00")
    one = customer()
    assert "还没有付过款" in part(client, one, "insight")
    lipstick = make("product", name="口红", category="彩妆")
    bags = [("口红", None, "2", "200"), ("口红", None, "1", "100"), ("面膜", "护肤", "1", "60")]
    for n, (name, category, quantity, amount) in enumerate(bags):
        number = order(f"N{n}", one, amount=amount, paid_at=f"2026-06-{n * 7 + 1:02d} 20:30", channel="douyin")
        make("order_item", order=number, name=name, category=category, quantity=quantity, amount=amount,
             product=lipstick if name == "口红" else None)  # fmt: skip
    order("X", one, amount="900", paid_at="2026-06-02 20:30", status="cancelled")
    page = part(client, one, "insight")
    for text in ("彩妆", "83%", "护肤", "17%", "口红", "抖音", "¥60–100", "通常 7 天买一次", "19:00–22:00"):
        assert text in page, text
    assert 'aria-current="step">复购' in page and "900" not in page


def test_identities_say_where_they_come_from_and_change_in_place(client: Client, api: Api) -> None:
    one = customer(phone="13800138000")
    api.post(
        "/forms/order/records",
        {"values": {"number": "A", "amount": "1", "customer": {"phone": "13800138000", "taobao_nick": "fang"}}},
    )
    page = part(client, one, "identities")
    for text in ("13800138000", "客户资料", "fang", "淘宝昵称", "接口"):
        assert text in page, text
    wrong = client.post(f"/customers/{one}/identities", data={"kind": "email", "value": "not one"}).text
    assert "不是邮箱地址" in wrong and 'value="not one"' in wrong
    added = client.post(f"/customers/{one}/identities", data={"kind": "douyin_id", "value": "d1", "scope": "一店"})
    assert "d1" in added.text and "一店" in added.text
    client.post(undo_of(added))
    assert "d1" not in part(client, one, "identities")
    gone = client.post(f"/customers/{one}/identities/remove?entry=taobao_nick:fang")
    assert "fang" not in part(client, one, "identities")
    client.post(undo_of(gone))
    assert Identity.get(Identity.value == "fang").customer_id == one
    taken = client.post(f"/customers/{customer(name='李明')}/identities", data={"kind": "taobao_nick", "value": "fang"})
    assert "已属于客户" in taken.text


def test_related_people_are_those_who_share_a_contact_or_were_merged_in(client: Client, api: Api) -> None:
    one, other = customer(name="王芳", wechat="fang88"), customer(name="王大明", wechat="fang88")
    page = part(client, one, "kin")
    assert "王大明" in page and "「微信号」相同" in page
    api.post("/forms/customer/records:merge", {"keep": one, "merge": other})
    page = part(client, one, "kin")
    assert "已并入" in page and f"编号 {other}" in page


def test_who_does_not_see_orders_sees_nothing_that_is_made_of_them(staff_client: Client) -> None:
    from appliance.accounts import permissions, users
    from tests.support.people import BO

    one = customer()
    order("A1", one, amount="100")
    with read():
        users.add_role("blind", "盲", permissions.Rights.open({"forms": {"customer": {"verbs": ["see"], "scope": {}}}}))
        users.update(users.by_login(BO.login).id, SYSTEM, role="blind")
    assert staff_client.get(f"/customers/{one}/insight").status_code == 404
    page = staff_client.get(f"/forms/customer/records/{one}").text
    assert "customer-insight" not in page and 'id="note-box"' not in page
    assert "A1" not in staff_client.get(f"/customers/{one}/timeline").text
