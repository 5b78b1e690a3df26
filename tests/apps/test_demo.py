"""The sample company."""

from __future__ import annotations

import time


def test_the_sample_fills_an_empty_folder_once(cli, client):
    started = time.monotonic()
    made = cli("demo", "--json").ok().json
    took = time.monotonic() - started
    assert made["customers"] == 2000 and made["orders"] == 12000 and made["items"] > 12000
    assert took < 60, "it takes under ten seconds on a machine of its own"
    assert cli("demo", "--json").ok().json["orders"] == 0
    assert "固客示例店" in client.get("/").text
    segments = client.get("/reports/customers_by_rfm/export.csv").data.decode("utf-8-sig")
    assert len(segments.splitlines()) == 9


def test_the_sample_does_not_mix_with_a_companys_own_records(app, cli):
    from appliance.accounts.actor import SYSTEM
    from appliance.forms import catalog, records

    records.create(catalog.get("customer"), {"name": "真实客户"}, SYSTEM)
    refused = cli("demo")
    assert refused.status == 1 and "空的数据目录" in refused.err
