"""Connections: administrators make them; secrets go in and never come out."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin
from ..connections import kinds, store
from ..connections.store import Shown
from . import answers, body
from .limits import idempotent
from .views import bp

KEYS = ("label", "enabled", "params")


def _document(found: Shown) -> dict[str, Any]:
    secrets = [p.key for p in found.kind.params if p.secret]
    return found.document() | {
        "secrets": {key: {"set": key in found.hints, "ends": found.hints.get(key, "")} for key in secrets},
        "state": found.state,
        "last_ok_at": answers.when(found.last_ok_at),
        "last_error": found.last_error,
        "last_error_at": answers.when(found.last_error_at),
        "today": {"ok": found.today[0], "failed": found.today[1]},
        "version": found.version,
    }


def _read(*more: str) -> dict[str, Any]:
    doc = body.allow(body.read(), *KEYS, *more)
    body.text(doc, "label")
    body.text(doc, "key")
    body.text(doc, "kind")
    body.flag(doc, "enabled")
    body.object_(doc, "params")
    return {key: value for key, value in doc.items() if value is not None}


@bp.get("/connection-kinds")
@requires_admin
def list_connection_kinds() -> Response:
    """What each kind of connection asks for."""
    return jsonify({"kinds": [_kind(kind) for kind in kinds.all_kinds()]})


def _kind(kind: kinds.Kind) -> dict[str, Any]:
    return {
        "kind": kind.key,
        "label": str(kind.label),
        "about": str(kind.about),
        "params": [
            {
                "key": p.key,
                "label": str(p.label),
                "help": str(p.help),
                "type": p.input,
                "required": p.required,
                "secret": p.secret,
            }
            for p in kind.params
        ],
    }


@bp.get("/connections")
@requires_admin
def list_connections() -> Response:
    return jsonify({"connections": [_document(store.shown(found.key)) for found in store.all_shown()]})


@bp.post("/connections")
@requires_admin
@idempotent
def create_connection() -> Response:
    key = store.create(_read("key", "kind"), current_actor())
    return answers.made(_document(store.shown(key)), f"/connections/{key}")


@bp.get("/connections/<key>")
@requires_admin
def get_connection(key: str) -> Response:
    return jsonify(_document(store.shown(key)))


@bp.patch("/connections/<key>")
@requires_admin
def change_connection(key: str) -> Response:
    doc = _read("version")
    version = body.whole(doc, "version")
    store.update(key, {k: v for k, v in doc.items() if k != "version"}, current_actor(), version)
    return jsonify(_document(store.shown(key)))


@bp.delete("/connections/<key>")
@requires_admin
def delete_connection(key: str) -> Response:
    store.delete(key, current_actor())
    return Response(status=204)


@bp.post("/connections/<key>:test")
@requires_admin
def test_connection(key: str) -> Response:
    """Really calls the other side: a sentence of what went well, or a problem that says what is wrong."""
    return jsonify({"message": store.test(key)})
