"""The second step of signing in: a code of six digits that a phone makes from a shared secret and the time (RFC 6238).

The secret is sealed in the database. A code counts once, one step early or late is forgiven. Ten recovery codes, kept as
hashes, open the door when the phone is lost. API tokens need none of this: they are secrets of their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets as random
from typing import Any
from urllib.parse import quote

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import clock, secrets, settings
from ..core.db import read, write
from ..core.errors import UserError
from . import audit, notices, throttle, users
from .actor import Actor
from .cache import Cache, forget
from .models import RecoveryCode, SecondFactor

STEP = 30
"""Seconds that a code is shown for."""
DIGITS = 6
CODES = 10
PENDING = 600
"""Seconds between the password and the code."""

_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_on: Cache[bool] = Cache()

settings.declare(
    "security.second_factor",
    "",
    _l("要求两步验证"),
    "choice",
    options={"": _l("不要求，由每个人自己决定"), "admins": _l("管理员必须开启"), "everybody": _l("所有人必须开启")},
    help=_l("还没有开启的人，下一次打开页面时会被带去设置。API 令牌不受影响。"),
)


def code_at(secret: str, step: int) -> str:
    """The code of one step (seconds since 1970 divided by 30); ``secret`` in base 32."""
    digest = hmac.digest(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def is_on(user_id: int) -> bool:
    def load() -> bool:
        with read():
            return _confirmed(user_id).exists()

    return _on.get(user_id, load)


def having() -> set[int]:
    """The people who have it on."""
    with read():
        rows = SecondFactor.select(SecondFactor.user).where(SecondFactor.confirmed_at.is_null(False)).tuples()
        return {user_id for (user_id,) in rows}


def required(actor: Actor) -> bool:
    """Whether the company wants it of this person."""
    wanted = settings.get("security.second_factor")
    return wanted == "everybody" or (wanted == "admins" and actor.is_admin)


def begin(user_id: int) -> None:
    """Makes a secret that counts once a code of it was entered. Raises :class:`UserError` when it is on already."""
    with write():
        if _confirmed(user_id).exists():
            raise UserError(_("两步验证已经开启。换手机请先关闭，再重新设置。"))
        SecondFactor.delete().where(SecondFactor.user == user_id).execute()
        secret = base64.b32encode(random.token_bytes(20)).decode()
        SecondFactor.insert(user=user_id, secret=secret, created_at=clock.now(), last_step=0).execute()


def waiting(user_id: int) -> str | None:
    """The secret that waits for its first code."""
    with read():
        row = SecondFactor.get_or_none(SecondFactor.user == user_id, SecondFactor.confirmed_at.is_null())
    return row.secret if row else None


def address(secret: str, login: str) -> str:
    """What the QR code says to an authenticator app."""
    issuer = quote(settings.get("company.name") or _("固客"))
    return f"otpauth://totp/{issuer}:{quote(login)}?secret={secret}&issuer={issuer}&digits={DIGITS}&period={STEP}"


def confirm(user_id: int, code: str, ip: str) -> list[str]:
    """Turns it on and returns the recovery codes. Raises :class:`UserError` for a wrong code."""
    login = users.get(user_id).login
    throttle.demand(login, ip)
    with write():
        row = SecondFactor.get_or_none(SecondFactor.user == user_id, SecondFactor.confirmed_at.is_null())
        good = row is not None and _use(row, code)
        if row is not None and good:
            SecondFactor.update(confirmed_at=clock.now()).where(SecondFactor.user == user_id).execute()
            made = _make_codes(user_id)
            audit.note("second_factor.on", {"user": user_id})
            forget()
            return made
    throttle.failed(login, ip)
    raise UserError(_("验证码不对。请看手机上现在显示的 6 位数字；手机的时间要准确。"), "code")


def check(user_id: int, code: str, ip: str) -> int | None:
    """Accepts a code, or a recovery code: then returns how many of those are left. Raises :class:`UserError`."""
    login = users.get(user_id).login
    throttle.demand(login, ip)
    with write():
        row = _confirmed(user_id).first()
        if row is not None and _use(row, code):
            left = None
        elif row is not None and _use_recovery(user_id, code):
            left = remaining(user_id)
            audit.note("second_factor.recovery", {"user": user_id, "count": left}, users.actor_of(user_id))
        else:
            left = -1
    if left == -1:
        throttle.failed(login, ip)
        audit.note("sign_in.failed", {"user": user_id, "second_factor": True})
        throttle.demand(login, ip)
        raise UserError(_("验证码不对，或者已经用过。请输入手机上现在显示的 6 位数字。"), "code")
    throttle.passed(login)
    return left


def remaining(user_id: int) -> int:
    """Recovery codes that were not used."""
    with read():
        return int(RecoveryCode.select().where(RecoveryCode.user == user_id, RecoveryCode.used_at.is_null()).count())


def renew(user_id: int) -> list[str]:
    """Ten new recovery codes; the old ones stop working."""
    with write():
        if not _confirmed(user_id).exists():
            raise UserError(_("请先开启两步验证。"))
        audit.note("second_factor.renewed", {"user": user_id})
        return _make_codes(user_id)


def turn_off(user_id: int, actor: Actor) -> bool:
    """Takes it off a person; whether there was one. Somebody else's doing is told to the person."""
    with write():
        RecoveryCode.delete().where(RecoveryCode.user == user_id).execute()
        there = bool(SecondFactor.delete().where(SecondFactor.user == user_id).execute())
        if there:
            audit.note("second_factor.off", {"user": user_id}, actor)
            forget()
    if there and actor.id != user_id:
        notices.tell([user_id], "account", lambda _person: _("管理员关闭了您的两步验证，请重新设置。"), "/me/two-step")
    return there


def ticket(user_id: int) -> str:
    """Says for ten minutes that this person knew the password; a cookie carries it to the second step."""
    said = f"{user_id}.{clock.now() + PENDING}"
    return f"{said}.{_signed(user_id, said)}"


def whose(ticket: str) -> int | None:
    """The active person of a ticket; ``None`` when it is over, was forged, or the password has changed since."""
    user, _dot, rest = ticket.partition(".")
    until, _dot, signature = rest.partition(".")
    if not (user.isdecimal() and until.isdecimal()) or len(ticket) > 200 or int(until) <= clock.now():
        return None
    user_id = int(user)
    if users.actor_of(user_id) is None:
        return None
    good = hmac.compare_digest(_signed(user_id, f"{user}.{until}").encode(), signature.encode())
    return user_id if good else None


def _signed(user_id: int, said: str) -> str:
    return secrets.sign(f"{said}.{users.get(user_id).password_hash}", "second step")


def _confirmed(user_id: int) -> Any:
    return SecondFactor.select().where(SecondFactor.user == user_id, SecondFactor.confirmed_at.is_null(False))


def _use(row: SecondFactor, code: str) -> bool:
    """Whether the code is right now and was not used; then it is used."""
    given = "".join(code.split())
    now = clock.now() // STEP
    found = [s for s in (now - 1, now, now + 1) if hmac.compare_digest(code_at(row.secret, s).encode(), given.encode())]
    later = [step for step in found if step > row.last_step]
    if not later:
        return False
    SecondFactor.update(last_step=later[0]).where(SecondFactor.user == row.user_id).execute()
    return True


def _use_recovery(user_id: int, code: str) -> bool:
    mine = (RecoveryCode.user == user_id) & (RecoveryCode.hash == _hash(code)) & RecoveryCode.used_at.is_null()
    return bool(RecoveryCode.update(used_at=clock.now()).where(mine).execute())


def _make_codes(user_id: int) -> list[str]:
    RecoveryCode.delete().where(RecoveryCode.user == user_id).execute()
    made = [
        "-".join("".join(random.choice(_ALPHABET) for _n in range(4)) for _part in range(3)) for _code in range(CODES)
    ]
    RecoveryCode.insert_many([{"user": user_id, "hash": _hash(code)} for code in made]).execute()
    return made


def _hash(code: str) -> str:
    plain = "".join(c for c in code.casefold() if c in _ALPHABET)
    return hashlib.sha256(plain.encode()).hexdigest()
