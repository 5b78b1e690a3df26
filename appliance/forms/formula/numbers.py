"""Giving out automatic numbers: one statement a batch, in the transaction that writes the records."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from ...core import clock, settings
from ...core.db import PARAM, Statement, db
from ..catalog import Form
from ..fields.auto_number import AutoNumber
from .models import ComputedState, NumberCounter

_TAKE = Statement(
    NumberCounter.update(next=NumberCounter.next + PARAM)
    .where((NumberCounter.form_id == PARAM) & (NumberCounter.field_key == PARAM) & (NumberCounter.period == PARAM))
    .returning(NumberCounter.next)
)
_STATE = Statement(
    ComputedState.select(ComputedState.signature).where(
        (ComputedState.form_id == PARAM) & (ComputedState.field_key == PARAM)
    )
)
SIGNATURE = "auto_number"


def fields_of(form: Form) -> list[AutoNumber]:
    """The form's automatic numbers."""
    return [f for f in form.fields.values() if isinstance(f, AutoNumber)]


def fill(form: Form, rows: list[dict[str, Any]]) -> None:
    """Numbers new records, in order; one that brings its number keeps it and the count goes on behind it."""
    for f in fields_of(form):
        day = clock.today(settings.tz())
        _note(form, f, [row[f.key] for row in rows if row.get(f.key) is not None], day)
        bare = [row for row in rows if row.get(f.key) is None]
        if bare and ready(form, f):
            for row, number in zip(bare, take(form, f, [day] * len(bare)), strict=True):
                row[f.key] = number


def ready(form: Form, f: AutoNumber) -> bool:
    """Whether every older record has its number: until then new ones wait for theirs, so that all stand in order."""
    if getattr(f, "_ready", False):
        return True
    if _STATE.execute(form.id, f.key).fetchone() is None:
        without = form.table.select(form.col("id")).where(form.col(f.key).is_null()).limit(1)
        if list(without.tuples().execute(db)):
            return False
        done(form, f)
    f._ready = True  # type: ignore[attr-defined]
    return True


def done(form: Form, f: AutoNumber) -> None:
    """Notes that every record has its number."""
    ComputedState.insert(form_id=form.id, field_key=f.key, signature=SIGNATURE).on_conflict_ignore().execute()


def take(form: Form, f: AutoNumber, days: list[dt.date]) -> list[str]:
    """The next numbers, for records made on these days. Inside ``write()``; one that somebody gave is stepped over."""
    periods = [f.period(day) for day in days]
    nexts = {period: _take(form, f, period, count) for period, count in Counter(periods).items()}
    out = []
    for period, day in zip(periods, days, strict=True):
        out.append(f.number(nexts[period], day))
        nexts[period] += 1
    return out


def _take(form: Form, f: AutoNumber, period: str, count: int) -> int:
    """The first of ``count`` numbers."""
    row = _TAKE.execute(count, form.id, f.key, period).fetchone()
    if row is None:
        NumberCounter.insert(form_id=form.id, field_key=f.key, period=period, next=f.start + count).execute()
        return f.start
    return int(row[0]) - count


def _note(form: Form, f: AutoNumber, given: list[str], today: dt.date) -> None:
    """The count goes on behind numbers that were given."""
    highest: dict[str, int] = {}
    for text in given:
        found = f.counted(text, today)
        if found is not None:
            highest[found[0]] = max(highest.get(found[0], 0), found[1])
    for period, count in highest.items():
        NumberCounter.insert(
            form_id=form.id, field_key=f.key, period=period, next=max(f.start, count + 1)
        ).on_conflict(
            conflict_target=[NumberCounter.form_id, NumberCounter.field_key, NumberCounter.period],
            update={NumberCounter.next: count + 1},
            where=NumberCounter.next <= count,
        ).execute()  # fmt: skip


def note_changed(form: Form, changes: dict[int, dict[str, Any]]) -> None:
    """Numbers that people changed by hand count as given."""
    for f in fields_of(form):
        given = [new[f.key] for new in changes.values() if new.get(f.key) is not None]
        if given:
            _note(form, f, given, clock.today(settings.tz()))
