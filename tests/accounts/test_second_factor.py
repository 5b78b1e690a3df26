"""The second step of signing in: setting it up, using it, losing the phone, being made to have it."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest

from tests.support.people import AMY, BO


def totp(secret: str, clock: Any, steps: int = 0) -> str:
    from appliance.accounts import second_factor

    return second_factor.code_at(secret, int(clock()) // 30 + steps)


def secret_of(page: str) -> str:
    return re.search(r'<code id="secret">([A-Z2-7]+)</code>', page)[1]  # type: ignore[index]


def set_up(client: Any, clock: Any) -> tuple[str, list[str]]:
    """Turns it on through the pages; the secret and the recovery codes."""
    client.post("/me/two-step/start")
    secret = secret_of(client.get("/me/two-step").text)
    answer = client.post("/me/two-step/confirm", data={"code": totp(secret, clock)})
    assert answer.status_code == 200, answer.text
    codes = re.findall(r"<li><code>([a-z0-9-]+)</code></li>", answer.text)
    assert len(codes) == 10
    clock.move(seconds=60)
    return secret, codes


@pytest.mark.parametrize(
    ("at", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    import base64

    from appliance.accounts import second_factor

    assert second_factor.code_at(base64.b32encode(b"12345678901234567890").decode(), at // 30) == code


def test_the_page_shows_a_picture_and_the_secret_that_say_the_same(staff_client: Any, clock: Any) -> None:
    staff_client.post("/me/two-step/start")
    page = staff_client.get("/me/two-step").text
    assert 'src="data:image/svg+xml' in html.unescape(page)
    wrong = staff_client.post("/me/two-step/confirm", data={"code": "000000"})
    assert wrong.status_code == 422 and "验证码不对" in wrong.text
    assert secret_of(wrong.text) == secret_of(page)


def test_signing_in_asks_for_the_code_and_leads_on(staff_client: Any, anon: Any, clock: Any) -> None:
    secret, _codes = set_up(staff_client, clock)
    first = anon.post("/login?next=/me", data={"login": "bo", "password": BO.password})
    assert (first.status_code, first.location) == (303, "/login/code?next=/me")
    assert anon.get("/me").status_code == 302, "the password alone opens nothing"
    assert anon.get(first.location).status_code == 200
    second = anon.post(first.location, data={"code": totp(secret, clock)})
    assert (second.status_code, second.location) == (303, "/me")
    assert anon.get("/me").status_code == 200


def test_a_code_is_never_accepted_twice_and_one_step_is_forgiven(staff_client: Any, anon: Any, clock: Any) -> None:
    secret, _codes = set_up(staff_client, clock)
    code = totp(secret, clock, -1)
    anon.login(BO)
    assert anon.post("/login/code", data={"code": code}).status_code == 303
    anon.post("/logout")
    anon.login(BO)
    assert anon.post("/login/code", data={"code": code}).status_code == 422
    assert anon.post("/login/code", data={"code": totp(secret, clock, 3)}).status_code == 422
    assert (
        anon.post(
            "/login/code", data={"code": f" {totp(secret, clock, 1)[:3]} {totp(secret, clock, 1)[3:]} "}
        ).status_code
        == 303
    )


def test_guessing_codes_is_slowed_down_even_with_the_right_password(staff_client: Any, anon: Any, clock: Any) -> None:
    secret, _codes = set_up(staff_client, clock)
    for _ in range(4):
        anon.login(BO)
        assert anon.post("/login/code", data={"code": "123"}).status_code == 422
    anon.login(BO)
    fifth = anon.post("/login/code", data={"code": "123"})
    assert fifth.status_code == 429 and fifth.headers["Retry-After"] == "30"
    assert anon.post("/login/code", data={"code": totp(secret, clock)}).status_code == 429
    assert anon.login(BO).status_code == 429
    clock.move(seconds=31)
    assert anon.post("/login/code", data={"code": totp(secret, clock)}).status_code == 303


def test_the_way_to_the_code_ends_after_ten_minutes_and_cannot_be_forged(
    staff_client: Any, anon: Any, clock: Any
) -> None:
    secret, _codes = set_up(staff_client, clock)
    anon.login(BO)
    clock.move(minutes=11)
    assert anon.post("/login/code", data={"code": totp(secret, clock)}).location == "/login"
    anon.set_cookie("guke_step", f"1.{int(clock()) + 500}.{'0' * 64}")
    assert anon.get("/login/code").location == "/login"
    anon.set_cookie("guke_step", "x" * 500)
    assert anon.get("/login/code").location == "/login"


def test_a_recovery_code_opens_the_door_once(staff_client: Any, anon: Any, clock: Any) -> None:
    _secret, codes = set_up(staff_client, clock)
    anon.login(BO)
    assert anon.post("/login/code", data={"code": codes[0].upper().replace("-", " ")}).status_code == 303
    assert "还有 9 个恢复码" in anon.get("/me/two-step").text
    anon.post("/logout")
    anon.login(BO)
    assert anon.post("/login/code", data={"code": codes[0]}).status_code == 422


def test_new_recovery_codes_and_turning_off_ask_for_the_password(staff_client: Any, anon: Any, clock: Any) -> None:
    _secret, codes = set_up(staff_client, clock)
    for path in ("/me/two-step/codes", "/me/two-step/off"):
        refused = staff_client.post(path, data={"current": "wrong"})
        assert refused.status_code == 422 and "密码不对" in refused.text
    renewed = staff_client.post("/me/two-step/codes", data={"current": BO.password})
    assert codes[0] not in renewed.text and renewed.text.count("<li><code>") == 10
    assert staff_client.post("/me/two-step/off", data={"current": BO.password}).status_code == 303
    assert anon.login(BO).location == "/"


def test_the_secret_is_sealed_and_recovery_codes_are_hashes(staff_client: Any, clock: Any, data: Any) -> None:
    from contextlib import closing
    from sqlite3 import connect

    secret, codes = set_up(staff_client, clock)
    with closing(connect(data / "guke.db")) as plain:
        text = "\n".join(plain.iterdump())
    assert secret not in text and codes[0] not in text


def test_a_reset_link_does_not_go_around_it(client: Any, staff_client: Any, anon: Any, clock: Any) -> None:
    set_up(staff_client, clock)
    page = client.post("/settings/users/2/link").text
    link = re.search(r'id="link">http://localhost(/reset/[^<]+)<', page)[1]  # type: ignore[index]
    done = anon.post(link, data={"password": "another-good-horse-7", "again": "another-good-horse-7"})
    assert done.location == "/login/code"
    assert anon.get("/me").status_code == 302


def test_an_administrator_takes_it_off_and_the_person_is_told(
    client: Any, staff_client: Any, anon: Any, clock: Any
) -> None:
    set_up(staff_client, clock)
    assert staff_client.post("/settings/users/2/two-step/off").status_code == 403
    assert "已关闭" in client.post("/settings/users/2/two-step/off", follow_redirects=True).text
    assert "管理员关闭了您的两步验证" in staff_client.get("/notices").text
    assert "关闭两步验证" in client.get("/settings/log?action=second_factor.off", htmx=True).text
    assert anon.login(BO).location == "/"
    assert "没有开启" in client.post("/settings/users/2/two-step/off", follow_redirects=True).text


def test_the_command_line_lets_the_only_administrator_in_again(client: Any, anon: Any, clock: Any, cli: Any) -> None:
    set_up(client, clock)
    assert anon.login(AMY).location == "/login/code"
    assert cli("user", "reset-2fa", "amy", "--json").ok().json["was_on"] is True
    assert cli("user", "reset-2fa", "amy", "--json").ok().json["was_on"] is False
    assert cli("user", "reset-2fa", "nobody").status == 1
    assert anon.login(AMY).location == "/"


def test_who_must_have_it_is_led_through_setting_it_up(
    client: Any, staff_client: Any, staff_api: Any, clock: Any
) -> None:
    saved = client.post("/settings/security", data={"security.second_factor": "everybody"})
    assert saved.status_code == 303
    assert staff_client.get("/forms/customer").location == "/me/two-step"
    assert staff_client.get("/forms/customer", htmx=True).headers["HX-Redirect"] == "/me/two-step"
    page = staff_client.get("/me/two-step")
    assert page.status_code == 200 and "公司要求您开启两步验证" in page.text
    assert staff_api.get("/forms/customer/records")["records"] == []
    set_up(staff_client, clock)
    assert staff_client.get("/forms/customer").status_code == 200
    assert client.get("/settings/users").location == "/me/two-step", "the administrator who asked for it too"


def test_administrators_alone_can_be_asked_and_a_wrong_wish_is_refused(client: Any, staff_client: Any) -> None:
    assert client.post("/settings/security", data={"security.second_factor": "nobody"}).status_code == 422
    assert staff_client.get("/settings/security").status_code == 403
    client.post("/settings/security", data={"security.second_factor": "admins"})
    assert staff_client.get("/forms/customer").status_code == 200
    assert client.get("/forms/customer").location == "/me/two-step"


def test_looking_as_somebody_else_never_shows_their_secret(client: Any, staff_client: Any, clock: Any) -> None:
    staff_client.post("/me/two-step/start")
    secret = secret_of(staff_client.get("/me/two-step").text)
    set_up(client, clock)
    client.post("/settings/security", data={"security.second_factor": "everybody"})
    assert client.post("/preview/2").status_code == 303
    assert client.get("/forms/customer").status_code == 200, "the administrator has a second step of their own"
    assert secret not in client.get("/me/two-step").text
