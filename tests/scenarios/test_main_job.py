"""The main job, end to end: a new company from the one-time link to a restored backup, in Chromium, with its own orders."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import DESKTOP, Complaints
from tests.support.server import Server, guke

PASSWORD = "lychee-umbrella-42"


@pytest.fixture
def company(tmp_path: Path) -> Iterator[tuple[Server, str]]:
    """A new installation: a server over an empty company, and the path of its one-time link."""
    data = tmp_path / "data"
    made = guke("init", "--setup-link", "--json", data=data, cold=True)
    assert made.returncode == 0, made.stderr
    server = Server(data, cold=True).start()
    yield server, json.loads(made.stdout)["setup_link"]
    server.stop()


@pytest.fixture
def window(chromium: Any, company: tuple[Server, str]) -> Iterator[Any]:
    complaints = Complaints()
    context = chromium.new_context(
        base_url=company[0].url, viewport=DESKTOP, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    context.set_default_timeout(30_000)
    page = context.new_page()
    complaints.listen(page)
    yield page
    context.close()
    assert not complaints.found, complaints.found


def expected(file: Path) -> tuple[int, int, Decimal]:
    """Of the Taobao file, by plain Python: distinct orders, distinct buyers, value of paid orders."""
    orders: dict[str, tuple[str, Decimal]] = {}
    with file.open(encoding="gb18030", newline="") as source:
        for row in csv.DictReader(source):
            row = {key.strip(): value for key, value in row.items()}
            number = re.sub(r'[="]', "", row["订单编号"])
            if not number.isdigit():
                continue
            value = Decimal(0)
            if row["订单付款时间"]:
                value = Decimal(row["买家实际支付金额"].replace(",", "")) - Decimal(row["退款金额"].replace(",", ""))
            orders[number] = (row["买家会员名"], value)
    return len(orders), len({nick for nick, _value in orders.values()}), sum(value for _nick, value in orders.values())


def test_from_the_one_time_link_to_a_restored_backup(
    company: tuple[Server, str], window: Any, samples: Path, tmp_path: Path
) -> None:
    server, link = company
    page = window
    file = samples / "taobao_orders.csv"
    orders, buyers, value = expected(file)

    # The first administrator chooses name and password; the link works once.
    page.goto(re.sub(r"^https?://[^/]+", "", link))
    page.get_by_label("您的姓名").fill("王店长")
    page.get_by_label("登录名").fill("wang")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_label("再输一次密码").fill(PASSWORD)
    page.get_by_role("button", name="创建并进入").click()
    page.get_by_role("heading", name="五步看到第一张看板").wait_for()

    # The orders go in with no mapping by hand.
    page.goto("/forms/order/import")
    page.set_input_files("input[type=file]", file)
    page.get_by_role("button", name="上传并读取").click()
    page.get_by_role("button", name="下一步：核对").click()
    page.get_by_role("button", name="开始导入").click()
    page.get_by_role("link", name="查看导入的订单").wait_for()
    assert f"{orders:,}" in page.locator("#state").inner_text()

    # Customers are there, found by pinyin, and each has a page.
    page.goto("/forms/customer")
    page.get_by_text(re.compile(rf"^{buyers:,} 条$")).wait_for()
    page.get_by_placeholder("搜索客户").fill("wang")
    page.wait_for_url("**q=wang**")
    row = page.locator("table tbody tr").first
    assert row.inner_text().strip().startswith(("王", "汪"))
    row.get_by_role("link").first.click()
    page.get_by_text("累计消费").first.wait_for()
    page.get_by_role("heading", name="动态").wait_for()

    # The ready-made table is looked at, switched on and run; each customer gets one tag.
    page.goto("/automation/tables/customer_value")
    page.get_by_text(re.compile("将改变")).wait_for()
    assert f"{buyers:,}" in page.get_by_text(re.compile("将改变")).locator("xpath=..").inner_text()
    api = page.request
    token = json.loads(guke("token", "create", "--user", "wang", "--name", "t", "--json", data=server.data).stdout)[
        "token"
    ]
    headers = {"Authorization": f"Bearer {token}"}
    page.goto("/automation/tables")
    row = page.locator("tr, li, article").filter(has_text="客户价值分层").first
    row.get_by_role("button", name=re.compile("运行")).click()
    dialog = page.locator("dialog[open]")
    if dialog.count():
        dialog.get_by_role("button", name=re.compile("运行")).click()
    page.locator("#progress-tables-customer_value a").wait_for()
    page.goto("/automation/runs")
    done = page.get_by_role("row").filter(has_text="客户价值分层").first.inner_text()
    assert "完成" in done and f"{buyers:,}" in done
    groups = api.get("/api/v1/tags?count=1", headers=headers).json()["tag_groups"]
    counts = {tag["name"]: tag["count"] for group in groups if group["key"] == "value" for tag in group["tags"]}
    assert sum(counts.values()) == buyers

    # The dashboard agrees with plain Python.
    page.goto("/dashboards/overview?range=all")
    page.get_by_text(f"¥{value:,.2f}"[:4]).first.wait_for()
    (row,) = api.get("/api/v1/reports/sales/data", headers=headers).json()["rows"]
    assert Decimal(row["value"]) == value

    # A backup while the server runs, restored elsewhere: the same counts.
    copy = tmp_path / "copy.db"
    done = guke("backup", "--to", copy, data=server.data)
    assert done.returncode == 0, done.stderr
    other = tmp_path / "other"
    assert guke("restore", copy, data=other).returncode == 0
    checked = guke("check", "--json", data=other)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with Server(other) as second:
        body = {"group_by": [], "measures": [{"agg": "sum", "of": "amount", "minus": "refunded", "as": "value"}]}
        paid = {"all": [{"field": "paid_at", "op": "not_empty"}, {"field": "status", "op": "ne", "value": "cancelled"}]}
        answer = api.post(
            f"{second.url}/api/v1/forms/order/records:aggregate", headers=headers, data=body | {"where": paid}
        )
        assert answer.json()["rows"] == [{"value": f"{value:.2f}"}]
        counted = api.post(f"{second.url}/api/v1/forms/customer/records:count", headers=headers, data={})
        assert counted.json() == {"count": buyers}
