"""A point on the map: latitude, longitude and what is there."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import dialect
from ..parsing import clean, narrow
from .base import Field, FieldError

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ..conditions import Context

KM_PER_DEGREE = 111.195
"""Of latitude, on a sphere of 6371 km radius."""
LABEL = 100
MOST_KM = 1_000
_PAIR = re.compile(
    r"([+-]?\d{1,3}(?:\.\d+)?)\s*[,，;； ]\s*([+-]?\d{1,3}(?:\.\d+)?)(?:\s+(.*)|\s*[,，]\s*(\D.*))?", re.DOTALL
)


def read_point(text: str) -> tuple[float, float, str]:
    """Latitude, longitude, label. Raises :class:`FieldError`."""
    narrowed = clean(text)
    found = _PAIR.fullmatch(narrowed) or _PAIR.fullmatch(narrow(narrowed))
    if not found:
        raise FieldError(_("位置写成「纬度,经度」，例如 30.274085,120.155070，后面可以空一格写名称。"))
    return (*_checked(float(found[1]), float(found[2])), clean(found[3] or found[4] or ""))


def _checked(lat: float, lng: float) -> tuple[float, float]:
    if not (math.isfinite(lat) and math.isfinite(lng) and -90 <= lat <= 90 and -180 <= lng <= 180):
        raise FieldError(_("纬度在 -90 到 90 之间，经度在 -180 到 180 之间；先写纬度。"))
    return lat, lng


def stored(lat: float, lng: float, label: str) -> str:
    """``+30.274085,+120.155070 西湖``: of fixed width, so that the database finds the numbers by place."""
    if len(label) > LABEL:
        raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=LABEL, now=len(label)))
    # A zero has no sign.
    return f"{round(lat, 6) + 0.0:+010.6f},{round(lng, 6) + 0.0:+011.6f} {' '.join(label.split())}".rstrip()


def open_stored(value: str) -> tuple[float, float, str]:
    return float(value[:10]), float(value[11:22]), value[23:]


class Location(Field):
    """Given as ``"30.274085,120.155070 西湖"`` or ``{"lat": 30.27, "lng": 120.15, "label": "西湖"}``.

    The test ``near`` finds what lies within some kilometres: ``{"of": "30.27,120.15", "km": 5}``.
    """

    type = "location"
    name = _l("位置")
    icon = "current-location"
    group = "contact"
    operators = ("near", "contains", "not_contains", "empty", "not_empty")
    operator_words: ClassVar[dict[str, Any]] = {
        "near": _l("位于"),
        "contains": _l("名称包含"),
        "not_contains": _l("名称不包含"),
    }
    sortable = False
    can_be_unique = False
    input_template = "forms/fields/location.html"
    scripts = ("location.js",)

    def parse(self, raw: Any) -> str | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, dict):
            return self._of_parts(raw)
        if not isinstance(raw, str):
            raise FieldError(_("位置写成「纬度,经度」，例如 30.274085,120.155070，后面可以空一格写名称。"))
        return stored(*read_point(raw)) if raw.strip() else None

    def _of_parts(self, doc: dict[str, Any]) -> str:
        lat, lng, label = doc.get("lat"), doc.get("lng"), doc.get("label") or ""
        try:
            numbers = [
                float(one) for one in (lat, lng) if isinstance(one, (int, float, str)) and not isinstance(one, bool)
            ]
        except ValueError:
            numbers = []
        if len(numbers) != 2 or not isinstance(label, str) or not set(doc) <= {"lat", "lng", "label"}:
            raise FieldError(_('位置要有 lat 和 lng，例如 {"lat": 30.274085, "lng": 120.155070, "label": "西湖"}。'))
        return stored(*_checked(*numbers), clean(label))

    def to_api(self, value: Any) -> Any:
        if value is None:
            return None
        lat, lng, label = open_stored(value)
        return {"lat": lat, "lng": lng, "label": label or None}

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        lat, lng, label = open_stored(value)
        return f"{lat:.6f},{lng:.6f} {label}".rstrip()

    def render(self, value: Any, record: Any = None) -> Markup:
        """A link that opens the map of the device; nothing is loaded from outside."""
        if value is None:
            return Markup("")
        lat, lng, label = open_stored(value)
        point = f"{lat:.6f},{lng:.6f}"
        named = f"({quote(label)})" if label else ""
        return Markup('<a href="geo:{}?q={}{}" title="{}">{}</a>').format(
            point, point, named, _("在地图应用中打开"), label or point
        )

    def form_value(self, value: Any) -> str:
        return self.format(value)

    def from_form(self, given: MultiDict[str, str]) -> str:
        return f"{given.get(self.key, '').strip()} {given.get(f'{self.key}.label', '').strip()}".strip()

    def parts(self, typed: Any) -> tuple[str, str]:
        """What the two inputs show: the point and its label."""
        text = str(typed or "")
        try:
            lat, lng, label = read_point(text) if text else (0.0, 0.0, "")
        except FieldError:
            return text, ""
        return (f"{lat:.6f},{lng:.6f}", label) if text else ("", "")

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "near":
            return self._near(column, *self._circle(value))
        if op == "contains":
            # Of the label only: the first 23 characters are the point.
            return super().compile_positive(dialect.text_from(column, 24), op, value, ctx)
        return super().compile_positive(column, op, value, ctx)

    def _circle(self, value: Any) -> tuple[float, float, float]:
        km = value.get("km") if isinstance(value, dict) else None
        if isinstance(km, bool) or not isinstance(km, (int, float)) or not 0 < km <= MOST_KM:
            raise FieldError(_("距离要是 0 到 %(max)d 之间的公里数。", max=MOST_KM))
        of = value.get("of")
        lat, lng, _label = read_point(of if isinstance(of, str) else "")
        return lat, lng, float(km)

    def _near(self, column: Any, lat: float, lng: float, km: float) -> Any:
        """Within a circle, on a plane that touches the globe there: right to a percent up to some hundred kilometres."""
        wide = max(math.cos(math.radians(lat)), 0.01)
        up = (dialect.number_at(column, 1, 10) - lat) * KM_PER_DEGREE
        right = (dialect.number_at(column, 12, 11) - lng) * (KM_PER_DEGREE * wide)
        return up * up + right * right <= km * km

    def operand_words(self, op: str, value: Any) -> str:
        if op != "near" or not isinstance(value, dict):
            return str(value)
        return _("%(place)s 周围 %(km)s 公里", place=value.get("of"), km=value.get("km"))

    def schema(self) -> dict[str, Any]:
        parts = {
            "lat": {"type": ["number", "string"]},
            "lng": {"type": ["number", "string"]},
            "label": {"type": ["string", "null"]},
        }
        point = {"type": "object", "properties": parts, "required": ["lat", "lng"], "additionalProperties": False}
        return {"anyOf": [{"type": ["string", "null"]}, point]}
