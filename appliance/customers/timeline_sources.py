"""What the timeline shows of this room and of the forms: orders, changes, merges, comments, consents, records that point at
the customer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import pgettext
from msgspec import Struct
from peewee import fn

from ..accounts import people, permissions
from ..accounts.actor import Actor
from ..core import dialect
from ..core.db import db
from ..forms import catalog, comments, history, merging, query
from ..forms.catalog import Form
from ..forms.fields.base import Field
from ..forms.models import Change, Merge
from ..forms.query import Query, Record, clear
from . import consents, timeline
from .models import Consent
from .timeline import Item, Mark, Source

DATES = ("paid_at", "ordered_at", "created_at")
"""When an order was paid, else placed, else entered."""
NAMED = 3
"""So many goods of an order are named."""
ITEMS = 500
LOOKS = 20
"""So often the next hundred changes are read to find those of which the reader sees something."""
DETAILS = 4


# -- orders -----------------------------------------------------------------------------------------------------------


class Bought(Struct, frozen=True):
    """An order and its goods in words."""

    order: Record
    goods: str


@timeline.source("orders", _l("订单"), "receipt", 10, colour="green", forms=("order",), shows=lambda a: _orders_seen(a))
def orders(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    form = catalog.get("order")
    when = fn.COALESCE(*[form.col(key) for key in DATES])
    mine = Query(form, actor).only(form.col("customer") == customer.id).only(before.below(when, form.col("id")))
    rows = mine.ids_query().select_extend(when).order_by(when.desc(), form.col("id").desc()).limit(limit)
    moments = dict(rows.tuples().execute(db))
    found = Query(form, actor).get_many(list(moments))
    goods = _goods([order.id for order in found], actor)
    return [
        Item(
            moments[order.id], order.id, _("%(kind)s %(number)s", kind=pgettext("one", "订单"), number=order.title),
            url=url_for("forms.show_record", form_key="order", record_id=order.id),
            template="customers/timeline/_order.html", data=Bought(order, goods.get(order.id, "")),
            colour="red" if order.get("refunded") else "",
        )
        for order in found
    ]  # fmt: skip


def _orders_seen(actor: Actor) -> bool:
    return (
        permissions.can(actor, "see", "order") and {"customer", *DATES[:2]} <= clear(catalog.get("order"), actor).keys()
    )


def _goods(order_ids: list[int], actor: Actor) -> dict[int, str]:
    """What was bought with each order: ``口红 ×2、面膜 等 5 件``."""
    if not order_ids or not permissions.can(actor, "see", "order_item"):
        return {}
    form = catalog.get("order_item")
    if not {"order", "name", "quantity"} <= clear(form, actor).keys():
        return {}
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    mine = Query(form, actor).only(dialect.among(form.col("order"), order_ids)).sort("id")
    for row in mine.page(ITEMS, fields=["order", "name", "quantity"]).records:
        if row.get("order") is not None and row.get("name"):
            quantity = row.text("quantity")
            found[row.get("order")].append(
                (row.text("name"), quantity.rstrip("0").rstrip(".") if "." in quantity else quantity)
            )
    return {order_id: _said(lines) for order_id, lines in found.items()}


def _said(lines: list[tuple[str, str]]) -> str:
    named = _("、").join(name if quantity in ("", "1") else f"{name} ×{quantity}" for name, quantity in lines[:NAMED])
    return named if len(lines) <= NAMED else _("%(names)s 等 %(count)d 种", names=named, count=len(lines))


# -- changes ----------------------------------------------------------------------------------------------------------


@timeline.source("changes", _l("变更"), "pencil", 60)
def changes(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    """Field changes in words and tags given or taken, each with who or what did it."""
    mine = (Change.form_id == customer.form.id) & (Change.record_id == customer.id)
    found: list[Item] = []
    for _look in range(LOOKS):
        wanted = Change.select().where(mine, before.below(Change.at, Change.id))
        rows = list(wanted.order_by(Change.at.desc(), Change.id.desc()).limit(100))
        shown = history.entries(customer.form, rows, actor)
        # A change of nothing but fields that the reader does not see is none for them; merges have their own place.
        found += [_change(entry) for entry in shown if entry.lines or entry.action in ("create", "delete", "restore")]
        if len(found) >= limit or len(rows) < 100:
            break
        before = Mark(rows[-1].at, rows[-1].id)
    return found[:limit]


def _change(entry: history.Entry) -> Item:
    keys = {line.key for line in entry.lines}
    title, icon = (_("标签变了"), "tag") if keys == {"tags"} and entry.action == "update" else (entry.words, "")
    return Item(
        entry.at, entry.id, title, by=entry.who or _("已离开的人"), because=entry.cause,
        template="customers/timeline/_change.html" if entry.lines else "", data=entry.lines, icon=icon,
        colour={"create": "teal", "delete": "red"}.get(entry.action, ""),
    )  # fmt: skip


@timeline.source("merges", _l("合并"), "arrows-join", 80, colour="purple")
def merges(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    """Customers that became part of this one. What was taken back stands there as such."""
    mine = (Merge.form_id == customer.form.id) & (Merge.target_id == customer.id)
    rows = Merge.select().where(mine, before.below(Merge.at, Merge.id))
    return [
        Item(
            row.at, row.id, _("另一条客户记录（编号 %(id)d）并入", id=row.source_id), url=merging.url_of(row.id),
            by=people.name(row.actor_id) if row.actor_id else _("固客"), text=_("后来撤销了") if row.undone_at else "",
        )
        for row in rows.order_by(Merge.at.desc(), Merge.id.desc()).limit(limit)
    ]  # fmt: skip


# -- what people said -------------------------------------------------------------------------------------------------


@timeline.source("comments", _l("评论"), "message-circle", 50, colour="blue")
def remarks(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    return [
        Item(said.at, said.id, _("评论"), by=said.author or _("已离开的人"), template="customers/timeline/_comment.html", data=said)
        for said in comments.below(customer, actor, before.below, limit)
    ]  # fmt: skip


@timeline.source("consents", _l("同意"), "shield-check", 70, colour="teal")
def agreed(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    rows = Consent.select().where(
        Consent.customer_id == customer.id,
        Consent.void == False,  # noqa: E712
        before.below(Consent.at, Consent.id),
    )
    return [
        Item(
            row.at, row.id,
            _("%(what)s：%(purpose)s（%(channel)s）", what=consents.STATES[row.state], purpose=consents.purpose_label(row.purpose),
              channel=consents.channel_label(row.channel)),
            by=people.name(row.actor_id) if row.actor_id is not None else "", because=(consents.source_words(row.source), None),
            text=row.evidence, colour="" if row.state == consents.GRANTED else "red",
        )
        for row in rows.order_by(Consent.at.desc(), Consent.id.desc()).limit(limit)
    ]  # fmt: skip


# -- records that point at the customer ----------------------------------------------------------------------------------


@timeline.more_sources
def pointing(actor: Actor) -> Iterable[Source]:
    """Each form whose records name a customer (visits, tickets, what the company made itself), unless a source has it."""
    customer, taken = catalog.get("customer"), timeline.taken_forms()
    found: dict[str, tuple[Form, list[Field]]] = {}
    for other, f in catalog.inverse(customer):
        if other.key in taken or other.key == "customer" or not permissions.can(actor, "see", other.key):
            continue
        if f.key in clear(other, actor):
            found.setdefault(other.key, (other, []))[1].append(f)
    return [
        Source(f"form_{key}", other.label, other.icon, 30, _records_of(other, vias)) for key, (other, vias) in found.items()
    ]  # fmt: skip


def _records_of(form: Form, vias: list[Field]) -> timeline.Reader:
    def read(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
        names = fn.COALESCE(False, False)
        for via in vias:
            names = names | (form.col(via.key) == customer.id)
        at, record_id = form.col("created_at"), form.col("id")
        mine = Query(form, actor).only(names).only(before.below(at, record_id))
        ids = [
            row[0] for row in mine.ids_query().order_by(at.desc(), record_id.desc()).limit(limit).tuples().execute(db)
        ]
        return [_record(one, vias, actor) for one in Query(form, actor).get_many(ids)]

    return read


def _record(one: Record, vias: list[Field], actor: Actor) -> Item:
    hidden = {one.form.title_field, *(via.key for via in vias)}
    seen = query.clear(one.form, actor)
    keys = [k for k in one.form.options.get("columns") or seen if k in seen and k not in hidden]
    said = [f"{seen[k].label} {one.text(k)}" for k in keys if one.get(k) not in (None, "", [], {}) and one.text(k)]
    return Item(
        one.created_at, one.id, _("%(kind)s %(number)s", kind=one.form.one, number=one.title),
        url=url_for("forms.show_record", form_key=one.form.key, record_id=one.id),
        by=people.name(one.created_by) if one.created_by else "", text=" · ".join(said[:DETAILS]),
    )  # fmt: skip
