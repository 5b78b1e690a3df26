"""Everything that is somebody's becomes somebody else's in one step: records, shared views, departments, and what higher
rooms own (:func:`part`). It is a job; its Changes name it, so that the history shows it and one click takes it back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct

from ..accounts import audit, departments, notices, people, users
from ..accounts.actor import SYSTEM, Actor
from ..accounts.models import Department
from ..core import jobs
from ..core.db import read, write
from ..core.errors import Conflict, NotFound, UserError
from ..core.models import JobRow
from . import catalog, causes, records, reversing
from .bulk_actions import BATCH
from .catalog import Form
from .fields.base import Field
from .hooks import Cause
from .models import Change, View
from .query import Query

KIND = "handover"
TOLD = 20
"""Refusals that a result keeps word for word."""

causes.label(KIND, _l("交接"))


class Part(Struct, frozen=True):
    """Something besides records that people own. ``owned``: keys of what is this person's; ``give``: makes these
    somebody else's, in the caller's ``write()``."""

    key: str
    label: Any
    owned: Callable[[int], list[Any]]
    give: Callable[[list[Any], int, Actor], None]


_parts: dict[str, Part] = {}


def part(
    key: str, label: Any, owned: Callable[[int], list[Any]], give: Callable[[list[Any], int, Actor], None]
) -> None:
    """Registers what a room lets people own."""
    _parts[key] = Part(key, label, owned, give)


def _views(user_id: int) -> list[Any]:
    rows = View.select(View.id).where(View.owner_id == user_id, View.shared, View.name != "", View.deleted_at.is_null())
    return [view_id for (view_id,) in rows.tuples()]


def _give_views(ids: list[Any], user_id: int, _actor: Actor) -> None:
    View.update(owner_id=user_id).where(View.id.in_(ids)).execute()


def _headed(user_id: int) -> list[Any]:
    rows = Department.select(Department.id).where(Department.head == user_id, Department.deleted_at.is_null())
    return [department_id for (department_id,) in rows.tuples()]


def _give_headed(ids: list[Any], user_id: int, actor: Actor) -> None:
    for department_id in ids:
        departments.update(department_id, actor, head=user_id)


part("views", _l("共用的视图"), _views, _give_views)
part("departments", _l("负责的部门"), _headed, _give_headed)


class Holding(Struct, frozen=True):
    """``count`` things of one sort that are somebody's; a form's ``key`` is ``form:<key>``."""

    key: str
    label: str
    count: int


def holdings(user_id: int) -> list[Holding]:
    """What is this person's, largest rooms first: forms in their order, then the other parts."""
    with read():
        found = [Holding(f"form:{form.key}", form.many, _mine(form, user_id).count()) for form, _fields in _forms()]
        found += [Holding(one.key, str(one.label), len(one.owned(user_id))) for one in _parts.values()]
    return [one for one in found if one.count]


def _forms() -> list[tuple[Form, list[Field]]]:
    """The forms with fields that name people, and those fields; what nobody may write is history and stays."""
    found = []
    for form in catalog.all():
        fields = [f for f in form.fields.values() if f.type in ("person", "persons", "owner") and not f.readonly]
        if fields:
            found.append((form, fields))
    return found


def _mine(form: Form, user_id: int) -> Query:
    fields = dict(_forms_by_key())[form.key]
    tests = [
        {"field": f.key, "op": "eq" if f.column else "has_any", "value": user_id if f.column else [user_id]}
        for f in fields
    ]
    return Query(form, SYSTEM).where({"any": tests})


def _forms_by_key() -> Iterable[tuple[str, list[Field]]]:
    return [(form.key, fields) for form, fields in _forms()]


def start(user_id: int, to: int, parts: Iterable[str] | None, actor: Actor) -> int:
    """Starts handing over to an active person; returns the job's id. ``parts``: keys of :class:`Holding`, else all.

    Raises :class:`UserError` naming the field.
    """
    users.get(user_id)
    if to == user_id or not people.is_active(to):
        raise UserError(_("请选择一位能登录的同事来接手。"), "to")
    wanted = [one.key for one in holdings(user_id) if parts is None or one.key in set(parts)]
    if not wanted:
        raise UserError(_("没有选择要交接的内容。"), "parts")
    running = JobRow.select().where(
        JobRow.kind == "forms.handover",
        JobRow.status.in_(["queued", "running"]),
        JobRow.unique_key == f"handover:{user_id}",
    )
    with write():
        if running.exists():
            raise Conflict(_("这个人的交接正在进行，请等它结束。"))
        payload = {"user": user_id, "to": to, "parts": wanted}
        job_id = jobs.enqueue("forms.handover", payload, actor_id=actor.id, unique=f"handover:{user_id}")
        names = {"user": user_id, "to": people.name(to)}
        audit.note("handover.started", names, actor)
    return job_id


@jobs.handler("forms.handover", heavy=True, label=_l("交接"))
def run(job: jobs.Job) -> dict[str, Any]:
    """Records form by form in batches, each with its checkpoint in one transaction; the other parts at the end."""
    user_id, to = job.payload["user"], job.payload["to"]
    actor = _asker(job)
    state = job.state or {"form": "", "after": 0, "changed": {}, "failed": 0, "why": [], "given": {}, "total": 0}
    forms = {f"form:{form.key}": (form, fields) for form, fields in _forms()}
    if not state["total"]:
        state["total"] = sum(one.count for one in holdings(user_id) if one.key in job.payload["parts"])
    for key in job.payload["parts"]:
        if key in forms and key not in state.get("finished", []):
            _give_records(job, *forms[key], user_id, to, actor, state)
    for key, one in _parts.items():
        if key in job.payload["parts"] and key not in state["given"]:
            with write():
                ids = one.owned(user_id)
                one.give(ids, to, actor)
                state["given"][key] = ids
                job.done += len(ids)
                job.save_state(state)
    result = {k: state[k] for k in ("changed", "failed", "why", "given")}
    _tell(user_id, to, result)
    return result


def _give_records(
    job: jobs.Job, form: Form, fields: list[Field], user_id: int, to: int, actor: Actor, state: dict[str, Any]
) -> None:
    if state["form"] != form.key:
        state["form"], state["after"] = form.key, 0
    while True:
        query = _mine(form, user_id).only(form.col("id") > state["after"]).sort("id")
        found = query.page(BATCH, fields=[f.key for f in fields]).records
        if not found:
            state.setdefault("finished", []).append(f"form:{form.key}")
            return
        rows = {record.id: _given(fields, record.values, user_id, to) for record in found}
        with write():
            written = records.update_many(form, rows, actor, Cause(KIND, job.id))
            ids = list(rows)
            why = [_("；").join(errors.values()) for errors in written.errors.values()]
            state["changed"][form.key] = state["changed"].get(form.key, 0) + len(written.changed)
            state["failed"] += len(written.errors)
            state["why"] = list(dict.fromkeys([*state["why"], *why]))[:TOLD]
            state["after"] = ids[-1]
            job.done += len(ids)
            job.save_state(state)
        job.progress(job.done, max(state["total"], job.done))


def _given(fields: list[Field], values: dict[str, Any], user_id: int, to: int) -> dict[str, Any]:
    """The values of one record in which one person takes the other's place."""
    new: dict[str, Any] = {}
    for f in fields:
        held = values.get(f.key)
        if f.column and held == user_id:
            new[f.key] = to
        elif isinstance(held, list) and user_id in held:
            new[f.key] = list(dict.fromkeys(to if one == user_id else one for one in held))
    return new


def _asker(job: jobs.Job) -> Actor:
    actor = SYSTEM if job.actor_id is None else users.actor_of(job.actor_id)
    if actor is None or not actor.is_admin:
        raise UserError(_("发起交接的人已经不是管理员，交接没有继续。"))
    return actor


def _tell(user_id: int, to: int, result: dict[str, Any]) -> None:
    count, name = moved(result), people.name(user_id)

    def words(_person: Actor) -> str:
        return ngettext("%(name)s 的 %(num)d 项已交接给您。", "%(name)s 的 %(num)d 项已交接给您。", count, name=name)

    if count:
        notices.tell([to], KIND, words)


def moved(result: dict[str, Any]) -> int:
    """How many things changed hands."""
    return sum(result.get("changed", {}).values()) + sum(map(len, result.get("given", {}).values()))


def of(job_id: int) -> jobs.Job:
    """The job of a hand-over. Raises NotFound."""
    job = jobs.get(job_id)
    if job.kind != "forms.handover":
        raise NotFound()
    return job


def latest(user_id: int) -> list[jobs.Job]:
    """The hand-overs of a person that are still known, newest first."""
    with read():
        rows = (
            JobRow.select(JobRow.id, JobRow.payload).where(JobRow.kind == "forms.handover").order_by(JobRow.id.desc())
        )
        ids = [job_id for job_id, payload in rows.limit(200).tuples() if payload["user"] == user_id]
    return [jobs.get(job_id) for job_id in ids[:5]]


def undo_job(job_id: int) -> jobs.Job | None:
    """The job that takes this hand-over back, once somebody asked for it."""
    with read():
        rows = JobRow.select(JobRow.id, JobRow.payload).where(JobRow.kind == "forms.handover_undo", JobRow.id > job_id)
        found = [one for one, payload in rows.tuples() if payload["of"] == job_id]
    return jobs.get(found[0]) if found else None


def ask_undo(job_id: int, actor: Actor) -> int:
    """Starts taking it back; returns the id of the job that does. Raises Conflict, NotFound."""
    job = of(job_id)
    with write():
        if not job.finished or undo_job(job_id):
            raise Conflict(_("这次交接还没有结束，或者已经撤销过了。"))
        audit.note("handover.undone", {"user": job.payload["user"]}, actor)
        return jobs.enqueue("forms.handover_undo", {"of": job_id}, actor_id=actor.id, unique=f"handover-undo:{job_id}")


@jobs.handler("forms.handover_undo", heavy=True, label=_l("撤销交接"))
def undo(job: jobs.Job) -> dict[str, Any]:
    """What is still as the hand-over left it goes back; what somebody changed since stays."""
    done, actor = of(job.payload["of"]), _asker(job)
    user_id, to = done.payload["user"], done.payload["to"]
    result = done.result or done.state or {}
    state = job.state or {"form": "", "after": 0, "restored": 0, "kept": 0}
    for key in list(result.get("changed", {})):
        form = catalog.all_forms().get(key)
        if form is None or (state["form"] and key in state.get("finished", [])):
            continue
        mine = (Change.cause_kind == KIND) & (Change.cause_id == done.id) & (Change.form_id == form.id)
        after = state["after"] if state["form"] == key else 0
        while ids := reversing.updated(mine, after, BATCH):
            with write():
                back = reversing.reverse(form, reversing.nets(mine, ids), actor, Cause("undo", done.id))
                after = ids[-1]
                state |= {"form": key, "after": after}
                state["restored"] += len(back.changed)
                state["kept"] += len(back.kept)
                job.done += len(ids)
                job.save_state(state)
            job.progress(job.done, max(moved(result), job.done))
        state.setdefault("finished", []).append(key)
    with write():
        for key, ids in result.get("given", {}).items():
            still = [one for one in ids if key in _parts and one in _parts[key].owned(to)]
            if still and (key != "departments" or people.is_active(user_id)):
                _parts[key].give(still, user_id, actor)
                state["restored"] += len(still)
            state["kept"] += len(ids) - len(still)
        job.save_state(state)
    return {"restored": state["restored"], "kept": state["kept"]}
