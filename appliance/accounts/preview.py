"""Looking at Guke as somebody else: an administrator sees what a person sees, and changes nothing.

The cookie is sealed with the administrator's session: it works in that browser alone, as long as that session lives and for
at most :data:`LONGEST`. While it lasts nothing can be written (``core.db.only_reading``).
"""

from __future__ import annotations

import hashlib
import hmac

from flask import Blueprint, g, redirect, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from ..core import clock
from ..core.db import only_reading
from ..core.errors import Forbidden
from . import audit, sessions, users
from .actor import Actor, current_actor
from .guards import requires_admin, requires_login

bp = Blueprint("preview", __name__, url_prefix="/preview")

COOKIE = "guke_preview"
LONGEST = 4 * 3600
"""Seconds."""

OUT = ("preview.end", "accounts.sign_out")
"""What is written all the same: the way out."""


def enter(actor: Actor, endpoint: str | None) -> Actor:
    """Whom this request is answered as: the person whom the administrator looks at, else the actor."""
    only_reading.set("")
    given = request.cookies.get(COOKIE)
    if not given or not actor.is_admin:
        return actor
    person = _opened(given)
    if person is None or endpoint in OUT:
        return actor
    g.previewer = actor
    only_reading.set(_("正在预览，只能看，不能改。请先结束预览。"))
    return person


def _opened(given: str) -> Actor | None:
    user_id, _dot, rest = given.partition(".")
    until, _dot, _mac = rest.partition(".")
    if not (user_id.isdecimal() and until.isdecimal()) or not hmac.compare_digest(_sealed(user_id, until), given):
        return None
    person = users.actor_of(int(user_id))
    return person if person is not None and not person.is_admin and int(until) > clock.now() else None


def _sealed(user_id: str, until: str) -> str:
    session = request.cookies.get(sessions.COOKIE, "")
    mac = hmac.new(session.encode(), f"preview.{user_id}.{until}".encode(), hashlib.sha256).hexdigest()
    return f"{user_id}.{until}.{mac}"


@bp.post("/<int:user_id>")
@requires_admin
def start(user_id: int) -> Response:
    """Begins looking as an active person who is no administrator."""
    person = users.actor_of(users.get(user_id).id)
    if person is None or person.is_admin:
        raise Forbidden(_("只能以在用的、不是管理员的人预览。"))
    audit.note("preview.started", {"user": user_id}, current_actor())
    answer = redirect(url_for("web.home"), 303)
    value = _sealed(str(user_id), str(clock.now() + LONGEST))
    answer.set_cookie(COOKIE, value, max_age=LONGEST, httponly=True, samesite="Lax", secure=request.is_secure, path="/")
    return answer


@bp.post("/end")
@requires_login
def end() -> Response:
    """Back to being oneself."""
    person = _opened(request.cookies.get(COOKIE, ""))
    if person is not None:
        audit.note("preview.ended", {"user": person.id}, current_actor())
    answer = redirect(url_for("settings_people.people" if current_actor().is_admin else "web.home"), 303)
    answer.delete_cookie(COOKIE, path="/")
    return answer
