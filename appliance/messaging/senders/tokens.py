"""Access tokens of platforms, kept in memory until shortly before they end: a platform limits how often one may ask."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from typing import Any

from ...core import clock, outbound
from .base import Outcome, Rejected
from .saying import Said, by_errcode

EARLY = 300
"""Seconds before its end from which a token is no longer used."""

Ask = Callable[[], tuple[str, int]]
_lock = threading.Lock()
_held: dict[str, tuple[str, int]] = {}
_turns: dict[str, threading.Lock] = {}


def get(secret: tuple[str, ...], ask: Ask) -> str:
    """The token of a secret; ``ask`` gets a new one and the seconds it lasts. The secret itself is not kept."""
    key = _key(secret)
    with _lock:
        turn = _turns.setdefault(key, threading.Lock())
    # A platform that does not answer keeps only its own messages waiting.
    with turn:
        held = _held.get(key)
        if held and clock.now() < held[1]:
            return held[0]
        token, seconds = ask()
        _held[key] = (token, clock.now() + max(seconds - EARLY, 1))
        return token


def ask(url: str, platform: Any, codes: Mapping[Any, Said]) -> tuple[str, int]:
    """Asks a platform whose answer is ``access_token`` and ``expires_in``. Raises :class:`Rejected` when it gives none.

    A time-out here says nothing about the message, which was not sent yet.
    """
    try:
        answer = outbound.fetch(url)
    except outbound.Failed as error:
        raise outbound.Failed(error.message, uncertain=False) from error
    doc = by_errcode(answer, platform, codes)
    if isinstance(doc, Outcome):
        raise Rejected(Outcome.retry(doc.error) if doc.state == "unknown" else doc)
    return str(doc.get("access_token")), int(doc.get("expires_in") or 7_200)


def drop(secret: tuple[str, ...], token: str) -> None:
    """Forgets a token that the platform no longer takes, unless somebody has a newer one already."""
    with _lock:
        held = _held.get(_key(secret))
        if held and held[0] == token:
            del _held[_key(secret)]


def _key(secret: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(secret).encode()).hexdigest()
