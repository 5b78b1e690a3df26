"""Backups: whole, taken while work goes on, restored to the same counts, refused when they are not whole."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.core import incidents, jobs, settings
from appliance.core.models import JobRow
from tests.support.clock import Clock
from tests.support.http import Client
from tests.support.people import AMY
from tests.support.server import Server, guke
from tests.support.world import Template

Cli = Callable[..., Any]
Work = Callable[[], dict[str, Any]]


def test_a_backup_restores_to_the_same_counts(cli: Cli, tmp_path: Path) -> None:
    before = cli("check", "--json").ok().json["counts"]
    made = cli("backup", "--to", tmp_path / "b.db", "--json").ok().json
    assert made["size"] == (tmp_path / "b.db").stat().st_size
    elsewhere = tmp_path / "elsewhere"
    done = guke("restore", tmp_path / "b.db", "--json", data=elsewhere)
    assert done.returncode == 0, done.stderr
    counts = guke("check", "--json", data=elsewhere)
    assert counts.returncode == 0, counts.stderr
    # Without its key the log goes on under a new one and says so in a line of its own.
    assert json.loads(counts.stdout)["counts"] == before | {"audit": before["audit"] + 1}


def test_a_backup_with_its_key_opens_sealed_secrets_elsewhere(cli: Cli, data: Path, tmp_path: Path) -> None:
    pack = tmp_path / "b.zip"
    cli("backup", "--to", pack, "--with-key").ok()
    assert sorted(zipfile.ZipFile(pack).namelist()) == ["guke.db", "guke.key"]
    assert pack.stat().st_mode & 0o077 == 0
    elsewhere = tmp_path / "elsewhere"
    assert guke("restore", pack, data=elsewhere).returncode == 0
    assert (elsewhere / "guke.key").read_bytes() == (data / "guke.key").read_bytes()
    assert (elsewhere / "guke.key").stat().st_mode & 0o077 == 0


def test_a_backup_taken_while_others_write_is_whole(app: Any, tmp_path: Path) -> None:
    from appliance.ops import backup

    stop = threading.Event()
    written = [0]

    def write_on() -> None:
        while not stop.is_set():
            jobs.enqueue("none", {"n": written[0]}, due_at=4_000_000_000)
            written[0] += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        while written[0] < 50:
            pass
        at_least = written[0]
        backup.make(tmp_path / "b.db")
    finally:
        stop.set()
        writer.join()
    with closing(sqlite3.connect(tmp_path / "b.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = copy.execute("SELECT json_extract(payload, '$.n') FROM job WHERE kind = 'none' ORDER BY id")
        numbers = [n for (n,) in found]
    assert at_least <= len(numbers) <= written[0]
    assert numbers == list(range(len(numbers)))


def test_a_backup_holds_no_password_token_or_session(cli: Cli, template: Template, tmp_path: Path) -> None:
    cli("backup", "--to", tmp_path / "b.db").ok()
    content = (tmp_path / "b.db").read_bytes()
    for secret in (AMY.password, template.sessions[AMY.login], template.tokens[AMY.login]):
        assert secret.encode() not in content


def test_restore_asks_before_it_replaces_and_keeps_the_old_one(cli: Cli, data: Path, tmp_path: Path) -> None:
    cli("backup", "--to", tmp_path / "b.db").ok()
    assert guke("user", "add", "later", data=data).returncode == 0
    refused = guke("restore", tmp_path / "b.db", data=data)
    assert refused.returncode == 1 and "--force" in refused.stderr
    assert "later" in guke("user", "list", data=data).stdout
    assert guke("restore", tmp_path / "b.db", "--force", data=data).returncode == 0
    assert "later" not in guke("user", "list", data=data).stdout
    [aside] = data.glob("replaced-*")
    assert "later" in guke("user", "list", data=aside).stdout


@pytest.mark.parametrize("harm", ["text", "other database", "cut off", "flipped", "zip without database", "empty"])
def test_restore_refuses_what_is_no_whole_backup(cli: Cli, data: Path, tmp_path: Path, harm: str) -> None:
    good = tmp_path / "b.db"
    cli("backup", "--to", good).ok()
    content = good.read_bytes()
    bad = tmp_path / "bad.db"
    if harm == "text":
        bad.write_text("hello")
    elif harm == "other database":
        with closing(sqlite3.connect(bad)) as other:
            other.execute("CREATE TABLE x (y)")
    elif harm == "cut off":
        bad.write_bytes(content[: len(content) // 2])
    elif harm == "flipped":
        bad.write_bytes(content[:8192] + bytes(4096 * 4) + content[8192 + 4096 * 4 :])
    elif harm == "zip without database":
        with zipfile.ZipFile(bad, "w") as pack:
            pack.writestr("readme", "x")
    else:
        bad.touch()
    before = (data / "guke.db").read_bytes()
    done = guke("restore", bad, "--force", data=data)
    assert done.returncode == 1
    assert "bad.db" in done.stderr and "Traceback" not in done.stderr
    assert (data / "guke.db").read_bytes() == before
    assert not list(data.glob("replaced-*")) and not list(data.glob(".restore-*"))


def test_restore_refuses_a_backup_of_a_newer_release(cli: Cli, data: Path, tmp_path: Path) -> None:
    cli("backup", "--to", tmp_path / "b.db").ok()
    with closing(sqlite3.connect(tmp_path / "b.db")) as newer, newer:
        newer.execute("INSERT INTO schema_version VALUES (99, 'future', 0)")
    done = guke("restore", tmp_path / "b.db", "--force", data=data)
    assert done.returncode == 1 and "升级" in done.stderr


def test_restore_refuses_while_a_server_runs(server: Server, tmp_path: Path) -> None:
    assert guke("backup", "--to", tmp_path / "b.db", data=server.data).returncode == 0
    done = guke("restore", tmp_path / "b.db", "--force", data=server.data)
    assert done.returncode == 1 and "停止" in done.stderr
    assert server.healthy()


def test_check_finds_a_damaged_file(data: Path) -> None:
    file = data / "guke.db"
    content = bytearray(file.read_bytes())
    content[4096 * 3 : 4096 * 9] = b"\xff" * (4096 * 6)
    file.write_bytes(content)
    done = guke("check", "--json", data=data)
    assert done.returncode == 1
    assert '"ok": false' in done.stdout and "guke restore" in done.stdout


def test_check_finds_a_reference_to_nothing_and_a_key_that_others_can_read(data: Path) -> None:
    (data / "guke.key").chmod(0o644)
    with closing(sqlite3.connect(data / "guke.db")) as db, db:
        db.execute("UPDATE user_role SET role_id = 999 WHERE user_id = (SELECT min(user_id) FROM user_role)")
    done = guke("check", data=data)
    assert done.returncode == 1
    assert "user_role" in done.stdout and "chmod 600" in done.stdout


def test_a_nightly_backup_is_made_and_old_ones_go(work: Work, data: Path, clock: Clock) -> None:
    clock.set("2026-06-15T12:00:00+08:00")
    settings.set("backup.keep_days", 3)
    settings.set("backup.time", "02:15")
    clock.set("2026-06-16T02:15:00+08:00")
    work()
    [made] = (data / "backups").iterdir()
    assert made.name.startswith("guke-20260616-0215")
    os.utime(made, (clock.now(), clock.now()))
    clock.set("2026-06-25T02:15:00+08:00")
    work()
    [newest] = (data / "backups").iterdir()
    assert newest.name.startswith("guke-20260625")


def test_a_nightly_backup_that_is_switched_off_is_not_made(work: Work, data: Path, clock: Clock) -> None:
    settings.set("backup.nightly", False)
    clock.move(days=1)
    work()
    assert not (data / "backups").exists()


def test_a_backup_that_fails_is_an_incident_until_one_succeeds(work: Work, data: Path, clock: Clock) -> None:
    (data / "backups").write_text("in the way")
    clock.move(days=1)
    work()
    [incident] = incidents.unresolved()
    assert "备份" in incident.why
    (data / "backups").unlink()
    incidents.retry(incident.id)
    work()
    assert incidents.count() == 0
    assert JobRow.select().where((JobRow.kind == "backup") & (JobRow.status == "done")).count() == 1


def test_the_administrator_backs_up_and_downloads_from_the_page(client: Client, work: Work, data: Path) -> None:
    assert "还没有备份" in client.get("/admin/backups").text
    assert client.post("/admin/backups").status_code == 303
    assert "正在" in client.get("/admin/backups", htmx=True).text
    work()
    [made] = (data / "backups").iterdir()
    page = client.get("/admin/backups").text
    assert made.name in page
    answer = client.get(f"/admin/backups/{made.name}")
    assert answer.data == made.read_bytes()
    assert "attachment" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("name", ["guke.key", "..%2Fguke.db", "%2e%2e/guke.key", "guke-1.db"])
def test_nothing_but_backups_can_be_downloaded(client: Client, name: str) -> None:
    assert client.get(f"/admin/backups/{name}").status_code == 404


def test_backup_settings_are_checked_beside_their_field(client: Client) -> None:
    form = {"backup.nightly": "1", "backup.time": "04:00", "backup.keep_days": "30", "backup.folder": ""}
    assert client.post("/admin/backups/settings", data=form).status_code == 303
    assert (settings.get("backup.time"), settings.get("backup.keep_days")) == ("04:00", 30)
    bad = form | {"backup.time": "25:00", "backup.folder": "/proc/nowhere", "backup.keep_days": "7"}
    answer = client.post("/admin/backups/settings", data=bad)
    assert answer.status_code == 422
    assert "03:30" in answer.text and "/proc/nowhere" in answer.text
    assert settings.get("backup.keep_days") == 30, "all or nothing"
