"""Which hosts of the company's own network Guke may send requests to."""

from __future__ import annotations

from flask import Blueprint, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..accounts.guards import requires_admin
from ..core import http, nav, outbound, settings
from ..core.errors import UserError
from .settings import save

bp = Blueprint("outbound", __name__, url_prefix="/settings/outbound")
nav.add(
    "settings", _l("外部访问"), "outbound.page", "world", "admin", order=45, words="outbound ssrf webhook waibu fangwen"
)

KEY = "security.allowed_hosts"
Answer = Response | str | tuple[str, int]


@bp.get("/")
@requires_admin
def page() -> str:
    return _page(settings.get(KEY), {})


@bp.post("/")
@requires_admin
def change() -> Answer:
    given = request.form.get(KEY, "")
    try:
        save({KEY: given})
    except UserError as error:
        return _page(given, error.errors), 422
    flash(_("已保存。"), "success")
    return http.go(url_for(".page"))


@bp.post("/check")
@requires_admin
def check() -> Answer:
    """Says whether a URL may be fetched, without fetching it."""
    url = request.form.get("url", "").strip()
    try:
        parts = outbound.check_url(url)
        known = outbound.addresses(parts.hostname or "", parts.port or outbound.PORTS[parts.scheme])
    except UserError as error:
        return _page(settings.get(KEY), {"url": error.message}, url), 422
    flash(_("可以访问：%(addresses)s", addresses=", ".join(map(str, known))), "success")
    return http.go(url_for(".page"))


def _page(value: str, errors: dict[str, str], url: str = "") -> str:
    [declared] = settings.declared(KEY)
    return render_template("web/outbound.html", declared=declared, value=value, errors=errors, url=url)
