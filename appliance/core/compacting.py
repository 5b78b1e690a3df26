"""What was deleted leaves the file, too: the database is written anew, so that no free page holds an old value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from flask_babel import lazy_gettext as _l

from . import clock, jobs, settings
from .db import compact, db

KIND = "database.compact"
SMALL = 256 * 1024 * 1024
"""Bytes of a database that is compacted at once; a larger one waits for the night."""
HOUR = 4


_first: list[Callable[[], None]] = []


def first(fn: Callable[[], None]) -> Callable[[], None]:
    """Registers what takes deleted values out of a structure of its own (a search index) before the file is written anew."""
    _first.append(fn)
    return fn


def ask() -> None:
    """Has the database compacted: at once while it is small, else in the coming night."""
    now = clock.now()
    due = now if Path(db.database).stat().st_size < SMALL else _night(now)
    jobs.enqueue(KIND, {}, due_at=due, unique=KIND)


def _night(now: int) -> int:
    tz = settings.tz()
    today = clock.start_of(clock.today(tz), tz) + HOUR * 3600
    return today if today > now else clock.start_of(clock.today(tz) + dt.timedelta(days=1), tz) + HOUR * 3600


@jobs.handler(KIND, heavy=True, label=_l("整理数据库文件"))
def run(job: jobs.Job) -> None:
    for fn in _first:
        fn()
        job.check()
    compact()
