"""What inputs look up while they are filled in: people, departments, divisions of China, a pasted address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, jsonify, render_template, request

from ..accounts import departments, people
from ..accounts.actor import current_actor
from ..accounts.guards import public, requires, requires_login
from ..core.errors import NotFound, UserError
from . import regions, revealing, search
from .blueprint import bp, open_form, open_record
from .fields.address import read_line

LIMIT = 50
Hit = dict[str, Any]


def _matches(text: str, wanted: str) -> bool:
    """Whether a name holds what was typed: any part of it, or its pinyin or initials from the beginning of a syllable."""
    folded = wanted.casefold()
    return folded in text.casefold() or any(token.startswith(folded) for token in search.tokens(text).split())


def _people(wanted: str) -> list[Hit]:
    hits = []
    for group, members in departments.grouped_people():
        for user_id, name in members:
            if not wanted or _matches(name, wanted) or _matches(group, wanted):
                hits.append({"id": user_id, "title": name, "group": group})
    return hits


def _person(user_id: int) -> list[Hit]:
    name = people.name(user_id)
    return [{"id": user_id, "title": name}] if name else []


def _departments(wanted: str) -> list[Hit]:
    return [
        {"id": node.id, "title": node.name, "hint": departments.path(node.parent_id) if node.parent_id else ""}
        for node in departments.flat()
        if not wanted or _matches(node.name, wanted)
    ]


def _department(department_id: int) -> list[Hit]:
    name = departments.name(department_id)
    return [{"id": department_id, "title": name}] if name else []


def _regions(wanted: str) -> list[Hit]:
    return [{"id": code, "title": regions.path(code)} for code in regions.search(wanted, LIMIT)]


def _region(code: int) -> list[Hit]:
    return [{"id": str(code), "title": regions.path(str(code))}] if regions.exists(str(code)) else []


KINDS: dict[str, tuple[Callable[[str], list[Hit]], Callable[[int], list[Hit]]]] = {
    "people": (_people, _person),
    "departments": (_departments, _department),
    "regions": (_regions, _region),
}


@bp.get("/pick/<kind>")
@requires_login
def pick_from(kind: str) -> Response:
    """``[{"id", "title", "hint"?, "group"?}]`` of what the text finds; ``id`` asks for one by its id."""
    if kind not in KINDS:
        raise NotFound()
    find, one = KINDS[kind]
    number = request.args.get("id", "")
    if number.isascii() and number.isdecimal() and len(number) < 12:
        return jsonify(one(int(number)))
    return jsonify(find(request.args.get("q", "").strip()[:60])[:LIMIT])


@bp.get("/regions")
@public
def list_regions() -> Response:
    """``[[code, name], …]`` right below the division ``under`` (none: the provinces), as far as ``level`` goes."""
    level = request.args.get("level", "district")
    found = regions.children(request.args.get("under", ""), level if level in regions.LEVELS else "district")
    answer = jsonify(found)
    answer.headers["Cache-Control"] = "private, max-age=86400"
    return answer


@bp.post("/address")
@public
def read_address() -> Response:
    """The parts of a pasted line of address."""
    parts = read_line(request.form.get("text", "")[:500])
    return jsonify({"region": parts.region, "detail": parts.detail, "recipient": parts.recipient, "phone": parts.phone})


REVEAL = "/forms/<form_key>/records/<int:record_id>/fields/<field_key>/reveal"


@bp.get(REVEAL)
@requires("see")
def ask_reveal(form_key: str, record_id: int, field_key: str) -> str:
    """Why the whole value is wanted: a dialog."""
    return _reveal_dialog(form_key, record_id, field_key)


def _reveal_dialog(form_key: str, record_id: int, field_key: str, **context: Any) -> str:
    record, actor = open_record(form_key, record_id), current_actor()
    field = revealing.field_of(record.form, field_key, actor)
    context = {"value": None, "errors": {}, "reason": ""} | context
    return render_template("forms/_reveal.html", record=record, field=field, left=revealing.left(actor), **context)


@bp.post(REVEAL)
@requires("see")
def reveal(form_key: str, record_id: int, field_key: str) -> str | tuple[str, int]:
    """A masked value whole; the audit log says who looked, and why."""
    reason = request.form.get("reason", "")
    try:
        value = revealing.reveal(open_form(form_key), record_id, field_key, current_actor(), reason)
    except NotFound:
        raise
    except UserError as error:
        errors = error.errors or {"": error.message}
        return _reveal_dialog(form_key, record_id, field_key, errors=errors, reason=reason), error.status
    return _reveal_dialog(form_key, record_id, field_key, value=value)
