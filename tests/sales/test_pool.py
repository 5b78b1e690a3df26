"""The pool: warned, told, returned, claimed by one person alone; limits; protection; the history of owners."""

from __future__ import annotations

import threading

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.core import incidents, jobs
from appliance.core.errors import UserError
from appliance.forms import catalog, purging, records
from appliance.forms.designing import uses
from appliance.messaging.models import Message
from appliance.sales import ownership, pool, terms
from appliance.sales.models import Ownership, Reminder

MONDAY = "2026-06-15T10:00:00+08:00"


@pytest.fixture
def lead(api):
    """``lead("王芳", owner="bo")`` is a lead's id."""

    def make(name: str, **values) -> int:
        return api.post("/forms/lead/records", {"values": {"name": name, **values}})["id"]

    return make


def agree(form="lead", department=0, **numbers):
    terms.save(form, department, terms.STANDARD[form].document() | {"open": True} | numbers, SYSTEM)
    jobs.work()


def owner(api, lead_id, form="lead"):
    return api.get(f"/forms/{form}/records/{lead_id}")["values"]["owner"]


def test_a_lead_that_nobody_touches_is_warned_of_then_returned_then_claimed_by_another(
    api, clock, work, team, told, lead, cy_client
):
    clock.set(MONDAY)
    agree(days=10, warn_days=3, tell_days=3)
    lead_id = lead("王芳", owner="bo", phone="13800001111")
    clock.move(days=2)
    work()
    assert told(team.bo) == told(team.amy) == []
    clock.move(days=1)
    work()
    work()
    assert told(team.amy) == ["Bo 李 已有 3 天没有跟进线索「王芳」。"]
    clock.move(days=4)
    work()
    work()
    assert told(team.bo) == ["线索「王芳」很久没有跟进，3 天后退回公海。"]
    assert owner(api, lead_id) == "bo"
    clock.move(days=3)
    work()
    assert owner(api, lead_id) is None
    assert len(told(team.amy)) == 1 and told(team.bo)[1:] == ["线索「王芳」已退回公海：很久没有跟进。"]
    assert cy_client.post("/pool/lead/claim", data={"ids": str(lead_id)}).status_code in (200, 303)
    assert owner(api, lead_id) == "cy"
    spans = ownership.of_record(catalog.get("lead"), lead_id)
    assert [(s.owner, s.how, s.ended, s.reason) for s in spans] == [
        ("Cy 王", "从公海领取", "", ""),
        ("Bo 李", "新建", "超时退回公海", "10 天没有跟进"),
    ]


@pytest.mark.parametrize("signal", ["follow_up", "task"])
def test_a_follow_up_starts_the_days_anew(api, clock, work, team, told, lead, signal):
    clock.set(MONDAY)
    agree(days=10, warn_days=3)
    lead_id = lead("王芳", owner="bo")
    clock.move(days=8)
    work()
    if signal == "follow_up":
        api.post("/forms/follow_up/records", {"values": {"lead": lead_id, "content": "聊过了"}})
    else:
        task = api.post("/forms/task/records", {"values": {"title": "打电话", "lead": lead_id}})
        api.patch(f"/forms/task/records/{task['id']}", {"values": {"status": "done"}})
    values = api.get(f"/forms/lead/records/{lead_id}")["values"]
    assert values["last_follow_up_at"] == "2026-06-23T10:00:00+08:00"
    clock.move(days=6)
    work()
    assert owner(api, lead_id) == "bo" and len(told(team.bo)) == 1
    clock.move(days=1)
    work()
    assert len(told(team.bo)) == 2, "the second warning counts from the follow-up"
    clock.move(days=3)
    work()
    assert owner(api, lead_id) is None


def test_new_terms_take_nothing_without_a_warning_and_leave_what_is_exempt(api, clock, work, team, told, lead):
    clock.set(MONDAY)
    plain, vip = lead("王芳", owner="bo"), lead("李雷", owner="bo", intent="high")
    closed = lead("韩梅", owner="bo", stage="invalid")
    clock.move(days=400)
    agree(days=30, warn_days=3, exempt={"field": "intent", "op": "eq", "value": "high"})
    work()
    assert [owner(api, i) for i in (plain, vip, closed)] == ["bo", "bo", "bo"]
    assert told(team.bo) == ["线索「王芳」很久没有跟进，3 天后退回公海。"]
    clock.move(days=3)
    work()
    assert [owner(api, i) for i in (plain, vip, closed)] == [None, "bo", "bo"]
    api.patch(f"/forms/lead/records/{vip}", {"values": {"intent": "low"}})
    for _day in range(5):
        clock.move(days=1)
        work()
    assert owner(api, vip) is None


def test_a_customer_who_bought_and_one_who_was_just_claimed_are_protected(api, clock, work, team):
    clock.set(MONDAY)
    agree("customer", days=5, warn_days=0, deal_days=20, protect_days=8, cooldown_days=0)
    bought = api.post("/forms/customer/records", {"values": {"name": "买过", "owner": "bo"}})["id"]
    new = api.post("/forms/customer/records", {"values": {"name": "刚领"}})["id"]
    api.post(
        "/forms/order/records",
        {"values": {"number": "1", "customer": bought, "amount": "10.00", "paid_at": "2026-06-15T09:00:00+08:00"}},
    )
    assert pool.claim(catalog.get("customer"), [new], users.actor_of(team.cy)).ids == [new]
    clock.move(days=6)
    work()
    assert (owner(api, bought, "customer"), owner(api, new, "customer")) == ("bo", "cy")
    clock.move(days=3)
    work()
    assert (owner(api, bought, "customer"), owner(api, new, "customer")) == ("bo", None)
    clock.move(days=11)
    work()
    assert owner(api, bought, "customer") is None


def test_what_a_colleague_wrote_to_a_customer_is_a_follow_up_but_an_advert_is_none(api, clock, work, team):
    clock.set(MONDAY)
    agree("customer", days=5, warn_days=0)
    ids = [api.post("/forms/customer/records", {"values": {"name": name, "owner": "bo"}})["id"] for name in "甲乙"]
    clock.move(days=3)
    for record_id, purpose in zip(ids, ("service", "marketing"), strict=True):
        Message.create(
            key=str(record_id), state="delivered", via="sms", purpose=purpose, priority=1, target_kind="customer",
            customer_id=record_id, lane="", cause_kind="user", actor_id=team.bo, created_at=clock.now(),
            due_at=clock.now(), ended_at=clock.now(),
        )  # fmt: skip
    clock.move(days=3)
    work()
    assert [owner(api, i, "customer") for i in ids] == ["bo", None]


def test_claims_keep_within_the_day_and_what_a_person_holds_and_a_department_has_its_own_numbers(
    api, clock, team, lead
):
    clock.set(MONDAY)
    agree(per_day=2, held=3, cooldown_days=2)
    form, bo = catalog.get("lead"), users.actor_of(team.bo)
    ids = [lead(f"线索{n}") for n in range(8)]
    first = pool.claim(form, ids[:3], bo)
    assert first.ids == ids[:2] and "每日上限" in first.refused[ids[2]]
    with pytest.raises(UserError, match="每日上限"):
        pool.claim(form, ids[2:3], bo)
    clock.move(days=1)
    assert pool.claim(form, ids[2:4], bo).ids == ids[2:3]
    with pytest.raises(UserError, match="达到上限"):
        pool.claim(form, ids[3:4], bo)
    agree(department=team.department, per_day=9, held=9, cooldown_days=2)
    assert pool.claim(form, ids[3:6], bo).ids == ids[3:6]
    with pytest.raises(UserError, match="为什么退回"):
        pool.give_back(form, ids[:1], " ", bo)
    assert pool.give_back(form, ids[:1], "打不通", bo) == 1
    assert "不能再领" in pool.claim(form, ids[:1], bo).refused[ids[0]]
    clock.move(days=3)
    assert pool.claim(form, ids[:1], bo).ids == ids[:1]
    assert [s.reason for s in ownership.of_record(form, ids[0])] == ["", "打不通"]


def test_of_many_who_claim_at_once_one_wins(app, api, team, lead, staff_client, cy_client):
    agree(per_day=0, held=0)
    ids = [lead(f"线索{n}") for n in range(6)]
    start, won = threading.Barrier(2), {}

    def take(client, name):
        start.wait()
        won[name] = [client.post("/pool/lead/claim", data={"ids": str(i)}, htmx=True).status_code for i in ids]

    threads = [
        threading.Thread(target=take, args=(client, name)) for client, name in ((staff_client, "bo"), (cy_client, "cy"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(won["bo"] + won["cy"]) <= {200, 409, 422}
    spans = [ownership.of_record(catalog.get("lead"), i) for i in ids]
    assert [len(one) for one in spans] == [1] * len(ids), "a second claim would have begun a second stretch"


def test_the_pool_shows_what_is_its_readers_with_contacts_masked(api, team, lead, cy_client):
    agree()
    other = api.post("/departments", {"name": "客服部"})["id"]
    mine = lead("公司公海", phone="13800001111")
    ours, theirs = lead("本部门", department=team.department), lead("别部门", department=other)
    text = cy_client.get("/pool/lead").text
    assert "公司公海" in text and "本部门" in text and "别部门" not in text
    assert "13800001111" not in text and "138****1111" not in text.replace("13****", "")
    assert cy_client.get("/pool/lead?q=13800001111").text.count("公司公海") == 0
    cy = users.actor_of(team.cy)
    done = pool.claim(catalog.get("lead"), [mine, ours, theirs], cy)
    assert done.ids == [mine, ours] and theirs in done.refused


def test_owners_are_kept_through_assigning_deleting_and_restoring(api, team, lead):
    lead_id = lead("王芳", owner="bo")
    api.patch(f"/forms/lead/records/{lead_id}", {"values": {"owner": "cy"}})
    api.delete(f"/forms/lead/records/{lead_id}")
    api.post(f"/forms/lead/records/{lead_id}:restore")
    api.patch(f"/forms/lead/records/{lead_id}", {"values": {"owner": None}})
    spans = ownership.of_record(catalog.get("lead"), lead_id)
    assert [(s.owner, s.ended) for s in spans] == [
        ("Cy 王", "取消负责人"), ("Cy 王", "记录已删除"), ("Bo 李", "分配"),
    ]  # fmt: skip


def test_a_field_that_says_what_never_goes_back_is_not_deleted_unseen(api, clock, work, team, lead):
    api.post("/forms/lead/fields", {"key": "grade_of_ours", "label": "我们的分级", "type": "text"})
    clock.set(MONDAY)
    agree(days=5, warn_days=0, exempt={"field": "grade_of_ours", "op": "eq", "value": "A"})
    lead_id = lead("王芳", owner="bo", grade_of_ours="A")
    assert any("公海的规则" in use.words and use.blocks for use in uses.of_field(catalog.get("lead"), "grade_of_ours"))
    clock.move(days=6)
    work()
    assert owner(api, lead_id) == "bo"
    catalog.delete_field(catalog.get("lead"), "grade_of_ours")
    clock.move(days=2)
    work()
    assert owner(api, lead_id) == "bo" and incidents.count() == 1


def test_what_is_deleted_for_good_takes_its_owners_and_reminders_along(api, clock, team, lead):
    lead_id = lead("王芳", owner="bo")
    task = api.post("/forms/task/records", {"values": {"title": "打电话", "due_at": "2099-01-01T09:00:00+08:00"}})["id"]
    for form, record_id, model in (("lead", lead_id, Ownership), ("task", task, Reminder)):
        assert model.select().count()
        api.delete(f"/forms/{form}/records/{record_id}")
        purging.purge(catalog.get(form), [record_id], SYSTEM)
        assert not model.select().count()


def test_owners_of_an_older_database_get_their_history(api, work, team):
    form = catalog.get("customer")
    written = records.create_many(form, [{"name": f"客户{n}", "owner": team.bo} for n in range(3)], SYSTEM)
    Ownership.delete().execute()
    ownership.begin_history()
    work()
    assert [ownership.of_record(form, i)[0].how for i in written.ids] == ["原有"] * 3
