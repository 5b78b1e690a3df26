"""Puts the rooms together into one Flask application."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from jinja2.bccache import Bucket, FileSystemBytecodeCache

from .. import __version__
from ..accounts import gate
from ..core import i18n, schema, secrets
from ..core.db import open_database
from ..core.folder import CACHE_NAME
from . import errors, home, shell
from .routing import LazyRule

log = logging.getLogger(__name__)

BLUEPRINTS = (
    "accounts.views",
    "accounts.admin",
    "accounts.department_views",
    "accounts.preview",
    "accounts.second_factor_views",
    "forms.role_views",
    "accounts.access_views",
    "accounts.invitation_views",
    "accounts.deputy_views",
    "accounts.source_views",
    "accounts.contact_views",
    "connections.views",
    "forms.views",
    "forms.handover_views",
    "forms.importing.views",
    "forms.public.views",
    "forms.designing.views",
    "forms.retention_views",
    "forms.watermark",
    "customers.views",
    "customers.events.views",
    "customers.page_views",
    "customers.privacy_views",
    "customers.segments.views",
    "customers.measures.views",
    "messaging.views",
    "automation.views",
    "loyalty.views",
    "sales.views",
    "reports.views",
    "channels.views",
    "api.views",
    "web.views",
    "web.settings",
    "web.workdays",
    "web.help",
    "web.log_export",
    "web.outbound",
    "ops.views",
)
"""The modules with a blueprint ``bp``. By name: ``ops`` stands above this room."""

BODY_LIMIT = 256 * 1024 * 1024
FORM_LIMIT = 8 * 1024 * 1024
_YEAR = 365 * 86_400

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), microphone=(), payment=(), usb=()",
}


def create_app(data: Path, *, testing: bool = False) -> Flask:
    """The application on the data folder ``data``, whose database is opened and brought to this release.

    Raises :class:`core.errors.UserError` when the database is of a newer release.
    """
    open_database(data)
    schema.prepare()
    app = Flask(
        "appliance",
        static_folder=str(folder("static")),
        template_folder=str(folder("templates")),
        static_url_path="/static",
    )
    app.url_rule_class = LazyRule
    app.config.update(
        TESTING=testing,
        SECRET_KEY=secrets.derive("flash"),
        # Flask's own session carries nothing but flashed notices; who is signed in stands in accounts.sessions.
        SESSION_COOKIE_NAME="guke_flash",
        SESSION_COOKIE_SAMESITE="Lax",
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=FORM_LIMIT,
        MAX_FORM_PARTS=20_000,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.bytecode_cache = _compiled_templates(data)
    i18n.init_app(app)
    gate.init_app(app)
    errors.init_app(app)
    shell.init_app(app)
    home.init_app(app)
    register(app)
    app.url_defaults(_static_version(app))
    app.after_request(_headers)
    return app


def folder(name: str) -> Path:
    """``templates`` or ``static``: inside the package when it was installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / name
    return inside if inside.is_dir() else package.parent / name


class _CompiledTemplates(FileSystemBytecodeCache):
    """Compiled templates stay from one start to the next: compiling those of one page takes longer than starting."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        # A full disk must not take the page away.
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


def _compiled_templates(data: Path) -> _CompiledTemplates | None:
    """In the folder that ``GUKE_CACHE`` names, else in the data folder; only its owner may write there."""
    cache = Path(os.environ.get("GUKE_CACHE") or data / CACHE_NAME)
    try:
        cache.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        log.warning("templates are compiled anew after each start: %s cannot be made", cache)
        return None
    ours = f"{__version__}-%s.cache"
    for file in cache.glob("*.cache"):
        if not fnmatch(file.name, ours % "*"):
            file.unlink(missing_ok=True)
    return _CompiledTemplates(str(cache), ours)


def register(app: Flask) -> None:
    """Registers every room's blueprint."""
    rooms = __package__.rpartition(".")[0]
    for name in BLUEPRINTS:
        app.register_blueprint(importlib.import_module(f"{rooms}.{name}").bp)


def _static_version(app: Flask) -> Any:
    root = Path(app.static_folder or "")

    def add(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values:
            try:
                values["v"] = f"{(root / values['filename']).stat().st_mtime_ns // 1_000_000:x}"
            except OSError:
                log.warning("static file %s does not exist", values["filename"])

    return add


def _headers(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    if (place := response.location) and place.startswith(request.host_url):
        # Our own places are told without the host: its header is whatever the asker wrote.
        response.location = "/" + place[len(request.host_url) :].lstrip("/\\")
        response.set_data(b"")
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR}")
    if request.endpoint == "static":
        # The URL carries the file's version: whoever has it never asks again.
        forever = f"public, max-age={_YEAR}, immutable"
        response.headers["Cache-Control"] = forever if "v" in request.args else "no-cache"
    else:
        response.headers.setdefault("Cache-Control", "private, no-cache")
    return response
