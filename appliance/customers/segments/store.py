"""Definitions of segments: the verbs of their pages, app packages and the API.

A document: ``{"key", "label", "description"?, "where": condition}``, or in place of ``where`` a set of segments
``"set": {"all": […], "any": […], "not": …}``, or ``"static": true`` for a list that people keep.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ...accounts import audit
from ...accounts.actor import SYSTEM, Actor
from ...core import clock
from ...core.db import read, write
from ...core.errors import Conflict, FieldErrors, NotFound, UserError
from ...core.i18n import label as i18n_label
from ...forms import catalog, conditions
from ...forms.catalog import KEY
from ...forms.conditions import Condition, ConditionError
from ...forms.fields.base import Label, is_label
from . import sets
from .models import SegmentRow

log = logging.getLogger(__name__)

CONDITION, SET, STATIC = "condition", "set", "static"
LONGEST = {"label": 60, "description": 300}
KEYS = frozenset(("key", "label", "form", "description", "where", "set", "static", "enabled"))
"""``form`` may be said, as in rules: it is always the customer's."""


class Segment(Struct):
    """One segment, open."""

    key: str
    label_doc: Label
    kind: str = CONDITION
    definition: dict[str, Any] = field(default_factory=dict)
    description_doc: Label = ""
    enabled: bool = True
    system: bool = False
    id: int = 0
    version: int = 0
    size: int = 0
    built_at: int | None = None
    moved_at: int | None = None
    updated_at: int = 0
    updated_by: int | None = None
    tag_id: int | None = None

    @classmethod
    def open(cls, row: SegmentRow) -> Segment:
        return cls(
            row.key, row.label, row.kind, row.definition, row.description, row.enabled, row.system, row.id, row.version,
            row.size, row.built_at, row.moved_at, row.updated_at, row.updated_by, row.tag_id,
        )  # fmt: skip

    @property
    def label(self) -> str:
        return i18n_label(self.label_doc)

    @property
    def description(self) -> str:
        return i18n_label(self.description_doc) if self.description_doc else ""

    @property
    def condition(self) -> Condition:
        """What its members meet; a static list has none. Raises UserError."""
        return sets.condition(self.definition) if self.kind == SET else self.definition

    def words(self) -> str:
        """Who is in it, as a sentence."""
        if self.kind == STATIC:
            return _("由人挑选的客户")
        try:
            return conditions.words(self.condition, catalog.get("customer"))
        except UserError as error:
            return error.message

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"key": self.key, "label": self.label_doc}
        if self.description_doc:
            doc["description"] = self.description_doc
        if self.kind == STATIC:
            return doc | {"static": True}
        return doc | {"set" if self.kind == SET else "where": self.definition}


# -- reading ------------------------------------------------------------------------------------------------------


def get(key: str) -> Segment:
    """Raises :class:`NotFound`."""
    return _one(SegmentRow.key == key)


def by_id(segment_id: int) -> Segment:
    """Raises :class:`NotFound`."""
    return _one(SegmentRow.id == segment_id)


def _one(test: Any) -> Segment:
    with read():
        row = SegmentRow.get_or_none(test, SegmentRow.deleted_at.is_null())
    if row is None:
        raise NotFound(_("没有找到这个客群，它可能已被删除。"))
    return Segment.open(row)


def all(*, private: bool = False) -> list[Segment]:
    """In order. ``private``: those that belong to a dynamic tag as well."""
    query = SegmentRow.select().where(SegmentRow.deleted_at.is_null())
    if not private:
        query = query.where(SegmentRow.tag_id.is_null())
    with read():
        return [Segment.open(row) for row in query.order_by(SegmentRow.position, SegmentRow.id)]


# -- writing ------------------------------------------------------------------------------------------------------


def save(
    doc: dict[str, Any], actor: Actor, key: str | None = None, *, version: int | None = None, system: bool = False,
    tag_id: int | None = None,
) -> Segment:  # fmt: skip
    """A new segment, or with ``key`` that one changed; whom it holds is asked at once, as a job.

    Raises FieldErrors with paths (``where.all.0.value``), Conflict when ``version`` is not the newest, NotFound.
    """
    from . import keeping

    with write():
        old = get(key) if key else None
        if old is not None and version is not None and version != old.version:
            raise Conflict(_("别人刚改过这个客群，请看过最新内容后再保存。"))
        segment = _read(doc, actor, old)
        values: dict[str, Any] = {
            "key": segment.key, "label": segment.label_doc, "description": segment.description_doc, "kind": segment.kind,
            "definition": segment.definition, "enabled": segment.enabled, "updated_at": clock.now(), "updated_by": actor.id,
        }  # fmt: skip
        if old is None:
            segment_id = SegmentRow.insert(
                **values, created_at=clock.now(), system=system, tag_id=tag_id, position=SegmentRow.select().count()
            ).execute()
        else:
            segment_id = old.id
            SegmentRow.update(**values, version=old.version + 1).where(SegmentRow.id == old.id).execute()
        found = by_id(segment_id)
        if tag_id is None and not system:
            action = "segment.created" if old is None else "segment.changed"
            audit.note(action, {"name": found.label, "version": found.version}, actor)
        if old is None or (old.kind, old.definition, old.enabled) != (found.kind, found.definition, found.enabled):
            keeping.redefined(found)
        return found


def _read(doc: Any, actor: Actor, old: Segment | None) -> Segment:
    """The segment that a document describes. Raises FieldErrors."""
    if not isinstance(doc, dict):
        raise UserError(_("定义要写成一个 JSON 对象。"))
    errors: dict[str, str] = {key: _("这里没有「%(key)s」。", key=key) for key in doc.keys() - KEYS}
    if doc.get("form", "customer") != "customer":
        errors["form"] = _("客群只能是客户的。")
    key = doc.get("key") or (old.key if old else f"segment_{secrets.token_hex(3)}")
    if not isinstance(key, str) or not KEY.fullmatch(key):
        errors["key"] = _("键名要以小写字母开头，只含小写字母、数字和下划线。")
    elif old is not None and key != old.key:
        errors["key"] = _("键名不能改：条件和规则用它来认客群。")
    elif old is None and _taken(key):
        errors["key"] = _("键名「%(key)s」已被使用，请换一个。", key=key)
    label = doc.get("label", old.label_doc if old else "")
    label = label.strip() if isinstance(label, str) else label
    if not is_label(label) or not i18n_label(label).strip():
        errors["label"] = _("请填写客群的名称。")
    elif len(i18n_label(label)) > LONGEST["label"]:
        errors["label"] = _("最多 %(max)d 个字。", max=LONGEST["label"])
    description = doc.get("description", old.description_doc if old else "") or ""
    if description and (not is_label(description) or len(i18n_label(description)) > LONGEST["description"]):
        errors["description"] = _("最多 %(max)d 个字。", max=LONGEST["description"])
    enabled = doc.get("enabled", old.enabled if old else True)
    if not isinstance(enabled, bool):
        errors["enabled"] = _("只能是 true 或 false。")
    kind, definition = _definition(doc, old, errors)
    if not errors:
        segment = Segment(key, label, kind, definition, description, enabled)
        errors = _problems(segment, actor, old)
    if errors:
        raise FieldErrors(errors)
    return segment


def _taken(key: str) -> bool:
    row = SegmentRow.get_or_none(SegmentRow.key == key)
    if row is None:
        return False
    if row.deleted_at is None:
        return True
    # A deleted one steps aside; its history keeps its id.
    SegmentRow.update(key=f"{key}~{row.id}").where(SegmentRow.id == row.id).execute()
    return False


def _definition(doc: dict[str, Any], old: Segment | None, errors: dict[str, str]) -> tuple[str, dict[str, Any]]:
    given = [name for name in ("where", "set", "static") if doc.get(name) is not None and doc.get(name) is not False]
    if not given and old is not None:
        return old.kind, old.definition
    if len(given) != 1:
        errors["where"] = _("请写明谁在这个客群里：条件（where）、客群的组合（set）或固定名单（static），三者之一。")
        return CONDITION, {}
    name = given[0]
    if name == "static":
        return STATIC, {}
    if not isinstance(doc[name], dict):
        errors[name] = _("条件要写成一个对象。")
    return (SET if name == "set" else CONDITION), doc[name] if isinstance(doc[name], dict) else {}


def _problems(segment: Segment, actor: Actor, old: Segment | None) -> dict[str, str]:
    if segment.kind == STATIC:
        return {}
    at = "set" if segment.kind == SET else "where"
    try:
        condition = segment.condition
        if _asks_who(condition):
            return {at: _("客群对全公司是同一个，条件里不能用“我”“本人的”“本部门的”。")}
        conditions.validate(condition, catalog.get("customer"), actor)
    except ConditionError as error:
        inner = error.path.rstrip(".")
        return {f"{at}.{inner}" if inner and at == "where" else at: error.message}
    except UserError as error:
        return {at: error.message}
    if old is not None and old.key in _reach(condition):
        return {at: _("客群不能绕一圈又用到它自己。")}
    return {}


def _asks_who(doc: Any) -> bool:
    """Whether the answer depends on who asks."""
    if isinstance(doc, dict):
        if "whose" in doc or doc.get("me") or doc.get("my_department"):
            return True
        return any(_asks_who(value) for value in doc.values())
    return isinstance(doc, list) and any(_asks_who(value) for value in doc)


def _reach(condition: Condition) -> set[str]:
    """Keys of all segments that a condition leads to."""
    found: set[str] = set()
    waiting = list(sets.named(condition))
    known = {s.key: s for s in all(private=True)}
    while waiting:
        key = waiting.pop()
        if key not in found and key in known:
            found.add(key)
            waiting += sets.named(known[key].condition if known[key].kind != STATIC else {})
    return found


def switch(key: str, on: bool, actor: Actor) -> Segment:
    """Off, nobody comes in or leaves until it is on again."""
    return save({"enabled": on}, actor, key)


def delete(key: str, actor: Actor) -> Segment:
    """Takes it away; :func:`restore` brings it back. Raises UserError naming what uses it."""
    from . import keeping, uses

    with write():
        segment = get(key)
        if segment.tag_id is None and (found := uses.of(segment)):
            raise UserError(
                _("「%(name)s」还在使用：%(uses)s。请先从那里去掉。", name=segment.label, uses=_("、").join(found))
            )
        SegmentRow.update(deleted_at=clock.now(), updated_at=clock.now(), updated_by=actor.id).where(
            SegmentRow.id == segment.id
        ).execute()
        if segment.tag_id is None:
            audit.note("segment.deleted", {"name": segment.label}, actor)
        keeping.forget(segment)
        return segment


def restore(segment_id: int, actor: Actor) -> Segment:
    """Brings a deleted segment back, and up to date. Raises NotFound."""
    from . import keeping

    with write():
        row = SegmentRow.get_or_none(SegmentRow.id == segment_id, SegmentRow.deleted_at.is_null(False))
        if row is None:
            raise NotFound()
        SegmentRow.update(deleted_at=None, updated_at=clock.now(), updated_by=actor.id).where(
            SegmentRow.id == row.id
        ).execute()
        segment = by_id(row.id)
        audit.note("segment.restored", {"name": segment.label}, actor)
        keeping.redefined(segment)
        return segment


def plant(docs: Iterable[dict[str, Any]]) -> None:
    """Makes segments that were never there. What the company changed or deleted stays so; one that asks for a field that the
    company has put to another use is left out: an upgrade never stops at it."""
    known = {key.partition("~")[0] for (key,) in SegmentRow.select(SegmentRow.key).tuples()}
    for doc in docs:
        if doc["key"] not in known:
            try:
                with write():
                    save(doc, SYSTEM, system=True)
            except UserError as error:
                log.info("the ready-made segment %s is left out: %s", doc["key"], error.message)
