"""Files on their way into records: held for who sent them, taken in when a record is saved, cleared away when nothing
holds them any more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, files, filetypes, jobs, schema, settings
from ..core.db import write
from ..core.errors import NotFound, UserError
from .file_models import RecordFile, Upload

HELD = clock.DAY
"""Seconds that a file waits for its record."""
KEPT = 30 * clock.DAY
"""Seconds that a file taken out of a record can still be put back."""

settings.declare(
    "company.file_limit_mb", 50, _l("上传文件的大小上限（MB）"), "integer", least=1, most=200,
    help=_l("每个文件。字段可以另设更小的上限。"),
)  # fmt: skip


def hold(stream: IO[bytes], name: str, actor: Actor, limit_mb: int | None = None) -> files.File:
    """Stores what somebody sent, for a record that is saved later. Raises UserError when it is too big or empty."""
    most = min(limit_mb or 10_000, settings.get("company.file_limit_mb"))
    source = _Measured(stream, most << 20)
    head = source.read(filetypes.HEAD)
    if not head:
        raise UserError(_("“%(name)s”是空文件。", name=name), "file")
    source.push(head)
    try:
        file_id = files.save(source, name, filetypes.sniff(head), actor.id)  # type: ignore[arg-type]
    except _TooBig:
        # What is stored of it by now is an unfinished file, which the upkeep removes.
        raise UserError(_("“%(name)s”超过了 %(max)d MB。", name=name, max=most), "file") from None
    with write():
        Upload.insert(file_id=file_id, actor_id=actor.id, created_at=clock.now()).execute()
    return files.get(file_id)


class _TooBig(Exception):
    pass


class _Measured:
    """A stream that stops when more comes than is allowed."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self.stream, self.left, self.first = stream, most, b""

    def push(self, head: bytes) -> None:
        self.first = head
        self.left += len(head)

    def read(self, size: int) -> bytes:
        block, self.first = self.first, b""
        block += self.stream.read(size - len(block))
        self.left -= len(block)
        if self.left < 0:
            raise _TooBig
        return block


def of_owner(file_ids: Iterable[int], actor: Actor) -> dict[int, files.File]:
    """Those of the files that wait for a record and are the actor's own."""
    query = Upload.select(Upload.file_id).where(dialect.among(Upload.file_id, list(file_ids)))
    if actor is not SYSTEM:
        query = query.where(Upload.actor_id == actor.id)
    found = {}
    for (file_id,) in query.tuples():
        found[file_id] = files.get(file_id)
    return found


def get(file_id: int, actor: Actor) -> files.File:
    """A file that waits for its record, for who sent it. Raises NotFound."""
    found = of_owner([file_id], actor)
    if not found:
        raise NotFound()
    return found[file_id]


def taken(file_ids: Iterable[int]) -> None:
    """The files are in a record now."""
    Upload.delete().where(dialect.among(Upload.file_id, list(file_ids))).execute()


def forget(removed: Any) -> int:
    """Drops the entries of ``record_file`` that the condition selects, and the files that no record holds then."""
    with write():
        ids = [file_id for (file_id,) in RecordFile.select(RecordFile.file_id).where(removed).tuples()]
        RecordFile.delete().where(removed).execute()
    return _delete_unheld(ids)


def _delete_unheld(file_ids: list[int]) -> int:
    held = {
        file_id
        for model in (RecordFile, Upload)
        for (file_id,) in model.select(model.file_id).where(dialect.among(model.file_id, file_ids)).tuples()
    }
    gone = [file_id for file_id in dict.fromkeys(file_ids) if file_id not in held]
    for file_id in gone:
        files.delete(file_id)
    return len(gone)


@jobs.handler("forms.files", label=_l("清理没有用上的文件"))
def sweep(job: Any) -> dict[str, int]:
    """Removes uploads that nobody saved with a record, and files that were taken out long ago."""
    now = clock.now()
    old = [i for (i,) in Upload.select(Upload.file_id).where(Upload.created_at < now - HELD).tuples()]
    with write():
        taken(old)
    gone = _delete_unheld(old)
    return {"files_removed": gone + forget(RecordFile.removed_at < now - KEPT)}


@schema.seed
def timer() -> None:
    jobs.schedule("forms.files", "10 4 * * *", "forms.files", {}, catch_up="once")
