"""``/hooks/{connection}``, where other systems call, and the settings pages about what they sent."""

from __future__ import annotations

import hmac
import json
import threading
import time
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from flask_babel import gettext as _
from msgspec.structs import replace
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit
from ..accounts.actor import current_actor
from ..accounts.guards import public, requires_admin
from ..connections import health, inbound, kinds, store
from ..connections.kinds import Connection
from ..core import http
from ..core.db import db
from ..core.errors import NotFound, UserError
from ..forms import catalog
from ..forms.importing import mapping as importing
from . import calls, mapping, paths, webhook_in
from .mapping import Mapping, Source

bp = Blueprint("webhooks", __name__)
PAGE = 30


# -- where others call ------------------------------------------------------------------------------------------------


@bp.post("/hooks/<key>")
@public
def receive(key: str) -> AnyResponse:
    """Takes a call: who is it, is it whole, is it new; then it is kept and answered. What it becomes is decided later.

    What a platform reports of messages that we sent through it is no record of anybody: it is written down at once.
    """
    if (request.content_length or 0) > calls.SIZE:
        return http.problem(413, _("内容太大，最多 %(size)d KB。", size=calls.SIZE // 1024))
    raw = request.get_data(cache=True)
    if len(raw) > calls.SIZE:
        return http.problem(413, _("内容太大，最多 %(size)d KB。", size=calls.SIZE // 1024))
    try:
        connection = store.get(key)
    except UserError:
        connection = None
    if connection is not None and (take := inbound.report(connection)):
        return _reported(connection, take, raw)
    if connection is None or connection.kind != webhook_in.KEY:
        return http.problem(401, _("地址或令牌不对。"))
    why = webhook_in.admits(connection, dict(request.headers), _token(), raw)
    if why:
        _refused(connection, why)
        return http.problem(401, _("地址或令牌不对。"), why)
    if not connection.enabled:
        return http.problem(403, _("这个连接已停用。"))
    if late := _too_fast(connection):
        return late
    try:
        doc = dict(request.form) if request.form else calls.parse(raw)
    except UserError as error:
        return http.problem(400, error.message)
    calls.take(connection, doc, raw, request.headers.get("Idempotency-Key", ""), request.remote_addr or "")
    return Response(connection.config.get("answer") or "{}", mimetype="application/json")


def _reported(connection: Connection, take: inbound.Report, raw: bytes) -> AnyResponse:
    """A platform tells what became of messages. It signs nothing: the token of its address says who it is. That somebody wants
    no more is heard on a connection that is switched off, too."""
    token = connection.config.get(kinds.get(connection.kind).listens or "") or ""
    if not token or not hmac.compare_digest(token.encode(), _token().encode()):
        _refused(connection, _("令牌不对。") if token else _("连接还没有设置令牌或签名密钥。"))
        return http.problem(401, _("地址或令牌不对。"))
    if late := _too_fast(connection):
        return late
    try:
        return jsonify(take(connection, calls.parse(raw)))
    except UserError as error:
        return http.problem(400, error.message)


def _token() -> str:
    scheme, _space, bearer = request.headers.get("Authorization", "").partition(" ")
    given = bearer.strip() if scheme.lower() == "bearer" else ""
    return request.args.get("token") or request.headers.get("X-Guke-Token") or given


_lock = threading.Lock()
_told: dict[tuple[Any, int], float] = {}
_counted: dict[tuple[Any, int], tuple[float, int]] = {}


def _refused(connection: Connection, why: str) -> None:
    """Says to administrators that somebody was turned away, once a minute at most: strangers could write without end."""
    now, mine = time.monotonic(), (db.database, connection.id)
    with _lock:
        if now - _told.get(mine, -60.0) < 60:
            return
        _told[mine] = now
    health.turned_away(connection, _("有一次调用被拒绝：%(why)s", why=why))


def _too_fast(connection: Connection) -> Response | None:
    """The answer when this minute's calls are used up; it says how many seconds to wait."""
    now, most = time.monotonic(), int(connection.config.get("per_minute") or 6_000)
    mine = (db.database, connection.id)
    with _lock:
        since, count = _counted.get(mine, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        _counted[mine] = (since, count + 1)
    if count < most:
        return None
    response = http.problem(429, _("调用太频繁，请稍后再试。"))
    response.headers["Retry-After"] = str(max(1, round(60 - (now - since))))
    return response


# -- what they sent ---------------------------------------------------------------------------------------------------


def _connection(key: str) -> Connection:
    """Raises :class:`NotFound` for one that nobody calls."""
    found = store.get(key)
    if found.kind != webhook_in.KEY:
        raise NotFound()
    return found


@bp.get("/settings/connections/<key>/calls")
@requires_admin
def show(key: str) -> Response:
    """The calls that came, newest first, and how to call."""
    return _show(_connection(key))


def _show(connection: Connection, token: str = "", status: int = 200) -> Response:  # nosec B107: no token in the path
    state, before = request.args.get("state", ""), request.args.get("before", type=http.whole)
    rows = calls.page(connection.id, state, before, PAGE + 1)
    wanted = _mapping(connection)
    return http.render(
        "channels/calls.html", "channels/_calls.html" if before else None,
        connection=connection, shown=store.shown(connection.key), rows=rows[:PAGE], more=len(rows) > PAGE, state=state,
        states=calls.STATES, counts=calls.counts(connection.id), token=token, address=_address(connection.key),
        guarded=bool(connection.config.get("token") or connection.config.get("secret")),
        has_token=bool(connection.config.get("token")), signing=webhook_in.SIGNING, mapping=wanted,
        form=catalog.all_forms().get(wanted.form) if wanted else None, forms=catalog.all_forms(),
        filters=_filters(connection, state), pretty=_pretty, status=status,
    )  # fmt: skip


def _filters(connection: Connection, state: str) -> list[tuple[str, str, bool, int]]:
    """The states that there are, as tabs."""
    found = calls.counts(connection.id)
    return [
        (str(label), url_for(".show", key=connection.key, state=key), key == state, found[key])
        for key, (label, _colour) in calls.STATES.items()
        if key in found
    ]


def _address(key: str) -> str:
    return request.url_root.rstrip("/") + url_for("webhooks.receive", key=key)


def _pretty(row: Any) -> str:
    """A call as people see it."""
    text = json.dumps(calls.redacted(json.loads(row.body)), ensure_ascii=False, indent=2)
    return text if len(text) <= 20_000 else text[:20_000] + "\n…"


def _mapping(connection: Connection) -> Mapping | None:
    found = connection.config.get("mapping")
    return Mapping.open(found) if found else None


@bp.post("/settings/connections/<key>/token")
@requires_admin
def renew_token(key: str) -> Response:
    """A new token; its address is shown this once."""
    _connection(key)
    token = webhook_in.new_token()
    store.update(key, {"params": {"token": token}}, current_actor())
    return _show(_connection(key), token)


@bp.post("/settings/connections/<key>/calls/<int:call_id>/retry")
@requires_admin
def retry(key: str, call_id: int) -> AnyResponse:
    calls.retry(_connection(key).id, call_id)
    return http.toast(http.go(url_for(".show", key=key)), _("已重新排队，马上处理。"))


@bp.post("/settings/connections/<key>/calls/retry")
@requires_admin
def retry_failed(key: str) -> AnyResponse:
    count = calls.retry_failed(_connection(key).id)
    return http.toast(http.go(url_for(".show", key=key)), _("%(count)s 次调用已重新排队，马上处理。", count=count))


# -- what a call becomes ----------------------------------------------------------------------------------------------


@bp.get("/settings/connections/<key>/mapping")
@requires_admin
def edit(key: str) -> Response:
    connection = _connection(key)
    doc = _last(connection)
    wanted = _mapping(connection)
    form_key = request.args.get("form") or (wanted.form if wanted else "")
    if wanted is None or wanted.form != form_key:
        form = catalog.all_forms().get(form_key)
        wanted = mapping.propose(form, doc) if form else Mapping(form_key)
    return _edit(connection, wanted, doc, {})


@bp.post("/settings/connections/<key>/mapping")
@requires_admin
def save(key: str) -> AnyResponse:
    """Keeps the mapping, or only shows what the last call would become."""
    connection, doc, wanted = _connection(key), None, _given()
    try:
        doc = _last(connection)
        checked = wanted.checked()
        if request.form.get("do") == "trial":
            if doc is None:
                raise UserError(_("还没有收到过调用，没有内容可以试。"))
            return _edit(connection, wanted, doc, {}, calls.trial(checked, doc))
        store.update(key, {"params": {"mapping": checked.document()}}, current_actor())
    except UserError as error:
        return _edit(connection, wanted, doc, error.errors or {"": error.message})
    count = calls.use_kept(connection.id)
    audit.note("connection.mapped", {"name": connection.label, "form": wanted.form}, about=f"connection:{key}")
    text = (
        _("已保存，之前收到的 %(count)s 次调用正在处理。", count=count) if count else _("已保存，新的调用会成为记录。")
    )
    return http.toast(http.go(url_for(".show", key=key)), text)


def _last(connection: Connection) -> Any:
    row = calls.last(connection.id)
    return json.loads(row.body) if row else None


def _given() -> Mapping:
    """``target``: the targets; of each ``path-``, ``default-`` and ``fen-``."""
    form = request.form
    fields = {
        target: Source(
            form.get(f"path-{target}", "").strip(), form.get(f"default-{target}", "").strip(), f"fen-{target}" in form
        )
        for target in form.getlist("target")
    }
    return Mapping(form.get("form", ""), fields, form.get("key") or None, form.get("known", "update"))


def _edit(connection: Connection, wanted: Mapping, doc: Any, errors: dict[str, str], written: Any = None) -> Response:
    form = catalog.all_forms().get(wanted.form)
    targets = importing.targets(form) if form else {}
    rows = [(target, wanted.fields.get(path, Source())) for path, target in targets.items() if path != importing.ID]
    rows.sort(key=lambda row: not (row[1].path or row[1].default))
    used = replace(
        wanted, fields={path: source for path, source in wanted.fields.items() if source.path or source.default}
    )
    leaves = paths.leaves(doc) if doc is not None else []
    return http.render(
        "channels/mapping.html", connection=connection, form=form, forms=_forms(), wanted=wanted, doc=doc,
        own=[row for row in rows if not row[0].via], related=[row for row in rows if row[0].via],
        related_open=any(target.via and (source.path or source.default) for target, source in rows),
        errors=errors, leaves=[(leaf.path, str(calls.redacted(leaf.value))[:60]) for leaf in leaves],
        samples={leaf.path: str(calls.redacted(leaf.value))[:60] for leaf in leaves},
        keys=mapping.keys(used) if form else {}, written=written, titles=_titles(written) if written else {},
        trial=_said(used, form, doc) if written and form else [],
        pretty=json.dumps(calls.redacted(doc), ensure_ascii=False, indent=2)[:20_000] if doc is not None else "",
        status=422 if errors else 200,
    )  # fmt: skip


def _said(wanted: Mapping, form: catalog.Form, doc: Any) -> list[list[tuple[str, str]]]:
    """What the first records of a trial would hold."""
    labels = mapping.labels(form, wanted.fields)
    rows = wanted.rows(doc)[:3]
    return [
        [(labels[path], str(calls.redacted(value))[:100]) for path, value in row.items() if value not in (None, "")]
        for row in rows
    ]


def _forms() -> dict[str, str]:
    return {form.key: form.label for form in catalog.all_forms().values() if not form.part_of}


def _titles(written: mapping.Written) -> dict[str, int]:
    """How many records would be made and changed."""
    made = len(written.made)
    return {"made": made, "changed": len(set(written.ids)) - made, "failed": len(written.failures)}
