"""What the pages of rules and of decision tables do alike: list, save, switch, run, delete, restore."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import pgettext
from msgspec import Struct

from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import http, jobs
from ..core.errors import NotFound, UserError
from . import differences, editing, log, preview
from .blueprint import bp
from .definitions import Book, folder_name
from .models import DefinitionVersion
from .rules import Rule

PLURALS = {"rules": "rule", "tables": "decision_table"}


def book_of(plural: str) -> Book[Any]:
    """The book that a URL names. Raises :class:`NotFound`."""
    if plural not in PLURALS:
        raise NotFound()
    return log.BOOKS[PLURALS[plural]]


def plural_of(kind: str) -> str:
    return next(plural for plural, k in PLURALS.items() if k == kind)


def in_folders(ones: list[Any]) -> list[tuple[str, list[Any]]]:
    """Definitions by folder: those in none first, then the folders in the order of what is in them."""
    groups: dict[str, list[Any]] = {"": []}
    for one in ones:
        groups.setdefault(one.folder, []).append(one)
    return [(name, some) for name, some in groups.items() if some or not name]


def listing(plural: str) -> Any:
    """The page of all definitions of a kind, by folder."""
    book = book_of(plural)
    ones = book.all()
    return http.render(
        f"automation/{plural}.html", ones=ones, groups=in_folders(ones), folders=book.folders(),
        latest=log.latest(book.kind), plural=plural,
    )  # fmt: skip


OfForm = Callable[[Any, Any], tuple[dict[str, Any], dict[str, str]]]
"""From the editor's inputs and the definition as it was: its document, and the problems that no document can hold."""
Again = Callable[[Any, dict[str, str], str], Any]
"""The page with what was typed: the definition, path → sentence, a sentence about no path."""


def save(plural: str, old: Any, of_form: OfForm, again: Again) -> Any:
    """Saves what the editor holds, and runs it when that was asked for; or shows it ``again`` with what is wrong."""
    book = book_of(plural)
    doc, problems = of_form(request.form, old)
    enabled = bool(request.form.get("enabled"))
    version = request.form.get("version", type=http.whole)
    try:
        if problems:
            raise UserError("")
        saved = book.save(doc, current_actor(), old.key if old else None, enabled=enabled, version=version)
    except UserError as error:
        typed = book.cls.read(doc | {"key": old.key if old else ""})
        typed.enabled = enabled
        if old:
            typed.id, typed.version = old.id, old.version
            typed.updated_at, typed.updated_by = old.updated_at, old.updated_by
        return again(typed, *editing.errors_of(error, problems))
    if request.form.get("then") == "run":
        book.run(saved.key, current_actor())
    return http.go(url_for(f"automation.{plural}_edit", key=saved.key, saved=1))


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


class Edition(Struct):
    """One version in the history: what it changed, in words."""

    row: DefinitionVersion
    changes: list[str]
    verb: str
    current: bool


@bp.get("/<any(rules, tables):plural>/<key>/versions")
@requires_room("rules")
def versions(plural: str, key: str) -> str:
    """Who changed what when, as a fragment."""
    book = book_of(plural)
    subject = book.get(key)
    rows = book.versions(subject)
    editions = []
    for row, older in zip(rows, [*rows[1:], None], strict=True):
        changes = differences.between(book.cls, older.document, row.document) if older else []
        editions.append(Edition(row, changes, _verb(row, older), row.version == subject.version))
    return render_template("automation/_versions.html", editions=editions, plural=plural, one=subject)


def _verb(row: Any, older: Any) -> str:
    """What was done, where it was no change of what the definition says."""
    if row.document is None:
        return pgettext("done", "删除")
    if older is None:
        return pgettext("done", "新建") if row.version == 1 else ""
    if older.document is None:
        return pgettext("done", "恢复")
    if older.version == row.version:
        return pgettext("done", "启用") if row.enabled else pgettext("done", "停用")
    return ""


@bp.post("/<any(rules, tables):plural>/<key>/versions/<int:version>/restore")
@requires_room("rules")
def restore_version(plural: str, key: str, version: int) -> Any:
    """Makes an older version the newest one; it stays on or off as it is now."""
    book = book_of(plural)
    try:
        subject = book.go_back(key, version, current_actor())
    except UserError as error:
        flash(error.message, "error")
        return http.go(url_for(f"automation.{plural}_edit", key=key))
    flash(_("已恢复到第 %(n)d 版的内容，记为第 %(new)d 版。", n=version, new=subject.version), "success")
    return http.go(url_for(f"automation.{plural}_edit", key=subject.key))


@bp.post("/arrange/<any(rules, tables):plural>")
@requires_room("rules")
def arrange(plural: str) -> Any:
    """The order that somebody dragged the list into: ``key`` (many) in order, ``folder`` beside each."""
    keys, folders = request.form.getlist("key"), request.form.getlist("folder")
    book = book_of(plural)
    now = {subject.key: subject.folder for subject in book.all()}
    moved = {key: folder for key, folder in zip(keys, folders, strict=False) if now.get(key, folder) != folder}
    book.arrange([key for key in keys if key in now], moved)
    return http.toast("", _("顺序已保存。"))


@bp.get("/<any(rules, tables):plural>/<key>/folder")
@requires_room("rules")
def folder_dialog(plural: str, key: str) -> str:
    book = book_of(plural)
    return render_template("automation/_folder.html", one=book.get(key), folders=book.folders(), plural=plural)


@bp.post("/<any(rules, tables):plural>/<key>/folder")
@requires_room("rules")
def move(plural: str, key: str) -> Any:
    """Puts one into a folder, which is made when there is none of the name; an empty name: into none."""
    book = book_of(plural)
    folder = folder_name(request.form.get("folder"))
    order = [subject.key for subject in book.all() if subject.key != key]
    inside = [i for i, other in enumerate(order) if book.get(other).folder == folder]
    order.insert(inside[-1] + 1 if inside else len(order), book.get(key).key)
    book.arrange(order, {key: folder})
    return http.go(url_for(f"automation.{plural}"))
