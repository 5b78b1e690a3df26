"""Settings → Connections: the outside systems of the company, each with a button that really tries it."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response

from ..accounts import audit
from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin
from ..core import http, nav
from ..core.errors import NotFound, UserError
from . import kinds, store, uses
from .kinds import Kind
from .store import Shown

bp = Blueprint("connections", __name__, url_prefix="/settings/connections")
nav.add(
    "settings", _l("连接"), "connections.index", "plug", "admin", order=40,
    words="connection lianjie webhook sms duanxin wecom qiyeweixin dingtalk dingding feishu email youjian",
)  # fmt: skip

Answer = Response | tuple[Response, int]

GROUPS = {"out": _l("发送消息"), "in": _l("接收数据")}
"""What kinds are for, in the order of the page that offers them."""


@bp.get("/")
@requires_admin
def index() -> Response:
    return http.render("connections/index.html", found=store.all_shown())


@bp.get("/new")
@requires_admin
def choose() -> Response:
    """Which kind it will be."""
    offered = [(label, [kind for kind in kinds.all_kinds() if kind.group == group]) for group, label in GROUPS.items()]
    return http.render("connections/choose.html", offered=[(label, group) for label, group in offered if group])


@bp.get("/new/<kind_key>")
@requires_admin
def new(kind_key: str) -> Response:
    kind = kinds.get(kind_key)
    return _page(kind, None, _start(kind), {})


@bp.post("/new/<kind_key>")
@requires_admin
def create(kind_key: str) -> Response:
    kind, given = kinds.get(kind_key), _given()
    if request.form.get("do") == "test":
        return _tried(kind, None, given)
    try:
        key = store.create({"kind": kind.key, **given}, current_actor())
    except UserError as error:
        return _page(kind, None, given, _errors(error))
    flash(_("已添加连接。"), "success")
    return http.go(url_for(kind.page or "connections.edit", key=key))


@bp.get("/<key>")
@requires_admin
def edit(key: str) -> Response:
    found = store.shown(key)
    return _page(found.kind, found, _kept(found), {})


@bp.post("/<key>")
@requires_admin
def save(key: str) -> Response:
    found, given = store.shown(key), _given()
    if request.form.get("do") == "test":
        return _tried(found.kind, found, given)
    try:
        store.update(key, given, current_actor(), request.form.get("version", type=http.whole))
    except UserError as error:
        return _page(found.kind, found, given, _errors(error))
    flash(_("连接已保存。"), "success")
    return http.go(url_for(".index"))


@bp.post("/<key>/test")
@requires_admin
def test(key: str) -> Response:
    """Tries a connection as it is kept; the answer is its row of the list."""
    found = store.shown(key)
    audit.note("connection.tested", {"name": found.label}, about=f"connection:{key}")
    try:
        said, ok = store.test(key), True
    except UserError as error:
        said, ok = error.message, False
    response = http.render(
        "connections/index.html", "connections/_row.html", one=store.shown(key), found=store.all_shown()
    )
    return http.toast(response, said, kind="success" if ok else "error")


@bp.post("/<key>/switch")
@requires_admin
def switch(key: str) -> Response:
    found = store.shown(key)
    store.update(key, {"enabled": not found.enabled}, current_actor())
    response = http.render(
        "connections/index.html", "connections/_row.html", one=store.shown(key), found=store.all_shown()
    )
    text = _("已停用「%(name)s」", name=found.label) if found.enabled else _("已启用「%(name)s」", name=found.label)
    return http.toast(response, text)


@bp.post("/<key>/delete")
@requires_admin
def delete(key: str) -> Response:
    label = store.delete(key, current_actor())
    undo = url_for(".restore", key=key)
    return http.toast(http.go(url_for(".index")), _("已删除连接「%(name)s」", name=label), undo)


@bp.post("/<key>/restore")
@requires_admin
def restore(key: str) -> Response:
    store.restore(key, current_actor())
    return http.go(url_for(".index"))


@bp.post("/<key>/hook")
@requires_admin
def renew_hook(key: str) -> Response:
    """A new address for what the platform reports; it is shown this once and the old one is over."""
    found = store.shown(key)
    if not found.kind.listens:
        raise NotFound()
    token = secrets.token_urlsafe(24)
    store.update(key, {"params": {found.kind.listens: token}}, current_actor())
    found = store.shown(key)
    return _page(found.kind, found, _kept(found), {}, hook_token=token)


# -- the form ---------------------------------------------------------------------------------------------------------


def _given() -> dict[str, Any]:
    """What the form says, in the shape of the API."""
    form = request.form
    prefix = "params."
    params: dict[str, Any] = {name.removeprefix(prefix): form[name] for name in form if name.startswith(prefix)}
    # A switch that is off is not sent at all.
    params |= {name: False for name in form.getlist("switch") if name not in params}
    return {"label": form.get("label", ""), "enabled": "enabled" in form, "params": params}


def _errors(error: UserError) -> dict[str, str]:
    return error.errors or {"": error.message}


def _start(kind: Kind) -> dict[str, Any]:
    taken = set(store.labels().values())
    label = next(name for name in _names(str(kind.label)) if name not in taken)
    return {"label": label, "enabled": True, "params": {p.key: p.shown(p.default) for p in kind.inputs}}


def _names(base: str) -> Any:
    yield base
    number = 2
    while True:
        yield f"{base} {number}"
        number += 1


def _kept(found: Shown) -> dict[str, Any]:
    plain = {p.key: p.shown(found.params.get(p.key)) for p in found.kind.inputs if not p.secret}
    return {"label": found.label, "enabled": found.enabled, "params": plain}


def _tried(kind: Kind, found: Shown | None, given: dict[str, Any]) -> Response:
    """Tries what stands in the form, kept or not."""
    try:
        said = store.try_out(kind, given["params"], found.key if found else None)
    except UserError as error:
        return _page(kind, found, given, _errors(error))
    return _page(kind, store.shown(found.key) if found else None, given, {}, said)


def _page(kind: Kind, found: Shown | None, values: dict[str, Any], errors: dict[str, str], said: str = "",
          hook_token: str | None = None) -> Response:  # fmt: skip
    return http.render(
        "connections/edit.html", kind=kind, found=found, values=values, errors=errors, said=said,
        used=uses.of(found.key) if found else [], hook_token=hook_token,
        hook=request.url_root.rstrip("/") + url_for("webhooks.receive", key=found.key) if found else "",
        unfolded=any(p.advanced and f"params.{p.key}" in errors for p in kind.params), status=422 if errors else 200,
    )  # fmt: skip
