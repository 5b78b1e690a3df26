"""Who may open a view. Every view carries exactly one mark; one without a mark is refused.

The mark stands next to the function, under the route::

    @bp.get("/orders/import")
    @requires("import", form="order")
    def start() -> str: ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import request
from flask_babel import gettext as _
from msgspec import Struct

from ..core.errors import Forbidden
from . import permissions, users
from .actor import Actor

View = TypeVar("View", bound=Callable[..., Any])

_MARK = "guke_guard"
_FORM_ARGUMENTS = ("form_key", "form")


class Guard(Struct, frozen=True):
    """``public``: anybody; ``login``: who is signed in; ``admin``; ``verb``: who has the right on the form; ``room``: who may
    work in the room of ``permissions.ROOMS`` that ``verb`` names."""

    kind: str
    verb: str = ""
    form: str | None = None
    program: tuple[str, str] | None = None
    """A field and its value by which a program that never saw a page may write, in place of the page's token."""

    def by_program(self) -> bool:
        """Whether a program sent this request in the words that its view was marked with."""
        return self.program is not None and request.form.get(self.program[0]) == self.program[1]

    def check(self, actor: Actor) -> None:
        """Raises :class:`Forbidden` when ``actor`` may not open the view of this request."""
        if self.kind == "admin" and not actor.is_admin:
            raise Forbidden(_("这一页只对管理员开放。需要时请联系管理员。"))
        if self.kind == "verb":
            permissions.demand(actor, self.verb, self.form or _form_of_request())
        if self.kind == "room":
            permissions.demand_room(actor, self.verb)
            if self.verb == "users" and not actor.is_admin:
                _leave_administrators_alone()


def _leave_administrators_alone() -> None:
    """Who looks after people without being an administrator neither touches one nor makes one. Raises Forbidden."""
    about = users.actor_of(int((request.view_args or {}).get("user_id", 0)))
    given = [found[1].admin for key in request.form.getlist("role") if (found := users.role(key))]
    if (about is not None and about.is_admin) or any(given):
        raise Forbidden(_("管理员只能由管理员修改或指定。"))


def _form_of_request() -> str | None:
    arguments = request.view_args or {}
    return next((arguments[name] for name in _FORM_ARGUMENTS if name in arguments), None)


def _mark(guard: Guard) -> Callable[[View], View]:
    def mark(view: View) -> View:
        if hasattr(view, _MARK):
            raise ValueError(f"{view.__qualname__} carries two guards; keep one")
        setattr(view, _MARK, guard)
        return view

    return mark


def of(view: Callable[..., Any] | None) -> Guard | None:
    """The mark of a view."""
    return getattr(view, _MARK, None)


def requires(verb: str, form: str | None = None) -> Callable[[View], View]:
    """Only who may do ``verb`` with records of ``form``, else of the form in the URL (``<form_key>``, ``<form>``)."""
    if verb not in permissions.VERBS:
        raise ValueError(f"no such right: {verb!r}; there are {', '.join(permissions.VERBS)}")
    return _mark(Guard("verb", verb, form))


def requires_room(room: str) -> Callable[[View], View]:
    """Only who may work in one of ``permissions.ROOMS``."""
    if room not in permissions.ROOMS:
        raise ValueError(f"no such right: {room!r}; there are {', '.join(permissions.ROOMS)}")
    return _mark(Guard("room", room))


public = _mark(Guard("public"))
"""Anybody, signed in or not."""


def public_link(field: str, value: str) -> Callable[[View], View]:
    """Anybody who has the link: the view checks the signature in its URL and asks for no cookie, so that a program that sends
    ``field=value`` needs no token of a page either."""
    return _mark(Guard("public", program=(field, value)))


requires_login = _mark(Guard("login"))
"""Everybody who is signed in; the view itself asks for more where records are touched."""

requires_admin = _mark(Guard("admin"))
"""Administrators."""
