"""The log of runs: begun, counted on batch by batch, finished; kept for a while."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from flask_babel import lazy_gettext as _l
from peewee import fn

from ..core import clock, settings
from ..core.db import read, write
from ..core.errors import NotFound
from ..core.jobs import Job
from ..customers import erasing
from ..forms.hooks import Cause
from .definitions import Book, Subject
from .models import RuleDone, RuleRun
from .rules import book as rules
from .tables import book as tables

erasing.texts(RuleRun, "error", "detail")

BOOKS: dict[str, Book[Any]] = {rules.kind: rules, tables.kind: tables}

TRIGGERS = {"schedule": _l("定时"), "manual": _l("手动"), "change": _l("数据变化"), "retry": _l("重试")}
STATUSES = {
    "running": _l('运行中'), "done": _l('完成'), "failed": _l('失败'), "cancelled": _l('已取消'),
    "stopped": _l('已拦下'),
}  # fmt: skip

MAX_FAILURES = 20
BATCH = 1000

settings.declare("automation.keep_days", 180, _l("自动化日志的保留天数"), "integer", least=7, most=3650)


@dataclass
class Detail:
    """``outcomes``: row index → records of a table's run (JSON keys are text); ``failures``: the first few, as ``[id,
    sentence]``; ``changes``: the Changes of a batch that failed, to be tried again."""

    outcomes: dict[str, int] = field(default_factory=dict)
    failures: list[list[Any]] = field(default_factory=list)
    changes: list[int] = field(default_factory=list)

    @classmethod
    def open(cls, doc: dict[str, Any]) -> Detail:
        return cls(**doc)

    def document(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value}


def begin(
    subject: Subject, trigger: str, *, job: Job | None = None, actor_id: int | None = None, **more: Any
) -> RuleRun:
    """A new entry; inside ``write()``."""
    run_id = RuleRun.insert(
        kind=subject.kind, subject_id=subject.id, version=subject.version, trigger=trigger, status="running",
        job_id=job.id if job else None, actor_id=actor_id, started_at=clock.now(), detail={}, **more,
    ).execute()  # fmt: skip
    return RuleRun.get_by_id(run_id)


def add(run: RuleRun, *, changed: int, failed: dict[int, str], seconds: float) -> None:
    """Counts a batch; in the transaction that did it."""
    detail = Detail.open(run.detail)
    room = MAX_FAILURES - len(detail.failures)
    detail.failures += [[i, why] for i, why in list(failed.items())[:room]]
    run.changed, run.failed, run.seconds = run.changed + changed, run.failed + len(failed), run.seconds + seconds
    run.detail = detail.document()
    save(run, "changed", "failed", "seconds", "detail")


def finish(run: RuleRun, status: str, error: str | None = None) -> None:
    run.status, run.error, run.finished_at = status, error, clock.now()
    save(run, "status", "error", "finished_at", "seconds")


def save(run: RuleRun, *names: str) -> None:
    with write():
        RuleRun.update(**{name: getattr(run, name) for name in names}).where(RuleRun.id == run.id).execute()


def cause(run: RuleRun) -> Cause:
    """What the Changes of the run say about who made them."""
    return Cause(run.kind, run.id, run.depth)


def subject_of(run: RuleRun) -> Subject | None:
    """The rule or table of a run, ``None`` when it was deleted."""
    try:
        return BOOKS[run.kind].by_id(run.subject_id)
    except NotFound:
        return None


def get(run_id: int) -> RuleRun:
    """Raises :class:`NotFound`."""
    with read():
        run = RuleRun.get_or_none(RuleRun.id == run_id)
    if run is None:
        raise NotFound()
    return run


def latest(kind: str) -> dict[int, RuleRun]:
    """The newest run of each definition of a kind, by the definition's id."""
    newest = RuleRun.select(fn.MAX(RuleRun.id)).where(RuleRun.kind == kind).group_by(RuleRun.subject_id)
    with read():
        return {run.subject_id: run for run in RuleRun.select().where(RuleRun.id.in_(newest))}


def runs(
    kind: str | None = None, subject_id: int | None = None, status: str | None = None, before: int | None = None,
    limit: int = 50,
) -> list[RuleRun]:  # fmt: skip
    """Newest first; ``before``: only runs with a smaller id."""
    query = RuleRun.select()
    for column, value in ((RuleRun.kind, kind), (RuleRun.subject_id, subject_id), (RuleRun.status, status)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(RuleRun.id < before)
    with read():
        return list(query.order_by(RuleRun.id.desc()).limit(limit))


def purge(job: Job) -> int:
    """Removes old entries and the marks of periods long gone, batch by batch. Returns how many entries."""
    before = clock.now() - settings.get("automation.keep_days") * clock.DAY
    old = (RuleRun.started_at < before) & (RuleRun.status != "running")
    gone = 0
    while True:
        job.check()
        with write():
            some = RuleRun.select(RuleRun.id).where(old).limit(BATCH)
            deleted = RuleRun.delete().where(RuleRun.id.in_(some)).execute()
        gone += deleted
        if deleted < BATCH:
            break
    year_ago = f"{clock.local(clock.now(), settings.tz()).year - 2}"
    with write():
        # "" is "once for ever"; days, weeks, months and years begin with the year.
        RuleDone.delete().where((RuleDone.period != "") & (RuleDone.period < year_ago)).execute()
    return gone
