"""Making, changing and removing reports and dashboards."""

from __future__ import annotations

import html
import io
import json
import re

import openpyxl
import pytest

NEW = {
    "label": "各城市客户", "form": "customer", "measure": '{"agg": "count"}', "dimension": '{"field": "city"}',
    "chart": "bar", "limit": "5", "shared": "1",
}  # fmt: skip


def make(client, **sent) -> str:
    answer = client.post("/reports", data=NEW | sent)
    assert answer.status_code == 303, answer.text[:500]
    return answer.location.rsplit("/", 1)[1]


def test_a_report_is_made_shown_changed_and_deleted(client):
    key = make(client)
    page = client.get(f"/reports/{key}").text
    assert "各城市客户" in page and "杭州" in page and "其他" in page
    answer = client.post(f"/reports/{key}", data=NEW | {"chart": "pie", "label": "城市"})
    assert answer.status_code == 303
    assert "城市" in client.get("/reports").text
    assert 'value="pie" checked' in client.get(f"/reports/{key}/edit").text
    assert client.post(f"/reports/{key}/delete").status_code == 303
    assert client.get(f"/reports/{key}").status_code == 404


def test_editing_keeps_measures_that_the_editor_has_no_words_for(client):
    page = client.get("/reports/refund_rate/edit").text
    assert "退款率" in page
    chosen = re.findall(r'<option value="([^"]*)" selected>', page)
    measure = next(v for v in map(html.unescape, chosen) if "share" in v)
    sent = {"label": "退款率", "form": "order", "measure": measure, "chart": "number", "time": "paid_at"}
    assert client.post("/reports/refund_rate", data=sent).status_code == 303
    assert "%" in client.get("/reports/refund_rate").text


def test_changing_a_built_in_report_keeps_its_name_in_both_languages(client):
    sent = {"label": "客户数", "form": "customer", "measure": '{"agg": "count"}', "chart": "number", "shared": "1"}
    assert client.post("/reports/customers", data=sent).status_code == 303
    from appliance.accounts.actor import SYSTEM
    from appliance.reports import saved

    assert saved.get("customers", SYSTEM).spec_label == {"zh": "客户数", "en": "Customers"}


def test_only_its_maker_and_administrators_change_a_report(client, staff_client, cy_client):
    key = make(staff_client)
    assert cy_client.get(f"/reports/{key}").status_code == 200
    assert cy_client.post(f"/reports/{key}", data=NEW).status_code == 403
    assert cy_client.post(f"/reports/{key}/delete").status_code == 403
    assert staff_client.post("/reports/sales", data=NEW | {"form": "order"}).status_code == 403
    assert cy_client.post(f"/reports/{key}", data=NEW | {"copy": "1"}).status_code == 303
    assert client.post(f"/reports/{key}", data=NEW).status_code == 303


def test_a_private_report_is_seen_by_its_maker_and_administrators(client, staff_client, cy_client):
    key = make(staff_client, shared="")
    assert staff_client.get(f"/reports/{key}").status_code == 200
    assert client.get(f"/reports/{key}").status_code == 200
    assert cy_client.get(f"/reports/{key}").status_code == 404
    assert key not in cy_client.get("/reports").text


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"label": ""}, "请填写名称"),
        ({"chart": "spiral"}, "没有「spiral」这种图表"),
        ({"chart": "number"}, "数字需要 0 个维度"),
        ({"chart": "heatmap"}, "热力图需要 2 个维度"),
        ({"dimension": '{"field": "nothing"}'}, "没有可以汇总的字段「nothing」"),
        ({"dimension": '{"field": "city", "bucket": "month"}'}, "不能按「month」分段"),
        ({"measure": '{"agg": "sum", "of": "name"}'}, "不能这样汇总"),
        ({"measure": '{"agg": "median", "of": "points"}'}, "没有「median」这种汇总"),
        ({"where": '{"field": "nothing", "op": "eq", "value": 1}'}, "没有字段「nothing」"),
        ({"where": "{"}, "看不懂"),
        ({"limit": "0"}, "1 到 1000"),
        ({"form": "spaceship"}, "没有「spaceship」这个表单"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused_with_a_sentence(client, sent, sentence):
    answer = client.post("/reports", data=NEW | sent)
    assert answer.status_code in (404, 422) and sentence in answer.text
    if "label" not in sent:
        assert sentence in client.post("/reports/preview", data=NEW | sent).text


def test_a_wrong_range_in_the_url_is_explained(client):
    backwards = client.get("/dashboards/overview?range=custom&from=2026-02-01&to=2026-01-01").text
    assert "结束日期不能早于开始日期" in backwards
    assert "没有「never」这个时间范围" in client.get("/reports/sales_over_time?range=never").text
    assert "看不懂" in client.get("/reports/sales_over_time?where=%7B").text


def test_excel_export_holds_numbers(client):
    answer = client.get("/reports/sales_by_channel/export.xlsx?range=all")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("渠道", "销售额")
    assert all(isinstance(value, (int, float)) for _name, value in rows[1:])
    assert "attachment" in answer.headers["Content-Disposition"]
    assert client.get("/reports/sales_by_channel/export.pdf").status_code == 404


def test_administrators_build_dashboards(client, staff_client):
    made = client.post("/dashboards", data={"label": "直播日报"})
    key = made.location.split("/")[-2]
    tiles = [{"report": "sales", "w": 6, "h": 1}, {"report": "sales_by_channel", "w": 8, "h": 2}]
    sent = {"label": "直播日报", "tiles": json.dumps(tiles)}
    assert client.post(f"/dashboards/{key}", data=sent).status_code == 303
    page = staff_client.get(f"/dashboards/{key}").text
    assert "直播日报" in page and "cols-8" in page and "编辑看板" not in page
    assert staff_client.post(f"/dashboards/{key}", data=sent).status_code == 403
    assert staff_client.get(f"/dashboards/{key}/edit").status_code == 403
    own = make(client)
    sent["tiles"] = json.dumps([{"report": own, "w": 6, "h": 2}])
    client.post(f"/dashboards/{key}", data=sent)
    refused = client.post(f"/reports/{own}/delete")
    assert refused.status_code == 422 and "直播日报" in refused.text
    assert client.post(f"/dashboards/{key}/delete").status_code == 303
    assert client.get(f"/dashboards/{key}").status_code == 404


def test_the_built_in_dashboard_can_be_changed_but_not_deleted(client):
    assert client.post("/dashboards/overview/delete").status_code == 422
    sent = {"label": "经营总览", "tiles": json.dumps([{"report": "sales", "w": 3, "h": 1}])}
    client.post("/dashboards/overview", data=sent)
    from appliance.core import schema

    schema.prepare(reseed=True)
    page = client.get("/dashboards/overview").text
    assert "tile-0" in page and "tile-1" not in page


def test_every_built_in_report_opens(client):
    from appliance.reports.builtin import REPORTS

    for report in REPORTS:
        for place in (f"/reports/{report['key']}", f"/reports/{report['key']}/edit"):
            answer = client.get(place)
            assert answer.status_code == 200 and "alert-circle" not in answer.text, place


def test_new_orders_show_at_once(client, figures):
    from appliance.accounts.actor import SYSTEM
    from appliance.forms import catalog, records

    before = int(figures(client, "orders")[0][0])
    records.create(catalog.get("order"), {"number": "X1", "amount": 5, "paid_at": "2026-01-01 10:00"}, SYSTEM)
    assert int(figures(client, "orders")[0][0]) == before + 1


def test_figures_that_take_long_are_computed_behind_and_shown_when_ready(client, monkeypatch):
    from functools import partial

    from appliance.reports import data, views

    tile = "/dashboards/overview/tiles/8?range=all"
    monkeypatch.setattr(views, "soon", partial(data.soon, wait=0))
    assert "正在计算" in client.get(tile, htmx=True).text
    monkeypatch.setattr(views, "soon", partial(data.soon, wait=10))
    shown = client.get(tile, htmx=True).text
    assert "data-chart=" in shown and "aria-busy" not in shown
