"""Home, notices, the search palette."""

from __future__ import annotations

from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    flash,
    jsonify,
    redirect,
    render_template,
    request,
    send_from_directory,
    url_for,
)
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import deputies
from ..accounts import notices as told
from ..accounts.actor import current_actor
from ..accounts.guards import public, requires_admin, requires_login
from ..core import http, i18n, incidents, nav, settings
from ..core.jobs import label as kind_label
from . import home, notices, palette, shell

bp = Blueprint("web", __name__)
nav.add("home", _l("工作台"), "web.home", "home", order=0, words="home gongzuotai")


@bp.get("/", endpoint="home")
@requires_login
def home_page() -> str:
    """Beginners get the steps, everybody else their day."""
    actor = current_actor()
    steps = home.steps() if actor.is_admin else []
    return render_template(
        "web/home.html",
        steps=[] if home.finished(steps) else steps,
        waiting=home.waiting(actor),
        day=home.my_day(actor),
        errors={},
        typed={},
        imports=home.imports(actor),
        quick=home.quick(actor),
        standing_in={"of_deputy": deputies.of_deputy(actor), "of_person": deputies.of_person(actor)},
    )


@bp.get("/home/day")
@requires_login
def day() -> str:
    """The person's day anew, after something in it was done."""
    return render_template("web/_day.html", day=home.my_day(current_actor()), errors={}, typed={})


@bp.get("/home/figures")
@requires_login
def figures() -> str:
    return render_template("web/_figures.html", figures=home.figures(current_actor()))


@bp.post("/home/steps/close")
@requires_admin
def close_steps() -> AnyResponse:
    settings.set("home.steps_closed", True, current_actor())
    flash(_("已收起。需要时可以在使用手册里查看。"), "info")
    return http.go(url_for(".home"))


@bp.get("/notices", endpoint="notices")
@requires_login
def notices_page() -> str:
    actor = current_actor()
    before = request.args.get("before", type=http.whole)
    found = told.of(actor, before)
    more = found[-1].id if len(found) == told.PAGE else None
    if before:
        return render_template("web/_notices.html", notices=found, more=more)
    return render_template(
        "web/notices.html",
        notices=found,
        more=more,
        unread=told.unread(actor),
        incidents=incidents.unresolved() if actor.is_admin else [],
        incident_kind=incidents.kind,
        jobs=notices.jobs_of(actor),
        kind_label=kind_label,
        can_act="ops.retry_incident" in current_app.view_functions,
    )


@bp.get("/notices/count")
@requires_login
def count_notices() -> Response:
    """What the bell asks once a minute; with ``latest`` the newest unread notice too."""
    actor = current_actor()
    found: dict[str, Any] = {"waiting": shell.waiting(actor)}
    if "latest" in request.args and found["waiting"]:
        newest = next((row for row in told.of(actor) if row.read_at is None), None)
        url = url_for(".open_notice", notice_id=newest.id) if newest else ""
        found["latest"] = {"id": newest.id, "text": i18n.label(newest.text), "url": url} if newest else None
    return jsonify(found)


@bp.get("/notices/<int:notice_id>")
@requires_login
def open_notice(notice_id: int) -> AnyResponse:
    """Marks a notice as read and goes where it leads."""
    link = told.open(notice_id, current_actor())
    return redirect(http.safe_next(link, url_for(".notices")), 303)


@bp.post("/notices/read")
@requires_login
def read_notices() -> AnyResponse:
    """Marks all notices as read."""
    told.read_all(current_actor())
    return http.go(url_for(".notices"))


@bp.get("/palette", endpoint="palette")
@requires_login
def palette_results() -> str:
    text = request.args.get("q", "")
    return render_template("web/_palette_results.html", groups=palette.search(text, current_actor()), q=text)


@bp.get("/favicon.ico")
@public
def favicon() -> Response:
    if not current_app.static_folder:
        abort(404)
    return send_from_directory(current_app.static_folder, "favicon.svg", max_age=86_400)
