"""The customer's page in Chromium, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.browser import DESKTOP, PHONE
from tests.support.http import Api
from tests.support.server import Server


@pytest.fixture
def customer(api: Api, work: Callable[[], Any]) -> int:
    people = [
        {
            "name": name,
            "phone": f"1380013800{i}",
            "city": "杭州",
            "channel": "抖音",
            "identities": {"member_no": [f"0000{i}"]},
        }
        for i, name in enumerate(["王芳", "李明", "张伟", "刘洋", "陈静"])
    ]
    made = [api.post("/forms/customer/records", {"values": p})["id"] for p in people]
    orders = [
        {
            "number": f"A{i}",
            "customer": made[i % 5],
            "amount": 88 + i * 31,
            "status": "已完成",
            "paid_at": f"2026-0{1 + i % 6}-1{i % 9} 12:00",
        }
        for i in range(25)
    ]
    api.post("/forms/order/records:upsert", {"key": "number", "records": orders})
    api.patch(f"/forms/customer/records/{made[4]}", {"values": {"tags": ["老客", "爱茶"]}})
    work()
    return int(made[4])


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desk", "phone"])
def test_tags_are_given_and_taken_back_where_they_stand(customer: int, page: Any, viewport: dict[str, int]) -> None:
    page.goto(f"/forms/customer/records/{customer}")
    page.get_by_text("所以是").wait_for()
    bar = page.locator("#customer-tags")
    bar.get_by_label("打标签").click()
    bar.get_by_label("查找或新建标签").fill("大额")
    bar.get_by_label("查找或新建标签").press("Enter")
    bar.get_by_role("button", name="大额", exact=True).wait_for()
    page.get_by_role("button", name="撤销").click()
    bar.get_by_role("button", name="大额", exact=True).wait_for(state="detached")
    bar.get_by_role("button", name="老客", exact=True).click()
    page.locator("#action-dialog").get_by_text("打上").wait_for()
    page.locator("#action-dialog").get_by_label("关闭").click()
    page.get_by_label("累计消费怎么算").click()
    page.get_by_text("所有已付款且未取消订单的实付金额减退款").wait_for()
    page.get_by_role("button", name="订单", exact=True).click()
    page.locator("[data-source=orders]").first.wait_for()
    page.wait_for_url("**timeline=orders**")
    # Nothing is wider than the window.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_tag_is_made_and_deleted_on_the_tag_page(server: Server, page: Any) -> None:
    page.goto("/tags")
    page.get_by_role("button", name="新建标签", exact=True).click()
    page.get_by_label("名称").fill("新品尝鲜")
    page.get_by_role("button", name="保存标签").click()
    page.locator("#tag-groups").get_by_text("新品尝鲜").wait_for()
    assert not page.locator("#tag-dialog").is_visible()
    page.get_by_label("删除标签「新品尝鲜」").click()
    page.get_by_role("button", name="撤销").click()
    page.locator("#tag-groups").get_by_text("新品尝鲜").wait_for()
