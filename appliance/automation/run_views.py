"""The log of runs: list, one run with the records it changed, undo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import render_template, request, url_for

from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import http
from ..core.errors import NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog, history, query
from ..forms.models import Change
from . import log, undo
from .blueprint import bp
from .models import RuleRun
from .shared_views import plural_of
from .tables import OTHERS, DecisionTable

PAGE = 50


@dataclass
class Entry:
    """A run with what it was a run of."""

    run: RuleRun
    name: str
    url: str | None

    @property
    def trigger(self) -> str:
        return str(log.TRIGGERS.get(self.run.trigger, self.run.trigger))

    @property
    def status(self) -> str:
        return str(log.STATUSES.get(self.run.status, self.run.status))


def _entries(runs: list[RuleRun]) -> list[Entry]:
    out = []
    for kind, book in log.BOOKS.items():
        wanted = {run.subject_id for run in runs if run.kind == kind}
        rows = {row.id: row for row in book.row.select().where(book.row.id.in_(list(wanted)))} if wanted else {}
        for run in runs:
            if run.kind == kind and run.subject_id in rows:
                row = rows[run.subject_id]
                endpoint = f"automation.{plural_of(kind)}_edit"
                url = None if row.deleted_at else url_for(endpoint, key=row.key)
                out.append(Entry(run, i18n_label(row.label), url))
    return sorted(out, key=lambda entry: -entry.run.id)


@bp.get("/runs")
@requires_room("rules")
def runs() -> Any:
    kind, key = request.args.get("kind") or None, request.args.get("key") or None
    status = request.args.get("status") or None
    if kind is not None and kind not in log.BOOKS:
        raise NotFound()
    subject = log.BOOKS[kind].get(key) if kind and key else None
    before = request.args.get("before", type=int)
    found = log.runs(kind, subject.id if subject else None, status, before, PAGE + 1)
    entries = _entries(found[:PAGE])
    following = None
    if len(found) > PAGE:
        following = url_for("automation.runs", **{**request.args.to_dict(), "before": found[PAGE - 1].id})
    return http.render(
        "automation/runs.html", "automation/_runs.html", entries=entries, subject=subject, kind=kind, chosen=status,
        statuses=log.STATUSES, following=following, books=log.BOOKS,
    )  # fmt: skip


@bp.get("/runs/<int:run_id>")
@requires_room("rules")
def runs_show(run_id: int) -> Any:
    run = log.get(run_id)
    entry = next(iter(_entries([run])), None)
    if entry is None:
        raise NotFound()
    detail = log.Detail.open(run.detail)
    return http.render(
        "automation/run.html", entry=entry, run=run, detail=detail, outcomes=_outcomes(run, detail), **_changed(run)
    )


def _outcomes(run: RuleRun, detail: log.Detail) -> list[tuple[str, int]]:
    """What a table's run decided, by the rows the table has now."""
    subject = log.subject_of(run)
    if not detail.outcomes or not isinstance(subject, DecisionTable) or subject.version != run.version:
        return []
    order = [*range(len(subject.rows)), OTHERS]
    return [(subject.outcome_words(i), detail.outcomes[str(i)]) for i in order if str(i) in detail.outcomes]


@bp.get("/runs/<int:run_id>/records")
@requires_room("rules")
def runs_records(run_id: int) -> str:
    """More of the records that a run changed."""
    run = log.get(run_id)
    return render_template("automation/_changed.html", run=run, **_changed(run, request.args.get("after", 0, type=int)))


def _changed(run: RuleRun, after: int = 0) -> dict[str, Any]:
    """The next Changes of a run with the records' titles and what happened, and the id to go on from."""
    mine = (Change.cause_kind == run.kind) & (Change.cause_id == run.id) & (Change.id > after)
    changes = list(Change.select().where(mine).order_by(Change.id).limit(PAGE + 1))
    form = catalog.by_id(changes[0].form_id) if changes else None
    if form is None:
        return {"changes": [], "form": None, "more": None}
    titles = query.titles(form, {change.record_id for change in changes}, current_actor())
    told = history.entries(form, changes[:PAGE], current_actor())
    shown = [
        (change.record_id, titles[change.record_id], entry.lines)
        for change, entry in zip(changes, told, strict=False)
        if change.record_id in titles
    ]
    return {"changes": shown, "form": form, "more": changes[PAGE - 1].id if len(changes) > PAGE else None}


@bp.post("/runs/<int:run_id>/undo")
@requires_room("rules")
def runs_undo(run_id: int) -> Any:
    try:
        undo.ask(run_id, current_actor())
    except UserError as error:
        return http.toast("", error.message, kind="error")
    return http.go(url_for("automation.runs_show", run_id=run_id))
