"""A day on a phone, in Chromium: a task by one line, done and undone by taps, a follow-up in two taps."""

from __future__ import annotations

import pytest

from tests.support.browser import PHONE


@pytest.mark.parametrize("viewport", [PHONE], ids=["390"])
def test_a_day_on_a_phone(page, viewport):
    page.goto("/tasks")
    page.get_by_label("新任务").fill("给王芳寄样")
    page.get_by_role("button", name="添加").click()
    row = page.locator(".task-row", has_text="给王芳寄样")
    row.wait_for()
    assert page.get_by_label("新任务").input_value() == ""
    row.get_by_role("button", name="完成「给王芳寄样」").click()
    page.locator(".task-row.task-done", has_text="给王芳寄样").wait_for()
    page.get_by_role("button", name="撤销").click()
    page.locator("#day .task-row:not(.task-done)", has_text="给王芳寄样").wait_for()
    page.goto("/forms/lead/new")
    page.get_by_label("姓名").fill("王芳")
    page.get_by_role("button", name="保存", exact=True).click()
    page.wait_for_url("**/forms/lead/records/*")
    page.get_by_role("button", name="跟进", exact=True).click()
    page.locator("#action-dialog").get_by_role("button", name="没接通").click()
    page.locator("#action-dialog .follow-ups", has_text="没接通").wait_for()
    page.goto("/")
    assert page.locator("#home-day", has_text="王芳").count() == 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
