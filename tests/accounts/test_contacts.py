"""Where people are reached outside the app."""

from __future__ import annotations

from appliance.accounts import contacts, users
from tests.support.http import Client


def test_people_keep_their_own_address_and_number(staff_client: Client) -> None:
    bo = users.by_login("bo").id
    answer = staff_client.post("/me/contacts", data={"email": "bo@example.com", "mobile": "138 0013 8000"})
    assert answer.status_code == 303
    assert contacts.of_user(bo) == {"email": "bo@example.com", "mobile": "13800138000"}
    assert 'value="bo@example.com"' in staff_client.get("/me/contacts").text
    staff_client.post("/me/contacts", data={"email": "", "mobile": "13800138000"})
    assert contacts.of_user(bo) == {"mobile": "13800138000"}


def test_an_id_of_the_companys_chat_is_for_who_looks_after_people(client: Client, staff_client: Client) -> None:
    bo = users.by_login("bo").id
    staff_client.post("/me/contacts", data={"wecom_userid": "TheBoss"})
    assert contacts.of_user(bo) == {}
    assert staff_client.get(f"/settings/users/{bo}/contacts").status_code == 403
    client.post(f"/settings/users/{bo}/contacts", data={"wecom_userid": "BoLi", "dingtalk_userid": "d-1"})
    assert contacts.of_user(bo) == {"wecom_userid": "BoLi", "dingtalk_userid": "d-1"}
    assert "BoLi" in staff_client.get("/me/contacts").text
    assert "修改用户" in client.get("/settings/log").text


def test_a_wrong_value_stands_beside_its_field_and_nothing_is_kept(staff_client: Client) -> None:
    answer = staff_client.post("/me/contacts", data={"email": "not-an-address", "mobile": "13800138000"})
    assert answer.status_code == 422
    assert "完整的邮箱地址" in answer.text and 'value="not-an-address"' in answer.text
    assert contacts.of_user(users.by_login("bo").id) == {}
