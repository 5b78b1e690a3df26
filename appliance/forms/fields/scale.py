"""Stars, and a number chosen by sliding."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup

from ..parsing import narrow, parse_number
from .base import FieldError, Setting
from .number import Integer, Number

_STARS = re.compile(r"([★⭐✩☆🌟]+)")
_WORD = re.compile(r"\s*(?:星级?|颗星?|分|stars?)$", re.IGNORECASE)
_OF = re.compile(r"(\d+)\s*/\s*(\d+)")
_CHINESE = {"一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
MOST_STARS = 10


class Rating(Integer):
    """One to ``max`` stars (default 5)."""

    type = "rating"
    name = _l("评分")
    icon = "star"
    align = "left"
    rules = ()
    input_template = "forms/fields/rating.html"
    written = False

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (Setting("max", "number", _l("最高几星"), _l("1 到 10"), start=5),)

    def check_options(self) -> None:
        super().check_options()
        top = self.options.get("max")
        top = 5 if top is None or top == "" else top
        if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= MOST_STARS:
            raise FieldError(_("最高几星要在 1 到 %(max)d 之间。", max=MOST_STARS))
        self.top = top

    def parse(self, raw: Any) -> int | None:
        if raw is None or raw == "":
            return None
        value = self._stars(raw) if isinstance(raw, str) else super().parse(raw)
        if value is not None and not 1 <= value <= self.top:
            raise FieldError(_("评分要在 1 到 %(max)d 之间。", max=self.top))
        return value

    def _stars(self, raw: str) -> int | None:
        text = narrow(raw)
        if found := _STARS.fullmatch(text):
            return sum(text.count(sign) for sign in "★⭐🌟")
        text = _WORD.sub("", text)
        if (found := _OF.fullmatch(text)) and int(found[2]) == self.top:
            text = found[1]
        return _CHINESE.get(text) or super().parse(text)

    def operand(self, value: Any, ctx: Any) -> int | None:
        return self._stars(value) if isinstance(value, str) and value else super().operand(value, ctx)

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        return ngettext("%(num)d 星", "%(num)d 星", round(value))

    def form_value(self, value: Any) -> str:
        return "" if value is None else str(value)

    def chosen(self, typed: Any) -> int | None:
        """The stars that an input held."""
        return int(typed) if str(typed).isdecimal() else None

    def render(self, value: Any, record: Any = None) -> Markup:
        if value is None:
            return Markup("")
        full = min(value, self.top)
        return Markup(
            '<span class="stars" role="img" aria-label="{}">{}<span class="stars-rest" aria-hidden="true">{}</span></span>'
        ).format(_("%(stars)d / %(max)d 星", stars=value, max=self.top), "★" * full, "★" * (self.top - full))

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string", "null"], "minimum": 1, "maximum": self.top}


class Slider(Number):
    """A number from ``min`` to ``max`` (0 and 100) in steps of ``step`` (1). Stored in hundredths, printed as a number."""

    type = "slider"
    name = _l("滑块")
    icon = "adjustments-horizontal"
    digits = 2
    input_template = "forms/fields/slider.html"
    scripts = ("slider.js",)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("min", "number", _l("最小值"), start=0),
            Setting("max", "number", _l("最大值"), start=100),
            Setting("step", "number", _l("每档"), start=1),
            *super().settings(),
        )

    def check_options(self) -> None:
        super().check_options()
        given = {k: v for k, v in self.options.items() if v is not None and v != ""}
        self.options = {"min": 0, "max": 100, "step": 1} | given
        self.start, self.end, self.step = (
            parse_number(self.options[name], self.digits) for name in ("min", "max", "step")
        )
        if self.step <= 0 or self.start >= self.end:
            raise FieldError(_("最小值要小于最大值，每档要大于 0。"))
        if (self.end - self.start) / self.step > 10_000:
            raise FieldError(_("档数太多了，请把每档设大一些。"))

    def parse(self, raw: Any) -> int | None:
        value = super().parse(raw)
        if value is not None and (value - self.start) % self.step:
            raise FieldError(
                _("要从 %(start)s 起，每 %(step)s 一档。", start=self.plain(self.start), step=self.plain(self.step))
            )
        return value

    def read(self, raw: Any) -> int | None:
        return Number.parse(self, raw)

    def plain(self, value: int | float) -> str:
        text = super().plain(value)
        return text.rstrip("0").rstrip(".")

    def to_api(self, value: Any) -> Any:
        if value is None:
            return None
        return value // self.scale if value % self.scale == 0 else value / self.scale

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        if value is None:
            return Markup("")
        return Markup(
            '<span class="slid"><meter min="{}" max="{}" value="{}" aria-hidden="true"></meter>{}</span>'
        ).format(self.plain(self.start), self.plain(self.end), self.plain(value), self.format(value))

    def schema(self) -> dict[str, Any]:
        low, high = self.to_api(self.start), self.to_api(self.end)
        return {"type": ["number", "string", "null"], "minimum": low, "maximum": high}
