"""A record on paper, and as a code to point a phone at."""

from __future__ import annotations

import io

from flask import Response, render_template, url_for

from ..accounts.actor import current_actor
from ..accounts.guards import requires
from ..core import clock
from . import record_pages
from .blueprint import bp, open_record


@bp.get("/forms/<form_key>/records/<int:record_id>/print")
@requires("see")
def print_record(form_key: str, record_id: int) -> str:
    """The record without the shell, for A4: every tab and section below one another."""
    record = open_record(form_key, record_id)
    tabs = record_pages.tabs(record, current_actor())
    return render_template("forms/print.html", form=record.form, record=record, tabs=tabs, now=clock.now())


@bp.get("/forms/<form_key>/records/<int:record_id>/code")
@requires("see")
def record_code(form_key: str, record_id: int) -> str:
    """A dialog with the record's link as a QR code."""
    record = open_record(form_key, record_id)
    return render_template("forms/_code.html", form=record.form, record=record, url=_url(form_key, record_id))


@bp.get("/forms/<form_key>/records/<int:record_id>/code.svg")
@requires("see")
def record_code_image(form_key: str, record_id: int) -> Response:
    open_record(form_key, record_id)
    out = io.BytesIO()
    import segno

    code = segno.make_qr(_url(form_key, record_id), error="m")
    code.save(out, kind="svg", scale=6, border=2, dark="#000", light="#fff", xmldecl=False)
    return Response(out.getvalue(), mimetype="image/svg+xml")


def _url(form_key: str, record_id: int) -> str:
    return url_for("forms.show_record", form_key=form_key, record_id=record_id, _external=True)
