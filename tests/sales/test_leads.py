"""Leads: quick notes, becoming customers, the API of tasks, pools and conversion; merging and erasing reach them."""

from __future__ import annotations

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.customers import erasing
from appliance.forms import catalog
from appliance.sales import ownership, terms


def record(api, form, record_id):
    return api.get(f"/forms/{form}/records/{record_id}")["values"]


def make(api, form, /, **values):
    return api.post(f"/forms/{form}/records", {"values": values})["id"]


def test_a_quick_note_is_two_taps_from_the_leads_page(api, client, staff_client):
    lead = make(api, "lead", name="王芳", owner="bo")
    page = staff_client.get(f"/forms/lead/records/{lead}").text
    assert f"/follow-ups/lead/{lead}?dialog=1" in page
    assert "没接通" in staff_client.get(f"/follow-ups/lead/{lead}?dialog=1").text
    answer = staff_client.post(
        f"/follow-ups/lead/{lead}", data={"quick": "没接通", "kind": "phone", "next": "3"}, htmx=True
    )
    assert answer.status_code == 200 and "没接通" in answer.text
    follow_up = api.get("/forms/follow_up/records")["records"][0]["values"]
    assert (follow_up["content"], follow_up["kind"], follow_up["owner"]) == ("没接通", "phone", "bo")
    assert record(api, "lead", lead)["next_follow_up_at"] == follow_up["next_at"]
    refused = staff_client.post(f"/follow-ups/lead/{lead}", data={"content": " "}, htmx=True)
    assert refused.status_code == 422 and "content-error" in refused.text


def test_a_lead_becomes_a_new_customer_and_its_work_goes_along(api, client):
    lead = make(api, "lead", name="王芳", phone="13800001111", channel="douyin", owner="bo", remark="看过直播")
    follow_up = make(api, "follow_up", lead=lead, content="聊过")
    task = make(api, "task", title="寄样", lead=lead)
    answer = client.post(f"/leads/{lead}/convert", htmx=True)
    customer = int(answer.headers["HX-Redirect"].rpartition("/")[2])
    values = record(api, "customer", customer)
    assert (values["name"], values["phone"], values["owner"], values["remark"]) == (
        "王芳",
        "13800001111",
        "bo",
        "看过直播",
    )
    assert values["last_follow_up_at"] is not None
    after = record(api, "lead", lead)
    assert (after["stage"], after["customer"]) == ("converted", customer) and after["converted_at"]
    assert record(api, "follow_up", follow_up)["customer"] == record(api, "task", task)["customer"] == customer
    assert client.post(f"/leads/{lead}/convert", htmx=True).status_code == 422


def test_a_lead_joins_the_customer_who_has_its_phone_unless_told_otherwise(api, client):
    known = make(api, "customer", name="老客", phone="13800001111")
    lead, other = (make(api, "lead", name="王芳", phone="13800001111", wechat="wf", owner="bo") for _n in range(2))
    assert "并入「老客」" in client.get(f"/leads/{lead}/convert").text
    assert api.post(f"/leads/{lead}:convert")["customer"] == known
    values = record(api, "customer", known)
    assert (values["name"], values["wechat"], values["owner"]) == ("老客", "wf", "bo")
    new = api.post(f"/leads/{other}:convert", {"into": "new"})["customer"]
    assert new != known and record(api, "customer", new)["phone"] is None


def test_a_customer_whom_one_may_not_see_is_neither_found_nor_made_twice(api, staff_api):
    scope = {"verbs": ["see", "create", "edit"], "scope": {"whose": "me"}}
    api.patch("/roles/staff", {"forms": {"customer": scope, "lead": scope}})
    make(api, "customer", name="别人的", phone="13800001111", owner="cy")
    lead = make(api, "lead", name="王芳", phone="13800001111", owner="bo")
    problem = staff_api.post(f"/leads/{lead}:convert", expect=422)
    assert "已属于另一位客户" in problem["detail"] and "别人的" not in str(problem)
    assert api.get("/forms/customer/records", count=1)["total"] == 1


def test_tasks_of_the_api_are_ones_own_or_somebodys(api, staff_api):
    mine = api.post("/tasks", {"values": {"title": "我的", "due_at": "2030-01-02T09:00:00+08:00"}})
    his = api.post("/tasks", {"values": {"title": "他的", "assignee": "bo"}})
    assert [r["id"] for r in api.get("/tasks")["records"]] == [mine["id"]]
    assert [r["id"] for r in staff_api.get("/tasks")["records"]] == [his["id"]]
    assert [r["id"] for r in api.get("/tasks", assignee="bo")["records"]] == [his["id"]]
    assert len(api.get("/tasks", assignee="all")["records"]) == 2
    api.get("/tasks", assignee="nobody", expect=422)
    done = api.post(f"/tasks/{mine['id']}:done")
    assert done["values"]["status"] == "done" and api.get("/tasks")["records"] == []
    assert [r["id"] for r in api.get("/tasks", status="done")["records"]] == [mine["id"]]
    assert api.post(f"/tasks/{mine['id']}:reopen")["values"]["done_at"] is None
    api.post("/tasks/999:done", expect=404)


def test_who_sees_only_their_own_finds_the_pool_masked_and_owns_what_they_claim(api, staff_api):
    own = {"verbs": ["see", "create", "edit"], "scope": {"whose": "me"}}
    api.patch("/roles/staff", {"forms": {"lead": {**own, "fields": {"interest": "hidden"}}}})
    lead = make(api, "lead", name="公海线索", phone="13800001111", interest="面膜", wechat="wx_secret")
    staff_api.get(f"/forms/lead/records/{lead}", expect=404)
    shown = staff_api.get("/pool/lead")["records"]
    assert [row["id"] for row in shown] == [lead] and "interest" not in shown[0]["values"]
    assert "13800001111" not in str(shown) and "wx_secret" not in str(shown)
    assert staff_api.post("/pool/lead:claim", {"ids": [lead]})["claimed"] == [lead]
    assert staff_api.get(f"/forms/lead/records/{lead}")["values"]["phone"] == "13800001111"
    staff_api.post("/pool/lead:return", {"ids": [lead], "reason": ""}, expect=422)
    assert staff_api.post("/pool/lead:return", {"ids": [lead], "reason": "打错了"})["returned"] == 1
    staff_api.get(f"/forms/lead/records/{lead}", expect=404)
    api.get("/pool/customer", expect=404)
    api.get("/pool/order", expect=404)


def test_who_may_not_see_leads_has_no_pool(api, staff_api, staff_client):
    api.patch("/roles/staff", {"forms": {"lead": {"verbs": []}}})
    make(api, "lead", name="公海线索")
    for method, path in (("get", "/pool/lead"), ("post", "/pool/lead:claim")):
        assert staff_api.raw(method.upper(), path, {"ids": [1]} if method == "post" else None).status_code in (403, 404)
    assert staff_client.get("/pool/lead").status_code == 403


def test_a_merge_moves_tasks_follow_ups_and_what_is_kept_of_them_and_gives_them_back(api, client):
    stays, goes = make(api, "customer", name="王芳", owner="bo"), make(api, "customer", name="王芳芳", owner="bo")
    order = make(api, "order", number="1"), make(api, "order", number="2")
    task = make(api, "task", title="寄样", customer=goes)
    plain = make(api, "task", title="核对", form="order", record=order[1])
    make(api, "follow_up", customer=goes, content="聊过")
    merged = api.post("/forms/customer/records:merge", {"keep": stays, "merge": goes})
    after = record(api, "task", task)
    assert (after["customer"], after["form"], after["record"]) == (stays, "customer", stays)
    assert record(api, "customer", stays)["last_follow_up_at"] is not None
    of_orders = api.post("/forms/order/records:merge", {"keep": order[0], "merge": order[1]})
    assert record(api, "task", plain)["record"] == order[0]
    for form, merge in (("customer", merged), ("order", of_orders)):
        api.post(f"/forms/{form}/merges/{merge['merge']}:undo")
    assert record(api, "task", task)["record"] == goes and record(api, "task", plain)["record"] == order[1]
    assert record(api, "customer", stays)["last_follow_up_at"] is None


def test_the_timeline_and_an_erasure_reach_follow_ups_and_tasks(api, client):
    customer = make(api, "customer", name="王芳", owner="bo")
    make(api, "follow_up", customer=customer, content="王芳说要再想想")
    make(api, "task", title="给王芳寄样", customer=customer)
    timeline = client.get(f"/customers/{customer}/timeline").text
    assert "王芳说要再想想" in timeline and "给王芳寄样" in timeline
    terms.save("customer", 0, terms.STANDARD["customer"].document() | {"open": True}, SYSTEM)
    client.post(f"/pool/customer/{customer}/return", data={"reason": "王芳不要了"})
    assert ownership.of_record(catalog.get("customer"), customer)[0].reason == "王芳不要了"
    erasing.erase(customer, "本人要求", SYSTEM)
    for form in ("follow_up", "task"):
        assert "王芳" not in str(api.get(f"/forms/{form}/records")["records"])
    assert "王芳" not in ownership.of_record(catalog.get("customer"), customer)[0].reason


def test_settings_of_the_pool_are_kept_refused_beside_their_field_and_audited(client, api):
    good = {key: str(getattr(terms.STANDARD["lead"], key)) for key in terms.NUMBERS} | {
        "open": "1",
        "counts": ["order"],
    }
    wrong = client.post("/settings/pool/lead/0", data=good | {"days": "3", "warn_days": "5", "per_day": "viele"})
    assert wrong.status_code == 422 and "per_day-error" in wrong.text and 'value="viele"' in wrong.text
    assert client.post("/settings/pool/lead/0", data=good | {"days": "30"}).status_code == 303
    assert terms.book("lead").company.days == 30
    assert "修改公海规则" in client.get("/settings/log").text
    assert client.post("/settings/pool/late", data={"tasks.escalate_hours": "-1"}).status_code == 422


def test_only_who_keeps_the_settings_opens_them(staff_client):
    for path in ("/settings/pool", "/settings/pool/lead/0"):
        assert staff_client.get(path).status_code == 403


@pytest.mark.parametrize(
    "path", ["/tasks", "/tasks/team", "/pool/lead", "/pool/customer", "/settings/pool", "/me/reminders", "/"]
)
def test_every_page_opens_empty_and_in_english(client, path):
    client.post("/preferences", data={"locale": "en"})
    answer = client.get(path)
    assert answer.status_code == 200
