"""The page of a record: seeing it, changing one field or all, making a new one, its related lists and history."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import people, permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core import http
from ..core.errors import Conflict, FieldErrors, Forbidden, NotFound, UserError
from . import history, in_place, live, panels, query, record_pages, records
from .blueprint import bp, open_form, open_record
from .catalog import Form
from .hooks import Cause
from .listing import State
from .record_pages import Editing, Related


@bp.get("/forms/<form_key>/records/<int:record_id>")
@requires("see")
def show_record(form_key: str, record_id: int) -> AnyResponse:
    """A record's page: the form's own, or what a higher room makes of it."""
    actor = current_actor()
    try:
        record = open_record(form_key, record_id)
    except NotFound:
        return _in_bin(form_key, record_id)
    page = record_pages.build(record, actor)
    template, more = panels.template_of(record, actor)
    return http.render(template, page=page, record=record, form=record.form, **more)


def _in_bin(form_key: str, record_id: int) -> AnyResponse:
    """The page of a record that was deleted, for those who may restore it. Raises NotFound."""
    form, actor = open_form(form_key), current_actor()
    if not permissions.can(actor, "delete", form_key):
        raise NotFound()
    record = query.Query(form, actor, deleted=True).get(record_id)
    return http.render("forms/deleted.html", status=404, form=form, record=record)


@bp.get("/forms/<form_key>/records/<int:record_id>/header")
@requires("see")
def record_header(form_key: str, record_id: int) -> str:
    """Title, facts and buttons, after a field was changed."""
    record = open_record(form_key, record_id)
    page = record_pages.build(record, current_actor())
    return render_template("forms/_record_header.html", page=page, record=record, form=record.form)


@bp.get("/forms/<form_key>/records/<int:record_id>/sections")
@requires("see")
def record_sections(form_key: str, record_id: int) -> str:
    """The record's fields, after one was changed on which others depend."""
    record = open_record(form_key, record_id)
    page = record_pages.build(record, current_actor())
    return render_template("forms/_sections.html", page=page, record=record, form=record.form)


@bp.get("/forms/<form_key>/records/<int:record_id>/neighbours")
@requires("see")
def neighbours(form_key: str, record_id: int) -> str:
    """The records before and after this one in the list that the person came from."""
    form, actor = open_form(form_key), current_actor()
    state = State.read(form, actor, request.args)
    before = after = None
    if not state.problem:
        before, after = state.query().neighbours(record_id)
    return render_template("forms/_neighbours.html", form=form, state=state, before=before, after=after)


@bp.get("/forms/<form_key>/records/<int:record_id>/panels/<panel_key>")
@requires("see")
def panel(form_key: str, record_id: int, panel_key: str) -> str:
    record = open_record(form_key, record_id)
    found = panels.find(record, current_actor(), panel_key)
    if found is None:
        raise NotFound()
    return found.render(record, current_actor())


@bp.get("/forms/<form_key>/records/<int:record_id>/related/<other_key>/<via_key>")
@requires("see")
def related(form_key: str, record_id: int, other_key: str, via_key: str) -> str:
    """A page of the records that point here."""
    record, actor = open_record(form_key, record_id), current_actor()
    item = _related(record.form, other_key, via_key)
    cursor = request.args.get("cursor")
    fields, page = record_pages.related_page(item, record_id, actor, cursor)
    return render_template(
        "forms/_related.html",
        record=record,
        form=record.form,
        item=item,
        fields=fields,
        page=page,
        cursor=cursor,
        count="" if cursor else record_pages.count_words(item, record_id, actor),
        all_where=record_pages.related_where(item, record_id),
    )


def _related(form: Form, other_key: str, via_key: str) -> Related:
    found = [r for r in record_pages.related(form, current_actor()) if (r.form.key, r.via.key) == (other_key, via_key)]
    if not found:
        raise NotFound()
    return found[0]


RELATED = "/forms/<form_key>/records/<int:record_id>/related/<other_key>/<via_key>"


@bp.get(f"{RELATED}/link")
@requires("see")
def choose_related(form_key: str, record_id: int, other_key: str, via_key: str) -> str:
    """Which existing record shall point here: a dialog."""
    record = open_record(form_key, record_id)
    return _link_dialog(record, _pointing(record.form, other_key, via_key))


def _link_dialog(record: query.Record, item: Related, error: str = "") -> str:
    return render_template("forms/_link_related.html", form=record.form, record=record, item=item, error=error)


def _pointing(form: Form, other_key: str, via_key: str) -> Related:
    """Raises NotFound, Forbidden for one who may not change what points here."""
    item = _related(form, other_key, via_key)
    if not item.may_edit:
        raise Forbidden(_("您不能修改「%(field)s」。", field=item.via.label))
    return item


@bp.post(f"{RELATED}/link")
@requires("see")
def link_related(form_key: str, record_id: int, other_key: str, via_key: str) -> AnyResponse:
    """Lets an existing record (``other``) point here; ``undo`` names where it pointed before."""
    record, actor = open_record(form_key, record_id), current_actor()
    item = _pointing(record.form, other_key, via_key)
    other_id = request.values.get("other", 0, type=http.whole)
    if not other_id:
        return make_response(_link_dialog(record, item, _("请先选择一条记录。")), 422)
    other = open_record(other_key, other_id)
    before = other.values.get(via_key)
    try:
        records.update(item.form, other_id, {via_key: item.via.linked(before, record_id)}, actor)
    except UserError as error:
        return make_response(_link_dialog(record, item, error.first), 422)
    undo = url_for("forms.save_pointer", form_key=other_key, record_id=other_id, via_key=via_key, to=before)
    return http.trigger(_saved_in_dialog(_("已关联「%(title)s」", title=other.title), undo), "guke:done")


@bp.post(f"{RELATED}/unlink/<int:other_id>")
@requires("see")
def unlink_related(form_key: str, record_id: int, other_key: str, via_key: str, other_id: int) -> AnyResponse:
    record = open_record(form_key, record_id)
    item = _pointing(record.form, other_key, via_key)
    other = open_record(other_key, other_id)
    before = other.values.get(via_key)
    records.update(item.form, other_id, {via_key: item.via.unlinked(before, record_id)}, current_actor())
    undo = url_for("forms.save_pointer", form_key=other_key, record_id=other_id, via_key=via_key, to=before)
    return _saved_in_dialog(_("已取消关联「%(title)s」", title=other.title), undo)


@bp.post("/forms/<form_key>/records/<int:record_id>/pointer/<via_key>")
@requires("edit")
def save_pointer(form_key: str, record_id: int, via_key: str) -> AnyResponse:
    """Undoes linking and unlinking: ``to`` is where the record pointed, or nothing."""
    record = open_record(form_key, record_id)
    pointer = in_place.field_of(record, via_key, current_actor())
    to = request.args.getlist("to") if pointer.multiple else request.args.get("to")
    records.update(record.form, record_id, {via_key: to}, current_actor(), cause=Cause("undo"))
    return _saved_in_dialog(_("已撤销"))


@bp.get("/forms/<form_key>/records/<int:record_id>/history")
@requires("see")
def record_history(form_key: str, record_id: int) -> str:
    """Who changed what, when and why; ``field`` and ``who`` narrow it down."""
    record, actor, args = open_record(form_key, record_id), current_actor(), request.args
    before = args.get("before", type=http.whole)
    only = history.Filter(args.get("field", ""), args.get("who", type=http.whole))
    entries, following = history.of(record.form, record_id, actor, before, only)
    return render_template(
        "forms/_history.html",
        form=record.form,
        record=record,
        entries=entries,
        following=following,
        before=before,
        only=only,
        fields=history.fields_of(record.form, actor),
        authors=history.authors(record.form, record_id),
        may_restore=bool(history.restorable(record.form, actor)),
    )


RESTORE = "/forms/<form_key>/records/<int:record_id>/history/<int:change_id>"


@bp.get(RESTORE)
@requires("edit")
def restore_preview(form_key: str, record_id: int, change_id: int) -> str:
    """What going back to a version (with ``field``: undoing one field of a change) would change."""
    record, key = open_record(form_key, record_id), request.args.get("field") or None
    return _restore_dialog(record, change_id, key, history.earlier(record, change_id, current_actor(), key))


def _restore_dialog(
    record: query.Record, change_id: int, key: str | None, values: dict[str, Any], error: str = ""
) -> str:
    return render_template(
        "forms/_restore.html", form=record.form, record=record, change_id=change_id, key=key,
        steps=history.preview(record, values, current_actor()), error=error,
    )  # fmt: skip


@bp.post(RESTORE)
@requires("edit")
def restore_version(form_key: str, record_id: int, change_id: int) -> AnyResponse:
    record, actor = open_record(form_key, record_id), current_actor()
    key = request.values.get("field") or None
    values = history.earlier(record, change_id, actor, key)
    try:
        last = history.go_back(record, change_id, values, actor)
    except UserError as error:
        return make_response(_restore_dialog(record, change_id, key, values, error.first), 422)
    undo = url_for("forms.restore_version", form_key=form_key, record_id=record_id, change_id=last) if last else None
    response = http.toast(Response(status=204), _("已恢复"), undo)
    for event in ("guke:done", "guke:sections", "guke:saved"):
        http.trigger(response, event)
    return response


# -- one field ------------------------------------------------------------------------------------------------------

FIELD = "forms/_field_edit.html"


@bp.get("/forms/<form_key>/records/<int:record_id>/fields/<field_key>")
@requires("see")
def show_field(form_key: str, record_id: int, field_key: str) -> str:
    """One field of the page; with ``edit=1`` its input."""
    record = open_record(form_key, record_id)
    if request.args.get("edit") == "1":
        actor = current_actor()
        return in_place.editor(FIELD, record, in_place.field_of(record, field_key, actor), actor)
    return _field_shown(record, field_key)


def _field_shown(record: query.Record, field_key: str) -> str:
    if field_key not in query.readable(record.form, current_actor()):
        raise NotFound()
    one = record_pages.shown(record, field_key, current_actor())
    return render_template("forms/_field.html", form=record.form, record=record, one=one)


@bp.post("/forms/<form_key>/records/<int:record_id>/fields/<field_key>")
@requires("edit")
def save_field(form_key: str, record_id: int, field_key: str) -> AnyResponse:
    """Saves one field. Somebody else's newer value of the same field is shown, not overwritten."""
    actor = current_actor()
    record = open_record(form_key, record_id)
    f = in_place.field_of(record, field_key, actor)
    typed = f.from_form(request.form)
    if in_place.overtaken(record, f, typed, request.form.get("base")):
        theirs = record.text(field_key) or _("空")
        return make_response(in_place.editor(FIELD, record, f, actor, typed, theirs=theirs), 409)
    try:
        records.update(record.form, record_id, {field_key: typed}, actor)
    except UserError as error:
        message = error.errors.get(field_key) or error.message
        return make_response(in_place.editor(FIELD, record, f, actor, typed, message), 422)
    response = make_response(_field_shown(open_record(form_key, record_id), field_key))
    if live.needed(record.form):
        http.trigger(response, "guke:sections")
    return http.trigger(response, "guke:saved", field_key)


# -- the whole record -----------------------------------------------------------------------------------------------


def _edit_page(editing: Editing, status: int = 200) -> AnyResponse:
    """The page, or with ``dialog=1`` the dialog that other pages open."""
    record = editing.record
    return http.render(
        "forms/_edit_dialog.html" if _in_dialog() else "forms/edit.html",
        status=status,
        form=editing.form,
        editing=editing,
        record=record,
        people=people.active(),
        who=people.name(record.updated_by) if record and record.updated_by else "",
    )


def _in_dialog() -> bool:
    return request.values.get("dialog") == "1"


def _saved_in_dialog(message: str, undo: str | None = None) -> AnyResponse:
    """Closes the dialog; the lists of the page behind it read themselves again."""
    response = http.toast(Response(status=204), message, undo)
    return http.trigger(http.trigger(response, "guke:done"), "guke:related")


@bp.get("/forms/<form_key>/new")
@requires("create")
def new_record(form_key: str) -> AnyResponse:
    """An empty record; the query fills in fields by key, ``copy`` with what another record holds."""
    form, actor = open_form(form_key), current_actor()
    known = {f.key for f in record_pages.inputs_of(form, actor, "create")}
    given: dict[str, Any] = {k: v for k, v in request.args.items() if k in known}
    copied = request.args.get("copy", type=http.whole)
    if copied:
        given = record_pages.copy_of(open_record(form_key, copied), actor) | given
    return _edit_page(record_pages.editing(form, actor, None, given))


@bp.post("/forms/<form_key>/new")
@requires("create")
def create_record(form_key: str) -> AnyResponse:
    form, actor = open_form(form_key), current_actor()
    typed = record_pages.typed_values(record_pages.inputs_of(form, actor, "create"), request.form)
    try:
        record_id = records.create(form, {k: v for k, v in typed.items() if v not in ("", [], {})}, actor)
    except FieldErrors as error:
        return _edit_page(record_pages.editing(form, actor, None, typed, error.errors), 422)
    if _in_dialog():
        undo = url_for("forms.take_back_new", form_key=form_key, record_id=record_id)
        may = permissions.can(actor, "delete", form_key)
        return _saved_in_dialog(_("已新建"), undo if may else None)
    if request.form.get("next") == "new":
        flash(_("已保存，可以继续新建。"), "success")
        return redirect(url_for("forms.new_record", form_key=form_key), 303)
    flash(_("已新建"), "success")
    return redirect(url_for("forms.show_record", form_key=form_key, record_id=record_id), 303)


@bp.post("/forms/<form_key>/records/<int:record_id>/take-back")
@requires("delete")
def take_back_new(form_key: str, record_id: int) -> AnyResponse:
    """Undoes making a record: it goes to the recycle bin."""
    record = open_record(form_key, record_id)
    records.delete(record.form, record_id, current_actor(), Cause("undo"))
    return http.trigger(http.toast(Response(status=204), _("已撤销")), "guke:related")


@bp.get("/forms/<form_key>/records/<int:record_id>/edit")
@requires("edit")
def edit_record(form_key: str, record_id: int) -> AnyResponse:
    record = open_record(form_key, record_id)
    return _edit_page(record_pages.editing(record.form, current_actor(), record))


@bp.post("/forms/<form_key>/records/<int:record_id>/edit")
@requires("edit")
def save_record(form_key: str, record_id: int) -> AnyResponse:
    """Saves what was changed on the page. What others changed meanwhile in other fields stays; in the same fields it is
    shown beside what was typed."""
    actor = current_actor()
    record = open_record(form_key, record_id)
    form = record.form
    fields = record_pages.inputs_of(form, actor, "edit")
    typed = record_pages.typed_values(fields, request.form)
    base, now = _base(), record_pages.base_of(form, actor, record)
    # "Theirs" was chosen: what is saved stays.
    typed = {key: value for key, value in typed.items() if request.form.get(f"choose.{key}") != "theirs"}
    changed = record_pages.changed_values(fields, typed, base or now)
    both = [
        k
        for k in record_pages.overlap(now, base or now, changed)
        if record_pages.changed_values([form.fields[k]], typed, now)
    ]
    if both:
        # What this person left alone shows what is saved by now, so that saving does not take others' work back.
        return _conflict_page(record_pages.editing(form, actor, record, changed), both)
    try:
        records.update(form, record_id, changed, actor, version=record.version)
    except FieldErrors as error:
        return _edit_page(record_pages.editing(form, actor, record, changed, error.errors), 422)
    except Conflict:
        # Somebody saved between our reading and writing: look again.
        return save_record(form_key, record_id)
    if _in_dialog():
        return _saved_in_dialog(_("已保存"))
    merged = base and record.version != request.form.get("version", type=http.whole)
    flash(_("已保存。这期间别人改的其他内容也保留了。") if merged else _("已保存"), "success")
    return redirect(url_for("forms.show_record", form_key=form_key, record_id=record_id), 303)


def _base() -> dict[str, str]:
    try:
        doc = json.loads(request.form.get("base", "{}"))
    except ValueError:
        return {}
    return {k: v for k, v in doc.items() if isinstance(v, str)} if isinstance(doc, dict) else {}


def _conflict_page(editing: Editing, both: list[str]) -> AnyResponse:
    assert editing.record is not None
    editing.conflict = True
    for one in editing.inputs:
        if one.name in both:
            one.theirs = editing.record.text(one.name) or _("空")
    return _edit_page(editing, 409)


@bp.post("/forms/<form_key>/records/<int:record_id>/delete")
@requires("delete")
def delete_record(form_key: str, record_id: int) -> AnyResponse:
    """Moves the record to the recycle bin and says how to take that back."""
    record = open_record(form_key, record_id)
    records.delete(record.form, record_id, current_actor())
    if http.htmx.target == "page":
        return make_response(render_template("forms/_deleted.html", form=record.form, record=record))
    undo = url_for("forms.restore_many", form_key=form_key, ids=record_id)
    response = http.toast(Response(status=204), _("已将「%(title)s」移到回收站", title=record.title), undo)
    return http.trigger(response, "guke:refresh")


@bp.post("/forms/<form_key>/records/<int:record_id>/restore")
@requires("delete")
def restore_record(form_key: str, record_id: int) -> AnyResponse:
    form = open_form(form_key)
    records.restore(form, record_id, current_actor())
    return http.go(url_for("forms.show_record", form_key=form_key, record_id=record_id))
