"""Rules that a date sets off: birthdays by both calendars, once a year, however long the house was dark."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from borax.calendars.lunardate import LunarDate
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from appliance.accounts.actor import SYSTEM
from appliance.automation import dates, rules
from appliance.core.db import db
from appliance.forms import catalog, records
from tests.support.clock import Clock

from .conftest import Shop

Work = Callable[[], dict[str, Any]]
Runs = Callable[..., list[Any]]
GREET = [{"action": "add_tag", "tag": "快过生日"}]


def people(**birthdays: str | None) -> dict[str, int]:
    form = catalog.get("customer")
    done = records.create_many(form, [{"name": n, "birthday": day} for n, day in birthdays.items()], SYSTEM)
    return dict(zip(birthdays, [i for i in done.ids if i], strict=True))


def rule(**on: Any) -> str:
    doc = {
        "key": "birthday", "label": "生日", "form": "customer", "enabled": True, "do": GREET,
        "on": {"date": "birthday", "offset": {"days": -7}, "at": "09:00", "yearly": True} | on,
    }  # fmt: skip
    return rules.save(doc, SYSTEM).key


def test_a_birthday_in_seven_days_sets_a_rule_off_once_a_year(clock: Clock, shop: Shop, work: Work, runs: Runs) -> None:
    clock.set("2026-05-01T08:00:00+08:00")
    ids = people(ann="1990-05-08", ben="1990-05-09", cat=None)
    rule()
    work()
    assert runs(kind="rule") == []
    clock.set("2026-05-01T09:00:00+08:00")
    work()
    assert shop.with_tag("快过生日") == ["ann"]
    run = runs(kind="rule")[0]
    assert (run.trigger, run.matched, run.changed) == ("date", 1, 1)
    # Corrected to a later day of the same year: once is enough.
    records.update(catalog.get("customer"), ids["ann"], {"birthday": "1990-05-10", "tags": []}, SYSTEM)
    clock.set("2026-05-03T09:00:00+08:00")
    work()
    assert shop.with_tag("快过生日") == ["ben"]
    clock.set("2027-05-03T09:00:00+08:00")
    work()
    assert shop.with_tag("快过生日") == ["ann", "ben"]


@pytest.mark.parametrize(
    ("lunar", "born", "day"),
    [
        (True, "1990-05-28", "2026-06-19"),  # the 5th of the 5th month
        (True, "1990-06-27", "2026-06-19"),  # the 5th of the leap 5th month: kept in the month itself
        ("written", "1990-05-05", "2026-06-19"),
        (True, "1985-02-19", "2027-02-05"),  # the last day of a long 12th month, 30th; 2026's has 29
        (False, "1992-02-29", "2026-02-28"),
    ],
)
def test_birthdays_are_kept_by_the_calendar_they_were_born_by(
    clock: Clock, shop: Shop, work: Work, lunar: Any, born: str, day: str
) -> None:
    clock.set(f"{dt.date.fromisoformat(day) - dt.timedelta(days=1)}T12:00:00+08:00")
    people(ann=born)
    rule(offset={}, lunar=lunar)
    work()
    assert shop.with_tag("快过生日") == []
    clock.set(f"{day}T09:00:00+08:00")
    work()
    assert shop.with_tag("快过生日") == ["ann"]


@hypothesis_settings(max_examples=60, deadline=None)
@given(born=st.dates(dt.date(1930, 1, 1), dt.date(2020, 12, 31)))
def test_everybody_has_one_lunar_birthday_in_a_lunar_year(born: dt.date) -> None:
    begin, end = LunarDate(2031, 1, 1).to_solar_date(), LunarDate(2032, 1, 1).to_solar_date()
    days = [begin + dt.timedelta(days=n) for n in range((end - begin).days)]
    kept = [day for day in days if born.isoformat() in dates._days_of(day, True, "born")]
    assert len(kept) == 1
    then, now = LunarDate.from_solar_date(born.year, born.month, born.day), None
    now = LunarDate.from_solar_date(kept[0].year, kept[0].month, kept[0].day)
    assert now.month == then.month and now.day in (then.day, then.day - 1)


def test_after_a_power_cut_what_is_not_stale_is_made_up_for_once(
    clock: Clock, shop: Shop, work: Work, runs: Runs
) -> None:
    clock.set("2026-05-01T12:00:00+08:00")
    people(**{f"d{n}": f"1990-05-{n:02d}" for n in range(2, 30)})
    rule(offset={})
    work()
    clock.set("2026-05-10T09:30:00+08:00")
    work()
    work()
    assert shop.with_tag("快过生日") == ["d10"], "a birthday that has passed is let go"
    rule_before = rules.get("birthday")
    rules.save(rule_before.document() | {"on": rule_before.on | {"offset": {"days": 1}}}, SYSTEM, "birthday")
    clock.set("2026-05-20T09:30:00+08:00")
    work()
    assert shop.with_tag("快过生日") == ["d10", *(f"d{n}" for n in (16, 17, 18, 19))], "three days late at most"
    assert len(runs(kind="rule")) == 5


def test_a_moment_comes_near_within_five_minutes(clock: Clock, shop: Shop, work: Work) -> None:
    clock.set("2026-05-01T12:00:00+08:00")
    ids = people(ann=None)
    doc = {
        "key": "soon", "label": "一小时后", "form": "customer", "enabled": True, "do": GREET,
        "on": {"date": "created_at", "offset": {"hours": 1}},
    }  # fmt: skip
    rules.save(doc, SYSTEM)
    clock.move(minutes=59)
    work()
    assert shop.with_tag("快过生日") == []
    clock.move(minutes=5)
    work()
    assert shop.with_tag("快过生日") == ["ann"]
    records.update(catalog.get("customer"), ids["ann"], {"tags": []}, SYSTEM)
    clock.move(hours=3)
    work()
    assert shop.with_tag("快过生日") == []


def test_who_is_due_is_found_by_the_index(clock: Clock, shop: Shop) -> None:
    rule(lunar=True)
    trigger = rules.get("birthday").triggers()[0]
    assert isinstance(trigger, dates.DateReached)
    form = catalog.get("customer")
    assert form.fields["birthday"].indexed
    query = form.table.select(form.col("id")).where(trigger.due(0, dt.date(2026, 6, 12).toordinal()))
    sql, values = query.sql()
    plan = " ".join(str(row[3]) for row in db.execute_sql(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
    assert "SEARCH" in plan and "i_customer__birthday" in plan
