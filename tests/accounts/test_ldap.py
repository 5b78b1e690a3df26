"""Signing in with the company's directory, against a real LDAP server on loopback."""

from __future__ import annotations

import pytest

from appliance.accounts import departments, users
from appliance.accounts.actor import SYSTEM
from tests.support import ldap_server, world
from tests.support.people import AMY, BO

PAGE = "/settings/sign-in/ldap"


def options(directory, **values) -> dict[str, str]:
    found = {
        "enabled": "1", "host": "localhost", "port": str(directory.port), "security": "none", "base": "dc=example,dc=com",
        "bind_dn": directory.service, "secret": directory.service_password, "filter": "(uid={login})", "login_from": "uid",
        "name_from": "cn", "email_from": "mail", "department_from": "ou", "groups_from": "memberOf", "role": "staff",
        "create": "1", "do": "save", "certificate": directory.certificate,
    }  # fmt: skip
    return {key: value for key, value in {**found, **values}.items() if value}


@pytest.fixture
def directory(tmp_path):
    with ldap_server.running(tmp_path) as directory:
        directory.add("zhang", "张伟", "directory-pass-1", mail="zhang@example.com", ou="直播部", entryUUID="u-1")
        yield directory


@pytest.fixture
def on(client, directory):
    """Turns the directory on with these options."""

    def turn(**values):
        answer = client.post(PAGE, data=options(directory, **values))
        assert answer.status_code == 303, answer.text
        return directory

    return turn


def sign_in(browser, login, password):
    return browser.post("/login", data={"login": login, "password": password})


def test_somebody_of_the_directory_comes_in_and_is_a_user_from_then_on(on, anon, client, app):
    departments.create("直播部", SYSTEM)
    directory = on()
    assert sign_in(anon, "Zhang", "directory-pass-1").status_code == 303
    assert "张伟" in anon.get("/").text
    made = users.by_login("zhang")
    assert departments.names(departments.of_user(made.id)) == "直播部"
    assert users.roles_of([made.id])[made.id][0][0] == "staff"
    assert (f"uid=zhang,ou=people,{directory.base}", "directory-pass-1", True) in directory.binds
    assert sign_in(world.client(app), "zhang", "directory-pass-1").status_code == 303
    assert users.by_login("zhang").id == made.id
    assert "添加用户" in client.get("/settings/log").text


def test_wrong_passwords_and_unknown_people_get_the_same_words(on, anon):
    on()
    answers = [
        sign_in(anon, *who) for who in (("zhang", "wrong"), ("nobody", "wrong"), (BO.login, "wrong"), ("zhang", " "))
    ]
    assert {a.status_code for a in answers} == {422}
    assert all("登录名或密码不对" in a.text for a in answers)


def test_an_empty_password_never_reaches_the_directory(on, anon):
    directory = on()
    assert sign_in(anon, "zhang", "").status_code == 422
    assert directory.binds == []


@pytest.mark.parametrize("login", ["*", "zh*", "zhang)(uid=*", "*)(objectClass=*", "zhang\\2a", "zhang\x00"])
def test_what_is_typed_is_never_part_of_the_filter(on, anon, login):
    on()
    assert sign_in(anon, login, "directory-pass-1").status_code == 422


def test_more_than_one_entry_is_nobody(on, anon, directory):
    directory.add("zhang", "另一位", "directory-pass-1")
    on()
    assert sign_in(anon, "zhang", "directory-pass-1").status_code == 422


def test_local_passwords_keep_working_also_when_the_directory_is_gone(on, anon, app, client):
    on(port="9")
    assert sign_in(anon, AMY.login, AMY.password).status_code == 303
    assert sign_in(world.client(app), BO.login, BO.password).status_code == 303
    assert "连不上公司的目录服务器" in sign_in(world.client(app), "zhang", "directory-pass-1").text
    statuses = [sign_in(world.client(app), BO.login, "wrong").status_code for _ in range(5)]
    assert statuses[-1] == 429


def test_a_name_of_the_directory_never_becomes_somebody_of_ours_by_itself(on, anon, directory):
    for login in ("amy", "bo"):
        directory.add(login, "Somebody", "directory-pass-2")
    on()
    assert sign_in(anon, "bo", "directory-pass-2").status_code == 422
    on(link="1")
    assert sign_in(anon, "amy", "directory-pass-2").status_code == 422
    assert sign_in(anon, "bo", "directory-pass-2").status_code == 303


def test_people_who_are_not_known_stay_out_when_nobody_is_to_be_added(on, anon):
    on(create="")
    assert sign_in(anon, "zhang", "directory-pass-1").status_code == 422


def test_a_disabled_user_stays_out(on, anon, app):
    on()
    sign_in(anon, "zhang", "directory-pass-1")
    users.disable(users.by_login("zhang").id, SYSTEM)
    assert anon.get("/me").status_code == 302
    assert sign_in(world.client(app), "zhang", "directory-pass-1").status_code == 422


def test_groups_give_and_take_roles_but_never_the_last_administrator(on, anon, app, directory):
    entry = directory.add("li", "李", "directory-pass-3", memberOf=[f"cn=bosses,ou=groups,{directory.base}"])
    on(groups="bosses => admin")
    sign_in(anon, "li", "directory-pass-3")
    number = users.by_login("li").id
    assert {key for key, _ in users.roles_of([number])[number]} == {"admin", "staff"}
    users.disable(users.by_login("amy").id, SYSTEM)
    entry.attributes["memberOf"] = []
    sign_in(world.client(app), "li", "directory-pass-3")
    assert {key for key, _ in users.roles_of([number])[number]} == {"admin", "staff"}
    users.enable(users.by_login("amy").id, SYSTEM)
    assert sign_in(world.client(app), "li", "directory-pass-3").status_code == 303
    assert [key for key, _ in users.roles_of([number])[number]] == ["staff"]


def test_local_sign_in_can_be_left_to_administrators_who_are_never_locked_out(on, anon, app, client):
    refused = client.post("/settings/sign-in/local", data={"signin.local": "admins"})
    assert refused.status_code == 422 and "请先启用" in refused.text
    on()
    assert client.post("/settings/sign-in/local", data={"signin.local": "admins"}).status_code == 303
    assert "登录名或密码不对" in sign_in(world.client(app), BO.login, BO.password).text
    assert sign_in(world.client(app), AMY.login, AMY.password).status_code == 303
    on(enabled="")
    assert sign_in(world.client(app), BO.login, BO.password).status_code == 303


@pytest.mark.parametrize("way", ["tls", "starttls"])
def test_the_certificate_is_checked(tmp_path, client, anon, way):
    with ldap_server.running(tmp_path, tls=way) as directory:
        directory.add("zhang", "张伟", "directory-pass-1")
        good = client.post(PAGE, data=options(directory, security=way, do="test"))
        assert "连接成功，找到了人员，例如 张伟（zhang）" in good.text
        strange = client.post(PAGE, data=options(directory, security=way, do="test", certificate=""))
        assert strange.status_code == 422 and "证书不受信任" in strange.text
        client.post(PAGE, data=options(directory, security=way))
        assert sign_in(anon, "zhang", "directory-pass-1").status_code == 303


def test_a_certificate_for_another_name_is_refused(tmp_path, client):
    with ldap_server.running(tmp_path, tls="tls", name="other.example") as directory:
        answer = client.post(PAGE, data=options(directory, security="tls", do="test"))
        assert answer.status_code == 422 and "证书不受信任" in answer.text
        assert directory.binds == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"secret": "wrong"}, "不接受这个服务账号或密码"),
        ({"base": "dc=nowhere"}, "目录里没有这个位置"),
        ({"port": "9"}, "连不上 localhost:9"),
        ({"filter": "(mail={login})", "base": "ou=groups,dc=example,dc=com"}, "一个人也找不到"),
        ({"filter": "(uid=x)"}, "并包含 {login}"),
        ({"host": "ldap://x"}, "不带 ldap://"),
        ({"port": "99999"}, "端口是 1 到 65535"),
        ({"groups": "sales"}, "每行写一个"),
        ({"groups": "sales => boss"}, "没有角色 boss"),
        ({"security": "starttls"}, "不支持 StartTLS"),
    ],
)
def test_the_test_button_says_what_is_wrong(client, directory, values, words):
    answer = client.post(PAGE, data=options(directory, do="test", **values))
    assert words in answer.text
    assert client.get("/settings/sign-in").text.count("已启用") == 0


def test_the_service_password_is_sealed_never_shown_and_kept_when_left_empty(on, client, directory, data, app):
    on()
    page = client.get("/settings/sign-in").text
    assert directory.service_password not in page and "已保存，留空不变" in page
    assert directory.service_password.encode() not in (data / "guke.db").read_bytes()
    on(secret="")
    assert "连接成功" in client.post(PAGE, data=options(directory, secret="", do="test")).text
    log = client.get("/settings/log").text
    assert "修改登录方式" in log and directory.service_password not in log


def test_only_administrators_see_the_page(staff_client, directory):
    assert staff_client.get("/settings/sign-in").status_code == 403
    assert staff_client.post(PAGE, data=options(directory)).status_code == 403


def people_of(directory, *logins):
    for n, login in enumerate(logins):
        directory.add(login, f"人员{n}", "directory-pass-1", entryUUID=f"u-{login}")
    return logins


def half_an_hour_later(clock, work):
    clock.move(minutes=30)
    work()


def test_who_leaves_the_directory_is_shut_out_within_half_an_hour(on, anon, app, client, directory, clock, work):
    people_of(directory, "li", "wang")
    on()
    browsers = {login: world.client(app) for login in ("zhang", "li", "wang")}
    for login, browser in browsers.items():
        assert sign_in(browser, login, "directory-pass-1").status_code == 303
    half_an_hour_later(clock, work)
    assert {b.get("/").status_code for b in browsers.values()} == {200}
    directory.entries = [e for e in directory.entries if e.values("uid") != ["li"]]
    next(e for e in directory.entries if e.values("uid") == ["wang"]).attributes["userAccountControl"] = ["514"]
    half_an_hour_later(clock, work)
    assert {login: b.get("/").status_code for login, b in browsers.items()} == {"zhang": 200, "li": 302, "wang": 302}
    assert "人员0 已不在公司目录里" in client.get("/notices").text
    assert not users.by_login("li").active


def test_a_directory_that_misses_nearly_everybody_shuts_nobody_out(on, anon, app, client, directory, clock, work):
    logins = people_of(directory, "a1", "a2", "a3", "a4", "a5")
    on()
    for login in logins:
        sign_in(world.client(app), login, "directory-pass-1")
    directory.entries = [e for e in directory.entries if e.values("uid") in (["zhang"], ["a1"])]
    half_an_hour_later(clock, work)
    assert all(users.by_login(login).active for login in logins)
    assert "5 人里有 4 人查不到了" in client.get("/admin/jobs").text


def test_a_directory_that_does_not_answer_shuts_nobody_out(on, anon, app, client, directory, clock, work):
    on()
    sign_in(anon, "zhang", "directory-pass-1")
    client.post(PAGE, data=options(directory, port="9"))
    half_an_hour_later(clock, work)
    assert anon.get("/").status_code == 200
    assert "目录服务器没有回答" in client.get("/admin/jobs").text
