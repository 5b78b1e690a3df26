"""Files in the database, in chunks: one backup holds everything, and a big file never holds the write lock long."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from msgspec import Struct

from . import clock, db
from .errors import NotFound
from .models import FileChunk, FileRow, ThumbnailRow

CHUNK = 256 * 1024
AT_ONCE = 4
"""Chunks a write transaction."""

UNFINISHED = clock.DAY
"""Seconds after which a file that was never completed is removed."""


class File(Struct, frozen=True):
    """``size`` in bytes, ``created_at`` in UTC seconds."""

    id: int
    name: str
    mime: str
    size: int
    sha256: str
    actor_id: int | None
    created_at: int


def save(content: IO[bytes] | bytes, name: str, mime: str | None = None, actor_id: int | None = None) -> int:
    """Stores a file and returns its id. ``mime`` defaults to what the name suggests."""
    stream = io.BytesIO(content) if isinstance(content, bytes) else content
    name = _clean(name)
    digest = hashlib.sha256()
    size = number = 0
    with db.write():
        file_id = int(
            FileRow.insert(
                name=name,
                mime=mime or mimetypes.guess_type(name)[0] or "application/octet-stream",
                actor_id=actor_id,
                created_at=clock.now(),
            ).execute()
        )
    while block := stream.read(CHUNK * AT_ONCE):
        digest.update(block)
        size += len(block)
        parts = [block[i : i + CHUNK] for i in range(0, len(block), CHUNK)]
        rows = [{"file_id": file_id, "number": number + i, "data": part} for i, part in enumerate(parts)]
        number += len(rows)
        with db.write():
            FileChunk.insert_many(rows).execute()
    with db.write():
        FileRow.update(size=size, sha256=digest.hexdigest()).where(FileRow.id == file_id).execute()
    return file_id


def get(file_id: int) -> File:
    """What is known about a file. Raises :class:`NotFound`."""
    with db.read():
        row = FileRow.get_or_none((FileRow.id == file_id) & FileRow.size.is_null(False))
    if row is None:
        raise NotFound()
    return File(row.id, row.name, row.mime, row.size, row.sha256, row.actor_id, row.created_at)


def chunks(file_id: int) -> Iterator[bytes]:
    """The content in pieces of at most :data:`CHUNK` bytes; no transaction stays open between them."""
    get(file_id)
    number = 0
    while True:
        with db.read():
            query = FileChunk.select(FileChunk.data).where(
                (FileChunk.file_id == file_id) & (FileChunk.number == number)
            )
            data = query.scalar()
        if data is None:
            return
        yield bytes(data)
        number += 1


def read(file_id: int) -> bytes:
    """The whole content in memory; for files known to be small."""
    return b"".join(chunks(file_id))


@contextmanager
def open_temp(file_id: int) -> Iterator[Path]:
    """A private copy on disk for the block, with the file's own suffix (child processes read it)."""
    known = get(file_id)
    handle, path = tempfile.mkstemp(prefix="guke-", suffix=Path(known.name).suffix)
    try:
        with os.fdopen(handle, "wb") as out:
            out.writelines(chunks(file_id))
        yield Path(path)
    finally:
        Path(path).unlink(missing_ok=True)


def delete(file_id: int) -> None:
    """Removes a file; one that is gone already is no error."""
    with db.write():
        FileChunk.delete().where(FileChunk.file_id == file_id).execute()
        ThumbnailRow.delete().where(ThumbnailRow.file_id == file_id).execute()
        FileRow.delete().where(FileRow.id == file_id).execute()


def prune() -> int:
    """Removes what uploads and crashes left unfinished. Returns how many files."""
    with db.read():
        stray = (FileRow.size.is_null()) & (FileRow.created_at < clock.now() - UNFINISHED)
        old = [file_id for (file_id,) in FileRow.select(FileRow.id).where(stray).tuples()]
    for file_id in old:
        delete(file_id)
    return len(old)


def _clean(name: str) -> str:
    """The bare name: no folders, no control characters, at most 200 characters, the suffix kept."""
    bare = "".join(c for c in name.replace("\\", "/").rsplit("/", 1)[-1] if c.isprintable()).strip(". ")
    stem, dot, suffix = bare.rpartition(".")
    if len(bare) > 200 and dot and len(suffix) <= 10:
        return f"{stem[: 199 - len(suffix)]}.{suffix}"
    return bare[:200] or "file"
