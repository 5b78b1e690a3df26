"""What the sample company gives its customers: a few coupons, some of them in people's hands."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

COUPONS: list[dict[str, Any]] = [
    {"key": "welcome_20", "name": "新客满99减20", "kind": "amount", "value": 20, "minimum": 99, "valid_days": 30},
    {"key": "birthday_50", "name": "生日礼券 50 元", "kind": "amount", "value": 50, "minimum": 200, "valid_days": 15},
    {"key": "vip_85", "name": "会员八五折", "kind": "percent", "value": 15, "valid_days": 90, "stock": 500},
]

Write = Callable[[str, Sequence[dict[str, Any]]], list[int]]


def fill(chance: random.Random, customers: Sequence[int], write: Write) -> None:
    """``write``: writes records of a form and returns their ids."""
    coupons = write("coupon", COUPONS)
    held = [
        {"customer": customer, "coupon": coupon}
        for coupon, share in zip(coupons, (0.12, 0.05, 0.04), strict=True)
        for customer in chance.sample(list(customers), int(len(customers) * share))
    ]
    write("customer_coupon", held)
