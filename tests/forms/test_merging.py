"""Merging two records field by field, and taking it back."""

from __future__ import annotations

import pytest

from appliance.accounts import permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.customers import identities
from appliance.forms import catalog, comments, merging, query, records
from appliance.forms.models import Change, Merge
from tests.support.people import BO


def make(form="customer", **values):
    return records.create(catalog.get(form), values, SYSTEM)


def stored(record_id, form="customer"):
    return query.get(catalog.get(form), record_id, SYSTEM)


def amy():
    return users.actor_of(users.by_login("amy").id)


@pytest.fixture
def two(app):
    one = make(name="王小明", phone="13800138000", city="杭州", tags=["新客"], identities={"member_no": ["001"]})
    other = make(name="王晓明", phone="13900139000", wechat="wx1", tags=["回头客"], identities={"member_no": ["002"]})
    make("order", number="A1", customer=other, amount="199")
    comments.add(query.get(catalog.get("customer"), other, amy()), "老客户", amy(), "/")
    return one, other


def test_two_records_become_one_and_two_again(client, two):
    one, other = two
    form = catalog.get("customer")
    before = {i: stored(i).values for i in two}
    page = client.get(f"/forms/customer/merge?a={one}&b={other}").text
    assert "王小明" in page and "王晓明" in page and "合并为一条" in page and "订单 1" in page
    answer = client.post(
        "/forms/customer/merge",
        data={"target": one, "source": other, "choose.name": "target", "choose.phone": "source"},
    )
    assert answer.status_code == 303
    now = stored(one).values
    assert (now["name"], now["phone"], now["wechat"], now["city"]) == ("王小明", "13900139000", "wx1", "杭州")
    assert sorted(now["tags"]) == ["回头客", "新客"]
    assert sorted(now["identities"]["member_no"]) == ["001", "002"]
    # The phone that was not chosen still leads to the customer.
    assert identities.owners([identities.Key("phone", "13800138000")]) == {identities.Key("phone", "13800138000"): one}
    assert query.Query(catalog.get("order"), SYSTEM).where({"field": "customer", "op": "eq", "value": one}).count() == 1
    assert comments.count(stored(one)) == 1
    assert query.Query(form, SYSTEM, deleted=True).get(other).id == other
    merged = client.get(answer.headers["Location"]).text
    assert "撤销合并" in merged
    assert "合并 #" in client.get(f"/forms/customer/records/{one}/history", htmx=True).text

    back = client.post(answer.headers["Location"] + "/undo")
    assert back.status_code == 303
    for record_id, values in before.items():
        found = stored(record_id).values
        same = {k: (sorted(v) if isinstance(v, list) else v) for k, v in found.items() if not form.fields[k].readonly}
        assert same == {
            k: (sorted(v) if isinstance(v, list) else v) for k, v in values.items() if not form.fields[k].readonly
        }
    assert comments.count(stored(other)) == 1
    assert (
        query.Query(catalog.get("order"), SYSTEM).where({"field": "customer", "op": "eq", "value": other}).count() == 1
    )
    assert "撤销了这次合并" in client.get(answer.headers["Location"]).text


def test_nobody_chooses_the_fuller_and_the_newer_value_wins(app, clock):
    one = make(name="甲", city="杭州")
    clock.move(days=1)
    other = make(name="乙", wechat="wx")
    merging.merge(catalog.get("customer"), one, other, {}, SYSTEM)
    now = stored(one).values
    assert (now["name"], now["city"], now["wechat"]) == ("乙", "杭州", "wx")


def test_a_record_that_holds_more_is_the_one_that_stays(app):
    one, other = make(name="甲"), make(name="甲", city="杭州", wechat="x")
    target, _source = merging.fuller(stored(one), stored(other))
    assert target.id == other


def test_what_was_changed_after_the_merge_stays_when_it_is_taken_back(app, two):
    one, other = two
    form = catalog.get("customer")
    merge_id = merging.merge(form, one, other, {"name": "source"}, SYSTEM)
    records.update(form, one, {"name": "王明"}, SYSTEM)
    assert merging.undo(form, merge_id, SYSTEM) == 1
    assert stored(one).values["name"] == "王明" and stored(one).values["wechat"] is None


def test_what_stands_against_taking_back_is_said(client, api, two):
    one, other = two
    form = catalog.get("customer")
    third = make(name="丙")
    first = merging.merge(form, one, other, {}, amy())
    second = merging.merge(form, third, one, {}, amy())
    assert "先撤销后来的合并" in client.get(f"/forms/customer/merges/{first}").text
    api.post(f"/forms/customer/merges/{first}:undo", expect=409)
    api.post(f"/forms/customer/merges/{second}:undo")
    records.delete(form, one, SYSTEM)
    assert "已被删除" in client.get(f"/forms/customer/merges/{first}").text
    records.restore(form, one, SYSTEM)
    assert api.post(f"/forms/customer/merges/{first}:undo")["kept_values"] == 0
    api.post(f"/forms/customer/merges/{first}:undo", expect=409)
    assert stored(other).values["name"] == "王晓明"


def test_a_value_somebody_else_took_meanwhile_stops_the_undo_whole(app, two):
    one, other = two
    form = catalog.get("customer")
    merge_id = merging.merge(form, one, other, {"phone": "target"}, SYSTEM)
    records.update(form, one, {"identities": {"remove": ["phone:13900139000"]}}, SYSTEM)
    make(name="丁", phone="13900139000")
    with pytest.raises(merging.Conflict):
        merging.undo(form, merge_id, SYSTEM)
    assert stored(one).values["wechat"] == "wx1" and Merge.get_by_id(merge_id).undone_at is None


def test_a_company_made_form_merges_too(api, app):
    catalog.create_form(
        {
            "key": "ticket",
            "label": "工单",
            "title_field": "title",
            "fields": [
                {"key": "title", "label": "标题", "type": "text"},
                {"key": "number", "label": "编号", "type": "text", "unique": True},
                {"key": "kinds", "label": "类别", "type": "multi_choice", "choices": ["甲", "乙", "丙"]},
                {"key": "price", "label": "价格", "type": "money"},
                {"key": "parent", "label": "上级", "type": "relation", "form": "ticket"},
            ],
        }
    )
    one = make("ticket", title="一", number="N1", kinds=["甲"], price="3.5")
    other = make("ticket", title="二", number="N2", kinds=["乙"], price="4.5")
    child = make("ticket", title="三", parent=other)
    answer = api.post(
        "/forms/ticket/records:merge",
        {
            "keep": one,
            "merge": other,
            "choose": {"number": "merge", "kinds": "both", "price": "merge", "title": "keep"},
        },
    )
    assert answer["record"]["values"] | {} and answer["record"]["values"]["number"] == "N2"
    assert answer["record"]["values"]["price"] == "4.50" and sorted(answer["record"]["values"]["kinds"]) == ["乙", "甲"]
    assert stored(child, "ticket").values["parent"] == one
    api.post(f"/forms/ticket/merges/{answer['merge']}:undo")
    assert stored(child, "ticket").values["parent"] == other
    assert (stored(one, "ticket").values["number"], stored(other, "ticket").values["number"]) == ("N1", "N2")
    assert stored(one, "ticket").values["price"] == 350 and stored(one, "ticket").values["kinds"] == ["甲"]


def test_a_merge_that_changes_nothing_is_in_the_history_all_the_same(app):
    one, other = make(name="甲"), make(name="甲")
    merge_id = merging.merge(catalog.get("customer"), one, other, {}, SYSTEM)
    told = Change.select().where(Change.cause_kind == "merge", Change.cause_id == merge_id)
    assert {(c.record_id, c.action) for c in told} == {(one, "update"), (other, "delete")}


def test_wrong_merges_are_refused(api, staff_api, two):
    one, other = two
    root = "/forms/customer/records:merge"
    api.post(root, {"keep": one, "merge": one}, expect=422)
    api.post(root, {"keep": one}, expect=422)
    api.post(root, {"keep": one, "merge": 999}, expect=404)
    api.post(root, {"keep": one, "merge": other, "choose": {"name": "both"}}, expect=422)
    api.post(root, {"keep": one, "merge": other, "choose": {"order_count": "merge"}}, expect=422)
    users.add_role("no_delete", "不删", permissions.Rights.open({"forms": {"*": {"verbs": ["see", "edit"]}}}))
    users.update(users.by_login(BO.login).id, SYSTEM, role="no_delete")
    staff_api.post(root, {"keep": one, "merge": other}, expect=403)


def test_values_that_the_merger_may_not_see_stay_with_the_target(staff_api, app):
    one, other = make(name="甲", wechat="secret1"), make(name="甲", wechat="secret2", city="杭州")
    rights = {"forms": {"*": {"verbs": list(permissions.VERBS), "fields": {"wechat": "hidden"}}}}
    users.add_role("blind", "看不到微信", permissions.Rights.open(rights))
    users.update(users.by_login(BO.login).id, SYSTEM, role="blind")
    staff_api.post("/forms/customer/records:merge", {"keep": one, "merge": other})
    assert stored(one).values["wechat"] == "secret1" and stored(one).values["city"] == "杭州"
    staff_api.post(
        "/forms/customer/records:merge", {"keep": one, "merge": other, "choose": {"wechat": "merge"}}, expect=404
    )


def test_line_items_and_files_go_along_and_come_back(app):
    import io

    from appliance.forms import uploads

    catalog.create_form(
        {"key": "bill", "label": "账单", "title_field": "title", "fields": [
            {"key": "title", "label": "标题", "type": "text"},
            {"key": "files", "label": "附件", "type": "attachments"},
            {"key": "rows", "label": "明细", "type": "sub_form", "fields": [
                {"key": "what", "label": "品名", "type": "text"}, {"key": "price", "label": "价格", "type": "money"},
            ]},
        ]}
    )  # fmt: skip
    file = uploads.hold(io.BytesIO(b"hello"), "a.txt", SYSTEM).id
    one = make("bill", title="一", rows=[{"what": "杯", "price": "1"}])
    other = make("bill", title="二", rows=[{"what": "盘", "price": "2"}, {"what": "碗", "price": "3"}], files=[file])
    form = catalog.get("bill")

    def held(record_id):
        values = stored(record_id, "bill").values
        return [row["what"] for row in values["rows"]], [f["id"] for f in values["files"]]

    merge_id = merging.merge(form, one, other, {"title": "target"}, SYSTEM)
    assert held(one) == (["杯", "盘", "碗"], [file])
    merging.undo(form, merge_id, SYSTEM)
    assert held(one) == (["杯"], []) and held(other) == (["盘", "碗"], [file])


def test_a_record_that_stands_in_lists_of_others_is_replaced_there(app):
    catalog.create_form(
        {"key": "club", "label": "社群", "title_field": "title", "fields": [
            {"key": "title", "label": "标题", "type": "text"},
            {"key": "members", "label": "成员", "type": "relations", "form": "customer"},
        ]}
    )  # fmt: skip
    one, other = make(name="甲"), make(name="乙")
    club = make("club", title="一", members=[other])
    both = make("club", title="二", members=[one, other])
    merge_id = merging.merge(catalog.get("customer"), one, other, {}, SYSTEM)
    assert stored(club, "club").values["members"] == [one] and stored(both, "club").values["members"] == [one]
    merging.undo(catalog.get("customer"), merge_id, SYSTEM)
    assert stored(club, "club").values["members"] == [other]
    assert sorted(stored(both, "club").values["members"]) == [one, other]
