"""Cells of mapped columns → stored values, a batch at a time. Runs in the reader's child process."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import asdict

from ..fields import build_from
from ..fields.base import Field
from ..parsing import AmbiguousDate, MissingYear, clean, narrow, read_moment
from . import address
from .presets import PRESETS
from .sniff import BLANK_MARKS, NULLS, DateHints, date_hints

Column = list[Any]


class Parser:
    """Reads batches by the plan in a request: ``targets`` (path, column indexes, field), ``constants``, ``preset``."""

    def __init__(self, request: dict[str, Any], whole_column: Callable[[int], Iterable[Any]]) -> None:
        self.names: list[str] = request["names"]
        self.fields: dict[str, Field] = {}
        self.indexes: dict[str, list[int]] = {}
        for target in request["targets"]:
            self.indexes[target["path"]] = target["indexes"]
            if target["field"] is not None:
                self.fields[target["path"]] = build_from(target["field"])
        self.preset = PRESETS.get(request["preset"] or "")
        self.title_years = set(request["title_years"])
        self.hints = {int(index): DateHints(**doc) for index, doc in request["hints"].items()}
        self.whole_column = whole_column

    def parse(self, rows: list[list[Any]]) -> dict[str, Any]:
        """``{"columns": {path: values}, "errors": {row: {path: sentence}}}``; a bad cell's value is ``None``."""
        raw = self._gather(rows)
        columns: dict[str, Column] = {}
        errors: dict[int, dict[str, str]] = {}
        for path, parts in raw.items():
            if path not in self.fields:
                # Only the parent's database can read it (a person's name, say).
                columns[path] = [None if cell is None else clean(cell) for cell in _first_of(parts)]
                continue
            values, bad = self._read(path, parts)
            columns[path] = values
            for i, message in bad.items():
                errors.setdefault(i, {})[path] = message
        return {"columns": columns, "errors": errors}

    def cell(self, row: list[Any], path: str) -> Any:
        """The cell behind a bad value, for the report."""
        for index in self.indexes.get(path, ()):
            if index < len(row) and row[index] not in (None, ""):
                return row[index]
        return None

    def found_hints(self) -> dict[int, dict[str, Any]]:
        return {index: asdict(hints) for index, hints in self.hints.items()}

    def _gather(self, rows: list[list[Any]]) -> dict[str, list[tuple[int, Column]]]:
        """path → (column index, cells) of each column that feeds it; -1 for derived ones."""
        width = max(map(len, rows))
        if any(len(row) != width for row in rows):
            rows = [row + [None] * (width - len(row)) if len(row) < width else row for row in rows]
        table = [[None if cell in NULLS else cell for cell in column] for column in zip(*rows, strict=True)]
        nothing: Column = [None] * len(rows)

        def cells(index: int) -> Column:
            return table[index] if index < width else nothing

        raw: dict[str, list[tuple[int, Column]]] = {}
        for path, indexes in self.indexes.items():
            if address.is_target(path):
                for part, column in address.split_column(path, cells(indexes[0])).items():
                    if part in self.fields:
                        raw.setdefault(part, []).append((-1, column))
            elif indexes:
                raw.setdefault(path, []).extend((index, cells(index)) for index in indexes)
        if self.preset:
            named = {name: cells(i) for i, name in enumerate(self.names) if name}
            for path, column in self.preset.derive(named, len(rows)).items():
                if path in self.fields:
                    raw[path] = [(-1, column)]
        return raw

    def _read(self, path: str, parts: list[tuple[int, Column]]) -> tuple[Column, dict[int, str]]:
        field = self.fields[path]
        known = self.preset.values.get(path) if self.preset else None
        values: Column = []
        bad: dict[int, str] = {}
        for number, (index, cells) in enumerate(parts):
            if known:
                cells = [known.get(cell, cell) if isinstance(cell, str) else cell for cell in cells]
            read, errors = field.parse_many(cells)
            for i in list(errors):
                if self._repair(field, index, cells[i], read, i):
                    del errors[i]
            if not number:
                values, bad = read, errors
                continue
            # Several columns feed one field: the first that holds a value counts.
            values = [new if old is None else old for old, new in zip(values, read, strict=True)]
            bad = {i: why for i, why in (errors | bad).items() if values[i] is None}
        return values, bad

    def _repair(self, field: Field, index: int, cell: Any, read: Column, i: int) -> bool:
        """A second look at a cell its field refused: marks for "nothing", and dates that the whole column explains."""
        if isinstance(cell, str) and narrow(cell).lower() in BLANK_MARKS:
            return True
        if not isinstance(cell, str) or index < 0:
            return False
        try:
            read_moment(cell)
            return False
        except (AmbiguousDate, MissingYear):
            hints = self._hints_of(index)
        except ValueError:
            return False
        try:
            moment, timed = read_moment(cell, order=hints.order, year=hints.year)
            read[i] = field.parse(moment.isoformat(sep=" ") if timed else moment.date().isoformat())
        except ValueError:
            return False
        return True

    def _hints_of(self, index: int) -> DateHints:
        known = self.hints.get(index)
        if known is None:
            known = self.hints[index] = date_hints(map(_text, self.whole_column(index)), self.title_years)
        return known


def _text(cell: Any) -> Any:
    return cell.isoformat(sep=" ") if isinstance(cell, dt.datetime) else cell


def _first_of(parts: list[tuple[int, Column]]) -> Column:
    values = parts[0][1]
    for _index, more in parts[1:]:
        values = [new if old is None else old for old, new in zip(values, more, strict=True)]
    return values
