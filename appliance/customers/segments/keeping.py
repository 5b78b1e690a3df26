"""The jobs that keep answers up to date: after writes, at the moments that were noted, over everybody, and at night."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ...core import clock, dialect, incidents, jobs, schema, settings
from ...core.db import db, write
from ...core.jobs import Job
from ...forms import catalog, merging, purging
from ...forms.catalog import Form
from ...forms.hooks import Cause
from . import passes, subjects, touching
from .membership import count
from .models import (
    DynamicTag,
    NextLook,
    SegmentChosen,
    SegmentDay,
    SegmentMember,
    SegmentMove,
    SegmentRow,
    Touch,
)
from .store import Segment
from .subjects import Part

BATCH = 250
"""Customers that are asked about again in one transaction."""
CHUNK = 4_000
"""Customers of a full question in one transaction."""
FEW = 500
"""So few customers are asked about while the definition is saved: who comes next is seen to enter."""

settings.declare(
    "company.segment_days", 730, _l("客群进出记录的保留天数"), "integer", least=30, most=36_500,
    help=_l("更早的进出记录和趋势每天夜里清理。"),
)  # fmt: skip
incidents.declare("segments.drift", _l("客群或指标与数据不一致"), retry=lambda ref: touching.everything())


@schema.seed
def timer() -> None:
    jobs.schedule("segments.check", "10 4 * * *", "segments.check")


# -- a few ----------------------------------------------------------------------------------------------------------


@jobs.handler(touching.KEEP, label=_l("更新客群与指标"))
def keep(job: Job) -> dict[str, Any]:
    """Whoever was touched, or is due, until there is nobody left. Effects and queue move in one transaction."""
    asked = changed = 0
    while True:
        with write():
            pending = _take()
            if not pending:
                touching.arrange()
                break
            changed += passes.run(pending)
            asked += len({customer for depths in pending.values() for customer in depths})
        job.check()
    return {"customers_looked_at": asked, "segment_moves": changed}


def _some() -> bool:
    """Asks about one batch of those who wait; whether there was one."""
    with write():
        pending = _take()
        passes.run(pending)
        return bool(pending)


def _take() -> dict[int, passes.Depths]:
    """The next batch of questions; it is taken out of the queue."""
    pending: dict[int, passes.Depths] = {}
    done: list[int] = []
    seen: set[int] = set()
    for touch in Touch.select().order_by(Touch.id).limit(BATCH):
        if done and len(seen | set(touch.customers)) > BATCH:
            break
        seen |= set(touch.customers)
        done.append(touch.id)
        passes.merge(pending, touch.subjects, touch.customers, touch.depth)
    if done:
        Touch.delete().where(Touch.id.between(done[0], done[-1])).execute()
    if len(seen) < BATCH:
        due = NextLook.select(NextLook.subject, NextLook.customer_id).where(NextLook.at <= clock.now())
        for number, customer in list(due.order_by(NextLook.at).limit(BATCH).tuples()):
            passes.merge(pending, [number], [customer], 0)
    for number, depths in pending.items():
        # Whoever is asked now is noted anew for as long as there is somebody to ask.
        NextLook.delete().where(
            NextLook.subject == number, NextLook.at <= clock.now(), dialect.among(NextLook.customer_id, depths)
        ).execute()
    return pending


# -- everybody ------------------------------------------------------------------------------------------------------


def redefined(segment: Segment) -> None:
    """A definition is new: all customers are asked about, as a job when they are many. Only inside ``write()``."""
    subjects.changed()
    if not segment.enabled:
        NextLook.delete().where(NextLook.subject == segment.id).execute()
    elif top() > FEW or segment.id in subjects.index().broken:
        touching.ask_full(segment.id)
    else:
        passes.over(segment.id, Part(None, 0, FEW + 1))
        _built(segment.id)
        touching.arrange()


def forget(segment: Segment) -> None:
    """A segment went: who was in it stays noted, in case it comes back. Only inside ``write()``."""
    subjects.changed()
    NextLook.delete().where(NextLook.subject == segment.id).execute()
    DynamicTag.delete().where(DynamicTag.segment_id == segment.id).execute()


def top() -> int:
    """The highest id of a customer."""
    form = catalog.get("customer")
    return form.table.select(fn.MAX(form.col("id"))).scalar(db) or 0


@jobs.handler(touching.FULL, label=_l("计算客群与指标"), heavy=True)
def full(job: Job) -> dict[str, Any]:
    """Asks one subject about all customers, a chunk a transaction; goes on after a crash from the saved place."""
    number = job.payload["subject"]
    state = job.state or {"low": 0, "changed": 0}
    end = top() + 1
    while state["low"] < end:
        known = subjects.index()
        if number in known.broken:
            with write():
                passes.report(number, _name(number), known.broken[number])
            return {"broken": 1}
        if number not in known.by_number:
            return {}
        with write():
            state["changed"] += passes.over(number, Part(None, state["low"], state["low"] + CHUNK))
            state["low"] += CHUNK
            job.save_state(state)
        job.progress(min(state["low"], end), end, _("已看过 %(count)d 位客户", count=min(state["low"], end)))
    with write():
        _built(number)
        incidents.settle(f"segments.broken:{number}")
        touching.arrange()
    return {"segment_moves": state["changed"]}


_after_full: list[Callable[[int], None]] = []


def after_full(effect: Callable[[int], None]) -> Callable[[int], None]:
    """Registers what to do, in the same transaction, once all customers were asked about (the subject's number)."""
    _after_full.append(effect)
    return effect


def _built(number: int) -> None:
    now = clock.now()
    for effect in _after_full:
        effect(number)
    SegmentRow.update(built_at=now).where(SegmentRow.id == number, SegmentRow.built_at.is_null()).execute()
    row = SegmentRow.get_or_none(SegmentRow.id == number)
    if row is not None:
        count(number, now, row.size)


def _name(number: int) -> str:
    row = SegmentRow.get_or_none(SegmentRow.id == number)
    return Segment.open(row).label if row else ""


# -- at night ---------------------------------------------------------------------------------------------------------


@jobs.handler("segments.check", label=_l("夜间核对客群与指标"), heavy=True)
def check(job: Job) -> dict[str, Any]:
    """Asks everything about everybody once. What is out of date then was forgotten by somebody: it is put right and told."""
    state = job.state or {"number": None, "low": 0, "drift": {}}
    _prune(job)
    with write():
        for number, why in subjects.index().broken.items():
            passes.report(number, _name(number), why)
    end = top() + 1
    numbers = [s.number for s in subjects.index().subjects]
    start = numbers.index(state["number"]) if state["number"] in numbers else 0
    for n, number in enumerate(numbers[start:], start):
        low = state["low"] if number == state["number"] else 0
        for at in range(low, end, CHUNK):
            while _some():
                job.check()
            with write():
                # What is known to be waiting is no drift.
                while pending := _take():
                    passes.run(pending)
                drift = passes.over(number, Part(None, at, at + CHUNK))
                known = state["drift"].get(str(number), 0)
                state = {"number": number, "low": at + CHUNK, "drift": state["drift"] | {str(number): known + drift}}
                job.save_state(state)
            job.progress(n * end + at, len(numbers) * end)
    drifted = {int(number): drift for number, drift in state["drift"].items() if drift}
    with write():
        for number in numbers:
            _today(number)
        if drifted:
            _report(drifted)
        touching.arrange()
    return {"memberships_corrected": sum(drifted.values())}


def _today(number: int) -> None:
    row = SegmentRow.get_or_none(SegmentRow.id == number)
    if row is not None:
        count(number, clock.now(), row.size)


def _report(drifted: dict[int, int]) -> None:
    known = subjects.index().by_number
    names = _("、").join(known[number].label for number in drifted if number in known)
    why = _(
        "夜间核对时发现 %(count)d 处与数据不一致（%(names)s），已改正。请把这条消息告诉固客的维护者。",
        count=sum(drifted.values()), names=names,
    )  # fmt: skip
    incidents.open("segments.drift", why, "segments.drift", "segments.drift")


def _prune(job: Job) -> None:
    """Moves and days that are older than the company keeps them, a few thousand at a time."""
    before = clock.now() - settings.get("company.segment_days") * clock.DAY
    while True:
        job.check()
        with write():
            some = (
                SegmentMove.select(SegmentMove.id).where(SegmentMove.at < before).order_by(SegmentMove.id).limit(2_000)
            )
            if not SegmentMove.delete().where(SegmentMove.id.in_(some)).execute():
                break
    day = clock.local(before, settings.tz()).date().isoformat()
    with write():
        SegmentDay.delete().where(SegmentDay.day < day).execute()


settings.on_change("company.timezone", lambda zone: touching.everything())


# -- with the customer ------------------------------------------------------------------------------------------------


@purging.also("customer")
def purged(form: Form, ids: list[int]) -> None:
    """Whoever is gone for good is in no list any more."""
    for row in list(
        SegmentMember.select(SegmentMember.segment_id, fn.COUNT(SegmentMember.customer_id).alias("n"))
        .where(dialect.among(SegmentMember.customer_id, ids))
        .group_by(SegmentMember.segment_id)
    ):
        SegmentRow.update(size=SegmentRow.size - row.n).where(SegmentRow.id == row.segment_id).execute()
    for model in (SegmentMember, SegmentMove, SegmentChosen, NextLook):
        model.delete().where(dialect.among(model.customer_id, ids)).execute()


@merging.moves("customer")
class Lists(merging.Mover):
    """Static lists that hold the source hold the target from then on. (From other segments it goes with its record.)"""

    def move(self, form: Form, source: int, target: int, actor: Any, cause: Cause) -> Any:
        mine = {i for (i,) in self._lists(source)} - {i for (i,) in self._lists(target)}
        for segment_id in mine:
            SegmentChosen.insert(
                segment_id=segment_id, customer_id=target, at=clock.now(), by=getattr(actor, "id", None)
            ).execute()
            touching.mark([segment_id], [target], cause.depth)
        # What hangs on the source (events, consents) may have gone over without a write of the target.
        touching.mark([s.number for s in subjects.index().subjects], [source, target], cause.depth)
        return {"lists": sorted(mine)}

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Any, cause: Cause) -> None:
        SegmentChosen.delete().where(
            SegmentChosen.customer_id == target, SegmentChosen.segment_id.in_(moved["lists"])
        ).execute()
        touching.mark([s.number for s in subjects.index().subjects], [source, target], cause.depth)

    @staticmethod
    def _lists(customer_id: int) -> Any:
        query = SegmentChosen.select(SegmentChosen.segment_id).where(SegmentChosen.customer_id == customer_id)
        return list(query.tuples())
