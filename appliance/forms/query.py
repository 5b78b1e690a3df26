"""The one read path: the query gate. Nothing else reads a form's table for a person.

Row scope and field access are applied here, once, to lists, pages, search, counts, exports, charts and the API alike. What a
person may not see cannot be sorted, filtered, searched, grouped or counted by either.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any

import peewee
from flask_babel import gettext as _
from markupsafe import Markup
from msgspec import Struct, field
from msgspec.structs import replace
from peewee import fn

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import dialect
from ..core.db import PARAM, Statement, db
from ..core.errors import NotFound, UserError
from . import catalog, conditions, search
from .catalog import SYSTEM_FIELDS, Form
from .fields.base import Field
from .fields.link import LinkField
from .fields.lookup import Lookup

CHUNK = 500
MAX_LIMIT = 500
COMPARES = frozenset(
    {peewee.OP.EQ, peewee.OP.LT, peewee.OP.LTE, peewee.OP.GT, peewee.OP.GTE, peewee.OP.BETWEEN, peewee.OP.IN}
)
MAX_GROUPS = 5_000


class Masked:
    """A value that the reader may not see whole."""

    def __init__(self, text: str, one_by_one: bool = False) -> None:
        """``one_by_one``: the whole can be had on demand (``forms.revealing``)."""
        self.one_by_one = one_by_one
        self.text = text if len(text) < 2 else text[: max(1, len(text) // 4)] + "****" + text[-max(1, len(text) // 4) :]

    def __str__(self) -> str:
        return self.text


class Record(Struct):
    """One row as its reader may see it. ``values``: stored values by key (hidden ones are not there)."""

    form: Form
    id: int
    version: int
    values: dict[str, Any]
    created_at: int
    updated_at: int
    created_by: int | None
    updated_by: int | None
    titles: dict[tuple[str, int], str] = field(default_factory=dict)
    """Titles of related records, by field and id."""
    writable: bool | None = None
    """Whether it is the reader's to edit, once somebody asked (``record_pages.may_edit``)."""

    @property
    def title(self) -> str:
        f = self.form.title
        value = self.values.get(f.key) if f else None
        if value is None or f is None:
            return _("%(form)s %(id)d", form=self.form.label, id=self.id)
        return str(value) if isinstance(value, Masked) else f.format(value)

    def get(self, key: str) -> Any:
        return getattr(self, key) if key in SYSTEM_FIELDS else self.values.get(key)

    def cell(self, key: str) -> Markup:
        """The field's value as a list shows it."""
        value = self.get(key)
        if isinstance(value, Masked):
            return Markup("<span class=masked>{}</span>").format(value)
        f = self.form.field(key)
        return f.render(value, self) if f else Markup("")

    def whole(self, key: str) -> Markup:
        """The field's value as the record's own page shows it."""
        value = self.get(key)
        f = self.form.field(key)
        if f is None:
            return self.cell(key)
        if isinstance(value, Masked):
            return f.sealed(self.cell(key), self) if value.one_by_one else self.cell(key)
        return f.render_whole(value, self)

    def text(self, key: str) -> str:
        """The field's value as plain text; a relation by its title."""
        value = self.get(key)
        if isinstance(value, Masked):
            return str(value)
        f = self.form.field(key)
        if f is None or value is None:
            return ""
        return self.titles.get((key, value), str(value)) if f.type == "relation" else f.text(value, self)

    def document(self) -> dict[str, Any]:
        """The record as the API prints it."""
        values: dict[str, Any] = {}
        for key, value in self.values.items():
            values[key] = str(value) if isinstance(value, Masked) else self.form.fields[key].to_api(value)
        for key in ("created_at", "updated_at", "created_by", "updated_by"):
            values[key] = SYSTEM_FIELDS[key].to_api(getattr(self, key))
        return {"id": self.id, "version": self.version, "values": values}


class Page(Struct):
    records: list[Record]
    next_cursor: str | None = None
    prev_cursor: str | None = None


def readable(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields of a form that the actor sees (masked ones included)."""
    if actor is SYSTEM or actor.is_admin:
        return form.fields
    return {
        k: f for k, f in form.fields.items()
        if permissions.field_access(actor, form.key, k) != "hidden" and not _beyond(f, actor)
    }  # fmt: skip


def _beyond(f: Field, actor: Actor) -> bool:
    """Whether values come from records that cannot be told to be the actor's to see: only a lookup's nearest ones can."""
    partly = conditions.partly_seen(f, actor)
    return bool(partly) and not (isinstance(f, Lookup) and partly == [f.through[0]])


def clear(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields of a form whose values the actor sees whole."""
    if actor is SYSTEM or actor.is_admin:
        return form.fields
    return {
        k: f for k, f in form.fields.items()
        if permissions.field_access(actor, form.key, k) not in ("hidden", "masked") and not conditions.partly_seen(f, actor)
    }  # fmt: skip


def _rejects_empty(test: Any, column: peewee.Column) -> bool:
    """Whether no row passes ``test`` whose ``column`` is empty: nothing is less than, equal to or more than nothing."""
    if not isinstance(test, peewee.Expression):
        return False
    if test.op == peewee.OP.AND:
        return _rejects_empty(test.lhs, column) or _rejects_empty(test.rhs, column)
    asked = test.lhs
    same = isinstance(asked, peewee.Column) and asked.source is column.source and asked.name == column.name
    return same and test.op in COMPARES


class Query:
    """Records of one form for one person. Each method returns a new query."""

    def __init__(self, form: Form, actor: Actor, deleted: bool = False, verb: str = "see") -> None:
        """``deleted``: the records in the recycle bin instead. ``verb``: only those that the actor may ``edit`` or ``delete``."""
        if actor is not SYSTEM and not permissions.can(actor, "see", form.key):
            raise NotFound()
        self.form = form
        self.actor = actor
        self._deleted = deleted
        self._tests: list[Any] = [form.col("deleted_at").is_null(not deleted)]
        self._order: tuple[str, bool] = ("id", True)
        self._ctx = conditions.Context(actor=actor)
        if actor is not SYSTEM:
            self._add(conditions.within(form, form.table, self._ctx, verb))
            if not deleted:
                self._add(conditions.of_parent(form, form.table, self._ctx))

    def _add(self, expression: Any) -> None:
        if expression is not None:
            self._tests.append(expression)

    def _copy(self) -> Query:
        twin = object.__new__(Query)
        twin.__dict__ = self.__dict__ | {"_tests": list(self._tests)}
        return twin

    def scan(self) -> Query:
        """For figures over most of the rows: what is added from here on is tested in one pass, without indexes."""
        twin = self._copy()
        twin._ctx = replace(self._ctx, scan=True)
        return twin

    def where(self, condition: conditions.Condition | None) -> Query:
        """Raises ConditionError."""
        twin = self._copy()
        twin._add(conditions.compile(condition, self.form, self._ctx))
        return twin

    def search(self, text: str | None) -> Query:
        if not text or not text.strip():
            return self
        twin = self._copy()
        twin._add(search.match(self.form, text, list(clear(self.form, self.actor))))
        return twin

    def only(self, expression: Any) -> Query:
        """For rooms that have rows of their own to join with; ``expression`` is over ``form.col("id")``."""
        twin = self._copy()
        twin._add(expression)
        return twin

    def sort(self, text: str | None) -> Query:
        """``"amount"`` or ``"-amount"``; records without a value come last either way. Raises UserError."""
        if not text:
            return self
        key, down = text.removeprefix("-"), text.startswith("-")
        f = clear(self.form, self.actor).get(key) or SYSTEM_FIELDS.get(key)
        if f is None or not f.sortable:
            raise UserError(_("不能按「%(key)s」排序。", key=key), "sort")
        twin = self._copy()
        twin._order = (key, down)
        return twin

    # -- reading ------------------------------------------------------------------------------------------------

    def page(self, limit: int = 50, cursor: str | None = None, fields: Iterable[str] | None = None) -> Page:
        """One page by keyset, however deep. ``fields``: the keys to read (default: all). Raises UserError for a bad cursor."""
        limit = max(1, min(limit, MAX_LIMIT))
        key, down = self._order
        mark = _open_cursor(cursor, key, down) if cursor else None
        backwards = mark is not None and mark[2]
        wanted = self._wanted(fields)
        rows: list[tuple[Any, ...]] = []
        for test, order in self._phases(mark[:2] if mark else None, backwards):
            select = self._select(wanted).where(*self._tests, *([test] if test is not None else []))
            rows += list(select.order_by(*order).limit(limit + 1 - len(rows)).tuples().execute(db))
            if len(rows) > limit:
                break
        more = len(rows) > limit
        rows = rows[:limit]
        if backwards:
            rows.reverse()
        records = self._records(rows, wanted)
        before, after = (more, True) if backwards else (mark is not None, more)
        return Page(
            records,
            self._cursor(rows[-1], wanted, False) if rows and after else None,
            self._cursor(rows[0], wanted, True) if rows and before else None,
        )

    def _phases(self, mark: tuple[Any, int] | None, backwards: bool) -> Iterator[tuple[Any, list[Any]]]:
        """The page's rows as consecutive index ranges: ties with the mark, what lies beyond it, records without a value."""
        key, down = self._order
        column, row_id = self.form.col(key), self.form.col("id")
        falling = down != backwards
        order_id = row_id.desc() if falling else row_id.asc()
        order = [column.desc() if falling else column.asc(), order_id]

        def beyond(c: Any, value: Any) -> Any:
            return c < value if falling else c > value

        if key == "id":
            yield (None if mark is None else beyond(row_id, mark[1])), [order_id]
            return
        with_value = column.is_null(False)
        some_empty = not any(_rejects_empty(test, column) for test in self._tests)
        if mark is None:
            yield with_value, order
            if some_empty:
                yield column.is_null(), [order_id]
            return
        value, last = mark
        if value is None:
            yield column.is_null() & beyond(row_id, last), [order_id]
            if backwards:
                yield with_value, order
            return
        yield (column == value) & beyond(row_id, last), [order_id]
        yield beyond(column, value), order
        if some_empty and not backwards:
            yield column.is_null(), [order_id]

    def _wanted(self, fields: Iterable[str] | None) -> list[str]:
        seen = readable(self.form, self.actor)
        keys = list(seen) if fields is None else [k for k in fields if k in seen]
        needed = {self._order[0], *([self.form.title_field] if self.form.title_field in seen else [])}
        return [*keys, *(k for k in needed if k not in keys and k in self.form.fields)]

    BASE = ("id", "version", "created_at", "updated_at", "created_by", "updated_by")

    def _select(self, wanted: list[str]) -> Any:
        names = [*self.BASE, *(k for k in wanted if self.form.fields[k].column)]
        return self.form.table.select(*[self.form.col(name) for name in names])

    def _cursor(self, row: tuple[Any, ...], wanted: list[str], backwards: bool) -> str:
        key, down = self._order
        names = [*self.BASE, *(k for k in wanted if self.form.fields[k].column)]
        doc = [key, int(down), row[names.index(key)], row[0], int(backwards)]
        return base64.urlsafe_b64encode(json.dumps(doc).encode()).decode().rstrip("=")

    def _records(self, rows: list[tuple[Any, ...]], wanted: list[str]) -> list[Record]:
        form, actor = self.form, self.actor
        columns = [k for k in wanted if form.fields[k].column]
        masked = set(readable(form, actor)) - set(clear(form, actor))
        records = []
        for row in rows:
            values = dict(zip(columns, row[6:], strict=True))
            records.append(Record(form, row[0], row[1], values, row[2], row[3], row[4], row[5]))
        for key in wanted:
            f = form.fields[key]
            if isinstance(f, LinkField):
                f.fill(records, actor)
            elif f.type == "relation" and key not in masked:
                self._titles(records, key, f)
            if key in masked and isinstance(f, Lookup) and conditions.partly_seen(f, actor):
                self._leave_out(records, f)
            if key in masked and permissions.field_access(actor, form.key, key) == "masked":
                for record in records:
                    value = record.values[key]
                    own = f.column and not f.through and f.type != "relation"
                    record.values[key] = None if value is None else Masked(f.format(value), bool(own))
        return records

    def _leave_out(self, records: list[Record], f: Lookup) -> None:
        """Takes away what a lookup repeats of records that the actor may not see."""
        relation, ids = self.form.col(str(f.needs.relation)), [r.id for r in records]
        rows = self.form.table.select(self.form.col("id"), relation).where(dialect.among(self.form.col("id"), ids))
        leads = dict(rows.tuples().execute(db))
        seen = visible_ids(f.target.key, set(leads.values()) - {None}, self.actor)
        for record in records:
            if leads.get(record.id) not in seen:
                record.values[f.key] = None

    def _titles(self, records: list[Record], key: str, f: Field) -> None:
        found = titles(catalog.get(f.options["form"]), {r.values[key] for r in records} - {None}, self.actor)
        for record in records:
            value = record.values[key]
            if value in found:
                record.titles[key, value] = found[value]

    def neighbours(self, record_id: int) -> tuple[int | None, int | None]:
        """The records before and after one in this query's order; both ``None`` when it is not in the query."""
        wanted = self._wanted([])
        rows = list(self._select(wanted).where(self.form.col("id") == record_id, *self._tests).tuples().execute(db))
        if not rows:
            return None, None
        before = self.page(1, self._cursor(rows[0], wanted, True), []).records
        after = self.page(1, self._cursor(rows[0], wanted, False), []).records
        return (before[0].id if before else None), (after[0].id if after else None)

    def get(self, record_id: int) -> Record:
        """Raises :class:`NotFound` for a record that is not there or not to be seen."""
        found = self.get_many([record_id])
        if not found:
            raise NotFound()
        return found[0]

    def get_many(self, ids: Iterable[int], fields: Iterable[str] | None = None) -> list[Record]:
        """Those of ``ids`` (at most a few hundred) that may be seen, in that order."""
        order = list(ids)
        wanted = self._wanted(fields)
        by_id = {r.id: r for r in self._records(self._rows_of(order, wanted), wanted)}
        return [by_id[i] for i in order if i in by_id]

    def _rows_of(self, ids: list[int], wanted: list[str]) -> list[tuple[Any, ...]]:
        if not ids:
            return []
        marked = dialect.any_of(self.form.col("id"), PARAM)
        if len(self._tests) == 1:
            # Nothing but "not deleted" (or "deleted"): the SQL is always the same.
            key = ("read", self._deleted, *wanted)
            statement = self.form.statement(key, lambda: self._select(wanted).where(marked, *self._tests))
        else:
            statement = Statement(self._select(wanted).where(marked, *self._tests))
        return list(statement.execute(dialect.dumps(ids)))

    def each(self, batch: int = MAX_LIMIT, fields: Iterable[str] | None = None) -> Iterator[Record]:
        """All records, page by page: each page is a query of its own, so no read stays open."""
        keys = None if fields is None else list(fields)
        cursor: str | None = None
        while True:
            page = self.page(batch, cursor, keys)
            yield from page.records
            cursor = page.next_cursor
            if cursor is None:
                return

    def count(self, cap: int | None = None) -> int:
        """How many; with ``cap`` counting stops there (``cap + 1`` means more)."""
        if cap is None:
            return int(self.form.table.select(fn.COUNT(peewee.SQL("*"))).where(*self._tests).scalar(db))
        inner = self.form.table.select(self.form.col("id")).where(*self._tests).limit(cap + 1)
        return int(peewee.Select([inner.alias("n")], [fn.COUNT(peewee.SQL("*"))]).scalar(db))

    def ids_query(self) -> Any:
        """The ids as a sub-select, for set-based work."""
        return self.form.table.select(self.form.col("id")).where(*self._tests)

    def aggregate(
        self,
        group_by: list[dict[str, Any]] | None = None,
        measures: list[dict[str, Any]] | None = None,
        limit: int = MAX_GROUPS,
        order: str | None = None,
        whole: bool = False,
    ) -> list[dict[str, Any]]:
        """Groups and their measures as stored values.

        ``group_by``: ``[{"field": "paid_at", "bucket": "month", "as"?}]`` (a path goes through relations);
        ``measures``: ``[{"agg": "sum", "of": "amount", "minus": "refunded"?, "where": condition?, "as": "paid"}]``.
        A record that holds several values of a field stands in the group of each. With ``order`` (a column's name, ``-``
        before it: falling) only the first ``limit`` groups are read; with ``whole`` all groups are one. Raises UserError.
        """
        found = Aggregation(self, group_by or [], measures or [{"agg": "count", "as": "count"}])
        return found.whole() if whole else found.rows(limit, order)


class Aggregation:
    """Group-by over a query: knows its columns, the fields that format them, and runs."""

    def __init__(self, query: Query, group_by: list[dict[str, Any]], measures: list[dict[str, Any]]) -> None:
        self.query = query
        self.source: Any = query.form.table
        self.joins: dict[str, tuple[Form, Any]] = {}
        self.spread: dict[str, Any] = {}
        """The columns of many-valued fields, by path: each of their values makes a row of its own."""
        self.dimensions: list[tuple[str, Field, Any, str | None]] = []
        self.measures: list[tuple[str, Field | None, str, Any]] = []
        if len(group_by) > 4 or len(measures) > 12:
            raise UserError(_("一次最多按 4 个维度、12 个指标汇总。"), "group_by")
        for doc in group_by:
            self._dimension(doc)
        for doc in measures:
            self._measure(doc)

    def _reach(self, path: Any, where: str) -> tuple[Field, Any]:
        """The field at the end of a path and its column, joining what lies between."""
        form, source, walked = self.query.form, None, ""
        keys = str(path).split(".")
        for i, key in enumerate(keys):
            f = clear(form, self.query.actor).get(key) or SYSTEM_FIELDS.get(key)
            last = i == len(keys) - 1
            if last and where == "group_by" and isinstance(f, LinkField) and f.groupable:
                return f, self._spread(f, path, form.col("id", source))
            if f is None or not f.column:
                raise UserError(_("「%(form)s」没有可以汇总的字段「%(key)s」。", form=form.label, key=key), where)
            column = form.col(key, source)
            if last:
                return f.inner, column
            if f.type != "relation":
                raise UserError(_("「%(field)s」不是关联字段，后面不能再接字段。", field=f.label), where)
            walked += key + "."
            if walked not in self.joins:
                target = catalog.get(f.options["form"])
                # What the person may not see of the related form is grouped as if it were empty.
                other = target.table.alias(f"j{len(self.joins)}")
                on = (target.col("id", other) == column) & conditions.live(target, other, self.query._ctx)
                self.source = self.source.join(other, peewee.JOIN.LEFT_OUTER, on=on)
                self.joins[walked] = (target, other)
            form, source = self.joins[walked]
        raise AssertionError

    def _spread(self, f: LinkField, path: str, row_id: Any) -> Any:
        if path not in self.spread:
            alias = f"v{len(self.spread)}"
            self.source, self.spread[path] = f.spread(self.source, row_id, alias, self.query._ctx)
        return self.spread[path]

    def _dimension(self, doc: dict[str, Any]) -> None:
        if not isinstance(doc, dict) or not doc.get("field"):
            raise UserError(_("请指明按哪个字段分组。"), "group_by")
        f, column = self._reach(doc["field"], "group_by")
        size = doc.get("bucket")
        expression: Any = column
        if size is not None:
            if size not in f.buckets:
                raise UserError(_("「%(field)s」不能按「%(size)s」分段。", field=f.label, size=size), "group_by")
            expression = f.bucketed(column, size)
        self.dimensions.append((doc.get("as") or str(doc["field"]), f, expression, size))

    def _measure(self, doc: dict[str, Any]) -> None:
        agg = doc.get("agg", "count") if isinstance(doc, dict) else ""
        if agg not in conditions.AGGREGATES:
            raise UserError(_("没有「%(agg)s」这种汇总。", agg=agg), "measures")
        f, column = self._reach(doc["of"], "measures") if doc.get("of") else (None, None)
        if f is None and agg not in ("count",):
            raise UserError(_("请指明要汇总哪个字段。"), "measures")
        if f is not None and agg not in f.aggregates:
            raise UserError(_("「%(field)s」不能这样汇总。", field=f.label), "measures")
        if f is not None and doc.get("minus"):
            less, other = self._reach(doc["minus"], "measures")
            if less.type != f.type or "sum" not in f.aggregates:
                raise UserError(
                    _("「%(less)s」不能从「%(field)s」里减去。", less=less.label, field=f.label), "measures"
                )
            # What has nothing to take away counts whole.
            column = column - fn.COALESCE(other, 0)
        total = conditions.aggregate_of(agg, column)
        only = conditions.compile(doc.get("where"), self.query.form, self.query._ctx)
        if only is not None:
            total = total.filter(only)
        name = doc.get("as") or (f"{agg}_{doc['of']}" if f else agg)
        reader = f if f is not None and agg not in ("count", "distinct") else None
        self.measures.append((str(name), reader, agg, total))

    def rows(self, limit: int = MAX_GROUPS, order: str | None = None) -> list[dict[str, Any]]:
        """Raises UserError when there are more groups than can be shown, unless ``order`` says which ones come first."""
        columns = [d[2] for d in self.dimensions] + [m[3] for m in self.measures]
        names = [d[0] for d in self.dimensions] + [m[0] for m in self.measures]
        if len(set(names)) != len(names):
            raise UserError(_("两列不能用同一个名字。"), "measures")
        places = [peewee.SQL(str(i + 1)) for i in range(len(self.dimensions))]
        # With a join every row of the form is the left side, so an aggregate over it stays right.
        select = peewee.Select([self.source], columns).where(*self.query._tests)
        if places:
            select = select.group_by(*places).order_by(*self._first(order, names), *places)
        found = list(select.limit(limit if order else limit + 1).tuples().execute(db))
        if len(found) > limit:
            raise UserError(_("分组太多，超过 %(max)d 组，请加筛选条件或换一个维度。", max=limit), "group_by")
        return [dict(zip(names, row, strict=True)) for row in found]

    def whole(self) -> list[dict[str, Any]]:
        """The measures over all groups as one: a record counts once for each group that it stands in."""
        select = peewee.Select([self.source], [m[3] for m in self.measures]).where(*self.query._tests)
        return [dict(zip([m[0] for m in self.measures], row, strict=True)) for row in select.tuples().execute(db)]

    def _first(self, order: str | None, names: list[str]) -> list[Any]:
        if not order:
            return []
        name = order.removeprefix("-")
        if name not in names:
            raise UserError(_("不能按「%(key)s」排序。", key=name), "sort")
        place = peewee.SQL(str(names.index(name) + 1))
        return [place.desc() if order.startswith("-") else place.asc()]

    def documents(self, limit: int = MAX_GROUPS) -> list[dict[str, Any]]:
        """The rows as the API prints them."""
        sizes = {name: size for name, _f, _column, size in self.dimensions}
        readers = {name: f for name, f, _column, _size in self.dimensions} | {
            name: reader for name, reader, _agg, _column in self.measures
        }
        whole = {
            name
            for name, reader, agg, _column in self.measures
            if agg == "avg" and reader is not None and reader.type == "integer"
        }
        out = []
        for row in self.rows(limit):
            doc = {}
            for name, value in row.items():
                reader = readers[name]
                plain = reader is None or value is None or sizes.get(name) or name in whole
                if plain or reader is None:
                    doc[name] = value
                else:
                    doc[name] = reader.group_to_api(value) if name in sizes else reader.to_api(value)
            out.append(doc)
        return out


def _open_cursor(text: str, key: str, down: bool) -> tuple[Any, int, bool]:
    try:
        doc = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        sort, falling, value, last, backwards = doc
        if (sort, bool(falling)) != (key, down) or not isinstance(last, int) or isinstance(value, (list, dict)):
            raise ValueError
    except (ValueError, TypeError, binascii.Error) as error:
        raise UserError(_("翻页位置无效，请从第一页重新开始。"), "cursor") from error
    return value, last, bool(backwards)


def get(form: Form, record_id: int, actor: Actor) -> Record:
    """Raises :class:`NotFound`."""
    return Query(form, actor).get(record_id)


def told_of(form: Form, ids: Iterable[int], actor: Actor, fields: Iterable[str] | None = None) -> list[Record]:
    """As :meth:`Query.get_many`; where Guke itself speaks (a rule tells that a record was deleted), those in the recycle bin
    too."""
    wanted = list(ids)
    found = Query(form, actor).get_many(wanted, fields)
    if actor is not SYSTEM or len(found) == len(wanted):
        return found
    missing = set(wanted) - {record.id for record in found}
    return found + Query(form, actor, deleted=True).get_many(missing, fields)


def titles(form: Form, ids: Iterable[int], actor: Actor) -> dict[int, str]:
    """Titles of those of ``ids`` that the actor may see."""
    wanted = list(ids)
    if not wanted or (actor is not SYSTEM and not permissions.can(actor, "see", form.key)):
        return {}
    keys = [form.title_field] if form.title_field else []
    out: dict[int, str] = {}
    for start in range(0, len(wanted), CHUNK):
        out |= {r.id: r.title for r in Query(form, actor).get_many(wanted[start : start + CHUNK], keys)}
    return out


def visible_ids(
    form_key: str, ids: Iterable[int], actor: Actor, *, deleted: bool = False, verb: str = "see"
) -> set[int]:
    """Those of ``ids`` that exist and that the actor may see; with ``deleted`` those in the recycle bin; with ``verb`` those
    that are the actor's to ``edit`` or to ``delete``."""
    if actor is not SYSTEM and not permissions.can(actor, "see", form_key):
        return set()
    return {row[0] for row in Query(catalog.get(form_key), actor, deleted, verb)._rows_of(list(ids), [])}
