"""Rules: what sets them off, what they do, what the log says, and how a run is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.support.clock import Clock
from tests.support.http import Client

from .conftest import Pages, Shop

SILENT = {"all": [
    {"field": "order_count", "op": "gte", "value": 1},
    {"field": "last_paid_at", "op": "not_within", "value": {"days": 30}},
]}  # fmt: skip
Work = Callable[[], dict[str, Any]]
Runs = Callable[..., list[Any]]


def test_a_scheduled_rule_runs_at_three_in_the_company_s_night_and_is_logged(
    clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    clock.set("2026-06-15T22:00:00+08:00")
    work()
    shop.add(old=(100, 2, 60), fresh=(100, 2, 3), never=(0, 0, 0))
    key = pages.rule(where=SILENT, label="沉默提醒")
    clock.set("2026-06-16T02:59:00+08:00")
    work()
    assert runs(kind="rule") == []
    clock.set("2026-06-16T03:00:00+08:00")
    assert work()["rules"] == 1
    assert shop.with_tag("沉默预警") == ["old"]
    run = runs(kind="rule")[0]
    assert (run.status, run.trigger, run.matched, run.changed) == ("done", "schedule", 1, 1)
    page = client.get("/automation/rules").text
    assert "每天 03:00" in page and "符合 1，改变 1，用时" in page and "2026-06-17 03:00" in page
    log = client.get(f"/automation/runs?kind=rule&key={key}").text
    assert "沉默提醒" in log and "2026-06-16 03:00" in log and "定时" in log
    assert "old" in client.get(f"/automation/runs/{run.id}").text


def test_a_night_that_was_missed_is_caught_up_once(
    clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs
) -> None:
    shop.add(old=(100, 2, 60))
    pages.rule(where=SILENT)
    clock.move(days=5)
    work()
    work()
    assert len(runs(kind="rule")) == 1


def test_a_rule_that_is_switched_off_does_not_run(
    clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs
) -> None:
    shop.add(old=(100, 2, 60))
    key = pages.rule(where=SILENT)
    pages.client.post(f"/automation/rules/{key}/switch", data={"on": "0"})
    clock.move(days=2)
    work()
    assert runs(kind="rule") == [] and shop.with_tag("沉默预警") == []


def test_the_preview_counts_what_the_run_then_does(
    clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(**{f"c{i}": (100, 2, i * 10) for i in range(1, 9)})
    key = pages.rule(where=SILENT)
    effect = client.get(f"/automation/rules/{key}/effect").text
    client.post(f"/automation/rules/{key}/run")
    work()
    assert pages.preview(effect) == runs(kind="rule")[0].changed == len(shop.with_tag("沉默预警")) == 5
    again = client.get(f"/automation/rules/{key}/effect").text
    assert pages.preview(again) == 0 and "符合条件的有 5" in again


def test_new_records_and_changes_of_a_field_set_rules_off(shop: Shop, pages: Pages, work: Work) -> None:
    pages.rule(on="created", do=[{"action": "set", "field": ["stage"], "value.stage": "new"}])
    pages.rule(
        on="updated", **{"on.fields": ["city"]}, where={"changed": "city", "to": ["杭州"]},
        do=[{"action": "add_tag", "tag": "杭州人"}],
    )  # fmt: skip
    shop.add(ann=(0, 0, 0), ben=(0, 0, 0))
    work()
    assert shop.value("ann", "stage") == "new"
    shop.change("ann", city="杭州")
    shop.change("ben", city="上海")
    shop.change("ben", nickname="杭州")
    work()
    assert shop.with_tag("杭州人") == ["ann"]


def test_what_was_written_before_a_rule_was_switched_on_is_none_of_its_business(
    shop: Shop, pages: Pages, work: Work, runs: Runs
) -> None:
    shop.add(ann=(0, 0, 0))
    pages.rule(on="created")
    work()
    assert runs(kind="rule") == []


def test_while_nobody_listens_no_job_is_asked_for(shop: Shop, pages: Pages) -> None:
    from appliance.core.models import JobRow

    pages.rule(on="updated", **{"on.fields": ["city"]})
    shop.add(ann=(0, 0, 0))
    shop.change("ann", nickname="A")
    assert not JobRow.select().where(JobRow.kind == "automation.dispatch").exists()
    shop.change("ann", city="杭州")
    assert JobRow.select().where(JobRow.kind == "automation.dispatch").count() == 1


def test_once_a_month_is_once_a_month(clock: Clock, shop: Shop, pages: Pages, work: Work, runs: Runs) -> None:
    clock.set("2026-06-10T12:00:00+08:00")
    shop.add(ann=(0, 0, 0))
    key = pages.rule(on="manual", once_per="month")
    for day, expected in (("2026-06-11", 1), ("2026-06-30", 0), ("2026-07-01", 1)):
        shop.change("ann", tags=[])
        clock.set(f"{day}T12:00:00+08:00")
        pages.client.post(f"/automation/rules/{key}/run")
        work()
        assert runs(kind="rule")[0].changed == expected, day


def test_rules_that_feed_each_other_stop_with_an_incident(shop: Shop, pages: Pages, work: Work, runs: Runs) -> None:
    from appliance.core import incidents

    shop.add(ann=(0, 0, 0))
    for here, there in (("silver", "gold"), ("gold", "silver")):
        pages.rule(
            label=f"{here} → {there}", on="updated", **{"on.fields": ["level"]},
            where={"field": "level", "op": "eq", "value": here},
            do=[{"action": "set", "field": ["level"], "value.level": there}],
        )  # fmt: skip
    shop.change("ann", level="gold")
    work()
    assert runs()[0].status == "stopped" and "互相触发" in runs()[0].error
    assert [i.kind for i in incidents.unresolved()] == ["rule_loop"]
    assert len(runs()) < 20


def test_a_run_is_taken_back_but_not_what_people_changed_since(
    shop: Shop, pages: Pages, work: Work, runs: Runs, client: Client
) -> None:
    shop.add(ann=(100, 2, 60), ben=(100, 2, 60), cat=(100, 2, 3))
    shop.change("ann", level="normal")
    both = [{"action": "add_tag", "tag": "沉默预警"}, {"action": "set", "field": ["level"], "value.level": "silver"}]
    key = pages.rule(where=SILENT, do=both)
    client.post(f"/automation/rules/{key}/run")
    work()
    assert shop.with_tag("沉默预警") == ["ann", "ben"]
    shop.change("ben", level="vip")
    run = runs(kind="rule")[0]
    assert client.post(f"/automation/runs/{run.id}/undo").status_code == 303
    work()
    assert shop.with_tag("沉默预警") == []
    assert (shop.value("ann", "level"), shop.value("ben", "level")) == ("normal", "vip")
    run = runs(kind="rule")[0]
    assert (run.reverted, run.kept) == (1, 1)
    again = client.post(f"/automation/runs/{run.id}/undo", htmx=True)
    assert "撤销过了" in json.loads(again.headers["HX-Trigger"])["guke:toast"]["message"]


def test_records_are_given_to_people_in_turn(shop: Shop, pages: Pages, work: Work) -> None:
    shop.add(a=(0, 0, 0), b=(0, 0, 0), c=(0, 0, 0))
    pages.rule(on="created", do=[{"action": "assign", "way": "round_robin", "users": ["bo", "cy"]}])
    shop.add(d=(0, 0, 0), e=(0, 0, 0))
    work()
    shop.add(f=(0, 0, 0))
    work()
    owners = [shop.value(name, "owner") for name in "abcdef"]
    assert owners[:3] == [None] * 3 and owners[3] == owners[5] != owners[4] is not None


def test_what_is_wrong_is_said_beside_its_place_and_nothing_typed_is_lost(pages: Pages) -> None:
    page = pages.rule(
        expect=422, label="", **{"schedule.choice": "custom", "schedule.cron": "61 3 * * *"},
        where={"all": [{"field": "nope", "op": "eq", "value": 1}]},
        do=[{"action": "set", "field": ["gender"], "value.gender": "未定"}, {"action": "add_tag", "tag": ""}],
    )  # fmt: skip
    assert "时间表“61 3 * * *”不正确" in page
    page = pages.rule(
        expect=422, label="", where={"all": [{"field": "nope", "op": "eq", "value": 1}]},
        do=[{"action": "set", "field": ["gender"], "value.gender": "未定"}, {"action": "add_tag", "tag": ""}],
    )  # fmt: skip
    for sentence in ("请填写名称。", "没有字段「nope」", "没有「未定」这个选项", "请选择标签。"):
        assert sentence in page, sentence


def test_a_trigger_that_makes_no_sense_is_refused_with_a_sentence(shop: Shop) -> None:
    import pytest

    from appliance.accounts.actor import SYSTEM
    from appliance.automation import rules
    from appliance.core.errors import FieldErrors

    doc = {"key": "wrong", "label": "x", "form": "customer", "do": [{"action": "add_tag", "tag": "x"}]}
    for trigger, word in (
        ({"telepathy": True}, "不认识"), ({"updated": ["total_paid"]}, "请改用定时"), ({"date": "name"}, "日期字段"),
        ({"date": "birthday", "offset": {"hours": 2}}, "整数"), ({"date": "birthday", "lunar": True}, "农历"),
        ({"created": "yes"}, "true"), ({"date": "birthday", "at": "9 o'clock"}, "24 小时"),
        ({"created": True, "updated": []}, "created、updated"), ({"date": "birthday", "ofset": {"days": -7}}, "ofset"),
    ):  # fmt: skip
        with pytest.raises(FieldErrors) as caught:
            rules.save(doc | {"on": trigger}, SYSTEM)
        assert word in caught.value.errors["on"], trigger


def test_a_deleted_rule_comes_back_switched_off(pages: Pages, client: Client) -> None:
    key = pages.rule(label="要删的")
    client.post(f"/automation/rules/{key}/delete")
    assert "要删的" not in client.get("/automation/rules").text
    client.post(f"/automation/rules/{key}/restore")
    assert "要删的" in client.get("/automation/rules").text


def test_a_stale_editor_does_not_overwrite_what_somebody_else_saved(pages: Pages) -> None:
    key = pages.rule(label="先")
    pages.rule(f"/automation/rules/{key}", label="后", version="1")
    assert "别人刚改过" in pages.rule(f"/automation/rules/{key}", expect=422, label="晚", version="1")
