"""``/api/v1``: the blueprint, and what concerns no single room. The rooms' routes are in the modules imported below."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from ..accounts.actor import current_actor
from ..accounts.guards import requires_login
from . import limits, openapi

bp = Blueprint("api", __name__, url_prefix="/api/v1")


@bp.before_request
def throttle() -> None:
    limits.throttle(current_actor())


@bp.get("/openapi.json")
@requires_login
def describe() -> Response:
    return jsonify(openapi.document(current_actor()))


@bp.get("/me")
@requires_login
def me() -> Response:
    actor = current_actor()
    return jsonify({"id": actor.id, "login": actor.login, "name": actor.name, "admin": actor.is_admin})


from . import (  # noqa: E402, F401
    access,
    automation,
    comments,
    connections,
    consents,
    definitions,
    events,
    files,
    merging,
    messages,
    organisation,
    points,
    records,
    roles,
    rooms,
    segments,
    shares,
    tasks,
)
