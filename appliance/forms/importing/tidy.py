"""Files do not pile up: drafts nobody went on with, files of old imports and finished exports go at night."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from ...core import clock, files, jobs, schema, settings
from ...core.db import write
from ...core.jobs import Job
from ...core.models import JobRow
from . import sheets
from .models import Import, ImportFailure

DRAFT_DAYS = 7
EXPORT_DAYS = 2
EXPORTS = ["export", "privacy.export"]
"""Kinds of jobs whose result is a file for who asked."""

settings.declare("imports.keep_days", 90, _l("导入文件的保留天数"), "integer", least=1, most=3650)


@schema.seed
def timer() -> None:
    jobs.schedule("import.tidy", "20 4 * * *", "import.tidy")


@jobs.handler("import.tidy", label=_l("清理导入文件"))
def tidy(job: Job) -> dict[str, Any]:
    """Removes the files; what an import did, and that it can be undone, stays known."""
    now = clock.now()
    gone = 0
    for row in Import.select().where(Import.status == "draft", Import.created_at < now - DRAFT_DAYS * clock.DAY):
        job.check()
        if not sheets.shares_file(row):
            files.delete(row.file_id)
        with write():
            Import.delete().where(Import.id == row.id).execute()
        gone += 1
    kept = settings.get("imports.keep_days") * clock.DAY
    ended = (Import.status.not_in(["draft", "running", "undoing"])) & (Import.finished_at < now - kept)
    for row in Import.select().where(ended & (Import.files_kept == True)):  # noqa: E712
        job.check()
        for file_id in (None if sheets.shares_file(row) else row.file_id, row.errors_file):
            if file_id is not None:
                files.delete(file_id)
                gone += 1
        with write():
            ImportFailure.delete().where(ImportFailure.import_id == row.id).execute()
            Import.update(files_kept=False, errors_file=None).where(Import.id == row.id).execute()
    return {"import_files_removed": gone + _exports(job, now - EXPORT_DAYS * clock.DAY)}


def _exports(job: Job, before: int) -> int:
    """Files of exports that had time to be fetched."""
    gone = 0
    for row in JobRow.select().where(JobRow.kind.in_(EXPORTS), JobRow.status == "done", JobRow.finished_at < before):
        job.check()
        if row.result and row.result.get("file_id"):
            files.delete(row.result["file_id"])
            with write():
                JobRow.update(result=row.result | {"file_id": None}).where(JobRow.id == row.id).execute()
            gone += 1
    return gone
