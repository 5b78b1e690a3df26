"""The comments on the page of a record."""

from __future__ import annotations

from flask import Response, jsonify, make_response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires
from ..core import http
from ..core.errors import FieldErrors
from . import comments, panels
from .blueprint import bp, open_record
from .query import Record

BASE = "/forms/<form_key>/records/<int:record_id>/comments"


def link_of(record: Record) -> str:
    """Where a notice about a comment leads."""
    return url_for("forms.show_record", form_key=record.form.key, record_id=record.id, _anchor="panel-comments")


@panels.panel("*", "comments", _l("评论"), place="side", order=60)
def comments_panel(record: Record, actor: Actor) -> str:
    return _panel(record, actor)


def _panel(record: Record, actor: Actor, typed: str = "", error: str = "", before: int | None = None) -> str:
    found, more = comments.of(record, actor, before)
    return render_template(
        "forms/_comments.html", record=record, form=record.form, comments=found, more=more, before=before, typed=typed,
        error=error, total=comments.count(record),
    )  # fmt: skip


@bp.get(BASE)
@requires("see")
def list_comments(form_key: str, record_id: int) -> str:
    record = open_record(form_key, record_id)
    return _panel(record, current_actor(), before=request.args.get("before", type=http.whole))


@bp.post(BASE)
@requires("see")
def add_comment(form_key: str, record_id: int) -> AnyResponse:
    record, actor = open_record(form_key, record_id), current_actor()
    typed = request.form.get("text", "")
    try:
        comments.add(record, typed, actor, link_of(record))
    except FieldErrors as error:
        return make_response(_panel(record, actor, typed, error.errors["text"]), 422)
    return make_response(_panel(record, actor))


@bp.get(f"{BASE}/<int:comment_id>")
@requires("see")
def show_comment(form_key: str, record_id: int, comment_id: int) -> str:
    """One comment; with ``edit=1`` its input."""
    return _one(open_record(form_key, record_id), comment_id, editing=request.args.get("edit") == "1")


def _one(record: Record, comment_id: int, editing: bool = False, typed: str | None = None, error: str = "") -> str:
    said = comments.one(record, comment_id, current_actor())
    template = "forms/_comment_edit.html" if editing and said.own else "forms/_comment.html"
    return render_template(template, record=record, form=record.form, said=said, typed=typed, error=error)


@bp.post(f"{BASE}/<int:comment_id>")
@requires("see")
def edit_comment(form_key: str, record_id: int, comment_id: int) -> AnyResponse:
    record = open_record(form_key, record_id)
    typed = request.form.get("text", "")
    try:
        comments.edit(record, comment_id, typed, current_actor(), link_of(record))
    except FieldErrors as error:
        return make_response(_one(record, comment_id, True, typed, error.errors["text"]), 422)
    return make_response(_one(record, comment_id))


@bp.post(f"{BASE}/<int:comment_id>/delete")
@requires("see")
def delete_comment(form_key: str, record_id: int, comment_id: int) -> AnyResponse:
    record, actor = open_record(form_key, record_id), current_actor()
    comments.remove(record, comment_id, actor)
    undo = url_for("forms.restore_comment", form_key=form_key, record_id=record_id, comment_id=comment_id)
    return http.toast(_panel(record, actor), _("已删除评论"), undo)


@bp.post(f"{BASE}/<int:comment_id>/restore")
@requires("see")
def restore_comment(form_key: str, record_id: int, comment_id: int) -> AnyResponse:
    comments.bring_back(open_record(form_key, record_id), comment_id, current_actor())
    return http.trigger(Response(status=204), "guke:comments")


@bp.get("/forms/<form_key>/records/<int:record_id>/people")
@requires("see")
def people_to_mention(form_key: str, record_id: int) -> Response:
    """People to name with ``@``: those who may see the record."""
    record = open_record(form_key, record_id)
    return jsonify(comments.offered(request.args.get("q", "")[:40], record))
