"""The log of runs: begun, counted on batch by batch, finished; kept for a while."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import asdict
from peewee import fn

from ..core import clock, dialect, settings
from ..core.db import PARAM, Statement, read, write
from ..core.errors import NotFound
from ..core.jobs import Job
from ..customers import erasing
from ..forms.hooks import Cause
from .actions import Work
from .definitions import Book, Subject
from .models import Held, RuleDone, RuleRun, RunRecord
from .plans import Done
from .rules import book as rules
from .tables import book as tables

erasing.texts(RuleRun, "error", "detail")
erasing.texts(RunRecord, "why", "origin")

BOOKS: dict[str, Book[Any]] = {rules.kind: rules, tables.kind: tables}

TRIGGERS = {
    "schedule": _l("定时"), "date": _l("日期"), "manual": _l("手动"), "change": _l("数据变化"), "event": _l("互动"),
    "segment": _l("客群"), "webhook": _l("外部通知"), "retry": _l("重试"),
}  # fmt: skip
STATUSES = {
    "running": _l('运行中'), "done": _l('完成'), "failed": _l('失败'), "cancelled": _l('已取消'), "stopped": _l('已拦下'),
    "waiting": _l('等人确认'), "delayed": _l('等工作时间'), "skipped": _l('已跳过'), "dismissed": _l('已放弃'),
}  # fmt: skip
STATES = {"done": _l("已完成"), "skipped": _l("已跳过"), "failed": _l("未成功")}

BATCH = 1000

settings.declare("automation.keep_days", 180, _l("自动化日志的保留天数"), "integer", least=7, most=3650)


class Detail(Struct):
    """``outcomes``: row index → records of a table's run (JSON keys are text); ``payload``: what the job of a run that waits for
    a person was asked."""

    outcomes: dict[str, int] = field(default_factory=dict)
    payload: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, doc: dict[str, Any]) -> Detail:
        return cls(doc.get("outcomes") or {}, doc.get("payload") or {})

    def document(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value}


def begin(
    subject: Subject, trigger: str, *, job: Job | None = None, actor_id: int | None = None, **more: Any
) -> RuleRun:
    """A new entry; inside ``write()``."""
    values = {
        "kind": subject.kind, "subject_id": subject.id, "version": subject.version, "trigger": trigger,
        "status": "running", "job_id": job.id if job else None, "actor_id": actor_id, "started_at": clock.now(),
        "detail": {}, **more,
    }  # fmt: skip
    run = RuleRun(**values)
    run.id = RuleRun.insert(**values).execute()
    return run


_RECORD = Statement(
    RunRecord.insert(
        {
            RunRecord.run_id: PARAM, RunRecord.record_id: PARAM, RunRecord.slot: PARAM, RunRecord.state: PARAM,
            RunRecord.why: PARAM, RunRecord.cycle: PARAM, RunRecord.origin: PARAM,
        }
    ).on_conflict_replace()
)  # fmt: skip


_COUNTED = Statement(
    RuleRun.update(
        {
            RuleRun.status: PARAM, RuleRun.finished_at: PARAM, RuleRun.seconds: PARAM, RuleRun.matched: PARAM,
            RuleRun.changed: RuleRun.changed + PARAM, RuleRun.skipped: RuleRun.skipped + PARAM, RuleRun.failed: PARAM,
        }
    ).where(RuleRun.id == PARAM)
)  # fmt: skip


def add(run: RuleRun, done: Done, work: Work, seconds: float, held_back: int = 0) -> None:
    """Counts a batch and notes each of its records; in the transaction that did it. ``held_back``: records that had their
    turn in this period already."""
    changed = done.changed
    rows: list[tuple[Any, ...]] = [(run.id, i, "", "done", None, None, None) for i in sorted(changed)]
    skipped = held_back
    for slot, effect in done.effects.items():
        rows += [(run.id, i, slot, "skipped", str(why), None, None) for i, why in effect.skipped.items()]
        skipped += len(set(effect.skipped) - changed)
        for i, why in effect.failed.items():
            origin = work.origin.get(i)
            rows.append(
                (run.id, i, slot, "failed", str(why), work.cycle_of(i), dialect.dumps(origin) if origin else None)
            )
    _RECORD.executemany(rows)
    run.changed, run.failed, run.skipped = run.changed + len(changed), run.failed + done.failed, run.skipped + skipped
    run.seconds += seconds
    # What is sent meanwhile may count down what was changed (``withheld``): these two are added to.
    _COUNTED.execute(run.status, run.finished_at, run.seconds, run.matched, len(changed), skipped, run.failed, run.id)


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


def records(run: RuleRun, state: str | None = None, after: int = 0, limit: int = 50) -> list[RunRecord]:
    """What a run did record by record, by id; ``after``: only records with a greater id."""
    query = RunRecord.select().where((RunRecord.run_id == run.id) & (RunRecord.record_id > after))
    if state is not None:
        query = query.where(RunRecord.state == state)
    with read():
        return list(query.order_by(RunRecord.record_id, RunRecord.slot).limit(limit))


def purge(job: Job) -> int:
    """Removes old entries and the marks of periods long gone, batch by batch. Returns how many entries."""
    before = clock.now() - settings.get("automation.keep_days") * clock.DAY
    old = (RuleRun.started_at < before) & RuleRun.status.not_in(("running", "waiting", "delayed"))
    gone = 0
    while True:
        job.check()
        with write():
            some = [i for (i,) in RuleRun.select(RuleRun.id).where(old).limit(BATCH).tuples()]
            RunRecord.delete().where(RunRecord.run_id.in_(some)).execute()
            Held.delete().where(Held.run_id.in_(some)).execute()
            deleted = RuleRun.delete().where(RuleRun.id.in_(some)).execute()
        gone += deleted
        if deleted < BATCH:
            break
    year_ago = f"{clock.local(clock.now(), settings.tz()).year - 2}"
    with write():
        # "" is "once for ever"; days, weeks, months and years begin with the year.
        RuleDone.delete().where((RuleDone.period != "") & (RuleDone.period < year_ago)).execute()
    return gone
