"""Settings pages of this room: people, API tokens, the audit log."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..core import clock, http, nav, settings
from ..core.db import write
from ..core.errors import NotFound, UserError
from . import audit, chain, departments, reset, roles, second_factor, sessions, tokens, users
from .actor import current_actor
from .guards import requires_admin, requires_login, requires_room

bp = Blueprint("settings_people", __name__, url_prefix="/settings")

nav.add("settings", _l("用户"), "settings_people.people", "users", "users", order=20, words="users accounts yonghu")
nav.add("settings", _l("API 令牌"), "settings_people.my_tokens", "key", order=30, words="api token lingpai")
nav.add("settings", _l("操作日志"), "settings_people.log", "history", "admin", order=90, words="audit log rizhi")

LIVES = {"": _l("长期有效"), "30": _l("30 天"), "90": _l("90 天"), "365": _l("一年"), "date": _l("到某一天")}
PAGE = 100
Answer = Response | str | tuple[str, int]


@bp.get("/users")
@requires_room("users")
def people() -> str:
    return _people()


@bp.post("/users")
@requires_room("users")
def people_add() -> Answer:
    """Adds a person; they choose their password through the link that is shown next."""
    form = request.form
    try:
        user_id = users.create(form.get("login", ""), form.get("name", ""), None, form.get("role", ""), current_actor())
        _place(user_id)
    except UserError as error:
        return _people(values=form, errors=error.errors or {"": error.message}), 422
    return _people_with_link(user_id)


@bp.post("/users/<int:user_id>")
@requires_room("users")
def people_change(user_id: int) -> Answer:
    try:
        users.update(user_id, current_actor(), name=request.form.get("name"))
        if "role-shown" in request.form or "role" in request.form:
            roles.set_of_user(user_id, request.form.getlist("role"), current_actor())
        _place(user_id)
    except UserError as error:
        flash(error.message, "error")
    else:
        flash(_("已保存。"), "success")
    return redirect(url_for(".people"), 303)


@bp.post("/users/<int:user_id>/disable")
@requires_room("users")
def people_disable(user_id: int) -> Answer:
    try:
        users.disable(user_id, current_actor())
    except UserError as error:
        flash(error.message, "error")
    else:
        flash(_("%(name)s 已停用，其登录和令牌立即失效。", name=users.get(user_id).name), "success")
    return redirect(url_for(".people"), 303)


@bp.post("/users/<int:user_id>/enable")
@requires_room("users")
def people_enable(user_id: int) -> Answer:
    users.enable(user_id, current_actor())
    flash(_("%(name)s 可以登录了。", name=users.get(user_id).name), "success")
    return redirect(url_for(".people"), 303)


@bp.post("/users/<int:user_id>/link")
@requires_room("users")
def people_link(user_id: int) -> Answer:
    return _people_with_link(user_id)


def _place(user_id: int) -> None:
    """Gives the person the primary department that was chosen; the others stay."""
    text = request.form.get("department")
    if text is None:
        return
    held = departments.of_user(user_id)
    if not text.isdecimal():
        departments.set_of_user(user_id, held[1:], current_actor())
    elif held[:1] != [int(text)]:
        departments.set_of_user(user_id, [int(text), *held], current_actor())


def _people_with_link(user_id: int) -> str:
    link = request.host_url.rstrip("/") + reset.make_link(user_id, current_actor())
    return _people(link=link, link_for=users.get(user_id))


def _people(**context: Any) -> str:
    everybody = users.people()
    roles_of = users.roles_of([user.id for user in everybody])
    context = {
        "values": {},
        "errors": {},
        "link": None,
        "departments": departments,
        "two_step": second_factor.having(),
    } | context
    return render_template("accounts/people.html", people=everybody, roles=users.roles(), roles_of=roles_of, **context)


@bp.get("/tokens")
@requires_login
def my_tokens() -> str:
    return _tokens()


@bp.post("/tokens")
@requires_room("tokens")
def my_tokens_create() -> Answer:
    form = request.form
    try:
        token = tokens.create(
            current_actor().id or 0,
            form.get("name", ""),
            expires_at=_end_of_life(form.get("life", "")),
            scope=_scope(form.get("access", "full"), bool(form.get("definitions")), form.getlist("forms")),
        )
    except UserError as error:
        return _tokens(values=request.form, errors=error.errors or {"": error.message}), 422
    return _tokens(token=token)


def _end_of_life(life: str) -> int | None:
    """From the number of days, or from the last day itself."""
    if life == "date":
        return tokens.end_of(request.form.get("expires", ""))
    return clock.now() + int(life) * clock.DAY if life in LIVES and life else None


def _scope(access: str, definitions: bool, forms: list[str]) -> tokens.Scope | None:
    if access == "full":
        return None
    words = [access] if access in ("read", "write") else ["definitions"]
    if definitions:
        words.append("definitions")
    return tokens.Scope.read([*words, *(f"form:{key}" for key in forms)])


@bp.post("/tokens/<int:token_id>/revoke")
@requires_login
def my_tokens_revoke(token_id: int) -> Response:
    try:
        tokens.revoke(token_id, current_actor())
    except NotFound as error:
        flash(error.message, "error")
    else:
        flash(_("令牌已撤销。"), "success")
    return redirect(url_for(".my_tokens"), 303)


def _tokens(**context: Any) -> str:
    context = {"values": {}, "errors": {}, "token": None} | context
    actor = current_actor()
    forms = tokens.forms_for(actor)
    return render_template(
        "accounts/tokens.html",
        tokens=[(row, tokens.Scope.open(row.scope)) for row in tokens.of(actor.id or 0)],
        lives=LIVES,
        forms=forms,
        soon=tokens.soon,
        now=clock.now(),
        chosen=request.form.getlist("forms") if context["errors"] else [],
        **context,
    )


@bp.get("/log")
@requires_admin
def log() -> Response:
    return _log({})


@bp.post("/log/keep")
@requires_admin
def log_keep() -> Answer:
    """For how long lines are kept; what is older goes at night."""
    before, raw = settings.get("log.keep_days"), request.form.get("log.keep_days", "")
    try:
        with write():
            settings.set("log.keep_days", raw, current_actor())
            if settings.get("log.keep_days") != before:
                audit.note("settings.changed", {"log.keep_days": [before, settings.get("log.keep_days")]})
    except UserError as error:
        return _log(error.errors or {"log.keep_days": error.message}, raw)
    flash(_("保留期限已保存。"), "success")
    return redirect(url_for(".log"), 303)


def _log(errors: dict[str, str], keep: Any = None) -> Response:
    wanted, before = audit.Filter.read(request.args), request.args.get("before", type=http.whole)
    entries = audit.entries(wanted, PAGE + 1, before)
    chosen: dict[str, Any] = dict(wanted.arguments())
    return http.render(
        "accounts/log.html",
        "accounts/_log.html",
        status=422 if errors else 200,
        rows=audit.described(entries[:PAGE]),
        older=url_for(".log", before=entries[PAGE - 1].id, **chosen) if len(entries) > PAGE else None,
        newest=url_for(".log", **chosen) if before else None,
        wanted=wanted,
        chosen=chosen,
        people=users.people(),
        device=sessions.device,
        actions=sorted(audit.ACTIONS.items()),
        subjects=audit.SUBJECTS,
        keep=settings.get("log.keep_days") if keep is None else keep,
        removed=chain.removed(),
        errors=errors,
    )
