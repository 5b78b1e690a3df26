"""What text messages of every provider have in common: templates, pieces, numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections.kinds import Connection
from ...connections.params import Param, Price, Secret
from ...core import clock
from ...core.errors import UserError
from ...forms.parsing import parse_datetime
from . import reaching
from .base import Message, Receipt, Reply, Target, Transport

ONE, MORE = 70, 67
"""Characters of a message that goes out in one piece, and of each piece of a longer one."""

PRICE = Price(
    "price", _l("单价（元/条）"), _l("服务商的报价，用来估算费用；超过 70 个字按 67 个字一条计。"), placeholder="0.045"
)
TEMPLATE = Param(
    "template_code",
    _l("默认模板编号"),
    _l("消息自己没有指定短信模板时用它。"),
    advanced=True,
    most=40,
)


class HookToken(Secret, frozen=True):
    """Made by a button of its page, not typed."""

    input: ClassVar[str] = "none"


HOOK = HookToken("hook_token", _l("回执地址的令牌"), most=200)
HEARS = _l(
    "把下面的地址填到短信控制台的状态报告和上行短信（回复）里：短信到没到手机会写进发件箱，客户回复 R、T 或“退订”会马上记为撤回同意。"
)
SIZE = 1_000
"""Reports that one call may hold."""


def mark_of(key: str) -> str:
    """What goes to the provider along with a message, and comes back in its receipt."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def pieces(text: str) -> int:
    return 1 if len(text) <= ONE else -(-len(text) // MORE)


class Sms(Transport):
    """The provider takes only templates that it has reviewed. Never sent again by itself: each costs money."""

    reaches = frozenset({"customer", "user", "address"})
    paid = True
    by_template = True

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        todo = list(targets)
        found = reaching.customers(todo, "phone", reaching.MOBILE) | reaching.users(todo, "mobile")
        return found | reaching.addresses(todo, reaching.MOBILE)

    def heard(self, doc: Any) -> list[Receipt | Reply]:
        rows = doc if isinstance(doc, list) else [doc]
        if len(rows) > SIZE or not all(isinstance(row, dict) for row in rows):
            raise UserError(_("回执要是 JSON 对象的列表，一次最多 %(max)d 条。", max=SIZE))
        return [self.reported({str(key): value for key, value in row.items()}) for row in rows]

    def reported(self, row: dict[str, Any]) -> Receipt | Reply:
        """One report of the provider. Raises :class:`UserError`."""
        raise NotImplementedError

    def cost(self, message: Message, connection: Connection | None) -> int:
        assert connection is not None
        return int(connection.config.get("price") or 0) * pieces(f"【{connection.config['sign']}】{message.text}")

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        if self.template(message, connection)[0]:
            return None
        return _("短信只能用服务商审核过的模板发送，请在消息模板里填写短信模板编号。")

    def template(self, message: Message, connection: Connection | None) -> tuple[str, dict[str, str]]:
        """The template's number and its variables; the connection's own one takes the whole text."""
        assert connection is not None
        if message.template_code:
            return message.template_code, dict(message.template_params)
        config: dict[str, Any] = connection.config
        return str(config.get("template_code") or ""), {str(config.get("text_param") or "content"): message.text}


def said(row: dict[str, Any], *keys: str) -> str:
    """The first of the values that is there, as one line of text."""
    found = next((row[key] for key in keys if row.get(key) not in (None, "")), "")
    return " ".join(str(found).split())[:500] if isinstance(found, (str, int)) else ""


def number(row: dict[str, Any], *keys: str) -> str:
    """A phone number as we keep it: those of this country without their prefix. Raises :class:`UserError`."""
    text = said(row, *keys).lstrip("+").removeprefix("00")
    nation = said(row, "nationcode")
    if nation and nation != "86":
        text = f"+{nation}{text}"
    elif len(text) == 13 and text.startswith("86"):
        text = text[2:]
    elif len(text) != 11:
        text = f"+{text}"
    if not reaching.MOBILE.fullmatch(text):
        raise UserError(_("回执里没有手机号码。"))
    return text


def moment(row: dict[str, Any], *keys: str) -> int | None:
    """When it was, if it says so and it is not to come: seconds since 1970, or the time in China."""
    text = said(row, *keys)
    try:
        at = int(text) if text.isdecimal() and len(text) < 12 else parse_datetime(text, clock.zone("Asia/Shanghai"))
    except (ValueError, UserError):
        return None
    return at if 0 < at <= clock.now() else None
