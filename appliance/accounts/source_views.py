"""Ways to sign in: the settings page of directory and provider, and the way there and back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec.structs import asdict
from werkzeug.exceptions import NotFound as NoSuchPage
from werkzeug.wrappers import Response

from ..core import http, nav, settings
from ..core.errors import UserError
from . import audit, gate, ldap_signin, oidc, sources, users
from .actor import current_actor, maybe_actor
from .guards import public, requires_admin
from .views import admitted

bp = Blueprint("sources", __name__)
nav.add("settings", _l("登录方式"), "sources.page", "login", "admin", order=28, words="ldap oidc sso denglu")

Answer = Response | str | tuple[str, int]


@bp.get("/settings/sign-in")
@requires_admin
def page() -> str:
    return _page()


@bp.post("/settings/sign-in/local")
@requires_admin
def local() -> Answer:
    try:
        form = request.form
        sources.set_local(form.get("signin.local", ""), form.get("signin.provider_hours", ""), current_actor())
    except UserError as error:
        return _page(errors={"local": error.errors or {"signin.local": error.message}}), 422
    flash(_("已保存。"), "success")
    return redirect(url_for(".page"), 303)


@bp.post("/settings/sign-in/<kind>")
@requires_admin
def save(kind: str) -> Answer:
    """Keeps what was typed, or only tries whether it works."""
    if kind not in sources.KINDS:
        raise NoSuchPage
    form = request.form
    try:
        options = sources.read_options(kind, form)
        if form.get("do") == "test":
            secret = form.get("secret") or sources.secret(kind)
            said = ldap_signin.test(options, secret) if kind == "ldap" else oidc.test(options)
            return _page(typed={kind: form}, said={kind: said})
        sources.save(kind, bool(form.get("enabled")), options, form.get("secret", ""), current_actor())
    except UserError as error:
        return _page(typed={kind: form}, errors={kind: error.errors or {"": error.message}}), 422
    flash(_("登录方式已保存。"), "success")
    return redirect(url_for(".page"), 303)


def _page(**context: Any) -> str:
    context = {"typed": {}, "errors": {}, "said": {}} | context
    shown = {kind: _values(sources.get(kind), context["typed"].get(kind)) for kind in sources.KINDS}
    return render_template(
        "accounts/sources.html",
        sources={kind: sources.get(kind) for kind in sources.KINDS},
        values=shown,
        security=sources.SECURITY,
        roles=users.roles(),
        local=settings.get("signin.local"),
        hours=settings.get("signin.provider_hours"),
        local_options=dict(next(d for d in settings.declared("signin.local")).options),
        redirect_uri=_redirect_uri(),
        **context,
    )


def _values(source: sources.Source, typed: Any) -> dict[str, Any]:
    if typed is not None:
        return {**typed.to_dict(), "create": typed.get("create"), "link": typed.get("link")}
    found = asdict(source.options)
    return found | {"enabled": source.enabled}


def _redirect_uri() -> str:
    return request.host_url.rstrip("/") + url_for("sources.back")


@bp.get("/sign-in/oidc")
@public
def start() -> Response:
    """Off to the provider."""
    where = http.safe_next(request.args.get("next"))
    if maybe_actor():
        return redirect(where)
    try:
        begun = oidc.begin(_redirect_uri(), where)
    except UserError as error:
        return _refused(error)
    response = redirect(begun.url, 303)
    gate.set_cookie(response, oidc.COOKIE, begun.cookie, seconds=oidc.PENDING)
    return response


@bp.get("/sign-in/oidc/back")
@public
def back() -> Response:
    """Back from the provider. The cookie is used up, however it went."""
    try:
        user_id, where = oidc.finish(request.cookies.get(oidc.COOKIE), request.args)
    except UserError as error:
        audit.note("sign_in.failed", {"source": "oidc"})
        response = _refused(error)
    else:
        response = admitted(user_id, http.safe_next(where))
    response.delete_cookie(oidc.COOKIE)
    return response


def _refused(error: UserError) -> Response:
    flash(error.message, "error")
    return redirect(url_for("accounts.sign_in"), 303)
