"""Deputies: what they see, what they are told, and that it ends by itself."""

from __future__ import annotations

import pytest

from appliance.accounts import notices, users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.permissions import FormRights, Rights
from appliance.core import jobs

BO, CY = 2, 3


@pytest.fixture(autouse=True)
def june(clock):
    clock.set("2026-06-15T10:00:00+08:00")
    return clock


@pytest.fixture
def own_only(app):
    """Bo and Cy see only what is their own."""
    verbs = frozenset({"see", "create", "edit"})
    rights = Rights(forms={"*": FormRights(verbs, {"field": "owner", "op": "eq", "value": {"me": True}})})
    users.add_role("own", "own", rights)
    for user_id in (BO, CY):
        users.update(user_id, SYSTEM, role="own")


def name_cy(client, **values):
    data = {"deputy": str(CY), "since": "2026-06-16", "until": "2026-06-18", "note": "盯一下大单", **values}
    return client.post("/settings/deputies", data=data)


def seen(api) -> set[str]:
    return {r["values"]["name"] for r in api.get("/forms/customer/records")["records"]}


@pytest.fixture
def cy_api(app, template):
    from flask.testing import FlaskClient

    from tests.support.http import Api

    return Api(FlaskClient(app), template.tokens["cy"])


def test_while_it_lasts_the_deputy_sees_what_is_the_persons_own(own_only, api, cy_api, staff_client, june):
    for owner in ("bo", "cy"):
        api.post("/forms/customer/records", {"values": {"name": f"{owner} 的客户", "owner": owner}})
    assert name_cy(staff_client).status_code == 303
    assert seen(cy_api) == {"cy 的客户"}
    june.set("2026-06-16T00:00:00+08:00")
    assert seen(cy_api) == {"bo 的客户", "cy 的客户"}
    june.set("2026-06-18T23:59:59+08:00")
    assert seen(cy_api) == {"bo 的客户", "cy 的客户"}
    june.set("2026-06-19T00:00:00+08:00")
    assert seen(cy_api) == {"cy 的客户"}


def test_a_role_scope_of_ones_own_reaches_the_absent_persons_records(app, api, cy_api, staff_client, june):
    rights = Rights(forms={"*": FormRights(frozenset({"see"}), {"whose": "me"})})
    users.add_role("own", "own", rights)
    users.update(CY, SYSTEM, role="own")
    api.post("/forms/customer/records", {"values": {"name": "bo 的客户", "owner": "bo"}})
    name_cy(staff_client, since="2026-06-15")
    assert seen(cy_api) == {"bo 的客户"}


def test_notices_go_to_the_deputy_as_well_and_say_for_whom(staff_client, cy_client, june):
    name_cy(staff_client, since="2026-06-15")
    notices.tell([BO], "task", "您有一项新任务", "/")
    assert "代 Bo 李：您有一项新任务" in cy_client.get("/notices").text
    assert "代 Bo" not in staff_client.get("/notices").text
    notices.tell([BO, CY], "task", "开会")
    assert "代 Bo 李：开会" not in cy_client.get("/notices").text
    june.set("2026-06-19T09:00:00+08:00")
    notices.tell([BO], "task", "又一项")
    assert "又一项" not in cy_client.get("/notices").text


def test_home_says_who_stands_in_for_whom(staff_client, cy_client, client):
    name_cy(staff_client, since="2026-06-15")
    assert "您正在代理 Bo 李" in cy_client.get("/").text and "盯一下大单" in cy_client.get("/").text
    assert "Cy 王 正在代理您" in staff_client.get("/").text
    assert "代理" not in client.get("/").text.split("</aside>")[-1].split("<main")[-1]


def test_it_is_ended_by_either_or_an_administrator_and_by_nobody_else(staff_client, cy_client, client, june):
    name_cy(staff_client, since="2026-06-15")
    named = client.post(
        "/settings/deputies", data={"user": "1", "deputy": str(BO), "since": "2026-06-15", "until": "2026-06-15"}
    )
    assert named.status_code == 303, named.text
    cy_client.post("/settings/deputies/2/end")
    assert "您正在代理 amy" in staff_client.get("/").text
    cy_client.post("/settings/deputies/1/end")
    assert "正在代理您" not in staff_client.get("/").text
    client.post("/settings/deputies/2/end")
    assert "您正在代理" not in staff_client.get("/").text


def test_staff_name_a_deputy_for_themselves_only(staff_client, cy_client, client):
    assert name_cy(staff_client, user="1").status_code == 403
    assert name_cy(client, user=str(BO)).status_code == 303
    assert "由您代理 Bo 李" in cy_client.get("/notices").text
    assert "由 Cy 王 代理您" in staff_client.get("/notices").text
    assert "盯一下大单" in client.get("/settings/deputies").text


def test_its_beginning_and_its_end_are_in_the_log(staff_client, client, work, june):
    name_cy(staff_client, since="2026-06-15")
    assert "指定代理" in client.get("/settings/log?action=deputy.named").text
    june.set("2026-06-19T00:10:00+08:00")
    jobs.enqueue("accounts.deputies", {})
    work()
    assert "Cy 王" in client.get("/settings/log?action=deputy.ended").text
    assert "盯一下大单" not in staff_client.get("/settings/deputies").text


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"deputy": ""}, "请从列表中选择代理人"),
        ({"deputy": str(BO)}, "代理人要是另一个人"),
        ({"deputy": "99"}, "请从列表中选择代理人"),
        ({"since": ""}, "请选择开始日期"),
        ({"until": "2026-06-31"}, "请选择结束日期"),
        ({"until": "2026-06-15"}, "不能早于开始日期"),
        ({"since": "2026-06-01", "until": "2026-06-14"}, "已经过去了"),
        ({"until": "2028-06-15"}, "一次最多代理"),
        ({"note": "长" * 201}, "最多 200 个字"),
    ],
)
def test_wrong_input_is_said_at_its_field(staff_client, values, words):
    answer = name_cy(staff_client, **values)
    assert answer.status_code == 422 and words in answer.text


def test_the_same_deputy_is_not_named_twice_for_the_same_days(staff_client):
    name_cy(staff_client)
    assert "已经由 Cy 王 代理了" in name_cy(staff_client, since="2026-06-18", until="2026-06-20").text
    assert name_cy(staff_client, since="2026-06-19", until="2026-06-20").status_code == 303
