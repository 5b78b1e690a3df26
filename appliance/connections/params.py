"""What a kind of connection asks for: its params, one class a type, each of which reads and shows what people type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from flask_babel import gettext as _
from msgspec import Struct, field

from ..core import outbound
from ..core.errors import UserError


class Param(Struct, frozen=True):
    """One line of text. ``help`` says where it is found; ``advanced`` ones stand folded away."""

    key: str
    label: Any
    help: Any = ""
    required: bool = False
    default: Any = ""
    placeholder: str = ""
    advanced: bool = False
    most: int = 500
    """Characters that are accepted at most."""

    input: ClassVar[str] = "text"
    """The input's type on the page; see ``templates/connections/_param.html``."""
    secret: ClassVar[bool] = False

    def read(self, raw: Any) -> Any:
        """The value that somebody typed or a program sent. Raises :class:`ValueError` with a sentence."""
        text = "" if raw is None else str(raw).strip()
        if len(text) > self.most:
            raise ValueError(_("最多 %(most)s 个字。", most=self.most))
        return text or self.default

    def shown(self, value: Any) -> str:
        """The value as the page's input holds it."""
        return "" if value is None else str(value)


class Lines(Param, frozen=True):
    """Several lines of text."""

    most: int = 4_000
    input: ClassVar[str] = "lines"


class Secret(Param, frozen=True):
    """A password or token: sealed, never shown again; left blank it stays as it was."""

    input: ClassVar[str] = "secret"
    secret: ClassVar[bool] = True


class Url(Param, frozen=True):
    """A URL that we call."""

    most: int = 2_000
    input: ClassVar[str] = "url"

    def read(self, raw: Any) -> Any:
        text = str(super().read(raw))
        if text:
            try:
                outbound.check_url(text)
            except UserError as error:
                raise ValueError(error.message) from error
        return text


class SecretUrl(Url, frozen=True):
    """A URL that opens the door by itself (a robot's hook): kept like a password."""

    input: ClassVar[str] = "secret"
    secret: ClassVar[bool] = True


class Base(Url, frozen=True):
    """The platform's address, for a proxy or a test server in its place; without a path."""

    advanced: bool = True

    def read(self, raw: Any) -> Any:
        text = str(super().read(raw)).rstrip("/")
        if text and (urlsplit(text).query or urlsplit(text).fragment):
            raise ValueError(_("这里只写到主机名为止，不带问号后面的参数。"))
        return text


class Number(Param, frozen=True):
    """A whole number."""

    least: int = 0
    greatest: int = 1_000_000_000
    default: Any = None
    input: ClassVar[str] = "number"

    def read(self, raw: Any) -> Any:
        text = str(super().read(raw) if raw not in (None, "") else "")
        if not text:
            return self.default
        try:
            number = int(text)
        except ValueError:
            raise ValueError(_("请填写整数。")) from None
        if not self.least <= number <= self.greatest:
            raise ValueError(_("请填写 %(least)s 到 %(most)s 之间的数。", least=self.least, most=self.greatest))
        return number


class Price(Param, frozen=True):
    """Money a piece, in hundredths of a fen (a text message costs 3.5 fen); typed in yuan."""

    default: Any = 0
    input: ClassVar[str] = "price"

    def read(self, raw: Any) -> Any:
        text = "" if raw is None else str(raw).strip()
        if not text:
            return self.default
        whole, _dot, rest = text.partition(".")
        if not (whole.isdecimal() and (rest == "" or rest.isdecimal()) and len(whole) < 4 and len(rest) <= 4):
            raise ValueError(_("请填写单价，单位元，例如 0.045。"))
        return int(whole) * 10_000 + int(rest.ljust(4, "0"))

    def shown(self, value: Any) -> str:
        return f"{int(value) / 10_000:.4f}".rstrip("0").rstrip(".") if value else ""


class Switch(Param, frozen=True):
    """Yes or no."""

    default: Any = False
    input: ClassVar[str] = "switch"

    def read(self, raw: Any) -> Any:
        return raw is True or str(raw or "").strip().lower() in ("1", "true", "on", "yes")

    def shown(self, value: Any) -> str:
        return "1" if value else ""


class Choice(Param, frozen=True):
    """One of a few."""

    options: Mapping[str, Any] = field(default_factory=dict)
    input: ClassVar[str] = "choice"

    def read(self, raw: Any) -> Any:
        text = str(super().read(raw))
        if text and text not in self.options:
            raise ValueError(_("请从列表中选择一项。"))
        return text
