"""What goes with line items: their form, the table that shows them, and that they come and go with their record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts.actor import Actor, current_actor
from ..core import dialect
from ..core.i18n import LOCALES, label
from . import catalog, query, record_pages, records
from .catalog import Form
from .fields.base import Field, FieldError
from .fields.sub_form import Row, SubForm, put
from .hooks import ANY, Batch, after_write
from .models import FieldLink, FormRow
from .row_inputs import Prefixed

if TYPE_CHECKING:
    from .record_pages import Input

BLANK = "__n__"
"""Stands for the number of a row in the names of the inputs of one that is added."""


class Column(Struct, frozen=True):
    """``total``: the column's sum as text, where it has one; ``summed``: whether it has."""

    field: Field
    editable: bool
    summed: bool
    total: str = ""


class Line(Struct, frozen=True):
    """A row of the table. ``number`` stands in the names of its inputs, ``place`` is what people read. ``cells``: its inputs (or, where there is none, the value's HTML) by column."""

    id: int | None
    number: str
    place: str
    cells: list[Any]
    record: query.Record | None = None


class Grid(Struct):
    """Line items as a table. ``blank``: the row that is added."""

    form: Form
    columns: list[Column]
    rows: list[Line] = field(default_factory=list)
    blank: Line | None = None
    lively: bool = False

    @property
    def wrong(self) -> bool:
        """Whether an input holds something that cannot be saved."""
        return any(cell.error for row in self.rows for cell in row.cells if isinstance(cell, Prefixed))

    @property
    def has_totals(self) -> bool:
        return any(column.summed for column in self.columns)


def _columns(f: SubForm, actor: Actor, verb: str | None) -> list[tuple[Field, bool]]:
    """The fields that the table shows, and whether they are filled in there."""
    child, acting = f.needed(), f.acting(actor)
    seen = query.readable(child, acting)
    clear = query.clear(child, acting)
    return [
        (one, verb is not None and key in clear and record_pages.editable(child, one, acting, verb))
        for key, one in seen.items()
        if key != f.via and not isinstance(one, SubForm) and (verb is None or key in clear)
    ]


def shown(f: SubForm, rows: list[Row]) -> Grid:
    """The rows as the record's page shows them, with totals."""
    columns = []
    for one, _editable in _columns(f, current_actor(), None):
        values = [row.get(one.key) for row in rows]
        known = [value for value in values if isinstance(value, (int, float))]
        summed = f.summed(one.key) and len(known) == len([v for v in values if v is not None])
        columns.append(Column(one, False, summed, one.format(sum(known)) if summed and known else ""))
    lines = [
        Line(row["id"], str(n), str(n + 1), [row.record.cell(c.field.key) for c in columns], row.record)
        for n, row in enumerate(rows)
    ]
    return Grid(f.needed(), columns, lines)


def editable(f: SubForm, one: Input) -> Grid:
    """The table of inputs for what an input holds, typed or saved."""
    actor = current_actor()
    columns = [Column(c, may, f.summed(c.key)) for c, may in _columns(f, actor, "edit")]
    saved = {row["id"]: row for row in one.stored or [] if isinstance(row, Row)}
    grid = Grid(f.needed(), columns, lively=any(not c.editable and c.field.computed for c in columns))
    typed = f.typed(one.value)
    titles = _titles(columns, typed, f.acting(actor))
    for n, row in enumerate(typed):
        grid.rows.append(_line(f, columns, str(n), row, saved.get(_id(row)), bool(one.error), titles))
    grid.blank = _line(f, columns, BLANK, {}, None, False, {})
    return grid


def _id(row: dict[str, Any]) -> int:
    return int(row["id"]) if str(row.get("id") or "").isdecimal() else 0


def _line(
    f: SubForm, columns: list[Column], number: str, typed: dict[str, Any], saved: Row | None, wrong: bool,
    titles: dict[tuple[str, str], str],
) -> Line:  # fmt: skip
    cells: list[Any] = []
    for column in columns:
        c = column.field
        if not column.editable:
            cells.append(saved.record.cell(c.key) if saved else "")
            continue
        fresh = c.form_value(c.default()) if not typed else ""
        value = typed.get(c.key, fresh)
        one = Prefixed(
            c,
            value,
            _wrong(c, value) if wrong else "",
            titles.get((c.key, str(value)), ""),
            prefix=f"{f.key}.{number}.",
        )
        one.stored = saved.get(c.key) if saved else None
        cells.append(one)
    place = str(int(number) + 1) if number.isdecimal() else ""
    return Line(_id(typed) or None, number, place, cells, saved.record if saved else None)


def _wrong(f: Field, value: Any) -> str:
    try:
        stored = f.parse(value)
    except ValueError as error:
        return str(error)
    return " " if f.required and stored in (None, [], {}) else ""


def _titles(columns: list[Column], rows: list[dict[str, Any]], actor: Actor) -> dict[tuple[str, str], str]:
    """Titles of the records that the rows point at, by column and text of the id."""
    found = {}
    for column in columns:
        f = column.field
        if f.type == "relation" and f.points_at:
            ids = {int(row[f.key]) for row in rows if str(row.get(f.key) or "").isdecimal()}
            for record_id, title in query.titles(catalog.get(f.points_at), ids, actor).items():
                found[f.key, str(record_id)] = title
    return found


# -- the rows' own form ---------------------------------------------------------------------------------------------


def install(f: SubForm, form: Form, actor: Actor) -> None:
    """Makes the form of the rows from the field's ``fields``, or brings it up to them."""
    wanted = f.options.get("fields")
    if not wanted:
        _demand_relation(f, form)
        return
    key = f"{form.key}_{f.key}"
    known = catalog.all_forms().get(key)
    if known is not None and (known.part_of is None or known.part_of.form != form.key):
        known = None
    via = _via(form, wanted) if known is None or known.part_of is None else known.part_of.via
    if known is None:
        back = {
            "key": via,
            "type": "relation",
            "label": form.spec_label,
            "form": form.key,
            "required": True,
            "indexed": True,
        }
        name = _name(form.spec_label, f.spec.label)
        first = next((one["key"] for one in wanted if one.get("type", "text") == "text"), None)
        doc = {"key": key, "label": name, "icon": f.icon, "title_field": first, "fields": [back, *wanted]}
        known = catalog.create_form(doc, actor)
        catalog.set_option(known.id, "in_rail", False)
        catalog.set_option(known.id, catalog.PART_OF, {"form": form.key, "field": f.key, "via": via})
    else:
        _bring_up(known, via, wanted, actor)
    catalog.set_field_options(form, f.key, {"form": key, "via": via})


def _name(whole: Any, part: Any) -> Any:
    """Of the form of a field's line items, in each language that one of the two is named in."""
    spoken = sorted({lang for one in (whole, part) if isinstance(one, Mapping) for lang in one} & set(LOCALES))
    if not spoken:
        return f"{label(whole)} · {label(part)}"
    return {
        lang: " · ".join(one if isinstance(one, str) else one.get(lang) or label(one) for one in (whole, part))
        for lang in spoken
    }


def _demand_relation(f: SubForm, form: Form) -> None:
    child = catalog.all_forms().get(str(f.options["form"]))
    if child is None:
        # An app's forms that point at each other are made one by one.
        if not FormRow.get_by_id(form.id).last_id:
            return
        raise FieldError(_("没有「%(key)s」这个表单。", key=f.options["form"]))
    points = [one for one in child.fields.values() if one.points_at == form.key and one.column]
    if not points or f.options.get("via", points[0].key) not in {one.key for one in points}:
        raise FieldError(_("「%(child)s」没有指向「%(form)s」的关联字段。", child=child.label, form=form.label))


def _via(form: Form, wanted: list[dict[str, Any]]) -> str:
    taken = {one.get("key") for one in wanted}
    return next(key for key in (form.key, "parent", "parent_record") if key not in taken)


def _bring_up(child: Form, via: str, wanted: list[dict[str, Any]], actor: Actor) -> None:
    for doc in wanted:
        current = child.fields.get(str(doc.get("key")))
        if current is None:
            catalog.add_field(catalog.get(child.key), doc, actor)
        elif any(current.spec.document().get(name) != value for name, value in doc.items()):
            catalog.update_field(catalog.get(child.key), current.key, doc, actor)
    keep = {via, *(doc.get("key") for doc in wanted)}
    for key in [key for key in child.fields if key not in keep]:
        catalog.delete_field(catalog.get(child.key), key, actor)


# -- coming and going -----------------------------------------------------------------------------------------------


@after_write(ANY)
def take_along(batch: Batch) -> None:
    """Rows are deleted with their record, and come back with it."""
    if batch.action not in ("delete", "restore"):
        return
    for f in batch.form.links.values():
        if isinstance(f, SubForm) and f.child is not None:
            actor = Actor(id=batch.actor.id, name=batch.actor.name, login=batch.actor.login, is_admin=True, role_ids=())
            if batch.action == "delete":
                held = f.load(batch.ids)
                for record_id, rows in held.items():
                    put(f.field_id, record_id, [row["id"] for row in rows])
                gone = [row["id"] for rows in held.values() for row in rows]
                records.delete_many(f.child, gone, actor, batch.cause)
            else:
                mine = (FieldLink.field_id == f.field_id) & dialect.among(FieldLink.record_id, batch.ids)
                back = [i for (i,) in FieldLink.select(FieldLink.value).where(mine).tuples()]
                records.restore_many(f.child, back, actor, batch.cause)
