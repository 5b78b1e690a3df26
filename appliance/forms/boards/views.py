"""The pages of kanban, calendar, gallery and tree: their pieces, and moving records in them."""

from __future__ import annotations

import json

from flask import Response, make_response, render_template, request
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ...accounts.actor import current_actor
from ...accounts.guards import requires
from ...core import http
from ...core.errors import NotFound, UserError
from .. import in_place, listing, record_pages
from ..blueprint import bp, open_form, open_record
from ..listing import State
from . import base, calendar, cards, kanban, kinds, tree


def state_of(form_key: str) -> State:
    return State.read(open_form(form_key), current_actor(), request.args)


@bp.get("/forms/<form_key>/boards/options")
@requires("see")
def board_options(form_key: str) -> str:
    """What the view shows: the field of its columns or days, and what stands on its cards."""
    state = state_of(form_key)
    kind = kinds.demand(state, state.kind)
    chosen = cards.chosen(state) if kind.has_cards else []
    fields = listing.choosable(state.form, state.actor)
    return render_template(
        "forms/boards/_options.html", state=state, kind=kind, offers=kind.offers(state), fields=fields, chosen=chosen,
        rest=[k for k in fields if k not in chosen],
        kept={k: v for k, v in state.args().items() if k in ("view", "kind", "q", "where", "sort", "cols", "on")},
    )  # fmt: skip


@bp.post("/forms/<form_key>/boards/move/<int:record_id>")
@requires("edit")
def board_move(form_key: str, record_id: int) -> AnyResponse:
    """Puts a record somewhere else in the view; ``to`` and ``from`` name the places."""
    state = state_of(form_key)
    kind = kinds.demand(state, state.kind)
    move = kind.move(state, open_record(form_key, record_id), request.form)
    if not move.values:
        return Response(status=204)
    changed = in_place.change(state.form, record_id, move.values, move.expected, state.actor)
    text = _heads(state, request.form.get("from", ""), request.form.get("to", "")) if state.kind == "kanban" else ""
    response = make_response(text)
    if state.kind != "kanban":
        http.trigger(response, "guke:refresh")
    return http.toast(response, move.words, changed.undo or None)


def _heads(state: State, *keys: str) -> str:
    """The heads of kanban columns, counted again."""
    by = kanban.field_of(state)
    columns = []
    for key in keys:
        column = kanban.column_of(state, by, kanban.value_of(by, key))
        column.count = kanban.count(state, by, column.value)
        columns.append(column)
    return render_template("forms/boards/_kanban_heads.html", state=state, columns=columns)


@bp.post("/forms/<form_key>/records/<int:record_id>/put_back")
@requires("edit")
def put_back(form_key: str, record_id: int) -> AnyResponse:
    """Takes one change of a record's values back."""
    try:
        pairs = json.loads(request.values.get("values", ""))
    except ValueError as error:
        raise UserError(_("这个撤销已经用不了了。")) from error
    in_place.put_back(open_form(form_key), record_id, pairs, current_actor())
    response = http.toast(Response(status=204), _("已撤销"))
    return http.trigger(response, "guke:refresh")


# -- kanban ---------------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/boards/column")
@requires("see")
def kanban_column(form_key: str) -> str:
    """More cards of a column (``value``); with ``first`` its count too."""
    state = state_of(form_key)
    by = kanban.field_of(state)
    column = kanban.column_of(state, by, kanban.value_of(by, request.args.get("value", "")))
    kanban.fill(state, by, column, state.cursor)
    if request.args.get("first"):
        column.count = kanban.count(state, by, column.value)
    may_move = base.may_move(state.form, by, state.actor)
    return render_template("forms/boards/_kanban_more.html", state=state, column=column, may_move=may_move)


@bp.get("/forms/<form_key>/boards/totals")
@requires("see")
def kanban_totals(form_key: str) -> str:
    """The exact counts and sums of all columns."""
    state = state_of(form_key)
    by = kanban.field_of(state)
    counts = kanban.exact(state, by)
    columns = []
    for value, count in counts.items():
        column = kanban.column_of(state, by, value)
        column.count = count
        columns.append(column)
    return render_template("forms/boards/_kanban_heads.html", state=state, columns=columns)


# -- calendar -------------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/boards/day")
@requires("see")
def calendar_day(form_key: str) -> str:
    """All entries of a day (``day``), page by page."""
    state = state_of(form_key)
    date, until = calendar.fields_of(state)
    day = calendar.read_day(request.args.get("day", ""))
    if day is None:
        raise NotFound()
    keys = cards.chosen(state, [date.key, *([until.key] if until else [])])
    wanted = cards.read_keys(state, [*keys, date.key, *([until.key] if until else [])])
    page = calendar.on_days(state, date, until, day, day).page(calendar.DAY_PAGE, state.cursor, wanted)
    return render_template(
        "forms/boards/_day.html", state=state, day=calendar.Day(day), cursor=page.next_cursor,
        found=calendar.entries_of(state, page.records, date, until, keys),
    )  # fmt: skip


# -- tree -----------------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/boards/children/<int:record_id>")
@requires("see")
def tree_children(form_key: str, record_id: int) -> str:
    """A page of what stands directly under a record; ``level``: how deep it is."""
    state = state_of(form_key)
    level = min(max(request.args.get("level", 1, int), 1), tree.DEEPEST)
    found, cursor = tree.children(state, record_id, state.cursor)
    return render_template(
        "forms/boards/_branches.html", state=state, branches=found, level=level, above=record_id, cursor=cursor,
        may_move=base.may_move(state.form, tree.field_of(state), state.actor),
    )  # fmt: skip


@bp.get("/forms/<form_key>/boards/place/<int:record_id>")
@requires("edit")
def tree_place(form_key: str, record_id: int) -> str:
    """Asks under which record one shall stand: the keyboard's way of dragging."""
    state, record = state_of(form_key), open_record(form_key, record_id)
    parent = tree.field_of(state)
    value = parent.form_value(record.values.get(parent.key))
    one = record_pages.Input(parent, value, title=record_pages.title_of(parent, value, state.actor))
    url = state.url("forms.board_move", record_id=record_id)
    return render_template("forms/boards/_place.html", state=state, record=record, one=one, url=url)
