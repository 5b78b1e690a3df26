"""How long records are kept: nightly deletion and pseudonyms by rule, with a preview, off by default."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.accounts.models import AuditEntry
from appliance.core import jobs
from appliance.forms import catalog, query, records, retention
from appliance.forms.retention_models import RetentionRule


def make(form="order", **values):
    return records.create(catalog.get(form), values, SYSTEM)


def alive(form="order"):
    return {r.id for r in query.Query(catalog.get(form), SYSTEM).page(limit=50).records}


def night():
    jobs.enqueue("forms.retention", {})
    jobs.work()


RULE = {"field": "paid_at", "months": "24", "action": "delete", "where": "{}"}


@pytest.fixture
def orders(clock, app):
    clock.set("2026-06-15T10:00:00+08:00")
    old = make(number="A", paid_at="2023-01-05 10:00", amount="5", remark="老地址", status="completed")
    open_ = make(number="B", paid_at="2023-01-05 10:00", status="paid")
    new = make(number="C", paid_at="2026-01-05 10:00", remark="新地址")
    undated = make(number="D")
    return old, open_, new, undated


def test_a_rule_is_made_previewed_and_does_nothing_until_it_is_switched_on(client, orders):
    assert "还没有保存期限" in client.get("/settings/retention/").text
    assert "付款时间" in client.get("/settings/retention/new?form=order").text
    assert "2 条记录到期" in client.post("/settings/retention/preview?form=order", data=RULE, htmx=True).text
    assert client.post("/settings/retention/new?form=order", data=RULE).status_code == 303
    night()
    assert alive() == set(orders)
    assert "未开启" in client.get("/settings/retention/").text


def test_what_is_too_old_goes_to_the_bin_and_then_for_good(client, orders, clock):
    old, open_, new, undated = orders
    where = json.dumps({"field": "status", "op": "eq", "value": "completed"})
    client.post("/settings/retention/new?form=order", data=RULE | {"where": where, "enabled": "1"})
    night()
    assert alive() == {open_, new, undated}
    assert query.Query(catalog.get("order"), SYSTEM, deleted=True).get(old).id == old
    page = client.get("/settings/retention/").text
    assert "处理 1 条" in page and "已完成" in page
    assert AuditEntry.get(AuditEntry.action == "retention.applied").detail["count"] == 1
    clock.move(days=31)
    jobs.enqueue("forms.bin", {})
    jobs.work()
    assert query.Query(catalog.get("order"), SYSTEM, deleted=True).count() == 0


def test_pseudonyms_keep_the_amounts_and_are_made_once(client, orders):
    old, _open, new, _undated = orders
    rule = RULE | {"action": "pseudonymise", "enabled": "1"}
    refused = client.post("/settings/retention/new?form=order", data=rule)
    assert refused.status_code == 422 and "清空" in refused.text and not RetentionRule.select().count()
    client.post("/settings/retention/new?form=order", data=rule | {"word": "清空"})
    night()
    form = catalog.get("order")
    kept = query.get(form, old, SYSTEM).values
    assert kept["remark"] is None and kept["amount"] == 500 and kept["number"] == "A"
    assert query.get(form, new, SYSTEM).values["remark"] == "新地址"
    version = query.get(form, old, SYSTEM).version
    night()
    assert query.get(form, old, SYSTEM).version == version
    assert RetentionRule.get().last_count == 0


def test_a_rule_whose_field_is_gone_says_so_and_touches_nothing(client, orders):
    form = catalog.get("order")
    catalog.add_field(form, {"key": "due", "label": "到期日", "type": "date"})
    client.post("/settings/retention/new?form=order", data=RULE | {"field": "due", "enabled": "1"})
    catalog.delete_field(catalog.get("order"), "due")
    night()
    assert alive() == set(orders) and "请选择按哪个日期计算" in client.get("/settings/retention/").text


def test_wrong_rules_are_refused_and_only_administrators_make_them(client, staff_client, orders):
    for wrong in (
        {"months": "0"},
        {"months": "x"},
        {"field": "number"},
        {"action": "burn"},
        {"where": '{"field":"x"}'},
    ):
        assert client.post("/settings/retention/new?form=order", data=RULE | wrong).status_code == 422, wrong
        assert "field-error" in client.post("/settings/retention/preview?form=order", data=RULE | wrong, htmx=True).text
    assert client.get("/settings/retention/new?form=nothing").status_code == 404
    assert client.get("/settings/retention/99").status_code == 404
    assert staff_client.get("/settings/retention/").status_code == 403
    assert staff_client.post("/settings/retention/new?form=order", data=RULE).status_code == 403


def test_a_rule_is_changed_and_deleted(client, orders):
    client.post("/settings/retention/new?form=order", data=RULE)
    rule = RetentionRule.get()
    client.post(f"/settings/retention/{rule.id}", data=RULE | {"months": "12"})
    assert RetentionRule.get().months == 12
    client.post(f"/settings/retention/{rule.id}/delete")
    assert RetentionRule.select().count() == 0


def test_months_are_counted_by_the_calendar():
    assert retention.before(1, dt.date(2026, 3, 31)) == dt.date(2026, 2, 28)
    assert retention.before(12, dt.date(2024, 2, 29)) == dt.date(2023, 2, 28)
    assert retention.before(3, dt.date(2026, 1, 15)) == dt.date(2025, 10, 15)
