"""What happened to and with a customer: changes of the record and orders, one list, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from peewee import fn

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core.errors import UserError
from ..forms import catalog, history
from ..forms.query import Query, Record, clear

PAGE = 20
KINDS = ("all", "orders", "changes")
DATES = ("paid_at", "ordered_at", "created_at")
OTHERS = 100
"""How many unpaid orders are looked at."""


@dataclass(frozen=True)
class Item:
    """One moment. ``order`` or ``change`` is what happened."""

    at: int
    order: Record | None = None
    change: history.Entry | None = None


@dataclass(frozen=True)
class Mark:
    """Where the next page begins: below this order (by moment and id) and this change."""

    at: int = 1 << 60
    order: int = 1 << 60
    change: int | None = None

    @classmethod
    def read(cls, text: str | None) -> Mark:
        """Raises UserError."""
        if not text:
            return cls()
        try:
            at, order, change = text.split(".")
            return cls(int(at), int(order), int(change) if change else None)
        except ValueError as error:
            raise UserError(_("翻页位置无效，请从第一页重新开始。"), "cursor") from error

    def text(self) -> str:
        return f"{self.at}.{self.order}.{self.change or ''}"


def page(customer: Record, actor: Actor, kind: str = "all", cursor: str | None = None) -> tuple[list[Item], str | None]:
    """A page of the timeline and the cursor of the next. The caller has made sure that the customer may be seen."""
    mark = Mark.read(cursor)
    orders = _orders(customer, actor, mark) if kind != "changes" else []
    changes, more = ([], None) if kind == "orders" else history.of(customer.form, customer.id, actor, mark.change)
    items = [Item(moment(o), order=o) for o in orders] + [Item(c.at, change=c) for c in changes]
    items.sort(key=lambda item: (item.at, item.order is not None, (item.order or item.change).id), reverse=True)  # type: ignore[union-attr]
    shown = items[:PAGE]
    if len(items) <= PAGE and more is None:
        return shown, None
    for item in shown:
        if item.order is not None:
            mark = Mark(item.at, item.order.id, mark.change)
        elif item.change is not None:
            mark = Mark(mark.at, mark.order, item.change.id)
    return shown, mark.text()


def moment(order: Record) -> int:
    """When an order was paid, else placed, else entered."""
    return next(at for key in DATES if isinstance(at := order.get(key), int))


def _orders(customer: Record, actor: Actor, mark: Mark) -> list[Record]:
    """The customer's orders before the mark: those that were paid by when that was, the few others by when they came."""
    form = catalog.get("order")
    if not permissions.can(actor, "see", "order") or not {"customer", *DATES[:2]} <= clear(form, actor).keys():
        return []
    mine = Query(form, actor).only(form.col("customer") == customer.id)
    paid_at, record_id = form.col("paid_at"), form.col("id")
    came = fn.COALESCE(form.col("ordered_at"), form.col("created_at"))
    paid = mine.only(paid_at.is_null(False) & _before(paid_at, record_id, mark)).sort("-paid_at").page(PAGE + 1)
    waiting = mine.only(paid_at.is_null() & _before(came, record_id, mark)).sort("-ordered_at").page(OTHERS)
    found = [*paid.records, *waiting.records]
    found.sort(key=lambda order: (moment(order), order.id), reverse=True)
    return found[: PAGE + 1]


def _before(when: Any, record_id: Any, mark: Mark) -> Any:
    return (when < mark.at) | ((when == mark.at) & (record_id < mark.order))
