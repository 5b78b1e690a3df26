"""Settings of the company."""

from __future__ import annotations

from zoneinfo import available_timezones

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..accounts import audit
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login, requires_room
from ..core import http, nav, settings
from ..core.db import write
from ..core.errors import FieldErrors, UserError
from . import shell

bp = Blueprint("settings", __name__, url_prefix="/settings")
nav.add(
    "settings", _l("公司"), "settings.company", "building-store", "settings", order=10, words="company gongsi timezone"
)

Answer = Response | str | tuple[str, int]


@bp.get("/")
@requires_login
def index() -> Response:
    """The first page of the settings that the person may open."""
    first = next(e for e in shell.entries(current_actor()) if e.group == "settings")
    return redirect(url_for(first.endpoint, **first.values))


@bp.get("/company")
@requires_room("settings")
def company() -> str:
    return _company({}, {})


@bp.post("/company")
@requires_room("settings")
def company_save() -> Answer:
    given = {d.key: request.form[d.key] for d in settings.declared("company.") if d.key in request.form}
    try:
        save(given)
    except UserError as error:
        return _company(given, error.errors), 422
    flash(_("公司设置已保存。"), "success")
    return http.go(url_for(".company"))


def save(given: dict[str, str]) -> None:
    """Stores what differs from now, all of it or nothing. Raises :class:`FieldErrors`."""
    actor, errors, changed = current_actor(), {}, {}
    with write():
        for key, raw in given.items():
            before = settings.get(key)
            try:
                settings.set(key, raw, actor)
            except UserError as error:
                errors[key] = error.message
            else:
                if settings.get(key) != before:
                    changed[key] = [before, settings.get(key)]
        if errors:
            raise FieldErrors(errors)
        if changed:
            audit.note("settings.changed", changed)


def _company(given: dict[str, str], errors: dict[str, str]) -> str:
    fields = [(d, given.get(d.key, settings.get(d.key))) for d in settings.declared("company.")]
    return render_template("web/company.html", fields=fields, errors=errors, zones=sorted(available_timezones()))
