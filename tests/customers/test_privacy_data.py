"""One customer's whole data in one file."""

from __future__ import annotations

import io
import json
import zipfile

from appliance.accounts import permissions, users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import AuditEntry
from appliance.customers import consents
from appliance.forms import catalog, comments, query, records, uploads
from tests.support.people import BO


def make(form="customer", **values):
    return records.create(catalog.get(form), values, SYSTEM)


def amy():
    return users.actor_of(users.by_login("amy").id)


def person():
    form = catalog.get("customer")
    catalog.add_field(form, {"key": "papers", "label": "证件", "type": "attachments"})
    form = catalog.get("customer")
    held = uploads.hold(io.BytesIO(b"%PDF-1.4 paper"), "合同.pdf", SYSTEM)
    one = make(name="王小明", phone="13800138000", tags=["老客"], identities={"member_no": ["M001"]}, papers=[held.id])
    records.update(form, one, {"city": "杭州"}, SYSTEM)
    order = make("order", number="A1", customer=one, amount="199", remark="请放门口")
    make("order_item", order=order, name="口红", quantity="2")
    make("order", number="B2", customer=make(name="别人"), amount="5")
    consents.record(one, "marketing", ["sms"], "granted", "phone", SYSTEM, evidence="录音 7")
    comments.add(query.get(catalog.get("customer"), one, amy()), "喜欢红色", amy(), "/")
    return one


def check(content):
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        doc = json.loads(found.read("data.json"))
        page = found.read("index.html").decode()
        attached = [name for name in found.namelist() if name.startswith("files/")]
        assert found.read(attached[0]) == b"%PDF-1.4 paper" and attached[0].endswith(".pdf")
    for words in (
        "王小明",
        "13800138000",
        "老客",
        "M001",
        "A1",
        "¥199.00",
        "请放门口",
        "口红",
        "录音 7",
        "喜欢红色",
        "杭州",
    ):
        assert words in page, words
    assert "B2" not in page and "别人" not in page
    order = next(group for group in doc["related"] if group["form"] == "order")["records"][0]
    assert order["related"][0]["records"][0]["title"] == "口红"


def test_a_customers_data_are_made_as_a_file_that_can_be_fetched_for_two_days(client, staff_client, work, clock):
    one = person()
    assert "导出全部资料" in client.get(f"/forms/customer/records/{one}").text
    assert "ZIP" in client.get(f"/customers/{one}/data", htmx=True).text
    assert "正在整理" in client.post(f"/customers/{one}/data", htmx=True).text
    work()
    from appliance.core.models import JobRow

    job = JobRow.get(JobRow.kind == "privacy.export")
    state = client.get(f"/customers/{one}/data/{job.id}", htmx=True).text
    assert "2 天内有效" in state
    check(client.get(f"/customers/{one}/data/{job.id}/file").data)
    assert staff_client.get(f"/customers/{one}/data/{job.id}/file").status_code == 404
    assert AuditEntry.select().where(AuditEntry.action == "privacy.exported").count() == 1
    clock.move(days=3)
    assert client.get(f"/customers/{one}/data/{job.id}/file").status_code in (401, 302, 404)
    work()
    assert JobRow.get_by_id(job.id).result["file_id"] is None


def test_the_command_makes_the_same_file(app, cli, tmp_path):
    one = person()
    target = tmp_path / "one.zip"
    assert cli("customer", "export", str(one), str(target), "--json").ok().json["files"] == 1
    check(target.read_bytes())
    assert cli("customer", "export", "999", str(target)).status == 1
    assert cli("customer", "export", str(one), str(tmp_path / "no" / "x.zip")).status == 1


def test_it_needs_the_right_to_export_and_holds_no_hidden_field(staff_client, work, app):
    one = person()
    rights = {"forms": {"*": {"verbs": ["see", "export"], "fields": {"phone": "hidden", "city": "masked"}}}}
    users.add_role("half", "看不到手机", permissions.Rights.open(rights))
    users.update(users.by_login(BO.login).id, SYSTEM, role="half")
    staff_client.post(f"/customers/{one}/data", htmx=True)
    work()
    from appliance.core.models import JobRow

    job = JobRow.get(JobRow.kind == "privacy.export")
    content = staff_client.get(f"/customers/{one}/data/{job.id}/file").data
    with zipfile.ZipFile(io.BytesIO(content)) as found:
        text = found.read("data.json").decode() + found.read("index.html").decode()
    assert "13800138000" not in text and "杭州" not in text and "王小明" in text
    users.add_role("none", "不能导出", permissions.Rights.open({"forms": {"*": {"verbs": ["see", "edit"]}}}))
    users.update(users.by_login(BO.login).id, SYSTEM, role="none")
    assert staff_client.get(f"/customers/{one}/data").status_code == 403
    assert staff_client.post(f"/customers/{one}/data").status_code == 403
    assert "导出全部资料" not in staff_client.get(f"/forms/customer/records/{one}").text
