"""Real orders, a generation old: the dashboard finds them, and its figures are those of the file."""

from __future__ import annotations

import csv
import gzip
import shutil
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture
def data(template, tmp_path: Path) -> Path:
    """An empty company, without the sample shop."""
    folder = tmp_path / "data"
    shutil.copytree(template.folder, folder)
    return folder


@pytest.fixture
def orders(samples: Path, tmp_path: Path, cli) -> list[dict[str, str]]:
    """The first thousands of the real orders, imported."""
    with gzip.open(samples / "cdnow_orders.csv.gz", "rt", encoding="utf-8-sig") as source:
        lines = list(csv.DictReader(source))[:6000]
    file = tmp_path / "orders.csv"
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    assert cli("import", "order", file, "--json").ok().json["created"] == len(lines)
    cli("work").ok()
    return lines


def test_the_dashboard_shows_all_time_when_the_newest_order_is_old(client, orders):
    page = client.get("/dashboards/overview").text
    assert 'aria-current="true">全部' in page
    assert "全部时间" not in page


def test_figures_of_real_orders(client, orders):
    wanted: Counter[str] = Counter()
    for line in orders:
        wanted[line["paid_at"][:7]] += round(float(line["amount"]) * 100)
    answer = client.get("/reports/sales_over_time/export.csv?range=custom&from=1997-01-01&to=1998-12-31")
    found = dict(csv.reader(answer.data.decode("utf-8-sig").splitlines()[1:]))
    assert {month: round(float(value) * 100) for month, value in found.items() if float(value)} == dict(wanted)
    assert len(found) == 24
    times = Counter(line["member_no"] for line in orders)
    tile = client.get("/dashboards/overview/tiles/6?range=all", htmx=True).text
    assert f"{sum(n >= 2 for n in times.values()) / len(times):.2%}" in tile


def test_customers_by_segment_add_up(client, orders):
    answer = client.get("/reports/customers_by_rfm/export.csv")
    counts = [int(n) for _name, n in csv.reader(answer.data.decode("utf-8-sig").splitlines()[1:])]
    assert sum(counts) == len({line["member_no"] for line in orders}) and len(counts) == 8


def test_a_new_company_is_led_to_its_first_import(client):
    page = client.get("/dashboards/overview").text
    assert "还没有可以统计的数据" in page and "导入订单" in page
