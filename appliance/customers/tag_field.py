"""The field type ``tags``: a list of tag names. Writing a list makes the customer hold exactly these; ``{"add": […],
"remove": […]}`` changes only what it names. A tag of an exclusive group replaces the one that was held.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ..core import dialect
from ..core.db import PARAM, Statement
from ..core.errors import UserError
from ..forms.fields import register
from ..forms.fields.base import FieldError
from ..forms.fields.link import LinkField
from ..forms.hooks import UNSET, Cause, Draft
from . import tagging, tags
from .models import CustomerTag, Tag, TagGroup

DELTA = {"add", "remove"}
COMMON = 5_000
"""A tag held by more customers than this is asked for customer by customer, a rarer one by its holders."""
SEPARATORS = re.compile(r"[,，、;；|\n\r]+")


_NAMES = Statement(
    CustomerTag.select(CustomerTag.customer_id, Tag.name)
    .join(Tag, on=(Tag.id == CustomerTag.tag_id) & Tag.deleted_at.is_null())
    .join(TagGroup, on=(TagGroup.id == Tag.group))
    .where(dialect.any_of(CustomerTag.customer_id, PARAM))
    .order_by(TagGroup.position, TagGroup.id, Tag.position, Tag.id)
)


@register
class Tags(LinkField):
    type = "tags"
    name = _l("标签")
    icon = "tags"
    only_forms = ("customer",)
    addable = False
    operators = ("has_any", "has_all", "has_none", "empty", "not_empty")
    input_template = "customers/fields/tags.html"
    value_input = "tags"

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse(self, raw: Any) -> Any:
        if raw is None or raw == "":
            return []
        if isinstance(raw, dict):
            if not raw or not raw.keys() <= DELTA:
                raise FieldError(_('标签要写成一列名称，或 {"add": […], "remove": […]}。'))
            return {key: self._names(raw[key]) for key in raw}
        return self._names(raw)

    def _names(self, raw: Any) -> list[str]:
        items = SEPARATORS.split(raw) if isinstance(raw, str) else raw
        if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
            raise FieldError(_("标签要写成一列名称。"))
        try:
            return list(dict.fromkeys(tags.clean_name(item) for item in items if item.strip()))
        except UserError as error:
            raise FieldError(error.message) from error

    def format(self, value: Any) -> str:
        if isinstance(value, dict):
            return _("、").join([f"+{n}" for n in value.get("add", [])] + [f"−{n}" for n in value.get("remove", [])])
        return _("、").join(value or [])

    def form_value(self, value: Any) -> str:
        return _("、").join(value or [])

    def from_form(self, given: Any) -> Any:
        return given.get(self.key, "")

    def render(self, value: Any, record: Any = None) -> Markup:
        if not value:
            return Markup("")
        if isinstance(value, dict):
            return Markup("{}").format(self.format(value))
        colors = tags.colors()
        return Markup(" ").join(
            Markup('<span class="tag tag-{}">{}</span>').format(colors.get(name, "gray"), name) for name in value
        )

    def value_choices(self) -> list[tuple[str, str]]:
        return [(name, name) for name in tags.colors()]

    def schema(self) -> dict[str, Any]:
        return {"type": ["array", "null"], "items": {"type": "string"}, "example": ["高价值核心粉"]}

    # -- groups -------------------------------------------------------------------------------------------------

    @property
    def groupable(self) -> bool:
        return True

    def spread(self, source: Any, row_id: Any, alias: str, ctx: Any) -> tuple[Any, Any]:
        held, tag = CustomerTag.alias(alias), Tag.alias(f"{alias}n")
        there = held.tag_id.in_(Tag.select(Tag.id).where(Tag.deleted_at.is_null()))
        source = source.join(held, peewee.JOIN.LEFT_OUTER, on=(held.customer_id == row_id) & there)
        return source.join(tag, peewee.JOIN.LEFT_OUTER, on=tag.id == held.tag_id), tag.name

    def group_text(self, value: Any) -> str:
        return str(value)

    def group_to_api(self, value: Any) -> Any:
        return value

    def group_test(self, value: Any) -> dict[str, Any]:
        return {"op": "has_any", "value": [value]}

    # -- conditions ---------------------------------------------------------------------------------------------

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Any) -> Any:
        if op == "not_empty":
            return holders(column, list(tags.ids_of_all()), ctx.whole)
        names = self._list(value)
        if op == "has_any":
            return holders(column, list(tags.ids_of(names).values()), ctx.whole)
        known = tags.ids_of(names)
        if not names or any(name not in known for name in names):
            return peewee.Value(1) == 0
        result: Any = None
        for name in names:
            test = holders(column, [known[name]], ctx.whole)
            result = test if result is None else result & test
        return result

    def compile(self, column: Any, op: str, value: Any, ctx: Any) -> Any:
        if op == "empty":
            return dialect.negate(self.compile_positive(column, "not_empty", value, ctx))
        return super().compile(column, op, value, ctx)

    def _word(self, value: Any) -> str:
        return str(value)

    # -- storage ------------------------------------------------------------------------------------------------

    def check(self, draft: Draft, values: list[Any]) -> None:
        named = [(i, _added(value)) for i, value in enumerate(values) if value and value is not UNSET]
        known = tags.ids_of({name for _i, names in named for name in names}) if named else {}
        exclusive = tags.exclusive_sets() if named else {}
        for i, names in named:
            seen: dict[int, str] = {}
            for name in names:
                group = exclusive.get(known.get(name, 0))
                if group and (other := seen.setdefault(min(group), name)) != name:
                    draft.fail(i, self.key, _("「%(a)s」和「%(b)s」是互斥的标签，只能有一个。", a=other, b=name))

    def load(self, ids: Iterable[int]) -> dict[int, Any]:
        found: dict[int, list[str]] = defaultdict(list)
        for customer_id, name in _NAMES.execute(dialect.dumps(list(ids))):
            found[customer_id].append(name)
        return dict(found)

    def write(self, values: dict[int, Any], actor_id: int | None, cause: Cause) -> dict[int, Any]:
        ids = tags.ensure(name for value in values.values() for name in _added(value))
        exclusive = tags.exclusive_sets()
        names = {tag_id: name for name, tag_id in ids.items()}
        held = self._held(list(values), names)
        add: list[tuple[int, int]] = []
        remove: list[tuple[int, int]] = []
        deltas: dict[int, Any] = {}
        for customer_id, value in values.items():
            old = held.get(customer_id, set())
            new = _wanted(value, old, ids, names, exclusive)
            gained, lost = new - old, old - new
            add += [(customer_id, tag_id) for tag_id in gained]
            remove += [(customer_id, tag_id) for tag_id in lost]
            delta = {"add": sorted(names[t] for t in gained), "remove": sorted(names[t] for t in lost)}
            if gained or lost:
                deltas[customer_id] = {key: found for key, found in delta.items() if found}
        tagging.link(add, remove, actor_id, cause)
        return deltas

    def _held(self, customers: list[int], names: dict[int, str]) -> dict[int, set[int]]:
        """The tag ids that customers hold; the names are added to ``names``."""
        found: dict[int, set[int]] = defaultdict(set)
        rows = (
            CustomerTag.select(CustomerTag.customer_id, Tag.id, Tag.name)
            .join(Tag, on=(Tag.id == CustomerTag.tag_id) & Tag.deleted_at.is_null())
            .where(dialect.among(CustomerTag.customer_id, customers))
            .tuples()
        )
        for customer_id, tag_id, name in rows.execute():
            found[customer_id].add(tag_id)
            names[tag_id] = name
        return found

    def purged(self, ids: list[int]) -> None:
        CustomerTag.delete().where(dialect.among(CustomerTag.customer_id, ids)).execute()

    def created(self, record_id: Any) -> Any:
        names = (
            CustomerTag.select(dialect.json_list(Tag.name))
            .join(Tag, on=(Tag.id == CustomerTag.tag_id))
            .where(CustomerTag.customer_id == record_id)
        )
        return dialect.as_json(names)


def holders(column: Any, tag_ids: list[int], whole: bool = True) -> Any:
    """An expression over customers' ids: they hold one of the tags. ``whole``: all customers are asked about."""
    if not tag_ids:
        return peewee.Value(1) == 0
    inside = CustomerTag.tag_id.in_(tag_ids)
    if whole and not _common(tag_ids):
        return column.in_(CustomerTag.select(CustomerTag.customer_id).where(inside))
    mine = CustomerTag.alias("held")
    return peewee.fn.EXISTS(mine.select(peewee.Value(1)).where(mine.customer_id == column, mine.tag_id.in_(tag_ids)))


def _common(tag_ids: list[int]) -> bool:
    some = CustomerTag.select(peewee.Value(1)).where(CustomerTag.tag_id.in_(tag_ids)).limit(COMMON + 1)
    return some.count() > COMMON


def _added(value: Any) -> list[str]:
    if not value:
        return []
    return value.get("add", []) if isinstance(value, dict) else value


def _wanted(
    value: Any, old: set[int], ids: dict[str, int], names: dict[int, str], exclusive: dict[int, set[int]]
) -> set[int]:
    """The tags a customer shall hold."""
    if not isinstance(value, dict):
        return {ids[name] for name in value or []}
    gone = set(value.get("remove", []))
    new = {tag_id for tag_id in old if names[tag_id] not in gone}
    for name in value.get("add", []):
        new -= exclusive.get(ids[name], set())
        new.add(ids[name])
    return new
