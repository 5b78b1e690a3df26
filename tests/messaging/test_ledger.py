"""The send ledger: reserved before anything leaves, sent once, and a plain sentence for every state."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import Notice
from appliance.core import jobs
from appliance.core.db import write
from appliance.core.models import JobRow
from appliance.messaging import outbox, reasons, sending
from appliance.messaging.models import Message, MessageAttempt, MessageSpend
from appliance.messaging.outbox import Draft
from appliance.messaging.senders import Limit, Outcome, Target

from .conftest import NOON, customer, person, reserve, row, to


@pytest.fixture(autouse=True)
def daytime(clock):
    clock.set(NOON)


def test_a_message_is_reserved_once_sent_once_and_its_cost_is_kept(pigeons, work):
    one = customer()
    first = reserve(to(one, key="birthday:1"), to(one, "再见", key="birthday:2"))
    again = reserve(to(one, key="birthday:1"))
    assert [r.fresh for r in first] == [True, True] and not again[0].fresh and again[0].id == first[0].id
    assert pigeons.sent == [], "nothing leaves inside the transaction that reserves"
    assert work()["messages_sent"] == 2
    reserve(to(one, key="birthday:1"))
    work()
    assert pigeons.keys == ["birthday:1", "birthday:2"] and pigeons.sent[0].to == "13800000001"
    sent = row("birthday:1")
    assert (sent.state, sent.provider_id, sent.cost, sent.attempts) == ("delivered", "p-1", 450, 1)
    assert "鸽房" in reasons.sentence(sent) or "loft" in reasons.sentence(sent)
    assert MessageSpend.get().cost == 900 and MessageSpend.get().month == "2026-06"
    assert MessageAttempt.select().count() == 2


def test_a_rollback_takes_the_reservation_along(pigeons, work):
    one = customer()
    with pytest.raises(RuntimeError), write():
        reserve(to(one, key="k"))
        raise RuntimeError
    work()
    assert pigeons.sent == [] and Message.select().count() == 0


def test_a_sure_failure_is_tried_again_with_growing_pauses_and_then_given_up(pigeons, work, clock):
    one = customer()
    reserve(to(one, key="k"), to(one, "第二条", key="k2"))
    pigeons.answers["k"] = [Outcome.retry("系统忙", 5)] * 5
    work()
    held = row("k")
    assert (held.state, held.why, held.due_at) == ("held", "retry", jobs.queue.clock.now() + 30)
    assert "系统忙" in reasons.sentence(held) and "12:00" in reasons.sentence(held)
    assert pigeons.keys == ["k"], "the second message waits for its turn"
    for _again in range(4):
        clock.move(minutes=30)
        work()
    assert pigeons.keys == ["k"] * 5 + ["k2"]
    assert (row("k").state, row("k").why, row("k2").state) == ("failed", "gave_up", "delivered")
    assert row("k").cost == 0


def test_a_time_out_is_unknown_and_never_sent_again_by_itself(pigeons, work, clock):
    one = customer()
    reserve(to(one, key="k"))
    pigeons.answers["k"] = [Outcome.unknown("没有回答")]
    assert work()["messages_unknown"] == 1
    for _day in range(5):
        clock.move(days=1)
        work()
    assert pigeons.keys == ["k"] and row("k").state == "unknown"
    assert row("k").cost == 450, "it may have cost something"
    assert "核实" in reasons.sentence(row("k"))


def test_an_exception_in_a_sender_is_unknown_too(pigeons, work):
    one = customer()
    reserve(to(one, key="k"))
    pigeons.answers["k"] = [ValueError("bug")]
    work()
    assert row("k").state == "unknown"


def test_an_internal_notice_without_answer_is_sent_again_where_that_does_no_harm(pigeons, work, clock):
    pigeons.paid, pigeons.repeatable = False, True
    bo = person("bo").id
    reserve(Draft("pigeon", Target.user(bo), "新线索", key="k"))
    pigeons.answers["k"] = [Outcome.unknown("没有回答")]
    work()
    assert (row("k").state, row("k").why) == ("held", "resend")
    clock.move(minutes=1)
    work()
    assert pigeons.keys == ["k", "k"] and row("k").state == "delivered"
    assert row("k").purpose == "internal"


def test_what_was_begun_when_the_process_died_is_unknown_and_the_rest_is_sent(pigeons, work):
    one, other = customer(), customer("周", "13800000002")
    reserve(to(one, key="k"), to(other, key="k2"))
    with write():
        Message.update(state="sending", attempts=1).where(Message.key == "k").execute()
        MessageAttempt.insert(message_id=row("k").id, number=1, began_at=1, cost=450).execute()
    work()
    assert pigeons.keys == ["k2"]
    assert (row("k").state, row("k").why, row("k").cost) == ("unknown", "crashed", 450)


class Died(BaseException):
    """The process ended here."""


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    crashes=st.lists(st.tuples(st.sampled_from(["before", "asked", "answered"]), st.integers(0, 5)), max_size=4),
    answers=st.lists(st.sampled_from(["delivered", "retry", "unknown", "failed"]), min_size=6, max_size=6),
)
def test_no_key_reaches_the_provider_twice_wherever_the_process_dies(pigeons, clock, monkeypatch, crashes, answers):
    """Each message is asked for again and again; the process dies before, during and after asking the provider."""
    with write():
        Message.delete().execute()
        MessageAttempt.delete().execute()
    clock.set(NOON)
    monkeypatch.setattr(sending, "THREADS", 1)
    outcomes = {
        "delivered": Outcome.delivered(1),
        "retry": Outcome.retry("忙"),
        "unknown": Outcome.unknown("?"),
        "failed": Outcome.failed("no"),
    }
    reached: list[str] = []
    certain: set[str] = set()
    plan = list(crashes)
    asked = 0

    def deliver(message, connection):
        nonlocal asked
        number, asked = asked, asked + 1
        now = [where for where, at in plan if at == number]
        if "before" in now:
            plan[:] = [one for one in plan if one != ("before", number)]
            raise Died
        answer = outcomes[answers[number % 6]]
        if answer.state != "retry":
            assert message.key not in reached, "it went out twice"
            reached.append(message.key)
        if "asked" in now or "answered" in now:
            raise Died
        if answer.state == "delivered":
            certain.add(message.key)
        return answer

    monkeypatch.setattr(pigeons, "deliver", deliver)
    drafts = [Draft("pigeon", Target.address(str(n)), "您好", key=f"k{n}") for n in range(6)]
    for _round in range(6):
        reserve(*drafts)
        job_id = jobs.enqueue(outbox.SEND, unique=outbox.SEND)
        try:
            jobs.work_on(job_id)
        except Died:
            with write():
                JobRow.update(status="cancelled", owner=None, lease_until=None).where(JobRow.id == job_id).execute()
            jobs.owner.left(job_id)
        clock.move(minutes=31)
    assert len(reached) == len(set(reached))
    for message in Message.select():
        assert message.state in ("delivered", "failed", "unknown", "held"), message.state
        if message.state == "delivered":
            assert message.key in reached
    assert {m.key for m in Message.select().where(Message.state == "delivered")} == certain


def test_messages_of_one_receiver_keep_their_order_while_others_go_side_by_side(pigeons, work):
    ids = [customer(f"客户{n}", f"138000001{n:02d}") for n in range(6)]
    pigeons.pause = 0.01
    reserve(*[to(i, f"第 {n} 条", key=f"{i}:{n}") for n in range(4) for i in ids])
    assert work()["messages_sent"] == 24
    assert pigeons.most_at_once > 2
    for i in ids:
        assert [m.text for m in pigeons.sent if m.key.startswith(f"{i}:")] == [f"第 {n} 条" for n in range(4)]


def test_urgent_notices_go_before_advertising_and_nothing_old_is_sent(pigeons, work, clock):
    one, bo = customer(agrees=True), person("bo").id
    reserve(
        to(one, "促销", key="ad", purpose="marketing"),
        to(one, "过时", key="old", expires_at=jobs.queue.clock.now() + 60),
        Draft("pigeon", Target.user(bo), "急", key="urgent"),
    )
    clock.move(seconds=90)
    work()
    assert pigeons.keys == ["urgent", "ad"]
    assert row("old").state == "expired" and "过时效" in reasons.sentence(row("old"))


def test_what_is_cancelled_in_time_stays_here(pigeons, work):
    one = customer()
    reserve(to(one, key="k", due_at=jobs.queue.clock.now() + 600))
    assert (row("k").state, row("k").why) == ("held", "later")
    assert outbox.cancel(Message.key == "k", SYSTEM) == 1
    work()
    assert pigeons.sent == [] and row("k").state == "cancelled" and "取消" in reasons.sentence(row("k"))


def test_the_platforms_pace_is_kept_over_restarts_and_nobody_else_waits(pigeons, work, clock):
    pigeons.rules = (Limit(3, 60),)
    ids = [customer(f"客户{n}", f"138000001{n:02d}") for n in range(8)]
    reserve(*[to(i, key=f"k{i}") for i in ids])
    reserve(Draft("in_app", Target.user(person("bo").id), "你好", key="bell"))
    work()
    assert len(pigeons.sent) == 3 and row("bell").state == "delivered" and Notice.select().count() == 1
    work()
    assert len(pigeons.sent) == 3
    waiting = Message.select().where(Message.state == "reserved", Message.why == "rate")
    assert waiting.count() == 5 and "60" in reasons.sentence(waiting.get())
    for expected in (6, 8):
        clock.move(seconds=60)
        work()
        assert len(pigeons.sent) == expected


def test_a_receivers_own_limit_holds_only_that_receiver(pigeons, work, clock):
    pigeons.rules = (Limit(1, 60, "address"),)
    one, other = customer(), customer("周", "13800000002")
    reserve(to(one, key="a1"), to(one, key="a2"), to(other, key="b1"))
    work()
    assert sorted(pigeons.keys) == ["a1", "b1"] and row("a2").why == "rate"
    clock.move(seconds=60)
    work()
    assert row("a2").state == "delivered"
