"""Messages and message templates: what was sent and why, sending one, and the texts that are used again and again."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import people
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login, requires_room
from ..core import clock
from ..core.db import write
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import catalog, query
from ..forms.fields.moment import span_seconds
from ..forms.hooks import Cause
from ..messaging import ledger, outbox, templates, texts
from ..messaging.ledger import ROOM
from ..messaging.outbox import Draft
from ..messaging.senders import Target
from . import answers, body
from .limits import idempotent
from .views import bp

LONGEST = 5000


def _filter() -> ledger.Filter:
    args = request.args
    customer = args.get("customer", "")
    if customer and not (customer.isascii() and customer.isdecimal() and len(customer) < 16):
        raise UserError(_("「customer」要是客户的编号。"), "customer")
    state = args.get("state", "")
    if state and state != "waiting" and state not in outbox.STATES:
        raise UserError(
            _("没有「%(state)s」这种状态，可选：%(all)s。", state=state[:40], all=_("、").join(outbox.STATES)), "state"
        )
    return ledger.Filter(
        state, args.get("via", ""), args.get("purpose", ""), int(customer) if customer else None,
        args.get("template", ""), args.get("cause", ""),
    )  # fmt: skip


@bp.get("/messages")
@requires_login
def list_messages() -> Response:
    """Newest first; who lacks the right to send sees those to themselves and to customers they may see."""
    before, limit = body.row_cursor(), body.limit(request.args.get("limit"))
    entries, after = ledger.page(current_actor(), _filter(), before, limit)
    return jsonify({"messages": [e.document() for e in entries], "next_cursor": str(after) if after else None})


@bp.get("/messages/<int(max=9007199254740991):message_id>")
@requires_login
def get_message(message_id: int) -> Response:
    return jsonify(ledger.get(message_id, current_actor()).document())


@bp.post("/messages")
@requires_room(ROOM)
@idempotent
def create_message() -> Response:
    """Reserves one message; 201 with the row (the one that is there already when ``key`` was used before)."""
    actor = current_actor()
    doc = body.allow(
        body.read(), "via", "to", "text", "template", "subject", "purpose", "connection", "expires", "record", "key"
    )
    draft = _draft(doc)
    with write():
        reserved = outbox.send([draft], Cause("api"), actor)[0]
    return answers.made(ledger.get(reserved.id, actor).document(), f"/messages/{reserved.id}")


def _draft(doc: dict[str, Any]) -> Draft:
    actor = current_actor()
    errors: dict[str, str] = {}
    for name in ("via", "text", "template", "subject", "purpose", "connection", "key"):
        value = doc.get(name)
        if value is not None and (
            not isinstance(value, str) or len(value) > LONGEST or (name == "key" and len(value) > 200)
        ):
            errors[name] = _("这里要写文字。")
    if not doc.get("via"):
        errors.setdefault("via", _("请写明发送方式。"))
    if (doc.get("text") is None) == (doc.get("template") is None):
        errors.setdefault("text", _("请填写要发送的文字，或选择一个模板。"))
    target = None
    try:
        target = _target(doc.get("to"))
    except NotFound:
        raise
    except UserError as error:
        errors["to"] = error.message
    if errors or target is None:
        raise FieldErrors(errors)
    form_key, record_id = _record(doc.get("record"), target)
    text, subject, reads = doc.get("text"), doc.get("subject") or "", []
    if text is not None:
        form = catalog.get(form_key) if form_key else None
        for name, one in (("text", text), ("subject", subject)):
            try:
                texts.check(one, form)
            except UserError as error:
                raise UserError(error.message, name) from error
        if form is not None and record_id is not None:
            filled = texts.render_all([subject, text], form, [record_id], None, actor)
            subject, text = filled.get(record_id, ["", ""])
            reads = texts.reads([doc.get("subject") or "", doc["text"]], form)
        else:
            subject, text = texts.render(subject, {}), texts.render(text, {})
    draft = Draft(
        doc["via"], target, text, doc.get("template"), subject=subject, purpose=doc.get("purpose"),
        connection=doc.get("connection"), expires_at=_expires(doc.get("expires")), form_key=form_key, record_id=record_id,
        key=f"api:{actor.id}:{doc['key']}" if doc.get("key") else "", reads=reads,
    )  # fmt: skip
    outbox.check(draft if draft.text is not None else Draft(draft.via, draft.to, " ", purpose=draft.purpose))
    return draft


def _target(to: Any) -> Target:
    """``{"customer": id}``, ``{"user": login}``, ``{"address": text}`` or ``"group"``. Raises UserError, NotFound."""
    if to == "group":
        return Target.group()
    if isinstance(to, dict) and len(to) == 1:
        kind, value = next(iter(to.items()))
        if kind == "customer" and body.is_id(value):
            query.get(catalog.get("customer"), value, current_actor())
            return Target.customer(value)
        if kind == "user" and isinstance(value, (str, int)) and not isinstance(value, bool):
            found = people.find(value)
            if found is None:
                raise UserError(_("没有叫「%(name)s」的人员。", name=str(value)[:40]))
            return Target.user(found)
        if kind == "address" and isinstance(value, str) and 0 < len(value.strip()) <= 200:
            return Target.address(value.strip())
    raise UserError(_('接收人写成 {"customer": 编号}、{"user": 登录名}、{"address": 号码} 或 "group"。'))


def _record(about: Any, target: Target) -> tuple[str | None, int | None]:
    """What the message is about: the record that is named, else the customer it is for."""
    if about is None:
        return ("customer", target.id) if target.kind == "customer" else (None, None)
    if not isinstance(about, dict) or set(about) != {"form", "id"} or type(about["id"]) is not int:
        raise UserError(_('「record」写成 {"form": …, "id": …}。'), "record")
    form = catalog.get(str(about["form"]))
    query.get(form, about["id"], current_actor())
    return form.key, about["id"]


def _expires(span: Any) -> int | None:
    if span is None:
        return None
    try:
        seconds = span_seconds(span)
    except ValueError as error:
        raise UserError(str(error), "expires") from error
    if not seconds:
        raise UserError(_("时效要大于零，比如 4 小时。"), "expires")
    return clock.now() + seconds


def _act(message_id: int, what: Any) -> Response:
    what(message_id, current_actor())
    return jsonify(ledger.get(message_id, current_actor()).document())


@bp.post("/messages/<int(max=9007199254740991):message_id>:retry")
@requires_room(ROOM)
@idempotent
def retry_message(message_id: int) -> Response:
    return _act(message_id, ledger.retry)


@bp.post("/messages/<int(max=9007199254740991):message_id>:cancel")
@requires_room(ROOM)
@idempotent
def cancel_message(message_id: int) -> Response:
    return _act(message_id, ledger.cancel)


@bp.post("/messages/<int(max=9007199254740991):message_id>:answer")
@requires_room(ROOM)
@idempotent
def answer_message(message_id: int) -> Response:
    """What became of a message whose state is ``unknown``: ``{"answer": "arrived" | "lost" | "left"}``."""
    doc = body.allow(body.read(), "answer")
    actor = current_actor()
    ledger.get(message_id, actor)
    ledger.answer([message_id], str(doc.get("answer")), actor)
    return jsonify(ledger.get(message_id, actor).document())


# -- templates --------------------------------------------------------------------------------------------------------


def _document(template: templates.Template) -> dict[str, Any]:
    return template.document() | {"enabled": template.enabled, "version": template.version}


@bp.get("/message-templates")
@requires_room(ROOM)
def list_message_templates() -> Response:
    found = templates.all(request.args.get("form") or None, request.args.get("via") or None)
    return jsonify({"message_templates": [_document(t) for t in found]})


@bp.post("/message-templates")
@requires_room(ROOM)
@idempotent
def create_message_template() -> Response:
    made = templates.save(body.read(), current_actor())
    return answers.made(_document(made), f"/message-templates/{made.key}")


@bp.get("/message-templates/<key>")
@requires_room(ROOM)
def get_message_template(key: str) -> Response:
    return jsonify(_document(templates.get(key)))


@bp.patch("/message-templates/<key>")
@requires_room(ROOM)
def update_message_template(key: str) -> Response:
    doc = body.read()
    version = body.whole(doc, "version")
    old = templates.get(key)
    merged = old.document() | {"enabled": old.enabled} | {k: v for k, v in doc.items() if k not in ("version", "key")}
    return jsonify(_document(templates.save(merged, current_actor(), key, version)))


@bp.delete("/message-templates/<key>")
@requires_room(ROOM)
def delete_message_template(key: str) -> Response:
    templates.delete(key, current_actor())
    return Response(status=204)
