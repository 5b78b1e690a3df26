"""Editing the cells of a list where they stand: one, or a column of them by pasting."""

from __future__ import annotations

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core import http
from ..core.errors import Conflict, UserError
from . import in_place, pasting
from .blueprint import bp, open_form, open_record

CELL = "forms/_cell_edit.html"


@bp.get("/forms/<form_key>/records/<int:record_id>/cells/<field_key>")
@requires("edit")
def edit_cell(form_key: str, record_id: int, field_key: str) -> str:
    """The input of a cell, the same as on the record's page."""
    record = open_record(form_key, record_id)
    actor = current_actor()
    return in_place.editor(CELL, record, in_place.field_of(record, field_key, actor), actor)


@bp.post("/forms/<form_key>/records/<int:record_id>/cells/<field_key>")
@requires("edit")
def save_cell(form_key: str, record_id: int, field_key: str) -> AnyResponse:
    """Saves a cell and answers with what it shows now. A newer value of somebody else is shown beside what was typed."""
    actor = current_actor()
    record = open_record(form_key, record_id)
    f = in_place.field_of(record, field_key, actor)
    typed = f.from_form(request.form)
    if in_place.overtaken(record, f, typed, request.form.get("base")):
        theirs = record.text(field_key) or _("空")
        return make_response(in_place.editor(CELL, record, f, actor, typed, theirs=theirs), 409)
    try:
        changed = in_place.change(record.form, record_id, {field_key: typed}, {}, actor)
    except Conflict:
        return save_cell(form_key, record_id, field_key)
    except UserError as error:
        return make_response(in_place.editor(CELL, record, f, actor, typed, error.message), 422)
    response = make_response(render_template("forms/_cell.html", record=changed.record, key=field_key))
    if changed.undo:
        http.toast(response, _("已修改「%(field)s」", field=f.label), changed.undo)
    return response


@bp.post("/forms/<form_key>/paste")
@requires("bulk")
def paste(form_key: str) -> AnyResponse:
    """Shows what ``text`` would make of ``field`` in the records ``ids``; with ``go`` writes it."""
    given, actor = request.form, current_actor()
    key, text = given.get("field", ""), given.get("text", "")
    ids = http.ids(given.get("ids", ""))
    form = open_form(form_key)
    try:
        pasted = pasting.read(form, key, ids, text, actor)
    except UserError as error:
        if error.status != 422:
            raise
        return make_response(render_template("forms/_paste.html", form=form, refused=error.message))
    stale = given.get("go") == "1" and given.get("seen") != pasted.seen
    if given.get("go") != "1" or stale or not pasted.good:
        shown = render_template("forms/_paste.html", form=form, pasted=pasted, text=text, stale=stale)
        return make_response(shown, 409 if stale else 200)
    outcome = pasting.put(pasted, actor)
    response = http.toast(Response(status=204), outcome.message, outcome.undo)
    return http.trigger(response, "guke:refresh")
