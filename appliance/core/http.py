"""Answers to browsers and programs: pages and their fragments, notices, problems as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, jsonify, make_response, redirect, render_template, request, url_for
from flask_htmx import HTMX
from flask_htmx import make_response as htmx_response
from werkzeug.wrappers import Response as AnyResponse

htmx = HTMX()
"""What htmx says of the request: truth, ``target``, ``current_url``, ``boosted``."""

JSON_ROOTS = ("/api/", "/hooks/")
"""Paths that programs ask for: errors are JSON, nobody is sent to the sign-in page."""


def is_api() -> bool:
    return request.path.startswith(JSON_ROOTS)


def is_htmx() -> bool:
    """Whether htmx wants a fragment (not a whole page after "back" or a boosted link)."""
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def wants_json() -> bool:
    """Whether the error goes to a program."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"], "text/html")
    return is_api() or (best == "application/json" and not is_htmx())


def render(template: str, block: str | None = None, status: int = 200, **context: Any) -> Response:
    """The whole page; for htmx only ``block``: the name of a block of the template, or of a partial (``….html``).

    Every URL works as a whole page, whoever asks. A block sees the context given here and the globals, not what the
    template sets or imports outside the block.
    """
    if not (block and is_htmx()):
        body = render_template(template, **context)
    elif block.endswith(".html"):
        body = render_template(block, **context)
    else:
        body = _render_block(template, block, context)
    response = make_response(body, status)
    response.vary.add("HX-Request")
    return response


def _render_block(template: str, block: str, context: dict[str, Any]) -> str:
    found = current_app.jinja_env.get_template(template)
    current_app.update_template_context(context)
    return "".join(found.blocks[block](found.new_context(context)))


def problem(
    status: int, title: str, detail: str | None = None, errors: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """RFC 9457 problem+json; ``errors``: field key → sentence."""
    body: dict[str, Any] = {"type": "about:blank", "title": str(title), "status": status}
    if detail:
        body["detail"] = str(detail)
    if errors:
        body["errors"] = [{"field": field, "message": str(message)} for field, message in errors.items()]
    response = jsonify(body | more)
    response.status_code = status
    response.mimetype = "application/problem+json"
    return response


def trigger(response: AnyResponse, event: str, detail: Any = None) -> AnyResponse:
    """Fires an event in the browser when htmx takes this response; keeps those that are there already."""
    known = json.loads(response.headers.get("HX-Trigger", "{}"))
    # Headers are Latin-1: Chinese goes as escapes.
    response.headers["HX-Trigger"] = json.dumps(known | {event: detail})
    return response


def toast(
    response: AnyResponse | str, message: object, undo_url: str | None = None, kind: str = "success"
) -> AnyResponse:
    """Shows a short notice. ``undo_url``: where "undo" posts to. ``kind``: success, info, warning or error.

    Works for htmx; before a redirect of a whole page use ``flask.flash(message, kind)``.
    """
    answer = make_response(response) if isinstance(response, str) else response
    return trigger(answer, "guke:toast", {"message": str(message), "undo": undo_url, "kind": kind})


def go(url: str) -> AnyResponse:
    """Sends the browser to ``url`` with a new page load, from a form or from htmx."""
    if htmx:
        return htmx_response("", 204, redirect=url)
    return redirect(url, 303)


def redirect_back(default: str = "/") -> AnyResponse:
    """Back to the page the request came from, if it is one of ours; else to ``default`` (a path or an endpoint)."""
    came = request.form.get("next") or htmx.current_url or request.referrer or ""
    fallback = default if default.startswith("/") else url_for(default)
    return go(safe_next(came, fallback))


def whole(text: str) -> int:
    """A whole number that somebody sent, for ``args.get(name, type=whole)``. Raises ValueError, also for one that no id and
    no count in the database can be."""
    if len(text.strip()) > 15:
        raise ValueError(text)
    return int(text)


def ids(*texts: str) -> list[int]:
    """Ids of records as pages send them, separated by commas; what is none is left out."""
    sent = (part.strip() for text in texts for part in text.split(","))
    return [int(part) for part in sent if part.isdecimal() and len(part) < 16]


def safe_next(wanted: str | None, default: str = "/") -> str:
    """``wanted`` when it is a path of this site (a URL of this host is cut down to its path), else ``default``."""
    if not wanted or wanted[0].isspace() or "\\" in wanted or any(ord(c) < 32 for c in wanted):
        return default
    parts = urlsplit(wanted)
    if parts.netloc and parts.netloc != request.host:
        return default
    if not parts.path.startswith("/") or parts.path.startswith("//"):
        return default
    return parts.path + (f"?{parts.query}" if parts.query else "")
