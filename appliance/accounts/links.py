"""Links that work once, for a day: the first administrator's setup, and a new password that an administrator allows."""

from __future__ import annotations

import hashlib
import secrets as random

from ..core import clock
from ..core.db import read, write
from .models import OneTimeLink

LIFE = clock.DAY


def make(kind: str, user_id: int | None = None) -> str:
    """A new secret; earlier ones of the same kind for the same person stop working."""
    secret = random.token_urlsafe(24)
    now = clock.now()
    whose = OneTimeLink.user.is_null() if user_id is None else OneTimeLink.user == user_id
    with write():
        OneTimeLink.delete().where(OneTimeLink.kind == kind, whose).execute()
        OneTimeLink.delete().where(OneTimeLink.expires_at <= now).execute()
        OneTimeLink.insert(hash=_hash(secret), kind=kind, user=user_id, created_at=now, expires_at=now + LIFE).execute()
    return secret


def find(kind: str, secret: str) -> OneTimeLink | None:
    """The living link, ``None`` when it was used, is too old or never was."""
    with read():
        found: OneTimeLink | None = OneTimeLink.get_or_none(
            OneTimeLink.hash == _hash(secret), OneTimeLink.kind == kind, OneTimeLink.expires_at > clock.now()
        )
    return found


def use(kind: str, secret: str) -> OneTimeLink | None:
    """Takes the link; only one caller ever gets it."""
    with write():
        link = find(kind, secret)
        if link and OneTimeLink.delete().where(OneTimeLink.hash == link.hash).execute():
            return link
        return None


def drop(kind: str) -> None:
    with write():
        OneTimeLink.delete().where(OneTimeLink.kind == kind).execute()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
