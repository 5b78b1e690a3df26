"""Entries: records of the form ``event``, written by hand or brought in files. A row of a live-room export tells of several
things at once (watched 13 minutes, commented 12 times, gave gifts worth ¥52); each becomes an event.

The events are the entry's: they change with it, go with it and come back with it, so an import is taken back like any other.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ...core import dialect
from ...core.db import db
from ...forms import catalog
from ...forms.catalog import Form
from ...forms.hooks import UNSET, Batch, Draft, after_write, before_write
from . import ingest, kinds
from .ingest import Row
from .models import Event

COUNTED = {"comments": "comment", "likes": "like", "shares": "share"}
TOLD = frozenset({
    "customer", "at", "channel", "live_session", "watched", *COUNTED, "gifts", "gift_value", "followed", "fan_club", "fan_level",
    "type", "times", "product", "content",
})  # fmt: skip
"""What the events are made of."""
TELLING = ("watched", *COUNTED, "gifts", "gift_value", "followed", "fan_club", "type")
"""Any of these says that something happened."""


@before_write("event_entry")
def make_sense(draft: Draft) -> None:
    """An entry tells of something, of a kind that there is."""
    known = kinds.every()
    for i, kind in enumerate(draft.columns.get("type", ())):
        if isinstance(kind, str) and (kind not in known or known[kind].deleted):
            draft.fail(i, "type", _("没有互动类型「%(key)s」，请先在“互动类型”里添加。", key=kind[:60]))
    for i in range(draft.size):
        old = draft.before.get(draft.ids[i], {}) if draft.ids else {}
        values = {key: draft.columns[key][i] if key in draft.columns else UNSET for key in TELLING}
        if not any(_said(old.get(key) if value is UNSET else value) for key, value in values.items()):
            draft.fail(i, "watched", _("请至少填写一种互动，例如观看时长、评论次数或互动类型。"))


def _said(value: Any) -> bool:
    return value is not None and value != 0 and value is not False


@after_write("event_entry")
def entries_written(batch: Batch) -> None:
    """After entries were written: their events are as they say."""
    if batch.action == "update" and not batch.fields & TOLD:
        return
    if batch.action == "delete":
        ingest.take_back(dialect.among(Event.entry_id, batch.ids), batch.cause)
        return
    rows = _events_of(batch.form, batch.ids)
    if batch.action == "update":
        # An event that is told of differently is still the same one: nobody waits for it a second time.
        known = Event.select(Event.id, Event.entry_id, Event.type).where(dialect.among(Event.entry_id, batch.ids))
        ids = {(entry, kind): event_id for event_id, entry, kind in known.tuples()}
        told = {ids[row.entry_id, row.type]: row for row in rows if (row.entry_id, row.type) in ids}
        ingest.take_back(dialect.among(Event.id, sorted(set(ids.values()) - told.keys())), batch.cause)
        ingest.tell_anew(told, batch.cause)
        rows = [row for row in rows if (row.entry_id, row.type) not in ids]
    if rows:
        ingest.store(rows, batch.cause)


def _events_of(form: Form, ids: list[int]) -> list[Row]:
    keys = sorted(TOLD & form.columns.keys())
    rows = form.table.select(form.col("id"), *[form.col(key) for key in keys]).where(dialect.among(form.col("id"), ids))
    found = [(row[0], dict(zip(keys, row[1:], strict=True))) for row in rows.tuples().execute(db)]
    channels = _channels({entry["live_session"] for _id, entry in found if entry.get("live_session")})
    return [row for entry_id, entry in found for row in _rows(entry_id, entry, channels) if row.customer_id]


def _channels(sessions: set[int]) -> dict[int, str | None]:
    form = catalog.get("live_session")
    rows = form.table.select(form.col("id"), form.col("channel")).where(dialect.among(form.col("id"), sessions))
    return dict(rows.tuples().execute(db)) if sessions else {}


def _rows(entry_id: int, entry: dict[str, Any], channels: dict[int, str | None]) -> list[Row]:
    session = entry.get("live_session")
    channel = entry.get("channel") or channels.get(session or 0)

    def row(kind: str, *, seconds: int | None = None, times: int = 1, **props: Any) -> Row:
        said = {key: value for key, value in props.items() if value not in (None, "")}
        return Row(
            0, "", None, {}, kind, entry["at"], seconds, None, f"#{session}" if session else None, channel, None,
            dialect.dumps(said) if said else None, times, entry.get("customer") or 0, entry_id,
        )  # fmt: skip

    found: list[Row] = []
    more: dict[str, Any] = {"product": entry.get("product"), "text": entry.get("content")}
    kind, watched = entry.get("type"), entry.get("watched")
    if kind:
        found.append(row(kind, seconds=watched, times=entry.get("times") or 1, **more))
    elif watched is not None:
        found.append(row("watch", seconds=watched, fan_level=entry.get("fan_level"), **more))
    found += [row(what, times=entry[key]) for key, what in COUNTED.items() if entry.get(key)]
    if entry.get("gifts") or entry.get("gift_value"):
        worth = entry.get("gift_value")
        found.append(row("gift", times=entry.get("gifts") or 1, value=worth / 100 if worth else None))
    found += [row(what) for key, what in (("followed", "follow"), ("fan_club", "join_fan_club")) if entry.get(key)]
    return found
