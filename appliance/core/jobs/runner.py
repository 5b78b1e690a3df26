"""Doing jobs: claim one, run its handler, write how it ended."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from .. import clock, i18n, incidents
from ..db import read, write
from ..errors import UserError
from ..models import JobRow
from . import owner, queue, registry, timers
from .job import Job, JobCancelled, JobStopped, LeaseLost, stop_asked

log = logging.getLogger(__name__)

CRASHES = 5
"""A job whose process died this often while doing it is not begun again by itself."""


def work(limit: int | None = None) -> dict[str, Any]:
    """Does everything that is due now, until nothing is (at most ``limit`` jobs).

    Returns ``{"jobs": n, "errors": [sentence, …], …}`` with the numbers that handlers returned added up by name.
    """
    totals: Counter[str] = Counter()
    errors: list[str] = []
    jobs = 0
    with read():
        owner.free_the_dead()
        while (limit is None or jobs < limit) and not stop_asked.is_set():
            timers.fire()
            job = queue.claim() if queue.any_due() else None
            if job is None:
                break
            jobs += 1
            ended = run(job)
            totals.update({k: v for k, v in (ended.result or {}).items() if type(v) in (int, float)})
            if ended.error:
                errors.append(f"{ended.kind}: {ended.error}")
    return {"jobs": jobs, **totals, "errors": errors}


def work_on(job_id: int) -> Job | None:
    """Does one job here, if it is due and nobody has it: what the command line asked for and waits for."""
    with read():
        owner.free_the_dead()
        job = queue.claim(job_id)
    return run(job) if job else None


def run(job: Job) -> Job:
    """Runs a claimed job to its end, whatever that is. Returns the job as it stands then."""
    try:
        with i18n.speaking():
            _run(job)
    finally:
        owner.left(job.id)
    return queue.get(job.id)


def _run(job: Job) -> None:
    log.debug("job %s %s begins%s", job.id, job.kind, f" (try {job.attempts})" if job.attempts > 1 else "")
    try:
        if job.cancel_asked:
            raise JobCancelled
        if job.attempts > CRASHES:
            raise UserError(_("执行时进程多次中断（%(times)s 次），已停止自动重试。", times=job.attempts - 1))
        result = registry.get(job.kind).run(job)
    except JobCancelled:
        queue.settle(job, "cancelled")
        log.info("job %s cancelled", job.id)
    except JobStopped:
        # The stop was ours, not the job's failure: it does not count as a try.
        queue.settle(job, "queued", due_at=clock.now(), attempts=job.attempts - 1)
        log.info("job %s put back, the process is stopping", job.id)
    except LeaseLost:
        log.warning("job %s was taken over by another process", job.id)
    except UserError as e:
        log.info("job %s failed: %s", job.id, e)
        _fail(job, e.message, for_good=True)
    except Exception as e:
        log.exception("job %s %s failed", job.id, job.kind)
        _fail(job, f"{type(e).__name__}: {e}", for_good=False)
    else:
        _finish(job, result or {})


def _finish(job: Job, result: dict[str, Any]) -> None:
    with write():
        if queue.settle(job, "done", result=result, error=None) and job.unique:
            incidents.settle(job.unique)
    log.debug("job %s done", job.id)


def _fail(job: Job, why: str, *, for_good: bool) -> None:
    """Tries again later, or gives up; then a person is asked, unless the one who started it is watching it fail."""
    backoff = () if for_good else _backoff(job.kind)
    with write():
        if job.attempts <= len(backoff):
            queue.settle(job, "queued", due_at=clock.now() + backoff[job.attempts - 1], error=why)
            return
        if not queue.settle(job, "failed", error=why):
            return
        if job.actor_id is None or not for_good:
            incidents.open(
                "job",
                _("%(name)s：%(why)s", name=i18n.label(registry.label(job.kind)), why=why),
                f"job:{job.id}",
                job.unique,
            )


def _backoff(kind: str) -> tuple[int, ...]:
    return registry.get(kind).backoff if kind in registry.kinds() else ()


def _job_id(ref: str) -> int:
    return int(ref.partition(":")[2])


def _retry(ref: str) -> None:
    if not JobRow.select().where(JobRow.id == _job_id(ref)).exists():
        raise UserError(_("这个任务已被清理，不能重试，请选择“跳过”。"))
    queue.retry(_job_id(ref))


incidents.declare("job", _l("后台任务失败"), retry=_retry)
