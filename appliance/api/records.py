"""Records: list, read, write, upsert, count, aggregate. Everything goes through the query gate and the write path."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts.actor import SYSTEM, current_actor
from ..accounts.guards import requires_login
from ..core import http
from ..core.errors import Conflict, FieldErrors, UserError
from ..forms import catalog, records
from ..forms.query import Aggregation, Query, Record
from . import answers, body, changes
from .limits import idempotent
from .views import bp

CAUSE = records.Cause("api")
MAX_ROWS = 10_000
BATCH = 500
ID = "<int(max=9007199254740991):record_id>"


def _query(form_key: str) -> Query:
    return Query(catalog.get(form_key), current_actor())


def _answer(record: Record, status: int = 200) -> Response:
    return _document(record.document(), status)


def _written(query: Query, record_id: int, status: int = 200) -> Response:
    """What was just written; without its values when it is not among the writer's rows (any more)."""
    found = query.get_many([record_id])
    if found:
        return _answer(found[0], status)
    version = Query(query.form, SYSTEM).get(record_id).version
    return _document({"id": record_id, "version": version, "values": {}}, status)


def _document(document: dict[str, Any], status: int) -> Response:
    response = jsonify(document)
    response.status_code = status
    return response


@bp.get("/forms/<form_key>/records")
@requires_login
def list_records(form_key: str) -> Response:
    args = request.args
    return answers.records_by_url(
        _query(form_key).where(body.condition_argument()).search(args.get("q")).sort(args.get("sort"))
    )


@bp.post("/forms/<form_key>/query")
@requires_login
def query_records(form_key: str) -> Response:
    doc = body.allow(body.read(), "where", "sort", "limit", "cursor", "count", "fields", "search")
    fields = doc.get("fields")
    if fields is not None and not (isinstance(fields, list) and all(isinstance(f, str) for f in fields)):
        raise UserError(_("「fields」要是一列字段键名。"), "fields")
    query = _query(form_key).where(body.object_(doc, "where")).search(body.text(doc, "search"))
    return answers.records(
        query.sort(body.text(doc, "sort")),
        body.limit(doc.get("limit")),
        body.text(doc, "cursor"),
        fields,
        doc.get("count") in (True, 1),
    )


@bp.get(f"/forms/<form_key>/records/{ID}")
@requires_login
def get_record(form_key: str, record_id: int) -> Response:
    return _answer(_query(form_key).get(record_id))


@bp.post("/forms/<form_key>/records")
@requires_login
@idempotent
def create_record(form_key: str) -> Response:
    doc = body.allow(body.read(), "values")
    query = _query(form_key)
    values = body.object_(doc, "values", required=True)
    record_id = records.create(query.form, values, current_actor(), CAUSE)
    response = _written(query, record_id, 201)
    response.headers["Location"] = f"/api/v1/forms/{form_key}/records/{record_id}"
    return response


@bp.patch(f"/forms/<form_key>/records/{ID}")
@requires_login
def update_record(form_key: str, record_id: int) -> Response:
    doc = body.allow(body.read(), "values", "version")
    query = _query(form_key)
    values = body.object_(doc, "values", required=True)
    version = body.whole(doc, "version")
    try:
        records.update(query.form, record_id, values, current_actor(), version=version, cause=CAUSE)
    except Conflict as error:
        # The second writer sees both versions: theirs, and what is there now.
        now = query.get(record_id).document()
        return http.problem(409, _("内容已被别人修改"), error.message, record=now)
    return _written(query, record_id)


@bp.delete(f"/forms/<form_key>/records/{ID}")
@requires_login
def delete_record(form_key: str, record_id: int) -> Response:
    records.delete(_query(form_key).form, record_id, current_actor(), CAUSE)
    return Response(status=204)


@bp.post(f"/forms/<form_key>/records/{ID}:restore")
@requires_login
def restore_record(form_key: str, record_id: int) -> Response:
    query = _query(form_key)
    records.restore(query.form, record_id, current_actor(), CAUSE)
    return _answer(query.get(record_id))


@bp.post("/forms/<form_key>/records:upsert")
@requires_login
@idempotent
def upsert_records(form_key: str) -> Response:
    doc = body.allow(body.read(), "key", "records")
    form, key = _query(form_key).form, body.text(doc, "key")
    if not key:
        raise UserError(_("请用「key」指明按哪个字段对应记录。"), "key")
    rows = [row.get("values", row) for row in body.list_(doc, "records", MAX_ROWS, required=True)]
    results: list[dict[str, Any]] = []
    # A batch a transaction: others get their turn in between, and what was answered as done is done.
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        given = [row if isinstance(row, dict) else {} for row in part]
        written = records.upsert(form, key, given, current_actor(), CAUSE)
        for i, row in enumerate(part):
            if not isinstance(row, dict):
                written.errors[i] = {"values": _("「%(key)s」要是一个 JSON 对象。", key="values")}
        results += [_result(start + i, written, i) for i in range(len(part))]
    counts = {name: sum(r["status"] == name for r in results) for name in ("created", "updated", "unchanged", "failed")}
    return jsonify({"results": results} | counts)


def _result(index: int, written: records.Written, i: int) -> dict[str, Any]:
    if i in written.errors:
        errors = [{"field": field, "message": message} for field, message in written.errors[i].items()]
        return {"index": index, "id": None, "status": "failed", "errors": errors}
    record_id = written.ids[i]
    status = "created" if i in written.created else "updated" if record_id in written.changed else "unchanged"
    return {"index": index, "id": record_id, "status": status}


@bp.post("/forms/<form_key>/records:count")
@requires_login
def count_records(form_key: str) -> Response:
    doc = body.allow(body.read(), "where", "search")
    query = _query(form_key).where(body.object_(doc, "where")).search(body.text(doc, "search"))
    return jsonify({"count": query.count()})


@bp.post("/forms/<form_key>/records:aggregate")
@requires_login
def aggregate_records(form_key: str) -> Response:
    doc = body.allow(body.read(), "where", "group_by", "measures", "search")
    query = _query(form_key).where(body.object_(doc, "where")).search(body.text(doc, "search"))
    groups = body.list_(doc, "group_by", 4)
    measures = body.list_(doc, "measures", 12) or [{"agg": "count", "as": "count"}]
    return jsonify({"rows": Aggregation(query, groups, measures).documents()})


@bp.get(f"/forms/<form_key>/records/{ID}/changes")
@requires_login
def list_changes(form_key: str, record_id: int) -> Response:
    """The record's history, newest first, with the fields that the asker may see."""
    query = _query(form_key)
    query.get(record_id)
    try:
        before = int(request.args["cursor"]) if request.args.get("cursor") else None
    except ValueError as error:
        raise FieldErrors({"cursor": _("翻页位置无效，请从第一页重新开始。")}) from error
    limit = body.limit(request.args.get("limit"))
    found = changes.documents(query.form, record_id, current_actor(), before, limit)
    cursor = str(found[-1]["id"]) if len(found) == limit else None
    return jsonify({"changes": found, "next_cursor": cursor})
