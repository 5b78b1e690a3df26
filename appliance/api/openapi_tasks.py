"""The description of ``/tasks``, ``/pool`` and turning a lead into a customer."""

from __future__ import annotations

from ..accounts import permissions
from ..accounts.actor import Actor
from ..sales import pool, terms
from .openapi import CURSOR, ID, IDEMPOTENCY, LIMIT, Doc, _body, _errors, _id_parameter, _object, _ok, _query, _ref


def paths(actor: Actor) -> Doc:
    """As far as the asker sees the forms."""
    found: Doc = {}
    if permissions.can(actor, "see", "task"):
        found |= _tasks()
    seen = [key for key in terms.FORMS if permissions.can(actor, "see", key)]
    if seen:
        found |= _pool(seen)
    if "lead" in seen:
        found |= _convert()
    return found


def _tasks() -> Doc:
    record = _ref("task.record")
    page = _object({"records": {"type": "array", "items": record}, "next_cursor": CURSOR}, "records", "next_cursor")
    acting: Doc = {
        "tags": ["task"],
        "parameters": [IDEMPOTENCY],
        "responses": _ok(record) | _errors("403", "404", "422"),
    }
    return {
        "/tasks": {
            "get": {
                "operationId": "tasks.list", "tags": ["task"], "summary": "Tasks of one person, by when they are due",
                "parameters": [
                    _query("assignee", {"type": "string"}, "me (default), all, or a person's login or id."),
                    _query("status", {"enum": ["open", "done", "all"]}), _query("limit", LIMIT),
                    _query("cursor", {"type": "string"}),
                ],
                "responses": _ok(page) | _errors("404", "422"),
            },
            "post": {
                "operationId": "tasks.create", "tags": ["task"], "summary": "A new task, the asker's unless it says otherwise",
                "parameters": [IDEMPOTENCY],
                "requestBody": _body(_object({"values": _ref("task.values")}, "values")),
                "responses": _ok(record, "Created.", "201") | _errors("400", "403", "404", "413", "415", "422"),
            },
        },
        "/tasks/{id}:done": {
            "parameters": [_id_parameter()],
            "post": {"operationId": "tasks.done", "summary": "The task is done; one that repeats makes its next"} | acting,
        },
        "/tasks/{id}:reopen": {
            "parameters": [_id_parameter()],
            "post": {"operationId": "tasks.reopen", "summary": "The task is not done after all"} | acting,
        },
    }  # fmt: skip


def _pool(forms: list[str]) -> Doc:
    form: Doc = {"name": "form", "in": "path", "required": True, "schema": {"enum": forms}}
    ids: Doc = {"type": "array", "items": ID, "minItems": 1, "maxItems": pool.MOST}
    row = _object({"id": ID, "values": {"type": "object", "description": "Contacts are masked."}}, "id", "values")
    page = _object({"records": {"type": "array", "items": row}, "next_cursor": CURSOR}, "records", "next_cursor")
    refused = {"type": "array", "items": _object({"id": ID, "why": {"type": "string"}}, "id", "why")}
    errors = _errors("400", "403", "404", "413", "415", "422")
    return {
        "/pool/{form}": {
            "parameters": [form],
            "get": {
                "operationId": "pool.list", "tags": ["pool"], "summary": "What nobody owns, in the pools that the asker sees",
                "parameters": [
                    _query("q", {"type": "string"}, "Looked for in the title."), _query("limit", LIMIT),
                    _query("cursor", {"type": "string"}),
                ],
                "responses": _ok(page) | _errors("404", "422"),
            },
        },
        "/pool/{form}:claim": {
            "parameters": [form],
            "post": {
                "operationId": "pool.claim", "tags": ["pool"], "summary": "Makes records of the pool the asker's",
                "parameters": [IDEMPOTENCY], "requestBody": _body(_object({"ids": ids}, "ids")),
                "responses": _ok(_object({"claimed": {"type": "array", "items": ID}, "refused": refused})) | errors,
            },
        },
        "/pool/{form}:return": {
            "parameters": [form],
            "post": {
                "operationId": "pool.return", "tags": ["pool"], "summary": "Puts the asker's records back into the pool",
                "parameters": [IDEMPOTENCY],
                "requestBody": _body(_object({"ids": ids, "reason": {"type": "string", "minLength": 1}}, "ids", "reason")),
                "responses": _ok(_object({"returned": {"type": "integer"}})) | errors,
            },
        },
    }  # fmt: skip


def _convert() -> Doc:
    into: Doc = {"anyOf": [ID, {"enum": ["new"]}, {"type": "null"}]}
    return {
        "/leads/{id}:convert": {
            "parameters": [_id_parameter()],
            "post": {
                "operationId": "lead.convert", "tags": ["lead"], "summary": "Makes a lead a customer, a known one or a new one",
                "parameters": [IDEMPOTENCY], "requestBody": _body(_object({"into": into})) | {"required": False},
                "responses": _ok(_object({"customer": ID}, "customer"))
                | _errors("400", "403", "404", "413", "415", "422"),
            },
        },
    }  # fmt: skip
