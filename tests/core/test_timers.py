"""Timers: due in the company's time, caught up once or skipped, recomputed when the zone changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.core import jobs, settings
from appliance.core.errors import UserError
from appliance.core.jobs import timers
from tests.support.clock import Clock

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def ran(handler: Callable[..., Any], clock: Clock) -> list[int]:
    """The moments at which the timed job ran; it is noon in Shanghai."""
    clock.set("2026-06-15T12:00:00+08:00")
    moments: list[int] = []
    handler("timed", lambda job: moments.append(clock.now()))
    return moments


def test_a_timer_is_due_in_the_companys_time(ran: list[int], clock: Clock) -> None:
    jobs.schedule("t", "30 3 * * *", "timed")
    clock.set("2026-06-16T03:29:59+08:00")
    jobs.work()
    assert ran == []
    clock.set("2026-06-16T03:30:00+08:00")
    jobs.work()
    assert len(ran) == 1


def test_a_missed_timer_runs_once_however_long_it_was_missed(ran: list[int], clock: Clock) -> None:
    jobs.schedule("t", "0 * * * *", "timed", catch_up="once")
    clock.move(days=7)
    jobs.work()
    jobs.work()
    assert len(ran) == 1
    clock.move(hours=1)
    jobs.work()
    assert len(ran) == 2


def test_a_timer_that_skips_waits_for_its_next_moment(ran: list[int], clock: Clock) -> None:
    jobs.schedule("t", "0 9 * * *", "timed", catch_up="skip")
    clock.set("2026-06-17T15:00:00+08:00")
    jobs.work()
    assert ran == []
    clock.set("2026-06-18T09:00:30+08:00")
    jobs.work()
    assert len(ran) == 1


def test_setting_a_timer_again_keeps_its_due_moment_unless_the_times_change(ran: list[int]) -> None:
    jobs.schedule("t", "0 9 * * *", "timed")
    before = timers.get("t")
    jobs.schedule("t", "0 9 * * *", "timed", {"n": 1})
    after = timers.get("t")
    assert before and after and before.next_at == after.next_at and after.payload == {"n": 1}
    jobs.schedule("t", "0 10 * * *", "timed")
    moved = timers.get("t")
    assert moved and moved.next_at == after.next_at + 3600


def test_a_new_time_zone_moves_the_timers(ran: list[int]) -> None:
    jobs.schedule("t", "0 9 * * *", "timed")
    before = timers.get("t")
    settings.set("company.timezone", "Asia/Tokyo")
    after = timers.get("t")
    assert before and after and after.next_at == before.next_at - 3600


@pytest.mark.parametrize("cron", ["", "every day", "61 * * * *", "* * * * * *", "0 0 30 2 *"])
def test_a_wrong_timetable_is_refused_with_a_sentence(cron: str) -> None:
    with pytest.raises(UserError, match="时间表"):
        timers.next_time(cron, 0)


def test_a_removed_timer_is_silent(ran: list[int], clock: Clock) -> None:
    jobs.schedule("t", "0 * * * *", "timed")
    jobs.unschedule("t")
    clock.move(days=1)
    jobs.work()
    assert ran == []
