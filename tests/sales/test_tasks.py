"""Tasks: done and undone, put off, repeated, reminded of once, escalated once."""

from __future__ import annotations

import pytest

from appliance.accounts import users
from appliance.core import settings
from appliance.messaging.models import Message
from appliance.sales import tasks, telling

MONDAY = "2026-06-15T10:00:00+08:00"


@pytest.fixture
def task(api):
    def make(title: str = "打电话", **values) -> int:
        return api.post("/forms/task/records", {"values": {"title": title, **values}})["id"]

    return make


def values(api, task_id):
    return api.get(f"/forms/task/records/{task_id}")["values"]


def test_done_sets_the_moment_and_the_moment_sets_done(api, clock, task):
    clock.set(MONDAY)
    one, other = task(), task()
    api.patch(f"/forms/task/records/{one}", {"values": {"status": "done"}})
    assert values(api, one)["done_at"] == MONDAY
    api.patch(f"/forms/task/records/{one}", {"values": {"status": "open"}})
    assert values(api, one)["done_at"] is None
    api.patch(f"/forms/task/records/{other}", {"values": {"done_at": "2026-06-14T09:00:00+08:00"}})
    assert values(api, other)["status"] == "done"
    born_done = api.post("/forms/task/records", {"values": {"title": "做完了", "status": "done"}})
    assert born_done["values"]["done_at"] == MONDAY


def test_what_a_task_is_about_is_said_in_both_ways(api, task):
    customer = api.post("/forms/customer/records", {"values": {"name": "王芳"}})["id"]
    by_relation, by_name = task(customer=customer), task(form="customer", record=customer)
    for task_id in (by_relation, by_name):
        found = values(api, task_id)
        assert (found["form"], found["record"], found["customer"]) == ("customer", customer, customer)


def test_a_task_reminds_once_and_its_lateness_tells_the_manager_once(api, clock, work, team, told, task):
    clock.set(MONDAY)
    task(assignee="bo", due_at="2026-06-15T16:00:00+08:00")
    clock.set("2026-06-15T15:44:00+08:00")
    work()
    assert told(team.bo) == []
    clock.move(minutes=1)
    work()
    work()
    assert told(team.bo) == ["任务「打电话」16:00到期。"]
    # Eight working hours after 16:00 are Tuesday 15:00 (two left on Monday, work begins at nine).
    clock.set("2026-06-16T14:59:00+08:00")
    work()
    assert told(team.amy) == []
    clock.move(minutes=1)
    work()
    clock.move(days=3)
    work()
    assert told(team.amy) == ["Bo 李 的任务「打电话」逾期未完成。"] and len(told(team.bo)) == 1


def test_done_or_moved_tasks_are_not_told_of_and_a_moved_one_is_told_of_anew(api, clock, work, team, told, task):
    clock.set(MONDAY)
    finished = task("做完的", assignee="bo", due_at="2026-06-15T16:00:00+08:00")
    moved = task("改期的", assignee="bo", due_at="2026-06-15T16:00:00+08:00")
    api.patch(f"/forms/task/records/{finished}", {"values": {"status": "done"}})
    clock.set("2026-06-15T15:50:00+08:00")
    work()
    assert told(team.bo) == ["任务「改期的」16:00到期。"]
    api.patch(f"/forms/task/records/{moved}", {"values": {"due_at": "2026-06-15T18:00:00+08:00"}})
    clock.set("2026-06-15T17:50:00+08:00")
    work()
    assert told(team.bo)[1:] == ["任务「改期的」18:00到期。"]


def test_a_server_that_was_away_tells_of_many_at_once_in_one_notice(api, clock, work, team, told, task):
    clock.set(MONDAY)
    for number in range(12):
        task(f"任务{number}", assignee="bo", due_at="2026-06-15T16:00:00+08:00")
    clock.move(days=10)
    work()
    assert told(team.bo) == ["您有 12 项任务到期。"]
    assert told(team.amy) == ["Bo 李 有 12 项任务逾期未完成。"]


def test_a_kept_appointment_is_not_called_missed(api, clock, work, team, told, staff_api):
    clock.set(MONDAY)
    kept = api.post("/forms/lead/records", {"values": {"name": "守约", "owner": "bo"}})["id"]
    missed = api.post("/forms/lead/records", {"values": {"name": "失约", "owner": "bo"}})["id"]
    for lead in (kept, missed):
        staff_api.post(
            "/forms/follow_up/records",
            {"values": {"lead": lead, "content": "明天再谈", "next_at": "2026-06-16T11:00:00+08:00"}},
        )
    assert api.get(f"/forms/lead/records/{kept}")["values"]["next_follow_up_at"] == "2026-06-16T11:00:00+08:00"
    clock.move(hours=20)
    staff_api.post("/forms/follow_up/records", {"values": {"lead": kept, "content": "提前谈了"}})
    assert api.get(f"/forms/lead/records/{kept}")["values"]["next_follow_up_at"] is None
    clock.move(days=3)
    work()
    assert told(team.bo) == ["该跟进了：失约（06-16 11:00）"]
    assert told(team.amy) == ["Bo 李 约好的跟进「失约」过了时间还没有做。"]


@pytest.mark.parametrize(
    ("every", "due", "next_due"),
    [
        ("daily", "2026-06-15T09:00:00+08:00", "2026-06-16T09:00:00+08:00"),
        ("daily", "2026-06-10T09:00:00+08:00", "2026-06-16T09:00:00+08:00"),
        ("weekly", "2026-06-15T18:00:00+08:00", "2026-06-22T18:00:00+08:00"),
        ("monthly", "2026-05-31T18:00:00+08:00", "2026-06-30T18:00:00+08:00"),
    ],
)
def test_a_task_that_repeats_makes_its_next_one_and_takes_it_back(api, clock, task, team, every, due, next_due):
    clock.set(MONDAY)
    first = task("巡检", due_at=due, repeat=every, assignee="bo", priority="high")
    api.patch(f"/forms/task/records/{first}", {"values": {"status": "done"}})
    listed = api.get("/forms/task/records", sort="id")["records"]
    assert [r["values"]["due_at"] for r in listed] == [due, next_due]
    assert (listed[1]["values"]["assignee"], listed[1]["values"]["status"]) == ("bo", "open")
    tasks.reopen(first, users.actor_of(team.amy))
    assert [r["id"] for r in api.get("/forms/task/records")["records"]] == [first]


def test_new_hours_of_escalation_hold_for_tasks_that_are_there(api, clock, work, team, told, task):
    clock.set(MONDAY)
    task(assignee="bo", due_at="2026-06-15T11:00:00+08:00")
    settings.set("tasks.escalate_working", False)
    settings.set("tasks.escalate_hours", 2)
    work()
    clock.set("2026-06-15T13:01:00+08:00")
    work()
    assert told(team.amy) == ["Bo 李 的任务「打电话」逾期未完成。"]


def test_the_days_summary_comes_once_on_working_days(api, clock, work, team, told, task):
    clock.set("2026-06-18T20:00:00+08:00")
    telling.save(team.bo, None, [], "08:30")
    task(assignee="bo", due_at="2026-06-22T12:00:00+08:00")
    # The 19th is a public holiday, then comes the weekend.
    clock.set("2026-06-21T09:00:00+08:00")
    work()
    assert told(team.bo) == []
    clock.set("2026-06-22T08:30:00+08:00")
    work()
    work()
    assert told(team.bo) == ["今天有 1 项任务到期，0 项已逾期。"]


def test_a_person_is_reminded_by_the_ways_they_chose_as_well(api, clock, work, team, staff_client, task):
    clock.set(MONDAY)
    assert 'href="/me/reminders"' in staff_client.get("/me").text
    page = staff_client.get("/me/reminders").text
    assert "公司还没有接通" in page
    params = {"host": "127.0.0.1", "port": 2525, "security": "none", "sender": "guke@example.com"}
    api.post("/connections", {"kind": "smtp", "label": "公司邮箱", "params": params})
    assert "邮件" in staff_client.get("/me/reminders").text
    assert (
        staff_client.post("/me/reminders", data={"early": "60", "via": "email", "digest": "25:00"}).status_code == 422
    )
    assert staff_client.post("/me/reminders", data={"early": "60", "via": "email", "digest": ""}).status_code == 303
    task(assignee="bo", due_at="2026-06-15T16:00:00+08:00")
    clock.set("2026-06-15T15:00:00+08:00")
    work()
    work()
    rows = list(Message.select())
    assert [(row.via, row.target_id, row.text) for row in rows] == [("email", team.bo, "任务「打电话」16:00到期。")]
    assert rows[0].purpose == "internal" and rows[0].link.startswith("/forms/task/records/")


def test_a_crash_between_two_batches_tells_nobody_twice(api, clock, work, team, told, task, monkeypatch):
    clock.set(MONDAY)
    for number in range(4):
        task(f"任务{number}", assignee="bo" if number % 2 else "cy", due_at="2026-06-15T16:00:00+08:00")
    clock.set("2026-06-15T16:00:00+08:00")
    calls, real = [], telling.tell

    def dying(*args):
        calls.append(args)
        if len(calls) == 4:
            raise SystemExit("killed")
        real(*args)

    monkeypatch.setattr(telling, "tell", dying)
    with pytest.raises(SystemExit):
        work()
    monkeypatch.setattr(telling, "tell", real)
    clock.move(hours=2)
    work()
    assert [sorted(told(who)) for who in (team.bo, team.cy)] == [
        ["任务「任务1」16:00到期。", "任务「任务3」16:00到期。"],
        ["任务「任务0」16:00到期。", "任务「任务2」16:00到期。"],
    ]
