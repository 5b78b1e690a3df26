"""Merging two records of a form, and taking that back."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires_login
from ..core.errors import FieldErrors
from ..forms import catalog, merging
from ..forms.query import Query
from . import body
from .limits import idempotent
from .views import bp

SIDES = {"keep": merging.TARGET, "merge": merging.SOURCE, "both": merging.BOTH}


@bp.post("/forms/<form_key>/records:merge")
@requires_login
@idempotent
def merge_records(form_key: str) -> Response:
    """``keep`` and ``merge``: ids; ``choose``: field key → ``keep``, ``merge`` or ``both``."""
    doc = body.allow(body.read(), "keep", "merge", "choose")
    form, actor = Query(catalog.get(form_key), current_actor()).form, current_actor()
    ids = {name: body.whole(doc, name) for name in ("keep", "merge")}
    missing = {name: _("请给出记录的编号。") for name, value in ids.items() if not value}
    if missing:
        raise FieldErrors(missing)
    merge_id = merging.merge(form, ids["keep"] or 0, ids["merge"] or 0, _chosen(doc), actor)
    kept = Query(form, actor).get_many([ids["keep"] or 0])
    return jsonify({"merge": merge_id, "record": kept[0].document() if kept else None})


def _chosen(doc: dict[str, Any]) -> dict[str, str]:
    given = body.object_(doc, "choose") or {}
    wrong = {
        key: _("可选：%(sides)s。", sides=", ".join(SIDES)) for key, side in given.items() if side not in list(SIDES)
    }
    if wrong:
        raise FieldErrors(wrong)
    return {key: SIDES[side] for key, side in given.items()}


@bp.post("/forms/<form_key>/merges/<int(max=9007199254740991):merge_id>:undo")
@requires_login
@idempotent
def undo_merge(form_key: str, merge_id: int) -> Response:
    """``kept_values``: values that were changed again after the merge and stay as they are."""
    body.allow(body.read(), *())
    form, actor = Query(catalog.get(form_key), current_actor()).form, current_actor()
    return jsonify({"kept_values": merging.undo(form, merge_id, actor)})
