"""What a condition over events may ask about: their columns, and whatever their props hold (``props.product``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ...core import dialect
from ...core.db import db, read
from ...forms import catalog, conditions
from ...forms.conditions import Condition, Context
from ...forms.fields.base import COMPARE, NEGATIVE, OPERATOR_WORDS, Field, FieldError, Spec
from ...forms.fields.choice import Choice
from ...forms.fields.moment import DateTime
from ...forms.fields.number import Integer
from ...forms.fields.relation import Relation
from ...forms.fields.text import Text
from ..builtin import CHANNELS
from . import kinds
from .models import Event

PROPS = "props."
PROP_OPS = (
    "eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "between", "contains", "not_contains", "starts_with", "has_any",
    "has_none", "empty", "not_empty",
)  # fmt: skip
DEEPEST = 5
SAMPLE = 500
"""So many of the newest events tell which props there are."""

SECONDS = Integer(Spec("seconds", {"zh": "秒数", "en": "seconds"}, "integer"))
AT = DateTime(Spec("at", {"zh": "发生时间", "en": "time"}, "datetime"))
_PLAIN: dict[str, Field] = {
    "at": AT,
    "seconds": SECONDS,
    "connection": Text(Spec("connection", {"zh": "连接", "en": "connection"}, "text")),
    "channel": Choice(
        Spec("channel", {"zh": "渠道", "en": "channel"}, "choice", options={"choices": CHANNELS, "open": True})
    ),
    "host": Text(Spec("host", {"zh": "主播", "en": "host"}, "text")),
    "live_session": Relation(
        Spec("live_session", {"zh": "直播场次", "en": "live session"}, "relation", options={"form": "live_session"})
    ),
}


WORDS = {
    "product": _l("商品"), "value": _l("金额"), "amount": _l("金额"), "price": _l("价格"), "fan_level": _l("粉丝团等级"),
    "url": _l("页面"), "page": _l("页面"), "gift": _l("礼物"), "name": _l("名称"), "quantity": _l("数量"),
}  # fmt: skip
"""What props that many platforms send are called; others go by the name they came with."""


def prop_label(key: str) -> str:
    """What a prop is called in the reader's language."""
    return str(WORDS.get(key, key))


def fields() -> dict[str, Field]:
    """The columns by key, as fields that read, compare and word their values."""
    options = {"choices": [{"value": k.key, "label": k.spec_label} for k in kinds.every().values()]}
    return {"type": Choice(Spec("type", {"zh": "类型", "en": "kind"}, "choice", options=options)), **_PLAIN}


def compile(doc: Any, source: Any, ctx: Context) -> Any:
    """A condition over the events in ``source``: ``None`` when all meet it. Raises FieldError, ConditionError."""
    return _compile(doc or {}, source, ctx, fields(), [conditions.MAX_TESTS])


def _compile(doc: Any, source: Any, ctx: Context, known: dict[str, Field], budget: list[int]) -> Any:
    if not isinstance(doc, dict):
        raise FieldError(_("条件要写成一个对象。"))
    budget[0] -= 1
    if budget[0] < 0:
        raise FieldError(_("条件太多了，最多 %(max)d 个。", max=conditions.MAX_TESTS))
    if not doc:
        return None
    if set(doc) == {"not"}:
        inner = _compile(doc["not"], source, ctx, known, budget)
        return peewee.Value(1) == 0 if inner is None else dialect.negate(inner)
    group = next((g for g in ("all", "any") if set(doc) == {g}), None)
    if group is not None:
        if not isinstance(doc[group], list):
            raise FieldError(_("「%(group)s」里要是一列条件。", group=group))
        parts = [_compile(part, source, ctx, known, budget) for part in doc[group]]
        return _joined(parts, group)
    if "field" not in doc:
        raise FieldError(_("互动的条件只能按互动的字段来写，例如 type、seconds、props.product。"))
    return _field(doc, source, ctx, known)


def _joined(parts: list[Any], group: str) -> Any:
    if group == "any" and not parts:
        return peewee.Value(1) == 0
    if group == "any" and any(part is None for part in parts):
        return None
    result = None
    for part in parts:
        if part is not None:
            result = part if result is None else (result & part if group == "all" else result | part)
    return result


def _field(doc: Condition, source: Any, ctx: Context, known: dict[str, Field]) -> Any:
    path, op = doc["field"], doc.get("op", "eq")
    if not isinstance(path, str) or not isinstance(op, str):
        raise FieldError(_("条件里的字段和比较方式要写成文字。"))
    if path.startswith(PROPS):
        return prop(source, prop_path(path), op, doc.get("value"))
    head, _dot, rest = path.partition(".")
    field = known.get(head)
    if field is None or (rest and head != "live_session"):
        raise FieldError(
            _("互动没有字段「%(key)s」，可用：%(known)s。", key=path[:60], known=", ".join([*known, "props.…"]))
        )
    column = source.live_session_id if head == "live_session" else getattr(source, head)
    if not rest:
        return field.compile(column, op, doc.get("value"), ctx)
    # Through the session: the operators about absence are turned round, so that no session counts as absent.
    form = catalog.get("live_session")
    inner = ctx.inner()
    other = conditions.alias(form, inner)
    positive = doc | {"field": rest, "op": NEGATIVE.get(op, op)}
    rows = other.select(form.col("id", other)).where(
        conditions.live(form, other, inner), conditions.compile(positive, form, inner, other)
    )
    found = column.in_(rows)
    return dialect.negate(found) if op in NEGATIVE else found


def next_look(doc: Any, source: Any, ctx: Context) -> Any:
    """An expression: when the passing of time may change whether an event meets the condition. ``None``: never."""
    if not isinstance(doc, dict) or not doc:
        return None
    if "field" in doc:
        return AT.next_look(source.at, doc.get("op", "eq"), doc.get("value"), ctx) if doc["field"] == "at" else None
    parts = [*doc.get("all", ()), *doc.get("any", ()), *([doc["not"]] if "not" in doc else [])]
    return dialect.earliest([next_look(part, source, ctx) for part in parts])


def words(doc: Any) -> str:
    """A condition over events in words."""
    return _words(doc, fields(), top=True) if doc else _("任意")


def _words(doc: Condition, known: dict[str, Field], top: bool = False) -> str:
    if not doc:
        return _("任意")
    for group, joint in (("all", _(" 且 ")), ("any", _(" 或 "))):
        if group in doc:
            parts = [_words(part, known) for part in doc[group]]
            text = joint.join(parts) if parts else _("任意")
            return text if top or len(parts) < 2 else _("（%(text)s）", text=text)
    if "not" in doc:
        return _("不满足（%(test)s）", test=_words(doc["not"], known, top=True))
    path, op = str(doc["field"]), doc.get("op", "eq")
    if path.startswith(PROPS):
        name, word = prop_label(path.removeprefix(PROPS)), str(OPERATOR_WORDS.get(op, op))
        return f"{name} {word}" if op in ("empty", "not_empty") else f"{name} {word} {_said(doc.get('value'), op)}"
    head, _dot, rest = path.partition(".")
    if rest:
        form = catalog.get("live_session")
        told = conditions.words(doc | {"field": rest}, form)
        return _("%(relation)s的", relation=known[head].label) + told
    return known[head].words(op, doc.get("value"))


def _said(value: Any, op: str) -> str:
    if isinstance(value, list):
        return (_(" ~ ") if op == "between" else _("、")).join(map(str, value))
    return str(value)


# -- props --------------------------------------------------------------------------------------------------------


def prop_path(path: str) -> list[str]:
    """``props.product.name`` → ``["product", "name"]``. Raises FieldError."""
    parts = path.removeprefix(PROPS).split(".")
    if not all(parts) or len(parts) > DEEPEST or len(path) > 200:
        raise FieldError(_("「%(key)s」不是互动内容里的字段，写成 props.product 这样。", key=path[:60]))
    return parts


def number(source: Any, path: list[str]) -> Any:
    """An expression: the number that a prop is; NULL when it is none."""
    kind = dialect.json_type_at(source.props, path)
    return peewee.Case(None, [(kind.in_(["integer", "real"]), dialect.json_at(source.props, path))], None)


def prop(source: Any, path: list[str], op: str, value: Any) -> Any:
    """A test of a prop. Numbers are compared with numbers (also when the condition gives them as text), text with text.

    ``has_any`` and ``has_none`` look into a list. Raises FieldError.
    """
    if op not in PROP_OPS:
        raise FieldError(_("互动内容不能用「%(op)s」来比较。", op=str(OPERATOR_WORDS.get(op, op))))
    if op in NEGATIVE:
        return dialect.negate(_prop(source, path, NEGATIVE[op], value))
    return _prop(source, path, op, value)


def _prop(source: Any, path: list[str], op: str, value: Any) -> Any:
    found = dialect.json_at(source.props, path)
    if op == "not_empty":
        return found.is_null(False) & (found.cast("TEXT") != "")
    if op == "has_any":
        wanted = [same for v in _listed(value) for same in _spellings(v)]
        items = dialect.json_each_at(source.props, path).alias("item")
        one = peewee.Column(items, "value")
        return fn.EXISTS(peewee.Select([items], [peewee.Value(1)]).where(one.in_(wanted)))
    if op == "in":
        tests = [_equal(source, path, v) for v in _listed(value)]
        return _joined(tests, "any")
    if op == "between":
        pair = _listed(value)
        if len(pair) != 2:
            raise FieldError(_("介于要给出两个值。"))
        return _ordered(source, path, COMPARE["gte"], pair[0]) & _ordered(source, path, COMPARE["lte"], pair[1])
    if op == "eq":
        return _equal(source, path, value)
    if op in ("contains", "starts_with"):
        if not isinstance(value, str) or not value:
            raise FieldError(_("请给出要查找的文字。"))
        return getattr(dialect, op)(found.cast("TEXT"), value)
    return _ordered(source, path, COMPARE[op], value)


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise FieldError(_("这个比较需要一列值。"))
    return value


def _numeric(value: Any) -> float | int | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            read = float(value)
        except ValueError:
            return None
        return read if read == read and abs(read) != float("inf") else None
    return None


def _spellings(value: Any) -> list[Any]:
    as_number = _numeric(value)
    return [str(value), *([] if as_number is None else [as_number])]


def _equal(source: Any, path: list[str], value: Any) -> Any:
    if isinstance(value, bool):
        return dialect.json_type_at(source.props, path) == ("true" if value else "false")
    if not isinstance(value, (str, int, float)) or value == "":
        raise FieldError(_("请给出要比较的值。"))
    found, as_number = dialect.json_at(source.props, path), _numeric(value)
    same = (dialect.json_type_at(source.props, path) == "text") & (found == str(value))
    return same if as_number is None else same | (number(source, path) == as_number)


def _ordered(source: Any, path: list[str], compare: Callable[[Any, Any], Any], value: Any) -> Any:
    as_number = _numeric(value)
    if as_number is not None:
        return compare(number(source, path), as_number)
    if not isinstance(value, str) or not value:
        raise FieldError(_("请给出要比较的值。"))
    is_text = dialect.json_type_at(source.props, path) == "text"
    return is_text & compare(dialect.json_at(source.props, path), value)


def known_props() -> list[str]:
    """The keys that the props of the newest events hold."""
    with read():
        newest = Event.select(Event.props).where(Event.props.is_null(False)).order_by(Event.id.desc()).limit(SAMPLE)
        found: dict[str, None] = {}
        for (props,) in newest.tuples().execute(db):
            found.update(dict.fromkeys(key for key in props if isinstance(key, str) and "." not in key))
    return sorted(found)[:60]
