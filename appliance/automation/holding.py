"""Entries of a stream that a definition has yet to act on: until working hours begin, until a person has said yes, or
until what failed is tried again. A run of the log holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import Actor
from ..core import attention, clock, jobs, workdays
from ..core.db import PARAM, Statement, read, write
from ..core.errors import Conflict
from ..core.jobs import Job
from . import log
from .definitions import Subject
from .models import Held, Listener, RuleRun
from .streams import STREAMS, Signal, Stream

RELEASE = "rule.release"
CHUNK = 500

_HOLD = Statement(Held.insert({Held.run_id: PARAM, Held.stream: PARAM, Held.signal_id: PARAM}).on_conflict_ignore())


def keep(run: RuleRun, stream: Stream, signals: Sequence[Signal]) -> None:
    """The run holds these entries; inside ``write()``."""
    _HOLD.executemany([(run.id, stream.key, signal.id) for signal in signals])


def hold(
    subject: Subject, stream: Stream, signals: Sequence[Signal], depth: int, status: str, run: RuleRun | None = None
) -> None:
    """Keeps entries for later, in the run of this definition that waits already, or in a new one. ``status``: delayed or
    waiting; ``run``: one whose entries they were before."""
    if run is None:
        mine = (RuleRun.kind == subject.kind) & (RuleRun.subject_id == subject.id) & (RuleRun.status == status)
        run = RuleRun.get_or_none(mine & (RuleRun.depth == depth) & RuleRun.trigger.not_in(("schedule", "date")))
    if run is None:
        run = log.begin(subject, stream.trigger, depth=depth)
    keep(run, stream, signals)
    run.status, run.affects = status, Held.select().where(Held.run_id == run.id).count()
    log.save(run, "status", "affects")
    if status == "delayed":
        jobs.enqueue(
            RELEASE, {"run": run.id}, due_at=workdays.next_working_moment(clock.now()), unique=f"release:{run.id}"
        )


def approve(run_id: int, actor: Actor) -> int:
    """A person says yes: the run goes on. Returns the job's id. Raises Conflict when it waits no more."""
    with write():
        run = _decide(run_id, actor)
        subject = log.subject_of(run)
        if subject is None:
            raise Conflict(_("它已被删除，不能再执行，请选择“放弃”。"))
        payload = log.Detail.open(run.detail).payload
        log.save(run, "decided_at", "decided_by")
        if payload:
            return jobs.enqueue(f"{run.kind}.run", payload | {"run": run.id}, actor_id=actor.id)
        return jobs.enqueue(RELEASE, {"run": run.id, "decided": True}, actor_id=actor.id, unique=f"release:{run.id}")


def dismiss(run_id: int, actor: Actor) -> None:
    """A person says no: nothing is done, and the entries are let go. Raises Conflict when it waits no more."""
    with write():
        run = _decide(run_id, actor)
        log.save(run, "decided_at", "decided_by")
        log.finish(run, "dismissed")
        Held.delete().where(Held.run_id == run.id).execute()


def _decide(run_id: int, actor: Actor) -> RuleRun:
    run = log.get(run_id)
    if run.status != "waiting":
        raise Conflict(_("这次运行已经处理过了，请刷新页面。"))
    run.decided_at, run.decided_by = clock.now(), actor.id
    return run


@jobs.handler(RELEASE, label=_l("执行等待中的规则"))
def release(job: Job) -> dict[str, Any] | None:
    """Acts on what a run holds, batch by batch; what was acted on is let go in the same transaction."""
    from .dispatch import Ear, Turn

    run = log.get(job.payload["run"])
    subject = log.subject_of(run)
    if subject is None or run.status == "dismissed":
        return None
    listeners = list(Listener.select().where((Listener.kind == run.kind) & (Listener.subject_id == subject.id)))
    ear, decided = Ear(subject, listeners), bool(job.payload.get("decided"))
    run.status, run.error = "running", None
    log.save(run, "status", "error")
    while True:
        job.check()
        with write():
            ids, key = _next(run)
            if not ids:
                if run.status == "running":
                    log.finish(run, "done")
                return {"rules": 1}
            stream = STREAMS[key]
            Held.delete().where((Held.run_id == run.id) & (Held.stream == key) & Held.signal_id.in_(ids)).execute()
            signals = stream.pick(ids)
            if signals:
                Turn(ear, stream, signals, run.depth, run=run, decided=decided).take()
            if run.status in ("waiting", "delayed", "failed"):
                return None


def _next(run: RuleRun) -> tuple[list[int], str]:
    """The ids of the next entries that a run holds, of one stream."""
    found = list(
        Held.select(Held.stream, Held.signal_id)
        .where(Held.run_id == run.id)
        .order_by(Held.stream, Held.signal_id)
        .limit(CHUNK)
        .tuples()
    )
    return [i for key, i in found if key == found[0][0]], found[0][0] if found else ""


def _count(actor: Actor) -> int:
    with read():
        return int(RuleRun.select().where(RuleRun.status == "waiting").count())


attention.register(
    "mass_effects", _l("等人确认的规则"), "users-group", "automation.runs", _count, "rules", order=30, status="waiting"
)
