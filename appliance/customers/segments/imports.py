"""Static lists from imports: whom a file brought or changed."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts.actor import Actor
from ...core import clock, jobs, settings
from ...core.db import read, write
from ...core.errors import NotFound
from ...core.jobs import Job
from ...forms import catalog
from ...forms.importing.models import Import
from ...forms.models import Change
from . import lists

KIND = "segments.copy_import"
RECENT = 20


def recent(actor: Actor) -> list[tuple[int, str]]:
    """``(id, name)`` of the last imports of customers."""
    form = catalog.get("customer")
    with read():
        rows = list(
            Import.select()
            .where(Import.form == form.key, Import.status == "done")
            .order_by(Import.id.desc())
            .limit(RECENT)
        )
    out = []
    for row in rows:
        if not actor.is_admin and row.actor_id != actor.id:
            continue
        at = clock.local(row.created_at, settings.tz()).strftime("%m-%d %H:%M")
        out.append((row.id, f"{row.file_name} · {at}"))
    return out


def copy(key: str, import_id: int, actor: Actor) -> int:
    """Puts the customers of an import into the list, as a job. Raises NotFound, and as :func:`lists.add`."""
    segment = lists.static(key, actor)
    if import_id not in {one for one, _name in recent(actor)}:
        raise NotFound(_("没有找到这次导入。"))
    payload = {"into": segment.id, "import": import_id, "actor": actor.id}
    return jobs.enqueue(KIND, payload, actor_id=actor.id)


@jobs.handler(KIND, label=_l("把导入的客户加入名单"))
def copy_job(job: Job) -> dict[str, Any]:
    form = catalog.get("customer")
    state = job.state or {"after": 0, "added": 0}
    while True:
        with read():
            mine = (
                (Change.cause_kind == "import") & (Change.cause_id == job.payload["import"]) & (Change.form_id == form.id)
                & Change.action.in_(["create", "update"]) & (Change.id > state["after"])
            )  # fmt: skip
            rows = list(
                Change.select(Change.id, Change.record_id).where(mine).order_by(Change.id).limit(lists.BATCH).tuples()
            )
        if not rows:
            return {"added": state["added"]}
        with write():
            added = lists.put(job.payload["into"], {record for _id, record in rows}, job.payload["actor"])
            state = {"after": rows[-1][0], "added": state["added"] + added}
            job.save_state(state)
        job.progress(state["added"])
