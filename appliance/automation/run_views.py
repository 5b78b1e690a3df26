"""The log of runs: list, one run with the records it changed, undo."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request, url_for
from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import dialect, http
from ..core.errors import NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog, history, query, reversing
from ..forms.catalog import Form
from ..forms.models import Change
from . import holding, log, retrying, undo
from .blueprint import bp
from .models import RuleRun
from .rules import Rule
from .shared_views import plural_of
from .tables import OTHERS, DecisionTable

PAGE = 50


class Entry(Struct):
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
    before = request.args.get("before", type=http.whole)
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
    """One run, with what it did record by record (``state``: only those)."""
    run = log.get(run_id)
    entry = next(iter(_entries([run])), None)
    if entry is None:
        raise NotFound()
    state = request.args.get("state")
    state = state if state in log.STATES else None
    detail = log.Detail.open(run.detail)
    subject = log.subject_of(run)
    return http.render(
        "automation/run.html", "automation/_records.html", entry=entry, run=run, outcomes=_outcomes(run, detail),
        state=state, states=log.STATES, subject=subject, final=_final(subject), can_undo=_can_undo(run),
        **_records(run, state, request.args.get("after", 0, type=http.whole)),
    )  # fmt: skip


def _final(subject: Any) -> list[str]:
    """In words, what of a rule cannot be taken back."""
    if not isinstance(subject, Rule):
        return []
    try:
        return [action.words() for action in subject.actions() if not action.undoable]
    except UserError:
        return []


def _can_undo(run: RuleRun) -> bool:
    ended = run.status not in ("running", "waiting", "delayed", "dismissed", "skipped")
    return ended and not run.undo_job_id and reversing.holds(run.kind, run.id)


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
    """More of the records of a run."""
    run, state = log.get(run_id), request.args.get("state")
    found = _records(run, state if state in log.STATES else None, request.args.get("after", 0, type=http.whole))
    return render_template("automation/_record_rows.html", run=run, state=state, states=log.STATES, **found)


class Line(Struct):
    """One record of a run: its title (none: the person may not see it), what became of it, and what was written to it."""

    record_id: int
    title: str | None
    state: str
    notes: list[tuple[str, str]] = field(default_factory=list)
    """(what was skipped or failed, why)."""
    changes: list[Any] = field(default_factory=list)


def _records(run: RuleRun, state: str | None, after: int) -> dict[str, Any]:
    """The next records of a run, and the id to go on from."""
    form = _form_of(run)
    rows = log.records(run, state, after, PAGE + 1)
    ids = list(dict.fromkeys(row.record_id for row in rows))
    if not rows and state in (None, "done"):
        ids = _changed_ids(run, form, after)
    if form is None or not ids:
        return {"lines": [], "form": form, "more": None}
    shown = ids[:PAGE]
    titles = query.titles(form, set(shown), current_actor())
    lines = {i: Line(i, titles.get(i), "done") for i in shown}
    for row in rows:
        if row.record_id in lines and row.state != "done":
            lines[row.record_id].state = row.state
            lines[row.record_id].notes.append((_action_words(run, row.slot), row.why or ""))
    _add_changes(run, form, lines)
    return {"lines": list(lines.values()), "form": form, "more": shown[-1] if len(ids) > PAGE else None}


def _form_of(run: RuleRun) -> Form | None:
    row = log.BOOKS[run.kind].row.get_or_none(log.BOOKS[run.kind].row.id == run.subject_id)
    return catalog.all_forms().get(row.form) if row else None


def _action_words(run: RuleRun, slot: str) -> str:
    subject = log.subject_of(run)
    if not isinstance(subject, Rule) or not slot.isdigit() or int(slot) >= len(subject.do):
        return ""
    return subject.action_words()[int(slot)]


def _mine(run: RuleRun, form: Form) -> Any:
    return (Change.cause_kind == run.kind) & (Change.cause_id == run.id) & (Change.form_id == form.id)


def _changed_ids(run: RuleRun, form: Form | None, after: int) -> list[int]:
    """The records of a run from before there were entries for each."""
    if form is None:
        return []
    rows = Change.select(Change.record_id).where(_mine(run, form) & (Change.record_id > after)).distinct()
    return [i for (i,) in rows.order_by(Change.record_id).limit(PAGE + 1).tuples()]


def _add_changes(run: RuleRun, form: Form, lines: dict[int, Line]) -> None:
    made = list(Change.select().where(_mine(run, form) & dialect.among(Change.record_id, lines)).order_by(Change.id))
    for change, told in zip(made, history.entries(form, made, current_actor()), strict=True):
        lines[change.record_id].changes += told.lines


@bp.post("/runs/<int:run_id>/approve")
@requires_room("rules")
def runs_approve(run_id: int) -> Any:
    """A person says yes to a run that would change very many records."""
    holding.approve(run_id, current_actor())
    flash(_("已同意，正在执行。"), "success")
    return http.go(url_for("automation.runs_show", run_id=run_id))


@bp.post("/runs/<int:run_id>/dismiss")
@requires_room("rules")
def runs_dismiss(run_id: int) -> Any:
    holding.dismiss(run_id, current_actor())
    flash(_("已放弃，什么都没有做。"), "success")
    return http.go(url_for("automation.runs_show", run_id=run_id))


@bp.post("/runs/<int:run_id>/retry")
@requires_room("rules")
def runs_retry(run_id: int) -> Any:
    """What failed, once more."""
    asked = retrying.again(run_id, current_actor().id)
    flash(_("正在重试未成功的记录。") if asked else _("没有未成功的记录。"), "success" if asked else "info")
    return http.go(url_for("automation.runs_show", run_id=run_id))


@bp.post("/runs/<int:run_id>/undo")
@requires_room("rules")
def runs_undo(run_id: int) -> Any:
    try:
        undo.ask(run_id, current_actor())
    except UserError as error:
        return http.toast("", error.message, kind="error")
    return http.go(url_for("automation.runs_show", run_id=run_id))
