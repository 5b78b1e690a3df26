"""Messages and templates over the API, in app packages, and what is held about people."""

from __future__ import annotations

import json

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.permissions import FormRights, Rights
from appliance.core import jobs
from appliance.core.db import write
from appliance.customers import erasing, personal_data
from appliance.forms import catalog, merging, records
from appliance.messaging import policy, templates
from appliance.messaging.models import Message, MessageAttempt
from appliance.messaging.policy import Policy
from appliance.messaging.senders import Outcome

from .conftest import NOON, customer, person, reserve, row, to


@pytest.fixture(autouse=True)
def daytime(clock):
    clock.set(NOON)


def test_a_program_sends_reads_and_settles(api, pigeons, work):
    one = customer()
    body = {
        "via": "pigeon",
        "to": {"customer": one},
        "text": "{{ record.name }}，您好",
        "key": "order-1",
        "expires": {"hours": 4},
    }
    made = api.post("/messages", body, expect=201)
    assert (made["state"], made["text"], made["purpose"], made["to"]["customer"]) == (
        "reserved",
        "林小雨，您好",
        "service",
        one,
    )
    assert api.post("/messages", body, expect=201)["id"] == made["id"], "one key is one message"
    pigeons.answers[made["key"]] = [Outcome.unknown("超时")]
    work()
    found = api.get(f"/messages/{made['id']}")
    assert found["state"] == "unknown" and "核实" in found["why"] and found["cost"] == "0.045"
    assert api.post(f"/messages/{made['id']}:answer", {"answer": "arrived"})["state"] == "delivered"
    api.post("/messages", {"via": "in_app", "to": {"user": "bo"}, "text": "有新线索"}, expect=201)
    api.post("/messages", {"via": "pigeon", "to": {"address": "13900000000"}, "text": "您好"}, expect=201)
    assert work()["messages_sent"] == 2
    first = api.get("/messages", limit=2)
    rest = api.get("/messages", limit=2, cursor=first["next_cursor"])
    assert [len(first["messages"]), len(rest["messages"]), rest["next_cursor"]] == [2, 1, None]
    assert [m["id"] for m in api.get("/messages", customer=one)["messages"]] == [made["id"]]
    assert api.get("/messages", state="unknown")["messages"] == []


WRONG = [
    ({"to": {"user": "bo"}, "text": "x"}, "via"),
    ({"via": "smoke", "to": {"user": "bo"}, "text": "x"}, "via"),
    ({"via": "in_app", "to": "everybody", "text": "x"}, "to"),
    ({"via": "in_app", "to": {"user": "nobody"}, "text": "x"}, "to"),
    ({"via": "in_app", "to": {"address": "1"}, "text": "x"}, "to"),
    ({"via": "in_app", "to": {"user": "bo"}}, "text"),
    ({"via": "in_app", "to": {"user": "bo"}, "text": "{{ record.name }}"}, "text"),
    ({"via": "in_app", "to": {"user": "bo"}, "text": "x", "purpose": "spam"}, "purpose"),
    ({"via": "in_app", "to": {"user": "bo"}, "text": "x", "expires": {"hours": "4"}}, "expires"),
    ({"via": "in_app", "to": {"user": "bo"}, "template": "none"}, None),
    ({"via": "in_app", "to": {"user": "bo"}, "text": "x", "cc": []}, "cc"),
]


@pytest.mark.parametrize(("body", "field"), WRONG)
def test_what_cannot_be_sent_is_named(api, pigeons, body, field):
    told = api.raw("POST", "/messages", body)
    assert told.status_code in (404, 422)
    if field:
        assert field in [error["field"] for error in told.json["errors"]]
    assert Message.select().count() == 0


def test_rights_hold_for_programs_too(api, staff_api, pigeons, work):
    one = customer(owner="amy")
    staff_api.post("/messages", {"via": "pigeon", "to": {"customer": one}, "text": "x"}, expect=403)
    users.update_role("staff", {"zh": "员工"}, Rights(
        forms={"customer": FormRights(frozenset({"see"}), {"field": "owner", "op": "eq", "value": {"me": True}})},
        rooms=frozenset({"messages"}),
    ))  # fmt: skip
    staff_api.post("/messages", {"via": "pigeon", "to": {"customer": one}, "text": "x"}, expect=404)
    made = api.post("/messages", {"via": "pigeon", "to": {"customer": one}, "text": "x"}, expect=201)
    staff_api.get(f"/messages/{made['id']}", expect=404)
    assert staff_api.get("/messages")["messages"] == []


def test_templates_are_kept_over_the_api(api, pigeons):
    doc = {"key": "birthday", "label": {"zh": "生日", "en": "Birthday"}, "purpose": "marketing", "via": ["pigeon"],
           "text": "{{ record.name or '朋友' }}，生日快乐", "fallbacks": {"record.name": "您"}}  # fmt: skip
    made = api.post("/message-templates", doc, expect=201)
    assert made["version"] == 1 and made["form"] == "customer"
    api.post("/message-templates", doc, expect=422)
    assert api.patch("/message-templates/birthday", {"text": "生日快乐", "version": 1})["version"] == 2
    api.patch("/message-templates/birthday", {"text": "旧", "version": 1}, expect=409)
    bad = api.raw("PATCH", "/message-templates/birthday", {"text": "{{ record.nope }}", "codes": {"x": {"code": "1"}}})
    assert {e["field"] for e in bad.json["errors"]} == {"text", "codes.x"}
    assert [t["key"] for t in api.get("/message-templates", via="pigeon")["message_templates"]] == ["birthday"]
    api.delete("/message-templates/birthday")
    api.get("/message-templates/birthday", expect=404)


def test_an_app_brings_its_templates_and_takes_them_along(cli, tmp_path, app):
    package = {
        "app": "greetings", "version": "1.0.0", "label": "问候",
        "message_templates": [{"key": "hello", "label": "你好", "text": "{{ record.name }}，您好"}],
        "rules": [{"key": "greet", "label": "问候", "form": "customer", "on": {"created": True},
                   "do": [{"action": "send", "via": "in_app", "to": "owner", "template": "hello"}]}],
    }  # fmt: skip
    file = tmp_path / "greetings.json"
    file.write_text(json.dumps(package), encoding="utf-8")
    cli("app", "install", file, "--json").ok()
    assert templates.get("hello").text == "{{ record.name }}，您好"
    cli("app", "install", file, "--json").ok()
    assert templates.get("hello").version == 1
    out = tmp_path / "out.json"
    cli("app", "export", out).ok()
    assert [t["key"] for t in json.loads(out.read_text(encoding="utf-8"))["message_templates"]] == ["hello"]
    cli("app", "remove", "greetings").ok()
    assert templates.all() == []


def test_what_was_said_to_a_person_is_exported_moved_and_erased(pigeons, work):
    one, other = customer("欧阳测绘师", "13812340001"), customer("周", "13800000002")
    bo = person("bo").id
    reserve(to(one, "欧阳测绘师，您好", key="a"), to(other, "您好", key="b"))
    from appliance.messaging.outbox import Draft
    from appliance.messaging.senders import Target

    reserve(Draft("in_app", Target.user(bo), "欧阳测绘师三天没有跟进", key="c"))
    work()
    said = personal_data.collect(one, SYSTEM).document["messages"]["entries"]
    assert [entry["text"] for entry in said] == ["欧阳测绘师，您好"] and said[0]["address"] == "13812340001"
    form = catalog.get("customer")
    merging.merge(form, other, one, {}, SYSTEM)
    assert row("a").customer_id == other or row("b").customer_id == one
    kept = row("a").customer_id
    assert row("b").customer_id == kept
    erasing.erase(kept, "客户来电要求", SYSTEM)
    for message in Message.select().where(Message.customer_id == kept):
        assert (message.text, message.address, message.struck, message.cost) == ("", "", True, 450)
    assert "欧阳测绘师" not in row("c").text
    assert not MessageAttempt.select().where(MessageAttempt.address.contains("1381234")).exists()


def test_old_words_go_and_the_books_stay(pigeons, work, clock):
    one = customer()
    reserve(to(one, "旧消息", key="a"))
    work()
    policy.save(Policy(keep_days=30), SYSTEM)
    clock.move(days=29)
    jobs.enqueue("messages.upkeep")
    work()
    assert row("a").text == "旧消息"
    clock.move(days=3)
    jobs.enqueue("messages.upkeep")
    work()
    assert (row("a").text, row("a").address, row("a").cost, row("a").state) == ("", "", 450, "delivered")


def test_a_purged_customer_leaves_no_words_behind(client, pigeons, work):
    one = customer()
    reserve(to(one, "林小雨您好", key="a"), to(one, "还没发", key="b", due_at=policy.clock.now() + 3600))
    work()
    form = catalog.get("customer")
    records.delete(form, one, SYSTEM)
    from appliance.forms import purging

    with write():
        for fn in purging._also["customer"]:
            fn(form, [one])
    assert row("a").text == "" and (row("b").state, row("b").why) == ("cancelled", "erased")
