"""Choices from a list, and yes or no."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import dialect
from ...core.i18n import current
from ...core.i18n import label as i18n_label
from ..parsing import parse_bool
from .base import Field, FieldError, Setting, raw_text


class Choices:
    """The choices of a definition: ``[{"value": "paid", "label": …, "color": "green", "aliases": […]}, …]`` or plain strings."""

    def __init__(self, listed: Any, name: str) -> None:
        self.all: dict[str, dict[str, Any]] = {}
        self.known: dict[str, str] = {}
        self._chips: dict[tuple[str, str], Markup] = {}
        for item in listed or []:
            doc = {"value": item, "label": item} if isinstance(item, str) else item
            if not isinstance(doc, dict) or not isinstance(doc.get("value"), str):
                raise FieldError(_("「%(field)s」的选项要写成文字。", field=name))
            value, text = doc["value"], doc.get("label", doc["value"])
            self.all[value] = doc
            names = text.values() if isinstance(text, dict) else [text]
            for known in (value, *names, *doc.get("aliases", [])):
                self.known.setdefault(str(known).casefold(), value)

    def find(self, text: str) -> str | None:
        """The value that a value, a label or another name of it stands for."""
        return self.known.get(text.casefold())

    def label(self, value: Any) -> str:
        known = self.all.get(value)
        return i18n_label(known.get("label", value)) if known else str(value)

    def chip(self, value: str) -> Markup:
        # A list shows the same few a hundred times.
        found = self._chips.get((current(), value))
        return found or self._chip(value)

    def _chip(self, value: str) -> Markup:
        color = self.all.get(value, {}).get("color", "gray")
        chip = Markup('<span class="tag tag-{}">{}</span>').format(color, self.label(value))
        if value in self.all:
            self._chips[current(), value] = chip
        return chip

    def unknown(self, text: str) -> FieldError:
        allowed = _("、").join(self.label(v) for v in list(self.all)[:12])
        return FieldError(_("没有「%(value)s」这个选项，可选：%(allowed)s。", value=text[:40], allowed=allowed))


class Choice(Field):
    """One of ``choices``. ``open: true`` also takes values that are not in the list (they are their own label)."""

    type = "choice"
    name = _l("单选")
    icon = "circle-dot"
    group = "choice"
    operators = ("eq", "ne", "in", "not_in", "contains", "empty", "not_empty")
    value_input = "choice"
    input_template = "forms/fields/choice.html"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("choices", "choices_editor", _l("选项")),
            Setting("open", "yes_no", _l("可以填选项以外的内容"), start=False),
        )

    def check_options(self) -> None:
        self.open = bool(self.options.get("open"))
        self.listed = Choices(self.options.get("choices", []), self.label)
        self.choices = self.listed.all
        if not self.choices and not self.open:
            raise FieldError(_("「%(field)s」至少要有一个选项。", field=self.label))

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("请选择一个选项。"))
        text = raw_text(raw)
        if not text:
            return None
        value = self.listed.find(text)
        if value is not None:
            return value
        if self.open and len(text) <= 100:
            return text
        raise self.listed.unknown(text)

    def value_choices(self) -> list[tuple[str, str]]:
        return [(value, self.format(value)) for value in self.choices]

    def operand(self, value: Any, ctx: Any) -> str | None:
        # A value that nobody may choose any more can still be looked for.
        try:
            return self.parse(value)
        except FieldError:
            if isinstance(value, str):
                return value
            raise

    def chosen(self, typed: Any) -> str | None:
        """The value of what an input held (a value or a label), as typed when there is no such choice."""
        return self.listed.find(str(typed)) or (str(typed) if typed else None)

    def format(self, value: Any) -> str:
        return "" if value is None else self.listed.label(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup("") if value is None else self.listed.chip(value)

    def schema(self) -> dict[str, Any]:
        if self.open:
            return {"type": ["string", "null"], "maxLength": 100}
        return {"type": ["string", "null"], "description": ", ".join(self.choices)}


class YesNo(Field):
    """True or false."""

    type = "yes_no"
    formula_type = "yes_no"
    name = _l("是否")
    icon = "toggle-left"
    group = "choice"
    can_be_unique = False
    column = dialect.INTEGER
    operators = ("eq", "ne", "empty", "not_empty")
    value_input = "yes_no"
    input_template = "forms/fields/yes_no.html"
    written = False

    def parse(self, raw: Any) -> int | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, (list, dict)):
            raise FieldError(_("这里要填是或否。"))
        return int(parse_bool(raw))

    def to_api(self, value: Any) -> Any:
        return None if value is None else bool(value)

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        return _("是") if value else _("否")

    def form_value(self, value: Any) -> str:
        return "" if value is None else str(int(value))

    def formula_value(self, value: Any) -> bool:
        return bool(value)

    def from_formula(self, value: Any) -> int:
        return int(bool(value))

    def schema(self) -> dict[str, Any]:
        return {"type": ["boolean", "string", "integer", "null"]}
