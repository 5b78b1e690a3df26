"""What a decision table decides: the tag of an exclusive group, or the value of a field. One class a kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ..accounts import people
from ..core.errors import NotFound, UserError
from ..core.i18n import label as i18n_label
from ..customers import tagging, tags
from ..customers.models import CustomerTag, Tag, TagGroup
from ..forms import records
from ..forms.catalog import Form
from ..forms.fields.base import Field
from ..forms.fields.choice import Choice
from .actions import Work

Move = tuple[int, Any, Any]
"""A record, the stored outcome it holds, the one it shall hold."""


class Target:
    """``doc`` is the table's target: ``{"tag_group": key}`` or ``{"field": key}``."""

    key: ClassVar[str]
    label: ClassVar[Any]

    def __init__(self, name: str, form: Form) -> None:
        self.form = form
        self.named = name

    @property
    def name(self) -> str:
        """What is decided, in words: 标签组「价值」."""
        raise NotImplementedError

    can_be_empty: bool = True

    def options(self) -> list[tuple[str, str]]:
        """(value, label) of the outcomes there are to choose; empty when anything may be typed."""
        raise NotImplementedError

    def check(self, value: Any) -> None:
        """Raises :class:`UserError` when ``value`` is no outcome."""
        raise NotImplementedError

    def words(self, value: Any) -> str:
        """An outcome in words."""
        raise NotImplementedError

    def stored(self, value: Any) -> Any:
        """What the database compares."""
        raise NotImplementedError

    def shown(self, stored: Any) -> str:
        """The words of a stored value."""
        raise NotImplementedError

    def current(self) -> Any:
        """An expression: the stored outcome a record holds now."""
        raise NotImplementedError

    def give(self, moves: Sequence[Move], work: Work) -> set[int]:
        """Writes a batch of outcomes, inside ``write()``. Returns the ids that changed."""
        raise NotImplementedError


class TagGroupTarget(Target):
    """The customer's tag of an exclusive group; no outcome takes it away."""

    key = "tag_group"
    label = _l("标签组")

    @cached_property
    def group(self) -> TagGroup:
        if self.form.key != "customer":
            raise UserError(_("只有客户有标签，「%(form)s」的决策表请选择字段。", form=self.form.label), "target")
        try:
            group = tags.group_by_key(self.named)
        except NotFound as error:
            raise UserError(error.message, "target") from error
        if not group.exclusive:
            name = i18n_label(group.label)
            raise UserError(_("「%(group)s」不是互斥的标签组。请先把它设为互斥，或选择别的组。", group=name), "target")
        return group

    @cached_property
    def tags(self) -> dict[str, int]:
        """Name → id, in the group's order."""
        live = Tag.select(Tag.name, Tag.id).where((Tag.group == self.group) & Tag.deleted_at.is_null())
        return dict(live.order_by(Tag.position, Tag.id).tuples())

    @property
    def name(self) -> str:
        return _("标签组「%(group)s」", group=i18n_label(self.group.label))

    def options(self) -> list[tuple[str, str]]:
        return [(name, name) for name in self.tags]

    def check(self, value: Any) -> None:
        if not isinstance(value, str) or not value:
            raise UserError(_("请选择标签。"))
        if value not in self.tags:
            group = i18n_label(self.group.label)
            raise UserError(_("标签组「%(group)s」里没有「%(tag)s」，请先添加这个标签。", group=group, tag=value[:50]))

    def words(self, value: Any) -> str:
        return _("没有标签") if value is None else str(value)

    def stored(self, value: Any) -> int:
        return self.tags[value]

    def shown(self, stored: Any) -> str:
        names = {tag_id: name for name, tag_id in self.tags.items()}
        return _("没有标签") if stored is None else names.get(stored, "")

    def current(self) -> Any:
        held = CustomerTag.alias("held")
        return held.select(fn.MIN(held.tag_id)).where(
            (held.customer_id == self.form.col("id")) & held.tag_id.in_(list(self.tags.values()))
        )

    def give(self, moves: Sequence[Move], work: Work) -> set[int]:
        return tagging.move(moves, work.actor, work.cause)


class FieldTarget(Target):
    """A field's value; no outcome empties it."""

    key = "field"
    label = _l("字段")

    @cached_property
    def field(self) -> Field:
        field = self.form.columns.get(self.named)
        if field is None:
            raise UserError(_("「%(form)s」没有字段「%(key)s」。", form=self.form.label, key=self.named), "target")
        if field.readonly or field.unique:
            raise UserError(_("「%(field)s」不能由决策表填写，请选择别的字段。", field=field.label), "target")
        return field

    @property
    def name(self) -> str:
        return _("字段「%(field)s」", field=self.field.label)

    @property
    def can_be_empty(self) -> bool:  # type: ignore[override]
        return not self.field.required

    def options(self) -> list[tuple[str, str]]:
        if isinstance(self.field, Choice):
            return [(value, self.field.format(value)) for value in self.field.choices]
        if self.field.value_input == "person":
            return [(str(user_id), name) for user_id, name in people.active()]
        return []

    def check(self, value: Any) -> None:
        try:
            if self.field.parse(value) is None:
                raise UserError(_("请填写「%(field)s」的值。", field=self.field.label))
        except ValueError as error:
            raise UserError(str(error)) from error

    def words(self, value: Any) -> str:
        return _("空") if value is None else self.field._word(value)

    def stored(self, value: Any) -> Any:
        return self.field.parse(value)

    def shown(self, stored: Any) -> str:
        return _("空") if stored is None else self.field.format(stored)

    def current(self) -> Any:
        return self.form.col(self.field.key)

    def give(self, moves: Sequence[Move], work: Work) -> set[int]:
        groups: dict[Any, list[int]] = defaultdict(list)
        for record_id, _now, then in moves:
            groups[then].append(record_id)
        changed: set[int] = set()
        for stored, ids in groups.items():
            raw = None if stored is None else self.field.form_value(stored)
            changed |= set(records.update_set(self.form, {self.field.key: raw}, ids, work.actor, work.cause))
        return changed


TARGETS: dict[str, type[Target]] = {cls.key: cls for cls in (TagGroupTarget, FieldTarget)}


def build(doc: Any, form: Form) -> Target:
    """The target of a document, checked. Raises :class:`UserError`."""
    found = [key for key in TARGETS if isinstance(doc, dict) and isinstance(doc.get(key), str) and doc[key]]
    if len(found) != 1:
        raise UserError(_("请选择决定什么：一个互斥的标签组，或一个字段。"), "target")
    target = TARGETS[found[0]](doc[found[0]], form)
    assert target.name
    return target
