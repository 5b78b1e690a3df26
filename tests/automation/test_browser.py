"""Automation in Chromium: a table and a rule are edited, previewed, saved and run, and the log is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support import world
from tests.support.browser import DESKTOP, PHONE


@pytest.fixture
def data(data: Path) -> Path:
    """A dozen customers with figures."""
    with world.running(data):
        from appliance.accounts.actor import SYSTEM
        from appliance.core import clock
        from appliance.core.db import read, write
        from appliance.forms import catalog, records

        with read():
            form = catalog.get("customer")
            records.create_many(form, [{"name": f"客户{i}"} for i in range(12)], SYSTEM)
            number = form.col("id")
            figures = {"total_paid": number * 30_000, "order_count": number, "last_paid_at": clock.now() - 86_400}
            with write():
                records.write_derived(form, figures, number > 0)
    return data


def test_a_decision_table_is_previewed_edited_saved_and_run(page: Any) -> None:
    page.goto("/automation/tables/customer_value")
    preview = page.locator("#preview")
    preview.get_by_text(re.compile("将改变")).wait_for()
    assert preview.locator(".auto-effect b").inner_text() == "12"
    rows = page.locator("#rows > li")
    assert rows.count() == 2
    expect(rows.first.locator(".auto-hits")).to_contain_text("条")
    rows.first.locator("[data-grip]").focus()
    page.keyboard.press("ArrowDown")
    expect(rows.first.locator(".auto-row-words")).to_contain_text("或")
    rows.first.locator("[data-grip]").focus()
    page.keyboard.press("ArrowUp")
    page.get_by_role("button", name="添加一行").click()
    expect(rows).to_have_count(3)
    rows.last.locator("[data-remove]").click()
    page.get_by_label("名称").fill("价值三层")
    page.get_by_role("switch", name="启用").check()
    page.get_by_role("button", name="保存").click()
    page.get_by_text("已保存。").wait_for()
    page.get_by_role("button", name="立即运行一次").click()
    page.get_by_text(re.compile("改变 12，用时")).wait_for()
    page.get_by_role("link", name="查看日志").click()
    page.get_by_role("heading", name="价值三层").wait_for()
    assert page.get_by_text("每种结果").is_visible()
    page.get_by_role("button", name=re.compile("撤销这次的 12 处改变")).click()
    page.get_by_text(re.compile("已撤销 12 条")).wait_for()


def test_a_rule_is_made_from_nothing_previewed_and_run(page: Any) -> None:
    page.goto("/automation/rules")
    page.get_by_role("link", name="新建规则").click()
    page.get_by_label("名称").fill("大客户")
    page.get_by_text("手动（按钮）").click()
    page.get_by_role("button", name="打标签").click()
    page.locator("#actions").get_by_label("标签", exact=True).fill("大客户")
    page.get_by_role("button", name="修改字段").click()
    page.get_by_label("添加字段").select_option(label="昵称")
    page.locator("#actions [name$='value.nickname']").fill("贵客")
    page.locator("#preview").get_by_text("把「昵称」改为「贵客」", exact=False).wait_for()
    page.get_by_role("button", name="保存").click()
    page.get_by_text("已保存。").wait_for()
    page.get_by_role("button", name="立即运行一次").click()
    page.get_by_text(re.compile("改变 12，用时")).wait_for()
    page.goto("/automation/runs")
    assert page.get_by_role("cell", name="大客户").is_visible()


def test_switching_on_shows_the_effect_first(page: Any) -> None:
    page.goto("/automation/tables")
    page.get_by_role("switch", name="启用「客户价值分层」").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text(re.compile("位客户现在会改变")).wait_for()
    dialog.get_by_role("button", name="启用并立即运行").click()
    page.get_by_role("switch", name=re.compile("停用")).wait_for()
    page.get_by_text("已启用「客户价值分层」").wait_for()


def test_the_order_is_changed_by_keyboard_and_a_rule_is_tried_and_replayed(page: Any) -> None:
    page.goto("/automation/rules")
    second = page.locator("[data-card] .auto-name").nth(1).inner_text()
    page.get_by_role("button", name=f"移动「{second}」").focus()
    with page.expect_response(re.compile("/arrange")):
        page.keyboard.press("ArrowUp")
    page.reload()
    assert page.locator("[data-card] .auto-name").first.inner_text() == second
    page.goto("/automation/rules/guke_birthday_week")
    page.get_by_role("button", name="重演", exact=True).click()
    page.get_by_text(re.compile("最近 30 天会处理")).wait_for()
    page.get_by_role("combobox", name="选一条记录").press_sequentially("客")
    page.locator("#try-options").get_by_role("option").first.click()
    page.locator("#tried").get_by_text(re.compile("会处理「")).wait_for()


PAGES = (
    "/automation/rules", "/automation/rules/guke_birthday_week", "/settings/workdays", "/automation/tables/customer_value",
    "/automation/runs",
)  # fmt: skip


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_nothing_runs_out_of_the_window(page: Any) -> None:
    for url in PAGES:
        page.goto(url)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), url
