"""Figures are over what the reader may see, and over nothing else."""

from __future__ import annotations

import pytest


@pytest.fixture
def narrow(app):
    """``narrow(FormRights…)`` gives bo a role of his own; his rights by form key."""
    from appliance.accounts import users
    from appliance.accounts.actor import SYSTEM
    from appliance.accounts.permissions import FormRights, Rights

    def give(**forms):
        rights = Rights(forms={key: FormRights(frozenset(doc[0]), *doc[1:]) for key, doc in forms.items()})
        users.add_role("narrow", "Narrow", rights)
        users.update(users.by_login("bo").id, SYSTEM, role="narrow")

    return give


DOUYIN = {"field": "channel", "op": "eq", "value": "douyin"}


def test_row_scope_narrows_every_figure(client, staff_client, figures, paid, narrow):
    assert int(figures(staff_client, "orders")[0][0]) == len(paid)
    narrow(order=({"see", "export"}, DOUYIN), customer=({"see"},))
    own = [r for r in paid if r["channel"] == "douyin"]
    assert int(figures(staff_client, "orders")[0][0]) == len(own)
    assert [name for name, _value in figures(staff_client, "sales_by_channel")] == ["抖音"]
    assert int(figures(client, "orders")[0][0]) == len(paid)


def test_a_dashboard_counts_for_its_reader(client, staff_client, paid, narrow):
    narrow(order=({"see"}, DOUYIN))
    orders = client.get("/dashboards/overview/tiles/1?range=all", htmx=True).text
    mine = staff_client.get("/dashboards/overview/tiles/1?range=all", htmx=True).text
    assert f"{len(paid):,}" in orders
    assert f"{len(paid):,}" not in mine and f"{sum(r['channel'] == 'douyin' for r in paid):,}" in mine


def test_a_hidden_field_cannot_be_summed_filtered_or_grouped_by(staff_client, narrow):
    narrow(order=({"see"}, {}, {"amount": "hidden", "channel": "masked"}))
    tile = staff_client.get("/dashboards/overview/tiles/0?range=all", htmx=True).text
    assert "没有可以汇总的字段" in tile and "¥" not in tile
    by_channel = {"form": "order", "measure": '{"agg": "count"}', "dimension": '{"field": "channel"}', "chart": "bar"}
    assert "没有可以汇总的字段" in staff_client.post("/reports/preview", data=by_channel).text
    where = {"form": "order", "measure": '{"agg": "count"}', "chart": "number"}
    where["where"] = '{"field": "amount", "op": "gt", "value": 1}'
    assert "没有字段" in staff_client.post("/reports/preview", data=where).text
    options = staff_client.get("/reports/new?form=order").text
    assert "实付金额" not in options


def test_reports_on_a_form_that_is_not_seen_are_not_there(staff_client, narrow):
    narrow(customer=({"see"},))
    assert staff_client.get("/reports/sales").status_code == 404
    assert staff_client.get("/reports/sales/export.csv").status_code == 404
    listed = staff_client.get("/reports").text
    assert "/reports/customers" in listed and "/reports/sales_over_time" not in listed
    assert "没有权限查看" in staff_client.get("/dashboards/overview/tiles/0", htmx=True).text


def test_names_of_customers_out_of_sight_are_not_told(staff_client, figures, narrow):
    narrow(order=({"see", "export"},), customer=({"see"}, {"any": []}))
    assert {name for name, *_rest in figures(staff_client, "top_customers")} == {"不可见"}


def test_export_needs_its_right(staff_client, narrow):
    narrow(order=({"see"},))
    assert staff_client.get("/reports/sales").status_code == 200
    assert staff_client.get("/reports/sales/export.csv").status_code == 403


def test_what_is_mine_is_counted_for_each_person(client, staff_client, figures):
    from appliance.accounts import users
    from appliance.accounts.actor import SYSTEM
    from appliance.forms import catalog, records

    customers = catalog.get("customer")
    records.update(customers, 1, {"owner": users.by_login("bo").id}, SYSTEM)
    sent = {
        "label": "我的客户", "form": "customer", "measure": '{"agg": "count"}', "chart": "number", "shared": "1",
        "where": '{"field": "owner", "op": "eq", "value": {"me": true}}',
    }  # fmt: skip
    key = client.post("/reports", data=sent).location.rsplit("/", 1)[1]
    assert int(figures(client, key)[0][0]) == 0
    assert int(figures(staff_client, key)[0][0]) == 1
