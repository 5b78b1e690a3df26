"""What the pages of rules and of decision tables do alike: switch, run, delete, restore."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import http, jobs
from ..core.errors import NotFound, UserError
from . import log, preview
from .blueprint import bp
from .definitions import Book
from .rules import Rule

PLURALS = {"rules": "rule", "tables": "decision_table"}


def book_of(plural: str) -> Book[Any]:
    """The book that a URL names. Raises :class:`NotFound`."""
    if plural not in PLURALS:
        raise NotFound()
    return log.BOOKS[PLURALS[plural]]


def plural_of(kind: str) -> str:
    return next(plural for plural, k in PLURALS.items() if k == kind)


def _row(subject: Any) -> str:
    last = log.latest(subject.kind).get(subject.id)
    return render_template("automation/_row.html", one=subject, last=last, plural=plural_of(subject.kind))


@bp.post("/<any(rules, tables):plural>/<key>/switch")
@requires_room("rules")
def switch(plural: str, key: str) -> Any:
    """On or off (``on``); with ``run`` it also runs at once."""
    book, actor = book_of(plural), current_actor()
    on = request.form.get("on") == "1"
    try:
        subject = book.switch(key, on, actor)
        if on and request.form.get("run"):
            book.run(key, actor)
    except UserError as error:
        return http.toast(_row(book.get(key)), error.message, kind="error")
    message = _("已启用「%(name)s」", name=subject.label) if on else _("已停用「%(name)s」", name=subject.label)
    return http.toast(_row(subject), message)


@bp.get("/<any(rules, tables):plural>/<key>/enable")
@requires_room("rules")
def enable_dialog(plural: str, key: str) -> str:
    """What switching it on means: when it runs, and what it would change now."""
    return render_template("automation/_enable.html", one=book_of(plural).get(key), plural=plural)


@bp.get("/<any(rules, tables):plural>/<key>/effect")
@requires_room("rules")
def effect(plural: str, key: str) -> str:
    """The counts of a saved definition, as a fragment."""
    subject = book_of(plural).get(key)
    try:
        of = preview.of_rule if isinstance(subject, Rule) else preview.of_table
        return render_template("automation/_effect.html", one=subject, preview=of(subject, current_actor()))
    except UserError as error:
        return render_template("automation/_effect.html", one=subject, error=error.message)


@bp.post("/<any(rules, tables):plural>/<key>/run")
@requires_room("rules")
def run_now(plural: str, key: str) -> Any:
    """Starts a run and shows its progress."""
    try:
        job_id = book_of(plural).run(key, current_actor())
    except UserError as error:
        return http.toast("", error.message, kind="error")
    if not http.is_htmx():
        return http.go(url_for("automation.runs"))
    return _progress(job_id)


@bp.get("/jobs/<int:job_id>/progress")
@requires_room("rules")
def job_progress(job_id: int) -> str:
    return _progress(job_id)


@bp.post("/jobs/<int:job_id>/cancel")
@requires_room("rules")
def job_cancel(job_id: int) -> str:
    jobs.cancel(job_id)
    return _progress(job_id)


def _progress(job_id: int) -> str:
    """One fragment for every state of a run or an undo; it polls itself until the job has ended."""
    job = jobs.get(job_id)
    run_id = (job.state or {}).get("run") or job.payload.get("run")
    return render_template("automation/_progress.html", job=job, run=log.get(run_id) if run_id else None)


@bp.post("/<any(rules, tables):plural>/<key>/delete")
@requires_room("rules")
def delete(plural: str, key: str) -> Any:
    book = book_of(plural)
    subject = book.get(key)
    book.delete(key, current_actor())
    undo = url_for("automation.restore", plural=plural, key=key)
    response = http.toast("", _("已删除「%(name)s」", name=subject.label), undo)
    return response if http.is_htmx() else http.go(url_for(f"automation.{plural}"))


@bp.post("/<any(rules, tables):plural>/<key>/restore")
@requires_room("rules")
def restore(plural: str, key: str) -> Any:
    book_of(plural).restore(key, current_actor())
    return http.go(url_for(f"automation.{plural}"))


@bp.get("/<any(rules, tables):plural>/<key>/versions")
@requires_room("rules")
def versions(plural: str, key: str) -> str:
    """Who changed it when, as a fragment."""
    book = book_of(plural)
    return render_template("automation/_versions.html", versions=book.versions(book.get(key)), cls=book.cls)
