"""CONTRACT section 6 computed by plain Python from the orders themselves: what the figures must be equal to."""

from __future__ import annotations

import bisect
import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Shanghai")
SEGMENTS = {
    (True, True, True): "重要价值", (True, False, True): "重要发展", (False, True, True): "重要保持", (False, False, True): "重要挽留",
    (True, True, False): "一般价值", (True, False, False): "一般发展", (False, True, False): "一般保持", (False, False, False): "一般挽留",
}  # fmt: skip


@dataclass(frozen=True)
class Order:
    """Money in fen, time in UTC seconds."""

    customer: int
    paid_at: int | None
    amount: int | None = 0
    refunded: int | None = 0
    status: str | None = None

    @property
    def counts(self) -> bool:
        return self.paid_at is not None and self.status != "cancelled"

    @property
    def value(self) -> int:
        return (self.amount or 0) - (self.refunded or 0)


def _divide(a: int, b: int) -> int:
    """Rounded half up; SQL cuts towards zero."""
    top, bottom = 2 * a + b, 2 * b
    return top // bottom if top >= 0 else -(-top // bottom)


def by_customer(orders: list[Order]) -> dict[int, list[Order]]:
    found: dict[int, list[Order]] = defaultdict(list)
    for order in orders:
        if order.counts:
            found[order.customer].append(order)
    return found


def figures(orders: list[Order]) -> dict[str, Any]:
    """The metrics of one customer, who has these paid orders."""
    if not orders:
        return {
            "first_paid_at": None, "last_paid_at": None, "order_count": 0, "total_paid": 0, "average_order": None,
            "refund_rate": None,
        }  # fmt: skip
    moments = [o.paid_at for o in orders if o.paid_at is not None]
    total, amount = sum(o.value for o in orders), sum(o.amount or 0 for o in orders)
    refunded = sum(o.refunded or 0 for o in orders)
    return {
        "first_paid_at": min(moments),
        "last_paid_at": max(moments),
        "order_count": len(orders),
        "total_paid": total,
        "average_order": _divide(total, len(orders)),
        "refund_rate": _divide(refunded * 10_000, amount) if amount > 0 else None,
    }


def _scores(values: dict[int, Any]) -> dict[int, int]:
    """More is better: 1 + floor(5 × strictly worse / n)."""
    ranked = sorted(values.values())
    return {who: 1 + 5 * bisect.bisect_left(ranked, v) // len(ranked) for who, v in values.items()}


def rfm(orders: list[Order]) -> dict[int, tuple[int, int, int, str]]:
    """R, F and M scores and the segment of every customer with a paid order."""
    mine = by_customer(orders)
    days = {c: max(_day(o.paid_at) for o in found if o.paid_at is not None) for c, found in mine.items()}
    r = _scores(days)
    f = _scores({c: len(found) for c, found in mine.items()})
    m = _scores({c: sum(o.value for o in found) for c, found in mine.items()})
    mean = [sum(s.values()) / len(s) if s else 0 for s in (r, f, m)]
    return {c: (r[c], f[c], m[c], SEGMENTS[r[c] > mean[0], f[c] > mean[1], m[c] > mean[2]]) for c in mine}


def _day(at: int) -> dt.date:
    return dt.datetime.fromtimestamp(at, ZONE).date()
