"""Ways to reach somebody: phone, e-mail, web address."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ..parsing import parse_phone
from .base import Field, FieldError, raw_text
from .text import Text

EMAIL = re.compile(r"[^@\s<>\"']+@[^@\s<>\"']+\.[^@\s.<>\"']+")
URL = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)


class Phone(Field):
    """A Chinese mobile is stored as eleven digits, others as ``+`` and digits or area code and number."""

    type = "phone"
    name = _l("电话")
    icon = "phone"
    group = "contact"
    rules = ("pattern",)
    operators = Text.operators
    input_template = "forms/fields/phone.html"

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填电话号码。"))
        if raw is None or raw == "":
            return None
        return parse_phone(raw)

    def operand(self, value: Any, ctx: Any) -> str | None:
        try:
            return self.parse(value)
        except ValueError:
            return raw_text(value) or None

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup('<a href="tel:{0}" class="tel">{0}</a>').format(value) if value else Markup("")


class Email(Text):
    """Stored in lower case."""

    type = "email"
    name = _l("邮箱")
    icon = "mail"
    group = "contact"
    input_template = "forms/fields/email.html"

    def parse(self, raw: Any) -> str | None:
        text = super().parse(raw)
        if text is None:
            return None
        if not EMAIL.fullmatch(text):
            raise FieldError(_("「%(value)s」不是邮箱地址。", value=text[:60]))
        return text.lower()

    def operand(self, value: Any, ctx: Any) -> str | None:
        return raw_text(value).lower() or None

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup('<a href="mailto:{0}">{0}</a>').format(value) if value else Markup("")


class Url(Text):
    """A web address with http or https."""

    type = "url"
    name = _l("网址")
    icon = "link"
    group = "contact"
    length = 2_000
    input_template = "forms/fields/url.html"

    def parse(self, raw: Any) -> str | None:
        text = super().parse(raw)
        if text is None:
            return None
        if not URL.fullmatch(text):
            raise FieldError(_("网址要以 http:// 或 https:// 开头。"))
        return text

    def operand(self, value: Any, ctx: Any) -> str | None:
        return raw_text(value) or None

    def render(self, value: Any, record: Any = None) -> Markup:
        if not value:
            return Markup("")
        return Markup('<a href="{0}" rel="noopener noreferrer" target="_blank">{0}</a>').format(value)
