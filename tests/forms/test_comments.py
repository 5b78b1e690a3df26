"""Comments: said, changed and taken back by their author, seen by who sees the record, and told to whom they name."""

from __future__ import annotations

import json
import re

import pytest

from appliance.accounts import notices, permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, query, records
from tests.support.people import BO, CY


@pytest.fixture
def customer(app):
    return records.create(catalog.get("customer"), {"name": "王小明"}, SYSTEM)


def url(record_id, rest=""):
    return f"/forms/customer/records/{record_id}{rest}"


def person(who):
    return users.actor_of(users.by_login(who.login).id)


def say(client, record_id, text):
    return client.post(url(record_id, "/comments"), data={"text": text}, htmx=True)


def ids_on(page):
    return [int(i) for i in re.findall(r'id="comment-(\d+)"', page)]


def test_a_comment_is_said_changed_taken_away_and_brought_back(staff_client, customer):
    page = say(staff_client, customer, "先打电话\n<b>再发货</b> https://a.test/x").text
    assert "&lt;b&gt;再发货" in page and 'href="https://a.test/x"' in page
    (one,) = ids_on(page)
    edited = staff_client.post(url(customer, f"/comments/{one}"), data={"text": "先发货"}, htmx=True).text
    assert "先发货" in edited and "已修改" in edited
    gone = staff_client.post(url(customer, f"/comments/{one}/delete"), htmx=True)
    assert ids_on(gone.text) == [] and "还没有评论" in gone.text
    staff_client.post(json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"], htmx=True)
    assert ids_on(staff_client.get(url(customer, "/panels/comments"), htmx=True).text) == [one]


def test_an_empty_comment_is_refused_and_a_long_one_too(staff_client, customer):
    assert say(staff_client, customer, "  \n").status_code == 422
    answer = say(staff_client, customer, "长" * 5001)
    assert answer.status_code == 422 and "长长长" in answer.text


def test_nobody_changes_the_words_of_others(staff_client, cy_client, client, customer):
    (one,) = ids_on(say(staff_client, customer, "我说的").text)
    assert cy_client.post(url(customer, f"/comments/{one}"), data={"text": "改"}).status_code == 403
    assert cy_client.post(url(customer, f"/comments/{one}/delete")).status_code == 403
    assert client.post(url(customer, f"/comments/{one}"), data={"text": "改"}).status_code == 403
    assert client.post(url(customer, f"/comments/{one}/delete"), htmx=True).status_code == 200


def test_naming_somebody_tells_them_once(staff_client, cy_client, customer):
    cy, bo = person(CY), person(BO)
    page = say(staff_client, customer, f"@{cy.name}请跟进，抄送 @{CY.login} 和 @{bo.name}，a@{CY.login}.com 不算").text
    assert f'<span class="mention">@{cy.name}</span>' in page
    assert (notices.unread(cy), notices.unread(bo)) == (1, 0)
    listed = cy_client.get("/notices").text
    assert "王小明" in listed and bo.name in listed
    assert cy_client.get("/notices/count").json["waiting"] == 1
    link = re.search(r'href="(/notices/\d+)"', listed)[1]
    opened = cy_client.get(link)
    assert opened.status_code == 303 and opened.headers["Location"].startswith(url(customer))
    assert notices.unread(cy) == 0
    (one,) = ids_on(page)
    staff_client.post(url(customer, f"/comments/{one}"), data={"text": f"@{cy.name} 谢谢"}, htmx=True)
    assert notices.unread(cy) == 0


def test_only_who_may_see_the_record_can_be_named(staff_client, client, customer):
    rights = permissions.Rights.open({"forms": {"order": {"verbs": ["see"]}}})
    users.add_role("orders", "订单", rights)
    cy = person(CY)
    assert cy.name in client.get(url(customer, "/people?q=")).text
    users.update(cy.id, SYSTEM, role="orders")
    offered = [p["login"] for p in client.get(url(customer, "/people?q=")).json]
    assert BO.login in offered and CY.login not in offered
    say(client, customer, f"@{cy.name} 看一下")
    assert notices.unread(person(CY)) == 0


def test_notices_are_read_all_at_once_and_are_ones_own(cy_client, staff_client, app):
    cy = person(CY)
    for n in range(3):
        notices.tell([cy.id], "test", f"第{n}条")
    other = notices.of(cy)[0].id
    assert staff_client.get(f"/notices/{other}").status_code == 404
    cy_client.post("/notices/read")
    assert notices.unread(cy) == 0


def test_asking_for_the_count_does_not_keep_a_session_alive(staff_client, app, clock):
    from appliance.accounts.models import Session

    staff_client.get("/notices/count")
    before = Session.select(Session.last_seen_at).order_by(Session.last_seen_at.desc()).scalar()
    clock.move(minutes=10)
    staff_client.get("/notices/count", headers={"X-Poll": "1"})
    assert Session.select(Session.last_seen_at).order_by(Session.last_seen_at.desc()).scalar() == before
    staff_client.get("/notices/count")
    assert Session.select(Session.last_seen_at).order_by(Session.last_seen_at.desc()).scalar() > before


def test_the_api_reads_and_writes_comments(api, staff_api, customer):
    made = staff_api.post(f"/forms/customer/records/{customer}/comments", {"text": f"@{BO.login} 好"})
    assert made["author"] == BO.login and made["mentions"] == [BO.login]
    listed = api.get(f"/forms/customer/records/{customer}/comments")
    assert [c["text"] for c in listed["comments"]] == [f"@{BO.login} 好"] and listed["next_cursor"] is None
    api.post(f"/forms/customer/records/{customer}/comments", {"text": ""}, expect=422)
    api.post("/forms/customer/records/99/comments", {"text": "x"}, expect=404)
    api.get(f"/forms/customer/records/{customer}/comments", cursor="x", expect=422)


def test_comments_go_page_by_page(client, api, customer):
    for n in range(35):
        say(client, customer, f"第{n}句")
    first = api.get(f"/forms/customer/records/{customer}/comments")
    rest = api.get(f"/forms/customer/records/{customer}/comments", cursor=first["next_cursor"])
    assert len(first["comments"]) == 30 and len(rest["comments"]) == 5 and rest["next_cursor"] is None
    assert query.get(catalog.get("customer"), customer, SYSTEM).version == 1
