"""What a customer has earned."""

from __future__ import annotations

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires, requires_room
from ..core.errors import Forbidden, NotFound
from ..forms import catalog, query
from ..forms.query import Record
from ..loyalty import earned, points
from ..loyalty.views import may_adjust, sees
from . import body
from .limits import idempotent
from .views import bp


def _customer(customer_id: int) -> Record:
    record = query.get(catalog.get("customer"), customer_id, current_actor())
    if not sees(record, current_actor()):
        raise NotFound()
    return record


def _document(record: Record, limit: int, before: int | None) -> Response:
    lines = points.history(record.id, limit + 1, before)
    following = str(lines[limit - 1].id) if len(lines) > limit else None
    return jsonify(
        {
            "balance": record.values.get(points.FIELD) or 0,
            "entries": [earned.document(line) for line in lines[:limit]],
            "next_cursor": following,
        }
    )


@bp.get("/customers/<int(max=9007199254740991):customer_id>/points")
@requires("see", form="customer")
def get_points(customer_id: int) -> Response:
    """The balance and its lines, newest first."""
    record, before = _customer(customer_id), body.row_cursor()
    return _document(record, body.limit(request.args.get("limit")), before)


@bp.post("/customers/<int(max=9007199254740991):customer_id>/points")
@requires_room("loyalty")
@idempotent
def add_points(customer_id: int) -> Response:
    """``points`` (negative: taken away) and ``reason``."""
    record, actor = _customer(customer_id), current_actor()
    if not may_adjust(actor):
        raise Forbidden(_("您没有这项权限。需要时请联系管理员。"))
    doc = body.allow(body.read(), "points", "reason")
    points.adjust(record.id, doc.get("points"), doc.get("reason"), actor)
    response = _document(_customer(customer_id), 50, None)
    response.status_code = 201
    return response
