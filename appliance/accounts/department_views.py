"""The settings page of the departments: a tree to arrange, dialogs for names, heads and members."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_pgettext
from werkzeug.wrappers import Response as AnyResponse

from ..core import http, nav
from ..core.errors import UserError
from . import departments, people
from .actor import current_actor
from .guards import requires_room

bp = Blueprint("settings_departments", __name__, url_prefix="/settings/departments")

nav.add(
    "settings",
    lazy_pgettext("page", "部门"),
    "settings_departments.page",
    "sitemap",
    "users",
    order=20,
    words="department team org zuzhi bumen 组织架构",
)


@bp.get("")
@requires_room("users")
def page() -> Response:
    return _tree()


def _tree(dialog: str = "", **context: Any) -> Response:
    return http.render(
        "accounts/departments.html", "accounts/_departments.html", dialog=dialog, count=len(departments.flat()),
        roots=departments.tree(), person=people.name, **context,
    )  # fmt: skip


def _done(message: str, undo: str | None = None) -> AnyResponse:
    if not http.is_htmx():
        return http.go(url_for(".page"))
    return http.toast(_tree(), message, undo)


def _dialog(template: str, error: UserError | None = None, **context: Any) -> Response:
    """A dialog's content for htmx; for others the page with the dialog open."""
    errors = (error.errors or {"": error.message}) if error else {}
    status = 422 if error else 200
    context = {"errors": errors, "everybody": people.active(), "choices": departments.choices()} | context
    if not http.is_htmx():
        answer = _tree(template, **context)
        answer.status_code = status
        return answer
    answer = Response(render_template(template, **context), status)
    answer.headers["HX-Retarget"], answer.headers["HX-Reswap"] = "#department-dialog", "innerHTML"
    return answer


def _number(name: str) -> int | None:
    text = request.form.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


@bp.get("/new")
@requires_room("users")
def new() -> Response:
    parent = request.args.get("parent", type=http.whole)
    return _dialog("accounts/_department_form.html", node=None, typed={"parent": parent})


@bp.post("/new")
@requires_room("users")
def create() -> AnyResponse:
    typed = {"name": request.form.get("name", ""), "parent": _number("parent"), "head": _number("head")}
    try:
        departments.create(str(typed["name"]), current_actor(), parent=_number("parent"), head=_number("head"))
    except UserError as error:
        return _dialog("accounts/_department_form.html", error, node=None, typed=typed)
    return _done(_("已添加部门「%(name)s」", name=str(typed["name"]).strip()))


@bp.get("/<int:department_id>/edit")
@requires_room("users")
def edit(department_id: int) -> Response:
    node = departments.get(department_id)
    typed = {"name": node.name, "parent": node.parent_id, "head": node.head_id}
    return _dialog("accounts/_department_form.html", node=node, typed=typed, inside=departments.below(node.id))


@bp.post("/<int:department_id>/edit")
@requires_room("users")
def save(department_id: int) -> AnyResponse:
    node = departments.get(department_id)
    typed = {"name": request.form.get("name", ""), "parent": _number("parent"), "head": _number("head")}
    try:
        departments.update(
            node.id, current_actor(), text=str(typed["name"]), parent=typed["parent"], head=typed["head"]
        )  # fmt: skip
    except UserError as error:
        inside = departments.below(node.id)
        return _dialog("accounts/_department_form.html", error, node=node, typed=typed, inside=inside)
    return _done(_("已保存"))


@bp.get("/<int:department_id>/members")
@requires_room("users")
def members(department_id: int) -> Response:
    node = departments.get(department_id)
    return _dialog("accounts/_department_members.html", node=node, chosen=set(node.members))


@bp.post("/<int:department_id>/members")
@requires_room("users")
def save_members(department_id: int) -> AnyResponse:
    node = departments.get(department_id)
    chosen = set(http.ids(*request.form.getlist("members")))
    try:
        departments.set_members(node.id, chosen, current_actor())
    except UserError as error:
        return _dialog("accounts/_department_members.html", error, node=node, chosen=chosen)
    return _done(_("「%(name)s」的成员已保存", name=node.name))


@bp.post("/<int:department_id>/move")
@requires_room("users")
def move(department_id: int) -> AnyResponse:
    """Puts it under ``parent`` in front of ``before``; with ``by`` one place up or down among its sisters."""
    node = departments.get(department_id)
    try:
        if "by" in request.form:
            sisters = departments.get(node.parent_id).children if node.parent_id else departments.tree()
            order = [one.id for one in sisters]
            place = order.index(node.id) + (-1 if request.form["by"] == "up" else 2)
            before = order[max(place, 0)] if place < len(order) else None
            departments.move(node.id, current_actor(), node.parent_id, before)
        else:
            departments.move(node.id, current_actor(), _number("parent"), _number("before"))
    except UserError as error:
        return http.toast(_tree(), error.message, kind="error")
    return _done(_("已移动「%(name)s」", name=node.name))


@bp.post("/<int:department_id>/delete")
@requires_room("users")
def delete(department_id: int) -> AnyResponse:
    node = departments.get(department_id)
    try:
        departments.delete(node.id, current_actor())
    except UserError as error:
        return http.toast(_tree(), error.message, kind="error")
    undo = url_for(".restore", department_id=node.id)
    return _done(_("已删除「%(name)s」，记录里填的仍然看得到", name=node.name), undo)


@bp.post("/<int:department_id>/restore")
@requires_room("users")
def restore(department_id: int) -> AnyResponse:
    try:
        departments.restore(department_id, current_actor())
    except UserError as error:
        return http.toast(Response(status=204), error.message, kind="error")
    answer = http.toast(Response(status=204), _("已恢复「%(name)s」", name=departments.name(department_id)))
    return http.trigger(answer, "guke:departments", True)
