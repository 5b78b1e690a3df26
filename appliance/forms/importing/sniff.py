"""What a sheet holds: where its header is, what its columns are called, which of its rows are not records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct

from ..parsing import narrow, read_moment
from .sources import Cell, Row, plain

LOOK = 60
"""Rows at the top that are searched for the header."""
SAMPLES = 5

BLANK_MARKS = frozenset(
    {"-", "--", "---", "—", "——", "/", "\\", "无", "暂无", "n/a", "na", "none", "nan", "(空)", "空"}
)
"""Written where there is no value. Only taken so when the field could not read them as a value."""
NULLS = frozenset({"null", "NULL", "Null", "\\N", "#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"})
"""Never a value, whatever the field."""

NO_YEAR = 1852
"""Stands for a missing year: a leap year that no file speaks of."""

_SUMMARY = re.compile(
    r"(?:[本总]?[页]?[合总小共]\s*计|汇总|总数|总额|合计金额|grand\s*total|sub\s*total|total|sum)\s*(?:[:：(（].*|[\d.,¥￥\s]*(?:元|人|条|单|笔|件)?)"
    r"|共\s*[:：]?\s*[\d,]+\s*[人条单笔件行个位名].*|(?:导出|生成|统计|制表)(?:时间|日期|人)\s*[:：].*|以上数据.*|备?注[:：].*",
    re.IGNORECASE,
)
_PLAIN_NUMBER = re.compile(r"[-+]?[¥￥$]?\d[\d,]*(?:\.\d+)?(?:E[+-]?\d+)?\s*[%元万]?", re.IGNORECASE)


class Header(Struct, frozen=True):
    """``row`` is the 0-based index of its first row (-1: the sheet has none), ``height`` its rows."""

    row: int
    height: int
    names: list[str]

    @property
    def end(self) -> int:
        return self.row + self.height


def is_blank(row: Row) -> bool:
    return not any(cell is not None and (type(cell) is not str or cell.strip()) for cell in row)


def is_summary(row: Row, usual: int) -> bool:
    """A line of totals or a footnote: it says so in its first cell, and is emptier than the rows of the sheet."""
    for cell in row:
        if cell is not None and cell != "":
            if type(cell) is not str or len(cell) > 60 or not _SUMMARY.fullmatch(cell.strip()):
                return False
            break
    return filled(row) * 2 <= max(usual, 3) or usual <= 2


def filled(row: Row) -> int:
    return sum(1 for cell in row if cell is not None and cell != "")


def find_header(rows: list[Row], known: Callable[[str], bool] = lambda name: False) -> Header:
    """The header among the first rows. ``known`` says whether a name is one the form or a preset knows."""
    width = max((_width(row) for row in rows), default=0)
    usual = usual_fill(rows)
    best, best_score = -1, 0.35
    for index, row in enumerate(rows[: LOOK // 2]):
        score = _header_score(row, usual, known) - index * 0.01
        if score > best_score:
            best, best_score = index, score
    if best < 0:
        return Header(-1, 1, [""] * width)
    above, below = best - 1, best + 1
    if above >= 0 and _is_group_row(rows[above], rows[best], usual):
        return Header(above, 2, join_header(rows[above], rows[best], width))
    if below < len(rows) and _is_group_row(rows[best], rows[below], usual):
        return Header(best, 2, join_header(rows[best], rows[below], width))
    return Header(best, 1, _unique([_name(cell) for cell in _pad(rows[best], width)]))


def header_at(rows: list[Row], row: int, height: int) -> Header:
    """The header where the person says it is; ``row`` -1: none."""
    width = max((_width(r) for r in rows), default=0)
    if row < 0 or row >= len(rows):
        return Header(-1, 1, [""] * width)
    if height == 2 and row + 1 < len(rows):
        return Header(row, 2, join_header(rows[row], rows[row + 1], width))
    return Header(row, 1, _unique([_name(cell) for cell in _pad(rows[row], width)]))


def usual_fill(rows: Iterable[Row]) -> int:
    """How many cells a row of the sheet usually has filled (the median of those that are not blank)."""
    counts = sorted(n for n in map(filled, rows) if n)
    return counts[len(counts) // 2] if counts else 0


def _header_score(row: Row, usual: int, known: Callable[[str], bool]) -> float:
    cells = [cell for cell in row if cell is not None and cell != ""]
    if not cells or (len(cells) == 1 < usual):
        return 0.0
    texts = [cell.strip() for cell in cells if type(cell) is str]
    names = [text for text in texts if len(text) <= 40 and not looks_like_data(text)]
    distinct = len(set(names)) / len(cells)
    hits = sum(known(text) for text in names) / len(cells)
    fullness = min(len(cells) / max(usual, 1), 1.2)
    return (0.5 * fullness + 0.4) * distinct + hits - 1.5 * (1 - len(names) / len(cells))


def looks_like_data(text: str) -> bool:
    """A number, a date or a long digit string: not a column's name."""
    if _PLAIN_NUMBER.fullmatch(narrow(text)):
        return True
    if not any(c.isdecimal() for c in text):
        return False
    if "@" in text:
        return True
    digits = sum(c.isdecimal() for c in text)
    if digits >= 6 and digits * 2 > len(text):
        return True
    try:
        read_moment(text, order="mdy", year=2000)
    except ValueError:
        return False
    return True


def _is_group_row(upper: Row, lower: Row, usual: int) -> bool:
    """Whether ``upper`` holds the group names of a two-row header above ``lower``.

    Merged cells come with only their first cell filled, so the lower row names columns that the upper leaves blank.
    """
    width = max(_width(upper), _width(lower))
    up, low = _pad(upper, width), _pad(lower, width)
    for cell in (*up, *low):
        if cell is not None and (type(cell) is not str or looks_like_data(cell)):
            return False
    gaps = sum(1 for over, under in zip(up, low, strict=True) if over is None and under is not None)
    return filled(upper) >= 2 and gaps >= 1 and gaps * 5 >= width and filled(lower) * 2 >= usual


def join_header(upper: Row, lower: Row, width: int) -> list[str]:
    """``观看`` over ``累计观看时长`` → ``观看/累计观看时长``; a group reaches to the next group."""
    names, group = [], ""
    for over, under in zip(_pad(upper, width), _pad(lower, width), strict=True):
        if over is not None:
            group = _name(over)
        name = _name(under)
        if not name:
            names.append(group if over is not None else "")
        else:
            names.append(f"{group}/{name}" if group and group != name else name)
    return _unique(names)


def _name(cell: Cell) -> str:
    if cell is None:
        return ""
    return " ".join(str(plain(cell)).split())[:120]


def _unique(names: list[str]) -> list[str]:
    """A second column of one name gets a number: ``备注 (2)``."""
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(f"{name} ({seen[name]})" if name and seen[name] > 1 else name)
    return out


def _pad(row: Row, width: int) -> Row:
    return [None if cell == "" else cell for cell in row[:width]] + [None] * (width - len(row))


def _width(row: Row) -> int:
    for index in range(len(row), 0, -1):
        if row[index - 1] is not None and row[index - 1] != "":
            return index
    return 0


class DateHints(Struct):
    """How the dates of one column are meant. ``None``: not known."""

    order: str | None = None
    year: int | None = None
    asks_order: bool = False
    """Some dates may be day/month or month/day, and the column does not decide."""
    asks_year: bool = False
    """Some dates have no year, and neither the column nor the title names exactly one."""


def date_hints(cells: Iterable[Any], title_years: set[int]) -> DateHints:
    """Reads a whole column: one 13/04/2026 tells how 03/04/2026 is meant; one year in all full dates is the year."""
    mdy = dmy = ambiguous = yearless = False
    years: set[int] = set()
    for cell in set(c for c in cells if isinstance(c, str)):
        for_order = re.match(r"\s*(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*\d{4}", narrow(cell))
        if for_order:
            first, second = int(for_order[1]), int(for_order[2])
            dmy |= first > 12
            mdy |= second > 12
            ambiguous |= first <= 12 and second <= 12 and first != second
        try:
            moment, _timed = read_moment(cell, order="mdy" if for_order else None, year=NO_YEAR)
        except ValueError:
            continue
        if moment.year == NO_YEAR:
            yearless = True
        else:
            years.add(moment.year)
    order = "dmy" if dmy and not mdy else "mdy" if mdy and not dmy else None
    found = years or title_years
    year = next(iter(found)) if len(found) == 1 else None
    return DateHints(order, year if yearless else None, ambiguous and order is None, yearless and year is None)


def title_years(rows: list[Row], name: str = "") -> set[int]:
    """The years that the title rows above the header and the file's name speak of."""
    text = " ".join(str(cell) for row in rows for cell in row if isinstance(cell, str))
    found = re.findall(r"(?<!\d)(20\d\d)(?=\s*[年/.\-]|[01]\d)", text) or re.findall(r"(?<!\d)(20\d\d)", name)
    return {int(year) for year in found}
