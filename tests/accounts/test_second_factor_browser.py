"""Setting up the second step and signing in with it, in Chromium."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.browser import PHONE
from tests.support.people import BO


@pytest.mark.parametrize("viewport", [PHONE])
def test_a_person_sets_up_the_second_step_on_the_page_and_signs_in_with_it(new_page: Any) -> None:
    from appliance.accounts.second_factor import code_at

    page = new_page("bo")
    page.goto("/me")
    page.get_by_role("link", name="设置", exact=True).click()
    page.get_by_role("button", name="开始设置").click()
    picture = page.get_by_role("img", name="二维码")
    assert picture.evaluate("img => img.complete && img.naturalWidth > 100")
    secret = page.locator("#secret").inner_text()
    page.get_by_label("输入验证器显示的 6 位数字").fill(code_at(secret, int(time.time()) // 30 - 1))
    page.get_by_role("button", name="开启").click()
    codes = page.locator(".recovery-codes code").all_inner_texts()
    assert len(codes) == 10
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    fresh = new_page(None)
    fresh.goto("/me")
    fresh.get_by_label("登录名").fill(BO.login)
    fresh.get_by_label("密码", exact=True).fill(BO.password)
    fresh.get_by_role("button", name="登录").click()
    fresh.complaints.allow("422")
    fresh.get_by_label("验证码").fill("000")
    fresh.get_by_role("button", name="登录").click()
    fresh.get_by_text("验证码不对").wait_for()
    fresh.get_by_label("验证码").fill(code_at(secret, int(time.time()) // 30))
    fresh.get_by_role("button", name="登录").click()
    fresh.wait_for_url("**/me")
