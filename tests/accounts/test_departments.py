"""Departments: a tree with heads and members, arranged on a page of the settings and by the API."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http import Api, Client


def made(api: Api, name: str, **more: Any) -> int:
    return int(api.post("/departments", {"name": name, **more})["id"])


def test_the_api_keeps_a_tree_with_heads_and_members(api: Api) -> None:
    sales = made(api, "销售部", head="amy", members=["bo"])
    east = made(api, "华东组", parent=sales, members=["cy", "bo"])
    listed = api.get("/departments")["departments"]
    assert [(d["path"], d["head"], set(d["members"])) for d in listed] == [
        ("销售部", "amy", {"bo"}),
        ("销售部 / 华东组", None, {"bo", "cy"}),
    ]
    assert api.patch(f"/departments/{east}", {"name": "华东一组", "parent": None, "head": "cy"})["path"] == "华东一组"
    api.delete(f"/departments/{east}")
    api.get(f"/departments/{east}", expect=404)


@pytest.mark.parametrize(
    ("doc", "field"),
    [
        ({}, "name"), ({"name": " "}, "name"), ({"name": "a/b"}, "name"), ({"name": "销售部"}, "name"), ({"name": 5}, "name"),
        ({"name": "x", "parent": 99}, "parent"), ({"name": "x", "parent": "销售部"}, "parent"), ({"name": "x", "head": "nobody"}, "head"),
        ({"name": "x", "members": ["nobody"]}, "members"), ({"name": "x", "members": "bo"}, "members"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_field(api: Api, doc: dict[str, Any], field: str) -> None:
    made(api, "销售部")
    assert api.post("/departments", doc, expect=422)["errors"][0]["field"] == field
    assert len(api.get("/departments")["departments"]) == 1


def test_a_department_does_not_go_below_itself_and_stays_while_others_are_below_it(api: Api) -> None:
    top = made(api, "总部")
    below = made(api, "销售部", parent=top)
    assert api.patch(f"/departments/{top}", {"parent": below}, expect=422)["errors"][0]["field"] == "parent"
    assert api.patch(f"/departments/{top}", {"parent": top}, expect=422)["errors"][0]["field"] == "parent"
    assert "请先移走" in api.delete(f"/departments/{top}", expect=422)["detail"]


def test_only_administrators_change_departments(api: Api, staff_api: Api, staff_client: Client) -> None:
    sales = made(api, "销售部")
    assert staff_api.get("/departments")["departments"][0]["name"] == "销售部"
    staff_api.post("/departments", {"name": "x"}, expect=403)
    staff_api.patch(f"/departments/{sales}", {"name": "x"}, expect=403)
    staff_api.delete(f"/departments/{sales}", expect=403)
    assert staff_client.get("/settings/departments").status_code == 403
    assert staff_client.post(f"/settings/departments/{sales}/delete").status_code == 403


def test_the_page_adds_renames_moves_and_deletes(client: Client, api: Api) -> None:
    assert "还没有部门" in client.get("/settings/departments").text
    for name in ("客服部", "销售部"):
        answer = client.post("/settings/departments/new", data={"name": name, "parent": "", "head": ""}, htmx=True)
        assert name in answer.text
    service, sales = (d["id"] for d in api.get("/departments")["departments"])
    client.post(f"/settings/departments/{sales}/move", data={"by": "up"}, htmx=True)
    assert [d["name"] for d in api.get("/departments")["departments"]] == ["销售部", "客服部"]
    client.post(f"/settings/departments/{sales}/move", data={"parent": str(service), "before": ""}, htmx=True)
    assert [d["path"] for d in api.get("/departments")["departments"]] == ["客服部", "客服部 / 销售部"]
    refused = client.post(f"/settings/departments/{service}/delete", htmx=True)
    assert "guke:toast" in refused.headers["HX-Trigger"] and len(api.get("/departments")["departments"]) == 2
    form = client.get(f"/settings/departments/{sales}/edit", htmx=True).text
    assert 'value="销售部"' in form and ">销售部</option>" not in form, "it is not offered as its own superior"
    client.post(f"/settings/departments/{sales}/edit", data={"name": "直播部", "parent": "", "head": "1"}, htmx=True)
    assert [d["path"] for d in api.get("/departments")["departments"]] == ["客服部", "直播部"]
    bad = client.post(f"/settings/departments/{sales}/edit", data={"name": "客服部", "parent": ""}, htmx=True)
    assert bad.status_code == 422 and "已经有「客服部」" in bad.text
    gone = client.post(f"/settings/departments/{sales}/delete", htmx=True)
    assert f"/settings/departments/{sales}/restore" in gone.headers["HX-Trigger"]
    assert len(api.get("/departments")["departments"]) == 1
    client.post(f"/settings/departments/{sales}/restore", htmx=True)
    assert len(api.get("/departments")["departments"]) == 2


def test_members_are_chosen_on_the_page_and_in_the_list_of_users(client: Client, api: Api) -> None:
    sales, service = made(api, "销售部"), made(api, "客服部")
    bo, cy = "2", "3"
    assert "Bo 李" in client.get(f"/settings/departments/{sales}/members", htmx=True).text
    client.post(f"/settings/departments/{sales}/members", data={"members": [bo, cy]}, htmx=True)
    client.post(f"/settings/departments/{service}/members", data={"members": [bo]}, htmx=True)
    assert [len(d["members"]) for d in api.get("/departments")["departments"]] == [2, 1]
    client.post(f"/settings/users/{bo}", data={"name": "Bo 李", "role": "staff", "department": str(service)})
    assert '客服部</span>、<span title="销售部">' in client.get("/settings/users").text, "the primary one comes first"
    client.post(f"/settings/users/{bo}", data={"name": "Bo 李", "role": "staff", "department": ""})
    assert [len(d["members"]) for d in api.get("/departments")["departments"]] == [2, 0]
    assert "销售部" in client.get("/settings/log").text


def test_the_next_head_above_answers_for_who_has_none(app: Any, api: Api, client: Client) -> None:
    from appliance.accounts import departments
    from appliance.core.db import read

    top = made(api, "总部", head="amy")
    sales = made(api, "销售部", parent=top, head="bo", members=["bo"])
    east = made(api, "华东组", parent=sales, members=["cy"])
    with app.test_request_context(), read():
        assert departments.below(top) == {top, sales, east} and departments.headed_by(2) == {sales, east}
        assert departments.head_of(east) == 2 and departments.manager_of(3) == 2
        assert departments.manager_of(2) == 1, "a head answers to the next one above"
    client.post("/settings/users/2/disable")
    with app.test_request_context(), read():
        assert departments.head_of(east) == 1, "who left is nobody's head"
