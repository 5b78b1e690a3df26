"""The form designer in Chromium: drag, keyboard, phone, two designers, the way to a published form."""

from __future__ import annotations

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, records
from tests.support.browser import PHONE

WIDE = {"width": 1440, "height": 900}
desk = pytest.mark.parametrize("viewport", [WIDE], ids=["1440"])
phone = pytest.mark.parametrize("viewport", [PHONE], ids=["390"])
NAMELESS = """() => Array.from(document.querySelectorAll("main button, main a, main input:not([type=hidden]), main select, main summary, main textarea"))
    .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest("[inert]") && !e.textContent.trim() && !e.getAttribute("aria-label") && !e.labels?.length && !e.title)
    .map(e => e.outerHTML.slice(0, 120))"""


def drag(page, source, target, dy=0):
    """With the mouse, slowly enough for what follows it."""
    page.locator(source).scroll_into_view_if_needed()
    a = page.locator(source).bounding_box()
    x, y = a["x"] + a["width"] / 2, a["y"] + a["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 10, y + 10, steps=3)
    b = page.locator(target).bounding_box()
    page.mouse.move(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2 + dy, steps=12)
    page.wait_for_timeout(180)
    page.mouse.move(b["x"] + b["width"] / 2 + 2, b["y"] + b["height"] / 2 + dy + 2, steps=2)
    page.wait_for_timeout(180)
    page.mouse.up()


def keys(page):
    return page.locator("#designer-canvas .dz-card").evaluate_all("all => all.map(e => e.dataset.key)")


def saved(page):
    page.locator("#designer-state[data-state=saved]").wait_for()


def begin(page, name):
    page.goto("/designer")
    page.get_by_role("button", name="新建表单").click()
    page.fill("#new-name", name)
    page.get_by_role("button", name="开始设计").click()
    page.wait_for_url("**/designer/drafts/*")
    page.locator("#designer-start h2").wait_for()


@desk
def test_a_form_is_built_by_drag_and_published(page):
    begin(page, "售后登记")
    drag(page, ".dz-new[data-type=text] button", ".dz-fields")
    page.locator(".dz-card[data-key=text] .dz-input input").wait_for(state="attached")
    page.fill("#dz-label", "客户称呼")
    page.locator('.dz-card[data-key="ke_hu_cheng_hu"]').wait_for()
    assert page.input_value("#dz-key") == "ke_hu_cheng_hu"
    page.get_by_role("switch", name="必填").check()
    for kind in ("choice", "money", "date"):
        drag(page, f".dz-new[data-type={kind}] button", ".dz-card >> nth=-1", dy=30)
        page.locator(f".dz-card[data-key={kind}].selected").wait_for()
    assert sorted(keys(page)) == ["choice", "date", "ke_hu_cheng_hu", "money"]
    page.locator(".dz-card[data-key=choice] .dz-pick").click()
    page.get_by_role("textbox", name="选项 1").fill("换货")
    page.get_by_role("textbox", name="选项 2").fill("退款")
    page.locator(".dz-card[data-key=choice] option[value=换货]").wait_for(state="attached")
    # Moving, and taking it back.
    before = keys(page)
    drag(page, ".dz-card >> nth=0 >> .dz-pick", ".dz-card >> nth=2 >> .dz-pick", dy=10)
    assert keys(page) != before
    page.keyboard.press("Control+z")
    assert keys(page) == before
    page.keyboard.press("Control+Shift+z")
    assert keys(page) != before
    # Only under a condition on a field that is in no database yet.
    page.locator(".dz-card[data-key=money] .dz-pick").click()
    page.locator("details[data-group=conditions] > summary").click()
    page.get_by_role("group", name="满足条件才显示").get_by_role("button", name="设置条件").click()
    dialog = page.locator("#designer-condition")
    dialog.get_by_role("button", name="添加条件").click()
    dialog.get_by_role("option", name="单选").click()
    dialog.locator("select").last.select_option(label="退款")
    dialog.get_by_role("button", name="用这个条件").click()
    page.locator(".dz-condition-words", has_text="单选 是 退款").wait_for()
    saved(page)
    # The preview hides it until the condition holds.
    page.get_by_role("button", name="预览").click()
    hidden = page.locator("#designer-preview-body [data-field=money]")
    hidden.wait_for(state="hidden")
    page.locator("#designer-preview-body [name=choice]").select_option("退款")
    hidden.wait_for(state="visible")
    page.locator("[data-preview-width=phone]").click()
    page.wait_for_timeout(400)
    assert page.locator("#designer-preview-body").bounding_box()["width"] <= 391
    page.locator("#designer-preview [data-close]").click()
    assert page.evaluate(NAMELESS) == []
    page.get_by_role("button", name="发布", exact=True).click()
    page.locator("#designer-publish .dz-changes", has_text="新建表单「售后登记」").wait_for()
    page.locator("#designer-publish [data-publish]").click()
    page.wait_for_url("**/forms/shou_hou_deng_ji")
    page.goto("/forms/shou_hou_deng_ji/new")
    assert page.get_by_label("客户称呼").is_visible() and page.locator("[name=choice]").is_visible()


@desk
def test_the_keyboard_alone_builds_a_form(page):
    begin(page, "键盘")
    page.locator("#designer-search").fill("danhang")
    page.keyboard.press("Enter")
    page.locator(".dz-card[data-key=text]").wait_for()
    page.locator("#designer-search").fill("")
    page.locator("[data-add=integer]").focus()
    page.keyboard.press("Enter")
    page.locator(".dz-card[data-key=integer] .dz-pick:focus").wait_for()
    page.keyboard.press("Alt+ArrowUp")
    assert keys(page) == ["integer", "text"]
    page.locator("#designer-live", has_text="第 1 个").wait_for(state="attached")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#dz-label:focus").wait_for()
    page.locator(".dz-card[data-key=text] .dz-pick").focus()
    page.keyboard.press("Delete")
    assert keys(page) == ["integer"]
    page.keyboard.press("Control+z")
    assert keys(page) == ["integer", "text"]


@desk
def test_tabs_and_sections_take_fields(page):
    begin(page, "分区")
    page.locator("[data-add=text]").click()
    page.locator("[data-add=phone]").click()
    page.get_by_role("button", name="添加分区").click()
    page.get_by_label("名称", exact=True).fill("联系方式")
    page.locator(".dz-section-name", has_text="联系方式").wait_for()
    drag(page, ".dz-card[data-key=phone] .dz-pick", ".dz-fields[data-section='1']")
    assert page.locator(".dz-fields[data-section='1'] .dz-card").evaluate_all("all => all.map(e => e.dataset.key)") == [
        "phone"
    ]
    page.locator("[data-designer=tab]").click()
    page.locator(".dz-tab").nth(1).wait_for()
    page.locator(".dz-tab").nth(0).click()
    drag(page, ".dz-card[data-key=text] .dz-pick", ".dz-tab >> nth=1")
    page.locator(".dz-tab[aria-selected=true]", has_text="标签页 2").wait_for()
    assert keys(page) == ["text"]
    saved(page)
    page.reload()
    page.locator(".dz-tab").nth(1).click()
    assert keys(page) == ["text"]


@desk
def test_the_second_designer_is_told_and_chooses(page, new_page):
    begin(page, "两个人")
    page.locator("[data-add=text]").click()
    saved(page)
    other = new_page()
    other.goto(page.url)
    other.locator(".dz-card[data-key=text]").wait_for()
    other.locator("[data-add=email]").click()
    saved(other)
    page.locator("[data-add=phone]").click()
    page.locator("#designer-state[data-state=conflict]").wait_for()
    assert "保存了这份草稿" in page.locator("#designer-conflict").inner_text()
    page.get_by_role("button", name="看对方的").click()
    page.locator(".dz-card[data-key=email]").wait_for()
    assert keys(page) == ["text", "email"]
    # One's own work is a step back; saving it then is a choice of one's own.
    page.keyboard.press("Control+z")
    assert keys(page) == ["text", "phone"]
    saved(page)
    other.locator("[data-add=url]").click()
    other.locator("#designer-state[data-state=conflict]").wait_for()
    other.get_by_role("button", name="用我的覆盖…").click()
    other.locator("#designer-overwrite").get_by_role("button", name="用我的覆盖", exact=True).click()
    saved(other)
    other.reload()
    other.locator(".dz-card[data-key=url]").wait_for()
    assert keys(other) == ["text", "email", "url"]


@desk
def test_what_could_not_be_saved_is_kept(page):
    begin(page, "断网")
    page.context.set_offline(True)
    page.locator("[data-add=text]").click()
    page.locator("#designer-state[data-state=failed]").wait_for()
    page.complaints.allow("ERR_INTERNET_DISCONNECTED|Failed to fetch")
    page.context.set_offline(False)
    page.locator("#designer-retry").click()
    saved(page)
    page.reload()
    page.locator(".dz-card[data-key=text]").wait_for()
    page.complaints.allow("ERR_INTERNET_DISCONNECTED|Failed to fetch")


@desk
def test_leaving_at_once_loses_nothing(page):
    begin(page, "离开")
    url = page.url
    page.locator("[data-add=text]").click()
    page.locator("[data-add=date]").click()
    page.goto("/")
    page.goto(url)
    page.locator(".dz-card[data-key=date]").wait_for()
    saved(page)
    assert keys(page) == ["text", "date"] and page.locator("#designer-conflict").is_hidden()


@desk
def test_a_type_is_changed_after_seeing_what_does_not_convert(page, app):
    form = catalog.create_form({
        "key": "fixing", "label": "维修", "title_field": "title",
        "fields": [{"key": "title", "label": "标题", "type": "text"}, {"key": "fee", "label": "费用", "type": "text"}],
    })  # fmt: skip
    records.create_many(form, [{"title": "a", "fee": "12"}, {"title": "b", "fee": "面议"}], SYSTEM)
    page.goto("/forms/fixing/design")
    page.locator(".dz-card[data-key=fee] .dz-pick").click()
    page.get_by_label("类型", exact=True).select_option("money")
    page.locator(".dz-conversion .notice", has_text="1 条").wait_for()
    page.get_by_role("button", name="改为这种类型").click()
    page.locator(".dz-card[data-key=fee] .unit.before").wait_for(state="attached")
    saved(page)
    page.get_by_role("button", name="发布", exact=True).click()
    publish = page.locator("#designer-publish [data-publish]")
    publish.wait_for()
    assert publish.is_disabled()
    page.get_by_label("我明白，仍然发布").check()
    publish.click()
    page.wait_for_url("**/forms/fixing")
    assert catalog.get("fixing").fields["fee"].type == "money"


@desk
def test_choices_are_pasted_coloured_and_defaulted(page):
    begin(page, "选项")
    page.locator("[data-add=choice]").click()
    page.get_by_role("button", name="批量添加").click()
    page.fill("#designer-many-text", "红\n黄\n\n蓝")
    page.locator("#designer-many").get_by_role("button", name="添加", exact=True).click()
    page.get_by_role("textbox", name="选项 6").wait_for()
    page.get_by_label("默认选项").select_option("黄")
    page.locator(".dz-card[data-key=choice] option[value=黄][selected]").wait_for(state="attached")
    page.get_by_role("textbox", name="选项 4").press("Alt+ArrowUp")
    saved(page)
    page.reload()
    page.locator(".dz-card[data-key=choice] .dz-pick").click()
    found = page.locator(".dz-choice-list .dz-choice-text input:visible").evaluate_all("all => all.map(e => e.value)")
    assert found == ["选项 1", "选项 2", "红", "选项 3", "黄", "蓝"]


@phone
def test_a_phone_adds_by_tap_and_edits_in_a_sheet(page):
    begin(page, "手机")
    page.locator(".dz-fab").click()
    page.locator(".dz-palette [data-add=text]").click()
    page.locator(".dz-card[data-key=text]").wait_for()
    page.locator(".dz-card[data-key=text] .dz-pick").click()
    page.locator("#dz-label").fill("称呼")
    page.locator(".dz-side-head .icon-btn").click()
    page.locator(".dz-label", has_text="称呼").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(NAMELESS) == []
    saved(page)


@desk
def test_a_form_of_eighty_fields_stays_quick(page, app):
    form = catalog.create_form({
        "key": "wide", "label": "宽表",
        "fields": [{"key": f"f{n}", "label": f"字段{n}", "type": ("text", "choice", "money", "date")[n % 4]}
                   | ({"choices": ["a", "b"]} if n % 4 == 1 else {}) for n in range(80)],
    })  # fmt: skip
    records.create(form, {"f0": "x"}, SYSTEM)
    page.goto("/forms/wide/design")
    page.locator(".dz-card").nth(79).wait_for(state="attached")
    page.locator(".dz-card[data-key=f0] .dz-pick").click()
    took = page.evaluate("""() => { const D = window.gukeDesigner, t = performance.now();
        for (let n = 0; n < 10; n += 1) D.change(doc => { doc.fields[0].label = "名" + n; }, {panel: false});
        return (performance.now() - t) / 10; }""")
    assert took < 50
    took = page.evaluate("""() => { const D = window.gukeDesigner, t = performance.now();
        D.move("f0", {tab: 0, section: 0, index: 40}); return performance.now() - t; }""")
    assert took < 400
