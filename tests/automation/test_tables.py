"""Decision tables: the first hit wins, only differences are written, a tag leaves when its condition ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from appliance.core import settings
from tests.support.clock import Clock
from tests.support.http import Client

from .conftest import Pages, Shop

Work = Callable[[], dict[str, Any]]
Runs = Callable[..., list[Any]]

ROWS = [
    ({"field": "total_paid", "op": "gte", "value": "2000"}, "高价值核心粉"),
    ({"field": "total_paid", "op": "gte", "value": "500"}, "潜力消费粉"),
]


def test_the_first_row_that_a_customer_meets_decides(
    shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(rich=(5000, 9, 1), mid=(800, 2, 1), poor=(10, 1, 1))
    key = pages.table(rows=ROWS, default="低价值围观粉")
    client.post(f"/automation/tables/{key}/run")
    work()
    assert shop.with_tag("高价值核心粉") == ["rich"]
    assert shop.with_tag("潜力消费粉") == ["mid"]
    assert shop.with_tag("低价值围观粉") == ["poor"]
    run = runs(kind="decision_table")[0]
    assert (run.matched, run.changed) == (2, 3)
    assert "rich" in client.get(f"/automation/runs/{run.id}").text


def test_a_tag_leaves_when_its_condition_ends_and_nothing_else_is_written(
    shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(rich=(5000, 9, 1), mid=(800, 2, 1))
    key = pages.table(rows=ROWS, default="")
    client.post(f"/automation/tables/{key}/run")
    work()
    shop.figures("rich", (900, 9, 1))
    shop.figures("mid", (0, 0, 0))
    client.post(f"/automation/tables/{key}/run")
    work()
    assert shop.with_tag("高价值核心粉") == [] and shop.with_tag("潜力消费粉") == ["rich"]
    assert runs(kind="decision_table")[0].changed == 2
    client.post(f"/automation/tables/{key}/run")
    work()
    assert runs(kind="decision_table")[0].changed == 0
    assert shop.changes("rich", "decision_table") == 2


def test_the_preview_shows_each_outcome_now_and_then_and_is_what_happens(
    shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(**{f"c{i}": (i * 300, 1, 1) for i in range(10)})
    key = pages.table(rows=ROWS, default="低价值围观粉")
    effect = client.get(f"/automation/tables/{key}/effect").text
    shown = client.post(
        "/automation/tables/preview",
        data={"label": "x", "form": "customer", "target": "tag_group:value", "row": ["r0"], "default": "低价值围观粉",
              "r0.where": '{"field": "total_paid", "op": "gte", "value": "2000"}', "r0.then": "高价值核心粉"},
    ).text  # fmt: skip
    assert pages.preview(shown) == 10 and "+3" in shown and "+7" in shown and 'id="hits-r0"' in shown
    client.post(f"/automation/tables/{key}/run")
    work()
    assert pages.preview(effect) == runs(kind="decision_table")[0].changed == 10


def test_a_table_can_fill_a_field(shop: Shop, pages: Pages, work: Work, client: Client) -> None:
    shop.add(rich=(5000, 9, 1), poor=(10, 1, 1))
    key = pages.table(target="field:level", rows=[(ROWS[0][0], "gold")], default="normal")
    client.post(f"/automation/tables/{key}/run")
    work()
    assert (shop.value("rich", "level"), shop.value("poor", "level")) == ("gold", "normal")


def test_a_table_can_decide_when_a_record_is_made(shop: Shop, pages: Pages, work: Work) -> None:
    pages.table(rows=ROWS, default="低价值围观粉", on="created")
    shop.add(new=(0, 0, 0))
    work()
    assert shop.with_tag("低价值围观粉") == ["new"]


def test_it_says_which_row_decided_and_why_each_earlier_one_did_not(
    clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(mid=(800, 2, 1))
    key = pages.table(rows=ROWS, label="分层")
    client.post(f"/automation/tables/{key}/run")
    work()
    why = client.get(f"/automation/tables/{key}/explain/{shop.ids['mid']}").text
    assert "第 2 行最先满足" in why and "累计消费 不低于 ¥500" in why
    assert "第 1 行「高价值核心粉」不满足" in why and "实际 ¥800.00" in why
    panel = client.get(f"/forms/customer/records/{shop.ids['mid']}/panels/tag_reasons").text
    assert "决策表「分层」" in panel and "第 2 行最先满足" in panel
    history = f"/forms/customer/records/{shop.ids['mid']}/history"
    assert f'href="/automation/runs/{runs()[0].id}"' in client.get(history, htmx=True).text
    settings.set("automation.keep_days", 7)
    clock.move(days=9)
    work()
    later = client.get(history, htmx=True)
    assert later.status_code == 200 and "决策表 #" in later.text, "the log of the run is not kept that long"


def test_the_ready_made_table_is_there_switched_off_and_is_switched_on_after_its_preview(
    clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(rich=(5000, 9, 1), poor=(10, 1, 400))
    clock.move(days=2)
    work()
    assert runs() == []
    # The nightly figures have found no orders.
    shop.figures("rich", (5000, 9, 1))
    dialog = client.get("/automation/tables/customer_value/enable", htmx=True).text
    assert "每天 03:00" in dialog
    assert pages.preview(client.get("/automation/tables/customer_value/effect").text) == 2
    client.post("/automation/tables/customer_value/switch", data={"on": "1", "run": "1"}, htmx=True)
    work()
    assert shop.with_tag("高价值核心粉") == ["rich"] and shop.with_tag("低价值围观粉") == ["poor"]


def test_a_table_is_taken_back_whole(shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client) -> None:
    shop.add(rich=(5000, 9, 1), mid=(800, 2, 1))
    shop.change("mid", tags=["低价值围观粉", "老朋友"])
    key = pages.table(rows=ROWS)
    client.post(f"/automation/tables/{key}/run")
    work()
    assert shop.with_tag("低价值围观粉") == []
    client.post(f"/automation/runs/{runs()[0].id}/undo")
    work()
    assert shop.with_tag("低价值围观粉") == shop.with_tag("老朋友") == ["mid"]
    assert shop.with_tag("高价值核心粉") == [] and runs()[0].reverted == 2


def test_what_is_wrong_is_said_in_sentences(pages: Pages) -> None:
    rows = [({"field": "nope"}, "高价值核心粉"), ({}, "没这个")]
    page = pages.table(expect=422, label="", rows=rows, default="也没有")
    for sentence in ("请填写名称。", "没有字段「nope」", "标签组「价值」里没有「没这个」", "里没有「也没有」"):
        assert sentence in page, sentence
    assert "请至少添加一行。" in pages.table(expect=422)
    assert "不是互斥的标签组" in pages.table(expect=422, target="tag_group:attention", rows=ROWS)
