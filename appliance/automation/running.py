"""Running a rule or table over all its records: a job in bounded batches that goes on where it was interrupted."""

from __future__ import annotations

import time
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import clock, incidents, jobs, schema
from ..core.db import read, write
from ..core.errors import NotFound, UserError
from ..core.jobs import Job, JobCancelled, JobStopped, LeaseLost
from ..forms.conditions import Context
from ..forms.models import Change
from . import log, plans
from .actions import Work
from .definitions import Subject
from .models import RuleRun
from .plans import Plan, TablePlan

CHUNK = 1000
"""Records a transaction: a few tens of milliseconds, so that others get their turn in between."""


@jobs.handler("rule.run", heavy=True, label=_l("运行规则"))
def run_rule(job: Job) -> dict[str, Any] | None:
    return _run(job, "rule", "rules")


@jobs.handler("decision_table.run", heavy=True, label=_l("运行决策表"))
def run_table(job: Job) -> dict[str, Any] | None:
    return _run(job, "decision_table", "decision_tables")


def _run(job: Job, kind: str, counted_as: str) -> dict[str, Any] | None:
    try:
        subject = log.BOOKS[kind].by_id(job.payload["id"])
    except NotFound:
        return None
    if job.payload["trigger"] == "schedule" and not subject.enabled:
        return None
    run = _begin(job, subject)
    try:
        _carry_out(job, subject, run)
    except (JobStopped, LeaseLost):
        raise
    except JobCancelled:
        log.finish(run, "cancelled")
        raise
    except UserError as error:
        log.finish(run, "failed", error.message)
        raise UserError(_("「%(name)s」：%(why)s", name=subject.label, why=error.message)) from error
    except Exception as error:
        log.finish(run, "failed", f"{type(error).__name__}: {error}")
        raise
    log.finish(run, "done")
    return {counted_as: 1, "records_changed": run.changed}


def _begin(job: Job, subject: Subject) -> RuleRun:
    """The entry of this job in the log: a new one, or the one it was writing when it was interrupted."""
    with write():
        if job.state:
            run = log.get(job.state["run"])
            run.status, run.error, run.finished_at = "running", None, None
            log.save(run, "status", "error", "finished_at")
            return run
        run = log.begin(subject, job.payload["trigger"], job=job, actor_id=job.payload.get("actor"))
        job.save_state({"run": run.id, "after": None})
        return run


def _carry_out(job: Job, subject: Subject, run: RuleRun) -> None:
    started = time.monotonic()
    after = job.state["after"]
    with read():
        plan = _plan(job, subject)
        if after is None:
            run.matched, run.skipped = _count(plan, run)
            log.save(run, "matched", "skipped", "detail")
        job.check()
        plan.load(after or 0)
    done = job.done if after else 0
    total = done + len(plan.ids)
    run.seconds += time.monotonic() - started
    for start in range(0, len(plan.ids), CHUNK):
        job.progress(done + start, total)
        stop = min(start + CHUNK, len(plan.ids))
        job.done, job.total = done + stop, total
        _batch(job, plan, run, start, stop)


def _plan(job: Job, subject: Subject) -> Plan:
    ctx = Context(now=clock.now())
    if "changes" not in job.payload:
        return plans.plan(subject, ctx, job.payload.get("ids"))
    wanted: list[int] = job.payload["changes"]
    deltas: list[tuple[int, dict[str, Any]]] = []
    for start in range(0, len(wanted), CHUNK):
        found = Change.select(Change.record_id, Change.fields).where(Change.id.in_(wanted[start : start + CHUNK]))
        deltas += found.tuples()
    return plans.plan(subject, ctx, sorted({i for i, _delta in deltas}), deltas)


def _count(plan: Plan, run: RuleRun) -> tuple[int, int]:
    if not isinstance(plan, TablePlan):
        return plan.count()
    outcomes = plan.outcomes()
    run.detail = log.Detail(outcomes={str(i): n for i, n in outcomes.hits.items()}).document()
    return outcomes.matched, 0


def _batch(job: Job, plan: Plan, run: RuleRun, start: int, stop: int) -> None:
    """The effect, the count and the checkpoint in one transaction: after a crash no step is done twice."""
    started = time.monotonic()
    with write():
        effect = plan.apply(start, stop, Work(plan.form, log.cause(run), clock.now()))
        log.add(run, changed=len(effect.changed), failed=effect.failed, seconds=time.monotonic() - started)
        job.save_state({"run": run.id, "after": plan.ids[stop - 1]})


def again(ref: str) -> None:
    """Tries the failed batches of one definition again (``ref``: ``run:12``, the last of them)."""
    last = log.get(int(ref.partition(":")[2]))
    subject = log.subject_of(last)
    if subject is None:
        raise UserError(_("它已被删除，不能重试，请选择“跳过”。"))
    changes: list[int] = []
    for run in log.runs(last.kind, last.subject_id, "failed", limit=1000):
        detail = log.Detail.open(run.detail)
        if detail.changes:
            changes += detail.changes
            run.detail = log.Detail(failures=detail.failures).document()
            log.save(run, "detail")
    jobs.enqueue(f"{last.kind}.run", {"id": subject.id, "trigger": "retry", "changes": sorted(changes)})


incidents.declare("rule_failed", _l("规则没有执行成功"), retry=again)
incidents.declare("rule_loop", _l("规则反复触发了自己"))


@jobs.handler("automation.purge", label=_l("清理自动化日志"))
def purge(job: Job) -> dict[str, Any]:
    gone = log.purge(job)
    return {"runs_pruned": gone}


@schema.seed
def timer() -> None:
    jobs.schedule("automation.purge", "45 4 * * *", "automation.purge")
