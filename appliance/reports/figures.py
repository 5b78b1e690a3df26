"""How a measure's values are read: by the field they come from, so that ¥, decimals and units are its own."""

from __future__ import annotations

import re
from typing import Any

from msgspec import Struct

from ..core import i18n
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.fields.base import Field, Spec
from ..forms.fields.number import Decimal, Integer, Number, Percent
from .definition import Measure

_SAMPLE = re.compile(r"^(?P<before>\D*?)(?P<number>[\d,.]+)(?P<after>.*)$")


class Reader(Struct, frozen=True):
    """``field`` reads ``raw × factor``, a whole number."""

    field: Field
    factor: int = 1

    @property
    def numeric(self) -> bool:
        return isinstance(self.field, Number)

    def stored(self, raw: Any) -> Any:
        return round(raw * self.factor) if self.numeric and raw is not None else raw

    def text(self, stored: Any) -> str:
        return "—" if stored is None else self.field.format(stored)

    def short(self, stored: Any) -> str:
        """For a tile: large numbers without decimals, from a million on in 万 and 亿 (or M and B)."""
        unit = self.unit()
        size = abs(stored * unit["factor"]) if self.numeric and stored is not None else 0
        steps = ((1e8, "亿"), (1e4, "万")) if i18n.current() == "zh" else ((1e9, "B"), (1e6, "M"))
        sign = "-" if size and stored < 0 else ""
        if size >= 1e6:
            step, word = next(s for s in steps if size >= s[0])
            return f"{sign}{unit['before']}{size / step:,.{1 if size / step >= 1000 else 2}f}{word}{unit['after']}"
        if size >= 10_000:
            return f"{sign}{unit['before']}{size:,.0f}{unit['after']}"
        return self.text(stored)

    def unit(self) -> dict[str, Any]:
        """For axes: what a stored value is multiplied by, and what stands before and after the number."""
        if not self.numeric:
            return {"factor": 1, "before": "", "after": ""}
        found = _SAMPLE.match(self.field.format(1_000_000))
        assert found, "a number's text holds no number"
        factor = float(found["number"].replace(",", "")) / 1_000_000
        return {"factor": factor, "before": found["before"], "after": found["after"]}


def reader(measure: Measure, form: Form) -> Reader:
    if measure.agg == "share":
        return Reader(Percent(Spec(measure.name, "", "percent")), 10_000)
    if measure.agg in ("count", "distinct") or measure.of is None:
        return Reader(Integer(Spec(measure.name, "", "integer")))
    field = end_of(form, measure.of).inner
    if measure.agg == "avg" and isinstance(field, Number) and not field.digits:
        return Reader(Decimal(Spec(field.key, "", "decimal")), 100)
    return Reader(field)


def end_of(form: Form, path: str) -> Field:
    """The field at the end of a path that was checked before."""
    keys = path.split(".")
    for key in keys[:-1]:
        link = form.field(key)
        assert link is not None
        form = catalog.get(link.options["form"])
    found = form.field(keys[-1])
    assert found is not None
    return found
