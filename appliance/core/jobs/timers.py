"""Recurring timers: rows with a cron expression and the next due moment, in the company's time zone."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from flask_babel import gettext as _
from peewee import fn

from .. import clock, settings
from ..db import Statement, read, write
from ..errors import UserError
from ..models import ScheduleRow
from . import queue

GRACE = 300
"""Seconds a timer with ``catch_up="skip"`` may be late and still run."""


def next_time(cron: str, after: int, tz: ZoneInfo | None = None) -> int:
    """The first moment after ``after`` (UTC seconds) that ``cron`` names. Raises :class:`UserError`.

    Five fields: minute, hour, day of month, month, day of week.
    """
    start = dt.datetime.fromtimestamp(after, tz or settings.tz())
    try:
        if len(cron.split()) != 5:
            raise CronSimError("five fields")
        return int(next(CronSim(cron, start)).timestamp())
    except CronSimError:
        raise UserError(_("时间表“%(cron)s”不正确，请按“分 时 日 月 周”填写，例如 0 3 * * *。", cron=cron)) from None
    except StopIteration:
        raise UserError(_("时间表“%(cron)s”没有会到来的时刻，请检查日期。", cron=cron)) from None


def schedule(key: str, cron: str, kind: str, payload: dict[str, Any] | None = None, catch_up: str = "once") -> None:
    """Sets the timer ``key``: a job of ``kind`` whenever ``cron`` is due. Setting it again changes it.

    ``catch_up``, for a moment that was missed: ``once`` runs it one time however many were missed, ``skip`` waits for
    the next. Two runs of one timer never overlap.
    """
    if catch_up not in ("once", "skip"):
        raise ValueError("catch_up must be 'once' or 'skip'")
    with write():
        known = ScheduleRow.get_or_none(ScheduleRow.key == key)
        keeps = known is not None and known.cron == cron
        values = {
            "cron": cron,
            "kind": kind,
            "payload": payload or {},
            "catch_up": catch_up,
            "next_at": known.next_at if keeps else next_time(cron, clock.now()),
        }
        if known is None:
            ScheduleRow.insert(key=key, **values).execute()
        else:
            ScheduleRow.update(**values).where(ScheduleRow.key == key).execute()


def unschedule(key: str) -> None:
    """Removes a timer; jobs it has already asked for stay."""
    with write():
        ScheduleRow.delete().where(ScheduleRow.key == key).execute()


def get(key: str) -> ScheduleRow | None:
    with read():
        return ScheduleRow.get_or_none(ScheduleRow.key == key)


def all_timers() -> list[ScheduleRow]:
    with read():
        return list(ScheduleRow.select().order_by(ScheduleRow.next_at))


_NEXT = Statement(ScheduleRow.select(fn.MIN(ScheduleRow.next_at)))


def next_due() -> int | None:
    """The moment the next timer is due."""
    with read():
        row = _NEXT.execute().fetchone()
    return row[0] if row else None


def fire() -> int:
    """Turns every timer that is due into a job. Returns how many."""
    due = next_due()
    if due is None or due > clock.now():
        return 0
    now = clock.now()
    asked = 0
    with write():
        for timer in ScheduleRow.select().where(ScheduleRow.next_at <= now).order_by(ScheduleRow.next_at):
            if timer.catch_up == "once" or now - timer.next_at <= GRACE:
                queue.enqueue(timer.kind, timer.payload, unique=f"timer:{timer.key}")
                asked += 1
            ScheduleRow.update(next_at=next_time(timer.cron, now), last_at=now).where(
                ScheduleRow.key == timer.key
            ).execute()
    return asked


def _recompute(zone: str) -> None:
    # A missed moment of the old zone is not lost: what is already due stays due.
    now = clock.now()
    for timer in ScheduleRow.select().where(ScheduleRow.next_at > now):
        ScheduleRow.update(next_at=next_time(timer.cron, now, clock.zone(zone))).where(
            ScheduleRow.key == timer.key
        ).execute()


settings.on_change("company.timezone", _recompute)
