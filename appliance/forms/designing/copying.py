"""Another form like one there is, with its records if wanted."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts import permissions, users
from ...accounts.actor import SYSTEM, Actor
from ...core import jobs
from ...core.db import write
from ...core.errors import UserError
from .. import catalog, query, records
from ..catalog import Form
from ..hooks import Cause

BATCH = 500
Doc = dict[str, Any]


def document(form: Form, key: str, label: Any) -> Doc:
    """The definition of ``form`` under another key: nothing in it belongs to Guke any more."""
    doc = {name: value for name, value in form.document().items() if name != "system"} | {"key": key, "label": label}
    doc["fields"] = [_field(f.spec.document(), form.key, key) for f in form.fields.values() if f.only_forms is None]
    left = {f["key"] for f in doc["fields"]}
    for name in ("search", "columns"):
        if name in doc:
            doc[name] = [k for k in doc[name] if k in left or k in catalog.SYSTEM_FIELDS]
    if "layout" in doc:
        _leave_out(doc["layout"], left)
    return doc


def _field(doc: Doc, old: str, new: str) -> Doc:
    doc = {name: value for name, value in doc.items() if name not in ("system", "readonly")}
    if doc.get("form") == old and doc["type"] in ("relation", "relations"):
        # A form that points at itself: the copy points at the copy.
        doc["form"] = new
    return doc


def _leave_out(layout: Doc, left: set[str]) -> None:
    for tab in layout["tabs"]:
        for section in tab["sections"]:
            section["fields"] = [k for k in section["fields"] if k in left or k in catalog.SYSTEM_FIELDS]
    if "hidden" in layout:
        layout["hidden"] = [k for k in layout["hidden"] if k in left]


def copy(form: Form, key: str, label: Any, actor: Actor, with_records: bool = False) -> Form:
    """Makes the copy at once; its records come by a job. Raises UserError, Forbidden."""
    permissions.demand(actor, "design", form.key)
    permissions.demand(actor, "design", key)
    if with_records and not (permissions.can(actor, "see", form.key) and permissions.can(actor, "create", key)):
        raise UserError(_("您没有查看原表单记录或在新表单里新建记录的权限，只能复制结构。"))
    with write():
        made = catalog.create_form(document(form, key, label), actor)
        if with_records:
            jobs.enqueue(
                "forms.copy", {"from": form.key, "to": made.key, "actor": actor.id}, actor_id=actor.id
            )  # fmt: skip
    return made


@jobs.handler("forms.copy", heavy=True, label=_l("复制表单的记录"))
def copy_records(job: jobs.Job) -> dict[str, Any]:
    """Copies the records that the person sees, a batch a transaction. Links of a form to itself are made at the end."""
    actor = SYSTEM if job.payload["actor"] is None else users.actor_of(job.payload["actor"])
    if actor is None:
        raise UserError(_("发起复制的人已停用，复制没有继续。"))
    source, target = catalog.get(job.payload["from"]), catalog.get(job.payload["to"])
    state = job.state or {"after": 0, "done": 0, "failed": 0}
    keys = [
        key
        for key, f in target.fields.items()
        if key in source.fields and not f.readonly and not f.computed and f.group != "file" and f.addable
        and not (f.options.get("form") == target.key and f.group == "relation")
    ]  # fmt: skip
    total = query.Query(source, actor).count()
    while True:
        page = query.Query(source, actor).where(
            {"field": "id", "op": "gt", "value": state["after"]}
        ).sort("id").page(limit=BATCH, fields=keys)  # fmt: skip
        if not page.records:
            return {"copied": state["done"], "failed": state["failed"]}
        rows = [{k: v for k in keys if (v := r.values.get(k)) not in (None, [], {})} for r in page.records]
        rows = [{k: v for k, v in row.items() if not isinstance(v, query.Masked)} for row in rows]
        with write():
            written = records.create_many(target, rows, actor, Cause("copy", job.id), parsed=True)
            state = {
                "after": page.records[-1].id,
                "done": state["done"] + len(written.created),
                "failed": state["failed"] + len(written.errors),
            }
            job.save_state(state)
        job.progress(state["done"], total)
