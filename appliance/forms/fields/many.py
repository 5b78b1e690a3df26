"""Fields that hold several values, each a row of one generic link table that is indexed both ways."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import peewee
from flask_babel import gettext as _
from markupsafe import Markup, escape

from ...core import dialect
from ...core.db import PARAM, Statement
from ..models import FieldLink, FieldValue
from .base import FieldError, Spec
from .link import LinkField

if TYPE_CHECKING:
    from ..conditions import Context
    from ..hooks import Cause, Draft

DELTA = {"add", "remove"}
SEPARATORS = re.compile(r"[,，、;；|\n\r]+")
LIMIT = 200
"""Values a record can hold in one such field."""
COMMON = 5_000
"""Values held by more records than this are asked for record by record, rarer ones by their holders."""


def _statements(model: Any) -> tuple[Statement, Statement, Statement]:
    """Reading, adding and taking away; the field's id comes first."""
    mine = (model.field_id == PARAM) & dialect.any_of(model.record_id, PARAM)
    columns = [model.field_id, model.record_id, model.value, model.position]
    return (
        Statement(model.select(model.record_id, model.value).where(mine).order_by(model.record_id, model.position)),
        Statement(peewee.Insert(model, insert=[(PARAM,) * len(columns)], columns=columns)),
        Statement(model.delete().where(mine)),
    )


_STATEMENTS = {model: _statements(model) for model in (FieldValue, FieldLink)}


class ManyValues(LinkField):
    """A stored value is a list of what :meth:`parse_item` gives, in the order in which it was given.

    Written as a list, the record holds exactly these; as ``{"add": […], "remove": […]}`` only what it names changes.
    A type says how one value is read, shown and printed; ``model`` is :class:`FieldLink` when values are ids.
    """

    model: ClassVar[Any] = FieldValue
    operators = ("has_any", "has_all", "has_none", "empty", "not_empty")
    rules = ("min", "max")
    can_be_unique = False
    can_be_indexed = False
    gathers = False

    def __init__(self, spec: Spec) -> None:
        self.field_id = spec.id
        super().__init__(spec)

    # -- one value ----------------------------------------------------------------------------------------------

    def parse_item(self, raw: Any) -> Any:
        """One value; ``None`` for a blank one. Raises :class:`FieldError`."""
        raise NotImplementedError

    def format_item(self, value: Any) -> str:
        return str(value)

    def render_item(self, value: Any) -> Markup:
        return Markup('<span class="tag tag-gray">{}</span>').format(self.format_item(value))

    def item_to_api(self, value: Any) -> Any:
        return value

    def split(self, text: str) -> list[str]:
        """The parts of a cell that holds several values."""
        return text.split("\n") if "\n" in text else SEPARATORS.split(text)

    def ordered(self, values: list[Any]) -> list[Any]:
        """A record's values as they are shown."""
        return values

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse(self, raw: Any) -> Any:
        if raw is None or raw == "":
            return []
        if isinstance(raw, dict) and raw and raw.keys() <= DELTA:
            return {key: self._items(given) for key, given in raw.items()}
        return self._items(raw)

    def _items(self, raw: Any) -> list[Any]:
        if isinstance(raw, str):
            raw = self.split(raw)
        elif not isinstance(raw, (list, tuple)):
            raw = [raw]
        found = dict.fromkeys(self.parse_item(one) for one in raw)
        found.pop(None, None)
        if len(found) > LIMIT:
            raise FieldError(_("最多 %(max)d 项，现在有 %(now)d 项。", max=LIMIT, now=len(found)))
        return self.ordered(list(found))

    def limit(self, name: str, raw: Any) -> Any:
        # "min" and "max" of such a field count its values.
        if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= LIMIT:
            raise FieldError(_("项数要是 0 到 %(max)d 之间的整数。", max=LIMIT))
        return raw

    def measure(self, value: Any) -> Any:
        return len(value) if isinstance(value, list) and value else None

    def limit_words(self, name: str, limit: Any) -> str:
        if name == "min":
            return _("至少选 %(count)d 项。", count=limit)
        return _("最多选 %(count)d 项。", count=limit)

    def to_api(self, value: Any) -> Any:
        return [self.item_to_api(one) for one in value or []]

    def format(self, value: Any) -> str:
        if isinstance(value, dict):
            signs = {"add": "+", "remove": "−"}
            return _("、").join(signs[k] + self.format_item(v) for k in signs for v in value.get(k, []))
        return _("、").join(self.format_item(one) for one in value or [])

    def render(self, value: Any, record: Any = None) -> Markup:
        if isinstance(value, dict):
            return escape(self.format(value))
        return Markup(" ").join(self.render_item(one) for one in value or [])

    def form_value(self, value: Any) -> str:
        return "\n".join(str(one) for one in value or [])

    def chosen(self, typed: Any) -> list[str]:
        """What an input held, as the text of its values (it may be the one that was refused)."""
        items = typed if isinstance(typed, list) else str(typed or "").split("\n")
        return [str(one) for one in items if one not in (None, "")]

    def schema(self) -> dict[str, Any]:
        items = self.item_schema()
        delta = {"type": "object", "properties": {key: {"type": "array", "items": items} for key in sorted(DELTA)}}
        return {"anyOf": [{"type": ["array", "null"], "items": items}, delta]}

    def item_schema(self) -> dict[str, Any]:
        return {"type": "string"}

    # -- groups -------------------------------------------------------------------------------------------------

    @property
    def groupable(self) -> bool:
        return True

    def spread(self, source: Any, row_id: Any, alias: str, ctx: Context) -> tuple[Any, Any]:
        held = self.model.alias(alias)
        on = (held.record_id == row_id) & (held.field_id == self.field_id)
        counted = self.counted(held, ctx)
        return source.join(held, peewee.JOIN.LEFT_OUTER, on=on if counted is None else on & counted), held.value

    def counted(self, held: Any, ctx: Context) -> Any:
        """An expression over rows of ``model``: they are values that the person knows of; ``None``: all are."""
        return None

    def group_text(self, value: Any) -> str:
        return self.format_item(value)

    def group_to_api(self, value: Any) -> Any:
        return self.item_to_api(value)

    def group_test(self, value: Any) -> dict[str, Any]:
        return {"op": "has_any", "value": [self.item_to_api(value)]}

    # -- conditions ---------------------------------------------------------------------------------------------

    def operand(self, value: Any, ctx: Context) -> Any:
        return self.parse_item(value)

    def compile(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "empty":
            return dialect.negate(self.compile_positive(column, "not_empty", value, ctx))
        return super().compile(column, op, value, ctx)

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "not_empty":
            return self._holders(column, None, ctx)
        wanted = [self._needed(one, ctx) for one in self._list(value)]
        if not wanted:
            return peewee.Value(1) == 0
        if op == "has_any":
            return self._holders(column, wanted, ctx)
        result: Any = None
        for one in dict.fromkeys(wanted):
            test = self._holders(column, [one], ctx)
            result = test if result is None else result & test
        return result

    def _holders(self, column: Any, values: list[Any] | None, ctx: Context) -> Any:
        """An expression over record ids: they hold one of the values, or any at all."""
        held = self.model.alias("held")
        inside = held.field_id == self.field_id
        if values is not None:
            inside &= held.value.in_(values)
        if ctx.whole and held.select(peewee.Value(1)).where(inside).limit(COMMON + 1).count() <= COMMON:
            return column.in_(held.select(held.record_id).where(inside))
        return peewee.fn.EXISTS(held.select(peewee.Value(1)).where((held.record_id == column) & inside))

    def _word(self, value: Any) -> str:
        try:
            return self.format_item(self.parse_item(value))
        except ValueError:
            return str(value)

    # -- storage ------------------------------------------------------------------------------------------------

    def check(self, draft: Draft, values: list[Any]) -> None:
        """What a change by ``add`` and ``remove`` would leave is held to the field's rules."""
        deltas = {i: value for i, value in enumerate(values) if isinstance(value, dict)}
        if not deltas:
            return
        ids = draft.ids or []
        held = self.load([ids[i] for i in deltas]) if ids else {}
        for i, value in deltas.items():
            left = self.after(held.get(ids[i], []) if ids else [], value)
            try:
                if self.required and not left:
                    raise FieldError(_("请填写「%(field)s」。", field=self.label))
                self.check_rules(left)
            except FieldError as error:
                draft.fail(i, self.key, str(error))

    def after(self, held: list[Any], value: Any) -> list[Any]:
        """What a record that holds ``held`` holds once ``value`` is written."""
        if not isinstance(value, dict):
            return list(value or [])
        gone = set(value.get("remove", []))
        kept = [one for one in held if one not in gone]
        return self.ordered([*kept, *(one for one in value.get("add", []) if one not in kept)])

    def load(self, ids: Iterable[int]) -> dict[int, Any]:
        found: dict[int, list[Any]] = defaultdict(list)
        for record_id, value in _STATEMENTS[self.model][0].execute(self.field_id, dialect.dumps(list(ids))):
            found[record_id].append(value)
        return {record_id: self.ordered(values) for record_id, values in found.items()}

    def write(self, values: dict[int, Any], actor_id: int | None, cause: Cause) -> dict[int, Any]:
        _read, insert, remove = _STATEMENTS[self.model]
        held = self.load(values)
        deltas: dict[int, Any] = {}
        rows: list[tuple[Any, ...]] = []
        for record_id, value in values.items():
            old = held.get(record_id, [])
            new = self.after(old, value)
            delta = {"add": [v for v in new if v not in old], "remove": [v for v in old if v not in new]}
            if delta["add"] or delta["remove"]:
                deltas[record_id] = {key: some for key, some in delta.items() if some}
                rows += [(self.field_id, record_id, one, n) for n, one in enumerate(new)]
        emptied = [record_id for record_id in deltas if record_id in held]
        if emptied:
            remove.execute(self.field_id, dialect.dumps(emptied))
        insert.executemany(rows)
        return deltas

    def created(self, record_id: Any) -> Any:
        held = self.model.alias("held")
        mine = held.select(held.value).where((held.field_id == self.field_id) & (held.record_id == record_id))
        listed = mine.order_by(held.position).alias("listed")
        return dialect.as_json(peewee.Select([listed], [dialect.json_list(listed.c.value)]))

    def purged(self, ids: list[int]) -> None:
        """The records are gone for good: so are their values."""
        _STATEMENTS[self.model][2].execute(self.field_id, dialect.dumps(ids))


def drop(field_id: int) -> None:
    """A field is gone for good: so are all its values."""
    for model in _STATEMENTS:
        model.delete().where(model.field_id == field_id).execute()
