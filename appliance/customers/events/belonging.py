"""What becomes of events when their customer is merged, purged, exported or erased."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from ...accounts.actor import Actor
from ...core import dialect
from ...core.db import db
from ...forms import merging, purging
from ...forms.catalog import Form
from ...forms.hooks import Cause
from ...forms.query import Record
from .. import personal_data
from . import figures, ingest, listing, sessions
from .models import Event, EventMove

PAGE = 500


@merging.moves("customer")
class Events(merging.Mover):
    """What either did was done by one person. Taking the merge back returns those that came from the other."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        theirs = Event.customer_id == source
        rows = Event.select(cause.id, Event.id).where(theirs)
        moved = (
            EventMove.insert_from(rows, fields=[EventMove.merge_id, EventMove.event_id]).on_conflict_ignore().execute()
        )
        if moved:
            _hand(theirs, source, target)
        return {"merge": cause.id} if moved else None

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        mine = EventMove.merge_id == moved["merge"]
        theirs = Event.id.in_(EventMove.select(EventMove.event_id).where(mine)) & (Event.customer_id == target)
        _hand(theirs, target, source)
        EventMove.delete().where(mine).execute()


def _hand(which: Any, giver: int, taker: int) -> None:
    """Gives one customer's events to another; the figures of both, and of the sessions, follow."""
    at = Event.select(Event.live_session_id).where(which, Event.live_session_id.is_null(False)).distinct()
    touched = {row[0] for row in at.tuples().execute(db)}
    Event.update(customer_id=taker).where(which).execute()
    figures.recompute_ids({giver, taker})
    sessions.recompute_ids(touched)


@purging.also("customer")
def purged(form: Form, ids: list[int]) -> None:
    """With a customer who goes for good their events go."""
    ingest.take_back(dialect.among(Event.customer_id, ids), Cause("system"))


def erase(ids: list[int]) -> None:
    """That somebody did something at some time stays (sessions are counted by it); what they said or gave does not. Only
    inside ``write()``."""
    Event.update(props=None).where(dialect.among(Event.customer_id, ids), Event.props.is_null(False)).execute()


@personal_data.part("events", _l("互动"))
def told(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page, cursor = listing.page(customer.id, PAGE, cursor)
        found += [
            {"at": listing.document(event)["at"], "what": listing.title(event), **(event.props or {})} for event in page
        ]
        if cursor is None:
            return found
