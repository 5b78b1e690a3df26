"""What a customer agreed to."""

from __future__ import annotations

from flask import Response, jsonify

from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core.errors import FieldErrors
from ..customers import consents
from ..forms import catalog, query
from . import body
from .limits import idempotent
from .views import bp


def _document(customer_id: int) -> Response:
    return jsonify(
        {
            "current": [said.document() for said in consents.current(customer_id).values()],
            "history": [said.document() for said in consents.history(customer_id)],
        }
    )


@bp.get("/customers/<int(max=9007199254740991):customer_id>/consents")
@requires("see", form="customer")
def get_consents(customer_id: int) -> Response:
    """``current``: what stands for each purpose and channel; ``history``: everything, the latest first."""
    return _document(query.get(catalog.get("customer"), customer_id, current_actor()).id)


@bp.post("/customers/<int(max=9007199254740991):customer_id>/consents")
@requires("edit", form="customer")
@idempotent
def add_consent(customer_id: int) -> Response:
    """``purpose``, ``channel``, ``state`` (granted or withdrawn); ``source``, ``evidence`` and ``at`` may be left out."""
    record = query.get(catalog.get("customer"), customer_id, current_actor())
    doc = body.allow(body.read(), "purpose", "channel", "state", "source", "evidence", "at")
    at = doc.get("at")
    try:
        moment = None if at is None else catalog.SYSTEM_FIELDS["created_at"].parse(at)
    except ValueError as error:
        raise FieldErrors({"at": str(error)}) from error
    consents.record(
        record.id, doc.get("purpose"), [doc.get("channel")], doc.get("state"), doc.get("source", "api"), current_actor(),
        evidence=doc.get("evidence", ""), at=moment,
    )  # fmt: skip
    response = _document(record.id)
    response.status_code = 201
    return response
