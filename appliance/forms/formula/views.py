"""What the designer and the API ask about formulas."""

from __future__ import annotations

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ...accounts.actor import current_actor
from ...accounts.guards import requires
from ...core.errors import UserError
from .. import catalog
from ..blueprint import bp
from . import checking


@bp.post("/forms/<form_key>/formula")
@requires("design")
def check_formula(form_key: str) -> Response:
    """Checks ``{"formula", "field"?, "fields"?, "default"?}`` of a form; see :func:`checking.answer`.

    ``field``: the key of the field it is for; ``fields``: the form's fields where they are not saved yet; ``default``: it
    computes a new record's value.
    """
    form, doc = catalog.get(form_key), request.get_json(silent=True)
    if not isinstance(doc, dict) or not isinstance(doc.get("formula"), str):
        raise UserError(_("请写出公式。"), "formula")
    definition = form.document()
    if isinstance(doc.get("fields"), list):
        definition["fields"] = doc["fields"]
    return jsonify(
        checking.answer(
            definition,
            doc["formula"],
            current_actor(),
            key=str(doc.get("field") or ""),
            default=bool(doc.get("default")),
        )
    )
