"""Records grouped by fields that hold several values, and by months: in the API and in reports."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from appliance.accounts import users
from appliance.accounts.actor import SYSTEM
from appliance.accounts.permissions import FormRights, Rights
from tests.support.http import Api, Client

Rows = list[dict[str, Any]]


@pytest.fixture
def visits(api: Api) -> dict[str, int]:
    """Three visits about several things, with several shops, in three months of two years."""
    shop = [{"key": "name", "label": "店名", "type": "text"}]
    api.post("/forms", {"key": "shop", "label": "门店", "title_field": "name", "fields": shop})
    fields = [
        {"key": "topics", "label": "话题", "type": "multi_choice", "choices": ["价格", "物流", "质量"]},
        {"key": "guests", "label": "同行", "type": "persons"},
        {"key": "shops", "label": "到访门店", "type": "relations", "form": "shop"},
        {"key": "month", "label": "账期", "type": "month"},
        {"key": "cost", "label": "花费", "type": "money"},
    ]
    api.post("/forms", {"key": "visit", "label": "拜访", "fields": fields})
    shops = {name: api.post("/forms/shop/records", {"values": {"name": name}})["id"] for name in ("东店", "西店")}
    both = list(shops.values())
    for values in (
        {"topics": ["价格", "物流", "质量"], "guests": ["amy", "bo"], "shops": both, "month": "2026-02", "cost": "10"},
        {"topics": ["价格"], "guests": ["bo"], "shops": both[:1], "month": "2026-03", "cost": "20"},
        {"month": "2025-11", "cost": "40"},
    ):
        api.post("/forms/visit/records", {"values": values})
    return shops


def groups(api: Api, field: str, **more: Any) -> dict[Any, Any]:
    measures = [{"agg": "count", "as": "n"}, {"agg": "sum", "of": "cost", "as": "cost"}]
    doc = {"group_by": [{"field": field, "as": "g", **more}], "measures": measures}
    rows: Rows = api.post("/forms/visit/records:aggregate", doc)["rows"]
    return {row["g"]: (row["n"], row["cost"]) for row in rows}


def test_a_record_counts_in_the_group_of_each_of_its_values(api: Api, visits: dict[str, int]) -> None:
    none = {None: (1, "40.00")}
    assert groups(api, "topics") == {"价格": (2, "30.00"), "物流": (1, "10.00"), "质量": (1, "10.00")} | none
    assert groups(api, "guests") == {"amy": (1, "10.00"), "bo": (2, "30.00")} | none
    assert groups(api, "shops") == {visits["东店"]: (2, "30.00"), visits["西店"]: (1, "10.00")} | none


def test_two_such_fields_make_a_group_of_each_pair(api: Api, visits: dict[str, int]) -> None:
    doc = {"group_by": [{"field": "topics"}, {"field": "guests"}]}
    rows = api.post("/forms/visit/records:aggregate", doc)["rows"]
    found = {(row["topics"], row["guests"]): row["count"] for row in rows}
    assert found[("价格", "bo")] == 2 and found[("物流", "amy")] == 1 and found[(None, None)] == 1 and len(found) == 7


def test_tags_group_customers_and_what_relates_to_them(api: Api) -> None:
    for name, tags in (("甲", ["老客", "高价值"]), ("乙", ["老客"]), ("丙", [])):
        made = api.post("/forms/customer/records", {"values": {"name": name, "tags": tags}})["id"]
        api.post("/forms/order/records", {"values": {"number": name, "customer": made}})
    for form, field in (("customer", "tags"), ("order", "customer.tags")):
        doc = {"group_by": [{"field": field, "as": "tag"}]}
        rows = api.post(f"/forms/{form}/records:aggregate", doc)["rows"]
        assert {row["tag"]: row["count"] for row in rows} == {None: 1, "老客": 2, "高价值": 1}


def test_months_group_by_month_quarter_and_year_only(api: Api, visits: dict[str, int]) -> None:
    counted = {
        size: {k: n for k, (n, _cost) in groups(api, "month", bucket=size).items()} for size in ("quarter", "year")
    }
    assert counted == {"quarter": {"2025-Q4": 1, "2026-Q1": 2}, "year": {"2025": 1, "2026": 2}}
    doc = {"group_by": [{"field": "month", "bucket": "day"}]}
    refused = api.post("/forms/visit/records:aggregate", doc, expect=422)
    assert "账期" in json.dumps(refused, ensure_ascii=False)


@pytest.mark.parametrize("field", ["files", "identities"])
def test_what_has_no_groups_is_refused_by_name(api: Api, field: str) -> None:
    api.post("/forms/customer/fields", {"key": "files", "label": "文件", "type": "attachments"})
    api.post("/forms/customer/records:aggregate", {"group_by": [{"field": field}]}, expect=422)


def test_links_that_may_not_be_seen_are_no_group(api: Api, staff_api: Api, visits: dict[str, int]) -> None:
    east = {"field": "name", "op": "eq", "value": "东店"}
    see = frozenset({"see"})
    users.add_role("narrow", "Narrow", Rights(forms={"visit": FormRights(see), "shop": FormRights(see, east)}))
    users.update(users.by_login("bo").id, SYSTEM, role="narrow")
    assert {k: n for k, (n, _cost) in groups(staff_api, "shops").items()} == {visits["东店"]: 2, None: 1}
    users.add_role("blind", "Blind", Rights(forms={"visit": FormRights(see, {}, {"topics": "hidden"})}))
    users.update(users.by_login("bo").id, SYSTEM, role="blind")
    assert {k: n for k, (n, _cost) in groups(staff_api, "shops").items()} == {None: 3}
    staff_api.post("/forms/visit/records:aggregate", {"group_by": [{"field": "topics"}]}, expect=422)


def report(client: Client, key: str, **definition: Any) -> list[list[str]]:
    sent = {"form": "visit", "label": key, "measure": '{"agg": "count"}', "chart": "table"} | definition
    made = client.post("/reports", data=sent)
    assert made.status_code in (302, 303), made.text[:2000]
    answer = client.get(f"{made.location.split('?')[0]}/export.csv?range=all")
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))[1:]


def test_a_report_groups_by_choices_and_drills_into_them(client: Client, visits: dict[str, int]) -> None:
    editor = client.get("/reports/new?form=visit").text
    for offered in ("话题", "同行", "到访门店", "账期 · 按季度"):
        assert offered in editor
    assert "账期 · 按天" not in editor
    assert report(client, "话题", dimension='{"field": "topics"}')[0] == ["价格", "2"]
    assert ["西店", "1"] in report(client, "门店", dimension='{"field": "shops"}')
    shown = client.post(
        "/reports/preview",
        data={"form": "visit", "measure": '{"agg": "count"}', "dimension": '{"field": "topics"}', "chart": "table"},
    ).text
    assert "has_any" in shown
    where = json.dumps({"field": "topics", "op": "has_any", "value": ["物流"]})
    assert "1" in client.get("/forms/visit", query_string={"where": where}).text


def test_the_rest_of_many_choices_is_counted_as_the_groups_are(client: Client, visits: dict[str, int]) -> None:
    pie = report(client, "饼", dimension='{"field": "topics"}', chart="pie", limit="1")
    assert pie == [["价格", "2"], ["其他", "3"]]


def test_automatic_periods_of_a_month_field_are_months(client: Client, visits: dict[str, int]) -> None:
    rows = report(client, "月", dimension='{"field": "month", "bucket": "auto"}', range="30d")
    assert all(len(row[0]) == 7 for row in rows)
