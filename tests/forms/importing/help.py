"""What the tests of imports share: files that are ugly on purpose, and the records as an export shows them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook

Rows = Sequence[Sequence[Any]]


def csv_file(path: Path, rows: Rows, encoding: str = "utf-8", delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding=encoding) as out:
        csv.writer(out, delimiter=delimiter).writerows(rows)
    return path


def xlsx_file(path: Path, rows: Rows) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    book.save(path)
    return path


def exported(cli: Callable[..., Any], form: str, folder: Path) -> list[dict[str, str]]:
    """All records of a form, the oldest first, as ``guke export`` writes them."""
    path = folder / f"all-{form}.csv"
    cli("export", form, path).ok()
    with path.open(encoding="utf-8-sig", newline="") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["固客编号"]))
