"""Text of one line, and of many."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from ...core.i18n import label
from .base import Field, FieldError, raw_text


class Text(Field):
    """Options: ``max_length`` (default 255), ``pattern`` (regular expression the whole text must match)."""

    type = "text"
    name = _l("单行文字")
    operators: ClassVar[tuple[str, ...]] = (
        "eq",
        "ne",
        "contains",
        "not_contains",
        "starts_with",
        "in",
        "not_in",
        "empty",
        "not_empty",
    )
    length = 255
    """Characters that it takes unless the definition says otherwise."""
    rules: ClassVar[tuple[str, ...]] = ("min_length", "max_length", "pattern")

    def check_options(self) -> None:
        own = self.options.get("max_length")
        self.max_length: int = self.length if own is None or own == "" else self.limit("max_length", own)

    def parse(self, raw: Any) -> str | None:
        if type(raw) is not str and isinstance(raw, (list, dict)):
            raise FieldError(_("这里要填文字。"))
        text = raw_text(raw)
        if not text:
            return None
        if len(text) > self.max_length:
            raise self._too_long(text)
        return text

    def _too_long(self, text: str) -> FieldError:
        own = self.options.get("message")
        return FieldError(
            (own and label(own)) or _("最多 %(max)d 个字，现在有 %(now)d 个。", max=self.max_length, now=len(text))
        )

    def formula_value(self, value: Any) -> str:
        return str(value)

    def from_formula(self, value: Any) -> str | None:
        text = str(value).strip()
        return text[: self.max_length] or None

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "maxLength": self.max_length}


class LongText(Text):
    """Text of several lines; line breaks are kept."""

    type = "long_text"
    name = _l("多行文字")
    icon = "align-left"
    operators = ("contains", "not_contains", "empty", "not_empty")
    sortable = False
    length = 20_000
    can_be_unique = False
    can_be_indexed = False
    rules = ("min_length", "max_length")
    input_template = "forms/fields/long_text.html"

    def parse(self, raw: Any) -> str | None:
        if not isinstance(raw, str):
            return super().parse(raw)
        text = "\n".join(line.rstrip() for line in raw.replace("\r\n", "\n").replace("\r", "\n").split("\n")).strip()
        if len(text) > self.max_length:
            raise self._too_long(text)
        return text or None

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup("<br>").join(escape(line) for line in (value or "").split("\n"))
