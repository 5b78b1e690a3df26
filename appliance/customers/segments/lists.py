"""Static lists: who is put in, who is taken out. A list holds whom people chose, for as long as they are not deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts import permissions
from ...accounts.actor import SYSTEM, Actor
from ...core import clock, dialect, jobs
from ...core.db import PARAM, executemany, read, write
from ...core.errors import Forbidden, UserError
from ...core.jobs import Job
from ...forms import query
from . import store, touching
from .models import SegmentChosen, SegmentMember
from .store import STATIC, Segment

BATCH = 2_000
COPY = "segments.copy"
_insert = SegmentChosen.insert(
    {
        SegmentChosen.segment_id: PARAM, SegmentChosen.customer_id: PARAM, SegmentChosen.at: PARAM, SegmentChosen.by: PARAM,
    }
)  # fmt: skip


def may(actor: Actor) -> bool:
    """Whether the person may keep segments and lists."""
    return actor is SYSTEM or permissions.has_room(actor, "segments")


def static(key: str, actor: Actor) -> Segment:
    if not may(actor):
        raise Forbidden(_("您没有管理客群的权限，请联系管理员。"))
    segment = store.get(key)
    if segment.kind != STATIC:
        raise UserError(_("「%(name)s」的成员由条件决定，不能手工增减。", name=segment.label))
    return segment


def add(key: str, ids: Sequence[int], actor: Actor) -> int:
    """Puts customers in; returns how many were not in before. Those that the person does not see are passed over.

    Raises NotFound, Forbidden, UserError for a segment that is no list.
    """
    segment, added = static(key, actor), 0
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        seen = query.visible_ids("customer", set(part), actor) if actor is not SYSTEM else set(part)
        with write():
            added += put(segment.id, seen, actor.id)
    return added


def put(segment_id: int, ids: set[int], by: int | None) -> int:
    """The same for a batch that was checked. Only inside ``write()``."""
    held = SegmentChosen.select(SegmentChosen.customer_id).where(
        SegmentChosen.segment_id == segment_id, dialect.among(SegmentChosen.customer_id, ids)
    )
    new = ids - {i for (i,) in held.tuples()}
    if new:
        now = clock.now()
        executemany(_insert, [(segment_id, i, now, by) for i in sorted(new)])
        touching.mark([segment_id], new)
    return len(new)


def remove(key: str, ids: Sequence[int], actor: Actor) -> int:
    """Takes customers out; returns how many were in. Raises as :func:`add`."""
    segment, removed = static(key, actor), 0
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        seen = query.visible_ids("customer", set(part), actor) if actor is not SYSTEM else set(part)
        with write():
            mine = (SegmentChosen.segment_id == segment.id) & dialect.among(SegmentChosen.customer_id, seen)
            removed += SegmentChosen.delete().where(mine).execute()
            touching.mark([segment.id], seen)
    return removed


def copy(key: str, source: str, actor: Actor) -> int:
    """Puts all who are in another segment now into the list, as a job. Returns the job. Raises as :func:`add`."""
    segment, other = static(key, actor), store.get(source)
    payload = {"into": segment.id, "from": other.id, "actor": actor.id}
    return jobs.enqueue(COPY, payload, actor_id=actor.id)


@jobs.handler(COPY, label=_l("复制客群到名单"))
def copy_job(job: Job) -> dict[str, Any]:
    state = job.state or {"after": 0, "added": 0}
    while True:
        with read():
            rows = SegmentMember.select(SegmentMember.customer_id).where(
                SegmentMember.segment_id == job.payload["from"], SegmentMember.customer_id > state["after"]
            )
            ids = {i for (i,) in rows.order_by(SegmentMember.customer_id).limit(BATCH).tuples()}
        if not ids:
            return {"added": state["added"]}
        with write():
            added = put(job.payload["into"], ids, job.payload["actor"])
            state = {"after": max(ids), "added": state["added"] + added}
            job.save_state(state)
        job.progress(state["added"])
