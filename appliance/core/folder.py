"""The data folder: what lies in it and who holds it. Everything a company owns is in here."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from .db import FILE_NAME, db

KEY_NAME = "guke.key"
QUEUE_NAME = "queue.db"
LOCK_NAME = "guke.lock"
OWNERS_NAME = "run"
CACHE_NAME = "cache"
"""Compiled templates. It may be deleted at any time."""


def path() -> Path:
    """The folder of the database that is open."""
    if not db.database:
        raise RuntimeError("no database is open")
    return Path(db.database).parent


def holds_database(data: Path) -> bool:
    return (data / FILE_NAME).exists()


def lock(file: Path) -> IO[bytes] | None:
    """An exclusive lock that the kernel gives back when this process dies; ``None`` when another holds it.

    Keep the returned file open as long as the lock is wanted.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b", buffering=0)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def fsync(file: Path) -> None:
    """Makes a file, or a folder's entries, survive a power cut."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
