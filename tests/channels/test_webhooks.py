"""Calls of other systems: who may call, that nothing is lost or done twice, and what they become."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.channels import paths
from tests.support.clock import Clock
from tests.support.http import Api, Client

TOKEN = "a-token-of-the-caller"
Work = Callable[[], dict[str, Any]]

LEAD = {"data": {"id": "L-1", "user": {"name": "张三", "tel": "13800138000"}, "city": "杭州"}}
TO_LEAD = {
    "form": "lead",
    "key": None,
    "fields": {"name": {"path": "data.user.name"}, "phone": {"path": "data.user.tel"}, "source": {"default": "官网"}},
}


@pytest.fixture
def hook(api: Api, app: Flask) -> Callable[..., Any]:
    """Makes the connection ``shop``; ``hook(**params)``; ``hook.call(doc)`` calls it as an outsider."""
    return Hook(api, app)


class Hook:
    def __init__(self, api: Api, app: Flask) -> None:
        self.api, self.app = api, app

    def __call__(self, **params: Any) -> Hook:
        doc = {"kind": "webhook_in", "key": "shop", "label": "官网表单", "params": {"token": TOKEN} | params}
        self.api.post("/connections", doc, expect=201)
        return self

    def call(self, doc: Any, *, token: str | None = TOKEN, expect: int = 200, **options: Any) -> Any:
        raw = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
        query = {"token": token} if token else {}
        answer = self.app.test_client().post("/hooks/shop", data=raw, query_string=query, **options)
        assert answer.status_code == expect, answer.text
        return answer

    def states(self) -> dict[str, int]:
        from appliance.channels import calls
        from appliance.connections import store

        return calls.counts(store.get("shop").id)

    def records(self, form: str = "lead") -> list[dict[str, Any]]:
        return [record["values"] for record in self.api.get(f"/forms/{form}/records", sort="id")["records"]]


def test_a_call_becomes_a_record_and_tells_the_rules(hook: Hook, work: Work, client: Client) -> None:
    from appliance.connections import inbound
    from appliance.connections.models import WebhookCall
    from appliance.core.db import in_write

    told: list[tuple[list[int], bool]] = []
    inbound.on_call(lambda ids: told.append((list(ids), in_write())))
    try:
        hook(mapping=TO_LEAD)
        assert hook.call(LEAD).get_json() == {"code": 0, "msg": "success"}
        assert hook.states() == {"waiting": 1} and hook.records() == []
        work()
    finally:
        inbound._told.pop()
    [lead] = hook.records()
    assert (lead["name"], lead["phone"], lead["source"]) == ("张三", "13800138000", "官网")
    [(ids, inside)] = told
    row = WebhookCall.get_by_id(ids[0])
    assert inside and (row.form_key, row.body) == ("lead", LEAD)
    page = client.get("/settings/connections/shop/calls").text
    assert "已处理" in page and "138••••8000" in page and "13800138000" not in page


@pytest.mark.parametrize("carry", ["query", "header", "bearer"])
def test_the_token_may_stand_in_the_url_or_a_header(hook: Hook, carry: str) -> None:
    hook()
    headers = {"header": {"X-Guke-Token": TOKEN}, "bearer": {"Authorization": f"Bearer {TOKEN}"}}.get(carry, {})
    hook.call(LEAD, token=TOKEN if carry == "query" else None, headers=headers)
    assert hook.states() == {"kept": 1}


def test_who_has_no_token_is_turned_away_and_nothing_is_kept(hook: Hook, client: Client) -> None:
    hook()
    for token in (None, "", "wrong", TOKEN + "x"):
        answer = hook.call(LEAD, token=token, expect=401)
        assert answer.mimetype == "application/problem+json" and TOKEN not in answer.text
    unknown = client.post("/hooks/nobody", json=LEAD, csrf=False)
    assert unknown.status_code == 401
    assert client.get("/hooks/shop").status_code == 405
    assert hook.states() == {}
    assert "令牌不对" in client.get("/settings/connections/shop/calls").text


def test_without_token_and_secret_nobody_may_call(api: Api, hook: Hook) -> None:
    api.post("/connections", {"kind": "webhook_in", "key": "shop", "label": "x"}, expect=201)
    hook.call(LEAD, token=None, expect=401)
    assert "令牌" in api.raw("POST", "/connections/shop:test").get_json()["detail"]


def signed(body: bytes, stamp: int | None, secret: str = "the-shared-secret", digest: Any = hashlib.sha256) -> str:
    message = body if stamp is None else f"{stamp}.".encode() + body
    return hmac.new(secret.encode(), message, digest).hexdigest()


def test_a_signed_call_must_be_fresh_and_whole(hook: Hook, clock: Clock) -> None:
    from appliance.core import clock as core_clock

    hook(token="", secret="the-shared-secret")
    body, now = json.dumps(LEAD).encode(), core_clock.now()

    def send(expect: int, stamp: int = now, sign: str | None = None, sent: bytes = body) -> None:
        headers = {"X-Guke-Timestamp": str(stamp), "X-Guke-Signature": sign or "sha256=" + signed(body, stamp)}
        hook.call(sent, token=None, headers=headers, expect=expect)

    send(401, sign="sha256=" + "0" * 64)
    send(401, sent=body + b" ")
    send(401, stamp=now - 301)
    send(401, stamp=now + 301)
    hook.call(body, token=None, expect=401)
    assert hook.states() == {}
    send(200)
    assert hook.states() == {"kept": 1}


def test_a_platform_may_sign_the_body_alone_under_its_own_header(hook: Hook) -> None:
    hook(token="", secret="the-shared-secret", signing="body_sha1", signature_header="X-Red-Signature")
    body = json.dumps(LEAD).encode()
    hook.call(body, token=None, headers={"X-Red-Signature": "sha1=" + signed(body, None, digest=hashlib.sha1)})
    hook.call(body + b" ", token=None, headers={"X-Red-Signature": "sha1=" + signed(body, None)}, expect=401)


def test_our_own_signed_call_is_one_that_we_accept(hook: Hook, clock: Clock) -> None:
    from appliance.core import clock as core_clock
    from appliance.messaging.senders import webhook

    hook(token="", secret="the-shared-secret")
    body, now = json.dumps(LEAD).encode(), core_clock.now()
    headers = {webhook.TIMESTAMP: str(now), webhook.SIGNATURE: webhook.sign("the-shared-secret", now, body)}
    hook.call(body, token=None, headers=headers)


def test_the_same_call_twice_is_done_once(hook: Hook, work: Work) -> None:
    hook(mapping=TO_LEAD, id_path="data.id")
    hook.call(LEAD)
    hook.call(LEAD)
    work()
    changed = {"data": LEAD["data"] | {"city": "宁波"}}
    assert hook.call(changed).status_code == 200
    hook.call({"data": {"user": {"name": "李四"}}}, headers={"Idempotency-Key": "k-1"})
    hook.call({"data": {"user": {"name": "王五"}}}, headers={"Idempotency-Key": "k-1"})
    work()
    assert [lead["name"] for lead in hook.records()] == ["张三", "李四"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b'{"a": NaN}', 400),
        (b'{"a": "\\ud800"}', 400),
        (b"[" * 60 + b"]" * 60, 400),
        (b"[" * 100_000, 400),
        (b'{"a": "' + b"x" * 1_100_000 + b'"}', 413),
    ],
)
def test_what_is_no_good_json_is_refused(hook: Hook, body: bytes, status: int) -> None:
    hook()
    hook.call(body, expect=status)
    assert hook.states() == {}


def test_too_many_calls_in_a_minute_wait(hook: Hook) -> None:
    hook(per_minute=2)
    for number in range(2):
        hook.call({"n": number})
    assert int(hook.call({"n": 3}, expect=429).headers["Retry-After"]) > 0


def test_a_form_post_is_taken_too(hook: Hook, app: Flask, work: Work) -> None:
    hook(mapping={"form": "lead", "fields": {"name": {"path": "xm"}, "phone": {"path": "sj"}}})
    app.test_client().post("/hooks/shop", data={"xm": "张三", "sj": "13800138000"}, query_string={"token": TOKEN})
    work()
    assert hook.records()[0]["name"] == "张三"


def test_calls_that_came_before_the_mapping_are_worked_on_afterwards(hook: Hook, client: Client, work: Work) -> None:
    hook()
    hook.call(LEAD)
    page = client.get("/settings/connections/shop/mapping", query_string={"form": "lead"}).text
    assert 'name="path-name" value="data.user.name"' in page and 'name="path-phone" value="data.user.tel"' in page
    assert "138••••8000" in page
    typed = {"form": "lead", "target": ["name", "phone"], "path-name": "data.user.name", "path-phone": "data.user.tel"}
    tried = client.post("/settings/connections/shop/mapping", data=typed | {"do": "trial"})
    assert "新建 1 条" in tried.text and hook.records() == []
    saved = client.post("/settings/connections/shop/mapping", data=typed | {"do": "save"})
    assert saved.status_code == 303
    work()
    assert [lead["name"] for lead in hook.records()] == ["张三"] and hook.states() == {"done": 1}


def test_the_settings_of_a_hook_are_saved_without_touching_its_mapping(hook: Hook, api: Api, client: Client) -> None:
    hook(mapping=TO_LEAD)
    page = client.get("/settings/connections/shop").text
    assert "params.mapping" not in page and "params.signing" in page
    typed = {
        "label": "新名字",
        "enabled": "1",
        "params.token": "",
        "params.signing": "body",
        "params.id_path": "data.id",
    }
    assert client.post("/settings/connections/shop", data=typed).status_code == 303
    shown = api.get("/connections/shop")
    assert shown["params"]["mapping"]["form"] == "lead" and shown["params"]["signing"] == "body"
    assert shown["label"] == "新名字"
    hook.call(LEAD)


def test_a_wrong_mapping_says_what_is_wrong_and_keeps_what_was_typed(hook: Hook, client: Client) -> None:
    hook()
    hook.call(LEAD)
    url = "/settings/connections/shop/mapping"
    cases = {
        "data..name": "写得不对",
        "a[].b[].c": "只能有一个",
    }
    for path, why in cases.items():
        answer = client.post(url, data={"form": "lead", "target": "name", "path-name": path})
        assert answer.status_code == 422 and why in answer.text and f'value="{path}"' in answer.text
    missing = client.post(url, data={"form": "lead", "target": "phone", "path-phone": "data.user.tel"})
    assert missing.status_code == 422 and "必填" in missing.text


def test_a_list_leads_to_a_record_each_and_known_ones_are_updated(hook: Hook, api: Api, work: Work) -> None:
    fields = {
        "number": {"path": "orders[].no"}, "amount": {"path": "orders[].pay", "as": "fen"},
        "paid_at": {"path": "orders[].at"}, "shop": {"path": "shop.name"},
        "customer.phone": {"path": "orders[].buyer.phone"}, "customer.name": {"path": "orders[].buyer.nick"},
    }  # fmt: skip
    hook(mapping={"form": "order", "key": "number", "fields": fields})
    buyer = {"phone": "13800138000", "nick": "张三"}
    orders = [{"no": f"A{n}", "pay": 19900 * n, "at": 1764547200000, "buyer": buyer} for n in (1, 2)]
    hook.call({"shop": {"name": "旗舰店"}, "orders": orders})
    work()
    hook.call({"shop": {"name": "旗舰店"}, "orders": [orders[0] | {"pay": 100}]})
    work()
    first, second = hook.records("order")
    assert (first["number"], first["amount"], second["amount"]) == ("A1", "1.00", "398.00")
    assert first["paid_at"].startswith("2025-12-01T08:00:00") and first["shop"] == "旗舰店"
    assert first["customer"] == second["customer"]
    assert [customer["name"] for customer in hook.records("customer")] == ["张三"]


def test_a_customer_is_recognised_by_any_identity(hook: Hook, api: Api, work: Work) -> None:
    api.post("/forms/customer/records", {"values": {"name": "张三", "identities": {"douyin_id": ["dy1"]}}}, expect=201)
    fields = {"douyin_id": {"path": "id"}, "city": {"path": "city"}, "name": {"path": "nick"}}
    hook(mapping={"form": "customer", "key": "*", "fields": fields})
    hook.call({"id": "dy1", "city": "杭州"})
    hook.call({"id": "dy2", "nick": "李四"})
    work()
    assert [(c["name"], c["city"]) for c in hook.records("customer")] == [("张三", "杭州"), ("李四", None)]


def test_a_call_that_fails_leaves_the_others_and_opens_one_incident_with_a_retry(
    hook: Hook, api: Api, work: Work, client: Client
) -> None:
    from appliance.core import incidents

    hook(mapping=TO_LEAD)
    for phone in ("not a phone", "13800138000", "neither"):
        hook.call({"data": {"user": {"name": "张三", "tel": phone}}})
    work()
    assert hook.states() == {"done": 1, "failed": 2} and len(hook.records()) == 1
    [incident] = [row for row in incidents.unresolved() if row.kind == "webhook"]
    assert "2 次" in incident.why
    wanted = {**TO_LEAD, "fields": {"name": {"path": "data.user.name"}, "remark": {"path": "data.user.tel"}}}
    api.patch("/connections/shop", {"params": {"mapping": wanted}})
    incidents.retry(incident.id)
    work()
    assert hook.states() == {"done": 3} and len(hook.records()) == 3
    assert [row for row in incidents.unresolved() if row.kind == "webhook"] == []


def test_nothing_is_lost_when_the_worker_dies_after_the_answer(hook: Hook, work: Work, clock: Clock) -> None:
    from appliance.core.jobs import owner, queue

    hook(mapping=TO_LEAD)
    hook.call(LEAD)
    job = queue.claim()
    assert job is not None
    # The process that had it is gone: nobody renews its lease.
    owner.left(job.id)
    clock.move(hours=1)
    work()
    assert len(hook.records()) == 1 and hook.states() == {"done": 1}


def test_the_address_with_its_token_is_shown_once(api: Api, client: Client, hook: Hook) -> None:
    client.post("/settings/connections/new/webhook_in", data={"label": "官网表单", "enabled": "1"})
    key = api.get("/connections")["connections"][0]["key"]
    assert "还没有令牌" in client.get(f"/settings/connections/{key}/calls").text
    made = client.post(f"/settings/connections/{key}/token").text
    found = re.search(r"token=([\w-]{20,})", made)
    assert found and f"/hooks/{key}?token=" in made
    token = found[1]
    assert token not in client.get(f"/settings/connections/{key}/calls").text
    assert token not in json.dumps(api.get("/connections"))
    answer = client.post(f"/hooks/{key}", query_string={"token": token}, json={"a": 1}, csrf=False)
    assert answer.status_code == 200


def test_the_log_hides_secrets_and_is_for_administrators(hook: Hook, client: Client, staff_client: Client) -> None:
    hook()
    hook.call({"access_token": "abc-secret", "nested": {"password": "hunter2", "id": "330102199001011234"}})
    page = client.get("/settings/connections/shop/calls").text
    for secret in ("abc-secret", "hunter2", "330102199001011234"):
        assert secret not in page
    for url in ("/settings/connections/shop/calls", "/settings/connections/shop/mapping"):
        assert staff_client.get(url).status_code == 403


def test_calls_are_forgotten_when_their_time_is_over(hook: Hook, work: Work, clock: Clock) -> None:
    from appliance.connections.models import HookCall, WebhookCall

    hook(mapping=TO_LEAD)
    hook.call(LEAD)
    work()
    clock.move(days=32)
    work()
    assert HookCall.select().count() == WebhookCall.select().count() == 0 and len(hook.records()) == 1


def test_an_erased_customer_stands_in_no_call_any_more(hook: Hook, api: Api, client: Client, work: Work) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.connections.models import HookCall, WebhookCall
    from appliance.customers import erasing

    fields = {"name": {"path": "data.user.name"}, "phone": {"path": "data.user.tel"}}
    hook(mapping={"form": "customer", "key": "phone", "fields": fields})
    hook.call(LEAD)
    work()
    customer = api.get("/forms/customer/records")["records"][0]["id"]
    erasing.erase(customer, "本人要求", SYSTEM)
    kept = str(HookCall.get().body) + json.dumps(WebhookCall.get().body, ensure_ascii=False)
    assert "张三" not in kept and "13800138000" not in kept


KEYS = st.text('ab.[]="张', min_size=1, max_size=4)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(DOCUMENTS)
def test_every_value_that_is_offered_is_found_by_its_path(doc: Any) -> None:
    for leaf in paths.leaves(doc):
        steps = paths.parse(leaf.path)
        where = paths.list_of(steps)
        if where is None:
            assert paths.get(doc, steps) == leaf.value
        else:
            entries = paths.get(doc, where)
            assert paths.get(entries[0], steps[len(where) + 1 :]) == leaf.value


def test_named_values_are_picked_by_their_name() -> None:
    doc = {"data": [{"label": "姓名", "value": "张三"}, {"label": "手机", "value": "13800138000"}]}
    found = {leaf.name: leaf.path for leaf in paths.leaves(doc)}
    assert found == {"姓名": "data[label=姓名].value", "手机": "data[label=手机].value"}
    assert paths.get(doc, paths.parse(found["手机"])) == "13800138000"
