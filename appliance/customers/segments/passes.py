"""One pass: some customers are asked about again, by each subject that they may be other for, those first that others look at.

All that follows among segments and metrics is settled in the same transaction, so nobody sees half of it; what rules and
dynamic tags do is the next pass, one step deeper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import clock, incidents
from ...core.db import db, write
from ...core.errors import UserError
from ...forms import catalog
from ...forms.conditions import Context
from . import subjects, touching
from .models import NextLook
from .subjects import Part, Subject

Depths = dict[int, int]

incidents.declare("segments.broken", _l("客群或指标不能更新"), retry=lambda ref: _again(int(ref.partition(":")[2])))


def _again(number: int) -> None:
    touching.ask_full(number)


def run(pending: dict[int, Depths], now: int | None = None) -> int:
    """Asks about customers again: number of the subject → customer → depth. Returns how many answers were out of date.

    Only inside ``write()``.
    """
    known = subjects.index()
    waiting: dict[int, Depths] = defaultdict(dict)
    for number, depths in pending.items():
        if number in known.rank:
            waiting[number] = dict(depths)
    changed = 0
    for subject in known.subjects:
        depths = waiting.pop(subject.number, {})
        if depths:
            changed += _settle(subject, Part(tuple(sorted(depths))), depths, waiting, known, now)
    return changed


def over(number: int, part: Part, now: int | None = None) -> int:
    """Asks one subject about all customers of ``part``, and others about those who changed. Only inside ``write()``."""
    known = subjects.index()
    subject = known.by_number.get(number)
    if subject is None:
        return 0
    waiting: dict[int, Depths] = defaultdict(dict)
    changed = _settle(subject, part, {}, waiting, known, now)
    for other in known.subjects[known.rank[number] + 1 :]:
        depths = waiting.pop(other.number, {})
        if depths:
            _settle(other, Part(tuple(sorted(depths))), depths, waiting, known, now)
    return changed


def _settle(
    subject: Subject, part: Part, depths: Depths, waiting: dict[int, Depths], known: subjects.Index, now: int | None
) -> int:
    def take(number: int, customers: Collection[int], depth: int) -> bool:
        """What a later subject of this pass looks at need not be written down."""
        if known.rank.get(number, -1) <= known.rank[subject.number]:
            return False
        held = waiting[number]
        for customer in customers:
            held[customer] = max(depth, held.get(customer, 0))
        return True

    ctx = Context(now=clock.now() if now is None else now, tie=part.tie)
    try:
        # What one subject cannot do keeps no other from its work.
        with write(), touching.collecting(take):
            changed = subject.settle(part, ctx, depths)
            _look_later(subject, part, ctx)
            return changed
    except (UserError, ValueError) as error:
        report(subject.number, subject.label, str(error))
        return 0


def report(number: int, label: str, why: str) -> None:
    told = _("「%(name)s」：%(why)s", name=label, why=why)
    incidents.open("segments.broken", told, f"subject:{number}", f"segments.broken:{number}")


def _look_later(subject: Subject, part: Part, ctx: Context) -> None:
    """Writes down when each customer of the part must be asked about again."""
    form = catalog.get("customer")
    source = form.table.alias("c")
    customer = form.col("id", source)
    moment = subject.next_look(form, source, ctx)
    if moment is None:
        return
    NextLook.delete().where(NextLook.subject == subject.number, part.tie(NextLook.customer_id)).execute()
    rows = source.select(subject.number, customer, moment.alias("at")).where(
        part.tie(customer), form.col("deleted_at", source).is_null()
    )
    found = rows.alias("found")
    at = peewee.Column(found, "at")
    NextLook.insert_from(
        peewee.Select([found], [subject.number, peewee.Column(found, "id"), at]).where(at.is_null(False)),
        fields=[NextLook.subject, NextLook.customer_id, NextLook.at],
    ).execute(db)


def merge(into: dict[int, Depths], numbers: Iterable[int], customers: Iterable[int], depth: int) -> None:
    """Adds customers to what is pending, the deeper depth winning."""
    found = list(customers)
    for number in numbers:
        held = into.setdefault(number, {})
        for customer in found:
            held[customer] = max(depth, held.get(customer, 0))
