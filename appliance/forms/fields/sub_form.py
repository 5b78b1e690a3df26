"""Line items: rows of a record that are records of another form, filled in as one table and saved with it.

The rows belong to a form that already points here (``"form": "order_item", "via": "order"``), or to one that is made for
them from ``"fields": […]``. Either way they are ordinary records: everything that is written goes through ``records``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import peewee
from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from ...accounts.actor import SYSTEM, Actor, maybe_actor
from ...core import dialect
from ...core.errors import FieldErrors
from ..hooks import UNSET, Cause
from ..models import Change, FieldLink
from .base import FieldError, Setting, Spec
from .link import LinkField
from .number import Money, Number, Percent

if TYPE_CHECKING:
    from ..catalog import Form
    from ..conditions import Context
    from ..hooks import Draft
    from ..query import Record
    from ..sub_forms import Grid

MOST = 500
IN_CELL = 60


class Row(dict[str, Any]):
    """A line item as its reader sees it: ``id`` and stored values by key; ``record`` shows them."""

    record: Record


class Plan(list[dict[str, Any]]):
    """The rows to be written, with what :meth:`SubForm.check` found out: who writes, what is there now and may go."""

    actor: Actor
    seen: list[int]
    kept: list[int]


class SubForm(LinkField):
    """A stored value is a list of rows: ``{"id", <field>: stored value, …}``. Writing a list makes the rows exactly these:
    those with an ``id`` are changed, those without are made, those that are not named are deleted."""

    type = "sub_form"
    name = _l("明细")
    icon = "list-details"
    group = "relation"
    operators = ("empty", "not_empty")
    value_input = "none"
    input_template = "forms/fields/sub_form.html"
    written = False
    can_be_unique = False
    can_be_indexed = False
    moves_along = True
    child: Form | None = None
    parent: Form | None = None
    via: str = ""
    """The field of the rows' form that points here."""

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("form", "form", _l("明细是哪个表单的记录"), help=_l("留空时用下面的栏目新建一个。")),
            Setting("via", "field", _l("那个表单里指向这里的关联字段")),
            Setting("fields", "fields", _l("栏目")),
            Setting("totals", "fields", _l("有合计的栏目"), help=_l("留空时数字栏都有合计，单价除外。")),
            Setting("max_rows", "number", _l("最多几行"), start=200),
        )

    def __init__(self, spec: Spec) -> None:
        self.field_id = spec.id
        super().__init__(spec)

    def check_options(self) -> None:
        fields = self.options.get("fields")
        if fields is not None and not (isinstance(fields, list) and all(isinstance(one, dict) for one in fields)):
            raise FieldError(_("「%(field)s」的栏目要是一列字段定义。", field=self.label))
        if any(one.get("type") == "sub_form" for one in fields or []):
            raise FieldError(_("「%(field)s」的栏目里不能再有明细。", field=self.label))
        if not fields and not isinstance(self.options.get("form"), str):
            raise FieldError(_("「%(field)s」要指明明细的表单，或给出它的栏目。", field=self.label))
        totals = self.options.get("totals")
        if totals is not None and not (isinstance(totals, list) and all(isinstance(one, str) for one in totals)):
            raise FieldError(_("「%(field)s」有合计的栏目要是一列字段键名。", field=self.label))
        most = self.options.get("max_rows") or 200
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MOST:
            raise FieldError(_("「%(field)s」的行数要是 1 到 %(max)d 的整数。", field=self.label, max=MOST))
        self.most = most

    def bind(self, form: Any, forms: dict[str, Any]) -> None:
        """Finds the form of the rows and the field by which they point here."""
        child = forms.get(str(self.options.get("form")))
        points = [f.key for f in child.fields.values() if f.points_at == form.key and f.column] if child else []
        via = self.options.get("via") or next(iter(points), "")
        self.parent, self.child, self.via = (form, child, str(via)) if via in points else (form, None, "")

    def installed(self, form: Any, actor: Any) -> None:
        from ...core.errors import UserError
        from .. import sub_forms

        try:
            sub_forms.install(self, form, actor)
        except FieldError as error:
            raise UserError(str(error), self.key) from error

    @property
    def wide(self) -> bool:
        return True

    @property
    def owned(self) -> bool:
        """Whether the rows' form exists only for this field: who may use the field may use the rows."""
        return self.child is not None and self.child.part_of is not None

    def acting(self, actor: Actor) -> Actor:
        """As whom the rows are read and written."""
        if actor is SYSTEM or not self.owned:
            return actor
        return Actor(id=actor.id, name=actor.name, login=actor.login, is_admin=True, role_ids=())

    def needed(self) -> Form:
        if self.child is None:
            raise FieldError(_("「%(field)s」的明细表单不在了，请在设计器里修改。", field=self.label))
        return self.child

    def input_scripts(self) -> tuple[str, ...]:
        own = [name for f in self.child.fields.values() for name in f.input_scripts()] if self.child else []
        return ("sub_form.js", *own)

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse(self, raw: Any) -> Any:
        if raw is None or raw in ("", []):
            return []
        if isinstance(raw, str):
            raw = _opened(raw)
        if not isinstance(raw, list) or not all(isinstance(row, dict) for row in raw):
            raise FieldError(_("明细要写成一列行，每行是一个对象。"))
        if len(raw) > self.most:
            raise FieldError(_("最多 %(max)d 行，现在有 %(now)d 行。", max=self.most, now=len(raw)))
        problems: list[str] = []
        rows = [self._row(row, n, problems) for n, row in enumerate(raw)]
        if problems:
            raise FieldError(_("；").join(problems[:5]))
        return rows

    def _row(self, raw: dict[str, Any], n: int, problems: list[str]) -> dict[str, Any]:
        child, row = self.needed(), {}
        record_id = raw.get("id")
        if record_id not in (None, "", 0):
            if isinstance(record_id, str) and record_id.isdecimal():
                record_id = int(record_id)
            if isinstance(record_id, bool) or not isinstance(record_id, int):
                problems.append(_("第 %(n)d 行的编号不对。", n=n + 1))
            row["id"] = record_id
        for key, value in raw.items():
            f = child.fields.get(key)
            if key == "id" or key == self.via or (f is not None and f.readonly):
                continue
            if f is None:
                problems.append(place(n, _("没有字段「%(key)s」。", key=key)))
                continue
            try:
                row[key] = f.parse(value)
            except ValueError as error:
                problems.append(place(n, str(error), f.label))
        return row

    def to_api(self, value: Any) -> Any:
        return [self._document(row) for row in value or []]

    def _document(self, row: dict[str, Any]) -> dict[str, Any]:
        from ..query import Masked

        fields = self.child.fields if self.child else {}
        doc: dict[str, Any] = {}
        for key, value in row.items():
            if isinstance(value, Masked):
                doc[key] = str(value)
            else:
                doc[key] = fields[key].to_api(value) if key in fields else value
        return doc

    def form_value(self, value: Any) -> str:
        """What the inputs hold, as JSON."""
        if not value or self.child is None:
            return ""
        inputs = {key: f for key, f in self.child.fields.items() if key != self.via and not f.readonly}
        rows = [
            {"id": row.get("id") or 0} | {key: f.form_value(row[key]) for key, f in inputs.items() if key in row}
            for row in value
        ]
        return json.dumps(rows, ensure_ascii=False)

    def from_form(self, given: Any) -> Any:
        """The rows in the order in which the page had them; those in which nothing was filled in are left out."""
        from .. import row_inputs

        prefix = f"{self.key}."
        numbers = dict.fromkeys(
            name[len(prefix) :].partition(".")[0] for name in given if name.startswith(prefix) and name.count(".") > 1
        )
        fields = list(self.child.fields.values()) if self.child else []
        untouched: dict[str, tuple[Any, ...]] = {f.key: ("", None, [], f.form_value(f.default())) for f in fields}
        rows = []
        for number in numbers:
            if not number.isdecimal():
                continue
            row = row_inputs.read(given, f"{prefix}{number}.", fields)
            record_id = given.get(f"{prefix}{number}.id", "")
            if record_id or any(value not in untouched[key] for key, value in row.items()):
                rows.append({"id": record_id} | row)
        return rows

    def schema(self) -> dict[str, Any]:
        from .. import catalog

        child = self.child or catalog.all_forms().get(str(self.options.get("form")))
        fields = child.fields.values() if child else ()
        row = {
            f.key: f.schema() | {"title": f.label} for f in fields if not isinstance(f, SubForm) and f.key != self.via
        }
        return {
            "type": ["array", "null"],
            "maxItems": self.most,
            "items": {"type": "object", "properties": {"id": {"type": "integer"}, **row}},
        }

    # -- on pages -----------------------------------------------------------------------------------------------

    def words(self, op: str, value: Any) -> str:
        return f"{self.label} {self.operator_word(op)}"

    def _summary(self) -> list[str]:
        """The fields that tell a row in a few words: what it is, and how many."""
        if self.child is None:
            return []
        fields = {key: f for key, f in self.child.fields.items() if f.column and key != self.via}
        first = self.child.title_field if self.child.title_field in fields else None
        first = first or next((key for key, f in fields.items() if f.points_at), None)
        first = first or next((key for key, f in fields.items() if not isinstance(f, Number)), None)
        counts = [k for k, f in fields.items() if isinstance(f, Number) and not isinstance(f, (Money, Percent))]
        count = next((key for key in counts if key != first), None)
        return [key for key in (first, count) if key]

    def told(self, record: Record) -> str:
        """A row in a few words: ``商品A × 2``."""
        return " × ".join(text for key in self._summary() if key in record.values and (text := record.text(key)))

    def text(self, value: Any, record: Any) -> str:
        return "; ".join(filter(None, (self.told(row.record) for row in value or [])))

    def format(self, value: Any) -> str:
        """Rows of a Change as far as the reader may see what they say; else how many."""
        rows = value if isinstance(value, list) else []
        if not rows:
            return ""
        made = self._made_as([row["id"] for row in rows if "text" not in row and "id" in row])
        texts = [self._told_change({"text": made[row["id"]]} if row.get("id") in made else row) for row in rows]
        return "; ".join(texts) if all(texts) else _("%(count)d 行", count=len(rows))

    def _made_as(self, ids: list[int]) -> dict[int, str]:
        """Rows in a few words as they were made: the Change of a new record names them by their ids only."""
        from .. import catalog, query

        if not ids or self.child is None:
            return {}
        keys, reader = self._summary(), maybe_actor() or SYSTEM
        mine = (Change.form_id == self.child.id) & (Change.action == "create") & dialect.among(Change.record_id, ids)
        values = dict(Change.select(Change.record_id, Change.fields).where(mine).tuples())
        texts: dict[int, list[str]] = {record_id: [] for record_id in values}
        for key in keys:
            f = self.child.fields[key]
            held = {record_id: row[key] for record_id, row in values.items() if row.get(key) is not None}
            titles = query.titles(catalog.get(f.points_at), set(held.values()), reader) if f.points_at else None
            for record_id, value in held.items():
                texts[record_id].append(f.format(value) if titles is None else titles.get(value, _("不可见")))
        return {record_id: " × ".join(parts) for record_id, parts in texts.items() if parts}

    def _told_change(self, row: dict[str, Any]) -> str:
        from .. import query

        reader = self.acting(maybe_actor() or SYSTEM)
        if self.child is None or "text" not in row:
            return ""
        clear = query.clear(self.child, reader)
        if not all(key in clear for key in self._summary()):
            return ""
        cells = [f"{clear[key].label} {text}" for key, text in row.get("cells", {}).items() if key in clear]
        return row["text"] + (_("（%(text)s）", text=_("，").join(cells)) if cells else "")

    def render(self, value: Any, record: Any = None) -> Markup:
        if not value or record is None:
            return Markup("")
        text = self.text(value, record)
        short = text if len(text) <= IN_CELL else text[:IN_CELL] + "…"
        return Markup('<span class="num">{}</span> <span title="{}">{}</span>').format(
            _("%(count)d 行", count=len(value)), text, short
        )

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        if record is None or self.child is None:
            return Markup("")
        if not value:
            return escape("")
        from .. import sub_forms

        return Markup(render_template("forms/_rows.html", grid=sub_forms.shown(self, value), field=self))  # nosec B704: a template

    def grid(self, one: Any) -> Grid:
        """The table of inputs for what an input holds."""
        from .. import sub_forms

        return sub_forms.editable(self, one)

    def typed(self, value: Any) -> list[dict[str, Any]]:
        """The rows of what an input holds: text by key."""
        if isinstance(value, str):
            try:
                return _opened(value) if value else []
            except FieldError:
                return []
        return [row for row in value or [] if isinstance(row, dict)]

    # -- conditions ---------------------------------------------------------------------------------------------

    def compile(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "empty":
            return dialect.negate(self.compile_positive(column, "not_empty", value, ctx))
        return super().compile(column, op, value, ctx)

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        from msgspec.structs import replace

        from .. import conditions

        if self.child is None:
            return peewee.Value(1) == 0
        child = self.child
        inner = replace(ctx.inner(), actor=SYSTEM) if self.owned else ctx.inner()
        rows = conditions.alias(child, inner)
        via = child.col(self.via, rows)
        inside = conditions.live(child, rows, inner) & via.is_null(False)
        return column.in_(rows.select(via).where(inside))

    # -- storage ------------------------------------------------------------------------------------------------

    def _read(self, ids: Sequence[int], actor: Actor) -> dict[int, list[Row]]:
        """The rows of each record that ``actor`` may see, in their order."""
        from ...core.errors import NotFound
        from .. import query

        found: dict[int, list[Row]] = defaultdict(list)
        if self.child is None or not ids:
            return found
        try:
            asked = query.Query(self.child, self.acting(actor))
        except NotFound:
            return found
        places = _places(self.field_id, ids)
        inside = dialect.among(self.child.col(self.via), list(ids))
        seen = query.readable(self.child, self.acting(actor))
        if self.via not in seen:
            return found
        for record in asked.only(inside).sort("id").each():
            row = Row({"id": record.id} | {k: v for k, v in record.values.items() if k != self.via})
            row.record = record
            found[record.values[self.via]].append(row)
        for rows in found.values():
            rows.sort(key=lambda row: (places.get(row["id"], MOST), row["id"]))
        return found

    def fill(self, records: Sequence[Record], actor: Actor) -> None:
        found = self._read([record.id for record in records], actor)
        for record in records:
            record.values[self.key] = found.get(record.id, [])

    def load(self, ids: Iterable[int]) -> dict[int, Any]:
        return dict(self._read(list(ids), SYSTEM))

    def check(self, draft: Draft, values: list[Any]) -> None:
        """Holds the rows to the rules of their own form; what is wrong is told by row and field."""
        named = [i for i, value in enumerate(values) if value is not UNSET]
        held = self._read([draft.ids[i] for i in named], draft.actor) if draft.ids else {}
        every = self.load([draft.ids[i] for i in named]) if draft.ids else {}
        made: list[tuple[int, int, dict[str, Any]]] = []
        changed: list[tuple[int, int, dict[str, Any]]] = []
        for i in named:
            plan = Plan(self._plain(row, new=draft.ids is None) for row in values[i] or [])
            record_id = draft.ids[i] if draft.ids else 0
            plan.actor = self.acting(draft.actor)
            plan.seen = [row["id"] for row in held.get(record_id, [])]
            plan.kept = [row["id"] for row in every.get(record_id, []) if row["id"] not in plan.seen]
            ids = [row["id"] for row in plan if "id" in row]
            for n, row in enumerate(plan):
                if "id" in row and (row["id"] not in plan.seen or ids.count(row["id"]) > 1):
                    draft.fail(i, self.key, place(n, _("没有这一行了，请刷新后再改。")))
                elif "id" in row:
                    changed.append((i, n, row))
                else:
                    made.append((i, n, row))
            values[i] = plan
        if made or changed:
            self._refuse(draft, made, None)
            self._refuse(draft, changed, [row["id"] for _i, _n, row in changed])

    def _plain(self, row: dict[str, Any], new: bool) -> dict[str, Any]:
        """The row without what is not written; those of a new record are new, wherever they were copied from."""
        from ..query import Masked

        fields = self.needed().fields
        return {
            key: value
            for key, value in row.items()
            if not isinstance(value, Masked)
            and (not new if key == "id" else key in fields and not fields[key].readonly)
        }

    def _refuse(self, draft: Draft, rows: list[tuple[int, int, dict[str, Any]]], ids: list[int] | None) -> None:
        from .. import records

        child, actor = self.needed(), self.acting(draft.actor)
        errors = records.problems(child, [_values(row) for _i, _n, row in rows], actor, draft.cause, ids)
        told: dict[int, list[str]] = defaultdict(list)
        for k, found in sorted(errors.items()):
            i, n, _row = rows[k]
            for key, message in found.items():
                if key != self.via:
                    told[i].append(place(n, message, child.fields[key].label if key in child.fields else ""))
        for i, messages in told.items():
            draft.fail(i, self.key, _("；").join(messages[:5]))

    def write(self, values: dict[int, Any], actor_id: int | None, cause: Cause) -> dict[int, Any]:
        from .. import query, records

        child = self.needed()
        plans = {record_id: plan for record_id, plan in values.items() if isinstance(plan, Plan)}
        if not plans:
            return {}
        actor = next(iter(plans.values())).actor
        gone = [(r, i) for r, p in plans.items() for i in p.seen if i not in {row.get("id") for row in p}]
        changed = {row["id"]: (r, row) for r, plan in plans.items() for row in plan if "id" in row}
        made = [(r, row) for r, plan in plans.items() for row in plan if "id" not in row]
        deltas: dict[int, Any] = defaultdict(lambda: {"add": [], "remove": []})
        before = self._told([i for _r, i in gone] + list(changed))
        old = {one.id: one for one in query.Query(child, SYSTEM).get_many(list(changed))}
        if gone:
            records.delete_many(child, [i for _r, i in gone], actor, cause)
            for r, i in gone:
                deltas[r]["remove"].append({"id": i, "text": before[i]})
        if changed:
            rows = {i: _values(row) for i, (_r, row) in changed.items()}
            written = records.update_many(child, rows, actor, cause, parsed=True)
            self._demand(written)
            new = {one.id: one for one in query.Query(child, SYSTEM).get_many(sorted(written.changed))}
            for i in sorted(written.changed):
                told = {"id": i, "text": before[i]}, {"id": i, "text": self.told(new[i])}
                for side, one in zip(told, (old[i], new[i]), strict=True):
                    side["cells"] = self._cells(one, old[i], new[i])
                deltas[changed[i][0]]["remove"].append(told[0])
                deltas[changed[i][0]]["add"].append(told[1])
        if made:
            created = records.create_many(
                child, [_values(row) | {self.via: r} for r, row in made], actor, cause, parsed=True
            )
            self._demand(created)
            after = self._told([i for i in created.ids if i is not None])
            for (r, row), new_id in zip(made, created.ids, strict=True):
                assert new_id is not None
                row["id"] = new_id
                deltas[r]["add"].append({"id": new_id, "text": after[new_id]})
        for record_id, plan in plans.items():
            put(self.field_id, record_id, [row["id"] for row in plan] + plan.kept)
        return {r: {key: some for key, some in delta.items() if some} for r, delta in deltas.items()}

    def _demand(self, written: Any) -> None:
        # ``check`` has refused what is wrong; what is left is another's row within the same moment.
        if written.errors:
            raise FieldErrors({self.key: next(iter(next(iter(written.errors.values())).values()))})

    def _told(self, ids: list[int]) -> dict[int, str]:
        from .. import query

        return {one.id: self.told(one) for one in query.Query(self.needed(), SYSTEM).get_many(ids)}

    def _cells(self, one: Record, old: Record, new: Record) -> dict[str, str]:
        """What differs besides what the summary says."""
        keys = [k for k in new.values if k not in (*self._summary(), self.via) and old.values.get(k) != new.values[k]]
        return {key: one.text(key) for key in keys}

    def created(self, record_id: Any) -> Any:
        child = self.needed()
        rows = child.table.alias("rows")
        mine = (child.col(self.via, rows) == record_id) & child.col("deleted_at", rows).is_null()
        listed = rows.select(dialect.json_list(dialect.json_object([("id", child.col("id", rows))]))).where(mine)
        return dialect.as_json(listed)

    def purged(self, ids: list[int]) -> None:
        """The records are gone for good: so are their rows, those in the recycle bin too."""
        from ...core.db import db
        from .. import purging, records

        if self.child is not None:
            child, inside = self.child, dialect.among(self.child.col(self.via), ids)
            rows = [row[0] for row in child.table.select(child.col("id")).where(inside).tuples().execute(db)]
            records.delete_many(child, rows, SYSTEM, Cause("system"))
            purging.purge(child, rows, SYSTEM)
        FieldLink.delete().where(FieldLink.field_id == self.field_id, dialect.among(FieldLink.record_id, ids)).execute()

    # -- totals -------------------------------------------------------------------------------------------------

    def summed(self, key: str) -> bool:
        """Whether the column has a total."""
        f = self.child.fields.get(key) if self.child else None
        named = self.options.get("totals")
        if (key not in named) if isinstance(named, list) else key.endswith("price"):
            # Prices of one piece add up to nothing, unless somebody asks for it.
            return False
        inner = f.inner if f is not None else None
        return isinstance(inner, Number) and not isinstance(inner, Percent) and "sum" in inner.aggregates


def place(n: int, message: str, label: str = "") -> str:
    """``第 2 行 · 数量：请填写…``."""
    if label:
        return _("第 %(n)d 行 · %(field)s：%(message)s", n=n + 1, field=label, message=message)
    return _("第 %(n)d 行：%(message)s", n=n + 1, message=message)


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "id"}


def _opened(text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError:
        rows = None
    if not isinstance(rows, list):
        raise FieldError(_("明细要写成一列行，每行是一个对象。"))
    return [row for row in rows if isinstance(row, dict)]


def _places(field_id: int | None, ids: Sequence[int]) -> dict[int, int]:
    mine = (FieldLink.field_id == field_id) & dialect.among(FieldLink.record_id, list(ids))
    return dict(FieldLink.select(FieldLink.value, FieldLink.position).where(mine).tuples())


def put(field_id: int | None, record_id: int, order: list[int]) -> None:
    """Keeps the order of a record's rows (and which they are, should the record be deleted)."""
    FieldLink.delete().where(FieldLink.field_id == field_id, FieldLink.record_id == record_id).execute()
    rows = [
        {"field_id": field_id, "record_id": record_id, "value": row_id, "position": n} for n, row_id in enumerate(order)
    ]
    if rows:
        FieldLink.insert_many(rows).execute()
