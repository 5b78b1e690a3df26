"""Signing in with login name and password."""

from __future__ import annotations

from flask_babel import gettext as _

from ..core import clock
from ..core.db import read, write
from ..core.errors import UserError
from . import audit, ldap_signin, passwords, second_factor, sessions, sources, throttle, users
from .models import User


def check(login: str, password: str, ip: str) -> int:
    """Who this is. Raises :class:`UserError` in the same words and time for every cause."""
    login = users.fold(login)
    throttle.demand(login, ip)
    with read():
        user = User.get_or_none(User.login == login, User.active)
    problem = UserError(_("登录名或密码不对。"))
    own = passwords.matches(password, user.password_hash if user else None)
    known = user if own and sources.local_is_open(user) else None
    if known is None:
        try:
            known = ldap_signin.find(login, password)
        except UserError as error:
            problem = error
    if known is None:
        throttle.failed(login, ip)
        audit.note("sign_in.failed", {"user": user.id} if user else {})
        wait = throttle.wait(login, ip)
        raise throttle.TooManyFailures(wait) if wait else problem
    user = known
    if not second_factor.is_on(user.id):
        # Else the password would buy new guesses at the code: the second step clears the count.
        throttle.passed(login)
    if own:
        _renew_hash(user, password)
    return int(user.id)


def confirm(user_id: int, password: str, ip: str) -> None:
    """The person who is signed in proves it again; guessing is slowed down as at the door.

    Raises :class:`UserError`.
    """
    user = users.get(user_id)
    throttle.demand(user.login, ip)
    if not passwords.matches(password, user.password_hash) and not _in_directory(user, password):
        throttle.failed(user.login, ip)
        raise UserError(_("现在的密码不对。"), "current")
    throttle.passed(user.login)


def _in_directory(user: User, password: str) -> bool:
    try:
        found = ldap_signin.find(user.login, password)
    except UserError:
        return False
    return found is not None and found.id == user.id


def open_session(user_id: int, ip: str, agent: str) -> str:
    """A session for somebody who has just proved who they are; returns the cookie."""
    with write():
        cookie = sessions.start(user_id, ip, agent, sources.longest_session(user_id))
        User.update(last_sign_in_at=clock.now()).where(User.id == user_id).execute()
        audit.note("sign_in", {}, users.actor_of(user_id))
    return cookie


def _renew_hash(user: User, password: str) -> None:
    if passwords.outdated(user.password_hash):
        hashed = passwords.hash_password(password)
        with write():
            User.update(password_hash=hashed).where(User.id == user.id).execute()
