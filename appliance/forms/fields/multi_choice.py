"""Several of a list of choices."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from .base import FieldError, Setting, raw_text
from .choice import Choices
from .many import ManyValues


class MultiChoice(ManyValues):
    """Any of ``choices``, which are written as those of a *choice*; shown in the order of the list."""

    type = "multi_choice"
    name = _l("多选")
    icon = "checkbox"
    group = "choice"
    value_input = "choice"
    input_template = "forms/fields/multi_choice.html"
    written = False
    needs_database = False
    can_be_public = True

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (Setting("choices", "choices_editor", _l("选项")),)

    def check_options(self) -> None:
        self.listed = Choices(self.options.get("choices", []), self.label)
        self.choices = self.listed.all
        self.open = False
        self._places = {value: n for n, value in enumerate(self.choices)}
        if not self.choices:
            raise FieldError(_("「%(field)s」至少要有一个选项。", field=self.label))

    def parse_item(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("请选择一个或几个选项。"))
        text = raw_text(raw)
        if not text:
            return None
        value = self.listed.find(text)
        if value is None:
            raise self.listed.unknown(text)
        return value

    def split(self, text: str) -> list[str]:
        # A choice may itself hold what separates choices.
        return [text] if self.listed.find(text.strip()) else super().split(text)

    def ordered(self, values: list[Any]) -> list[Any]:
        return sorted(values, key=lambda value: self._places.get(value, len(self._places)))

    def operand(self, value: Any, ctx: Any) -> str | None:
        # A value that nobody may choose any more can still be looked for.
        try:
            return self.parse_item(value)
        except FieldError:
            if isinstance(value, str):
                return value
            raise

    def value_choices(self) -> list[tuple[str, str]]:
        return [(value, self.format_item(value)) for value in self.choices]

    def format_item(self, value: Any) -> str:
        return self.listed.label(value)

    def render_item(self, value: Any) -> Markup:
        return self.listed.chip(value)

    def chosen(self, typed: Any) -> list[str]:
        return [self.listed.find(one) or one for one in super().chosen(typed)]

    def item_schema(self) -> dict[str, Any]:
        return {"type": "string", "description": ", ".join(self.choices)}
