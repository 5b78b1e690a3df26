"""The condition ``{"event": "watch", "where": c, "within": {"days": 30}, "agg": "count", "op": "gte", "value": 3}``: what a
customer did, how often, how long, or when last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from peewee import fn

from ...accounts import permissions
from ...accounts.actor import Actor
from ...core import dialect
from ...core.db import db
from ...forms import builder
from ...forms.catalog import Form
from ...forms.conditions import COUNT, Condition, Context, Look, Test, aggregate_test, test
from ...forms.fields.base import NEGATIVE, OPERATOR_WORDS, Field, FieldError, Spec
from ...forms.fields.moment import span_seconds, span_words
from ...forms.fields.number import Decimal
from . import columns, kinds
from .models import Event

AGGREGATES = ("count", "sum", "last")
KEYS = frozenset({"event", "where", "within", "agg", "of", "op", "value"})


@test
class EventTest(Test):
    """Over the events of a customer. Without ``agg`` it counts, without ``op`` and ``value`` it asks for at least one.

    ``sum`` adds up ``of``: ``seconds`` or a number in the props (``props.amount``). ``last`` compares the moment of the last one,
    with the operators of dates. ``where``: see ``columns``.
    """

    name = "event"

    def _kinds(self, doc: Condition) -> list[str]:
        asked = doc["event"] if isinstance(doc["event"], list) else [doc["event"]]
        known = kinds.every()
        for key in asked:
            if not isinstance(key, str) or key not in known:
                raise FieldError(_("没有互动类型「%(key)s」。", key=str(key)[:60]))
        if not asked:
            raise FieldError(_("请选择互动类型。"))
        return asked

    def _inside(self, doc: Condition, e: Any, ctx: Context) -> Any:
        """Which events count."""
        asked = self._kinds(doc)
        inside = e.type == asked[0] if len(asked) == 1 else e.type.in_(asked)
        if "within" in doc:
            inside = inside & e.at.between(ctx.now - span_seconds(doc["within"]), ctx.now)
        where = columns.compile(doc.get("where"), e, ctx)
        return inside if where is None else inside & where

    def _measure(self, doc: Condition, e: Any) -> tuple[str, Any, Field]:
        """The aggregate, its SQL, and the field that reads the value it is compared with. Raises FieldError."""
        agg, of = doc.get("agg", "count"), doc.get("of")
        if agg == "count":
            return agg, fn.COALESCE(fn.SUM(e.times), 0), COUNT
        if agg == "last":
            return agg, fn.MAX(e.at), columns.AT
        if agg != "sum":
            raise FieldError(_("互动只能算次数（count）、合计（sum）或最近一次（last）。"))
        if of in (None, "seconds"):
            return agg, fn.SUM(fn.COALESCE(e.seconds, 0)), columns.SECONDS
        if isinstance(of, str) and of.startswith(columns.PROPS):
            path = columns.prop_path(of)
            reader = Decimal(Spec("sum", columns.prop_label(of.removeprefix(columns.PROPS)), "decimal"))
            total = fn.ROUND(fn.COALESCE(fn.SUM(columns.number(e, path)), 0) * reader.scale)
            return agg, total, reader
        raise FieldError(_("合计只能算 seconds 或 props 里的数，例如 props.amount。"))

    def _asked(self, doc: Condition, agg: str) -> tuple[str, Any]:
        if "op" not in doc and "value" not in doc and agg == "count":
            return "gte", 1
        return doc.get("op", "gte"), doc.get("value")

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        if form.key != "customer":
            raise FieldError(_("只有客户有互动，「%(form)s」不能按互动筛选。", form=form.label))
        if unknown := [key for key in doc if key not in KEYS]:
            raise FieldError(_("不认识「%(key)s」，可用：%(known)s。", key=unknown[0], known=", ".join(sorted(KEYS))))
        inner = ctx.inner()
        e = Event.alias(f"e{inner.level}")
        inside = self._inside(doc, e, inner)
        agg, total, reader = self._measure(doc, e)
        op, value = self._asked(doc, agg)
        if agg == "last":
            passes, nothing = reader.compile(total, op, value, inner), op in NEGATIVE
        else:
            passes, nothing, _reader = aggregate_test(total, agg, op, value, reader, inner)
        mine = ctx.tied(e.customer_id)
        if mine is not None:
            # One customer, or a batch: a sub-query tied to them reads a handful of rows instead of grouping everybody's.
            inside = inside & mine
        groups = e.select(e.customer_id).where(inside)
        if (agg, op, value) != ("count", "gte", 1):
            # Customers without an event are in no group: when nothing would pass, look for those that do not.
            groups = groups.group_by(e.customer_id).having(dialect.negate(passes) if nothing else passes)
        found = form.col("id", source).in_(groups)
        return dialect.negate(found) if nothing else found

    def total(self, doc: Condition, form: Form, source: Any, ctx: Context, make: Callable[[Any], Any]) -> Any:
        """A scalar query for each customer of ``source``: ``make(column of "of")`` over the events that the test is about; a
        count tells how often they happened. For figures that are kept (``op`` and ``value`` play no part). Raises FieldError.
        """
        inner = ctx.inner()
        e = Event.alias(f"e{inner.level}")
        inside = self._inside(doc, e, inner) & (e.customer_id == form.col("id", source))
        if doc.get("agg") == "count":
            return e.select(fn.SUM(e.times)).where(inside)
        return e.select(make(getattr(e, doc.get("of") or "at"))).where(inside)

    def looks(self, doc: Condition, form: Form) -> list[Look]:
        """Events of these kinds. What becomes of a session that ``where`` names is seen by the nightly check."""
        return [Look("@event", frozenset(self._kinds(doc)))]

    def next_look(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        inner = ctx.inner()
        e = Event.alias(f"n{inner.level}")
        mine = e.customer_id == form.col("id", source)
        kind = e.type.in_(self._kinds(doc))
        moving = columns.next_look(doc.get("where"), e, inner)
        leaving = columns.AT.next_look(e.at, "within", doc["within"], inner) if "within" in doc else None
        first = dialect.earliest([moving, leaving])
        looks = [] if first is None else [e.select(fn.MIN(first)).where(mine & kind)]
        agg, total, reader = self._measure(doc, e)
        op, value = self._asked(doc, agg)
        if agg == "last":
            moved = reader.next_look(total, op, value, inner)
            if moved is not None:
                looks.append(e.select(moved).where(mine & self._inside(doc, e, inner)))
        return dialect.earliest(looks)

    def words(self, doc: Condition, form: Form) -> str:
        names = _("或").join(kinds.label_of(key) for key in self._kinds(doc))
        agg, _total, reader = self._measure(doc, Event)
        op, value = self._asked(doc, agg)
        if doc.get("where"):
            names = _("%(form)s（%(where)s）", form=names, where=columns.words(doc["where"]))
        if "within" in doc:
            names = _("最近 %(span)s %(rows)s", span=span_words(doc["within"]), rows=names)
        if agg == "sum":
            subject = _("%(events)s的%(field)s合计", events=names, field=reader.label)
        elif agg == "last":
            subject = _("最近一次%(events)s", events=names)
        else:
            subject = _("%(events)s次数", events=names)
        if op in ("empty", "not_empty"):
            return f"{subject} {OPERATOR_WORDS[op]}"
        return f"{subject} {reader.operator_word(op)} {reader.operand_words(op, value)}"

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        e = Event.alias("e")
        _agg, total, reader = self._measure(doc, e)
        rows = e.select(total).where(self._inside(doc, e, ctx.inner()), e.customer_id == ctx.record_id)
        value = next(iter(rows.tuples().execute(db)))[0]
        if value is None:
            return _("没有") if reader is columns.AT else reader.format(0)
        return reader.format(int(value))

    def forms(self, doc: Condition, form: Form) -> set[str]:
        return {form.key} | _session_forms(doc.get("where"))

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        if form.key != "customer" or not permissions.can(actor, "see", "customer"):
            return []
        before, _gap, after = _("最近…内").partition("…")
        chosen = {"at": "event", "input": "choices", "options": [[k.key, k.label] for k in kinds.all_kinds()]}
        span = {
            "at": "within", "input": "span", "before": before.strip(), "after": after.strip(), "optional": True,
            "add": _("限时间"),
        }  # fmt: skip
        where = {
            "at": "where", "input": "where", "form": VIRTUAL, "optional": True, "add": _("限定其中的互动"),
            "before": _("只算满足以下条件的："),
        }  # fmt: skip
        numbers = builder.number_operators()
        dates = [
            [op, columns.AT.operator_word(op)]
            for op in ("within", "not_within", "lt", "gte", "this", "empty", "not_empty")
        ]
        offered = (
            ("count", _("互动次数"), {"agg": "count"}, {"op": "gte", "value": 1}, {"ops": numbers}),
            ("sum", _("互动时长（秒）"), {"agg": "sum", "of": "seconds"}, {"op": "gte", "value": 60}, {"ops": numbers}),
            ("last", _("最近一次互动"), {"agg": "last"}, {"op": "within", "value": {"days": 30}},
             {"ops": dates, "as": {"input": "datetime"}}),
        )  # fmt: skip
        return [
            {
                "id": f"event:{name}", "group": _("互动"), "label": label, "fixed": fixed, "assume": name == "count",
                "start": {"event": ["watch"], **fixed, **asked},
                "parts": [chosen, span, {"at": "op", "input": "compare", **compared}, where],
            }
            for name, label, fixed, asked, compared in offered
        ]  # fmt: skip

    def virtual(self, form: Form, actor: Actor) -> dict[str, Any]:
        """Events as the builder's nested conditions know them: their columns and the props of the newest ones."""
        if form.key != "customer":
            return {}
        offered = [builder.field_entry(f, {"live_session"}) for f in columns.fields().values() if f.key != "type"]
        text = [[op, str(OPERATOR_WORDS[op])] for op in columns.PROP_OPS if op not in ("between", "has_none")]
        offered += [
            {"key": f"{columns.PROPS}{key}", "label": columns.prop_label(key), "input": "text", "ops": text, "aggs": []}
            for key in columns.known_props()
        ]
        return {VIRTUAL: {"label": _("互动"), "fields": offered, "tests": []}}

    def virtual_words(self, key: str, where: Condition, actor: Actor) -> str | None:
        if key != VIRTUAL:
            return None
        columns.compile(where, Event.alias("e"), Context(actor=actor))
        return columns.words(where)


VIRTUAL = "_event"


def _session_forms(where: Any) -> set[str]:
    if not isinstance(where, dict):
        return set()
    found: set[str] = set()
    for group in ("all", "any"):
        for part in where.get(group, ()):
            found |= _session_forms(part)
    found |= _session_forms(where.get("not"))
    if str(where.get("field", "")).startswith("live_session"):
        found.add("live_session")
    return found
