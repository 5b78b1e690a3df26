"""What a metric counts. A document::

    {"key": "tea_spent", "label": "茶类消费", "form": "order", "via"?: "customer", "agg": "sum", "of": "amount",
     "where": condition, "on": "paid_at", "window": {"days": 90}, "indexed": true}

or over events: ``"event": "watch"`` (or a list of kinds) in place of ``form``, then ``of`` may be ``seconds``. ``window``: the last
days, ``{"this": "month"}`` or ``{"last": "month"}``; without it everything counts.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from peewee import fn

from ...accounts.actor import SYSTEM, Actor
from ...core.errors import FieldErrors, NotFound
from ...core.i18n import label as i18n_label
from ...forms import catalog, conditions
from ...forms.catalog import KEY, Form
from ...forms.conditions import Condition, Context, Look
from ...forms.fields.base import Field, Label, is_label
from ...forms.fields.moment import PERIOD_WORDS, Moment, span_days, span_words
from ...forms.fields.number import Number
from . import sources

AGGREGATES = {
    "count": _l("数量"), "sum": _l("合计"), "avg": _l("平均"), "min": _l("最小"), "max": _l("最大"), "distinct": _l("不同值个数"),
    "first": _l("最早一次的时间"), "last": _l("最近一次的时间"),
}  # fmt: skip
NEEDS_FIELD = frozenset(("sum", "avg", "min", "max", "distinct"))
TYPES = frozenset(("integer", "decimal", "money", "percent", "date", "datetime"))
"""What a figure can be."""
KEYS = frozenset(("key", "label", "form", "event", "via", "agg", "of", "where", "on", "window", "indexed"))


class Measure(Struct):
    """One metric, open."""

    key: str
    label_doc: Label
    agg: str = "count"
    form: str | None = None
    event: list[str] | None = None
    via: str | None = None
    of: str | None = None
    where: Condition = field(default_factory=dict)
    on: str | None = None
    window: dict[str, Any] = field(default_factory=dict)
    indexed: bool = False
    id: int = 0
    version: int = 0
    built_at: int | None = None
    updated_at: int = 0

    @property
    def label(self) -> str:
        return i18n_label(self.label_doc)

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"key": self.key, "label": self.label_doc, "agg": self.agg}
        for name in ("form", "event", "via", "of", "where", "on", "window"):
            if value := getattr(self, name):
                doc[name] = value
        return doc | ({"indexed": True} if self.indexed else {})

    @property
    def source(self) -> sources.Source:
        """Where its rows come from. Raises NotFound for a form that is gone."""
        return sources.Events(self.event) if self.event else sources.Related(str(self.form), self.via)

    # -- as a condition on the customer -------------------------------------------------------------------------

    def condition(self) -> Condition:
        """The test of the customer that looks at the same rows; it says what there is to look at and when."""
        where: list[Condition] = [self.where] if self.where else []
        doc = self.source.test() | {"agg": "count", "op": "gte", "value": 1}
        on = self.on or self.source.on
        if "days" in self.window:
            doc |= {"within": {"days": self.window["days"]}} | self.source.dated(on)
        elif self.window:
            (op, period), *_rest = self.window.items()
            where.append({"field": on, "op": op, "value": period})
        if where:
            doc["where"] = where[0] if len(where) == 1 else {"all": where}
        return doc | ({"of": self.of} if self.of and self.form else {})

    def looks(self) -> list[Look]:
        found = conditions.looks(self.condition(), catalog.get("customer"))
        # What it is dated by decides as well where no window asks for it.
        return [*found, *self.source.looks({self.on or self.source.on} if self.agg in ("first", "last") else set())]

    def next_look(self, form: Form, source: Any, ctx: Context) -> Any:
        return conditions.next_look(self.condition(), form, source, ctx)

    # -- its value ----------------------------------------------------------------------------------------------

    def value(self, form: Form, source: Any, ctx: Context) -> Any:
        """A scalar query for each customer of ``source``."""
        doc = self.condition() | {"agg": self.agg}
        if self.agg in ("first", "last"):
            doc["of"] = self.on or self.source.on
        elif self.of:
            doc["of"] = self.of
        total = self.source.total(doc, form, source, ctx, self._aggregate)
        return fn.COALESCE(total, 0) if self.agg in ("count", "sum", "distinct") else total

    def _aggregate(self, column: Any) -> Any:
        if self.agg == "count":
            return fn.COUNT(column)
        if self.agg == "distinct":
            return fn.COUNT(column.distinct())
        if self.agg == "avg":
            of = self.source.field(str(self.of))
            lift = 10 ** (self._digits() - getattr(of, "digits", 0))
            return fn.ROUND(fn.AVG(column) * lift).cast("INTEGER")
        return {"first": fn.MIN, "last": fn.MAX, "min": fn.MIN, "max": fn.MAX, "sum": fn.SUM}[self.agg](column)

    def _digits(self) -> int:
        """Decimal places of its values."""
        return int(self.field_document().get("digits", getattr(self.source.field(str(self.of)), "digits", 0)))

    def field_document(self) -> dict[str, Any]:
        """The customer's field that holds it."""
        return {
            "key": self.key, "label": self.label_doc, "readonly": True, "indexed": self.indexed, **self._type(),
        }  # fmt: skip

    def _type(self) -> dict[str, Any]:
        if self.agg in ("count", "distinct"):
            return {"type": "integer"}
        of = self.source.field((self.on or self.source.on) if self.agg in ("first", "last") else str(self.of))
        if self.agg == "avg" and isinstance(of, Number) and not of.digits:
            return {"type": "decimal", "digits": 2}
        return {"type": of.type} | ({"digits": of.options["digits"]} if "digits" in of.options else {})

    # -- words --------------------------------------------------------------------------------------------------

    def words(self) -> str:
        """``最近 90 天 订单（类目 是 茶）实付金额 合计``."""
        try:
            rows = self.source.label
            if self.where:
                rows = _("%(form)s（%(where)s）", form=rows, where=self.source.words(self.where))
            if "days" in self.window:
                rows = _("最近 %(span)s %(rows)s", span=span_words({"days": self.window["days"]}), rows=rows)
            elif self.window:
                rows = f"{window_words(self.window)} {rows}"
            subject = f"{self.source.field(self.of).label} " if self.of else ""
            return _("%(rows)s的%(figure)s", rows=rows, figure=f"{subject}{AGGREGATES[self.agg]}")
        except (NotFound, ValueError) as error:
            return str(error)


def window_words(window: dict[str, Any]) -> str:
    """``本月``."""
    if "days" in window:
        return _("最近 %(span)s", span=span_words({"days": window["days"]}))
    if not window:
        return _("全部时间")
    op, period = next(iter(window.items()))
    word = PERIOD_WORDS.get(period, period)
    return _("本%(period)s", period=word) if op == "this" else _("上%(period)s", period=word)


def read(doc: Any, actor: Actor = SYSTEM, old: Measure | None = None) -> Measure:
    """The metric that a document describes, as far as ``actor`` may use what it counts. Raises FieldErrors with the keys of the document."""
    errors: dict[str, str] = {}
    if not isinstance(doc, dict):
        raise FieldErrors({"": _("定义要写成一个 JSON 对象。")})
    for key in doc.keys() - KEYS:
        errors[key] = _("这里没有「%(key)s」。", key=key)
    key = doc.get("key") or (old.key if old else "")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        errors["key"] = _("键名要以小写字母开头，只含小写字母、数字和下划线。")
    label = doc.get("label")
    label = label.strip() if isinstance(label, str) else label
    if not is_label(label) or not i18n_label(label).strip():
        errors["label"] = _("请填写指标的名称。")
    agg = doc.get("agg") or "count"
    if not isinstance(agg, str) or agg not in AGGREGATES:
        errors["agg"] = _("没有这种汇总，可选：%(all)s。", all=_("、").join(AGGREGATES))
    events = doc.get("event")
    events = [events] if isinstance(events, str) else events
    if bool(doc.get("form")) == bool(events) or not isinstance(doc.get("form") or "", str):
        errors["form"] = _("请选择统计哪个表单的记录，或哪种互动。")
    if events and not (isinstance(events, list) and all(isinstance(e, str) for e in events)):
        errors["event"] = _("互动要写成一列种类。")
    window = doc.get("window") or {}
    if problem := _window_problem(window):
        errors["window"] = problem
    where = doc.get("where") or {}
    if not isinstance(where, dict):
        errors["where"] = _("条件要写成一个对象。")
    if errors:
        raise FieldErrors(errors)
    assert label is not None
    measure = Measure(
        key, label, agg, doc.get("form") or None, events or None, doc.get("via") or None, doc.get("of") or None, where,
        doc.get("on") or None, window, bool(doc.get("indexed")),
    )  # fmt: skip
    errors = _problems(measure, actor)
    if errors:
        raise FieldErrors(errors)
    return measure


def _window_problem(window: Any) -> str:
    if not window:
        return ""
    if not isinstance(window, dict) or len(window) != 1:
        return _("时间范围要写成最近几天、本月或上月这样的一种。")
    op, value = next(iter(window.items()))
    if op == "days":
        try:
            return "" if span_days({"days": value}) > 0 else _("天数要是大于 0 的整数。")
        except ValueError as error:
            return str(error)
    return (
        "" if op in ("this", "last") and value in PERIOD_WORDS else _("时间范围要写成最近几天、本月或上月这样的一种。")
    )


def _problems(measure: Measure, actor: Actor) -> dict[str, str]:
    try:
        source = measure.source
    except (NotFound, ValueError) as error:
        return {"form": str(error)}
    errors: dict[str, str] = {}
    of: Field | None = None
    if measure.agg in NEEDS_FIELD:
        try:
            of = source.field(str(measure.of or ""))
        except (NotFound, ValueError) as error:
            return {"of": _("请选择汇总哪个字段。") if not measure.of else str(error)}
        if measure.agg not in of.aggregates or (measure.agg != "distinct" and of.type not in TYPES):
            errors["of"] = _("「%(field)s」不能这样汇总。", field=of.label)
    elif measure.of:
        measure.of = None
    if measure.window or measure.agg in ("first", "last") or measure.on:
        try:
            if not isinstance(source.field(measure.on or source.on), Moment):
                errors["on"] = _("请选择一个日期或时间字段。")
        except (NotFound, ValueError):
            errors["on"] = _("请选择一个日期或时间字段。")
    if not errors:
        try:
            conditions.validate(measure.condition(), catalog.get("customer"), actor)
        except conditions.ConditionError as error:
            errors["where"] = error.message
    return errors
