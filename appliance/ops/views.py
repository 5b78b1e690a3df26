"""Pages of the administrator: the system, backups, background work and what needs a person; and /healthz."""

from __future__ import annotations

from flask import Blueprint, Response, flash, jsonify, redirect, request, send_file, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit
from ..accounts.actor import current_actor
from ..accounts.guards import public, requires_admin
from ..automation import timetable
from ..core import clock, incidents, jobs, nav, settings
from ..core.db import write
from ..core.errors import FieldErrors, UserError
from ..core.http import htmx, render, toast
from . import backup, health, overview

bp = Blueprint("ops", __name__)

nav.add("settings", _l("系统"), "ops.system", "server", "admin", order=80, words="system admin")
nav.add("settings", _l("备份"), "ops.backups", "database-export", "admin", order=81, words="backup restore")
nav.add("settings", _l("后台任务"), "ops.work", "list-check", "admin", order=82, words="jobs incidents")
nav.action(_l("立即备份"), "ops.backups", "database-export", "admin", words="backup")

BACKUP_SETTINGS = ("backup.nightly", "backup.time", "backup.keep_days", "backup.folder")
STALE_BACKUP = 2 * clock.DAY
"""Seconds after which the last backup counts as too old."""


@bp.get("/healthz")
@public
def healthz() -> Response:
    bad = health.problems()
    answer = jsonify({"status": "failing", "failing": bad} if bad else {"status": "ok"})
    answer.status_code = 503 if bad else 200
    answer.headers["Cache-Control"] = "no-store"
    return answer


@bp.get("/admin")
@requires_admin
def system() -> Response:
    figures = health.figures()
    return render(
        "ops/system.html",
        "figures",
        figures=figures,
        uptime=_duration(figures.uptime),
        last=backup.last(),
        stale=_is_stale(),
        incidents=incidents.count(),
    )


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, clock.DAY)
    if days:
        return _("%(days)s 天 %(hours)s 小时", days=days, hours=rest // 3600)
    hours, rest = divmod(rest, 3600)
    if hours:
        return _("%(hours)s 小时 %(minutes)s 分钟", hours=hours, minutes=rest // 60)
    return _("%(minutes)s 分钟", minutes=rest // 60)


@bp.get("/admin/backups")
@requires_admin
def backups() -> Response:
    return _backups_page({})


def _backups_page(errors: dict[str, str], typed: dict[str, str] | None = None) -> Response:
    values = {key: settings.get(key) for key in BACKUP_SETTINGS} | (typed or {})
    return render(
        "ops/backups.html",
        "ops/_backups.html",
        status=422 if errors and not htmx else 200,
        backups=backup.existing(),
        folder=backup.home(),
        job=overview.latest("backup"),
        stale=_is_stale(),
        values=values,
        errors=errors,
    )


def _is_stale() -> bool:
    last = backup.last()
    return last is None or last.at < clock.now() - STALE_BACKUP


@bp.post("/admin/backups")
@requires_admin
def backup_now() -> AnyResponse:
    backup.ask(current_actor().id, with_key=bool(request.form.get("with_key")))
    return redirect(url_for("ops.backups"), 303)


@bp.post("/admin/backups/settings")
@requires_admin
def save_backup_settings() -> AnyResponse:
    typed = {key: request.form.get(key, "") for key in BACKUP_SETTINGS}
    errors: dict[str, str] = {}
    try:
        with write():
            for key in BACKUP_SETTINGS:
                try:
                    settings.set(key, typed[key], current_actor())
                except UserError as e:
                    errors[key] = e.message
            if errors:
                raise FieldErrors(errors)
            audit.note("backup.settings", typed, current_actor())
    except FieldErrors:
        return _backups_page(errors, typed)
    flash(_("备份设置已保存。"), "success")
    return redirect(url_for("ops.backups"), 303)


@bp.get("/admin/backups/<name>")
@requires_admin
def download(name: str) -> Response:
    found = backup.find(name)
    audit.note("backup.downloaded", {"file": found.name}, current_actor())
    return send_file(found.path, as_attachment=True, download_name=found.name, max_age=0)


@bp.get("/admin/jobs")
@requires_admin
def work() -> Response:
    status = request.args.get("status", "")
    return render(
        "ops/jobs.html",
        "ops/_jobs.html",
        incidents=incidents.unresolved(),
        jobs=overview.recent(status),
        counts=overview.counts(),
        timers=overview.timers(),
        shown=status,
        kind_label=jobs.label,
        incident_kind=incidents.kind,
        timetable=timetable.read,
    )


@bp.post("/admin/jobs/<int:job_id>/cancel")
@requires_admin
def cancel(job_id: int) -> AnyResponse:
    jobs.cancel(job_id)
    return toast(work(), _("已请求取消。"))


@bp.post("/admin/jobs/<int:job_id>/retry")
@requires_admin
def retry(job_id: int) -> AnyResponse:
    jobs.retry(job_id)
    return toast(work(), _("已重新排队。"))


@bp.post("/admin/incidents/<int:incident_id>/retry")
@requires_admin
def retry_incident(incident_id: int) -> AnyResponse:
    incidents.retry(incident_id, current_actor())
    return toast(work(), _("正在重试。"))


@bp.post("/admin/incidents/<int:incident_id>/skip")
@requires_admin
def skip_incident(incident_id: int) -> AnyResponse:
    incidents.skip(incident_id, current_actor())
    return toast(work(), _("已跳过。"))
