"""The shell in Chromium: setup, signing in, finding one's way, on a desk and on a phone."""

from __future__ import annotations

import re
import shutil

import pytest
from playwright.sync_api import expect

from tests.support import world
from tests.support.browser import PHONE
from tests.support.people import AMY
from tests.support.server import Server

WIDE = {"width": 1440, "height": 900}
TOO_SMALL = """() => Array.from(document.querySelectorAll(
    "main button, main a.btn, main input:not([type=hidden]), main select, .topbar a, .topbar button"))
    .filter(e => e.checkVisibility() && !e.closest(".form-check, .brand") && e.getBoundingClientRect().height < 43.5)
    .map(e => e.outerHTML.slice(0, 80))"""
NAMELESS = """() => Array.from(document.querySelectorAll("button, a, input:not([type=hidden]), select, summary"))
    .filter(e => !e.textContent.trim() && !e.getAttribute("aria-label") && !e.labels?.length && !e.title)
    .filter(e => !e.closest("label"))
    .map(e => e.outerHTML.slice(0, 100))"""
both = pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["1440", "390"])


def no_sideways_scroll(page):
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.fixture
def fresh_server(bare, tmp_path):
    """A server that nobody has set up, and its setup link."""
    folder = tmp_path / "fresh"
    shutil.copytree(bare, folder)
    with world.running(folder):
        from appliance.accounts import setup

        link = setup.make_link()
    with Server(folder) as server:
        yield server, link


@both
def test_the_first_administrator_sets_guke_up(chromium, fresh_server, viewport):
    server, link = fresh_server
    context = chromium.new_context(base_url=server.url, viewport=viewport, locale="zh-CN")
    page = context.new_page()
    page.goto(link)
    assert no_sideways_scroll(page)
    page.get_by_label("您的姓名").fill("陈小美")
    page.get_by_label("登录名").fill("amy")
    page.get_by_label("密码", exact=True).fill("short")
    page.get_by_label("再输一次密码").fill("short")
    page.get_by_role("button", name="创建并进入").click()
    assert page.get_by_text("密码至少 10 个字符").is_visible()
    assert page.get_by_label("您的姓名").input_value() == "陈小美"
    page.get_by_label("密码", exact=True).fill("three-green-kettles")
    page.get_by_label("再输一次密码").fill("three-green-kettles")
    page.get_by_role("button", name="创建并进入").click()
    page.get_by_role("heading", name="五步看到第一张看板").wait_for()
    assert no_sideways_scroll(page)
    context.close()


@both
def test_a_person_signs_in_after_a_mistake_and_out_again(new_page, viewport):
    page = new_page(None)
    page.goto("/settings/tokens")
    page.get_by_label("登录名").fill(AMY.login)
    page.get_by_label("密码", exact=True).fill("wrong-password")
    page.keyboard.press("Enter")
    assert page.get_by_role("alert").inner_text() == "登录名或密码不对。"
    assert page.get_by_label("登录名").input_value() == AMY.login
    page.get_by_label("密码", exact=True).fill(AMY.password)
    page.get_by_role("button", name="显示或隐藏密码").click()
    assert page.locator("#password").get_attribute("type") == "text"
    page.get_by_role("button", name="登录").click()
    page.wait_for_url("**/settings/tokens")
    page.get_by_label(re.compile("我的菜单")).click()
    page.get_by_role("button", name="退出", exact=True).click()
    page.wait_for_url("**/login")


@both
def test_look_and_language_change_from_the_menu_and_stay(page, viewport):
    page.goto("/")
    page.get_by_label(re.compile("我的菜单")).click()
    page.get_by_role("button", name="深色").click()
    page.wait_for_function("document.documentElement.dataset.bsTheme === 'dark'")
    page.get_by_label(re.compile("我的菜单")).click()
    page.get_by_role("button", name="English").click()
    page.wait_for_function("document.documentElement.lang === 'en'")
    page.goto("/help/")
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.bsTheme]") == ["en", "dark"]


def test_ctrl_k_finds_a_page_and_enter_opens_it(page):
    page.goto("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("yonghu")
    page.get_by_role("option", name=re.compile("用户")).wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/settings/users")


def test_escape_leaves_the_palette_and_gives_the_focus_back(page):
    page.goto("/")
    page.get_by_role("button", name=re.compile("搜索记录")).click()
    assert page.evaluate("document.activeElement.id") == "palette-input"
    page.keyboard.press("Escape")
    assert not page.locator("#palette").is_visible()
    assert page.evaluate("document.activeElement.className") == "search-open"


def test_the_rail_narrows_and_stays_narrow(page):
    page.goto("/")
    page.get_by_role("button", name="收起或展开导航").click()
    assert page.locator("#rail").bounding_box()["width"] < 60
    page.goto("/help/")
    assert page.locator("#rail").bounding_box()["width"] < 60
    assert page.get_by_role("button", name="收起或展开导航").get_attribute("aria-expanded") == "false"


@pytest.mark.parametrize("viewport", [PHONE], ids=["390"])
def test_a_phone_has_tabs_under_the_thumb_and_the_rest_under_more(page, viewport):
    page.goto("/")
    for tab in page.locator(".tabbar > *").all():
        box = tab.bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44
    assert not page.get_by_role("link", name="用户", exact=True).is_visible()
    page.get_by_role("button", name="更多").click()
    page.locator("#rail-settings > summary").click()
    page.get_by_role("link", name="用户", exact=True).click()
    page.wait_for_url("**/settings/users")
    assert no_sideways_scroll(page)


@pytest.mark.parametrize("viewport", [PHONE], ids=["390"])
def test_nothing_on_a_phone_is_cut_off_or_too_small_to_tap(page, viewport):
    pages = (
        "/",
        "/me",
        "/settings/users",
        "/settings/tokens",
        "/settings/company",
        "/settings/log",
        "/help/",
        "/notices",
    )
    for path in pages:
        page.goto(path)
        assert no_sideways_scroll(page), path
        assert page.evaluate(TOO_SMALL) == [], path


def test_adding_a_person_shows_a_link_to_copy(page):
    page.goto("/settings/users")
    page.get_by_role("button", name="添加用户").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("姓名").fill("赵迪")
    dialog.get_by_label("登录名").fill("bo")
    dialog.get_by_role("button", name="添加并生成密码链接").click()
    assert page.get_by_text("已经有人用这个登录名").is_visible()
    dialog.get_by_label("登录名").fill("di")
    dialog.get_by_role("button", name="添加并生成密码链接").click()
    assert "/reset/" in page.locator("#link").inner_text()


def test_unsaved_changes_ask_before_they_are_lost(page):
    page.goto("/settings/company")
    page.get_by_label("公司名称").fill("云裳")
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.get_by_role("link", name="工作台").first.click()
    page.wait_for_url(re.compile(r"/$"))
    assert asked == ["beforeunload"]


def test_a_lost_connection_is_said(page):
    page.goto("/")
    page.context.set_offline(True)
    page.keyboard.press("Control+k")
    page.keyboard.type("x")
    page.get_by_text("连不上服务器").wait_for()
    page.context.set_offline(False)
    page.complaints.allow("ERR_INTERNET_DISCONNECTED|htmx:(sendError|afterRequest)")


def test_an_expired_session_leads_to_sign_in_from_htmx_too(page, template):
    page.goto("/")
    page.context.clear_cookies()
    page.keyboard.press("Control+k")
    page.keyboard.type("x")
    # Each request of the page that is refused leads there: the last one wins, and only where it ends counts.
    expect(page).to_have_url(re.compile(r"/login\?next="), timeout=15_000)


def test_the_desk_page_has_one_heading_and_named_controls(page):
    page.goto("/settings/users")
    assert page.locator("h1").count() == 1
    nameless = page.evaluate(NAMELESS)
    assert nameless == []
