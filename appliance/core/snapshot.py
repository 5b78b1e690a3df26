"""The database as a file: a consistent copy taken while writing goes on, and whether a file is whole."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from flask_babel import gettext as _

from . import folder
from .db import db, read
from .errors import UserError
from .models import SchemaVersion


def take(target: Path) -> int:
    """Copies the open database to ``target`` and verifies the copy before it gets its name. Returns its bytes.

    One step of the backup interface takes all pages: with smaller steps every foreign write would start it over.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with read(), closing(sqlite3.connect(part)) as copy:
            os.chmod(part, 0o600)
            db.connection().backup(copy, pages=-1)
            # The copy must be whole in one file, wherever it is opened.
            copy.execute("PRAGMA journal_mode=delete")
        version(part)
        folder.fsync(part)
        size = part.stat().st_size
        os.replace(part, target)
    except sqlite3.Error as e:
        raise UserError(_("备份未完成：%(why)s。请检查目标位置的空间和权限。", why=str(e))) from e
    finally:
        part.unlink(missing_ok=True)
    folder.fsync(target.parent)
    return size


def damage(file: Path) -> list[str]:
    """What is broken in a database file, in SQLite's words; empty when it is whole."""
    try:
        with closing(sqlite3.connect(file)) as opened:
            return [row[0] for row in opened.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    except sqlite3.DatabaseError as e:
        return [str(e)]


def astray(file: Path) -> list[tuple[str, int, str]]:
    """References to rows that do not exist: ``(table, row, table referred to)``."""
    with closing(sqlite3.connect(file)) as opened:
        return [(table, row, parent) for table, row, parent, _key in opened.execute("PRAGMA foreign_key_check")]


def fold(file: Path) -> None:
    """Folds the write-ahead log into a database that nobody has open, as far as the file can still be read."""
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def version(file: Path, name: str | None = None) -> int:
    """The schema version of an intact Guke database that nobody has open. Raises :class:`UserError` for anything else.

    ``name``: what people call the file, when it is a copy.
    """
    name = name or file.name
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
            problems = [row[0] for row in copy.execute("PRAGMA integrity_check")]
            if problems != ["ok"]:
                raise UserError(_("文件 %(name)s 已损坏，不能使用。", name=name))
            query, params = SchemaVersion.select(SchemaVersion.number).order_by(SchemaVersion.number.desc()).sql()
            row = copy.execute(query, params).fetchone()
    except sqlite3.DatabaseError:
        raise UserError(_("文件 %(name)s 不是固客的备份，请选择由固客生成的备份文件。", name=name)) from None
    if row is None:
        raise UserError(_("文件 %(name)s 不是固客的备份，请选择由固客生成的备份文件。", name=name))
    return int(row[0])
