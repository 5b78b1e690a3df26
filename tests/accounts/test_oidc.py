"""Signing in at a provider, against a real OpenID Connect provider on loopback."""

from __future__ import annotations

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.core import settings
from tests.support import oidc_provider, world

PAGE = "/settings/sign-in/oidc"


@pytest.fixture
def provider(app):
    settings.set("security.allowed_hosts", "127.0.0.1")
    with oidc_provider.running() as provider:
        provider.claims = {
            "sub": "s-1", "preferred_username": "zhang", "name": "张伟", "email": "zhang@example.com", "email_verified": True,
        }  # fmt: skip
        yield provider


def options(provider, **values) -> dict[str, str]:
    found = {
        "enabled": "1", "issuer": provider.issuer, "client_id": "guke", "secret": provider.client_secret,
        "label": "用飞书登录", "scopes": "openid profile email", "login_from": "preferred_username", "name_from": "name",
        "email_from": "email", "groups_from": "groups", "role": "staff", "create": "1", "do": "save",
    }  # fmt: skip
    return {key: value for key, value in {**found, **values}.items() if value}


@pytest.fixture
def on(client, provider):
    def turn(**values):
        answer = client.post(PAGE, data=options(provider, **values))
        assert answer.status_code == 303, answer.text
        return provider

    return turn


def come_in(browser, provider, where="/"):
    """The whole way: our button, the provider, back."""
    away = browser.get("/sign-in/oidc", query_string={"next": where})
    assert away.status_code == 303, away.text
    return browser.get(provider.authorize(away.location).removeprefix("http://localhost"))


def refused(browser, answer) -> str:
    assert (answer.status_code, answer.location) == (303, "/login")
    assert browser.get("/me").status_code == 302
    return browser.get("/login").text


def test_somebody_the_provider_knows_comes_in_where_they_wanted(on, anon, app, client):
    assert "用飞书登录" not in anon.get("/login").text
    provider = on()
    assert "用飞书登录" in anon.get("/login").text
    answer = come_in(anon, provider, "/settings/tokens")
    assert (answer.status_code, answer.location) == (303, "/settings/tokens")
    assert "张伟" in anon.get("/me").text
    made = users.by_login("zhang").id
    provider.claims["preferred_username"] = "renamed"
    again = world.client(app)
    come_in(again, provider)
    assert again.get("/me").status_code == 200 and users.by_login("zhang").id == made
    assert provider.refusals == []


def test_each_way_has_its_own_state_nonce_and_challenge(on, anon, app):
    provider = on()
    come_in(anon, provider)
    come_in(world.client(app), provider)
    one, two = provider.authorized
    assert all(one[key] != two[key] for key in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize("lie", ["issuer", "audience", "over", "nonce", "no-signature", "shared-secret", "key"])
def test_a_token_that_is_not_for_us_now_is_refused(on, anon, lie):
    provider = on()
    provider.break_ = lie
    assert "没有通过检查" in refused(anon, come_in(anon, provider))


def test_an_answer_to_another_browser_or_a_second_time_is_refused(on, anon, app):
    provider = on()
    other = world.client(app)
    other.get("/sign-in/oidc")
    away = anon.get("/sign-in/oidc")
    back = provider.authorize(away.location).removeprefix("http://localhost")
    assert "不是从这个浏览器开始的" in refused(other, other.get(back))
    assert anon.get(back).status_code == 303 and anon.get("/me").status_code == 200
    third = world.client(app)
    assert "不是从这个浏览器开始的" in refused(third, third.get(back))


def test_a_stolen_code_is_worth_nothing_without_the_verifier(on, anon, app):
    provider = on()
    away = anon.get("/sign-in/oidc")
    victims = provider.authorize(away.location)
    thief = world.client(app)
    own = provider.authorize(thief.get("/sign-in/oidc").location)
    state = own.partition("state=")[2]
    code = victims.partition("code=")[2].partition("&")[0]
    assert "不接受这次登录" in refused(thief, thief.get(f"/sign-in/oidc/back?code={code}&state={state}"))
    assert provider.refusals == ["pkce"]


def test_a_wrong_client_secret_is_refused_by_the_provider(on, anon):
    provider = on(secret="wrong")
    assert "不接受这次登录" in refused(anon, come_in(anon, provider))
    assert provider.refusals == ["client"]


def test_who_took_too_long_starts_again(on, anon, clock):
    provider = on()
    back = provider.authorize(anon.get("/sign-in/oidc").location).removeprefix("http://localhost")
    clock.move(minutes=11)
    assert "已经过期" in refused(anon, anon.get(back))


def test_only_the_companys_domains_come_in_and_only_with_a_verified_address(on, anon):
    provider = on(domains="example.com, example.cn")
    for claims in ({"email": "z@evil.example"}, {"email_verified": False}, {"email": "z@notexample.com"}):
        before = dict(provider.claims)
        provider.claims |= claims
        assert "不属于公司" in refused(anon, come_in(anon, provider))
        provider.claims = before
    assert come_in(anon, provider).location == "/"


def test_nobody_becomes_somebody_of_ours_by_taking_the_name(on, anon):
    provider = on()
    for login in ("amy", "bo"):
        provider.claims["preferred_username"] = login
        assert "没有可用的账号" in refused(anon, come_in(anon, provider))
    on(link="1")
    provider.claims["preferred_username"] = "amy"
    assert "没有可用的账号" in refused(anon, come_in(anon, provider))
    provider.claims["preferred_username"] = "bo"
    assert come_in(anon, provider).location == "/"


def test_name_and_address_may_come_from_userinfo_of_the_same_person_only(on, anon, app):
    provider = on()
    provider.userinfo = {"sub": "s-1", "preferred_username": "zhang", "name": "张伟", "email": "zhang@example.com"}
    provider.claims = {"sub": "s-1"}
    assert come_in(anon, provider).location == "/"
    provider.claims, other = {"sub": "s-2"}, world.client(app)
    assert "没有通过检查" in refused(other, come_in(other, provider))


def test_groups_give_roles(on, anon):
    provider = on(groups="bosses => admin")
    provider.claims["groups"] = ["bosses"]
    come_in(anon, provider)
    assert anon.get("/settings/users").status_code == 200


def test_a_disabled_user_stays_out_and_a_refusal_is_said(on, anon, app):
    provider = on()
    come_in(anon, provider)
    users.disable(users.by_login("zhang").id, SYSTEM)
    other = world.client(app)
    assert "没有可用的账号" in refused(other, come_in(other, provider))
    state = provider.authorize(other.get("/sign-in/oidc").location).partition("state=")[2]
    assert "没有放行" in refused(other, other.get(f"/sign-in/oidc/back?error=access_denied&state={state}"))


def test_it_is_off_until_it_is_turned_on(anon, provider):
    assert anon.get("/sign-in/oidc").location == "/login"
    assert "没有启用统一登录" in anon.get("/login").text


def test_the_way_back_never_leads_to_another_site(on, anon):
    provider = on()
    assert come_in(anon, provider, "https://evil.example/").location == "/"


def test_the_test_button_says_how_it_went(client, provider):
    assert "1 把签名公钥" in client.post(PAGE, data=options(provider, do="test")).text
    provider.break_ = "discovery"
    assert "自称 https://evil.example" in client.post(PAGE, data=options(provider, do="test")).text
    for values, words in (
        ({"issuer": "http://login.example.com"}, "请填写 https:// 开头"),
        ({"client_id": ""}, "请填写在登录服务那里登记的客户端 ID"),
        ({"scopes": "email"}, "必须有 openid"),
        ({"issuer": f"{provider.issuer}/nothing"}, "没有给出登录服务的说明"),
    ):
        answer = client.post(PAGE, data=options(provider, do="test", **values))
        assert answer.status_code in (422, 200) and words in answer.text
    settings.set("security.allowed_hosts", "")
    assert "内网" in client.post(PAGE, data=options(provider, do="test")).text


def test_the_client_secret_is_sealed_and_never_shown(on, client, provider, data):
    on()
    assert provider.client_secret not in client.get("/settings/sign-in").text
    assert provider.client_secret.encode() not in (data / "guke.db").read_bytes()
