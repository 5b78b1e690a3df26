"""The nightly job of this room."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from ..core import clock, jobs, schema
from ..core.db import write
from . import audit, notices
from .models import OneTimeLink, Session, Throttle
from .sessions import IDLE


@schema.seed
def timer() -> None:
    jobs.schedule("accounts.upkeep", "40 4 * * *", "accounts.upkeep")


@jobs.handler("accounts.upkeep", label=_l("清理过期的登录"))
def upkeep(job: jobs.Job) -> None:
    """Drops what is over: sessions, one-time links, old notices, what the audit log
    no longer has to keep, counts of failed sign-ins from more than a day ago."""
    now = clock.now()
    with write():
        Session.delete().where((Session.expires_at <= now) | (Session.last_seen_at <= now - IDLE)).execute()
        OneTimeLink.delete().where(OneTimeLink.expires_at <= now).execute()
        notices.forget()
        Throttle.delete().where(Throttle.last_at < now - clock.DAY).execute()
    audit.forget()
