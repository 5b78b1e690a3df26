"""What fields of people, departments, divisions and addresses do beyond the contract that every type keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.forms.fields.address import Parts, read_line
from tests.support.http import Api, Client

FORM = {
    "key": "visit", "label": "拜访", "title_field": "name",
    "fields": [
        {"key": "name", "label": "名称", "type": "text"}, {"key": "owner", "label": "负责人", "type": "owner"},
        {"key": "who", "label": "参加人", "type": "persons"}, {"key": "dept", "label": "部门", "type": "department"},
        {"key": "seen_by", "label": "可见部门", "type": "departments"},
        {"key": "home", "label": "地区", "type": "region", "level": "city"}, {"key": "addr", "label": "地址", "type": "address"},
    ],
}  # fmt: skip


@pytest.fixture
def visit(api: Api) -> None:
    api.post("/departments", {"name": "销售部", "head": "amy", "members": ["amy"]})
    api.post("/departments", {"name": "华东组", "parent": 1, "members": ["bo"]})
    api.post("/departments", {"name": "客服部", "members": ["cy"]})
    api.post("/forms", FORM)


def made(api: Api, **values: Any) -> dict[str, Any]:
    record: dict[str, Any] = api.post("/forms/visit/records", {"values": values})
    return record


@pytest.mark.usefixtures("visit")
def test_a_record_is_its_creators_unless_it_says_otherwise(api: Api, staff_api: Api, client: Client) -> None:
    assert made(api)["values"]["owner"] == "amy"
    assert made(staff_api)["values"]["owner"] == "bo"
    mine = made(staff_api, owner="cy")
    assert mine["values"]["owner"] == "cy"
    assert api.patch(f"/forms/visit/records/{mine['id']}", {"values": {"owner": None}})["values"]["owner"] is None
    page = client.get("/forms/visit/new").text
    assert '<option value="1" selected>amy</option>' in page, "the new page offers its creator"


@pytest.mark.usefixtures("visit")
def test_my_department_is_mine_and_those_below(app: Any, api: Api, staff_api: Api) -> None:
    for owner in ("amy", "bo", "cy"):
        made(api, name=owner, owner=owner, dept={"amy": 1, "bo": 2, "cy": 3}[owner], who=[owner])

    def names(who: Api, where: dict[str, Any]) -> set[str]:
        return {r["values"]["name"] for r in who.post("/forms/visit/query", {"where": where})["records"]}

    for field, op in (("owner", "eq"), ("dept", "eq"), ("dept", "under")):
        where = {"field": field, "op": op, "value": {"my_department": True}}
        assert names(api, where) == {"amy", "bo"} and names(staff_api, where) == {"bo"}, (field, op)
    assert names(staff_api, {"field": "who", "op": "has_none", "value": [{"my_department": True}]}) == {"amy", "cy"}
    assert names(api, {"field": "dept", "op": "under", "value": 2}) == {"bo"}


@pytest.mark.usefixtures("visit")
def test_a_role_may_see_its_departments_records_only(app: Any, api: Api, staff_api: Api) -> None:
    from appliance.accounts import users
    from appliance.accounts.permissions import VERBS, FormRights, Rights

    ids = [made(api, owner=owner)["id"] for owner in ("amy", "bo", "cy")]
    scope = {"field": "owner", "op": "eq", "value": {"my_department": True}}
    with app.test_request_context():
        narrow = Rights(forms={"*": FormRights(frozenset(VERBS) - {"design", "purge"}, scope, {})})
        users.update_role("staff", "员工", narrow)
    assert [r["id"] for r in staff_api.get("/forms/visit/records")["records"]] == [ids[1]]
    staff_api.get(f"/forms/visit/records/{ids[0]}", expect=404)
    api.patch("/departments/2", {"members": []})
    api.patch("/departments/3", {"members": ["bo", "cy"]})
    assert [r["id"] for r in staff_api.get("/forms/visit/records")["records"]] == [ids[2], ids[1]]


@pytest.mark.usefixtures("visit")
def test_former_people_and_departments_stay_readable_and_are_marked(api: Api, client: Client) -> None:
    record = made(api, name="旧", owner="bo", dept="客服部", who=["bo"], seen_by=["客服部"])
    client.post("/settings/users/2/disable")
    api.delete("/departments/3")
    page = client.get(f"/forms/visit/records/{record['id']}").text
    assert page.count('class="former" title="已停用">Bo 李') >= 2 and page.count('title="已删除">客服部') >= 2
    edit = client.get(f"/forms/visit/records/{record['id']}/edit").text
    assert "Bo 李（已停用）" in edit, "what is chosen stays in the input, marked"
    assert api.patch(f"/forms/visit/records/{record['id']}", {"values": {"dept": 3, "owner": "bo"}})["version"] == 1
    assert not [hit for hit in client.get("/pick/people?q=bo").get_json()], "nobody is offered who left"


@pytest.mark.usefixtures("visit")
def test_names_of_all_kinds_are_imported_and_exported(api: Api, data: Path, tmp_path: Path) -> None:
    from tests.support import world

    file = tmp_path / "in.csv"
    file.write_text(
        "名称,负责人,参加人,部门,可见部门,地区,地址\n"
        "一,bo,amy、cy,销售部 / 华东组,客服部；销售部,浙江省杭州市西湖区,上海市浦东新区世纪大道8号\n"
        "二,没有这人,amy,华东组,销售部,浙江,文三路1号\n",
        encoding="utf-8",
    )
    status, out, _err = world.command(data, ["--data", str(data), "import", "visit", str(file), "--json"])
    assert status == 0 and '"created": 1' in out and '"failed": 1' in out, out
    values = api.get("/forms/visit/records")["records"][0]["values"]
    assert (values["owner"], values["who"], values["dept"], values["seen_by"]) == ("bo", ["amy", "cy"], 2, [3, 1])
    assert values["home"] == "330100", "the field asks for cities"
    assert values["addr"]["region"] == "310115" and values["addr"]["detail"] == "世纪大道8号"
    exported = tmp_path / "out.csv"
    assert world.command(data, ["--data", str(data), "export", "visit", str(exported)])[0] == 0
    text = exported.read_text(encoding="utf-8-sig")
    for part in ("Bo 李", "销售部 / 华东组", "浙江省 杭州市", "上海市浦东新区世纪大道8号"):
        assert part in text


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("张三 13800138000 浙江省杭州市西湖区文三路1号", Parts("330106", "文三路1号", "张三", "13800138000")),
        ("浙江省杭州市西湖区文三路1号，张三，138-0013-8000", Parts("330106", "文三路1号", "张三", "13800138000")),
        ("收货人：李四\n手机：+86 139 1111 2222\n地址：北京市朝阳区建国路 88 号", Parts("110105", "建国路 88 号", "李四", "13911112222")),
        ("赵六 手机 13911112222 广东省深圳市南山区科技园南区8栋 501", Parts("440305", "科技园南区8栋 501", "赵六", "13911112222")),
        ("文三路1号", Parts(detail="文三路1号")),
        ("江苏省南京市江宁路1号", Parts("320100", "江宁路1号")),
        ("上海浦东新区世纪大道8号 021-58881234 王小姐", Parts("310115", "世纪大道8号", "王小姐", "021-58881234")),
        ("", Parts()),
    ],
)  # fmt: skip
def test_a_pasted_line_of_address_is_taken_apart(app: Any, line: str, parts: Parts) -> None:
    with app.test_request_context():
        assert read_line(line) == parts


@pytest.mark.usefixtures("visit")
def test_inputs_look_up_what_they_need(client: Client, anon: Client) -> None:
    assert [hit["title"] for hit in client.get("/pick/people?q=李").get_json()] == ["Bo 李"]
    assert client.get("/pick/people?q=李").get_json()[0]["group"] == "销售部 / 华东组"
    assert [hit["title"] for hit in client.get("/pick/departments?q=huadong").get_json()] == ["华东组"]
    assert client.get("/pick/departments?id=2").get_json() == [{"id": 2, "title": "华东组"}]
    assert client.get("/pick/regions?q=西湖").get_json()[0] == {"id": "330106", "title": "浙江省 杭州市 西湖区"}
    assert client.get("/pick/regions?id=330106").get_json() == [{"id": "330106", "title": "浙江省 杭州市 西湖区"}]
    assert client.get("/pick/nothing").status_code == 404
    assert ["330100", "杭州市"] in client.get("/regions?under=330000").get_json()
    assert client.get("/regions?under=110000&level=city").get_json() == []
    assert client.post("/address", data={"text": "浙江省杭州市西湖区文三路1号"}).get_json()["region"] == "330106"
    assert anon.get("/pick/people").status_code == 302
    assert len(anon.get("/regions").get_json()) == 34, "public pages ask for divisions, too"


@pytest.mark.usefixtures("visit")
def test_the_drop_downs_of_a_region_send_the_deepest_that_fits(api: Api, client: Client) -> None:
    base = {"name": "x", "who": "", "seen_by": "", "addr": ""}
    for sent, stored in (
        (["330000", "330100"], "330100"),
        (["330000", ""], "330000"),
        (["310000", "330100"], "310000"),
        ([""], None),
    ):
        client.post("/forms/visit/new", data=base | {"home": sent})
        assert api.get("/forms/visit/records")["records"][0]["values"]["home"] == stored
    where = {"addr.detail": "世纪大道 8 号", "addr.region": ["310000", "310115"]}
    client.post("/forms/visit/new", data=base | where)
    assert api.get("/forms/visit/records")["records"][0]["values"]["addr"]["text"] == "上海市浦东新区世纪大道 8 号"
