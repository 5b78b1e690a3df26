"""A new record from the input that wants to point at it, without leaving the page."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, make_response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import people
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires
from ..core.errors import FieldErrors
from . import listing, query, record_pages, records, row_inputs
from .blueprint import bp, open_form
from .catalog import Form
from .fields.base import Field
from .fields.link import LinkField

PREFIX = "quick."
MOST = 8


def _fields(form: Form, actor: Actor) -> list[Field]:
    """What the dialog asks for: the title, what is required, then the columns of the list."""
    usual = listing.default_columns(form, actor)
    may = record_pages.inputs_of(form, actor, "create")
    needed = {f.key for f in may if f.required or f.key == form.title_field}
    more = [f.key for f in may if f.key in usual and f.key not in needed and not isinstance(f, LinkField)]
    wanted = needed | set(more[: max(0, MOST - len(needed))])
    return [f for f in may if f.key in wanted]


@bp.get("/forms/<form_key>/quick")
@requires("create")
def quick_new(form_key: str) -> AnyResponse:
    """The dialog; ``title`` is what was typed already."""
    form = open_form(form_key)
    title = request.args.get("title", "").strip()[:200]
    return _dialog(form, {form.title_field: title} if title and form.title_field else {}, {})


def _dialog(form: Form, typed: dict[str, Any], errors: dict[str, str], status: int = 200) -> AnyResponse:
    actor = current_actor()
    inputs = row_inputs.inputs(_fields(form, actor), PREFIX, typed, errors, actor)
    here = {one.field.key for one in inputs}
    others = [message for key, message in errors.items() if key not in here]
    page = render_template(
        "forms/_quick.html", form=form, inputs=inputs, others=others, people=people.active(), record=None
    )
    return make_response(page, status)


@bp.post("/forms/<form_key>/quick")
@requires("create")
def quick_create(form_key: str) -> AnyResponse | Response:
    """Makes the record and answers with its id and title, or with the dialog and what is wrong."""
    form, actor = open_form(form_key), current_actor()
    typed = row_inputs.read(request.form, PREFIX, _fields(form, actor))
    try:
        record_id = records.create(form, {k: v for k, v in typed.items() if v not in ("", [], {})}, actor)
    except FieldErrors as error:
        return _dialog(form, typed, error.errors, 422)
    title = query.titles(form, [record_id], actor).get(record_id, str(record_id))
    response = jsonify({"id": record_id, "title": title})
    response.status_code = 201
    return response
