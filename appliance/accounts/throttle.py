"""Slows down guessing: failed sign-ins are counted per account and per address, each failure waits longer.

An office shares one address, so an address may fail more often than an account. The counts are kept in the database:
a restart forgives nothing.
"""

from __future__ import annotations

import hashlib

from flask_babel import gettext as _
from msgspec import Struct

from ..core import clock
from ..core.db import read, write
from ..core.errors import UserError
from .models import Throttle


class Limit(Struct, frozen=True):
    """``free`` failures cost nothing, the next waits ``first`` seconds, each one after it twice as long up to ``most``.

    ``forget`` seconds without a failure clear the count.
    """

    free: int
    first: int
    most: int
    forget: int


ACCOUNT = Limit(free=4, first=30, most=15 * 60, forget=6 * 3600)
ADDRESS = Limit(free=20, first=30, most=30 * 60, forget=3600)


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


def wait(login: str, ip: str) -> int:
    """Seconds until this account may be tried again from this address; 0: now."""
    now = clock.now()
    with read():
        rows = Throttle.select(Throttle.blocked_until).where(Throttle.key.in_(list(_limits(login, ip)))).tuples()
        return max((until - now for (until,) in rows if until > now), default=0)


def demand(login: str, ip: str) -> None:
    """Raises :class:`TooManyFailures` while this account or this address must wait."""
    seconds = wait(login, ip)
    if seconds:
        raise TooManyFailures(seconds)


def failed(login: str, ip: str) -> None:
    """Counts a failure of the account and of the address."""
    now = clock.now()
    with write():
        for key, limit in _limits(login, ip).items():
            row = Throttle.get_or_none(Throttle.key == key)
            failures = 1 + (row.failures if row and now - row.last_at < limit.forget else 0)
            over = failures - limit.free
            blocked = now + min(limit.first * 2 ** min(over - 1, 20), limit.most) if over > 0 else now
            Throttle.insert(key=key, failures=failures, last_at=now, blocked_until=blocked).on_conflict(
                conflict_target=[Throttle.key], preserve=[Throttle.failures, Throttle.last_at, Throttle.blocked_until]
            ).execute()


def passed(login: str) -> None:
    """Clears the account's count. The address keeps its own: one good account must not buy guesses at the others."""
    key = _hash("login", login)
    with read():
        known = Throttle.select().where(Throttle.key == key).exists()
    if known:
        with write():
            Throttle.delete().where(Throttle.key == key).execute()


def _limits(login: str, ip: str) -> dict[str, Limit]:
    return {_hash("login", login): ACCOUNT, _hash("ip", ip): ADDRESS}


def _hash(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()
