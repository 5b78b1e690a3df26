"""Pages, API and packages of segments, metrics and dynamic tags: what people and programs do with them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from openpyxl import load_workbook

from appliance.accounts.actor import SYSTEM
from appliance.customers import tagging, tags
from appliance.customers.models import CustomerTag, Tag
from appliance.customers.segments import dynamic_tags, store
from appliance.customers.segments.models import SegmentMove
from appliance.forms import catalog, merging, records
from appliance.forms.hooks import Cause
from tests.customers.segments.test_membership import customer, members
from tests.support.clock import Clock
from tests.support.http import Api, Client

Work = Callable[[], dict[str, Any]]
HANGZHOU = {"field": "city", "op": "eq", "value": "杭州"}


def held(name: str) -> set[int]:
    rows = (
        CustomerTag.select(CustomerTag.customer_id).join(Tag, on=(Tag.id == CustomerTag.tag_id)).where(Tag.name == name)
    )
    return {i for (i,) in rows.tuples()}


def test_a_segment_is_made_shown_explained_and_taken_away_with_undo(client: Client, work: Work, clock: Clock) -> None:
    one, other = customer(name="王芳", city="杭州"), customer(name="李雷", city="宁波")
    page = client.post("/segments/sample", data={"kind": "condition", "label": "x", "where": json.dumps(HANGZHOU)})
    assert "王芳" in page.text and "李雷" not in page.text and "城市 是 杭州" in page.text
    refused = client.post("/segments/new", data={"kind": "condition", "label": "", "where": json.dumps(HANGZHOU)})
    assert refused.status_code == 422 and "请填写客群的名称" in refused.text and "杭州" in refused.text
    made = client.post("/segments/new", data={"kind": "condition", "label": "杭州人", "where": json.dumps(HANGZHOU)})
    assert made.status_code == 303
    work()
    clock.move(days=1)
    records.update_many(catalog.get("customer"), {other: {"city": "杭州"}}, SYSTEM)
    work()
    url = made.headers["Location"]
    shown = client.get(url).text
    assert "杭州人" in shown and "王芳" in shown and "城市 是 杭州" in shown and "data-chart" in shown
    key = url.rpartition("/")[2]
    assert "李雷" in client.get(f"{url}/moves").text and "王芳" not in client.get(f"{url}/moves").text
    assert "王芳 在这个客群里" in client.get(f"{url}/explain?customer={one}").text
    sheet = load_workbook(io.BytesIO(client.get(f"{url}/trend.xlsx").data)).worksheets[0]
    assert [cell.value for cell in sheet[1]] == ["日期", "人数", "加入", "离开"] and sheet.cell(
        sheet.max_row, 2
    ).value == 2
    gone = client.post(f"{url}/delete", headers={"HX-Request": "true"})
    undo = json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"]
    assert client.get(url).status_code == 404
    client.post(undo)
    work()
    assert members(key) == {one, other}


def test_a_person_sees_the_numbers_and_members_that_are_theirs(
    api: Api, client: Client, staff_client: Client, staff_api: Api, work: Work
) -> None:
    store.save({"key": "hz", "label": "杭州人", "where": HANGZHOU}, SYSTEM)
    bo = api.get("/me")["id"] + 1
    mine = customer(name="我的客户", city="杭州", owner=bo)
    customer(name="别人的客户", city="杭州")
    work()
    api.patch("/roles/staff", {"forms": {"customer": {"verbs": ["see", "edit"], "scope": {"whose": "me"}}}})
    assert [r["id"] for r in staff_api.get("/segments/hz/members")["records"]] == [mine]
    assert staff_api.get("/segments/hz")["count"] == 1 and api.get("/segments/hz")["count"] == 2
    shown = staff_client.get("/segments/hz").text
    assert "我的客户" in shown and "别人的客户" not in shown and "data-chart" not in shown
    assert staff_client.get("/segments/hz/trend.xlsx").status_code == 404
    assert staff_client.post("/segments/hz/delete").status_code == 403
    staff_api.post("/segments", {"label": "x", "where": HANGZHOU}, expect=403)


def test_a_set_of_segments_and_a_segment_in_use(api: Api, client: Client, work: Work) -> None:
    api.post("/segments", {"key": "hz", "label": "杭州人", "where": HANGZHOU}, expect=201)
    api.post(
        "/segments", {"key": "named", "label": "有名字", "where": {"field": "name", "op": "not_empty"}}, expect=201
    )
    made = client.post("/segments/new", data={"kind": "set", "label": "外地有名", "set_all": "named", "set_not": "hz"})
    assert made.status_code == 303
    customer(name="甲", city="杭州")
    two = customer(name="乙", city="宁波")
    work()
    key = made.headers["Location"].rpartition("/")[2]
    assert members(key) == {two}
    assert api.get(f"/segments/{key}")["set"] == {"all": ["named"], "not": ["hz"]}
    api.delete("/segments/hz", expect=422)
    round_about = api.patch("/segments/hz", {"where": {"segment": key}}, expect=422)
    assert "绕一圈" in json.dumps(round_about, ensure_ascii=False)
    api.post("/segments", {"label": "我的", "where": {"whose": "me"}}, expect=422)


def test_a_set_of_several_levels_is_made_and_changed_on_screen(api: Api, client: Client, work: Work) -> None:
    for key, where in {
        "hz": HANGZHOU,
        "vip": {"field": "level", "op": "eq", "value": "vip"},
        "met": {"event": "watch"},
    }.items():
        api.post("/segments", {"key": key, "label": key, "where": where}, expect=201)
    asked: dict[str, Any] = {"all": [{"segment": "hz"}, {"not": {"any": [{"segment": "vip"}, {"segment": "met"}]}}]}
    sent = {"kind": "set", "label": "杭州的新面孔", "set_how": "nested", "set_where": json.dumps(asked)}
    customer(name="甲", city="杭州", level="vip")
    two = customer(name="乙", city="杭州")
    work()
    assert "乙" in client.post("/segments/sample", data=sent).text
    made = client.post("/segments/new", data=sent)
    key = made.headers["Location"].rpartition("/")[2]
    work()
    assert members(key) == {two}
    assert api.get(f"/segments/{key}")["set"] == {"all": ["hz", {"not": {"any": ["vip", "met"]}}]}
    page = client.get(f"/segments/{key}/edit").text
    assert 'value="nested" checked' in page and "&#34;segment&#34;: &#34;met&#34;" in page
    words = client.post("/forms/customer/conditions/words?of=_segment", json={"where": asked})
    assert "不满足" in words.get_json()["words"]
    refused = client.post("/segments/new", data=sent | {"set_where": json.dumps({"all": [HANGZHOU]})})
    assert refused.status_code == 422 and "里面是客群" in refused.text


def test_a_field_of_another_type_is_asked_about_at_once(api: Api, work: Work) -> None:
    api.post("/forms/customer/fields", {"key": "score", "label": "评分", "type": "text"}, expect=201)
    one, _other = customer(name="甲", score="9"), customer(name="乙", score="好")
    api.post(
        "/segments", {"key": "scored", "label": "有评分", "where": {"field": "score", "op": "not_empty"}}, expect=201
    )
    work()
    assert len(members("scored")) == 2
    api.patch("/forms/customer/fields/score", {"type": "integer", "convert": True})
    work()
    assert members("scored") == {one}


def test_a_static_list_holds_whom_people_chose_and_goes_with_a_merge(client: Client, api: Api, work: Work) -> None:
    api.post("/segments", {"key": "vip", "label": "名单", "static": True}, expect=201)
    one, two = customer(name="甲"), customer(name="乙")
    work()
    assert api.post("/segments/vip/members:add", {"ids": [one, 999]})["added"] == 1
    done = client.post("/forms/customer/bulk/segments.list", data={"ids": str(two), "go": "1", "segment": "vip"})
    assert done.status_code == 204, done.text
    work()
    assert members("vip") == {one, two}
    assert api.post("/segments/vip/members:remove", {"ids": [two]})["removed"] == 1
    work()
    merged = merging.merge(catalog.get("customer"), two, one, {}, SYSTEM)
    work()
    assert members("vip") == {two}
    merging.undo(catalog.get("customer"), merged, SYSTEM)
    work()
    assert members("vip") == {one}
    api.post("/segments/vip/members:add", {"ids": ["x"]}, expect=422)


def test_a_dynamic_tag_comes_and_goes_with_its_condition_and_leaves_what_people_gave(
    client: Client, api: Api, work: Work
) -> None:
    one, two, three = (
        customer(name="甲", city="杭州"),
        customer(name="乙", city="宁波"),
        customer(name="丙", city="杭州"),
    )
    tag = tags.create("本地客")
    tagging.add_where("本地客", [three], SYSTEM, Cause("user"))
    form = client.post(f"/segments/tags/{tag.id}", data={"how": "own", "where": json.dumps(HANGZHOU)})
    assert form.status_code == 303
    work()
    assert held("本地客") == {one, three}
    why = client.get(f"/customers/{one}/why-tag?tag=本地客").text
    assert "条件「本地客」" in why
    records.update_many(
        catalog.get("customer"), {i: {"city": "宁波" if i != two else "杭州"} for i in (one, two, three)}, SYSTEM
    )
    work()
    assert held("本地客") == {two, three}
    assert "城市 是 杭州" in client.get(f"/tags/form?tag={tag.id}").text
    client.post(f"/segments/tags/{tag.id}", data={"how": "hand"})
    records.update_many(catalog.get("customer"), {two: {"city": "宁波"}}, SYSTEM)
    work()
    assert held("本地客") == {two, three} and dynamic_tags.of(tag.id) is None


def test_in_an_exclusive_group_the_first_dynamic_tag_that_holds_wins(api: Api, work: Work) -> None:
    tags.create_group("档次", key="rank", exclusive=True)
    for name, least in (("金", 100), ("银", 10)):
        tags.create(name, group="rank")
        api.put(f"/tags/{name}/rule", {"where": {"field": "total_paid", "op": "gte", "value": least}})
    one = customer(name="甲")
    work()
    order = records.create(
        catalog.get("order"), {"number": "1", "customer": one, "amount": 50, "paid_at": "2026-01-01"}, SYSTEM
    )
    work()
    assert held("银") == {one} and held("金") == set()
    records.update(catalog.get("order"), order, {"amount": 500}, SYSTEM)
    work()
    assert held("金") == {one} and held("银") == set()
    records.update(catalog.get("order"), order, {"refunded": 450}, SYSTEM)
    work()
    assert held("银") == {one} and held("金") == set()


def test_tags_that_feed_each_other_stop_with_an_incident(api: Api, work: Work) -> None:
    for name in ("阴", "阳"):
        tags.create(name)
    api.put("/tags/阴/rule", {"where": {"not": {"tag": "阳"}}})
    api.put("/tags/阳/rule", {"where": {"tag": "阴"}})
    customer(name="甲")
    done = work()
    assert not done["errors"]
    from appliance.core import incidents

    assert [row.kind for row in incidents.unresolved()] == ["segments.loop"]
    assert SegmentMove.select().count() < 60


def test_an_app_brings_segments_and_metrics_and_takes_them_away(
    api: Api, cli: Callable[..., Any], tmp_path: Any, work: Work
) -> None:
    package = {
        "app": "tea", "version": "1.0.0", "label": "茶",
        "metrics": [{"key": "tea_orders", "label": "茶单数", "form": "order"}],
        "segments": [
            {"key": "tea_not_hz", "label": "外地茶客", "set": {"all": ["tea"], "not": "tea_hz"}},
            {"key": "tea", "label": "茶客", "where": {"field": "tea_orders", "op": "gte", "value": 1}},
            {"key": "tea_hz", "label": "杭州茶客", "where": {"all": [{"segment": "tea"}, HANGZHOU]}},
        ],
    }  # fmt: skip
    file = tmp_path / "tea.json"
    file.write_text(json.dumps(package))
    cli("app", "install", str(file)).ok()
    cli("app", "install", str(file)).ok()
    one = customer(name="甲", city="宁波")
    records.create(catalog.get("order"), {"number": "1", "customer": one}, SYSTEM)
    work()
    assert members("tea_not_hz") == {one}
    out = tmp_path / "out.json"
    cli("app", "export", str(out)).ok()
    doc = json.loads(out.read_text())
    assert {s["key"] for s in doc["segments"]} >= {"tea", "tea_hz", "tea_not_hz"} and doc["metrics"][0][
        "key"
    ] == "tea_orders"
    cli("app", "remove", "tea").ok()
    assert "tea_orders" not in catalog.get("customer").fields and "tea" not in {s.key for s in store.all()}


def test_the_nightly_check_puts_drift_right_and_tells_it(api: Api, work: Work) -> None:
    from appliance.core import incidents, jobs
    from appliance.core.db import write
    from appliance.customers.segments.models import SegmentMember

    api.post("/segments", {"key": "hz", "label": "杭州人", "where": HANGZHOU}, expect=201)
    one = customer(name="甲", city="杭州")
    work()
    jobs.enqueue("segments.check")
    assert work()["memberships_corrected"] == 0 and not incidents.unresolved()
    with write():
        SegmentMember.delete().where(SegmentMember.segment_id == store.get("hz").id).execute()
    jobs.enqueue("segments.check")
    assert work()["memberships_corrected"] == 1
    rows = SegmentMember.select(SegmentMember.customer_id).where(SegmentMember.segment_id == store.get("hz").id)
    assert [i for (i,) in rows.tuples()] == [one]
    assert "杭州人" in incidents.unresolved()[0].why


def test_a_metric_is_made_on_screen_with_its_figures_beside_it(client: Client, api: Api, work: Work) -> None:
    one = customer(name="王芳")
    records.create(
        catalog.get("order"), {"number": "1", "customer": one, "amount": 120, "paid_at": "2026-01-01"}, SYSTEM
    )
    typed = {
        "label": "最大一单",
        "source": "order",
        "was": "order",
        "agg": "max",
        "of": "amount",
        "where": "{}",
        "window": "",
    }
    assert "¥120" in client.post("/metrics/sample", data=typed).text
    drawn = client.post("/metrics/draw", data=typed | {"source": "@event"}, headers={"HX-Request": "true"}).text
    assert "观看" in drawn and 'name="of"' in drawn and 'data-conditions="_event"' in drawn
    api.post("/events", {"events": [
        {"customer": one, "type": "watch", "seconds": n, "props": {"product": p}} for n, p in ((30, "茶"), (500, "咖啡"))
    ]})  # fmt: skip
    tea = {"field": "props.product", "op": "eq", "value": "茶"}
    watched = {"label": "看茶", "source": "@event", "was": "@event", "agg": "sum", "of": "seconds", "event": "watch"}
    watched |= {"where": json.dumps({"all": [tea]}), "window": ""}
    shown = client.post("/metrics/sample", data=watched).text
    assert "30" in shown and "530" not in shown and "商品 是 茶" in shown
    said = client.post("/forms/customer/conditions/words?of=_event", json={"where": tea})
    assert said.get_json()["words"] == "商品 是 茶"
    assert client.post("/forms/customer/conditions/words?of=_event", json={"where": HANGZHOU}).status_code == 422
    refused = client.post("/metrics/new", data=typed | {"of": ""})
    assert refused.status_code == 422 and "请选择汇总哪个字段" in refused.text and "最大一单" in refused.text
    assert client.post("/metrics/new", data=typed).status_code == 303
    work()
    key = api.get("/metrics")["metrics"][0]["key"]
    assert api.get(f"/forms/customer/records/{one}")["values"][key] == "120.00"
    listed = client.get("/metrics/").text
    assert "最大一单" in listed and "订单" in listed
    gone = client.post(f"/metrics/{key}/delete", headers={"HX-Request": "true"})
    client.post(json.loads(gone.headers["HX-Trigger"])["guke:toast"]["undo"])
    assert api.get(f"/metrics/{key}")["agg"] == "max"


@pytest.mark.parametrize(
    "path",
    ["/segments/", "/segments/new", "/segments/new?kind=set", "/segments/new?kind=static", "/metrics/", "/metrics/new"],
)
def test_pages_open_for_the_administrator_and_editors_stay_shut_for_others(
    client: Client, staff_client: Client, path: str
) -> None:
    assert client.get(path).status_code == 200
    assert staff_client.get(path).status_code == (403 if "new" in path else 200)


def test_dynamic_tags_are_listed_with_what_they_follow(client: Client, api: Api) -> None:
    api.post("/segments", {"key": "hz", "label": "杭州人", "where": HANGZHOU}, expect=201)
    tags.create("杭")
    assert api.put("/tags/杭/rule", {"segment": "hz"})["rule"] == "在客群「杭州人」中"
    assert dynamic_tags.of(tags.get("杭").id)
    assert "自动" in client.get("/tags").text
    assert "标签「杭」" in client.get("/segments/hz").text


def test_who_is_erased_is_on_no_list_and_their_segments_are_told_before(api: Api, work: Work) -> None:
    from appliance.customers import erasing
    from appliance.customers.segments import lists, privacy
    from appliance.forms import query

    api.post("/segments", {"key": "vip", "label": "名单", "static": True}, expect=201)
    api.post("/segments", {"key": "hz", "label": "杭州人", "where": HANGZHOU}, expect=201)
    one = customer(name="王芳", city="杭州")
    lists.add("vip", [one], SYSTEM)
    work()
    told = privacy.told(query.get(catalog.get("customer"), one, SYSTEM), SYSTEM)
    assert {row["segment"] for row in told} == {"名单", "杭州人"}
    erasing.erase(one, "客户要求", SYSTEM)
    work()
    assert members("vip") == set()
    from appliance.core import jobs

    jobs.enqueue("segments.check")
    assert work()["memberships_corrected"] == 0


def test_an_explanation_tells_no_value_that_its_reader_may_not_see(
    api: Api, staff_client: Client, staff_api: Api, work: Work
) -> None:
    api.post(
        "/segments",
        {"key": "rich", "label": "有钱", "where": {"field": "total_paid", "op": "gte", "value": 100}},
        expect=201,
    )
    one = customer(name="王芳")
    records.create(
        catalog.get("order"), {"number": "1", "customer": one, "amount": 777, "paid_at": "2026-01-01"}, SYSTEM
    )
    work()
    assert "777" in staff_client.get(f"/segments/rich/explain?customer={one}").text
    rights = {"verbs": ["see"], "fields": {"total_paid": "hidden"}}
    api.patch("/roles/staff", {"forms": {"customer": rights}})
    told = staff_api.get(f"/segments/rich/members/{one}:explain")
    assert told["member"] and told["why"]["passed"] and "777" not in json.dumps(told)
    assert "777" not in staff_client.get(f"/segments/rich/explain?customer={one}").text
