"""One record shared with a person or a department; who can see a record and why; looking as somebody else; masked values."""

from __future__ import annotations

import pytest

from appliance.accounts import departments, permissions, roles, users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import AuditEntry, Share
from appliance.forms import catalog, query, records

OWN = {"verbs": ["see", "edit", "delete", "export"], "scope": {"whose": "me"}}


@pytest.fixture
def people(app):
    """Bo and Cy see only what is their own."""
    key = roles.create("本人", permissions.Rights.open({"forms": {"*": OWN}}), SYSTEM)
    ids = {login: users.by_login(login).id for login in ("amy", "bo", "cy")}
    for login in ("bo", "cy"):
        roles.set_of_user(ids[login], [key], SYSTEM)
    return ids


@pytest.fixture
def record(people):
    return records.create(catalog.get("customer"), {"name": "共享的客户", "owner": "bo", "remark": "秘密"}, SYSTEM)


def share(client, record, to, may="see", until=""):
    return client.post(
        f"/forms/customer/records/{record}/shares", data={"with": to, "may": may, "until": until}, htmx=True
    )


def test_the_owner_shares_with_a_colleague_who_looks_and_cannot_change(staff_client, cy_client, people, record):
    url = f"/forms/customer/records/{record}"
    assert cy_client.get(url).status_code == 404 and "共享的客户" not in cy_client.get("/forms/customer").text
    assert "分享" in staff_client.get(url).text
    assert "Cy 王" in share(staff_client, record, f"u:{people['cy']}").text
    assert cy_client.get(url).status_code == 200 and "共享的客户" in cy_client.get("/forms/customer").text
    assert 'data-count="1"' in cy_client.get("/forms/customer/count?exact=1").text
    assert "共享的客户" in cy_client.get("/notices").text
    assert "/edit" not in cy_client.get(f"{url}/header").text and "/shares" not in cy_client.get(url).text
    cy_client.post(f"{url}/fields/name", data={"name": "改", "base": "共享的客户"})
    cy_client.post(f"{url}/delete")
    cy_client.post("/forms/customer/bulk/delete", data={"everything": "1"}, htmx=True)
    assert query.get(catalog.get("customer"), record, SYSTEM).title == "共享的客户"
    assert cy_client.get(f"{url}/shares").status_code == 403


def test_shared_to_edit_can_be_edited_but_not_deleted_and_ends_with_the_share(staff_client, cy_client, people, record):
    share(staff_client, record, f"u:{people['cy']}", "edit")
    cy_client.post(f"/forms/customer/records/{record}/fields/name", data={"name": "改过", "base": "共享的客户"})
    cy_client.post(f"/forms/customer/records/{record}/delete")
    assert query.get(catalog.get("customer"), record, SYSTEM).title == "改过"
    one = Share.get().id
    staff_client.post(f"/forms/customer/records/{record}/shares/{one}/revoke", htmx=True)
    assert cy_client.get(f"/forms/customer/records/{record}").status_code == 404
    assert {e.action for e in AuditEntry.select()} >= {"record.shared", "record.unshared"}


def test_a_department_and_those_below_it_see_until_the_day_is_over(clock, staff_client, cy_client, people, record):
    sales = departments.create("销售部", SYSTEM)
    east = departments.create("华东组", SYSTEM, parent=sales)
    departments.set_of_user(people["cy"], [east], SYSTEM)
    clock.set("2026-06-15T10:00:00+08:00")
    assert share(staff_client, record, f"d:{sales}", until="2026-06-14").status_code == 422
    assert share(staff_client, record, f"d:{sales}", until="2026-06-15").status_code == 200
    actor = users.actor_of(people["cy"])
    form = catalog.get("customer")
    assert query.visible_ids("customer", [record], actor) == {record}
    assert query.Query(form, actor).where({"whose": "shared"}).count() == 1
    clock.move(days=1)
    from appliance.accounts.cache import forget

    forget()
    assert query.visible_ids("customer", [record], actor) == set()


def test_sharing_over_the_api(api, staff_api, people, record):
    url = f"/forms/customer/records/{record}/shares"
    made = staff_api.post(url, {"person": "cy", "edit": True, "until": "2099-01-01"})
    assert (made["person"], made["edit"], made["by"]) == ("cy", True, "bo")
    assert [one["id"] for one in api.get(url)["shares"]] == [made["id"]]
    for wrong in ({}, {"person": "nobody"}, {"person": "cy", "until": "gestern"}, {"person": "cy", "edit": "yes"}):
        staff_api.post(url, wrong, expect=422)
    staff_api.call("DELETE", f"{url}/{made['id']}", expect=204)
    staff_api.call("DELETE", f"{url}/{made['id']}", expect=404)


def test_administrators_see_who_sees_a_record_and_why(client, staff_client, people, record):
    share(staff_client, record, f"u:{people['cy']}")
    vip = permissions.Rights.open(
        {"forms": {"customer": {"deny": {"field": "name", "op": "contains", "value": "共享"}}}}
    )
    text = client.get(f"/forms/customer/records/{record}/who-sees").text
    assert "管理员" in text and "本人的" in text and "Bo 李 分享" in text
    roles.set_of_user(people["cy"], [roles.create("拒绝", vip, SYSTEM), roles.everything()[-2].key], SYSTEM)
    text = client.get(f"/forms/customer/records/{record}/who-sees").text
    assert "看不到" in text and "拒绝" in text
    assert staff_client.get(f"/forms/customer/records/{record}/who-sees").status_code == 403


def test_an_administrator_looks_as_somebody_else_and_changes_nothing(client, staff_client, people, record):
    records.create(catalog.get("customer"), {"name": "别人的客户", "owner": "cy"}, SYSTEM)
    assert client.post(f"/preview/{people['amy']}").status_code == 403
    assert staff_client.post(f"/preview/{people['cy']}").status_code == 403
    assert client.post(f"/preview/{people['bo']}").status_code == 303
    for url in ("/", "/forms/customer", f"/forms/customer/records/{record}", "/reports", "/notices"):
        page = client.get(url)
        assert page.status_code == 200 and "正在以 Bo 李 的身份预览" in page.text, url
    assert "别人的客户" not in client.get("/forms/customer").text
    assert client.get("/settings/users").status_code == 403
    changed = client.post(f"/forms/customer/records/{record}/fields/name", data={"name": "改", "base": "共享的客户"})
    assert changed.status_code in (403, 422) and "正在预览" in changed.text
    assert client.get("/forms/customer/export?format=csv").status_code == 403
    assert query.get(catalog.get("customer"), record, SYSTEM).title == "共享的客户"
    client.post("/preview/end")
    assert "别人的客户" in client.get("/forms/customer").text
    noted = [e.action for e in AuditEntry.select().where(AuditEntry.actor_id == people["amy"])]
    assert {"preview.started", "preview.ended"} <= set(noted)


def test_a_masked_value_is_shown_with_a_reason_so_many_times_a_day(client, staff_client, staff_api, people, clock):
    key = roles.create(
        "掩码", permissions.Rights.open({"forms": {"*": {"verbs": ["see"], "fields": {"phone": "masked", "remark": "hidden"}}}}), SYSTEM
    )  # fmt: skip
    roles.set_of_user(people["bo"], [key], SYSTEM)
    record = records.create(catalog.get("customer"), {"name": "甲", "phone": "13800138000", "remark": "秘密"}, SYSTEM)
    page = staff_client.get(f"/forms/customer/records/{record}").text
    url = f"/forms/customer/records/{record}/fields/phone/reveal"
    assert "13800138000" not in page and url in page
    assert "为什么要看" in staff_client.get(url).text
    assert staff_client.post(url, data={"reason": ""}, htmx=True).status_code == 422
    assert "13800138000" in staff_client.post(url, data={"reason": "回电话"}, htmx=True).text
    assert "回电话" in client.get("/settings/log").text
    client.post("/settings/company", data={"company.reveals_per_day": "2"})
    api_url = f"/forms/customer/records/{record}/phone:reveal"
    assert staff_api.post(api_url, {"reason": "核对"})["value"] == "13800138000"
    staff_api.post(api_url, {"reason": "核对"}, expect=403)
    assert staff_client.post(url, data={"reason": "核对"}, htmx=True).status_code == 403
    clock.move(days=1)
    staff_api.post(api_url, {"reason": "核对"})
    staff_api.post(f"/forms/customer/records/{record}/remark:reveal", {"reason": "核对"}, expect=404)
    staff_api.post(f"/forms/customer/records/{record}/name:reveal", {"reason": "核对"}, expect=404)
