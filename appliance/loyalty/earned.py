"""Points that stand or fall with what they were for: the order, the rule's run, the customer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import Actor
from ..core import clock, dialect, settings
from ..core.db import db
from ..customers import erasing, metrics, personal_data
from ..forms import catalog, causes, merging, purging, reversing
from ..forms.catalog import Form
from ..forms.hooks import ANY, Batch, Cause, after_write
from ..forms.query import Record
from . import points
from .models import PointsEntry

ORDER = "order"

erasing.texts(PointsEntry, "reason")


# -- what a record is worth -------------------------------------------------------------------------------------------


def worth(ids: Collection[int]) -> dict[int, tuple[int | None, int]]:
    """Of orders that are paid, not cancelled and there: their customer, and their value in fen."""
    form = catalog.get(ORDER)
    rows = form.table.select(form.col("id"), form.col("customer"), metrics.value(form)).where(
        dialect.among(form.col("id"), ids), metrics.paid(form)
    )
    return {i: (customer, max(0, value)) for i, customer, value in rows.tuples().execute(db)}


def _share(entry: PointsEntry, value: int) -> int:
    """What is left of an order's points when it is worth ``value`` by now; never more than there were."""
    if not entry.basis or value >= entry.basis:
        return entry.points
    whole = abs(entry.points) * value // entry.basis
    return whole if entry.points > 0 else -whole


@after_write(ANY)
def record_written(batch: Batch) -> None:
    """After records were written: the points that were for them."""
    form = batch.form
    if batch.action == "create" or form.key == "customer":
        return
    if batch.action == "update" and not (form.key == ORDER and batch.fields & metrics.LOOKED_AT):
        return
    entries = list(
        PointsEntry.select().where(
            PointsEntry.form == form.key, dialect.among(PointsEntry.record_id, batch.ids),
            PointsEntry.of.is_null(), PointsEntry.undone == False,  # noqa: E712
        )
    )  # fmt: skip
    if not entries:
        return
    if form.key == ORDER:
        _follow(form, entries, batch)
        values = worth(batch.ids)
        wanted = [(e, _share(e, values[e.record_id][1]) if e.record_id in values else 0) for e in entries]
    else:
        wanted = [(e, 0 if batch.action == "delete" else e.points) for e in entries]
    points.settle(wanted, batch.cause, batch.actor)


def _follow(form: Form, entries: list[PointsEntry], batch: Batch) -> None:
    """The points of an order that was given to another customer go along."""
    if "customer" not in batch.fields:
        return
    rows = form.table.select(form.col("id"), form.col("customer")).where(dialect.among(form.col("id"), batch.ids))
    now = dict(rows.tuples().execute(db))
    for entry in entries:
        customer = now.get(entry.record_id)
        if customer is not None and customer != entry.customer_id:
            _move([entry.id], entry.customer_id, customer, batch.actor, batch.cause)
            entry.customer_id = customer


def _move(ids: list[int], source: int, target: int, actor: Actor, cause: Cause) -> None:
    """Makes entries, with the lines that belong to them, another customer's."""
    mine = dialect.among(PointsEntry.id, ids) | dialect.among(PointsEntry.of, ids)
    PointsEntry.update(customer_id=target).where(mine).execute()
    points.recount([source, target], actor, cause)


# -- undoing ----------------------------------------------------------------------------------------------------------


@reversing.ledger
class Points(reversing.Ledger):
    """Points that a run or a bulk operation gave or took."""

    def _mine(self, kind: str, cause_id: int) -> Any:
        return (
            (PointsEntry.cause_kind == kind) & (PointsEntry.cause_id == cause_id)
            & PointsEntry.of.is_null() & (PointsEntry.undone == False)  # noqa: E712
        )  # fmt: skip

    def holds(self, kind: str, cause_id: int) -> bool:
        return bool(PointsEntry.select().where(self._mine(kind, cause_id)).exists())

    def take_back(self, kind: str, cause_id: int, limit: int, actor: Actor, cause: Cause) -> tuple[int, int]:
        entries = list(PointsEntry.select().where(self._mine(kind, cause_id)).order_by(PointsEntry.id).limit(limit))
        return points.settle([(entry, 0) for entry in entries], cause, actor, undone=True), 0


# -- the customer -----------------------------------------------------------------------------------------------------


@merging.moves("customer")
class Merged(merging.Mover):
    """The lines of both records are one ledger from then on."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        ids = [i for (i,) in PointsEntry.select(PointsEntry.id).where(PointsEntry.customer_id == source).tuples()]
        if ids:
            _move(ids, source, target, actor, cause)
        return ids

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        still = PointsEntry.select(PointsEntry.id).where(
            dialect.among(PointsEntry.id, moved), PointsEntry.customer_id == target
        )
        _move([i for (i,) in still.tuples()], target, source, actor, cause)


@purging.also("customer")
def purged(form: Form, ids: list[int]) -> None:
    PointsEntry.delete().where(dialect.among(PointsEntry.customer_id, ids)).execute()


@personal_data.part("points", _l("积分"))
def of_customer(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    return [document(entry) for entry in points.history(customer.id, 100_000)]


def document(entry: PointsEntry) -> dict[str, Any]:
    """A line as the API prints it."""
    tz = settings.tz()
    return {
        "id": entry.id,
        "at": clock.iso(entry.at, tz),
        "points": entry.points,
        "kind": entry.kind,
        "reason": entry.reason,
        "by": causes.words(entry.cause_kind, entry.cause_id, entry.actor_id),
        "expires_at": None if entry.expires_at is None else clock.iso(entry.expires_at, tz),
        "form": entry.form,
        "record": entry.record_id,
        "reverses": entry.of,
    }


def words(entry: PointsEntry) -> str:
    """What a line says of itself: its reason, or what kind it is."""
    kind = str(points.KINDS.get(entry.kind, entry.kind))
    if entry.kind in ("earned", "adjusted", "spent"):
        return entry.reason or kind
    return _("%(kind)s：%(reason)s", kind=kind, reason=entry.reason) if entry.reason else kind
