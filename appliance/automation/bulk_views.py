"""What a rule did to the records chosen in a list, told when it has ended and taken back by the one who started it."""

from __future__ import annotations

from typing import Any

from flask import Response, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core import http, jobs
from ..core.errors import NotFound
from ..forms import bulk_undo, reversing
from . import undo
from .blueprint import bp
from .bulk import AT_ONCE
from .models import RuleRun


@bulk_undo.closing("rule.run")
def ended(job: jobs.Job) -> tuple[str, str | None]:
    """The notice at the end of a run, and where "undo" posts to when the rule wrote anything that can be taken back."""
    run = RuleRun.get_or_none(RuleRun.job_id == job.id)
    if run is None:
        return _("已完成"), None
    words = ngettext("已修改 %(num)d 条", "已修改 %(num)d 条", run.changed)
    if run.failed:
        words += _("，%(count)d 条没有改，原因在规则的运行记录里", count=run.failed)
    if run.undo_job_id is not None or not reversing.holds(run.kind, run.id):
        return words, None
    return words, url_for("automation.undo_bulk_run", form_key=job.payload["form"], job_id=job.id)


@bulk_undo.closing("automation.undo")
def undone(job: jobs.Job) -> tuple[str, str | None]:
    result = job.result or {}
    return bulk_undo.undone_words({"restored": result.get("reverted", 0), "kept": result.get("kept", 0)}), None


@bp.post("/forms/<form_key>/runs/<int:job_id>/undo")
@requires("bulk")
def undo_bulk_run(form_key: str, job_id: int) -> Any:
    """At once while it was small."""
    job, actor = jobs.get(job_id), current_actor()
    own = job.kind == "rule.run" and job.payload.get("form") == form_key
    run = RuleRun.get_or_none(RuleRun.job_id == job_id)
    if not own or run is None or (job.actor_id != actor.id and not actor.is_admin):
        raise NotFound()
    again = undo.ask(run.id, actor, form_key)
    if run.changed <= AT_ONCE:
        done = jobs.work_on(again)
        if done is not None and done.status == "done":
            response = http.toast(Response(status=204), undone(done)[0])
            return http.trigger(response, "guke:refresh")
    response = http.toast(Response(status=204), _("正在撤销…"), kind="info")
    return http.trigger(response, "guke:progress", url_for("forms.bulk_progress", form_key=form_key, job_id=again))
