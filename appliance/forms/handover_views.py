"""Pages of handing over: what somebody has, to whom it goes, how far it is, taking it back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from ..accounts import people, users
from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin
from ..core import http, jobs
from ..core.db import write
from ..core.errors import UserError
from . import handing_over

bp = Blueprint("handover", __name__, url_prefix="/settings")

Answer = Response | str | tuple[str, int]

AT_ONCE = 500
"""Up to so many things are handed over while the person waits."""


@bp.get("/users/<int:user_id>/handover")
@requires_admin
def ask(user_id: int) -> Answer:
    return _page(user_id, {})


@bp.post("/users/<int:user_id>/handover")
@requires_admin
def start(user_id: int) -> Answer:
    """Hands over, and disables the person first when ``disable`` is ticked: whoever has gone changes nothing any more."""
    form, actor = request.form, current_actor()
    to = int(form["to"]) if form.get("to", "").isdecimal() and len(form["to"]) < 10 else 0
    try:
        with write():
            if form.get("disable"):
                users.disable(user_id, actor)
            job_id = handing_over.start(user_id, to, form.getlist("parts"), actor)
    except UserError as error:
        return _page(user_id, error.errors or {"": error.message}), error.status
    if sum(one.count for one in handing_over.holdings(user_id)) <= AT_ONCE:
        jobs.work_on(job_id)
    return redirect(url_for(".state", job_id=job_id), 303)


def _page(user_id: int, errors: dict[str, str]) -> str:
    user = users.get(user_id)
    return render_template(
        "forms/handover/ask.html",
        user=user,
        myself=user_id == current_actor().id,
        holdings=handing_over.holdings(user_id),
        others=[(other, name) for other, name in people.active() if other != user_id],
        earlier=handing_over.latest(user_id),
        moved=handing_over.moved,
        name=people.name,
        values=request.form,
        errors=errors,
    )


@bp.get("/handovers/<int:job_id>")
@requires_admin
def state(job_id: int) -> Response:
    return _state(job_id)


@bp.post("/handovers/<int:job_id>/undo")
@requires_admin
def undo(job_id: int) -> Answer:
    try:
        again = handing_over.ask_undo(job_id, current_actor())
    except UserError as error:
        flash(error.message, "error")
    else:
        if handing_over.moved(handing_over.of(job_id).result or {}) <= AT_ONCE:
            jobs.work_on(again)
    return redirect(url_for(".state", job_id=job_id), 303)


def _state(job_id: int) -> Response:
    job = handing_over.of(job_id)
    back = handing_over.undo_job(job_id)
    context: dict[str, Any] = {
        "job": job,
        "back": back,
        "working": not job.finished or (back is not None and not back.finished),
        "user": users.get(job.payload["user"]),
        "to": people.name(job.payload["to"]),
        "moved": handing_over.moved(job.result or job.state or {}),
    }
    return http.render("forms/handover/state.html", "forms/handover/_state.html", **context)
