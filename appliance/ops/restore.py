"""Puts a backup in the place of the database: verified before, the old one kept aside, never half done."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from pathlib import Path

from flask_babel import gettext as _

from ..core import clock, folder, secrets, snapshot
from ..core.db import FILE_NAME, close_database
from ..core.errors import UserError
from . import backup, server

log = logging.getLogger(__name__)

_LOG_FILES = (f"{FILE_NAME}-wal", f"{FILE_NAME}-shm")


def restore(file: Path, data: Path, *, force: bool) -> Path | None:
    """Replaces the database of ``data``. Returns the folder in which the old one lies aside, if there was one.

    Raises :class:`UserError` when ``file`` is no intact backup, when a database is there and ``force`` is not, or when
    a server runs on it.
    """
    if folder.holds_database(data) and not force:
        raise UserError(
            _("目录 %(data)s 中已有数据库。确认要替换时请加 --force；原数据库会另存，不会丢失。", data=str(data))
        )
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.closing(server.hold(data)), tempfile.TemporaryDirectory(dir=data, prefix=".restore-") as room:
        staged, key = backup.unpack(file, Path(room))
        if key is not None:
            secrets.parse_keys(key)
        folder.fsync(staged)
        close_database()
        aside = _keep_aside(data) if folder.holds_database(data) else None
        os.replace(staged, data / FILE_NAME)
        if key is not None:
            _put_key(data, key)
        for part in data.glob(folder.QUEUE_NAME + "*"):
            part.unlink()
        folder.fsync(data)
    secrets.forget()
    log.info("restored %s; the database before is in %s", file, aside)
    return aside


def _keep_aside(data: Path) -> Path:
    """Leaves the old database complete in a folder of its own; the file itself stays until it is replaced."""
    # The log must not be taken for the restored database's.
    snapshot.fold(data / FILE_NAME)
    stamp = f"replaced-{clock.now()}"
    aside = data / stamp
    number = 1
    while aside.exists():
        number += 1
        aside = data / f"{stamp}-{number}"
    aside.mkdir(mode=0o700)
    for name in _LOG_FILES:
        with contextlib.suppress(FileNotFoundError):
            os.replace(data / name, aside / name)
    os.link(data / FILE_NAME, aside / FILE_NAME)
    if (data / folder.KEY_NAME).exists():
        os.link(data / folder.KEY_NAME, aside / folder.KEY_NAME)
    folder.fsync(aside)
    return aside


def _put_key(data: Path, key: bytes) -> None:
    part = data / f".{folder.KEY_NAME}.part"
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(key)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, data / folder.KEY_NAME)
