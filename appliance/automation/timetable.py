"""A cron expression as people choose it (每天, 每周, 每月 …) and as they read it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core import clock
from ..core.errors import UserError
from ..core.jobs import next_time

CHOICES = {
    "daily": _l("每天"),
    "weekly": _l("每周"),
    "monthly": _l("每月"),
    "hourly": _l("每小时"),
    "custom": _l("自定义（cron）"),
}
WEEKDAYS = {
    1: _l('周一'), 2: _l('周二'), 3: _l('周三'), 4: _l('周四'), 5: _l('周五'), 6: _l('周六'), 0: _l('周日'),
}  # fmt: skip

_DAILY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* \*")
_WEEKLY = re.compile(r"(\d{1,2}) (\d{1,2}) \* \* ([0-7](?:,[0-7])*)")
_MONTHLY = re.compile(r"(\d{1,2}) (\d{1,2}) (\d{1,2}) \* \*")
_HOURLY = re.compile(r"(\d{1,2}) \* \* \* \*")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class Timetable(Struct, frozen=True):
    """``cron`` taken apart; what a choice does not use is at its default."""

    cron: str
    choice: str = "custom"
    hour: int = 3
    minute: int = 0
    days: tuple[int, ...] = (1,)
    """Days of the week, Sunday is 0."""
    day: int = 1
    """Day of the month."""

    @property
    def time(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}"

    def words(self) -> str:
        if self.choice == "daily":
            return _("每天 %(time)s", time=self.time)
        if self.choice == "weekly":
            days = _("、").join(str(text) for day, text in WEEKDAYS.items() if day in self.days)
            return _("每%(days)s %(time)s", days=days, time=self.time)
        if self.choice == "monthly":
            return _("每月 %(day)d 日 %(time)s", day=self.day, time=self.time)
        if self.choice == "hourly":
            return _("每小时的第 %(minute)d 分", minute=self.minute)
        return _("按时间表 %(cron)s", cron=self.cron)


def check(cron: object) -> str:
    """The expression in its plain form. Raises :class:`UserError`."""
    text = " ".join(str(cron).split())
    next_time(text, clock.now())
    return text


def read(cron: str) -> Timetable:
    """Takes an expression apart."""
    text = " ".join(cron.split())
    if match := _DAILY.fullmatch(text):
        return Timetable(text, "daily", int(match[2]), int(match[1]))
    if match := _WEEKLY.fullmatch(text):
        days = tuple(sorted({int(day) % 7 for day in match[3].split(",")}))
        return Timetable(text, "weekly", int(match[2]), int(match[1]), days)
    if match := _MONTHLY.fullmatch(text):
        return Timetable(text, "monthly", int(match[2]), int(match[1]), day=int(match[3]))
    if match := _HOURLY.fullmatch(text):
        return Timetable(text, "hourly", minute=int(match[1]))
    return Timetable(text)


def of_form(values: Mapping[str, str], days: list[str], prefix: str = "schedule") -> str:
    """The expression that the inputs of the schedule builder stand for. Raises :class:`UserError`."""
    choice = values.get(f"{prefix}.choice", "daily")
    if choice == "custom":
        return check(values.get(f"{prefix}.cron", ""))
    if choice == "hourly":
        return check(f"{values.get(f'{prefix}.minute') or 0} * * * *")
    time = _TIME.fullmatch(values.get(f"{prefix}.time", "").strip())
    if not time:
        raise UserError(_("请按 24 小时制填写时间，例如 03:00。"))
    moment = f"{int(time[2])} {int(time[1])}"
    if choice == "weekly":
        if not days:
            raise UserError(_("请至少选择一天。"))
        return check(f"{moment} * * {','.join(sorted(set(days)))}")
    if choice == "monthly":
        return check(f"{moment} {values.get(f'{prefix}.day') or 1} * *")
    return check(f"{moment} * * *")
