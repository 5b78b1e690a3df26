"""Who gets what, when and how often; what it may cost; what is only tried out. Every answer has its sentence."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import Notice
from appliance.core import incidents
from appliance.core.db import write
from appliance.customers import consents
from appliance.forms import catalog, records
from appliance.messaging import policy, reasons, unsubscribing
from appliance.messaging.models import Message
from appliance.messaging.outbox import Draft
from appliance.messaging.policy import Policy
from appliance.messaging.senders import Target

from .conftest import NOON, customer, person, reserve, row, to


@pytest.fixture(autouse=True)
def daytime(clock):
    clock.set(NOON)


def why(key: str) -> tuple[str, str]:
    found = row(key)
    return found.state, reasons.sentence(found)


def test_advertising_needs_consent_and_a_withdrawal_always_wins(pigeons, work):
    silent, agreed, left, refused = (customer(f"客户{n}", f"1380000010{n}", agrees=n in (1, 2)) for n in range(4))
    consents.record(left, "marketing", ["wechat"], "withdrawn", "phone", SYSTEM)
    consents.record(refused, "service", ["wechat"], "withdrawn", "phone", SYSTEM)
    for n, one in enumerate((silent, agreed, left, refused)):
        reserve(to(one, "促销", key=f"ad{n}", purpose="marketing"), to(one, "已发货", key=f"ok{n}"))
    work()
    assert sorted(pigeons.keys) == ["ad1", "ok0", "ok1", "ok2"]
    assert why("ad0") == ("suppressed", "客户没有同意用微信接收营销信息，所以没有发。")
    assert why("ad2") == ("suppressed", "客户撤回了用微信接收营销信息的同意，所以没有发。")
    assert why("ok3") == ("suppressed", "客户撤回了用微信接收服务通知的同意，所以没有发。")


def test_consent_is_asked_when_it_is_sent_not_when_it_is_reserved(pigeons, work):
    one = customer(agrees=True)
    reserve(to(one, "促销", key="a", purpose="marketing"))
    consents.record(one, "marketing", ["wechat"], "withdrawn", "phone", SYSTEM)
    work()
    assert pigeons.sent == [] and row("a").why == "withdrawn"


NIGHTS = [
    ("2026-06-15T21:59:00+08:00", None), ("2026-06-15T22:00:00+08:00", "2026-06-16 08:00"),
    ("2026-06-16T00:30:00+08:00", "2026-06-16 08:00"), ("2026-06-16T07:59:00+08:00", "2026-06-16 08:00"),
    ("2026-06-16T08:00:00+08:00", None),
]  # fmt: skip


@pytest.mark.parametrize(("at", "until"), NIGHTS)
def test_nobody_is_woken_and_it_goes_in_the_morning(pigeons, work, clock, at, until):
    clock.set(at)
    one = customer()
    reserve(to(one, key="k"), Draft("pigeon", Target.user(person("bo").id), "急", key="inside"))
    work()
    assert row("inside").state == "delivered"
    if until is None:
        assert row("k").state == "delivered"
        return
    assert why("k") == ("held", f"现在是免打扰时段，{until} 之后再发。")
    clock.set(f"{until.replace(' ', 'T')}:00+08:00")
    work()
    assert row("k").state == "delivered"


def test_what_expires_in_the_night_is_not_sent_in_the_morning(pigeons, work, clock):
    clock.set("2026-06-15T23:00:00+08:00")
    one = customer()
    reserve(to(one, "直播马上开始", key="k", expires_at=policy.clock.now() + 3600))
    work()
    clock.move(hours=10)
    work()
    assert pigeons.sent == [] and row("k").state == "expired"


def test_a_way_may_have_hours_of_its_own_and_new_rules_are_looked_at_at_once(pigeons, work, clock):
    clock.set("2026-06-15T23:00:00+08:00")
    one = customer()
    reserve(to(one, key="k"))
    work()
    assert row("k").state == "held"
    policy.save(Policy(quiet_by={"pigeon": []}), SYSTEM)
    work()
    assert row("k").state == "delivered"


def test_nobody_gets_too_much_by_whatever_way(pigeons, work, clock):
    policy.save(Policy(caps={"marketing": {"day": 2, "week": 3, "month": 0}, "service": {}}), SYSTEM)
    one = customer(agrees=True)
    reserve(*[to(one, f"促销 {n}", key=f"a{n}", purpose="marketing") for n in range(4)], to(one, "已发货", key="ok"))
    work()
    assert sorted(pigeons.keys) == ["a0", "a1", "ok"]
    assert why("a2") == ("suppressed", "每天最多给一位客户发 2 条营销信息，这位客户已经收满，所以没有发。")
    clock.move(days=1)
    reserve(*[to(one, f"促销 {n}", key=f"b{n}", purpose="marketing") for n in range(2)])
    work()
    assert [row("b0").state, row("b1").state] == ["delivered", "suppressed"] and "每周" in reasons.sentence(row("b1"))
    clock.move(days=7)
    reserve(to(one, "促销", key="c", purpose="marketing"))
    work()
    assert row("c").state == "delivered"


def test_the_budget_stops_what_costs_and_tells(pigeons, work, clock):
    policy.save(Policy(budget=10, warn_percent=80), SYSTEM)
    one = customer()
    reserve(*[to(one, key=f"k{n}") for n in range(3)])
    work()
    assert len(pigeons.sent) == 2 and why("k2")[0] == "held" and "预算" in why("k2")[1]
    told = incidents.unresolved()
    assert any("预算" in one.why for one in told)
    policy.save(Policy(budget=100), SYSTEM)
    work()
    assert row("k2").state == "delivered"


def test_without_a_connection_nothing_leaves_and_colleagues_are_told_inside(pigeons, work):
    pigeons.loft.open = False
    one, bo = customer(), person("bo").id
    reserve(
        to(one, "您好", key="k"), Draft("pigeon", Target.user(bo), "三天没有跟进", key="boss", link="/forms/customer")
    )
    work()
    assert pigeons.sent == []
    assert why("k") == ("test", "还没有「信鸽」的连接：只记下来，没有发出。")
    assert why("boss") == ("test", "还没有「信鸽」的连接：没有发出，已改用站内通知告诉接收人。")
    told = Notice.get(Notice.user_id == bo)
    assert (told.text, told.link) == ("三天没有跟进", "/forms/customer")


def test_a_way_that_is_tried_out_sends_nothing(pigeons, work):
    policy.save(Policy(test=("pigeon",)), SYSTEM)
    one = customer()
    reserve(to(one, key="k"), Draft("in_app", Target.user(person("bo").id), "你好", key="bell"))
    work()
    assert pigeons.sent == [] and "测试模式" in why("k")[1] and row("bell").state == "delivered"


def test_who_is_gone_blocked_or_unreachable_gets_nothing_and_one_learns_why(pigeons, work):
    gone, mute, blocked, empty = (
        customer("甲"), customer("乙", None), customer("丙", "13800000003"), customer("丁", "13800000004"),
    )  # fmt: skip
    records.delete(catalog.get("customer"), gone, SYSTEM)
    with write():
        unsubscribing.block("pigeon", "13800000003", "all", "blacklist")
    reserve(to(gone, key="gone"), to(mute, key="mute"), to(blocked, key="blocked"), to(empty, "  ", key="empty"))
    work()
    assert pigeons.sent == []
    assert "删除" in why("gone")[1] and "没有对方" in why("mute")[1] and "不发送名单" in why("blocked")[1]
    assert why("empty")[0] == "suppressed" and "空的" in why("empty")[1]


def test_advertising_says_how_to_stop_it(pigeons, work):
    policy.save(replace(Policy(), site_url="https://crm.example.com/"), SYSTEM)
    one = customer(agrees=True)
    reserve(to(one, "大促 {unsubscribe}", key="a", purpose="marketing"))
    work()
    assert pigeons.sent[0].text == f"大促 https://crm.example.com{unsubscribing.path(row('a').id)}"
    assert pigeons.sent[0].unsubscribe.startswith("https://crm.example.com/u/")


def test_every_reason_has_a_sentence_in_both_languages(app, pigeons):
    from appliance.core import i18n

    one = customer()
    reserve(to(one, key="k"))
    found = row("k")
    for locale in ("zh", "en"):
        with i18n.speaking(locale):
            for reason in reasons.REASONS:
                found.why, found.state, found.detail = reason, "suppressed", {}
                assert len(reasons.sentence(found)) > 5
    assert {m.why for m in Message.select()} <= {*reasons.REASONS, ""}


def test_many_are_written_to_after_a_look_at_what_would_happen(client, pigeons, work, clock):
    ids = [customer(f"客户{n}", f"1380000020{n}" if n else None, agrees=n < 3) for n in range(5)]
    selection = {"ids": ",".join(map(str, ids))}
    doc = {
        "do.via": "pigeon",
        "do.to": "customer",
        "do.what": "text",
        "do.text": "{{ record.name }}，新品上架",
        "do.purpose": "marketing",
    }
    # Whoever picks customers writes to customers.
    asked = client.post("/forms/customer/bulk/send", data=selection, htmx=True).text
    assert 'value="customer" selected' in asked and "发送 5 条" in asked
    unsaid = client.post("/forms/customer/bulk/send/preview", data=selection | doc | {"do.via": ""}, htmx=True).text
    assert "请选择发送方式。" in unsaid and "in_app" not in unsaid
    seen = client.post("/forms/customer/bulk/send/preview", data=selection | doc, htmx=True)
    assert seen.status_code == 200, seen.text
    for words in ("马上发出", "没有同意接收营销信息", "没有号码或地址", "费用约 ¥0.09", "客户1，新品上架"):
        assert words in seen.text, words
    done = client.post("/forms/customer/bulk/send", data=selection | doc | {"go": "1"}, htmx=True)
    assert done.status_code in (200, 204)
    work()
    assert sorted(m.text for m in pigeons.sent) == ["客户1，新品上架", "客户2，新品上架"]
