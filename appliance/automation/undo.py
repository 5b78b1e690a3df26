"""Takes a run back: what its Changes did is reversed where it still holds; what somebody changed since is kept."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, jobs
from ..core.db import write
from ..core.errors import Conflict
from ..core.jobs import Job
from ..forms import catalog, reversing
from ..forms.catalog import Form
from ..forms.hooks import Cause
from ..forms.models import Change
from . import log
from .models import RuleRun

CHUNK = 500
"""Records a transaction."""


def ask(run_id: int, actor: Actor, form_key: str | None = None) -> int:
    """Starts taking a run back; returns the job's id. Raises Conflict for a run that goes on or was taken back.

    ``form_key``: the form in whose list its progress is shown.
    """
    with write():
        run = log.get(run_id)
        if run.status == "running":
            raise Conflict(_("它还在运行，请先取消或等它结束。"))
        if run.undo_job_id is not None:
            raise Conflict(_("这次运行已经撤销过了。"))
        payload = {"run": run_id} | ({"form": form_key} if form_key else {})
        job_id = jobs.enqueue("automation.undo", payload, actor_id=actor.id, unique=f"undo:{run_id}")
        run.undone_at, run.undone_by, run.undo_job_id, run.reverted, run.kept = clock.now(), actor.id, job_id, 0, 0
        log.save(run, "undone_at", "undone_by", "undo_job_id", "reverted", "kept")
        return job_id


@jobs.handler("automation.undo", heavy=True, label=_l("撤销规则的运行"))
def undo(job: Job) -> dict[str, Any]:
    """Record by record in batches; checkpoint and effect are one transaction."""
    run = log.get(job.payload["run"])
    after: int = (job.state or {}).get("after", 0)
    total = run.changed
    mine = (Change.cause_kind == run.kind) & (Change.cause_id == run.id)
    while True:
        job.progress(job.done, total)
        with write():
            nets = reversing.nets(mine, reversing.updated(mine, after, CHUNK))
            if not nets:
                return {"reverted": run.reverted, "kept": run.kept}
            subject = log.subject_of(run)
            form = subject.form if subject else _form_of(run)
            reverted = len(nets) - len(reversing.reverse(form, nets, SYSTEM, Cause("undo", run.id)).kept)
            after = max(nets)
            run.reverted, run.kept = run.reverted + reverted, run.kept + len(nets) - reverted
            log.save(run, "reverted", "kept")
            job.done += len(nets)
            job.save_state({"after": after})


def _form_of(run: RuleRun) -> Form:
    """The form of a run whose definition is gone."""
    mine = (Change.cause_kind == run.kind) & (Change.cause_id == run.id)
    form_id = Change.select(Change.form_id).where(mine).limit(1).scalar()
    form = catalog.by_id(form_id)
    if form is None:
        raise Conflict(_("它所属的表单已被删除，不能撤销。"))
    return form
