"""The home page is the person's day, in a fixed number of queries, and each row acts in place."""

from __future__ import annotations

import re

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.core import incidents, settings
from appliance.core.db import db
from appliance.forms import catalog, records

NOON = "2026-06-15T12:00:00+08:00"


@pytest.fixture
def bo(app):
    from appliance.accounts import users

    return users.by_login("bo").id


def fill(bo: int, times: int = 1) -> None:
    at = "2026-06-15T{}:00:00+08:00".format
    for _n in range(times):
        leads = records.create_many(
            catalog.get("lead"),
            [{"name": "新线索", "owner": bo}, {"name": "约好的", "owner": bo, "stage": "contacting"}],
            SYSTEM,
        ).ids
        records.create(
            catalog.get("follow_up"), {"lead": leads[1], "content": "约好", "next_at": at(15), "owner": bo}, SYSTEM
        )
        for title, due in (("逾期的", at("09")), ("今天的", at(18)), ("明天的", "2026-06-16T09:00:00+08:00")):
            records.create(
                catalog.get("task"), {"title": title, "assignee": bo, "due_at": due, "lead": leads[0]}, SYSTEM
            )


def test_home_shows_what_the_person_has_to_do_and_nobody_elses(client, staff_client, cy_client, clock, bo):
    clock.set(NOON)
    fill(bo)
    records.create(catalog.get("lead"), {"name": "公海里的"}, SYSTEM)
    text = staff_client.get("/").text
    for word in ("逾期的", "今天的", "新线索", "约好的", "公海里有 1 条可领"):
        assert word in text
    assert "明天的" not in text
    for other in (client, cy_client):
        assert "逾期的" not in other.get("/").text


def test_a_row_is_done_in_place_and_taken_back(staff_client, clock, bo):
    clock.set(NOON)
    fill(bo)
    url = re.search(r'hx-post="(/tasks/\d+/done)"', staff_client.get("/").text).group(1)
    answer = staff_client.post(url, htmx=True)
    assert "task-done" in answer.text and "reopen" in answer.headers["HX-Trigger"]
    assert "逾期的" not in staff_client.get("/home/day").text
    staff_client.post(url.replace("done", "reopen"), htmx=True)
    assert "逾期的" in staff_client.get("/home/day").text
    late = staff_client.post(url.replace("done", "snooze"), data={"to": "tomorrow"}, htmx=True)
    assert "明天 09:00" in late.text and "逾期的" not in staff_client.get("/home/day").text
    undo = re.search(r'"undo": "([^"]+)"', late.headers["HX-Trigger"]).group(1)
    staff_client.post(undo, htmx=True)
    assert "逾期的" in staff_client.get("/home/day").text


def test_a_line_becomes_a_task_and_an_empty_one_keeps_what_was_chosen(client, api, clock):
    clock.set(NOON)
    assert client.post("/tasks/quick", data={"title": "写周报", "due": "today"}, htmx=True).status_code == 200
    assert api.get("/tasks")["records"][0]["values"]["due_at"] == "2026-06-15T18:00:00+08:00"
    refused = client.post("/tasks/quick", data={"title": " ", "due": "week"}, htmx=True)
    assert (
        refused.status_code == 422
        and "title-error" in refused.text
        and re.search(r'value="week" selected', refused.text)
    )


def test_what_needs_somebody_is_counted_for_administrators(client, staff_client):
    settings.set("home.steps_closed", True)
    incidents.declare("test.home", "坏了")
    incidents.open("test.home", "为什么", "ref:1")
    assert "出错待处理" in client.get("/").text and "出错待处理" not in staff_client.get("/").text


def test_home_asks_no_more_when_there_is_more(staff_client, clock, bo, monkeypatch):
    clock.set(NOON)

    def asked() -> int:
        count, real = [0], db.execute_sql

        def counting(*args, **kwargs):
            count[0] += 1
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(db, "execute_sql", counting)
            assert staff_client.get("/").status_code == 200
        return count[0]

    fill(bo)
    asked()
    few = asked()
    fill(bo, 8)
    assert asked() <= few + 2


def test_the_bell_tells_the_browser_of_the_newest_notice(staff_client, clock, work, bo):
    clock.set(NOON)
    fill(bo)
    clock.set("2026-06-15T17:50:00+08:00")
    work()
    latest = staff_client.get("/notices/count?latest=1").json["latest"]
    assert "今天的" in latest["text"] and latest["url"].startswith("/notices/")
    assert "latest" not in staff_client.get("/notices/count").json
