"""Events on the customer's timeline: runs of one kind in one session are one entry."""

from __future__ import annotations

from flask import url_for
from flask_babel import lazy_gettext as _l

from ...accounts.actor import Actor
from ...forms import catalog, query
from ...forms.query import Record
from .. import timeline
from ..timeline import Item, Mark
from . import kinds, listing
from .models import Event


@timeline.source("events", _l("互动"), "activity", 20, colour="purple", forms=("event_entry",))
def events(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    mine = Event.select().where(Event.customer_id == customer.id, before.below(Event.at, Event.id))
    rows = list(mine.order_by(Event.at.desc(), Event.id.desc()).limit(limit))
    sessions = query.titles(
        catalog.get("live_session"), {row.live_session_id for row in rows if row.live_session_id is not None}, actor
    )
    known = kinds.every()
    return [_item(row, sessions, known.get(row.type)) for row in rows]


def _item(row: Event, sessions: dict[int, str], kind: kinds.Kind | None) -> Item:
    session = sessions.get(row.live_session_id)
    link = None
    if session is not None:
        link = (session, url_for("forms.show_record", form_key="live_session", record_id=row.live_session_id))
    text = listing.details(row)
    return Item(
        row.at, row.id, listing.title(row), text=text, because=link, icon=kind.icon if kind else "",
        # What says something of its own stands alone; likes and the like are counted.
        fold="" if text or row.seconds or row.times > 1 else f"{row.type}:{row.live_session_id or ''}",
    )  # fmt: skip
