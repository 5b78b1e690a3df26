"""Writing to one customer from their page."""

from __future__ import annotations

from typing import Any

from flask import flash, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires_room
from ..core import http
from ..core.errors import UserError
from ..forms import catalog, panels, query
from ..forms.query import Record
from . import composing, ledger, outbox, templates, texts, wording
from .blueprint import bp
from .composing import Letter


@panels.actions("customer")
def write_to(record: Record, actor: Actor) -> list[panels.Action]:
    if not permissions.has_room(actor, ledger.ROOM) or not composing.ways():
        return []
    return [panels.Action(_("发消息"), url_for("messages.write", customer_id=record.id), "send", "dialog")]


def _form(
    customer: Record, letter: Letter, errors: dict[str, str], status: int = 200, looked: Any = None
) -> AnyResponse:
    actor = current_actor()
    return http.render(
        "messages/write.html", "messages/_write.html", status, customer=customer, letter=letter, errors=errors, looked=looked,
        ways=composing.ways(), templates=[t for t in templates.all("customer") if t.enabled],
        purposes={key: outbox.PURPOSES[key] for key in (outbox.SERVICE, outbox.MARKETING)},
        variables=texts.variables(customer.form, actor), yuan=ledger.yuan,
    )  # fmt: skip


@bp.get("/customers/<int:customer_id>/message")
@requires_room(ledger.ROOM)
def write(customer_id: int) -> AnyResponse:
    customer = query.get(catalog.get("customer"), customer_id, current_actor())
    ways = composing.ways()
    return _form(customer, Letter("sms" if "sms" in ways else next(iter(ways), "")), {})


@bp.post("/customers/<int:customer_id>/message/preview")
@requires_room(ledger.ROOM)
def preview(customer_id: int) -> AnyResponse:
    """What would go out, and whether it would."""
    actor, letter = current_actor(), Letter.of_form(request.form)
    query.get(catalog.get("customer"), customer_id, actor)
    looked, error, text = None, "", ""
    try:
        found = composing.drafts(letter, [customer_id], actor)
        looked = composing.estimate(found, actor)
        text = found[0].text or ""
    except UserError as problem:
        error = problem.message
    measure = wording.measure(text, letter.purpose, [letter.via]) if text else None
    return http.render(
        "messages/_write_preview.html", None, looked=looked, error=error, text=text, measure=measure, yuan=ledger.yuan
    )


@bp.post("/customers/<int:customer_id>/message")
@requires_room(ledger.ROOM)
def write_send(customer_id: int) -> AnyResponse:
    actor, letter = current_actor(), Letter.of_form(request.form)
    customer = query.get(catalog.get("customer"), customer_id, actor)
    try:
        reserved = composing.write(letter, customer_id, actor)
    except UserError as error:
        return _form(customer, letter, error.errors or {"": error.message}, error.status)
    flash(_("已放进发件箱，结果在这里看。"), "success")
    return http.go(url_for(".show", message_id=reserved.id))
