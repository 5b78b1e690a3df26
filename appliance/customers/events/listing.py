"""A customer's events for people and programs, newest first; and what one of them says in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from ...core import clock, settings
from ...core.db import read
from ...core.errors import UserError
from . import columns, kinds
from .models import Event

MAX_SHOWN = 4
"""Props that a line of words names."""


def page(
    customer_id: int, limit: int, cursor: str | None = None, types: Sequence[str] = (), since: int | None = None
) -> tuple[list[Event], str | None]:
    """A page of events and where the next one begins. The caller has made sure that the customer may be seen.

    Raises UserError for a bad cursor.
    """
    rows = Event.select().where(Event.customer_id == customer_id)
    if types:
        rows = rows.where(Event.type.in_(list(types)))
    if since is not None:
        rows = rows.where(Event.at >= since)
    if cursor:
        try:
            at, event_id = map(int, cursor.split("."))
        except ValueError as error:
            raise UserError(_("翻页位置无效，请从第一页重新开始。"), "cursor") from error
        rows = rows.where((Event.at < at) | ((Event.at == at) & (Event.id < event_id)))
    with read():
        found = list(rows.order_by(Event.at.desc(), Event.id.desc()).limit(limit + 1))
    more = found[limit - 1] if len(found) > limit else None
    return found[:limit], f"{more.at}.{more.id}" if more else None


def document(event: Event) -> dict[str, Any]:
    """An event as the API prints it: the keys it came with, and our ``event_id``."""
    tz = settings.tz()
    return {
        "event_id": event.id, "connection": event.connection or None, "id": event.external_id, "customer": event.customer_id,
        "type": event.type, "at": clock.iso(event.at, tz), "seconds": event.seconds, "live_session": event.live_session_id,
        "channel": event.channel, "times": event.times, "props": event.props or {}, "received_at": clock.iso(event.received_at, tz),
    }  # fmt: skip


def duration(seconds: int) -> str:
    """``2 分 10 秒``, ``1 小时 5 分``."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = []
    if hours:
        parts.append(ngettext("%(num)d 小时", "%(num)d 小时", hours))
    if minutes:
        parts.append(ngettext("%(num)d 分", "%(num)d 分", minutes))
    if (rest and not hours) or not parts:
        parts.append(ngettext("%(num)d 秒", "%(num)d 秒", rest))
    return " ".join(parts)


def title(event: Event) -> str:
    """``观看 2 分 10 秒``, ``评论``."""
    name = kinds.label_of(event.type)
    if event.seconds:
        return f"{name} {duration(event.seconds)}"
    return f"{name} ×{event.times:,}" if event.times > 1 else name


def details(event: Event) -> str:
    """What an event holds besides, in words: text alone for one that is nothing but text."""
    props = {key: value for key, value in (event.props or {}).items() if isinstance(value, (str, int, float))}
    text = str(props.pop("text", ""))
    told = [f"{columns.prop_label(key)} {value}" for key, value in list(props.items())[:MAX_SHOWN]]
    return " · ".join([text] * bool(text) + told)
