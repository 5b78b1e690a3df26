"""The outbox, templates, rules and writing to customers, as people use them."""

from __future__ import annotations

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.customers import consents
from appliance.messaging import outbox, policy, templates, unsubscribing
from appliance.messaging.models import MessageBlock
from appliance.messaging.outbox import Draft
from appliance.messaging.senders import Outcome, Target

from .conftest import NOON, customer, reserve, row, to


@pytest.fixture(autouse=True)
def daytime(clock):
    clock.set(NOON)


def test_the_outbox_lists_filters_and_explains(client, pigeons, work):
    one, other = customer(), customer("周", None)
    reserve(
        to(one, "您的订单已发货", key="a"), to(other, "您好", key="b"), to(one, "促销", key="c", purpose="marketing")
    )
    work()
    page = client.get("/messages/").text
    for words in ("林小雨", "您的订单已发货", "信鸽", "没有对方的信鸽号码或地址", "客户没有同意", "本月费用 ¥0.045"):
        assert words in page
    assert "您的订单已发货" not in client.get("/messages/?state=suppressed").text
    assert "促销" in client.get("/messages/?purpose=marketing", htmx=True).text
    assert (
        "促销" in client.get(f"/messages/?customer={one}").text
        and "您好" not in client.get(f"/messages/?customer={one}").text
    )
    shown = client.get(f"/messages/{row('a').id}").text
    assert "138" in shown and "p-1" in shown and "¥0.045" in shown and "规则" in shown


def test_what_failed_is_sent_again_and_what_waits_is_cancelled(client, pigeons, work, clock):
    one = customer()
    reserve(to(one, key="a"), to(one, key="b", due_at=outbox.clock.now() + 3600))
    pigeons.answers["a"] = [Outcome.failed("空号")]
    work()
    assert "平台没有接收：空号" in client.get(f"/messages/{row('a').id}").text
    client.post(f"/messages/{row('a').id}/retry")
    client.post(f"/messages/{row('b').id}/cancel")
    work()
    assert row("a").state == "delivered" and row("a").attempts == 2 and row("b").state == "cancelled"
    assert client.post(f"/messages/{row('a').id}/retry").status_code == 409
    assert client.post(f"/messages/{row('b').id}/cancel").status_code == 409


def test_people_settle_what_nobody_knows(client, pigeons, work):
    ids = [customer(f"客户{n}", f"1380000010{n}") for n in range(3)]
    reserve(*[to(i, f"通知 {n}", key=f"k{n}") for n, i in enumerate(ids)])
    pigeons.answers = {f"k{n}": [Outcome.unknown("超时")] for n in range(3)}
    work()
    page = client.get("/messages/unknown").text
    assert page.count("超时") >= 3 and "通知 1" in page
    assert client.post("/messages/unknown", data={"answer": "lost"}).status_code == 422
    numbers = [str(row(f"k{n}").id) for n in range(3)]
    client.post("/messages/unknown", data={"ids": [numbers[0]], "answer": "arrived"})
    client.post("/messages/unknown", data={"ids": [numbers[1]], "answer": "lost"}, htmx=True)
    client.post("/messages/unknown", data={"ids": [numbers[2]], "answer": "left"})
    work()
    assert [row(f"k{n}").state for n in range(3)] == ["delivered", "delivered", "unknown"]
    assert pigeons.keys.count("k0") == 1 and pigeons.keys.count("k1") == 2
    assert row("k1").cost == 450, "what did not arrive was not charged"
    assert "没有要核实的消息" in client.get("/messages/unknown").text
    assert "核实：已经送到" in client.get(f"/messages/{numbers[0]}").text


def test_staff_without_the_right_are_kept_out_and_others_see_their_own_customers(client, staff_client, pigeons, work):
    one = customer(owner="amy")
    [made] = reserve(to(one, "只给林小雨", key="a"))
    work()
    for url in ("/messages/", "/messages/unknown", "/messages/templates/", f"/customers/{one}/message"):
        assert staff_client.get(url).status_code == 403
    from appliance.accounts import users
    from appliance.accounts.permissions import FormRights, Rights

    users.update_role("staff", {"zh": "员工"}, Rights(
        forms={"customer": FormRights(frozenset({"see"}), {"field": "owner", "op": "eq", "value": {"me": True}}, {"phone": "hidden"})},
        rooms=frozenset({"messages"}),
    ))  # fmt: skip
    assert "只给林小雨" not in staff_client.get("/messages/").text
    assert staff_client.get(f"/messages/{made.id}").status_code == 404
    mine = customer("周", "13800000002", owner="bo")
    assert staff_client.get(f"/customers/{one}/message").status_code == 404
    reserve(
        Draft(
            "pigeon",
            Target.customer(mine),
            "电话 13800000002",
            key="p",
            form_key="customer",
            record_id=mine,
            reads=["customer.phone"],
        )
    )
    work()
    page = staff_client.get("/messages/").text
    assert "周" in page and "您不能查看的内容" in page and "电话 13800000002" not in page
    seen = staff_client.post(
        f"/customers/{mine}/message/preview",
        data={"via": "pigeon", "what": "text", "text": "{{ record.phone }}到了", "purpose": "service"},
    ).text
    assert "13800000002" not in seen and "到了" in seen


def test_one_writes_to_a_customer_from_their_page(client, pigeons, work):
    one = customer()
    assert f"/customers/{one}/message" in client.get(f"/forms/customer/records/{one}").text
    assert "插入变量" in client.get(f"/customers/{one}/message", htmx=True).text
    letter = {"via": "pigeon", "what": "text", "text": "{{ record.name | surname }}女士好", "purpose": "service"}
    looked = client.post(f"/customers/{one}/message/preview", data=letter).text
    assert "林女士好" in looked and "马上发出" in looked and "¥0.045" in looked
    wrong = client.post(f"/customers/{one}/message", data=letter | {"text": "{{ record.nmae }}"})
    assert wrong.status_code == 422 and "record.name" in wrong.text and "{{ record.nmae }}" in wrong.text
    sent = client.post(f"/customers/{one}/message", data=letter)
    assert sent.status_code == 303
    work()
    assert [m.text for m in pigeons.sent] == ["林女士好"] and "林女士好" in client.get(sent.location).text
    assert "林女士好" in client.get(f"/customers/{one}/timeline", htmx=True).text


def test_a_template_is_made_previewed_tried_and_brought_back(client, pigeons, work):
    one = customer(nickname=None)
    bad = {"label": "", "form": "customer", "purpose": "service", "text": "{{ record.nmae }}"}
    answer = client.post("/messages/templates/new", data=bad)
    assert answer.status_code == 422 and "record.nmae" in answer.text and "请填写名称" in answer.text
    good = {"label": "生日祝福", "form": "customer", "purpose": "marketing", "via": ["pigeon"], "enabled": "1",
            "text": "{{ record.nickname }}，{{ company.name }}祝您生日快乐"}  # fmt: skip
    made = client.post("/messages/templates/new", data=good)
    assert made.status_code == 303
    key = made.location.rsplit("/", 1)[1]
    fallback = {"fallback.name": "record.nickname", "fallback.text": "亲爱的朋友"}
    seen = client.post("/messages/templates/preview", data=good | fallback | {"sample": str(one), "via": "sms"}).text
    assert "亲爱的朋友，" in seen and "个字，算 1 条" in seen
    client.post(f"/messages/templates/{key}", data=good | fallback | {"version": "1"})
    assert templates.get(key).fallbacks == {"record.nickname": "亲爱的朋友"}
    stale = client.post(f"/messages/templates/{key}", data=good | {"version": "1", "text": "旧"})
    assert stale.status_code == 409
    assert (
        client.post(
            f"/messages/templates/{key}/test", data={"sample": str(one), "test_via": "in_app"}, htmx=True
        ).status_code
        == 200
    )
    work()
    assert "亲爱的朋友" in client.get("/notices").text
    client.post(f"/messages/templates/{key}/revert", data={"version": "2", "back_to": "1"})
    assert templates.get(key).fallbacks == {} and templates.get(key).version == 3
    assert "生日祝福" in client.get("/messages/templates/").text
    client.post(f"/messages/templates/{key}/delete")
    assert templates.all() == []
    client.post(f"/messages/templates/{key}/restore", htmx=True)
    assert [t.key for t in templates.all()] == [key]


def test_a_template_in_use_is_not_deleted(client, pigeons):
    templates.save({"key": "hi", "label": "问候", "text": "您好"}, SYSTEM)
    from appliance.automation import rules

    rules.book.save({
        "key": "greet", "label": "问候新客", "form": "customer", "on": {"created": True}, "enabled": True,
        "do": [{"action": "send", "via": "pigeon", "to": "customer", "template": "hi"}],
    }, SYSTEM)  # fmt: skip
    answer = client.post("/messages/templates/hi/delete")
    assert answer.status_code == 409 and "问候新客" in answer.text


def test_the_company_sets_its_rules(client, pigeons):
    typed = {
        "quiet_for": "customers", "quiet_from": "21:00", "quiet_to": "09:00", "quiet.pigeon.how": "never",
        "caps.marketing.day": "1", "caps.marketing.week": "3", "caps.marketing.month": "8", "budget": "1,200.50",
        "budget_stops": "1", "warn_percent": "90", "test": ["pigeon"], "sms_suffix": "拒收请回复R", "keep_days": "365",
    }  # fmt: skip
    assert client.post("/settings/messages/", data=typed).status_code == 303
    rules = policy.get()
    assert rules.budget == 120050 and rules.caps["marketing"]["week"] == 3 and rules.quiet_by == {"pigeon": []}
    assert rules.test == ("pigeon",)
    wrong = client.post(
        "/settings/messages/", data=typed | {"quiet_from": "25:00", "budget": "很多", "caps.marketing.day": "x"}
    )
    assert (wrong.status_code == 422 and "24 小时制" in wrong.text) or "预算要是" in wrong.text
    assert "预算要是" in wrong.text and 'value="很多"' in wrong.text
    assert "1200.50" in client.get("/settings/messages/").text
    client.post("/settings/messages/blocks", data={"via": "pigeon", "address": "13800000001", "scope": "all"})
    assert MessageBlock.get().scope == "all" and "13800000001" in client.get("/settings/messages/").text


def test_who_unsubscribes_gets_no_more_advertising(client, anon, pigeons, work):
    one = customer(agrees=True)
    reserve(to(one, "大促", key="ad", purpose="marketing"))
    work()
    link = unsubscribing.path(row("ad").id)
    assert "不再接收" in anon.get(link).text and not MessageBlock.select().exists()
    assert anon.get(link[:-1] + "0x").status_code == 404
    # A mail program has no page and no cookie (RFC 8058); whoever guesses has no link, and other words need the page's token.
    for wrong, said, status in ((link, {"a": "b"}, 400), (link[:-1] + "0x", {"List-Unsubscribe": "One-Click"}, 404)):
        assert anon.post(wrong, data=said, csrf=False).status_code == status and not MessageBlock.select().exists()
    program = {"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site"}
    done = anon.post(link, data={"List-Unsubscribe": "One-Click"}, csrf=False, headers=program)
    assert done.status_code == 200 and MessageBlock.get().why == "unsubscribed"
    assert "已退订" in anon.post(link).text
    reserve(to(one, "再促", key="ad2", purpose="marketing"), to(one, "已发货", key="ok"))
    work()
    assert pigeons.keys == ["ad", "ok"] and row("ad2").why == "withdrawn"
    assert consents.current(one)["marketing", "wechat"].state == "withdrawn"
    other = customer("周", "13800000002", agrees=True)
    reserve(to(other, "大促", key="x", purpose="marketing"))
    work()
    assert unsubscribing.replied("pigeon", "13800000002", " 退订。") and not unsubscribing.replied(
        "pigeon", "13800000002", "好的"
    )
    reserve(to(other, "大促", key="y", purpose="marketing"))
    work()
    assert row("y").state == "suppressed"
