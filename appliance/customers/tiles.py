"""The figures at the top of a customer's page, each with what it counts."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import ngettext
from msgspec import Struct

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock, settings
from ..forms import catalog, conditions
from ..forms.query import Record, clear


class Tile(Struct, frozen=True):
    """``why``: the definition of the figure, in a tooltip; ``hint``: a second figure under it."""

    label: str
    value: str
    why: str
    hint: str = ""


def of(record: Record, actor: Actor) -> list[Tile]:
    """The tiles whose figures the person may see. They are fields of the customer, so access to those fields decides; somebody
    who sees fewer orders is told that the figures count all of them."""
    seen = clear(record.form, actor)
    beyond = " " + _("（公司全部订单，包括您看不到的）") if _partly(actor) else ""
    found = [
        ("total_paid", record.text("total_paid") or "—", _("所有已付款且未取消订单的实付金额减退款"), ""),
        (
            "order_count",
            record.text("order_count") or "0",
            _("已付款且未取消的订单数"),
            _since(record, "first_paid_at"),
        ),
        ("average_order", record.text("average_order") or "—", _("累计消费 ÷ 付款单数"), ""),
        (
            "last_paid_at",
            _days_ago(record.get("last_paid_at")),
            _("最近一次付款距今的自然日数"),
            record.text("last_paid_at")[:10],
        ),
        ("refund_rate", record.text("refund_rate") or "—", _("退款金额 ÷ 实付金额"), ""),
    ]
    return [Tile(seen[key].label, value, why + beyond, hint) for key, value, why, hint in found if key in seen]


def _partly(actor: Actor) -> bool:
    """Whether the person sees not all orders."""
    if not permissions.can(actor, "see", "order"):
        return True
    form = catalog.get("order")
    return conditions.within(form, form.table, conditions.Context(actor=actor), "see") is not None


def _since(record: Record, key: str) -> str:
    day = record.text(key)[:10]
    return _("自 %(day)s", day=day) if day else ""


def _days_ago(at: int | None) -> str:
    if not isinstance(at, int):
        return "—"
    tz = settings.tz()
    days = (clock.today(tz) - clock.local(at, tz).date()).days
    return _("今天") if days <= 0 else ngettext("%(num)d 天前", "%(num)d 天前", days)
