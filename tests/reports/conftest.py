"""A shop with sample data, made once a process and copied for each test."""

from __future__ import annotations

import csv
import datetime as dt
import io
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support import world

SHANGHAI = ZoneInfo("Asia/Shanghai")
Row = dict[str, Any]


@pytest.fixture(scope="session")
def shop(template: world.Template, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "data"
    shutil.copytree(template.folder, folder)
    status, out, err = world.command(folder, ["--data", str(folder), "demo", "--scale", "tiny", "--json"])
    assert status == 0, out + err
    return folder


@pytest.fixture
def data(shop: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    shutil.copytree(shop, folder)
    return folder


@pytest.fixture
def rows(data: Path) -> Callable[[str], list[Row]]:
    """``rows("order")``: a form's table as it stands in the file, read past the application."""

    def read(form: str) -> list[Row]:
        connection = sqlite3.connect(data / "guke.db")
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute(f'SELECT * FROM "f_{form}" WHERE deleted_at IS NULL')]
        connection.close()
        return found

    return read


@pytest.fixture
def paid(rows: Callable[[str], list[Row]]) -> list[Row]:
    """The paid orders, with their value in fen and their month in the company's zone."""
    found = [r for r in rows("order") if r["paid_at"] is not None and r["status"] != "cancelled"]
    for row in found:
        row["value"] = row["amount"] - (row["refunded"] or 0)
        row["day"] = dt.datetime.fromtimestamp(row["paid_at"], SHANGHAI).date()
        row["month"] = f"{row['day']:%Y-%m}"
    return found


@pytest.fixture
def figures() -> Callable[..., list[list[str]]]:
    """``figures(client, "sales", range="all")``: a report's table as the csv says it, without its header."""

    def read(client: Any, key: str, **query: str) -> list[list[str]]:
        answer = client.get(f"/reports/{key}/export.csv", query_string={"range": "all"} | query)
        assert answer.status_code == 200, answer.text[:500]
        return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))[1:]

    return read
