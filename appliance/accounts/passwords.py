"""Passwords: Argon2id, and what a good one is. Only signing in and setting a password load Argon2."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

from flask_babel import gettext as _

from ..core.errors import UserError

if TYPE_CHECKING:
    from argon2 import PasswordHasher

LEAST = 10
MOST = 200

# Each hash takes 19 MiB (OWASP's second recommended setting): a crowd signing in must not take the machine's memory.
_turns = threading.BoundedSemaphore(2)

_COMMON = frozenset(
    """
    1234567890 0123456789 0987654321 9876543210 12345678910 123456789a a123456789 1234567891 11223344556 1122334455
    1111111111 0000000000 8888888888 6666666666 9999999999 5201314520 1314520520 woaini1314 woaini520520 5201314woaini
    password12 password123 password1234 passw0rd123 p@ssw0rd123 p@ssword123 password01 mypassword mypassword1 admin12345
    admin123456 administrator administrator1 root123456 qwertyuiop qwertyuiop1 qwerty12345 qwerty123456 1qaz2wsx3edc
    qazwsxedcrfv 1q2w3e4r5t 1q2w3e4r5t6y q1w2e3r4t5 asdfghjkl1 asdfghjkl123 zxcvbnm123 zxcvbnm1234 abcdefghij abcd123456
    abc1234567 abcd1234567 a1b2c3d4e5 iloveyou12 iloveyou123 iloveyou1314 letmein123 welcome123 welcome1234 changeme123
    test123456 test1234567 user123456 guest123456 dragon12345 monkey12345 football12 baseball12 superman12 sunshine12
    princess12 qq123456789 wechat123456 taobao123456 douyin123456 guke123456 gukeguke123 woaini123456 zhang123456
    wang123456 li123456789 liu12345678 chen1234567 yang1234567 a12345678910 aa123456789 aaa1234567 123456789abc
    1234567890a 123456789qq 987654321a 147258369a 1472583690 3692581470 159357159357 abcabcabc1 asd1234567 qwe1234567
    zxc1234567 123123123123 123321123321 1234512345 1234554321 112233445566 qwer123456 asdf123456 zaq12wsxcde3
    """.split()
)


@lru_cache(maxsize=1)
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


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
        raise UserError(_('密码至少 %(n)s 个字符；几个不相关的词连起来又长又好记。', n=LEAST), field)
    if len(password) > MOST:
        raise UserError(_('密码最多 %(n)s 个字符。', n=MOST), field)
    folded = password.casefold()
    if folded in _COMMON or len(set(folded)) < 4:
        raise UserError(_('这个密码太常见，很容易被猜到，请换一个。'), field)
    if login and login.casefold() in folded and len(login) * 2 >= len(password):
        raise UserError(_('密码不能就是登录名加几个字符，请换一个。'), field)
