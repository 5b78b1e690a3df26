"""The job table: enqueue, claim, finish. The table is the truth; everything else only looks into it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flask_babel import gettext as _
from peewee import fn

from .. import clock, dialect
from ..db import PARAM, Statement, after_commit, read, write
from ..errors import NotFound
from ..models import JobRow
from . import owner, registry
from .job import Job, of_row

AT_ONCE = 16
"""More jobs than this never run in one process."""

_INSERT = Statement(
    JobRow.insert(
        {
            JobRow.kind: PARAM,
            JobRow.payload: PARAM,
            JobRow.due_at: PARAM,
            JobRow.unique_key: PARAM,
            JobRow.actor_id: PARAM,
            JobRow.created_at: PARAM,
            JobRow.status: "queued",
        }
    )
)
_WAITING = Statement(
    JobRow.select(JobRow.id, JobRow.due_at)
    .where((JobRow.unique_key == PARAM) & (JobRow.status == "queued") & JobRow.started_at.is_null())
    .order_by(JobRow.id)
    .limit(1)
)

_bells: list[Callable[[], None]] = []


def on_ring(bell: Callable[[], None]) -> None:
    """Calls ``bell`` after each commit that made a job due now."""
    _bells.append(bell)


def off_ring(bell: Callable[[], None]) -> None:
    _bells.remove(bell)


def attended() -> bool:
    """Whether workers of this process do jobs as they come due; else somebody asks for what is due (``guke work``)."""
    return bool(_bells)


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
            added = _INSERT.execute(kind, dialect.dumps(payload or {}), due, unique, actor_id, now)
            job_id = int(added.lastrowid or 0)
        if due <= now:
            after_commit(ring)
    return job_id


def _waiting(unique: str) -> tuple[int, int] | None:
    """The id and due moment of the job of this key that waits and has not begun."""
    # Not one that has begun (it waits for another try): what it has done already may not know the latest.
    found: tuple[int, int] | None = _WAITING.execute(unique).fetchone()
    return found


def get(job_id: int) -> Job:
    """Raises :class:`NotFound`."""
    with read():
        row = JobRow.get_or_none(JobRow.id == job_id)
    if row is None:
        raise NotFound(_("没有编号为 %(id)s 的任务，它可能已被清理。", id=job_id))
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


def _due() -> Any:
    """Takes :func:`_due_values`: waiting and due, or abandoned by a process that is not this one."""
    waiting = (JobRow.status == "queued") & (JobRow.due_at <= PARAM)
    abandoned = (JobRow.status == "running") & (JobRow.lease_until < PARAM) & JobRow.id.not_in([PARAM] * AT_ONCE)
    return waiting | abandoned


def _due_values(now: int) -> list[int]:
    mine = list(owner.running())
    return [now, now, *mine, *[0] * (AT_ONCE - len(mine))]


_ANY_DUE = Statement(JobRow.select(JobRow.id).where(_due()).limit(1))


def any_due() -> bool:
    with read():
        return _ANY_DUE.execute(*_due_values(clock.now())).fetchone() is not None


def claim(only: int | None = None) -> Job | None:
    """Takes the job that has been due longest, by one UPDATE; ``None`` when nothing can be done now.

    ``only``: that job or none.
    """
    now = clock.now()
    statement = _claim_statement(tuple(registry.heavy_kinds()), only is not None)
    values = [now + owner.LEASE, owner.me(), now, *_due_values(now), *([] if only is None else [only])]
    with write():
        taken = statement.execute(*values).fetchone()
    if taken is None:
        return None
    owner.took(taken[0])
    return get(taken[0])


@lru_cache(maxsize=8)
def _claim_statement(heavy: tuple[str, ...], one: bool) -> Statement:
    """Takes lease, owner and now (the model's order), :func:`_due_values` and, for ``one``, the job's id."""
    busy = JobRow.alias()
    same_key = busy.select(busy.id).where(
        (busy.status == "running") & (busy.unique_key == JobRow.unique_key) & (busy.id != JobRow.id)
    )
    first = (
        JobRow.select(JobRow.id)
        .where(_due())
        .where(JobRow.unique_key.is_null() | ~fn.EXISTS(same_key))
        .order_by(JobRow.due_at, JobRow.id)
        .limit(1)
    )
    if one:
        first = first.where(JobRow.id == PARAM)
    if heavy:
        other = JobRow.alias()
        heavy_runs = other.select(other.id).where(
            (other.status == "running") & other.kind.in_(heavy) & (other.id != JobRow.id) & (other.lease_until > 0)
        )
        first = first.where(JobRow.kind.not_in(heavy) | ~fn.EXISTS(heavy_runs))
    return Statement(
        JobRow.update(
            {
                JobRow.status: "running",
                JobRow.lease_until: PARAM,
                JobRow.owner: PARAM,
                JobRow.attempts: JobRow.attempts + 1,
                JobRow.started_at: PARAM,
            }
        )
        .where(JobRow.id == first)
        .returning(JobRow.id)
    )


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
