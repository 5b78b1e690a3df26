"""Sharing one record with a person or a department."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from ..accounts import departments, people, sharing
from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..accounts.models import Share
from ..core.errors import UserError
from ..forms import catalog, query, sharing_views
from . import answers, body
from .limits import idempotent
from .views import bp

SHARES = "/forms/<form_key>/records/<int:record_id>/shares"


def _document(share: Share) -> dict[str, Any]:
    return {
        "id": share.id,
        "person": people.login(share.user_id) if share.user_id else None,
        "department": departments.path(share.department_id) if share.department_id else None,
        "edit": share.may_edit,
        "until": answers.when(share.expires_at),
        "by": people.login(share.created_by) if share.created_by else None,
    }


def _record(form_key: str, record_id: int) -> query.Record:
    record = query.get(catalog.get(form_key), record_id, current_actor())
    sharing_views.demand(record, current_actor())
    return record


@bp.get(SHARES)
@requires("see")
def list_shares(form_key: str, record_id: int) -> Response:
    record = _record(form_key, record_id)
    return jsonify({"shares": [_document(one) for one in sharing.of(record.form.key, record.id)]})


@bp.post(SHARES)
@requires("see")
@idempotent
def share_record(form_key: str, record_id: int) -> Response:
    """``{"person": login}`` or ``{"department": id or path}``, ``"edit": true``, ``"until": "2027-06-30"``."""
    record = _record(form_key, record_id)
    doc = body.allow(body.read(), "person", "department", "edit", "until")
    made = sharing_views.share(
        record, current_actor(),
        user=_found(doc.get("person"), people.find, "person"),
        department=_found(doc.get("department"), departments.find, "department"),
        may_edit=_edit(doc.get("edit", False)), expires_at=_until(doc.get("until")),
    )  # fmt: skip
    shared = next(one for one in sharing.of(record.form.key, record.id) if one.id == made)
    return answers.made(_document(shared))


def _found(value: Any, find: Any, field: str) -> int | None:
    if value is None:
        return None
    found = find(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None
    if found is None:
        raise UserError(_("没有「%(name)s」。", name=str(value)[:40]), field)
    return int(found)


def _edit(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UserError(_("「%(name)s」只能是 true 或 false。", name="edit"), "edit")
    return value


def _until(value: Any) -> int | None:
    if value is not None and not isinstance(value, str):
        raise UserError(_("请按 2027-06-30 的样子填写截止日期。"), "until")
    return sharing_views.end_of(value or "")


@bp.delete(f"{SHARES}/<int(max=9007199254740991):share_id>")
@requires("see")
def revoke_share(form_key: str, record_id: int, share_id: int) -> Response:
    record = _record(form_key, record_id)
    sharing.revoke(share_id, record.form.key, record.id, current_actor())
    return Response(status=204)
