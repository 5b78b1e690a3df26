"""Writes tables to files, xlsx or csv, a row at a time."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from flask_babel import gettext as _

KINDS = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Chinese and Japanese Excel take the full-width signs for formulas too.
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], mark: str = "") -> None:
    """Writes by the suffix of ``path``. Text never becomes a formula when the file is opened in Excel.

    ``mark``: who made it and when, for the printed margins and a last sheet of a workbook.
    """
    if path.suffix.lower() == ".csv":
        _write_csv(path, header, rows)
    else:
        _write_xlsx(path, header, rows, mark)


def content(suffix: str, header: Sequence[str], rows: Iterable[Sequence[Any]], mark: str = "") -> bytes:
    """The same as the content of a small file; ``suffix`` is one of ``KINDS``."""
    with tempfile.TemporaryDirectory(prefix="guke-") as folder:
        path = Path(folder) / f"table.{suffix}"
        write_table(path, header, rows, mark)
        return path.read_bytes()


def guarded(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, with a ``'`` before it; ``sources.unwrap`` takes it off.

    Text that itself begins with such a ``'`` gets one more, so that it comes back as it was.
    """
    if not isinstance(value, str):
        return value
    bare = value.lstrip("'")
    if value.startswith(_RISKY) or (bare != value and (bare.startswith(_RISKY) or bare.isdigit() or bare == "null")):
        return f"'{value}"
    return value


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    # The byte-order mark makes Excel read UTF-8.
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow([guarded(name) for name in header])
        for row in rows:
            writer.writerow(["" if cell is None else guarded(cell) for cell in row])


def _write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], mark: str) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet()

    def text(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        value = ILLEGAL_CHARACTERS_RE.sub("", value)[:32_767]
        if not value.startswith("="):
            return value
        # A cell whose type says "text" is never computed.
        cell = WriteOnlyCell(sheet, value)
        cell.data_type = "s"
        return cell

    sheet.append([text(name) for name in header])
    for row in rows:
        sheet.append([text(cell) for cell in row])
    if mark:
        _put_mark(book, sheet, text(mark))
    book.save(path)


def _put_mark(book: Any, sheet: Any, mark: Any) -> None:
    """In the margins, where "&" begins a code of its own, and on a sheet behind the data."""
    last = book.create_sheet(_("水印"))
    last.append([mark])
    for one in (sheet, last):
        one.oddHeader.right.text = one.oddFooter.center.text = str(mark).replace("&", "&&")
