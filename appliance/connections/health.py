"""Whether a connection works: what went through it, its last success and last error, and one incident while it fails."""

from __future__ import annotations

import datetime as dt

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core import clock, incidents, settings
from ..core.db import read, write
from .kinds import Connection
from .models import ConnectionRow, ConnectionUse

PATIENCE = 3
"""So many failures without a success in between make an incident; refused credentials do at once."""
KEPT = 90
"""Days for which it is known how much went through."""

incidents.declare("connection", _l("连接出错"))


def topic(connection_id: int) -> str:
    return f"connection:{connection_id}"


def note(connection: Connection, *, ok: bool, error: str | None = None, refused: bool = False) -> None:
    """Counts one use. ``error``: a fault of the connection itself; neither ``ok`` nor ``error``: something of one message
    only. ``refused``: the other side does not accept who we are."""
    now = clock.now()
    row = ConnectionRow.id == connection.id
    with write():
        _count(connection.id, ok)
        if ok:
            failing = ConnectionRow.select(ConnectionRow.failures).where(row).scalar() or 0
            ConnectionRow.update(last_ok_at=now, failures=0).where(row).execute()
            if failing:
                incidents.settle(topic(connection.id))
        elif error:
            values = {"last_error": error[:500], "last_error_at": now, "failures": ConnectionRow.failures + 1}
            ConnectionRow.update(values).where(row).execute()
            failures = ConnectionRow.select(ConnectionRow.failures).where(row).scalar() or 0
            if refused or failures >= PATIENCE:
                incidents.open(
                    "connection",
                    _("连接「%(connection)s」连续失败：%(why)s", connection=connection.label, why=error[:300]),
                    topic(connection.id),
                    topic(connection.id),
                )


def turned_away(connection: Connection, why: str) -> None:
    """Somebody called us and was not let in: shown beside the connection, no fault of its own."""
    with write():
        ConnectionRow.update(last_error=why[:500], last_error_at=clock.now()).where(
            ConnectionRow.id == connection.id
        ).execute()


def _count(connection_id: int, ok: bool) -> None:
    day = clock.today(settings.tz()).isoformat()
    field = ConnectionUse.ok if ok else ConnectionUse.failed
    row = {"connection_id": connection_id, "day": day, field.name: 1}
    ConnectionUse.insert(row).on_conflict(
        conflict_target=[ConnectionUse.connection_id, ConnectionUse.day], update={field: field + 1}
    ).execute()


def today() -> dict[int, tuple[int, int]]:
    """What went through each connection today: id → (well, not)."""
    day = clock.today(settings.tz()).isoformat()
    query = ConnectionUse.select(ConnectionUse.connection_id, ConnectionUse.ok, ConnectionUse.failed)
    with read():
        return {found: (ok, failed) for found, ok, failed in query.where(ConnectionUse.day == day).tuples()}


def forget() -> None:
    """Drops old counts; called by the nightly upkeep."""
    oldest = clock.today(settings.tz()) - dt.timedelta(days=KEPT)
    ConnectionUse.delete().where(ConnectionUse.day < oldest.isoformat()).execute()
