"""Administrators manage people; people manage their own account and tokens."""

from __future__ import annotations

import re

from tests.support.http import Api
from tests.support.people import AMY, BO

NEW = "three-green-kettles"


def id_of(login):
    from appliance.accounts import users

    return users.by_login(login).id


def test_an_added_person_gets_a_link_and_can_then_sign_in(client, anon):
    answer = client.post("/settings/users", data={"name": "Di 赵", "login": "Di", "role": "staff"})
    link = re.search(r"/reset/[\w-]+", answer.text)[0]
    assert anon.post("/login", data={"login": "di", "password": ""}).status_code == 422
    assert anon.post(link, data={"password": NEW, "again": NEW}).status_code == 303
    assert "Di 赵" in anon.get("/me").text


def test_a_login_name_is_taken_only_once(client):
    answer = client.post("/settings/users", data={"name": "Another", "login": "BO", "role": "staff"})
    assert answer.status_code == 422
    assert "已经有人用这个登录名" in answer.text


def test_disabling_ends_sessions_and_tokens_at_once(app, client, staff_client, template):
    from flask.testing import FlaskClient

    api = Api(FlaskClient(app), template.tokens["bo"])
    assert api.raw("GET", "/forms").status_code == 200
    client.post(f"/settings/users/{id_of('bo')}/disable")
    assert staff_client.get("/me").status_code == 302
    assert api.raw("GET", "/forms").status_code == 401
    client.post(f"/settings/users/{id_of('bo')}/enable")
    assert staff_client.login(BO).status_code == 303


def test_the_last_administrator_stays(client):
    amy = id_of("amy")
    for url, data in ((f"/settings/users/{amy}/disable", {}), (f"/settings/users/{amy}", {"role": "staff"})):
        assert "至少要有一位能登录的管理员" in client.post(url, data=data, follow_redirects=True).text
    assert client.get("/settings/users").status_code == 200


def test_a_new_role_counts_from_the_next_click(client, staff_client):
    assert staff_client.get("/settings/users").status_code == 403
    client.post(f"/settings/users/{id_of('bo')}", data={"name": "Bo 李", "role": "admin"})
    assert staff_client.get("/settings/users").status_code == 200


def test_staff_see_neither_settings_nor_people(staff_client):
    for url in ("/settings/users", "/settings/company", "/settings/log"):
        assert staff_client.get(url).status_code == 403
    page = staff_client.get("/").text
    assert "/settings/users" not in page and "/settings/tokens" in page


def test_changing_the_password_needs_the_old_one_and_signs_other_browsers_out(client, anon):
    anon.login(AMY)
    wrong = client.post("/me/password", data={"current": "no", "password": NEW, "again": NEW})
    assert wrong.status_code == 422 and "现在的密码不对" in wrong.text
    assert client.post("/me/password", data={"current": AMY.password, "password": NEW, "again": NEW}).status_code == 303
    assert client.get("/me").status_code == 200
    assert anon.get("/me").status_code == 302


def test_the_own_devices_are_listed_and_the_others_can_be_signed_out(client, anon):
    anon.login(AMY)
    client.post("/me/sessions/end")
    assert anon.get("/me").status_code == 302
    assert client.get("/me").status_code == 200


def test_language_and_look_are_kept_with_the_person(client):
    client.post("/preferences", data={"theme": "dark"})
    assert 'data-theme="dark"' in client.get("/me").text
    client.post("/preferences", data={"locale": "en"})
    assert '<html lang="en"' in client.get("/me").text


def test_the_language_before_signing_in_is_the_browsers_then_the_choice(anon):
    assert '<html lang="en"' in anon.get("/login", headers={"Accept-Language": "en-GB,en"}).text
    assert '<html lang="zh-CN"' in anon.get("/login", headers={"Accept-Language": "zh-TW,zh"}).text
    anon.post("/language", data={"locale": "en"})
    assert '<html lang="en"' in anon.get("/login", headers={"Accept-Language": "zh"}).text


def test_a_token_is_shown_once_and_works_until_it_is_revoked(app, client):
    from flask.testing import FlaskClient

    page = client.post("/settings/tokens", data={"name": "ERP", "life": ""}).text
    token = re.search(r"guke_[\w-]{40,}", page)[0]
    api = Api(FlaskClient(app), token)
    assert api.raw("GET", "/forms").status_code == 200
    listed = client.get("/settings/tokens").text
    assert token not in listed and token[:10] in listed
    number = max(int(n) for n in re.findall(r"/settings/tokens/(\d+)/revoke", listed))
    client.post(f"/settings/tokens/{number}/revoke")
    assert api.raw("GET", "/forms").status_code == 401


def test_a_token_ends_on_its_day(app, client, clock):
    from flask.testing import FlaskClient

    page = client.post("/settings/tokens", data={"name": "trial", "life": "30"}).text
    api = Api(FlaskClient(app), re.search(r"guke_[\w-]{40,}", page)[0])
    clock.move(days=29)
    assert api.raw("GET", "/forms").status_code == 200
    clock.move(days=2)
    assert api.raw("GET", "/forms").status_code == 401


def test_nobody_revokes_the_token_of_another(client, staff_client):
    page = client.post("/settings/tokens", data={"name": "ERP", "life": ""})
    number = max(int(n) for n in re.findall(r"/settings/tokens/(\d+)/revoke", page.text))
    answer = staff_client.post(f"/settings/tokens/{number}/revoke", follow_redirects=True)
    assert "没有这个令牌" in answer.text


def test_secrets_are_not_in_the_database(data, client):
    client.post("/settings/tokens", data={"name": "ERP", "life": ""})
    stored = b"".join(path.read_bytes() for path in data.glob("guke.db*"))
    assert AMY.password.encode() not in stored
    assert b"$argon2id$" in stored
    assert not re.search(rb"guke_[\w-]{20,}", stored)
