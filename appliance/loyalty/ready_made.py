"""What a new installation finds of loyalty, switched off: points for paid orders, and levels by what was spent."""

from __future__ import annotations

from typing import Any

from ..automation import rules, tables
from ..automation.ready_made import NIGHTLY, plant
from ..core import schema

EARN: dict[str, Any] = {
    "action": "add_points", "points": {"per": "amount", "rate": 1}, "reason": "付款得积分",
}  # fmt: skip

AT_ONCE: dict[str, Any] = {
    "key": "points_of_new_orders", "label": {"zh": "付款得积分（新订单）", "en": "Points for new paid orders"}, "form": "order",
    "on": {"created": True}, "where": {"field": "paid_at", "op": "not_empty"}, "do": [EARN],
}  # fmt: skip

LATER: dict[str, Any] = {
    "key": "points_of_payments", "label": {"zh": "付款得积分（后来付款）", "en": "Points when an order is paid"}, "form": "order",
    "on": {"updated": ["paid_at"]}, "where": {"field": "paid_at", "op": "not_empty"}, "do": [EARN],
}  # fmt: skip


def _from(yuan: int) -> dict[str, Any]:
    return {"field": "total_paid", "op": "gte", "value": str(yuan)}


LEVELS: dict[str, Any] = {
    "key": "customer_level", "label": {"zh": "按累计消费定等级", "en": "Levels by what was spent"}, "form": "customer",
    "schedule": NIGHTLY, "target": {"field": "level"},
    "rows": [
        {"where": _from(10_000), "then": "vip"}, {"where": _from(5_000), "then": "gold"},
        {"where": _from(1_000), "then": "silver"},
    ],
    "default": "normal",
}  # fmt: skip


@schema.seed
def install() -> None:
    """What the company changed or deleted stays so."""
    plant(tables.book, LEVELS)
    for doc in (AT_ONCE, LATER):
        plant(rules.book, doc)
