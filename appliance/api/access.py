"""Who may come in and who stands in for whom: invitations, deputies, and the sources that vouch for people."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _
from msgspec.structs import asdict

from ..accounts import deputies, invitations, people, sources
from ..accounts.actor import current_actor
from ..accounts.deputies import Standing
from ..accounts.guards import requires_admin, requires_login
from ..accounts.invitations import Shown
from ..core import clock, settings
from ..core.errors import NotFound, UserError
from . import answers, body
from .limits import idempotent
from .organisation import _person
from .views import bp

# -- invitations --------------------------------------------------------------------------------------------------


def _invitation(shown: Shown) -> dict[str, Any]:
    row = shown.row
    return {
        "id": row.id, "name": row.name, "login": row.login, "roles": row.roles, "department": row.department_id,
        "state": shown.state, "created_at": answers.when(row.created_at), "expires_at": answers.when(row.expires_at),
        "user": people.login(row.user_id) if row.user_id else None,
    }  # fmt: skip


@bp.get("/invitations")
@requires_admin
def list_invitations() -> Response:
    return jsonify({"invitations": [_invitation(shown) for shown in invitations.everything()]})


@bp.post("/invitations")
@requires_admin
@idempotent
def create_invitation() -> Response:
    """The answer's ``link`` is shown only now."""
    doc = body.allow(body.read(), "name", "login", "roles", "department", "days")
    roles = doc.get("roles") or []
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise UserError(_("「roles」要是一列角色的键名。"), "roles")
    days = body.whole(doc, "days")
    link = invitations.make(
        body.text(doc, "name") or "", roles, current_actor(), login=body.text(doc, "login") or "",
        department=body.whole(doc, "department"), days=invitations.DAYS if days is None else days,
    )  # fmt: skip
    return answers.made(_invitation(invitations.everything(1)[0]) | {"link": request.host_url.rstrip("/") + link})


@bp.delete("/invitations/<int(max=9007199254740991):invitation_id>")
@requires_admin
def revoke_invitation(invitation_id: int) -> Response:
    invitations.revoke(invitation_id, current_actor())
    return Response(status=204)


# -- deputies -----------------------------------------------------------------------------------------------------


def _standing(standing: Standing) -> dict[str, Any]:
    def day(seconds: int) -> str:
        return clock.local(seconds, settings.tz()).date().isoformat()

    return {
        "id": standing.id, "user": people.login(standing.user_id), "deputy": people.login(standing.deputy_id),
        "since": day(standing.starts_at), "until": day(standing.last_day), "note": standing.note,
        "state": standing.state,
    }  # fmt: skip


@bp.get("/deputies")
@requires_login
def list_deputies() -> Response:
    """One's own; administrators see all."""
    return jsonify({"deputies": [_standing(one) for one in deputies.listed(current_actor())]})


@bp.post("/deputies")
@requires_login
@idempotent
def name_deputy() -> Response:
    """``since`` and ``until`` are days, both included; ``user`` is oneself when it is left out."""
    doc, actor = body.allow(body.read(), "user", "deputy", "since", "until", "note"), current_actor()
    user = _person(doc["user"], "user") if doc.get("user") is not None else actor.id
    days = {key: _day(doc, key) for key in ("since", "until")}
    number = deputies.name(
        int(user or 0), _person(doc.get("deputy"), "deputy"), days["since"], days["until"], body.text(doc, "note") or "",
        actor,
    )  # fmt: skip
    return answers.made(next(_standing(one) for one in deputies.listed(actor) if one.id == number))


def _day(doc: dict[str, Any], key: str) -> str:
    text = body.text(doc, key) or ""
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise UserError(_("请写成 2026-10-01 这样的日期。"), key) from error


@bp.delete("/deputies/<int(max=9007199254740991):standing_id>")
@requires_login
def end_deputy(standing_id: int) -> Response:
    deputies.end(standing_id, current_actor())
    return Response(status=204)


# -- sign-in sources ----------------------------------------------------------------------------------------------


def _source(kind: str) -> dict[str, Any]:
    source = sources.get(kind)
    options = asdict(source.options)
    return {"kind": kind, "enabled": source.enabled, "has_secret": source.has_secret, "options": options}


@bp.get("/sign-in-sources")
@requires_admin
def list_sources() -> Response:
    return jsonify({"sources": [_source(kind) for kind in sources.KINDS]})


@bp.patch("/sign-in-sources/<kind>")
@requires_admin
def change_source(kind: str) -> Response:
    """``options`` that are left out stay; ``secret`` is written and never read."""
    if kind not in sources.KINDS:
        raise NotFound(_("没有这种登录方式，可用：%(known)s。", known=", ".join(sources.KINDS)))
    doc = body.allow(body.read(), "enabled", "options", "secret")
    now = _source(kind)
    given = body.allow(body.object_(doc, "options"), *now["options"])
    for key, value in given.items():
        if type(value) is not type(now["options"][key]):
            raise UserError(_("「%(key)s」的类型不对。", key=key), f"options.{key}")
    enabled = doc.get("enabled", now["enabled"])
    if not isinstance(enabled, bool):
        raise UserError(_("「enabled」要写成 true 或 false。"), "enabled")
    options = now["options"] | given
    typed = {key: ("1" if value else "") if isinstance(value, bool) else str(value) for key, value in options.items()}
    sources.save(kind, enabled, sources.read_options(kind, typed), body.text(doc, "secret") or "", current_actor())
    return jsonify(_source(kind))
