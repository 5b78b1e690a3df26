"""Pages of the second step: at the door, in the own account, the company's wish."""

from __future__ import annotations

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..core import http, nav, settings
from ..core.db import write
from ..core.errors import UserError
from . import audit, gate, second_factor, signin, users
from .actor import current_actor
from .guards import public, requires_admin, requires_login
from .views import Answer, answer_with_wait, entered, opened

bp = Blueprint("two_step", __name__)

nav.add("settings", _l("登录安全"), "two_step.policy", "shield-lock", "admin", order=35, words="security 2fa totp mfa")

FEW = 3
"""Recovery codes left at which a person is reminded."""


@bp.route("/login/code", methods=["GET", "POST"])
@public
def code() -> Answer:
    """The second step at the door, after the password."""
    user_id = second_factor.whose(request.cookies.get(gate.STEP_COOKIE, ""))
    if user_id is None:
        return redirect(url_for("accounts.sign_in", next=request.args.get("next")))
    if request.method == "GET":
        return render_template("accounts/code.html", errors={})
    try:
        left = second_factor.check(user_id, request.form.get("code", ""), request.remote_addr or "")
    except UserError as error:
        page = render_template("accounts/code.html", errors=error.errors or {"": error.message})
        return answer_with_wait(page, error)
    if left is not None:
        where = url_for(".mine") if left <= FEW else http.safe_next(request.args.get("next"))
        flash(_("用掉了一个恢复码，还剩 %(n)s 个。", n=left), "warning")
    else:
        where = http.safe_next(request.args.get("next"))
    return entered(opened(user_id), where)


@bp.get("/me/two-step")
@requires_login
def mine() -> str:
    return _mine()


@bp.post("/me/two-step/start")
@requires_login
def start() -> Answer:
    try:
        second_factor.begin(current_actor().id or 0)
    except UserError as error:
        flash(error.message, "error")
    return redirect(url_for(".mine"), 303)


@bp.post("/me/two-step/confirm")
@requires_login
def confirm() -> Answer:
    try:
        codes = second_factor.confirm(current_actor().id or 0, request.form.get("code", ""), request.remote_addr or "")
    except UserError as error:
        return answer_with_wait(_mine(errors=error.errors or {"code": error.message}), error)
    return _mine(codes=codes)


@bp.post("/me/two-step/codes")
@requires_login
def codes() -> Answer:
    """New recovery codes; the password is asked again."""
    try:
        _prove()
        made = second_factor.renew(current_actor().id or 0)
    except UserError as error:
        return answer_with_wait(_mine(errors={"current": error.message}), error)
    return _mine(codes=made)


@bp.post("/me/two-step/off")
@requires_login
def off() -> Answer:
    actor = current_actor()
    try:
        _prove()
    except UserError as error:
        return answer_with_wait(_mine(errors={"current": error.message}), error)
    second_factor.turn_off(actor.id or 0, actor)
    flash(_("两步验证已关闭。"), "success")
    return redirect(url_for(".mine"), 303)


def _prove() -> None:
    signin.confirm(current_actor().id or 0, request.form.get("current", ""), request.remote_addr or "")


def _mine(codes: list[str] | None = None, errors: dict[str, str] | None = None) -> str:
    actor = current_actor()
    user_id = actor.id or 0
    # Whoever looks as this person must not see their secret.
    secret = None if g.get("previewer") else second_factor.waiting(user_id)
    return render_template(
        "accounts/two_step.html",
        on=second_factor.is_on(user_id),
        required=second_factor.required(actor),
        secret=secret,
        picture=_picture(second_factor.address(secret, actor.login)) if secret else None,
        left=second_factor.remaining(user_id),
        codes=codes,
        errors=errors or {},
    )


def _picture(text: str) -> str:
    """A QR code as a data URI; its ground stays white, a phone reads no other."""
    import segno

    return str(segno.make_qr(text, error="m").svg_data_uri(scale=5, border=3, light="white"))


@bp.post("/settings/users/<int:user_id>/two-step/off")
@requires_admin
def take_off(user_id: int) -> Response:
    """For somebody who lost the phone and the recovery codes."""
    name = users.get(user_id).name
    if second_factor.turn_off(user_id, current_actor()):
        flash(_("%(name)s 的两步验证已关闭，下次只用密码登录。", name=name), "success")
    else:
        flash(_("%(name)s 没有开启两步验证。", name=name), "error")
    return redirect(url_for("settings_people.people"), 303)


@bp.get("/settings/security")
@requires_admin
def policy() -> str:
    return _policy({})


@bp.post("/settings/security")
@requires_admin
def policy_save() -> Answer:
    key = "security.second_factor"
    before = settings.get(key)
    try:
        with write():
            settings.set(key, request.form.get(key, ""), current_actor())
            if settings.get(key) != before:
                audit.note("settings.changed", {key: [before or "—", settings.get(key) or "—"]})
    except UserError as error:
        return _policy(error.errors or {key: error.message}), 422
    flash(_("已保存。"), "success")
    return redirect(url_for(".policy"), 303)


def _policy(errors: dict[str, str]) -> str:
    [declared] = settings.declared("security.second_factor")
    having = second_factor.having()
    without = [user for user in users.people(active=True) if user.id not in having]
    return render_template(
        "accounts/security.html", declared=declared, value=settings.get(declared.key), without=without, errors=errors
    )
