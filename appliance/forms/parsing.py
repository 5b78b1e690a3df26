"""Lenient reading of what people type and what files hold: numbers, dates, moments, phones, yes and no.

Every function takes the raw value (text, or the int/float/date that a spreadsheet gave) and returns the stored form;
what cannot be understood raises ``ValueError`` with a sentence for the person. Nothing is guessed: a date that could be
two days is refused unless the caller says the order. The common form of each kind is found without regular
expressions, because imports call these functions millions of times.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _

INVISIBLE = dict.fromkeys(map(ord, "\x00\u200b\u2060\ufeff\u200e\u200f\u202a\u202c\u202d\u202e"))


def clean(raw: Any) -> str:
    """The text without surrounding white space (full-width blanks too) and without invisible marks.

    A number from a spreadsheet becomes the digits that were meant; ``None`` becomes ``""``.
    """
    if type(raw) is not str:
        return "" if raw is None else as_digits(raw)
    text = raw.strip()
    # What is invisible is not printable: nothing to take out of most texts, and this test costs a tenth.
    return text if text.isprintable() else text.translate(INVISIBLE).strip()


def narrow(text: str) -> str:
    """Full-width letters, digits and signs as their ASCII twins: ``１２．５％`` → ``12.5%``."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFKC", text.translate(INVISIBLE)).strip()


# --- numbers

_GROUPED = re.compile(r"\d{1,3}(,\d{3})+|\d{1,4}(,\d{4})+|\d+")
_CURRENCY = re.compile(r"^(?:[¥$€£]|CN¥|US\$|HK\$|RMB|CNY|人民币)\s*", re.IGNORECASE)
_UNIT = re.compile(
    r"\s*(?:元|块|人民币|RMB|CNY|个|件|次|级|人|条|单|笔|张|套|瓶|盒|袋|包|支|岁|天|小时|分钟|分|秒|积分|钻|币)整?$",
    re.IGNORECASE,
)
_SCALE = {"千": 3, "万": 4, "w": 4, "W": 4, "百万": 6, "千万": 7, "亿": 8}
_SCALED = re.compile(r"(.*?)\s*(千万|百万|千|万|亿|[wW])$")
MAX_INTEGER = 2**63 - 1


def parse_number(raw: Any, digits: int = 0) -> int:
    """A number as an integer scaled by ``10 ** digits`` (money: ``digits=2`` gives fen).

    More decimals than ``digits`` are rounded half up; with ``digits=0`` a fraction is refused.
    """
    kind = type(raw)
    if kind is str:
        whole, dot, fraction = raw.partition(".")
        if whole.isdecimal() and len(whole) < 16:
            if not dot:
                return int(whole) * 10**digits
            if fraction.isdecimal() and len(fraction) <= digits:
                return int(whole) * 10**digits + int(fraction.ljust(digits, "0"))
        return _fit(_decimal(raw), digits, raw)
    if kind is int:
        return _fit_integer(raw * 10**digits, raw)
    if kind is float:
        if raw != raw or raw in (float("inf"), float("-inf")):
            raise ValueError(_("不是数字"))
        if raw.is_integer() and -1e15 < raw < 1e15:
            return int(raw) * 10**digits
        # repr() is what the person saw in the cell: 39.9 and not 39.8999999999999985789.
        return _fit(Decimal(repr(round(raw, 9))), digits, raw)
    if kind is Decimal:
        return _fit(raw, digits, raw)
    raise ValueError(_("“%(text)s”不是数字", text=_short(raw)))


def _fit(value: Decimal, digits: int, raw: Any) -> int:
    scaled = value.scaleb(digits)
    if scaled == scaled.to_integral_value():
        return _fit_integer(int(scaled), raw)
    if not digits:
        raise ValueError(_("“%(text)s”不是整数", text=_short(raw)))
    return _fit_integer(int(scaled.to_integral_value(ROUND_HALF_UP)), raw)


def _fit_integer(value: int, raw: Any) -> int:
    if -MAX_INTEGER <= value <= MAX_INTEGER:
        return value
    raise ValueError(_("“%(text)s”太大", text=_short(raw)))


@lru_cache(maxsize=4096)
def _decimal(raw: str) -> Decimal:
    wrong = _("“%(text)s”不是数字", text=_short(raw))
    text = narrow(raw).strip("'\" ")
    negative = False
    if text[:1] == "(" and text[-1:] == ")":
        text, negative = text[1:-1].strip(), True
    if text[:1] in "+-−–":
        negative ^= text[:1] not in ("+", "")
        text = text[1:].strip()
    text = _CURRENCY.sub("", text)
    if text[:1] == "-":
        text, negative = text[1:].strip(), not negative
    text = _UNIT.sub("", text)
    power = 0
    if text.endswith("%"):
        text, power = text[:-1].rstrip(), -2
    elif scaled := _SCALED.fullmatch(text):
        text, power = scaled[1], _SCALE[scaled[2]]
    whole, dot, rest = text.partition(".")
    if "," in whole or " " in whole:
        grouped = whole.replace(" ", ",")
        if not _GROUPED.fullmatch(grouped):
            raise ValueError(wrong)
        text = grouped.replace(",", "") + dot + rest
    if len(text) > 40 or "_" in text or (not text[:1].isdecimal() and text[:1] != "."):
        raise ValueError(wrong)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(wrong) from None
    if not value.is_finite() or value.adjusted() > 25:
        raise ValueError(wrong)
    return (-value if negative else value).scaleb(power)


# --- dates

EXCEL_EPOCH = dt.datetime(1899, 12, 30)
_FIRST_SERIAL, _LAST_SERIAL = 1, 109_574  # 1900 to 2199, as Excel counts days
FIRST_YEAR, LAST_YEAR = 1850, 2199

_WEEKDAY = re.compile(r"\s*[(]?(?:星期|周|礼拜)[一二三四五六日天][)]?\s*")
_YMD = re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*[日号]?")
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[ T]?(\d{2}):?(\d{2}):?(\d{2})?)?")
_XXY = re.compile(r"(\d{1,2})\s*[-/.]\s*(\d{1,2})\s*[-/.]\s*(\d{4})")
_MD = re.compile(r"(\d{1,2})\s*(?:月|([-/.]))\s*(\d{1,2})\s*[日号]?")
_TIME = re.compile(
    r"[\sT,]*(上午|下午|早上|晚上|中午|凌晨|[AaPp][Mm])?\s*(\d{1,2})\s*[:时点]\s*(?:(\d{1,2})\s*(?:[:分]\s*(?:(\d{1,2})(?:[.]\d+)?\s*秒?)?)?)?"
    r"\s*([AaPp][Mm])?\s*(Z|[+-]\d{2}:?\d{2})?"
)
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")


class AmbiguousDate(ValueError):
    """The text may mean two different days; the caller must give ``order``."""


class MissingYear(ValueError):
    """The text names a day without its year; the caller must give ``year``."""


def read_moment(raw: Any, *, order: str | None = None, year: int | None = None) -> tuple[dt.datetime, bool]:
    """``(wall-clock time, has a time of day)``; aware only when the text itself carries an offset.

    ``order``: ``"mdy"`` or ``"dmy"``, how ``03/04/2026`` is meant. ``year``: the year of days written without one.
    Raises AmbiguousDate, MissingYear, or ValueError with a sentence.
    """
    if isinstance(raw, dt.datetime):
        return raw, True
    if isinstance(raw, dt.date):
        return dt.datetime(raw.year, raw.month, raw.day), False
    if isinstance(raw, bool):
        raise ValueError(_("“%(text)s”不是日期", text=_short(raw)))
    if isinstance(raw, int | float):
        return _number_moment(raw)
    if isinstance(raw, str):
        return _text_moment(raw, order, year)
    raise ValueError(_("“%(text)s”不是日期", text=_short(raw)))


def _number_moment(raw: float) -> tuple[dt.datetime, bool]:
    if _FIRST_SERIAL <= raw < _LAST_SERIAL:
        # Excel stores seconds with rounding noise: 0.54375 days are 13:03:00, not 13:02:59.999998.
        seconds = round((raw - int(raw)) * 86_400)
        return EXCEL_EPOCH + dt.timedelta(days=int(raw), seconds=seconds), not float(raw).is_integer()
    if 18_500_101 <= raw < 22_000_000:
        return _text_moment(str(int(raw)), None, None)
    if 10**9 <= raw < 4 * 10**9:
        return dt.datetime.fromtimestamp(int(raw), dt.UTC), True
    if 10**12 <= raw < 4 * 10**12:
        return dt.datetime.fromtimestamp(int(raw) // 1000, dt.UTC), True
    if 18_500_101_000_000 <= raw < 22_000_000_000_000:
        return _text_moment(str(int(raw)), None, None)
    raise ValueError(_("“%(text)s”不是日期", text=_short(raw)))


@lru_cache(maxsize=8192)
def _text_moment(raw: str, order: str | None, year: int | None) -> tuple[dt.datetime, bool]:
    text = narrow(raw).strip("'\" ")
    wrong = _("“%(text)s”不是日期，请写成 2026-01-31 这样", text=_short(raw))
    text = _WEEKDAY.sub(" ", text).strip()
    if found := _COMPACT.fullmatch(text):
        y, m, d, hour, minute, second = (int(part) if part else 0 for part in found.groups())
        return _build(y, m, d, hour, minute, second, None, wrong), found[4] is not None
    if _SERIAL.fullmatch(text):
        return _number_moment(float(text))
    if text.isdecimal() and len(text) in (10, 13):
        return _number_moment(int(text))
    if found := _YMD.match(text):
        y, m, d = int(found[1]), int(found[2]), int(found[3])
    elif found := _XXY.match(text):
        first, second_, y = int(found[1]), int(found[2]), int(found[3])
        m, d = _ordered(first, second_, order, raw)
    elif found := _MD.match(text):
        if found[2]:
            m, d = _ordered(int(found[1]), int(found[3]), order or "mdy", raw)
        else:
            m, d = int(found[1]), int(found[3])
        if year is None:
            _build(2000, m, d, 0, 0, 0, None, wrong)
            raise MissingYear(_("“%(text)s”没有年份", text=_short(raw)))
        y = year
    else:
        raise ValueError(wrong)
    rest = text[found.end() :]
    if not rest.strip():
        return _build(y, m, d, 0, 0, 0, None, wrong), False
    clock = _TIME.fullmatch(rest)
    if not clock:
        raise ValueError(wrong)
    half, offset = clock[1] or clock[5] or "", clock[6]
    hour, minute, second = (int(clock[i]) if clock[i] else 0 for i in (2, 3, 4))
    if half.lower() in ("下午", "晚上", "pm") and hour < 12:
        hour += 12
    elif half.lower() in ("上午", "凌晨", "am") and hour == 12:
        hour = 0
    elif half == "中午" and hour < 6:
        hour += 12
    if hour == 24 and not minute and not second:
        return _build(y, m, d, 0, 0, 0, offset, wrong) + dt.timedelta(days=1), True
    return _build(y, m, d, hour, minute, second, offset, wrong), True


def _ordered(first: int, second: int, order: str | None, raw: str) -> tuple[int, int]:
    """(month, day)."""
    if order == "dmy":
        return second, first
    if order == "mdy":
        return first, second
    if first > 12 >= second:
        return second, first
    if second > 12 >= first or first == second:
        return first, second
    raise AmbiguousDate(_("“%(text)s”分不清月和日，请写成 2026-01-31 这样", text=_short(raw)))


def _build(y: int, m: int, d: int, hour: int, minute: int, second: int, offset: str | None, wrong: str) -> dt.datetime:
    try:
        zone = None
        if offset == "Z":
            zone = dt.UTC
        elif offset:
            sign = -1 if offset[0] == "-" else 1
            zone = dt.timezone(sign * dt.timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:])))
        if not FIRST_YEAR <= y <= LAST_YEAR:
            raise ValueError
        return dt.datetime(y, m, d, hour, minute, second, tzinfo=zone)
    except ValueError:
        raise ValueError(wrong) from None


def parse_date(raw: Any, *, order: str | None = None, year: int | None = None) -> str:
    """A calendar day as ``YYYY-MM-DD``. A time of day is dropped. Options as in :func:`read_moment`."""
    if type(raw) is str and len(raw) == 10 and raw[4] == "-" == raw[7]:
        try:
            day = dt.date.fromisoformat(raw)
        except ValueError:
            pass
        else:
            if FIRST_YEAR <= day.year <= LAST_YEAR:
                return raw
    moment, _timed = read_moment(raw, order=order, year=year)
    return moment.date().isoformat()


def parse_datetime(raw: Any, tz: ZoneInfo, *, order: str | None = None, year: int | None = None) -> int:
    """A moment in UTC seconds; text without an offset is wall-clock time in ``tz``; a day alone is its beginning."""
    if type(raw) is str:
        size = len(raw)
        if (size == 19 or size == 10) and raw[4] == "-" == raw[7]:
            try:
                start, steady = _day(raw[:10], tz)
                if size == 10:
                    return start
                if steady and raw[13] == ":" == raw[16] and raw[10] in " T":
                    hour, minute, second = int(raw[11:13]), int(raw[14:16]), int(raw[17:])
                    if 0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60:
                        return start + hour * 3600 + minute * 60 + second
            except ValueError:
                pass
    moment, _timed = read_moment(raw, order=order, year=year)
    if moment.tzinfo is not None:
        return int(moment.timestamp())
    start, steady = _day(moment.date().isoformat(), tz)
    if steady:
        return start + moment.hour * 3600 + moment.minute * 60 + moment.second
    return int(moment.replace(tzinfo=tz).timestamp())


@lru_cache(maxsize=8192)
def _day(text: str, tz: ZoneInfo) -> tuple[int, bool]:
    """(UTC seconds at which the day begins, whether it has 24 ordinary hours)."""
    day = dt.datetime.fromisoformat(text).replace(tzinfo=tz)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(_("“%(text)s”不是日期，请写成 2026-01-31 这样", text=text))
    return int(day.timestamp()), day.utcoffset() == (day + dt.timedelta(days=1)).utcoffset()


# --- phones

_EXTENSION = re.compile(r"\s*(?:转|分机|ext\.?|x|#)\s*(\d{1,6})$", re.IGNORECASE)
_LANDLINE = re.compile(r"(0(?:10|2\d|[3-9]\d{2}))-?([2-9]\d{6,7})(?:-(\d{1,6}))?")
_AREA = re.compile(r"\((0\d{2,3})\)")
_SERVICE = re.compile(r"(?:400|800)\d{7}|95\d{3,6}|1[0-2]\d{3}|106\d{5,17}")
_PHONE_SIGNS = str.maketrans("", "", " .·")


def parse_phone(raw: Any) -> str:
    """A phone number in one spelling: ``13812345678``, ``0571-88888888`` (``-801`` when it has an extension),
    ``4008001234``, ``+14155552671``.
    """
    if type(raw) is str and len(raw) == 11 and raw[0] == "1" and raw.isdecimal() and raw[1] > "2" and raw.isascii():
        return raw
    return _phone(as_digits(raw))


@lru_cache(maxsize=1024)
def _phone(raw: str) -> str:
    text = narrow(raw).strip("'\" ")
    if "*" in text:
        raise ValueError(_("“%(text)s”是打了星号的号码，不能拨打", text=_short(raw)))
    text = _EXTENSION.sub(r"-\1", _AREA.sub(r"\1-", text)).translate(_PHONE_SIGNS)
    text = text.replace("—", "-").replace("–", "-").replace("(", "").replace(")", "")
    digits = text.replace("-", "")
    for prefix in ("+86", "0086"):
        if digits.startswith(prefix):
            digits, text = digits[len(prefix) :], text[len(prefix) :].lstrip("-")
            if not digits.startswith(("0", "1", "4", "8", "9")):
                digits, text = "0" + digits, "0" + text
            break
    if digits.startswith("86") and len(digits) == 13 and digits[2] == "1":
        digits = digits[2:]
    if len(digits) == 11 and digits.isdecimal() and digits[0] == "1" and digits[1] > "2":
        return digits
    if digits.startswith("+") and digits[1:].isdecimal() and 7 <= len(digits) <= 16:
        return digits
    if digits.startswith("00") and digits.isdecimal() and 9 <= len(digits) <= 17:
        return "+" + digits[2:]
    if found := _LANDLINE.fullmatch(text):
        return "-".join(part for part in found.groups() if part)
    if digits.isdecimal() and _SERVICE.fullmatch(digits):
        return digits
    if digits.isdecimal() and 7 <= len(digits) <= 8 and digits[0] in "2345678":
        return digits
    raise ValueError(_("“%(text)s”不是电话号码", text=_short(raw)))


def as_digits(raw: Any) -> str:
    """What a spreadsheet made a number, as the digits that were meant: ``13800138000.0`` and ``1.38E+10`` → digits.

    Text that is not such a number comes back as it is.
    """
    if type(raw) is float and raw.is_integer() and abs(raw) < 1e22:
        return str(int(raw))
    text = raw if type(raw) is str else str(raw)
    if text.endswith(".0") and text[:-2].isdecimal():
        return text[:-2]
    if "E+" in text or "e+" in text:
        try:
            number = Decimal(narrow(text))
        except InvalidOperation:
            return text
        if number == number.to_integral_value() and number.adjusted() < 22:
            return str(int(number))
    return text


# --- yes and no

_YES = frozenset(
    ["是", "对", "有", "真", "1", "true", "t", "yes", "y", "on", "√", "✓", "✔", "☑", "已", "启用", "开", "1.0"]
)
_NO = frozenset(
    [
        "否",
        "不",
        "不是",
        "错",
        "无",
        "没有",
        "假",
        "0",
        "false",
        "f",
        "no",
        "n",
        "off",
        "×",
        "✗",
        "✘",
        "☐",
        "未",
        "停用",
        "关",
        "x",
        "0.0",
    ]
)


def parse_bool(raw: Any) -> bool:
    """是/否, true/false, yes/no, 1/0, √/×, 有/无, …"""
    if raw is True or raw is False:
        return bool(raw)
    text = narrow(str(raw)).lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise ValueError(_("“%(text)s”不是“是”或“否”", text=_short(raw)))


def _short(raw: Any) -> str:
    text = str(raw)
    return text if len(text) <= 40 else text[:39] + "…"
