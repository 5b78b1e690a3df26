"""A manager makes an after-sales form by dragging, staff and strangers use it at once, and the customer's page follows."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.forms.test_files import png
from tests.support.browser import PHONE
from tests.support.server import Server

WIDE = {"width": 1440, "height": 900}
FIELDS = [
    ("auto_number", "number", "单号"), ("text", "reason", "事由"), ("relation", "buyer", "客户"),
    ("choice", "way", "处理方式"), ("money", "refund", "单件退款"), ("integer", "pieces", "件数"),
    ("formula", "total", "退款合计"), ("multi_choice", "faults", "问题"), ("date", "bought", "购买日期"),
    ("phone", "contact", "联系电话"), ("rating", "stars", "满意度"), ("sub_form", "lines", "明细"),
    ("images", "photos", "照片"), ("lookup", "city", "客户城市"), ("rollup", "goods", "明细件数"),
]  # fmt: skip
"""Type, key and name of what is dragged onto the page, in the order of the form."""


AT_THE_END = """() => {
    const all = document.querySelector("#designer-canvas .dz-fields").querySelectorAll(".dz-card, .dz-new");
    return all.length > 0 && all[all.length - 1].matches(".dz-new");
}"""


@pytest.fixture
def viewport() -> dict[str, int]:
    return WIDE


def drag(page: Any, kind: str) -> None:
    """A type from the palette to the end of the page, with the mouse."""
    source = page.locator(f".dz-new[data-type={kind}] button")
    source.scroll_into_view_if_needed()
    if page.locator(".dz-card").count():
        page.locator(".dz-card").last.scroll_into_view_if_needed()
    a = source.bounding_box()
    page.mouse.move(a["x"] + a["width"] / 2, a["y"] + a["height"] / 2)
    page.mouse.down()
    page.mouse.move(a["x"] + a["width"] / 2 + 12, a["y"] + a["height"] / 2 + 12, steps=3)
    # The page makes room under the mouse, which is looked at every 50 ms and not while the cards move.
    for step in range(20):
        last = page.locator("#designer-canvas .dz-card")
        b = (last.last if last.count() else page.locator("#designer-canvas .dz-fields")).bounding_box()
        page.mouse.move(b["x"] + b["width"] * 0.6 + step % 2, b["y"] + b["height"] * 0.6 + step % 3, steps=3)
        page.wait_for_timeout(220)
        if page.evaluate(AT_THE_END):
            break
    else:
        raise AssertionError(f"{kind} found no room at the end")
    page.mouse.up()


def add(page: Any, kind: str, key: str, name: str) -> None:
    drag(page, kind)
    name_it(page, kind, key, name)


def name_it(page: Any, kind: str, key: str, name: str) -> None:
    page.locator(f".dz-card.selected[data-key^={kind}]").wait_for()
    page.fill("#dz-key", key)
    page.press("#dz-key", "Tab")
    page.locator(f".dz-card.selected[data-key={key}]").wait_for()
    page.fill("#dz-label", name)
    page.locator(f".dz-card[data-key={key}]", has_text=name).wait_for()


def setting(page: Any, label: str) -> Any:
    return page.locator("#designer-panel").get_by_label(label, exact=True)


def publish(page: Any, url: str) -> None:
    page.locator("#designer-state[data-state=saved]").wait_for()
    page.get_by_role("button", name="发布", exact=True).click()
    page.locator("#designer-publish [data-publish]").click()
    page.wait_for_url(url)


def choices(page: Any, *texts: str) -> None:
    for place, text in enumerate(texts, 1):
        page.get_by_role("textbox", name=f"选项 {place}", exact=True).fill(text)


def only_if_refund(page: Any) -> None:
    """The selected field is shown only when the way is a refund."""
    conditions = page.locator("details[data-group=conditions]")
    if conditions.get_attribute("open") is None:
        conditions.locator("> summary").click()
    page.get_by_role("group", name="满足条件才显示").get_by_role("button", name="设置条件").click()
    dialog = page.locator("#designer-condition")
    dialog.get_by_role("button", name="添加条件").click()
    dialog.get_by_role("option", name="处理方式").click()
    dialog.locator("select").last.select_option(label="退款")
    dialog.get_by_role("button", name="用这个条件").click()
    page.locator(".dz-condition-words", has_text="处理方式 是 退款").wait_for()


def design(page: Any) -> None:
    """From 设置 → 表单 to the published form."""
    page.goto("/settings")
    page.get_by_role("link", name="表单", exact=True).first.click()
    page.get_by_role("button", name="新建表单").click()
    page.fill("#new-name", "售后单")
    page.get_by_role("button", name="开始设计").click()
    page.locator("#designer-start h2").wait_for()
    for kind, key, name in FIELDS:
        add(page, kind, key, name)
        if key == "number":
            setting(page, "编号的样子").fill("AS-{yyyy}-{000}")
        elif key == "reason":
            page.get_by_role("switch", name="必填").check()
        elif key == "buyer":
            setting(page, "关联哪个表单").select_option("customer")
        elif key == "way":
            choices(page, "退款", "换货", "维修")
        elif key == "faults":
            choices(page, "破损", "少件", "不喜欢")
        elif key == "total":
            page.locator("#dz-formula-formula").fill("{单件退款} * {件数}")
            page.locator("#dz-formula-formula-said:not(.field-error)", has_text="金额").wait_for()
        elif key == "photos":
            only_if_refund(page)
        elif key == "city":
            setting(page, "通过哪个关联字段").select_option("buyer")
            setting(page, "引用它的哪个字段").select_option("city")
        elif key == "goods":
            setting(page, "汇总哪个明细").select_option("lines")
            setting(page, "怎样汇总").select_option("sum")
            setting(page, "汇总哪个字段").select_option("quantity")
    found = page.locator("#designer-canvas .dz-card").evaluate_all("all => all.map(e => e.dataset.key)")
    assert found == [key for _kind, key, _name in FIELDS]
    publish(page, "**/forms/shou_hou_dan")


def sum_up(page: Any) -> None:
    """A rollup of the new form on the customer."""
    page.goto("/forms/customer/design")
    page.locator(".dz-card[data-key=name]").wait_for()
    page.locator(".dz-new[data-type=rollup] button").click()
    name_it(page, "rollup", "after_sales", "售后退款")
    setting(page, "汇总哪个表单的记录").select_option("shou_hou_dan")
    setting(page, "怎样汇总").select_option("sum")
    setting(page, "汇总哪个字段").select_option("total")
    publish(page, "**/forms/customer")


def fill_in(page: Any) -> None:
    """On a phone: the page answers while it is filled in."""
    page.goto("/forms/shou_hou_dan/new")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    expect(page.locator("[data-field=photos]")).to_be_hidden()
    page.fill("#f-reason", "瓶口漏液")
    page.fill("#f-buyer", "王芳")
    page.locator("#f-buyer-options [role=option]", has_text="王芳").first.click()
    expect(page.locator("[data-computed=city]")).to_have_text("杭州")
    page.fill("#f-refund", "19.90")
    page.fill("#f-pieces", "3")
    expect(page.locator("[data-computed=total]")).to_have_text("¥59.70")
    page.fill("#f-pieces", "4")
    expect(page.locator("[data-computed=total]")).to_have_text("¥79.60")
    page.select_option("#f-way", label="退款")
    expect(page.locator("[data-field=photos]")).to_be_visible()
    page.set_input_files("#f-photos", [{"name": "漏液.png", "mimeType": "image/png", "buffer": png()}])
    page.locator(".file-entry img").wait_for()
    page.locator(".choice-pill", has_text="破损").click()
    page.fill("#f-bought", "2026-11-01")
    page.fill("#f-contact", "138 0013 8000")
    page.locator(".rating-star").nth(0).click()
    page.fill("[name='lines.0.item']", "面霜")
    page.fill("[name='lines.0.quantity']", "4")
    page.get_by_role("button", name="保存", exact=True).click()
    page.wait_for_url(re.compile(r"/forms/shou_hou_dan/records/\d+$"))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def answer(stranger: Any, link: str) -> None:
    stranger.goto(link)
    stranger.get_by_label("事由").fill("少了一瓶")
    stranger.get_by_label("联系电话").fill("13900139000")
    stranger.get_by_role("button", name="提交").click()
    stranger.get_by_text("提交成功").wait_for()


def test_a_form_is_made_by_dragging_and_used_at_once(page: Any, new_page: Any, server: Server, template: Any) -> None:
    headers = {"Authorization": f"Bearer {template.tokens['amy']}"}

    def api(method: str, path: str, body: Any = None) -> Any:
        answered = page.request.fetch(f"/api/v1{path}", method=method, data=body, headers=headers)
        assert answered.ok, answered.text()
        return answered.json()

    buyer = api("POST", "/forms/customer/records", {"values": {"name": "王芳", "city": "杭州"}})["id"]
    design(page)
    sum_up(page)

    phone = new_page("bo", viewport=PHONE)
    fill_in(phone)
    saved = api("GET", "/forms/shou_hou_dan/records")["records"][0]["values"]
    assert re.fullmatch(r"AS-\d{4}-001", saved["number"]) and saved["created_by"] == "bo"
    assert (saved["total"], saved["goods"], saved["city"], saved["way"]) == ("79.60", 4, "杭州", "退款")
    assert [file["name"] for file in saved["photos"]] == ["漏液.png"]
    phone.goto(f"/forms/customer/records/{buyer}")
    expect(phone.locator("#prop-after_sales")).to_contain_text("¥79.60")

    # A public page of it, filled in by somebody without an account.
    page.goto("/forms/shou_hou_dan/public")
    page.get_by_role("button", name="新建公开表单").first.click()
    for key in ("reason", "contact"):
        page.locator(f"[name=shown-{key}]").check()
    page.get_by_label("开放填写").check()
    page.get_by_role("button", name="保存").click()
    page.locator("#public-link").wait_for()
    answer(new_page(None, viewport=PHONE), re.sub(r"^https?://[^/]+", "", page.locator("#public-link").inner_text()))

    page.goto("/forms/shou_hou_dan?kind=kanban&by=way")
    expect(page.locator(".kanban-column[data-key=退款] .board-card")).to_have_count(1)
    expect(page.locator(".board-card")).to_have_count(2)

    filters = [
        ("number", "contains", "001", 1), ("reason", "starts_with", "少", 1), ("buyer", "eq", buyer, 1),
        ("buyer.city", "eq", "杭州", 1), ("way", "ne", "退款", 1), ("refund", "gte", "19.9", 1), ("pieces", "between", [4, 5], 1),
        ("total", "gt", "79.6", 0), ("total", "eq", "79.60", 1), ("faults", "has_any", ["破损"], 1), ("bought", "eq", "2026-11-01", 1),
        ("contact", "in", ["13800138000", "13900139000"], 2), ("stars", "lt", 2, 1), ("lines", "not_empty", None, 1),
        ("photos", "empty", None, 1), ("city", "eq", "杭州", 1), ("goods", "eq", 4, 1),
    ]  # fmt: skip
    for field, op, value, count in filters:
        where = json.dumps({"field": field, "op": op, "value": value}, ensure_ascii=False)
        page.goto(f"/forms/shou_hou_dan?kind=table&where={where}")
        assert page.locator("tbody .title").count() == count, where
        assert page.locator(".list-chips .chip-open").count() == 1, where
    page.goto("/forms/shou_hou_dan?kind=table&q=13800138000")
    assert page.locator("tbody .title").count() == 1

    exported = page.request.get("/forms/shou_hou_dan/export?format=csv")
    rows = list(csv.DictReader(StringIO(exported.body().decode("utf-8-sig"))))
    assert {row["事由"] for row in rows} == {"瓶口漏液", "少了一瓶"}
    row = next(row for row in rows if row["事由"] == "瓶口漏液")
    assert (row["客户"], row["退款合计"], row["问题"], row["客户城市"]) == ("王芳", "79.6", "破损", "杭州")
