"""Many records at once: what it would do, doing it, taking it back."""

from __future__ import annotations

import json
import re

import pytest

from appliance.accounts import permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.forms import bulk_edit, catalog, query, records
from tests.support.people import BO


@pytest.fixture
def many(app):
    form = catalog.get("customer")
    rows = [{"name": f"客{i:04d}", "city": "杭州" if i % 3 else "上海"} for i in range(30)]
    return records.create_many(form, rows, SYSTEM).ids


def form():
    return catalog.get("customer")


def cities(ids):
    return [r.values["city"] for r in query.Query(form(), SYSTEM).get_many(ids, ["city"])]


def post(client, action, data, part=""):
    return client.post(f"/forms/customer/bulk/{action}{part}", data=data, htmx=True)


def chosen(ids, **values):
    return {"ids": ",".join(map(str, ids)), **values}


def progress(answer):
    """Where the page asks how far a job is."""
    return re.search(r"/forms/customer/bulk/progress/\d+", answer.text)[0]


def toast(answer):
    return json.loads(answer.headers["HX-Trigger"])["guke:toast"]


def test_the_preview_counts_what_changes_and_shows_five(client, many):
    data = chosen(many, field="city", way="set", city="上海")
    page = post(client, "edit", data, "/preview").text
    assert "将修改 20 条，另有 10 条已经是这样" in page and page.count("<li>") == 5 and "<s>杭州</s> → 上海" in page


def test_a_field_is_written_and_one_click_brings_the_old_values_back(client, many):
    before = cities(many)
    answer = post(client, "edit", chosen(many, go="1", field="city", way="set", city="南京"))
    assert set(cities(many)) == {"南京"} and "30" in toast(answer)["message"]
    back = client.post(toast(answer)["undo"], htmx=True)
    assert cities(many) == before and "已恢复 30 条" in toast(back)["message"]
    assert client.post(toast(answer)["undo"], htmx=True).status_code == 409


def test_what_somebody_changed_since_is_kept_by_undo(client, many):
    before = cities(many)
    answer = post(client, "edit", chosen(many, go="1", field="city", way="set", city="南京"))
    records.update(form(), many[0], {"city": "苏州"}, SYSTEM)
    back = client.post(toast(answer)["undo"], htmx=True)
    assert cities(many) == ["苏州", *before[1:]] and "1 条后来又改过" in toast(back)["message"]


def test_a_field_is_emptied(client, many):
    post(client, "edit", chosen(many[:3], go="1", field="city", way="clear"))
    assert cities(many)[:3] == [None] * 3 and None not in cities(many)[3:]


def test_more_than_a_few_are_written_by_a_job_that_can_be_stopped_and_taken_back(client, work, many, monkeypatch):
    monkeypatch.setattr(bulk_edit, "AT_ONCE", 10)
    where = json.dumps({"field": "city", "op": "eq", "value": "杭州"})
    data = {"everything": "1", "where": where, "go": "1", "field": "city", "way": "set", "city": "南京"}
    answer = post(client, "edit", data)
    job = re.search(r"/bulk/progress/(\d+)", answer.text)[1]
    assert "南京" not in cities(many)
    work()
    assert cities(many).count("南京") == 20
    done = client.get(f"/forms/customer/bulk/progress/{job}", htmx=True)
    client.post(toast(done)["undo"], htmx=True)
    work()
    assert "南京" not in cities(many)


def test_tags_are_added_and_taken_by_the_field_and_by_the_action(client, many):
    def tags():
        return {tuple(r.values["tags"]) for r in query.Query(form(), SYSTEM).get_many(many, ["tags"])}

    answer = post(client, "edit", chosen(many, go="1", field="tags", way="add", tags="大促"))
    assert tags() == {("大促",)}
    preview = post(client, "edit", chosen(many, field="tags", way="add", tags="大促"), "/preview").text
    assert "将修改 0 条，另有 30 条已经是这样" in preview
    client.post(toast(answer)["undo"], htmx=True)
    assert tags() == {()}
    assert "do.tag" in post(client, "add_tag", chosen(many)).text
    seen = post(client, "add_tag", chosen(many, **{"do.tag": "老客"}), "/preview").text
    assert "老客" in seen and "将修改 30 条" in seen
    answer = post(client, "add_tag", chosen(many, go="1", **{"do.tag": "老客"}))
    assert tags() == {("老客",)}
    client.post(toast(answer)["undo"], htmx=True)
    assert tags() == {()}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "请选择要修改的字段"),
        ({"field": "name", "way": "set", "name": ""}, "请填写新的值"),
        ({"field": "points", "way": "set", "points": "1"}, "请选择要修改的字段"),
        ({"field": "nothing"}, "请选择要修改的字段"),
    ],
)
def test_what_cannot_be_is_said_in_the_dialog(client, many, given, words):
    answer = post(client, "edit", chosen(many, go="1", **given))
    assert answer.status_code == 422 and words in answer.text


def test_only_what_the_person_may_write_is_offered_and_written(staff_client, many):
    own = {
        "verbs": list(permissions.VERBS),
        "scope": {"field": "city", "op": "eq", "value": "上海"},
        "fields": {"phone": "read"},
    }
    users.add_role("narrow", "窄", permissions.Rights.open({"forms": {"*": own}}))
    users.update(users.by_login(BO.login).id, SYSTEM, role="narrow")
    dialog = post(staff_client, "edit", {"everything": "1"}).text
    assert 'value="phone"' not in dialog and 'value="channel"' in dialog
    post(staff_client, "edit", {"everything": "1", "go": "1", "field": "remark", "way": "set", "remark": "看过"})
    seen = [
        r.values["city"]
        for r in query.Query(form(), SYSTEM)
        .where({"field": "remark", "op": "contains", "value": "看过"})
        .page(50)
        .records
    ]
    assert seen == ["上海"] * 10


def test_a_rule_with_a_button_runs_over_what_is_chosen(client, staff_client, api, work, many):
    rule = {
        "key": "to_nanjing", "label": "迁到南京", "form": "customer", "on": {"manual": True}, "enabled": True,
        "do": [{"action": "set", "values": {"city": "南京"}}],
    }  # fmt: skip
    assert api.raw("POST", "/rules", rule).status_code == 201
    assert "迁到南京" in client.get("/forms/customer").text
    assert "南京" in post(client, "rule:to_nanjing", chosen(many[:2])).text
    before = cities(many)
    started = post(client, "rule:to_nanjing", chosen(many[:2], go="1"))
    work()
    assert cities(many)[:2] == ["南京"] * 2 and "南京" not in cities(many)[2:]
    done = client.get(progress(started), htmx=True)
    assert "已修改 2 条" in toast(done)["message"]
    assert staff_client.post(toast(done)["undo"], htmx=True).status_code == 404
    back = client.post(toast(done)["undo"], htmx=True)
    assert "已恢复 2 条" in toast(back)["message"] and cities(many) == before
    assert client.post(toast(done)["undo"], htmx=True).status_code == 409


def test_a_rule_that_changed_nothing_offers_no_undo(client, api, work, many):
    rule = {
        "key": "to_hz", "label": "迁到杭州", "form": "customer", "on": {"manual": True}, "enabled": True,
        "do": [{"action": "set", "values": {"city": "杭州"}}],
    }  # fmt: skip
    assert api.raw("POST", "/rules", rule).status_code == 201
    started = post(client, "rule:to_hz", chosen(many[1:2], go="1"))
    work()
    done = client.get(progress(started), htmx=True)
    assert "undo" not in toast(done) or not toast(done)["undo"]
