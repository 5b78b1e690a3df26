"""The recycle bin: how long records stay, and their end."""

from __future__ import annotations

import io

from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import AuditEntry
from appliance.core import settings
from appliance.customers.models import CustomerTag, Identity
from appliance.forms import catalog, comments, query, records
from appliance.forms.models import Change, Comment
from tests.support.people import AMY


def make(**values):
    return records.create(catalog.get("customer"), values, SYSTEM)


def in_bin():
    return {r.id for r in query.Query(catalog.get("customer"), SYSTEM, deleted=True).page(100).records}


def test_records_leave_the_bin_after_the_companys_days_with_everything_of_theirs(client, work, clock):
    form = catalog.get("customer")
    old = make(name="旧", tags=["新客"], identities={"member_no": ["1"]}, phone="13800138000")
    comments.add(query.get(form, old, SYSTEM), "说明", SYSTEM, "/")
    kept = make(name="新")
    records.delete(form, old, SYSTEM)
    clock.move(days=20)
    records.delete(form, kept, SYSTEM)
    client.login(AMY)
    page = client.get("/forms/customer/bin").text
    assert "保留 30 天" in page and "10 天" in page and "30 天" in page
    clock.move(days=11)
    work()
    client.login(AMY)
    assert in_bin() == {kept}
    assert not CustomerTag.select().where(CustomerTag.customer_id == old).exists()
    assert not Identity.select().where(Identity.customer_id == old).exists()
    assert not Comment.select().exists()
    assert all(c.fields == {} for c in Change.select().where(Change.form_id == form.id, Change.record_id == old))
    assert client.get("/forms/customer?q=旧").text.count("旧</a>") == 0


def test_the_company_says_how_many_days(client, work, clock):
    form = catalog.get("customer")
    settings.set("company.bin_days", 3)
    one = make(name="甲")
    records.delete(form, one, SYSTEM)
    clock.move(days=4)
    work()
    assert in_bin() == set()


def test_deleting_for_good_asks_for_the_word(client, staff_client, app):
    form = catalog.get("customer")
    ids = [make(name=name) for name in "甲乙丙"]
    for record_id in ids:
        records.delete(form, record_id, SYSTEM)
    url = "/forms/customer/bin/purge"
    assert "甲" in client.get(f"{url}?ids={ids[0]}", htmx=True).text
    wrong = client.post(url, data={"ids": ids[0], "word": "是"}, htmx=True)
    assert wrong.status_code == 422 and in_bin() == set(ids)
    assert staff_client.post(url, data={"ids": ids[0], "word": "彻底删除"}).status_code == 403
    answer = client.post(url, data={"ids": ids[0], "word": "彻底删除"}, htmx=True)
    assert answer.status_code == 204 and in_bin() == set(ids[1:])
    assert AuditEntry.select().where(AuditEntry.action == "records.purged").count() == 1
    assert client.post("/forms/customer/restore", data={"ids": ids[0]}).status_code == 204 and ids[0] not in in_bin()


def test_the_bin_is_emptied_of_what_is_in_it_and_nothing_else(client, work, app):
    form = catalog.get("customer")
    gone, alive = make(name="甲"), make(name="乙")
    records.delete(form, gone, SYSTEM)
    answer = client.post("/forms/customer/bin/purge", data={"ids": "", "word": "彻底删除"}, htmx=True)
    assert answer.status_code == 204
    work()
    assert in_bin() == set() and query.get(form, alive, SYSTEM).title == "乙"
    # A live record that is named is not touched.
    client.post("/forms/customer/bin/purge", data={"ids": alive, "word": "彻底删除"}, htmx=True)
    assert query.get(form, alive, SYSTEM).title == "乙"


def test_files_of_a_purged_record_go_too(client, app, api):
    from appliance.core.models import FileRow

    form = catalog.create_form(
        {"key": "doc", "label": "文件", "title_field": "t", "fields": [
            {"key": "t", "label": "名", "type": "text"}, {"key": "files", "label": "附件", "type": "attachments"},
        ]}
    )  # fmt: skip
    from appliance.forms import uploads

    held = uploads.hold(io.BytesIO(b"hello"), "a.txt", SYSTEM)
    one = records.create(form, {"t": "x", "files": [held.id]}, SYSTEM)
    records.delete(form, one, SYSTEM)
    client.post("/forms/doc/bin/purge", data={"ids": one, "word": "彻底删除"}, htmx=True)
    assert not FileRow.select().where(FileRow.id == held.id).exists()
