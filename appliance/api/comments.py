"""Comments of a record: read and write, for whoever may see the record."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify

from ..accounts import people
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login
from ..forms import catalog, comments
from ..forms.comment_views import link_of
from ..forms.models import Comment
from ..forms.query import Query, Record
from . import answers, body
from .limits import idempotent
from .records import ID
from .views import bp


def _record(form_key: str, record_id: int) -> Record:
    return Query(catalog.get(form_key), current_actor()).get(record_id)


def _document(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "author": people.login(row.author_id) if row.author_id else None,
        "text": row.text,
        "mentions": [people.login(user_id) for user_id in row.mentions],
        "at": answers.when(row.at),
        "edited_at": answers.when(row.edited_at),
    }


@bp.get(f"/forms/<form_key>/records/{ID}/comments")
@requires_login
def list_comments(form_key: str, record_id: int) -> Response:
    """Newest first."""
    record = _record(form_key, record_id)
    found, following = comments.of(record, current_actor(), body.row_cursor())
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
    return answers.made(_document(Comment.get_by_id(comment_id)))
