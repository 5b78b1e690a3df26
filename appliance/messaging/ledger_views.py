"""The outbox, one message with its tries, and the queue of those of which nobody knows whether they arrived."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires_login, requires_room
from ..core import http
from ..core.errors import UserError
from ..forms import catalog, query
from . import ledger, outbox, senders, templates
from .blueprint import bp


def wanted() -> ledger.Filter:
    args = request.args
    return ledger.Filter(
        args.get("state", ""), args.get("via", ""), args.get("purpose", ""), args.get("customer", type=http.whole),
        args.get("template", ""), args.get("cause", ""),
    )  # fmt: skip


@bp.get("/messages/")
@requires_room(ledger.ROOM)
def index() -> AnyResponse:
    actor, asked = current_actor(), wanted()
    entries, after = ledger.page(actor, asked, request.args.get("before", type=http.whole))
    shown: dict[str, Any] = {name: value for name, value in request.args.items() if name != "before" and value}
    return http.render(
        "messages/index.html", "messages/_rows.html", entries=entries, asked=asked, shown=shown,
        counts=ledger.counts(actor), unknown=ledger.unknown_count(actor), ways=senders.SENDERS,
        purposes=outbox.PURPOSES, states=outbox.STATES, customer=_customer(asked.customer_id),
        chosen=_template(asked.template), may_settle=permissions.has_room(actor, "settings"),
        months=ledger.months(1) if actor.is_admin else [], yuan=ledger.yuan,
        next_url=url_for(".index", **shown | {"before": after}) if after else None,
        first_url=url_for(".index", **shown) if request.args.get("before") else None,
    )  # fmt: skip


def _customer(customer_id: int | None) -> str:
    if customer_id is None:
        return ""
    return query.titles(catalog.get("customer"), [customer_id], current_actor()).get(customer_id, "")


def _template(key: str) -> str:
    try:
        return templates.get(key).label if key else ""
    except UserError:
        return key


@bp.get("/messages/<int:message_id>")
@requires_login
def show(message_id: int) -> str:
    actor = current_actor()
    entry = ledger.get(message_id, actor)
    row = entry.row
    about = None
    if row.form_key and row.record_id:
        form = catalog.all_forms().get(row.form_key)
        titles = query.titles(form, [row.record_id], actor) if form else {}
        if row.record_id in titles:
            about = titles[row.record_id], url_for("forms.show_record", form_key=row.form_key, record_id=row.record_id)
    return render_template(
        "messages/show.html", entry=entry, row=row, about=about, states=outbox.STATES, colours=ledger.COLOURS,
        yuan=ledger.yuan, may=permissions.has_room(actor, ledger.ROOM), answers=ledger.ANSWERS,
        tries={"arrived": _("核实：已送到"), "lost": _("核实：没有送到"), "left": _("不再处理"), "retry": _("没有成功"),
               "received": _("已送到（平台回执）"), "not_received": _("没有送到（平台回执）")},
        template=_template(row.template or ""),
    )  # fmt: skip


def _acted(message_id: int, words: str) -> AnyResponse:
    flash(words, "success")
    return http.go(url_for(".show", message_id=message_id))


@bp.post("/messages/<int:message_id>/retry")
@requires_room(ledger.ROOM)
def retry(message_id: int) -> AnyResponse:
    ledger.retry(message_id, current_actor())
    return _acted(message_id, _("已重新排队，马上按现在的规则再看一次。"))


@bp.post("/messages/<int:message_id>/cancel")
@requires_room(ledger.ROOM)
def cancel(message_id: int) -> AnyResponse:
    ledger.cancel(message_id, current_actor())
    return _acted(message_id, _("已取消发送。"))


@bp.get("/messages/unknown")
@requires_room(ledger.ROOM)
def unknown() -> AnyResponse:
    return _unknown()


def _unknown(status: int = 200, error: str = "") -> AnyResponse:
    return http.render(
        "messages/unknown.html", "messages/_unknown.html", status, entries=ledger.unknown(current_actor()), error=error,
        answers=ledger.ANSWERS,
    )  # fmt: skip


@bp.post("/messages/unknown")
@requires_room(ledger.ROOM)
def answer_unknown() -> Any:
    ids = http.ids(*request.form.getlist("ids"))
    if not ids:
        return _unknown(422, _("请先勾选消息。"))
    done = ledger.answer(ids, request.form.get("answer", ""), current_actor())
    words = ngettext("已处理 %(num)d 条消息。", "已处理 %(num)d 条消息。", done)
    if request.form.get("back"):
        return _acted(ids[0], words)
    if not http.htmx:
        flash(words, "success")
        return http.go(url_for(".unknown"))
    return http.toast(_unknown(), words)
