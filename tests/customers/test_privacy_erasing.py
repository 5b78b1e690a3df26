"""A person's data go for good and the books stay; nothing of the person is left in the file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import AuditEntry
from appliance.core import db as database
from appliance.core.errors import FieldErrors
from appliance.customers import consents, erasing, identities
from appliance.forms import catalog, comments, merging, personal, query, records, uploads
from appliance.forms.models import Change

NAME, PHONE, NICK, NOTE, OLD_PHONE = "欧阳测绘师", "13812345678", "nick-zebra-77", "住在翡翠湾", "13987654321"
TRACES = (
    NAME,
    PHONE,
    NICK,
    NOTE,
    OLD_PHONE,
    "M-ZEBRA-1",
    "合同正文标记",
    "评论里的标记",
    "ouyangcehui",
    "收货备注标记",
)
SENT = {"reason": "客户来电要求", "word": "永久删除"}


def make(form="customer", **values):
    return records.create(catalog.get(form), values, SYSTEM)


def stored(record_id, form="customer"):
    return query.get(catalog.get(form), record_id, SYSTEM)


def amy():
    return users.actor_of(users.by_login("amy").id)


@pytest.fixture
def person(app):
    form = catalog.get("customer")
    catalog.add_field(form, {"key": "papers", "label": "证件", "type": "attachments"})
    catalog.add_field(form, {"key": "number", "label": "身份证", "type": "id_card"})
    catalog.add_field(form, {"key": "gone", "label": "旧字段", "type": "text"})
    catalog.add_field(catalog.get("order"), {"key": "receiver", "label": "收货人", "type": "text", "required": True})
    catalog.add_field(catalog.get("order"), {"key": "address", "label": "收货地址", "type": "address"})
    form = catalog.get("customer")
    held = uploads.hold(io.BytesIO("合同正文标记".encode()), "合同.txt", SYSTEM)
    one = make(
        name=NAME, nickname=NICK, phone=OLD_PHONE, remark=NOTE, birthday="1990-01-02", city="杭州", tags=["老客"],
        identities={"member_no": ["M-ZEBRA-1"]}, papers=[held.id], gone=NOTE,
    )  # fmt: skip
    records.update(form, one, {"phone": PHONE}, SYSTEM)
    order = make(
        "order",
        number="A1",
        customer=one,
        amount="199",
        remark="收货备注标记",
        receiver=NAME,
        paid_at="2026-03-05 10:00",
    )
    make("order_item", order=order, name="口红", quantity="2")
    comments.add(query.get(form, one, amy()), "评论里的标记 @bo", amy(), f"/forms/customer/records/{one}")
    comments.add(query.get(catalog.get("order"), order, amy()), f"{NAME} 催单", amy(), "/")
    consents.record(one, "marketing", ["sms"], "granted", "phone", SYSTEM, evidence=NAME)
    other = make(name=NAME, wechat=NICK + "x", phone="13700001111")
    merging.merge(form, one, other, {"phone": "target", "name": "target"}, SYSTEM)
    catalog.delete_field(catalog.get("customer"), "gone")
    bystander = make(name="旁人甲", phone="13600002222", remark="旁人的备注")
    make("order", number="B1", customer=bystander, amount="5", remark="旁人的订单", receiver="旁人甲")
    return one, order, bystander


def file_bytes(data: Path) -> bytes:
    from appliance.core.db import checkpoint, db, read

    with read():
        checkpoint()
        file = Path(db.database)
    log = file.with_name(file.name + "-wal")
    return file.read_bytes() + (log.read_bytes() if log.exists() else b"")


def traces(data: Path) -> list[str]:
    content = file_bytes(data)
    return [text for text in TRACES if text.encode() in content]


def test_nothing_of_the_person_is_left_in_the_file(client, work, data, person):
    one, order, bystander = person  # noqa: RUF059
    work()
    assert NAME in client.get("/forms/customer", query_string={"q": "欧阳"}).text
    assert set(traces(data)) >= {NAME, PHONE, NOTE, OLD_PHONE}
    assert client.post(f"/customers/{one}/erase", data=SENT, htmx=True).headers["HX-Redirect"].endswith(f"/{one}")
    work()
    assert traces(data) == []
    kept = file_bytes(data)
    for text in ("旁人甲", "13600002222", "旁人的备注", "旁人的订单"):
        assert text.encode() in kept


def test_the_books_stay_and_the_person_is_a_pseudonym(client, person):
    one, order, bystander = person  # noqa: RUF059
    dialog = client.get(f"/customers/{one}/erase", htmx=True).text
    assert "不能" in dialog or "找不回来" in dialog
    assert "订单 1" in dialog and "合并进来的 1 条" in dialog
    client.post(f"/customers/{one}/erase", data=SENT, htmx=True)
    now, bought = stored(one).values, stored(order, "order").values
    assert now["name"] == f"已删除客户 #{one}" and now["phone"] is None and now["birthday"] is None
    assert now["tags"] == [] and not now["papers"] and now["city"] == "杭州" and now["total_paid"] == 19900
    assert bought["number"] == "A1" and bought["amount"] == 19900 and bought["paid_at"] and bought["customer"] == one
    assert bought["remark"] is None and bought["receiver"] is None
    assert identities.of([one]) == {} or not identities.of([one]).get(one)
    assert comments.count(stored(one)) == 0 and comments.count(stored(order, "order")) == 0
    page = client.get(f"/forms/customer/records/{one}").text
    assert "已删除客户" in page and "个人信息已删除" in page and NAME not in page
    assert "删除个人信息</" not in page
    panel = client.get(f"/forms/customer/records/{one}/panels/erased", htmx=True).text
    assert "客户来电要求" in panel and "amy" in panel
    told = AuditEntry.get(AuditEntry.action == "privacy.erased")
    assert told.detail == {"record": one, "reason": "客户来电要求"} and told.actor_id == amy().id
    kept = [
        c.fields for c in Change.select().where(Change.record_id == one, Change.form_id == catalog.get("customer").id)
    ]
    assert any("city" in fields for fields in kept) and not any("phone" in fields for fields in kept)
    # Who has the phone now is somebody else.
    assert make(name="新客", phone=PHONE)


def test_it_is_confirmed_by_a_word_and_a_reason_and_only_by_who_may(client, staff_client, person):
    one = person[0]
    assert "请输入" in client.post(f"/customers/{one}/erase", data=SENT | {"word": "删除"}, htmx=True).text
    assert "请写明原因" in client.post(f"/customers/{one}/erase", data=SENT | {"reason": " "}, htmx=True).text
    assert stored(one).values["phone"] == PHONE
    assert staff_client.get(f"/customers/{one}/erase").status_code == 403
    assert staff_client.post(f"/customers/{one}/erase", data=SENT).status_code == 403
    assert "删除个人信息" not in staff_client.get(f"/forms/customer/records/{one}").text
    client.post(f"/customers/{one}/erase", data=SENT, htmx=True)
    assert "已经删除过" in client.post(f"/customers/{one}/erase", data=SENT, htmx=True).text
    assert client.get("/customers/999/erase").status_code == 404


def test_nothing_personal_is_written_into_it_again(api, person):
    one = person[0]
    erasing.erase(one, "要求", amy())
    form = catalog.get("customer")
    with pytest.raises(FieldErrors):
        records.update(form, one, {"phone": PHONE}, SYSTEM)
    api.patch(f"/forms/customer/records/{one}", {"values": {"name": NAME}}, expect=422)
    records.update(form, one, {"stage": "lost"}, SYSTEM)


def test_an_imported_customer_leaves_no_file_behind(cli, client, work, data, app, tmp_path):
    sheet = tmp_path / "c.csv"
    sheet.write_text(f"姓名,手机,备注\n{NAME},{PHONE},{NOTE}\n{NAME},12,坏行\n", encoding="utf-8")
    cli("import", "customer", sheet, "--json").ok()
    one = query.Query(catalog.get("customer"), SYSTEM).search(NAME).page(limit=1).records[0].id
    assert set(traces(data)) >= {NAME, PHONE}
    erasing.erase(one, "要求", amy())
    for left in query.Query(catalog.get("customer"), SYSTEM).search(NAME).page(limit=9).records:
        erasing.erase(left.id, "要求", amy())
    work()
    assert traces(data) == []


def test_a_backup_that_brings_the_person_back_is_erased_again(cli, work, data, person, tmp_path, app):
    one, order, bystander = person
    cli("backup", "--to", tmp_path / "old.db").ok()
    erasing.erase(one, "要求", amy())
    work()
    database.close_database()
    answer = cli("restore", tmp_path / "old.db", "--force", "--json").ok().json
    assert answer["erased_again"] == 2 or answer["erased_again"] == 1
    database.open_database(data)
    work()
    assert stored(one).values["name"] == f"已删除客户 #{one}" and stored(order, "order").values["receiver"] is None
    assert stored(bystander).values["name"] == "旁人甲"
    assert AuditEntry.select().where(AuditEntry.action == "privacy.reapplied").count() >= 1
    assert traces(data) == []


def test_a_field_says_itself_whether_it_is_personal(app):
    form = catalog.get("order")
    catalog.add_field(form, {"key": "gift", "label": "礼物", "type": "text", "personal": True})
    catalog.add_field(form, {"key": "note", "label": "内部说明", "type": "long_text", "personal": False})
    form = catalog.get("order")
    assert personal.is_personal(form, form.fields["gift"]) and not personal.is_personal(form, form.fields["note"])
    assert personal.is_personal(form, form.fields["remark"]) and not personal.is_personal(form, form.fields["number"])
    with pytest.raises(Exception, match="true"):
        catalog.add_field(form, {"key": "bad", "label": "坏", "type": "text", "personal": "yes"})
