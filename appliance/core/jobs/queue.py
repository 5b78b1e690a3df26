"""The job table: enqueue, claim, finish. The table is the truth; everything else only looks into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from peewee import fn

from .. import clock
from ..db import after_commit, read, write
from ..errors import NotFound
from ..models import JobRow
from . import owner, registry
from .job import Job, of_row

_bells: list[Callable[[], None]] = []


def on_ring(bell: Callable[[], None]) -> None:
    """Calls ``bell`` after each commit that made a job due now."""
    _bells.append(bell)


def off_ring(bell: Callable[[], None]) -> None:
    _bells.remove(bell)


def ring() -> None:
    for bell in list(_bells):
        bell()


def enqueue(
    kind: str,
    payload: dict[str, Any] | None = None,
    *,
    due_at: int | None = None,
    actor_id: int | None = None,
    unique: str | None = None,
) -> int:
    """Asks for a job, in the caller's transaction if one is open. Returns its id.

    ``due_at``: UTC seconds, default now. ``unique``: while a job of this key waits and has not begun, asking again
    returns that one (moved forward if need be); jobs of one key never run at the same time.
    """
    now = clock.now()
    due = now if due_at is None else due_at
    with write():
        waiting = _waiting(unique) if unique else None
        if waiting and waiting[1] <= due:
            return waiting[0]
        if waiting:
            job_id = waiting[0]
            JobRow.update(due_at=due).where(JobRow.id == job_id).execute()
        else:
            job_id = int(
                JobRow.insert(
                    kind=kind,
                    payload=payload or {},
                    status="queued",
                    due_at=due,
                    unique_key=unique,
                    actor_id=actor_id,
                    created_at=now,
                ).execute()
            )
        if due <= now:
            after_commit(ring)
    return job_id


def _waiting(unique: str) -> tuple[int, int] | None:
    """The id and due moment of the job of this key that waits and has not begun."""
    # Not one that has begun (it waits for another try): what it has done already may not know the latest.
    return (
        JobRow.select(JobRow.id, JobRow.due_at)
        .where((JobRow.unique_key == unique) & (JobRow.status == "queued") & JobRow.started_at.is_null())
        .order_by(JobRow.id)
        .tuples()
        .first()
    )


def get(job_id: int) -> Job:
    """Raises :class:`NotFound`."""
    with read():
        row = JobRow.get_or_none(JobRow.id == job_id)
    if row is None:
        raise NotFound(_('没有编号为 %(id)s 的任务，它可能已被清理。', id=job_id))
    return of_row(row)


def cancel(job_id: int) -> None:
    """Stops a waiting job at once and a running one at its next progress. A finished one stays as it is."""
    with write():
        job = get(job_id)
        if job.status == "queued":
            JobRow.update(status="cancelled", finished_at=clock.now()).where(JobRow.id == job_id).execute()
        elif job.status == "running":
            JobRow.update(cancel_asked=True).where(JobRow.id == job_id).execute()


def retry(job_id: int) -> None:
    """Puts a failed or cancelled job back into the queue; it goes on from its last state."""
    with write():
        changed = (
            JobRow.update(
                status="queued", due_at=clock.now(), attempts=0, cancel_asked=False, error=None, finished_at=None
            )
            .where((JobRow.id == job_id) & JobRow.status.in_(["failed", "cancelled"]))
            .execute()
        )
        if changed:
            after_commit(ring)


def _due(now: int) -> Any:
    waiting = (JobRow.status == "queued") & (JobRow.due_at <= now)
    abandoned = (JobRow.status == "running") & (JobRow.lease_until < now) & JobRow.id.not_in(list(owner.running()))
    return waiting | abandoned


def next_due() -> int | None:
    """The moment the next waiting job is due."""
    with read():
        return JobRow.select(JobRow.due_at).where(JobRow.status == "queued").order_by(JobRow.due_at).limit(1).scalar()


def any_due() -> bool:
    with read():
        return JobRow.select(JobRow.id).where(_due(clock.now())).limit(1).scalar() is not None


def claim(only: int | None = None) -> Job | None:
    """Takes the job that has been due longest, by one UPDATE; ``None`` when nothing can be done now.

    ``only``: that job or none.
    """
    now = clock.now()
    busy = JobRow.alias()
    same_key = busy.select(busy.id).where(
        (busy.status == "running") & (busy.unique_key == JobRow.unique_key) & (busy.id != JobRow.id)
    )
    first = (
        JobRow.select(JobRow.id)
        .where(_due(now))
        .where(JobRow.unique_key.is_null() | ~fn.EXISTS(same_key))
        .order_by(JobRow.due_at, JobRow.id)
        .limit(1)
    )
    if only is not None:
        first = first.where(JobRow.id == only)
    heavy = registry.heavy_kinds()
    if heavy:
        other = JobRow.alias()
        heavy_runs = other.select(other.id).where(
            (other.status == "running") & other.kind.in_(heavy) & (other.id != JobRow.id) & (other.lease_until >= now)
        )
        first = first.where(JobRow.kind.not_in(heavy) | ~fn.EXISTS(heavy_runs))
    with write():
        taken = list(
            JobRow.update(
                status="running",
                owner=owner.me(),
                lease_until=now + owner.LEASE,
                attempts=JobRow.attempts + 1,
                started_at=now,
            )
            .where(JobRow.id == first)
            .returning(JobRow)
            .execute()
        )
    if not taken:
        return None
    owner.took(taken[0].id)
    return of_row(taken[0])


def settle(job: Job, status: str, **values: Any) -> bool:
    """Writes how a run ended, if the job is still this process's. ``status`` queued puts it back."""
    with write():
        changed = (
            JobRow.update(
                status=status,
                owner=None,
                lease_until=None,
                finished_at=None if status == "queued" else clock.now(),
                done=job.done,
                total=job.total,
                note=job.note,
                **values,
            )
            .where((JobRow.id == job.id) & (JobRow.owner == owner.me()))
            .execute()
        )
        # A job of the same key may have been waiting for this one.
        if changed and job.unique:
            after_commit(ring)
    return bool(changed)
