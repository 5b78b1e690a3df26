"""OpenAPI 3.1, made from the forms as the asker sees them: a form the company makes is in it at once."""

from __future__ import annotations

from typing import Any

from .. import __version__
from ..accounts import permissions
from ..accounts.actor import Actor
from ..accounts.permissions import ACCESS, ROOMS, VERBS
from ..accounts.roles import LABEL
from ..core import settings
from ..customers import consents
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.query import clear, readable
from ..forms.revealing import can_reveal
from .body import BIG, MAX_LIMIT

Doc = dict[str, Any]

PROBLEM = {"$ref": "#/components/schemas/Problem"}
ERRORS = {
    "400": "The request is not valid JSON.",
    "401": "No valid token.",
    "403": "The token's user lacks the right.",
    "404": "It does not exist, or the token's user may not see it.",
    "405": "The path does not take this method.",
    "409": "The version is stale: somebody else has changed the record.",
    "413": "The request is too large.",
    "415": "The body is not JSON.",
    "422": "Something in the request is wrong; `errors` names each field.",
    "429": "Too many requests; see Retry-After.",
    "502": "The other side did not answer as it should.",
}


def _errors(*codes: str) -> Doc:
    content = {"application/problem+json": {"schema": PROBLEM}}
    return {c: {"description": ERRORS[c], "content": content} for c in ("401", "405", "429", *codes)}


def _ok(schema: Doc, text: str = "Done.", status: str = "200") -> Doc:
    return {status: {"description": text, "content": {"application/json": {"schema": schema}}}}


def _body(schema: Doc) -> Doc:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _object(properties: Doc, *required: str, extra: bool = False) -> Doc:
    doc: Doc = {"type": "object", "properties": properties, "additionalProperties": extra}
    return doc | ({"required": list(required)} if required else {})


def _ref(name: str) -> Doc:
    return {"$ref": f"#/components/schemas/{name}"}


CONDITION = _ref("Condition")
LIMIT = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50}
ID = {"type": "integer", "minimum": 1, "maximum": BIG - 1}
CURSOR = {"type": ["string", "null"]}
BYTES: Doc = {"200": {"description": "The file.", "content": {"*/*": {}}}}

IDEMPOTENCY: Doc = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
    "description": "A repetition with the same key gets the first answer again, for a day.",
}


def _query(name: str, schema: Doc, description: str = "") -> Doc:
    return {"name": name, "in": "query", "schema": schema} | ({"description": description} if description else {})


def _id_parameter() -> Doc:
    return {"name": "id", "in": "path", "required": True, "schema": ID}


def document(actor: Actor) -> Doc:
    """The description of the API for ``actor``: forms and fields that may not be seen are not in it."""
    from . import (
        openapi_access,
        openapi_automation,
        openapi_connections,
        openapi_events,
        openapi_loyalty,
        openapi_messages,
        openapi_segments,
        openapi_tasks,
    )

    forms = [form for form in catalog.all() if permissions.can(actor, "see", form.key)]
    schemas = _common_schemas() | openapi_automation.schemas(actor)
    paths: Doc = _definition_paths() | _department_paths() | _role_paths(actor) | _consent_paths(actor)
    paths |= openapi_access.paths(actor)
    paths |= openapi_automation.paths(actor)
    paths |= openapi_connections.paths(actor)
    paths |= openapi_events.paths(actor)
    paths |= openapi_loyalty.paths(actor)
    paths |= openapi_tasks.paths(actor)
    paths |= openapi_segments.paths(actor)
    paths |= openapi_messages.paths(actor)
    for form in forms:
        schemas |= _form_schemas(form, actor)
        paths |= _form_paths(form) | _reveal_paths(form, actor) | _share_paths(form, actor)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": settings.get("company.name") or "Guke 固客",
            "version": __version__,
            "description": "Values go by field key; times are ISO 8601 with offset; money is a decimal string.",
        },
        "servers": [{"url": "/api/v1"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _form_parts() -> Doc:
    """What a form's document says besides its key and fields."""
    label = {"anyOf": [{"type": ["string", "null"]}, {"type": "object", "additionalProperties": {"type": "string"}}]}
    keys = {"type": ["array", "null"], "items": {"type": "string"}}
    return {
        "label": label, "icon": {"type": "string"}, "title_field": {"type": ["string", "null"]}, "group": label,
        "layout": {"type": ["object", "null"], "description": "tabs: [{label, sections: [{label, columns, collapsed, fields}]}]"},
        "unique": {"type": ["array", "null"], "items": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
        "color": {"type": ["string", "null"]}, "color_field": {"type": ["string", "null"]}, "search": keys, "columns": keys,
        "views": {"type": ["object", "null"]},
    }  # fmt: skip


def _common_schemas() -> Doc:
    label = {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
    field = _object(
        {"key": {"type": "string"}, "label": label, "type": {"type": "string"}}, "key", "label", "type", extra=True
    )
    fields = {"type": "array", "items": _ref("Field")}
    return {
        "Problem": _object(
            {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": _object({"field": {"type": "string"}, "message": {"type": "string"}}, "field", "message"),
                },
            },
            "title",
            "status",
            extra=True,
        ),
        "Condition": {
            "type": "object",
            "description": (
                'all / any / not, or a test: {"field": "city", "op": "eq", "value": "杭州"}, '
                '{"related": "order", "agg": "sum", "of": "amount", "op": "gte", "value": 2000}, {"tag": "…"}'
            ),
        },
        "Field": field,
        "File": _object(
            {"id": ID, "name": {"type": "string"}, "size": {"type": "integer"}, "type": {"type": "string"}},
            "id",
            "name",
            "size",
        ),
        "Form": _object(
            _form_parts() | {"key": {"type": "string"}, "label": label, "fields": fields}, "key", "label", extra=True
        ),
        "Conversion": _object(
            {
                "converted": {"type": "integer"},
                "lost": {"type": "integer"},
                "estimated": {"type": "boolean"},
                "samples": {"type": "array", "items": {"type": "object"}},
                "failures": {"type": "array", "items": {"type": "object"}},
            },
            "converted",
            "lost",
        ),
        "Comment": _object(
            {
                "id": ID,
                "author": {"type": ["string", "null"]},
                "text": {"type": "string"},
                "mentions": {"type": "array", "items": {"type": ["string", "null"]}},
                "at": {"type": "string", "format": "date-time"},
                "edited_at": {"type": ["string", "null"], "format": "date-time"},
            },
            "id",
            "text",
            "at",
        ),
        "UpsertResult": _object(
            {
                "index": {"type": "integer"},
                "id": {"type": ["integer", "null"]},
                "status": {"enum": ["created", "updated", "unchanged", "failed"]},
                "errors": {"type": "array", "items": {"type": "object"}},
            },
            "index",
            "id",
            "status",
        ),
    }


def _form_schemas(form: Form, actor: Actor) -> Doc:
    seen = readable(form, actor)
    values = {key: f.schema() | {"title": f.label} for key, f in seen.items()}
    writable = {key: schema for key, schema in values.items() if not seen[key].readonly}
    times = {key: {"type": "string", "format": "date-time"} for key in ("created_at", "updated_at")}
    people = {key: {"type": ["string", "null"]} for key in ("created_by", "updated_by")}
    record = _object(
        {
            "id": ID,
            "version": {"type": "integer"},
            "values": _object(values | times | people, extra=True),
        },
        "id",
        "version",
        "values",
    )
    return {f"{form.key}.values": _object(writable), f"{form.key}.record": record}


def _form_paths(form: Form) -> Doc:
    root = f"/forms/{form.key}/records"
    values, record = _ref(f"{form.key}.values"), _ref(f"{form.key}.record")
    listing = {"type": "array", "items": record}
    page = _object({"records": listing, "next_cursor": CURSOR, "total": {"type": "integer"}}, "records", "next_cursor")

    def op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
        return {
            "operationId": f"{form.key}.{name}",
            "summary": summary,
            "tags": [form.key],
            "responses": responses,
        } | more

    search_body = {
        "where": CONDITION, "search": {"type": ["string", "null"]}, "sort": {"type": ["string", "null"]}, "limit": LIMIT,
        "cursor": CURSOR, "count": {"type": "boolean"}, "fields": {"type": ["array", "null"], "items": {"type": "string"}},
    }  # fmt: skip
    which = {key: search_body[key] for key in ("where", "search")}
    upsert_result = _object(
        {
            "results": {"type": "array", "items": _ref("UpsertResult")},
            **{name: {"type": "integer"} for name in ("created", "updated", "unchanged", "failed")},
        },
        "results",
    )
    upsert_body = _object(
        {"key": {"type": "string"}, "records": {"type": "array", "items": {"type": "object"}, "maxItems": 10_000}},
        "key",
        "records",
    )
    write_errors = ("400", "403", "404", "413", "415", "422")
    return {
        root: {
            "get": op(
                "list", "List records", _ok(page) | _errors("404", "422"),
                parameters=[
                    _query("where", {"type": "string"}, "A condition as JSON."), _query("q", {"type": "string"}),
                    _query("sort", {"type": "string"}, "A field key; -key: falling."), _query("limit", LIMIT),
                    _query("cursor", {"type": "string"}), _query("count", {"enum": ["1", "0"]}),
                    _query("fields", {"type": "string"}, "Field keys, separated by commas."),
                ],
            ),
            "post": op(
                "create", "Create a record", _ok(record, "Created.", "201") | _errors(*write_errors),
                parameters=[IDEMPOTENCY], requestBody=_body(_object({"values": values}, "values")),
            ),
        },
        f"{root}/{{id}}": {
            "parameters": [_id_parameter()],
            "get": op("get", "Read a record", _ok(record) | _errors("404")),
            "patch": op(
                "update", "Change a record", _ok(record) | _errors(*write_errors, "409"),
                requestBody=_body(_object({"values": values, "version": {"type": "integer"}}, "values")),
            ),
            "delete": op(
                "delete", "Move a record to the recycle bin", {"204": {"description": "Done."}} | _errors("403", "404")
            ),
        },
        f"{root}/{{id}}/files/{{file_id}}": {
            "parameters": [_id_parameter(), _id_parameter() | {"name": "file_id"}],
            "get": op("file", "Fetch a file of a record", BYTES | _errors("404")),
        },
        f"{root}/{{id}}:restore": {
            "parameters": [_id_parameter()],
            "post": op("restore", "Take a record out of the bin", _ok(record) | _errors("403", "404", "422")),
        },
        f"{root}/{{id}}/changes": {
            "parameters": [_id_parameter()],
            "get": op(
                "changes", "History of a record",
                _ok(_object({"changes": {"type": "array", "items": {"type": "object"}}, "next_cursor": CURSOR}, "changes"))
                | _errors("404", "422"),
                parameters=[_query("limit", LIMIT), _query("cursor", {"type": "string"})],
            ),
        },
        f"{root}/{{id}}/comments": {
            "parameters": [_id_parameter()],
            "get": op(
                "comments", "Comments on a record",
                _ok(_object({"comments": {"type": "array", "items": _ref("Comment")}, "next_cursor": CURSOR}, "comments"))
                | _errors("404", "422"),
                parameters=[_query("cursor", {"type": "string"})],
            ),
            "post": op(
                "comment", "Comment on a record; @name tells somebody",
                _ok(_ref("Comment"), "Created.", "201") | _errors(*write_errors),
                parameters=[IDEMPOTENCY], requestBody=_body(_object({"text": {"type": "string", "maxLength": 5000}}, "text")),
            ),
        },
        f"{root}:upsert": {
            "post": op(
                "upsert", "Create or update many by a key field", _ok(upsert_result) | _errors(*write_errors),
                parameters=[IDEMPOTENCY], requestBody=_body(upsert_body),
            )
        },
        f"{root}:merge": {
            "post": op(
                "merge", "Make one record of two",
                _ok(_object({"merge": ID, "record": {"anyOf": [record, {"type": "null"}]}}, "merge"))
                | _errors(*write_errors, "409"),
                parameters=[IDEMPOTENCY],
                requestBody=_body(_object(
                    {
                        "keep": ID, "merge": ID,
                        "choose": {"type": "object", "additionalProperties": {"enum": ["keep", "merge", "both"]}},
                    }, "keep", "merge",
                )),
            )
        },
        f"/forms/{form.key}/merges/{{id}}:undo": {
            "parameters": [_id_parameter()],
            "post": op(
                "unmerge", "Take a merge back",
                _ok(_object({"kept_values": {"type": "integer"}}, "kept_values")) | _errors(*write_errors, "409"),
                parameters=[IDEMPOTENCY],
            ),
        },
        f"{root}:count": {
            "post": op(
                "count", "Count records",
                _ok(_object({"count": {"type": "integer"}}, "count")) | _errors("400", "404", "413", "415", "422"),
                requestBody=_body(_object(which)),
            )
        },
        f"{root}:aggregate": {
            "post": op(
                "aggregate", "Group and measure",
                _ok(_object({"rows": {"type": "array", "items": {"type": "object"}}}, "rows"))
                | _errors("400", "404", "413", "415", "422"),
                requestBody=_body(_object(which | {
                    "group_by": {"type": "array", "maxItems": 4, "items": {"type": "object"}},
                    "measures": {"type": "array", "maxItems": 12, "items": {"type": "object"}},
                })),
            )
        },
        f"/forms/{form.key}/query": {
            "post": op(
                "query", "List records by a condition", _ok(page) | _errors("400", "404", "413", "415", "422"),
                requestBody=_body(_object(search_body)),
            )
        },
    }  # fmt: skip


def _reveal_paths(form: Form, actor: Actor) -> Doc:
    """Only forms with values that are shown whole on demand have this."""
    own = clear(form, actor)
    keys = [
        key for key, f in readable(form, actor).items() if (f.revealable and key in own) or can_reveal(f, form, actor)
    ]
    if not keys:
        return {}
    key = {"name": "field", "in": "path", "required": True, "schema": {"enum": keys}}
    whole = _object({"value": {"type": "string"}}, "value")
    return {
        f"/forms/{form.key}/records/{{id}}/{{field}}:reveal": {
            "parameters": [_id_parameter(), key],
            "post": {
                "operationId": f"{form.key}.reveal", "tags": [form.key],
                "summary": "A masked value whole; the audit log says who looked, and why",
                "requestBody": _body(_object({"reason": {"type": "string", "minLength": 2, "maxLength": 200}}, "reason")),
                "responses": _ok(whole) | _errors("400", "403", "404", "413", "415", "422"),
            },
        },
    }  # fmt: skip


def _share_paths(form: Form, actor: Actor) -> Doc:
    """Only forms whose records the asker may share: line items follow their record."""
    if form.part_of is not None or not permissions.can(actor, "edit", form.key):
        return {}
    nobody: Doc = {"type": ["string", "null"]}
    shown = _object(
        {
            "id": ID, "person": nobody, "department": nobody | {"description": "Its path."}, "edit": {"type": "boolean"},
            "until": {"type": ["string", "null"], "format": "date-time", "description": "When it ends."}, "by": nobody,
        },
        "id", "person", "department", "edit", "until", "by",
    )  # fmt: skip
    asked = _object({
        "person": {"type": ["string", "integer", "null"], "description": "Login or id; or else a department."},
        "department": {"type": ["string", "integer", "null"], "description": "Id, name or path; all below it are meant too."},
        "edit": {"type": "boolean", "default": False},
        "until": {"type": ["string", "null"], "format": "date", "description": "The last day; without one it has no end."},
    })  # fmt: skip
    root, more = f"/forms/{form.key}/records/{{id}}/shares", {"tags": [form.key]}
    return {
        root: {
            "parameters": [_id_parameter()],
            "get": more | {
                "operationId": f"{form.key}.shares", "summary": "With whom a record is shared",
                "responses": _ok(_object({"shares": {"type": "array", "items": shown}}, "shares")) | _errors("403", "404"),
            },
            "post": more | {
                "operationId": f"{form.key}.share",
                "summary": "Share a record with a person or a department; a second time changes the share",
                "parameters": [IDEMPOTENCY], "requestBody": _body(asked),
                "responses": _ok(shown, "Shared.", "201") | _errors("400", "403", "404", "413", "415", "422"),
            },
        },
        f"{root}/{{share_id}}": {
            "parameters": [_id_parameter(), _id_parameter() | {"name": "share_id"}],
            "delete": more | {
                "operationId": f"{form.key}.unshare", "summary": "End a share",
                "responses": {"204": {"description": "Done."}} | _errors("403", "404"),
            },
        },
    }  # fmt: skip


def _role_paths(actor: Actor) -> Doc:
    """Only administrators have these."""
    if not actor.is_admin:
        return {}
    text: Doc = {"type": "string", "minLength": 1, "maxLength": LABEL}
    words = {"type": "object", "minProperties": 1, "additionalProperties": text}
    key: Doc = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"}
    granted = _object({
        "verbs": {"type": "array", "items": {"enum": list(VERBS)}},
        "scope": {"anyOf": [CONDITION, {"type": "object", "maxProperties": 0}],
                  "description": 'Which records are seen; {}: all, {"whose": "me" | "department" | "below"}.'},
        "deny": CONDITION | {"description": "Records that are never seen, whatever other roles allow."},
        "fields": {"type": "object", "additionalProperties": {"enum": list(ACCESS)}, "description": "Without a word: edit."},
    })  # fmt: skip
    properties: Doc = {
        "forms": {
            "type": "object",
            "additionalProperties": granted,
            "description": "By form key; *: every other form.",
        },
        "rooms": {"type": "array", "items": {"enum": list(ROOMS)}},
        "people": {
            "type": "array",
            "items": {"type": ["string", "null"]},
            "description": "Logins; exactly these hold it.",
        },
    }
    shown = _object(
        {"key": {"type": "string"}, "label": {"type": "string"}, "system": {"type": "boolean"}, "admin": {"type": "boolean"}}
        | properties,
        "key", "label", "system", "admin", "forms", "rooms", "people",
    )  # fmt: skip
    given = properties | {
        "people": properties["people"] | {"items": {"type": "string"}},
        "label": {"anyOf": [text, words]},
    }
    write = ("400", "403", "404", "413", "415", "422")

    def op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
        return {"operationId": f"roles.{name}", "summary": summary, "tags": ["roles"], "responses": responses} | more

    return {
        "/roles": {
            "get": op("list", "List roles", _ok(_object({"roles": {"type": "array", "items": shown}}, "roles")) | _errors("403")),
            "post": op(
                "create", "Make a role", _ok(shown, "Created.", "201") | _errors(*write, "409"),
                parameters=[IDEMPOTENCY], requestBody=_body(_object(given | {"key": key}, "label")),
            ),
        },
        "/roles/{key}": {
            "parameters": [{"name": "key", "in": "path", "required": True, "schema": key}],
            "get": op("get", "Read a role", _ok(shown) | _errors("403", "404")),
            "patch": op(
                "update", "Change a role; what is not named stays", _ok(shown) | _errors(*write),
                requestBody=_body(_object(given)),
            ),
            "delete": op(
                "delete", "Delete a role that nobody holds", {"204": {"description": "Done."}} | _errors("403", "404", "422")
            ),
        },
    }  # fmt: skip


def _consent_paths(actor: Actor) -> Doc:
    if not permissions.can(actor, "see", "customer"):
        return {}
    text: Doc = {"type": "string"}
    properties: Doc = {
        "purpose": {"enum": list(consents.purposes())}, "channel": {"enum": list(consents.CHANNELS)},
        "state": {"enum": [consents.GRANTED, consents.WITHDRAWN]},
        "source": {"type": "string", "minLength": 1, "maxLength": 60}, "evidence": {"type": "string", "maxLength": 500},
    }  # fmt: skip
    said = _object(
        {
            **{key: text for key in properties},
            "at": {"type": "string", "format": "date-time"},
            "by": {"type": ["string", "null"]},
        }
    )
    lines = {"type": "array", "items": said}
    answer = _object({"current": lines, "history": lines}, "current", "history")
    asked = _object(
        properties | {"at": {"type": ["string", "null"], "format": "date-time"}}, "purpose", "channel", "state"
    )
    return {
        "/customers/{id}/consents": {
            "parameters": [_id_parameter()],
            "get": {
                "operationId": "customer.consents", "tags": ["customer"],
                "summary": "What the customer agreed to, by purpose and channel, and how we know",
                "responses": _ok(answer) | _errors("403", "404"),
            },
            "post": {
                "operationId": "customer.consents.add", "tags": ["customer"],
                "summary": "Writes down a consent or its withdrawal; nothing is ever changed",
                "parameters": [IDEMPOTENCY], "requestBody": _body(asked),
                "responses": _ok(answer, "Written down.", "201") | _errors("400", "403", "404", "413", "415", "422"),
            },
        },
    }  # fmt: skip


def _department_paths() -> Doc:
    properties = {
        "name": {"type": "string", "minLength": 1, "maxLength": 60},
        "parent": {"anyOf": [ID, {"type": "null"}]},
        "head": {"type": ["string", "integer", "null"], "description": "A person's login."},
        "members": {"type": "array", "items": {"type": ["string", "integer"]}, "description": "Logins."},
    }
    shown = _object(
        {"id": ID, "path": {"type": "string"}} | properties, "id", "name", "path", "parent", "head", "members"
    )
    write = _errors("400", "403", "404", "413", "415", "422")

    def op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
        return {"operationId": name, "summary": summary, "tags": ["departments"], "responses": responses} | more

    listing = _object({"departments": {"type": "array", "items": shown}}, "departments")
    return {
        "/departments": {
            "get": op("departments.list", "List departments", _ok(listing) | _errors()),
            "post": op(
                "departments.create", "Make a department", _ok(shown, "Created.", "201") | write,
                parameters=[IDEMPOTENCY], requestBody=_body(_object(properties, "name")),
            ),
        },
        "/departments/{id}": {
            "parameters": [_id_parameter()],
            "get": op("departments.get", "Read a department", _ok(shown) | _errors("404")),
            "patch": op(
                "departments.update", "Change a department", _ok(shown) | write, requestBody=_body(_object(properties))
            ),
            "delete": op(
                "departments.delete", "Delete a department", {"204": {"description": "Done."}} | _errors("403", "404", "422")
            ),
        },
    }  # fmt: skip


def _definition_paths() -> Doc:
    form, field = _ref("Form"), _ref("Field")
    key = {"name": "form", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}}
    field_key = key | {"name": "field"}
    write = _errors("400", "403", "404", "413", "415", "422")

    def op(name: str, summary: str, responses: Doc, **more: Any) -> Doc:
        return {"operationId": name, "summary": summary, "tags": ["forms"], "responses": responses} | more

    listing = _object({"forms": {"type": "array", "items": form}}, "forms")
    fields = _object({"fields": {"type": "array", "items": field}}, "fields")
    gone = {"204": {"description": "Done."}}
    return {
        "/me": {"get": op("me", "Whose token this is", _ok({"type": "object"}) | _errors())},
        "/openapi.json": {"get": op("openapi", "This document", _ok({"type": "object"}) | _errors())},
        "/files": {
            "post": op(
                "files.create", "Send a file, for a record that is saved within a day",
                _ok(_ref("File"), "Kept.", "201") | _errors("400", "403", "413", "415", "422"),
                requestBody={"required": True, "content": {"multipart/form-data": {"schema": _object(
                    {"file": {"type": "string", "format": "binary"}}, "file"
                )}}},
            )
        },
        "/forms": {
            "get": op(
                "forms.list", "List forms", _ok(listing) | _errors(),
                parameters=[_query("deleted", {"enum": ["1", "0"]}, "1: those in the recycle bin.")],
            ),
            "post": op(
                "forms.create", "Make a form", _ok(form, "Created.", "201") | write,
                parameters=[IDEMPOTENCY], requestBody=_body(form),
            ),
        },
        "/forms/{form}": {
            "parameters": [key],
            "get": op("forms.get", "Read a form", _ok(form) | _errors("404")),
            "patch": op(
                "forms.update", "Change a form", _ok(form) | write,
                requestBody=_body(_object(_form_parts())),
            ),
            "delete": op("forms.delete", "Move a form with its records to the recycle bin", gone | _errors("403", "404", "422")),
        },
        "/forms/{form}:restore": {
            "parameters": [key],
            "post": op("forms.restore", "Take a form out of the bin", _ok(form) | _errors("403", "404")),
        },
        "/forms/{form}/fields": {
            "parameters": [key],
            "get": op(
                "fields.list", "List fields", _ok(fields) | _errors("403", "404"),
                parameters=[_query("deleted", {"enum": ["1", "0"]}, "1: those in the recycle bin.")],
            ),
            "post": op(
                "fields.create", "Add a field", _ok(field, "Created.", "201") | write,
                parameters=[IDEMPOTENCY], requestBody=_body(field),
            ),
        },
        "/forms/{form}/fields/{field}": {
            "parameters": [key, field_key],
            "patch": op(
                "fields.update", "Change a field; another type converts its values",
                _ok(field) | _ok(field, "The job converts the values.", "202") | write | _errors("409"),
                requestBody=_body(_object({
                    "convert": {"type": "boolean", "description": "Values that cannot be converted may become empty."},
                    "position": {"type": "integer", "minimum": 0},
                }, extra=True)),
            ),
            "delete": op(
                "fields.delete", "Move a field with its values to the recycle bin", gone | _errors("403", "404", "422")
            ),
        },
        "/forms/{form}/fields/{field}:restore": {
            "parameters": [key, field_key],
            "post": op("fields.restore", "Take a field out of the bin", _ok(field) | _errors("403", "404")),
        },
        "/forms/{form}/fields/{field}:preview": {
            "parameters": [key, field_key],
            "post": op(
                "fields.preview", "What another type would do to the values",
                _ok(_ref("Conversion")) | write, requestBody=_body(_object({"type": {"type": "string"}}, extra=True)),
            ),
        },
    }  # fmt: skip
