"""The company's calendar: hours of the week, national holidays, days of its own; and what automation may do unasked."""

from __future__ import annotations

import datetime as dt

from flask import Blueprint, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from werkzeug.wrappers import Response

from ..accounts import audit
from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import clock, http, nav, settings, workdays
from ..core.db import write
from ..core.errors import UserError
from . import settings as saving

bp = Blueprint("workdays", __name__, url_prefix="/settings")
nav.add(
    "settings", _l("工作日历"), "workdays.page", "calendar", "settings", order=12,
    words="holidays working hours jiejiari gongzuori",
)  # fmt: skip
nav.add(
    "settings", _l("自动化"), "workdays.automation", "bolt", "settings", order=14,
    words="automation limits zidonghua shangxian",
)  # fmt: skip

Answer = Response | str | tuple[str, int]
HOURS = tuple(f"workdays.hours.{number}" for number in range(7))
AUTOMATION = ("automation.ask_outward", "automation.ask_records", "automation.keep_days")
MOST_DAYS = 1000


class Month(Struct):
    """One month of the calendar: weeks of days, from Monday; ``None`` where a day belongs to another month."""

    first: dt.date
    weeks: list[list[workdays.Day | None]]

    @classmethod
    def of(cls, year: int, month: int, known: workdays.Calendar) -> Month:
        first = day = dt.date(year, month, 1)
        weeks: list[list[workdays.Day | None]] = [[None] * day.weekday()]
        while day.month == month:
            if len(weeks[-1]) == 7:
                weeks.append([])
            weeks[-1].append(known.day(day))
            day += dt.timedelta(days=1)
        weeks[-1] += [None] * (7 - len(weeks[-1]))
        return cls(first, weeks)


@bp.get("/workdays")
@requires_room("settings")
def page() -> str:
    return _page({}, {})


@bp.post("/workdays")
@requires_room("settings")
def save() -> Answer:
    """The hours of the week, and whether the national holidays count."""
    given = {key: request.form.get(key, "") for key in HOURS}
    given["workdays.national"] = "1" if request.form.get("workdays.national") else "0"
    try:
        saving.save(given)
    except UserError as error:
        return _page(given, error.errors), 422
    flash(_("工作时间已保存。"), "success")
    return http.go(url_for(".page"))


@bp.post("/workdays/days")
@requires_room("settings")
def add_day() -> Answer:
    """A day (or several, from–to) of the company's own."""
    given = {key: request.form.get(key, "").strip() for key in ("day", "until", "works", "note")}
    errors, first, last = {}, _date(given["day"]), _date(given["until"] or given["day"])
    if first is None:
        errors["day"] = _("请填写日期，例如 2026-10-01。")
    if last is None or (first and (last < first or (last - first).days > 60)):
        errors["until"] = _("结束日期要在开始之后，最多 60 天。")
    days = dict(settings.get("workdays.days"))
    if first and last and not errors:
        for n in range((last - first).days + 1):
            days[(first + dt.timedelta(days=n)).isoformat()] = [given["works"] == "1", given["note"]]
        if len(days) > MOST_DAYS:
            errors["day"] = _("最多记 %(max)d 天，请先删掉过去的。", max=MOST_DAYS)
    if errors or first is None:
        return _page(given, errors), 422
    _store(days)
    flash(_("已记下。"), "success")
    return http.go(url_for(".page", year=first.year))


@bp.post("/workdays/days/<day>/delete")
@requires_room("settings")
def remove_day(day: str) -> Response:
    """The day is again what the week and the national calendar say."""
    days = {key: value for key, value in settings.get("workdays.days").items() if key != day}
    _store(days)
    return http.go(url_for(".page", year=day[:4]))


def _store(days: dict[str, list[object]]) -> None:
    before = settings.get("workdays.days")
    with write():
        settings.set("workdays.days", dict(sorted(days.items())), current_actor())
        changed = {day: days.get(day) for day in before.keys() | days.keys() if before.get(day) != days.get(day)}
        audit.note("settings.changed", {"workdays.days": [{d: before.get(d) for d in changed}, changed]})


def _date(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None


def _page(given: dict[str, str], errors: dict[str, str]) -> str:
    today = clock.today(settings.tz())
    year = request.args.get("year", today.year, type=http.whole)
    year = min(max(year, 2004), today.year + 5)
    known = workdays.calendar()
    fields = [d for d in settings.declared("workdays.hours.")]
    notices = [text for one in dict.fromkeys((today.year, today.year + 1, year)) if (text := workdays.notice(one))]
    own = [(day, *known.days[day]) for day in sorted(known.days) if day.startswith(str(year))]
    return render_template(
        "web/workdays.html", fields=[(d, given.get(d.key, settings.get(d.key))) for d in fields], given=given,
        national=settings.get("workdays.national"), errors=errors, notices=notices, year=year, today=today, own=own,
        months=[Month.of(year, month, known) for month in range(1, 13)], weekdays=workdays.WEEKDAYS,
        known=workdays.national_years(),
    )  # fmt: skip


# -- what automation may do unasked -----------------------------------------------------------------------------------


@bp.get("/automation")
@requires_room("settings")
def automation() -> str:
    return _automation({}, {})


@bp.post("/automation")
@requires_room("settings")
def automation_save() -> Answer:
    given = {key: request.form.get(key, "") for key in AUTOMATION}
    try:
        saving.save(given)
    except UserError as error:
        return _automation(given, error.errors), 422
    flash(_("自动化设置已保存。"), "success")
    return http.go(url_for(".automation"))


def _automation(given: dict[str, str], errors: dict[str, str]) -> str:
    known = {d.key: d for d in settings.declared("automation.")}
    fields = [(known[key], given.get(key, settings.get(key))) for key in AUTOMATION]
    return render_template("web/automation.html", fields=fields, errors=errors)
