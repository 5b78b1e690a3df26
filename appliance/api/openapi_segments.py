"""What ``openapi`` says of ``segments``."""

from __future__ import annotations

from typing import Any

from ..accounts import permissions
from ..accounts.actor import Actor
from ..customers.measures.definition import AGGREGATES
from .openapi import (
    CONDITION,
    CURSOR,
    ID,
    IDEMPOTENCY,
    LIMIT,
    Doc,
    _body,
    _errors,
    _id_parameter,
    _object,
    _ok,
    _query,
    _ref,
)

TEXT: Doc = {"type": "string"}
MAYBE: Doc = {"type": ["string", "null"]}
LABEL: Doc = {"type": ["string", "object"]}
COUNT: Doc = {"type": "integer", "minimum": 0}
KEY: Doc = {"name": "key", "in": "path", "required": True, "schema": TEXT}
WRITE = ("400", "403", "413", "415", "422")


def paths(actor: Actor) -> Doc:
    """As far as the actor may see customers, and keep segments."""
    if not permissions.can(actor, "see", "customer"):
        return {}
    found = _segments() | _metrics()
    if not permissions.has_room(actor, "segments"):
        found = {path: {m: op for m, op in item.items() if m in ("get", "parameters")} for path, item in found.items()}
        found.pop("/metrics/{key}")
        found = {path: item for path, item in found.items() if "get" in item}
    return found


def _op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
    return {"operationId": name, "tags": [name.partition(".")[0]], "summary": summary, "responses": responses} | more


def _segments() -> Doc:
    asked: Doc = {
        "key": TEXT, "label": LABEL, "description": LABEL, "where": CONDITION,
        "set": {"type": "object", "description": '{"all": [key…], "any": [key…], "not": key or [key…]}, nested at will.'},
        "static": {"type": "boolean", "description": "A list that people keep."}, "enabled": {"type": "boolean"},
        "version": {"type": "integer"},
    }  # fmt: skip
    segment = _object(
        asked | {"count": COUNT | {"description": "As many as the asker sees."}, "ready": {"type": "boolean"}, "words": TEXT},
        "key", "label", "enabled", "version", "count", "ready", "words",
    )  # fmt: skip
    ids = _body(_object({"ids": {"type": "array", "items": ID, "maxItems": 10_000}}, "ids"))
    move = _object(
        {"customer": ID, "at": {"type": "string", "format": "date-time"}, "move": {"enum": ["joined", "left"]}}
    )
    members = _object(
        {"records": {"type": "array", "items": _ref("customer.record")}, "next_cursor": CURSOR, "total": COUNT},
        "records",
        "next_cursor",
    )
    why = _object({"member": {"type": "boolean"}, "since": MAYBE, "why": {"type": "object"}}, "member", "since", "why")
    return {
        "/segments": {
            "get": _op("segments.list", "Segments", _ok(_object({"segments": {"type": "array", "items": segment}}, "segments")) | _errors("403")),
            "post": _op(
                "segments.create", "Make a segment", _ok(segment, "Created.", "201") | _errors(*WRITE),
                parameters=[IDEMPOTENCY], requestBody=_body(_object(asked, "label")),
            ),
        },
        "/segments/{key}": {
            "parameters": [KEY],
            "get": _op("segments.get", "Read a segment", _ok(segment) | _errors("403", "404")),
            "patch": _op(
                "segments.update", "Change a segment", _ok(segment) | _errors(*WRITE, "404", "409"), requestBody=_body(_object(asked)),
            ),
            "delete": _op("segments.delete", "Delete a segment that nothing uses", {"204": {"description": "Done."}} | _errors("403", "404", "422")),
        },
        "/segments/{key}/members": {
            "parameters": [KEY],
            "get": _op(
                "segments.members", "Who is in it, as the asker sees them", _ok(members) | _errors("403", "404", "422"),
                parameters=[
                    _query("limit", LIMIT), _query("cursor", TEXT), _query("sort", TEXT), _query("fields", TEXT),
                    _query("count", {"enum": ["1", "0"]}),
                ],
            ),
        },
        "/segments/{key}/members:add": {
            "parameters": [KEY],
            "post": _op(
                "segments.add", "Put customers into a static list", _ok(_object({"added": COUNT}, "added")) | _errors(*WRITE, "404"),
                parameters=[IDEMPOTENCY], requestBody=ids,
            ),
        },
        "/segments/{key}/members:remove": {
            "parameters": [KEY],
            "post": _op(
                "segments.remove", "Take customers out of a static list", _ok(_object({"removed": COUNT}, "removed")) | _errors(*WRITE, "404"),
                parameters=[IDEMPOTENCY], requestBody=ids,
            ),
        },
        "/segments/{key}/members/{id}:explain": {
            "parameters": [KEY, _id_parameter()],
            "get": _op("segments.explain", "Why a customer is in it or is not", _ok(why) | _errors("403", "404")),
        },
        "/segments/{key}/moves": {
            "parameters": [KEY],
            "get": _op(
                "segments.moves", "Who came and left, newest first",
                _ok(_object({"moves": {"type": "array", "items": move}, "next_cursor": CURSOR}, "moves", "next_cursor")) | _errors("403", "404", "422"),
                parameters=[_query("limit", LIMIT), _query("cursor", TEXT)],
            ),
        },
    }  # fmt: skip


def _metrics() -> Doc:
    asked: Doc = {
        "key": TEXT | {"description": "Also that of its field of the customer."}, "label": LABEL, "form": MAYBE,
        "event": {"type": ["string", "array", "null"], "items": TEXT}, "via": MAYBE, "agg": {"enum": list(AGGREGATES)},
        "of": MAYBE, "where": CONDITION, "on": MAYBE,
        "window": {"type": ["object", "null"], "description": '{"days": 90}, {"this": "month"} or {"last": "month"}.'},
        "indexed": {"type": "boolean"}, "version": {"type": "integer"},
    }  # fmt: skip
    metric = _object(
        asked | {"ready": {"type": "boolean"}, "words": TEXT}, "key", "label", "agg", "version", "ready", "words"
    )
    return {
        "/metrics": {
            "get": _op("metrics.list", "The company's metrics", _ok(_object({"metrics": {"type": "array", "items": metric}}, "metrics")) | _errors("403")),
            "post": _op(
                "metrics.create", "Make a metric, and the customer's field that holds it", _ok(metric, "Created.", "201") | _errors(*WRITE),
                parameters=[IDEMPOTENCY], requestBody=_body(_object(asked, "label")),
            ),
        },
        "/metrics/{key}": {
            "parameters": [KEY],
            "get": _op("metrics.get", "Read a metric", _ok(metric) | _errors("403", "404")),
            "patch": _op("metrics.update", "Change a metric", _ok(metric) | _errors(*WRITE, "404", "409"), requestBody=_body(_object(asked))),
            "delete": _op("metrics.delete", "Delete a metric that nothing uses, with its field", {"204": {"description": "Done."}} | _errors("403", "404", "422")),
        },
    }  # fmt: skip
