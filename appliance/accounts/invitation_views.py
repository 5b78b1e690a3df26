"""Inviting people (administrators), and coming in with an invitation."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from werkzeug.wrappers import Response

from ..core import http
from ..core.errors import NotFound, UserError
from . import departments, invitations, passwords, users
from .actor import current_actor
from .guards import public, requires_admin
from .views import entered, opened, same_twice

bp = Blueprint("invitations", __name__)

STATES = {
    "open": (_l("等待接受"), "blue"),
    "used": (_l("已接受"), "green"),
    "revoked": (_l("已撤销"), "neutral"),
    "over": (_l("已过期"), "neutral"),
}
Answer = Response | str | tuple[str, int]


@bp.get("/settings/invitations")
@requires_admin
def page() -> str:
    return _page()


@bp.post("/settings/invitations")
@requires_admin
def invite() -> Answer:
    form = request.form
    try:
        days = form.get("days", "")
        path = invitations.make(
            form.get("name", ""),
            form.getlist("roles"),
            current_actor(),
            login=form.get("login", ""),
            department=form.get("department", type=http.whole),
            days=int(days) if days.isdecimal() and len(days) < 5 else 0,
        )
    except UserError as error:
        return _page(values=form, chosen=form.getlist("roles"), errors=error.errors or {"": error.message}), 422
    link = request.host_url.rstrip("/") + path
    return _page(link=link, link_for=form.get("name", "").strip(), code=_code(link), valid=int(days))


def _code(link: str) -> Markup:
    import segno

    # Of our own making: nothing that somebody typed is in the picture's markup.
    return Markup(segno.make_qr(link, error="m").svg_inline(scale=4, border=4, dark="#000", light="#fff"))  # nosec B704: drawn, not written


@bp.post("/settings/invitations/<int:invitation_id>/revoke")
@requires_admin
def revoke(invitation_id: int) -> Response:
    try:
        invitations.revoke(invitation_id, current_actor())
    except NotFound as error:
        flash(error.message, "info")
    else:
        flash(_("邀请已撤销，链接不能再用。"), "success")
    return redirect(url_for(".page"), 303)


def _page(**context: Any) -> str:
    context = {"values": {}, "errors": {}, "link": None, "chosen": ["staff"]} | context
    return render_template(
        "accounts/invitations.html",
        invitations=invitations.everything(),
        states=STATES,
        roles=users.roles(),
        departments=departments,
        days=invitations.DAYS,
        most=invitations.MOST_DAYS,
        **context,
    )


@bp.route("/invite/<secret>", methods=["GET", "POST"])
@public
def accept(secret: str) -> Answer:
    invitation = invitations.find(secret)
    if invitation is None:
        raise NotFound(_("这个邀请链接已失效。请联系管理员取得新的链接。"))
    form, errors = request.form, {}
    if request.method == "POST":
        try:
            same_twice(form.get("password", ""), form.get("again", ""))
            user_id = invitations.accept(secret, form.get("login", ""), form.get("name", ""), form.get("password", ""))
        except UserError as error:
            errors = error.errors or {"": error.message}
        else:
            return entered(opened(user_id), url_for("web.home"))
    values = form if request.method == "POST" else {"name": invitation.name}
    page = render_template(
        "accounts/invite.html", invitation=invitation, values=values, errors=errors, least=passwords.LEAST
    )
    return page, 422 if errors else 200
