"""API tokens: what a scope allows and refuses, the end of a token, the warning before it."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from appliance.core import jobs
from tests.support.http import Api


@pytest.fixture
def with_token(app, cli):
    """``with_token("--scope", "read")``: the API as amy, for less."""

    def make(*args: str, user: str = "amy") -> Api:
        made = cli("token", "create", "--user", user, "--name", "ERP", *args, "--json").ok().json
        return Api(FlaskClient(app), made["token"])

    return make


def customer(api: Api, name: str = "张三") -> int:
    return int(api.post("/forms/customer/records", {"values": {"name": name}})["id"])


def test_a_token_that_only_reads_reads_and_counts_but_changes_nothing(api, with_token):
    known = customer(api)
    reader = with_token("--scope", "read")
    assert reader.get(f"/forms/customer/records/{known}")["values"]["name"] == "张三"
    assert len(reader.post("/forms/customer/query", {"where": {}})["records"]) == 1
    assert reader.post("/forms/customer/records:count", {"where": {}})["count"] == 1
    assert "范围" in reader.post("/forms/customer/records", {"values": {"name": "李四"}}, expect=403)["detail"]
    reader.patch(f"/forms/customer/records/{known}", {"values": {"name": "李四"}, "version": 1}, expect=403)
    reader.delete(f"/forms/customer/records/{known}", expect=403)
    reader.post("/forms", {"key": "visit", "label": "拜访", "fields": []}, expect=403)
    reader.post("/reports", {"key": "r"}, expect=403)
    reader.get("/rules", expect=403)


def test_a_token_that_writes_records_cannot_change_forms_rules_or_departments(api, with_token):
    writer = with_token("--scope", "write")
    assert customer(writer)
    writer.post("/forms/customer/fields", {"key": "note2", "label": "备注二", "type": "text"}, expect=403)
    writer.delete("/forms/customer", expect=403)
    writer.post("/rules", {}, expect=403)
    writer.post("/departments", {"name": "销售"}, expect=403)
    both = with_token("--scope", "write", "--scope", "definitions")
    assert customer(both, "王五")
    both.post("/forms/customer/fields", {"key": "note2", "label": "备注二", "type": "text"})


def test_a_token_for_definitions_sees_no_record(api, with_token):
    known = customer(api)
    designer = with_token("--scope", "definitions")
    designer.post("/forms/customer/fields", {"key": "hobby", "label": "爱好", "type": "text"})
    assert "hobby" in {f["key"] for f in designer.get("/forms/customer")["fields"]}
    designer.get("/forms/customer/records", expect=403)
    designer.get(f"/forms/customer/records/{known}", expect=403)
    designer.post("/forms/customer/query", {"where": {}}, expect=403)
    designer.get("/reports", expect=403)


def test_a_token_for_one_form_does_not_learn_of_others_by_any_way(api, with_token):
    known = customer(api)
    api.post("/forms/order/records", {"values": {"number": "A1", "customer": known, "amount": "9.00"}})
    orders = with_token("--scope", "form:order")
    assert {form["key"] for form in orders.get("/forms")["forms"]} == {"order"}
    assert len(orders.get("/forms/order/records")["records"]) == 1
    orders.get("/forms/customer/records", expect=404)
    orders.get(f"/forms/customer/records/{known}", expect=404)
    through = {"where": {"field": "customer.name", "op": "eq", "value": "张三"}}
    assert orders.raw("POST", "/forms/order/query", through).status_code in (403, 404, 422)
    assert "张三" not in orders.raw("GET", "/forms/order/records").text
    assert orders.post("/forms/order/records", {"values": {"number": "A2", "amount": "1.00"}})["id"]
    only_read = with_token("--scope", "read", "--scope", "form:order")
    only_read.post("/forms/order/records", {"values": {"number": "A3"}}, expect=403)


def test_a_scope_never_gives_more_than_the_person_has(with_token):
    staff = with_token("--scope", "write", "--scope", "definitions", user="bo")
    staff.post("/forms/customer/fields", {"key": "x1", "label": "x", "type": "text"}, expect=403)
    assert staff.get("/me")["login"] == "bo"


def test_without_options_a_token_can_do_all_and_never_ends(cli, app):
    made = cli("token", "create", "--user", "amy", "--name", "ERP", "--json").ok().json
    assert set(made) == {"token", "user", "name"}
    Api(FlaskClient(app), made["token"]).post("/departments", {"name": "销售"})


def test_wrong_scopes_and_days_are_refused_in_words(cli, clock):
    clock.set("2026-06-15T10:00:00+08:00")
    for args, words in (
        (("--scope", "root"), "root"),
        (("--scope", "form:nothing"), "nothing"),
        (("--expires", "2026-06-14"), "今天之后"),
        (("--expires", "soon"), "2027-06-30"),
    ):
        done = cli("token", "create", "--user", "amy", "--name", "ERP", *args)
        assert done.status == 1 and words in done.err
    assert cli("token", "create", "--user", "amy", "--name", "x", "--expires", "90d", "--json").ok().json["expires_at"]


def test_a_token_ends_after_its_last_day_and_its_person_is_told_a_week_before(clock, with_token, client, work):
    clock.set("2026-06-15T10:00:00+08:00")
    ends = with_token("--expires", "2026-06-30")
    clock.set("2026-06-22T09:30:00+08:00")
    jobs.enqueue("accounts.token_warnings", {})
    work()
    assert "ERP" not in client.get("/notices").text
    for day in ("24", "25"):
        clock.set(f"2026-06-{day}T09:30:00+08:00")
        jobs.enqueue("accounts.token_warnings", {})
        work()
    assert client.get("/notices").text.count("天后到期") == 1
    assert "快到期" in client.get("/settings/tokens").text
    clock.set("2026-06-30T23:59:00+08:00")
    assert ends.get("/me")["login"] == "amy"
    clock.set("2026-07-01T00:00:00+08:00")
    ends.get("/me", expect=401)
    assert "已到期" in client.get("/settings/tokens").text


def test_on_the_page_a_person_chooses_scope_form_and_last_day(app, staff_client, clock):
    clock.set("2026-06-15T10:00:00+08:00")
    page = staff_client.post(
        "/settings/tokens",
        data={"name": "仓库", "life": "date", "expires": "2026-08-01", "access": "read", "forms": ["order"]},
    ).text
    token = re.search(r'id="token">(guke_[\w-]+)<', page)
    assert token and "只读记录 · 仅 订单" in page
    api = Api(FlaskClient(app), token[1])
    api.get("/forms/order/records")
    api.get("/forms/customer/records", expect=404)
    wrong = staff_client.post(
        "/settings/tokens", data={"name": "仓库", "life": "date", "expires": "x", "access": "read"}
    )
    assert wrong.status_code == 422 and "请按 2027-06-30 的样子填写" in wrong.text


def test_administrators_see_and_end_the_tokens_of_all(client, staff_client, staff_api):
    page = client.get("/settings/tokens/all").text
    assert "Bo 李" in page and "Cy 王" in page
    assert staff_client.get("/settings/tokens/all").status_code == 403
    number = re.search(r"Bo 李.*?/settings/tokens/all/(\d+)/revoke", page, re.S)
    assert number
    assert staff_client.post(f"/settings/tokens/all/{number[1]}/revoke").status_code == 403
    client.post(f"/settings/tokens/all/{number[1]}/revoke")
    staff_api.get("/me", expect=401)
