"""Tags and their groups: the verbs of the tag page, app packages and the API. Who holds what: ``tagging``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import peewee
from flask import g, has_request_context
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from peewee import fn

from ..core import clock, schema
from ..core.db import db, write
from ..core.errors import Conflict, NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog
from ..forms.catalog import KEY
from ..forms.fields.base import Label, is_label
from .models import CustomerTag, Tag, TagGroup

DEFAULT_GROUP = "other"
MAX_NAME = 50
COLORS = {
    "blue": _l("蓝"), "cyan": _l("青"), "green": _l("绿"), "amber": _l("黄"), "orange": _l("橙"), "red": _l("红"),
    "pink": _l("粉"), "purple": _l("紫"), "gray": _l("灰"),
}  # fmt: skip
FORBIDDEN = re.compile(r"[,，、;；|\n\r\t]")
"""What separates names in a cell cannot be part of one."""


class TagView(Struct):
    """A tag as pages and the API show it."""

    id: int
    name: str
    color: str
    count: int | None = None

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"id": self.id, "name": self.name, "color": self.color}
        return doc if self.count is None else doc | {"count": self.count}


class GroupView(Struct):
    id: int
    key: str
    label: str
    exclusive: bool
    color: str
    system: bool
    tags: list[TagView] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "key": self.key, "label": self.label, "exclusive": self.exclusive, "color": self.color,
            "tags": [t.document() for t in self.tags],
        }  # fmt: skip


@schema.seed
def default_group() -> None:
    """Where tags go that nobody put into a group."""
    TagGroup.insert(
        key=DEFAULT_GROUP, label={"zh": "未分组", "en": "Ungrouped"}, color="gray", position=10_000, system=True
    ).on_conflict_ignore().execute()


# -- reading ------------------------------------------------------------------------------------------------------


def groups(*, counts: bool = False) -> list[GroupView]:
    """All groups with their tags, in order; with ``counts`` how many customers hold each."""
    found = {
        g.id: GroupView(g.id, g.key, i18n_label(g.label), g.exclusive, g.color, g.system)
        for g in TagGroup.select().order_by(TagGroup.position, TagGroup.id)
    }
    held = count_all() if counts else {}
    for tag in Tag.select().where(Tag.deleted_at.is_null()).order_by(Tag.position, Tag.id):
        group = found[tag.group_id]
        group.tags.append(TagView(tag.id, tag.name, tag.color or group.color, held.get(tag.id, 0) if counts else None))
    return list(found.values())


def count_all() -> dict[int, int]:
    """How many live customers hold each tag."""
    form = catalog.get("customer")
    every = CustomerTag.select(CustomerTag.tag_id, fn.COUNT(peewee.SQL("*"))).group_by(CustomerTag.tag_id).tuples()
    gone = form.table.select(form.col("id")).where(form.col("deleted_at").is_null(False))
    deleted = every.clone().where(CustomerTag.customer_id.in_(gone))
    found = dict(every.execute())
    for tag_id, count in deleted.execute():
        found[tag_id] -= count
    return found


def ids_of(names: Iterable[str]) -> dict[str, int]:
    """The tags of these names that exist."""
    wanted = list(set(names))
    rows = Tag.select(Tag.name, Tag.id).where(Tag.name.in_(wanted), Tag.deleted_at.is_null()).tuples()
    return dict(rows.execute()) if wanted else {}


def ids_of_all() -> list[int]:
    return [row[0] for row in Tag.select(Tag.id).where(Tag.deleted_at.is_null()).tuples()]


def colors() -> dict[str, str]:
    """Tag name → colour. Asked for every cell of a list, so it is read once a request."""
    if has_request_context() and hasattr(g, "tag_colors"):
        return dict(g.tag_colors)
    rows = Tag.select(Tag.name, Tag.color, TagGroup.color).join(TagGroup).where(Tag.deleted_at.is_null()).tuples()
    found = {name: own or of_group for name, own, of_group in rows.execute()}
    if has_request_context():
        g.tag_colors = found
    return found


def get(name: str) -> Tag:
    """Raises :class:`NotFound`."""
    tag = Tag.get_or_none(Tag.name == name, Tag.deleted_at.is_null())
    if tag is None:
        raise NotFound(_("没有叫「%(name)s」的标签。", name=name))
    return tag


def tag_by_id(tag_id: int) -> Tag:
    """Raises :class:`NotFound`."""
    tag = Tag.get_or_none(Tag.id == tag_id)
    if tag is None:
        raise NotFound(_("没有找到这个标签，可能已被删除。"))
    return tag


def group_by_key(key: str) -> TagGroup:
    """Raises :class:`NotFound`."""
    group = TagGroup.get_or_none(TagGroup.key == key)
    if group is None:
        raise NotFound(_("没有「%(key)s」这个标签组。", key=key))
    return group


def exclusive_sets() -> dict[int, set[int]]:
    """Tag id → the tags of its exclusive group, itself included; tags of open groups are left out."""
    rows = list(
        Tag.select(Tag.group_id, Tag.id)
        .join(TagGroup)
        .where(TagGroup.exclusive == True, Tag.deleted_at.is_null())  # noqa: E712
        .tuples()
        .execute()
    )
    by_group: dict[int, set[int]] = {}
    for group_id, tag_id in rows:
        by_group.setdefault(group_id, set()).add(tag_id)
    return {tag_id: by_group[group_id] for group_id, tag_id in rows}


_changed: list[Callable[[], None]] = []


def after_changed(effect: Callable[[], None]) -> Callable[[], None]:
    """Registers what to do, in the same transaction, after a tag was renamed, deleted or brought back: no customer was
    written, and yet conditions that name it read otherwise."""
    _changed.append(effect)
    return effect


def _tell() -> None:
    for effect in _changed:
        effect()


# -- groups -------------------------------------------------------------------------------------------------------


def create_group(
    label: Label, *, key: str | None = None, exclusive: bool = False, color: str = "blue", system: bool = False
) -> TagGroup:
    """Raises UserError for a key that is no key, Conflict for one that is taken."""
    if not i18n_label(label).strip():
        raise UserError(_("请填写标签组的名称。"), "label")
    with write():
        key = key or _free_key()
        if not KEY.fullmatch(key):
            raise UserError(_("键名要以小写字母开头，只含小写字母、数字和下划线。"), "key")
        if TagGroup.get_or_none(TagGroup.key == key):
            raise Conflict(_("已经有「%(key)s」这个标签组了。", key=key))
        last = TagGroup.select(fn.MAX(TagGroup.position)).where(TagGroup.position < 10_000).scalar() or 0
        return TagGroup.create(
            key=key, label=label, exclusive=exclusive, color=_color(color), position=last + 1, system=system
        )


def _free_key() -> str:
    number = (TagGroup.select(fn.MAX(TagGroup.id)).scalar() or 0) + 1
    return f"group_{number}"


def _color(color: str | None) -> str:
    if color not in COLORS:
        raise UserError(_("没有「%(color)s」这种颜色。", color=color), "color")
    return color


def update_group(
    key: str, *, label: Label | None = None, exclusive: bool | None = None, color: str | None = None
) -> TagGroup:
    """Raises UserError when a group is made exclusive while customers hold two of its tags."""
    with write():
        group = group_by_key(key)
        if exclusive and not group.exclusive:
            double = _holders_of_two(group)
            if double:
                raise UserError(
                    _("有 %(count)d 位客户同时有这个组的几个标签，请先整理，再设为互斥。", count=double), "exclusive"
                )
        if label is not None:
            if not i18n_label(label).strip():
                raise UserError(_("请填写标签组的名称。"), "label")
            group.label = label  # type: ignore[assignment]
        group.exclusive = group.exclusive if exclusive is None else exclusive
        group.color = group.color if color is None else _color(color)
        group.save()
        return group


def _holders_of_two(group: TagGroup) -> int:
    mine = Tag.select(Tag.id).where(Tag.group == group, Tag.deleted_at.is_null())
    holders = (
        CustomerTag.select(CustomerTag.customer_id.alias("customer_id"))
        .where(CustomerTag.tag_id.in_(mine))
        .group_by(CustomerTag.customer_id)
        .having(fn.COUNT(peewee.SQL("*")) > 1)
    )
    return int(peewee.Select([holders], [fn.COUNT(peewee.SQL("*"))]).scalar(db))


def delete_group(key: str) -> None:
    """Takes a group away; its tags stay, in the default group."""
    with write():
        group = group_by_key(key)
        if group.system:
            raise UserError(_("「%(group)s」是固客自带的标签组，不能删除。", group=i18n_label(group.label)))
        Tag.update(group=group_by_key(DEFAULT_GROUP)).where(Tag.group == group).execute()
        TagGroup.delete().where(TagGroup.id == group.id).execute()


def install_group(doc: dict[str, Any]) -> TagGroup:
    """A group of an app package: ``{"key", "label", "exclusive", "color"?, "tags": ["…"]}``. What is there stays as it is.

    Raises UserError.
    """
    if not isinstance(doc.get("key"), str) or not KEY.fullmatch(doc["key"]):
        raise UserError(_("键名要以小写字母开头，只含小写字母、数字和下划线。"), "key")
    if not is_label(doc.get("label")):
        raise UserError(_("请填写标签组的名称。"), "label")
    tags = doc.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(t, str) or (isinstance(t, dict) and "name" in t) for t in tags):
        raise UserError(_("标签要写成一列名称。"), "tags")
    with write():
        group = TagGroup.get_or_none(TagGroup.key == doc["key"]) or create_group(
            doc.get("label") or doc["key"], key=doc["key"], exclusive=bool(doc.get("exclusive")),
            color=doc.get("color", "blue"),
        )  # fmt: skip
        for item in tags:
            name, color = (item, None) if isinstance(item, str) else (item["name"], item.get("color"))
            if name not in ids_of([name]):
                create(name, group=group.key, color=color)
        return group


# -- tags ---------------------------------------------------------------------------------------------------------


def clean_name(raw: Any) -> str:
    """A tag's name as it is stored. Raises UserError."""
    text = " ".join(raw.split()) if isinstance(raw, str) else ""
    if not text:
        raise UserError(_("请填写标签的名称。"), "name")
    if len(text) > MAX_NAME:
        raise UserError(_("标签名最多 %(max)d 个字。", max=MAX_NAME), "name")
    if FORBIDDEN.search(text):
        raise UserError(_("标签名里不能有逗号、顿号、分号和竖线。"), "name")
    return text


def create(name: str, *, group: str = DEFAULT_GROUP, color: str | None = None) -> Tag:
    """Raises Conflict when the name is taken. A name that was deleted is free: nobody holds the new tag."""
    name = clean_name(name)
    with write():
        owner = group_by_key(group)
        known = Tag.get_or_none(Tag.name == name)
        if known is not None and known.deleted_at is None:
            raise Conflict(_("已经有「%(name)s」这个标签了。", name=name))
        if known is not None:
            purge(known.id)
        last = Tag.select(fn.MAX(Tag.position)).where(Tag.group == owner).scalar() or 0
        return Tag.create(group=owner, name=name, color=_color(color) if color else None, position=last + 1)


def ensure(names: Iterable[str]) -> dict[str, int]:
    """The ids of these tags; those that do not exist are made in the default group. Only inside ``write()``."""
    wanted = list(dict.fromkeys(names))
    found = ids_of(wanted)
    for name in wanted:
        if name not in found:
            found[name] = create(name).id
    return found


def update(tag_id: int, *, name: str | None = None, color: str | None = None, group: str | None = None) -> Tag:
    """Renames, recolours or moves a tag. Moving into an exclusive group whose tags its holders have is refused."""
    with write():
        tag = tag_by_id(tag_id)
        renamed = name is not None and clean_name(name) != tag.name
        if name is not None and renamed:
            other = Tag.get_or_none(Tag.name == clean_name(name))
            if other is not None and other.deleted_at is None:
                raise Conflict(_("已经有「%(name)s」这个标签了；要合成一个，请用“合并”。", name=other.name))
            if other is not None:
                purge(other.id)
            tag.name = clean_name(name)
        if color is not None:
            tag.color = _color(color)
        if group is not None and group != tag.group.key:
            tag.group = group_by_key(group)
        tag.save()
        if renamed:
            _tell()
        if group is not None and tag.group.exclusive and _holders_of_two(tag.group):
            raise UserError(_("有客户同时有「%(name)s」和这个互斥组的另一个标签，请先整理。", name=tag.name), "group")
        return tag


def delete(tag_id: int) -> None:
    """Takes a tag away from everybody. :func:`restore` brings it back, holders and all."""
    with write():
        Tag.update(deleted_at=clock.now()).where(Tag.id == tag_by_id(tag_id).id).execute()
        _tell()


def restore(tag_id: int) -> None:
    """Takes a deletion back."""
    with write():
        tag = tag_by_id(tag_id)
        Tag.update(deleted_at=None).where(Tag.id == tag.id).execute()
        _tell()
        if tag.group.exclusive and _holders_of_two(tag.group):
            raise UserError(_("有客户已有这个互斥组的另一个标签，「%(name)s」不能恢复。", name=tag.name))


def purge(tag_id: int) -> None:
    """Removes a deleted tag and its links for good."""
    with write():
        CustomerTag.delete().where(CustomerTag.tag_id == tag_id).execute()
        Tag.delete().where(Tag.id == tag_id).execute()


def purge_old(before: int) -> int:
    """Removes tags deleted before ``before`` (UTC seconds); their links a few thousand at a time."""
    old = [row[0] for row in Tag.select(Tag.id).where(Tag.deleted_at < before).tuples()]
    for tag_id in old:
        while True:
            some = [
                r[0]
                for r in CustomerTag.select(CustomerTag.customer_id)
                .where(CustomerTag.tag_id == tag_id)
                .limit(500)
                .tuples()
            ]
            if not some:
                break
            with write():
                CustomerTag.delete().where(CustomerTag.tag_id == tag_id, CustomerTag.customer_id.in_(some)).execute()
        purge(tag_id)
    return len(old)
