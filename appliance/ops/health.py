"""Whether the appliance is well: database, workers; and the figures of the system page."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import peewee
from msgspec import Struct
from peewee import fn

from .. import __version__
from ..core import folder
from ..core.db import FILE_NAME, read
from ..core.models import JobRow, Setting

if TYPE_CHECKING:
    from ..core.jobs.doorbell import Doorbell

_started = time.monotonic()
_bell: Doorbell | None = None

LEAST_FREE = 200 * 1024 * 1024
"""Bytes of free disk below which the system page warns."""


def watch(bell: Doorbell) -> None:
    """Makes the workers of this process part of its health."""
    global _bell
    _bell = bell


def problems() -> list[str]:
    """Which parts are not well: ``database``, ``workers``. A process without workers is not judged by them."""
    found = []
    try:
        with read():
            Setting.select(fn.COUNT(Setting.key)).scalar()
    except (peewee.PeeweeException, sqlite3.Error):
        found.append("database")
    if _bell is not None and not _bell.alive():
        found.append("workers")
    return found


class Figures(Struct, frozen=True):
    """Bytes, seconds and counts of this process and its data folder."""

    version: str
    database: int
    log: int
    memory: int
    free: int
    uptime: int
    workers: int
    queued: int
    running: int

    @property
    def disk_is_short(self) -> bool:
        return self.free < max(LEAST_FREE, 2 * self.database)


def figures() -> Figures:
    data = folder.path()
    with read():
        counts = dict(
            JobRow.select(JobRow.status, fn.COUNT(JobRow.id))
            .where(JobRow.status.in_(["queued", "running"]))
            .group_by(JobRow.status)
            .tuples()
        )
    return Figures(
        version=__version__,
        database=_size(data / FILE_NAME),
        log=_size(data / f"{FILE_NAME}-wal"),
        memory=memory(),
        free=shutil.disk_usage(data).free,
        uptime=int(time.monotonic() - _started),
        workers=_bell.workers if _bell else 0,
        queued=counts.get("queued", 0),
        running=counts.get("running", 0),
    )


def memory() -> int:
    """Resident bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
