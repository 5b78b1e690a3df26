"""Relations to several records: written as a list, seen through the gate, found from both sides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.accounts import permissions, tokens, users
from appliance.accounts.actor import SYSTEM
from tests.support.http import Api, Client
from tests.support.people import BO


@pytest.fixture
def people(api: Api) -> dict[str, int]:
    """A team form with members; three people."""
    fields = [
        {"key": "name", "label": "姓名", "type": "text", "required": True},
        {"key": "code", "label": "工号", "type": "text", "unique": True},
        {"key": "secret", "label": "密", "type": "yes_no"},
        {"key": "age", "label": "年龄", "type": "integer"},
    ]
    api.post("/forms", {"key": "member", "label": "成员", "title_field": "name", "fields": fields})
    members = {
        "key": "members", "label": "组员", "type": "relations", "form": "member",
        "inverse": {"key": "teams", "label": {"zh": "所在的组", "en": "Teams"}},
    }  # fmt: skip
    title = {"key": "title", "label": "组名", "type": "text"}
    api.post("/forms", {"key": "team", "label": "小组", "title_field": "title", "fields": [title, members]})
    return {
        name: api.post("/forms/member/records", {"values": {"name": name, "code": code, "age": age}})["id"]
        for name, code, age in (("甲", "A1", 20), ("乙", "B2", 30), ("丙", "C3", 40))
    }


def team(api: Api, title: str, members: Any, expect: int | None = None) -> Any:
    return api.post("/forms/team/records", {"values": {"title": title, "members": members}}, expect=expect)


def found(api: Api, where: Any, form: str = "team") -> list[str]:
    records = api.post(f"/forms/{form}/query", {"where": where, "sort": "id"})["records"]
    return [r["values"]["title" if form == "team" else "name"] for r in records]


def test_a_list_is_written_by_ids_and_by_unique_values(api: Api, people: dict[str, int]) -> None:
    made = team(api, "一组", [people["甲"], {"code": "C3"}])
    assert made["values"]["members"] == [people["甲"], people["丙"]]
    path = f"/forms/team/records/{made['id']}"
    api.patch(path, {"values": {"members": {"add": [{"code": "B2"}], "remove": [people["甲"]]}}})
    assert api.get(path)["values"]["members"] == [people["丙"], people["乙"]]
    assert api.patch(path, {"values": {"members": None}})["values"]["members"] == []
    change = api.get(f"{path}/changes")["changes"][0]
    assert change["fields"]["members"] == {"remove": [people["丙"], people["乙"]]}


@pytest.mark.parametrize("bad", [[999], [{"code": "ZZ"}], ["x"], [True], [{"name": "甲"}]])
def test_what_names_nobody_is_refused(api: Api, people: dict[str, int], bad: Any) -> None:
    assert team(api, "一组", bad, expect=422)["errors"][0]["field"] == "members"


def test_conditions_go_through_it_in_both_directions(api: Api, people: dict[str, int]) -> None:
    team(api, "一组", [people["甲"], people["乙"]])
    team(api, "二组", [people["乙"]])
    team(api, "三组", [])
    field = {"field": "members"}
    assert found(api, field | {"op": "has_any", "value": [people["甲"]]}) == ["一组"]
    assert found(api, field | {"op": "has_all", "value": [people["甲"], {"code": "B2"}]}) == ["一组"]
    assert found(api, field | {"op": "has_none", "value": [people["甲"]]}) == ["二组", "三组"]
    assert found(api, field | {"op": "empty"}) == ["三组"]
    assert found(api, field | {"op": "not_empty"}) == ["一组", "二组"]
    assert found(api, {"field": "members.age", "op": "lt", "value": 25}) == ["一组"]
    assert found(api, {"field": "members.name", "op": "ne", "value": "甲"}) == ["二组", "三组"]
    many = {"related": "team", "agg": "count", "op": "gte", "value": 2}
    assert found(api, many, "member") == ["乙"]
    assert found(api, many | {"op": "eq", "value": 0}, "member") == ["丙"]
    named = {"related": "team", "where": {"field": "title", "op": "eq", "value": "一组"}}
    assert found(api, named, "member") == ["甲", "乙"]


def test_a_deleted_target_disappears_and_comes_back(api: Api, people: dict[str, int]) -> None:
    made = team(api, "一组", [people["甲"], people["乙"]])
    path = f"/forms/team/records/{made['id']}"
    api.delete(f"/forms/member/records/{people['甲']}")
    assert api.get(path)["values"]["members"] == [people["乙"]]
    assert found(api, {"field": "members", "op": "has_any", "value": [people["甲"]]}) == []
    api.patch(path, {"values": {"members": [people["丙"]]}})
    api.post(f"/forms/member/records/{people['甲']}:restore")
    assert sorted(api.get(path)["values"]["members"]) == sorted([people["丙"], people["甲"]])


def test_targets_out_of_reach_are_not_shown_and_not_lost(
    app: Any, api: Api, staff_client: Client, people: dict[str, int]
) -> None:
    api.patch(f"/forms/member/records/{people['甲']}", {"values": {"secret": True, "name": "SECRETNAME"}})
    made = team(api, "一组", [people["甲"], people["乙"]])
    verbs = list(permissions.VERBS)
    rights = {
        "forms": {
            "*": {"verbs": verbs},
            "member": {"verbs": verbs, "scope": {"field": "secret", "op": "ne", "value": True}},
        }
    }
    users.add_role("narrow", "narrow", permissions.Rights.open(rights))
    bo = users.by_login(BO.login)
    users.update(bo.id, SYSTEM, role="narrow")
    narrow = Api(app.test_client(), tokens.create(bo.id, "narrow"))
    path = f"/forms/team/records/{made['id']}"
    assert narrow.get(path)["values"]["members"] == [people["乙"]]
    for page in (path, f"{path}/edit", f"{path}/history", "/forms/team?cols=members", f"{path}/fields/members?edit=1"):
        assert "SECRET" not in staff_client.get(page).text, page
    assert found(narrow, {"field": "members", "op": "has_any", "value": [people["甲"]]}) == []
    assert found(narrow, {"field": "members.name", "op": "contains", "value": "SECRET"}) == []
    narrow.patch(path, {"values": {"members": [people["甲"]]}}, expect=422)
    narrow.patch(path, {"values": {"members": [people["丙"]]}})
    assert sorted(api.get(path)["values"]["members"]) == sorted([people["丙"], people["甲"]])


def test_the_other_side_lists_them_under_its_own_name(api: Api, client: Client, people: dict[str, int]) -> None:
    made = team(api, "一组", [people["甲"]])
    page = client.get(f"/forms/member/records/{people['甲']}").text
    assert "所在的组" in page
    related = client.get(f"/forms/member/records/{people['甲']}/related/team/members").text
    assert "一组" in related and "所在的组" in related
    assert "一组" not in client.get(f"/forms/member/records/{people['乙']}/related/team/members").text
    assert "所在的组" in client.get("/forms/member/conditions").text or made


def test_one_is_linked_and_unlinked_from_the_other_side(api: Api, client: Client, people: dict[str, int]) -> None:
    made = team(api, "一组", [people["甲"]])
    path = f"/forms/team/records/{made['id']}"
    related = f"/forms/member/records/{people['乙']}/related/team/members"
    client.post(f"{related}/link", data={"other": made["id"]}, htmx=True)
    assert api.get(path)["values"]["members"] == [people["甲"], people["乙"]]
    gone = client.post(f"{related}/unlink/{made['id']}", htmx=True)
    assert api.get(path)["values"]["members"] == [people["甲"]]
    client.post(json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"], htmx=True)
    assert api.get(path)["values"]["members"] == [people["甲"], people["乙"]]


def test_pages_show_titles_and_take_the_list_back(api: Api, client: Client, people: dict[str, int]) -> None:
    made = team(api, "一组", [people["甲"], people["乙"]])
    path = f"/forms/team/records/{made['id']}"
    assert "甲" in client.get("/forms/team?cols=members").text
    edit = client.get(f"{path}/fields/members?edit=1").text
    assert edit.count("chip-held") == 3 and "甲" in edit
    ids = [str(people["丙"]), str(people["甲"])]
    client.post(f"{path}/fields/members", data={"members": ["", *ids]})
    assert sorted(api.get(path)["values"]["members"]) == sorted(map(int, ids))
    client.post(f"{path}/fields/members", data={"members": [""]})
    assert api.get(path)["values"]["members"] == []


def test_an_export_gives_titles(api: Api, cli: Any, people: dict[str, int], tmp_path: Any) -> None:
    team(api, "一组", [people["甲"], people["乙"]])
    cli("export", "team", tmp_path / "out.csv").ok()
    assert "甲、乙" in (tmp_path / "out.csv").read_text(encoding="utf-8-sig")


def test_a_new_target_is_made_in_a_dialog(
    api: Api, client: Client, staff_client: Client, people: dict[str, int]
) -> None:
    dialog = client.get("/forms/member/quick?title=丁").text
    assert 'name="quick.name"' in dialog and "丁" in dialog
    wrong = client.post("/forms/member/quick", data={"quick.name": "", "quick.code": "A1"})
    assert wrong.status_code == 422 and "quick.name-error" in wrong.text
    made = client.post("/forms/member/quick", data={"quick.name": "丁", "quick.code": "D4", "quick.age": "50"})
    assert made.status_code == 201 and made.get_json()["title"] == "丁"
    assert api.get(f"/forms/member/records/{made.get_json()['id']}")["values"]["age"] == 50


@pytest.mark.parametrize(
    "options", [{}, {"form": "nothing"}, {"form": "member", "inverse": 5}, {"form": "member", "inverse": {"label": 5}}]
)
def test_a_definition_that_makes_no_sense_is_refused(api: Api, people: dict[str, int], options: dict[str, Any]) -> None:
    api.post("/forms/team/fields", {"key": "v", "label": "值", "type": "relations", **options}, expect=422)


def test_it_is_in_the_description_of_the_api(api: Api, people: dict[str, int]) -> None:
    assert "members" in json.dumps(api.get("/openapi.json"))
