"""Signing in, being slowed down, signing out: through the front door."""

from __future__ import annotations

import pytest

from tests.support.people import AMY, BO


def test_a_person_signs_in_and_lands_where_they_wanted(anon):
    asked = anon.get("/settings/users?x=1")
    assert asked.status_code == 302
    assert asked.location == "/login?next=/settings/users?x%3D1"
    answer = anon.post(asked.location, data={"login": " AMY ", "password": AMY.password})
    assert (answer.status_code, answer.location) == (303, "/settings/users?x=1")
    assert anon.get("/settings/users").status_code == 200


def test_the_session_cookie_is_for_this_site_and_not_for_scripts(anon):
    answer = anon.login(AMY)
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("guke_session="))
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    over_tls = anon.post("/login", data={"login": "amy", "password": AMY.password}, base_url="https://localhost")
    assert "Secure" in next(c for c in over_tls.headers.getlist("Set-Cookie") if c.startswith("guke_session="))


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "\t//evil"]
)
def test_next_never_leads_to_another_site(anon, wanted):
    answer = anon.post("/login", query_string={"next": wanted}, data={"login": "amy", "password": AMY.password})
    assert answer.location == "/"


def test_unknown_people_wrong_passwords_and_disabled_accounts_get_the_same_answer(anon, client):
    from appliance.accounts import users
    from appliance.accounts.actor import SYSTEM

    users.disable(users.by_login("cy").id, SYSTEM)
    answers = [
        anon.post("/login", data={"login": login, "password": password})
        for login, password in (("amy", "wrong-password"), ("nobody", "wrong-password"), ("cy", "correct-horse-cy-3"))
    ]
    assert {a.status_code for a in answers} == {422}
    assert all("登录名或密码不对。" in a.text for a in answers)


def test_five_failures_make_the_account_wait_even_for_the_right_password(anon, clock):
    for _ in range(4):
        assert anon.post("/login", data={"login": "bo", "password": "wrong"}).status_code == 422
    fifth = anon.post("/login", data={"login": "bo", "password": "wrong"})
    assert fifth.status_code == 429
    assert "请在 30 秒后再试" in fifth.text
    assert fifth.headers["Retry-After"] == "30"
    assert anon.post("/login", data={"login": "bo", "password": BO.password}).status_code == 429
    clock.move(seconds=31)
    assert anon.post("/login", data={"login": "bo", "password": "wrong"}).headers["Retry-After"] == "60"
    clock.move(seconds=61)
    assert anon.post("/login", data={"login": "bo", "password": BO.password}).status_code == 303


def test_an_account_that_does_not_exist_is_slowed_down_just_the_same(anon, clock):
    statuses = [anon.post("/login", data={"login": "ghost", "password": "x"}).status_code for _ in range(5)]
    assert statuses == [422, 422, 422, 422, 429]


def test_one_address_cannot_try_account_after_account(anon, clock):
    statuses = [anon.post("/login", data={"login": f"user{n}", "password": "x"}).status_code for n in range(21)]
    assert statuses[-1] == 429
    elsewhere = anon.post(
        "/login", data={"login": "bo", "password": BO.password}, environ_base={"REMOTE_ADDR": "10.0.0.9"}
    )
    assert elsewhere.status_code == 303


def test_a_write_without_the_token_is_refused(client):
    assert client.post("/preferences", data={"theme": "dark"}, csrf=False).status_code == 400
    assert client.post("/preferences", data={"theme": "dark"}).status_code == 303


def test_a_write_from_another_site_is_refused(client):
    foreign = client.post("/preferences", data={"theme": "dark"}, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403
    own = client.post("/preferences", data={"theme": "dark"}, headers={"Origin": "http://localhost"})
    assert own.status_code == 303


def test_a_token_of_another_session_does_not_count(client, staff_client):
    stolen = staff_client.csrf_token()
    answer = client.post("/preferences", data={"theme": "dark", "csrf_token": stolen}, csrf=False)
    assert answer.status_code == 400


def test_signing_out_ends_the_session_on_the_server(client, template):
    assert client.get("/me").status_code == 200
    answer = client.post("/logout")
    assert answer.location == "/login"
    client.use_session(template.sessions["amy"])
    assert client.get("/me").status_code == 302


def test_signing_out_everywhere_ends_every_browser(app, client, anon):
    anon.login(AMY)
    assert anon.get("/me").status_code == 200
    client.post("/logout", data={"everywhere": "1"})
    assert anon.get("/me").status_code == 302


def test_a_session_ends_after_two_idle_weeks_and_in_any_case_after_sixty_days(client, staff_client, clock):
    for _ in range(6):
        clock.move(days=9)
        assert client.get("/me").status_code == 200
    assert staff_client.get("/me").status_code == 302
    clock.move(days=9)
    assert client.get("/me").status_code == 302


def test_an_htmx_request_without_a_session_sends_the_whole_page_to_sign_in(anon):
    answer = anon.get("/me", htmx=True, headers={"HX-Current-URL": "http://localhost/me?tab=1"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=/me?tab%3D1"


def test_everything_is_in_the_log(client, anon):
    anon.post("/login", data={"login": "bo", "password": "wrong"})
    anon.login(BO)
    page = client.get("/settings/log").text
    assert "登录失败" in page and BO.name in page
