"""Entries: records of the form ``consent_entry``, written by hand, by the API or brought in files. Each is a line of what its
customer agreed to; the line goes and comes back with it, so that an import is taken back like any other.
"""

from __future__ import annotations

from flask_babel import gettext as _

from ..core import clock, dialect
from ..core.db import db
from ..forms.hooks import Batch, Draft, after_write, before_write
from . import consents
from .models import Consent

SAID = ("purpose", "channel", "state", "at", "source", "evidence")


@before_write("consent_entry")
def make_sense(draft: Draft) -> None:
    """An entry is about a purpose that the company asks for, and of the past."""
    known = consents.purposes()
    named = {label: key for key, label in known.items()}
    purposes = draft.columns.get("purpose", [])
    for i, purpose in enumerate(purposes):
        if isinstance(purpose, str) and purpose not in known:
            if purpose in named:
                purposes[i] = named[purpose]
            else:
                draft.fail(i, "purpose", _("没有这个用途，可选：%(all)s。", all=_("、").join(known.values())))
    latest = clock.now() + clock.DAY
    for i, at in enumerate(draft.columns.get("at", [])):
        if isinstance(at, int) and at > latest:
            draft.fail(i, "at", _("时间不能在将来。"))
    for i, source in enumerate(draft.columns.get("source", [])):
        if isinstance(source, str) and len(source) > consents.LONGEST["source"]:
            draft.fail(i, "source", _("请写明是怎么得知的，最多 %(max)d 个字。", max=consents.LONGEST["source"]))


@after_write("consent_entry")
def entries_written(batch: Batch) -> None:
    """After entries were written: what stands for their customers is as they say."""
    # Whom a merge moves entries to has their lines by the merge itself (``consents.Consents``).
    if batch.action == "update" and not batch.fields & set(SAID):
        return
    mine = dialect.among(Consent.entry_id, batch.ids)
    touched = {customer for (customer,) in Consent.select(Consent.customer_id).where(mine).distinct().tuples()}
    # Nothing is changed: what was said differently is void, and a new line says it.
    Consent.update(void=True).where(mine).execute()
    if batch.action != "delete":
        touched |= _say(batch)
    consents.tell(*touched)


def _say(batch: Batch) -> set[int]:
    """Writes the lines of entries, and says whom they are of."""
    form = batch.form
    columns = [form.col("id"), form.col("customer"), *(form.col(key) for key in SAID)]
    rows = form.table.select(*columns).where(dialect.among(form.col("id"), batch.ids)).tuples().execute(db)
    unsaid = batch.cause.kind if batch.cause.kind in ("api", "import") else "other"
    lines = [
        {"entry_id": entry_id, "customer_id": customer, "actor_id": batch.actor.id}
        | dict(zip(SAID, said, strict=True))
        | {"source": said[4] or unsaid, "evidence": said[5] or ""}
        for entry_id, customer, *said in rows
        if customer is not None
    ]
    if lines:
        Consent.insert_many(lines).execute()
    return {line["customer_id"] for line in lines}
