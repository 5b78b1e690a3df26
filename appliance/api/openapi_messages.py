"""What ``openapi`` says of ``messages`` and ``message-templates``."""

from __future__ import annotations

from typing import Any

from ..accounts import permissions
from ..accounts.actor import Actor
from ..messaging import outbox
from ..messaging.ledger import ROOM
from .openapi import ID, IDEMPOTENCY, Doc, _body, _errors, _object, _ok, _query

_TEXT: Doc = {"type": "string"}
_MAYBE: Doc = {"type": ["string", "null"]}
_WHEN: Doc = {"type": ["string", "null"], "format": "date-time"}


def _op(tag: str, name: str, summary: str, responses: Doc, **more: Any) -> Doc:
    return {"operationId": f"{tag}.{name}", "summary": summary, "tags": [tag], "responses": responses} | more


def paths(actor: Actor) -> Doc:
    found = _reading()
    return found | _sending() | _templates() if permissions.has_room(actor, ROOM) else found


def _message() -> Doc:
    to = {
        "type": "object", "description": "kind, and the customer, user or address.",
        "properties": {"kind": {"enum": ["customer", "user", "address", "group"]}, "customer": ID, "user": _MAYBE, "address": _TEXT},
        "required": ["kind"],
    }  # fmt: skip
    record = {"anyOf": [_object({"form": _TEXT, "id": ID}, "form", "id"), {"type": "null"}]}
    return _object(
        {
            "id": ID, "key": _TEXT, "state": {"enum": list(outbox.STATES)}, "why": _TEXT | {"description": "In one sentence."},
            "via": _TEXT, "connection": _MAYBE, "purpose": {"enum": list(outbox.PURPOSES)}, "to": to, "address": _MAYBE,
            "subject": _MAYBE, "text": _MAYBE | {"description": "null: it holds what you may not see."}, "template": _MAYBE,
            "record": record, "cause": _object({"kind": _TEXT, "id": {"type": ["integer", "null"]}}, "kind"),
            "attempts": {"type": "integer"}, "cost": _TEXT | {"description": "Yuan."}, "error": _MAYBE, "provider_id": _MAYBE,
            "created_at": _WHEN, "due_at": _WHEN, "expires_at": _WHEN, "sent_at": _WHEN, "ended_at": _WHEN,
        },
        "id", "key", "state", "why", "via", "purpose", "to", "text", "cost",
    )  # fmt: skip


_NUMBER = {"name": "message_id", "in": "path", "required": True, "schema": ID}


def _reading() -> Doc:
    listing = _object({"messages": {"type": "array", "items": _message()}, "next_cursor": _MAYBE}, "messages")
    asked = [
        _query("state", {"enum": ["waiting", *outbox.STATES]}), _query("via", _TEXT), _query("purpose", _TEXT),
        _query("customer", ID), _query("template", _TEXT), _query("cause", _TEXT, "rule, or rule:12 for one run."),
        _query("limit", {"type": "integer"}), _query("cursor", _TEXT),
    ]  # fmt: skip
    return {
        "/messages": {
            "get": _op(
                "messages", "list", "List messages, newest first", _ok(listing) | _errors("422"), parameters=asked
            )
        },
        "/messages/{message_id}": {
            "parameters": [_NUMBER],
            "get": _op("messages", "get", "Read a message", _ok(_message()) | _errors("404")),
        },
    }


def _sending() -> Doc:
    write = ("400", "403", "404", "409", "413", "415", "422")
    to = {
        "anyOf": [
            _object({"customer": ID}, "customer"), _object({"user": {"type": ["string", "integer"]}}, "user"),
            _object({"address": _TEXT}, "address"), {"const": "group"},
        ]
    }  # fmt: skip
    given = _object(
        {
            "via": _TEXT, "to": to, "text": _TEXT, "template": _TEXT, "subject": _TEXT,
            "purpose": {"enum": list(outbox.PURPOSES)}, "connection": _TEXT,
            "expires": {"type": "object", "additionalProperties": {"type": "integer"}, "examples": [{"hours": 4}]},
            "record": _object({"form": _TEXT, "id": ID}, "form", "id"),
            "key": _TEXT | {"maxLength": 200, "description": "Sent once for each key."},
        },
        "via", "to",
    )  # fmt: skip
    found = {
        "/messages": {
            "get": _reading()["/messages"]["get"],
            "post": _op(
                "messages", "create", "Send a message", _ok(_message(), "Reserved; it is sent in the background.", "201")
                | _errors(*write), parameters=[IDEMPOTENCY], requestBody=_body(given),
            ),
        }
    }  # fmt: skip
    for verb, summary in (("retry", "Ask for a message once more"), ("cancel", "Take a waiting message back")):
        found[f"/messages/{{message_id}}:{verb}"] = {
            "parameters": [_NUMBER],
            "post": _op("messages", verb, summary, _ok(_message()) | _errors(*write), parameters=[IDEMPOTENCY]),
        }
    answer = _object({"answer": {"enum": ["arrived", "lost", "left"]}}, "answer")
    found["/messages/{message_id}:answer"] = {
        "parameters": [_NUMBER],
        "post": _op(
            "messages", "answer", "Say what became of a message with an unknown outcome", _ok(_message()) | _errors(*write),
            parameters=[IDEMPOTENCY], requestBody=_body(answer),
        ),
    }  # fmt: skip
    return found


def _templates() -> Doc:
    write = ("400", "403", "404", "409", "413", "415", "422")
    texts: Doc = {"type": "object", "additionalProperties": _TEXT}
    label: Doc = {"type": ["string", "object"]}
    own: Doc = {
        "key": _TEXT, "label": label, "form": _TEXT, "via": {"type": "array", "items": _TEXT},
        "purpose": {"enum": list(outbox.PURPOSES)}, "subject": _TEXT, "text": _TEXT, "fallbacks": texts,
        "codes": {
            "type": "object", "description": "By kind of connection: the platform's own template.",
            "additionalProperties": _object({"code": _TEXT, "params": texts}, "code"),
        },
        "enabled": {"type": "boolean"},
    }  # fmt: skip
    shown = _object(own | {"version": {"type": "integer"}}, "key", "label", "form", "purpose", "text", "version")
    key: Doc = {"name": "key", "in": "path", "required": True, "schema": _TEXT}
    listing = _object({"message_templates": {"type": "array", "items": shown}}, "message_templates")
    tag = "message_templates"
    return {
        "/message-templates": {
            "get": _op(
                tag, "list", "List message templates", _ok(listing) | _errors("403"),
                parameters=[_query("form", _TEXT), _query("via", _TEXT)],
            ),
            "post": _op(
                tag, "create", "Make a message template", _ok(shown, "Created.", "201") | _errors(*write),
                parameters=[IDEMPOTENCY], requestBody=_body(_object(own, "key", "label", "text")),
            ),
        },
        "/message-templates/{key}": {
            "parameters": [key],
            "get": _op(tag, "get", "Read a message template", _ok(shown) | _errors("403", "404")),
            "patch": _op(
                tag, "update", "Change a message template; what is not named stays", _ok(shown) | _errors(*write),
                requestBody=_body(_object(own | {"version": {"type": "integer"}})),
            ),
            "delete": _op(tag, "delete", "Delete a message template", {"204": {"description": "Done."}} | _errors("403", "404", "409")),
        },
    }  # fmt: skip
