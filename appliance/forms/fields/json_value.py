"""A JSON document, for what another program keeps in a record."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import dialect
from .base import Field, FieldError

LONGEST = 20_000
SHOWN = 80


class Json(Field):
    """Stored as text without needless blanks, printed by the API as the value itself. Text given to it is read as JSON."""

    type = "json"
    can_be_public = False
    name = _l("JSON 数据")
    icon = "braces"
    operators = ("contains", "not_contains", "empty", "not_empty")
    sortable = False
    can_be_unique = False
    can_be_indexed = False
    searchable = False
    aggregates = ("count",)
    rules = ("max_length",)
    input_template = "forms/fields/json.html"

    def parse(self, raw: Any) -> str | None:
        if raw is None:
            return None
        if isinstance(raw, str):
            if not raw.strip():
                return None
            raw = self._load(raw)
            if raw is None:
                return None
        try:
            text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise FieldError(_("这里要填 JSON。")) from error
        if len(text) > LONGEST:
            raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=LONGEST, now=len(text)))
        return text

    def _load(self, text: str) -> Any:
        if len(text) > LONGEST * 4:
            raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=LONGEST, now=len(text)))
        try:
            return json.loads(text, parse_constant=_no_constant)
        except json.JSONDecodeError as error:
            raise FieldError(
                _(
                    "第 %(line)d 行第 %(column)d 个字的地方不是 JSON，请检查引号、逗号和括号。",
                    line=error.lineno,
                    column=error.colno,
                )
            ) from error
        except (ValueError, RecursionError) as error:
            raise FieldError(_("这里要填 JSON。")) from error

    def to_api(self, value: Any) -> Any:
        return None if value is None else json.loads(value)

    def pretty(self, value: Any) -> str:
        return "" if value is None else json.dumps(json.loads(value), ensure_ascii=False, indent=2)

    def form_value(self, value: Any) -> str:
        return self.pretty(value)

    def operand(self, value: Any, ctx: Any) -> Any:
        return value

    def _word(self, value: Any) -> str:
        return value if isinstance(value, str) else dialect.dumps(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        if value is None:
            return Markup("")
        return Markup('<code class="json-line">{}</code>').format(value if len(value) <= SHOWN else value[:SHOWN] + "…")

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        return (
            Markup('<pre class="json-whole" tabindex="0">{}</pre>').format(self.pretty(value)) if value else Markup("")
        )

    def schema(self) -> dict[str, Any]:
        return {"description": _("任意 JSON；文字会当作 JSON 来读。")}


def _no_constant(name: str) -> Any:
    raise ValueError(name)
