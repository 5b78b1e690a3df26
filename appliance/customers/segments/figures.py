"""What pages and the API tell about segments: how many, how it went, who came and left, why somebody is in."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts import people, permissions
from ...accounts.actor import SYSTEM, Actor
from ...core import clock, settings
from ...core.db import read
from ...core.errors import UserError
from ...forms import catalog, conditions, query
from ...forms.catalog import Form
from ...forms.conditions import Condition, Context, Explained
from ...forms.query import Query, Record
from .models import SegmentChosen, SegmentDay, SegmentMember, SegmentMove
from .store import STATIC, Segment

CAP = 100_000
"""People who see some customers only have theirs counted up to here."""
DAYS = 90
PAGE = 30


def sees_all(actor: Actor) -> bool:
    """Whether the person sees every customer: then the kept numbers are theirs."""
    return actor is SYSTEM or actor.is_admin or (
        permissions.can(actor, "see", "customer") and not permissions.scope(actor, "customer")
    )  # fmt: skip


def size(segment: Segment, actor: Actor) -> int:
    """How many customers of it the person sees."""
    if sees_all(actor):
        return segment.size
    return int(members(segment, actor).count(CAP))


def members(segment: Segment, actor: Actor) -> Query:
    """Who is in it, as the person may see them."""
    return Query(catalog.get("customer"), actor).where({"segment": segment.key})


class Day(Struct, frozen=True):
    """One day of a segment's history. ``day``: ISO date of the company."""

    day: str
    size: int
    joined: int
    left: int


def trend(segment: Segment, days: int = DAYS) -> list[Day]:
    """Day by day to today; days on which nothing moved are as the day before."""
    return trends([segment], days).get(segment.id, [])


def trends(segments: list[Segment], days: int = DAYS) -> dict[int, list[Day]]:
    today = clock.today(settings.tz())
    first = today - dt.timedelta(days=days - 1)
    known: dict[int, list[SegmentDay]] = {s.id: [] for s in segments}
    with read():
        rows = SegmentDay.select().where(SegmentDay.segment_id.in_(list(known))).order_by(SegmentDay.day)
        for row in rows:
            known[row.segment_id].append(row)
    return {key: _filled(rows, first, today) for key, rows in known.items()}


def _filled(rows: list[SegmentDay], first: dt.date, today: dt.date) -> list[Day]:
    by_day = {row.day: row for row in rows}
    before = [row for row in rows if row.day < first.isoformat()]
    size = before[-1].size if before else None
    out: list[Day] = []
    for n in range((today - first).days + 1):
        day = (first + dt.timedelta(days=n)).isoformat()
        row = by_day.get(day)
        size = row.size if row else size
        if size is not None:
            out.append(Day(day, size, row.joined if row else 0, row.left if row else 0))
    return out


def spark(days: list[Day], width: int = 96, height: int = 24) -> str:
    """The points of a small line; empty when there is nothing to see yet."""
    if len(days) < 2:
        return ""
    low, high = min(d.size for d in days), max(d.size for d in days)
    span = high - low or 1
    step = width / (len(days) - 1)
    flat = high == low
    return " ".join(
        f"{n * step:.1f},{height / 2 if flat else height - 2 - (d.size - low) / span * (height - 4):.1f}"
        for n, d in enumerate(days)
    )


def chart(segment: Segment, days: list[Day]) -> dict[str, Any]:
    """What ``charts.js`` draws."""
    unit = {"factor": 1, "before": "", "after": ""}

    def series(name: str, values: list[int]) -> dict[str, Any]:
        texts = [f"{v:,}" for v in values]
        none = [None] * len(values)
        return {"name": name, "unit": unit, "values": values, "texts": texts, "urls": none, "compared": False}

    return {
        "kind": "line", "time": True, "crossed": False, "categories": [d.day for d in days],
        "series": [series(_("人数"), [d.size for d in days])],
    }  # fmt: skip


class Move(Struct, frozen=True):
    """Somebody came or left. ``record``: the customer."""

    id: int
    at: int
    joined: bool
    record: Record


def moves(
    segment: Segment, actor: Actor, before: int | None = None, limit: int = PAGE
) -> tuple[list[Move], int | None]:
    """Who came and left, newest first, of those whom the person sees; and where the next page begins."""
    form = catalog.get("customer")
    titles = [form.title_field] if form.title_field else None
    out: list[Move] = []
    mark = before
    while len(out) < limit:
        with read():
            rows = SegmentMove.select().where(SegmentMove.segment_id == segment.id)
            if mark is not None:
                rows = rows.where(SegmentMove.id < mark)
            found = list(rows.order_by(SegmentMove.id.desc()).limit(limit))
        if not found:
            return out, None
        seen = {r.id: r for r in Query(form, actor).get_many([m.customer_id for m in found], titles)}
        for move in found:
            mark = move.id
            if move.customer_id in seen:
                out.append(Move(move.id, move.at, move.joined, seen[move.customer_id]))
                if len(out) == limit:
                    break
        if len(found) < limit:
            return out, None
    return out, mark


def explain(segment: Segment, record: Record, actor: Actor) -> Explained:
    """Why the customer is in the segment or is not, test by test. Raises NotFound for one that the person does not see."""
    form = catalog.get("customer")
    query.get(form, record.id, actor)
    if segment.kind != STATIC:
        return _explained(segment.condition, form, record.id, actor)
    with read():
        row = SegmentChosen.get_or_none(SegmentChosen.segment_id == segment.id, SegmentChosen.customer_id == record.id)
    if row is None:
        return Explained(_("由人挑选的客户"), False, _("没有被加入名单"))
    at = clock.local(row.at, settings.tz()).strftime("%Y-%m-%d %H:%M")
    who = people.name(row.by) if row.by is not None else _("固客")
    return Explained(_("由人挑选的客户"), True, _("%(who)s 在 %(at)s 加入", who=who, at=at))


def _explained(condition: Condition, form: Form, record_id: int, actor: Actor) -> Explained:
    """Whether each test holds, as the company asks it; what the customer has in its place only as far as the person sees."""
    group = next((g for g in ("all", "any", "not") if g in condition), None)
    if group is None:
        told = conditions.explain(condition, form, record_id)
        try:
            told.actual = conditions.explain(condition, form, record_id, Context(actor=actor)).actual
        except (UserError, ValueError):
            told.actual = ""
        return told
    inner = condition[group] if group != "not" else [condition["not"]]
    whole = conditions.explain(condition, form, record_id)
    whole.parts = [_explained(part, form, record_id, actor) for part in inner]
    return whole


def since(segment: Segment, customer_id: int) -> int | None:
    """When the customer came in; ``None``: they are not in."""
    with read():
        found: int | None = (
            SegmentMember.select(SegmentMember.since)
            .where(SegmentMember.segment_id == segment.id, SegmentMember.customer_id == customer_id)
            .scalar()
        )
    return found
