"""Who is asking: the one object that the read path, the write path and the guards look at."""

from __future__ import annotations

from typing import Any

from flask import g, has_request_context
from msgspec import Struct


class Actor(Struct, frozen=True):
    """A person (or the appliance itself). ``id`` is the user's id; ``None`` for the appliance."""

    id: int | None
    name: str
    login: str
    is_admin: bool = False
    role_ids: tuple[int, ...] = ()
    locale: str | None = None
    theme: str = "auto"
    rights: tuple[Any, ...] | None = None
    """What an API token leaves of the person's rights (``permissions.Rights``); ``None``: all that the roles give."""
    limit: Any = None
    """The :class:`tokens.Scope` of the API token that asks, when it is narrower than the person."""


SYSTEM = Actor(id=None, name="固客", login="", is_admin=True)
"""The appliance: scheduled work, the command line. It may do everything."""


def current_actor() -> Actor:
    """Who sent this request. Raises ``RuntimeError`` where nobody is signed in: such a view is ``@public``."""
    actor = maybe_actor()
    if actor is None:
        raise RuntimeError("nobody is signed in here; a public view asks maybe_actor()")
    return actor


def maybe_actor() -> Actor | None:
    """Who sent this request, ``None`` when nobody is signed in or there is no request."""
    return getattr(g, "actor", None) if has_request_context() else None
