"""What text messages of every provider have in common: templates, pieces, numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections.kinds import Connection
from ...connections.params import Param, Price
from . import reaching
from .base import Message, Target, Transport

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
