"""Kanban, calendar, gallery and tree through the front door: what they show, what they write, what they refuse."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from appliance.accounts import permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, query, records
from appliance.forms.boards import kanban
from tests.support.people import BO, CY

PROJECT = {
    "key": "project",
    "label": "活动",
    "title_field": "name",
    "color_field": "stage",
    "fields": [
        {"key": "name", "label": "名称", "type": "text", "required": True},
        {
            "key": "stage",
            "label": "阶段",
            "type": "choice",
            "indexed": True,
            "choices": [
                {"value": "idea", "label": "想法", "color": "gray"},
                {"value": "run", "label": "进行中", "color": "amber"},
                {"value": "done", "label": "完成", "color": "green"},
            ],
        },
        {"key": "live", "label": "直播", "type": "yes_no"},
        {"key": "owner", "label": "负责人", "type": "person"},
        {"key": "starts", "label": "开始", "type": "date", "indexed": True},
        {"key": "ends", "label": "结束", "type": "date"},
        {"key": "at", "label": "开播", "type": "datetime"},
        {"key": "budget", "label": "预算", "type": "money"},
        {"key": "parent", "label": "上级", "type": "relation", "form": "project"},
    ],
}


@pytest.fixture
def form(app, clock):
    clock.set("2026-06-15T10:00:00+08:00")
    return catalog.create_form(PROJECT, SYSTEM)


def add(form, name, **values):
    return records.create(form, {"name": name, **values}, SYSTEM)


def stored(form, record_id):
    return query.Query(form, SYSTEM).get(record_id).values


def columns(page):
    """The columns' labels with the counts beside them."""
    found = re.findall(
        r'<h2 id="column-\w+-name">([^<]*)</h2>\s*<span class="kanban-count num"[^>]*>(?:<span>([^<]*))?', page
    )
    return dict(found)


def toast(answer):
    return json.loads(answer.headers["HX-Trigger"])["guke:toast"]


def undo(client, answer):
    return client.post(toast(answer)["undo"], htmx=True)


# -- kanban -----------------------------------------------------------------------------------------------------------


def test_a_kanban_has_a_column_for_every_choice_with_count_and_sum(client, form):
    add(form, "甲", stage="idea", budget="100")
    add(form, "乙", stage="idea", budget="250.50")
    add(form, "丙", stage="done")
    add(form, "丁")
    page = client.get("/forms/project?kind=kanban&by=stage&sum=budget").text
    assert columns(page) == {"未填写": "1", "想法": "2", "进行中": "0", "完成": "1"}
    assert "¥350.50" in page and "ink-amber" in page


@pytest.mark.parametrize(("by", "labels"), [("live", ["是", "否"]), ("owner", [BO.name, "未填写"])])
def test_yes_or_no_and_people_make_columns_too(client, form, by, labels):
    add(form, "甲", live=True, owner=BO.login)
    page = client.get(f"/forms/project?kind=kanban&by={by}").text
    assert list(columns(page)) == labels


def test_a_card_moved_to_another_column_is_written_and_taken_back(client, form):
    one = add(form, "甲", stage="idea")
    answer = client.post(
        f"/forms/project/boards/move/{one}?kind=kanban&by=stage", data={"from": "idea", "to": "done"}, htmx=True
    )
    assert answer.status_code == 200 and stored(form, one)["stage"] == "done"
    assert "完成" in toast(answer)["message"] and 'hx-swap-oob="true"' in answer.text
    undo(client, answer)
    assert stored(form, one)["stage"] == "idea"


def test_a_card_goes_to_the_column_without_a_value_and_back(client, form):
    one = add(form, "甲", live=True)
    answer = client.post(
        f"/forms/project/boards/move/{one}?kind=kanban&by=live", data={"from": "1", "to": ""}, htmx=True
    )
    assert stored(form, one)["live"] is None
    undo(client, answer)
    assert stored(form, one)["live"] == 1


def test_a_card_that_somebody_moved_meanwhile_stays_where_they_put_it(client, form):
    one = add(form, "甲", stage="run")
    answer = client.post(
        f"/forms/project/boards/move/{one}?kind=kanban&by=stage", data={"from": "idea", "to": "done"}, htmx=True
    )
    assert answer.status_code == 409 and "进行中" in toast(answer)["message"]
    assert stored(form, one)["stage"] == "run"


@pytest.mark.parametrize("to", ["nonsense", "x" * 500])
def test_a_column_that_is_none_takes_no_card(client, form, to):
    one = add(form, "甲", stage="idea")
    answer = client.post(
        f"/forms/project/boards/move/{one}?kind=kanban&by=stage", data={"from": "idea", "to": to}, htmx=True
    )
    assert answer.status_code == 422 and stored(form, one)["stage"] == "idea"


def test_a_column_reads_on_where_it_ended(client, form):
    records.create_many(form, [{"name": f"第{i:02d}", "stage": "idea"} for i in range(25)], SYSTEM)
    page = client.get("/forms/project?kind=kanban&by=stage").text
    assert "第24" in page and "第05" in page and "第04" not in page
    more = re.search(r'hx-get="([^"]*boards/column[^"]*)"', page)[1].replace("&amp;", "&")
    rest = client.get(more, htmx=True).text
    assert "第04" in rest and "第00" in rest and "第05" not in rest


def test_search_and_filter_narrow_every_kind_of_view(client, form):
    for name in ("预热甲", "清仓乙"):
        add(form, name, stage="idea", starts="2026-06-10")
    for kind in ("list", "kanban", "calendar", "gallery", "tree"):
        page = client.get(f"/forms/project?kind={kind}&q=预热").text
        assert "预热甲" in page and "清仓乙" not in page, kind
        where = json.dumps({"field": "name", "op": "eq", "value": "清仓乙"})
        assert "预热甲" not in client.get("/forms/project", query_string={"kind": kind, "where": where}).text, kind


def test_a_large_form_is_counted_up_to_a_cap_and_exactly_on_request(client, form, monkeypatch):
    monkeypatch.setattr(kanban, "EXACT", 10)
    monkeypatch.setattr(kanban, "CAP", 15)
    rows = [{"name": f"第{i}", "stage": "idea" if i % 4 else "done", "budget": "1"} for i in range(40)]
    records.create_many(form, [*rows, {"name": "空的"}], SYSTEM)
    page = client.get("/forms/project?kind=kanban&by=stage&sum=budget").text
    assert columns(page) == {"未填写": "", "想法": "15+", "进行中": "", "完成": "10"}
    assert "¥10.00" in page
    first = client.get("/forms/project/boards/column?kind=kanban&by=stage&value=&first=1", htmx=True).text
    assert "空的" in first and ">1</span>" in first
    exact = client.get("/forms/project/boards/totals?kind=kanban&by=stage&sum=budget", htmx=True).text
    assert ">30</span>" in exact and "¥30.00" in exact


def test_closed_columns_stay_closed_for_the_person(client, staff_client, form):
    add(form, "甲", stage="idea")
    client.post("/forms/project/layout?kind=kanban", data={"layout": json.dumps({"collapsed": ["idea"]})}, htmx=True)
    assert re.search(r'kanban-column is-closed[^"]*" data-key="idea"', client.get("/forms/project?kind=kanban").text)
    assert "kanban-column is-closed" not in staff_client.get("/forms/project?kind=kanban").text


def test_a_form_without_anything_to_group_by_says_what_to_add(client, app):
    catalog.create_form(
        {"key": "plain", "label": "便签", "fields": [{"key": "t", "label": "字", "type": "text"}]}, SYSTEM
    )
    for kind, words in (("kanban", "加一个单选字段"), ("calendar", ""), ("tree", "关联自己")):
        page = client.get(f"/forms/plain?kind={kind}")
        assert page.status_code in (200, 422) and words in page.text


# -- calendar ---------------------------------------------------------------------------------------------------------


def test_a_month_begins_on_monday_and_shows_each_record_on_its_days(client, form):
    add(form, "一天", starts="2026-06-10")
    add(form, "三天", starts="2026-06-12", ends="2026-06-16")
    add(form, "别的月", starts="2026-08-10")
    page = client.get("/forms/project?kind=calendar&date=starts&until=ends").text
    days = re.findall(r'data-day="([\d-]+)"', page)
    assert days[0] == "2026-06-01" and days[-1] == "2026-07-05" and "2026年6月" in page
    bars = re.findall(r'cal-bar-entry (at-\d for-\d) lane-\d([^"]*)"[^>]*data-id="(\d+)"', page)
    # Friday to Sunday in one week, Monday and Tuesday in the next.
    assert [(place, ends.split()) for place, ends, _id in bars] == [
        ("at-3 for-1", ["begins", "ends"]),
        ("at-5 for-3", ["begins"]),
        ("at-1 for-2", ["ends"]),
    ]
    assert "别的月" not in page


def test_an_entry_moved_to_another_day_keeps_its_length_and_its_hour(client, form):
    one = add(form, "甲", starts="2026-06-12", ends="2026-06-16", at="2026-06-12 20:30")
    move = f"/forms/project/boards/move/{one}?kind=calendar&date=starts&until=ends"
    answer = client.post(move, data={"from": "2026-06-14", "to": "2026-06-20"}, htmx=True)
    assert (stored(form, one)["starts"], stored(form, one)["ends"]) == ("2026-06-18", "2026-06-22")
    undo(client, answer)
    assert (stored(form, one)["starts"], stored(form, one)["ends"]) == ("2026-06-12", "2026-06-16")
    answer = client.post(
        f"/forms/project/boards/move/{one}?kind=calendar&date=at",
        data={"from": "2026-06-12", "to": "2026-07-01"},
        htmx=True,
    )
    assert form.fields["at"].format(stored(form, one)["at"]) == "2026-07-01 20:30"
    undo(client, answer)
    assert form.fields["at"].format(stored(form, one)["at"]) == "2026-06-12 20:30"


def test_a_record_is_not_moved_in_the_days_that_guke_keeps(client, form):
    one = add(form, "甲")
    answer = client.post(
        f"/forms/project/boards/move/{one}?kind=calendar&date=created_at",
        data={"from": "2026-06-15", "to": "2026-06-16"},
        htmx=True,
    )
    assert answer.status_code in (403, 404, 422)


def test_a_full_day_says_how_many_more_and_lists_them(client, form, monkeypatch):
    records.create_many(form, [{"name": f"第{i:02d}", "starts": "2026-06-10"} for i in range(9)], SYSTEM)
    page = client.get("/forms/project?kind=calendar&date=starts").text
    assert "还有 6 条" in page
    day = client.get("/forms/project/boards/day?kind=calendar&date=starts&day=2026-06-10", htmx=True).text
    assert all(f"第{i:02d}" in day for i in range(9))
    assert client.get("/forms/project/boards/day?kind=calendar&day=no").status_code == 404


def test_a_crowded_month_is_read_day_by_day(client, form):
    rows = [{"name": f"第{i:03d}", "starts": f"2026-06-{i % 3 + 10}"} for i in range(450)]
    records.create_many(form, rows, SYSTEM)
    page = client.get("/forms/project?kind=calendar&date=starts").text
    assert page.count("还有 96+ 条") == 3


def test_weeks_and_months_are_walked_and_bad_days_are_today(client, form):
    page = client.get("/forms/project?kind=calendar&date=starts&span=week&on=2026-06-17").text
    assert re.findall(r'data-day="([\d-]+)"', page)[0] == "2026-06-15"
    assert "on=2026-06-10" in page and "on=2026-06-24" in page
    assert "2026年6月" in client.get("/forms/project?kind=calendar&date=starts&on=rubbish").text


# -- gallery and tree ---------------------------------------------------------------------------------------------------


def test_a_gallery_shows_the_chosen_fields(client, form):
    add(form, "甲", budget="12")
    page = client.get("/forms/project?kind=gallery&cards=budget").text
    assert "¥12.00" in page and "gallery-initial" in page
    assert "¥12.00" not in client.get("/forms/project?kind=gallery&cards=name").text.split("gallery")[1]


def test_a_tree_opens_level_by_level(client, form):
    top = add(form, "根")
    child = add(form, "枝", parent=top)
    add(form, "叶", parent=child)
    page = client.get("/forms/project?kind=tree").text
    assert "根" in page and "枝</a>" not in page
    below = client.get(f"/forms/project/boards/children/{top}?kind=tree&level=2", htmx=True).text
    assert "枝" in below and 'data-level="2"' in below and "叶" not in below


def test_a_branch_is_moved_but_never_under_itself(client, form):
    top, other = add(form, "根"), add(form, "另一根")
    child = add(form, "枝", parent=top)
    leaf = add(form, "叶", parent=child)
    move = "/forms/project/boards/move/{}?kind=tree"
    for wrong in (top, leaf, child):
        answer = client.post(move.format(top), data={"to": wrong}, htmx=True)
        assert answer.status_code == 422 and stored(form, top)["parent"] is None
    answer = client.post(move.format(child), data={"to": other}, htmx=True)
    assert stored(form, child)["parent"] == other
    undo(client, answer)
    assert stored(form, child)["parent"] == top
    client.post(move.format(child), data={"to": ""}, htmx=True)
    assert stored(form, child)["parent"] is None


# -- rights -----------------------------------------------------------------------------------------------------------


def narrow(**fields):
    rights = {"forms": {"*": {"verbs": list(permissions.VERBS), "fields": fields}}}
    users.add_role("narrow", "窄", permissions.Rights.open(rights))
    users.update(users.by_login(BO.login).id, SYSTEM, role="narrow")


@pytest.mark.parametrize("access", ["hidden", "masked"])
def test_what_is_not_seen_whole_makes_no_columns_and_no_days(staff_client, form, access):
    add(form, "甲", stage="idea", starts="2026-06-10", budget="77")
    narrow(stage=access, starts=access, budget=access)
    page = staff_client.get("/forms/project?kind=kanban&by=stage&sum=budget").text
    assert "想法" not in page and "77" not in re.sub(r"\d{5,}", "", page.split('id="kanban"')[1])
    assert '<option value="stage"' not in staff_client.get("/forms/project/boards/options?kind=kanban").text
    calendar = staff_client.get("/forms/project?kind=calendar&date=starts").text
    assert "cal-bar-entry" not in calendar or "开始" not in calendar


def test_what_may_not_be_written_is_not_dragged(staff_client, form):
    one = add(form, "甲", stage="idea")
    narrow(stage="read")
    page = staff_client.get("/forms/project?kind=kanban&by=stage").text
    assert "data-may-move" not in page and "data-move-card" not in page
    answer = staff_client.post(
        f"/forms/project/boards/move/{one}?kind=kanban&by=stage", data={"from": "idea", "to": "done"}, htmx=True
    )
    assert answer.status_code == 403 and stored(form, one)["stage"] == "idea"
    assert staff_client.get(f"/forms/project/records/{one}/cells/stage").status_code == 403


# -- views --------------------------------------------------------------------------------------------------------------


def save(client, name, url, shared=""):
    query_string = urlsplit(url).query
    answer = client.post(f"/forms/project/views?{query_string}", data={"name": name, "shared": shared})
    return int(parse_qs(urlsplit(answer.headers["Location"]).query)["view"][0])


def test_a_view_keeps_its_kind_and_what_it_shows(client, form):
    add(form, "甲", stage="idea", budget="5")
    view = save(client, "看阶段", "/?kind=kanban&by=stage&sum=budget&cards=owner")
    page = client.get(f"/forms/project?view={view}").text
    assert "想法" in columns(page) and "¥5.00" in page and "list-chips" not in page


def test_a_view_is_copied_under_a_name_of_its_own(client, form):
    view = save(client, "看阶段", "/?kind=kanban&by=live")
    twin = client.post(f"/forms/project/views/{view}/duplicate", htmx=True).headers["HX-Redirect"]
    page = client.get(twin).text
    assert "看阶段 副本" in page and list(columns(page)) == ["是", "否"]


def test_the_list_opens_with_the_view_of_the_role_else_with_the_persons_own(client, staff_client, cy_client, form):
    shared = save(client, "大家的", "/?kind=kanban&by=stage", shared="1")
    own = save(client, "我的", "/?kind=calendar&date=starts")
    assert client.get("/forms/project").status_code == 200
    client.post("/forms/project/views/start", data={"view": own}, htmx=True)
    assert client.get("/forms/project").headers["Location"].endswith(f"view={own}")
    assert client.get("/forms/project?view=0").status_code == 200
    roles = dict(
        re.findall(
            r'name="role" value="(\d+)".*?form-check-label">([^<]*)',
            client.get(f"/forms/project/views/{shared}/roles").text,
        )
    )
    staff = next(role for role, name in roles.items() if name == "员工")
    assert client.post(f"/forms/project/views/{own}/roles", data={"role": staff}, htmx=True).status_code == 422
    client.post(f"/forms/project/views/{shared}/roles", data={"role": staff}, htmx=True)
    assert staff_client.get("/forms/project").headers["Location"].endswith(f"view={shared}")
    assert cy_client.get("/forms/project").headers["Location"].endswith(f"view={shared}")
    assert staff_client.get(f"/forms/project/views/{shared}/roles").status_code == 403


def test_tabs_stand_as_the_person_put_them(client, staff_client, form):
    first, second = (save(client, name, "/?", shared="1") for name in ("甲视图", "乙视图"))
    client.post("/forms/project/views/order", data={"ids": f"{second},{first}"}, htmx=True)
    tabs = re.findall(r'data-view="(\d+)"', client.get("/forms/project").text)
    assert tabs == [str(second), str(first)]
    assert re.findall(r'data-view="(\d+)"', staff_client.get("/forms/project").text) == [str(first), str(second)]


def test_widths_and_frozen_columns_are_kept_for_the_person(client, staff_client, form):
    add(form, "甲")
    layout = {"widths": {"name": 222, "stage": 9999, "bad": "x"}, "frozen": 3}
    client.post("/forms/project/layout", data={"layout": json.dumps(layout)}, htmx=True)
    page = client.get("/forms/project").text
    assert 'width="222"' in page and 'width="800"' in page and 'data-frozen="3"' in page and "frozen-2" in page
    assert 'width="222"' not in staff_client.get("/forms/project").text


# -- cells --------------------------------------------------------------------------------------------------------------


def test_a_cell_is_edited_and_taken_back(client, form):
    one = add(form, "甲", stage="idea")
    url = f"/forms/project/records/{one}/cells/stage"
    assert 'name="stage"' in client.get(url, htmx=True).text
    answer = client.post(url, data={"stage": "done", "base": "想法"}, htmx=True)
    assert "完成" in answer.text and stored(form, one)["stage"] == "done"
    undo(client, answer)
    assert stored(form, one)["stage"] == "idea"


def test_a_wrong_cell_says_why_and_keeps_what_was_typed(client, form):
    one = add(form, "甲", budget="1")
    answer = client.post(
        f"/forms/project/records/{one}/cells/budget", data={"budget": "很多", "base": "1.00"}, htmx=True
    )
    assert answer.status_code == 422 and "很多" in answer.text and "field-error" in answer.text
    assert (
        client.post(f"/forms/project/records/{one}/cells/name", data={"name": "", "base": "甲"}, htmx=True).status_code
        == 422
    )


def test_two_people_in_one_cell_see_both_values(client, staff_client, form):
    one = add(form, "甲", budget="1")
    url = f"/forms/project/records/{one}/cells/budget"
    base = form.fields["budget"].form_value(stored(form, one)["budget"])
    staff_client.post(url, data={"budget": "2", "base": base}, htmx=True)
    answer = client.post(url, data={"budget": "3", "base": base}, htmx=True)
    assert (
        answer.status_code == 409 and "¥2.00" in answer.text and BO.name in answer.text and 'value="3"' in answer.text
    )
    assert client.get(f"/forms/project/records/{one}/cells/id", htmx=True).status_code == 404


def test_an_undo_that_is_none_is_refused(client, form):
    one = add(form, "甲")
    for values in ("", "[]", '{"name": 3}', '{"nothing": ["a", "b"]}'):
        answer = client.post(f"/forms/project/records/{one}/put_back", data={"values": values}, htmx=True)
        assert answer.status_code in (404, 422)
    assert CY.name


def test_a_form_says_itself_how_its_boards_begin(api, client):
    views = {"kanban": {"by": "live", "cards": ["budget"]}, "calendar": {"date": "ends"}}
    api.post("/forms", {**PROJECT, "views": views})
    api.post("/forms/project/records", {"values": {"name": "秋季", "ends": "2026-06-20", "budget": "9.50"}})
    page = client.get("/forms/project", query_string={"kind": "kanban"}).text
    assert "¥9.50" in page and "进行中" not in page
    page = client.get("/forms/project", query_string={"kind": "kanban", "by": "stage"}).text
    assert "进行中" in page
    problem = api.patch("/forms/project", {"views": {"kanban": {"by": "nothing"}}}, expect=422)
    assert problem["errors"][0]["field"] == "views.kanban.by"
