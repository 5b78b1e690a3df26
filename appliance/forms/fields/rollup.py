"""A figure over the records that point here: how many, their sum, average, smallest, largest or latest value."""

from __future__ import annotations

from decimal import ROUND_HALF_UP
from decimal import Decimal as D
from typing import TYPE_CHECKING, Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ...core import dialect
from ...core.db import PARAM, Statement
from ..models import FieldLink
from .base import Field, FieldError, Setting, Spec
from .computed import OPEN, Computed, Needs, Values, describe, reach
from .number import Decimal, Integer, Number
from .relations import Relations
from .sub_form import SubForm

if TYPE_CHECKING:
    from ..catalog import Form
    from ..formula.functions import Env

AGGREGATES: dict[str, Any] = {
    "count": _l("数量"), "sum": _l("合计"), "avg": _l("平均"), "min": _l("最小"), "max": _l("最大"), "latest": _l("最近一条的值"),
}  # fmt: skip
CLOCK_OPS = frozenset(("within", "not_within", "next", "this", "last", "anniversary_within"))
"""Comparisons whose answer changes as time goes by."""


class Rollup(Computed):
    """Options: ``form`` and ``via`` (its relation field that leads here; left out when there is one), ``agg``, ``of`` (a field
    of that form; not for count), ``where`` (a condition over its own fields), ``on`` (by what "latest" is meant; default: made
    last), ``open``."""

    type = "rollup"
    name = _l("汇总")
    icon = "sum"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("over", "field", _l("汇总哪个明细"), _l("要汇总别的表单的记录，这里不选")),
            Setting("form", "form", _l("汇总哪个表单的记录"), _l("它要有一个字段关联到本表单")),
            Setting("via", "field", _l("通过它的哪个关联字段")),
            Setting("agg", "choice", _l("怎样汇总"), "", tuple(AGGREGATES.items()), "count"),
            Setting("of", "field", _l("汇总哪个字段"), _l("数量不用选")),
            Setting("where", "condition", _l("只算满足条件的记录")),
            Setting("on", "field", _l("“最近”按哪个字段"), _l("不选时按创建时间")),
            OPEN,
        )

    def check_options(self) -> None:
        if not any(isinstance(self.options.get(name), str) and self.options[name] for name in ("form", "over")):
            raise FieldError(_("「%(field)s」要指明汇总哪个表单或哪个明细的记录。", field=self.label))
        self.agg = self.options.get("agg") or "count"
        if self.agg not in AGGREGATES:
            raise FieldError(_("汇总的方式可以是：%(all)s。", all=_("、").join(AGGREGATES)))
        if self.agg != "count" and not self.options.get("of"):
            raise FieldError(_("「%(field)s」要指明汇总哪个字段。", field=self.label))
        if not isinstance(self.options.get("where") or {}, dict):
            raise FieldError(_("条件要写成一个对象。"))
        self.where = self.options.get("where") or {}
        self._statement: Statement | None = None

    def find(self, form: Form, forms: dict[str, Form]) -> None:
        child, wanted = self._child(form, forms)
        self.child = child
        via = self._via(form, child, wanted)
        of, on = self._field("of"), self._field("on")
        watched = {via.key}
        for f in (of, on):
            if f is not None:
                watched.add(f.key)
        watched |= self._conditions(child)
        reach(child, forms, watched)
        for key in watched:
            found = child.field(key)
            if found is not None and found.problem:
                raise ValueError(_("字段「%(field)s」现在算不出来：%(why)s", field=found.label, why=found.problem))
        self._result(of)
        self.of, self.on = of.key if of else None, on.key if on else "created_at"
        self.needs = Needs(form=child.key, via=via.key, theirs=watched)
        if not self.options.get("open"):
            own = [(child.key, key) for key in sorted(watched) if key in child.fields]
            self.origins = tuple(dict.fromkeys([(child.key, ""), *own, *(of.origins if of else ())]))
        self._signature = [child.key, via.key, self.agg, self.of, self.on, self.where, describe(of) if of else None]

    def _child(self, form: Form, forms: dict[str, Form]) -> tuple[Form, str | None]:
        """The form whose records count, and the key of its field that leads here when that was said."""
        over = self.options.get("over") or None
        if over is None:
            child = forms.get(self.options["form"])
            self.waits = child is None
            if child is None:
                raise ValueError(_("没有「%(key)s」这个表单。", key=self.options["form"]))
            return child, self.options.get("via") or None
        rows = form.fields.get(over)
        if not isinstance(rows, SubForm):
            raise ValueError(_("「%(form)s」没有明细「%(key)s」。", form=form.label, key=over))
        rows.bind(form, forms)
        self.waits = rows.child is None
        if rows.child is None:
            raise ValueError(_("明细「%(field)s」还没有表单。", field=rows.label))
        return forms.get(rows.child.key, rows.child), rows.via

    def _via(self, form: Form, child: Form, wanted: str | None) -> Field:
        links = [f for f in child.fields.values() if f.points_at == form.key and wanted in (None, f.key)]
        if not links:
            raise ValueError(_("「%(child)s」没有关联到「%(form)s」的字段。", child=child.label, form=form.label))
        if len(links) > 1:
            raise ValueError(
                _("「%(child)s」有几个字段关联到「%(form)s」，请指明用哪一个。", child=child.label, form=form.label)
            )
        return links[0]

    def _field(self, option: str) -> Field | None:
        key = self.options.get(option) or None
        if key is None:
            return None
        f = self.child.field(key)
        if f is None:
            raise ValueError(_("「%(form)s」没有字段「%(key)s」。", form=self.child.label, key=key))
        if not f.column:
            raise ValueError(_("「%(field)s」是%(type)s，不能汇总。", field=f.label, type=f.name))
        return f

    def _conditions(self, child: Form) -> set[str]:
        """The fields that the condition looks at: they must be the child's own, or nobody could say when to look again."""
        if not self.where:
            return set()
        from .. import conditions

        used: set[str] = set()
        for leaf in _leaves(self.where):
            key = leaf.get("field")
            if not isinstance(key, str) or "." in key or (f := child.field(key)) is None or not f.column:
                raise ValueError(_("汇总的条件只能用「%(form)s」自己的字段（没有几个值的）。", form=child.label))
            used.add(key)
            self.moving = self.moving or leaf.get("op") in CLOCK_OPS
        try:
            conditions.validate(self.where, child)
        except conditions.ConditionError as error:
            raise ValueError(str(error.message)) from error
        return used

    def _result(self, of: Field | None) -> None:
        if of is None or self.agg == "count":
            self._inner = Integer(Spec(self.key, self.spec.label, "integer"))
            return
        inner = of.inner
        if self.agg in ("sum", "avg", "min", "max") and self.agg not in of.aggregates:
            raise ValueError(_("「%(field)s」不能这样汇总。", field=of.label))
        if self.agg == "latest" and inner.type == "relation":
            raise ValueError(_("「%(field)s」是%(type)s，不能汇总。", field=of.label, type=of.name))
        if self.agg == "avg" and isinstance(inner, Number) and not inner.digits:
            self._inner = Decimal(Spec(self.key, self.spec.label, "decimal", options={"digits": 2}))
        else:
            self.be_like(of)

    def empty(self) -> Any:
        return 0 if self.agg in ("count", "sum") else None

    def fill(self, rows: list[Values], env: Env) -> None:
        ids = [row["id"] for row in rows if row.get("id") is not None]
        found = self._figures(ids) if ids else {}
        nothing = self.empty()
        for row in rows:
            row[self.key] = found.get(row["id"], nothing) if row.get("id") else nothing

    def _figures(self, ids: list[int]) -> dict[int, Any]:
        """By id, for those that anything points at."""
        # A condition over the last days reads differently every day.
        statement = Statement(self._query()) if self.moving else self._statement
        if statement is None:
            statement = self._statement = Statement(self._query())
        rows = statement.execute(dialect.dumps(ids)).fetchall()
        return {row[0]: self._average(*row[1:]) if self.agg == "avg" else row[1] for row in rows}

    def _query(self) -> Any:
        from .. import conditions

        child = self.child
        source = child.table.alias("r")
        via = child.fields[str(self.needs.via)]
        owner = child.col(via.key, source)
        whole: Any = source
        if isinstance(via, Relations):
            owner = FieldLink.value
            mine = (FieldLink.record_id == child.col("id", source)) & (FieldLink.field_id == via.field_id)
            whole = peewee.Join(source, FieldLink, on=mine)
        tests = [dialect.any_of(owner, PARAM), child.col("deleted_at", source).is_null()]
        only = conditions.compile(self.where, child, None, source)
        if only is not None:
            tests.append(only)
        if self.agg == "latest":
            return self._latest(whole, source, owner, tests)
        value = child.col(self.of, source) if self.of else None
        return peewee.Select([whole], [owner, *self._columns(value)]).where(*tests).group_by(owner)

    def _columns(self, value: Any) -> list[Any]:
        if self.agg == "count":
            return [fn.COUNT(peewee.SQL("*"))]
        if self.agg == "sum":
            return [fn.COALESCE(fn.SUM(value), 0)]
        if self.agg == "avg":
            return [fn.SUM(value), fn.COUNT(value)]
        return [getattr(fn, self.agg.upper())(value)]

    def _average(self, total: int | None, count: int) -> int | None:
        if not count or total is None:
            return None
        of = self.child.field(str(self.of))
        lift = getattr(self._inner, "digits", 0) - getattr(of.inner if of else None, "digits", 0)
        return int((D(total).scaleb(lift) / count).to_integral_value(ROUND_HALF_UP))

    def _latest(self, whole: Any, source: Any, owner: Any, tests: list[Any]) -> Any:
        value, on, row_id = (self.child.col(key, source) for key in (str(self.of), self.on, "id"))
        place = fn.ROW_NUMBER().over(
            partition_by=[owner], order_by=[on.is_null(), on.desc(), row_id.desc()]
        )  # fmt: skip
        ranked = (
            peewee.Select([whole], [owner.alias("owner"), value.alias("value"), place.alias("place")])
            .where(*tests, value.is_null(False))
            .alias("ranked")
        )
        column = {name: peewee.Column(ranked, name) for name in ("owner", "value", "place")}
        return peewee.Select([ranked], [column["owner"], column["value"]]).where(column["place"] == 1)

    def signature(self) -> str:
        return dialect.dumps(["rollup", *self._signature])


def _leaves(condition: Any) -> list[dict[str, Any]]:
    if not isinstance(condition, dict) or not condition:
        return []
    for group in ("all", "any"):
        if group in condition:
            parts = condition[group] if isinstance(condition[group], list) else []
            return [leaf for part in parts for leaf in _leaves(part)]
    return _leaves(condition["not"]) if "not" in condition else [condition]
