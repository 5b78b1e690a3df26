"""Signing in and out, first setup, password reset, and what a person sees of their own account."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from ..core import http, i18n
from ..core.errors import NotFound, UserError
from . import audit, gate, passwords, reset, second_factor, sessions, setup, signin, sources, throttle, users
from .actor import current_actor, maybe_actor
from .guards import public, requires_login

bp = Blueprint("accounts", __name__)

_YEAR = 365 * 86_400
Answer = Response | str | tuple[str, int]


@bp.get("/login")
@public
def sign_in() -> Answer:
    if maybe_actor():
        return redirect(http.safe_next(request.args.get("next")))
    return _sign_in_page(new=not users.has_admin(), errors={})


def _sign_in_page(**context: Any) -> str:
    provider = sources.get("oidc")
    return render_template("accounts/sign_in.html", provider=provider if provider.enabled else None, **context)


@bp.post("/login")
@public
def sign_in_check() -> Answer:
    login, password = request.form.get("login", ""), request.form.get("password", "")
    try:
        user_id = signin.check(login, password, request.remote_addr or "")
    except UserError as error:
        page = _sign_in_page(new=False, login=login, errors={"": error.message})
        return answer_with_wait(page, error)
    return admitted(user_id, http.safe_next(request.args.get("next")))


def answer_with_wait(page: str, error: UserError) -> Response:
    response = make_response(page, error.status)
    if isinstance(error, throttle.TooManyFailures):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def admitted(user_id: int, where: str) -> Response:
    """For somebody who has just shown the first proof: in, or on to the second step."""
    if not second_factor.is_on(user_id):
        return entered(opened(user_id), where)
    response = redirect(url_for("two_step.code", next=None if where == "/" else where), 303)
    gate.set_cookie(response, gate.STEP_COOKIE, second_factor.ticket(user_id), seconds=second_factor.PENDING)
    return response


def entered(cookie: str, where: str) -> Response:
    """Sends a browser on with the cookie of its session."""
    response = redirect(where, 303)
    gate.set_cookie(response, sessions.COOKIE, cookie, seconds=sessions.LONGEST)
    response.delete_cookie(sessions.VISIT_COOKIE)
    response.delete_cookie(gate.STEP_COOKIE)
    return response


@bp.post("/logout")
@requires_login
def sign_out() -> Response:
    actor = current_actor()
    if request.form.get("everywhere"):
        sessions.end_all(actor.id or 0)
    else:
        sessions.end(request.cookies.get(sessions.COOKIE, ""))
    audit.note("sign_out", {"everywhere": bool(request.form.get("everywhere"))})
    response = redirect(url_for("accounts.sign_in"), 303)
    response.delete_cookie(sessions.COOKIE)
    # The back button must not show the company's customers after signing out.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@bp.route("/setup/<secret>", methods=["GET", "POST"])
@public
def first_setup(secret: str) -> Answer:
    if not setup.is_open(secret):
        raise NotFound(
            _("这个设置链接已失效。如果还没有管理员，请在服务器上运行 guke setup-link 取得新的链接；否则请直接登录。")
        )
    form = request.form
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            same_twice(form.get("password", ""), form.get("again", ""))
            user_id = setup.finish(secret, form.get("login", ""), form.get("name", ""), form.get("password", ""))
        except UserError as error:
            errors = error.errors or {"": error.message}
        else:
            return entered(opened(user_id), url_for("web.home"))
    page = render_template("accounts/setup.html", values=form, errors=errors, least=passwords.LEAST)
    return page, 422 if errors else 200


@bp.route("/reset/<secret>", methods=["GET", "POST"])
@public
def new_password(secret: str) -> Answer:
    user = reset.whose(secret)
    if user is None:
        raise NotFound(_("这个链接已失效。请联系管理员取得新的链接。"))
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            same_twice(request.form.get("password", ""), request.form.get("again", ""))
            user_id = reset.finish(secret, request.form.get("password", ""))
        except UserError as error:
            errors = error.errors or {"": error.message}
        else:
            return admitted(user_id, url_for("web.home"))
    page = render_template("accounts/reset.html", user=user, errors=errors, least=passwords.LEAST)
    return page, 422 if errors else 200


def opened(user_id: int) -> str:
    return signin.open_session(user_id, request.remote_addr or "", request.user_agent.string)


def same_twice(password: str, again: str) -> None:
    if password != again:
        raise UserError(_("两次填写的密码不一样。"), "again")


@bp.post("/language")
@public
def language() -> Response:
    """The language of this browser, for the pages before signing in."""
    locale = request.form.get("locale", "")
    response = http.redirect_back("/login")
    if locale in i18n.LOCALES:
        gate.set_cookie(response, i18n.COOKIE, locale, seconds=_YEAR)
    return response


@bp.post("/preferences")
@requires_login
def preferences() -> Response:
    """Language and look of the person, from the menu of every page."""
    user_id = current_actor().id or 0
    if "locale" in request.form:
        users.set_locale(user_id, request.form["locale"])
    if "theme" in request.form:
        users.set_theme(user_id, request.form["theme"])
    return http.redirect_back()


@bp.get("/me")
@requires_login
def me() -> str:
    return _me({})


@bp.post("/me/name")
@requires_login
def my_name() -> Answer:
    actor = current_actor()
    try:
        users.update(actor.id or 0, actor, name=request.form.get("name", ""))
    except UserError as error:
        return _me(error.errors), 422
    flash(_("姓名已保存。"), "success")
    return redirect(url_for(".me"), 303)


@bp.post("/me/password")
@requires_login
def my_password() -> Answer:
    """Changes the own password; other browsers are signed out, this one stays."""
    actor, form = current_actor(), request.form
    try:
        signin.confirm(actor.id or 0, form.get("current", ""), request.remote_addr or "")
        same_twice(form.get("password", ""), form.get("again", ""))
        users.set_password(actor.id or 0, form.get("password", ""), actor)
    except UserError as error:
        return _me(error.errors or {"current": error.message}), error.status
    flash(_("密码已修改，其他设备上的登录已退出。"), "success")
    return entered(opened(actor.id or 0), url_for(".me"))


@bp.post("/me/sessions/end")
@requires_login
def end_others() -> Response:
    count = sessions.end_all(current_actor().id or 0, keep=request.cookies.get(sessions.COOKIE))
    audit.note("sign_out", {"everywhere": True, "sessions": count})
    flash(_("已退出其他 %(n)s 处登录。", n=count), "success")
    return redirect(url_for(".me"), 303)


def _me(errors: dict[str, str]) -> str:
    user = users.get(current_actor().id or 0)
    cookie = request.cookies.get(sessions.COOKIE)
    browsers = [(b, sessions.is_of(b, cookie)) for b in sessions.browsers(user.id)]
    return render_template(
        "accounts/me.html",
        user=user,
        browsers=browsers,
        errors=errors,
        device=sessions.device,
        two_step=second_factor.is_on(user.id),
    )
