"""Opens a file from outside and gives its rows. Runs only in the reader's child process.

What a file is, is told by its first bytes, not by its name: exports called ``.xls`` are often a web page or text.
A row is a list of cells: ``None``, text, int, float, bool, date or datetime.
"""

from __future__ import annotations

import codecs
import csv
import datetime as dt
import itertools
import re
import zipfile
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Protocol

from flask_babel import gettext as _

Cell = Any
Row = list[Cell]

CHUNK = 1 << 20
MAX_UNZIPPED = 4 << 30
MAX_CELLS = 40_000_000
"""Cells of the used rectangle that are handed to calamine, which holds them all in memory at once."""
MAX_COLUMNS = 2_000


class UnreadableFile(ValueError):
    """The file cannot be read; the text says what to do."""


class Source(Protocol):
    sheets: list[str]
    """Names of the sheets that are not hidden; one nameless sheet for text."""

    def rows(self, sheet: int) -> Iterator[Row]:
        """The rows from the top of the sheet, empty ones included. Can be called again."""

    def height(self, sheet: int) -> int:
        """Roughly how many rows there are, for progress bars."""


def open_source(path: Path, *, frugal: bool = False) -> Source:
    """The file at ``path``. ``frugal`` streams a workbook (slower, in little memory) where that is possible."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise UnreadableFile(_("文件是空的，请重新导出后再上传。"))
    if head.startswith(b"PK\x03\x04"):
        return _workbook(path, frugal)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return CalamineSource(path)
    if head.startswith((b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")):
        raise UnreadableFile(_("这不是表格文件。请上传 csv、xlsx 或 xls。"))
    text = TextFile(path)
    if re.match(r"\s*<(?:!doctype html|html|table|meta|head|\?xml)", text.head, re.IGNORECASE):
        return HtmlSource(text)
    return CsvSource(text)


def _workbook(path: Path, frugal: bool) -> Source:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if sum(info.file_size for info in archive.infolist()) > MAX_UNZIPPED:
                raise UnreadableFile(_("文件展开后超过 4 GB，请拆成几个文件再导入。"))
            sheets = [n for n in names if n.startswith("xl/worksheets/") and n.endswith(".xml")]
            huge = any(_area(archive, name) > MAX_CELLS for name in sheets)
    except zipfile.BadZipFile:
        raise UnreadableFile(_("文件不完整或已损坏，请重新导出后再上传。")) from None
    return OpenpyxlSource(path) if sheets and (frugal or huge) else CalamineSource(path)


def _area(archive: zipfile.ZipFile, name: str) -> int:
    """Cells in the rectangle the sheet says it uses (0 when it does not say). A sheet may lie: the memory limit of
    the process is what holds then."""
    with archive.open(name) as sheet:
        head = sheet.read(4096)
    found = re.search(rb'<dimension ref="(?:[A-Z]+\d+:)?([A-Z]{1,4})(\d{1,8})"', head)
    if not found:
        return 0
    width = 0
    for letter in found[1]:
        width = width * 26 + letter - 64
    return width * int(found[2])


class TextFile:
    """A text file and its encoding: a byte-order mark, else strict UTF-8, else GB18030, tried on the whole file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            start = file.read(4)
        if start.startswith(codecs.BOM_UTF8):
            self.encoding = "utf-8-sig"
        elif start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            self.encoding = "utf-16"
        else:
            self.encoding = next((e for e in ("utf-8", "gb18030") if self._decodes(e)), "")
        if not self.encoding:
            raise UnreadableFile(_("文字编码认不出来。请用 Excel 另存为 xlsx，或另存为 UTF-8 编码的 csv 再上传。"))
        with self.open() as text:
            try:
                self.head = text.read(64 * 1024)
            except UnicodeError:
                raise UnreadableFile(_("文件不完整或已损坏，请重新导出后再上传。")) from None
        if "\0" in self.head:
            raise UnreadableFile(_("这不是表格文件。请上传 csv、xlsx 或 xls。"))

    def _decodes(self, encoding: str) -> bool:
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            with self.path.open("rb") as file:
                while chunk := file.read(CHUNK):
                    decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
        return True

    def open(self) -> Any:
        return self.path.open(encoding=self.encoding, newline="")


class CsvSource:
    """Comma, semicolon, tab or bar between cells, found from the first lines."""

    def __init__(self, text: TextFile) -> None:
        csv.field_size_limit(4 << 20)
        self.text = text
        self.encoding = text.encoding
        self.sheets = [""]
        head = text.head
        self.skip_first = False
        if found := re.match(r"sep=(.)\r?\n", head):
            self.delimiter, self.skip_first = found[1], True
        else:
            self.delimiter = sniff_delimiter(head)

    def rows(self, sheet: int) -> Iterator[Row]:
        with self.text.open() as text:
            if self.skip_first:
                text.readline()
            try:
                for row in csv.reader(text, delimiter=self.delimiter):
                    yield [unwrap(cell) for cell in row] if len(row) <= MAX_COLUMNS else _too_wide()
            except csv.Error:
                raise UnreadableFile(
                    _("某个单元格超过 4 MB，多半是引号没有成对。请检查文件中的引号，或改用 xlsx。")
                ) from None

    def height(self, sheet: int) -> int:
        with self.text.path.open("rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(CHUNK), b""))


def sniff_delimiter(head: str) -> str:
    """The separator that splits the first lines into the most cells, the same number on most lines."""
    lines = head.splitlines()
    if len(lines) > 1 and len(head) >= 64 * 1024:
        lines.pop()
    lines = [line for line in lines if line.strip()][:100]
    best, best_score = ",", 0.0
    for delimiter in ",\t;|":
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter)]
        except csv.Error:
            continue
        usual = max(set(widths), key=widths.count, default=1)
        if usual > 1 and (score := usual * widths.count(usual) / len(widths)) > best_score:
            best, best_score = delimiter, score
    return best


_GUARDED = re.compile(r"'(?:[=+\-@\t\r\n＝＋－＠'].*|\d+|null)", re.DOTALL | re.IGNORECASE)


def unwrap(cell: str) -> Cell:
    """Takes off what exports put around text so that Excel leaves it alone: ``="4021…"`` and a leading ``'``."""
    if not cell:
        return None
    first = cell[0]
    if first == "=" and len(cell) > 2 and cell[1] == '"' == cell.rstrip()[-1]:
        return cell.rstrip()[2:-1].replace('""', '"')
    if first == "'" and _GUARDED.fullmatch(cell):
        return cell[1:]
    return cell


class CalamineSource:
    """xlsx, xls, xlsb and ods by python-calamine: quick, but it holds the sheet in memory."""

    def __init__(self, path: Path) -> None:
        import python_calamine as calamine

        try:
            self.book = calamine.CalamineWorkbook.from_path(str(path))
        except calamine.PasswordError:
            raise UnreadableFile(_("文件有密码。请去掉密码后再上传。")) from None
        except calamine.CalamineError:
            raise UnreadableFile(_("文件打不开，可能有密码或已损坏。请用 Excel 打开后另存为 xlsx 再上传。")) from None
        self.error = calamine.CalamineError
        self.sheets = [
            sheet.name
            for sheet in self.book.sheets_metadata
            if sheet.typ == calamine.SheetTypeEnum.WorkSheet and sheet.visible == calamine.SheetVisibleEnum.Visible
        ] or list(self.book.sheet_names)
        # Fetching a sheet parses all of it.
        self.tables: dict[int, Any] = {}

    def _table(self, sheet: int) -> Any:
        if sheet not in self.tables:
            self.tables[sheet] = self.book.get_sheet_by_name(self.sheets[sheet])
        return self.tables[sheet]

    def rows(self, sheet: int) -> Iterator[Row]:
        try:
            table = self._table(sheet)
            if table.start is None or table.end is None:
                return
            left = [None] * table.start[1]
            if table.end[1] >= MAX_COLUMNS:
                _too_wide()
            rows = table.iter_rows()
        except self.error:
            raise UnreadableFile(_("工作表读不出来。请用 Excel 打开后另存为 xlsx 再上传。")) from None
        for row in rows:
            yield left + [None if cell == "" else cell for cell in row]

    def height(self, sheet: int) -> int:
        return int(self._table(sheet).total_height)


class OpenpyxlSource:
    """xlsx as a stream, for sheets too big for calamine."""

    def __init__(self, path: Path) -> None:
        import openpyxl

        try:
            self.book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        except Exception:
            # openpyxl raises whatever its parts raise on a damaged file (KeyError, ParseError, …).
            raise UnreadableFile(_("文件打不开，可能有密码或已损坏。请用 Excel 打开后另存为 xlsx 再上传。")) from None
        visible = [ws.title for ws in self.book.worksheets if ws.sheet_state == "visible"]
        self.sheets = visible or [ws.title for ws in self.book.worksheets]
        # As the file says it; reading a sheet forgets it.
        self.heights = [self.book[name].max_row or 0 for name in self.sheets]

    def rows(self, sheet: int) -> Iterator[Row]:
        table = self.book[self.sheets[sheet]]
        table.reset_dimensions()
        for row in table.iter_rows(values_only=True):
            if len(row) > MAX_COLUMNS and any(cell is not None for cell in row[MAX_COLUMNS:]):
                _too_wide()
            yield [None if cell == "" else cell for cell in row[:MAX_COLUMNS]]

    def height(self, sheet: int) -> int:
        return self.heights[sheet]


class HtmlSource:
    """The largest table of a web page that calls itself ``.xls``, as many back offices export."""

    def __init__(self, text: TextFile) -> None:
        self.text = text
        self.sheets = [""]

    def rows(self, sheet: int) -> Iterator[Row]:
        parser = _Tables()
        with self.text.open() as text:
            while chunk := text.read(CHUNK):
                parser.feed(chunk)
        if not parser.tables:
            raise UnreadableFile(_("文件里没有表格。请上传 csv、xlsx 或 xls。"))
        yield from max(parser.tables, key=lambda table: sum(map(len, table)))

    def height(self, sheet: int) -> int:
        with self.text.open() as text:
            return sum(chunk.lower().count("<tr") for chunk in iter(lambda: text.read(CHUNK), ""))


class _Tables(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[Row]] = []
        self.cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.cell = []
            span = next((value for name, value in attrs if name == "colspan"), None)
            self.span = min(int(span), 50) if span and span.isdecimal() else 1
        elif tag == "br" and self.cell is not None:
            self.cell.append("\n")

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self.cell is not None:
            value = unwrap("".join(self.cell).strip())
            self.tables[-1][-1] += [value, *itertools.repeat(None, max(self.span, 1) - 1)]
            self.cell = None


def _too_wide() -> Row:
    raise UnreadableFile(_("表格超过 %(max)s 列，请删掉多余的列再上传。", max=MAX_COLUMNS))


def plain(cell: Cell) -> Any:
    """The cell as the parent process may get it: text, number, bool or ``None``; dates as ISO text."""
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return int(cell)
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return str(cell)
