"""``/rules`` and ``/decision-tables``: definitions in the shapes of an app package, their versions, runs and rehearsals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import people
from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..automation import differences, explain, holding, log, rehearsal, retrying, rules, tables, trying, undo
from ..automation.definitions import Book
from ..automation.models import RuleRun
from ..core import http, jobs
from ..core.errors import NotFound, UserError
from ..forms import query
from . import answers, body
from .limits import idempotent
from .views import bp

RULES = requires_room("rules")
SMALL = 20_000
"""Records of a form up to which a rehearsal is answered at once."""


def _id(raw: Any, name: str) -> int:
    if not body.is_id(raw):
        raise UserError(_("「%(name)s」要是一个记录编号。", name=name), name)
    return int(raw)


def _book_routes(path: str, name: str, book: Book[Any]) -> None:
    """One set of routes for rules and for decision tables."""

    def route(method: str, rule: str, view: Callable[..., Response], guard: Any = RULES) -> None:
        view.__name__ = view.__qualname__ = f"{name}_{view.__name__}"
        bp.add_url_rule(rule, view.__name__, guard(view), methods=[method])

    def document(subject: Any) -> dict[str, Any]:
        doc: dict[str, Any] = subject.document()
        return doc | {"enabled": subject.enabled, "version": subject.version, "words": subject.sentence()}

    def listing() -> Response:
        return jsonify({name: [document(subject) for subject in book.all(form=request.args.get("form"))]})

    def get(key: str) -> Response:
        return jsonify(document(book.get(key)))

    def create() -> Response:
        """Switched on unless the document says otherwise, as what an app brings."""
        subject = book.save({"enabled": True} | _definition(), current_actor())
        return answers.made(document(subject), f"/{path}/{subject.key}")

    def update(key: str) -> Response:
        doc = _definition()
        version = body.whole(doc, "version")
        merged = book.get(key).document() | {k: v for k, v in doc.items() if k != "version"}
        return jsonify(document(book.save(merged, current_actor(), key, version=version)))

    def remove(key: str) -> Response:
        book.delete(key, current_actor())
        return Response(status=204)

    def run(key: str) -> Response:
        doc = body.allow(body.read(), "ids")
        ids = doc.get("ids")
        if ids is not None and not (isinstance(ids, list) and all(map(body.is_id, ids))):
            raise UserError(_("「ids」要是一列记录编号。"), "ids")
        return answers.job(book.run(key, current_actor(), ids))

    def versions(key: str) -> Response:
        subject = book.get(key)
        rows = book.versions(subject)
        found = [
            {
                "version": row.version, "at": answers.when(row.at), "by": people.login(row.actor_id) if row.actor_id else None,
                "enabled": row.enabled, "definition": row.document,
                "changes": differences.between(book.cls, older.document, row.document) if older else [],
            }
            for row, older in zip(rows, [*rows[1:], None], strict=True)
        ]  # fmt: skip
        return jsonify({"versions": found})

    def restore(key: str) -> Response:
        doc = body.allow(body.read(), "version")
        version = body.whole(doc, "version")
        if version is None:
            raise UserError(_("请写明要恢复到哪一版。"), "version")
        return jsonify(document(book.go_back(key, version, current_actor())))

    def arrange() -> Response:
        doc = body.allow(body.read(), "keys", "folders")
        keys, folders = doc.get("keys"), doc.get("folders") or {}
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise UserError(_("「keys」要是一列键名。"), "keys")
        if not isinstance(folders, dict) or not all(isinstance(one, str) for one in folders.values()):
            raise UserError(_("「folders」要写成 {键名: 文件夹}。"), "folders")
        for key in [*keys, *folders]:
            book.get(key)
        book.arrange(keys, folders)
        return listing()

    def runs(key: str) -> Response:
        subject, status = book.get(key), request.args.get("status")
        before = request.args.get("before", type=http.whole)
        limit = body.limit(request.args.get("limit"))
        found = log.runs(book.kind, subject.id, status, before, limit)
        return jsonify({"runs": [_run_document(entry) for entry in found]})

    def run_of(key: str, run_id: int) -> RuleRun:
        subject, found = book.get(key), log.get(run_id) if run_id < body.BIG else None
        if found is None or found.kind != book.kind or found.subject_id != subject.id:
            raise NotFound()
        return found

    def one_run(key: str, run_id: int) -> Response:
        return jsonify(_run_document(run_of(key, run_id)))

    def run_records(key: str, run_id: int) -> Response:
        found, state = run_of(key, run_id), request.args.get("state")
        if state is not None and state not in log.STATES:
            raise UserError(_("「state」只能是 done、skipped 或 failed。"), "state")
        limit, after = body.limit(request.args.get("limit")), request.args.get("cursor", 0, type=http.whole)
        rows = log.records(found, state, min(after, body.BIG), limit + 1)
        visible = query.visible_ids(book.get(key).form_key, {row.record_id for row in rows}, current_actor())
        shown = rows[:limit]
        if len(rows) > limit and len({row.record_id for row in rows}) > 1:
            # The rows of one record stay together.
            shown = [row for row in shown if row.record_id != rows[limit].record_id] or shown
        return jsonify(
            {
                "records": [
                    {"record": row.record_id, "state": row.state, "action": row.slot or None, "why": row.why}
                    for row in shown
                    if row.record_id in visible
                ],
                "next_cursor": str(shown[-1].record_id) if len(rows) > limit else None,
            }
        )

    def undo_run(key: str, run_id: int) -> Response:
        return answers.job(undo.ask(run_of(key, run_id).id, current_actor()))

    def approve_run(key: str, run_id: int) -> Response:
        return answers.job(holding.approve(run_of(key, run_id).id, current_actor()))

    def dismiss_run(key: str, run_id: int) -> Response:
        holding.dismiss(run_of(key, run_id).id, current_actor())
        return one_run(key, run_id)

    def retry_run(key: str, run_id: int) -> Response:
        asked = retrying.again(run_of(key, run_id).id, current_actor().id)
        if asked is None:
            raise UserError(_("没有未成功的记录。"))
        return answers.job(asked)

    def try_on(key: str) -> Response:
        """One record, test by test; nothing is done."""
        doc = body.allow(body.read(), "record")
        subject, record_id = book.get(key), _id(doc.get("record"), "record")
        query.get(subject.form, record_id, current_actor())
        if isinstance(subject, rules.Rule):
            return jsonify(trying.on(subject, record_id).document())
        return jsonify(explain.explain(subject, record_id).document())

    route("GET", f"/{path}", listing)
    route("POST", f"/{path}", idempotent(create))
    route("POST", f"/{path}:arrange", arrange)
    route("GET", f"/{path}/<key>", get)
    route("PATCH", f"/{path}/<key>", update)
    route("DELETE", f"/{path}/<key>", remove)
    route("POST", f"/{path}/<key>:run", idempotent(run))
    route("POST", f"/{path}/<key>:try", try_on)
    route("POST", f"/{path}/<key>:restore", restore)
    route("GET", f"/{path}/<key>/versions", versions)
    route("GET", f"/{path}/<key>/runs", runs)
    route("GET", f"/{path}/<key>/runs/<int:run_id>", one_run)
    route("GET", f"/{path}/<key>/runs/<int:run_id>/records", run_records)
    route("POST", f"/{path}/<key>/runs/<int:run_id>:undo", undo_run)
    route("POST", f"/{path}/<key>/runs/<int:run_id>:approve", approve_run)
    route("POST", f"/{path}/<key>/runs/<int:run_id>:dismiss", dismiss_run)
    route("POST", f"/{path}/<key>/runs/<int:run_id>:retry", retry_run)


def _definition() -> dict[str, Any]:
    doc = body.read()
    doc.pop("words", None)
    return doc


def _run_document(run: RuleRun) -> dict[str, Any]:
    return {
        "id": run.id, "trigger": run.trigger, "status": run.status, "version": run.version,
        "started_at": answers.when(run.started_at), "finished_at": answers.when(run.finished_at), "matched": run.matched,
        "changed": run.changed, "skipped": run.skipped, "failed": run.failed, "affects": run.affects,
        "error": run.error, "undone_at": answers.when(run.undone_at),
    }  # fmt: skip


@bp.post("/rules/<key>:rehearse")
@RULES
def rules_rehearse(key: str) -> Response:
    """Replays the last ``days`` without doing anything: the answer at once, or a job whose result holds it."""
    doc = body.allow(body.read(), "days")
    days = body.whole(doc, "days") or rehearsal.DAYS
    if not 1 <= days <= rehearsal.MOST_DAYS:
        raise UserError(_("「days」要在 1 到 %(max)d 之间。", max=rehearsal.MOST_DAYS), "days")
    rule = rules.get(key)
    job_id = rehearsal.ask(rule.document(), days, current_actor())
    if query.Query(rule.form, current_actor()).count(SMALL) < SMALL:
        jobs.work_on(job_id)
    job = jobs.get(job_id)
    if job.result and "rehearsal" in job.result:
        return jsonify(job.result["rehearsal"])
    return answers.job(job_id)


_book_routes("rules", "rules", rules.book)
_book_routes("decision-tables", "decision_tables", tables.book)
