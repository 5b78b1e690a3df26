"""The connections of the company: look one up, make, change, delete. Secrets are opened only by :func:`get` and
:func:`of_kind`, whose answers go into no page."""

from __future__ import annotations

import json

from flask_babel import gettext as _

from ..core.db import read
from ..core.errors import NotFound
from .kinds import Connection
from .models import ConnectionRow


def get(key: str) -> Connection:
    """The connection, ready to be used. Raises :class:`NotFound`, and :class:`UserError` when its secrets cannot be opened."""
    with read():
        row = ConnectionRow.get_or_none(ConnectionRow.key == key, ConnectionRow.deleted_at.is_null())
    if row is None:
        raise NotFound(_("没有连接「%(key)s」，它可能已被删除。", key=key))
    return _opened(row)


def by_id(connection_id: int) -> Connection:
    """Raises :class:`NotFound`."""
    with read():
        row = ConnectionRow.get_or_none(ConnectionRow.id == connection_id, ConnectionRow.deleted_at.is_null())
    if row is None:
        raise NotFound(_("没有这个连接，它可能已被删除。"))
    return _opened(row)


def of_kind(*wanted: str) -> list[Connection]:
    """The connections of these kinds, switched on or not, oldest first."""
    query = ConnectionRow.select().where(ConnectionRow.kind.in_(wanted), ConnectionRow.deleted_at.is_null())
    with read():
        return [_opened(row) for row in query.order_by(ConnectionRow.id)]


def _opened(row: ConnectionRow) -> Connection:
    config = dict(row.params) | (json.loads(row.secrets) if row.secrets else {})
    return Connection(row.id, row.key, row.kind, row.label, bool(row.enabled), config, row.version)
