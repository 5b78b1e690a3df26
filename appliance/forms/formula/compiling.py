"""A formula's tree → a program: names found, types checked, every problem said by name and place, closures to run.

Types: ``text integer decimal money percent date datetime yes_no``, ``blank`` (the literal ``""`` alone), ``person`` (ME)
and ``reference`` (a related record, of which only ISBLANK can be asked).
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import has_app_context
from flask_babel import force_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ...core import clock, i18n, settings
from . import functions
from .functions import MOMENTS, NUMBERS, Env, Fault, Function, Row, Run, days_between, same, unify
from .parser import Call, FormulaProblem, Literal, Name, Node, Operation, calls, names, parse, rename

if TYPE_CHECKING:
    from ..fields.base import Field

RESULTS: dict[str, Any] = {
    "text": _l("文字"), "integer": _l("整数"), "decimal": _l("小数"), "money": _l("金额"), "percent": _l("百分比"),
    "date": _l("日期"), "datetime": _l("日期时间"), "yes_no": _l("是否"),
}  # fmt: skip
"""What a formula can result in: keys of field types, with the word for it."""
WORDS = RESULTS | {"blank": _l("空"), "person": _l("人员"), "reference": _l("关联记录")}
WANTED = {"number": _l("数字"), "text": _l("文字"), "moment": _l("日期"), "yes_no": _l("条件（是或否）")}

CONTEXT = decimal.Context(
    prec=34, rounding=decimal.ROUND_HALF_UP, Emin=-60, Emax=60,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)  # fmt: skip
"""34 digits are exact for every sum and product of amounts that a column can hold."""


class Program(Struct):
    """A checked formula. ``fields``: keys it reads; ``moving``: its result changes as time goes by."""

    text: str
    tree: Node
    type: str
    fields: tuple[str, ...]
    moving: bool
    speaks: bool
    """Whether values become words of the company's language on the way."""
    run: Run


class Typed(Struct):
    """A part of a formula: what it results in, and how."""

    type: str
    run: Run
    node: Node


class Scope:
    """The fields that a formula can name, by key and by label."""

    def __init__(self, fields: Mapping[str, Field], form_label: str) -> None:
        self.fields = fields
        self.form_label = form_label
        self.by_label: dict[str, str] = {}
        for key, f in fields.items():
            spoken = f.spec.label
            for text in spoken.values() if isinstance(spoken, dict) else [str(spoken)]:
                self.by_label.setdefault(text.strip().casefold(), key)

    def find(self, name: Name) -> Field:
        """Raises :class:`FormulaProblem`."""
        key = name.name if name.name in self.fields else self.by_label.get(name.name.casefold())
        if key is None:
            if functions.find(name.name):
                message = _("“%(name)s”后面要有括号。", name=name.name)
            else:
                message = _("「%(form)s」没有叫“%(name)s”的字段。", form=self.form_label, name=name.name[:40])
            raise FormulaProblem(message, name.start, name.end)
        return self.fields[key]


def canonical(text: str, fields: Mapping[str, Field]) -> str:
    """The text with every field named by its key: a new label breaks nothing. What cannot be read stays as it is."""
    scope = Scope(fields, "")
    return _renamed(text, scope, lambda f: f.key)


def shown(text: str, fields: Mapping[str, Field]) -> str:
    """The text with every field named by its label, where that says which one is meant."""
    scope = Scope(fields, "")

    def word(f: Field) -> str:
        label = f.label.strip()
        clear = scope.by_label.get(label.casefold()) == f.key and not set(label) & set("{}｛｝") and label not in fields
        return label if clear else f.key

    return _renamed(text, scope, word)


def _renamed(text: str, scope: Scope, word: Callable[[Field], str]) -> str:
    try:
        tree = parse(text)
        new = {(n.start, n.end): "{" + word(scope.find(n)) + "}" for n in names(tree)}
    except FormulaProblem:
        return text
    return rename(text, new)


def compile(text: str, fields: Mapping[str, Field], form_label: str = "", *, default: bool = False) -> Program:
    """Raises :class:`FormulaProblem` with the first problem. ``default``: for a new record's value, where ME() may stand."""
    tree = parse(text)
    compiler = _Compiler(Scope(fields, form_label), default)
    whole = compiler.node(tree)
    if whole.type == "reference":
        raise FormulaProblem(_("关联记录本身不能作结果，请用“引用”字段取它的字段。"), tree.start, tree.end)
    called = {f.name for c in calls(tree) if (f := functions.find(c.function))}
    moving = any(functions.FUNCTIONS[name].moving for name in called)
    return Program(
        text, tree, whole.type, tuple(dict.fromkeys(compiler.used)), moving, compiler.speaks, whole.run
    )  # fmt: skip


class _Compiler:
    def __init__(self, scope: Scope, default: bool) -> None:
        self.scope = scope
        self.default = default
        self.used: list[str] = []
        self.speaks = False

    def node(self, node: Node) -> Typed:
        if isinstance(node, Literal):
            return self.literal(node)
        if isinstance(node, Name):
            return self.name(node)
        if isinstance(node, Call):
            return self.call(node)
        assert isinstance(node, Operation)
        return self.operation(node)

    def literal(self, node: Literal) -> Typed:
        value = node.value
        if value == "" and isinstance(value, str):
            return Typed("blank", lambda row, env: None, node)
        kinds: dict[type, str] = {bool: "yes_no", int: "integer", Decimal: "decimal", str: "text"}
        return Typed(kinds[type(value)], lambda row, env: value, node)

    def name(self, node: Name) -> Typed:
        f = self.scope.find(node)
        problem = f.problem
        if problem:
            raise FormulaProblem(
                _("字段「%(field)s」现在算不出来：%(why)s", field=f.label, why=problem), node.start, node.end
            )
        kind = f.formula_type
        if kind is None:
            raise FormulaProblem(
                _("「%(field)s」是%(type)s，不能用在公式里。", field=f.label, type=f.name), node.start, node.end
            )
        self.used.append(f.key)
        self.speaks = self.speaks or (kind in ("text", "yes_no") and f.inner.type not in ("text", "long_text"))
        return Typed(kind, reader(f), node)

    # -- operators ----------------------------------------------------------------------------------------------

    def operation(self, node: Operation) -> Typed:
        parts = [self.node(part) for part in node.operands]
        sign = node.sign
        if sign == "&":
            self.speaks = self.speaks or any(part.type == "yes_no" for part in parts)
            left, right = (text_of(part) for part in parts)
            run = lambda row, env: functions.within(left(row, env) + right(row, env))  # noqa: E731
            return Typed("text", run, node)
        if sign in ("=", "<>", "<", "<=", ">", ">="):
            return self.comparison(node, *parts)
        if len(parts) == 1:
            self.number(parts[0], sign)
            inner = parts[0].run
            if sign == "%":
                return Typed("percent", lambda row, env: Decimal(inner(row, env) or 0) / 100, node)
            kind = parts[0].type if parts[0].type != "blank" else "integer"
            if sign == "+":
                return Typed(kind, lambda row, env: inner(row, env) or 0, node)
            return Typed(kind, lambda row, env: -(inner(row, env) or 0), node)
        left_part, right_part = parts
        if sign in "+-" and (left_part.type in MOMENTS or right_part.type in MOMENTS):
            return self.moments(node, left_part, right_part)
        for part in parts:
            self.number(part, sign)
        return Typed(arithmetic_type(sign, left_part.type, right_part.type), _ARITHMETIC[sign](*_runs(parts)), node)

    def number(self, part: Typed, sign: str) -> None:
        if part.type in NUMBERS or part.type == "blank":
            return
        if part.type == "text" and sign == "+":
            raise FormulaProblem(_("文字不能相加，请用 & 连接。"), part.node.start, part.node.end)
        raise FormulaProblem(
            _("这里要数字，“%(text)s”是%(type)s。", text=self.words(part), type=WORDS[part.type]),
            part.node.start, part.node.end,
        )  # fmt: skip

    def words(self, part: Typed) -> str:
        """How to name a part in a sentence."""
        if isinstance(part.node, Name):
            return self.scope.find(part.node).label
        if isinstance(part.node, Call):
            return part.node.function
        return str(part.node.value) if isinstance(part.node, Literal) else "( )"

    def moments(self, node: Operation, left: Typed, right: Typed) -> Typed:
        if node.sign == "-" and left.type in MOMENTS and right.type in MOMENTS:
            kind = "integer" if left.type == right.type == "date" else "decimal"
            a, b = left.run, right.run
            return Typed(kind, lambda row, env: _apart(a(row, env), b(row, env), env), node)
        day, number = (left, right) if left.type in MOMENTS else (right, left)
        if number.type not in (*NUMBERS, "blank") or (node.sign == "-" and day is right):
            raise FormulaProblem(_("日期只能加减天数，或者与另一个日期相减。"), node.start, node.end)
        base, count, sign = day.run, number.run, -1 if node.sign == "-" else 1
        return Typed(day.type, lambda row, env: _moved(base(row, env), count(row, env), sign), node)

    def comparison(self, node: Operation, left: Typed, right: Typed) -> Typed:
        left, right = self.choice(left, right), self.choice(right, left)
        kinds = {left.type, right.type} - {"blank"}
        together = unify([left.type, right.type])
        if together is None or "reference" in kinds or (node.sign not in ("=", "<>") and "yes_no" in kinds):
            raise FormulaProblem(
                _(
                    "%(left)s和%(right)s不能比较。",
                    left=_("“%(text)s”（%(type)s）", text=self.words(left), type=WORDS[left.type]),
                    right=_("“%(text)s”（%(type)s）", text=self.words(right), type=WORDS[right.type]),
                ),
                node.start, node.end,
            )  # fmt: skip
        a, b = left.run, right.run
        if node.sign == "=":
            return Typed("yes_no", lambda row, env: same(*_level(a(row, env), b(row, env), env)), node)
        if node.sign == "<>":
            return Typed("yes_no", lambda row, env: not same(*_level(a(row, env), b(row, env), env)), node)
        blank: Any = 0 if together in NUMBERS else "" if together == "text" else None
        compare = _ORDER[node.sign]
        return Typed("yes_no", lambda row, env: _ordered(a(row, env), b(row, env), compare, blank, env), node)

    def choice(self, part: Typed, other: Typed) -> Typed:
        """A text that is compared with a field of choices is read as one of them: by value, label or alias."""
        if not isinstance(part.node, Literal) or part.type != "text" or not isinstance(other.node, Name):
            return part
        text = str(part.node.value)
        f = self.scope.find(other.node)
        if f.value_choices() is None:
            return part
        with speaking():
            try:
                meant = f.formula_value(f.operand(text, None))  # type: ignore[arg-type]
            except ValueError:
                return part
        return Typed("text", lambda row, env: meant, part.node)

    # -- functions ----------------------------------------------------------------------------------------------

    def call(self, node: Call) -> Typed:
        function = functions.find(node.function)
        if function is None:
            raise FormulaProblem(
                _("没有“%(name)s”这个函数。", name=node.function[:40]), node.start, node.start + len(node.function)
            )
        if function.name == "ME" and not self.default:
            raise FormulaProblem(_("ME() 只能用在默认值里。"), node.start, node.end)
        self.counted(node, function)
        args = [self.node(arg) for arg in node.args]
        if function.name == "SWITCH":
            args = [args[0], *(self.choice(a, args[0]) if i % 2 == 0 else a for i, a in enumerate(args[1:]))]
        if function.group == "text":
            self.speaks = self.speaks or any(arg.type == "yes_no" for arg in args)
        for i, arg in enumerate(args):
            self.fits(function, i, arg, len(args))
        result = function.result
        kind = result if isinstance(result, str) else result([arg.type for arg in args])
        if kind is None:
            raise FormulaProblem(
                _("%(name)s 的几个结果要是同一种：%(types)s。", name=function.name, types=_("、").join(
                    dict.fromkeys(str(WORDS[arg.type]) for arg in args)
                )), node.start, node.end,
            )  # fmt: skip
        if function.build:
            # A date beside a moment, a text beside a blank: branches need no bringing together at run time.
            return Typed(kind, function.build(_runs(args)), node)
        return Typed(kind, _plain_call(function, args), node)

    def counted(self, node: Call, function: Function) -> None:
        count, least, most = len(node.args), function.least, function.most
        if least <= count and (most is None or count <= most):
            return
        if most is None:
            wanted = _("至少 %(least)d 项", least=least)
        elif least == most:
            wanted = _("%(least)d 项", least=least) if least else _("空着")
        else:
            wanted = _("%(least)d 到 %(most)d 项", least=least, most=most)
        raise FormulaProblem(
            _("%(name)s 的括号里要写%(wanted)s，现在是 %(count)d 项。", name=node.function, wanted=wanted, count=count),
            node.start, node.end,
        )  # fmt: skip

    def fits(self, function: Function, index: int, arg: Typed, count: int) -> None:
        # What stands alone at the end of IFS is what it results in when no condition holds.
        alone = function.name == "IFS" and count % 2 == 1 and index == count - 1
        wanted = "any" if alone else function.param(index)
        good = {
            "number": arg.type in NUMBERS or arg.type == "blank",
            "moment": arg.type in MOMENTS or arg.type == "blank",
            "yes_no": arg.type in ("yes_no", "blank"),
            "ordered": arg.type in (*NUMBERS, *MOMENTS, "blank"),
            "field": True,
            "any": arg.type != "reference",
            "text": arg.type != "reference",
        }[wanted]
        if not good:
            raise FormulaProblem(
                _("%(name)s 的第 %(place)d 项要是%(wanted)s，“%(text)s”是%(type)s。", name=function.name, place=index + 1,
                  wanted=WANTED.get(wanted, _("数字或日期") if wanted == "ordered" else _("字段的值")),
                  text=self.words(arg), type=WORDS[arg.type]), arg.node.start, arg.node.end,
            )  # fmt: skip


def _runs(parts: Sequence[Typed]) -> list[Run]:
    return [part.run for part in parts]


def reader(f: Field) -> Run:
    """Reads a field's value of a row of stored values."""
    key, read = f.key, f.formula_value

    def run(row: Row, env: Env) -> Any:
        value = row.get(key)
        return None if value is None else read(value)

    return run


def text_of(part: Typed) -> Run:
    """The part as text."""
    inner = part.run
    if part.type == "text":
        return lambda row, env: inner(row, env) or ""
    if part.type == "money":
        return lambda row, env: _fixed(inner(row, env))
    if part.type == "percent":
        return lambda row, env: _share(inner(row, env))
    return lambda row, env: functions.plain(inner(row, env))


def _fixed(value: Any) -> str:
    return "" if value is None else f"{Decimal(value).quantize(Decimal('0.01')):f}"


def _share(value: Any) -> str:
    return "" if value is None else functions.plain(Decimal(value) * 100) + "%"


def _plain_call(function: Function, args: list[Typed]) -> Run:
    value = function.value
    assert value is not None
    runs = [text_of(a) if function.param(i) == "text" else a.run for i, a in enumerate(args)]
    kinds = [function.param(i) for i in range(len(args))]
    if function.blanks:
        if len(runs) == 1:
            only = runs[0]
            return lambda row, env: value(env, only(row, env))
        return lambda row, env: value(env, *[run(row, env) for run in runs])
    numbers = [kind == "number" for kind in kinds]
    moments = [i for i, kind in enumerate(kinds) if kind == "moment"]

    def run(row: Row, env: Env) -> Any:
        found = [
            (run_(row, env) or 0) if number else run_(row, env) for run_, number in zip(runs, numbers, strict=True)
        ]
        for i in moments:
            if found[i] is None:
                return None
        return value(env, *found)

    return run


# -- arithmetic ---------------------------------------------------------------------------------------------------


def arithmetic_type(sign: str, left: str, right: str) -> str:
    kinds = {left, right} - {"blank"}
    if sign == "^":
        return "decimal"
    if sign == "/":
        return "money" if left == "money" and right != "money" else "decimal"
    if "money" in kinds:
        return "money"
    if kinds == {"percent"} and sign in "+-":
        return "percent"
    return "integer" if kinds <= {"integer"} else "decimal"


def _plus(a: Run, b: Run) -> Run:
    return lambda row, env: (a(row, env) or 0) + (b(row, env) or 0)


def _minus(a: Run, b: Run) -> Run:
    return lambda row, env: (a(row, env) or 0) - (b(row, env) or 0)


def _times(a: Run, b: Run) -> Run:
    return lambda row, env: (a(row, env) or 0) * (b(row, env) or 0)


def _over(a: Run, b: Run) -> Run:
    def run(row: Row, env: Env) -> Any:
        by = b(row, env)
        if not by:
            raise Fault(_("除数是 0。"))
        return Decimal(a(row, env) or 0) / by

    return run


def _to_the(a: Run, b: Run) -> Run:
    return lambda row, env: functions.power(a(row, env) or 0, b(row, env) or 0)


_ARITHMETIC: dict[str, Callable[[Run, Run], Run]] = {"+": _plus, "-": _minus, "*": _times, "/": _over, "^": _to_the}
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _moved(day: Any, count: Any, sign: int) -> Any:
    if day is None:
        return None
    days = Decimal(count or 0) * sign
    if isinstance(day, dt.datetime) and days != days.to_integral_value():
        try:
            return day + dt.timedelta(seconds=int(days * 86_400))
        except OverflowError as error:
            raise Fault(_("日期太远了。")) from error
    return functions._days_on(day, int(days))


def _apart(later: Any, earlier: Any, env: Env) -> Any:
    return None if later is None or earlier is None else days_between(later, earlier, env)


def _level(a: Any, b: Any, env: Env) -> tuple[Any, Any]:
    """A day beside a moment is its beginning."""
    if (
        isinstance(a, dt.datetime) is not isinstance(b, dt.datetime)
        and isinstance(a, dt.date)
        and isinstance(b, dt.date)
    ):
        return (
            a if isinstance(a, dt.datetime) else functions._midnight(a, env),
            b if isinstance(b, dt.datetime) else functions._midnight(b, env),
        )
    return a, b


def _ordered(a: Any, b: Any, compare: Callable[[Any, Any], bool], blank: Any, env: Env) -> bool:
    a, b = blank if a is None else a, blank if b is None else b
    if a is None or b is None:
        # A day that is not there is neither before nor after another.
        return False
    if isinstance(a, str):
        return compare(a.casefold(), str(b).casefold())
    return compare(*_level(a, b, env))


# -- running ------------------------------------------------------------------------------------------------------


def environment(me: int | None = None) -> Env:
    return Env(clock.local(clock.now(), settings.tz()), me)


@contextmanager
def speaking() -> Iterator[None]:
    """Values become text in the company's language, whoever writes."""
    if has_app_context():
        with force_locale(i18n.company_locale()):
            yield
    else:
        with i18n.speaking():
            yield


@contextmanager
def running(speaks: bool = True) -> Iterator[None]:
    """Numbers are computed with enough digits; with ``speaks`` words are the company's language."""
    with speaking() if speaks else nullcontext(), decimal.localcontext(CONTEXT):
        yield


def value_of(program: Program, row: Row, env: Env) -> Any:
    """One result, blank when it cannot be computed. Inside :func:`running`."""
    try:
        return program.run(row, env)
    except (ArithmeticError, ValueError, RecursionError):
        return None


def reason(program: Program, row: Row, env: Env) -> str:
    """Why a result is blank, when it could not be computed; else empty."""
    try:
        program.run(row, env)
    except Fault as fault:
        return str(fault)
    except (ArithmeticError, ValueError, RecursionError):
        return _("数字太大，算不出来。")
    return ""


def check_result(program: Program, wanted: str) -> None:
    """Raises :class:`FormulaProblem` when the formula's value cannot be kept as ``wanted``."""
    kind = program.type
    good = (
        wanted == "text"
        or kind in ("blank", wanted)
        or (kind in NUMBERS and wanted in NUMBERS)
        or (kind in MOMENTS and wanted in MOMENTS)
    )
    if not good:
        raise FormulaProblem(
            _("公式的结果是%(type)s，不能当作%(wanted)s。", type=WORDS[kind], wanted=WORDS.get(wanted, wanted)),
            program.tree.start, program.tree.end,
        )  # fmt: skip
