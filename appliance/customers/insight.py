"""What a customer likes, and where in their life with the company they stand: from the orders that the reader may see.

Two statements for a customer, however many orders: the latest thousand orders, and what was bought with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from statistics import median
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import ngettext
from msgspec import Struct
from peewee import fn

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock, dialect, settings
from ..core.db import db
from ..forms import catalog
from ..forms.query import Query, Record, clear
from . import metrics
from .timeline import WEEKDAYS

ORDERS = 1_000
TOP = 3
ITEMS = 5_000
NEW, FIRST, AGAIN, LOYAL = "new", "first", "again", "loyal"
LOYAL_FROM = 5
"""Paid orders of a loyal customer."""
SILENT_AFTER, LOST_AFTER = 2.0, 4.0
"""A customer is silent after so many of their usual cycles without an order, lost after so many."""
NO_CYCLE = 45
"""The usual cycle, in days, of somebody who bought once."""
ENGLISH_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Share(Struct, frozen=True):
    """A thing and its part of everything, in percent. ``text``: how much."""

    name: str
    percent: int
    text: str


class Preference(Struct, frozen=True):
    """``orders``: how many paid orders it is made of; ``all_seen``: whether these are all that the customer has."""

    orders: int
    all_seen: bool
    categories: list[Share]
    products: list[Share]
    channels: list[Share]
    band: str
    hour: str
    weekday: str


class Stage(Struct, frozen=True):
    """``steps``: key and label of each, in order; ``at``: which; ``note`` and its ``tone``: whether it still goes well."""

    steps: list[tuple[str, str]]
    at: str
    note: str
    tone: str


class Bought(Struct, frozen=True):
    """A paid order: fen, UTC seconds."""

    id: int
    paid_at: int
    value: int
    channel: str | None


def seen_orders(actor: Actor) -> bool:
    """Whether the reader sees of orders what all this is made of."""
    needed = {"customer", "paid_at", "amount", "refunded", "status"}
    return permissions.can(actor, "see", "order") and needed <= clear(catalog.get("order"), actor).keys()


def bought(customer_id: int, actor: Actor) -> list[Bought]:
    """The customer's latest paid orders that the reader may see, newest first."""
    order = catalog.get("order")
    mine = Query(order, actor).only(order.col("customer") == customer_id).only(metrics.paid(order))
    rows = order.table.select(order.col("id"), order.col("paid_at"), metrics.value(order), order.col("channel")).where(
        order.col("id").in_(mine.ids_query())
    )
    found = rows.order_by(order.col("paid_at").desc(), order.col("id").desc()).limit(ORDERS)
    sees_channel = "channel" in clear(order, actor)
    return [
        Bought(number, at, value, channel if sees_channel else None)
        for number, at, value, channel in found.tuples().execute(db)
    ]


def preference(customer: Record, orders: list[Bought], actor: Actor) -> Preference | None:
    """``None`` for somebody who has bought nothing (that the reader sees)."""
    if not orders:
        return None
    known = customer.values.get("order_count")
    tz = settings.tz()
    moments = [clock.local(one.paid_at, tz) for one in orders]
    items = _items([one.id for one in orders], actor)
    channel = catalog.get("order").fields["channel"]
    channels: dict[str, int] = defaultdict(int)
    for one in orders:
        if one.channel:
            channels[channel.format(one.channel)] += 1
    return Preference(
        len(orders),
        not isinstance(known, int) or len(orders) >= min(known, ORDERS),
        _shares(_sums((category, amount) for category, _name, amount, _each in items if category), _yuan),
        _shares(_sums((name, amount) for _category, name, amount, _each in items if name), _yuan),
        _shares(channels, lambda n: ngettext("%(num)d 单", "%(num)d 单", n)),
        _band([each for *_rest, each in items if each > 0] or [one.value for one in orders if one.value > 0]),
        _hours([moment.hour for moment in moments]),
        _weekday([moment.weekday() for moment in moments]),
    )


def _items(order_ids: list[int], actor: Actor) -> list[tuple[str | None, str | None, int, int]]:
    """What was bought, one a category and name: (category, name, amount in fen, price of one in fen)."""
    form = catalog.get("order_item")
    seen = clear(form, actor) if permissions.can(actor, "see", "order_item") else {}
    if not {"order", "name", "category", "amount", "quantity"} <= seen.keys():
        return []
    product = catalog.get("product")
    category: Any = form.col("category")
    source: Any = form.table
    if permissions.can(actor, "see", "product") and "category" in clear(product, actor):
        source = form.table.join(
            product.table, peewee.JOIN.LEFT_OUTER, on=(product.col("id") == form.col("product"))
        )  # fmt: skip
        category = fn.COALESCE(category, product.col("category"))
    name = form.col("name")
    # One piece, as quantities are stored.
    piece = 10 ** int(getattr(form.fields["quantity"], "digits", 0))
    amount = fn.SUM(fn.COALESCE(form.col("amount"), 0))
    mine = Query(form, actor).only(dialect.among(form.col("order"), order_ids)).ids_query()
    rows = (
        peewee.Select([source], [category, name, amount, fn.SUM(fn.COALESCE(form.col("quantity"), piece))])
        .where(form.col("id").in_(mine))
        .group_by(category, name)
        .limit(ITEMS)
    )
    return [
        (kind, title, fen, round(fen * piece / pieces) if pieces else 0)
        for kind, title, fen, pieces in rows.tuples().execute(db)
    ]


def _sums(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name, amount in pairs:
        found[name] += amount
    return found


def _shares(found: dict[str, int], words: Any) -> list[Share]:
    total = sum(found.values())
    if total <= 0:
        return []
    best = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:TOP]
    return [Share(name, round(100 * n / total), words(n)) for name, n in best]


def _yuan(fen: int) -> str:
    return f"¥{fen / 100:,.0f}"


def _band(prices: list[int]) -> str:
    """The middle of what is paid for one thing: from the fifth that is cheaper to the fifth that is dearer."""
    if not prices:
        return ""
    ordered = sorted(prices)
    low, high = ordered[len(ordered) // 5], ordered[-1 - len(ordered) // 5]
    return _yuan(low) if _yuan(low) == _yuan(high) else f"{_yuan(low)}–{_yuan(high)[1:]}"


def _hours(hours: list[int]) -> str:
    """The three hours in which most was bought, when that is a habit."""
    if len(hours) < 3:
        return ""
    counts = [sum((hour - start) % 24 < 3 for hour in hours) for start in range(24)]
    best = max(range(24), key=lambda start: (counts[start], hours.count((start + 1) % 24)))
    return _("%(from)s:00–%(to)s:00", **{"from": best, "to": (best + 3) % 24}) if counts[best] * 2 >= len(hours) else ""


def _weekday(days: list[int]) -> str:
    if len(days) < 4:
        return ""
    best = max(range(7), key=days.count)
    if days.count(best) * 3 < len(days):
        return ""
    return _weekday_word(best)


def _weekday_word(day: int) -> str:
    from flask_babel import get_locale

    locale = get_locale()
    return ENGLISH_DAYS[day] if locale is not None and locale.language == "en" else f"周{WEEKDAYS[day]}"


# -- the cycle and the stage ---------------------------------------------------------------------------------------------


def cycle(moments: list[int]) -> int | None:
    """Usual days from one day with an order to the next (the median); ``None`` before there are two. ``moments``: UTC seconds."""
    tz = settings.tz()
    days = sorted({clock.local(at, tz).date() for at in moments})
    gaps = [(later - earlier).days for earlier, later in pairwise(days)]
    return max(1, round(median(gaps))) if gaps else None


def days_since(at: int) -> int:
    """Calendar days in the company's zone."""
    tz = settings.tz()
    return int((clock.today(tz) - clock.local(at, tz).date()).days)


def stage(orders: list[Bought]) -> Stage:
    """Where the customer stands by what they bought."""
    steps = [(NEW, _("未购")), (FIRST, _("首购")), (AGAIN, _("复购")), (LOYAL, _("忠诚"))]
    if not orders:
        return Stage(steps, NEW, _("还没有付过款"), "")
    count = len(orders)
    at = FIRST if count == 1 else AGAIN if count < LOYAL_FROM else LOYAL
    usual = cycle([one.paid_at for one in orders])
    days = days_since(orders[0].paid_at)
    every = usual or NO_CYCLE
    if days > every * LOST_AFTER:
        return Stage(steps, at, _("可能已流失：%(days)d 天没有购买", days=days), "red")
    if days > every * SILENT_AFTER:
        return Stage(steps, at, _("正在沉默：%(days)d 天没有购买", days=days), "amber")
    if usual is None:
        return Stage(steps, at, "", "")
    return Stage(steps, at, ngettext("通常 %(num)d 天买一次", "通常 %(num)d 天买一次", usual), "green")
