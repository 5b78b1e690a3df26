"""Another key: everything that was sealed opens as before, found as before, whatever happens in the middle."""

from __future__ import annotations

import base64
import random
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import peewee
import pytest

from tests.support.http import Api, Client
from tests.support.server import ROOT, Server, environment

NUMBER, OTHER = "11010519491231002X", "440524188001010014"
MASKED = "110***********002X"
FORM = {
    "key": "member", "label": "会员", "title_field": "name",
    "fields": [
        {"key": "name", "label": "姓名", "type": "text"},
        {"key": "card", "label": "身份证", "type": "id_card", "unique": True},
    ],
}  # fmt: skip


@pytest.fixture
def member(api: Api) -> int:
    api.post("/forms", FORM)
    return int(api.post("/forms/member/records", {"values": {"name": "张三", "card": NUMBER}})["id"])


@pytest.fixture
def connection(app: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A table with a secret in it, as a connection has one."""
    from appliance.core import schema, secrets
    from appliance.core.db import Model, db, write

    class Shop(Model):
        token = secrets.SealedField(null=True)

        class Meta:
            table_name = "test_shop"

    known = schema.tables()
    monkeypatch.setattr(schema, "tables", lambda: [*known, Shop])
    with write():
        db.create_tables([Shop])
        Shop.insert_many([{"token": "opensesame"}, {"token": None}]).execute()
    yield Shop


def keys(data: Path) -> list[str]:
    return (data / "guke.key").read_text().split()


def stored(data: Path, query: str) -> list[Any]:
    with sqlite3.connect(data / "guke.db") as db:
        return [row[0] for row in db.execute(query)]


def readable(api: Api, member: int) -> None:
    """What a person sees does not depend on the key."""
    assert api.get(f"/forms/member/records/{member}")["values"]["card"]["masked"] == MASKED
    assert api.post(f"/forms/member/records/{member}/card:reveal", {"reason": "核对身份"})["value"] == NUMBER
    for op, value in (("eq", NUMBER), ("ends_with", NUMBER[-4:])):
        where = {"field": "card", "op": op, "value": value}
        assert member in {r["id"] for r in api.post("/forms/member/query", {"where": where})["records"]}
    assert api.post("/forms/member/records", {"values": {"card": NUMBER}}, expect=422)["errors"][0]["field"] == "card"


def test_rotation_reseals_secrets_numbers_and_the_log(
    api: Api, data: Path, member: int, connection: Any, cli: Callable[..., Any]
) -> None:
    api.patch(f"/forms/member/records/{member}", {"values": {"card": OTHER}})
    api.patch(f"/forms/member/records/{member}", {"values": {"card": NUMBER}})
    before = keys(data)
    sealed = stored(data, "SELECT token FROM test_shop") + stored(data, "SELECT card FROM f_member")
    changes = "".join(stored(data, "SELECT fields FROM change"))
    done = cli("rotate-key", "--json").ok().json
    assert done["sealed"] == 1 and done["numbers"] >= 4 and done["left"] == 0 and done["log_lines"] > 0
    after = keys(data)
    assert len(after) == 1 and after != before
    assert (data / "guke.key").stat().st_mode & 0o077 == 0
    assert [row.token for row in connection.select().order_by(connection.id)] == ["opensesame", None]
    assert not set(filter(None, sealed)) & set(
        stored(data, "SELECT token FROM test_shop") + stored(data, "SELECT card FROM f_member")
    )
    token = next(text for text in sealed if text and "." in text and not text.startswith("v1."))
    assert token in changes and token not in "".join(stored(data, "SELECT fields FROM change"))
    readable(api, member)
    assert cli("check", "--json").ok().json["ok"]


def test_the_history_still_shows_the_masked_numbers(
    api: Api, client: Client, member: int, cli: Callable[..., Any]
) -> None:
    api.patch(f"/forms/member/records/{member}", {"values": {"card": OTHER}})
    cli("rotate-key").ok()
    page = client.get(f"/forms/member/records/{member}/history").text
    assert MASKED in page and "440***********0014" in page


def test_rotation_is_written_to_the_log(client: Client, cli: Callable[..., Any]) -> None:
    cli("rotate-key").ok()
    assert "更换密钥" in client.get("/settings/log").text


def test_the_backup_before_holds_the_data_and_the_key_as_they_were(
    data: Path, tmp_path: Path, api: Api, member: int, cli: Callable[..., Any]
) -> None:
    before = keys(data)
    file = Path(cli("rotate-key", "--json").ok().json["backup"])
    assert file.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(file) as pack:
        assert pack.read("guke.key").decode().split() == before
    again = tmp_path / "again"
    from tests.support.server import guke

    assert guke("restore", file, "--data", again).returncode == 0
    assert guke("check", "--data", again).returncode == 0


def test_it_refuses_while_the_server_runs(server: Server, cli_proc: Callable[..., Any], data: Path) -> None:
    before = keys(data)
    refused = cli_proc("rotate-key")
    assert refused.status == 1 and "停止" in refused.err
    assert keys(data) == before


def test_it_refuses_a_damaged_log_instead_of_sealing_it_anew(data: Path, cli: Callable[..., Any]) -> None:
    before = keys(data)
    with sqlite3.connect(data / "guke.db") as db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='audit'"
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE audit SET detail='{}' , actor_id=99 WHERE id=(SELECT MAX(id) FROM audit)")
    refused = cli("rotate-key")
    assert refused.status == 1 and "guke check" in refused.err
    assert keys(data) == before


def test_what_no_key_opens_stays_and_is_counted(data: Path, connection: Any, cli: Callable[..., Any]) -> None:
    from appliance.core.db import write

    with write():
        connection.insert({connection.token: peewee.Value("v1.AAAA", converter=False)}).execute()
    assert cli("rotate-key", "--json").ok().json["left"] == 1


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
def test_an_interruption_leaves_one_key_that_opens_everything(
    api: Api, data: Path, member: int, connection: Any, cli: Callable[..., Any], monkeypatch: Any, moment: str
) -> None:
    from appliance.core import secrets

    class PowerCut(BaseException):
        pass

    def cut(*_args: Any) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        if moment == "before the commit":
            patch.setattr(secrets, "adopt", cut)
        else:
            real, calls = secrets.settle, []
            patch.setattr(secrets, "settle", lambda: real() if not calls and not calls.append(1) else cut())
        with pytest.raises(PowerCut):
            cli("rotate-key")
    assert len(keys(data)) == 2
    readable(api, member)
    assert connection.get(connection.token.is_null(False)).token == "opensesame"
    assert cli("check", "--json").ok().json["ok"]
    # What is written now is sealed with the key that counts.
    late = api.post("/forms/member/records", {"values": {"card": OTHER}})["id"]
    cli("rotate-key").ok()
    assert len(keys(data)) == 1
    readable(api, member)
    assert api.post(f"/forms/member/records/{late}/card:reveal", {"reason": "核对身份"})["value"] == OTHER


def test_the_server_takes_a_key_that_no_longer_counts_out_of_the_file(data: Path) -> None:
    key = keys(data)[0]
    (data / "guke.key").write_text(key + "\n" + base64.b64encode(b"x" * 32).decode() + "\n")
    with Server(data):
        assert keys(data) == [key]


def test_kill_9_at_any_moment_loses_nothing(api: Api, data: Path, member: int, cli_proc: Callable[..., Any]) -> None:
    rows = [{"name": f"n{i}", "card": number(i)} for i in range(400)]
    api.post("/forms/member/records:upsert", {"key": "card", "records": rows})
    chance = random.Random(7)
    staged = 0
    for _round in range(3):
        run = subprocess.Popen(
            [sys.executable, "-m", "appliance", "rotate-key"],
            cwd=ROOT, env=environment(data), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while run.poll() is None and len(keys(data)) == 1:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.15)
        run.send_signal(signal.SIGKILL)
        run.wait()
        staged += len(keys(data)) == 2
        assert cli_proc("check", "--json").ok().json["ok"]
        readable(api, member)
    assert staged, "no round was cut in the middle"
    cli_proc("rotate-key").ok()
    assert len(keys(data)) == 1
    readable(api, member)


def number(i: int) -> str:
    from appliance.forms.fields.id_card import check_digit

    body = f"110105199001{1 + i % 28:02d}{i // 28:03d}"
    return body + check_digit(body)
