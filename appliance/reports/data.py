"""Answers a report's question for one person, through the query gate: figures are over the rows that person sees."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import replace

from ..accounts import deputies, permissions, sharing
from ..accounts.actor import Actor
from ..core import clock, i18n, settings
from ..core.db import db
from ..forms import catalog, query
from ..forms.catalog import Form
from . import cache, periods
from .definition import Definition, Dimension, Measure
from .figures import Reader, end_of, reader
from .ranges import ALL, Range, preset

Condition = dict[str, Any]

ONE_DAY = dt.timedelta(days=1)
NARROW = 45
"""Days; the records of a shorter span are looked up by the index of its date."""


class Column(Struct, frozen=True):
    """``role``: dimension, measure, before (the compared span's value) or change (in percent)."""

    key: str
    label: str
    role: str
    reader: Reader | None = None

    @property
    def align(self) -> str:
        return "left" if self.role == "dimension" else "right"


class Row(Struct):
    """One group: ``keys`` of the dimensions and ``values`` of all columns as stored; ``where``: the records behind."""

    keys: tuple[Any, ...]
    values: list[Any]
    texts: list[str]
    where: Condition | None = None
    rest: bool = False


class Result(Struct):
    """What a report says. ``range``: what was applied (``ALL`` when it follows none); ``at``: UTC seconds."""

    definition: Definition
    form: Form
    columns: list[Column]
    rows: list[Row]
    range: Range
    compared: Range | None
    at: int
    took: float
    fresh: bool = True
    notes: list[str] = field(default_factory=list)

    @property
    def compared_label(self) -> str:
        return _("较去年同期") if self.definition.compare == "last_year" else self.range.compared_label

    def column(self, key: str) -> int:
        return next(i for i, c in enumerate(self.columns) if c.key == key)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw: no group, or nothing but zeros."""
        places = [i for i, c in enumerate(self.columns) if c.role == "measure"]
        return not any(row.values[i] for row in self.rows for i in places)

    def url(self, row: Row) -> str | None:
        """The list of the records behind a group."""
        return None if row.where is None else drill_url(self.form.key, row.where)

    def document(self) -> dict[str, Any]:
        """As the API prints it: values by column key, decimal strings for money."""
        rows = []
        for row in self.rows:
            values = {}
            for column, value, text in zip(self.columns, row.values, row.texts, strict=True):
                values[column.key] = column.reader.field.to_api(value) if column.reader and value is not None else value
                if column.role == "dimension":
                    values[f"{column.key}.label"] = text
            rows.append(values | ({"where": row.where} if row.where is not None else {}))
        return {
            "columns": [{"key": c.key, "label": c.label, "role": c.role} for c in self.columns],
            "rows": rows,
            "range": self.range.arguments,
            "computed_at": clock.iso(self.at, settings.tz()),
        }


def drill_url(form_key: str, where: Mapping[str, Any]) -> str:
    text = json.dumps(where, ensure_ascii=False, separators=(",", ":"))
    return f"/forms/{form_key}" + (f"?where={quote(text, safe='')}" if where else "")


def data(definition: Definition, actor: Actor, within: Range | None = None, where: Condition | None = None) -> Result:
    """The result, computed now or a moment ago. ``within``: the page's range; ``where``: a further filter.

    Raises UserError (what was asked makes no sense), NotFound (the actor does not see the form).
    """
    plan = Plan(definition, actor, within, where)
    kept = cache.get(plan.key, plan.run)
    return plan.result(kept.value, kept.at, kept.took, True)


def soon(definition: Definition, actor: Actor, within: Range | None = None, wait: float = 1.0) -> Result | None:
    """As :func:`data`; what takes longer than ``wait`` seconds is computed behind: ``None``, ask again later."""
    plan = Plan(definition, actor, within, None)
    locale = i18n.current()

    def run() -> Raw:
        with i18n.speaking(locale):
            return plan.run()

    kept = cache.soon(plan.key, run, wait)
    return plan.result(kept.value, kept.at, kept.took, True) if kept else None


def peek(definition: Definition, actor: Actor, within: Range | None = None) -> Result | None:
    """What was computed earlier, if it may still be shown; costs nothing. ``fresh``: it need not be renewed."""
    plan = Plan(definition, actor, within, None)
    kept = cache.peek(plan.key)
    return plan.result(kept.value, kept.at, kept.took, kept.fresh()) if kept else None


class Raw(Struct, frozen=True):
    """What the database said: rows of ``d0…`` and ``m0…``; the whole's measures; the compared span's rows."""

    rows: list[dict[str, Any]]
    whole: dict[str, Any] | None
    before: list[dict[str, Any]] | None


class Plan:
    """A definition made ready for one person and one span of days."""

    def __init__(self, definition: Definition, actor: Actor, within: Range | None, where: Condition | None) -> None:
        self.actor = actor
        self.form = catalog.get(definition.form)
        wanted = preset(definition.range) if definition.range else within or ALL
        self.range = wanted if definition.time_field else ALL
        self.definition = replace(
            definition, dimensions=tuple(d.in_span(self.range, self.form) for d in definition.dimensions)
        )
        self.compared = self.range.before(definition.compare) if definition.compare else None
        self.filters = [dict(c) for c in (definition.where, where) if c]
        self.plain: list[tuple[str, Measure]] = []
        for i, m in enumerate(definition.measures):
            parts = m.plain()
            self.plain += [(f"m{i}" if len(parts) == 1 else f"m{i}.{n}", p) for n, p in enumerate(parts)]

    # -- asking -------------------------------------------------------------------------------------------------

    @property
    def key(self) -> tuple[Any, ...]:
        """What the figures depend on. People of the same rights share them, unless a condition says "me"."""
        question = json.dumps([self.definition.document(), self.filters], sort_keys=True, default=str)
        held = [] if self.actor.is_admin else permissions.rights_of(self.actor)
        rights = "*" if self.actor.is_admin else repr(held)
        narrow = any(granted.scope or granted.deny for one in held for granted in one.forms.values())
        personal = narrow or any(word in question for word in ('"me"', "my_department", '"whose"'))
        owner = (*deputies.stands_for(self.actor), sharing.mark(self.actor.id)) if personal else None
        return db.database, question, self.range, clock.today(settings.tz()), settings.tz().key, rights, owner

    def run(self) -> Raw:
        shown = self._ask(self.range)
        cut = len(shown) > self._most if self._most else False
        whole = None
        if cut and self.definition.with_rest:
            whole = self._query(self.range).aggregate(self._groups_by(), self._measures(), whole=True)[0]
        before = self._ask(self.compared, all_groups=True) if self.compared else None
        return Raw(shown[: self._most] if cut else shown, whole, before)

    @property
    def _most(self) -> int | None:
        """How many groups the database is asked for: it sorts when one dimension is ordered by a plain measure."""
        d = self.definition
        if len(d.dimensions) != 1 or d.dimensions[0].bucket or not d.top:
            return None
        return d.top if self._order else None

    @property
    def _order(self) -> str | None:
        sort = self.definition.sort or f"-{self.definition.measures[0].name}"
        name = sort.removeprefix("-")
        place = next((i for i, m in enumerate(self.definition.measures) if m.name == name), None)
        if place is None or self.definition.measures[place].agg == "share":
            return None
        return ("-" if sort.startswith("-") else "") + f"m{place}"

    def _ask(self, span: Range, all_groups: bool = False) -> list[dict[str, Any]]:
        groups = self._groups_by()
        if self._most:
            limit = query.MAX_GROUPS if all_groups else self._most + 1
            return self._query(span).aggregate(groups, self._measures(), limit, self._order)
        return self._query(span).aggregate(groups, self._measures())

    def _groups_by(self) -> list[dict[str, Any]]:
        return [d.document() | {"as": f"d{i}"} for i, d in enumerate(self.definition.dimensions)]

    def _measures(self) -> list[dict[str, Any]]:
        return [m.document() | {"as": name} for name, m in self.plain]

    def _query(self, span: Range) -> query.Query:
        found = query.Query(self.form, self.actor)
        days = (span.end - span.start).days if span.start and span.end else None
        if days is None or days > NARROW:
            found = found.scan()
        return found.where(both(*self.filters, *self._span(span)))

    def _span(self, span: Range) -> list[Condition]:
        name = self.definition.time_field
        return span.condition(name) if name else []

    # -- answering ----------------------------------------------------------------------------------------------

    def result(self, raw: Raw, at: int, took: float, fresh: bool) -> Result:
        readers = [reader(m, self.form) for m in self.definition.measures]
        labels = Labels(self.form, self.actor, self.definition.dimensions, raw.rows)
        columns = self._columns(readers)
        rows = [self._row(keys, now, before, readers, labels) for keys, now, before in self._groups(raw)]
        if raw.whole is not None:
            rows.append(self._rest(raw, readers))
        return Result(self.definition, self.form, columns, rows, self.range, self.compared, at, took, fresh)

    def _columns(self, readers: list[Reader]) -> list[Column]:
        columns = [Column(d.name, d.title(self.form), "dimension") for d in self.definition.dimensions]
        for measure, read in zip(self.definition.measures, readers, strict=True):
            title = measure.title(self.form)
            columns.append(Column(measure.name, title, "measure", read))
            if self.compared:
                before = _("%(measure)s（对比期）", measure=title)
                columns.append(Column(f"{measure.name}.before", before, "before", read))
                columns.append(Column(f"{measure.name}.change", _("变化"), "change"))
        return columns

    def _groups(self, raw: Raw) -> list[tuple[tuple[Any, ...], dict[str, Any], dict[str, Any] | None]]:
        """Each group's keys, its measures, and those of the group it is compared with; in order, gaps filled."""
        count = len(self.definition.dimensions)
        found = {tuple(row[f"d{i}"] for i in range(count)): row for row in raw.rows}
        order = self._ordered(found)
        if raw.before is None:
            return [(keys, found.get(keys, {}), None) for keys in order]
        earlier = {tuple(row[f"d{i}"] for i in range(count)): row for row in raw.before}
        twins = self._twins(order, earlier)
        return [(keys, found.get(keys, {}), earlier.get(twins.get(keys, ()), {})) for keys in order]

    def _ordered(self, found: dict[tuple[Any, ...], dict[str, Any]]) -> list[tuple[Any, ...]]:
        d = self.definition
        if len(d.dimensions) == 1 and d.dimensions[0].bucket and not d.sort:
            return [(value,) for value in self._filled(d.dimensions[0].bucket, {keys[0] for keys in found}, self.range)]
        if d.dimensions and d.dimensions[0].bucket and not d.sort:
            return sorted(found, key=lambda keys: [_rank(x, v) for x, v in zip(d.dimensions, keys, strict=True)])
        sort = d.sort or f"-{d.measures[0].name}"
        name, down = sort.removeprefix("-"), sort.startswith("-")
        place = next((i for i, x in enumerate(d.dimensions) if x.name == name), None)
        if place is not None:
            return sorted(found, key=lambda keys: self._rank_of(place, keys[place]), reverse=down)
        index = next(i for i, m in enumerate(d.measures) if m.name == name)
        values = {keys: self._value(index, row) for keys, row in found.items()}
        known = sorted((k for k in found if values[k] is not None), key=lambda k: values[k], reverse=down)
        order = known + [k for k in found if values[k] is None]
        return order[: d.top] if d.top and len(d.dimensions) == 1 else order

    def _rank_of(self, place: int, value: Any) -> Any:
        """Choices stand in the order the company gave them."""
        dimension = self.definition.dimensions[place]
        listed = list(getattr(end_of(self.form, dimension.field), "choices", ()))
        return (0, listed.index(value), "") if value in listed else (1, 0, _rank(dimension, value))

    def _filled(self, size: str, found: set[str | None], span: Range) -> list[str | None]:
        """All periods of the span, those without records too."""
        values = sorted(v for v in found if v is not None)
        if not values and span.start is None:
            return [None] if None in found else []
        if size in periods.CYCLES:
            return list(periods.CYCLES[size])
        first = periods.of(size, span.start) if span.start else values[0]
        last = values[-1] if values else first
        if span.end:
            newest = min(span.end, clock.today(settings.tz()) + ONE_DAY) - ONE_DAY
            last = max(last, periods.of(size, newest)) if newest >= (span.start or newest) else last
        filled: list[str | None] = [*(periods.between(size, min([first, *values[:1]]), last) or values)]
        return filled + ([None] if None in found else [])

    def _twins(
        self, order: list[tuple[Any, ...]], earlier: dict[tuple[Any, ...], dict[str, Any]]
    ) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        """Group → the group it is compared with: periods by their place in the span, all else by its value."""
        d = self.definition.dimensions
        assert self.compared
        if len(d) != 1 or not d[0].bucket or d[0].bucket in periods.CYCLES:
            return {keys: keys for keys in order}
        before = self._filled(d[0].bucket, {keys[0] for keys in earlier}, self.compared)
        return {keys: (value,) for keys, value in zip(order, before, strict=False)}

    def _value(self, index: int, row: Mapping[str, Any]) -> Any:
        """The measure's raw value in a row of the database; over nothing a count or sum is 0."""
        measure = self.definition.measures[index]
        if measure.agg == "share":
            part, whole = row.get(f"m{index}.0") or 0, row.get(f"m{index}.1") or 0
            return part / whole if whole else None
        value = row.get(f"m{index}")
        return 0 if value is None and measure.agg in ("count", "sum", "distinct") else value

    def _row(
        self,
        keys: tuple[Any, ...],
        now: dict[str, Any],
        before: dict[str, Any] | None,
        readers: list[Reader],
        labels: Labels,
    ) -> Row:
        values: list[Any] = list(keys)
        texts = [labels.text(i, value) for i, value in enumerate(keys)]
        for i, read in enumerate(readers):
            current = read.stored(self._value(i, now))
            values.append(current)
            texts.append(read.text(current))
            if self.compared:
                earlier = read.stored(self._value(i, before or {}))
                change = _change(current, earlier) if read.numeric else None
                values += [earlier, change]
                texts += [read.text(earlier), change_text(change)]
        return Row(keys, values, texts, self._drill(keys))

    def _rest(self, raw: Raw, readers: list[Reader]) -> Row:
        assert raw.whole is not None
        values: list[Any] = [None]
        texts = [_("其他")]
        for i, read in enumerate(readers):
            rest = None
            if self.definition.measures[i].additive:
                shown = sum(self._value(i, row) for row in raw.rows)
                rest = read.stored(self._value(i, raw.whole) - shown)
            values.append(rest)
            texts.append(read.text(rest))
            if self.compared:
                values += [None, None]
                texts += ["—", "—"]
        return Row((None,), values, texts, rest=True)

    def _drill(self, keys: tuple[Any, ...]) -> Condition | None:
        """The condition that the records of a group meet; ``None`` where no condition says it."""
        span = self.range
        tests: list[Condition] = []
        for dimension, value in zip(self.definition.dimensions, keys, strict=True):
            part = _equals(dimension, value, self.form)
            if part is None:
                return None
            if dimension.bucket and value is not None and dimension.field == self.definition.time_field:
                span = span.within(*periods.days(dimension.bucket, str(value)) or (None, None))
            else:
                tests += part
        tests = [*self.filters, *self._span(span), *tests]
        if len(self.definition.measures) == 1:
            only = self.definition.measures[0]
            tests += [dict(only.where)] if only.where else []
            if only.agg == "distinct" and only.of:
                tests.append({"field": only.of, "op": "not_empty"})
        return both(*tests)


class Labels:
    """The dimensions' values as people read them; related records by the titles that the actor may see."""

    def __init__(self, form: Form, actor: Actor, dimensions: tuple[Dimension, ...], rows: list[dict[str, Any]]) -> None:
        self.dimensions = [(d, end_of(form, d.field)) for d in dimensions]
        self.titles: dict[int, dict[int, str]] = {}
        for i, (_d, f) in enumerate(self.dimensions):
            target = catalog.get(f.points_at) if f.points_at else form if f.key == "id" else None
            if target is not None:
                self.titles[i] = query.titles(target, {row[f"d{i}"] for row in rows} - {None}, actor)

    def text(self, place: int, value: Any) -> str:
        dimension, f = self.dimensions[place]
        if value is None:
            return _("未填写")
        if dimension.bucket:
            return periods.words(dimension.bucket, str(value))
        if place in self.titles:
            return self.titles[place].get(value, _("不可见"))
        return f.group_text(value)


def both(*conditions: Condition) -> Condition:
    """All of the conditions, as one flat list."""
    parts: list[Condition] = []
    for c in conditions:
        parts += c["all"] if set(c) == {"all"} else [c] if c else []
    unique = [c for i, c in enumerate(parts) if c not in parts[:i]]
    return unique[0] if len(unique) == 1 else {"all": unique} if unique else {}


def _rank(dimension: Dimension, value: Any) -> Any:
    cycle = periods.CYCLES.get(dimension.bucket or "")
    place = cycle.index(value) if cycle and value in cycle else 0
    return (value is None, place, str(value))


def _equals(dimension: Dimension, value: Any, form: Form) -> list[Condition] | None:
    if value is None:
        return [{"field": dimension.field, "op": "empty"}]
    if dimension.bucket:
        span = periods.days(dimension.bucket, str(value))
        return Range("drill", *span).condition(dimension.field) if span else None
    test = end_of(form, dimension.field).group_test(value)
    return None if test is None else [{"field": dimension.field, **test}]


def _change(now: Any, before: Any) -> float | None:
    return None if not before or now is None else (now - before) / abs(before)


def change_text(change: float | None) -> str:
    """``+12.3%``; a dash when there was nothing to compare with."""
    if change is None:
        return "—"
    return f"{change:+.1%}" if abs(change) < 10 else f"{change:+.0%}"
