"""Records that may be there already: told while typing, paired by the nightly job."""

from __future__ import annotations

import re

import pytest

from appliance.accounts import permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, duplicates, records
from appliance.forms.models import Duplicate
from tests.support.people import BO


def make(form="customer", **values):
    return records.create(catalog.get(form), values, SYSTEM)


def hits(client, form="customer", own=None, **typed):
    text = client.post(f"/forms/{form}/similar" + (f"?id={own}" if own else ""), data=typed).text
    return [
        (int(i), why) for i, why in re.findall(r'records/(\d+)"[^>]*>[^<]*</a> <span class="muted">([^<]*)<', text)
    ], text


def test_the_same_phone_however_it_is_written_is_told(client, app):
    one = make(name="王小明", phone="13800138000")
    found, _text = hits(client, name="别人", phone="+86 138-0013-8000")
    assert found == [(one, "「手机」相同")] or found[0][0] == one
    assert hits(client, name="别人", phone="13800138001")[0] == []


def test_names_that_are_the_same_or_sound_the_same_are_told(client, app):
    same, sound = make(name="王小明"), make(name="王晓明")
    make(name="王大明"), make(name="李小明")
    assert [i for i, _why in hits(client, name="王小明")[0]] == [same, sound]


def test_companies_are_compared_without_the_words_for_company(client, app):
    one = make(name="杭州蓝天电子商务有限公司")
    make(name="杭州白云物流有限公司")
    assert [i for i, _why in hits(client, name="杭州蓝天电子商务")[0]] == [one]
    assert [i for i, _why in hits(client, name="杭州篮天电子商务有限公司")[0]] == [one]


def test_the_record_itself_is_no_duplicate_and_blank_fields_are_none(client, app):
    one = make(name="王小明", phone="13800138000")
    assert hits(client, own=one, name="王小明", phone="13800138000")[0] == []
    assert hits(client, name="", phone="")[0] == []


def test_a_unique_value_held_by_a_record_one_may_not_see_is_told_without_it(staff_client, app):
    make("order", number="SECRET-1", remark="机密")
    rights = {"verbs": list(permissions.VERBS), "scope": {"field": "number", "op": "starts_with", "value": "MINE"}}
    users.add_role("own", "自己的", permissions.Rights.open({"forms": {"*": rights}}))
    users.update(users.by_login(BO.login).id, SYSTEM, role="own")
    found, text = hits(staff_client, "order", number="SECRET-1")
    assert found == [] and "没有查看权限" in text and "records/" not in text


def test_similar_names_of_records_one_may_not_see_are_not_told(staff_client, app):
    make(name="王小明")
    rights = {"verbs": list(permissions.VERBS), "scope": {"field": "city", "op": "eq", "value": "上海"}}
    users.add_role("own", "自己的", permissions.Rights.open({"forms": {"*": rights}}))
    users.update(users.by_login(BO.login).id, SYSTEM, role="own")
    assert hits(staff_client, name="王小明")[1].strip() == ""


@pytest.fixture
def pairs(app, work):
    one, other = make(name="王小明", birthday="1990-01-01"), make(name="王小明", birthday="1990-01-01", city="杭州")
    make(name="王小明", birthday="1991-01-01")
    duplicates.ask(catalog.get("customer"), SYSTEM)
    work()
    return one, other


def test_the_job_pairs_records_and_a_decision_is_remembered(client, work, pairs):
    page = client.get("/forms/customer/duplicates").text
    assert page.count("data-pair") == 1 and "生日" in page and f"a={pairs[0]}&amp;b={pairs[1]}" in page
    row = Duplicate.get()
    client.post(f"/forms/customer/duplicates/{row.id}/dismiss", htmx=True)
    assert "没有发现重复" in client.get("/forms/customer/duplicates").text
    client.post("/forms/customer/duplicates")
    work()
    assert "没有发现重复" in client.get("/forms/customer/duplicates").text
    client.post(f"/forms/customer/duplicates/{row.id}/reopen", htmx=True)
    assert "data-pair" in client.get("/forms/customer/duplicates").text


def test_pairs_that_are_no_more_go_away(client, work, pairs):
    records.update(catalog.get("customer"), pairs[0], {"birthday": "1980-01-01"}, SYSTEM)
    duplicates.ask(catalog.get("customer"), SYSTEM)
    work()
    assert Duplicate.select().count() == 0


def test_pairs_are_shown_to_who_sees_both_records_and_the_reason(staff_client, pairs):
    def role(name, **rights):
        users.add_role(
            name, name, permissions.Rights.open({"forms": {"*": {"verbs": list(permissions.VERBS)} | rights}})
        )
        users.update(users.by_login(BO.login).id, SYSTEM, role=name)
        return staff_client.get("/forms/customer/duplicates").text

    assert "data-pair" not in role("half", scope={"field": "city", "op": "eq", "value": "杭州"})
    row = Duplicate.get()
    assert staff_client.post(f"/forms/customer/duplicates/{row.id}/dismiss").status_code == 404
    assert "data-pair" not in role("blind", fields={"birthday": "hidden"})


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("王小明", "王小明", True),
        ("王小明", "王晓明", True),
        ("王小明", "王大明", False),
        ("Blue Sky Ltd", "blue sky", True),
        ("Sky Blue Trading", "Blue Sky Trading", True),
        ("小米科技有限公司", "小米科技", True),
        ("杭州一号店", "杭州二号店", False),
        ("", "王", False),
    ],
)
def test_likeness(app, one, other, alike):
    assert (duplicates.likeness(one, other) >= duplicates.ALIKE) is alike
