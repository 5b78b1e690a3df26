"""What failed is tried again: by itself after a while, a few times, then when a person asks for it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from ..core import clock, incidents, jobs
from ..core.db import db, write
from ..core.errors import UserError
from ..core.jobs import Job, registry
from . import log, plans
from .actions import Work
from .definitions import Subject
from .models import DefinitionVersion, Held, RuleRun, RunRecord
from .plans import Done
from .rules import Rule

RETRY = "rule.retry"
CHUNK = 500


def after(run: RuleRun, subject: Subject, done: Done) -> None:
    """Sees to what failed in a batch; inside the batch's transaction."""
    if done.hopeless:
        tell(subject, run, next(iter(done.hopeless.values())))
    if any(effect.failed for slot, effect in done.effects.items() if slot not in done.hopeless):
        _ask(run, 0)


def tell(subject: Subject, run: RuleRun, why: str) -> None:
    """Reports a definition that did not do all it should."""
    told = _("「%(name)s」：%(why)s", name=subject.label, why=why)
    incidents.open("rule_failed", told, f"run:{run.id}", f"failed:{subject.timer_key}")


def _ask(run: RuleRun, tries: int) -> None:
    jobs.enqueue(
        RETRY, {"run": run.id, "tries": tries}, due_at=clock.now() + registry.BACKOFF[tries], unique=f"retry:{run.id}"
    )


def again(run_id: int, actor_id: int | None = None) -> int | None:
    """Tries the failed records of a run again now; returns the job's id, ``None`` when there are none."""
    if RunRecord.select().where((RunRecord.run_id == run_id) & (RunRecord.state == "failed")).exists():
        payload = {"run": run_id, "tries": len(registry.BACKOFF)}
        return jobs.enqueue(RETRY, payload, actor_id=actor_id, unique=f"retry:{run_id}:now")
    if Held.select().where(Held.run_id == run_id).exists():
        return jobs.enqueue("rule.release", {"run": run_id}, actor_id=actor_id, unique=f"release:{run_id}")
    return None


def _again(ref: str) -> None:
    """Tries all that failed of one definition again (``ref``: ``run:12``, the last of its runs)."""
    last = log.get(int(ref.partition(":")[2]))
    if log.subject_of(last) is None:
        raise UserError(_("它已被删除，不能重试，请选择“跳过”。"))
    mine = (RuleRun.kind == last.kind) & (RuleRun.subject_id == last.subject_id)
    failed = RunRecord.select(RunRecord.run_id).where(RunRecord.state == "failed")
    held = RuleRun.status == "failed"
    for (run_id,) in (
        RuleRun.select(RuleRun.id).where(mine & ((RuleRun.failed > 0) & RuleRun.id.in_(failed) | held)).tuples()
    ):
        again(run_id)


incidents.declare("rule_failed", _l("规则没有执行成功"), retry=_again)
incidents.declare("rule_loop", _l("规则反复触发了自己"))


@jobs.handler(RETRY, label=_l("重试未成功的记录"))
def retry(job: Job) -> dict[str, Any] | None:
    """The failed actions on the records on which they failed, for the occurrence for which they failed."""
    run = log.get(job.payload["run"])
    subject = log.subject_of(run)
    if subject is None:
        return None
    slots = _slots(run, subject)
    while True:
        job.check()
        with write():
            rows = _failed(run, (job.state or {}).get("after", 0))
            if not rows:
                break
            _try(run, subject, rows, slots)
            job.save_state({"after": rows[-1].record_id})
    left = RunRecord.select().where((RunRecord.run_id == run.id) & (RunRecord.state == "failed")).count()
    if not left:
        incidents.settle(f"failed:{subject.timer_key}")
        return {"rules": 1}
    tries: int = job.payload["tries"] + 1
    with write():
        if tries < len(registry.BACKOFF):
            _ask(run, tries)
        else:
            one = RunRecord.get((RunRecord.run_id == run.id) & (RunRecord.state == "failed"))
            why = ngettext("%(num)d 条记录没有成功：%(why)s", "%(num)d 条记录没有成功：%(why)s", left, why=one.why)
            tell(subject, run, why)
    return {"rules": 1}


def _failed(run: RuleRun, after: int) -> list[RunRecord]:
    mine = (RunRecord.run_id == run.id) & (RunRecord.state == "failed") & (RunRecord.record_id > after)
    rows = list(RunRecord.select().where(mine).order_by(RunRecord.record_id, RunRecord.slot).limit(CHUNK))
    if len(rows) == CHUNK:
        # The rows of one record stay together.
        whole = [row for row in rows if row.record_id != rows[-1].record_id]
        return whole or rows
    return rows


def _slots(run: RuleRun, subject: Subject) -> set[str]:
    """The places whose action still is what it was when it failed."""
    if not isinstance(subject, Rule):
        return {"0"}
    then = DefinitionVersion.get_or_none(
        (DefinitionVersion.kind == run.kind) & (DefinitionVersion.subject_id == run.subject_id)
        & (DefinitionVersion.version == run.version)
    )  # fmt: skip
    names = [doc.get("action") for doc in then.document["do"]] if then and then.document else []
    return {str(i) for i, doc in enumerate(subject.do) if i < len(names) and names[i] == doc.get("action")}


def _try(run: RuleRun, subject: Subject, rows: list[RunRecord], slots: set[str]) -> None:
    form = subject.form
    gone = any(trigger.gone for trigger in subject.triggers())
    there = form.table.select(form.col("id")).where(*plans.live(form, [row.record_id for row in rows], gone=gone))
    live = {i for (i,) in there.tuples().execute(db)}
    by_slot: dict[str, list[RunRecord]] = defaultdict(list)
    for row in rows:
        if row.record_id in live and row.slot in slots:
            by_slot[row.slot].append(row)
        else:
            _settle(run, row, "skipped", _("记录已被删除，或动作已经改过。"))
    for slot, mine in by_slot.items():
        work = Work(form, log.cause(run), clock.now())
        work.cycles = {row.record_id: row.cycle or "" for row in mine}
        work.origin = {row.record_id: row.origin for row in mine if row.origin}
        ids = [row.record_id for row in mine]
        if isinstance(subject, Rule):
            done = plans.act(subject, subject.actions(), ids, work, (slot,))
        else:
            plan = plans.TablePlan(subject, plans.Context(now=work.now), ids)  # type: ignore[arg-type]
            plan.load()
            done = plan.apply(0, len(plan.ids), work)
        effect = done.effects.get(slot, plans.Effect())
        for row in mine:
            if row.record_id in effect.failed:
                _settle(run, row, "failed", effect.failed[row.record_id])
            elif row.record_id in effect.skipped:
                _settle(run, row, "skipped", effect.skipped[row.record_id])
            else:
                _settle(run, row, "done", None)


def _settle(run: RuleRun, row: RunRecord, state: str, why: str | None) -> None:
    """Notes how another try ended."""
    mine = (RunRecord.run_id == row.run_id) & (RunRecord.record_id == row.record_id) & (RunRecord.slot == row.slot)
    if state == "failed":
        RunRecord.update(why=why).where(mine).execute()
        return
    RunRecord.delete().where(mine).execute()
    slot = "" if state == "done" else row.slot
    RunRecord.insert(
        run_id=run.id, record_id=row.record_id, slot=slot, state=state, why=why
    ).on_conflict_replace().execute()
    run.failed -= 1
    if state == "done":
        run.changed += 1
    else:
        run.skipped += 1
    log.save(run, "failed", "changed", "skipped")
