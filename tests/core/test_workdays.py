"""The company's calendar: national holidays and exchanged days, the company's own, hours that pause at lunch."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from appliance.core import settings, workdays
from appliance.core.errors import UserError

pytestmark = pytest.mark.usefixtures("folder")


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(f"{text}+08:00").timestamp())


@pytest.mark.parametrize(
    ("day", "works", "source"),
    [
        ("2026-09-29", True, "week"),
        ("2026-10-01", False, "national"),  # National Day, a Thursday
        ("2026-09-20", True, "national"),  # a Sunday that is worked in exchange
        ("2026-11-29", False, "week"),  # a Sunday
        ("2035-10-01", True, "week"),  # a Monday of a year whose holidays nobody has published
    ],
)
def test_the_calendar_knows_holidays_and_the_days_worked_in_exchange(day: str, works: bool, source: str) -> None:
    found = workdays.day(dt.date.fromisoformat(day))
    assert (found.working, found.source) == (works, source)


def test_a_year_that_nobody_published_falls_back_to_the_week_and_says_so() -> None:
    assert workdays.notice(2026) is None
    assert "2035" in (workdays.notice(2035) or "")
    settings.set("workdays.national", False)
    assert workdays.notice(2035) is None
    assert workdays.is_working_day(dt.date(2026, 10, 1))


def test_a_day_of_the_companys_own_is_stronger_than_the_national_calendar() -> None:
    settings.set("workdays.days", {"2026-10-01": [True, "直播大促"], "2026-09-29": [False, "店庆"]})
    assert workdays.is_working_day(dt.date(2026, 10, 1))
    assert workdays.day(dt.date(2026, 9, 29)).name == "店庆"
    assert not workdays.is_working_day(dt.date(2026, 9, 29))


def test_working_time_pauses_at_lunch_at_night_and_over_the_holidays() -> None:
    for number in range(5):
        settings.set(f"workdays.hours.{number}", "9:00-12:00，13:30-18:00")
    assert workdays.next_working_moment(at("2026-09-29T10:00")) == at("2026-09-29T10:00")
    assert workdays.next_working_moment(at("2026-09-29T12:30")) == at("2026-09-29T13:30")
    # From the evening before the National Day holidays to the first morning after them.
    assert workdays.next_working_moment(at("2026-09-30T18:00")) == at("2026-10-08T09:00")
    assert workdays.add_working(at("2026-09-29T11:00"), 2 * 3600) == at("2026-09-29T14:30")
    assert workdays.add_working(at("2026-09-30T17:00"), 2 * 3600) == at("2026-10-08T10:00")


def test_a_company_that_never_works_is_never_waited_for() -> None:
    for number in range(7):
        settings.set(f"workdays.hours.{number}", "")
    settings.set("workdays.national", False)
    assert workdays.next_working_moment(1000) == 1000


@pytest.mark.parametrize("text", ["18:00-09:00", "9-18", "09:00-12:00, 11:00-13:00", "25:00-26:00"])
def test_hours_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UserError) as refused:
        settings.set("workdays.hours.0", text)
    assert refused.value.errors.keys() == {"workdays.hours.0"}


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(begin=st.integers(1_767_225_600, 1_798_761_600), seconds=st.integers(0, 200_000))
def test_what_is_added_is_what_lies_between(begin: int, seconds: int) -> None:
    end = workdays.add_working(begin, seconds)
    assert workdays.working_seconds(begin, end) == seconds
    assert seconds == 0 or workdays.next_working_moment(end - 1) == end - 1
