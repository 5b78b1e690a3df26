"""Rules: one over a whole company while staff work, and twenty that each change sets off."""

from __future__ import annotations

import concurrent.futures
import shutil
import sqlite3
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support import world
from tests.support.server import Server

from . import load
from .figure import Figure, Place, measure
from .figures import call, fresh, page

CITIES = ("杭州", "上海", "北京", "广州", "深圳", "成都", "武汉", "南京", "苏州", "长沙")
CHANGES = 20_000
STAGE = "following"
"""A stage that a fifth of the made customers are in."""


def _ask(data: Path, sql: str) -> Any:
    with sqlite3.connect(data / "guke.db", timeout=30) as db:
        return db.execute(sql).fetchall()


@measure("rules")
def rules(place: Place) -> list[Figure]:
    return [*one_over_all(place), *twenty_on_changes(place)]


def one_over_all(place: Place) -> list[Figure]:
    """A tag for everybody in one stage, in the server, while two people open pages. Seconds really worked, from the log."""
    folder = place.work / "rules"
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(place.data, folder)
    template = replace(world.load(place.data), folder=folder)
    rule = {
        "key": "bench", "label": "bench", "form": "customer", "enabled": False, "on": {"manual": True},
        "where": {"field": "stage", "op": "eq", "value": STAGE}, "do": [{"action": "add_tag", "tag": "待跟进"}],
    }  # fmt: skip
    with Server(folder, cold=True) as server:
        load.run(server.port, [call("POST", "/rules", rule, template)], once=True).check(201)
        pages = [page("/forms/customer", template), page("/", template), page("/forms/customer/records/77", template)]
        load.run(server.port, pages * 5, once=True).check(200)
        load.run(server.port, [call("POST", "/rules/bench:run", {}, template)], once=True).check(202)
        started = time.perf_counter()
        latest: list[Any] = []
        with concurrent.futures.ThreadPoolExecutor() as pool:
            beside = pool.submit(load.run, server.port, pages, clients=2, seconds=8, pause=0.3)
            while not latest or latest[0][0] == "running":
                time.sleep(0.2)
                latest = _ask(folder, "select status, changed, seconds from rule_run order by id desc limit 1")
            seconds = time.perf_counter() - started
            during = beside.result().check(200)
    status, changed, worked = latest[0]
    total = _ask(folder, "select count(*) from f_customer")[0][0]
    shutil.rmtree(folder, ignore_errors=True)
    if status != "done":
        raise RuntimeError(f"the run ended {status}")
    aim = seconds < 15 and during.p95 < 200
    return [
        Figure(
            f"a tag rule over {total:,} customers that changes {changed:,}", seconds, "s", "< 15 s, pages p95 < 200 ms", aim,
            note=f"{worked:.1f} s worked, pages p95 {during.p95:.0f} ms",
        )
    ]  # fmt: skip


def twenty_on_changes(place: Place) -> list[Figure]:
    """Customers made and changed, each read by twenty rules of which one or two act."""
    template = fresh(place, "rules20")
    with world.running(template.folder):
        from appliance.accounts.actor import SYSTEM
        from appliance.automation import rules as book
        from appliance.automation import streams
        from appliance.core import jobs
        from appliance.core.db import read
        from appliance.core.models import JobRow
        from appliance.forms import catalog, records
        from appliance.forms.hooks import Cause

        def dispatch() -> float:
            job_id = (
                JobRow.select(JobRow.id).where((JobRow.kind == streams.RING) & (JobRow.status == "queued")).scalar()
            )
            started = time.perf_counter()
            jobs.work_on(job_id)
            return CHANGES / (time.perf_counter() - started)

        with read():
            jobs.work()
            for n in range(20):
                on: dict[str, Any] = {"created": True} if n < 10 else {"updated": ["stage"]}
                act = (
                    {"action": "add_tag", "tag": f"t{n}"}
                    if n < 10
                    else {"action": "set", "values": {"level": "silver"}}
                )
                where = {"field": "city", "op": "eq", "value": CITIES[n % 10]}
                doc = {
                    "key": f"r{n}",
                    "label": f"r{n}",
                    "form": "customer",
                    "enabled": True,
                    "on": on,
                    "where": where,
                    "do": [act],
                }
                book.save(doc, SYSTEM)
            form = catalog.get("customer")
            ids: list[int] = []
            for start in range(0, CHANGES, 1000):
                rows = [{"name": f"c{start + n}", "city": CITIES[n % 10]} for n in range(1000)]
                ids += [i for i in records.create_many(form, rows, SYSTEM).ids if i]
            made = dispatch()
            for start in range(0, CHANGES, 1000):
                records.update_set(form, {"stage": STAGE}, ids[start : start + 1000], SYSTEM, Cause("user"))
            changed = dispatch()
    slower = min(made, changed)
    return [
        Figure(
            "changes through 20 rules", slower, "/s", "≥ 1,500 /s", slower >= 1_500,
            note=f"created {made:,.0f}/s, updated {changed:,.0f}/s, each acted on",
        )
    ]  # fmt: skip
