"""What inputs and values of fields fetch: the picture of a code, Markdown as it will look."""

from __future__ import annotations

from flask import Response, render_template, request
from flask_babel import gettext as _

from ..accounts.guards import requires_login
from ..core.errors import UserError
from .blueprint import bp
from .fields.barcode import picture
from .fields.errors import FieldError
from .fields.rich import from_markdown

LONGEST = 50_000


@bp.get("/forms/-/code.svg")
@requires_login
def code_picture() -> Response:
    """The picture of ``?kind=qr&text=…``."""
    try:
        svg = picture(request.args.get("kind", ""), request.args.get("text", ""))
    except FieldError as error:
        raise UserError(str(error), "text") from error
    response = Response(svg, mimetype="image/svg+xml")
    response.headers["Cache-Control"] = "private, max-age=86400"
    return response


@bp.post("/forms/-/markdown")
@requires_login
def preview_markdown() -> str:
    """The Markdown of the input that ``?input=`` names, as the record's page will show it."""
    text = request.form.get(request.args.get("input", "text"), "")
    if len(text) > LONGEST:
        raise UserError(_("最多 %(max)d 个字，现在有 %(now)d 个。", max=LONGEST, now=len(text)))
    return render_template("forms/fields/_markdown_preview.html", shown=from_markdown(text))
