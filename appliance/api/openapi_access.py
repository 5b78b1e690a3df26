"""What ``openapi`` says of ``access``."""

from __future__ import annotations

from typing import Any

from msgspec.structs import fields

from ..accounts import sources
from ..accounts.actor import Actor
from .openapi import ID, IDEMPOTENCY, Doc, _body, _errors, _id_parameter, _object, _ok

TEXT: Doc = {"type": "string"}
MOMENT: Doc = {"type": "string", "format": "date-time"}
GONE: Doc = {"204": {"description": "Done."}}
WRITE = _errors("400", "403", "404", "413", "415", "422")
TYPES = {str: "string", int: "integer", bool: "boolean"}


def _op(tag: str, name: str, summary: str, responses: Doc, **more: Any) -> Doc:
    return {"operationId": f"{tag}.{name}", "summary": summary, "tags": [tag], "responses": responses} | more


def paths(actor: Actor) -> Doc:
    return _deputies() | (_invitations() | _sources() if actor.is_admin else {})


def _deputies() -> Doc:
    day = {"type": "string", "format": "date"}
    properties = {"deputy": {"type": ["string", "integer"]}, "since": day, "until": day, "note": TEXT}
    shown = _object(
        {"id": ID, "user": TEXT, **properties, "state": {"enum": ["coming", "now", "over"]}},
        "id", "user", "deputy", "since", "until", "state",
    )  # fmt: skip
    listing = _object({"deputies": {"type": "array", "items": shown}}, "deputies")
    asked = _object(properties | {"user": {"type": ["string", "integer", "null"]}}, "deputy", "since", "until")
    return {
        "/deputies": {
            "get": _op("deputies", "list", "Who stands in for whom", _ok(listing) | _errors()),
            "post": _op(
                "deputies", "create", "Name a deputy", _ok(shown, "Created.", "201") | WRITE,
                parameters=[IDEMPOTENCY], requestBody=_body(asked),
            ),
        },
        "/deputies/{id}": {
            "parameters": [_id_parameter()],
            "delete": _op("deputies", "end", "End it now", GONE | _errors("404")),
        },
    }  # fmt: skip


def _invitations() -> Doc:
    properties = {
        "name": {"type": "string", "minLength": 1, "maxLength": 60}, "login": {"type": ["string", "null"]},
        "roles": {"type": "array", "items": TEXT, "minItems": 1}, "department": {"anyOf": [ID, {"type": "null"}]},
    }  # fmt: skip
    answer = {
        "id": ID, **properties, "state": {"enum": ["open", "used", "revoked", "over"]}, "created_at": MOMENT,
        "expires_at": MOMENT, "user": {"type": ["string", "null"]},
    }  # fmt: skip
    shown = _object(answer, "id", "name", "roles", "state", "expires_at")
    made = _object(answer | {"link": TEXT}, "id", "link")
    listing = _object({"invitations": {"type": "array", "items": shown}}, "invitations")
    asked = _object(properties | {"days": {"type": ["integer", "null"], "minimum": 1, "maximum": 60}}, "name", "roles")
    return {
        "/invitations": {
            "get": _op("invitations", "list", "List invitations", _ok(listing) | _errors("403")),
            "post": _op(
                "invitations", "create", "Invite somebody; the link is shown once", _ok(made, "Created.", "201") | WRITE,
                parameters=[IDEMPOTENCY], requestBody=_body(asked),
            ),
        },
        "/invitations/{id}": {
            "parameters": [_id_parameter()],
            "delete": _op("invitations", "revoke", "Revoke an invitation", GONE | _errors("403", "404")),
        },
    }  # fmt: skip


def _sources() -> Doc:
    names = {f.name: {"type": TYPES[f.type]} for cls in sources.KINDS.values() for f in fields(cls)}
    shown = _object(
        {"kind": {"enum": list(sources.KINDS)}, "enabled": {"type": "boolean"}, "has_secret": {"type": "boolean"},
         "options": _object(names)},
        "kind", "enabled", "has_secret", "options",
    )  # fmt: skip
    listing = _object({"sources": {"type": "array", "items": shown}}, "sources")
    asked = _object({"enabled": {"type": "boolean"}, "options": _object(names), "secret": {"type": ["string", "null"]}})
    kind = {"name": "kind", "in": "path", "required": True, "schema": {"enum": list(sources.KINDS)}}
    return {
        "/sign-in-sources": {"get": _op("sources", "list", "How people sign in", _ok(listing) | _errors("403"))},
        "/sign-in-sources/{kind}": {
            "parameters": [kind],
            "patch": _op(
                "sources", "update", "Change a source; the secret is never read back", _ok(shown) | WRITE,
                requestBody=_body(asked),
            ),
        },
    }  # fmt: skip
