"""What segments know about a person: told with everything else that is known, and gone when they are erased."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from ...accounts.actor import Actor
from ...core import clock, dialect, settings
from ...core.db import read
from ...forms.query import Record
from .. import erasing, personal_data
from . import store, subjects, touching
from .models import SegmentChosen, SegmentMember, SegmentRow

erasing.texts(SegmentRow, "label", "description", "definition")


@erasing.also
def erased(ids: list[int]) -> None:
    """They are on nobody's list any more; what conditions ask about them is asked again."""
    SegmentChosen.delete().where(dialect.among(SegmentChosen.customer_id, ids)).execute()
    # Names and numbers are struck out of conditions as well.
    subjects.changed()
    touching.mark([s.number for s in subjects.index().subjects], ids)


@personal_data.part("segments", _l("客群"))
def told(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    known = {s.id: s.label for s in store.all()}
    with read():
        rows = list(
            SegmentMember.select(SegmentMember.segment_id, SegmentMember.since)
            .where(SegmentMember.customer_id == customer.id)
            .order_by(SegmentMember.since)
            .tuples()
        )
    zone = settings.tz()
    return [{"segment": known[key], "since": clock.iso(since, zone)} for key, since in rows if key in known]
