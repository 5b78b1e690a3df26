"""Tasks and leads: whose tasks, done, claimed from the pool, turned into a customer. Writing goes by records."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import people, permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login
from ..core.errors import NotFound, UserError
from ..forms import query, records
from ..forms.query import Query
from ..sales import leads, pool, tasks
from . import body
from .limits import idempotent
from .records import CAUSE, ID
from .views import bp

STATES: dict[str, dict[str, Any]] = {
    "open": tasks.OPEN,
    "done": {"field": "status", "op": "eq", "value": "done"},
    "all": {},
}


def _answer(record: query.Record, status: int = 200) -> Response:
    response = jsonify(record.document())
    response.status_code = status
    return response


@bp.get("/tasks")
@requires_login
def list_tasks() -> Response:
    """The asker's open tasks by when they are due; ``assignee``: somebody else's, ``all``: everybody's."""
    args = request.args
    state = args.get("status", "open")
    if state not in STATES:
        raise UserError(
            _("没有「%(word)s」这种状态，可用：%(known)s。", word=state[:40], known=", ".join(STATES)), "status"
        )
    found = Query(tasks.form(), current_actor()).where(STATES[state])
    who = args.get("assignee", "me")
    if who != "all":
        user_id = None if who == "me" else people.find(int(who) if who.isdecimal() and len(who) < 12 else who)
        if who != "me" and user_id is None:
            raise UserError(_("没有叫「%(name)s」的人员。", name=who[:40]), "assignee")
        found = found.where(tasks.whose(user_id))
    page = found.sort("-done_at" if state == "done" else "due_at").page(
        body.limit(args.get("limit")), args.get("cursor")
    )
    return jsonify({"records": [record.document() for record in page.records], "next_cursor": page.next_cursor})


@bp.post("/tasks")
@requires_login
@idempotent
def create_task() -> Response:
    doc = body.allow(body.read(), "values")
    task_id = records.create(tasks.form(), body.object_(doc, "values", required=True), current_actor(), CAUSE)
    return _answer(query.get(tasks.form(), task_id, current_actor()), 201)


@bp.post(f"/tasks/{ID}:done")
@requires_login
@idempotent
def finish_task(record_id: int) -> Response:
    tasks.done(record_id, current_actor(), CAUSE)
    return _answer(query.get(tasks.form(), record_id, current_actor()))


@bp.post(f"/tasks/{ID}:reopen")
@requires_login
@idempotent
def reopen_task(record_id: int) -> Response:
    tasks.reopen(record_id, current_actor())
    return _answer(query.get(tasks.form(), record_id, current_actor()))


# -- the pool and leads -----------------------------------------------------------------------------------------------


def _ids() -> list[int]:
    doc = body.allow(body.read(), "ids", "reason")
    ids = doc.get("ids")
    if not (isinstance(ids, list) and 0 < len(ids) <= pool.MOST and all(map(body.is_id, ids))):
        raise UserError(_("「ids」要是一列记录编号，最多 %(max)d 个。", max=pool.MOST), "ids")
    return ids


@bp.get("/pool/<form_key>")
@requires_login
def list_pool(form_key: str) -> Response:
    """What lies in the pools that the asker sees, contacts masked."""
    args = request.args
    form = pool.form_of(form_key)
    page = pool.page(form, current_actor(), args.get("cursor"), args.get("q", ""), limit=body.limit(args.get("limit")))
    return jsonify({"records": [_masked(record) for record in page.records], "next_cursor": page.next_cursor})


def _masked(record: query.Record) -> dict[str, Any]:
    return {"id": record.id, "values": record.document()["values"]}


@bp.post("/pool/<form_key>:claim")
@requires_login
@idempotent
def claim_from_pool(form_key: str) -> Response:
    form = pool.form_of(form_key)
    permissions.demand(current_actor(), "see", form_key)
    done = pool.claim(form, _ids(), current_actor())
    return jsonify({"claimed": done.ids, "refused": [{"id": i, "why": why} for i, why in done.refused.items()]})


@bp.post("/pool/<form_key>:return")
@requires_login
@idempotent
def return_to_pool(form_key: str) -> Response:
    form = pool.form_of(form_key)
    ids = _ids()
    reason = body.text(body.read(), "reason") or ""
    count = pool.give_back(form, ids, reason, current_actor())
    if not count:
        raise NotFound()
    return jsonify({"returned": count})


@bp.post(f"/leads/{ID}:convert")
@requires_login
@idempotent
def convert_lead(record_id: int) -> Response:
    """``into``: an existing customer's id, or "new"; without it whoever has the lead's phone or e-mail, else a new one."""
    doc = body.allow(body.read(), "into")
    into = doc.get("into")
    if not (into is None or into == leads.NEW or body.is_id(into)):
        raise UserError(_("「into」要是客户的编号，或 new。"), "into")
    return jsonify({"customer": leads.convert(record_id, current_actor(), into)})
