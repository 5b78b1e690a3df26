"""What ``openapi`` says of ``events``."""

from __future__ import annotations

from typing import Any

from ..accounts import permissions
from ..accounts.actor import Actor
from ..customers.events import ingest, kinds
from .openapi import CURSOR, ID, IDEMPOTENCY, LIMIT, Doc, _body, _errors, _object, _ok, _query

TEXT: Doc = {"type": "string"}
MAYBE: Doc = {"type": ["string", "null"]}
EXAMPLE: Doc = {
    "connection": "douyin-main", "id": "ext-1", "customer": {"douyin_id": "u1"}, "type": "watch",
    "at": "2026-11-22T20:30:00+08:00", "seconds": 130, "props": {"product": "面膜"},
}  # fmt: skip


def paths(actor: Actor) -> Doc:
    """As far as the actor may see customers, write events and keep the kinds of them."""
    found = _types(actor)
    may_see, may_write = permissions.can(actor, "see", "customer"), ingest.may_write(actor)
    events = {**({"get": _listing()} if may_see else {}), **({"post": _adding()} if may_write else {})}
    return {**found, **({"/events": events} if events else {})}


def _adding() -> Doc:
    event = _object(
        {
            "connection": {"type": ["string", "null"], "maxLength": ingest.MAX_KEY},
            "id": {
                "type": ["string", "integer", "null"], "maxLength": ingest.MAX_ID,
                "description": "With the connection: the same event twice counts once.",
            },
            "customer": {
                "type": ["object", "integer"],
                "description": "Any identity ({\"douyin_id\": \"u1\"}), fields of a new customer beside it, or our id.",
            },
            "type": TEXT, "at": MAYBE | {"description": "ISO 8601; left out: now."}, "seconds": {"type": ["number", "null"]},
            "live_session": {
                "type": ["string", "integer", "object", "null"],
                "description": "The platform's number, our id or {\"host\": …}; left out: the session of the channel at that moment.",
            },
            "channel": MAYBE, "times": {"type": ["integer", "null"], "minimum": 1, "maximum": ingest.MAX_TIMES},
            "props": {"type": ["object", "null"]},
        },
        "customer", "type",
    )  # fmt: skip
    rows = {
        "type": "array", "maxItems": 5_000, "items": event, "examples": [[EXAMPLE]],
        "description": "Each by itself: one that makes no sense fails alone.",
    }  # fmt: skip
    counted: Doc = {"type": "integer", "minimum": 0}
    failed = {"type": "array", "items": _object({"index": counted, "error": TEXT}, "index", "error")}
    answer = _object({"accepted": counted, "duplicate": counted, "failed": failed}, "accepted", "duplicate", "failed")
    return {
        "operationId": "events.add", "tags": ["events"], "summary": "Tell what customers did",
        "parameters": [IDEMPOTENCY], "requestBody": _body(_object({"events": rows}, "events")),
        "responses": _ok(answer) | _errors("400", "403", "413", "415", "422"),
    }  # fmt: skip


def _listing() -> Doc:
    when: Doc = {"type": "string", "format": "date-time"}
    event = _object(
        {
            "event_id": ID, "connection": MAYBE, "id": MAYBE, "customer": ID, "type": TEXT, "at": when,
            "seconds": {"type": ["integer", "null"]}, "live_session": {"type": ["integer", "null"]}, "channel": MAYBE,
            "times": {"type": "integer"}, "props": {"type": "object"}, "received_at": when,
        },
        "event_id", "customer", "type", "at",
    )  # fmt: skip
    answer = _object({"events": {"type": "array", "items": event}, "next_cursor": CURSOR}, "events", "next_cursor")
    return {
        "operationId": "events.list", "tags": ["events"], "summary": "A customer's events, newest first",
        "parameters": [
            _query("customer", ID) | {"required": True}, _query("type", TEXT, "Kinds, separated by commas."),
            _query("since", {"type": "string", "format": "date-time"}), _query("limit", LIMIT), _query("cursor", TEXT),
        ],
        "responses": _ok(answer) | _errors("403", "404", "422"),
    }  # fmt: skip


def _types(actor: Actor) -> Doc:
    label: Doc = {
        "anyOf": [
            {"type": "string", "minLength": 1, "maxLength": kinds.MAX_LABEL},
            {"type": "object", "additionalProperties": TEXT, "minProperties": 1},
        ]
    }
    given: Doc = {
        "label": label, "icon": {"enum": list(kinds.ICONS)}, "counts_as": {"enum": [*kinds.COUNTS_AS, "", None]},
    }  # fmt: skip
    shown = _object(
        {"key": TEXT, **given, "system": {"type": "boolean"}}, "key", "label", "icon", "counts_as", "system"
    )
    listing = _object({"event_types": {"type": "array", "items": shown}}, "event_types")
    key: Doc = {"name": "key", "in": "path", "required": True, "schema": TEXT}
    may = permissions.has_room(actor, "settings")

    def op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
        return {
            "operationId": f"event_types.{name}",
            "tags": ["events"],
            "summary": summary,
            "responses": responses,
        } | more

    paths: Doc = {"/event-types": {"get": op("list", "The kinds of events", _ok(listing) | _errors())}}
    if may:
        made = _object({"key": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,47}$"}, **given}, "key", "label")
        write = ("400", "403", "413", "415", "422")
        paths["/event-types"]["post"] = op(
            "create", "Add a kind of event", _ok(shown, "Created.", "201") | _errors(*write),
            parameters=[IDEMPOTENCY], requestBody=_body(made),
        )  # fmt: skip
        paths["/event-types/{key}"] = {
            "parameters": [key],
            "patch": op("update", "Change a kind of event", _ok(shown) | _errors(*write, "404"), requestBody=_body(_object(given))),
            "delete": op(
                "delete", "Take no more events of the kind",
                {"204": {"description": "Done."}} | _errors("403", "404", "422"),
            ),
        }  # fmt: skip
    return paths
