"""The first administrator and forgotten passwords: links that work once."""

from __future__ import annotations

import shutil

import pytest

from appliance.core.folder import holds_database
from tests.support import world

GOOD = "three-green-kettles"


@pytest.fixture
def fresh(bare, tmp_path):
    """An installation that nobody has set up yet."""
    folder = tmp_path / "fresh"
    shutil.copytree(bare, folder)
    with world.running(folder) as app:
        assert holds_database(folder)
        yield world.client(app)


def fill(**changes):
    return {"name": "Amy", "login": "amy", "password": GOOD, "again": GOOD} | changes


def test_the_first_administrator_chooses_name_and_password_and_is_in(fresh):
    from appliance.accounts import setup

    link = setup.make_link()
    assert "第一位管理员" in fresh.get(link).text
    answer = fresh.post(link, data=fill())
    assert (answer.status_code, answer.location) == (303, "/")
    assert fresh.get("/settings/users").status_code == 200
    assert setup.make_link() is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password": "short", "again": "short"}, "密码至少 10 个字符"),
        ({"password": "1234567890", "again": "1234567890"}, "太常见"),
        ({"password": "aaaaaaaaaaaa", "again": "aaaaaaaaaaaa"}, "太常见"),
        ({"again": "something else"}, "两次填写的密码不一样"),
        ({"login": "amy chen"}, "不含空格"),
        ({"login": "chenxiaomei", "password": "chenxiaomei1", "again": "chenxiaomei1"}, "不能就是登录名"),
        ({"name": " "}, "请填写姓名"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_the_link_still_works(fresh, changes, sentence):
    from appliance.accounts import setup

    link = setup.make_link()
    answer = fresh.post(link, data=fill(**changes))
    assert answer.status_code == 422
    assert sentence in answer.text and 'aria-invalid="true"' in answer.text
    assert GOOD not in answer.text
    assert fresh.post(link, data=fill()).status_code == 303


def test_a_setup_link_dies_after_use_after_a_day_and_with_the_next_link(fresh, clock):
    from appliance.accounts import setup

    first, second = setup.make_link(), setup.make_link()
    assert fresh.get(first).status_code == 404
    clock.move(hours=25)
    assert fresh.get(second).status_code == 404
    third = setup.make_link()
    assert fresh.post(third, data=fill()).status_code == 303
    assert fresh.get(third).status_code == 404
    assert fresh.post(third, data=fill(login="other")).status_code == 404


def test_a_setup_link_is_worth_nothing_once_an_administrator_exists(fresh):
    from appliance.accounts import setup, users
    from appliance.accounts.actor import SYSTEM

    link = setup.make_link()
    users.create("boss", "Boss", GOOD, "admin", SYSTEM)
    assert fresh.get(link).status_code == 404


def test_the_sign_in_page_of_a_new_installation_says_what_to_do(fresh):
    assert "setup-link" in fresh.get("/login").text


def test_an_administrator_hands_out_a_link_and_the_person_sets_the_password(client, anon, staff_client):
    from appliance.accounts import users

    bo = users.by_login("bo").id
    page = client.post(f"/settings/users/{bo}/link").text
    link = "/reset/" + page.split("/reset/")[1].split("<")[0]
    assert "Bo 李" in anon.get(link).text
    assert anon.post(link, data={"password": "short", "again": "short"}).status_code == 422
    assert anon.post(link, data={"password": GOOD, "again": GOOD}).status_code == 303
    assert staff_client.get("/me").status_code == 302, "sessions from before the reset are over"
    assert anon.get(link).status_code == 404
    assert anon.post("/login", data={"login": "bo", "password": GOOD}).status_code == 303
