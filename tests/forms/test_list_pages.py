"""Lists through the front door: rows, filters, order, paging, saved views, many records at once, the recycle bin."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.forms import catalog, query, records

NAMES = ["王小明", "李芳", "张伟", "刘洋", "陈静", "赵磊"]
CITIES = ["杭州", "上海", "杭州", "北京", "杭州", None]


@pytest.fixture
def six(app):
    """Six customers, the last one newest; returns their ids by name."""
    form = catalog.get("customer")
    rows = [
        {"name": n, "city": c, "phone": f"1380000000{i}", "level": "vip" if i < 2 else None}
        for i, (n, c) in enumerate(zip(NAMES, CITIES, strict=True))
    ]
    return dict(zip(NAMES, records.create_many(form, rows, SYSTEM).ids, strict=True))


def titles(html):
    return re.findall(r'<th scope="row" class="title"><a href="[^"]*">([^<]*)</a>', html)


def where(doc):
    return quote(json.dumps(doc, ensure_ascii=False))


CITY = {"field": "city", "op": "eq", "value": "杭州"}
VIP = {"field": "level", "op": "eq", "value": "vip"}

SHOWN = {
    "everything, the newest first": ("", NAMES[::-1]),
    "what is searched for": ("?q=xiaoming", ["王小明"]),
    "what a filter lets through": (f"?where={where(CITY)}", ["陈静", "张伟", "王小明"]),
    "what two filters let through": (f"?where={where({'all': [CITY, VIP]})}", ["王小明"]),
    "search within a filter": (f"?q={quote('张')}&where={where(CITY)}", ["张伟"]),
    "the order asked for": (f"?sort=phone&where={where(CITY)}", ["王小明", "张伟", "陈静"]),
    "records without a value last": ("?sort=-city", ["王小明", "张伟", "陈静", "北京", "上海"]),
}


@pytest.mark.parametrize("case", SHOWN)
def test_the_list_shows(client, six, case):
    url, wanted = SHOWN[case]
    found = titles(client.get(f"/forms/customer{url}").text)
    if case == "records without a value last":
        assert found[-1] == "赵磊" and len(found) == 6
    else:
        assert found == wanted


def test_htmx_gets_rows_and_the_shortest_url_of_them(client, six):
    answer = client.get(f"/forms/customer?q=&where={where(CITY)}&sort=&cols=", htmx=True)
    assert "<html" not in answer.text and titles(answer.text) == ["陈静", "张伟", "王小明"]
    pushed = urlsplit(answer.headers["HX-Push-Url"])
    assert set(parse_qs(pushed.query)) == {"where"}


def test_chips_say_the_filter_in_words_and_take_single_parts_away(client, six):
    page = client.get(f"/forms/customer?where={where({'all': [CITY, VIP]})}").text
    assert "城市 是 杭州" in page and "等级 是 VIP" in page
    without = [u.replace("&amp;", "&") for u in re.findall(r'class="chip-x" href="([^"]+)"', page)]
    assert titles(client.get(without[0]).text) == ["李芳", "王小明"]


def test_pages_follow_each_other_and_back(client, six):
    first = client.get("/forms/customer?sort=phone&size=25")
    assert "上一页" not in re.findall(r"<a[^>]*aria-label=\"上一页\"", first.text)
    form = catalog.get("customer")
    records.create_many(form, [{"name": f"客{i:03d}", "phone": f"139{i:08d}"} for i in range(60)], SYSTEM)
    seen, url = [], "/forms/customer?sort=phone&size=25"
    while url:
        page = client.get(url).text
        seen += titles(page)
        following = re.search(r'<a[^>]*href="([^"]*cursor[^"]*)"[^>]*aria-label="下一页"', page)
        url = following and following[1].replace("&amp;", "&")
    assert len(seen) == 66 == len(set(seen))
    back = re.search(r'<a[^>]*href="([^"]*cursor[^"]*)"[^>]*aria-label="上一页"', page)[1].replace("&amp;", "&")
    assert titles(client.get(back).text) == seen[25:50]


BROKEN = {
    "half a condition": "?where=%7B%22all",
    "a field that is not there": f"?where={where({'field': 'nothing', 'op': 'eq', 'value': 1})}",
    "an order by a field that is not there": "?sort=nothing",
    "a torn cursor": "?cursor=abc",
    "a view that is gone": "?view=99",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_url_that_cannot_be_shown_says_so_and_offers_a_way_on(client, six, case):
    answer = client.get(f"/forms/customer{BROKEN[case]}")
    assert answer.status_code == 422
    assert "这个列表显示不出来" in answer.text and "清除筛选，重新开始" in answer.text


def test_a_form_that_is_not_there_is_not_found(client):
    assert client.get("/forms/nonsense").status_code == 404
    assert client.get("/forms/nonsense/records/1").status_code == 404


def test_the_empty_list_says_what_to_do_first(client):
    assert "还没有客户" in client.get("/forms/customer").text


def test_nothing_found_offers_to_widen(client, six):
    page = client.get("/forms/customer?q=zzzz").text
    assert "没有符合的客户" in page and "清除搜索和筛选" in page


def test_the_count_comes_apart_from_the_rows(client, six, monkeypatch):
    from appliance.forms import listing

    assert "6 条" in client.get("/forms/customer/count").text
    assert "3 条" in client.get(f"/forms/customer/count?where={where(CITY)}").text
    monkeypatch.setattr(listing, "COUNT_CAP", 4)
    assert "4+ 条" in client.get("/forms/customer/count").text
    assert "6 条" in client.get("/forms/customer/count?exact=1").text


def test_totals_are_the_sums_of_what_the_filter_lets_through(client, six):
    order = catalog.get("order")
    rows = [{"number": f"A{i}", "amount": "1,000.50", "channel": "douyin" if i else "jd"} for i in range(3)]
    records.create_many(order, rows, SYSTEM)
    assert "¥3,001.50" in client.get("/forms/order/totals").text
    jd = where({"field": "channel", "op": "eq", "value": "jd"})
    assert "¥1,000.50" in client.get(f"/forms/order/totals?where={jd}").text


# -- columns and views ------------------------------------------------------------------------------------------------


def heads(html):
    return re.findall(r'<th scope="col"[^>]*data-key="([^"]+)"', html)


def test_chosen_columns_stay_for_the_person_and_for_nobody_else(client, staff_client, six):
    before = heads(client.get("/forms/customer").text)
    client.post("/forms/customer/columns", data={"column": ["city", "phone"]})
    assert heads(client.get("/forms/customer").text) == ["name", "city", "phone"]
    assert heads(staff_client.get("/forms/customer").text) == before
    client.post("/forms/customer/columns", data={"reset": "1", "column": ["city"]})
    assert heads(client.get("/forms/customer").text) == before


def save(client, name, url="?", **values):
    return client.post(f"/forms/customer/views{url}", data={"name": name, **values})


def test_a_saved_view_brings_filter_order_and_columns_back(client, six):
    answer = save(client, "杭州", f"?where={where(CITY)}&sort=phone&cols=phone")
    page = client.get(answer.headers["Location"]).text
    assert titles(page) == ["王小明", "张伟", "陈静"] and heads(page) == ["name", "phone"]
    assert "保存到" not in page
    changed = client.get(answer.headers["Location"] + f"&where={where(VIP)}").text
    assert titles(changed) == ["王小明", "李芳"] and "保存到「杭州」" in changed


def test_a_private_view_is_its_owners_a_shared_one_everybodys(client, staff_client, six):
    own = save(client, "我的").headers["Location"]
    everybodys = save(client, "大家的", shared="1").headers["Location"]
    page = staff_client.get("/forms/customer").text
    assert "大家的" in page and "我的</" not in page.split("list-bar")[0].split("list-tabs")[1]
    assert staff_client.get(own).status_code == 422
    assert staff_client.get(everybodys).status_code == 200
    view_id = everybodys.rpartition("=")[2]
    assert staff_client.post(f"/forms/customer/views/{view_id}", data={"name": "改"}).status_code == 403


def test_a_view_needs_a_name_of_its_own(client, six):
    assert "请给视图起个名字" in save(client, "  ").text
    save(client, "重点")
    again = save(client, "重点")
    assert again.status_code == 422 and "已经有叫「重点」的视图了" in again.text


def test_a_view_is_renamed_deleted_and_brought_back(client, six):
    view_id = save(client, "旧名").headers["Location"].rpartition("=")[2]
    client.post(f"/forms/customer/views/{view_id}?view={view_id}", data={"name": "新名"})
    assert "新名" in client.get("/forms/customer").text
    gone = client.post(f"/forms/customer/views/{view_id}/delete", htmx=True)
    undo = json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"]
    assert "新名" not in client.get("/forms/customer").text
    client.post(undo)
    assert "新名" in client.get("/forms/customer").text


# -- many records -----------------------------------------------------------------------------------------------------


def live():
    return query.Query(catalog.get("customer"), SYSTEM).count()


def test_ticked_records_go_to_the_bin_and_come_back(client, six):
    ids = f"{six['李芳']},{six['张伟']}"
    answer = client.post("/forms/customer/bulk/delete", data={"ids": ids}, htmx=True)
    events = json.loads(answer.headers["HX-Trigger"])
    assert live() == 4 and "已将 2 条记录移到回收站" in events["guke:toast"]["message"]
    bin_page = client.get("/forms/customer/bin").text
    assert "李芳" in bin_page and "张伟" in bin_page and "王小明" not in bin_page
    client.post(events["guke:toast"]["undo"], htmx=True)
    assert live() == 6


def test_all_that_match_go_and_come_back_however_many(client, work, six):
    form = catalog.get("customer")
    records.create_many(form, [{"name": f"客{i}", "city": "苏州"} for i in range(450)], SYSTEM)
    data = {"everything": "1", "where": json.dumps({"field": "city", "op": "eq", "value": "苏州"})}
    answer = client.post("/forms/customer/bulk/delete", data=data, htmx=True)
    job = re.search(r"/bulk/progress/(\d+)", answer.text)[1]
    work()
    assert live() == 6
    done = client.get(f"/forms/customer/bulk/progress/{job}", htmx=True)
    toast = json.loads(done.headers["HX-Trigger"])["guke:toast"]
    assert "450" in toast["message"]
    client.post(toast["undo"], htmx=True)
    work()
    assert live() == 456


def test_the_progress_of_a_bulk_action_is_not_for_others(client, staff_client, six):
    form = catalog.get("customer")
    records.create_many(form, [{"name": f"客{i}"} for i in range(250)], SYSTEM)
    answer = client.post("/forms/customer/bulk/delete", data={"everything": "1"}, htmx=True)
    job = re.search(r"/bulk/progress/(\d+)", answer.text)[1]
    assert staff_client.get(f"/forms/customer/bulk/progress/{job}").status_code == 404
    assert client.get(f"/forms/order/bulk/progress/{job}").status_code == 404


def test_nothing_ticked_is_said(client, six):
    answer = client.post("/forms/customer/bulk/delete", data={"ids": ""}, htmx=True)
    assert answer.status_code == 422 and live() == 6


def test_an_unknown_bulk_action_is_not_found(client, six):
    assert client.post("/forms/customer/bulk/explode", data={"ids": "1"}).status_code == 404


# -- finding ----------------------------------------------------------------------------------------------------------


def test_search_looks_into_every_form(client, six):
    records.create(catalog.get("order"), {"number": "WX138", "customer": six["王小明"]}, SYSTEM)
    page = client.get("/search?q=138").text
    assert "王小明" in page and "WX138" in page
    assert "没有找到" in client.get("/search?q=qqqq").text


def test_a_picker_gets_titles_and_what_tells_namesakes_apart(client, six):
    hits = client.get("/forms/customer/pick?q=wxm").get_json()
    assert hits == [{"id": six["王小明"], "title": "王小明", "hint": "13800000000"}]
    assert client.get(f"/forms/customer/pick?id={six['李芳']}").get_json()[0]["title"] == "李芳"
