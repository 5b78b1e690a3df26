"""Home, search, settings, manual."""

from __future__ import annotations

import re

import pytest


def test_a_new_company_sees_five_steps_and_the_first_is_done_by_naming_it(client):
    page = client.get("/").text
    assert page.count("guide-sign") == 5 and "guide-done" not in page
    client.post("/settings/company", data={"company.name": "云裳服饰", "company.timezone": "Asia/Shanghai"})
    page = client.get("/").text
    assert page.count("guide-done") == 1 and "云裳服饰" in page


def test_the_steps_can_be_put_away_and_staff_never_see_them(client, staff_client):
    assert "guide-sign" not in staff_client.get("/").text
    client.post("/home/steps/close")
    assert "guide-sign" not in client.get("/").text


def test_a_wrong_time_zone_is_said_beside_the_field_and_nothing_is_saved(client):
    answer = client.post("/settings/company", data={"company.name": "X", "company.timezone": "Asia/Nowhere"})
    assert answer.status_code == 422
    assert "没有这个时区" in answer.text and 'value="Asia/Nowhere"' in answer.text
    assert ">X<" not in client.get("/").text


def test_settings_that_change_are_in_the_log(client):
    client.post("/settings/company", data={"company.name": "云裳服饰"})
    assert "修改设置" in client.get("/settings/log").text


@pytest.mark.parametrize("text", ["用户", "yonghu", "yh", "users"])
def test_the_palette_finds_pages_by_name_pinyin_and_initials(client, text):
    assert 'href="/settings/users"' in client.get("/palette", query_string={"q": text}).text


def test_the_palette_shows_staff_nothing_of_the_administrators(staff_client):
    assert "/settings/users" not in staff_client.get("/palette", query_string={"q": "用户"}).text


def test_the_palette_says_what_else_to_try(client):
    assert "拼音首字母" in client.get("/palette", query_string={"q": "zzzzqqq"}).text


def test_help_leads_from_a_page_to_its_topic(client):
    url = re.search(r'help-link" href="([^"]+)"|href="([^"]+)" title="本页帮助"', client.get("/settings/tokens").text)
    page = client.get(next(u for u in url.groups() if u))
    assert page.status_code == 200 and "令牌" in page.text


def test_the_manual_is_searched_and_escapes_what_was_typed(client):
    assert "<mark>令牌</mark>" in client.get("/help/?q=令牌").text
    odd = client.get("/help/", query_string={"q": "<script>"}, htmx=True)
    assert "<script>" not in odd.text and odd.status_code == 200
    assert client.get("/help/no-such-topic").status_code == 404


def test_every_page_of_the_manual_opens_in_both_languages(client):
    from appliance.web import help

    for locale in ("zh", "en"):
        client.post("/preferences", data={"locale": locale})
        for topic in help.topics(locale):
            page = client.get(f"/help/{topic.key}")
            assert page.status_code == 200 and topic.title in page.text


def test_chinese_and_english_manuals_have_the_same_pages(app):
    from appliance.web import help

    names = [{p.name for p in (help.FOLDER / locale).glob("*.md")} for locale in ("zh", "en")]
    assert names[0] == names[1]


def test_every_link_of_the_shell_opens(client):
    links = set(re.findall(r'<a[^>]* href="(/[^"#]*)"', client.get("/").text))
    assert len(links) > 5
    broken = {link: client.get(link).status_code for link in links}
    assert {k: v for k, v in broken.items() if v not in (200, 302)} == {}


def test_home_shows_the_last_imports_to_who_made_them(client, staff_client, cy_client, samples):
    def start(who):
        with (samples / "taobao_orders.csv").open("rb") as file:
            answer = who.post("/forms/order/import", data={"file": (file, "taobao_orders.csv")})
        return int(answer.location.rpartition("/")[2])

    from appliance.core.db import write
    from appliance.forms.importing.models import Import

    number = start(staff_client)
    assert f"/imports/{number}" not in staff_client.get("/").text, "a draft is not an import yet"
    with write():
        Import.update(status="done").where(Import.id == number).execute()
    assert f"/imports/{number}" in staff_client.get("/").text
    assert f"/imports/{number}" in client.get("/").text
    assert f"/imports/{number}" not in cy_client.get("/").text
