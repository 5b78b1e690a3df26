"""Points and levels on the customer's timeline."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts import people
from ..accounts.actor import Actor
from ..customers import timeline
from ..customers.timeline import Item, Mark
from ..forms import causes, query
from ..forms.query import Record
from . import earned, levels
from .models import LevelMove, PointsEntry
from .points import FIELD


@timeline.source("points", _l("积分"), "coin", 45, colour="amber")
def of_points(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    if FIELD not in query.clear(customer.form, actor):
        return []
    mine = PointsEntry.select().where(
        PointsEntry.customer_id == customer.id, before.below(PointsEntry.at, PointsEntry.id)
    )
    rows = list(mine.order_by(PointsEntry.at.desc(), PointsEntry.id.desc()).limit(limit))
    return [
        Item(
            row.at, row.id, _("积分 %(points)s", points=f"{row.points:+,}"), text=earned.words(row),
            by=people.name(row.actor_id) if row.actor_id else "", because=_why(row.cause_kind, row.cause_id),
        )
        for row in rows
    ]  # fmt: skip


@timeline.source("levels", _l("等级"), "crown", 46, colour="amber")
def of_levels(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    if levels.FIELD not in query.clear(customer.form, actor):
        return []
    mine = LevelMove.select().where(LevelMove.customer_id == customer.id, before.below(LevelMove.at, LevelMove.id))
    rows = list(mine.order_by(LevelMove.at.desc(), LevelMove.id.desc()).limit(limit))
    return [
        Item(
            row.at, row.id, _("等级：%(old)s → %(new)s", old=levels.words(row.old) or _("无"), new=levels.words(row.new) or _("无")),
            by=people.name(row.actor_id) if row.actor_id else "", because=_why(row.cause_kind, row.cause_id),
        )
        for row in rows
    ]  # fmt: skip


def _why(kind: str, cause_id: int | None) -> tuple[str, str | None] | None:
    return (causes.words(kind, cause_id, None), None) if cause_id is not None else None
