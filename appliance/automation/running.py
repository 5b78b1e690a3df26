"""Running a rule or table over all its records: a job in bounded batches that goes on where it was interrupted."""

from __future__ import annotations

import time
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import clock, jobs, schema, workdays
from ..core.db import read, write
from ..core.errors import NotFound, UserError
from ..core.jobs import Job, JobCancelled, JobStopped, LeaseLost
from ..forms.conditions import Context
from . import limits, log, plans, retrying
from .actions import Work
from .dates import DateReached
from .definitions import Subject
from .models import RuleRun
from .plans import Plan, RulePlan, TablePlan

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
    if job.payload["trigger"] in BY_ITSELF and not subject.enabled and "run" not in job.payload:
        return None
    if not job.state and _not_now(job, subject):
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
    if run.status == "waiting":
        return None
    log.finish(run, "done")
    return {counted_as: 1, "records_changed": run.changed}


BY_ITSELF = ("schedule", "date")
"""Triggers at which nobody has asked for the run."""


def _not_now(job: Job, subject: Subject) -> bool:
    """Whether the definition is limited to working hours and these are none: then it waits for them, or the log says that it
    did not act. What a person asked for is done at once."""
    hours, now = getattr(subject, "working_hours", None), clock.now()
    if not hours or job.payload["trigger"] not in BY_ITSELF or "run" in job.payload or workdays.is_working_moment(now):
        return False
    if hours == "wait":
        jobs.enqueue(job.kind, job.payload, due_at=workdays.next_working_moment(now))
        return True
    with write():
        log.finish(log.begin(subject, job.payload["trigger"], job=job), "skipped", _("不在工作时间，没有执行。"))
    return True


def _begin(job: Job, subject: Subject) -> RuleRun:
    """The entry of this job in the log: a new one, the one that waited for a person, or the one it was writing when it was
    interrupted."""
    with write():
        known = job.state["run"] if job.state else job.payload.get("run")
        if known:
            run = log.get(known)
            run.status, run.error, run.finished_at, run.job_id = "running", None, None, job.id
            log.save(run, "status", "error", "finished_at", "job_id")
        else:
            run = log.begin(subject, job.payload["trigger"], job=job, actor_id=job.payload.get("actor"))
        if not job.state:
            job.save_state({"run": run.id, "after": None})
        return run


def _carry_out(job: Job, subject: Subject, run: RuleRun) -> None:
    started = time.monotonic()
    after = job.state["after"]
    with read():
        plan = _plan(job, subject)
        if plan is None:
            return
        job.check()
        if isinstance(plan, TablePlan) and after is None:
            _count(plan, run)
        plan.load(after or 0)
        if after is None:
            if isinstance(plan, RulePlan):
                run.matched, run.skipped = plan.matched, plan.skipped
            log.save(run, "matched", "skipped", "detail")
            if _must_ask(job, subject, run, plan):
                return
    done = job.done if after else 0
    total = done + len(plan.ids)
    run.seconds += time.monotonic() - started
    for start in range(0, len(plan.ids), CHUNK):
        job.progress(done + start, total)
        stop = min(start + CHUNK, len(plan.ids))
        job.done, job.total = done + stop, total
        _batch(job, plan, subject, run, start, stop)


def _must_ask(job: Job, subject: Subject, run: RuleRun, plan: Plan) -> bool:
    """Whether a person must say yes first. Then the run waits, in the place of one that has waited since an earlier time."""
    if job.payload["trigger"] not in BY_ITSELF or "run" in job.payload:
        return False
    limit = limits.of(subject)
    if not limit or len(plan.ids) <= limit:
        return False
    with write():
        mine = (RuleRun.kind == run.kind) & (RuleRun.subject_id == run.subject_id) & (RuleRun.status == "waiting")
        older = RuleRun.select().where(mine & RuleRun.trigger.in_(BY_ITSELF) & (RuleRun.id != run.id))
        for other in older if job.payload["trigger"] == "schedule" else ():
            log.finish(other, "dismissed", _("后来又到了运行时间，由新的一次代替。"))
        run.status, run.affects = "waiting", len(plan.ids)
        detail = log.Detail.open(run.detail)
        detail.payload = job.payload
        run.detail = detail.document()
        log.save(run, "status", "affects", "detail")
    return True


def _plan(job: Job, subject: Subject) -> Plan | None:
    """What the job is about; ``None``: nobody can be meant."""
    ctx = Context(now=clock.now())
    ids, trigger = job.payload.get("ids"), next((t for t in subject.triggers() if isinstance(t, DateReached)), None)
    if "span" in job.payload:
        begin, end = job.payload["span"]
    elif trigger is not None and ids is None:
        begin, end = trigger.newest(ctx.now)
    else:
        return plans.plan(subject, ctx, ids, extra=None if ids is not None else plans.standing(subject, ctx))
    test = trigger.due(begin, end) if trigger else None
    if trigger is None or test is None:
        return None
    return plans.plan(subject, ctx, extra=test, name=None if trigger.exact else trigger.occurrence(end).name)


def _count(plan: TablePlan, run: RuleRun) -> None:
    outcomes = plan.outcomes()
    detail = log.Detail.open(run.detail)
    detail.outcomes = {str(i): n for i, n in outcomes.hits.items()}
    run.detail, run.matched = detail.document(), outcomes.matched


def _batch(job: Job, plan: Plan, subject: Subject, run: RuleRun, start: int, stop: int) -> None:
    """The effect, the count and the checkpoint in one transaction: after a crash no step is done twice."""
    started = time.monotonic()
    with write():
        work = Work(plan.form, log.cause(run), clock.now(), cycle=f"run:{run.id}")
        done = plan.apply(start, stop, work)
        log.add(run, done, work, time.monotonic() - started)
        retrying.after(run, subject, done)
        job.save_state({"run": run.id, "after": plan.ids[stop - 1]})


@jobs.handler("automation.purge", label=_l("清理自动化日志"))
def purge(job: Job) -> dict[str, Any]:
    gone = log.purge(job)
    return {"runs_pruned": gone}


@schema.seed
def timer() -> None:
    jobs.schedule("automation.purge", "45 4 * * *", "automation.purge")
