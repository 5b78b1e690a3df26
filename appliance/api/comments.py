"""Comments of a record: read and write, for whoever may see the record."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import people
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login
from ..core import clock, settings
from ..core.errors import FieldErrors
from ..forms import catalog, comments
from ..forms.comment_views import link_of
from ..forms.models import Comment
from ..forms.query import Query, Record
from . import body
from .limits import idempotent
from .records import ID
from .views import bp


def _record(form_key: str, record_id: int) -> Record:
    return Query(catalog.get(form_key), current_actor()).get(record_id)


def _document(row: Any) -> dict[str, Any]:
    tz = settings.tz()
    return {
        "id": row.id,
        "author": people.login(row.author_id) if row.author_id else None,
        "text": row.text,
        "mentions": [people.login(user_id) for user_id in row.mentions],
        "at": clock.iso(row.at, tz),
        "edited_at": clock.iso(row.edited_at, tz) if row.edited_at else None,
    }


@bp.get(f"/forms/<form_key>/records/{ID}/comments")
@requires_login
def list_comments(form_key: str, record_id: int) -> Response:
    """Newest first."""
    record = _record(form_key, record_id)
    cursor = request.args.get("cursor")
    if cursor and not cursor.isdecimal():
        raise FieldErrors({"cursor": _("翻页位置无效，请从第一页重新开始。")})
    found, following = comments.of(record, current_actor(), int(cursor) if cursor else None)
    rows = {row.id: row for row in Comment.select().where(Comment.id.in_([said.id for said in found]))}
    return jsonify(
        {
            "comments": [_document(rows[said.id]) for said in found],
            "next_cursor": str(following) if following else None,
        }
    )


@bp.post(f"/forms/<form_key>/records/{ID}/comments")
@requires_login
@idempotent
def add_comment(form_key: str, record_id: int) -> Response:
    doc = body.allow(body.read(), "text")
    record = _record(form_key, record_id)
    comment_id = comments.add(record, doc.get("text"), current_actor(), link_of(record))
    response = jsonify(_document(Comment.get_by_id(comment_id)))
    response.status_code = 201
    return response
