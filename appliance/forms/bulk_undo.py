"""Bulk operations that write: a few records at once, more with progress, all of it a job whose Changes name it, so that one click
takes it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct, field

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import jobs
from ..core.db import write
from ..core.errors import Conflict, Forbidden, NotFound, UserError
from ..core.models import JobRow
from . import catalog, reversing
from .bulk_actions import BATCH, Outcome, Selection
from .hooks import Cause

WRITING = ("forms.bulk_edit", "forms.paste", "automation.bulk")
"""Kinds of jobs that can be taken back here."""
TOLD = 20
"""Refusals that a result keeps word for word."""


Closing = Callable[[jobs.Job], tuple[str, str | None]]
closings: dict[str, Closing] = {}
"""What a list says when a job of another room's kind is done, and where "undo" posts to, if it can be undone."""


def closing(kind: str) -> Callable[[Closing], Closing]:
    """Registers the closing words of a kind of job. Raises on a kind that has some."""
    if kind in closings:
        raise ValueError(f"jobs of kind {kind!r} have closing words already")

    def add(fn: Closing) -> Closing:
        closings[kind] = fn
        return fn

    return add


class Effect(Struct, frozen=True):
    """What a batch did: how many records changed; a sentence for each that could not."""

    changed: int
    failed: dict[int, str] = field(default_factory=dict)


def start(kind: str, payload: dict[str, Any], selection: Selection, at_once: int) -> Outcome:
    """Runs the job here while the selection is small, else leaves it to the workers. Raises UserError when it fails."""
    few = selection.count() <= at_once
    job_id = jobs.enqueue(kind, payload, actor_id=selection.actor.id)
    if few:
        job = jobs.work_on(job_id) or jobs.get(job_id)
        if job.status == "failed":
            raise UserError(job.error or _("没有完成。"))
        if job.finished:
            return Outcome(words(job), undo_url(job))
    return Outcome(_("正在修改…"), job=job_id)


def each_batch(job: jobs.Job, selection: Selection, act: Callable[[list[int], Cause], Effect]) -> dict[str, Any]:
    """Calls ``act`` for one batch after another, each in a transaction with its checkpoint."""
    state = job.state or {"after": 0, "changed": 0, "done": 0, "failed": 0, "why": []}
    total = selection.count()
    while True:
        ids = next_ids(selection, state["after"])
        if not ids:
            return {"changed": state["changed"], "failed": state["failed"], "why": state["why"]}
        with write():
            effect = act(ids, Cause("bulk", job.id))
            state = {
                "after": ids[-1],
                "changed": state["changed"] + effect.changed,
                "done": state["done"] + len(ids),
                "failed": state["failed"] + len(effect.failed),
                "why": list(dict.fromkeys([*state["why"], *effect.failed.values()]))[:TOLD],
            }
            job.done = state["done"]
            job.save_state(state)
        job.progress(state["done"], max(total, state["done"]))


def next_ids(selection: Selection, after: int, size: int = BATCH) -> list[int]:
    """The next of the selected records by id: acting on one batch may take its records out of the filter."""
    found = selection.query().only(selection.form.col("id") > after).sort("id").page(size, fields=[])
    return [r.id for r in found.records]


def words(job: jobs.Job) -> str:
    """What a finished job did, as a notice."""
    result = job.result or job.state or {}
    text = ngettext("已修改 %(num)d 条", "已修改 %(num)d 条", result.get("changed", 0))
    if result.get("failed"):
        text += _("，%(count)d 条没有改：%(why)s", count=result["failed"], why=_("；").join(result.get("why", [])[:2]))
    return text


def undo_url(job: jobs.Job) -> str | None:
    """Where "undo" posts to; ``None`` when nothing was written."""
    if job.kind not in WRITING or not (job.result or job.state or {}).get("changed"):
        return None
    return url_for("forms.undo_bulk", form_key=job.payload["form"], job_id=job.id)


def ask(job: jobs.Job, actor: Actor) -> int:
    """Starts taking a job back; returns the id of the job that does. Raises Forbidden, NotFound, Conflict."""
    if job.kind not in WRITING or not job.finished:
        raise NotFound()
    form = catalog.get(job.payload["form"])
    if not permissions.can(actor, "bulk", form.key):
        raise Forbidden(_("您没有这项权限。需要时请联系管理员。"))
    if _asked(job):
        raise Conflict(_("这次修改已经撤销过了。"))
    payload = {"form": form.key, "of": job.id, "actor": actor.id}
    return jobs.enqueue("forms.bulk_undo", payload, actor_id=actor.id, unique=f"bulk-undo:{job.id}")


def _asked(job: jobs.Job) -> bool:
    rows = JobRow.select(JobRow.payload).where(JobRow.kind == "forms.bulk_undo", JobRow.id > job.id)
    return any(payload["of"] == job.id for (payload,) in rows.tuples())


@jobs.handler("forms.bulk_undo", label=_l("撤销批量修改"))
def undo(job: jobs.Job) -> dict[str, Any]:
    """A batch a transaction, with its checkpoint."""
    from ..accounts import users
    from ..accounts.actor import SYSTEM

    actor = SYSTEM if job.payload["actor"] is None else users.actor_of(job.payload["actor"])
    if actor is None:
        raise NotFound()
    of: int = job.payload["of"]
    state = job.state or {"next": None, "restored": 0, "kept": 0, "done": 0}
    total = (jobs.get(of).result or jobs.get(of).state or {}).get("changed", 0)
    while True:
        with write():
            step = reversing.take_back("bulk", of, state["next"], BATCH, actor, Cause("undo", of))
            if step.done:
                return {"restored": state["restored"], "kept": state["kept"]}
            state = {
                "next": step.state,
                "restored": state["restored"] + step.reverted,
                "kept": state["kept"] + step.kept,
                "done": state["done"] + step.size,
            }
            job.done = state["done"]
            job.save_state(state)
        job.progress(state["done"], max(total, state["done"]))


def undone_words(result: dict[str, Any]) -> str:
    text = ngettext("已恢复 %(num)d 条", "已恢复 %(num)d 条", result.get("restored", 0))
    if result.get("kept"):
        text += _("，%(count)d 条后来又改过，保留现在的内容", count=result["kept"])
    return text
