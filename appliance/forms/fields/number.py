"""Numbers: whole, decimal, money, percent. All are stored as scaled integers, so sums are exact."""

from __future__ import annotations

from decimal import ROUND_HALF_UP
from decimal import Decimal as D
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import dialect, settings
from ..parsing import parse_number
from .base import ORDERED, Field, FieldError, Setting

LIMIT = 2**62


class Number(Field):
    """A number with a fixed count of ``digits`` after the point. Options: ``min``, ``max``, ``unit``."""

    column = dialect.INTEGER
    formula_type = "decimal"
    operators = ORDERED
    align = "right"
    value_input = "number"
    aggregates = ("sum", "avg", "min", "max", "count", "distinct")
    input_template = "forms/fields/number.html"
    group = "number"
    rules: ClassVar[tuple[str, ...]] = ("min", "max")
    digits = 0
    suffix = ""
    symbol = ""
    """What stands before the number: the sign of a currency."""

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (Setting("unit", "text", _l("单位"), _l("写在数字后面，比如：件、公斤")),)

    def check_options(self) -> None:
        self.scale = 10**self.digits
        unit = self.options.get("unit") or self.suffix
        if not isinstance(unit, str) or len(unit) > 12:
            raise FieldError(_("单位要写成文字，最多 12 个字。"))
        self.unit = unit

    def parse(self, raw: Any) -> int | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填数字。"))
        value = parse_number(raw, self.digits)
        if not -LIMIT < value < LIMIT:
            raise FieldError(_("数字太大了。"))
        return value

    def operand(self, value: Any, ctx: Any) -> int | None:
        # A condition may ask for a number beyond what the field itself would take.
        if isinstance(value, (bool, list, dict)):
            raise FieldError(_("这里要填数字。"))
        return None if value in (None, "") else parse_number(value, self.digits)

    def plain(self, value: int | float) -> str:
        """The number without thousands separators or unit; a fraction (an average) is rounded to the field's digits."""
        if isinstance(value, float):
            value = round(value)
        if not self.digits:
            return str(value)
        sign, value = ("-", -value) if value < 0 else ("", value)
        return f"{sign}{value // self.scale}.{value % self.scale:0{self.digits}d}"

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        whole, _dot, rest = self.plain(value).partition(".")
        sign, whole = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        text = f"{sign}{int(whole):,}" + (f".{rest}" if rest else "")
        return text + self.unit

    def form_value(self, value: Any) -> str:
        return "" if value is None else self.plain(value)

    def to_api(self, value: Any) -> Any:
        return value

    def formula_value(self, value: Any) -> Any:
        return D(value).scaleb(-self.digits) if self.digits else value

    def from_formula(self, value: Any) -> int:
        scaled = int(D(value).scaleb(self.digits).to_integral_value(ROUND_HALF_UP))
        if not -LIMIT < scaled < LIMIT:
            raise FieldError(_("数字太大了。"))
        return scaled


class Integer(Number):
    type = "integer"
    formula_type = "integer"
    name = _l("整数")
    icon = "number"

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string", "null"]}


class Decimal(Number):
    """Options: ``digits`` after the point (0 to 6, default 2). The API prints a decimal string."""

    type = "decimal"
    name = _l("小数")
    icon = "decimal"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (Setting("digits", "number", _l("小数位数"), _l("0 到 6 位"), start=2), *super().settings())

    def check_options(self) -> None:
        digits = self.options.get("digits", 2)
        if isinstance(digits, bool) or not isinstance(digits, int) or not 0 <= digits <= 6:
            raise FieldError(_("小数位数要在 0 到 6 之间。"))
        self.digits = digits
        super().check_options()

    def to_api(self, value: Any) -> Any:
        return None if value is None else self.plain(value)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "null"]}


class Money(Number):
    """An amount in fen. The API prints a decimal string of yuan (``"199.00"``)."""

    type = "money"
    formula_type = "money"
    name = _l("金额")
    icon = "coin-yuan"
    digits = 2

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return ()

    def to_api(self, value: Any) -> Any:
        return None if value is None else self.plain(value)

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        text = super().format(value)
        return f"-{self.symbol}{text[1:]}" if text.startswith("-") else self.symbol + text

    @property
    def symbol(self) -> str:  # type: ignore[override]
        return {"CNY": "¥", "USD": "$", "EUR": "€", "HKD": "HK$"}.get(settings.get("company.currency"), "¥")

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "null"]}


class Percent(Number):
    """A share: 0.15 is 15 %. Typed ``15%`` or ``0.15``; stored in ten-thousandths; the API prints ``"0.1500"``."""

    type = "percent"
    formula_type = "percent"
    name = _l("百分比")
    icon = "percentage"
    digits = 4

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return ()

    def to_api(self, value: Any) -> Any:
        return None if value is None else self.plain(value)

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        share = D(round(value)) / 100
        return f"{share.normalize():f}%"

    def form_value(self, value: Any) -> str:
        return self.format(value)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "null"]}
