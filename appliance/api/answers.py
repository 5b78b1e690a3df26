"""What every route answers in the same way: something that was made, a moment, a page of records."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..core import clock, settings
from ..core.errors import UserError
from ..forms.query import Query
from . import body


def made(document: dict[str, Any], path: str = "") -> Response:
    """201; ``path`` is where it stands under ``/api/v1``, when it has an address of its own."""
    response = jsonify(document)
    response.status_code = 201
    if path:
        response.headers["Location"] = f"/api/v1{path}"
    return response


def job(job_id: int) -> Response:
    """202: the work goes on in a job."""
    response = jsonify({"job": job_id})
    response.status_code = 202
    response.headers["Location"] = f"/api/v1/jobs/{job_id}"
    return response


def when(seconds: int | None) -> str | None:
    """A moment (UTC seconds) as ISO 8601 in the company's time zone."""
    return None if seconds is None else clock.iso(seconds, settings.tz())


def records(query: Query, limit: int, cursor: str | None, fields: list[str] | None, count: bool) -> Response:
    """A page of a query: ``fields`` are the keys of the values to give, ``None`` all; with ``count`` also how many there
    are. Raises UserError for a field that is not there."""
    for key in fields or []:
        if query.form.field(key) is None:
            raise UserError(_("「%(form)s」没有字段「%(key)s」。", form=query.form.label, key=key), "fields")
    page = query.page(limit, cursor, fields)
    documents = [record.document() for record in page.records]
    if fields is not None:
        for document in documents:
            document["values"] = {k: v for k, v in document["values"].items() if k in fields}
    answer: dict[str, Any] = {"records": documents, "next_cursor": page.next_cursor}
    if count:
        answer["total"] = query.count()
    return jsonify(answer)


def records_by_url(query: Query) -> Response:
    """:func:`records` as the ``limit``, ``cursor``, ``fields`` and ``count`` of the URL ask for it."""
    args = request.args
    fields = args["fields"].split(",") if args.get("fields") else None
    return records(query, body.limit(args.get("limit")), args.get("cursor"), fields, args.get("count") == "1")
