"""An import that is killed goes on where it was; one that is cancelled stops and can be taken back."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forms.importing.help import csv_file, exported
from tests.support import world
from tests.support.server import ROOT, Server, environment

ROWS = 12_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Orders of 4,000 customers, with a bad row in every hundred and every tenth number twice."""
    rows = [["number", "member_no", "amount", "商品名称"]]
    for n in range(ROWS):
        number = f"N{n if n % 10 else n // 20}"
        rows.append([number, f"M{n % 4000}", "坏" if n % 100 == 7 else f"{n}.50", "眼霜"])
    return csv_file(tmp_path / "orders.csv", rows)


def _start(data: Path, *args: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "appliance", *map(str, args)],
        cwd=ROOT, env=environment(data), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def _reached(cli, done: int) -> None:
    """Waits until the running import has written ``done`` rows."""
    from appliance.core.cli import opened
    from appliance.core.models import JobRow

    until = time.monotonic() + 120
    while time.monotonic() < until:
        with opened(cli.data, prepare=False):
            row = JobRow.select().where(JobRow.kind == "import").order_by(JobRow.id.desc()).first()
        if row is not None and row.state and row.state["row"] >= done:
            return
        time.sleep(0.02)
    raise AssertionError("the import never began")


@pytest.fixture
def cli(cli, data: Path):
    cli.data = data
    return cli


@pytest.mark.slow
@pytest.mark.parametrize("rows", [1000, 7000])
def test_after_kill_9_no_row_is_lost_and_none_is_done_twice(cli, data, file, tmp_path, template, rows):
    process = _start(data, "import", "order", file)
    _reached(cli, rows)
    process.kill()
    process.wait()
    process.communicate()
    cli("work").ok()
    quiet = tmp_path / "quiet"
    shutil.copytree(template.folder, quiet)
    status, _out, err = world.command(quiet, ["import", "order", str(file)])
    assert status == 0, err
    assert _outcome(data) == _outcome(quiet)
    status, counts, failures, left = _outcome(data)
    assert status == "done" and counts["failed"] == len(failures) == ROWS // 100
    assert counts["created"] + counts["updated"] + counts["failed"] == ROWS
    assert counts["created"] == left["order"] == left["order_item"]


def _outcome(data: Path) -> tuple[str, dict[str, int], list[tuple[int, str]], dict[str, int]]:
    """Status and counts of the only import, its failures, and how many records there are."""
    from appliance.accounts.actor import SYSTEM
    from appliance.core.cli import opened
    from appliance.forms import catalog
    from appliance.forms.importing import imports
    from appliance.forms.query import Query

    with opened(data, prepare=False):
        row = imports.get(1)
        left = {key: Query(catalog.get(key), SYSTEM).count() for key in ("order", "order_item", "customer")}
        assert row.errors_file is not None
        return row.status, row.counts, imports.failures(row, ROWS), left


@pytest.mark.slow
def test_a_cancelled_import_stops_and_can_be_taken_back(cli, data, file, tmp_path, template):
    import urllib.parse
    import urllib.request

    from appliance.accounts.sessions import COOKIE, csrf_token

    cookie = template.sessions["amy"]

    def post(server: Server, path: str, body: bytes = b"", kind: str = "application/x-www-form-urlencoded") -> str:
        request = urllib.request.Request(
            server.url + path, data=body, method="POST",
            headers={"Cookie": f"{COOKIE}={cookie}", "X-CSRF-Token": csrf, "Content-Type": kind},
        )  # fmt: skip
        with urllib.request.urlopen(request) as answer:
            return answer.geturl() + "\n" + answer.read().decode()

    with Server(data) as server:
        from appliance.core.cli import opened

        with opened(data, prepare=False):
            csrf = csrf_token(cookie)
        boundary = "x" * 20
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="orders.csv"\r\n\r\n'.encode()
        body = head + file.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        page = post(server, "/forms/order/import", body, f"multipart/form-data; boundary={boundary}")
        found = re.search(r"/imports/(\d+)", page)
        assert found, page[:500]
        import_id = found[1]
        options = urllib.parse.urlencode({"key": "number", "on_duplicate": "update", "bad_cells": "fail", "start": "1"})
        post(server, f"/imports/{import_id}/options", options.encode())
        _reached(cli, 1000)
        post(server, f"/imports/{import_id}/cancel")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with opened(data, prepare=False):
                from appliance.forms.importing import imports

                if imports.get(int(import_id)).status == "cancelled":
                    break
            time.sleep(0.05)
    orders = exported(cli, "order", tmp_path)
    assert 0 < len(orders) < ROWS
    cli("import", "undo", import_id).ok()
    assert exported(cli, "order", tmp_path) == [] == exported(cli, "customer", tmp_path)
