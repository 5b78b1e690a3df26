"""API tokens. A token acts as the person who made it; the database knows only its SHA-256."""

from __future__ import annotations

import hashlib
import secrets as random
from dataclasses import dataclass

from flask_babel import gettext as _

from ..core import clock
from ..core.db import read, write
from ..core.errors import NotFound, UserError
from . import audit, users
from .actor import Actor
from .cache import Cache, forget
from .models import ApiToken

PREFIX = "guke_"
SHOWN = 10
USED_EVERY = 60
"""``last_used_at`` is written at most this often (seconds)."""


@dataclass(frozen=True)
class Token:
    """A living token: whose it is and until when."""

    id: int
    actor: Actor
    expires_at: int | None


_tokens: Cache[Token | None] = Cache()
_used: dict[int, int] = {}


def create(user_id: int, name: str, *, expires_at: int | None = None, actor: Actor | None = None) -> str:
    """Makes a token and returns it, for the only time. Raises :class:`UserError`."""
    user, name = users.get(user_id), name.strip()
    if not 0 < len(name) <= 80:
        raise UserError(_("请给令牌起个名字，例如使用它的系统名，最多 80 个字。"), "name")
    if not user.active:
        raise UserError(_("%(name)s 已停用，不能创建令牌。", name=user.name))
    token = PREFIX + random.token_urlsafe(32)
    with write():
        token_id = ApiToken.insert(
            user=user_id,
            name=name,
            hash=_hash(token),
            prefix=token[:SHOWN],
            created_at=clock.now(),
            expires_at=expires_at,
        ).execute()
        audit.note("token.created", {"token": token_id, "name": name, "user": user_id}, actor)
    return token


def verify(token: str) -> Actor | None:
    """The actor a living token acts for. What is revoked here ends at once, elsewhere within five seconds."""
    if not token.startswith(PREFIX):
        return None
    key = _hash(token)
    found = _tokens.get(key, lambda: _load(key))
    now = clock.now()
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return None
    if now - _used.get(found.id, 0) >= USED_EVERY:
        _used[found.id] = now
        with write():
            ApiToken.update(last_used_at=now).where(ApiToken.id == found.id).execute()
    return found.actor


def _load(key: str) -> Token | None:
    with read():
        row = ApiToken.get_or_none(ApiToken.hash == key, ApiToken.revoked_at.is_null())
        actor = users.actor_of(row.user_id) if row else None
    return Token(row.id, actor, row.expires_at) if actor else None


def of(user_id: int) -> list[ApiToken]:
    """The person's living tokens, newest first."""
    with read():
        return list(
            ApiToken.select()
            .where(ApiToken.user == user_id, ApiToken.revoked_at.is_null())
            .order_by(ApiToken.id.desc())
        )


def revoke(token_id: int, actor: Actor) -> None:
    """Ends a token of the actor's own; an administrator ends anybody's. Raises :class:`NotFound`."""
    mine = ApiToken.id == token_id if actor.is_admin else (ApiToken.id == token_id) & (ApiToken.user == actor.id)
    with write():
        if not ApiToken.update(revoked_at=clock.now()).where(mine, ApiToken.revoked_at.is_null()).execute():
            raise NotFound(_("没有这个令牌，可能已被撤销。"))
        audit.note("token.revoked", {"token": token_id}, actor)
        forget()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
