"""A run whose process is killed goes on where it was: the same end, and no step done twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support import world

CUSTOMERS = 30_000


def _prepare(data: Path) -> None:
    """Many customers, and a run of a table waiting."""
    with world.running(data):
        from appliance.accounts.actor import SYSTEM
        from appliance.automation import tables
        from appliance.core.db import read, write
        from appliance.forms import catalog, records

        with read():
            form = catalog.get("customer")
            for start in range(0, CUSTOMERS, 1000):
                records.create_many(form, [{"name": f"c{start + i}"} for i in range(1000)], SYSTEM)
            with write():
                records.write_derived(form, {"total_paid": form.col("id") * 10}, form.col("id") > 0)
            upper = {"field": "total_paid", "op": "gte", "value": CUSTOMERS * 5 / 100}
            doc = {
                "key": "halves", "label": "halves", "form": "customer", "target": {"tag_group": "value"},
                "rows": [{"where": upper, "then": "高价值核心粉"}],
                "default": "低价值围观粉",
            }  # fmt: skip
            tables.save(doc, SYSTEM)
            tables.run("halves", SYSTEM)


def _ask(data: Path, sql: str) -> Any:
    with sqlite3.connect(data / "guke.db", timeout=30) as db:
        return db.execute(sql).fetchall()


def _kill_in_the_middle(data: Path) -> int:
    """Starts ``guke work`` and kills it with the run half done; returns how many records it had changed."""
    command = [sys.executable, "-m", "appliance", "--data", str(data), "work"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        found = _ask(data, "select changed from rule_run where status = 'running'")
        if found and found[0][0] >= 3000:
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    return int(_ask(data, "select changed from rule_run")[0][0])


def test_a_killed_run_goes_on_and_does_no_step_twice(data: Path, cli_proc: Callable[..., Any]) -> None:
    _prepare(data)
    changed = _kill_in_the_middle(data)
    assert 0 < changed < CUSTOMERS, "killed too early or too late to show anything"
    cli_proc("work").ok()
    assert _ask(data, "select status, changed from rule_run") == [("done", CUSTOMERS)]
    held = dict(_ask(data, "select tag.name, count(*) from customer_tag join tag on tag.id = tag_id group by 1"))
    assert held == {"高价值核心粉": CUSTOMERS // 2 + 1, "低价值围观粉": CUSTOMERS // 2 - 1}
    each = "select count(*) n from change where cause_kind = 'decision_table' group by record_id"
    assert _ask(data, f"select max(n), count(*) from ({each})") == [(1, CUSTOMERS)]
