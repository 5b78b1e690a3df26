"""The page of the kinds of events, and what a live session's page shows besides the record."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ...accounts.actor import Actor, current_actor
from ...accounts.guards import requires_room
from ...core import http, nav
from ...core.errors import UserError
from ...forms import panels
from ...forms.designing import keys
from ...forms.query import Record
from . import gathering, kinds

bp = Blueprint("events", __name__)

nav.add(
    "settings",
    _l("互动类型"),
    "events.type_page",
    "activity",
    right="settings",
    order=65,
    words="event type interaction 互动 事件 类型 观看 评论",
)


# -- kinds ----------------------------------------------------------------------------------------------------------


def _context() -> dict[str, Any]:
    return {"kinds": kinds.all_kinds(), "counts_as": kinds.COUNTS_AS}


def _rows(message: str, undo: str | None = None) -> AnyResponse:
    return http.toast(render_template("customers/events/_kinds.html", **_context()), message, undo)


@bp.get("/settings/event-types")
@requires_room("settings")
def type_page() -> Response:
    return http.render("customers/events/kinds.html", "customers/events/_kinds.html", **_context())


def _dialog(kind: kinds.Kind | None, typed: Any, error: UserError | None = None) -> AnyResponse:
    labels = kind.spec_label if kind else ""
    names = labels if isinstance(labels, dict) else {"zh": labels, "en": ""}
    values = {
        "zh": typed.get("zh", names.get("zh", "")), "en": typed.get("en", names.get("en", "")),
        "icon": typed.get("icon") or (kind.icon if kind else "point"),
        "counts_as": typed.get("counts_as", (kind.counts_as if kind else "") or ""), "key": typed.get("key", ""),
    }  # fmt: skip
    body = render_template(
        "customers/events/_kind_form.html", kind=kind, values=values, icons=kinds.ICONS,
        counts_as={"": _("不计入")} | kinds.COUNTS_AS, errors=error.errors if error else {},
    )  # fmt: skip
    response = http.make_response(body)
    if error:
        # The dialog stays open with what was typed.
        response.headers["HX-Retarget"] = "#kind-dialog"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


@bp.get("/settings/event-types/form")
@requires_room("settings")
def type_form() -> AnyResponse:
    """The dialog that makes a kind, or changes ``kind``."""
    key = request.args.get("kind")
    return _dialog(kinds.get(key) if key else None, {})


@bp.post("/settings/event-types/save")
@requires_room("settings")
def save_type() -> AnyResponse:
    typed = request.form
    old = kinds.get(typed["kind"]) if typed.get("kind") else None
    zh, en = typed.get("zh", "").strip(), typed.get("en", "").strip()
    doc: dict[str, Any] = {
        "label": {"zh": zh, "en": en} if en and zh else zh, "icon": typed.get("icon", "point"),
        "counts_as": typed.get("counts_as") or None,
        "key": typed.get("key", "").strip() or keys.suggest(en or zh, kinds.every(), "event"),
    }  # fmt: skip
    try:
        kind = kinds.save(doc, current_actor(), old.key if old else None)
    except UserError as error:
        return _dialog(old, typed, error)
    return _rows(_("已保存互动类型「%(name)s」", name=kind.label))


@bp.post("/settings/event-types/<key>/delete")
@requires_room("settings")
def delete_type(key: str) -> AnyResponse:
    """No more of the kind is taken; can be undone."""
    name = kinds.get(key).label
    kinds.delete(key, current_actor())
    return _rows(_("已删除互动类型「%(name)s」，已有的互动保留", name=name), url_for("events.restore_type", key=key))


@bp.post("/settings/event-types/<key>/restore")
@requires_room("settings")
def restore_type(key: str) -> AnyResponse:
    kinds.restore(key, current_actor())
    return http.trigger(Response(status=204), "guke:kinds")


# -- a live session -------------------------------------------------------------------------------------------------


@panels.page("live_session", "customers/events/session.html")
def session_page(record: Record, actor: Actor) -> dict[str, Any]:
    return {"tiles": gathering.tiles(record, actor)}


@panels.panel("live_session", "people", _l("参与的客户"), order=10)
def people(record: Record, actor: Actor) -> str:
    return render_template("customers/events/_people.html", people=gathering.people(record.id, actor))
