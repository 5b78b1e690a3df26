"""Tags, rules, decision tables, reports, dashboards and jobs: the rooms' verbs, in the shapes of an app package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin, requires_login, requires_room
from ..automation import log, rules, tables
from ..core import clock, jobs, settings
from ..core.errors import NotFound, UserError
from ..customers import tags
from ..reports import data as figures
from ..reports import ranges, saved
from . import body
from .limits import idempotent
from .views import bp


def _made(document: dict[str, Any], location: str) -> Response:
    response = jsonify(document)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1{location}"
    return response


def _when(seconds: int | None) -> str | None:
    return None if seconds is None else clock.iso(seconds, settings.tz())


# -- tags ---------------------------------------------------------------------------------------------------------


@bp.get("/tags")
@requires_login
def list_tags() -> Response:
    counts = request.args.get("count") == "1"
    return jsonify({"tag_groups": [group.document() for group in tags.groups(counts=counts)]})


@bp.post("/tags")
@requires_admin
@idempotent
def create_tag_group() -> Response:
    doc = body.allow(body.read(), "key", "label", "exclusive", "color", "tags")
    group = tags.install_group(doc)
    return _made(next(g.document() for g in tags.groups() if g.key == group.key), "/tags")


# -- rules and decision tables ------------------------------------------------------------------------------------

RULES = requires_room("rules")


def _book_routes(path: str, name: str, book: Any) -> None:
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
        subject = book.save(_definition(), current_actor())
        return _made(document(subject), f"/{path}/{subject.key}")

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
        if ids is not None and not (isinstance(ids, list) and all(type(i) is int and 0 < i < 2**53 for i in ids)):
            raise UserError(_("「ids」要是一列记录编号。"), "ids")
        job_id = book.run(key, current_actor(), ids)
        response = jsonify({"job": job_id})
        response.status_code = 202
        response.headers["Location"] = f"/api/v1/jobs/{job_id}"
        return response

    def runs(key: str) -> Response:
        subject = book.get(key)
        found = log.runs(kind=book.kind, subject_id=subject.id, limit=body.limit(request.args.get("limit")))
        return jsonify({"runs": [_run_document(entry) for entry in found]})

    route("GET", f"/{path}", listing)
    route("POST", f"/{path}", idempotent(create))
    route("GET", f"/{path}/<key>", get)
    route("PATCH", f"/{path}/<key>", update)
    route("DELETE", f"/{path}/<key>", remove)
    route("POST", f"/{path}/<key>:run", idempotent(run))
    route("GET", f"/{path}/<key>/runs", runs)


def _definition() -> dict[str, Any]:
    doc = body.read()
    doc.pop("words", None)
    return doc


def _run_document(run: Any) -> dict[str, Any]:
    return {
        "id": run.id,
        "trigger": run.trigger,
        "status": run.status,
        "started_at": _when(run.started_at),
        "finished_at": _when(run.finished_at),
        "matched": run.matched,
        "changed": run.changed,
        "skipped": run.skipped,
        "failed": run.failed,
        "error": run.error,
    }


_book_routes("rules", "rules", rules.book)
_book_routes("decision-tables", "decision_tables", tables.book)


# -- reports and dashboards ---------------------------------------------------------------------------------------


@bp.get("/reports")
@requires_login
def list_reports() -> Response:
    return jsonify({"reports": [report.document() for report in saved.reports(current_actor())]})


@bp.post("/reports")
@requires_login
@idempotent
def create_report() -> Response:
    report = saved.create(body.read(), current_actor())
    return _made(report.document(), f"/reports/{report.key}")


@bp.get("/reports/<key>")
@requires_login
def get_report(key: str) -> Response:
    return jsonify(saved.get(key, current_actor()).document())


@bp.patch("/reports/<key>")
@requires_login
def update_report(key: str) -> Response:
    return jsonify(saved.update(key, body.read(), current_actor()).document())


@bp.delete("/reports/<key>")
@requires_login
def delete_report(key: str) -> Response:
    saved.delete(key, current_actor())
    return Response(status=204)


@bp.get("/reports/<key>/data")
@requires_login
def report_data(key: str) -> Response:
    actor = current_actor()
    report = saved.get(key, actor)
    result = figures.data(report.definition, actor, ranges.read(request.args), body.condition_argument() or None)
    return jsonify(result.document())


@bp.get("/dashboards")
@requires_login
def list_dashboards() -> Response:
    return jsonify({"dashboards": [dashboard.document() for dashboard in saved.dashboards()]})


@bp.post("/dashboards")
@requires_admin
@idempotent
def create_dashboard() -> Response:
    dashboard = saved.create_dashboard(body.read(), current_actor())
    return _made(dashboard.document(), f"/dashboards/{dashboard.key}")


@bp.get("/dashboards/<key>")
@requires_login
def get_dashboard(key: str) -> Response:
    return jsonify(saved.dashboard(key).document())


@bp.patch("/dashboards/<key>")
@requires_admin
def update_dashboard(key: str) -> Response:
    return jsonify(saved.update_dashboard(key, body.read(), current_actor()).document())


@bp.delete("/dashboards/<key>")
@requires_admin
def delete_dashboard(key: str) -> Response:
    saved.delete_dashboard(key, current_actor())
    return Response(status=204)


# -- jobs ---------------------------------------------------------------------------------------------------------


@bp.get("/jobs/<int(max=9007199254740991):job_id>")
@requires_login
def get_job(job_id: int) -> Response:
    actor, job = current_actor(), jobs.get(job_id)
    if not actor.is_admin and job.actor_id != actor.id:
        raise NotFound()
    return jsonify(
        {
            "id": job.id,
            "kind": job.kind,
            "status": job.status,
            "done": job.done,
            "total": job.total,
            "note": job.note,
            "result": job.result,
            "error": job.error,
            "created_at": _when(job.created_at),
            "finished_at": _when(job.finished_at),
        }
    )
