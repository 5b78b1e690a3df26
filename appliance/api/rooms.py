"""Tags, rules, decision tables, reports, dashboards and jobs: the rooms' verbs, in the shapes of an app package."""

from __future__ import annotations

from flask import Response, jsonify, request

from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin, requires_login
from ..core import jobs
from ..core.errors import NotFound
from ..customers import tags
from ..reports import data as figures
from ..reports import ranges, saved
from . import answers, body
from .limits import idempotent
from .views import bp

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
    return answers.made(next(g.document() for g in tags.groups() if g.key == group.key), "/tags")


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
    return answers.made(report.document(), f"/reports/{report.key}")


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
    return answers.made(dashboard.document(), f"/dashboards/{dashboard.key}")


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
            "created_at": answers.when(job.created_at),
            "finished_at": answers.when(job.finished_at),
        }
    )
