"""The page of a record through the front door: seeing, making, changing in place and as a whole, conflicts, history."""

from __future__ import annotations

import html
import json
import re

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, panels, query, records
from appliance.forms.hooks import Cause
from appliance.forms.models import Change
from tests.support.people import BO


@pytest.fixture
def customer(app):
    return records.create(catalog.get("customer"), {"name": "王小明", "city": "杭州", "phone": "13800138000"}, SYSTEM)


def url(record_id, rest=""):
    return f"/forms/customer/records/{record_id}{rest}"


def stored(record_id, form="customer"):
    return query.get(catalog.get(form), record_id, SYSTEM)


def inputs(page):
    """What the inputs of a rendered form hold, as a browser would send them."""
    out = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name and 'type="search"' not in tag:
            out[name[1]] = html.unescape(value[1]) if value else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>([^<]*)</textarea>', page):
        out[name] = html.unescape(text)
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', page, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        out[name] = html.unescape(chosen[1]) if chosen else ""
    return out


# -- seeing -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_records_fields_and_what_points_at_it(client, customer):
    records.create(catalog.get("order"), {"number": "A1", "customer": customer, "amount": "199"}, SYSTEM)
    page = client.get(url(customer)).text
    assert "王小明" in page and "杭州" in page and 'href="tel:13800138000"' in page
    related = client.get(url(customer, "/related/order/customer")).text
    assert "A1" in related and "¥199.00" in related and ">1</span>" in related


def test_related_lists_go_on_where_they_ended(client, customer):
    rows = [{"number": f"A{i:02d}", "customer": customer} for i in range(11)]
    records.create_many(catalog.get("order"), rows, SYSTEM)
    first = client.get(url(customer, "/related/order/customer")).text
    more = re.search(r'hx-get="([^"]*cursor[^"]*)"', first)[1].replace("&amp;", "&")
    second = client.get(more).text
    found = re.findall(r">(A\d\d)<", first) + re.findall(r">(A\d\d)<", second)
    assert sorted(found) == [row["number"] for row in rows] and "<h2>" not in second


def test_the_way_through_a_list_follows_its_order_and_filter(client, app):
    ids = records.create_many(
        catalog.get("customer"),
        [{"name": n, "city": c} for n, c in (("甲", "杭州"), ("乙", "上海"), ("丙", "杭州"))],
        SYSTEM,
    ).ids
    around = client.get(url(ids[0], "/neighbours?sort=city")).text
    links = re.findall(r'href="/forms/customer/records/(\d+)"[^>]*aria-label="([^"]+)"', around)
    assert (str(ids[2]), "上一条") in links or (str(ids[2]), "下一条") in links
    only = '/neighbours?where={"field":"city","op":"eq","value":"上海"}'
    assert "<a " not in client.get(url(ids[1], only)).text


# -- making -----------------------------------------------------------------------------------------------------------


def test_a_new_record_is_an_empty_form_filled_in(client):
    assert client.get("/forms/customer/new").status_code == 200
    answer = client.post("/forms/customer/new", data={"name": "李芳", "level": "金卡", "birthday": "1990-05-01"})
    assert answer.status_code == 303
    made = stored(int(answer.headers["Location"].rpartition("/")[2]))
    assert (made.values["name"], made.values["level"], made.values["birthday"]) == ("李芳", "gold", "1990-05-01")


def test_what_cannot_be_saved_is_said_beside_its_field_and_everything_stays_typed(client, customer):
    data = {"number": "", "amount": "很多", "customer": str(customer), "remark": "一\n二", "shop": "<旗舰店>"}
    answer = client.post("/forms/order/new", data=data)
    assert answer.status_code == 422
    kept = inputs(answer.text)
    assert (kept["amount"], kept["customer"], kept["remark"], kept["shop"]) == (
        "很多",
        str(customer),
        "一\n二",
        "<旗舰店>",
    )
    assert 'id="f-number-error"' in answer.text and 'id="f-amount-error"' in answer.text
    assert "王小明" in answer.text


def test_a_link_may_fill_fields_in(client, customer):
    held = inputs(client.get(f"/forms/order/new?customer={customer}&number=X1&total_paid=3").text)
    assert (held["customer"], held["number"]) == (str(customer), "X1")


def test_save_and_go_on_opens_an_empty_form(client):
    answer = client.post("/forms/customer/new", data={"name": "甲", "next": "new"})
    assert answer.headers["Location"].endswith("/forms/customer/new")


# -- one field --------------------------------------------------------------------------------------------------------


def test_a_field_is_changed_in_place(client, customer):
    editor = client.get(url(customer, "/fields/city?edit=1"), htmx=True).text
    held = inputs(editor)
    assert held["city"] == held["base"] == "杭州"
    answer = client.post(url(customer, "/fields/city"), data=held | {"city": "苏州"}, htmx=True)
    assert "苏州" in answer.text and "guke:saved" in answer.headers["HX-Trigger"]
    assert stored(customer).values["city"] == "苏州"


def test_a_value_that_does_not_fit_keeps_the_editor_open(client, customer):
    answer = client.post(url(customer, "/fields/birthday"), data={"birthday": "去年", "base": ""}, htmx=True)
    assert answer.status_code == 422 and 'id="f-birthday-error"' in answer.text


def test_another_field_changed_meanwhile_is_no_conflict(client, customer):
    records.update(catalog.get("customer"), customer, {"level": "vip"}, SYSTEM)
    answer = client.post(url(customer, "/fields/city"), data={"city": "苏州", "base": "杭州"}, htmx=True)
    assert answer.status_code == 200 and stored(customer).values["level"] == "vip"


def test_the_same_field_changed_meanwhile_shows_both_values_and_lets_choose(client, customer):
    records.update(catalog.get("customer"), customer, {"city": "宁波"}, SYSTEM)
    answer = client.post(url(customer, "/fields/city"), data={"city": "苏州", "base": "杭州"}, htmx=True)
    assert answer.status_code == 409 and "宁波" in answer.text and stored(customer).values["city"] == "宁波"
    held = inputs(answer.text)
    assert (held["city"], held["base"]) == ("苏州", "宁波")
    client.post(url(customer, "/fields/city"), data=held, htmx=True)
    assert stored(customer).values["city"] == "苏州"


FORBIDDEN_FIELDS = {"a field kept by Guke": "total_paid", "a field that is not there": "nothing"}


@pytest.mark.parametrize("case", FORBIDDEN_FIELDS)
def test_there_is_no_editor_for(client, customer, case):
    assert client.get(url(customer, f"/fields/{FORBIDDEN_FIELDS[case]}?edit=1")).status_code in (403, 404)


# -- the whole record -------------------------------------------------------------------------------------------------


def test_only_what_was_changed_on_the_edit_page_is_written(client, customer):
    held = inputs(client.get(url(customer, "/edit")).text)
    client.post(url(customer, "/edit"), data=held | {"remark": "常客"})
    assert stored(customer).values["remark"] == "常客"
    latest = client.get(url(customer, "/history")).text.split("<ol")[1].split("</li>")[0]
    assert "备注" in latest and "城市" not in latest


def test_edits_of_different_fields_by_two_people_both_stay(client, customer):
    held = inputs(client.get(url(customer, "/edit")).text)
    records.update(catalog.get("customer"), customer, {"level": "vip"}, SYSTEM)
    assert client.post(url(customer, "/edit"), data=held | {"city": "苏州"}).status_code == 303
    now = stored(customer).values
    assert (now["city"], now["level"]) == ("苏州", "vip")


def test_edits_of_one_field_by_two_people_are_shown_side_by_side(client, customer):
    held = inputs(client.get(url(customer, "/edit")).text)
    records.update(catalog.get("customer"), customer, {"city": "宁波"}, SYSTEM)
    answer = client.post(url(customer, "/edit"), data=held | {"city": "苏州", "remark": "新"})
    assert answer.status_code == 409 and ">宁波</div>" in answer.text
    kept = inputs(answer.text)
    assert (kept["city"], kept["remark"]) == ("苏州", "新") and stored(customer).values["city"] == "宁波"
    assert client.post(url(customer, "/edit"), data=kept | {"choose.city": "theirs"}).status_code == 303
    assert (stored(customer).values["city"], stored(customer).values["remark"]) == ("宁波", "新")
    client.post(
        url(customer, "/edit"), data=kept | {"choose.city": "mine", "base": json.dumps(json.loads(kept["base"]))}
    )
    assert stored(customer).values["city"] == "苏州"


def test_choosing_between_two_versions_does_not_take_back_what_others_did_elsewhere(client, customer):
    held = inputs(client.get(url(customer, "/edit")).text)
    records.update(catalog.get("customer"), customer, {"city": "宁波", "level": "vip"}, SYSTEM)
    answer = client.post(url(customer, "/edit"), data=held | {"city": "苏州"})
    client.post(url(customer, "/edit"), data=inputs(answer.text) | {"choose.city": "mine"})
    assert (stored(customer).values["city"], stored(customer).values["level"]) == ("苏州", "vip")


def test_the_api_answers_a_stale_version_with_what_is_there_now(api, customer):
    records.update(catalog.get("customer"), customer, {"city": "宁波"}, SYSTEM)
    answer = api.patch(f"/forms/customer/records/{customer}", {"values": {"city": "苏州"}, "version": 1}, expect=409)
    assert answer["record"]["values"]["city"] == "宁波" and answer["record"]["version"] == 2


# -- deleting ---------------------------------------------------------------------------------------------------------


def test_a_deleted_record_says_where_it_is_and_comes_back(client, customer):
    answer = client.post(url(customer, "/delete"), headers={"HX-Target": "page"}, htmx=True)
    assert "在回收站里" in answer.text
    gone = client.get(url(customer))
    assert gone.status_code == 404 and "恢复" in gone.text
    client.post(url(customer, "/restore"))
    assert client.get(url(customer)).status_code == 200


def test_a_deleted_record_is_not_there_for_who_may_not_restore_it(app, client, staff_client, customer):
    role = users.add_role("viewer", "只看", users.Rights.open({"forms": {"*": {"verbs": ["see"]}}}))
    users.update(users.by_login(BO.login).id, SYSTEM, role="viewer")
    assert role and staff_client.get(url(customer)).status_code == 200
    records.delete(catalog.get("customer"), customer, SYSTEM)
    gone = staff_client.get(url(customer))
    assert gone.status_code == 404 and "王小明" not in gone.text


# -- history ----------------------------------------------------------------------------------------------------------


def test_history_says_who_changed_what_and_why(client, customer):
    form = catalog.get("customer")
    client.post(url(customer, "/fields/level"), data={"level": "VIP", "base": ""}, htmx=True)
    records.update(form, customer, {"city": "上海"}, SYSTEM, cause=Cause("import", 3))
    text = re.sub(r"<[^>]+>|\s+", " ", client.get(url(customer, "/history")).text)
    text = re.sub(r"\s+", " ", text)
    assert "固客 修改了 · 导入 #3" in text and "城市 杭州 → 上海" in text
    assert "修改了" in text and "等级 VIP" in text and "新建了记录" in text


def test_long_histories_go_on(client, customer):
    form = catalog.get("customer")
    for i in range(25):
        records.update(form, customer, {"city": f"城{i}"}, SYSTEM)
    first = client.get(url(customer, "/history")).text
    more = re.search(r'hx-get="([^"]*before=\d+)"', first)[1]
    assert "新建了记录" not in first and "新建了记录" in client.get(more).text


# -- what higher rooms add --------------------------------------------------------------------------------------------


def test_rooms_add_panels_and_buttons(client, customer, monkeypatch):
    monkeypatch.setattr(panels, "_panels", {k: dict(v) for k, v in panels._panels.items()} | {"customer": {}})
    monkeypatch.setattr(panels, "_panels", __import__("collections").defaultdict(dict, panels._panels))
    monkeypatch.setattr(panels, "_pages", {})
    panels.panel("customer", "weather", "天气", place="side")(lambda record, actor: f"{record.title}那里晴")
    page = client.get(url(customer)).text
    assert 'id="panel-weather"' in page
    assert client.get(url(customer, "/panels/weather")).text == "王小明那里晴"
    assert client.get(url(customer, "/panels/nothing")).status_code == 404
    with pytest.raises(ValueError, match="weather"):
        panels.panel("customer", "weather", "又一个")


def test_the_json_of_pickers_and_the_base_of_forms_survive_quotes(client, app):
    made = records.create(catalog.get("customer"), {"name": 'O\'Neil "<b>"', "remark": "</script>"}, SYSTEM)
    held = inputs(client.get(url(made, "/edit")).text)
    assert json.loads(held["base"])["name"] == 'O\'Neil "<b>"'
    assert client.post(url(made, "/edit"), data=held).status_code == 303
    assert stored(made).version == 1


# -- going back -------------------------------------------------------------------------------------------------------


def changes_of(record_id, form="customer"):
    found = Change.select().where(Change.form_id == catalog.get(form).id, Change.record_id == record_id)
    return list(found.order_by(Change.id))


def test_a_version_is_restored_as_a_whole_after_showing_what_it_would_change(client, customer):
    form = catalog.get("customer")
    records.update(form, customer, {"city": "宁波", "tags": ["新客"]}, SYSTEM)
    records.update(
        form, customer, {"city": "苏州", "tags": {"add": ["回头客"], "remove": ["新客"]}, "level": "vip"}, SYSTEM
    )
    then = changes_of(customer)[1]
    shown = client.get(url(customer, f"/history/{then.id}"), htmx=True).text
    assert "苏州" in shown and "宁波" in shown and "新客" in shown
    answer = client.post(url(customer, f"/history/{then.id}"), htmx=True)
    assert answer.status_code == 204 and "guke:saved" in answer.headers["HX-Trigger"]
    now = stored(customer).values
    assert (now["city"], now["level"], now["tags"]) == ("宁波", None, ["新客"])
    assert changes_of(customer)[-1].cause_kind == "restore"
    undo = json.loads(answer.headers["HX-Trigger"])["guke:toast"]["undo"]
    client.post(undo, htmx=True)
    now = stored(customer).values
    assert (now["city"], now["level"], now["tags"]) == ("苏州", "vip", ["回头客"])


def test_one_old_value_is_put_back_and_the_rest_stays(client, app):
    form = catalog.get("order")
    order = records.create(form, {"number": "A1", "amount": "199.50", "remark": "一"}, SYSTEM)
    records.update(form, order, {"amount": "1", "remark": None}, SYSTEM)
    change = changes_of(order, "order")[-1]
    client.post(f"/forms/order/records/{order}/history/{change.id}?field=amount", htmx=True)
    now = stored(order, "order").values
    assert (now["amount"], now["remark"]) == (19950, None)


def test_the_history_is_narrowed_to_a_field_or_a_person(client, customer):
    form = catalog.get("customer")
    for n in range(30):
        records.update(form, customer, {"city": f"城{n}"}, SYSTEM)
    records.update(form, customer, {"level": "vip"}, users.actor_of(users.by_login(BO.login).id))
    only = client.get(url(customer, "/history?field=level"), htmx=True).text
    assert only.count('class="change ') == 1 and "城2" not in only
    bo = users.by_login(BO.login).id
    assert client.get(url(customer, f"/history?who={bo}"), htmx=True).text.count('class="change ') == 1
    assert client.get(url(customer, "/history?field=nothing")).status_code == 404


def test_nobody_restores_what_they_may_not_change(client, staff_client, customer):
    form = catalog.get("customer")
    records.update(form, customer, {"city": "宁波", "level": "vip"}, SYSTEM)
    role = {"forms": {"*": {"verbs": ["see", "edit"], "fields": {"city": "read"}}}}
    users.add_role("careful", "小心", users.Rights.open(role))
    users.update(users.by_login(BO.login).id, SYSTEM, role="careful")
    change = changes_of(customer)[-1]
    assert staff_client.post(url(customer, f"/history/{change.id}?field=city")).status_code == 404
    staff_client.post(url(customer, f"/history/{changes_of(customer)[0].id}"))
    assert (stored(customer).values["city"], stored(customer).values["level"]) == ("宁波", None)


# -- layout, related records, paper -----------------------------------------------------------------------------------


LAID_OUT = {
    "key": "repair",
    "label": "维修",
    "title_field": "title",
    "fields": [
        {"key": "title", "label": "标题", "type": "text", "required": True},
        {"key": "kind", "label": "类型", "type": "text"},
        {
            "key": "reason",
            "label": "退货原因",
            "type": "text",
            "show_if": {"field": "kind", "op": "eq", "value": "退货"},
        },
        {"key": "done", "label": "完成日", "type": "date", "width": "full"},
        {"key": "customer", "label": "客户", "type": "relation", "form": "customer"},
        {"key": "inner", "label": "内部号", "type": "text"},
    ],
    "layout": {
        "tabs": [
            {"label": "单据", "sections": [{"label": "来由", "columns": 3, "fields": ["title", "kind", "reason"]}]},
            {
                "label": "处理",
                "sections": [
                    {"label": "结果", "columns": 1, "collapsed": True, "fields": ["done", "customer", "created_at"]}
                ],
            },
        ],
        "hidden": ["inner"],
    },
}


@pytest.fixture
def repair(app, customer):
    form = catalog.create_form(LAID_OUT)
    return records.create(form, {"title": "杯子", "kind": "维修", "customer": customer, "inner": "X99"}, SYSTEM)


def test_a_page_follows_the_forms_layout(client, repair):
    page = client.get(f"/forms/repair/records/{repair}").text
    page = page[page.index('id="sections"') :]
    assert page.index("单据") < page.index("处理") and 'data-columns="3"' in page and "<details" in page
    assert "prop-full" in page and "创建时间" in page and "X99" not in page
    assert "退货原因" not in page.split('id="panel-comments"')[0].split('id="history"')[0]
    edit = client.get(f"/forms/repair/records/{repair}/edit").text
    assert 'data-live="' in edit and 'role="tab"' in edit and "创建时间" not in edit
    assert re.search(r'data-field="reason" hidden', edit)


def test_a_field_whose_condition_comes_true_appears(client, repair):
    held = inputs(client.get(f"/forms/repair/records/{repair}/fields/kind?edit=1", htmx=True).text)
    answer = client.post(f"/forms/repair/records/{repair}/fields/kind", data=held | {"kind": "退货"}, htmx=True)
    assert "guke:sections" in answer.headers["HX-Trigger"]
    assert "退货原因" in client.get(f"/forms/repair/records/{repair}/sections", htmx=True).text


def test_a_related_record_is_made_and_changed_without_leaving_the_page(client, repair, customer):
    dialog = client.get(f"/forms/repair/new?dialog=1&customer={customer}", htmx=True).text
    assert "<html" not in dialog and inputs(dialog)["customer"] == str(customer)
    wrong = client.post("/forms/repair/new", data=inputs(dialog), htmx=True)
    assert wrong.status_code == 422 and 'id="f-title-error"' in wrong.text and "<html" not in wrong.text
    made = client.post("/forms/repair/new", data=inputs(dialog) | {"title": "壶"}, htmx=True)
    assert made.status_code == 204 and "guke:related" in made.headers["HX-Trigger"]
    rows = client.get(url(customer, "/related/repair/customer")).text
    assert "壶" in rows and ">2</span>" in rows
    client.post(json.loads(made.headers["HX-Trigger"])["guke:toast"]["undo"], htmx=True)
    assert "壶" not in client.get(url(customer, "/related/repair/customer")).text


def test_an_existing_record_is_linked_unlinked_and_that_taken_back(client, repair, customer):
    form = catalog.get("repair")
    other = records.create(form, {"title": "盘"}, SYSTEM)
    base = url(customer, "/related/repair/customer")
    assert client.post(f"{base}/link", data={}, htmx=True).status_code == 422
    linked = client.post(f"{base}/link", data={"other": other}, htmx=True)
    assert stored(other, "repair").values["customer"] == customer
    client.post(json.loads(linked.headers["HX-Trigger"])["guke:toast"]["undo"], htmx=True)
    assert stored(other, "repair").values["customer"] is None
    gone = client.post(f"{base}/unlink/{repair}", htmx=True)
    assert stored(repair, "repair").values["customer"] is None
    client.post(json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"], htmx=True)
    assert stored(repair, "repair").values["customer"] == customer


def test_a_record_goes_onto_paper_and_into_a_code(client, repair):
    page = client.get(f"/forms/repair/records/{repair}/print").text
    assert "杯子" in page and "单据" in page and "处理" in page and "topbar" not in page
    assert client.get(f"/forms/repair/records/{repair}/code.svg").data.startswith(b"<svg")
    assert "/code.svg" in client.get(f"/forms/repair/records/{repair}/code", htmx=True).text
    assert client.get("/forms/repair/records/999/print").status_code == 404


def test_a_copy_takes_all_but_what_must_be_its_own(client, app, customer):
    order = records.create(catalog.get("order"), {"number": "A1", "customer": customer, "amount": "5"}, SYSTEM)
    held = inputs(client.get(f"/forms/order/new?copy={order}").text)
    assert (held["number"], held["amount"], held["customer"]) == ("", "5.00", str(customer))
