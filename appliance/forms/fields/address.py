"""A postal address: division, the rest of the way, and on wish who receives there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape
from msgspec import Struct

from .. import regions
from ..parsing import clean, narrow, parse_phone
from .base import Field, FieldError, Setting
from .region import chosen, inside, steps

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ..conditions import Context

PARTS = ("region", "detail", "recipient", "phone")
LENGTHS = {"detail": 200, "recipient": 40}
_PHONE = re.compile(r"(?<![\d-])(?:(?:\+?86[- ]?)?1[3-9]\d[- ]?\d{4}[- ]?\d{4}|0\d{2,3}-\d{7,8})(?:转\d{1,6})?(?!\d)")
_LABEL = re.compile(
    r"(?:联系电话|手机号码|手机号|手机|电话)\s*[:：]?\s*(?=\+?\d)|"
    r"(?:收货人|收件人|联系人|姓名|联系电话|手机号码|手机号|手机|电话|所在地区|详细地址|收货地址|收件地址|地址|地区)\s*[:：]\s*"
)
_GAP = re.compile(r"[\s,，;；、|]+")
_NAME = re.compile(r"[\u3400-\u9fff·]{2,8}|[A-Za-z][A-Za-z .'-]{1,39}")
_STORED = re.compile(r"(\d{6})?[^\n]*\n[^\n]*\n[^\n]*\n[^\n]*")


class Parts(Struct, frozen=True):
    """``region``: a code; all may be empty."""

    region: str = ""
    detail: str = ""
    recipient: str = ""
    phone: str = ""

    def stored(self) -> str | None:
        """Four lines: code and names of the division, the rest of the way, recipient, phone. The names stand there so that
        whoever looks for 杭州 finds them."""
        if not any((self.region, self.detail, self.recipient, self.phone)):
            return None
        first = f"{self.region} {regions.path(self.region)}" if self.region else ""
        return "\n".join((first, self.detail, self.recipient, self.phone))


def open_stored(stored: str) -> Parts:
    first, detail, recipient, phone = stored.split("\n")
    return Parts(first[:6], detail, recipient, phone)


def read_line(text: str) -> Parts:
    """A pasted line (``张三 13800138000 浙江省杭州市西湖区文三路1号``) in any order of its parts, as far as they can be told apart."""
    text = _LABEL.sub(" ", clean(text.replace("\r", " ").replace("\n", " ")))
    phone = ""
    found = _PHONE.search(narrow(text)) if not text.isascii() else _PHONE.search(text)
    if found:
        phone = _phone(found[0])
        text = narrow(text).replace(found[0], " ", 1)
    words = [word for word in _GAP.split(text) if word]
    for start in range(len(words)):
        code, rest = regions.take(" ".join(words[start:]))
        if code and (start == 0 or len(words) > 1):
            return _around(words[:start], code, rest, phone)
    return _around([], "", " ".join(words), phone)


def _around(before: list[str], code: str, rest: str, phone: str) -> Parts:
    """Tells the recipient from the rest: a name stands before the division, or after the address as the last word."""
    tail = rest.split()
    name = ""
    if before and _NAME.fullmatch(before[0]):
        name, before = before[0], before[1:]
    elif len(tail) > 1 and phone and _NAME.fullmatch(tail[-1]) and len(tail[-1]) <= 4:
        name, tail = tail[-1], tail[:-1]
    elif not code and phone and len(tail) > 1 and _NAME.fullmatch(tail[0]) and len(tail[0]) <= 4:
        name, tail = tail[0], tail[1:]
    return Parts(code, " ".join([*before, *tail]), name, phone)


def _phone(raw: str) -> str:
    try:
        return parse_phone(raw)
    except ValueError:
        return raw


class Address(Field):
    """Given as a line of text or as ``{"region", "detail", "recipient", "phone"}``. ``contact``: ask who receives there."""

    type = "address"
    name = _l("地址")
    icon = "map-pin"
    group = "contact"
    operators = ("contains", "not_contains", "under", "not_under", "empty", "not_empty")
    operator_words: ClassVar[dict[str, Any]] = {"under": _l("位于"), "not_under": _l("不位于")}
    sortable = False
    can_be_unique = False
    value_input = "address"
    input_template = "forms/fields/address.html"
    scripts = ("region.js",)
    value_pick = "regions"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (Setting("contact", "yes_no", _l("同时填收件人和电话"), start=False),)

    def check_options(self) -> None:
        self.contact = self.options.get("contact", False)
        if not isinstance(self.contact, bool):
            raise FieldError(_("「%(name)s」只能是 true 或 false。", name="contact"))

    def parse(self, raw: Any) -> str | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, dict):
            return self._checked(raw)
        if not isinstance(raw, str):
            raise FieldError(_("这里要填地址。"))
        if _STORED.fullmatch(raw):
            parts = open_stored(raw)
            return self._checked({name: getattr(parts, name) for name in PARTS})
        parts = read_line(raw)
        if not self.contact and (parts.recipient or parts.phone):
            # Nowhere to put them apart: the line stays as it was written.
            parts = Parts(parts.region, " ".join(p for p in (parts.detail, parts.recipient, parts.phone) if p))
        return self._checked({name: getattr(parts, name) for name in PARTS})

    def _checked(self, doc: dict[str, Any]) -> str | None:
        if unknown := set(doc) - {*PARTS, "text"}:
            raise FieldError(_("地址里没有「%(name)s」这一项。", name=", ".join(sorted(map(str, unknown)))[:60]))
        values = {name: doc.get(name) or "" for name in PARTS}
        for name, value in values.items():
            if not isinstance(value, str):
                raise FieldError(_("地址的各项要写成文字。"))
            values[name] = clean(" ".join(value.split()))
        if values["region"]:
            values["region"] = regions.read(values["region"])
        if values["phone"]:
            values["phone"] = parse_phone(values["phone"])
        for name, most in LENGTHS.items():
            if len(values[name]) > most:
                raise FieldError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=most, now=len(values[name])))
        return Parts(**values).stored()

    def to_api(self, value: Any) -> Any:
        if value is None:
            return None
        parts = open_stored(value)
        return {name: getattr(parts, name) or None for name in PARTS} | {"text": self.format(value)}

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        parts = open_stored(value)
        where = regions.path(parts.region, "") if parts.region else ""
        return " ".join(p for p in (where + parts.detail, parts.recipient, parts.phone) if p)

    def render(self, value: Any, record: Any = None) -> Markup:
        if value is None:
            return Markup("")
        parts = open_stored(value)
        where = escape(" ".join(p for p in (regions.path(parts.region) if parts.region else "", parts.detail) if p))
        who = [escape(parts.recipient)] if parts.recipient else []
        if parts.phone:
            who.append(Markup('<a href="tel:{0}" class="tel">{0}</a>').format(parts.phone))
        return where + Markup(' <span class="text-secondary">{}</span>').format(Markup(" ").join(who)) if who else where

    def form_value(self, value: Any) -> str:
        return value or ""

    def from_form(self, given: MultiDict[str, str]) -> str | dict[str, str]:
        if f"{self.key}.detail" not in given:
            return given.get(self.key, "")
        parts = {name: given.get(f"{self.key}.{name}", "").strip() for name in PARTS[1:]}
        parts["region"] = chosen(given.getlist(f"{self.key}.region"))
        return parts if any(parts.values()) else ""

    def parts(self, typed: Any) -> Parts:
        """What the inputs show: of a stored value, or of what was typed and refused."""
        if isinstance(typed, dict):
            return Parts(**{name: str(typed.get(name) or "") for name in PARTS})
        text = str(typed or "")
        return open_stored(text) if _STORED.fullmatch(text) else Parts(detail=text)

    def steps(self, code: str) -> list[tuple[str, list[tuple[str, str]]]]:
        return steps(code, "district")

    def operand(self, value: Any, ctx: Context) -> Any:
        if not isinstance(value, str):
            raise FieldError(_("这里要填省市区。"))
        return regions.read(value)

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "under":
            return inside(column, self._needed(value, ctx))
        return super().compile_positive(column, op, value, ctx)

    def operand_words(self, op: str, value: Any) -> str:
        if op != "under" and op != "not_under":
            return str(value)
        try:
            return regions.path(regions.read(str(value)))
        except FieldError:
            return str(value)

    def schema(self) -> dict[str, Any]:
        texts = {name: {"type": ["string", "null"]} for name in (*PARTS, "text")}
        return {
            "anyOf": [
                {"type": ["string", "null"]},
                {"type": "object", "properties": texts, "additionalProperties": False},
            ]
        }
