"""The action "send": whom it tells, once for each occurrence, and why it told nobody."""

from __future__ import annotations

import pytest

from appliance.accounts import departments
from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import Notice
from appliance.automation import actions
from appliance.automation.actions import Work
from appliance.core import clock as core_clock
from appliance.core.db import write
from appliance.core.errors import UserError
from appliance.forms import catalog, records, reversing
from appliance.forms.hooks import Cause
from appliance.messaging import templates
from appliance.messaging.models import Message

from .conftest import NOON, customer, person


@pytest.fixture(autouse=True)
def daytime(clock):
    clock.set(NOON)


def send(ids, form="customer", cycle="2026", origin=None, run=1, **doc):
    shape = catalog.get(form)
    action = actions.build({"action": "send", **doc}, shape)
    work = Work(shape, Cause("rule", run), core_clock.now(), cycle=cycle, subject="rule:7", origin=origin or {})
    with write():
        return action.apply(ids, work)


def test_the_customer_gets_it_once_for_each_occurrence(pigeons, work):
    one, other = customer(), customer("周", "13800000002")
    doc = {"via": "pigeon", "to": "customer", "text": "{{ record.name | surname }}女士，生日快乐"}
    assert send([one, other], **doc).changed == {one, other}
    again = send([one, other], **doc, run=2)
    assert again.changed == set() and "已经发过" in again.skipped[one]
    assert send([one], cycle="2027", **doc).changed == {one}
    work()
    assert sorted(m.text for m in pigeons.sent) == ["周女士，生日快乐", "林女士，生日快乐", "林女士，生日快乐"]
    assert {m.purpose for m in Message.select()} == {"service"}


def test_owner_and_manager_are_told_and_who_has_none_is_named(pigeons, work):
    amy, bo, cy = (person(login).id for login in ("amy", "bo", "cy"))
    company = departments.create("公司", SYSTEM, head=amy)
    sales = departments.create("销售部", SYSTEM, parent=company, head=bo)
    departments.set_of_user(cy, [sales], SYSTEM)
    departments.set_of_user(bo, [sales], SYSTEM)
    mine, his, free = customer(owner="cy"), customer("周", "13800000002", owner="bo"), customer("吴", "13800000003")
    doc = {"via": "in_app", "text": "{{ record.name }}三天没有跟进"}
    assert send([mine, free], to="owner", **doc).skipped == {free: "没有负责人。"}
    assert send([mine, his], to="manager_of_owner", cycle="m", **doc).changed == {mine, his}
    work()
    told = [(n.user_id, n.text) for n in Notice.select().where(Notice.kind == "message")]
    assert sorted(told) == sorted([(cy, "林小雨三天没有跟进"), (bo, "林小雨三天没有跟进"), (amy, "周三天没有跟进")])
    assert Notice.get(Notice.user_id == amy).link == f"/forms/customer/records/{his}"


def test_an_order_reaches_its_customer_and_the_customers_owner(pigeons, work):
    one = customer(owner="bo")
    order = records.create(
        catalog.get("order"),
        {"number": "A-1", "customer": one, "amount": "1999.5", "paid_at": "2026-06-15 10:00"},
        SYSTEM,
    )
    lone = records.create(catalog.get("order"), {"number": "A-2"}, SYSTEM)
    text = "{{ customer.name }}的订单 {{ record.number }} 付款 {{ record.amount }}，{{ record.paid_at | time }}"
    assert send([order, lone], "order", via="pigeon", to="customer", text=text).skipped == {lone: "没有关联客户。"}
    assert send([order], "order", via="in_app", to="owner", text=text, cycle="o").changed == {order}
    work()
    assert [m.text for m in pigeons.sent] == ["林小雨的订单 A-1 付款 ¥1,999.50，10:00"]
    assert Notice.get(Notice.kind == "message").user_id == person("bo").id


def test_a_role_and_several_people_are_each_told_once(pigeons, work):
    one = customer()
    send([one], via="in_app", to="staff", text="新客户 {{ record.name }}")
    send([one], via="in_app", to=["amy", "bo"], text="再说一次", cycle="x")
    work()
    told = [n.user_id for n in Notice.select().where(Notice.kind == "message").order_by(Notice.id)]
    amy, bo, cy = (person(login).id for login in ("amy", "bo", "cy"))
    assert sorted(told) == sorted([bo, cy, amy, bo])


def test_texts_know_what_was_before_and_what_happened(pigeons, work):
    one = customer()
    origin = {one: {"old": {"stage": "new"}, "event": {"type": "watch", "props": {"room": "夏日专场"}}}}
    send([one], via="pigeon", to="customer", text="{{ old.stage }} → {{ event.props.room }}", origin=origin)
    work()
    assert pigeons.sent[0].text == "新客 → 夏日专场"


def test_a_template_brings_its_words_purpose_and_the_platforms_code(pigeons, work):
    templates.save({
        "key": "welcome", "label": "欢迎", "purpose": "marketing", "text": "{{ record.nickname }}，欢迎 {{ record.city or '您' }}",
        "fallbacks": {"record.nickname": "朋友"}, "codes": {"pigeons": {"code": "SMS_1", "params": {"name": "{{ record.name }}"}}},
    }, SYSTEM)  # fmt: skip
    one = customer(agrees=True)
    assert send([one], via="pigeon", to="customer", template="welcome").changed == {one}
    work()
    sent = pigeons.sent[0]
    assert sent.text == "朋友，欢迎 您" and sent.purpose == "marketing"
    assert (sent.template_code, sent.template_params) == ("SMS_1", {"name": "林小雨"})
    assert Message.get().reads == ["customer.city", "customer.name", "customer.nickname"]


def test_taking_a_run_back_cancels_what_still_waits(pigeons, work, clock):
    one, other = customer(), customer("周", "13800000002")
    send([one], via="pigeon", to="customer", text="已发", cycle="a", run=5)
    work()
    clock.set("2026-06-15T23:00:00+08:00")
    send([other], via="pigeon", to="customer", text="夜里", run=5)
    work()
    assert Message.get(Message.customer_id == other).why == "quiet"
    assert reversing.holds("rule", 5)
    with write():
        state = None
        while not (step := reversing.take_back("rule", 5, state, 100, SYSTEM, Cause("undo", 5))).done:
            state = step.state
    assert not reversing.holds("rule", 5)
    clock.move(hours=12)
    work()
    assert [m.text for m in pigeons.sent] == ["已发"] and Message.get(Message.customer_id == other).why == "undone"


BAD = [
    ({"to": "customer", "text": "x"}, "via"),
    ({"via": "in_app", "to": "customer", "text": "x"}, "to"),
    ({"via": "in_app", "to": "nobody-like-this", "text": "x"}, "to"),
    ({"via": "in_app", "to": [], "text": "x"}, "to"),
    ({"via": "in_app", "to": "owner"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "x", "template": "y"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "{{ record.nmae }}"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "{{ record.name.__class__ }}"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "{{ record.name() }}"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "{% for x in record %}{% endfor %}"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "{{ 9 ** 9999 }}"}, "text"),
    ({"via": "in_app", "to": "owner", "text": "{{ record.name"}, "text"),
    ({"via": "in_app", "to": "owner", "template": "none"}, "template"),
    ({"via": "in_app", "to": "owner", "text": "x", "expires": {"hours": 0}}, "expires"),
    ({"via": "in_app", "to": "owner", "text": "x", "cc": 1}, "cc"),
]


@pytest.mark.parametrize(("doc", "path"), BAD)
def test_what_makes_no_sense_is_refused_where_it_stands(app, doc, path):
    with pytest.raises(UserError) as told:
        actions.build({"action": "send", **doc}, catalog.get("customer"))
    assert told.value.path == path
    if "nmae" in str(doc):
        assert "record.nmae" in told.value.message and "record.name" in told.value.message


def test_it_says_in_plain_words_what_it_does(app):
    doc = {"action": "send", "via": "in_app", "to": "manager_of_owner", "text": "三天没有跟进", "expires": {"hours": 4}}
    words = actions.build(doc, catalog.get("customer")).words()
    assert words == "用站内通知给负责人的上级发送「三天没有跟进」（4 小时内有效）"
