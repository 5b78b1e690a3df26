"""A code that is scanned: QR, Code 128, EAN."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import urlencode

from flask import has_request_context, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ..parsing import as_digits, narrow
from .base import FieldError, Setting
from .text import Text

KINDS = ("code128", "qr", "ean13", "ean8")
LONGEST = {"code128": 80, "qr": 500}
DIGITS = {"ean13": 13, "ean8": 8}
_BAR, _TALL, _QUIET = 2, 56, 20
"""Of the picture of bars, in its own units: the narrowest bar, the height, the blank space at both sides."""


class Barcode(Text):
    """``kind``: code128 (default), qr, ean13 or ean8. The text is kept; its picture is drawn when it is looked at."""

    type = "barcode"
    name = _l("条码")
    icon = "barcode"
    rules = ("min_length", "max_length", "pattern")
    input_template = "forms/fields/barcode.html"
    scripts = ("barcode.js",)

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        kinds = (("code128", "Code 128"), ("qr", _l("二维码")), ("ean13", _l("EAN-13（商品条码）")), ("ean8", "EAN-8"))
        return (Setting("kind", "choice", _l("码制"), choices=kinds, start="code128"),)

    def check_options(self) -> None:
        self.kind = self.options.get("kind") or "code128"
        if self.kind not in KINDS:
            raise FieldError(_("码制只能是 code128、qr、ean13 或 ean8。"))
        self.length = LONGEST.get(self.kind) or DIGITS[self.kind]
        super().check_options()
        self.max_length = min(self.max_length, self.length)

    @property
    def digits_only(self) -> bool:
        return self.kind in DIGITS

    def parse(self, raw: Any) -> str | None:
        if isinstance(raw, bool):
            raise FieldError(_("这里要填条码。"))
        given = as_digits(raw) if isinstance(raw, (int, float)) else raw
        if self.digits_only and isinstance(given, str):
            digits = narrow(given)
            return _ean(digits, DIGITS[self.kind]) if digits else None
        text = super().parse(given)
        if text is None or self.kind == "qr":
            return text
        text = narrow(text)
        if not all(" " <= sign <= "~" for sign in text):
            raise FieldError(_("Code 128 条码只能有英文字母、数字和常用符号。"))
        return text

    def operand(self, value: Any, ctx: Any) -> str | None:
        return super(Text, self).operand(value, ctx) if self.kind == "qr" else narrow(str(value)) or None

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        if not value or not has_request_context():
            return self.render(value)
        source = f"{url_for('forms.code_picture')}?{urlencode({'kind': self.kind, 'text': value})}"
        # The picture is fetched when it is opened.
        return Markup(
            '<details class="code-shown"><summary><span class="num">{0}</span></summary>'
            '<img class="code-{1}" src="{2}" alt="{3}" loading="lazy"></details>'
        ).format(value, "square" if self.kind == "qr" else "bars", source, _("条码 %(code)s", code=value))


def check_digit(digits: str) -> str:
    """The last digit of an EAN code whose other digits are given (GS1 General Specifications, section 7.9)."""
    total = sum(int(digit) * (3 if n % 2 == 0 else 1) for n, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def _ean(text: str, size: int) -> str:
    digits = text.replace(" ", "").replace("-", "")
    if not digits.isascii() or not digits.isdecimal() or len(digits) not in (size, size - 1):
        raise FieldError(_("要填 %(size)d 位数字（最后一位是校验位，可以不填）。", size=size))
    right = check_digit(digits[: size - 1])
    if len(digits) == size and digits[-1] != right:
        raise FieldError(_("校验位不对：最后一位应该是 %(right)s，请核对条码。", right=right))
    return digits[: size - 1] + right


def picture(kind: str, text: str) -> str:
    """The code as an SVG document. Raises :class:`FieldError` for text that such a code cannot hold."""
    if kind not in KINDS or not text or len(text) > 500:
        raise FieldError(_("画不出这个条码。"))
    return _qr(text) if kind == "qr" else _bars(kind, text)


def _qr(text: str) -> str:
    import segno

    out = io.BytesIO()
    try:
        code = segno.make_qr(text, error="m")
    except segno.DataOverflowError as error:
        raise FieldError(_("画不出这个条码。")) from error
    code.save(out, kind="svg", scale=4, border=4, dark="#000", light="#fff", xmldecl=False)
    return out.getvalue().decode()


def _bars(kind: str, text: str) -> str:
    # It brings a library for pictures along, which is needed for nothing else in the server's process.
    import barcode  # type: ignore[import-untyped]

    try:
        modules = barcode.get_barcode_class(kind)(text).build()[0].replace("G", "1")
    except (barcode.errors.BarcodeError, ValueError, KeyError) as error:
        raise FieldError(_("画不出这个条码。")) from error
    width = len(modules) * _BAR + 2 * _QUIET
    bars = []
    start = 0
    for n in range(1, len(modules) + 1):
        if n == len(modules) or modules[n] != modules[start]:
            if modules[start] == "1":
                bars.append(f"M{_QUIET + start * _BAR} 8h{(n - start) * _BAR}v{_TALL}h-{(n - start) * _BAR}z")
            start = n
    caption = Markup('<text x="{}" y="{}" font-family="monospace" font-size="13" text-anchor="middle">{}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{_TALL + 28}" viewBox="0 0 {width} {_TALL + 28}">'
        f'<rect width="100%" height="100%" fill="#fff"/><path d="{"".join(bars)}"/>'
        f"{caption.format(width // 2, _TALL + 22, text)}</svg>"
    )
