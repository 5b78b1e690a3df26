"""Segments with their members, the company's metrics, and what dynamic tags follow."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires, requires_room
from ..core.errors import UserError
from ..customers import tags
from ..customers.measures import store as measures
from ..customers.measures.definition import Measure
from ..customers.segments import dynamic_tags, figures, lists, store
from ..customers.segments.store import Segment
from ..forms import catalog, query
from . import answers, body
from .limits import idempotent
from .records import ID
from .views import bp

MAY = requires_room("segments")
SEE = requires("see", form="customer")
MOST = 10_000
"""Customers put into a list, or taken out, by one call."""


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
    return answers.made(_segment(segment), f"/segments/{segment.key}")


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
    return answers.records_by_url(figures.members(store.get(key), current_actor()).sort(request.args.get("sort")))


def _ids() -> list[int]:
    return body.ids(body.allow(body.read(), "ids"), MOST)


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
    before, limit = body.row_cursor(), body.limit(request.args.get("limit"))
    found, following = figures.moves(store.get(key), current_actor(), before, limit)
    moves = [
        {"customer": m.record.id, "at": answers.when(m.at), "move": "joined" if m.joined else "left"} for m in found
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
            "since": answers.when(since),
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
    return answers.made(_metric(measure), f"/metrics/{measure.key}")


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
