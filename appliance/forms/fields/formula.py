"""A value computed from the record's other fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import dialect
from ..formula import compiling
from ..formula.functions import NUMBERS
from ..formula.parser import FormulaProblem, names, parse
from .base import FieldError, Setting, Spec
from .computed import OPEN, Computed, Needs, Values, describe, reach

if TYPE_CHECKING:
    from ..catalog import Form
    from ..formula.functions import Env

READABLE = ("id", "created_at", "created_by")
"""The system fields that a formula can name: those that a record keeps from the beginning."""


class Formula(Computed):
    """Options: ``formula`` (fields by key in braces), ``result`` (a type; left out: what the formula results in),
    ``digits`` (of a decimal), ``unit``, ``open``."""

    type = "formula"
    name = _l("公式")
    icon = "math-function"
    results: ClassVar[dict[str, Any]] = compiling.RESULTS

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("formula", "formula", _l("公式"), _l("比如 {单价} * {数量}")),
            Setting("result", "choice", _l("结果是"), _l("不选时由公式决定"), tuple(compiling.RESULTS.items())),
            Setting("digits", "number", _l("小数位数"), _l("结果是小数时，0 到 6 位"), start=2),
            Setting("unit", "text", _l("单位"), _l("写在数字后面，比如：件、公斤")),
            OPEN,
        )

    def check_options(self) -> None:
        source = self.options.get("formula")
        if not isinstance(source, str) or not source.strip():
            raise FieldError(_("请写出「%(field)s」的公式。", field=self.label))
        self.source = source
        result = self.options.get("result") or None
        if result is not None and result not in compiling.RESULTS:
            raise FieldError(_("公式的结果可以是：%(all)s。", all=_("、").join(compiling.RESULTS)))
        self.result = result
        try:
            self.tree = parse(self.source)
        except FormulaProblem as problem:
            raise FieldError(_("「%(field)s」的公式：%(why)s", field=self.label, why=problem.message)) from problem
        self.be(result or "text")

    def be(self, result: str) -> None:
        options = {k: self.options[k] for k in ("digits", "unit") if self.options.get(k) is not None}
        if result == "text":
            options = {"max_length": 20_000}
        # A text of 20,000 characters is still one line in a list.
        self.be_like(_plain(self.spec, result, options))

    def find(self, form: Form, forms: dict[str, Form]) -> None:
        known = scope(form)
        by_name = compiling.Scope(known, form.label)
        used = [by_name.find(name) for name in names(self.tree)]
        reach(form, forms, [f.key for f in used])
        self.program = compiling.compile(self.source, known, form.label)
        result = self.result or self.program.type
        if result not in compiling.RESULTS:
            result = "text"
        compiling.check_result(self.program, result)
        self.be(result)
        self.moving, self.speaks = self.program.moving, self.program.speaks or self.program.type == "yes_no"
        self.needs = Needs(own=set(self.program.fields))
        read = [known[key] for key in self.program.fields]
        self.through = tuple(dict.fromkeys(form_key for f in read for form_key in f.through))
        self._signature = [describe(f) for f in read]
        if not self.options.get("open"):
            self.origins = tuple(
                dict.fromkeys(o for f in read if f.key in form.fields for o in ((form.key, f.key), *f.origins))
            )

    def fill(self, rows: list[Values], env: Env) -> None:
        run, keep, key = self.program.run, self._inner.from_formula, self.key
        if self._inner.column == dialect.TEXT and self._inner.type == "text" and self.program.type != "text":
            run = compiling.text_of(compiling.Typed(self.program.type, run, self.program.tree))
        for row in rows:
            try:
                value = run(row, env)
                row[key] = None if value is None else keep(value)
            except (ArithmeticError, ValueError, RecursionError):
                row[key] = None

    def signature(self) -> str:
        return dialect.dumps(
            ["formula", self.source, self._inner.type, getattr(self._inner, "digits", 0), self._signature]
        )


def _plain(spec: Spec, result: str, options: dict[str, Any]) -> Any:
    from . import TYPES

    if result not in NUMBERS:
        options.pop("digits", None)
        options.pop("unit", None)
    elif result != "decimal":
        options.pop("digits", None)
    return TYPES[result](Spec(spec.key, spec.label, result, options=options))


def scope(form: Form) -> dict[str, Any]:
    """The fields that formulas of a form can name."""
    from ..catalog import SYSTEM_FIELDS

    return {**{key: SYSTEM_FIELDS[key] for key in READABLE}, **form.fields}
