"""The nightly upkeep: old jobs, closed incidents and unfinished files go, the log is folded in."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from .. import clock, dialect, files, schema, settings
from ..db import checkpoint, db, write
from ..models import IncidentRow, JobRow
from . import registry, timers
from .job import Job

BATCH = 1000

settings.declare("jobs.keep_days", 30, _l("已完成任务的保留天数"), "integer", least=1, most=3650)


@schema.seed
def timer() -> None:
    timers.schedule("upkeep", "30 4 * * *", "upkeep")


@registry.handler("upkeep", label=_l("夜间维护"))
def upkeep(job: Job) -> dict[str, Any]:
    before = clock.now() - settings.get("jobs.keep_days") * clock.DAY
    ended = JobRow.status.in_(["done", "cancelled", "failed"]) & (JobRow.finished_at < before)
    jobs = _prune(job, JobRow, ended)
    incidents = _prune(job, IncidentRow, IncidentRow.resolved_at < before)
    stray = files.prune()
    dialect.optimize(db)
    checkpoint()
    return {"jobs_pruned": jobs, "incidents_pruned": incidents, "files_pruned": stray}


def _prune(job: Job, model: Any, old: Any) -> int:
    """Deletes in batches, so that others can write in between."""
    gone = 0
    while True:
        job.check()
        with write():
            some = model.select(model.id).where(old).limit(BATCH)
            deleted = model.delete().where(model.id.in_(some)).execute()
        gone += deleted
        if deleted < BATCH:
            return gone
