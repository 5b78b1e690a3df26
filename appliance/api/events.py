"""What customers did: programs tell it in any number, and ask for a customer's; the kinds of it."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires, requires_login, requires_room
from ..core.errors import UserError
from ..customers.events import ingest, kinds, listing
from ..forms import catalog, query
from . import answers, body
from .limits import idempotent
from .views import bp

MOST = 5_000
"""Events of one request."""


@bp.post("/events")
@requires("create", form="customer")
@idempotent
def add_events() -> Response:
    """Each event by itself: what makes no sense is told by its place, the rest is taken."""
    rows = body.allow(body.read(), "events").get("events")
    if not isinstance(rows, list):
        raise UserError(_("「events」要是一列互动。"), "events")
    if len(rows) > MOST:
        raise UserError(_("「%(key)s」一次最多 %(max)d 个，请分几次发送。", key="events", max=MOST), "events")
    told = ingest.ingest(rows, current_actor())
    failed = [{"index": i, "error": error} for i, error in sorted(told.failed.items())]
    return jsonify({"accepted": told.accepted, "duplicate": told.duplicate, "failed": failed})


@bp.get("/events")
@requires("see", form="customer")
def list_events() -> Response:
    """Of one ``customer``, newest first; ``type`` (several by commas) and ``since`` narrow it down."""
    given = request.args.get("customer", "")
    if not given.isdecimal() or len(given) > 15:
        raise UserError(_("请用 customer=编号 说明是哪位客户的互动。"), "customer")
    customer = query.get(catalog.get("customer"), int(given), current_actor())
    try:
        since = catalog.SYSTEM_FIELDS["created_at"].parse(request.args.get("since"))
    except ValueError as error:
        raise UserError(str(error), "since") from error
    types = [key for key in request.args.get("type", "").split(",") if key]
    limit = body.limit(request.args.get("limit"))
    found, following = listing.page(customer.id, limit, request.args.get("cursor"), types, since)
    return jsonify({"events": [listing.document(event) for event in found], "next_cursor": following})


@bp.get("/event-types")
@requires_login
def list_event_types() -> Response:
    return jsonify({"event_types": [kind.document() for kind in kinds.all_kinds()]})


def _definition(*more: str) -> dict[str, Any]:
    return body.allow(body.read(), "label", "icon", "counts_as", *more)


@bp.post("/event-types")
@requires_room("settings")
@idempotent
def create_event_type() -> Response:
    kind = kinds.save(_definition("key"), current_actor())
    return answers.made(kind.document(), f"/event-types/{kind.key}")


@bp.patch("/event-types/<key>")
@requires_room("settings")
def update_event_type(key: str) -> Response:
    return jsonify(kinds.save(_definition(), current_actor(), kinds.get(key).key).document())


@bp.delete("/event-types/<key>")
@requires_room("settings")
def delete_event_type(key: str) -> Response:
    """Events of the kind stay; no more of them are taken."""
    kinds.delete(key, current_actor())
    return Response(status=204)
