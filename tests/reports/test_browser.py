"""The dashboard and the editors in Chromium: drawn, clicked, switched, at both widths; no script or policy error."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser import PHONE

WIDE = {"width": 1440, "height": 900}
DRAWN = "[data-chart] canvas"


def settle(page) -> None:
    """Waits until every tile has its figures."""
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=30_000)
    page.wait_for_load_state("networkidle")


def until(page, script: str) -> None:
    """Waits until ``script`` is true: the page's policy forbids the evaluation that wait_for_function needs."""
    for _turn in range(200):
        if page.evaluate(script):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {script}")


@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
def test_the_dashboard_is_drawn_and_fits(page, viewport):
    page.goto("/dashboards/overview?range=all")
    settle(page)
    assert page.locator(DRAWN).count() == 4
    assert page.locator(".tile").count() == 14
    assert page.locator(".leaders li").count() == 20
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    widths = page.eval_on_selector_all(".tile.rows-2", "tiles => tiles.map(t => t.getBoundingClientRect().width)")
    assert all(w > 340 for w in widths)
    if viewport is PHONE:
        assert len(set(widths)) == 1


def test_a_click_on_a_bar_opens_the_records_behind_it(page, paid):
    page.goto("/reports/sales_over_time?range=12m")
    page.wait_for_selector(DRAWN)
    place = page.evaluate(
        """() => {
            const figure = document.querySelector('[data-chart]');
            const at = figure.spec.series[0].values.length - 2;
            const height = figure.spec.series[0].values[at] * 0.004;
            const [x, y] = figure.chart.convertToPixel({seriesIndex: 0}, [at, height]);
            const box = figure.querySelector('canvas').getBoundingClientRect();
            return {x: box.x + x, y: box.y + y, month: figure.spec.categories[at]};
        }"""
    )
    page.mouse.move(place["x"], place["y"])
    page.mouse.click(place["x"], place["y"])
    page.wait_for_url(re.compile("/forms/order"))
    assert place["month"] in page.content()


def test_the_range_changes_in_place_and_stays_in_the_url(page):
    page.goto("/dashboards/overview?range=all")
    settle(page)
    before = page.locator("#tile-1 .number-value").inner_text()
    page.locator(".segments a", has_text="近 30 天").click()
    page.wait_for_url("**range=30d")
    settle(page)
    page.wait_for_selector("#tile-8 " + DRAWN)
    assert page.locator("#tile-1 .number-value").inner_text() != before
    assert page.locator(".segments [aria-current]").inner_text() == "近 30 天"
    page.reload()
    settle(page)
    assert page.locator(".segments [aria-current]").inner_text() == "近 30 天"


def test_a_chart_shows_as_a_table_and_saves_as_a_picture(page):
    page.goto("/dashboards/overview?range=all")
    settle(page)
    tile = page.locator("#tile-9")
    tile.locator("summary").click()
    with page.expect_download() as picture:
        tile.locator("[data-chart-png]").click()
    assert picture.value.suggested_filename == "渠道占比.png"
    assert picture.value.path().stat().st_size > 10_000
    if not tile.locator("[data-chart-table]").is_visible():
        tile.locator("summary").click()
    tile.locator("[data-chart-table]").click()
    assert tile.locator("table").is_visible() and not tile.locator("canvas").is_visible()
    assert "抖音" in tile.locator("table").inner_text()
    tile.locator("summary").click()
    tile.locator("[data-chart-table]").click()
    assert tile.locator("canvas").is_visible()


def test_a_report_is_built_with_a_live_preview(page):
    page.goto("/reports/new")
    page.wait_for_selector(DRAWN)
    page.fill("[name=label]", "城市销售")
    page.locator("[name=measure]").first.select_option(label="销售额")
    page.locator("[name=dimension]").first.select_option(label="客户 · 城市")
    until(page, "document.querySelector('[data-chart]')?.spec?.categories.includes('杭州') || false")
    page.locator(".kinds label", has_text="排行榜").click()
    page.wait_for_selector("#result .leaders")
    page.locator("button", has_text="保存报表").click()
    page.wait_for_url(re.compile("/reports/r_"))
    assert page.locator("h1").inner_text().startswith("城市销售")
    assert page.locator(".leaders li").count() == 10


def test_a_dashboard_is_arranged_with_the_keyboard(page):
    page.goto("/dashboards/overview/edit")
    first = page.locator(".piece").first
    assert "销售额" in first.inner_text()
    first.locator("[data-piece=forth]").focus()
    page.keyboard.press("Enter")
    assert "付款单数" in page.locator(".piece").first.inner_text()
    page.locator(".piece").nth(2).locator("[data-piece=remove]").focus()
    page.keyboard.press("Enter")
    page.select_option("#piece-new", label="下单时段")
    page.locator(".piece").last.locator("[data-piece-size=w]").select_option("12")
    page.locator("button", has_text="保存看板").click()
    page.wait_for_url("**/dashboards/overview")
    settle(page)
    titles = page.eval_on_selector_all(".tile", "tiles => tiles.map(t => t.getAttribute('aria-label'))")
    assert titles[:2] == ["付款单数", "销售额"] and "付款客户" not in titles and titles[-1] == "下单时段"
    assert page.locator(".tile").last.evaluate("t => t.classList.contains('cols-12')")


def test_charts_follow_the_theme(page):
    page.goto("/reports/sales_by_channel?range=all")
    page.wait_for_selector(DRAWN)
    colour = "() => document.querySelector('[data-chart]').chart.getOption().color[0]"
    before = page.evaluate(colour)
    page.evaluate("document.documentElement.dataset.bsTheme = 'dark'")
    until(page, f"({colour})() !== '{before}'")
