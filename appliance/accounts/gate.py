"""What happens before every request: who is it, is the write their own, may they open this view."""

from __future__ import annotations

import secrets as random
from urllib.parse import urlsplit

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..core import http
from ..core.db import db, only_reading
from ..core.errors import Forbidden
from . import guards, preview, second_factor, sessions, tokens, users
from .actor import Actor

STEP_COOKIE = "guke_step"
"""Carries a person from the password to the second step of signing in."""

UNTIL_SET_UP = frozenset({"accounts.sign_out", "accounts.preferences"})
"""What somebody who must set up a second step first may do besides that."""

SAFE = ("GET", "HEAD", "OPTIONS")


def init_app(app: Flask) -> None:
    """Puts the gate in front of every view of ``app``."""
    app.before_request(enter)
    app.after_request(leave)
    app.teardown_request(_give_back_connection)
    app.jinja_env.globals.update(csrf_token=csrf_token)


def enter() -> AnyResponse | None:
    """Identifies the asker and checks the guard; a response here ends the request."""
    g.actor = None
    if request.endpoint == "static":
        return None
    # One connection for the whole request; it is given back at the end.
    db.connect(reuse_if_open=True)
    view = current_app.view_functions.get(request.endpoint or "")
    guard = guards.of(view)
    api = http.is_api()
    g.actor = _by_token() if api else _by_cookie()
    if g.actor is not None and g.actor.limit is not None:
        tokens.demand(g.actor, request.method, request.path)
    if g.actor is not None and not api:
        # A token of an administrator acts as the administrator.
        g.actor = preview.enter(g.actor, request.endpoint)
    if view is None:
        return None
    if guard is None:
        raise RuntimeError(f"the view {request.endpoint} carries no guard (appliance/accounts/guards.py)")
    if g.actor is None and guard.kind != "public":
        return _ask_to_sign_in(api)
    if request.method not in SAFE and not api and not guard.by_program():
        _check_origin()
    if g.actor is not None:
        # Somebody who looks as another person is asked for their own.
        if not api and _must_set_up(g.get("previewer") or g.actor, guard):
            where = url_for("two_step.mine")
            return http.htmx_response("", 204, redirect=where) if http.htmx else redirect(where, 303)
        guard.check(g.actor)
    return None


def _must_set_up(actor: Actor, guard: guards.Guard) -> bool:
    """Whether the company wants a second step of this person, who has none, before anything else."""
    endpoint = request.endpoint or ""
    if guard.kind == "public" or endpoint in UNTIL_SET_UP or endpoint.startswith("two_step."):
        return False
    return second_factor.required(actor) and not second_factor.is_on(actor.id or 0)


def _by_token() -> Actor | None:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return tokens.verify(token.strip()) if scheme.lower() == "bearer" else None


def _by_cookie() -> Actor | None:
    cookie = request.cookies.get(sessions.COOKIE)
    user_id = sessions.user_of(cookie, "X-Poll" not in request.headers) if cookie else None
    return users.actor_of(user_id) if user_id else None


def _ask_to_sign_in(api: bool) -> AnyResponse:
    if api:
        response = http.problem(401, _("请带上有效的 API 令牌。"))
        response.headers["WWW-Authenticate"] = 'Bearer realm="guke"'
        return response
    if http.htmx:
        return http.htmx_response("", 401, redirect=url_for("accounts.sign_in", next=_current_page()))
    back = request.full_path.rstrip("?") if request.method in SAFE else None
    return redirect(url_for("accounts.sign_in", next=None if back == "/" else back))


def _current_page() -> str:
    page = urlsplit(http.htmx.current_url or "")
    return page.path + (f"?{page.query}" if page.query else "")


def secret() -> str:
    """The cookie that the CSRF token is bound to: the session's, even when that is over, or one made now."""
    cookie = request.cookies.get(sessions.COOKIE) or request.cookies.get(sessions.VISIT_COOKIE) or g.get("visit")
    if not cookie:
        cookie = g.visit = random.token_urlsafe(24)
    return cookie


def csrf_token() -> str:
    """The token for this page's writes; templates call it."""
    return sessions.csrf_token(secret())


def _check_origin() -> None:
    """A write must carry the token of this browser's cookie and come from a page of our own."""
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token") or ""
    # Browsers send Sec-Fetch-Site only over TLS or to localhost, Origin with every write.
    origin = request.headers.get("Origin", "")
    foreign = origin and origin != "null" and urlsplit(origin).netloc != request.host
    if foreign or request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden(_("这个请求来自别的网站，已被拒绝。如果固客前面有反向代理，请让它保留 Host 头。"))
    if not sessions.csrf_matches(secret(), given):
        abort(400, description=_("页面已过期，请刷新后再试一次。您填写的内容请先复制保存。"))


def leave(response: Response) -> Response:
    """Sets the visit cookie when this page needed one."""
    if visit := g.get("visit"):
        set_cookie(response, sessions.VISIT_COOKIE, visit)
    return response


def set_cookie(
    response: AnyResponse, name: str, value: str, *, seconds: int | None = None, script: bool = False
) -> None:
    """A cookie for this site only; ``Secure`` behind TLS; kept ``seconds``, else until the browser closes."""
    response.set_cookie(
        name, value, max_age=seconds, httponly=not script, samesite="Lax", secure=request.is_secure, path="/"
    )


def _give_back_connection(error: BaseException | None) -> None:
    only_reading.set("")
    if db.database and not db.is_closed() and not db.in_transaction():
        db.close()
