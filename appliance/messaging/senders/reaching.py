"""Where people and customers are reached, for many at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...accounts import contacts
from ...core.db import read
from ...customers.models import Identity
from .base import Target

MOBILE = re.compile(r"1[3-9]\d{9}|\+\d{6,15}")
EMAIL = re.compile(r"[^@\s<>,;\"]{1,64}@[^@\s<>,;\"]{1,190}")


def users(targets: Iterable[Target], kind: str) -> dict[Target, str]:
    """By the contact of a kind that each person has."""
    wanted = {t.id: t for t in targets if t.kind == "user" and t.id}
    return {wanted[user_id]: value for user_id, value in contacts.of_users(wanted, kind).items()} if wanted else {}


def customers(targets: Iterable[Target], kind: str, shape: re.Pattern[str]) -> dict[Target, str]:
    """By their identity of a kind: what stands in their own field first, then what was seen last."""
    wanted = {t.id: t for t in targets if t.kind == "customer" and t.id}
    if not wanted:
        return {}
    query = (
        Identity.select(Identity.customer_id, Identity.value)
        .where(Identity.customer_id.in_(list(wanted)), Identity.kind == kind, Identity.active == True)  # noqa: E712
        .order_by((Identity.evidence == "field"), Identity.last_seen_at)
    )
    with read():
        # The best comes last.
        found = {customer_id: value for customer_id, value in query.tuples() if shape.fullmatch(value)}
    return {wanted[customer_id]: value for customer_id, value in found.items()}


def addresses(targets: Iterable[Target], shape: re.Pattern[str]) -> dict[Target, str]:
    """Those that are given as they are."""
    return {t: t.text.strip() for t in targets if t.kind == "address" and shape.fullmatch(t.text.strip())}
