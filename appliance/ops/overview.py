"""What is running, waiting and timed, for the page of background work."""

from __future__ import annotations

from peewee import fn

from ..core import jobs
from ..core.db import read
from ..core.jobs import timers as timing
from ..core.jobs.job import of_row
from ..core.models import JobRow, ScheduleRow

STATUSES = ("running", "queued", "failed", "done", "cancelled")
SHOWN = 100


def recent(status: str = "") -> list[jobs.Job]:
    """The newest jobs, running ones first; only those of ``status`` when it is given."""
    query = JobRow.select().order_by((JobRow.status == "running").desc(), JobRow.id.desc()).limit(SHOWN)
    with read():
        return [of_row(row) for row in (query.where(JobRow.status == status) if status in STATUSES else query)]


def counts() -> dict[str, int]:
    """How many jobs there are by status."""
    with read():
        found = dict(JobRow.select(JobRow.status, fn.COUNT(JobRow.id)).group_by(JobRow.status).tuples())
    return {status: found.get(status, 0) for status in STATUSES}


def latest(kind: str) -> jobs.Job | None:
    """The newest job of a kind."""
    with read():
        row = JobRow.select().where(JobRow.kind == kind).order_by(JobRow.id.desc()).first()
    return of_row(row) if row else None


def timers() -> list[ScheduleRow]:
    """The recurring timers, next first."""
    return timing.all_timers()
