"""The background jobs of an import: check the whole file, carry the import out."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from flask_babel import lazy_gettext as _l

from ...core import clock, jobs
from ...core.db import write
from ...core.errors import UserError
from ...core.i18n import speaking
from ...core.jobs import Job, JobCancelled
from .. import catalog
from ..hooks import Cause
from . import imports, mapping, sheets
from . import plan as plans
from .models import Import, ImportFailure
from .plan import Facts, Plan
from .writing import Counts, Parsed, Writer


@jobs.handler("import", label=_l("导入"))
def run(job: Job) -> dict[str, Any]:
    """Each batch is one transaction: rows, failures, counts and the row reached. A crash repeats no batch."""
    row = imports.get(job.payload["import_id"])
    with speaking(job.payload.get("locale")):
        try:
            counts = _carry_out(job, row)
        except JobCancelled:
            _finish(job, row, "cancelled", Counts.open((job.state or {}).get("counts")))
            raise
        except UserError as error:
            _finish(job, row, "failed", Counts.open((job.state or {}).get("counts")), error.message)
            raise
        _finish(job, row, "done", counts)
    return {"rows_imported": counts.created + counts.updated}


def _carry_out(job: Job, row: Import) -> Counts:
    form, facts, plan = catalog.get(row.form), Facts.open(row.facts), Plan.open(row.plan)
    actor = imports.actor_of(row)
    all_targets = mapping.targets(form, actor)
    state = job.state or {"row": 0, "counts": {}}
    counts = Counts.open(state["counts"])
    writer = Writer(form, plan, all_targets, actor, Cause("import", row.id), counts)
    total = max(facts.height - sum(facts.header), 0) or None
    asked = plans.request(facts, plan, all_targets, start=state["row"])
    with imports.reading(row) as reader, closing(reader.ask("parse", **asked)) as frames:
        for kind, payload in frames:
            if kind == "batch":
                batch = Parsed(payload["numbers"], payload["columns"], payload["errors"])
                _write_batch(job, row, writer, batch)
                job.progress(counts.rows, total)
            elif kind == "end":
                counts.blank, counts.summary = payload["blank"], payload["summary"]
    return counts


def _write_batch(job: Job, row: Import, writer: Writer, batch: Parsed) -> None:
    last = batch.numbers[-1]
    with write():
        writer.write(batch)
        if writer.failures:
            ImportFailure.insert_many(
                [(row.id, number, reason) for number, reason in sorted(writer.failures)],
                fields=[ImportFailure.import_id, ImportFailure.row, ImportFailure.reason],
            ).execute()
        job.save_state({"row": last, "counts": writer.counts.document()})


def _finish(job: Job, row: Import, status: str, counts: Counts, error: str | None = None) -> None:
    errors_file = row.errors_file or imports.write_errors(row)
    counts.related, counts.children = imports.made_along(row)
    with write():
        Import.update(
            status=status, counts=counts.document(), errors_file=errors_file, error=error, finished_at=clock.now()
        ).where(Import.id == row.id).execute()
        sheets.go_on(row, status)


@jobs.handler("import.check", label=_l("检查导入文件"))
def check(job: Job) -> dict[str, Any]:
    """Counts the bad cells of each column over the whole file; writes no record."""
    row = imports.get(job.payload["import_id"])
    form, facts, plan = catalog.get(row.form), Facts.open(row.facts), Plan.open(row.plan)
    actor = imports.actor_of(row)
    total = max(facts.height - sum(facts.header), 0) or None
    with speaking(job.payload.get("locale")):
        asked = plans.request(facts, plan, mapping.targets(form, actor))
        with imports.reading(row) as reader, closing(reader.ask("check", **asked)) as frames:
            for kind, payload in frames:
                if kind == "progress":
                    job.progress(payload, total)
                else:
                    found = payload
    with write():
        # Only if nobody decided otherwise meanwhile.
        Import.update(checked=found).where((Import.id == row.id) & (Import.check_job == job.id)).execute()
    return {}
