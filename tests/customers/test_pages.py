"""The customer's page, its tags, and the pages of tags and of the RFM model."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from appliance.accounts.actor import SYSTEM
from appliance.core.db import read
from appliance.customers import tags
from appliance.forms import catalog, query, records
from tests.support.http import Client


def customer(**values: Any) -> int:
    with read():
        return records.create(catalog.get("customer"), {"name": "王芳", **values}, SYSTEM)


def order(number: str, customer_id: int, **values: Any) -> int:
    with read():
        return records.create(
            catalog.get("order"),
            {"number": number, "customer": customer_id, "paid_at": "2026-03-05 10:00", **values},
            SYSTEM,
        )


def tags_of(customer_id: int) -> list[str]:
    with read():
        return query.get(catalog.get("customer"), customer_id, SYSTEM).values["tags"]


def test_a_customers_page_shows_figures_tags_and_scores_with_reasons(client: Client, work: Callable[[], Any]) -> None:
    one, other = customer(tags=["老客"], identities={"member_no": ["00001"]}), customer(name="李明")
    order("A1", one, amount="199.00")
    order("A2", one, amount="301.00", refunded="100.00")
    order("B1", other, amount="10")
    work()
    page = client.get(f"/forms/customer/records/{one}").text
    for text in ("¥400.00", "¥200.00", "20%", "老客", "00001", "重要"):
        assert text in page, text
    scores = client.get(f"/customers/{one}/scores").text
    for text in ("重要", "强于 50% 的客户", "所以是"):
        assert text in scores, text
    assert client.get("/customers/999/scores").status_code == 404


def test_a_tag_is_added_and_taken_away_in_place_with_undo(client: Client) -> None:
    one = customer(tags=["老客"])
    answer = client.post(f"/customers/{one}/tags", data={"add": "大额"})
    assert "大额" in answer.text and tags_of(one) == ["老客", "大额"]
    undo = json.loads(answer.headers["HX-Trigger"])["guke:toast"]["undo"]
    client.post(undo)
    assert tags_of(one) == ["老客"]
    client.post(f"/customers/{one}/tags?remove=老客")
    assert tags_of(one) == []


def test_the_tags_to_choose_from_come_when_the_menu_opens(client: Client) -> None:
    one = customer(tags=["老客"])
    customer(name="李明", tags=["大额"])
    assert "大额" not in client.get(f"/forms/customer/records/{one}").text
    choices = client.get(f"/customers/{one}/tag-choices").text
    assert "add=大额" in choices.replace("%E5%A4%A7%E9%A2%9D", "大额") and 'data-tag-name="老客"' not in choices


def test_the_page_says_who_gave_a_tag(client: Client) -> None:
    one = customer()
    client.post(f"/customers/{one}/tags", data={"add": "大额"})
    answer = client.get(f"/customers/{one}/why-tag?tag=大额").text
    assert "amy" in answer and "打上" in answer


def test_tags_are_made_renamed_recoloured_deleted_and_brought_back(client: Client) -> None:
    client.post("/tags/groups/save", data={"label": "价值", "exclusive": "1", "color": "red"})
    with read():
        group = next(g for g in tags.groups() if g.label == "价值")
    client.post("/tags/save", data={"name": "高价值", "group": group.key})
    one = customer(tags=["高价值"])
    with read():
        tag = tags.get("高价值")
    page = client.post("/tags/save", data={"tag": tag.id, "name": "高价值粉", "color": "pink", "group": group.key}).text
    assert "高价值粉" in page and "tag-pink" in page and "1 位客户" in page
    answer = client.post(f"/tags/{tag.id}/delete")
    assert tags_of(one) == []
    client.post(json.loads(answer.headers["HX-Trigger"])["guke:toast"]["undo"])
    assert tags_of(one) == ["高价值粉"]
    assert "已经有" in client.post("/tags/save", data={"name": "高价值粉", "group": group.key}).text


def test_merging_tags_moves_their_holders(client: Client, work: Callable[[], Any]) -> None:
    one, other = customer(tags=["VIP"]), customer(name="李明", tags=["贵宾", "VIP"])
    with read():
        old, new = tags.get("VIP"), tags.get("贵宾")
    client.post(f"/tags/{old.id}/merge", data={"into": new.id})
    work()
    assert tags_of(one) == ["贵宾"] and tags_of(other) == ["贵宾"]


def test_the_rfm_model_takes_the_companys_cut_points(client: Client, work: Callable[[], Any]) -> None:
    one = customer()
    order("A1", one, amount="500")
    wrong = client.post("/customers/rfm", data={"cut_m": "100 50 30 20"})
    assert wrong.status_code == 422 and "从小到大" in wrong.text
    client.post("/customers/rfm", data={"cut_m": "100 200 500 1000", "high_m": "4"})
    work()
    with read():
        record = query.get(catalog.get("customer"), one, SYSTEM)
    assert record.values["m_score"] == 4 and record.values["rfm_segment"] == "重要挽留"
    assert "≥ ¥500.00" in client.get("/customers/rfm").text


def test_identities_are_edited_one_a_line(client: Client) -> None:
    one = customer(identities={"member_no": ["00001"], "taobao_nick": ["xiaofang"]})
    page = client.get(f"/forms/customer/records/{one}/fields/identities?edit=1").text
    assert "member_no:00001" in page
    client.post(
        f"/forms/customer/records/{one}/fields/identities",
        data={"identities": "member_no:00002\r\ndouyin_id:fang", "identities_kinds": ["member_no", "taobao_nick"]},
    )
    with read():
        found = query.get(catalog.get("customer"), one, SYSTEM).values["identities"]
    assert found == {"member_no": ["00002"], "douyin_id": ["fang"]}
