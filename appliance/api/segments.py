"""Segments with their members, the company's metrics, and what dynamic tags follow."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires, requires_room
from ..core import clock, settings
from ..core.errors import UserError
from ..customers import tags
from ..customers.measures import store as measures
from ..customers.measures.definition import Measure
from ..customers.segments import dynamic_tags, figures, lists, store
from ..customers.segments.store import Segment
from ..forms import catalog, query
from . import body
from .limits import idempotent
from .records import _page
from .views import bp

MAY = requires_room("segments")
SEE = requires("see", form="customer")
MOST = 10_000
"""Customers put into a list, or taken out, by one call."""
ID = "<int(max=9007199254740991):record_id>"


def _made(document: dict[str, Any], location: str) -> Response:
    response = jsonify(document)
    response.status_code = 201
    response.headers["Location"] = f"/api/v1{location}"
    return response


def _segment(segment: Segment) -> dict[str, Any]:
    return segment.document() | {
        "enabled": segment.enabled, "version": segment.version, "count": figures.size(segment, current_actor()),
        "ready": segment.built_at is not None, "words": segment.words(),
    }  # fmt: skip


def _definition() -> tuple[dict[str, Any], int | None]:
    doc = body.read()
    version = body.whole(doc, "version")
    return {key: value for key, value in doc.items() if key not in ("version", "count", "ready", "words")}, version


@bp.get("/segments")
@SEE
def list_segments() -> Response:
    return jsonify({"segments": [_segment(segment) for segment in store.all()]})


@bp.post("/segments")
@MAY
@idempotent
def create_segment() -> Response:
    doc, _version = _definition()
    segment = store.save(doc, current_actor())
    return _made(_segment(segment), f"/segments/{segment.key}")


@bp.get("/segments/<key>")
@SEE
def get_segment(key: str) -> Response:
    return jsonify(_segment(store.get(key)))


@bp.patch("/segments/<key>")
@MAY
def update_segment(key: str) -> Response:
    doc, version = _definition()
    return jsonify(_segment(store.save(doc, current_actor(), key, version=version)))


@bp.delete("/segments/<key>")
@MAY
def delete_segment(key: str) -> Response:
    store.delete(key, current_actor())
    return Response(status=204)


@bp.get("/segments/<key>/members")
@SEE
def segment_members(key: str) -> Response:
    args = request.args
    found = figures.members(store.get(key), current_actor()).sort(args.get("sort"))
    fields = args["fields"].split(",") if args.get("fields") else None
    return _page(found, body.limit(args.get("limit")), args.get("cursor"), fields, args.get("count") == "1")


def _ids() -> list[int]:
    ids = body.allow(body.read(), "ids").get("ids")
    if not isinstance(ids, list) or not all(type(i) is int and 0 < i < 2**53 for i in ids):
        raise UserError(_("「ids」要是一列记录编号。"), "ids")
    if len(ids) > MOST:
        raise UserError(_("「%(key)s」一次最多 %(max)d 个，请分几次发送。", key="ids", max=MOST), "ids")
    return ids


@bp.post("/segments/<key>/members:add")
@MAY
@idempotent
def add_members(key: str) -> Response:
    return jsonify({"added": lists.add(key, _ids(), current_actor())})


@bp.post("/segments/<key>/members:remove")
@MAY
@idempotent
def remove_members(key: str) -> Response:
    return jsonify({"removed": lists.remove(key, _ids(), current_actor())})


@bp.get("/segments/<key>/moves")
@SEE
def segment_moves(key: str) -> Response:
    cursor = request.args.get("cursor", "")
    if cursor and not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 16):
        raise UserError(_("翻页位置无效，请从第一页重新开始。"), "cursor")
    limit = body.limit(request.args.get("limit"))
    found, following = figures.moves(store.get(key), current_actor(), int(cursor) if cursor else None, limit)
    zone = settings.tz()
    moves = [
        {"customer": m.record.id, "at": clock.iso(m.at, zone), "move": "joined" if m.joined else "left"} for m in found
    ]
    return jsonify({"moves": moves, "next_cursor": str(following) if following else None})


@bp.get(f"/segments/<key>/members/{ID}:explain")
@SEE
def explain_member(key: str, record_id: int) -> Response:
    """Why a customer is in the segment or is not."""
    segment, actor = store.get(key), current_actor()
    told = figures.explain(segment, query.get(catalog.get("customer"), record_id, actor), actor)
    since = figures.since(segment, record_id)
    return jsonify(
        {
            "member": since is not None,
            "since": clock.iso(since, settings.tz()) if since else None,
            "why": told.document(),
        }
    )


# -- metrics --------------------------------------------------------------------------------------------------------


def _metric(measure: Measure) -> dict[str, Any]:
    return measure.document() | {
        "version": measure.version, "ready": measure.built_at is not None, "words": measure.words(),
    }  # fmt: skip


def _shown(measure: Measure) -> bool:
    return permissions.field_access(current_actor(), "customer", measure.key) != "hidden"


@bp.get("/metrics")
@SEE
def list_metrics() -> Response:
    return jsonify({"metrics": [_metric(m) for m in measures.all() if _shown(m)]})


@bp.post("/metrics")
@MAY
@idempotent
def create_metric() -> Response:
    doc, _version = _definition()
    measure = measures.save(doc, current_actor())
    return _made(_metric(measure), f"/metrics/{measure.key}")


@bp.get("/metrics/<key>")
@MAY
def get_metric(key: str) -> Response:
    return jsonify(_metric(measures.get(key)))


@bp.patch("/metrics/<key>")
@MAY
def update_metric(key: str) -> Response:
    doc, version = _definition()
    merged = {k: v for k, v in (measures.get(key).document() | doc).items() if v is not None}
    return jsonify(_metric(measures.save(merged, current_actor(), key, version=version)))


@bp.delete("/metrics/<key>")
@MAY
def delete_metric(key: str) -> Response:
    measures.delete(key, current_actor())
    return Response(status=204)


# -- tags -------------------------------------------------------------------------------------------------------------


@bp.put("/tags/<name>/rule")
@MAY
def set_tag_rule(name: str) -> Response:
    """``{"segment": key}``, ``{"where": condition}``, or ``{}``: given by hand."""
    doc = body.allow(body.read(), "segment", "where")
    tag, actor = tags.get(name), current_actor()
    if doc.get("segment") and doc.get("where"):
        raise UserError(_("请给出客群或条件，二者之一。"), "segment")
    if doc.get("segment"):
        dynamic_tags.follow(tag.id, str(doc["segment"]), actor)
    elif doc.get("where"):
        dynamic_tags.condition(tag.id, body.object_(doc, "where"), actor)
    else:
        dynamic_tags.manual(tag.id, actor)
    return jsonify({"name": tag.name, "rule": dynamic_tags.described(tag.id) or None})
