"""What the condition builder asks the server: what there is to choose, how a condition reads, how many meet it."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, render_template, request
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core.errors import NotFound
from . import builder, conditions, query
from .blueprint import bp, open_form
from .conditions import ConditionError
from .listing import COUNT_CAP, State


@bp.get("/forms/<form_key>/conditions/meta")
@requires("see")
def condition_meta(form_key: str) -> Response:
    """Fields, operators and tests; see ``builder.py``."""
    return jsonify(builder.meta(open_form(form_key), current_actor()))


def _condition() -> dict[str, Any]:
    doc = request.get_json(silent=True)
    where = doc.get("where") if isinstance(doc, dict) else None
    if not isinstance(where, dict):
        raise ConditionError(_("条件要写成一个对象。"))
    return where


def _problem(error: ConditionError | NotFound) -> Response:
    response = jsonify({"message": error.message, "path": getattr(error, "path", "")})
    response.status_code = 422
    return response


@bp.post("/forms/<form_key>/conditions/words")
@requires("see")
def condition_words(form_key: str) -> Response:
    """``{"words"}`` of a condition; 422 with ``{"message", "path"}`` for one that makes no sense. ``?of=``: it is on what is no
    form, such as the events of a customer."""
    form, actor = open_form(form_key), current_actor()
    try:
        where = _condition()
        if of := request.args.get("of"):
            return jsonify({"words": conditions.virtual_words(of, where, actor)})
        conditions.validate(where, form, actor)
        return jsonify({"words": conditions.words(where, form)})
    except (ConditionError, NotFound) as error:
        return _problem(error)


@bp.post("/forms/<form_key>/conditions/count")
@requires("see")
def condition_count(form_key: str) -> Response:
    """``{"count", "more"}``: how many records that the person sees meet it, counted up to a cap."""
    form, actor = open_form(form_key), current_actor()
    try:
        count = query.Query(form, actor).where(_condition()).count(COUNT_CAP)
    except (ConditionError, NotFound) as error:
        return _problem(error)
    return jsonify({"count": min(count, COUNT_CAP), "more": count > COUNT_CAP})


@bp.get("/forms/<form_key>/conditions/dialog")
@requires("see")
def condition_dialog(form_key: str) -> str:
    """The filter of a list in its dialog; the query is the list's."""
    state = State.read(open_form(form_key), current_actor(), request.args)
    return render_template("forms/_filter_dialog.html", state=state, form=state.form)
