"""What ``openapi`` says of ``connections``."""

from __future__ import annotations

from typing import Any

from ..accounts.actor import Actor
from .openapi import IDEMPOTENCY, Doc, _body, _errors, _object, _ok


def paths(actor: Actor) -> Doc:
    """Only administrators have these."""
    if not actor.is_admin:
        return {}
    text: Doc = {"type": "string"}
    label = {"type": "string", "minLength": 1, "maxLength": 60}
    value = {"type": ["string", "integer", "boolean", "null"]}
    params = {"type": "object", "additionalProperties": value}
    when = {"type": ["string", "null"], "format": "date-time"}
    shown = _object(
        {
            "key": text, "kind": text, "label": text, "enabled": {"type": "boolean"}, "params": params,
            "secrets": {
                "type": "object", "description": "Which secrets are set; they are never told.",
                "additionalProperties": _object({"set": {"type": "boolean"}, "ends": text}, "set", "ends"),
            },
            "state": {"enum": ["off", "failing", "working", "unused"]}, "last_ok_at": when,
            "last_error": {"type": ["string", "null"]}, "last_error_at": when,
            "today": _object({"ok": {"type": "integer"}, "failed": {"type": "integer"}}, "ok", "failed"),
            "version": {"type": "integer"},
        },
        "key", "kind", "label", "enabled", "params", "secrets", "state", "version",
    )  # fmt: skip
    key: Doc = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,59}$"}
    given: Doc = {
        "label": label, "enabled": {"type": "boolean"},
        "params": params | {"description": "By the kind's params; a secret that is left out or empty stays as it is."},
    }  # fmt: skip
    asked = _object(
        {"key": text, "label": text, "help": text, "type": text, "required": {"type": "boolean"}, "secret": {"type": "boolean"}},
        "key", "label", "type", "required", "secret",
    )  # fmt: skip
    kind = _object(
        {"kind": text, "label": text, "about": text, "params": {"type": "array", "items": asked}},
        "kind",
        "label",
        "params",
    )
    write = ("400", "403", "404", "409", "413", "415", "422")

    def op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
        return {
            "operationId": f"connections.{name}",
            "summary": summary,
            "tags": ["connections"],
            "responses": responses,
        } | more

    listing = _object({"connections": {"type": "array", "items": shown}}, "connections")
    return {
        "/connection-kinds": {
            "get": op(
                "kinds", "What each kind of connection asks for",
                _ok(_object({"kinds": {"type": "array", "items": kind}}, "kinds")) | _errors("403"),
            )
        },
        "/connections": {
            "get": op("list", "List connections", _ok(listing) | _errors("403")),
            "post": op(
                "create", "Make a connection", _ok(shown, "Created.", "201") | _errors(*write), parameters=[IDEMPOTENCY],
                requestBody=_body(_object(given | {"key": key, "kind": text}, "kind")),
            ),
        },
        "/connections/{key}": {
            "parameters": [{"name": "key", "in": "path", "required": True, "schema": key}],
            "get": op("get", "Read a connection", _ok(shown) | _errors("403", "404")),
            "patch": op(
                "update", "Change a connection; what is not named stays", _ok(shown) | _errors(*write),
                requestBody=_body(_object(given | {"version": {"type": "integer"}})),
            ),
            "delete": op("delete", "Delete a connection", {"204": {"description": "Done."}} | _errors("403", "404")),
        },
        "/connections/{key}:test": {
            "parameters": [{"name": "key", "in": "path", "required": True, "schema": key}],
            "post": op(
                "test", "Call the other side, to see whether it works",
                _ok(_object({"message": text}, "message")) | _errors("403", "404", "422", "502"),
            ),
        },
    }  # fmt: skip
