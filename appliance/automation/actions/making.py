"""Records that actions make for other records: each once an occurrence, and taken back with their cause."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts.actor import Actor
from ...core import clock, dialect, jobs, schema
from ...core.db import insert_rows, write
from ...core.jobs import Job
from ...forms import records, reversing
from ...forms.catalog import Form
from ...forms.hooks import Cause
from ..models import Made
from .base import Effect, Work

KEPT = 400 * clock.DAY
"""How long it is known that a record was made: longer than a year, the longest occurrence."""
BATCH = 1000


def key_of(work: Work, record_id: int) -> str:
    """The name of one effect of one action on one record, for ever."""
    subject = work.subject or work.cause.kind
    cycle = work.cycle_of(record_id) or f"{work.cause.kind}.{work.cause.id}"
    return f"{subject}:{work.slot}:{work.form.key}:{record_id}:{cycle}"


def fresh(ids: list[int], work: Work) -> list[int]:
    """The records for which this occurrence has made nothing yet."""
    keys = {i: key_of(work, i) for i in ids}
    known = {key for (key,) in Made.select(Made.key).where(dialect.among(Made.key, list(keys.values()))).tuples()}
    return [i for i in ids if keys[i] not in known]


def make(form: Form, rows: dict[int, dict[str, Any]], work: Work) -> Effect:
    """Makes a record of ``form`` for each record of ``rows``, with its values; inside ``write()``."""
    effect = Effect()
    new_ones = fresh(list(rows), work)
    effect.skipped |= {i: _("这次已经建过了。") for i in rows.keys() - set(new_ones)}
    for start in range(0, len(new_ones), BATCH):
        part = new_ones[start : start + BATCH]
        written = records.create_many(form, [rows[i] for i in part], work.actor, work.cause)
        effect.failed |= {part[n]: _("；").join(errors.values()) for n, errors in written.errors.items()}
        made = [
            {"key": key_of(work, i), "form_id": form.id, "record_id": new, "at": work.now, "cause_kind": work.cause.kind,
             "cause_id": work.cause.id}
            for i, new in zip(part, written.ids, strict=True) if new is not None
        ]  # fmt: skip
        insert_rows(Made, made)
        effect.changed |= {i for i, new in zip(part, written.ids, strict=True) if new is not None}
    return effect


@reversing.ledger
class Makings(reversing.Ledger):
    """Once a cause is taken back, the next time may make its records again; the records themselves stand in the Changes."""

    def holds(self, kind: str, cause_id: int) -> bool:
        return False

    def take_back(self, kind: str, cause_id: int, limit: int, actor: Actor, cause: Cause) -> tuple[int, int]:
        Made.delete().where((Made.cause_kind == kind) & (Made.cause_id == cause_id)).execute()
        return 0, 0


@schema.seed
def timer() -> None:
    jobs.schedule("automation.made", "50 4 * * *", "automation.made")


@jobs.handler("automation.made", label=_l("清理动作的去重记录"))
def purge(job: Job) -> dict[str, Any]:
    """Forgets what was made long ago."""
    while True:
        with write():
            old = Made.select(Made.key).where(Made.at < clock.now() - KEPT).limit(BATCH)
            if not Made.delete().where(Made.key.in_(old)).execute():
                return {}
        job.check()
