"""Links to several records of a form. ``field_link`` holds them, indexed both ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ..hooks import UNSET
from ..models import FieldLink
from .base import FieldError
from .many import DELTA, LIMIT, ManyValues
from .relation import Pointing, find_reference, read_reference

if TYPE_CHECKING:
    from ...accounts.actor import Actor
    from ..catalog import Form
    from ..conditions import Context
    from ..hooks import Draft
    from ..query import Record


class Relations(Pointing, ManyValues):
    """A stored value is a list of ids of records of the form ``form``; each is given as an id or as
    ``{"<unique field>": value}``.

    A link to a record that was deleted, or that its reader may not see, is not shown and not lost: who writes the list
    writes the links that they see.
    """

    type = "relations"
    name = _l("关联多条记录")
    icon = "topology-star"
    group = "relation"
    model = FieldLink
    value_input = "relation"
    input_template = "forms/fields/relations.html"
    scripts = ("relations.js",)

    def naming(self, record_id: int) -> dict[str, Any]:
        return {"field": self.key, "op": "has_any", "value": [record_id]}

    def linked(self, held: Any, record_id: int) -> Any:
        return [*(held or []), record_id]

    def unlinked(self, held: Any, record_id: int) -> Any:
        return [one for one in held or [] if one != record_id]

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse_item(self, raw: Any) -> Any:
        return read_reference(raw)

    def parse(self, raw: Any) -> Any:
        if isinstance(raw, dict) and not (raw and raw.keys() <= DELTA):
            raw = [raw]
        return super().parse(raw)

    def _items(self, raw: Any) -> list[Any]:
        if isinstance(raw, str):
            raw = self.split(raw)
        elif not isinstance(raw, (list, tuple)):
            raw = [raw]
        found: list[Any] = []
        for one in raw:
            item = self.parse_item(one)
            if item is not None and item not in found:
                found.append(item)
        if len(found) > LIMIT:
            raise FieldError(_("最多 %(max)d 项，现在有 %(now)d 项。", max=LIMIT, now=len(found)))
        return found

    def format(self, value: Any) -> str:
        """Without a reader nobody knows the titles."""
        if isinstance(value, dict):
            return " ".join(
                sign + str(len(value[key])) for key, sign in (("add", "+"), ("remove", "−")) if value.get(key)
            )
        return _("%(count)d 条", count=len(value)) if value else ""

    def text(self, value: Any, record: Any) -> str:
        return _("、").join(record.titles.get((self.key, one), "") for one in value or [])

    def render(self, value: Any, record: Any = None) -> Markup:
        if not value or record is None:
            return Markup("")
        link = Markup('<a class="tag tag-gray" href="/forms/{}/records/{}">{}</a>')
        titles = [(one, record.titles.get((self.key, one))) for one in value]
        return Markup(" ").join(link.format(self.target, one, title) for one, title in titles if title is not None)

    def titles(self, ids: Iterable[Any]) -> dict[str, str]:
        """Titles of what an input holds, by the text of the id; for the person who asks."""
        from ...accounts.actor import current_actor
        from .. import catalog, query

        wanted = [int(i) for i in ids if str(i).isdecimal()]
        return {str(i): t for i, t in query.titles(catalog.get(self.target), wanted, current_actor()).items()}

    def item_schema(self) -> dict[str, Any]:
        return {"type": ["integer", "object"]}

    # -- reading ------------------------------------------------------------------------------------------------

    def fill(self, records: Sequence[Record], actor: Actor) -> None:
        from .. import catalog, query

        loaded = self.load([record.id for record in records]) if records else {}
        wanted = {one for values in loaded.values() for one in values}
        titles = query.titles(catalog.get(self.target), wanted, actor) if wanted else {}
        for record in records:
            record.values[self.key] = [one for one in loaded.get(record.id, []) if one in titles]
            for one in record.values[self.key]:
                record.titles[self.key, one] = titles[one]

    # -- conditions ---------------------------------------------------------------------------------------------

    def operand(self, value: Any, ctx: Context) -> Any:
        return find_reference(self.target, self.parse_item(value), ctx)

    def compile_unsaved(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        ids = [self.operand(one, ctx) for one in value] if isinstance(value, list) else value
        return super().compile_unsaved(column, op, ids, ctx)

    def _holders(self, column: Any, values: list[Any] | None, ctx: Context) -> Any:
        """Only links to records that are there, and that the condition's author sees, count."""
        held = FieldLink.alias(f"held{ctx.level}")
        inside = (held.field_id == self.field_id) & self._alive(held.value, ctx)
        if values is not None:
            inside &= held.value.in_(values)
        if ctx.whole:
            return column.in_(held.select(held.record_id).where(inside))
        return peewee.fn.EXISTS(held.select(peewee.Value(1)).where((held.record_id == column) & inside))

    def counted(self, held: Any, ctx: Context) -> Any:
        return self._alive(held.value, ctx)

    def _alive(self, column: Any, ctx: Context) -> Any:
        from .. import catalog, conditions

        form, inner = catalog.get(self.target), ctx.inner()
        other = conditions.alias(form, inner)
        there = (form.col("id", other) == column) & conditions.live(form, other, inner)
        return peewee.fn.EXISTS(other.select(peewee.Value(1)).where(there))

    def pointing(self, form: Form, source: Any, targets: Any) -> Any:
        """An expression: the record in ``source`` points at one of ``targets`` (a select of ids)."""
        held = FieldLink.alias()
        linked = held.select(held.record_id).where((held.field_id == self.field_id) & held.value.in_(targets))
        return form.col("id", source).in_(linked)

    def pairs(self, form: Form, source: Any) -> tuple[Any, Any]:
        """``source`` so that each row is a record with one that it points at, and the column with that one's id."""
        held = FieldLink.alias()
        on = (held.record_id == form.col("id", source)) & (held.field_id == self.field_id)
        return source.join(held, on=on), held.value

    # -- storage ------------------------------------------------------------------------------------------------

    def check(self, draft: Draft, values: list[Any]) -> None:
        """Turns references into ids; what the writer does not see of the old links stays."""
        from .. import query

        named = [i for i, value in enumerate(values) if value is not UNSET]
        for i in named:
            values[i] = [] if values[i] is None else values[i]
        self._resolve(draft, values, named)
        given = {one for i in named for part in _lists(values[i]) for one in part if isinstance(one, int)}
        held = self.load([draft.ids[i] for i in named]) if draft.ids else {}
        known = given | {one for old in held.values() for one in old}
        seen = query.visible_ids(self.target, known, draft.actor) if known else set()
        for i in named:
            old = held.get(draft.ids[i], []) if draft.ids else []
            adding = values[i].get("add", []) if isinstance(values[i], dict) else values[i]
            for one in adding:
                if one not in seen:
                    draft.fail(i, self.key, _("没有编号为 %(id)s 的记录。", id=one))
            if not isinstance(values[i], dict):
                values[i] = [*values[i], *(one for one in old if one not in seen and one not in values[i])]
        super().check(draft, values)

    def _resolve(self, draft: Draft, values: list[Any], named: list[int]) -> None:
        from .. import relations

        places = [
            (i, part, n)
            for i in named
            for part in _lists(values[i])
            for n, one in enumerate(part)
            if isinstance(one, dict)
        ]
        if not places:
            return
        ids, errors = relations.resolve(self.target, [part[n] for _i, part, n in places], draft)
        for k, (i, part, n) in enumerate(places):
            part[n] = ids[k]
            if k in errors:
                draft.fail(i, self.key, errors[k])
        for i in named:
            for part in _lists(values[i]):
                part[:] = [one for n, one in enumerate(part) if one is not None and one not in part[:n]]


def _lists(value: Any) -> list[list[Any]]:
    return list(value.values()) if isinstance(value, dict) else [value]
