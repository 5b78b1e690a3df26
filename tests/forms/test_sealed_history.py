"""The history of records is sealed: what somebody does to it in the file is found, what the law takes out of it is not a find."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support import world
from tests.support.http import Api


def check(data: Path) -> str:
    status, out, _err = world.command(data, ["check"])
    return "" if status == 0 else out.strip()


def by_hand(data: Path, *statements: str) -> None:
    """Somebody works on the file with a tool of their own."""
    with closing(sqlite3.connect(data / "guke.db")) as plain, plain:
        for statement in statements:
            plain.execute(statement)


@pytest.fixture
def history(api: Api, clock: Any, work: Any, data: Path) -> list[int]:
    """Three customers with a few writes each, sealed a quarter of an hour later, and one write that is not sealed yet."""
    ids = [api.post("/forms/customer/records", {"values": {"name": n}})["id"] for n in ("甲", "乙", "丙")]
    for i in ids:
        api.patch(f"/forms/customer/records/{i}", {"values": {"city": "杭州"}})
    clock.move(minutes=15)
    work()
    api.patch(f"/forms/customer/records/{ids[0]}", {"values": {"city": "宁波"}})
    assert check(data) == ""
    return ids


@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE change SET fields = \'{"name": "丁"}\' WHERE id = 2',
        "UPDATE change SET actor_id = 2 WHERE id = 3",
        "UPDATE change SET at = at - 60 WHERE id = 1",
        "DELETE FROM change WHERE id = 2",
        "INSERT INTO change SELECT 0, at, form_id, record_id, action, fields, actor_id, cause_kind, cause_id, depth FROM change WHERE id = 1",
    ],
)
def test_a_change_that_was_altered_taken_out_or_put_in_is_found(history: list[int], data: Path, statement: str) -> None:
    by_hand(data, statement)
    assert "之间有内容被改过、插入或删除" in check(data)


def test_a_seal_of_the_forgers_own_is_found(history: list[int], data: Path) -> None:
    by_hand(data, "DELETE FROM change WHERE id = 2", "UPDATE change_block SET count = count - 1, digest = 'x'")
    assert "封条被改过" in check(data)


def test_a_tail_that_was_cut_off_with_its_seals_is_found(history: list[int], data: Path) -> None:
    by_hand(data, "DELETE FROM change", "DELETE FROM change_block")
    assert "末尾被改过或截断" in check(data)
    by_hand(data, "DELETE FROM change_anchor")
    by_hand(data, "INSERT INTO change_block VALUES (1, 9, 9, 'x', 'y')")
    assert "封条不见了" in check(data)


def test_a_record_that_goes_for_good_leaves_a_whole_history(
    history: list[int], api: Api, client: Any, data: Path, clock: Any, work: Any
) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.customers import erasing
    from appliance.forms import catalog, purging

    erasing.erase(history[1], "本人要求", SYSTEM)
    api.delete(f"/forms/customer/records/{history[2]}")
    purging.purge(catalog.get("customer"), [history[2]], SYSTEM)
    assert check(data) == ""
    clock.move(minutes=15)
    work()
    assert check(data) == ""


def test_an_erasure_does_not_hide_what_was_done_before(history: list[int], data: Path) -> None:
    from appliance.accounts.actor import SYSTEM
    from appliance.customers import erasing

    by_hand(data, "UPDATE change SET actor_id = 2 WHERE id = 1")
    erasing.erase(history[1], "本人要求", SYSTEM)
    assert "之间有内容被改过" in check(data)


def test_the_last_block_grows_and_many_blocks_hang_together(
    api: Api, data: Path, clock: Any, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.forms import sealing

    monkeypatch.setattr(sealing, "SIZE", 3)
    for n in range(4):
        for k in range(2):
            api.post("/forms/customer/records", {"values": {"name": f"客{n}{k}"}})
        clock.move(minutes=15)
        work()
        assert check(data) == ""
    with closing(sqlite3.connect(data / "guke.db")) as plain:
        assert [row[0] for row in plain.execute("SELECT count FROM change_block ORDER BY number")] == [3, 3, 2]
    by_hand(data, "UPDATE change SET depth = 1 WHERE id = 4")
    assert "第 4 到 6 条之间" in check(data)


def test_another_key_and_a_new_seal_keep_the_history_whole(history: list[int], data: Path, app: Any) -> None:
    by_hand(data, "UPDATE change SET depth = 1 WHERE id = 4")
    status, _out, err = world.command(data, ["rotate-key"])
    assert status == 1 and "修改历史不完整" in err
    assert world.command(data, ["audit", "reseal"])[0] == 0
    assert world.command(data, ["rotate-key"])[0] == 0
    assert check(data) == ""
