"""What people do on a record's page, in Chromium, on a desk and on a phone."""

from __future__ import annotations

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, query, records
from tests.forms.test_list_browser import both, fits
from tests.support.people import BO

FORM = {
    "key": "repair",
    "label": "维修",
    "title_field": "title",
    "fields": [
        {"key": "title", "label": "标题", "type": "text", "required": True},
        {"key": "kind", "label": "类型", "type": "text"},
        {
            "key": "reason",
            "label": "退货原因",
            "type": "text",
            "show_if": {"field": "kind", "op": "eq", "value": "退货"},
        },
        {"key": "customer", "label": "客户", "type": "relation", "form": "customer"},
        {"key": "note", "label": "处理说明", "type": "long_text"},
    ],
    "layout": {
        "tabs": [
            {"label": "单据", "sections": [{"label": "来由", "columns": 3, "fields": ["title", "kind", "reason"]}]},
            {"label": "处理", "sections": [{"label": "结果", "columns": 1, "fields": ["customer", "note"]}]},
        ]
    },
}


@pytest.fixture
def customer(app):
    return records.create(catalog.get("customer"), {"name": "王小明", "phone": "13800138000"}, SYSTEM)


@pytest.fixture
def repair(app, customer):
    form = catalog.create_form(FORM)
    return records.create(form, {"title": "杯子", "kind": "维修", "customer": customer}, SYSTEM)


def stored(form, record_id):
    return query.get(catalog.get(form), record_id, SYSTEM).values


@both
def test_tabs_conditions_and_in_place_editing(page, repair):
    page.goto(f"/forms/repair/records/{repair}")
    assert page.get_by_text("退货原因").count() == 0 or not page.locator("#prop-reason").is_visible()
    page.locator("#prop-kind .prop-edit").click(force=True)
    page.locator("#f-kind").fill("退货")
    page.keyboard.press("Control+Enter")
    page.locator("#prop-reason").wait_for()
    page.get_by_role("tab", name="处理").click()
    assert page.locator("#prop-customer").is_visible() and not page.locator("#prop-title").is_visible()
    fits(page)


@both
def test_a_form_answers_while_it_is_filled_in_and_keeps_what_was_typed(page, repair):
    page.goto("/forms/repair/new")
    assert not page.locator("[data-field=reason]").is_visible()
    page.locator("#f-title").fill("壶嘴裂了")
    page.locator("#f-kind").fill("退货")
    page.locator("[data-field=reason]").wait_for()
    page.locator("#f-reason").fill("运输")
    fits(page)
    while "运输" not in page.evaluate("JSON.stringify(sessionStorage)"):
        page.wait_for_timeout(50)
    page.once("dialog", lambda dialog: dialog.accept())
    page.goto("/forms/repair")
    page.goto("/forms/repair/new")
    page.get_by_role("button", name="恢复").click()
    page.locator("[data-field=reason]").wait_for()
    assert (page.locator("#f-title").input_value(), page.locator("#f-reason").input_value()) == ("壶嘴裂了", "运输")
    page.get_by_role("button", name="保存", exact=True).click()
    page.wait_for_url("**/records/*")
    page.goto("/forms/repair/new")
    assert page.locator(".draft-offer").count() == 0


@both
def test_a_comment_names_a_colleague_whose_bell_rings(page, new_page, customer):
    page.goto(f"/forms/customer/records/{customer}")
    box = page.locator("#comment-text")
    box.fill("")
    box.press_sequentially("请 @bo")
    page.locator(".mention-options [role=option]").first.wait_for()
    box.press("Enter")
    box.press_sequentially("跟进")
    page.get_by_role("button", name="发表评论").click()
    page.locator(".comment .mention").wait_for()
    fits(page)
    other = new_page("bo")
    other.goto("/")
    assert other.locator("#bell .dot").inner_text() == "1"
    other.goto("/notices")
    other.locator(".notice-row a").click()
    other.wait_for_url("**/forms/customer/records/**")
    other.goto("/")
    assert not other.locator("#bell .dot").is_visible()


@both
def test_a_related_record_is_added_in_a_dialog_and_taken_back(page, repair, customer):
    page.goto(f"/forms/customer/records/{customer}")
    card = page.locator("#related-repair-customer")
    card.scroll_into_view_if_needed()
    card.get_by_role("link", name="新建维修").click()
    dialog = page.locator("#action-dialog")
    dialog.locator("#f-title").fill("盖子丢了")
    dialog.get_by_role("button", name="保存").click()
    card.get_by_text("盖子丢了").wait_for()
    assert not dialog.is_visible()
    page.locator(".toast-note button", has_text="撤销").click()
    card.get_by_text("盖子丢了").wait_for(state="detached")


@both
def test_what_may_be_there_already_is_said_while_typing(page, customer):
    page.goto("/forms/customer/new")
    page.locator("#f-name").fill("王晓明")
    page.locator(".similar a", has_text="王小明").wait_for()
    page.locator("#f-name").fill("赵六")
    page.locator(".similar").wait_for(state="detached")
    page.locator("#f-phone").fill("138-0013-8000")
    page.locator(".similar a", has_text="王小明").wait_for()
    fits(page)


@both
def test_two_writers_choose_field_by_field(page, customer):
    page.goto(f"/forms/customer/records/{customer}/edit")
    bo = users.actor_of(users.by_login(BO.login).id)
    records.update(catalog.get("customer"), customer, {"city": "宁波", "level": "vip"}, bo)
    page.locator("#f-city").fill("苏州")
    page.locator("#f-remark").fill("新")
    page.get_by_role("button", name="保存", exact=True).click()
    page.locator(".both-theirs", has_text="宁波").wait_for()
    fits(page)
    page.get_by_label("用对方的").check()
    page.get_by_role("button", name="保存", exact=True).click()
    page.wait_for_url(f"**/records/{customer}")
    now = stored("customer", customer)
    assert (now["city"], now["remark"], now["level"]) == ("宁波", "新", "vip")


@both
def test_an_old_value_is_restored_from_the_history(page, customer):
    records.update(catalog.get("customer"), customer, {"city": "宁波"}, SYSTEM)
    records.update(catalog.get("customer"), customer, {"city": "苏州"}, SYSTEM)
    page.goto(f"/forms/customer/records/{customer}")
    page.locator("#history .change").first.wait_for()
    page.locator("#history").get_by_role("button", name="恢复「城市」的旧值").first.click(force=True)
    dialog = page.locator("#action-dialog")
    dialog.get_by_text("宁波").wait_for()
    dialog.get_by_role("button", name="恢复 1 项").click()
    page.locator("#prop-city", has_text="宁波").wait_for()
    page.locator(".toast-note button", has_text="撤销").click()
    page.locator("#prop-city", has_text="苏州").wait_for()


@both
def test_two_records_are_merged_and_taken_apart(page, customer):
    other = records.create(catalog.get("customer"), {"name": "王晓明", "city": "杭州", "wechat": "wx"}, SYSTEM)
    page.goto(f"/forms/customer/records/{customer}")
    page.locator(".record-head details.menu summary").click()
    page.locator("#record-header").get_by_role("button", name="合并").click()
    page.locator("#merge-with").fill("王晓明")
    page.locator("#merge-with-options [role=option]").first.click()
    page.get_by_role("button", name="下一步").click()
    page.wait_for_url("**/merge?*")
    fits(page)
    page.locator("input[name='choose.name'][value=target]").check()
    page.get_by_role("button", name="合并为一条").click()
    page.wait_for_url("**/merges/*")
    fits(page)
    page.get_by_role("button", name="撤销合并").click()
    page.get_by_text("撤销了这次合并").wait_for()
    assert stored("customer", other)["wechat"] == "wx" and stored("customer", customer)["phone"] == "13800138000"


def test_deleting_for_good_takes_a_typed_word(page, customer):
    records.delete(catalog.get("customer"), customer, SYSTEM)
    page.goto("/forms/customer/bin")
    page.get_by_role("button", name="彻底删除").click()
    page.locator("#word").fill("彻底删除")
    page.locator("#action-dialog").get_by_role("button", name="彻底删除").click()
    page.get_by_text("回收站是空的").wait_for()
