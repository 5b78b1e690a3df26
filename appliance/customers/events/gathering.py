"""What came of a live session, for its page: the figures at the top, and who took part most."""

from __future__ import annotations

import peewee
from flask_babel import gettext as _
from msgspec import Struct
from peewee import fn

from ...accounts import permissions
from ...accounts.actor import Actor
from ...core.db import db
from ...forms import catalog, query
from ...forms.query import Record, clear
from .. import metrics
from ..tiles import Tile
from . import listing, sessions
from .models import Event

SHOWN = 10


def tiles(record: Record, actor: Actor) -> list[Tile]:
    """The figures that the person may see, each with what it counts."""
    seen = clear(record.form, actor)
    watched, viewers = record.get("watch_seconds") or 0, record.get("viewers") or 0
    mean = _("人均 %(time)s", time=listing.duration(watched // viewers)) if viewers and watched else ""
    buyers, orders = record.get("buyers") or 0, record.get("orders") or 0
    found = [
        ("viewers", record.text("viewers") or "0", _("在这场直播里有任何互动的客户，每人算一次"), ""),
        ("watch_seconds", listing.duration(watched), _("观看类互动的时长之和"), mean),
        ("interactions", record.text("interactions") or "0", _("评论、点赞、分享、送礼等计入互动的次数"), ""),
        ("orders", record.text("orders") or "0", _("这场直播里下单并付款、没有取消的订单"),
         _("%(count)s 人购买", count=f"{buyers:,}") if orders else ""),
        ("paid", record.text("paid") or "—", _("这些订单的实付金额减退款"), ""),
        ("roi", record.text("roi") or "—", _("（成交金额 − 投放花费）÷ 投放花费"),
         _("投放 %(spend)s", spend=record.text("spend")) if record.get("spend") else ""),
    ]  # fmt: skip
    return [Tile(_name(key, seen[key].label), value, why, hint) for key, value, why, hint in found if key in seen]


def _name(key: str, label: str) -> str:
    # The tile says the unit with the figure.
    return _("观看时长") if key == "watch_seconds" else label


class Person(Struct, frozen=True):
    """A customer and what they did in the session. ``paid``: in words, empty when the reader does not see orders."""

    id: int
    name: str
    watched: str
    interactions: int
    paid: str


def people(session_id: int, actor: Actor) -> list[Person]:
    """Those who watched and did most, of the customers that the person sees."""
    if not permissions.can(actor, "see", "customer"):
        return []
    watched, interactions = sessions.event_sums(Event)
    rows = (
        Event.select(Event.customer_id, watched, interactions)
        .where(Event.live_session_id == session_id)
        .group_by(Event.customer_id)
        .order_by(peewee.SQL("watch_seconds").desc(), peewee.SQL("interactions").desc(), Event.customer_id)
        .limit(SHOWN * 3)
    )
    found = list(rows.tuples().execute(db))
    names = query.titles(catalog.get("customer"), [row[0] for row in found], actor)
    paid = _paid(session_id, [row[0] for row in found], actor)
    return [
        Person(i, names[i], listing.duration(seconds) if seconds else "—", count, paid.get(i, ""))
        for i, seconds, count in found
        if i in names
    ][:SHOWN]


def _paid(session_id: int, ids: list[int], actor: Actor) -> dict[int, str]:
    """What each paid in the session, from the orders that the person sees."""
    order = catalog.get("order")
    if not permissions.can(actor, "see", "order") or not {"amount", "customer"} <= clear(order, actor).keys():
        return {}
    mine = query.Query(order, actor).only(
        (order.col("live_session") == session_id) & order.col("customer").in_(ids) & metrics.paid(order)
    )
    sums = order.table.select(order.col("customer"), fn.SUM(metrics.value(order))).where(
        order.col("id").in_(mine.ids_query())
    ).group_by(order.col("customer"))  # fmt: skip
    return {i: order.fields["amount"].format(total) for i, total in sums.tuples().execute(db)}
