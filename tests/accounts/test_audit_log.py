"""The audit log: what is in it, finding and taking it along, and that nobody can touch it unnoticed."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.accounts import audit
from tests.support import world
from tests.support.people import BO
from tests.support.server import guke


def run(data: Path, *args: str) -> tuple[int, str]:
    status, out, _err = world.command(data, list(args))
    return status, out


def check(data: Path) -> tuple[int, str]:
    return run(data, "check")


def tampered(data: Path, *statements: str) -> str:
    """What ``guke check`` says after somebody worked on the file with a tool of their own."""
    assert check(data)[0] == 0
    with closing(sqlite3.connect(data / "guke.db")) as plain, plain:
        for trigger in ("audit_keeps", "audit_stays"):
            plain.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            plain.execute(statement)
    status, said = check(data)
    assert status == 1, said
    return said


def test_a_changed_line_is_named(data: Path) -> None:
    said = tampered(data, "UPDATE audit SET actor_id = 2 WHERE id = 3")
    assert said.strip() == "操作日志第 3 行被改过。"


def test_a_changed_line_with_a_seal_of_the_forgers_own_is_named(data: Path) -> None:
    said = tampered(data, "UPDATE audit SET ip = '10.0.0.1', mac = '00' WHERE id = 3")
    assert said.strip() == "操作日志第 3 行被改过。"


def test_missing_lines_are_named(data: Path) -> None:
    assert tampered(data, "DELETE FROM audit WHERE id IN (2, 3)").strip() == "操作日志缺少第 2 到 3 行。"


def test_a_cut_off_tail_is_found(data: Path) -> None:
    with closing(sqlite3.connect(data / "guke.db")) as plain:
        [(last,)] = plain.execute("SELECT MAX(id) FROM audit")
    assert tampered(data, f"DELETE FROM audit WHERE id = {last}").strip() == f"操作日志缺少第 {last} 行。"


def test_an_empty_log_is_found(data: Path) -> None:
    assert "操作日志缺少第 1 到" in tampered(data, "DELETE FROM audit")
    with closing(sqlite3.connect(data / "guke.db")) as plain, plain:
        plain.execute("DELETE FROM audit_anchor")
    # Without log and seal it is no new installation: somebody can sign in.
    assert check(data)[0] == 1 and "封条不见了" in check(data)[1]
    assert run(data, "user", "disable", "bo")[0] == 0
    assert "封条不见了" in check(data)[1]


def test_a_line_put_in_is_named_and_the_log_goes_on_after_it(data: Path) -> None:
    with closing(sqlite3.connect(data / "guke.db")) as plain:
        [(last,)] = plain.execute("SELECT MAX(id) FROM audit")
    columns = "at, actor_id, action, detail, prev, mac"
    said = tampered(data, f"INSERT INTO audit ({columns}) SELECT {columns} FROM audit WHERE id = 2")
    assert said.strip() == f"操作日志第 {last + 1} 行不是固客写入的。"
    assert run(data, "user", "disable", "bo")[0] == 0
    assert check(data)[1] == said


def test_an_anchor_that_was_changed_or_taken_away_is_found_and_never_healed_by_itself(data: Path) -> None:
    said = tampered(
        data,
        "DELETE FROM audit WHERE id > 4",
        "UPDATE audit_anchor SET last_id = 4, last_mac = (SELECT mac FROM audit WHERE id = 4)",
    )
    assert "封条被改过" in said
    assert run(data, "user", "disable", "bo")[0] == 0
    assert "封条被改过" in check(data)[1]
    with closing(sqlite3.connect(data / "guke.db")) as plain, plain:
        plain.execute("DELETE FROM audit_anchor")
    assert run(data, "user", "disable", "cy")[0] == 0
    assert "封条不见了" in check(data)[1]


def test_the_database_itself_refuses_to_change_or_delete_a_line(data: Path) -> None:
    with closing(sqlite3.connect(data / "guke.db")) as plain:
        for statement in ("UPDATE audit SET at = 0", "DELETE FROM audit WHERE id = 2"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                plain.execute(statement)


def test_a_lost_key_is_said_once_and_the_log_can_be_sealed_again(data: Path) -> None:
    (data / "guke.key").unlink()
    assert guke("user", "disable", "bo", data=data).returncode == 0
    status, said = check(data)
    assert status == 1 and said.count("操作日志") == 1 and "另一个密钥文件" in said
    assert run(data, "audit", "reseal")[0] == 0
    assert check(data)[0] == 0


def test_a_database_of_the_first_release_is_chained_when_it_is_upgraded(samples: Path, tmp_path: Path) -> None:
    import gzip

    old = tmp_path / "old"
    old.mkdir()
    (old / "guke.db").write_bytes(gzip.decompress((samples / "guke-0.1.0.db.gz").read_bytes()))
    with closing(sqlite3.connect(old / "guke.db")) as plain, plain:
        for n in range(3):
            plain.execute("INSERT INTO audit (at, action, detail) VALUES (?, 'sign_in', '{}')", (n,))
    assert run(old, "upgrade")[0] == 0
    assert check(old)[0] == 0
    with closing(sqlite3.connect(old / "guke.db")) as plain, plain:
        plain.execute("DROP TRIGGER audit_keeps")
        plain.execute("UPDATE audit SET at = 9 WHERE id = 2")
    assert "第 2 行被改过" in check(old)[1]


def test_lines_whose_time_is_over_go_at_night_and_the_rest_stays_verifiable(
    client: Any, clock: Any, work: Callable[[], Any], cli: Callable[..., Any]
) -> None:
    answer = client.post("/settings/log/keep", data={"log.keep_days": "30"}, follow_redirects=True)
    assert "保留期限已保存" in answer.text
    for _ in range(2):
        clock.move(days=10)
        client.get("/settings/log")
    client.post("/settings/users", data={"login": "dora", "name": "Dora", "role": "staff"})
    for _ in range(2):
        clock.move(days=8)
        client.get("/settings/log")
    work()
    page = client.get("/settings/log").text
    assert "清理到期的操作日志" in page and "添加用户" in page and "保留天数 0 → 30" not in page
    assert "条已按保留期限清理" in page
    cli("check").ok()


@pytest.mark.parametrize("wrong", ["-1", "abc", "", "999999"])
def test_a_wrong_retention_is_told_beside_its_field(client: Any, wrong: str) -> None:
    answer = client.post("/settings/log/keep", data={"log.keep_days": wrong})
    assert answer.status_code == 422 and "整数" in answer.text


def test_the_log_is_found_by_person_action_object_address_and_time(client: Any, staff_client: Any, anon: Any) -> None:
    client.post("/settings/users", data={"login": "dora", "name": "Dora 周", "role": "staff"})
    elsewhere = {
        "environ_base": {"REMOTE_ADDR": "10.9.8.7"},
        "headers": {"User-Agent": "Mozilla/5.0 (iPhone) Safari/9"},
    }
    anon.post("/login", data={"login": "bo", "password": "wrong"}, **elsewhere)
    anon.post("/login", data={"login": "bo", "password": BO.password}, **elsewhere)

    def found(**wanted: str) -> str:
        answer = client.get("/settings/log", query_string=wanted, htmx=True)
        assert answer.status_code == 200
        return answer.text

    page = found(address="10.9.8")
    assert page.count("<tr>") == 3 and "登录失败" in page and "iPhone · Safari" in page
    assert found(action="sign_in.failed").count("<tr>") == 2
    assert "添加用户" in found(subject="user", person="1") and "添加用户" not in found(subject="token", person="1")
    assert "添加用户" in found(q="dora") and "添加用户" not in found(q="nobody-of-that-name")
    assert "没有符合条件的日志" in found(since="2099-01-01")
    assert "没有符合条件的日志" in found(until="2001-01-01")
    assert found(since="not-a-day", person="x", before="y").count("<tr>") > 5


def test_the_log_is_paged_by_cursor_and_keeps_the_filter(client: Any, app: Any) -> None:
    from appliance.accounts import audit

    for n in range(120):
        audit.note("user.changed", {"user": 2, "name": f"N{n}"})
    page = client.get("/settings/log?action=user.changed").text
    assert "N119" in page and "N20 " not in page and "action=user.changed" in page
    older = page.split('href="/settings/log?before=')[1].split('"')[0].replace("&amp;", "&")
    assert "N5" in client.get(f"/settings/log?before={older}").text


def test_the_log_leaves_as_a_file_and_that_is_logged(client: Any, staff_client: Any, tmp_path: Path, cli: Any) -> None:
    from appliance.accounts import audit

    audit.note("user.changed", {"user": 2, "name": "=cmd|x"})
    answer = client.get("/settings/log/export.csv?action=user.changed")
    rows = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert rows[0][:5] == ["行号", "时间", "人员", "操作", "内容"] and len(rows) == 2
    assert client.get("/settings/log/export.xlsx").get_data().startswith(b"PK")
    assert "导出操作日志" in client.get("/settings/log").text
    assert client.get("/settings/log/export.pdf").status_code == 422
    assert staff_client.get("/settings/log/export.csv").status_code == 403
    assert cli("audit", "export", tmp_path / "log.csv", "--json").ok().json["lines"] > 3
    assert cli("audit", "export", tmp_path / "no" / "log.csv").status == 1


def test_exports_are_logged(client: Any, api: Any, cli: Any, tmp_path: Path) -> None:
    api.post("/forms/customer/records", {"values": {"name": "王芳"}})
    assert client.get("/forms/customer/export?format=csv").status_code == 200
    cli("export", "customer", tmp_path / "c.csv").ok()
    page = client.get("/settings/log?subject=form").text
    assert page.count("导出记录") >= 3 and "c.csv" in page


def test_every_action_of_the_log_has_its_words() -> None:
    said = {
        action
        for file in Path(audit.__file__).parents[1].rglob("*.py")
        for action in re.findall(r'audit\.note\(\s*"([a-z_.]+)"', file.read_text("utf-8"))
    }
    assert len(said) > 40
    assert said - audit.ACTIONS.keys() == set()


def test_staff_see_nothing_of_the_log(staff_client: Any) -> None:
    assert staff_client.get("/settings/log").status_code == 403
    assert staff_client.post("/settings/log/keep", data={"log.keep_days": "1"}).status_code == 403
