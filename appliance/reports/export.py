"""A report as a file: csv or xlsx, dimensions as words, figures as numbers."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ..core.errors import NotFound
from ..forms import watermark
from ..forms.importing import tables
from .data import Column, Result

SUFFIXES = tables.KINDS


def write(result: Result, suffix: str) -> bytes:
    """The file's content. Raises NotFound for a suffix that is none of ``SUFFIXES``."""
    if suffix not in SUFFIXES:
        raise NotFound(_("报表只能导出为 csv 或 xlsx。"))
    header = [c.label for c in result.columns]
    rows = [[_cell(c, v, t) for c, v, t in zip(result.columns, r.values, r.texts, strict=True)] for r in result.rows]
    return tables.content(suffix, header, rows, watermark.of_export())


def _cell(column: Column, value: Any, text: str) -> Any:
    if column.role == "dimension":
        return text
    if value is None:
        return None
    if column.reader is None:
        return round(value, 4)
    scale = getattr(column.reader.field, "scale", None)
    return text if scale is None else value if scale == 1 else value / scale
