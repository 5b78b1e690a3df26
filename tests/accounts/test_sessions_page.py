"""Signed-in devices: everybody's own, and anybody's for administrators."""

from __future__ import annotations

import re

from tests.support.people import AMY, BO

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605 Mobile Safari/604.1"


def handles(page: str) -> list[str]:
    return re.findall(r'name="device" value="([0-9a-f]+)"', page)


def sign_in_elsewhere(anon, person=BO):
    anon.post("/login", data={"login": person.login, "password": person.password}, headers={"User-Agent": PHONE})
    return anon


def test_a_person_sees_their_devices_and_ends_one_of_them(staff_client, anon):
    phone = sign_in_elsewhere(anon)
    page = staff_client.get("/me").text
    assert "iPhone" in page and "127.0.0.1" in page and page.count("本机") == 1
    assert len(handles(page)) == 1
    assert staff_client.post("/me/sessions/end-one", data={"device": handles(page)[0]}).status_code == 303
    assert phone.get("/me").status_code == 302
    assert staff_client.get("/me").status_code == 200


def test_nobody_ends_the_device_of_somebody_else(staff_client, client):
    of_bo = handles(client.get("/settings/users/2/sessions").text)
    assert of_bo
    answer = client.post("/me/sessions/end-one", data={"device": of_bo[0]}, follow_redirects=True)
    assert "这台设备已经退出了" in answer.text
    assert staff_client.get("/me").status_code == 200
    assert staff_client.get("/settings/users/1/sessions").status_code == 403
    assert staff_client.post("/settings/users/1/sessions/end").status_code == 403


def test_an_administrator_ends_one_or_all_devices_of_anybody_and_the_log_says_so(client, staff_client, anon):
    phone = sign_in_elsewhere(anon)
    page = client.get("/settings/users/2/sessions").text
    assert "iPhone" in page and len(handles(page)) == 2
    client.post("/settings/users/2/sessions/end", data={"device": handles(page)[0]})
    assert sorted([phone.get("/me").status_code, staff_client.get("/me").status_code]) == [200, 302]
    client.post("/settings/users/2/sessions/end")
    assert (phone.get("/me").status_code, staff_client.get("/me").status_code) == (302, 302)
    assert "退出某处登录" in client.get("/settings/log").text


def test_ending_all_of_ones_own_from_the_list_of_people_keeps_this_browser(client, anon):
    sign_in_elsewhere(anon, AMY)
    client.post("/settings/users/1/sessions/end")
    assert client.get("/me").status_code == 200
    assert anon.get("/me").status_code == 302
    assert client.get("/settings/users/99/sessions").status_code == 404
