"""Two customers that data shows to be one: kept for a person, or merged as the company allows, and told apart for good."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.core import settings
from appliance.core.db import read, write
from appliance.customers import doubles
from appliance.forms.models import Duplicate, Merge
from tests.customers.test_identities import customer_of, make, order
from tests.support.http import Api, Client

Work = Callable[[], Any]
PAGE = "/forms/customer/duplicates"


def policy(value: str) -> None:
    with write():
        settings.set(doubles.POLICY, value)


def pairs(client: Client) -> list[int]:
    return [int(n) for n in re.findall(r'id="pair-(\d+)"', client.get(PAGE).text)]


def undo_of(answer: Any) -> str:
    return json.loads(answer.headers["HX-Trigger"])["guke:toast"]["undo"]


@pytest.fixture
def two(api: Api) -> tuple[int, int]:
    """One customer with a member number, one with a Taobao nick, and an order that names both."""
    one = make(api, name="王芳", city="杭州", identities={"member_no": ["1"]})["id"]
    other = make(api, name="王芳", phone="13800138000", identities={"taobao_nick": ["fang"]})["id"]
    order(api, "A", {"member_no": "1", "taobao_nick": "fang"})
    return one, other


def test_an_order_that_names_two_goes_to_the_first_and_the_pair_waits_for_a_person(
    client: Client, api: Api, two: tuple[int, int]
) -> None:
    page = client.get(PAGE).text
    assert "用「淘宝昵称」指向两位" in page and "99%" in page and "合并有把握的 1 对" in page and "13800138000" in page
    assert api.get("/forms/order/records")["records"][0]["values"]["customer"] == two[0]
    assert Merge.select().count() == 0


def test_a_pair_is_merged_in_place_and_taken_back_for_good(
    client: Client, api: Api, work: Work, two: tuple[int, int]
) -> None:
    (pair,) = pairs(client)
    answer = client.post(f"{PAGE}/{pair}/merge", htmx=True)
    assert pairs(client) == [] and len(api.get("/forms/customer/records")["records"]) == 1
    kept = Merge.get()
    assert "淘宝昵称" in client.get(f"/forms/customer/merges/{kept.id}").text
    client.post(undo_of(answer), htmx=True)
    assert len(api.get("/forms/customer/records")["records"]) == 2
    policy(doubles.CONTACT)
    order(api, "B", {"member_no": "1", "taobao_nick": "fang"})
    work()
    assert pairs(client) == [] and len(api.get("/forms/customer/records")["records"]) == 2


def test_the_policy_merges_what_platforms_vouch_for(client: Client, api: Api, work: Work, two: tuple[int, int]) -> None:
    policy(doubles.PLATFORM)
    work()
    assert pairs(client) == []
    (left,) = api.get("/forms/customer/records")["records"]
    assert left["values"]["identities"] == {"member_no": ["1"], "taobao_nick": ["fang"]}
    assert left["values"]["order_count"] == 1
    assert "固客" in client.get(f"/customers/{left['id']}/timeline?kinds=merges").text


@pytest.mark.parametrize(
    ("policy_is", "one", "other", "named", "merged"),
    [
        ("platform", {}, {}, {"member_no": "1", "phone": "13800138000"}, False),
        ("contact", {}, {}, {"member_no": "1", "phone": "13800138000"}, True),
        ("contact", {"birthday": "1990-01-01"}, {"birthday": "1991-01-01"}, {"member_no": "1", "phone": "13800138000"}, False),
        ("contact", {"name": "王芳"}, {"name": "李明"}, {"member_no": "1", "phone": "13800138000"}, False),
        ("platform", {"gender": "female"}, {"gender": "male"}, {"member_no": "1", "kuaishou_id": "k2"}, False),
        ("platform", {"gender": "female"}, {"gender": "unknown"}, {"member_no": "1", "kuaishou_id": "k2"}, True),
    ],
)  # fmt: skip
def test_what_contradicts_is_left_to_a_person(
    client: Client, api: Api, work: Work, policy_is: str, one: dict[str, str], other: dict[str, str], named: dict[str, str],
    merged: bool,
) -> None:  # fmt: skip
    policy(policy_is)
    make(api, **one, identities={"member_no": ["1"]})
    make(api, **other, phone="13800138000", identities={"kuaishou_id": ["k2"]})
    order(api, "A", named)
    work()
    assert (len(api.get("/forms/customer/records")["records"]) == 1) is merged
    assert (pairs(client) == []) is merged


def test_two_accounts_at_one_phone_are_a_doubtful_pair(client: Client, api: Api, work: Work) -> None:
    policy(doubles.CONTACT)
    order(api, "A", {"taobao_nick": "fang", "phone": "13800138000"})
    order(api, "B", {"taobao_nick": "ming", "phone": "13800138000"})
    work()
    assert len(api.get("/forms/customer/records")["records"]) == 2
    page = client.get(PAGE).text
    assert "50%" in page and "各有一个「淘宝昵称」" in page and "合并有把握的" not in page


def test_not_the_same_and_later_are_remembered_and_the_nightly_search_keeps_what_data_named(
    client: Client, api: Api, clock: Any, work: Work, two: tuple[int, int]
) -> None:
    (pair,) = pairs(client)
    client.post(f"{PAGE}/{pair}/later", htmx=True)
    assert pairs(client) == []
    clock.move(days=8)
    work()
    assert pairs(client) == [pair]
    client.post(f"{PAGE}/{pair}/dismiss", htmx=True)
    order(api, "B", {"member_no": "1", "taobao_nick": "fang"})
    client.post(PAGE)
    work()
    assert pairs(client) == [] and Duplicate.get_by_id(pair).decided_at
    assert customer_of(api, api.get("/forms/order/records")["records"][0]["id"])["id"] == two[0]


def test_the_sure_ones_are_merged_at_once(client: Client, api: Api, work: Work, two: tuple[int, int]) -> None:
    make(api, name="李明", wechat="wx1"), make(api, name="李明", wechat="wx1")
    make(api, name="赵强", wechat="wx2"), make(api, name="孙丽", wechat="wx2")
    client.post(PAGE)
    work()
    assert len(pairs(client)) == 3
    answer = client.post(f"{PAGE}/merge-sure", htmx=True)
    work()
    page = client.get(answer.headers["HX-Redirect"]).text
    assert "合并了 2 对" in page and page.count("data-pair") == 1 and "「姓名」不同" in page


def test_home_says_how_many_wait(client: Client, staff_client: Client, two: tuple[int, int]) -> None:
    from appliance.accounts import users
    from tests.support.people import AMY

    with read():
        amy = users.actor_of(users.by_login(AMY.login).id)
        assert amy is not None
        assert doubles.waiting(amy) == 1 and doubles.waiting(SYSTEM) == 1


def test_the_company_adds_kinds_of_identities_and_says_what_guke_may_merge(
    client: Client, staff_client: Client, api: Api
) -> None:
    page = "/settings/identities"
    assert staff_client.get(page).status_code == 403
    wrong = client.post(f"{page}/kinds", data={"label": "会员号", "key": "Store Card"})
    assert wrong.status_code == 422 and "已经有「会员号」了" in wrong.text and 'value="Store Card"' in wrong.text
    client.post(f"{page}/kinds", data={"label": "门店卡号", "key": "store_card"})
    made = make(api, name="王芳", identities={"store_card": ["8001"]})
    assert customer_of(api, order(api, "A", {"store_card": "8001"}))["id"] == made["id"]
    shown = client.get(page).text
    assert "门店卡号" in shown and "kinds/store_card/remove" not in shown, "what is in use stays"
    client.post(f"{page}/kinds", data={"label": "旧卡号"})
    client.post(f"{page}/kinds/identity_1/remove")
    assert "identity_1" not in client.get(page).text
    client.post(f"{page}/policy", data={"policy": "platform"})
    assert settings.get(doubles.POLICY) == doubles.PLATFORM
    assert client.post(f"{page}/policy", data={"policy": "nonsense"}).status_code == 422
