"""Fields that are asked for, needed or locked under a condition: on every way in, and live while a person types."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http import Api

STATUS = {
    "key": "status",
    "label": "状态",
    "type": "choice",
    "choices": ["open", "refund", "closed"],
    "default": "open",
}
REASON = {
    "key": "reason", "label": "退款原因", "type": "text", "required": True,
    "show_if": {"field": "status", "op": "eq", "value": "refund"},
}  # fmt: skip
AMOUNT = {
    "key": "amount", "label": "金额", "type": "money", "require_if": {"field": "status", "op": "ne", "value": "open"},
    "lock_if": {"field": "status", "op": "eq", "value": "closed"},
}  # fmt: skip
NOTE = {"key": "note", "label": "备注", "type": "text"}


@pytest.fixture
def ticket(api: Api) -> str:
    api.post("/forms", {"key": "ticket", "label": "工单", "fields": [STATUS, REASON, AMOUNT, NOTE]})
    return "/forms/ticket/records"


def errors(problem: Any) -> dict[str, str]:
    return {e["field"]: e["message"] for e in problem["errors"]}


def test_a_field_that_is_not_asked_for_is_neither_needed_nor_kept(api: Api, ticket: str) -> None:
    made = api.post(ticket, {"values": {"reason": "坏了"}})
    assert made["values"]["reason"] is None
    assert errors(api.post(ticket, {"values": {"status": "refund", "amount": "5"}}, expect=422)) == {
        "reason": "请填写「退款原因」。"
    }
    kept = api.post(ticket, {"values": {"status": "refund", "amount": "5", "reason": "坏了"}})
    # Once it is no longer asked for it stays as it was: nothing is lost.
    back = api.patch(f"{ticket}/{kept['id']}", {"values": {"status": "open", "reason": "别的"}})
    assert back["values"]["reason"] == "坏了"


def test_a_field_becomes_needed(api: Api, ticket: str) -> None:
    made = api.post(ticket, {"values": {}})
    url = f"{ticket}/{made['id']}"
    assert "amount" in errors(api.patch(url, {"values": {"status": "closed"}}, expect=422))
    assert api.get(url)["version"] == 1
    api.patch(url, {"values": {"status": "closed", "amount": "9.90"}})
    assert "amount" in errors(api.patch(url, {"values": {"amount": None}}, expect=422))


def test_a_locked_field_stays(api: Api, ticket: str) -> None:
    made = api.post(ticket, {"values": {"status": "closed", "amount": "9.90"}})
    url = f"{ticket}/{made['id']}"
    assert errors(api.patch(url, {"values": {"amount": "1"}}, expect=422)) == {
        "amount": "「金额」现在已锁定，不能修改。"
    }
    # The same value is no change, other fields are free, and the lock opens with its condition.
    api.patch(url, {"values": {"amount": "9.90", "note": "x"}})
    api.patch(url, {"values": {"status": "open"}})
    assert api.patch(url, {"values": {"amount": "1"}})["values"]["amount"] == "1.00"


@pytest.mark.parametrize(
    "condition",
    [{"field": "nope", "op": "eq", "value": 1}, {"field": "status", "op": "neq", "value": "open"}, {"x": 1}, "open"],
)
def test_a_condition_that_makes_no_sense_is_refused_when_it_is_set(api: Api, ticket: str, condition: Any) -> None:
    problem = api.patch("/forms/ticket/fields/note", {"show_if": condition}, expect=422)
    assert problem["errors"][0]["field"] == "show_if" and "备注" in problem["detail"]
    new = {"key": "more", "label": "更多", "type": "text", "lock_if": condition}
    api.post("/forms/ticket/fields", new, expect=422)
    api.post("/forms", {"key": "other", "label": "其他", "fields": [new]}, expect=422)
    assert "more" not in {f["key"] for f in api.get("/forms/ticket")["fields"]}


def test_a_field_that_a_condition_names_can_go(api: Api, ticket: str) -> None:
    api.delete("/forms/ticket/fields/status")
    assert api.post(ticket, {"values": {"reason": "坏了"}})["values"]["reason"] == "坏了"
    api.patch("/forms/ticket/fields/note", {"label": "说明"})


def test_one_bad_row_of_many_fails_alone(api: Api, ticket: str) -> None:
    api.post("/forms/ticket/fields", {"key": "no", "label": "号", "type": "text", "unique": True})
    rows = [{"no": "1", "status": "refund", "amount": "1"}, {"no": "2"}, {"no": "3", "status": "closed"}]
    results = api.post(f"{ticket}:upsert", {"key": "no", "records": rows})["results"]
    assert [bool(r.get("errors")) for r in results] == [True, False, True]


def test_no_two_records_hold_the_same_values_in_all_of_a_set(api: Api) -> None:
    fields = [{"key": "shop", "label": "店", "type": "text"}, {"key": "no", "label": "号", "type": "integer"}, NOTE]
    api.post("/forms", {"key": "bill", "label": "单", "fields": fields, "unique": [["shop", "no"]]})
    bill = "/forms/bill/records"
    one = api.post(bill, {"values": {"shop": "A", "no": 1}})
    api.post(bill, {"values": {"shop": "A", "no": 2}})
    two = api.post(bill, {"values": {"shop": "B", "no": 1}})
    for _twice in range(2):
        api.post(bill, {"values": {"shop": "A"}})
    assert "shop" in errors(api.post(bill, {"values": {"shop": "A", "no": 1}}, expect=422))
    assert "shop" in errors(api.patch(f"{bill}/{two['id']}", {"values": {"shop": "A"}}, expect=422))
    api.patch(f"{bill}/{one['id']}", {"values": {"shop": "A", "no": 1, "note": "x"}})
    # A record in the recycle bin holds nothing; it comes back only while nobody else holds its values.
    api.delete(f"{bill}/{one['id']}")
    api.patch(f"{bill}/{two['id']}", {"values": {"shop": "A"}})
    api.post(f"{bill}/{one['id']}:restore", expect=422)


def test_the_screen_hears_the_same_while_one_types(client: Any, api: Api, ticket: str) -> None:
    answer = client.post("/forms/ticket/live", data={"status": "refund", "amount": "", "reason": ""}).get_json()
    assert answer["states"]["reason"] == {"shown": True, "required": True, "locked": False}
    assert answer["states"]["amount"]["required"]
    answer = client.post("/forms/ticket/live", data={"status": "open"}).get_json()
    assert not answer["states"]["reason"]["shown"] and not answer["states"]["amount"]["required"]
    made = api.post(ticket, {"values": {"status": "closed", "amount": "1"}})
    # What the record holds counts for fields that are not on the page.
    answer = client.post(f"/forms/ticket/live?id={made['id']}", data={"note": "x"}).get_json()
    assert answer["states"]["amount"]["locked"]
    rows = [{"values": {"status": "refund"}}, {"id": made["id"], "values": {}}]
    many = client.post("/forms/ticket/live", json={"rows": rows}).get_json()["rows"]
    assert [row["states"]["reason"]["shown"] for row in many] == [True, False]


def test_the_screen_hears_nothing_of_records_that_may_not_be_seen(client: Any, staff_client: Any, ticket: str) -> None:
    assert client.post("/forms/ticket/live?id=99", data={}).status_code == 404
    assert client.post("/forms/ticket/live", json={"rows": 5}).status_code == 422
    assert client.post("/forms/ticket/live", json={"rows": [{"values": {}}] * 201}).status_code == 422
    assert client.post("/forms/nothing/live", data={}).status_code == 404
