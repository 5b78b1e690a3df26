"""Tags, rules, decision tables, reports, dashboards and jobs through the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.http import Api

RULE = {
    "key": "big",
    "label": "大客户打标",
    "form": "customer",
    "on": {"schedule": "0 3 * * *"},
    "where": {"field": "total_paid", "op": "gte", "value": 1000},
    "do": [{"action": "add_tag", "tag": "大客户"}],
    "enabled": True,
}
TABLE = {
    "key": "worth",
    "label": "价值",
    "form": "customer",
    "schedule": "0 4 * * *",
    "target": {"tag_group": "worth"},
    "rows": [
        {"where": {"field": "total_paid", "op": "gte", "value": 1000}, "then": "高"},
        {"where": {"field": "order_count", "op": "gte", "value": 1}, "then": "中"},
    ],
    "default": "低",
}


@pytest.fixture
def shop(api: Api) -> list[int]:
    """Customers who paid 1500, 20 and nothing."""
    ids = [api.post("/forms/customer/records", {"values": {"name": name}})["id"] for name in ("甲", "乙", "丙")]
    for n, amount in enumerate(("1500", "20")):
        values = {"number": f"A{n}", "amount": amount, "paid_at": "2026-11-01", "customer": ids[n], "channel": "douyin"}
        api.post("/forms/order/records", {"values": values})
    return ids


def tags_of(api: Api, ids: list[int]) -> list[list[str]]:
    return [api.get(f"/forms/customer/records/{i}")["values"]["tags"] for i in ids]


def test_a_rule_is_made_run_and_logged(api: Api, shop: list[int], work: Callable[[], Any]) -> None:
    made = api.post("/rules", RULE, expect=201)
    assert made["enabled"] and "大客户" in made["words"]
    job = api.post("/rules/big:run", expect=202)["job"]
    work()
    assert api.get(f"/jobs/{job}")["status"] == "done"
    assert tags_of(api, shop) == [["大客户"], [], []]
    (run,) = api.get("/rules/big/runs")["runs"]
    assert (run["matched"], run["changed"], run["status"]) == (1, 1, "done")
    assert not api.patch("/rules/big", {"enabled": False})["enabled"]
    api.delete("/rules/big", expect=204)
    api.get("/rules/big", expect=404)


def test_a_decision_table_gives_each_customer_one_tag_of_its_group(
    api: Api, shop: list[int], work: Callable[[], Any]
) -> None:
    group = {"key": "worth", "label": "价值", "exclusive": True, "tags": ["高", "中", "低"]}
    assert [t["name"] for t in api.post("/tags", group, expect=201)["tags"]] == ["高", "中", "低"]
    api.post("/decision-tables", TABLE, expect=201)
    api.post("/decision-tables/worth:run", expect=202)
    work()
    assert tags_of(api, shop) == [["高"], ["中"], ["低"]]
    counted = {t["name"]: t["count"] for g in api.get("/tags", count=1)["tag_groups"] for t in g["tags"]}
    assert (counted["高"], counted["中"], counted["低"]) == (1, 1, 1)
    where = {"tag": "高"}
    assert api.post("/forms/customer/records:count", {"where": where})["count"] == 1


@pytest.mark.parametrize(
    ("path", "definition"),
    [
        ("/rules", {**RULE, "form": "nothing"}), ("/rules", {**RULE, "on": {"schedule": "soon"}}),
        ("/rules", {**RULE, "where": {"field": "nothing"}}), ("/rules", {**RULE, "do": []}), ("/rules", {}),
        ("/rules", {**RULE, "do": [{"action": "launch_rocket"}]}), ("/rules", {**RULE, "do": "set"}),
        ("/decision-tables", {**TABLE, "rows": []}), ("/decision-tables", {**TABLE, "target": {"field": "total_paid"}}),
        ("/decision-tables", {**TABLE, "target": {}}), ("/reports", {"label": "x", "form": "nothing"}),
        ("/reports", {"label": "x", "form": "order", "dimensions": [{"field": "nothing"}]}), ("/reports", {}),
        ("/reports", {"label": "x", "form": "order", "measures": [{"agg": "sum", "of": "shop"}]}),
        ("/dashboards", {"label": "x", "tiles": [{"report": "nothing", "x": 0, "y": 0, "w": 1, "h": 1}]}), ("/dashboards", {}),
        ("/tags", {}), ("/tags", {"key": "K", "label": "x"}), ("/tags", {"key": "k", "label": "x", "tags": [5]}),
    ],
)  # fmt: skip
def test_a_definition_that_makes_no_sense_is_refused(api: Api, path: str, definition: dict[str, Any]) -> None:
    problem = api.post(path, definition, expect=422)
    assert problem["detail"] or problem["errors"]


def test_a_report_is_saved_and_read(api: Api, shop: list[int]) -> None:
    report = {
        "key": "by_channel",
        "label": "渠道销售",
        "form": "order",
        "dimensions": [{"field": "channel"}],
        "measures": [{"agg": "sum", "of": "amount", "as": "paid", "label": "销售额"}],
        "chart": "bar",
    }
    api.post("/reports", report, expect=201)
    (row,) = api.get("/reports/by_channel/data")["rows"]
    assert (row["channel"], row["paid"]) == ("douyin", "1520.00")
    tiles = [{"report": "by_channel", "x": 0, "y": 0, "w": 6, "h": 4}]
    board = api.post("/dashboards", {"key": "mine", "label": "我的", "tiles": tiles}, expect=201)
    assert board["tiles"][0]["report"] == "by_channel"
    api.delete("/reports/by_channel", expect=422)
    api.delete("/dashboards/mine", expect=204)
    api.delete("/reports/by_channel", expect=204)


def test_staff_read_but_do_not_automate(staff_api: Api, api: Api) -> None:
    staff_api.get("/tags")
    staff_api.get("/dashboards")
    staff_api.post("/rules", RULE, expect=403)
    staff_api.get("/decision-tables", expect=403)
    staff_api.get("/jobs/999", expect=404)
