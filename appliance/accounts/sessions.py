"""Signed-in browsers. The cookie is a random number; the database knows only its SHA-256."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random

from flask_babel import gettext as _
from msgspec import Struct

from ..core import clock
from ..core.db import read, write
from ..core.errors import NotFound
from .models import Session

COOKIE = "guke_session"
VISIT_COOKIE = "guke_visit"
"""Carries the CSRF secret of pages where nobody is signed in yet (sign-in, setup, password reset)."""

IDLE = 14 * clock.DAY
"""A browser that was not seen for this long must sign in again."""
LONGEST = 60 * clock.DAY
"""And so must every browser after this long."""
SEEN_EVERY = 60
"""``last_seen_at`` is written at most this often (seconds): a click is not worth a write."""


class Browser(Struct, frozen=True):
    """One signed-in browser, as the person's own list shows it."""

    key: str
    created_at: int
    last_seen_at: int
    ip: str
    agent: str

    @property
    def handle(self) -> str:
        """What pages call it: enough to tell a person's browsers apart."""
        return self.key[:16]


def start(user_id: int, ip: str, agent: str, longest: int = LONGEST) -> str:
    """Opens a session and returns the cookie's value. ``longest``: seconds after which it ends in any case."""
    cookie = random.token_urlsafe(32)
    now = clock.now()
    with write():
        Session.insert(
            key=_key(cookie),
            user=user_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + min(longest, LONGEST),
            ip=ip,
            agent=agent[:300],
        ).execute()
    return cookie


def user_of(cookie: str, seen_now: bool = True) -> int | None:
    """The id of the person whose living session this is. ``seen_now`` false: the page asks by itself, nobody is there."""
    now = clock.now()
    with read():
        row = (
            Session.select(Session.user, Session.last_seen_at)
            .where(Session.key == _key(cookie), Session.expires_at > now, Session.last_seen_at > now - IDLE)
            .tuples()
            .first()
        )
    if row is None:
        return None
    user_id, seen = row
    if seen_now and now - seen >= SEEN_EVERY:
        with write():
            Session.update(last_seen_at=now).where(Session.key == _key(cookie)).execute()
    return int(user_id)


def end(cookie: str) -> None:
    with write():
        Session.delete().where(Session.key == _key(cookie)).execute()


def end_all(user_id: int, keep: str | None = None) -> int:
    """Ends every session of a person but that of the cookie ``keep``; returns how many."""
    query = Session.delete().where(Session.user == user_id)
    if keep:
        query = query.where(Session.key != _key(keep))
    with write():
        return int(query.execute())


def end_one(user_id: int, handle: str) -> Browser:
    """Ends one session of a person, named by :attr:`Browser.handle`. Raises :class:`NotFound`."""
    with write():
        found = next((b for b in browsers(user_id) if hmac.compare_digest(b.handle.encode(), handle.encode())), None)
        if found is None:
            raise NotFound(_("这台设备已经退出了。"))
        Session.delete().where(Session.key == found.key).execute()
    return found


def browsers(user_id: int) -> list[Browser]:
    """The person's living sessions, last seen first."""
    now = clock.now()
    with read():
        rows = (
            Session.select()
            .where(Session.user == user_id, Session.expires_at > now, Session.last_seen_at > now - IDLE)
            .order_by(Session.last_seen_at.desc())
        )
        return [Browser(r.key, r.created_at, r.last_seen_at, r.ip, r.agent) for r in rows]


def is_of(browser: Browser, cookie: str | None) -> bool:
    return bool(cookie) and browser.key == _key(cookie or "")


def device(agent: str) -> str:
    """What a person calls a browser: system and browser name."""
    systems = (
        ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
        ("Linux", "Linux"),
    )  # fmt: skip
    browsers = (
        ("MicroMessenger", _('微信')), ("wxwork", _('企业微信')), ("Edg", "Edge"), ("Firefox", "Firefox"),
        ("Chrome", "Chrome"), ("Safari", "Safari"),
    )  # fmt: skip
    found = [next((name for sign, name in known if sign in agent), "") for known in (systems, browsers)]
    return " · ".join(str(part) for part in found if part) or _("未知设备")


def csrf_token(cookie: str) -> str:
    """The CSRF token that belongs to a session (or visit) cookie; nobody can make one from the other side."""
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_matches(cookie: str, given: str) -> bool:
    return hmac.compare_digest(csrf_token(cookie).encode(), given.encode())


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
