"""Who is who: identities are held by one live customer; references find customers by them, or make them."""

from __future__ import annotations

from typing import Any

from tests.support.http import Api


def make(api: Api, **values: Any) -> dict[str, Any]:
    return api.post("/forms/customer/records", {"values": values})


def problem(api: Api, method: str, path: str, values: dict[str, Any], status: int = 422) -> dict[str, str]:
    answer = api.call(method, path, {"values": values}, expect=status)
    return {e["field"]: e["message"] for e in answer["errors"]}


def order(api: Api, number: str, customer: Any, **values: Any) -> int:
    doc = {"number": number, "customer": customer, "amount": "10.00", "paid_at": "2026-03-05T10:00:00+08:00", **values}
    return api.post("/forms/order/records", {"values": doc})["id"]


def customer_of(api: Api, order_id: int) -> dict[str, Any]:
    number = api.get(f"/forms/order/records/{order_id}")["values"]["customer"]
    return api.get(f"/forms/customer/records/{number}")["values"] | {"id": number}


def test_identities_keep_leading_zeros_and_are_normalised(api: Api) -> None:
    made = make(
        api, name="王芳", identities={"member_no": "00001", "email": ["Fang@Example.com"], "douyin_id": ["u1", "u1"]}
    )
    values = made["values"]
    assert values["identities"] == {"member_no": ["00001"], "douyin_id": ["u1"]}
    # A customer without an e-mail gets the one among the identities.
    assert values["email"] == "fang@example.com"


def test_a_patch_replaces_the_kinds_it_names_and_leaves_the_others(api: Api) -> None:
    made = make(api, name="王芳", identities={"member_no": ["1", "2"], "taobao_nick": ["fang"]})
    path = f"/forms/customer/records/{made['id']}"
    api.patch(path, {"values": {"identities": {"member_no": ["2", "3"]}}})
    assert api.get(path)["values"]["identities"] == {"taobao_nick": ["fang"], "member_no": ["2", "3"]}
    api.patch(path, {"values": {"identities": {"taobao_nick": []}}})
    assert api.get(path)["values"]["identities"] == {"member_no": ["2", "3"]}


def test_an_identity_belongs_to_one_customer_only(api: Api) -> None:
    make(api, name="王芳", phone="13800138000", identities={"member_no": ["00001"]})
    assert (
        "已属于客户 王芳"
        in problem(api, "POST", "/forms/customer/records", {"name": "b", "phone": "138-0013-8000"})["phone"]
    )
    assert (
        "已属于客户 王芳"
        in problem(api, "POST", "/forms/customer/records", {"identities": {"member_no": "00001"}})["identities"]
    )
    # The same number is another identity in another shop.
    make(api, name="c", identities={"douyin_id": [{"value": "x", "scope": "shop-1"}]})
    make(api, name="d", identities={"douyin_id": [{"value": "x", "scope": "shop-2"}, "x"]})


def test_an_unknown_kind_is_refused_with_the_known_ones(api: Api) -> None:
    message = problem(api, "POST", "/forms/customer/records", {"name": "x", "identities": {"weibo": ["1"]}})[
        "identities"
    ]
    assert "weibo" in message and "member_no" in message


def test_a_phone_follows_its_field(api: Api) -> None:
    one = make(api, name="王芳", phone="13800138000")
    path = f"/forms/customer/records/{one['id']}"
    api.patch(path, {"values": {"phone": "13800138001"}})
    make(api, name="李明", phone="13800138000")
    assert customer_of(api, order(api, "A", {"phone": "13800138001"}))["id"] == one["id"]
    assert api.get(path)["values"]["identities"] == {}


def test_deleting_a_customer_frees_identities_and_restoring_takes_them_back(api: Api) -> None:
    one = make(api, name="王芳", phone="13800138000", identities={"member_no": ["1"]})
    api.delete(f"/forms/customer/records/{one['id']}")
    other = make(api, name="李明", identities={"member_no": ["1"]})
    answer = api.post(f"/forms/customer/records/{one['id']}:restore", expect=422)
    assert "会员号 1" in str(answer)
    api.delete(f"/forms/customer/records/{other['id']}")
    api.post(f"/forms/customer/records/{one['id']}:restore")
    assert customer_of(api, order(api, "A", {"member_no": "1"}))["id"] == one["id"]


def test_an_order_makes_the_customer_it_names(api: Api) -> None:
    found = customer_of(
        api, order(api, "A", {"taobao_nick": "fang88", "name": "王芳", "phone": "13800138000", "city": "杭州"})
    )
    assert (found["name"], found["phone"], found["city"]) == ("王芳", "13800138000", "杭州")
    assert found["identities"] == {"taobao_nick": ["fang88"]}
    assert found["first_seen_at"] == "2026-03-05T10:00:00+08:00"
    assert customer_of(api, order(api, "B", {"taobao_nick": "fang88"}))["id"] == found["id"]
    # Without a name the nick is one.
    assert customer_of(api, order(api, "C", {"taobao_nick": "ming"}))["name"] == "ming"


def test_a_reference_fills_only_blank_fields_and_adds_identities(api: Api) -> None:
    one = make(api, name="王芳", city="杭州", phone="13800138000")
    order(
        api, "A", {"taobao_nick": "fang", "phone": "13800138000", "name": "王女士", "city": "上海", "province": "浙江"}
    )
    values = api.get(f"/forms/customer/records/{one['id']}")["values"]
    assert (values["name"], values["city"], values["province"]) == ("王芳", "杭州", "浙江")
    assert values["identities"] == {"taobao_nick": ["fang"]}


def test_two_nicks_at_one_phone_stay_two_customers(api: Api) -> None:
    """A parcel may go to somebody else's phone: the platform's own id decides."""
    first = customer_of(api, order(api, "A", {"taobao_nick": "fang", "phone": "13800138000"}))
    second = customer_of(api, order(api, "B", {"taobao_nick": "ming", "phone": "13800138000"}))
    assert first["id"] != second["id"] and second["phone"] is None
    assert customer_of(api, order(api, "C", {"taobao_nick": "ming", "phone": "13800138000"}))["id"] == second["id"]


def test_a_new_identity_twice_in_a_batch_is_one_customer(api: Api) -> None:
    rows = [
        {"number": "A", "customer": {"douyin_id": "u1"}},
        {"number": "B", "customer": {"douyin_id": "u1", "name": "王芳"}},
        {"number": "C", "customer": {"douyin_id": "u1", "member_no": "7"}},
        {"number": "D", "customer": {"member_no": "7", "phone": "13800138000"}},
        {"number": "E", "customer": {"member_no": "8", "phone": "bad"}},
    ]
    answer = api.post("/forms/order/records:upsert", {"key": "number", "records": rows})
    found = api.get("/forms/customer/records", count=1)
    assert found["total"] == 1
    values = found["records"][0]["values"]
    assert values["identities"] == {"douyin_id": ["u1"], "member_no": ["7"]}
    assert (values["name"], values["phone"]) == ("王芳", "13800138000")
    assert "bad" in str(answer)


def test_a_condition_finds_customers_by_identity(api: Api) -> None:
    make(api, name="a", identities={"member_no": ["1"]})
    make(api, name="b", identities={"taobao_nick": ["b"]})

    def names(where: dict[str, Any]) -> list[str]:
        found = api.post("/forms/customer/query", {"where": where, "sort": "name"})
        return [r["values"]["name"] for r in found["records"]]

    assert names({"field": "identities", "op": "has_any", "value": ["member_no"]}) == ["a"]
    assert names({"field": "identities", "op": "has_none", "value": ["member_no"]}) == ["b"]
    assert names({"field": "identities", "op": "eq", "value": "b"}) == ["b"]
    assert names({"field": "identities", "op": "empty"}) == []
