"""The description of ``/rules`` and ``/decision-tables``."""

from __future__ import annotations

from ..accounts import permissions
from ..accounts.actor import Actor
from ..automation import log, rehearsal
from ..automation.triggers import TRIGGERS
from .openapi import CONDITION, CURSOR, ID, IDEMPOTENCY, LIMIT, Doc, _body, _errors, _object, _ok, _query, _ref

MOMENT: Doc = {"type": ["string", "null"], "format": "date-time"}
WRITE = ("400", "403", "404", "409", "413", "415", "422")


def schemas(actor: Actor) -> Doc:
    if not permissions.has_room(actor, "rules"):
        return {}
    label: Doc = {"anyOf": [{"type": "string"}, {"type": "object"}]}
    common: Doc = {
        "key": {"type": "string"}, "label": label, "form": {"type": "string"}, "enabled": {"type": "boolean"},
        "folder": {"type": "string"},
    }  # fmt: skip
    shown: Doc = {
        "version": {"type": "integer"},
        "words": {"type": "string", "description": "The whole of it as a sentence."},
    }
    trigger: Doc = {
        "type": "object",
        "description": "One of: " + ", ".join(TRIGGERS),
        "properties": {key: {} for key in TRIGGERS},
    }
    rule: Doc = common | {
        "on": trigger, "where": CONDITION, "once_per": {"enum": ["record", "day", "week", "month", "year", None]},
        "do": {"type": "array", "items": {"type": "object"}}, "stop": {"type": "boolean"},
        "working_hours": {"enum": ["wait", "skip", None]},
    }  # fmt: skip
    table: Doc = common | {
        "schedule": {"type": ["string", "null"]}, "on": {"anyOf": [trigger, {"type": "null"}]},
        "target": {"type": "object"}, "default": {},
        "rows": {"type": "array", "items": _object({"where": CONDITION, "then": {}}, extra=True)},
    }  # fmt: skip
    number: Doc = {"type": "integer"}
    run = {
        "id": ID, "trigger": {"enum": list(log.TRIGGERS)}, "status": {"enum": list(log.STATUSES)}, "version": number,
        "started_at": MOMENT, "finished_at": MOMENT, "matched": number, "changed": number, "skipped": number,
        "failed": number, "affects": {"type": ["integer", "null"]}, "error": {"type": ["string", "null"]},
        "undone_at": MOMENT,
    }  # fmt: skip
    day = _object({"day": {"type": "string", "format": "date"}, "heard": number, "matched": number, "acted": number})
    return {
        "Rule": _object(rule | shown, "key", "label", "form", "on", "do"),
        "RuleInput": _object(rule, extra=True),
        "DecisionTable": _object(table | shown, "key", "label", "form", "target", "rows"),
        "DecisionTableInput": _object(table, extra=True),
        "RuleRun": _object(run, *run),
        "Rehearsal": _object(
            {
                "days": {"type": "array", "items": day}, "actions": {"type": "array", "items": {"type": "string"}},
                "sample": {"type": "array", "items": ID}, "notes": {"type": "array", "items": {"type": "string"}},
                "heard": number, "matched": number, "acted": number,
            }
        ),
    }  # fmt: skip


def paths(actor: Actor) -> Doc:
    if not permissions.has_room(actor, "rules"):
        return {}
    key: Doc = {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}}
    rehearse: Doc = {
        "parameters": [key],
        "post": {
            "operationId": "rules.rehearse", "tags": ["rules"],
            "summary": "What the rule would have done in the last days, by day; nothing is done",
            "requestBody": _body(_object({"days": {"type": "integer", "minimum": 1, "maximum": rehearsal.MOST_DAYS, "default": rehearsal.DAYS}})),
            "responses": _ok(_ref("Rehearsal")) | _started("The job's result holds the rehearsal.") | _errors(*WRITE),
        },
    }  # fmt: skip
    return (
        _book("rules", "rules", "Rule", key)
        | {"/rules/{key}:rehearse": rehearse}
        | _book("decision-tables", "decision_tables", "DecisionTable", key)
    )


def _started(text: str) -> Doc:
    return _ok(_object({"job": ID}, "job"), text, "202")


def _book(path: str, name: str, schema: str, key: Doc) -> Doc:
    run_id: Doc = {"name": "run", "in": "path", "required": True, "schema": ID}
    one, given = _ref(schema), _ref(f"{schema}Input")

    def op(operation: str, summary: str, responses: Doc, **more: object) -> Doc:
        return {
            "operationId": f"{name}.{operation}",
            "tags": [name],
            "summary": summary,
            "responses": responses,
            **more,
        }

    version = _object(
        {
            "version": {"type": "integer"}, "at": MOMENT, "by": {"type": ["string", "null"]}, "enabled": {"type": "boolean"},
            "definition": {"type": ["object", "null"]}, "changes": {"type": "array", "items": {"type": "string"}},
        }
    )  # fmt: skip
    record = _object(
        {
            "record": ID, "state": {"enum": list(log.STATES)}, "why": {"type": ["string", "null"]},
            "action": {"type": ["string", "null"], "description": "The action's place in the rule, from 0."},
        },
        "record", "state",
    )  # fmt: skip
    listed = _ok(_object({name: {"type": "array", "items": one}}, name))
    base: Doc = {
        f"/{path}": {
            "get": op("list", "All, in the order in which they act", listed | _errors("403"), parameters=[_query("form", {"type": "string"})]),
            "post": op("create", "A new one", _ok(one, "Created.", "201") | _errors(*WRITE), parameters=[IDEMPOTENCY], requestBody=_body(given)),
        },
        f"/{path}:arrange": {
            "post": op(
                "arrange", "The order in which they act, and their folders", listed | _errors(*WRITE),
                requestBody=_body(_object({
                    "keys": {"type": "array", "items": {"type": "string"}},
                    "folders": {"type": "object", "additionalProperties": {"type": "string"}},
                }, "keys")),
            ),
        },
        f"/{path}/{{key}}": {
            "parameters": [key],
            "get": op("get", "One", _ok(one) | _errors("403", "404")),
            "patch": op("update", "Change it; what is not named stays", _ok(one) | _errors(*WRITE), requestBody=_body(given)),
            "delete": op("delete", "Take it away; its log stays", {"204": {"description": "Gone."}} | _errors("403", "404")),
        },
        f"/{path}/{{key}}:run": {
            "parameters": [key],
            "post": op(
                "run", "Run it now, on these records or on all", _started("It runs.") | _errors(*WRITE), parameters=[IDEMPOTENCY],
                requestBody=_body(_object({"ids": {"type": ["array", "null"], "items": ID}})),
            ),
        },
        f"/{path}/{{key}}:try": {
            "parameters": [key],
            "post": op(
                "try", "One record, test by test; nothing is done", _ok({"type": "object"}) | _errors(*WRITE),
                requestBody=_body(_object({"record": ID}, "record")),
            ),
        },
        f"/{path}/{{key}}:restore": {
            "parameters": [key],
            "post": op(
                "restore", "Make an older version the newest", _ok(one) | _errors(*WRITE),
                requestBody=_body(_object({"version": {"type": "integer", "minimum": 1}}, "version")),
            ),
        },
        f"/{path}/{{key}}/versions": {
            "parameters": [key],
            "get": op("versions", "Who changed what when, newest first", _ok(_object({"versions": {"type": "array", "items": version}})) | _errors("403", "404")),
        },
    }  # fmt: skip
    runs: Doc = {
        f"/{path}/{{key}}/runs": {
            "parameters": [key],
            "get": op(
                "runs", "Its runs, newest first", _ok(_object({"runs": {"type": "array", "items": _ref("RuleRun")}}, "runs")) | _errors("403", "404", "422"),
                parameters=[
                    _query("status", {"enum": list(log.STATUSES)}), _query("before", ID, "Only runs with a smaller id."), _query("limit", LIMIT),
                ],
            ),
        },
        f"/{path}/{{key}}/runs/{{run}}": {
            "parameters": [key, run_id], "get": op("run_get", "One run", _ok(_ref("RuleRun")) | _errors("403", "404")),
        },
        f"/{path}/{{key}}/runs/{{run}}/records": {
            "parameters": [key, run_id],
            "get": op(
                "run_records", "What a run did, record by record",
                _ok(_object({"records": {"type": "array", "items": record}, "next_cursor": CURSOR}, "records", "next_cursor")) | _errors("403", "404", "422"),
                parameters=[_query("state", {"enum": list(log.STATES)}), _query("cursor", {"type": "string"}), _query("limit", LIMIT)],
            ),
        },
    }  # fmt: skip
    acts: Doc = {
        "undo": ("Take a run back, where its actions can be taken back", _started("It is being taken back.")),
        "approve": ("Say yes to a run that waits for a person", _started("It goes on.")),
        "retry": ("Try what failed again", _started("It is tried again.")),
        "dismiss": ("Say no to a run that waits for a person", _ok(_ref("RuleRun"))),
    }
    for verb, (summary, responses) in acts.items():
        runs[f"/{path}/{{key}}/runs/{{run}}:{verb}"] = {
            "parameters": [key, run_id],
            "post": op(f"run_{verb}", summary, responses | _errors("403", "404", "409", "422")),
        }
    return base | runs
