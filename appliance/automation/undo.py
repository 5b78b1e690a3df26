"""Takes a run back: what its Changes and its ledgers say it did is reversed where it still holds; what somebody changed since is kept."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, jobs
from ..core.db import write
from ..core.errors import Conflict
from ..core.jobs import Job
from ..forms import reversing
from ..forms.hooks import Cause
from . import log

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
    """A batch a transaction, with its checkpoint: fields that were written, records that were made, then the ledgers."""
    run = log.get(job.payload["run"])
    total, state, cause = run.changed, job.state, Cause("undo", run.id)
    while True:
        job.progress(job.done, max(total, job.done))
        with write():
            step = reversing.take_back(run.kind, run.id, state, CHUNK, SYSTEM, cause)
            if step.done:
                return {"reverted": run.reverted, "kept": run.kept}
            state = step.state
            run.reverted, run.kept = run.reverted + step.reverted, run.kept + step.kept
            log.save(run, "reverted", "kept")
            job.done += step.size
            job.save_state(state)
