"""Quick search finds an identity card by what is stored sealed, for those who see the field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http import Api, Client

NUMBER = "11010519491231002X"
OTHER = "440308199901010012"


@pytest.fixture
def guests(api: Api) -> dict[str, int]:
    fields = [
        {"key": "name", "label": "姓名", "type": "text"},
        {"key": "card", "label": "证件", "type": "id_card"},
        {"key": "room", "label": "房号", "type": "text"},
    ]
    api.post("/forms", {"key": "guest", "label": "住客", "title_field": "name", "fields": fields})
    people = (("张三", NUMBER), ("李四", OTHER), ("王五", None))
    return {
        name: api.post("/forms/guest/records", {"values": {"name": name, "card": card}})["id"] for name, card in people
    }


def found(client: Client, text: str) -> list[str]:
    page = client.get("/forms/guest", query_string={"q": text}).text
    return [name for name in ("张三", "李四", "王五") if f">{name}<" in page]


@pytest.mark.parametrize("typed", [NUMBER, NUMBER.lower(), "110105 19491231 002X", "002X", "００２x"])
def test_the_whole_number_and_the_last_four_find_their_record(client: Client, guests: Any, typed: str) -> None:
    assert found(client, typed) == ["张三"]


@pytest.mark.parametrize("typed", ["1101", "110105", "19491231", "11010519491231", "110105194912310021"])
def test_any_other_part_finds_nothing(client: Client, guests: Any, typed: str) -> None:
    assert found(client, typed) == []


def test_names_are_found_as_before(client: Client, guests: Any) -> None:
    assert found(client, "zs") == ["张三"] and found(client, "李四") == ["李四"]


def test_the_search_of_everything_finds_it_too(client: Client, guests: dict[str, int]) -> None:
    assert f"/forms/guest/records/{guests['李四']}" in client.get("/search", query_string={"q": OTHER}).text


@pytest.mark.parametrize("access", ["masked", "hidden"])
def test_who_may_not_see_the_field_finds_nothing_by_it(
    app: Any, client: Client, staff_client: Client, guests: Any, access: str
) -> None:
    from appliance.accounts import users
    from appliance.accounts.permissions import VERBS, FormRights, Rights

    narrow = Rights(forms={"*": FormRights(frozenset(VERBS) - {"design", "purge"}, {}, {"card": access})})
    users.update_role("staff", "员工", narrow)
    assert found(staff_client, NUMBER) == found(staff_client, "002X") == []
    assert found(staff_client, "张三") == ["张三"]
