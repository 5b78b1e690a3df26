"""Naming deputies: everybody for themselves, administrators for anybody."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..core import http, nav
from ..core.errors import NotFound, UserError
from . import deputies, people
from .actor import current_actor
from .guards import requires_login

bp = Blueprint("deputies", __name__, url_prefix="/settings/deputies")
nav.add(
    "settings", _l("请假代理"), "deputies.page", "user-share", order=35, words="deputy absence holiday daili qingjia"
)

STATES = {"coming": (_l("未开始"), "blue"), "now": (_l("进行中"), "green"), "over": (_l("已结束"), "neutral")}
Answer = Response | str | tuple[str, int]


@bp.get("")
@requires_login
def page() -> str:
    return _page({}, {})


@bp.post("")
@requires_login
def name() -> Answer:
    actor, form = current_actor(), request.form
    user_id = form.get("user", type=http.whole) or actor.id or 0
    try:
        deputies.name(
            user_id,
            form.get("deputy", type=http.whole),
            form.get("since", ""),
            form.get("until", ""),
            form.get("note", ""),
            actor,
        )
    except UserError as error:
        return _page(form, error.errors or {"": error.message}), error.status
    deputy = people.name(form.get("deputy", 0, type=http.whole))
    flash(_("已指定 %(deputy)s 代理 %(user)s。", deputy=deputy, user=people.name(user_id)), "success")
    return redirect(url_for(".page"), 303)


@bp.post("/<int:standing_id>/end")
@requires_login
def end(standing_id: int) -> Response:
    try:
        deputies.end(standing_id, current_actor())
    except NotFound as error:
        flash(error.message, "info")
    else:
        flash(_("代理已结束。"), "success")
    return redirect(url_for(".page"), 303)


def _page(values: Any, errors: dict[str, str]) -> str:
    return render_template(
        "accounts/deputies.html",
        rows=deputies.listed(current_actor()),
        everybody=deputies.everybody_active(),
        states=STATES,
        values=values,
        errors=errors,
    )
