"""A province, city or district of China."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from .. import regions
from .base import Field, FieldError, Setting, raw_text

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ..conditions import Context

LEVELS = (("province", _l("省")), ("city", _l("省、市")), ("district", _l("省、市、区县")))


def inside(column: Any, code: str) -> Any:
    """An expression: the column begins with the code of the division or of one within it."""
    low, high = regions.span(code)
    return (column >= low) & (column < high)


class Region(Field):
    """Stored as the six-digit code of GB/T 2260. ``level``: how far down it is asked for (province, city, district)."""

    type = "region"
    name = _l("省市区")
    icon = "map"
    group = "contact"
    operators = ("under", "not_under", "eq", "ne", "in", "not_in", "empty", "not_empty")
    value_input = "region"
    input_template = "forms/fields/region.html"
    written = False
    scripts = ("region.js",)
    value_pick = "regions"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (Setting("level", "choice", _l("填到哪一级"), choices=LEVELS, start="district"),)

    def check_options(self) -> None:
        self.level = self.options.get("level") or "district"
        if self.level not in regions.LEVELS:
            raise FieldError(_("「%(field)s」的级别要是 province、city 或 district。", field=self.label))

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填省市区。"))
        text = raw_text(raw)
        return regions.cut(regions.read(text), self.level) if text else None

    def operand(self, value: Any, ctx: Context) -> str | None:
        if isinstance(value, (bool, list, dict)):
            raise FieldError(_("这里要填省市区。"))
        text = raw_text(value)
        return regions.read(text) if text else None

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "under":
            return inside(column, self._needed(value, ctx))
        return super().compile_positive(column, op, value, ctx)

    def format(self, value: Any) -> str:
        return "" if value is None else regions.path(value)

    def form_value(self, value: Any) -> str:
        return value or ""

    def from_form(self, given: MultiDict[str, str]) -> str:
        return chosen(given.getlist(self.key))

    def steps(self, typed: Any) -> list[tuple[str, list[tuple[str, str]]]]:
        """For each drop-down what is chosen in it and what can be."""
        return steps(str(typed or ""), self.level)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "description": "GB/T 2260 code, or names: 浙江省杭州市西湖区"}


def chosen(values: list[str]) -> str:
    """The deepest of several drop-downs' values that lies within the one before it."""
    found = ""
    for value in values:
        if value and (not found or found in regions.above(value)):
            found = value
    return found


def steps(typed: str, level: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The drop-downs of a region input: what is chosen in each, and ``(code, name)`` of what can be."""
    try:
        line = regions.above(regions.cut(regions.read(typed), level)) if typed else []
    except FieldError:
        line = []
    found = []
    upper = ""
    for place in range(regions.LEVELS.index(level) + 1):
        here = line[place] if place < len(line) else ""
        options = regions.children(upper, level) if place == 0 or upper else []
        found.append((here, options))
        upper = here
    return found
