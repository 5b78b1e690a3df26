"""Invitations by a link that works once."""

from __future__ import annotations

import re

import pytest

from tests.support import world

GOOD = "four-plain-words-77"


@pytest.fixture
def invite(client):
    """Makes an invitation as amy; returns the link's path."""

    def make(**values) -> str:
        page = client.post(
            "/settings/invitations", data={"name": "小周", "roles": ["staff"], "days": "7", **values}
        ).text
        found = re.search(r'id="link">http://localhost(/invite/[\w-]+)<', page)
        assert found, page
        assert "<svg" in page
        return found[1]

    return make


def accept(anon, link, **values):
    return anon.post(link, data={"name": "小周", "login": "zhou", "password": GOOD, "again": GOOD, **values})


def test_the_invited_person_chooses_login_and_password_and_is_in(client, anon, invite, app):
    link = invite()
    assert "小周，请设置" in anon.get(link).text
    assert (accept(anon, link).status_code, anon.get("/me").status_code) == (303, 200)
    again = world.client(app)
    assert again.post("/login", data={"login": "zhou", "password": GOOD}).status_code == 303
    page = client.get("/settings/invitations").text
    assert "已接受" in page
    log = client.get("/settings/log").text
    assert "邀请用户" in log and "接受邀请" in log


def test_a_link_works_once_and_not_after_it_was_revoked_or_is_over(client, anon, invite, app, clock):
    used = invite()
    accept(anon, used)
    assert world.client(app).get(used).status_code == 404
    assert accept(world.client(app), used, login="zhou2").status_code == 404
    revoked = invite()
    number = re.search(r"/settings/invitations/(\d+)/revoke", client.get("/settings/invitations").text)
    client.post(f"/settings/invitations/{number[1]}/revoke")
    assert world.client(app).get(revoked).status_code == 404
    over = invite(days="2")
    clock.move(days=2, seconds=1)
    assert world.client(app).get(over).status_code == 404
    assert world.client(app).get("/invite/made-up").status_code == 404


def test_wrong_input_keeps_what_was_typed_and_the_link(anon, invite):
    link = invite()
    for values, words in (
        ({"login": "amy"}, "已经有人用这个登录名"),
        ({"login": "a b"}, "不含空格"),
        ({"password": "short", "again": "short"}, "至少 10 个字符"),
        ({"again": "another-one-8"}, "两次填写的密码不一样"),
    ):
        answer = accept(anon, link, **values)
        assert answer.status_code == 422 and words in answer.text
    assert accept(anon, link).status_code == 303


def test_login_roles_and_department_are_what_the_administrator_chose(client, anon, invite, api):
    from appliance.accounts import departments, users

    api.post("/departments", {"name": "直播部"})
    number = departments.find("直播部")
    link = invite(login="zhou-l", roles=["staff", "admin"], department=str(number))
    accept(anon, link, login="somebody-else")
    user = users.by_login("zhou-l")
    assert {key for key, _ in users.roles_of([user.id])[user.id]} == {"staff", "admin"}
    assert departments.of_user(user.id) == [number]
    assert anon.get("/settings/users").status_code == 200


def test_only_administrators_invite_and_their_links_end_with_their_rights(client, staff_client, anon, invite):
    from appliance.accounts import users
    from appliance.accounts.actor import SYSTEM

    assert staff_client.get("/settings/invitations").status_code == 403
    assert staff_client.post("/settings/invitations", data={"name": "x", "roles": ["admin"]}).status_code == 403
    link = invite()
    users.update(users.by_login("bo").id, SYSTEM, role="admin")
    users.update(users.by_login("amy").id, SYSTEM, role="staff")
    assert anon.get(link).status_code == 404


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "请填写姓名"),
        ({"roles": []}, "至少选择一个角色"),
        ({"roles": ["root"]}, "至少选择一个角色"),
        ({"days": "0"}, "有效天数填"),
        ({"days": "x"}, "有效天数填"),
        ({"login": "amy"}, "已经有人用这个登录名"),
    ],
)
def test_a_wrong_invitation_is_refused_at_its_field(client, values, words):
    answer = client.post("/settings/invitations", data={"name": "小周", "roles": ["staff"], "days": "7", **values})
    assert answer.status_code == 422 and words in answer.text
