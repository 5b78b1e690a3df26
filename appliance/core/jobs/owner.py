"""Who runs a job: one identity a process, alive as long as the kernel holds its lock file.

A lease alone would make interrupted work wait for its end; the lock tells at once that an owner is dead, whatever
killed it. The lease stays as the backstop where locks do not work.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import threading
from pathlib import Path
from typing import IO

from .. import clock, folder
from ..db import PARAM, Statement, db, write
from ..models import JobRow

log = logging.getLogger(__name__)

LEASE = 60
"""Seconds a claim lasts without a heartbeat."""

BEAT = 15
"""Seconds between heartbeats."""

_guard = threading.Lock()
_held: tuple[Path, str, IO[bytes]] | None = None
_running: set[int] = set()
_beating: threading.Thread | None = None


def me() -> str:
    """This process's identity for the open database; it holds one at a time."""
    global _held
    with _guard:
        data = folder.path()
        if _held is None or _held[0] != data:
            _resign()
            name = f"{os.getpid()}-{secrets.token_hex(6)}"
            handle = folder.lock(data / folder.OWNERS_NAME / name)
            assert handle is not None, "a fresh name cannot be held by another"
            _held = (data, name, handle)
        return _held[1]


def resign() -> None:
    """Gives this process's identity up (it stops, or the database is closed)."""
    with _guard:
        _resign()


def _resign() -> None:
    global _held
    if _held is not None:
        data, name, handle = _held
        with contextlib.suppress(OSError):
            (data / folder.OWNERS_NAME / name).unlink()
        handle.close()
        _held = None


def others() -> bool:
    """Whether another living process has an identity here: it works on jobs."""
    with _guard:
        mine = _held[1] if _held else None
    known = folder.path() / folder.OWNERS_NAME
    return known.is_dir() and any(file.name != mine and not _is_dead(file.name) for file in known.iterdir())


def running() -> frozenset[int]:
    """The jobs this process is running now."""
    return frozenset(_running)


def took(job_id: int) -> None:
    _running.add(job_id)
    _keep_beating()


def left(job_id: int) -> None:
    _running.discard(job_id)


_OTHERS = Statement(
    JobRow.select(JobRow.owner)
    .where((JobRow.status == "running") & (JobRow.owner != PARAM) & (JobRow.lease_until > 0))
    .distinct()
)


def free_the_dead() -> int:
    """Ends the leases of processes that no longer live, so that their jobs go on at once. Returns how many."""
    dead = [name for (name,) in _OTHERS.execute(me()).fetchall() if _is_dead(name)]
    if not dead:
        return 0
    with write():
        freed = JobRow.update(lease_until=0).where((JobRow.status == "running") & JobRow.owner.in_(dead)).execute()
    log.info("%s interrupted job(s) of a stopped process go on", freed)
    return int(freed)


def _is_dead(name: str) -> bool:
    file = folder.path() / folder.OWNERS_NAME / name
    if not file.exists():
        return True
    handle = folder.lock(file)
    if handle is None:
        return False
    file.unlink(missing_ok=True)
    handle.close()
    return True


def _keep_beating() -> None:
    global _beating
    with _guard:
        if _beating is None or not _beating.is_alive():
            _beating = threading.Thread(target=_beat, name="jobs-heartbeat", daemon=True)
            _beating.start()


def _beat() -> None:
    pause = threading.Event()
    while not pause.wait(BEAT):
        if _running and db.database:
            try:
                extend()
            except Exception:
                log.exception("the leases of running jobs could not be extended")


def extend() -> None:
    """Extends the leases of all jobs this process runs."""
    with write():
        JobRow.update(lease_until=clock.now() + LEASE).where(
            (JobRow.status == "running") & (JobRow.owner == me()) & JobRow.id.in_(list(_running))
        ).execute()
