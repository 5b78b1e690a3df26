"""From a bar to the records behind it."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest


def chart(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.S)[1])


def count(client, url: str) -> int:
    """How many records the list at ``url`` has."""
    parts = urlsplit(url)
    assert client.get(url).status_code == 200
    text = client.get(f"{parts.path}/count?exact=1&{parts.query}", htmx=True).text
    return int(re.search(r"[\d,]+", re.sub(r"<[^>]*>", "", text))[0].replace(",", ""))


@pytest.mark.parametrize("key", ["customers_by_rfm", "new_customers", "by_channel", "by_city", "by_category"])
def test_the_list_behind_a_bar_has_as_many_records(client, key):
    made = {
        "by_channel": ("order", '{"field": "channel"}'), "by_city": ("order", '{"field": "customer.city"}'),
        "by_category": ("order_item", '{"field": "category"}'),
    }  # fmt: skip
    if key in made:
        form, dimension = made[key]
        sent = {"label": key, "form": form, "measure": '{"agg": "count"}', "dimension": dimension, "chart": "bar"}
        key = client.post("/reports", data=sent).location.rsplit("/", 1)[1]
    drawn = chart(client.get(f"/reports/{key}?range=all").text)
    series = drawn["series"][0]
    assert len(series["values"]) > 2
    for value, url in list(zip(series["values"], series["urls"], strict=True))[:6]:
        if url:
            assert count(client, url) == value


def test_a_month_leads_to_the_paid_orders_of_that_month(client, paid):
    drawn = chart(client.get("/reports/sales_over_time?range=12m").text)
    month, url = drawn["categories"][3], drawn["series"][0]["urls"][3]
    assert count(client, url) == sum(r["month"] == month for r in paid)
    where = json.loads(parse_qs(urlsplit(url).query)["where"][0])
    assert len([t for t in where["all"] if t["field"] == "paid_at" and t["op"] in ("gte", "lt")]) == 2


def test_a_tile_leads_to_the_records_it_counts(client, paid):
    tile = client.get("/dashboards/overview/tiles/1?range=30d", htmx=True).text
    url = re.search(r'class="tile-figure" href="([^"]+)"', tile)[1].replace("&amp;", "&")
    shown = int(re.search(r'number-value num" title="([\d,]+)"', tile)[1].replace(",", ""))
    assert count(client, url) == shown
