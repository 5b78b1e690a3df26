"""The points of a customer: their panel, the whole history, a correction by hand; and what the company says about points."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires, requires_room
from ..core import clock, http, nav, settings
from ..core.db import write
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import catalog, causes, panels, query
from ..forms.query import Record
from . import earned, levels, points

bp = Blueprint("loyalty", __name__)

nav.add(
    "settings", _l("会员权益"), "loyalty.settings_page", "coin", right="loyalty", order=62,
    words="points level coupon jifen dengji youhuiquan score",
)  # fmt: skip

SHOWN = 5
PAGE = 50
SOON = 30 * clock.DAY


def _customer(record_id: int) -> Record:
    """The customer, when the person may see it and its points. Raises NotFound."""
    record = query.get(catalog.get("customer"), record_id, current_actor())
    if not sees(record, current_actor()):
        raise NotFound()
    return record


def sees(record: Record, actor: Actor) -> bool:
    return points.FIELD in query.clear(record.form, actor)


def may_adjust(actor: Actor) -> bool:
    """Points are money's worth: who gives them by hand has a right of their own."""
    return permissions.has_room(actor, "loyalty") and permissions.can(actor, "edit", "customer")


# -- the panel --------------------------------------------------------------------------------------------------------


@panels.panel("customer", "points", _l("积分与等级"), place="side", order=35, shows=sees)
def panel(record: Record, actor: Actor) -> str:
    """The balance, what of it expires soon, the last lines and the levels there were."""
    lines = points.history(record.id, SHOWN + 1)
    return render_template(
        "loyalty/_points.html", record=record, balance=record.values.get(points.FIELD) or 0,
        soon=points.expiring(record.id, clock.now() + SOON), lines=lines[:SHOWN], more=len(lines) > SHOWN,
        words=earned.words, may=may_adjust(actor), level=levels.shown(record, actor),
    )  # fmt: skip


@bp.get("/customers/<int:record_id>/points")
@requires("see", form="customer")
def history(record_id: int) -> str:
    """Every line, newest first: a dialog, or (``before``) more of its rows."""
    record, before = _customer(record_id), request.args.get("before", type=http.whole)
    lines = points.history(record.id, PAGE + 1, before)
    template = "loyalty/_points_rows.html" if before else "loyalty/_points_history.html"
    following = lines[PAGE - 1].id if len(lines) > PAGE else None
    return render_template(
        template, record=record, lines=lines[:PAGE], following=following, words=earned.words, why=causes.words,
        kinds=points.KINDS, balance=record.values.get(points.FIELD) or 0, moves=levels.history(record, current_actor()), level_words=levels.words,
    )  # fmt: skip


@bp.get("/customers/<int:record_id>/points/adjust")
@requires_room("loyalty")
def adjust_form(record_id: int) -> str:
    return _adjust_form(_customer(record_id), {}, {})


def _adjust_form(record: Record, typed: Any, errors: dict[str, str]) -> str:
    balance = record.values.get(points.FIELD) or 0
    return render_template("loyalty/_adjust.html", record=record, balance=balance, typed=typed, errors=errors)


@bp.post("/customers/<int:record_id>/points/adjust")
@requires_room("loyalty")
def adjust(record_id: int) -> AnyResponse:
    """Gives or takes points, with a reason; "undo" writes the opposite line."""
    record, actor = _customer(record_id), current_actor()
    if not may_adjust(actor):
        raise NotFound()
    try:
        moved = points.adjust(record.id, request.form.get("points", ""), request.form.get("reason", ""), actor)
    except FieldErrors as error:
        response = http.make_response(_adjust_form(record, request.form, error.errors))
        response.headers["HX-Retarget"] = "#action-dialog"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    undo = url_for("loyalty.undo_adjust", record_id=record.id, points=moved)
    amount = f"{abs(moved):,}"
    said = _("已加 %(points)s 积分", points=amount) if moved > 0 else _("已扣 %(points)s 积分", points=amount)
    return http.toast(panel(_customer(record_id), actor), said, undo)


@bp.post("/customers/<int:record_id>/points/undo")
@requires_room("loyalty")
def undo_adjust(record_id: int) -> AnyResponse:
    """Takes the last correction by hand back, when it is still the last line."""
    record, actor = _customer(record_id), current_actor()
    wanted = request.args.get("points", type=http.whole)
    last = next(iter(points.history(record.id, 1)), None)
    if not may_adjust(actor) or last is None or last.kind != "adjusted" or last.points != wanted:
        return http.toast(Response(status=204), _("积分后来又变了，请再手工调整一次。"), kind="error")
    points.adjust(record.id, -last.points, _("撤销：%(reason)s", reason=last.reason)[: points.LONGEST_REASON], actor)
    return http.trigger(Response(status=204), "guke:saved", "points")


# -- settings ---------------------------------------------------------------------------------------------------------


@bp.get("/settings/loyalty")
@requires_room("loyalty")
def settings_page() -> AnyResponse:
    return _settings({}, {})


def _settings(typed: dict[str, str], errors: dict[str, str], status: int = 200) -> AnyResponse:
    fields = [(d, typed.get(d.key, settings.get(d.key))) for d in settings.declared("loyalty.")]
    return http.render("loyalty/settings.html", status=status, fields=fields, errors=errors)


@bp.post("/settings/loyalty")
@requires_room("loyalty")
def save_settings() -> AnyResponse:
    actor, changed, errors = current_actor(), {}, {}
    try:
        with write():
            for d in settings.declared("loyalty."):
                if d.key not in request.form:
                    continue
                before = settings.get(d.key)
                try:
                    settings.set(d.key, request.form[d.key], actor)
                except UserError as error:
                    errors[d.key] = error.message
                    continue
                if settings.get(d.key) != before:
                    changed[d.key] = [before, settings.get(d.key)]
            if errors:
                raise FieldErrors(errors)
            if changed:
                audit.note("settings.changed", changed, actor)
    except FieldErrors as error:
        return _settings(request.form.to_dict(), error.errors, 422)
    flash(_("会员权益设置已保存。"), "success")
    return http.go(url_for("loyalty.settings_page"))
