"""What an action writes into a field: a value as it stands, a moment from now, another field's value, a number more or less, values
added to or taken from several, or a text with variables. One class a kind; :func:`read` opens what a document says."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ...accounts.actor import SYSTEM, Actor
from ...core import clock, dialect, settings, workdays
from ...core.db import db
from ...core.errors import UserError
from ...forms import row_inputs
from ...forms.catalog import Form
from ...forms.fields.base import Field, FieldError
from ...messaging import texts

NUMBERS = ("integer", "decimal", "money", "percent", "rating", "slider")
MOMENTS = ("date", "datetime")
UNITS = {"minutes": 60, "hours": 3600, "days": clock.DAY, "weeks": 7 * clock.DAY}
LONGEST = 3650 * clock.DAY


class Sources(Struct):
    """What values may be made of, for a batch of records of ``form``: the time, fields of the records, texts."""

    form: Form
    ids: Sequence[int]
    now: int
    actor: Actor = SYSTEM
    extra: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    _columns: dict[str, dict[int, Any]] = field(default_factory=dict)
    _texts: dict[str, dict[int, str]] = field(default_factory=dict)

    def column(self, key: str) -> dict[int, Any]:
        """Stored values of a field by record."""
        if key not in self._columns:
            form = self.form
            rows = form.table.select(form.col("id"), form.col(key)).where(dialect.among(form.col("id"), self.ids))
            self._columns[key] = dict(rows.tuples().execute(db))
        return self._columns[key]

    def text(self, template: str) -> dict[int, str]:
        if template not in self._texts:
            self._texts[template] = texts.render_many(template, self.form, self.ids, self.extra, self.actor)
        return self._texts[template]


class Value:
    """``field``: what is written; ``raw``: as the document says it; ``source``: the form of the records that the action is
    about, whose fields and texts it may name."""

    mode: ClassVar[str] = "value"
    same: ClassVar[bool] = True
    """Whether every record gets the same."""

    def __init__(self, field: Field, raw: Any, source: Form) -> None:
        self.field, self.raw, self.source = field, raw, source

    @classmethod
    def reads(cls, field: Field, raw: Any) -> bool:
        return True

    @classmethod
    def suits(cls, field: Field) -> bool:
        """Whether the editor offers it for the field."""
        return True

    def check(self) -> None:
        """Raises ValueError or UserError with a sentence."""
        value = self.field.parse(self.raw)
        if self.field.required and value in (None, [], {}):
            raise FieldError(_("「%(field)s」是必填的，不能清空。", field=self.field.label))

    def words(self) -> str:
        if self.raw in (None, "", []):
            return _("清空「%(field)s」", field=self.field.label)
        return _("把「%(field)s」改为「%(value)s」", field=self.field.label, value=self.shown())

    def shown(self) -> str:
        """The value alone, in words."""
        return self.field._word(self.raw)

    def given(self, sources: Sources) -> Callable[[int], Any]:
        """What a record's field is given, as the write path takes it."""
        return lambda _record_id: self.raw

    def pending(self, column: Any, now: int) -> Any:
        """True where writing it changes anything; ``None``: it must be looked at."""
        return dialect.differs(column, self.field.parse(self.raw)) if self.field.column else None


class FromNow(Value):
    """``{"now": true, "plus": {"days": 3}}``; with ``"working": true`` in ``plus`` only working hours count."""

    mode = "now"

    @classmethod
    def reads(cls, field: Field, raw: Any) -> bool:
        return isinstance(raw, dict) and "now" in raw

    @classmethod
    def suits(cls, field: Field) -> bool:
        return field.type in MOMENTS

    @property
    def plus(self) -> dict[str, Any]:
        found = self.raw.get("plus") or {}
        return found if isinstance(found, dict) else {}

    def check(self) -> None:
        if self.field.type not in MOMENTS:
            raise FieldError(_("「%(field)s」不是日期，不能写“现在”。", field=self.field.label))
        if set(self.raw) - {"now", "plus"} or not isinstance(self.raw.get("plus", {}), dict):
            raise FieldError(_('相对时间写成 {"now": true, "plus": {"days": 3}}。'))
        check_span(self.plus)

    def moment(self, now: int) -> int:
        return after(now, self.plus)

    def given(self, sources: Sources) -> Callable[[int], Any]:
        text = self._text(sources.now)
        return lambda _record_id: text

    def _text(self, now: int) -> str:
        tz = settings.tz()
        at = self.moment(now)
        return clock.iso(at, tz) if self.field.type == "datetime" else clock.local(at, tz).date().isoformat()

    def shown(self) -> str:
        return _("现在") if not span_of(self.plus) else _("现在起 %(span)s", span=span_words(self.plus))

    def words(self) -> str:
        return _("把「%(field)s」改为%(value)s", field=self.field.label, value=self.shown())

    def pending(self, column: Any, now: int) -> Any:
        return dialect.differs(column, self.field.parse(self._text(now)))


class Copied(Value):
    """``{"field": "x"}``: what another field of the record holds."""

    mode = "field"
    same = False

    @classmethod
    def reads(cls, field: Field, raw: Any) -> bool:
        return isinstance(raw, dict) and set(raw) == {"field"}

    @classmethod
    def suits(cls, field: Field) -> bool:
        return field.column is not None

    @property
    def other(self) -> Field | None:
        key = self.raw.get("field")
        return self.source.field(key) if isinstance(key, str) else None

    def check(self) -> None:
        other = self.other
        if other is None or not other.column:
            name = str(self.raw.get("field"))[:40]
            raise FieldError(_("「%(form)s」没有字段「%(key)s」。", form=self.source.label, key=name))
        if not fits(other, self.field) or (other.key == "id" and self.field.options.get("form") != self.source.key):
            said = {"from": other.label, "to": self.field.label}
            raise FieldError(_("「%(from)s」的值放不进「%(to)s」，它们不是同一种字段。", **said))

    def given(self, sources: Sources) -> Callable[[int], Any]:
        other = self.other
        assert other is not None
        held = sources.column(other.key)
        if other.key == "id":
            return held.get
        return lambda i: None if held.get(i) is None else carried(other, held[i], self.field)

    def shown(self) -> str:
        other = self.other
        if other is not None and other.key == "id":
            return _("这条%(form)s", form=self.source.one)
        return _("它的%(field)s", field=other.label) if other else str(self.raw.get("field"))

    def words(self) -> str:
        said = {"field": self.field.label, "other": self.shown()}
        return _("把「%(field)s」改为%(other)s", **said)

    def pending(self, column: Any, now: int) -> Any:
        return None


class More(Value):
    """``{"add": 5}``: a number more, or (negative) less; an empty field counts as 0."""

    mode = "add"
    same = False

    @classmethod
    def reads(cls, field: Field, raw: Any) -> bool:
        return isinstance(raw, dict) and set(raw) == {"add"} and field.type in NUMBERS

    @classmethod
    def suits(cls, field: Field) -> bool:
        return field.type in NUMBERS

    def check(self) -> None:
        if isinstance(self.raw["add"], bool) or not self.field.parse(self.raw["add"]):
            raise FieldError(_("请填写要加多少，减少写负数。"))

    def given(self, sources: Sources) -> Callable[[int], Any]:
        held, more = sources.column(self.field.key), self.field.parse(self.raw["add"])
        return lambda i: self.field.to_api((held.get(i) or 0) + more)

    def shown(self) -> str:
        return self.field._word(self.raw["add"])

    def words(self) -> str:
        return _("「%(field)s」加 %(value)s", field=self.field.label, value=self.shown())

    def pending(self, column: Any, now: int) -> Any:
        return None


class Several(Value):
    """``{"add": […], "remove": […]}``: values more, or less, of a field that holds several."""

    mode = "several"

    @classmethod
    def reads(cls, field: Field, raw: Any) -> bool:
        return isinstance(raw, dict) and bool(raw) and set(raw) <= {"add", "remove"} and not field.column

    @classmethod
    def suits(cls, field: Field) -> bool:
        return not field.column

    def words(self) -> str:
        parts = []
        for key, told in (("add", _l("「%(field)s」加上%(values)s")), ("remove", _l("「%(field)s」去掉%(values)s"))):
            given = self.raw.get(key)
            if given:
                shown = self.field._word(given if isinstance(given, list) else [given])
                parts.append(str(told) % {"field": self.field.label, "values": _("「%(values)s」", values=shown)})
        return _("，").join(parts)

    def check(self) -> None:
        stored = self.field.parse(self.raw)
        if not any(stored.values()):
            raise FieldError(_("请选择要加上或去掉的值。"))


class Written(Value):
    """A text with variables: ``{{ record.name }} 的回访``."""

    mode = "text"
    same = False

    @classmethod
    def reads(cls, field: Field, raw: Any) -> bool:
        return isinstance(raw, str) and "{{" in raw

    @classmethod
    def suits(cls, field: Field) -> bool:
        return False

    def check(self) -> None:
        texts.check(self.raw, self.source)

    def given(self, sources: Sources) -> Callable[[int], Any]:
        return sources.text(self.raw).get

    def shown(self) -> str:
        return str(self.raw)

    def words(self) -> str:
        return _("把「%(field)s」改为「%(value)s」", field=self.field.label, value=self.raw)

    def pending(self, column: Any, now: int) -> Any:
        return None


KINDS: tuple[type[Value], ...] = (FromNow, Copied, More, Several, Written, Value)
"""The first that reads a document takes it."""


def read(field: Field, raw: Any, source: Form) -> Value:
    """The value that ``raw`` stands for."""
    for cls in KINDS:
        if cls.reads(field, raw):
            return cls(field, raw, source)
    raise AssertionError("Value reads everything")


def problem(value: Value) -> str | None:
    """The sentence for what is wrong with it."""
    try:
        value.check()
    except UserError as error:
        return error.message
    except ValueError as error:
        return str(error)
    return None


def fits(other: Field, to: Field) -> bool:
    """Whether what one field holds can be put into another."""
    if other.type == "relation" or to.type == "relation":
        points = (to.options.get("form"), other.options.get("form"))
        return to.type == "relation" and (other.key == "id" or (other.type == "relation" and points[0] == points[1]))
    if to.type in ("text", "long_text"):
        return True
    if to.type in MOMENTS or other.type in MOMENTS:
        return to.type in MOMENTS and other.type in MOMENTS
    if to.value_input == "person" or other.value_input == "person":
        return to.value_input == other.value_input
    return to.type == other.type or (to.type in NUMBERS and other.type in NUMBERS) or other.type == "text"


def carried(other: Field, held: Any, to: Field) -> Any:
    """A stored value of one field as the write path takes it for another."""
    if to.type in ("text", "long_text") and other.type not in ("text", "long_text", "choice"):
        return other.format(held)
    if to.type == "date" and other.type == "datetime":
        return clock.local(held, settings.tz()).date().isoformat()
    return other.to_api(held)


# -- spans of time ----------------------------------------------------------------------------------------------------


def check_span(span: Any) -> None:
    """``{"days": 3, "hours": 2, "working": true}``. Raises FieldError."""
    if not isinstance(span, dict) or set(span) - {*UNITS, "working"}:
        raise FieldError(_('时长写成 {"days": 3} 或 {"hours": 2}，可以加上 "working": true 只算工作时间。'))
    for unit, count in span.items():
        if unit == "working":
            if not isinstance(count, bool):
                raise FieldError(_("「working」只能是 true 或 false。"))
        elif isinstance(count, bool) or not isinstance(count, int):
            raise FieldError(_("时长要是整数，例如 3 天。"))
    if abs(span_of(span)) > LONGEST:
        raise FieldError(_("时长最多十年。"))
    if span.get("working") and span_of(span) < 0:
        raise FieldError(_("只算工作时间时不能往前数。"))


def span_of(span: Mapping[str, Any]) -> int:
    """Seconds."""
    return sum(int(span[unit]) * size for unit, size in UNITS.items() if span.get(unit))


def after(now: int, span: Mapping[str, Any]) -> int:
    """The moment that lies so far after ``now``; a working day has as many hours as the company works a day."""
    if not span.get("working"):
        return now + span_of(span)
    days = int(span.get("days") or 0) + 7 * int(span.get("weeks") or 0)
    at = now
    if days:
        at = _working_days(now, days)
    rest = int(span.get("hours") or 0) * 3600 + int(span.get("minutes") or 0) * 60
    return workdays.add_working(at, rest) if rest else at


def _working_days(now: int, days: int) -> int:
    """The same time of day so many working days later."""
    tz = settings.tz()
    moment = clock.local(now, tz)
    date = moment.date()
    while days > 0:
        date += dt.timedelta(days=1)
        days -= workdays.is_working_day(date)
    return int(moment.replace(year=date.year, month=date.month, day=date.day).timestamp())


def span_words(span: Mapping[str, Any]) -> str:
    """``3 天 2 小时``, ``2 个工作小时``."""
    names = {"weeks": _("周"), "days": _("天"), "hours": _("小时"), "minutes": _("分钟")}
    parts = [f"{span[unit]} {name}" for unit, name in names.items() if span.get(unit)]
    text = " ".join(parts) or _("立刻")
    return _("%(span)s（只算工作时间）", span=text) if span.get("working") else text


def span_of_form(values: Any, prefix: str) -> dict[str, Any]:
    """The span of the inputs ``<prefix>.count``, ``.unit`` and ``.working``."""
    count = values.get(f"{prefix}.count", "").strip()
    if count in ("", "0"):
        return {}
    unit = values.get(f"{prefix}.unit", "days")
    span: dict[str, Any] = {unit if unit in UNITS else "days": int(count) if count.lstrip("-").isdecimal() else count}
    return span | ({"working": True} if values.get(f"{prefix}.working") == "1" else {})


class SpanInput(Struct, frozen=True):
    """What the inputs of a span show."""

    count: Any = ""
    unit: str = "days"
    working: bool = False

    @classmethod
    def of(cls, span: Any) -> SpanInput:
        found = span if isinstance(span, dict) else {}
        unit = next((unit for unit in UNITS if found.get(unit)), "days")
        return cls(found.get(unit, ""), unit, bool(found.get("working")))


# -- the editor -------------------------------------------------------------------------------------------------------

MODES = {
    "value": _l("改为"), "now": _l("现在起"), "field": _l("同另一字段"), "add": _l("加"), "several": _l("加上"),
    "remove": _l("去掉"),
}  # fmt: skip


def modes_of(field: Field) -> list[tuple[str, Any]]:
    """What the editor offers for a field."""
    found = [(cls.mode, MODES[cls.mode]) for cls in (Value, FromNow, Copied, More, Several) if cls.suits(field)]
    return [*found, ("remove", MODES["remove"])] if not field.column else found


def of_form(values: Any, prefix: str, fields: Sequence[Field]) -> dict[str, Any]:
    """What the inputs of fields say, by key. Their names: ``<prefix><key>`` and ``<prefix><key>~mode`` and so on."""
    given = row_inputs.read(values, prefix, fields)
    out: dict[str, Any] = {}
    for f in fields:
        mode, raw = values.get(f"{prefix}{f.key}~mode", "value"), given.get(f.key) or None
        if mode == "now":
            out[f.key] = {"now": True} | (
                {"plus": span} if (span := span_of_form(values, f"{prefix}{f.key}~plus")) else {}
            )
        elif mode == "field":
            out[f.key] = {"field": values.get(f"{prefix}{f.key}~field", "")}
        elif mode == "add" and f.type in NUMBERS:
            out[f.key] = {"add": values.get(f"{prefix}{f.key}", "").strip()}
        elif mode in ("several", "remove") and not f.column:
            listed = raw if isinstance(raw, list) else [] if raw is None else [raw]
            out[f.key] = {"add" if mode == "several" else "remove": listed}
        else:
            out[f.key] = raw
    return out


def mode_of(value: Value) -> str:
    """Which of the modes a value is shown in."""
    if isinstance(value, Several) and not value.raw.get("add"):
        return "remove"
    return "value" if isinstance(value, Written) else value.mode


def plain_of(value: Value) -> Any:
    """What the field's own input shows."""
    if isinstance(value, More):
        return value.raw["add"]
    if isinstance(value, Several):
        return value.raw.get("add") or value.raw.get("remove")
    return value.raw if type(value) in (Value, Written) else None
