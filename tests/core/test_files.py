"""Files in the database: whole, named safely, gone when deleted."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from appliance.core import files
from appliance.core.errors import NotFound
from appliance.core.models import FileChunk, FileRow
from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize("size", [0, 1, files.CHUNK, files.CHUNK * files.AT_ONCE + 1])
def test_a_file_comes_back_as_it_was(size: int) -> None:
    content = os.urandom(size)
    file_id = files.save(io.BytesIO(content), "订单.xlsx", actor_id=3)
    assert files.read(file_id) == content
    known = files.get(file_id)
    assert (known.name, known.size, known.actor_id) == ("订单.xlsx", size, 3)
    with files.open_temp(file_id) as path:
        assert path.suffix == ".xlsx"
        assert path.read_bytes() == content
    assert not path.exists()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.csv", "b.csv"),
        ("\x00\n", "file"),
        ("长" * 300 + ".csv", "长" * 196 + ".csv"),
    ],
)
def test_a_name_is_only_a_name(given: str, kept: str) -> None:
    assert files.get(files.save(b"x", given)).name == kept


def test_a_deleted_file_leaves_nothing() -> None:
    file_id = files.save(b"x", "a.txt")
    files.delete(file_id)
    with pytest.raises(NotFound):
        files.read(file_id)
    assert FileChunk.select().count() == 0


def test_what_a_crash_left_unfinished_is_removed_after_a_day(clock: Clock, folder: Path) -> None:
    FileRow.insert(name="half", mime="x", created_at=clock.now()).execute()
    assert files.prune() == 0
    clock.move(days=1, seconds=1)
    assert files.prune() == 1
