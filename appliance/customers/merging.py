"""Merging two tags: whoever holds the one holds the other in its place."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts import users
from ..accounts.actor import SYSTEM, Actor
from ..core import jobs
from ..core.errors import UserError
from ..core.jobs import Job
from ..forms.hooks import Cause
from . import tagging, tags
from .models import CustomerTag, Tag


def ask(tag_id: int, into: int, actor: Actor) -> int:
    """Starts merging the tag into another. Returns the job. Raises UserError for the same tag, NotFound."""
    if tag_id == into:
        raise UserError(_("请选择另一个标签。"), "into")
    tags.tag_by_id(tag_id), tags.tag_by_id(into)
    return jobs.enqueue("tags.merge", {"tag": tag_id, "into": into}, actor_id=actor.id, unique=f"tags.merge:{tag_id}")


@jobs.handler("tags.merge", label=_l("合并标签"))
def merge(job: Job) -> dict[str, Any]:
    """Each batch is a transaction; run again after a crash it finds only those who are left."""
    old, new = tags.tag_by_id(job.payload["tag"]), tags.tag_by_id(job.payload["into"])
    actor = (users.actor_of(job.actor_id) if job.actor_id else None) or SYSTEM
    cause = Cause("user")
    total = CustomerTag.select().where(CustomerTag.tag_id == old.id).count()
    moved = 0
    while batch := _holders(old):
        tagging.add_to(new, batch, actor, cause)
        tagging.take_from(old, batch, actor, cause)
        moved += len(batch)
        job.progress(moved, total)
        if set(_holders(old)) & set(batch):
            raise UserError(_("有些客户您不能修改，合并停在半途；请让管理员来合并。"))
    tags.delete(old.id)
    return {"tags_moved": moved}


def _holders(tag: Tag) -> list[int]:
    rows = CustomerTag.select(CustomerTag.customer_id).where(CustomerTag.tag_id == tag.id).limit(tagging.BATCH)
    return [row[0] for row in rows.tuples()]
