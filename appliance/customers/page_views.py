"""The parts of a customer's page that come after it, and what can be done there: follow-ups, tasks, identities."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires, requires_admin
from ..core import clock, http, nav, settings
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import catalog, panels, query, record_pages, records
from ..forms.hooks import Cause
from ..forms.query import Record
from . import doubles, identity_kinds, identity_page, insight, kin, next_steps

bp = Blueprint("customer_page", __name__)

DAYS = (1, 3, 7, 30)
"""When to be in touch again, by one tap."""
MORNING = dt.time(10)


def _record(record_id: int) -> Record:
    """The customer, when the person may see it. Raises NotFound."""
    return query.get(catalog.get("customer"), record_id, current_actor())


# -- what comes after the page ------------------------------------------------------------------------------------------


@bp.get("/customers/<int:record_id>/next")
@requires("see", form="customer")
def next_things(record_id: int) -> str:
    """What to do for the customer now."""
    record = _record(record_id)
    return render_template("customers/_next.html", record=record, steps=next_steps.of(record, current_actor()))


@bp.get("/customers/<int:record_id>/insight")
@requires("see", form="customer")
def show_insight(record_id: int) -> str:
    """What the customer likes, and where they stand."""
    record, actor = _record(record_id), current_actor()
    if not insight.seen_orders(actor):
        raise NotFound()
    orders = insight.bought(record.id, actor)
    return render_template(
        "customers/_insight.html",
        record=record,
        likes=insight.preference(record, orders, actor),
        stage=insight.stage(orders),
    )


@bp.get("/customers/<int:record_id>/kin")
@requires("see", form="customer")
def show_kin(record_id: int) -> str:
    """Who has to do with the customer."""
    record = _record(record_id)
    return render_template("customers/_kin.html", record=record, people=kin.of(record, current_actor()))


# -- follow-ups -----------------------------------------------------------------------------------------------------------


def follow_up_box(actor: Actor) -> dict[str, Any] | None:
    """What the box for a quick follow-up needs; ``None`` for those who cannot write one."""
    form = catalog.all_forms().get("follow_up")
    if form is None or not permissions.can(actor, "create", "follow_up"):
        return None
    fields = {f.key: f for f in record_pages.inputs_of(form, actor, "create")}
    if not {"customer", "content"} <= fields.keys():
        return None
    kind = fields.get("kind")
    return {
        "kinds": (kind.value_choices() or [])[:6] if kind is not None else [],
        "kind": kind.default() if kind is not None else None,
        "days": DAYS if "next_at" in fields else (),
    }


def _box(record: Record, typed: dict[str, str] | None = None, errors: dict[str, str] | None = None) -> str:
    return render_template(
        "customers/_follow_up.html",
        record=record,
        box=follow_up_box(current_actor()),
        typed=typed or {},
        errors=errors or {},
    )


@bp.post("/customers/<int:record_id>/follow-up")
@requires("see", form="customer")
def write_follow_up(record_id: int) -> AnyResponse:
    """Writes down what was said, in one go; the answer is the empty box, or what was typed with what is wrong."""
    record, actor, typed = _record(record_id), current_actor(), request.form.to_dict()
    box = follow_up_box(actor)
    if box is None:
        raise NotFound()
    values: dict[str, Any] = {"customer": record.id, "content": typed.get("content", "").strip()}
    if typed.get("kind"):
        values["kind"] = typed["kind"]
    if typed.get("days", "").isdecimal():
        values["next_at"] = _in_days(int(typed["days"][:3]))
    elif typed.get("next_at"):
        values["next_at"] = typed["next_at"]
    try:
        new = records.create(catalog.get("follow_up"), values, actor)
    except FieldErrors as error:
        return http.make_response(_box(record, typed, error.errors))
    undo = url_for("forms.take_back_new", form_key="follow_up", record_id=new)
    may = permissions.can(actor, "delete", "follow_up")
    answer = http.toast(_box(record), _("已记下"), undo if may else None)
    return http.trigger(http.trigger(answer, "guke:timeline"), "guke:next")


def _in_days(days: int) -> str:
    tz = settings.tz()
    day = clock.today(tz) + dt.timedelta(days=days)
    return dt.datetime.combine(day, MORNING, tz).isoformat()


# -- what is done in place ----------------------------------------------------------------------------------------------


def _task(record: Record, task_id: int) -> Record:
    """Raises NotFound for a task that is not about the customer."""
    found = query.get(catalog.get("task"), task_id, current_actor())
    if found.values.get("customer") != record.id:
        raise NotFound()
    return found


@bp.post("/customers/<int:record_id>/tasks/<int:task_id>/finish")
@requires("edit", form="task")
def finish_task(record_id: int, task_id: int) -> AnyResponse:
    task = _task(_record(record_id), task_id)
    records.update(task.form, task_id, {"status": "done"}, current_actor())
    undo = url_for("customer_page.reopen_task", record_id=record_id, task_id=task_id, status=task.values.get("status"))
    return _done(_("已完成「%(title)s」", title=task.title), undo)


@bp.post("/customers/<int:record_id>/tasks/<int:task_id>/reopen")
@requires("edit", form="task")
def reopen_task(record_id: int, task_id: int) -> AnyResponse:
    task = _task(_record(record_id), task_id)
    records.update(
        task.form, task_id, {"status": request.args.get("status", "open")}, current_actor(), cause=Cause("undo")
    )
    return _done(_("已撤销"))


def _done(message: str, undo: str | None = None) -> AnyResponse:
    answer = http.toast(Response(status=204), message, undo)
    return http.trigger(http.trigger(answer, "guke:timeline"), "guke:next")


# -- identities -----------------------------------------------------------------------------------------------------------


@panels.panel("customer", "identities", _l("身份"), place="side", order=30)
def identity_panel(record: Record, actor: Actor) -> str:
    return _identities(record)


def _identities(record: Record, error: str = "", typed: dict[str, str] | None = None) -> str:
    actor = current_actor()
    return render_template(
        "customers/_identities.html", record=record, rows=identity_page.rows(record, actor), kinds=identity_page.addable(),
        may=identity_page.may_change(record, actor), error=error, typed=typed or {},
    )  # fmt: skip


@bp.post("/customers/<int:record_id>/identities")
@requires("edit", form="customer")
def add_identity(record_id: int) -> AnyResponse:
    """Notes one more way in which the customer is known."""
    record, typed = _record(record_id), request.form.to_dict()
    try:
        entry = identity_page.entry(typed.get("kind", ""), typed.get("value", ""), typed.get("scope", ""))
        records.update(record.form, record.id, {"identities": {"add": [entry]}}, current_actor())
    except UserError as error:
        message = error.errors.get("identities", error.message) if error.errors else error.message
        return http.make_response(_identities(record, message, typed))
    return _changed(_record(record_id), _("已添加"), {"remove": entry})


@bp.post("/customers/<int:record_id>/identities/remove")
@requires("edit", form="customer")
def remove_identity(record_id: int) -> AnyResponse:
    """Takes one away; can be undone."""
    record, entry = _record(record_id), request.args.get("entry", "")
    records.update(record.form, record.id, {"identities": {"remove": [entry]}}, current_actor())
    return _changed(_record(record_id), _("已去掉"), {"add": entry})


@bp.post("/customers/<int:record_id>/identities/undo")
@requires("edit", form="customer")
def undo_identity(record_id: int) -> AnyResponse:
    record = _record(record_id)
    delta = {name: request.args.getlist(name) for name in ("add", "remove") if request.args.get(name)}
    records.update(record.form, record.id, {"identities": delta}, current_actor(), cause=Cause("undo"))
    return http.trigger(http.trigger(Response(status=204), "guke:identities"), "guke:saved", "identities")


@bp.get("/customers/<int:record_id>/identities")
@requires("see", form="customer")
def show_identities(record_id: int) -> str:
    """How the customer is known, after it changed."""
    return _identities(_record(record_id))


def _changed(record: Record, message: str, undo: dict[str, Any]) -> AnyResponse:
    url = url_for("customer_page.undo_identity", record_id=record.id, **undo)
    return http.trigger(http.toast(_identities(record), message, url), "guke:saved", "identities")


# -- kinds of identities and the rule for merging ------------------------------------------------------------------------

nav.add(
    "settings", _l("身份与合并"), "customer_page.kinds_page", "fingerprint", right="admin", order=62,
    words="identity merge duplicate 身份 合并 重复 会员号",
)  # fmt: skip


@bp.get("/settings/identities")
@requires_admin
def kinds_page() -> AnyResponse:
    """What customers are known by, and what is done when two turn out to be one."""
    return _kinds_page({}, {})


def _kinds_page(typed: dict[str, str], errors: dict[str, str]) -> AnyResponse:
    policy = next(d for d in settings.declared("company.") if d.key == doubles.POLICY)
    return http.render(
        "customers/identity_kinds.html", status=422 if errors else 200, rows=identity_kinds.rows(), policy=policy,
        chosen=settings.get(doubles.POLICY), typed=typed, errors=errors, waiting=doubles.waiting(current_actor()),
    )  # fmt: skip


@bp.post("/settings/identities/policy")
@requires_admin
def save_merge_policy() -> AnyResponse:
    before, wanted = settings.get(doubles.POLICY), request.form.get("policy", "")
    settings.set(doubles.POLICY, wanted, current_actor())
    if settings.get(doubles.POLICY) != before:
        audit.note("settings.changed", {doubles.POLICY: [before, wanted]})
    flash(_("已保存"), "success")
    return http.go(url_for("customer_page.kinds_page"))


@bp.post("/settings/identities/kinds")
@requires_admin
def add_kind() -> AnyResponse:
    typed = request.form.to_dict()
    try:
        name = identity_kinds.add(typed.get("label", ""), typed.get("key", ""), current_actor())
    except FieldErrors as error:
        return _kinds_page(typed, error.errors)
    flash(_("已添加「%(name)s」", name=name), "success")
    return http.go(url_for("customer_page.kinds_page"))


@bp.post("/settings/identities/kinds/<key>/remove")
@requires_admin
def remove_kind(key: str) -> AnyResponse:
    """Takes away a kind that nobody is known by; adding it again brings it back."""
    try:
        identity_kinds.remove(key, current_actor())
    except FieldErrors as error:
        return _kinds_page({}, error.errors)
    flash(_("已去掉"), "success")
    return http.go(url_for("customer_page.kinds_page"))
