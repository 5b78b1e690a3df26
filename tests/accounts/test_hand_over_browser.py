"""Disabling somebody and handing over what is theirs, in Chromium."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.browser import DESKTOP, PHONE


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_an_administrator_disables_a_person_and_hands_everything_over(page: Any, new_page: Any, template: Any) -> None:
    address = page.request
    for n in range(3):
        made = address.post(
            "/api/v1/forms/customer/records",
            data={"values": {"name": f"老客户{n}", "owner": "bo"}},
            headers={"Authorization": f"Bearer {template.tokens['amy']}"},
        )
        assert made.status == 201
    bo = new_page("bo")
    bo.goto("/forms/customer")

    page.goto("/settings/users")
    row = page.locator("tr").filter(has_text="Bo 李")
    row.locator("summary").click()
    row.get_by_role("link", name="停用").click()
    page.get_by_text("客户（3）").wait_for()
    assert page.get_by_label("同时停用账号").is_checked()
    assert page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]
    page.get_by_role("button", name="交接", exact=True).click()
    page.get_by_text("请选择一位能登录的同事来接手").wait_for()
    page.get_by_label("交给").select_option(label="Cy 王")
    page.get_by_role("button", name="交接", exact=True).click()
    page.get_by_text("3 项已交给 Cy 王").wait_for()

    bo.goto("/forms/customer")
    bo.wait_for_url("**/login**")
    page.goto("/forms/customer")
    assert "Cy 王" in page.content()

    page.go_back()
    page.get_by_role("button", name="撤销交接").click()
    page.get_by_text("3 项回到 Bo 李 名下").wait_for()
