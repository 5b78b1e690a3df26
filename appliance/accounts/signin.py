"""Signing in with login name and password."""

from __future__ import annotations

from flask_babel import gettext as _

from ..core import clock
from ..core.db import read, write
from ..core.errors import UserError
from . import audit, passwords, sessions, throttle, users
from .models import User


class TooManyFailures(UserError):
    """The account or the address must wait."""

    status = 429

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        minutes = -(-seconds // 60)
        super().__init__(
            _("失败次数太多，请在 %(n)s 秒后再试。", n=seconds)
            if seconds < 60
            else _("失败次数太多，请在 %(n)s 分钟后再试。忘记密码请联系管理员重设。", n=minutes)
        )


def sign_in(login: str, password: str, ip: str, agent: str) -> str:
    """Returns the cookie of a new session. Raises :class:`UserError` in the same words and time for every cause."""
    login = users.fold(login)
    wait = throttle.wait(login, ip)
    if wait:
        raise TooManyFailures(wait)
    with read():
        user = User.get_or_none(User.login == login, User.active)
    if not passwords.matches(password, user.password_hash if user else None):
        throttle.failed(login, ip)
        audit.note("sign_in.failed", {"user": user.id} if user else {})
        wait = throttle.wait(login, ip)
        raise TooManyFailures(wait) if wait else UserError(_("登录名或密码不对。"))
    throttle.passed(login)
    _renew_hash(user, password)
    return open_session(user.id, ip, agent)


def confirm(user_id: int, password: str, ip: str) -> None:
    """The person who is signed in proves it again; guessing is slowed down as at the door.

    Raises :class:`UserError`.
    """
    user = users.get(user_id)
    wait = throttle.wait(user.login, ip)
    if wait:
        raise TooManyFailures(wait)
    if not passwords.matches(password, user.password_hash):
        throttle.failed(user.login, ip)
        raise UserError(_("现在的密码不对。"), "current")
    throttle.passed(user.login)


def open_session(user_id: int, ip: str, agent: str) -> str:
    """A session for somebody who has just proved who they are; returns the cookie."""
    with write():
        cookie = sessions.start(user_id, ip, agent)
        User.update(last_sign_in_at=clock.now()).where(User.id == user_id).execute()
        audit.note("sign_in", {}, users.actor_of(user_id))
    return cookie


def _renew_hash(user: User, password: str) -> None:
    if passwords.outdated(user.password_hash):
        hashed = passwords.hash_password(password)
        with write():
            User.update(password_hash=hashed).where(User.id == user.id).execute()
