"""Ways in that are open: signed-in browsers (one's own, anybody's for administrators) and everybody's API tokens."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from ..core import clock
from ..core.errors import NotFound
from . import audit, sessions, tokens, users
from .actor import current_actor
from .guards import requires_admin, requires_login

bp = Blueprint("access", __name__)


@bp.post("/me/sessions/end-one")
@requires_login
def end_mine() -> Response:
    _end_one(current_actor().id or 0)
    return redirect(url_for("accounts.me"), 303)


@bp.get("/settings/users/<int:user_id>/sessions")
@requires_admin
def of_person(user_id: int) -> str:
    user = users.get(user_id)
    cookie = request.cookies.get(sessions.COOKIE)
    browsers = [(browser, sessions.is_of(browser, cookie)) for browser in sessions.browsers(user.id)]
    return render_template("accounts/sessions.html", user=user, browsers=browsers, device=sessions.device)


@bp.post("/settings/users/<int:user_id>/sessions/end")
@requires_admin
def end_of_person(user_id: int) -> Response:
    """Ends the device that was named, else all of the person's (one's own present one stays)."""
    user = users.get(user_id)
    if request.form.get("device"):
        _end_one(user.id)
    else:
        keep = request.cookies.get(sessions.COOKIE) if user.id == current_actor().id else None
        count = sessions.end_all(user.id, keep=keep)
        audit.note("session.ended", {"user": user.id, "sessions": count})
        flash(_("已退出 %(name)s 的 %(n)s 处登录。", name=user.name, n=count), "success")
    return redirect(url_for(".of_person", user_id=user.id), 303)


def _end_one(user_id: int) -> None:
    try:
        ended = sessions.end_one(user_id, request.form.get("device", ""))
    except NotFound as error:
        flash(error.message, "info")
        return
    device = sessions.device(ended.agent)
    audit.note("session.ended", {"user": user_id, "device": device, "address": ended.ip})
    flash(_("已退出 %(device)s 上的登录。", device=device), "success")


@bp.get("/settings/tokens/all")
@requires_admin
def all_tokens() -> str:
    rows = [(row, tokens.Scope.open(row.scope)) for row in tokens.everybodys()]
    forms = tokens.forms_for(current_actor())
    return render_template("accounts/all_tokens.html", tokens=rows, forms=forms, soon=tokens.soon, now=clock.now())


@bp.post("/settings/tokens/all/<int:token_id>/revoke")
@requires_admin
def revoke(token_id: int) -> Response:
    try:
        tokens.revoke(token_id, current_actor())
    except NotFound as error:
        flash(error.message, "info")
    else:
        flash(_("令牌已撤销。"), "success")
    return redirect(url_for(".all_tokens"), 303)
