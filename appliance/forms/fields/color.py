"""A colour."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ..parsing import narrow
from .base import Field, FieldError, raw_text

HEX = re.compile(r"#?([0-9a-f]{3}|[0-9a-f]{6})")
RGB = re.compile(r"rgb\s*\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)|(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})")
NAMES = {
    "红": "#d92d20", "红色": "#d92d20", "red": "#d92d20", "橙": "#e8710a", "橙色": "#e8710a", "orange": "#e8710a",
    "黄": "#f2c200", "黄色": "#f2c200", "yellow": "#f2c200", "绿": "#2e9d4f", "绿色": "#2e9d4f", "green": "#2e9d4f",
    "青": "#0ea5a0", "青色": "#0ea5a0", "teal": "#0ea5a0", "蓝": "#1f6fd6", "蓝色": "#1f6fd6", "blue": "#1f6fd6",
    "紫": "#7a4dbf", "紫色": "#7a4dbf", "purple": "#7a4dbf", "粉": "#e06aa3", "粉色": "#e06aa3", "pink": "#e06aa3",
    "棕": "#8a5a32", "棕色": "#8a5a32", "brown": "#8a5a32", "灰": "#8a9491", "灰色": "#8a9491", "gray": "#8a9491",
    "黑": "#000000", "黑色": "#000000", "black": "#000000", "白": "#ffffff", "白色": "#ffffff", "white": "#ffffff",
}  # fmt: skip


class Color(Field):
    """Stored as ``#rrggbb`` in lower case; read from ``#RGB``, ``rgb(…)`` and the common names too."""

    type = "color"
    name = _l("颜色")
    icon = "palette"
    input_template = "forms/fields/color.html"
    scripts = ("color.js",)

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("请填写颜色，比如 #1f6fd6。"))
        text = narrow(raw_text(raw)).lower()
        if not text:
            return None
        if text in NAMES:
            return NAMES[text]
        if found := HEX.fullmatch(text):
            digits = found[1]
            return "#" + (digits if len(digits) == 6 else "".join(d * 2 for d in digits))
        if found := RGB.fullmatch(text):
            parts = [int(part) for part in found.groups() if part is not None]
            if all(part <= 255 for part in parts):
                return "#{:02x}{:02x}{:02x}".format(*parts)
        raise FieldError(_("「%(value)s」不是颜色，请写成 #1f6fd6 这样。", value=text[:40]))

    def well(self, typed: Any) -> str:
        """What the colour well shows beside the text: white until there is a colour."""
        text = str(typed or "").strip().lower()
        return text if len(text) == 7 and HEX.fullmatch(text) else "#ffffff"

    def palette(self) -> list[str]:
        """What the input offers to start from."""
        return list(dict.fromkeys(NAMES.values()))

    def render(self, value: Any, record: Any = None) -> Markup:
        if not value:
            return Markup("")
        swatch = Markup(
            '<svg class="swatch" viewBox="0 0 16 16" aria-hidden="true"><rect width="16" height="16" rx="4" fill="{0}"/></svg>'
        )
        return Markup('<span class="color-value">{}<span class="num">{}</span></span>').format(
            swatch.format(value), value
        )

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "example": "#1f6fd6"}
