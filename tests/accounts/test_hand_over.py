"""Somebody leaves: everything that is theirs becomes somebody else's in one step, and can come back."""

from __future__ import annotations

from typing import Any

import pytest

FORM = {
    "key": "visit",
    "label": "拜访",
    "fields": [
        {"key": "name", "label": "名称", "type": "text"},
        {"key": "keeper", "label": "负责", "type": "owner"},
        {"key": "team", "label": "同去", "type": "persons"},
    ],
}


@pytest.fixture
def theirs(api: Any, staff_api: Any, client: Any, staff_client: Any) -> dict[str, list[int]]:
    """What bo has: two customers, two visits (one shared with cy), a shared view, a report, a department."""
    api.post("/forms", FORM)
    made: dict[str, list[int]] = {"customer": [], "visit": []}
    for n in range(2):
        done = api.post("/forms/customer/records", {"values": {"name": f"客户{n}", "owner": "bo"}})
        made["customer"].append(done["id"])
    for values in (
        {"name": "一", "keeper": "bo", "team": ["bo", "cy"]},
        {"name": "二", "keeper": "amy", "team": ["bo"]},
    ):
        made["visit"].append(api.post("/forms/visit/records", {"values": values})["id"])
    api.post("/forms/customer/records", {"values": {"name": "别人的", "owner": "amy"}})
    api.post("/departments", {"name": "销售部", "head": "bo"})
    from appliance.forms import catalog
    from appliance.forms.models import View

    View.create(form=catalog.get("customer").id, name="大家的", owner_id=2, shared=True)
    View.create(form=catalog.get("customer").id, name="我的", owner_id=2, shared=False)
    from appliance.reports.models import ReportRow

    ReportRow.create(
        key="bo_report", label="报表", definition={"form": "customer"}, owner_id=2, shared=True, updated_at=0
    )
    return made


PARTS = ["form:customer", "form:visit", "views", "departments", "reports"]


def owner(api: Any, record_id: int) -> str:
    return api.get(f"/forms/customer/records/{record_id}")["values"]["owner"]


def hand_over(client: Any, to: int = 3, **more: Any) -> str:
    answer = client.post("/settings/users/2/handover", data={"to": str(to), "parts": PARTS, **more})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def test_the_page_counts_what_there_is_and_the_menu_leads_to_it(client: Any, staff_client: Any, theirs: Any) -> None:
    assert "/settings/users/2/handover" in client.get("/settings/users").text
    page = client.get("/settings/users/2/handover").text
    for words in ("客户（2）", "拜访（2）", "共用的视图（1）", "负责的部门（1）", "报表（1）"):
        assert words in page, words
    assert staff_client.get("/settings/users/2/handover").status_code == 403
    assert client.get("/settings/users/99/handover").status_code == 404


def test_everything_goes_to_the_other_and_the_account_ends_at_once(
    client: Any, api: Any, staff_client: Any, staff_api: Any, cy_client: Any, theirs: Any
) -> None:
    state = client.get(hand_over(client, disable="1")).text
    assert "7 项已交给 Cy 王" in state
    assert staff_client.get("/me").status_code == 302, "the session is over"
    assert staff_api.raw("GET", "/forms").status_code == 401, "the token is over"
    assert [owner(api, i) for i in theirs["customer"]] == ["cy", "cy"]
    first, second = (api.get(f"/forms/visit/records/{i}")["values"] for i in theirs["visit"])
    assert (first["keeper"], first["team"]) == ("cy", ["cy"])
    assert (second["keeper"], second["team"]) == ("amy", ["cy"])
    from appliance.forms.models import View
    from appliance.reports.models import ReportRow

    assert {v.name: v.owner_id for v in View.select().where(View.name != "")} == {"大家的": 3, "我的": 2}
    assert ReportRow.get(ReportRow.key == "bo_report").owner_id == 3
    assert api.get("/departments")["departments"][0]["head"] == "cy"
    history = client.get(f"/forms/customer/records/{theirs['customer'][0]}/history").text
    assert "交接" in history
    assert "7 项已交接给您" in cy_client.get("/notices").text
    assert "没有需要交接的内容" in client.get("/settings/users/2/handover").text
    assert "交接" in client.get("/settings/log?action=handover.started", htmx=True).text


def test_it_is_taken_back_and_what_was_changed_since_stays(client: Any, api: Any, theirs: Any) -> None:
    where = hand_over(client)
    api.patch(f"/forms/customer/records/{theirs['customer'][0]}", {"values": {"owner": "amy"}})
    assert client.post(f"{where}/undo").status_code == 303
    state = client.get(where).text
    assert "6 项回到" in state and "1 项后来又改过" in state
    assert [owner(api, i) for i in theirs["customer"]] == ["amy", "bo"]
    first = api.get(f"/forms/visit/records/{theirs['visit'][0]}")["values"]
    assert first["keeper"] == "bo" and set(first["team"]) == {"bo", "cy"}
    assert api.get("/departments")["departments"][0]["head"] == "bo"
    again = client.post(f"{where}/undo", follow_redirects=True)
    assert "已经撤销过了" in again.text


def test_parts_can_be_left_out_and_done_later_for_somebody_disabled(client: Any, api: Any, theirs: Any) -> None:
    done = client.post("/settings/users/2/handover", data={"to": "3", "parts": ["form:visit"], "disable": "1"})
    assert done.status_code == 303
    assert owner(api, theirs["customer"][0]) == "bo"
    page = client.get("/settings/users/2/handover").text
    assert "客户（2）" in page and "拜访（" not in page and "以前的交接" in page and "停用账号" not in page
    hand_over(client, to=1)
    assert owner(api, theirs["customer"][0]) == "amy"


@pytest.mark.parametrize("to", ["", "2", "99", "x", "99999999999"])
def test_a_wrong_heir_changes_nothing(client: Any, staff_client: Any, theirs: Any, to: str) -> None:
    answer = client.post("/settings/users/2/handover", data={"to": to, "parts": PARTS, "disable": "1"})
    assert answer.status_code == 422 and "请选择一位能登录的同事来接手" in answer.text
    assert staff_client.get("/me").status_code == 200, "nobody was disabled"


def test_nothing_chosen_is_said(client: Any, theirs: Any) -> None:
    answer = client.post("/settings/users/2/handover", data={"to": "3", "parts": "form:nothing"})
    assert answer.status_code == 422 and "没有选择要交接的内容" in answer.text


def test_many_records_go_in_batches_and_the_page_shows_how_far_it_is(client: Any, api: Any, work: Any) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.forms import catalog, records

    rows = [{"name": f"客户{n}", "owner": 2} for n in range(1200)]
    records.create_many(catalog.get("customer"), rows, SYSTEM)
    where = hand_over(client)
    assert "正在交接" in client.get(where, htmx=True).text
    assert client.post(f"{where}/undo", follow_redirects=True).status_code == 200
    work()
    assert "1,200 项已交给" in client.get(where, htmx=True).text
    assert (
        api.post("/forms/customer/records:count", {"where": {"field": "owner", "op": "eq", "value": 3}})["count"]
        == 1200
    )
    client.post(f"{where}/undo")
    work()
    assert (
        api.post("/forms/customer/records:count", {"where": {"field": "owner", "op": "eq", "value": 2}})["count"]
        == 1200
    )


def test_the_command_line_disables_and_hands_over(cli: Any, api: Any, theirs: Any) -> None:
    assert cli("user", "disable", "bo", "--hand-over-to", "bo").status == 1
    assert cli("user", "disable", "bo", "--hand-over-to", "cy", "--json").ok().json["handed_over"] == 7
    assert owner(api, theirs["customer"][0]) == "cy"
