"""The end of a record: out of the recycle bin for good, with everything that hangs on it.

Records stay in the bin for as many days as the company says; a nightly job removes older ones, a batch a transaction.
Higher rooms add what is theirs::

    @purging.also("customer")                       # or "*"
    def values(form: Form, ids: list[int]) -> None: …
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts import audit, permissions, users
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, jobs, schema, settings
from ..core.db import db, read, write
from ..core.errors import Forbidden
from . import catalog, comments, duplicates, query, sealing
from .catalog import Form
from .models import Change

BATCH = 200

Purge = Callable[[Form, list[int]], None]
_also: dict[str, list[Purge]] = defaultdict(list)

settings.declare(
    "company.bin_days", 30, _l("回收站保留天数"), "integer", least=1, most=3650,
    help=_l("删除的记录过了这么多天就彻底删除，不能再恢复。"),
)  # fmt: skip


def also(form_key: str) -> Callable[[Purge], Purge]:
    """Registers what else goes with the records of a form (``"*"``: of every form), inside the transaction."""

    def add(fn: Purge) -> Purge:
        _also[form_key].append(fn)
        return fn

    return add


@schema.seed
def timer() -> None:
    jobs.schedule("forms.bin", "50 3 * * *", "forms.bin")


def purge(form: Form, ids: list[int], actor: Actor) -> int:
    """Removes records that are in the recycle bin for good; returns how many. Raises Forbidden.

    Their Changes stay as proof that they were there, without any value.
    """
    if actor is not SYSTEM and not permissions.can(actor, "purge", form.key):
        raise Forbidden(_("彻底删除要有专门的权限。需要时请联系管理员。"))
    done = 0
    for start in range(0, len(ids), BATCH):
        with write():
            gone = sorted(query.visible_ids(form.key, ids[start : start + BATCH], actor, deleted=True))
            if gone:
                _remove(form, gone)
                audit.note("records.purged", {"form": form.key, "count": len(gone)}, actor)
            done += len(gone)
    return done


def _remove(form: Form, ids: list[int]) -> None:
    for f in form.links.values():
        f.purged(ids)  # type: ignore[attr-defined]
    for fn in (*_also[form.key], *_also["*"]):
        fn(form, ids)
    comments.purge(form.id, ids)
    duplicates.gone(form.id, ids)
    theirs = (Change.form_id == form.id) & Change.record_id.in_(ids)
    with sealing.opened(theirs):
        Change.update(fields={}).where(theirs).execute()
    if form.search_fields:
        index = peewee.Table(form.search_table).bind(db)
        index.delete().where(peewee.Column(index, "rowid").in_(ids)).execute()
    form.table.delete().where(form.col("id").in_(ids)).execute()


def _older(form: Form, before: int, after: int = 0) -> list[int]:
    """The next records that were deleted before a moment."""
    deleted = form.col("deleted_at")
    rows = form.table.select(form.col("id")).where(deleted.is_null(False), deleted < before, form.col("id") > after)
    with read():
        return [row[0] for row in rows.order_by(form.col("id")).limit(BATCH).tuples().execute(db)]


@jobs.handler("forms.bin", label=_l("清理回收站"))
def expire(job: jobs.Job) -> dict[str, int]:
    """Every night: what has been in the bin for longer than the company keeps it."""
    before = clock.now() - settings.get("company.bin_days") * clock.DAY
    done = 0
    for form in catalog.all():
        while ids := _older(form, before):
            done += purge(form, ids, SYSTEM)
            job.progress(done)
    return {"purged": done}


def empty(form: Form, actor: Actor) -> int:
    """Starts removing everything that the actor sees in the form's bin now; returns the job."""
    if not permissions.can(actor, "purge", form.key):
        raise Forbidden(_("彻底删除要有专门的权限。需要时请联系管理员。"))
    payload = {"form": form.key, "actor": actor.id, "before": clock.now() + 1}
    return jobs.enqueue("forms.empty_bin", payload, actor_id=actor.id, unique=f"forms.empty_bin:{form.key}:{actor.id}")


@jobs.handler("forms.empty_bin", label=_l("清空回收站"))
def empty_bin(job: jobs.Job) -> dict[str, int]:
    form, actor = catalog.get(job.payload["form"]), users.actor_of(job.payload["actor"])
    done, last = 0, 0
    while actor is not None and (ids := _older(form, job.payload["before"], last)):
        last = ids[-1]
        done += purge(form, ids, actor)
        job.progress(done)
    return {"purged": done}


def days_left(deleted_at: int) -> int:
    """Whole days until a record goes for good."""
    return max(0, settings.get("company.bin_days") - (clock.now() - deleted_at) // clock.DAY)
