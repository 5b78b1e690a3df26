"""Reads the Changes in order and runs what listens to them. Effects and cursor move in one transaction.

Nothing happens, not even a query beyond one by index, while no enabled definition listens to the form that was written.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import clock, incidents, jobs
from ..core.db import PARAM, Statement, write
from ..core.errors import UserError
from ..core.jobs import Job
from ..forms import catalog, hooks
from ..forms.catalog import Form
from ..forms.conditions import Context
from ..forms.hooks import Batch
from ..forms.models import Change
from ..forms.records import latest_change
from . import log, plans
from .actions import Work
from .definitions import Subject
from .models import Listener, RuleCursor

logger = logging.getLogger(__name__)

KIND = "automation.dispatch"
BATCH = 500
DEPTH = 8
"""A Change that eight runs led to sets nothing off any more: somebody's rules feed each other."""

_LISTENING = Statement(Listener.select(Listener.field).where((Listener.form == PARAM) & (Listener.action == PARAM)))


@hooks.after_write(hooks.ANY)
def ring(batch: Batch) -> None:
    """Asks for the dispatcher, in the writer's transaction, when somebody listens to what was written."""
    wanted = [field for (field,) in _LISTENING.execute(batch.form.key, batch.action)]
    if any(field is None or field in batch.fields for field in wanted):
        jobs.enqueue(KIND, unique=KIND)


@hooks.listener
def listening(form: Form, keys: set[str]) -> bool:
    """Whether an enabled definition listens to changes of one of these fields."""
    return any(field in keys for (field,) in _LISTENING.execute(form.key, "update"))


@dataclass
class _Ear:
    """One enabled definition, and the writes it wants to hear of."""

    subject: Subject
    listeners: list[Listener]

    def hears(self, change: Change, form_key: str) -> bool:
        return change.id > self.subject.since and any(
            listener.form == form_key
            and listener.action == change.action
            and (listener.field is None or listener.field in change.fields)
            for listener in self.listeners
        )


@jobs.handler(KIND, label=_l("处理数据变化"))
def dispatch(job: Job) -> dict[str, Any]:
    """Until there is nothing left to read. Returns how many definitions ran."""
    ran = 0
    while True:
        with write():
            ears = _ears()
            changes = _next(ears)
            ran += sum(_serve(ear, changes) for ear in ears)
        if not changes:
            return {"rules": ran}
        job.check()


def _ears() -> list[_Ear]:
    """In the order in which they act: rules, then tables."""
    wanted: dict[tuple[str, int], list[Listener]] = defaultdict(list)
    for listener in Listener.select():
        wanted[listener.kind, listener.subject_id].append(listener)
    if not wanted:
        return []
    subjects = [subject for book in log.BOOKS.values() for subject in book.all(enabled=True)]
    return [_Ear(s, wanted[s.kind, s.id]) for s in subjects if (s.kind, s.id) in wanted]


def _next(ears: list[_Ear]) -> list[tuple[Change, str]]:
    """The next Changes of forms that somebody listens to, with their form's key; moves the cursor behind them."""
    if not ears:
        return []
    cursor = RuleCursor.select(RuleCursor.change_id).scalar()
    if cursor is None:
        RuleCursor.insert(change_id=0).execute()
    # While nobody listened the cursor stood still: what is older than the oldest listener is not read at all.
    begin = max(cursor or 0, min(ear.subject.since for ear in ears))
    keys = {form.id: form.key for form in catalog.all()}
    heard = {listener.form for ear in ears for listener in ear.listeners}
    wanted = [form_id for form_id, key in keys.items() if key in heard]
    query = Change.select().where((Change.id > begin) & Change.form_id.in_(wanted)).order_by(Change.id).limit(BATCH)
    changes = [(change, keys[change.form_id]) for change in query]
    end = changes[-1][0].id if changes else latest_change()
    RuleCursor.update(change_id=max(begin, end)).execute()
    return changes


def _serve(ear: _Ear, changes: list[tuple[Change, str]]) -> int:
    """Runs one definition on the Changes that it hears. Returns how many runs there were."""
    by_depth: dict[int, list[Change]] = defaultdict(list)
    for change, form_key in changes:
        if ear.hears(change, form_key):
            by_depth[change.depth].append(change)
    ran = 0
    for depth, heard in sorted(by_depth.items()):
        if depth >= DEPTH:
            _stop(ear.subject, heard, depth)
        else:
            ran += _act(ear.subject, heard, depth + 1)
    return ran


def _act(subject: Subject, heard: list[Change], depth: int) -> int:
    """One run on one batch, as it stands now. What fails is undone, logged and reported; the others go on."""
    started = time.monotonic()
    try:
        with write():
            plan = _plan(subject, heard)
            if not plan.ids:
                return 0
            run = log.begin(subject, "change", depth=depth)
            run.matched, run.skipped = plan.count()
            log.save(run, "matched", "skipped")
            effect = plan.apply(0, len(plan.ids), Work(plan.form, log.cause(run), clock.now()))
            log.add(run, changed=len(effect.changed), failed=effect.failed, seconds=time.monotonic() - started)
            log.finish(run, "done")
            return 1
    except UserError as error:
        _report(subject, heard, depth, error.message)
    except Exception as error:
        logger.exception("%s %s failed on a batch", subject.kind, subject.key)
        _report(subject, heard, depth, f"{type(error).__name__}: {error}")
    return 0


def _plan(subject: Subject, heard: list[Change]) -> plans.Plan:
    """What the Changes call for, as the records stand now."""
    ids = sorted({change.record_id for change in heard})
    plan = plans.plan(subject, Context(now=clock.now()), ids, [(c.record_id, c.fields) for c in heard])
    plan.load()
    return plan


def _report(subject: Subject, heard: list[Change], depth: int, why: str) -> None:
    run = log.begin(subject, "change", depth=depth)
    run.detail = log.Detail(changes=[change.id for change in heard]).document()
    log.save(run, "detail")
    log.finish(run, "failed", why)
    told = _("「%(name)s」：%(why)s", name=subject.label, why=why)
    incidents.open("rule_failed", told, f"run:{run.id}", f"failed:{subject.timer_key}")


def _stop(subject: Subject, heard: list[Change], depth: int) -> None:
    """Leaves the batch alone, if there is anything to do on it, and says so in the log and as an incident."""
    try:
        plan = _plan(subject, heard)
    except UserError:
        return
    if not plan.ids:
        return
    why = _(
        "修改引起了新的修改，已连续 %(depth)d 次，可能是几条规则互相触发，所以停在这里。请检查它们的条件。", depth=depth
    )
    run = log.begin(subject, "change", depth=depth)
    run.matched = len(plan.ids)
    log.save(run, "matched")
    log.finish(run, "stopped", why)
    told = _("「%(name)s」：%(why)s", name=subject.label, why=why)
    incidents.open("rule_loop", told, f"run:{run.id}", f"loop:{subject.timer_key}")
