"""Who is in a segment: one statement finds those who are out of place, and only they are written."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import peewee
from flask_babel import gettext as _
from peewee import fn

from ...core import clock, settings
from ...core.db import PARAM, Statement, db
from ...forms import catalog, conditions
from ...forms.catalog import Form
from ...forms.conditions import Context, Look
from . import dynamic_tags, hooks, store, subjects, touching
from .models import SegmentChosen, SegmentDay, SegmentMember, SegmentMove, SegmentRow
from .segment_test import looked_at
from .store import STATIC, Segment
from .subjects import Part, Subject

_JOIN = Statement(
    SegmentMember.insert(
        {SegmentMember.segment_id: PARAM, SegmentMember.customer_id: PARAM, SegmentMember.since: PARAM}
    )
)
_LEAVE = Statement(
    SegmentMember.delete().where((SegmentMember.segment_id == PARAM) & (SegmentMember.customer_id == PARAM))
)
_MOVE = Statement(
    SegmentMove.insert(
        {
            SegmentMove.segment_id: PARAM, SegmentMove.customer_id: PARAM, SegmentMove.joined: PARAM,
            SegmentMove.at: PARAM, SegmentMove.depth: PARAM,
        }
    )
)  # fmt: skip


class Membership(Subject):
    """A segment as the engine sees it."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.number = segment.id
        self.label = segment.label or _("动态标签")

    def looks(self) -> list[Look]:
        if self.segment.kind == STATIC:
            return [Look(chosen_in(self.segment.id))]
        return conditions.looks(self.segment.condition, catalog.get("customer"))

    def is_look(self, look: Look) -> bool:
        return look.what == looked_at(self.segment.id)

    def meets(self, form: Form, source: Any, ctx: Context) -> Any:
        """An expression: the customer belongs in it."""
        there = form.col("deleted_at", source).is_null()
        if self.segment.kind == STATIC:
            chosen = SegmentChosen.select(SegmentChosen.customer_id).where(SegmentChosen.segment_id == self.segment.id)
            mine = ctx.tied(SegmentChosen.customer_id)
            return there & form.col("id", source).in_(chosen if mine is None else chosen.where(mine))
        met = conditions.compile(self.segment.condition, form, ctx, source)
        return there if met is None else there & met

    def next_look(self, form: Form, source: Any, ctx: Context) -> Any:
        if self.segment.kind == STATIC:
            return None
        return conditions.next_look(self.segment.condition, form, source, ctx)

    def misplaced(self, part: Part, ctx: Context) -> list[tuple[int, bool]]:
        """``(customer, whether they come in)`` of those of the part who are not where they belong."""
        form = catalog.get("customer")
        c, m = form.table.alias("c"), SegmentMember.alias("m")
        customer = form.col("id", c)
        joined = peewee.Join(
            c, m, peewee.JOIN.LEFT_OUTER, on=(m.segment_id == self.number) & (m.customer_id == customer)
        )
        inside = m.customer_id.is_null(False)
        query = peewee.Select([joined], [customer, ~inside]).where(
            part.tie(customer), fn.COALESCE(self.meets(form, c, ctx), 0) != inside
        )
        return [(row[0], bool(row[1])) for row in query.tuples().execute(db)]

    def settle(self, part: Part, ctx: Context, depths: dict[int, int]) -> int:
        found = self.misplaced(part, ctx)
        if found:
            self._move(found, ctx.now, depths)
        return len(found)

    def _move(self, found: list[tuple[int, bool]], now: int, depths: dict[int, int]) -> None:
        number = self.number
        came = [customer for customer, joins in found if joins]
        went = [customer for customer, joins in found if not joins]
        # peewee writes the columns of a row in the order of the model.
        _JOIN.executemany((number, customer, now) for customer in came)
        _LEAVE.executemany((number, customer) for customer in went)
        row = SegmentRow.select(SegmentRow.built_at, SegmentRow.size).where(SegmentRow.id == number).get()
        size = row.size + len(came) - len(went)
        # Whom a new segment finds at first has not come in now.
        told = row.built_at is not None
        SegmentRow.update(size=size, **({"moved_at": now} if told else {})).where(SegmentRow.id == number).execute()
        count(number, now, size, len(came) if told else 0, len(went) if told else 0)
        if told:
            _MOVE.executemany((number, c, joins, now, depths.get(c, 0)) for c, joins in found)
        by_depth: dict[int, list[int]] = defaultdict(list)
        for customer, _joins in found:
            by_depth[depths.get(customer, 0)].append(customer)
        for depth, customers in by_depth.items():
            touching.touched(looked_at(number), None, customers, depth)
        dynamic_tags.moved(self.segment, set(came), set(went), depths)
        if told:
            hooks.run({number})


def count(segment_id: int, now: int, size: int, joined: int = 0, left: int = 0) -> None:
    """Notes how many there are today, and how many came and went."""
    day = clock.local(now, settings.tz()).date().isoformat()
    SegmentDay.insert(segment_id=segment_id, day=day, size=size, joined=joined, left=left).on_conflict(
        conflict_target=[SegmentDay.segment_id, SegmentDay.day],
        update={
            SegmentDay.size: size, SegmentDay.joined: SegmentDay.joined + joined, SegmentDay.left: SegmentDay.left + left,
        },
    ).execute()  # fmt: skip


def chosen_in(segment_id: int) -> str:
    """What a static list looks at."""
    return f"@chosen:{segment_id}"


@subjects.provider
def memberships() -> list[Subject]:
    return [Membership(segment) for segment in store.all(private=True) if segment.enabled]
