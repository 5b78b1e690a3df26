"""A new password through a link that an administrator makes and hands over."""

from __future__ import annotations

from flask_babel import gettext as _

from ..core.db import write
from ..core.errors import NotFound
from . import audit, links, users
from .actor import Actor
from .models import User


def make_link(user_id: int, actor: Actor) -> str:
    """The path of a new link for this person. It works once, for a day."""
    user = users.get(user_id)
    with write():
        secret = links.make("reset", user.id)
        audit.note("password.link", {"user": user.id}, actor)
    return f"/reset/{secret}"


def whose(secret: str) -> User | None:
    """The active person the living link is for."""
    link = links.find("reset", secret)
    return users.get(link.user_id) if link and users.actor_of(link.user_id) else None


def finish(secret: str, password: str) -> int:
    """Sets the password, ends the person's sessions and returns the id.

    Raises :class:`UserError`; the link then still works.
    """
    with write():
        user = whose(secret)
        if user is None:
            raise NotFound(_("这个链接已失效。请联系管理员取得新的链接。"))
        users.set_password(user.id, password)
        links.use("reset", secret)
    return int(user.id)
