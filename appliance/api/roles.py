"""Roles: who may do what."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from ..accounts import people, roles
from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin
from ..accounts.permissions import ADMIN, Rights
from ..core.db import write
from ..core.errors import UserError
from ..forms import rights
from . import answers, body
from .limits import idempotent
from .views import bp

KEYS = ("label", "forms", "rooms", "people")


def _document(role: roles.Described) -> dict[str, Any]:
    held = role.rights
    return {
        "key": role.key, "label": role.label, "system": role.system, "admin": held.admin,
        "forms": {key: granted.document() for key, granted in held.forms.items()},
        "rooms": sorted(held.rooms), "people": [people.login(user_id) for user_id, _name in role.people],
    }  # fmt: skip


def _given(doc: dict[str, Any], now: Rights) -> Rights:
    """The rights that a request asks for; what it does not name stays as it is."""
    if now.admin and not {"forms", "rooms"} & set(doc):
        return ADMIN
    document = {"forms": now.document()["forms"], "rooms": sorted(now.rooms)}
    return rights.check(document | {key: doc[key] for key in ("forms", "rooms") if key in doc})


def _people(doc: dict[str, Any]) -> list[int]:
    found = []
    for login in doc["people"] if isinstance(doc["people"], list) else [None]:
        user_id = people.find(login) if isinstance(login, str) else None
        if user_id is None:
            raise UserError(_("没有叫「%(name)s」的人员。", name=str(login)[:40]), "people")
        found.append(user_id)
    return found


@bp.get("/roles")
@requires_admin
def list_roles() -> Response:
    return jsonify({"roles": [_document(role) for role in roles.everything()]})


@bp.post("/roles")
@requires_admin
@idempotent
def create_role() -> Response:
    doc = body.allow(body.read(), "key", *KEYS)
    key = doc.get("key")
    if key is not None and not isinstance(key, str):
        raise UserError(_("「%(key)s」要是文字。", key="key"), "key")
    given = _given(doc, Rights())
    with write():
        made = roles.create(doc.get("label"), given, current_actor(), key)
        if "people" in doc:
            roles.set_people(made, _people(doc), current_actor())
    rights.prepare(given)
    return answers.made(_document(roles.get(made)), f"/roles/{made}")


@bp.get("/roles/<key>")
@requires_admin
def get_role(key: str) -> Response:
    return jsonify(_document(roles.get(key)))


@bp.patch("/roles/<key>")
@requires_admin
def change_role(key: str) -> Response:
    doc = body.allow(body.read(), *KEYS)
    now = roles.get(key)
    given = _given(doc, now.rights)
    with write():
        roles.change(key, current_actor(), label=doc.get("label"), rights=given)
        if "people" in doc:
            roles.set_people(key, _people(doc), current_actor())
    rights.prepare(given)
    return jsonify(_document(roles.get(key)))


@bp.delete("/roles/<key>")
@requires_admin
def delete_role(key: str) -> Response:
    roles.delete(key, current_actor())
    return Response(status=204)
