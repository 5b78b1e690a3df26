"""What the browser draws: a result as categories and series, every value with its exact text and its drill-down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct
from msgspec.structs import asdict

from . import periods
from .data import Result, Row

DRAWN = ("bar", "line", "area", "pie", "funnel", "heatmap")
"""The kinds that are drawn; the others are words and tables."""

MOST_SERIES = 8
"""The palette has as many colours that can be told apart; further series stand together."""


def spec(result: Result) -> dict[str, Any]:
    """``{"kind", "time", "crossed", "categories", "series"}``.

    A series: ``{"name", "unit", "values", "texts", "urls", "compared"}``, lists by category. Values are stored values;
    ``unit`` says how axes write them. A heatmap's second axis is its series.
    """
    d = result.definition
    body = _crossed(result) if len(d.dimensions) == 2 else _plain(result)
    crossed = len(d.dimensions) == 2
    return {"kind": d.chart, "time": bool(d.dimensions and d.dimensions[0].bucket), "crossed": crossed} | body


class _Series(Struct):
    name: str
    unit: dict[str, Any]
    values: list[Any]
    texts: list[str]
    urls: list[str | None]
    compared: bool = False

    def document(self) -> dict[str, Any]:
        return asdict(self)


def _plain(result: Result) -> dict[str, Any]:
    """One dimension or none: a series a measure, and one for the span it is compared with."""
    urls = [result.url(row) for row in result.rows]
    series = []
    for place, column in enumerate(result.columns):
        if column.role not in ("measure", "before") or column.reader is None or not column.reader.numeric:
            continue
        values = [row.values[place] for row in result.rows]
        texts = [row.texts[place] for row in result.rows]
        compared = column.role == "before"
        links: list[str | None] = [None] * len(urls) if compared else urls
        series.append(_Series(column.label, column.reader.unit(), values, texts, links, compared).document())
    return {"categories": [row.texts[0] if row.keys or row.rest else "" for row in result.rows], "series": series}


def _crossed(result: Result) -> dict[str, Any]:
    """Two dimensions: the first is the axis, each value of the second a series (of the first measure)."""
    place = next(i for i, c in enumerate(result.columns) if c.role == "measure")
    read = result.columns[place].reader
    assert read
    cross = Cross(result, place)
    shown = cross.across
    rest: list[Any] = []
    foldable = result.definition.measures[0].additive and result.definition.chart != "heatmap"
    if len(shown) > MOST_SERIES and foldable:
        by_size = sorted(shown, key=cross.size, reverse=True)
        kept = set(by_size[: MOST_SERIES - 1])
        shown, rest = [k for k in shown if k in kept], [k for k in shown if k not in kept]
    series = []
    for key in shown:
        cells = [cross.cell(down, key) for down in cross.down]
        series.append(
            _Series(
                cross.text(1, key),
                read.unit(),
                [c.values[place] if c else None for c in cells],
                [c.texts[place] if c else read.text(None) for c in cells],
                [result.url(c) if c else None for c in cells],
            ).document()
        )
    if rest:
        sums = [sum(cross.value(down, key) for key in rest) for down in cross.down]
        series.append(
            _Series(_("其他"), read.unit(), sums, [read.text(v) for v in sums], [None] * len(sums)).document()
        )
    return {"categories": [cross.text(0, key) for key in cross.down], "series": series}


class Cross:
    """The rows of a result with two dimensions as a table: ``down`` and ``across`` are the dimensions' values."""

    def __init__(self, result: Result, place: int) -> None:
        self.place = place
        self.rows: dict[tuple[Any, ...], Row] = {row.keys: row for row in result.rows if not row.rest}
        self.down = list(dict.fromkeys(keys[0] for keys in self.rows))
        self.across = list(dict.fromkeys(keys[1] for keys in self.rows))
        self._texts = {(i, row.keys[i]): row.texts[i] for row in self.rows.values() for i in (0, 1)}
        self._buckets = [d.bucket for d in result.definition.dimensions]
        self.down, self.across = self._filled(0, self.down), self._filled(1, self.across)

    def _filled(self, dimension: int, keys: list[Any]) -> list[Any]:
        """Periods in order and without gaps."""
        size = self._buckets[dimension]
        known = sorted(k for k in keys if k is not None)
        if not size or not known:
            return keys
        whole = periods.CYCLES.get(size) or periods.between(size, known[0], known[-1]) or known
        return whole + ([None] if None in keys else [])

    def text(self, dimension: int, key: Any) -> str:
        known = self._texts.get((dimension, key))
        return known if known is not None else periods.words(self._buckets[dimension] or "", str(key))

    def cell(self, down: Any, across: Any) -> Row | None:
        return self.rows.get((down, across))

    def value(self, down: Any, across: Any) -> Any:
        row = self.cell(down, across)
        return (row.values[self.place] if row else None) or 0

    def size(self, across: Any) -> Any:
        return sum(self.value(down, across) for down in self.down)

    def lines(self) -> Iterator[tuple[str, list[Row | None]]]:
        for down in self.down:
            yield self.text(0, down), [self.cell(down, key) for key in self.across]
