"""Passwords: Argon2id, and what a good one is. Only signing in and setting a password load Argon2."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from flask_babel import gettext as _

from ..core.errors import UserError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST = 10
MOST = 200

# Each hash takes 19 MiB (OWASP's second recommended setting): a crowd signing in must not take the machine's memory.
_turns = threading.BoundedSemaphore(2)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """Passwords of ten and more characters that everybody tries first."""
    return frozenset((Path(__file__).parent / "common_passwords.txt").read_text(encoding="ascii").split())


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hasher().hash("a password that opens nothing")


def hash_password(password: str) -> str:
    with _turns:
        return _hasher().hash(password)


def matches(password: str, stored: str | None) -> bool:
    """Whether ``password`` is the one. Takes as long when there is no such account (``stored`` is ``None``)."""
    from argon2.exceptions import InvalidHashError, VerificationError

    # Longer ones cannot be set, and hashing megabytes would be a way to keep the machine busy.
    given = password[:MOST]
    with _turns:
        try:
            return _hasher().verify(stored or _nobody(), given) and stored is not None and given == password
        except (VerificationError, InvalidHashError):
            return False


def outdated(stored: str) -> bool:
    """Whether the hash was made with weaker settings than today's."""
    return _hasher().check_needs_rehash(stored)


def check(password: str, login: str, field: str = "password") -> None:
    """Raises :class:`UserError` when ``password`` is not good enough for ``login``."""
    if len(password) < LEAST:
        raise UserError(_("密码至少 %(n)s 个字符；几个不相关的词连起来又长又好记。", n=LEAST), field)
    if len(password) > MOST:
        raise UserError(_("密码最多 %(n)s 个字符。", n=MOST), field)
    folded = password.casefold()
    if folded in _common() or len(set(folded)) < 4:
        raise UserError(_("这个密码太常见，很容易被猜到，请换一个。"), field)
    if login and login.casefold() in folded and len(login) * 2 >= len(password):
        raise UserError(_("密码不能就是登录名加几个字符，请换一个。"), field)
