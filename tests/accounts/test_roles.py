"""Settings → roles: made, copied, renamed, changed form by form, given to people, deleted; rights that are about no form."""

from __future__ import annotations

import json

import pytest

from appliance.accounts import departments, permissions, roles, users
from appliance.accounts.actor import SYSTEM
from appliance.core.errors import NotFound
from appliance.forms import catalog, query, records


@pytest.fixture
def bo(app):
    return users.by_login("bo").id


def role_key(client, label="华东客服", base=""):
    answer = client.post("/settings/roles", data={"label": label, "base": base})
    assert answer.status_code == 303, answer.text
    return answer.location.rpartition("/")[2]


def matrix(**given):
    """What the page sends for verbs and scopes of forms; ``any`` stands for the other forms."""
    data = {"label": given.pop("label", "华东客服")}
    for key, (scope, verbs) in given.items():
        key = "*" if key == "any" else key
        data |= {f"verbs.{key}": verbs.split(), f"scope.{key}": scope}
    return data


def test_a_role_is_made_from_another_and_its_matrix_is_saved(client, bo):
    key = role_key(client, base="staff")
    assert roles.get(key).rights == permissions.STAFF
    saved = client.post(f"/settings/roles/{key}", data=matrix(customer=("own", "see edit"), any=("all", "see")))
    assert saved.status_code == 303
    held = roles.get(key).rights
    assert held.on("customer").verbs == {"see", "edit"} and held.on("customer").scope == {"whose": "me"}
    assert held.on("product").verbs == {"see"} or "product" in held.forms
    assert held.rooms == frozenset()
    page = client.get(f"/settings/roles/{key}").text
    assert "华东客服" in page and 'value="own" selected' in page


def test_one_form_of_a_role_has_conditions_and_fields(client, bo):
    key = role_key(client, base="staff")
    url = f"/settings/roles/{key}/forms/customer"
    assert "拒绝" in client.get(url).text
    where, deny = {"field": "city", "op": "eq", "value": "杭州"}, {"field": "level", "op": "eq", "value": "vip"}
    data = {"verbs": ["see", "edit"], "scope": "condition", "where": json.dumps(where), "deny": json.dumps(deny)}
    assert client.post(url, data=data | {"field.phone": "masked", "field.remark": "hidden"}).status_code == 303
    granted = roles.get(key).rights.on("customer")
    assert granted.scope == where and granted.deny == deny
    assert granted.fields == {"phone": "masked", "remark": "hidden"}
    assert "有拒绝条件" in client.get(f"/settings/roles/{key}").text
    wrong = client.post(url, data=data | {"deny": json.dumps({"field": "nothing", "op": "eq", "value": 1})})
    assert wrong.status_code == 422 and "没有字段" in wrong.text
    assert client.post(url, data={"reset": "1"}).status_code == 303
    assert "customer" not in roles.get(key).rights.forms


def test_a_role_that_people_hold_is_kept_and_says_so(client, bo):
    key = role_key(client)
    client.post(f"/settings/roles/{key}", data={"label": "改了名", "people-shown": "1", "people": [str(bo)]})
    assert roles.get(key).label == "改了名" and [u for u, _n in roles.get(key).people] == [bo]
    client.post(f"/settings/roles/{key}/delete")
    assert "还有 1 人是「改了名」" in client.get("/settings/roles").text
    client.post(f"/settings/users/{bo}", data={"name": "Bo", "role": ["staff"]})
    client.post(f"/settings/roles/{key}/delete")
    assert key not in [role.key for role in roles.everything()]


def test_built_in_roles_stay_and_a_copy_is_no_administrator(client, bo):
    client.post("/settings/roles/staff/delete")
    assert "内置角色" in client.get("/settings/roles").text
    made = client.post("/settings/roles/admin/copy").location.rpartition("/")[2]
    assert not roles.get(made).rights.admin
    assert client.post("/settings/roles", data={"label": "员工"}).status_code == 422


def test_several_roles_add_up_and_a_denial_wins(client, bo):
    near = {"field": "city", "op": "eq", "value": "杭州"}
    vip = {"field": "level", "op": "eq", "value": "vip"}
    one = permissions.Rights.open({"forms": {"customer": {"verbs": ["see"], "scope": near}}})
    two = permissions.Rights.open({"forms": {"customer": {"verbs": ["see", "edit"]}}})
    three = permissions.Rights.open({"forms": {"customer": {"deny": vip}}})
    keys = [roles.create(f"角色 {n}", r, SYSTEM) for n, r in enumerate((one, two, three))]
    form = catalog.get("customer")
    for name, city, level in (("甲", "杭州", "vip"), ("乙", "杭州", "normal"), ("丙", "上海", None)):
        records.create(form, {"name": name, "city": city, "level": level}, SYSTEM)

    def seen():
        found = query.Query(form, users.actor_of(bo))
        names = {r.title for r in found.page().records}
        assert found.count() == len(names)
        return names

    roles.set_of_user(bo, keys[:1], SYSTEM)
    assert seen() == {"甲", "乙"} and not permissions.can(users.actor_of(bo), "edit", "customer")
    roles.set_of_user(bo, keys[:2], SYSTEM)
    assert seen() == {"甲", "乙", "丙"} and permissions.can(users.actor_of(bo), "edit", "customer")
    roles.set_of_user(bo, keys, SYSTEM)
    assert seen() == {"乙", "丙"}


def test_a_role_lets_one_write_within_its_own_scope_only(app, bo):
    near = {"field": "city", "op": "eq", "value": "杭州"}
    looking = permissions.Rights.open({"forms": {"customer": {"verbs": ["see"]}}})
    writing = permissions.Rights.open({"forms": {"customer": {"verbs": ["see", "edit", "delete"], "scope": near}}})
    roles.set_of_user(bo, [roles.create("看", looking, SYSTEM), roles.create("写", writing, SYSTEM)], SYSTEM)
    form = catalog.get("customer")
    here, there = (records.create(form, {"name": n, "city": c}, SYSTEM) for n, c in (("甲", "杭州"), ("乙", "上海")))
    actor = users.actor_of(bo)
    assert query.Query(form, actor).count() == 2
    records.update(form, here, {"name": "改"}, actor)
    with pytest.raises(NotFound):
        records.update(form, there, {"name": "改"}, actor)
    assert records.delete_many(form, [here, there], actor) == {here}


def test_nobody_finds_out_what_they_may_not_read_by_naming_records_with_it(api, staff_api, bo):
    near = {"field": "city", "op": "eq", "value": "杭州"}
    customer = {
        "verbs": ["see", "create", "edit"],
        "scope": near,
        "fields": {"phone": "masked", "identities": "hidden"},
    }
    product = {"verbs": ["see"], "scope": {"field": "category", "op": "eq", "value": "茶"}}
    rights = permissions.Rights.open(
        {
            "forms": {"customer": customer, "product": product}
            | {k: {"verbs": ["see", "create", "edit"]} for k in ("order", "order_item")}
        }
    )
    roles.set_of_user(bo, [roles.create("客服", rights, SYSTEM)], SYSTEM)
    for n, city in ((1, "杭州"), (2, "上海")):
        values = {"name": "甲", "city": city, "phone": f"1391111000{n}", "identities": {"member_no": [f"M{n}"]}}
        who = api.post("/forms/customer/records", {"values": values})["id"]
        api.post("/forms/order/records", {"values": {"number": f"N{n}", "customer": who}})
    for name in ({"phone": "13911110001"}, {"phone": "13911110002"}, {"phone": "13911110009"}, {"member_no": "M1"}):
        said = set()
        for where in (
            {"field": "customer", "op": "eq", "value": name},
            {"field": "customer", "op": "in", "value": [name]},
        ):
            said.add(staff_api.post("/forms/order/records:count", {"where": where}, expect=422)["detail"])
        said.add(
            staff_api.post("/forms/order/records", {"values": {"number": "x", "customer": name}}, expect=422)["detail"]
        )
        assert len(said) == 1 and "不能按" in said.pop(), name
    by_id = {"field": "customer", "op": "eq", "value": {"id": 1}}
    assert staff_api.post("/forms/order/records:count", {"where": by_id})["count"] == 1
    # A record out of reach is answered like one that there is not.
    for sku, category in (("T1", "茶"), ("S1", "糖")):
        api.post("/forms/product/records", {"values": {"sku": sku, "name": sku, "category": category}})
    item = {"order": 1, "name": "x"}
    staff_api.post("/forms/order_item/records", {"values": item | {"product": {"sku": "T1"}}}, expect=201)
    for sku in ("S1", "S9"):
        problem = staff_api.post("/forms/order_item/records", {"values": item | {"product": {"sku": sku}}}, expect=422)
        assert problem["detail"] == f"没有找到「{sku}」。"
    # Who writes a record out of their own sight gets its number and nothing of it.
    gone = staff_api.patch("/forms/customer/records/1", {"values": {"city": "上海"}})
    assert (gone["id"], gone["values"]) == (1, {})


def test_own_department_and_below(client, bo):
    cy, amy = users.by_login("cy").id, users.by_login("amy").id
    sales = departments.create("销售部", SYSTEM)
    east = departments.create("华东组", SYSTEM, parent=sales)
    departments.set_of_user(bo, [sales], SYSTEM)
    departments.set_of_user(cy, [east], SYSTEM)
    form = catalog.get("customer")
    for owner in ("bo", "cy", "amy"):
        records.create(form, {"name": owner, "owner": owner}, SYSTEM)
    key = roles.create("范围", permissions.Rights(), SYSTEM)
    roles.set_of_user(bo, [key], SYSTEM)
    for word, expected in (
        ("own", {"bo"}),
        ("department", {"bo"}),
        ("below", {"bo", "cy"}),
        ("all", {"bo", "cy", "amy"}),
    ):
        client.post(f"/settings/roles/{key}", data=matrix(label="范围", customer=(word, "see")))
        assert {r.title for r in query.Query(form, users.actor_of(bo)).page().records} == expected, word
    departments.set_of_user(amy, [sales], SYSTEM)
    client.post(f"/settings/roles/{key}", data=matrix(label="范围", customer=("department", "see")))
    assert {r.title for r in query.Query(form, users.actor_of(bo)).page().records} == {"bo", "amy"}


def test_a_form_without_people_is_its_creators_own(client, staff_client, bo):
    form = catalog.create_form(
        {"key": "note", "label": "便签", "fields": [{"key": "title", "label": "标题", "type": "text"}]}
    )
    actor = users.actor_of(bo)
    mine = records.create(form, {"title": "我写的"}, actor)
    other = records.create(form, {"title": "别人写的"}, SYSTEM)
    key = role_key(client)
    client.post(
        f"/settings/roles/{key}",
        data=matrix(any=("own", "see create edit")) | {"people-shown": "1", "people": [str(bo)]},
    )
    client.post(f"/settings/users/{bo}", data={"name": "Bo", "role": [key]})
    assert "我写的" in staff_client.get("/forms/note").text and "别人写的" not in staff_client.get("/forms/note").text
    assert staff_client.get(f"/forms/note/records/{mine}").status_code == 200
    assert staff_client.get(f"/forms/note/records/{other}").status_code == 404
    from appliance.core.db import db

    assert "i_note__created_by" in {index.name for index in db.get_indexes("f_note")}


def test_rooms_are_opened_by_their_own_rights(client, staff_client, bo):
    pages = {"rules": "/automation/rules", "settings": "/settings/company", "users": "/settings/departments"}
    for url in pages.values():
        assert staff_client.get(url).status_code == 403, url
    key = role_key(client, base="staff")
    for room, url in pages.items():
        roles.change(key, SYSTEM, rights=permissions.Rights(forms=permissions.STAFF.forms, rooms=frozenset({room})))
        roles.set_of_user(bo, [key], SYSTEM)
        assert staff_client.get(url).status_code == 200, url
        assert url in staff_client.get("/").text
        assert {u for u in pages.values() if staff_client.get(u).status_code == 403} == set(pages.values()) - {url}


def test_who_looks_after_people_cannot_touch_administrators(client, staff_client, bo):
    amy, cy = users.by_login("amy").id, users.by_login("cy").id
    key = roles.create("人事", permissions.Rights(rooms=frozenset({"users"})), SYSTEM)
    roles.set_of_user(bo, [key], SYSTEM)
    assert staff_client.post(f"/settings/users/{cy}", data={"name": "Cy 新", "role": ["staff"]}).status_code == 303
    assert staff_client.post(f"/settings/users/{amy}/link").status_code == 403
    assert staff_client.post(f"/settings/users/{cy}", data={"name": "Cy", "role": ["admin"]}).status_code == 403
    assert staff_client.post("/settings/users", data={"name": "X", "login": "xx", "role": "admin"}).status_code == 403
    assert staff_client.get("/settings/roles").status_code == 403


def test_roles_over_the_api(api, staff_api):
    made = api.post("/roles", {"label": "仓库", "forms": {"order": {"verbs": ["see"], "scope": {"whose": "me"}}}})
    key = made["key"]
    assert api.get(f"/roles/{key}")["forms"]["order"]["scope"] == {"whose": "me"}
    assert api.patch(f"/roles/{key}", {"label": "仓库员", "rooms": ["reports"]})["rooms"] == ["reports"]
    assert api.patch(f"/roles/{key}", {"people": ["cy"]})["people"] == ["cy"]
    api.call("DELETE", f"/roles/{key}", expect=422)
    api.patch("/roles/staff", {"people": ["bo", "cy"]})
    api.patch(f"/roles/{key}", {"people": []})
    api.call("DELETE", f"/roles/{key}", expect=204)
    assert key not in [role["key"] for role in api.get("/roles")["roles"]]
    for wrong in (
        {"label": "x", "forms": {"order": {"verbs": ["fly"]}}},
        {"label": "x", "forms": []},
        {"label": ""},
        {},
    ):
        api.post("/roles", wrong, expect=422)
    api.patch("/roles/admin", {"forms": {}, "rooms": []}, expect=422)
    for method, path in (("GET", "/roles"), ("POST", "/roles"), ("PATCH", "/roles/staff"), ("DELETE", "/roles/staff")):
        assert staff_api.raw(method, path, {}).status_code == 403
