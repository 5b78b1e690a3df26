"""A time of day, a length of time, a month."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from ...core import clock, settings
from ..parsing import FIRST_YEAR, LAST_YEAR, narrow, parse_date
from .base import ORDERED, Field, FieldError, Setting, raw_text
from .moment import NOW, Moment, too_early_or_late
from .number import Number

if TYPE_CHECKING:
    from ..conditions import Context

# -- time of day ----------------------------------------------------------------------------------------------------

_TIME = re.compile(
    r"(上午|下午|早上|晚上|中午|凌晨|傍晚|[ap]\.?m\.?)?\s*(\d{1,2})\s*(?:[:时点]\s*(?:(\d{1,2}|半|[一三]刻)\s*(?:[:分]\s*(?:(\d{1,2})(?:\.\d+)?\s*秒?)?)?)?)?"
    r"\s*([ap]\.?m\.?)?",
    re.IGNORECASE,
)
_FOUR = re.compile(r"(\d{2})(\d{2})")
_PARTS = {"半": 30, "一刻": 15, "三刻": 45}


class Time(Field):
    """Stored as ``HH:MM``, or ``HH:MM:SS`` when there are seconds: text that sorts as time."""

    type = "time"
    name = _l("时间")
    icon = "clock-hour-4"
    group = "time"
    operators = ORDERED
    rules = ("min", "max")
    aggregates = ("min", "max", "count", "distinct")
    operator_words = Moment.operator_words
    value_input = "time"
    input_template = "forms/fields/time.html"
    written = False

    def parse(self, raw: Any) -> str | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, dt.datetime):
            raw = raw.time()
        if isinstance(raw, dt.time):
            return _clock(raw.hour, raw.minute, raw.second)
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            # A spreadsheet keeps times as parts of a day.
            if not 0 <= raw < 1:
                raise _no_time(raw)
            seconds = round(raw * clock.DAY) % clock.DAY
            return _clock(seconds // 3600, seconds // 60 % 60, seconds % 60)
        if not isinstance(raw, str):
            raise _no_time(raw)
        text = narrow(raw)
        return self._of_text(text) if text else None

    def _of_text(self, text: str) -> str:
        if found := _FOUR.fullmatch(text):
            hour, minute, second, half = int(found[1]), int(found[2]), 0, ""
        elif (found := _TIME.fullmatch(text)) and (found[1] or found[3] or found[5] or not text.isdecimal()):
            hour, minute, second = int(found[2]), _minutes(found[3]), int(found[4] or 0)
            half = (found[1] or found[5] or "").lower().replace(".", "")
        else:
            raise _no_time(text)
        if half in ("下午", "晚上", "傍晚", "pm") and hour < 12:
            hour += 12
        elif half in ("上午", "凌晨", "早上", "am") and hour == 12:
            hour = 0
        elif half == "中午" and hour < 6:
            hour += 12
        if hour > 23 or minute > 59 or second > 59:
            raise _no_time(text)
        return _clock(hour, minute, second)

    def limit_words(self, name: str, limit: Any) -> str:
        return too_early_or_late(name, limit)

    def default(self) -> Any:
        if self.spec.default not in NOW:
            return super().default()
        now = clock.local(clock.now(), settings.tz())
        return _clock(now.hour, now.minute, 0)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "example": "09:30"}


def _no_time(raw: Any) -> FieldError:
    return FieldError(_("「%(value)s」不是时间，请写成 09:30 这样。", value=str(raw)[:40]))


def _clock(hour: int, minute: int, second: int) -> str:
    return f"{hour:02}:{minute:02}:{second:02}" if second else f"{hour:02}:{minute:02}"


def _minutes(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else _PARTS.get(text or "", 0)


# -- length of time -------------------------------------------------------------------------------------------------

UNITS = {"minutes": 60, "hours": 3600, "seconds": 1}
_UNIT_SECONDS = {
    **dict.fromkeys(("天", "日", "d", "day", "days"), 86_400),
    **dict.fromkeys(("小时", "个小时", "时", "钟头", "h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("分钟", "分", "m", "min", "mins", "minute", "minutes", "'"), 60),
    **dict.fromkeys(("秒", "秒钟", "s", "sec", "secs", "second", "seconds", '"'), 1),
}
_PIECE = re.compile(
    r"\s*(\d{1,9}(?:\.\d{1,4})?|半)\s*(个小时|小时|分钟|秒钟|钟头|天|日|时|分|秒|[a-z]+|'|\")?(半)?", re.IGNORECASE
)
_COLONS = re.compile(r"(-?)(\d{1,6}):(\d{1,2})(?::(\d{1,2}))?")
LONGEST = 100 * 366 * clock.DAY


class Duration(Number):
    """Stored in seconds. ``1:30`` is an hour and a half; a bare number counts the field's ``unit`` (minutes by default).

    The API prints hours, minutes and seconds: ``"1:30:00"``.
    """

    type = "duration"
    name = _l("时长")
    icon = "hourglass"
    group = "time"
    value_input = "duration"
    input_template = "forms/fields/duration.html"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        choices = (("minutes", _l("分钟")), ("hours", _l("小时")), ("seconds", _l("秒")))
        return (Setting("unit", "choice", _l("只填数字时按"), choices=choices, start="minutes"),)

    def check_options(self) -> None:
        self.scale, self.unit = 1, ""
        unit = self.options.get("unit") or "minutes"
        if unit not in UNITS:
            raise FieldError(_("时长的单位只能是 minutes、hours 或 seconds。"))
        self.bare = UNITS[unit]

    def parse(self, raw: Any) -> int | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, dt.timedelta):
            return self._fit(raw.total_seconds(), raw)
        if isinstance(raw, dt.datetime):
            raw = raw.time()
        if isinstance(raw, dt.time):
            return raw.hour * 3600 + raw.minute * 60 + raw.second
        if isinstance(raw, (int, float)) and not isinstance(raw, bool):
            return self._fit(raw * self.bare, raw)
        if not isinstance(raw, str):
            raise self._wrong(raw)
        text = narrow(raw).lower()
        return self._read(text) if text else None

    def _read(self, text: str) -> int:
        if found := _COLONS.fullmatch(text):
            hours, minutes, seconds = int(found[2]), int(found[3]), int(found[4] or 0)
            if minutes > 59 or seconds > 59:
                raise self._wrong(text)
            return self._fit(hours * 3600 + minutes * 60 + seconds, text)
        total, place, last = 0.0, 0, 0
        while place < len(text):
            found = _PIECE.match(text, place)
            unit = found[2] if found else None
            size = _UNIT_SECONDS.get(unit or "")
            if not found or (unit and size is None) or (unit is None and place and not last):
                raise self._wrong(text)
            if size is None:
                # A number at the end counts the unit below the one before: 1h30.
                size = {86_400: 3600, 3600: 60, 60: 1}.get(last, self.bare)
            total += (0.5 if found[1] == "半" else float(found[1])) * size + (size / 2 if found[3] else 0)
            place, last = found.end(), size if unit else 0
            if unit is None and place < len(text):
                raise self._wrong(text)
        return self._fit(total, text)

    def _fit(self, seconds: float, raw: Any) -> int:
        if seconds != seconds or not 0 <= seconds <= LONGEST:
            raise self._wrong(raw)
        return round(seconds)

    def _wrong(self, raw: Any) -> FieldError:
        return FieldError(_("「%(value)s」不是时长，请写成 1:30、90分钟 或 1小时30分 这样。", value=str(raw)[:40]))

    def operand(self, value: Any, ctx: Any) -> int | None:
        return self.read(value)

    def plain(self, value: int | float) -> str:
        """Hours, minutes and seconds: ``1:30:00``."""
        value = round(value)
        return f"{value // 3600}:{value // 60 % 60:02}:{value % 60:02}"

    def format(self, value: Any) -> str:
        if value is None:
            return ""
        value = round(value)
        hours, minutes, seconds = value // 3600, value // 60 % 60, value % 60
        words = [
            ngettext("%(num)d 小时", "%(num)d 小时", hours) if hours else "",
            ngettext("%(num)d 分钟", "%(num)d 分钟", minutes) if minutes else "",
            ngettext("%(num)d 秒", "%(num)d 秒", seconds) if seconds or not value else "",
        ]
        return " ".join(filter(None, words))

    def form_value(self, value: Any) -> str:
        if value is None:
            return ""
        text = self.plain(value)
        return text if value % 60 else text.removesuffix(":00")

    def to_api(self, value: Any) -> Any:
        return None if value is None else self.plain(value)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "null"], "example": "1:30:00"}


# -- month ----------------------------------------------------------------------------------------------------------

_WITHIN_MONTH = re.compile(r"\d{4}-\d{2}-(?!01)\d{2}")
_MONTH = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*月?|(\d{4})(\d{2})")


class Month(Moment):
    """A calendar month, stored as ``YYYY-MM``."""

    type = "month"
    name = _l("月份")
    icon = "calendar-month"
    operators = (*ORDERED, "this", "last")
    buckets = ("month", "quarter", "year")
    value_input = "month"
    input_template = "forms/fields/month.html"
    written = False

    def parse(self, raw: Any) -> str | None:
        if raw is None or raw == "":
            return None
        if isinstance(raw, (bool, list, dict)):
            raise FieldError(_("这里要填月份，比如 2026-11。"))
        if isinstance(raw, (dt.date, float)) or (isinstance(raw, int) and not 185_001 <= raw < 220_000):
            return parse_date(raw)[:7]
        text = narrow(raw_text(raw))
        if not text:
            return None
        found = _MONTH.fullmatch(text)
        if not found:
            # A whole date names its month.
            return parse_date(text)[:7]
        year, month = int(found[1] or found[3]), int(found[2] or found[4])
        if not 1 <= month <= 12 or not FIRST_YEAR <= year <= LAST_YEAR:
            raise FieldError(_("「%(value)s」不是月份，请写成 2026-11 这样。", value=text[:40]))
        return f"{year:04}-{month:02}"

    def at_making(self) -> str:
        return clock.today(settings.tz()).isoformat()[:7]

    def bucketed(self, column: Any, size: str) -> Any:
        return super().bucketed(column.concat("-01"), size)

    def day_start(self, day: dt.date, ctx: Context) -> str:
        return day.isoformat()[:7]

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op in ("this", "last") and value in ("day", "week"):
            raise FieldError(_("「%(field)s」只到月，请按月、季度或年来比较。", field=self.label))
        if op == "lt" and isinstance(value, str) and _WITHIN_MONTH.fullmatch(value):
            # A month has begun before any of its days but the first.
            op = "lte"
        return super().compile_positive(column, op, value, ctx)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "null"], "example": "2026-11"}
