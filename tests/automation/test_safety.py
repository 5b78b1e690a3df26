"""What keeps rules from doing harm: working hours, asking before mass effects, stopping here, retries, crashes."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from appliance.accounts.actor import SYSTEM
from appliance.automation import actions, holding, log, rules
from appliance.automation.actions import Action, Effect, Work
from appliance.core import attention, incidents, settings
from appliance.core.db import write
from appliance.forms import catalog, records
from tests.support import world
from tests.support.clock import Clock
from tests.support.http import Client
from tests.support.server import ROOT

from .conftest import Shop

Working = Callable[[], dict[str, Any]]
Runs = Callable[..., list[Any]]


class Call(Action):
    """Stands for what leaves the house; it remembers what it was asked, and fails as a test wants."""

    name = "test_call"
    label = "呼叫"
    undoable = False
    outward = True
    template = "automation/actions/tag.html"
    params = frozenset[str]()
    calls: ClassVar[list[tuple[int, str]]] = []
    failing: ClassVar[set[int]] = set()
    breaks: ClassVar[int] = 0

    def check(self) -> None:
        return

    def words(self) -> str:
        return "呼叫"

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        if Call.breaks:
            Call.breaks -= 1
            raise RuntimeError("the line is dead")
        done = [i for i in ids if i not in Call.failing]
        Call.calls.extend((i, f"{work.subject}/{work.slot}/{work.cycle_of(i)}") for i in done)
        return Effect(set(done), failed={i: "没有接通" for i in ids if i in Call.failing})


@pytest.fixture
def call() -> Iterator[type[Call]]:
    Call.calls, Call.failing, Call.breaks = [], set(), 0
    actions.register(Call)
    yield Call
    del actions.ACTIONS[Call.name]


def save(key: str = "r", **more: Any) -> Any:
    doc = {
        "key": key, "label": key, "form": "customer", "enabled": True, "on": {"created": True},
        "do": [{"action": "add_tag", "tag": "提醒"}],
    }  # fmt: skip
    return rules.save(doc | more, SYSTEM)


def arrive(*names: str) -> list[int]:
    return [i for i in records.create_many(catalog.get("customer"), [{"name": n} for n in names], SYSTEM).ids if i]


def test_a_rule_that_stops_here_keeps_what_it_acted_on_from_the_next(shop: Shop, work: Working) -> None:
    save(
        "first", where={"field": "name", "op": "eq", "value": "ann"}, do=[{"action": "add_tag", "tag": "甲"}], stop=True
    )
    save("second", do=[{"action": "add_tag", "tag": "乙"}])
    arrive("ann", "ben")
    work()
    assert (shop.with_tag("甲"), shop.with_tag("乙")) == (["ann"], ["ben"])
    rules.arrange(["second", "first"])
    arrive("ann")
    work()
    assert (shop.with_tag("甲"), shop.with_tag("乙")) == (["ann", "ann"], ["ben", "ann"])


def test_outside_working_hours_a_rule_waits_for_the_next_morning_or_lets_go(
    clock: Clock, shop: Shop, work: Working, runs: Runs
) -> None:
    clock.set("2026-09-30T20:00:00+08:00")  # the evening before a week of holidays
    save("waits", working_hours="wait", do=[{"action": "add_tag", "tag": "等"}])
    save("skips", working_hours="skip", do=[{"action": "add_tag", "tag": "跳"}])
    save("nightly", working_hours="wait", on={"schedule": "0 3 * * *"}, do=[{"action": "add_tag", "tag": "夜"}])
    arrive("ann")
    work()
    assert {run.status for run in runs(kind="rule")} == {"delayed", "skipped"}
    clock.set("2026-10-08T08:59:00+08:00")
    arrive("ben")
    work()
    assert shop.with_tag("等") == shop.with_tag("跳") == shop.with_tag("夜") == []
    clock.set("2026-10-08T09:00:00+08:00")
    arrive("cat")
    work()
    work()
    assert shop.with_tag("等") == ["ann", "ben", "cat"]
    assert shop.with_tag("跳") == ["cat"]
    assert shop.with_tag("夜") == ["ann", "ben", "cat"]
    assert "delayed" not in {run.status for run in runs(kind="rule")}


def test_what_leaves_the_house_in_large_numbers_waits_for_a_person(
    clock: Clock, shop: Shop, work: Working, runs: Runs, call: type[Call], client: Client
) -> None:
    settings.set("automation.ask_outward", 3)
    save("mass", do=[{"action": "test_call"}])
    arrive("a", "b", "c", "d")
    work()
    assert call.calls == []
    run = runs(kind="rule")[0]
    assert (run.status, run.affects) == ("waiting", 4)
    waits = next(kind for kind in attention.kinds() if kind.key == "mass_effects")
    assert waits.count(SYSTEM) == 1
    page = client.get(f"/automation/runs/{run.id}").text
    assert "4" in page and f"/automation/runs/{run.id}/approve" in page
    arrive("e")
    work()
    assert runs(kind="rule")[0].affects == 5 and len(runs(kind="rule")) == 1
    assert client.post(f"/automation/runs/{run.id}/approve").status_code == 303
    work()
    assert len(call.calls) == 5 and runs(kind="rule")[0].status == "done"
    arrive("f")
    work()
    assert len(call.calls) == 6, "what comes after a yes is counted anew"
    arrive("g", "h", "i")
    work()
    waiting = runs(kind="rule", status="waiting")[0]
    client.post(f"/automation/runs/{waiting.id}/dismiss")
    work()
    assert len(call.calls) == 6 and log.get(waiting.id).status == "dismissed"


def test_a_batch_does_not_begin_while_more_than_the_limit_waits_behind_it(
    shop: Shop, work: Working, runs: Runs, call: type[Call]
) -> None:
    settings.set("automation.ask_outward", 600)
    save("mass", do=[{"action": "test_call"}], where={"field": "name", "op": "starts_with", "value": "x"})
    arrive(*[f"x{n}" for n in range(700)])
    work()
    assert call.calls == [] and runs(kind="rule")[0].affects == 700


def test_a_scheduled_run_above_the_limit_waits_and_the_next_one_takes_its_place(
    clock: Clock, shop: Shop, work: Working, runs: Runs
) -> None:
    clock.set("2026-06-15T12:00:00+08:00")
    arrive("a", "b", "c")
    settings.set("automation.ask_records", 2)
    save("nightly", on={"schedule": "0 3 * * *"})
    for _night in range(2):
        clock.move(days=1)
        work()
    assert [run.status for run in runs(kind="rule")] == ["waiting", "dismissed"]
    assert shop.with_tag("提醒") == []
    holding.approve(runs(kind="rule")[0].id, SYSTEM)
    work()
    assert shop.with_tag("提醒") == ["a", "b", "c"]
    assert (runs(kind="rule")[0].status, runs(kind="rule")[0].changed) == ("done", 3)


def test_a_failing_action_is_tried_again_and_then_reported_while_the_others_go_on(
    clock: Clock, shop: Shop, work: Working, runs: Runs, call: type[Call], client: Client
) -> None:
    save("mixed", do=[{"action": "test_call"}, {"action": "add_tag", "tag": "提醒"}])
    call.breaks = 2
    ids = arrive("ann")
    work()
    run = runs(kind="rule")[0]
    assert (run.changed, run.failed) == (1, 1) and shop.with_tag("提醒") == ["ann"]
    assert incidents.unresolved() == []
    clock.move(seconds=31)
    work()
    assert call.calls == []
    clock.move(seconds=301)
    work()
    assert call.calls == [(ids[0], call.calls[0][1])] and call.calls[0][1].endswith(f"changes:{_change_of(ids[0])}")
    assert log.get(run.id).failed == 0
    call.failing = {ids[0] + 1}
    arrive("ben", "cat")
    for seconds in (0, 31, 301, 1801):
        clock.move(seconds=seconds)
        work()
    assert [one.kind for one in incidents.unresolved()] == ["rule_failed"]
    assert "没有接通" in incidents.unresolved()[0].why
    last = runs(kind="rule")[0]
    page = client.get(f"/automation/runs/{last.id}?state=failed").text
    assert "ben" in page and "没有接通" in page and ">cat<" not in page
    call.failing = set()
    client.post(f"/automation/runs/{last.id}/retry")
    work()
    assert log.get(last.id).failed == 0 and incidents.unresolved() == []
    assert [i for i, _key in call.calls].count(ids[0] + 1) == 1
    assert "没有接通" not in client.get(f"/automation/runs/{last.id}?state=failed").text


def _change_of(record_id: int) -> int:
    from appliance.forms.models import Change

    mine = (Change.record_id == record_id) & (Change.action == "create")
    return int(Change.select(Change.id).where(mine & (Change.form_id == catalog.get("customer").id)).scalar())


def test_a_dispatcher_that_dies_in_the_middle_does_nothing_twice_and_forgets_nothing(data: Path) -> None:
    """The process is stopped hard inside the transaction of a batch, then another goes on."""
    code = (
        "import os, sys\n"
        "from appliance.automation import dispatch, plans\n"
        "real, seen = plans.RulePlan.apply, []\n"
        "def apply(self, *args):\n"
        "    done = real(self, *args)\n"
        "    seen.append(1)\n"
        "    if len(seen) == 3: os._exit(9)\n"
        "    return done\n"
        "plans.RulePlan.apply = apply\n"
        "dispatch.BATCH = dispatch.LEAST = dispatch.MOST = 10\n"
        "from appliance.ops.cli import main\n"
        f"sys.argv[1:] = ['--data', {str(data)!r}, 'work']\n"
        "main()\n"
    )
    with world.running(data):
        save("once")
        arrive(*[f"c{n}" for n in range(50)])
    died = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60)
    assert died.returncode == 9, died.stderr.decode()[-2000:]
    with world.running(data):
        from appliance.core import clock, jobs
        from appliance.core.models import JobRow

        with sqlite3.connect(data / "guke.db") as db:
            half = db.execute("select count(*) from customer_tag").fetchone()[0]
        assert half == 20
        with write():
            JobRow.update(lease_until=clock.now() - 1).where(JobRow.status == "running").execute()
        jobs.work()
        with sqlite3.connect(data / "guke.db") as db:
            assert db.execute("select count(*) from customer_tag").fetchone()[0] == 50
            each = "select count(*) n from change where cause_kind = 'rule' group by record_id"
            assert db.execute(f"select count(*), max(n) from ({each})").fetchone() == (50, 1)
