"""Why a lead has its score, and how the company scores."""

from __future__ import annotations

from flask import flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..accounts import audit
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires_room
from ..core import http, nav, settings
from ..core.db import write
from ..core.errors import FieldErrors, UserError
from ..forms import causes, panels, query
from ..forms.query import Record
from . import scoring
from .blueprint import bp

nav.add(
    "settings", _l("线索评分"), "sales.scoring_settings", "gauge", right="settings", order=72,
    words="score scoring pingfen xiansuo grade",
)  # fmt: skip


def _sees(record: Record, actor: Actor) -> bool:
    return scoring.SCORE in query.clear(record.form, actor)


@panels.panel(scoring.LEAD, "score", _l("评分"), place="side", order=15, shows=_sees)
def score_panel(record: Record, actor: Actor) -> str:
    """The score with its grade, and the points it comes from."""
    return render_template(
        "sales/_score.html", record=record, score=record.values.get(scoring.SCORE), grade=record.text(scoring.GRADE),
        lines=scoring.history(record.id), why=causes.words,
    )  # fmt: skip


@bp.get("/settings/scoring")
@requires_room("settings")
def scoring_settings() -> Response:
    return _page({}, {})


def _page(typed: dict[str, str], errors: dict[str, str], status: int = 200) -> Response:
    fields = [(d, typed.get(d.key, settings.get(d.key))) for d in settings.declared("scoring.")]
    response: Response = http.render("sales/scoring.html", status=status, fields=fields, errors=errors)
    return response


@bp.post("/settings/scoring")
@requires_room("settings")
def save_scoring() -> Response:
    actor, changed, errors = current_actor(), {}, {}
    try:
        with write():
            for d in settings.declared("scoring."):
                before = settings.get(d.key)
                try:
                    settings.set(d.key, request.form.get(d.key, ""), actor)
                except UserError as error:
                    errors[d.key] = error.message
                else:
                    if settings.get(d.key) != before:
                        changed[d.key] = [before, settings.get(d.key)]
            if not errors and not settings.get("scoring.a") > settings.get("scoring.b") > settings.get("scoring.c"):
                errors["scoring.b"] = _("A、B、C 的分数要从高到低。")
            if errors:
                raise FieldErrors(errors)
            if changed:
                audit.note("settings.changed", changed, actor)
    except FieldErrors as error:
        return _page(request.form.to_dict(), error.errors, 422)
    flash(_("评分设置已保存，正在重新评级。"), "success")
    return http.go(url_for("sales.scoring_settings"))
