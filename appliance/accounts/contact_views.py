"""Where a person is reached outside the app: their own page, and the one of who looks after people."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from ..core import http
from ..core.errors import UserError
from . import contacts, users
from .actor import current_actor
from .contacts import ContactKind
from .guards import requires_login, requires_room

bp = Blueprint("contacts", __name__)

Answer = Response | str | tuple[str, int]


@bp.get("/me/contacts")
@requires_login
def mine() -> str:
    return _page(current_actor().id or 0, own=True)


@bp.post("/me/contacts")
@requires_login
def save_mine() -> Answer:
    return _save(current_actor().id or 0, own=True)


@bp.get("/settings/users/<int:user_id>/contacts")
@requires_room("users")
def of_person(user_id: int) -> str:
    return _page(user_id, own=False)


@bp.post("/settings/users/<int:user_id>/contacts")
@requires_room("users")
def save_of_person(user_id: int) -> Answer:
    return _save(user_id, own=False)


def _editable(own: bool) -> list[ContactKind]:
    """An id in the company's chat program is not one's own to choose: it would bring somebody else's messages."""
    return [kind for kind in contacts.KINDS.values() if kind.personal or not own]


def _save(user_id: int, *, own: bool) -> Answer:
    users.get(user_id)
    given = {kind.key: request.form.get(kind.key, "") for kind in _editable(own)}
    try:
        contacts.save(user_id, given, current_actor())
    except UserError as error:
        return _page(user_id, own=own, values=given, errors=error.errors), 422
    flash(_("联系方式已保存。"), "success")
    return http.go(url_for("accounts.me" if own else "settings_people.people"))


def _page(
    user_id: int, *, own: bool, values: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> str:
    return render_template(
        "accounts/contacts.html", user=users.get(user_id), own=own, kinds=contacts.KINDS.values(),
        editable={kind.key for kind in _editable(own)}, values=contacts.of_user(user_id) | (values or {}), errors=errors or {},
    )  # fmt: skip
