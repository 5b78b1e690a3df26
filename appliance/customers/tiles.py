"""The figures at the top of a customer's page, each with what it counts."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import ngettext

from ..accounts.actor import Actor
from ..core import clock, settings
from ..forms.query import Record, clear


@dataclass(frozen=True)
class Tile:
    """``why``: the definition of the figure, in a tooltip; ``hint``: a second figure under it."""

    label: str
    value: str
    why: str
    hint: str = ""


def of(record: Record, actor: Actor) -> list[Tile]:
    """The tiles whose figures the person may see."""
    seen = clear(record.form, actor)
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
    return [Tile(seen[key].label, value, why, hint) for key, value, why, hint in found if key in seen]


def _since(record: Record, key: str) -> str:
    day = record.text(key)[:10]
    return _("自 %(day)s", day=day) if day else ""


def _days_ago(at: int | None) -> str:
    if not isinstance(at, int):
        return "—"
    tz = settings.tz()
    days = (clock.today(tz) - clock.local(at, tz).date()).days
    return _("今天") if days <= 0 else ngettext("%(num)d 天前", "%(num)d 天前", days)
