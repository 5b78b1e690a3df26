"""One line of the table: what was measured, what is aimed at, and what this machine can do at best beside it."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """``value`` and ``floor`` in ``unit``; ``good``: whether the aim is met (None: nothing to compare)."""

    what: str
    value: float
    unit: str
    aim: str
    good: bool | None
    floor: float | None = None
    floor_is: str = ""
    note: str = ""


@dataclass(frozen=True)
class Place:
    """Where the figures are taken: ``data`` is the big database, ``work`` a folder for throw-away ones."""

    data: Path
    work: Path


Measure = Callable[[Place], list[Figure]]
MEASURES: dict[str, Measure] = {}


def measure(name: str) -> Callable[[Measure], Measure]:
    """Registers a function that takes figures under a name for the command line."""

    def add(fn: Measure) -> Measure:
        if name in MEASURES:
            raise ValueError(f"two measures are called {name!r}")
        MEASURES[name] = fn
        return fn

    return add


def show(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"
    return f"{text} {unit}"


def table(figures: list[Figure]) -> str:
    """A Markdown table, columns lined up."""
    head = ["what", "here", "aim", "met", "floor on this machine", "note"]
    rows = [
        [
            f.what,
            show(f.value, f.unit),
            f.aim,
            {True: "yes", False: "NO", None: ""}[f.good],
            f"{show(f.floor, f.unit)} {f.floor_is}".strip() if f.floor is not None else "",
            f.note,
        ]
        for f in figures
    ]
    widths = [max(_width(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "| " + " | ".join(_pad(cell, w) for cell, w in zip(row, widths, strict=True)) + " |" for row in [head, *rows]
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))
