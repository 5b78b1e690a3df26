"""Lists and records in Chromium, on a desk and on a phone."""

from __future__ import annotations

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, records
from tests.support.browser import PHONE

WIDE = {"width": 1440, "height": 900}
both = pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])
NAMELESS = """() => Array.from(document.querySelectorAll("main button, main a, main input:not([type=hidden]), main select, main summary"))
    .filter(e => e.checkVisibility() && !e.textContent.trim() && !e.getAttribute("aria-label") && !e.labels?.length && !e.title)
    .map(e => e.outerHTML.slice(0, 100))"""
SMALL = """() => Array.from(document.querySelectorAll("main button, main a.btn, main input:not([type=hidden]):not([type=checkbox]), main select"))
    .filter(e => e.checkVisibility() && !e.closest(".form-check") && e.getBoundingClientRect().height < 31.5)
    .map(e => e.outerHTML.slice(0, 100))"""


@pytest.fixture
def company(app, work):
    """Seventy customers, whom search finds; three orders of the first."""
    form = catalog.get("customer")
    rows = [
        {
            "name": f"客户{i:02d}",
            "city": "杭州" if i % 2 else "上海",
            "phone": f"138{i:08d}",
            "level": "vip" if i < 3 else None,
        }
        for i in range(70)
    ]
    ids = records.create_many(form, rows, SYSTEM).ids
    orders = [{"number": f"A{i}", "customer": ids[0], "amount": 100 + i} for i in range(3)]
    records.create_many(catalog.get("order"), orders, SYSTEM)
    work()
    return ids


def names(page):
    return page.locator("tbody .title").all_inner_texts()


def fits(page):
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(NAMELESS) == []


@both
def test_searching_paging_and_back(page, company):
    page.goto("/forms/customer")
    assert names(page)[0] == "客户69"
    fits(page)
    page.locator(".pager a[aria-label='下一页']").click()
    page.locator("tbody .title", has_text="客户19").wait_for()
    assert len(names(page)) == 20 and "cursor=" in page.url
    page.locator(".pager a[aria-label='上一页']").click()
    page.locator("tbody .title", has_text="客户69").wait_for()
    page.locator("#list-q").fill("客户07")
    page.wait_for_url("**q=*")
    page.locator("#list-count, #list-count-slot", has_text="1 条").first.wait_for()
    assert names(page) == ["客户07"] and page.locator("#list-q").evaluate("e => e === document.activeElement")
    page.go_back()
    page.locator("tbody .title", has_text="客户69").wait_for()


def test_sorting_by_a_click_on_a_header_and_totals(page, company):
    page.goto("/forms/order")
    head = page.locator("th[data-key=amount]")
    head.locator("a").click()
    page.wait_for_url("**sort=-amount*")
    assert page.locator("th[data-key=amount]").get_attribute("aria-sort") == "descending" and names(page) == [
        "A2",
        "A1",
        "A0",
    ]
    page.locator("th[data-key=amount] a").click()
    page.wait_for_url("**sort=amount*")
    assert names(page) == ["A0", "A1", "A2"]
    page.locator("[data-totals]").click()
    page.locator("tfoot", has_text="¥303.00").wait_for()


@both
def test_a_view_is_saved_from_a_filter_and_opened_by_its_tab(page, company):
    page.goto('/forms/customer?where={"field":"level","op":"eq","value":"vip"}')
    page.locator(".list-chips [data-view-form]").click()
    page.locator("#view-dialog [name=name]").fill("贵宾")
    page.locator("#view-dialog [type=submit]").click()
    page.wait_for_url("**view=*")
    assert len(names(page)) == 3 and page.locator(".list-tabs [aria-current]").inner_text().startswith("贵宾")
    page.locator(".list-tabs a", has_text="全部").click()
    page.locator("tbody .title", has_text="客户69").wait_for()
    page.locator(".list-tabs a", has_text="贵宾").click()
    page.locator("tbody .title", has_text="客户02").wait_for()
    assert len(names(page)) == 3
    fits(page)


def test_columns_are_chosen_and_stay(page, company):
    page.goto("/forms/customer")
    page.locator("#columns-menu > summary").click()
    page.locator(".column-choices input[value=province]").check()
    page.locator(".column-choices input[value=phone]").uncheck()
    with page.expect_navigation():
        page.locator(".columns-foot .btn-primary").click()
    page.goto("/forms/customer")
    keys = page.locator("th[data-key]").evaluate_all("all => all.map(th => th.dataset.key)")
    assert "province" in keys and "phone" not in keys


@both
def test_ticked_records_are_deleted_and_undo_brings_them_back(page, company):
    page.goto("/forms/customer")
    boxes = page.locator("tbody .pick input")
    boxes.nth(0).check()
    boxes.nth(2).check()
    assert page.locator("[data-bulk-count]").inner_text() == "2"
    page.locator("[data-bulk$='/delete']").click()
    page.locator("tbody .title", has_text="客户69").wait_for(state="detached")
    page.locator(".toast-note button", has_text="撤销").click()
    page.locator("tbody .title", has_text="客户69").wait_for()


def test_all_that_match_are_counted_before_they_are_chosen(page, company):
    page.goto("/forms/customer")
    page.locator("[data-pick-page]").check()
    page.locator("[data-bulk-all]", has_text="选择全部 70 条").click()
    assert page.locator("[data-bulk-count]").inner_text() == "70"


@both
def test_a_field_is_changed_in_place_and_the_history_tells(page, company):
    page.goto("/forms/order/records/1")
    fits(page)
    page.locator("#prop-shop .prop-edit").click()
    field = page.locator("#prop-shop input[name=shop]")
    field.and_(page.locator(":focus")).wait_for()
    field.fill("旗舰店")
    page.keyboard.press("Enter")
    page.locator("#prop-shop .prop-value", has_text="旗舰店").wait_for()
    page.locator("#history", has_text="旗舰店").wait_for()
    page.locator("#prop-shop .prop-edit").click()
    page.locator("#prop-shop input[name=shop]").fill("没存")
    page.keyboard.press("Escape")
    page.locator("#prop-shop .prop-value", has_text="旗舰店").wait_for()


def test_two_people_change_one_field(page, new_page, company):
    other = new_page("bo")
    url = f"/forms/customer/records/{company[0]}"
    for one in (page, other):
        one.goto(url)
        one.locator("#prop-city .prop-edit").click()
        one.locator("#prop-city input[name=city]").wait_for()
    other.locator("#prop-city input[name=city]").fill("宁波")
    other.keyboard.press("Enter")
    other.locator("#prop-city .prop-value", has_text="宁波").wait_for()
    page.locator("#prop-city input[name=city]").fill("苏州")
    page.keyboard.press("Enter")
    page.locator("#prop-city .theirs", has_text="宁波").wait_for()
    assert page.locator("#prop-city input[name=city]").input_value() == "苏州"
    page.locator("#prop-city [type=submit]").click()
    page.locator("#prop-city .prop-value", has_text="苏州").wait_for()


@both
def test_an_order_is_made_with_its_customer_picked_by_phone(page, company):
    page.goto("/forms/order/new")
    fits(page)
    assert page.evaluate(SMALL) == []
    page.locator("[name=number]").fill("B1")
    page.locator("#f-customer").click()
    page.locator("#f-customer").press_sequentially("0000007")
    page.locator("#f-customer-options [role=option]", has_text="客户07").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("[name=amount]").fill("很多")
    page.locator(".record-form button[type=submit]").first.click()
    page.locator("#f-amount-error").wait_for()
    assert page.locator("[name=number]").input_value() == "B1" and page.locator("#f-customer").input_value() == "客户07"
    page.locator("[name=amount]").fill("199")
    page.locator(".record-form button[type=submit]").first.click()
    page.wait_for_url("**/forms/order/records/*")
    assert (
        "¥199.00" in page.locator("#prop-amount").inner_text()
        and "客户07" in page.locator("#prop-customer").inner_text()
    )


def test_records_follow_each_other_as_in_the_list(page, company):
    page.goto("/forms/customer?sort=phone")
    page.locator("tbody .title a").nth(1).click()
    page.wait_for_url("**/records/*")
    page.locator("[data-neighbour='2']").click()
    page.wait_for_url(f"**/records/{company[2]}")
    page.locator("[data-back-to-list]").click()
    page.wait_for_url("**/forms/customer?sort=phone")


def test_a_deleted_record_can_be_brought_back_from_where_it_stood(page, company):
    page.goto("/forms/order/records/1")
    page.locator(".record-head details.menu summary").click()
    page.locator(".menu-item.danger").click()
    page.locator("#page", has_text="在回收站里").wait_for()
    page.locator("#page .btn-primary").click()
    page.locator("#prop-number").wait_for()
