"""Departments, and the values that are shown whole only on demand."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from ..accounts import departments, people
from ..accounts.actor import current_actor
from ..accounts.departments import Node
from ..accounts.guards import requires, requires_login, requires_room
from ..core.errors import UserError
from ..forms import catalog, revealing
from . import answers, body
from .limits import idempotent
from .views import bp

KEYS = ("name", "parent", "head", "members")


def _document(node: Node) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.name,
        "path": departments.path(node.id),
        "parent": node.parent_id,
        "head": None if node.head_id is None else people.login(node.head_id),
        "members": [people.login(user_id) for user_id in node.members],
    }


def _person(value: Any, field: str) -> int | None:
    if value is None:
        return None
    found = people.find(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if found is None:
        raise UserError(_("没有叫「%(name)s」的人员。", name=str(value)[:40]), field)
    return found


def _parent(value: Any) -> int | None:
    if value is not None and not body.is_id(value):
        raise UserError(_("「parent」要是部门的编号或 null。"), "parent")
    return None if value is None else int(value)


def _members(value: Any) -> list[int]:
    if not isinstance(value, list):
        raise UserError(_("「members」要是一列登录名。"), "members")
    return [user_id for one in value if (user_id := _person(one, "members")) is not None]


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise UserError(_("请填写部门名称，最多 60 个字。"), "name")
    return value


@bp.post("/forms/<form_key>/records/<int:record_id>/<field_key>:reveal")
@requires("see")
def reveal_value(form_key: str, record_id: int, field_key: str) -> Response:
    """A masked value whole; the audit log says who looked, and why."""
    reason = body.allow(body.read(), "reason").get("reason")
    return jsonify({"value": revealing.reveal(catalog.get(form_key), record_id, field_key, current_actor(), reason)})


@bp.get("/departments")
@requires_login
def list_departments() -> Response:
    return jsonify({"departments": [_document(node) for node in departments.flat()]})


@bp.post("/departments")
@requires_room("users")
@idempotent
def create_department() -> Response:
    doc = body.allow(body.read(), *KEYS)
    members = _members(doc.get("members", []))
    made = departments.create(
        _name(doc.get("name")),
        current_actor(),
        parent=_parent(doc.get("parent")),
        head=_person(doc.get("head"), "head"),
    )
    departments.set_members(made, members, current_actor())
    return answers.made(_document(departments.get(made)), f"/departments/{made}")


@bp.get("/departments/<int:department_id>")
@requires_login
def get_department(department_id: int) -> Response:
    return jsonify(_document(departments.get(department_id)))


@bp.patch("/departments/<int:department_id>")
@requires_room("users")
def change_department(department_id: int) -> Response:
    doc = body.allow(body.read(), *KEYS)
    departments.get(department_id)
    values: dict[str, Any] = {}
    if "name" in doc:
        values["text"] = _name(doc["name"])
    if "parent" in doc:
        values["parent"] = _parent(doc["parent"])
    if "head" in doc:
        values["head"] = _person(doc["head"], "head")
    members = _members(doc["members"]) if "members" in doc else None
    departments.update(department_id, current_actor(), **values)
    if members is not None:
        departments.set_members(department_id, members, current_actor())
    return jsonify(_document(departments.get(department_id)))


@bp.delete("/departments/<int:department_id>")
@requires_room("users")
def delete_department(department_id: int) -> Response:
    departments.get(department_id)
    departments.delete(department_id, current_actor())
    return Response(status=204)
