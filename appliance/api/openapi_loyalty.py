"""The part of the API's description that is about what customers earn."""

from __future__ import annotations

from ..accounts import permissions
from ..accounts.actor import Actor
from ..loyalty import points
from .openapi import CURSOR, ID, IDEMPOTENCY, LIMIT, Doc, _body, _errors, _id_parameter, _object, _ok, _query


def paths(actor: Actor) -> Doc:
    """The points of a customer."""
    if not permissions.can(actor, "see", "customer"):
        return {}
    moment: Doc = {"type": "string", "format": "date-time"}
    line = _object(
        {
            "id": ID, "at": moment, "points": {"type": "integer"}, "kind": {"enum": list(points.KINDS)},
            "reason": {"type": "string"}, "by": {"type": "string"}, "expires_at": {"type": ["string", "null"]},
            "form": {"type": ["string", "null"]}, "record": {"type": ["integer", "null"]},
            "reverses": {"type": ["integer", "null"]},
        }
    )  # fmt: skip
    answer = _object(
        {"balance": {"type": "integer"}, "entries": {"type": "array", "items": line}, "next_cursor": CURSOR},
        "balance", "entries",
    )  # fmt: skip
    asked = _object(
        {"points": {"type": "integer"}, "reason": {"type": "string", "minLength": 1, "maxLength": points.LONGEST_REASON}},
        "points", "reason",
    )  # fmt: skip
    return {
        "/customers/{id}/points": {
            "parameters": [_id_parameter()],
            "get": {
                "operationId": "customer.points", "tags": ["customer"],
                "summary": "The customer's points, and what they come from, newest first",
                "parameters": [_query("limit", LIMIT), _query("cursor", {"type": "string"})],
                "responses": _ok(answer) | _errors("403", "404", "422"),
            },
            "post": {
                "operationId": "customer.points.adjust", "tags": ["customer"],
                "summary": "Gives or (negative) takes points by hand, with a reason",
                "parameters": [IDEMPOTENCY], "requestBody": _body(asked),
                "responses": _ok(answer, "Written down.", "201") | _errors("400", "403", "404", "413", "415", "422"),
            },
        },
    }  # fmt: skip
