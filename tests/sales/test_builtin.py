"""Leads, follow-ups and tasks are there from the first day."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("form", ["lead", "follow_up", "task"])
def test_the_form_opens_as_a_list_and_as_a_new_record(client, form):
    assert client.get(f"/forms/{form}").status_code == 200
    assert client.get(f"/forms/{form}/new").status_code == 200


def test_a_lead_that_the_api_makes_is_nobodys_and_a_task_is_its_makers(api):
    lead = api.post("/forms/lead/records", {"values": {"name": "王芳", "phone": "13800001111"}})
    task = api.post("/forms/task/records", {"values": {"title": "打电话"}})
    assert (lead["values"]["owner"], lead["values"]["stage"]) == (None, "new")
    assert (task["values"]["assignee"], task["values"]["status"]) == ("amy", "open")
