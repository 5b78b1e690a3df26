"""The first administrator: chooses name and password through a link that the installer prints."""

from __future__ import annotations

from flask_babel import gettext as _

from ..core.db import write
from ..core.errors import NotFound
from . import links, users
from .actor import SYSTEM


def make_link() -> str | None:
    """The path of a new setup link, ``None`` when an administrator exists already."""
    return None if users.has_admin() else f"/setup/{links.make('setup')}"


def is_open(secret: str) -> bool:
    return not users.has_admin() and links.find("setup", secret) is not None


def finish(secret: str, login: str, name: str, password: str) -> int:
    """Makes the administrator and returns the id. Raises :class:`UserError`; the link then still works."""
    with write():
        if not is_open(secret):
            raise NotFound(_("这个设置链接已失效。请在服务器上运行 guke setup-link 取得新的链接。"))
        user_id = users.create(login, name, password, "admin", SYSTEM)
        links.drop("setup")
    return user_id
