"""What a form says back while a person fills it in: which fields are asked for, needed or locked, and what the computed
ones come to. The engine that saves decides here too, so the screen never promises what saving would refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor, current_actor
from ..accounts.guards import requires
from ..core import http
from ..core.errors import Forbidden, UserError
from . import field_rules, query, relations
from .blueprint import bp, open_form, open_record
from .catalog import Form
from .fields.base import Field

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

MAX_ROWS = 200


def needed(form: Form) -> bool:
    """Whether the form has anything to say while it is filled in."""
    return bool(field_rules.ruled(form)) or any(f.computed for f in form.fields.values())


def answer(form: Form, rows: list[dict[str, Any]], actor: Actor) -> list[dict[str, Any]]:
    """For each row of stored values ``{"states": {key: {shown, required, locked}}, "values": {key: {text, value}}}``."""
    computed = [f for f in query.clear(form, actor).values() if f.computed]
    full = _computed(form, rows, actor) if computed else rows
    seen = query.readable(form, actor)
    out = []
    for row, states in zip(full, field_rules.states(form, full), strict=True):
        shown = {
            key: {"shown": s.shown, "required": s.required, "locked": s.locked}
            for key, s in states.items()
            if key in seen
        }
        values = {f.key: {"text": f.format(row.get(f.key)), "value": f.form_value(row.get(f.key))} for f in computed}
        out.append({"states": shown, "values": values})
    return out


def _computed(form: Form, rows: list[dict[str, Any]], actor: Actor) -> list[dict[str, Any]]:
    from . import formula

    return formula.compute(form, rows, actor)


def states_of(form: Form, record_id: int) -> dict[str, field_rules.State]:
    """How the fields of a saved record stand."""
    if not field_rules.ruled(form):
        return {}
    stored = query.Query(form, SYSTEM).get(record_id).values
    return field_rules.states(form, [stored | {"id": record_id}])[0]


def read_row(form: Form, raw: Mapping[str, Any], record_id: int | None, actor: Actor) -> dict[str, Any]:
    """Stored values of what is typed, over what the record holds; what cannot be read yet counts as empty."""
    row = _base(form, record_id)
    for key, value in raw.items():
        f = form.fields.get(key)
        if f is None or f.readonly or permissions.field_access(actor, form.key, key) != "edit":
            continue
        row[key] = _read(f, value, actor)
    return row


def _base(form: Form, record_id: int | None) -> dict[str, Any]:
    if record_id is not None:
        return query.Query(form, SYSTEM).get(record_id).values | {"id": record_id}
    return {key: f.default() for key, f in form.fields.items()}


def _read(f: Field, raw: Any, actor: Actor) -> Any:
    try:
        value = f.parse(raw)
        if f.type == "relation":
            if isinstance(value, dict):
                value = relations.find(f.options["form"], value, actor)
            return value if value and query.visible_ids(f.options["form"], {value}, actor) else None
    except (ValueError, UserError):
        return None
    return value


@bp.post("/forms/<form_key>/live")
@requires("see")
def live(form_key: str) -> Response:
    """Answers one filled-in HTML form (``id`` names its record), or JSON ``{"rows": [{"id"?, "values": {…}}, …]}``."""
    form, actor = open_form(form_key), current_actor()
    if request.is_json:
        rows = [read_row(form, values, record_id, actor) for record_id, values in _json_rows(form, actor)]
        return jsonify({"rows": answer(form, rows, actor)})
    record_id = request.args.get("id", type=http.whole)
    _demand(form, record_id, actor)
    row = read_row(form, _typed(form, request.form), record_id, actor)
    return jsonify(answer(form, [row], actor)[0])


def _typed(form: Form, given: MultiDict[str, str]) -> dict[str, Any]:
    return {key: f.from_form(given) for key, f in form.fields.items() if key in given}


def _json_rows(form: Form, actor: Actor) -> list[tuple[int | None, dict[str, Any]]]:
    doc = request.get_json(silent=True)
    rows = doc.get("rows") if isinstance(doc, dict) else None
    if not isinstance(rows, list) or len(rows) > MAX_ROWS or not all(isinstance(row, dict) for row in rows):
        raise UserError(_("一次最多计算 %(max)d 行。", max=MAX_ROWS))
    out: list[tuple[int | None, dict[str, Any]]] = []
    for row in rows:
        record_id, values = row.get("id"), row.get("values")
        if not isinstance(values, dict) or not isinstance(record_id, (int, type(None))):
            raise UserError(_("每一行要有「values」。"))
        _demand(form, record_id, actor)
        out.append((record_id, values))
    return out


def _demand(form: Form, record_id: int | None, actor: Actor) -> None:
    """Raises NotFound for a record that may not be seen, Forbidden for one who may not write."""
    if record_id is not None:
        open_record(form.key, record_id)
    if not permissions.can(actor, "create" if record_id is None else "edit", form.key):
        raise Forbidden(_("您没有这项权限，请联系管理员。"))
