"""The pool: its pages, claiming and giving back, who owned a record, and the settings of all that."""

from __future__ import annotations

import json
from typing import Any

from flask import flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit, departments, people, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires, requires_login, requires_room
from ..core import http, settings
from ..core.db import write
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import panels, query
from ..forms.query import Record
from . import ownership, pool, terms
from .blueprint import bp

# -- the pool -------------------------------------------------------------------------------------------------------


@bp.get("/pool", endpoint="pool")
@requires_login
def first_pool() -> AnyResponse:
    """The first pool that is open to the person, else the one that could be."""
    actor = current_actor()
    forms = pool.open_for(actor) or [pool.form_of(key) for key in terms.FORMS if permissions.can(actor, "see", key)]
    if not forms:
        raise NotFound()
    return redirect(url_for(".pool_page", form_key=forms[0].key))


def _tabs(here: str) -> list[tuple[str, str, bool, None]]:
    """The pools that are open; one alone needs no tabs."""
    forms = pool.open_for(current_actor())
    if len(forms) < 2:
        return []
    return [(form.label, url_for(".pool_page", form_key=form.key), form.key == here, None) for form in forms]


@bp.get("/pool/<form_key>")
@requires("see")
def pool_page(form_key: str) -> AnyResponse:
    form, actor = pool.form_of(form_key), current_actor()
    if not pool.is_open(form_key):
        return http.render("sales/pool_closed.html", form=form, may_open=permissions.has_room(actor, "settings"))
    args = request.args
    search, department = args.get("q", "").strip(), args.get("department", type=http.whole)
    page = pool.page(form, actor, args.get("cursor"), search, department)
    ids = [record.id for record in page.records]
    link: dict[str, Any] = {"form_key": form_key, "q": search or None, "department": department}
    return http.render(
        "sales/pool.html", "sales/_pool.html", form=form, tabs=_tabs(form_key), page=page, columns=pool.columns(form, actor), q=search,
        department=department, departments=departments.choices(), room=pool.room(form, actor),
        may_claim=pool.may_claim(form, actor), may_assign=pool.may_assign(form, actor), staff=people.active(),
        seen=query.visible_ids(form_key, ids, actor), last=ownership.last_of(form, ids), name_of=people.name,
        ended=ownership.ENDED, count=pool.count(actor, form),
        next_url=url_for(".pool_page", cursor=page.next_cursor, **link) if page.next_cursor else None,
        prev_url=url_for(".pool_page", cursor=page.prev_cursor, **link) if page.prev_cursor else None,
    )  # fmt: skip


def _ids() -> list[int]:
    return http.ids(*request.form.getlist("ids"))


@bp.post("/pool/<form_key>/claim")
@requires("see")
def pool_claim(form_key: str) -> AnyResponse:
    form = pool.form_of(form_key)
    done = pool.claim(form, _ids(), current_actor())
    return _done(form_key, pool.in_words(done) or _("没有选中任何记录。"), bool(done.ids), done.ids)


@bp.post("/pool/<form_key>/assign")
@requires("edit")
def pool_assign(form_key: str) -> AnyResponse:
    form = pool.form_of(form_key)
    user_id = request.form.get("user", type=http.whole) or 0
    done = pool.assign(form, _ids(), user_id, current_actor())
    words = ngettext(
        "已分配 %(num)d 条给 %(name)s。", "已分配 %(num)d 条给 %(name)s。", len(done.ids), name=people.name(user_id)
    )
    return _done(form_key, words if done.ids else _("没有选中任何记录。"), bool(done.ids), [])


def _done(form_key: str, words: str, good: bool, mine: list[int]) -> AnyResponse:
    """The pool anew; one record that was claimed opens, for it is to be worked on."""
    if len(mine) == 1 and request.form.get("open"):
        flash(words, "success")
        return http.go(url_for("forms.show_record", form_key=form_key, record_id=mine[0]))
    if not http.htmx:
        flash(words, "success" if good else "warning")
        return redirect(url_for(".pool_page", form_key=form_key), 303)
    return http.trigger(http.toast("", words, kind="success" if good else "warning"), "guke:pool")


# -- on the record's page ---------------------------------------------------------------------------------------------


def record_actions(record: Record, actor: Actor) -> list[panels.Action]:
    form_key = record.form.key
    if pool.may_return(record, actor):
        address = url_for("sales.pool_return", form_key=form_key, record_id=record.id)
        return [panels.Action(_("退回公海"), address, "arrow-back-up", "dialog", menu=True)]
    if record.values.get("owner") is None and pool.is_open(form_key) and pool.may_claim(record.form, actor):
        return [
            panels.Action(
                _("领取"), url_for("sales.pool_take", form_key=form_key, record_id=record.id), "user-plus", "post"
            )
        ]
    return []


@bp.post("/pool/<form_key>/<int:record_id>/take")
@requires("see")
def pool_take(form_key: str, record_id: int) -> AnyResponse:
    """Claims the record whose page is open."""
    done = pool.claim(pool.form_of(form_key), [record_id], current_actor())
    if not done.ids:
        return http.toast("", pool.in_words(done), kind="warning")
    flash(pool.in_words(done), "success")
    return http.go(url_for("forms.show_record", form_key=form_key, record_id=record_id))


@bp.get("/pool/<form_key>/<int:record_id>/return")
@requires("edit")
def pool_return(form_key: str, record_id: int) -> AnyResponse:
    return _return_dialog(query.get(pool.form_of(form_key), record_id, current_actor()))


def _return_dialog(record: Record, error: str = "") -> AnyResponse:
    page = render_template("sales/_return.html", record=record, form=record.form, error=error, typed=request.form)
    return make_response(page, 422 if error else 200)


@bp.post("/pool/<form_key>/<int:record_id>/return")
@requires("edit")
def pool_return_save(form_key: str, record_id: int) -> AnyResponse:
    form, actor = pool.form_of(form_key), current_actor()
    try:
        done = pool.give_back(form, [record_id], request.form.get("reason", ""), actor)
    except UserError as error:
        return _return_dialog(query.get(form, record_id, actor), error.message)
    if not done:
        raise NotFound()
    flash(_("已退回公海。"), "success")
    seen = record_id in query.visible_ids(form_key, [record_id], actor)
    where = url_for("forms.show_record", form_key=form_key, record_id=record_id)
    return http.go(where if seen else url_for(".pool_page", form_key=form_key))


def owners_panel(record: Record, actor: Actor) -> str:
    """Who owned it, from when to when."""
    return render_template("sales/_owners.html", spans=ownership.of_record(record.form, record.id))


def _has_owner_field(record: Record, actor: Actor) -> bool:
    return "owner" in query.clear(record.form, actor)


for _key in terms.FORMS:
    panels.actions(_key)(record_actions)
    panels.panel(_key, "owners", _l("负责人历史"), place="side", order=50, shows=_has_owner_field)(owners_panel)


# -- settings -------------------------------------------------------------------------------------------------------

LATE = ("tasks.escalate_hours", "tasks.escalate_working")


@bp.get("/settings/pool", endpoint="settings")
@requires_room("settings")
def settings_page() -> str:
    return _settings({})


def _settings(errors: dict[str, str]) -> str:
    return render_template(
        "sales/settings.html",
        forms=[(pool.form_of(key), terms.book(key)) for key in terms.FORMS],
        late={key: request.form.get(key, settings.get(key)) for key in LATE}
        if errors
        else {k: settings.get(k) for k in LATE},
        errors=errors,
        department_name=departments.name,
        department_choices=departments.choices(),
    )


@bp.post("/settings/pool/late")
@requires_room("settings")
def settings_late() -> Any:
    before = {key: settings.get(key) for key in LATE}
    try:
        with write():
            settings.set(LATE[0], request.form.get(LATE[0], ""), current_actor())
            settings.set(LATE[1], LATE[1] in request.form, current_actor())
            changed = {key: [before[key], settings.get(key)] for key in LATE if settings.get(key) != before[key]}
            if changed:
                audit.note("settings.changed", changed)
    except UserError as error:
        return _settings(error.errors), 422
    flash(_("已保存。"), "success")
    return http.go(url_for(".settings"))


@bp.get("/settings/pool/<form_key>/<int:department_id>")
@requires_room("settings")
def settings_terms(form_key: str, department_id: int) -> AnyResponse:
    return _terms_page(form_key, department_id)


def _terms_page(
    form_key: str, department_id: int, typed: dict[str, Any] | None = None, errors: dict[str, str] | None = None
) -> AnyResponse:
    form, book = pool.form_of(form_key), terms.book(form_key)
    if department_id:
        departments.get(department_id)
    values = typed if typed is not None else book.of_department(department_id or None).document()
    return http.render(
        "sales/terms.html", form=form, department_id=department_id, department=departments.name(department_id),
        values=values, errors=errors or {}, signals=terms.SIGNALS, reach=terms.REACH,
        own=department_id in book.departments, status=422 if errors else 200,
    )  # fmt: skip


@bp.post("/settings/pool/<form_key>/<int:department_id>")
@requires_room("settings")
def settings_terms_save(form_key: str, department_id: int) -> AnyResponse:
    pool.form_of(form_key)
    sent = request.form
    if "forget" in sent and department_id:
        terms.forget_department(form_key, department_id, current_actor())
        flash(_("已恢复为上级的规则。"), "success")
        return http.go(url_for(".settings"))
    doc: dict[str, Any] = {key: _number(sent.get(key, "")) for key in terms.NUMBERS}
    doc |= {"open": "open" in sent, "reach": sent.get("reach", "own"), "counts": sent.getlist("counts")}
    try:
        doc["exempt"] = json.loads(sent.get("exempt") or "{}")
    except ValueError:
        doc["exempt"] = {}
    try:
        terms.save(form_key, department_id, doc, current_actor())
    except FieldErrors as error:
        return _terms_page(form_key, department_id, doc, error.errors)
    flash(_("公海规则已保存。"), "success")
    return http.go(url_for(".settings"))


def _number(text: str) -> Any:
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else text
