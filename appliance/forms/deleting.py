"""Moving many records to the recycle bin, and back: a few at once, more as a job. Both can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from ..core import jobs
from ..core.db import write
from . import bulk_actions, records
from .bulk_actions import Outcome, Selection
from .hooks import Cause
from .models import Change

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ..accounts.actor import Actor
    from .catalog import Form

AT_ONCE = 200


@bulk_actions.action("delete", _l("删除"), "trash", right="delete", order=900)
class Delete(bulk_actions.BulkAction):
    """Built in, and the example for the others."""

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        count = selection.count()
        if count > AT_ONCE:
            job = jobs.enqueue("forms.delete", selection.document(), actor_id=selection.actor.id)
            return Outcome(_("正在删除 %(count)s 条记录…", count=f"{count:,}"), job=job)
        ids = [i for batch in selection.batches(AT_ONCE) for i in batch]
        gone = records.delete_many(selection.form, ids, selection.actor)
        undo = url_for("forms.restore_many", form_key=selection.form.key, ids=",".join(map(str, sorted(gone))))
        return Outcome(deleted_words(len(gone)), undo)


def deleted_words(count: int) -> str:
    return ngettext("已将 %(num)d 条记录移到回收站", "已将 %(num)d 条记录移到回收站", count)


def restored_words(count: int) -> str:
    return ngettext("已恢复 %(num)d 条记录", "已恢复 %(num)d 条记录", count)


@jobs.handler("forms.delete", label=_l("删除记录"))
def delete_selection(job: jobs.Job) -> dict[str, Any]:
    """Deletes what is selected, a batch a transaction. The Changes name the job, so that it can be taken back."""
    selection = Selection.open(job.payload)
    total, done = selection.count(), 0
    for ids in selection.batches():
        gone = records.delete_many(selection.form, ids, selection.actor, Cause("bulk", job.id))
        done += len(gone)
        job.progress(done, max(total, done))
    return {"deleted": done}


@jobs.handler("forms.undelete", label=_l("恢复记录"))
def undelete(job: jobs.Job) -> dict[str, Any]:
    """Takes back what the job ``of`` deleted, as far as it is still in the recycle bin."""
    selection = Selection.open(job.payload)
    form, actor = selection.form, selection.actor
    last, back = 0, 0
    while True:
        rows = (
            Change.select(Change.record_id)
            .where(
                Change.cause_kind == "bulk", Change.cause_id == job.payload["of"], Change.action == "delete",
                Change.record_id > last,
            ).order_by(Change.record_id).limit(bulk_actions.BATCH).tuples()
        )  # fmt: skip
        ids = [row[0] for row in rows]
        if not ids:
            return {"restored": back}
        last = ids[-1]
        back += len(records.restore_many(form, ids, actor, Cause("undo", job.id)).changed)
        job.progress(back)


def restore(form: Form, ids: list[int], actor: Actor) -> records.Written:
    """Takes records out of the recycle bin."""
    with write():
        return records.restore_many(form, ids, actor, Cause("undo"))
