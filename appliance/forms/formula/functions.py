"""What formulas can call. A function is one entry of the list: its names, arguments, effect, help and an example.

Values at work: numbers are ``int`` or ``Decimal`` (never float), days ``date``, moments aware ``datetime`` in the
company's zone, texts ``str``, truth ``bool``, a blank ``None``. A :class:`Fault` makes the whole result blank.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..parsing import parse_number

MAX_TEXT = 20_000
NUMBERS = ("integer", "decimal", "money", "percent")
MOMENTS = ("date", "datetime")

Row = dict[str, Any]


class Env(Struct):
    """When and for whom formulas are computed."""

    now: dt.datetime
    me: int | None = None

    @property
    def today(self) -> dt.date:
        return self.now.date()


Run = Callable[[Row, Env], Any]


class Fault(ArithmeticError):
    """A value that cannot be computed: the result is blank. The text says why."""


class Function(Struct, frozen=True):
    """``params``: what each argument must be: number, text, moment, yes_no or any; ``?`` after it: may be left out;
    ``*`` after the last (or the last two, then in pairs): as often as wanted. ``result``: a type, or what makes it of the
    arguments' types. ``value(env, *arguments)`` computes; ``build`` instead decides which arguments are computed at all.
    """

    name: str
    zh: str
    group: str
    params: tuple[str, ...]
    result: str | Callable[[list[str]], str | None]
    help: Any
    example: str
    shows: str
    value: Callable[..., Any] | None = None
    build: Callable[[Sequence[Run]], Run] | None = None
    blanks: bool = False
    """Whether it wants to see blanks; else a blank number is 0, a blank text "" and a blank day makes the result blank."""
    moving: bool = False
    """Whether its result changes as time goes by."""

    at_least: int = 0

    @property
    def least(self) -> int:
        return max(self.at_least, sum(not p.endswith(("?", "*")) for p in self.params))

    @property
    def most(self) -> int | None:
        return None if self.params and self.params[-1].endswith("*") else len(self.params)

    def param(self, index: int) -> str:
        """What the argument at ``index`` must be."""
        if index < len(self.params):
            return self.params[index].rstrip("?*")
        repeated = [p for p in self.params if p.endswith("*")]
        return repeated[(index - len(self.params)) % len(repeated)].rstrip("*")


GROUPS = {
    "logic": _l("判断"),
    "number": _l("数字"),
    "text": _l("文字"),
    "time": _l("日期时间"),
}
FUNCTIONS: dict[str, Function] = {}
"""By English name, in the order of the manual."""
_BY_NAME: dict[str, Function] = {}


def add(function: Function) -> None:
    """Adds a function. Raises on a name that is taken."""
    for name in (function.name, function.zh):
        if name in _BY_NAME:
            raise ValueError(f"formula function {name!r} is registered twice")
        _BY_NAME[name] = function
    FUNCTIONS[function.name] = function


def find(name: str) -> Function | None:
    """By English name (any case) or Chinese name."""
    return _BY_NAME.get(name.upper()) or _BY_NAME.get(name)


# -- types --------------------------------------------------------------------------------------------------------


def unify(types: Sequence[str]) -> str | None:
    """The type of a value that may come from any of these; ``None`` when they do not go together."""
    found = {t for t in types if t != "blank"}
    if not found:
        return "blank"
    if len(found) == 1:
        return found.pop()
    if found <= set(NUMBERS):
        return "money" if "money" in found else "decimal"
    return "datetime" if found <= set(MOMENTS) else None


def _of_branches(types: list[str]) -> str | None:
    return unify(types[1:])


def _of_pairs(types: list[str]) -> str | None:
    """IFS: condition, value, … and perhaps a last value."""
    return unify([t for i, t in enumerate(types) if i % 2 or i == len(types) - 1])


def _of_cases(types: list[str]) -> str | None:
    """SWITCH: value, case, result, … and perhaps a last result."""
    return unify([t for i, t in enumerate(types) if i and (i % 2 == 0 or i == len(types) - 1)])


def _of_number(types: list[str]) -> str | None:
    return types[0] if types[0] in NUMBERS else "decimal"


# -- effects ------------------------------------------------------------------------------------------------------


def _if(args: Sequence[Run]) -> Run:
    test, yes = args[0], args[1]
    no = args[2] if len(args) > 2 else _nothing
    return lambda row, env: yes(row, env) if test(row, env) else no(row, env)


def _nothing(row: Row, env: Env) -> None:
    return None


def _ifs(args: Sequence[Run]) -> Run:
    pairs = list(zip(args[0::2], args[1::2], strict=False))
    last = args[-1] if len(args) % 2 else _nothing

    def run(row: Row, env: Env) -> Any:
        for test, value in pairs:
            if test(row, env):
                return value(row, env)
        return last(row, env)

    return run


def _switch(args: Sequence[Run]) -> Run:
    subject, rest = args[0], args[1:]
    pairs = list(zip(rest[0::2], rest[1::2], strict=False))
    last = rest[-1] if len(rest) % 2 else _nothing

    def run(row: Row, env: Env) -> Any:
        value = subject(row, env)
        for case, result in pairs:
            if same(value, case(row, env)):
                return result(row, env)
        return last(row, env)

    return run


def same(left: Any, right: Any) -> bool:
    """Equality as a spreadsheet means it: case does not matter, a blank is the same as "" and 0."""
    if isinstance(left, str) or isinstance(right, str):
        return str(left or "").casefold() == str(right or "").casefold()
    if left is None or right is None:
        return not left and not right and not isinstance(left or right, (dt.date, dt.datetime))
    return bool(left == right)


def _all(args: Sequence[Run]) -> Run:
    return lambda row, env: all(arg(row, env) for arg in args)


def _any(args: Sequence[Run]) -> Run:
    return lambda row, env: any(arg(row, env) for arg in args)


def _if_error(args: Sequence[Run]) -> Run:
    value, instead = args

    def run(row: Row, env: Env) -> Any:
        try:
            return value(row, env)
        except (ArithmeticError, ValueError):
            return instead(row, env)

    return run


def _if_blank(args: Sequence[Run]) -> Run:
    value, instead = args

    def run(row: Row, env: Env) -> Any:
        found = value(row, env)
        return instead(row, env) if found is None or found == "" else found

    return run


def _rounding(how: str) -> Callable[..., Any]:
    def run(env: Env, number: Any, digits: Any = 0) -> Any:
        places = int(digits)
        if not -15 <= places <= 12:
            raise Fault(_("小数位数要在 -15 到 12 之间。"))
        if isinstance(number, int) and places >= 0:
            return number
        return Decimal(number).quantize(Decimal(1).scaleb(-places), rounding=how) + 0

    return run


def _step(how: str) -> Callable[..., Any]:
    def run(env: Env, number: Any, step: Any = 1) -> Any:
        if not step:
            raise Fault(_("不能按 0 取整。"))
        return (Decimal(number) / Decimal(step)).to_integral_value(how) * step

    return run


def _mod(env: Env, number: Any, by: Any) -> Any:
    if not by:
        raise Fault(_("除数是 0。"))
    if isinstance(number, int) and isinstance(by, int):
        return number % by
    # The sign follows the divisor, as in a spreadsheet.
    return number - by * (Decimal(number) / Decimal(by)).to_integral_value(ROUND_FLOOR)


def power(number: Any, exponent: Any) -> Any:
    if abs(exponent) > 1_000:
        raise Fault(_("乘方的次数太大了。"))
    return Decimal(number) ** Decimal(exponent)


def _sqrt(env: Env, number: Any) -> Any:
    if number < 0:
        raise Fault(_("负数没有平方根。"))
    return Decimal(number).sqrt()


def _filled(values: Sequence[Any]) -> list[Any]:
    return [v for v in values if v is not None]


def _sum(env: Env, *values: Any) -> Any:
    return sum(_filled(values))


def _average(env: Env, *values: Any) -> Any:
    found = _filled(values)
    return Decimal(sum(found)) / len(found) if found else None


def _min(env: Env, *values: Any) -> Any:
    return min(_filled(values), default=None)


def _max(env: Env, *values: Any) -> Any:
    return max(_filled(values), default=None)


def _number_of(env: Env, text: str) -> Any:
    if not text:
        return None
    try:
        return Decimal(parse_number(text, 9)).scaleb(-9)
    except ValueError as error:
        raise Fault(str(error)) from error


def within(text: str) -> str:
    """The text itself. Raises :class:`Fault` when it is longer than texts may be."""
    if len(text) > MAX_TEXT:
        raise Fault(_("文字太长了。"))
    return text


def _concat(env: Env, *texts: str) -> str:
    return within("".join(texts))


def _join(env: Env, mark: str, *texts: str) -> str:
    return within(mark.join(text for text in texts if text))


def _left(env: Env, text: str, count: Any = 1) -> str:
    return text[: max(0, int(count))]


def _right(env: Env, text: str, count: Any = 1) -> str:
    return text[-int(count) :] if count >= 1 else ""


def _mid(env: Env, text: str, start: Any, count: Any) -> str:
    first = max(1, int(start)) - 1
    return text[first : first + max(0, int(count))]


def _replace(env: Env, text: str, old: str, new: str) -> str:
    if not old:
        return text
    if len(text) + text.count(old) * len(new) > MAX_TEXT:
        raise Fault(_("文字太长了。"))
    return text.replace(old, new)


def _find(env: Env, wanted: str, text: str) -> Any:
    place = text.casefold().find(wanted.casefold())
    return place + 1 if place >= 0 else 0


def _text(env: Env, value: Any, pattern: str = "") -> str:
    if value is None:
        return ""
    if isinstance(value, str) or not pattern:
        return plain(value)
    return _moment_text(value, pattern) if isinstance(value, dt.date) else _number_text(value, pattern)


def plain(value: Any) -> str:
    """A value as text when nothing says how."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("是") if value else _("否")
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value.quantize(Decimal('1e-9')).normalize() + 0:f}"
    return str(value)


def _number_text(value: Any, pattern: str) -> str:
    """``0``, ``0.00``, ``#,##0.00``, ``0.0%``, ``000``."""
    share = pattern.endswith("%")
    body = pattern.removesuffix("%")
    whole, _dot, rest = body.partition(".")
    if not set(whole) <= set("#,0") or not set(rest) <= {"0"} or not whole or len(body) > 30:
        raise Fault(_("不认识的数字格式。"))
    number = Decimal(value) * (100 if share else 1)
    number = number.quantize(Decimal(1).scaleb(-len(rest)), ROUND_HALF_UP) + 0
    text = f"{abs(number):,f}" if "," in whole else f"{abs(number):f}"
    head, dot, tail = text.partition(".")
    least = whole.replace(",", "").count("0")
    return ("-" if number < 0 else "") + head.rjust(least, "0") + dot + tail + ("%" if share else "")


_MARKS = (
    ("yyyy", "%Y"), ("yy", "%y"), ("mm", "%m"), ("dd", "%d"), ("hh", "%H"), ("nn", "%M"), ("ss", "%S"),
)  # fmt: skip


def _moment_text(value: dt.date, pattern: str) -> str:
    """``yyyy-mm-dd hh:nn:ss`` in any order (``m``, ``d`` without the zero); ``mm`` after ``hh:`` are minutes."""
    if len(pattern) > 60:
        raise Fault(_("日期的格式太长了。"))
    text = pattern.lower().replace("hh:mm", "hh:nn").replace("时mm", "时nn")
    moment = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
    for mark, code in _MARKS:
        text = text.replace(mark, f"\x00{code[1]}")
    text = text.replace("m", str(moment.month)).replace("d", str(moment.day))
    for _mark, code in _MARKS:
        text = text.replace(f"\x00{code[1]}", moment.strftime(code))
    return text.replace("\x00m", f"{moment.month:02}").replace("\x00d", f"{moment.day:02}")


def _date(env: Env, year: Any, month: Any, day: Any) -> dt.date:
    if not 1 <= year <= 9998:
        raise Fault(_("年份要在 1 到 9998 之间。"))
    return _days_on(_months_on(dt.date(int(year), 1, 1), int(month) - 1), int(day) - 1)


def _months_on(day: Any, months: int) -> Any:
    index = day.year * 12 + day.month - 1 + months
    if not 12 <= index < 9_999 * 12:
        raise Fault(_("日期太远了。"))
    year, month = divmod(index, 12)
    return day.replace(year=year, month=month + 1, day=min(day.day, calendar.monthrange(year, month + 1)[1]))


def _days_on(day: Any, count: int) -> Any:
    try:
        return day + dt.timedelta(days=count)
    except OverflowError as error:
        raise Fault(_("日期太远了。")) from error


UNITS = {
    "day": "day", "天": "day", "日": "day", "week": "week", "周": "week", "month": "month", "月": "month",
    "year": "year", "年": "year", "hour": "hour", "小时": "hour", "minute": "minute", "分钟": "minute",
    "d": "day", "m": "month", "y": "year", "w": "week", "h": "hour",
}  # fmt: skip


def _unit(text: str) -> str:
    word = text.casefold().strip()
    unit = UNITS.get(word) or UNITS.get(word.removesuffix("s"))
    if unit is None:
        raise Fault(_("单位只能是 day、week、month、year、hour 或 minute。"))
    return unit


def _date_add(env: Env, day: Any, count: Any, unit: str = "day") -> Any:
    step = _unit(unit)
    number = int(count)
    if step in ("month", "year"):
        return _months_on(day, number * (12 if step == "year" else 1))
    if step in ("day", "week"):
        return _days_on(day, number * (7 if step == "week" else 1))
    moment = day if isinstance(day, dt.datetime) else _midnight(day, env)
    try:
        return moment + dt.timedelta(hours=number) if step == "hour" else moment + dt.timedelta(minutes=number)
    except OverflowError as error:
        raise Fault(_("日期太远了。")) from error


def _midnight(day: dt.date, env: Env) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=env.now.tzinfo)


def days_between(later: Any, earlier: Any, env: Env) -> Any:
    """Days from ``earlier`` to ``later``; between moments a fraction."""
    if not isinstance(later, dt.datetime) and not isinstance(earlier, dt.datetime):
        return (later - earlier).days
    a = later if isinstance(later, dt.datetime) else _midnight(later, env)
    b = earlier if isinstance(earlier, dt.datetime) else _midnight(earlier, env)
    return Decimal(int(a.timestamp() - b.timestamp())) / 86_400


def _day(value: Any) -> dt.date:
    return value.date() if isinstance(value, dt.datetime) else value


def _date_dif(env: Env, start: Any, end: Any, unit: str = "day") -> Any:
    step = _unit(unit)
    if step in ("hour", "minute"):
        return int(days_between(end, start, env) * (24 if step == "hour" else 1440))
    first, last = _day(start), _day(end)
    if step in ("day", "week"):
        return int((last - first).days / (7 if step == "week" else 1))
    sign = -1 if last < first else 1
    first, last = min(first, last), max(first, last)
    months = (last.year - first.year) * 12 + last.month - first.month
    months -= last.day < first.day
    return sign * (months // 12 if step == "year" else months)


def _month_end(env: Env, day: Any, months: Any = 0) -> dt.date:
    moved = _months_on(_day(day).replace(day=1), int(months))
    return moved.replace(day=calendar.monthrange(moved.year, moved.month)[1])


def _clock(part: str) -> Callable[..., Any]:
    return lambda env, value: getattr(value, part, 0)


def _f(
    name: str, zh: str, group: str, params: str, result: Any, help: Any, example: str, shows: str, **more: Any
) -> None:
    add(Function(name, zh, group, tuple(params.split()), result, help, example, shows, **more))


_f("IF", "如果", "logic", "yes_no any any?", _of_branches, _l("条件成立取第二项，否则取第三项（不写就是空）"),
   'IF(3 > 2, "大", "小")', "大", build=_if)  # fmt: skip
_f("IFS", "多条件", "logic", "yes_no* any*", _of_pairs, _l("依次看条件，取第一个成立的条件后面的值；最后单写一项是都不成立时的值"),
   'IFS(5 > 9, "甲", 5 > 3, "乙", "丙")', "乙", build=_ifs, at_least=2)  # fmt: skip
_f("SWITCH", "对应", "logic", "any any* any*", _of_cases, _l("按第一项的值取对应的结果；最后单写一项是都对不上时的值"),
   'SWITCH("b", "a", 1, "b", 2, 0)', "2", build=_switch, at_least=3)  # fmt: skip
_f("AND", "并且", "logic", "yes_no yes_no*", "yes_no", _l("全部条件都成立"), "AND(1 < 2, 2 < 3)", "是", build=_all)
_f("OR", "或者", "logic", "yes_no yes_no*", "yes_no", _l("至少一个条件成立"), "OR(1 > 2, 2 < 3)", "是", build=_any)
_f("NOT", "非", "logic", "yes_no", "yes_no", _l("条件不成立"), "NOT(1 > 2)", "是", value=lambda env, v: not v)
_f("ISBLANK", "为空", "logic", "field", "yes_no", _l("没有填写"), 'ISBLANK("")', "是",
   value=lambda env, v: v is None or v == "", blanks=True)  # fmt: skip
_f(
    "IFBLANK",
    "空值时",
    "logic",
    "any any",
    unify,
    _l("第一项没有值时取第二项"),
    'IFBLANK("", "未填")',
    "未填",
    build=_if_blank,
)
_f("IFERROR", "出错时", "logic", "any any", unify, _l("第一项算不出来时（比如除以 0）取第二项"), "IFERROR(1 / 0, 0)", "0",
   build=_if_error)  # fmt: skip

_f("SUM", "求和", "number", "number number*", unify, _l("相加，空的不算"), "SUM(1, 2, 3)", "6", value=_sum, blanks=True)
_f("AVERAGE", "平均", "number", "number number*",
   lambda types: "money" if unify(types) == "money" else "decimal", _l("平均数，空的不算"), "AVERAGE(2, 4)", "3",
   value=_average, blanks=True)  # fmt: skip
_f("MIN", "最小", "number", "ordered ordered*", unify, _l("最小的数或最早的日期，空的不算"), "MIN(3, 1, 2)", "1", value=_min,
   blanks=True)  # fmt: skip
_f("MAX", "最大", "number", "ordered ordered*", unify, _l("最大的数或最晚的日期，空的不算"), "MAX(3, 1, 2)", "3", value=_max,
   blanks=True)  # fmt: skip
_f("ROUND", "四舍五入", "number", "number number?", _of_number, _l("四舍五入到几位小数（不写是整数）"), "ROUND(3.456, 2)", "3.46",
   value=_rounding(ROUND_HALF_UP))  # fmt: skip
_f("ROUNDUP", "向上舍入", "number", "number number?", _of_number, _l("远离 0 舍入到几位小数"), "ROUNDUP(3.41, 1)", "3.5",
   value=_rounding(ROUND_UP))  # fmt: skip
_f("ROUNDDOWN", "向下舍入", "number", "number number?", _of_number, _l("直接去掉后面的小数"), "ROUNDDOWN(3.49, 1)", "3.4",
   value=_rounding(ROUND_DOWN))  # fmt: skip
_f("CEILING", "向上取整", "number", "number number?", _of_number, _l("不小于它的整数，或第二项的整数倍"), "CEILING(7, 5)", "10",
   value=_step(ROUND_CEILING))  # fmt: skip
_f("FLOOR", "向下取整", "number", "number number?", _of_number, _l("不大于它的整数，或第二项的整数倍"), "FLOOR(7, 5)", "5",
   value=_step(ROUND_FLOOR))  # fmt: skip
_f("ABS", "绝对值", "number", "number", _of_number, _l("去掉负号"), "ABS(-3)", "3", value=lambda env, v: abs(v))
_f("MOD", "余数", "number", "number number", unify, _l("除以第二项的余数"), "MOD(7, 3)", "1", value=_mod)
_f("POWER", "乘方", "number", "number number", "decimal", _l("第一项的几次方"), "POWER(2, 3)", "8",
   value=lambda env, a, b: power(a, b))  # fmt: skip
_f("SQRT", "平方根", "number", "number", "decimal", _l("平方根"), "SQRT(9)", "3", value=_sqrt)
_f("VALUE", "转数字", "number", "text", "decimal", _l("把文字读成数字"), 'VALUE("1,200.5")', "1200.5", value=_number_of)

_f(
    "CONCAT",
    "连接",
    "text",
    "text text*",
    "text",
    _l("把文字连起来，也可以写成 甲 & 乙"),
    'CONCAT("A", 1)',
    "A1",
    value=_concat,
)
_f("JOIN", "间隔连接", "text", "text text text*", "text", _l("用第一项隔开其余各项，空的跳过"), 'JOIN("-", "a", "", "b")', "a-b",
   value=_join)  # fmt: skip
_f("LEFT", "左取", "text", "text number?", "text", _l("左边几个字"), 'LEFT("杭州店", 2)', "杭州", value=_left)
_f("RIGHT", "右取", "text", "text number?", "text", _l("右边几个字"), 'RIGHT("13812345678", 4)', "5678", value=_right)
_f(
    "MID",
    "中取",
    "text",
    "text number number",
    "text",
    _l("从第几个字起取几个字"),
    'MID("abcdef", 2, 3)',
    "bcd",
    value=_mid,
)
_f("LEN", "长度", "text", "text", "integer", _l("字数"), 'LEN("杭州店")', "3", value=lambda env, v: len(v))
_f(
    "UPPER",
    "大写",
    "text",
    "text",
    "text",
    _l("字母变成大写"),
    'UPPER("ab")',
    "AB",
    value=lambda env, v: within(v.upper()),
)
_f(
    "LOWER",
    "小写",
    "text",
    "text",
    "text",
    _l("字母变成小写"),
    'LOWER("AB")',
    "ab",
    value=lambda env, v: within(v.lower()),
)
_f("TRIM", "去空格", "text", "text", "text", _l("去掉前后的空格，中间连着的空格留一个"), 'TRIM("  a   b ")', "a b",
   value=lambda env, v: " ".join(v.split()))  # fmt: skip
_f("REPLACE", "替换", "text", "text text text", "text", _l("把第二项的文字都换成第三项"), 'REPLACE("a-b", "-", "/")', "a/b",
   value=_replace)  # fmt: skip
_f("CONTAINS", "包含", "text", "text text", "yes_no", _l("第一项里有没有第二项的文字"), 'CONTAINS("杭州店", "杭州")', "是",
   value=lambda env, text, wanted: wanted.casefold() in text.casefold())  # fmt: skip
_f(
    "FIND",
    "查找",
    "text",
    "text text",
    "integer",
    _l("第一项的文字在第二项里是第几个字，没有是 0"),
    'FIND("b", "abc")',
    "2",
    value=_find,
)
_f("TEXT", "转文字", "text", "any text?", "text", _l("按格式写成文字：数字 0.00、#,##0、0%，日期 yyyy-mm-dd hh:mm"),
   'TEXT(1234.5, "#,##0.00")', "1,234.50", value=_text, blanks=True)  # fmt: skip

_f("TODAY", "今天", "time", "", "date", _l("今天的日期；每天零点过后自动更新"), "TODAY() - TODAY()", "0",
   value=lambda env: env.today, moving=True)  # fmt: skip
_f("NOW", "现在", "time", "", "datetime", _l("记录保存时的时间；每天零点过后也会更新"), "NOW() - NOW()", "0",
   value=lambda env: env.now, moving=True)  # fmt: skip
_f(
    "DATE",
    "日期",
    "time",
    "number number number",
    "date",
    _l("由年、月、日组成日期"),
    "DATE(2026, 2, 28)",
    "2026-02-28",
    value=_date,
)
_f("YEAR", "年", "time", "moment", "integer", _l("年份"), "YEAR(DATE(2026, 3, 5))", "2026", value=_clock("year"))
_f("MONTH", "月", "time", "moment", "integer", _l("月份"), "MONTH(DATE(2026, 3, 5))", "3", value=_clock("month"))
_f("DAY", "日", "time", "moment", "integer", _l("几号"), "DAY(DATE(2026, 3, 5))", "5", value=_clock("day"))
_f("HOUR", "时", "time", "moment", "integer", _l("几点"), "HOUR(DATE(2026, 3, 5))", "0", value=_clock("hour"))
_f("MINUTE", "分", "time", "moment", "integer", _l("几分"), "MINUTE(DATE(2026, 3, 5))", "0", value=_clock("minute"))
_f("QUARTER", "季度", "time", "moment", "integer", _l("第几季度"), "QUARTER(DATE(2026, 5, 1))", "2",
   value=lambda env, v: (v.month + 2) // 3)  # fmt: skip
_f("WEEKDAY", "星期", "time", "moment", "integer", _l("星期几：一是 1，日是 7"), "WEEKDAY(DATE(2026, 11, 22))", "7",
   value=lambda env, v: v.isoweekday())  # fmt: skip
_f("DATEADD", "日期加", "time", "moment number text?", lambda types: types[0], _l("加上一段时间，单位是 day、week、month、year、hour、minute"),
   'DATEADD(DATE(2026, 1, 31), 1, "month")', "2026-02-28", value=_date_add)  # fmt: skip
_f("DATEDIF", "日期差", "time", "moment moment text?", "integer", _l("从第一项到第二项有多久（满的才算），单位同上"),
   'DATEDIF(DATE(2000, 5, 1), DATE(2026, 4, 30), "year")', "25", value=_date_dif)  # fmt: skip
_f("DAYS", "相差天数", "time", "moment moment", "integer", _l("从第二项到第一项有几天"), "DAYS(DATE(2026, 3, 1), DATE(2026, 2, 1))",
   "28", value=lambda env, end, start: (_day(end) - _day(start)).days)  # fmt: skip
_f("MONTHEND", "月末", "time", "moment number?", "date", _l("那个月（或几个月后）的最后一天"), "MONTHEND(DATE(2026, 2, 5))",
   "2026-02-28", value=_month_end)  # fmt: skip
_f("ME", "我", "time", "", "person", _l("正在新建记录的人；只能用在默认值里"), "ME()", "", value=lambda env: env.me)
