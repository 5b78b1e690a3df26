"""The connections of the company: look one up, make, change, try, delete.

Secrets are opened only by :func:`get`, :func:`by_id` and :func:`of_kind`, whose answers go into no page; a
:class:`Shown` says of a secret only how it ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ..accounts import audit
from ..accounts.actor import Actor
from ..core import clock, i18n, incidents
from ..core.db import read, write
from ..core.errors import Conflict, FieldErrors, NotFound, UserError
from . import health, kinds
from .kinds import Connection, Kind
from .models import ConnectionRow, ConnectionUse

KEPT = 30 * clock.DAY
"""Seconds for which a deletion can be taken back."""
TAIL = 4
"""Characters of a secret that are shown, if it has at least three times as many."""
LABEL_LENGTH = 60

_HERE = ConnectionRow.deleted_at.is_null()
_OPEN = [f for f in ConnectionRow._meta.sorted_fields if f is not ConnectionRow.secrets]
"""All but the sealed column."""


class Shown(Struct, frozen=True):
    """A connection as people and programs see it. ``hints``: param key of each secret that is set → how it ends."""

    id: int
    key: str
    kind: Kind
    label: str
    enabled: bool
    params: dict[str, Any]
    hints: dict[str, str]
    version: int
    last_ok_at: int | None
    last_error: str | None
    last_error_at: int | None
    failures: int
    today: tuple[int, int] = (0, 0)
    deleted: bool = False

    @property
    def state(self) -> str:
        """``off``, ``failing``, ``working`` or ``unused``."""
        if not self.enabled:
            return "off"
        if self.failures:
            return "failing"
        return "working" if self.last_ok_at else "unused"

    def document(self) -> dict[str, Any]:
        """As app packages have it: without secrets."""
        plain = {p.key: self.params[p.key] for p in self.kind.params if not p.secret and p.key in self.params}
        return {"key": self.key, "kind": self.kind.key, "label": self.label, "enabled": self.enabled, "params": plain}


# -- looking up -------------------------------------------------------------------------------------------------------


def get(key: str) -> Connection:
    """The connection, ready to be used. Raises :class:`NotFound`, and :class:`UserError` when its secrets cannot be
    opened."""
    with read():
        row = ConnectionRow.get_or_none(ConnectionRow.key == key, _HERE)
    if row is None:
        raise NotFound(_("没有连接「%(key)s」，它可能已被删除。", key=key))
    return _opened(row)


def by_id(connection_id: int) -> Connection:
    """Raises :class:`NotFound`."""
    with read():
        row = ConnectionRow.get_or_none(ConnectionRow.id == connection_id, _HERE)
    if row is None:
        raise NotFound(_("没有这个连接，它可能已被删除。"))
    return _opened(row)


def of_kind(*wanted: str) -> list[Connection]:
    """The connections of these kinds, switched on or not, oldest first."""
    query = ConnectionRow.select().where(ConnectionRow.kind.in_(wanted), _HERE)
    with read():
        return [_opened(row) for row in query.order_by(ConnectionRow.id)]


def labels(*wanted: str) -> dict[str, str]:
    """Key → label of the connections (of these kinds), oldest first; nothing is opened."""
    query = ConnectionRow.select(ConnectionRow.key, ConnectionRow.label).where(_HERE).order_by(ConnectionRow.id)
    with read():
        return dict((query.where(ConnectionRow.kind.in_(wanted)) if wanted else query).tuples())


def _opened(row: ConnectionRow) -> Connection:
    return Connection(
        row.id, row.key, row.kind, row.label, bool(row.enabled), _defaults(row) | row.params | _secrets(row), row.version
    )  # fmt: skip


def _defaults(row: ConnectionRow) -> dict[str, Any]:
    return {p.key: p.default for p in kinds.get(row.kind).params}


def _secrets(row: ConnectionRow) -> dict[str, str]:
    return json.loads(row.secrets) if row.secrets else {}


def shown(key: str) -> Shown:
    """One as it is shown. Raises :class:`NotFound`."""
    with read():
        row = ConnectionRow.select(*_OPEN).where(ConnectionRow.key == key, _HERE).first()
    if row is None:
        raise NotFound()
    return _shown(row, health.today(), hints(row.id))


def all_shown() -> list[Shown]:
    """Every connection as a list shows it (without :attr:`Shown.hints`), oldest first."""
    with read():
        today = health.today()
        rows = ConnectionRow.select(*_OPEN).where(_HERE).order_by(ConnectionRow.id)
        return [_shown(row, today, {}) for row in rows]


def _shown(row: ConnectionRow, today: dict[int, tuple[int, int]], tails: dict[str, str]) -> Shown:
    return Shown(
        row.id, row.key, kinds.get(row.kind), row.label, bool(row.enabled), _defaults(row) | row.params, tails, row.version,
        row.last_ok_at, row.last_error, row.last_error_at, row.failures, today.get(row.id, (0, 0)),
    )  # fmt: skip


def hints(connection_id: int) -> dict[str, str]:
    """How the secrets that are set end. What the present key does not open counts as not set."""
    found = _known_secrets(connection_id)
    return {key: text[-TAIL:] if len(text) >= 3 * TAIL else "" for key, text in found.items() if text}


def _known_secrets(connection_id: int) -> dict[str, str]:
    """What is set; nothing when the key file is another one, so that it can be typed anew."""
    try:
        with read():
            row = ConnectionRow.get_or_none(ConnectionRow.id == connection_id)
        return _secrets(row) if row else {}
    except UserError:
        return {}


# -- changing ---------------------------------------------------------------------------------------------------------


def create(doc: Mapping[str, Any], actor: Actor) -> str:
    """``{"key"?, "kind", "label", "enabled"?, "params": {…}}``; returns the key. Raises :class:`FieldErrors`."""
    kind = kinds.get(str(doc.get("kind") or ""))
    return _create(doc, kind.read(_params(doc, kind), {}), actor, enabled=bool(doc.get("enabled", True)))


def _create(doc: Mapping[str, Any], config: dict[str, Any], actor: Actor, *, enabled: bool) -> str:
    kind = kinds.get(str(doc.get("kind")))
    label = _label(i18n.label(doc["label"]) if doc.get("label") else str(kind.label))
    now = clock.now()
    with write():
        key = _new_key(doc.get("key"), kind)
        params, secrets = _apart(kind, config)
        ConnectionRow.insert(
            key=key, kind=kind.key, label=label, enabled=enabled, params=params, secrets=secrets, created_at=now,
            created_by=actor.id, updated_at=now,
        ).execute()  # fmt: skip
        audit.note("connection.created", {"name": label}, actor, f"connection:{key}")
    return key


def install(doc: Mapping[str, Any], actor: Actor) -> str:
    """As :func:`create`, for a package: without secrets, so it stays off until somebody has filled them in."""
    kind = kinds.get(str(doc.get("kind") or ""))
    if given := [p.key for p in kind.params if p.secret and p.key in (doc.get("params") or {})]:
        said = _("应用包里不能有密码和令牌（%(key)s），请安装后在「设置 → 连接」里填写。", key=given[0])
        raise UserError(said, f"params.{given[0]}")
    return _create(
        doc,
        kind.read(_params(doc, kind), {}, secrets_later=True),
        actor,
        enabled=_is_whole(kind) and doc.get("enabled", True),
    )


def _is_whole(kind: Kind) -> bool:
    """Whether it works without any secret."""
    return not any(p.secret and p.required for p in kind.params)


def update(key: str, doc: Mapping[str, Any], actor: Actor, version: int | None = None) -> None:
    """Changes what ``doc`` names; a secret that is left blank stays. Raises :class:`FieldErrors`, :class:`Conflict`."""
    with write():
        row = _row(key)
        if version is not None and version != row.version:
            raise Conflict(_("有人刚刚修改过这个连接，请刷新后再改。"))
        kind = kinds.get(row.kind)
        values: dict[str, Any] = {}
        if "label" in doc:
            values["label"] = _label(doc["label"])
        if "enabled" in doc:
            values["enabled"] = bool(doc["enabled"])
        if "params" in doc:
            kept = _defaults(row) | row.params | _known_secrets(row.id)
            values["params"], values["secrets"] = _apart(kind, kind.read(_params(doc, kind), kept))
        changed = _changed(row, values, doc)
        if not changed:
            return
        ConnectionRow.update(values | {"version": row.version + 1, "updated_at": clock.now()}).where(
            ConnectionRow.id == row.id
        ).execute()
        detail = {"name": values.get("label", row.label), "field": _("、").join(changed)}
        audit.note("connection.changed", detail, actor, f"connection:{key}")


def _changed(row: ConnectionRow, values: dict[str, Any], doc: Mapping[str, Any]) -> list[str]:
    """The names of what is different now; of secrets never what they are."""
    found = []
    if values.get("label", row.label) != row.label:
        found.append(_("名称"))
    if values.get("enabled", row.enabled) != row.enabled:
        found.append(_("启用"))
    if "params" in values:
        before, after = row.params, values["params"]
        secrets = json.loads(values["secrets"] or "{}")
        known = _known_secrets(row.id)
        for p in kinds.get(row.kind).params:
            old, new = (known, secrets) if p.secret else (before, after)
            if old.get(p.key, p.default) != new.get(p.key, p.default):
                found.append(str(p.label))
    return found


def delete(key: str, actor: Actor) -> str:
    """Puts it away; :func:`restore` brings it back for a while. Returns its label."""
    with write():
        row = _row(key)
        ConnectionRow.update(deleted_at=clock.now()).where(ConnectionRow.id == row.id).execute()
        incidents.settle(health.topic(row.id))
        audit.note("connection.deleted", {"name": row.label}, actor, f"connection:{key}")
    return str(row.label)


def restore(key: str, actor: Actor) -> None:
    with write():
        row = (
            ConnectionRow.select(*_OPEN)
            .where(ConnectionRow.key == key, ConnectionRow.deleted_at.is_null(False))
            .first()
        )
        if row is None:
            raise NotFound()
        ConnectionRow.update(deleted_at=None).where(ConnectionRow.id == row.id).execute()
        audit.note("connection.restored", {"name": row.label}, actor, f"connection:{key}")


def forget() -> None:
    """Removes for good, with its secrets, what was deleted long enough ago; called by the nightly upkeep."""
    old = ConnectionRow.select(ConnectionRow.id).where(ConnectionRow.deleted_at < clock.now() - KEPT)
    with write():
        ConnectionUse.delete().where(ConnectionUse.connection_id.in_(old)).execute()
        ConnectionRow.delete().where(ConnectionRow.deleted_at < clock.now() - KEPT).execute()
        health.forget()


def test(key: str) -> str:
    """Really calls the other side; the sentence of what went well. Raises :class:`UserError` with what is wrong."""
    connection = get(key)
    try:
        said = kinds.get(connection.kind).test(connection)
    except UserError as error:
        health.note(connection, ok=False, error=error.message)
        raise
    health.note(connection, ok=True)
    return said


def try_out(kind: Kind, given: Mapping[str, Any], key: str | None) -> str:
    """As :func:`test`, with what was typed and is not kept; blank secrets are those of the connection ``key``."""
    kept = get(key) if key else None
    config = kind.read(given, kept.config if kept else {})
    if kept and config == kept.config:
        return test(kept.key)
    return kind.test(Connection(0, key or "", kind.key, str(kind.label), True, config))


def _row(key: str) -> ConnectionRow:
    row = ConnectionRow.select(*_OPEN).where(ConnectionRow.key == key, _HERE).first()
    if row is None:
        raise NotFound()
    return row


def _label(raw: Any) -> str:
    text = str(raw or "").strip()
    if not text or len(text) > LABEL_LENGTH:
        raise FieldErrors({"label": _("请填写名称，最多 %(most)s 个字。", most=LABEL_LENGTH)})
    return text


def _params(doc: Mapping[str, Any], kind: Kind) -> Mapping[str, Any]:
    given = doc.get("params", {})
    if not isinstance(given, Mapping):
        raise UserError(_("「params」要是一个 JSON 对象。"), "params")
    known = [p.key for p in kind.params]
    if unknown := [key for key in given if key not in known]:
        said = _("不认识「%(key)s」，可用：%(known)s。", key=str(unknown[0])[:40], known=", ".join(known))
        raise UserError(said, f"params.{unknown[0]}"[:60])
    return given


def _apart(kind: Kind, config: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """What may be read, and the secrets as one text to be sealed."""
    hidden = {p.key for p in kind.params if p.secret}
    secrets = {key: value for key, value in config.items() if key in hidden and value}
    return {k: v for k, v in config.items() if k not in hidden}, json.dumps(secrets) if secrets else None


def _new_key(wanted: Any, kind: Kind) -> str:
    if wanted:
        text = str(wanted)
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,59}", text):
            raise FieldErrors({"key": _("键名用小写字母、数字、下划线和短横线，以字母开头。")})
        if ConnectionRow.select().where(ConnectionRow.key == text).exists():
            raise Conflict(_("已经有键名为「%(key)s」的连接（或刚删除不久），请换一个。", key=text), "key")
        return text
    return next(
        key for key in _candidates(kind.key) if not ConnectionRow.select().where(ConnectionRow.key == key).exists()
    )


def _candidates(base: str) -> Iterator[str]:
    yield base
    number = 2
    while True:
        yield f"{base}_{number}"
        number += 1
