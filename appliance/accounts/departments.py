"""The company's departments: a tree with heads, and who belongs where. Kept in memory like people.

A person may be in several departments; one is the primary one. What a deleted department had (people, head, place) stays
with it, so that it comes back whole; records that name it go on showing its name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from peewee import fn

from ..core import clock
from ..core.db import read, write
from ..core.errors import NotFound, UserError
from . import audit, people
from .actor import Actor
from .cache import Cache, forget
from .models import Department, User, UserDepartment

DEPTH = 12
SEPARATOR = " / "
_PARTS = re.compile(r"\s*[/／>＞\\]\s*")


class Node(Struct, frozen=True):
    """A department in the tree. ``members``: the active people in it, those whose primary department it is first."""

    id: int
    name: str
    parent_id: int | None
    head_id: int | None
    position: int
    depth: int
    members: tuple[int, ...]
    children: tuple[Node, ...] = ()


class _Company(Struct):
    roots: list[Node] = field(default_factory=list)
    nodes: dict[int, Node] = field(default_factory=dict)
    """The living departments, in the tree's order."""
    names: dict[int, str] = field(default_factory=dict)
    """Deleted ones too."""
    of_user: dict[int, list[int]] = field(default_factory=dict)
    """Living departments of each person, the primary one first."""


_company: Cache[_Company] = Cache()


def _all() -> _Company:
    return _company.get(0, _load)


def _load() -> _Company:
    with read():
        rows = list(Department.select().order_by(Department.position, Department.id))
        links = list(UserDepartment.select().order_by(UserDepartment.primary.desc()).tuples())
        active = {user_id for (user_id,) in User.select(User.id).where(User.active).tuples()}
    found = _Company(names={row.id: row.name for row in rows})
    below: dict[int | None, list[Any]] = defaultdict(list)
    living = {row.id for row in rows if row.deleted_at is None}
    for row in rows:
        if row.id in living:
            # Under a department that is gone by now it stands at the top.
            below[row.parent_id if row.parent_id in living else None].append(row)
    members: dict[int, list[int]] = defaultdict(list)
    for user_id, department_id, _primary in links:
        if department_id in living:
            found.of_user.setdefault(user_id, []).append(department_id)
            if user_id in active:
                members[department_id].append(user_id)

    def grow(parent: int | None, depth: int) -> list[Node]:
        grown = []
        for row in below[parent]:
            found.nodes[row.id] = None  # type: ignore[assignment]  # keeps the tree's order
            children = tuple(grow(row.id, depth + 1))
            node = Node(
                row.id, row.name, parent, row.head_id, row.position, depth, tuple(members[row.id]), children
            )  # fmt: skip
            found.nodes[row.id] = node
            grown.append(node)
        return grown

    found.roots = grow(None, 0)
    return found


# -- reading ------------------------------------------------------------------------------------------------------


def tree() -> list[Node]:
    """The departments at the top, each with those below it."""
    return _all().roots


def flat() -> list[Node]:
    """All departments in the order in which the tree is read; ``depth`` says how far in each stands."""
    return list(_all().nodes.values())


def get(department_id: int) -> Node:
    """Raises :class:`NotFound` for one that is not there or was deleted."""
    found = _all().nodes.get(department_id)
    if found is None:
        raise NotFound(_("没有这个部门。"))
    return found


def name(department_id: int) -> str:
    """The department's own name, of a deleted one too; empty for one that never was."""
    return _all().names.get(department_id, "")


def names(department_ids: Iterable[int]) -> str:
    """The names in one line."""
    return _("、").join(name(one) for one in department_ids)


def exists(department_id: int) -> bool:
    """Whether the department is there and not deleted."""
    return department_id in _all().nodes


def path(department_id: int) -> str:
    """The name with those above it: ``销售部 / 华东组``."""
    nodes = _all().nodes
    steps: list[str] = []
    node = nodes.get(department_id)
    while node is not None:
        steps.insert(0, node.name)
        node = nodes.get(node.parent_id) if node.parent_id else None
    return SEPARATOR.join(steps) or name(department_id)


def find(what: int | str) -> int | None:
    """The department named by id, by name (when only one has it) or by its path from the top; ``None``: there is none."""
    nodes = _all().nodes
    text = str(what).strip()
    if text.isascii() and text.isdecimal() and len(text) < 12 and int(text) in nodes:
        return int(text)
    parts = _PARTS.split(text)
    hits = [node.id for node in nodes.values() if node.name == parts[-1] and _ends_with(node, parts)]
    return hits[0] if len(hits) == 1 else None


def _ends_with(node: Node, parts: list[str]) -> bool:
    return path(node.id).split(SEPARATOR)[-len(parts) :] == parts


def below(department_id: int) -> set[int]:
    """The department itself and all under it; empty for one that is not there."""
    node = _all().nodes.get(department_id)
    return set() if node is None else {node.id}.union(*(below(child.id) for child in node.children))


def of_user(user_id: int | None) -> list[int]:
    """The person's departments, the primary one first."""
    return [] if user_id is None else list(_all().of_user.get(user_id, ()))


def reach_of(user_id: int | None) -> set[int]:
    """The person's departments and all below them: what "my department" means in conditions."""
    return set().union(*(below(one) for one in of_user(user_id)))


def people_in(department_ids: Iterable[int]) -> set[int]:
    """Ids of all who belong to one of these departments, those who left the company too: their records are still here."""
    wanted = set(department_ids)
    return {user_id for user_id, held in _all().of_user.items() if wanted.intersection(held)}


def head_of(department_id: int) -> int | None:
    """Who heads the department; without a head who can be given work, the one of the next department above."""
    nodes = _all().nodes
    node = nodes.get(department_id)
    while node is not None:
        if node.head_id is not None and people.is_active(node.head_id):
            return node.head_id
        node = nodes.get(node.parent_id) if node.parent_id else None
    return None


def manager_of(user_id: int) -> int | None:
    """Who heads the person's primary department; for its head the one of the next department above."""
    nodes = _all().nodes
    held = of_user(user_id)
    node = nodes.get(held[0]) if held else None
    while node is not None:
        if node.head_id not in (None, user_id) and people.is_active(node.head_id or 0):
            return node.head_id
        node = nodes.get(node.parent_id) if node.parent_id else None
    return None


def headed_by(user_id: int) -> set[int]:
    """The departments that the person heads, and all below them."""
    return set().union(*(below(node.id) for node in flat() if node.head_id == user_id))


def choices() -> list[tuple[int, str]]:
    """``(id, name)`` in the tree's order; a name that several have stands with those above it."""
    nodes = flat()
    known = [node.name for node in nodes]
    return [(node.id, path(node.id) if known.count(node.name) > 1 else node.name) for node in nodes]


def grouped_people() -> list[tuple[str, list[tuple[int, str]]]]:
    """``(department, [(id, name)])`` of everybody who can be given work; each stands once, in the primary department."""
    groups: dict[int | None, list[tuple[int, str]]] = defaultdict(list)
    for user_id, text in people.active():
        held = of_user(user_id)
        groups[held[0] if held else None].append((user_id, text))
    shown = [(path(node.id), groups[node.id]) for node in flat() if groups[node.id]]
    return shown + ([(_("未分部门") if shown else "", groups[None])] if groups[None] else [])


# -- changing -----------------------------------------------------------------------------------------------------


def create(text: str, actor: Actor, *, parent: int | None = None, head: int | None = None) -> int:
    """Adds a department below ``parent`` (``None``: at the top), as the last. Raises :class:`UserError` naming the field."""
    text = _name(text)
    with write():
        _check_place(None, parent)
        _check_head(head)
        _check_sisters(None, text, parent)
        last = Department.select(fn.MAX(Department.position)).where(_under(parent)).scalar()
        row_id = int(
            Department.insert(name=text, parent=parent, head=head, position=(last or 0) + 1).execute()
        )  # fmt: skip
        audit.note("department.created", {"department": text, "parent": _named(parent), "head": head}, actor)
        forget()
    return row_id


_KEEP: Any = object()


def update(
    department_id: int, actor: Actor, *, text: str | None = None, parent: Any = _KEEP, head: Any = _KEEP
) -> None:
    """Changes the name, the department above (``None``: to the top) or the head (``None``: none). Raises UserError."""
    now = get(department_id)
    values: dict[str, Any] = {}
    with write():
        if text is not None:
            values["name"] = _name(text)
        if parent is not _KEEP and parent != now.parent_id:
            _check_place(department_id, parent)
            last = Department.select(fn.MAX(Department.position)).where(_under(parent)).scalar()
            values |= {"parent": parent, "position": (last or 0) + 1}
        if head is not _KEEP and head != now.head_id:
            _check_head(head)
            values["head"] = head
        _check_sisters(department_id, values.get("name", now.name), values.get("parent", now.parent_id))
        if values.get("name") == now.name:
            del values["name"]
        if values:
            Department.update(values).where(Department.id == department_id).execute()
            _note_change(now, values, actor)
            forget()


def _note_change(now: Node, values: dict[str, Any], actor: Actor) -> None:
    detail: dict[str, Any] = {"department": [now.name, values["name"]] if "name" in values else now.name}
    if "parent" in values:
        detail["parent"] = _named(values["parent"]) or _("无")
    if "head" in values:
        detail["head"] = values["head"] or _("无")
    audit.note("department.changed", detail, actor)


def move(department_id: int, actor: Actor, parent: int | None, before: int | None = None) -> None:
    """Puts the department under ``parent``, in front of its child ``before`` (``None``: as the last). Raises UserError."""
    now = get(department_id)
    with write():
        _check_place(department_id, parent)
        _check_sisters(department_id, now.name, parent)
        order = [node.id for node in (tree() if parent is None else get(parent).children) if node.id != department_id]
        order.insert(order.index(before) if before in order else len(order), department_id)
        Department.update(parent=parent).where(Department.id == department_id).execute()
        for position, one in enumerate(order, 1):
            Department.update(position=position).where(Department.id == one).execute()
        if parent != now.parent_id:
            _note_change(now, {"parent": parent}, actor)
        forget()


def delete(department_id: int, actor: Actor) -> None:
    """Hides the department. Raises :class:`UserError` while others stand below it."""
    node = get(department_id)
    if node.children:
        raise UserError(_("「%(name)s」下面还有部门，请先移走或删除它们。", name=node.name))
    with write():
        Department.update(deleted_at=clock.now()).where(Department.id == department_id).execute()
        audit.note("department.deleted", {"department": node.name}, actor)
        forget()


def restore(department_id: int, actor: Actor) -> None:
    """Brings a deleted department back, with its people. Raises NotFound, UserError when the name is taken by now."""
    with write():
        row = Department.get_or_none(Department.id == department_id, Department.deleted_at.is_null(False))
        if row is None:
            raise NotFound(_("没有这个部门。"))
        parent = row.parent_id if row.parent_id in _all().nodes else None
        _check_sisters(department_id, row.name, parent)
        Department.update(deleted_at=None, parent=parent).where(Department.id == department_id).execute()
        audit.note("department.restored", {"department": row.name}, actor)
        forget()


def set_members(department_id: int, user_ids: Iterable[int], actor: Actor) -> None:
    """Makes exactly these active people the department's members; who is in no other has it as the primary one."""
    node = get(department_id)
    wanted = set(user_ids)
    if unknown := wanted - {user_id for user_id, _name in people.active()}:
        raise UserError(_("没有编号为 %(id)s 的人员。", id=min(unknown)), "members")
    gone, new = set(node.members) - wanted, wanted - set(node.members)
    if not gone and not new:
        return
    with write():
        here = UserDepartment.department == department_id
        UserDepartment.delete().where(here, UserDepartment.user.in_(sorted(gone))).execute()
        for user_id in sorted(new):
            first = not of_user(user_id)
            UserDepartment.insert(user=user_id, department=department_id, primary=first).on_conflict_ignore().execute()
        for user_id in gone:
            _keep_a_primary(user_id)
        audit.note("department.members", {"department": node.name, "members": _names(wanted) or _("无")}, actor)
        forget()


def set_of_user(user_id: int, department_ids: Iterable[int], actor: Actor) -> None:
    """Puts a person into exactly these departments; the first one is the primary one. Raises UserError."""
    wanted = list(dict.fromkeys(department_ids))
    if wanted == of_user(user_id):
        return
    for one in wanted:
        get(one)
    with write():
        living = list(_all().nodes)
        mine = UserDepartment.user == user_id
        UserDepartment.delete().where(mine, UserDepartment.department.in_(living)).execute()
        for place, one in enumerate(wanted):
            UserDepartment.insert(user=user_id, department=one, primary=place == 0).execute()
        audit.note("department.members", {"user": user_id, "department": names(wanted) or _("无")}, actor)
        forget()


def _keep_a_primary(user_id: int) -> None:
    held = UserDepartment.select().where(UserDepartment.user == user_id)
    rows = [row for row in held if exists(row.department_id)]
    if rows and not any(row.primary for row in rows):
        chosen = (UserDepartment.user == user_id) & (UserDepartment.department == rows[0].department_id)
        UserDepartment.update(primary=True).where(chosen).execute()


def _under(parent: int | None) -> Any:
    return Department.parent.is_null() if parent is None else Department.parent == parent


def _named(department_id: int | None) -> str | None:
    return None if department_id is None else name(department_id)


def _names(user_ids: Iterable[int]) -> str:
    return _("、").join(sorted(map(people.name, user_ids)))


def _name(text: str) -> str:
    text = text.strip()
    if not 0 < len(text) <= 60:
        raise UserError(_("请填写部门名称，最多 60 个字。"), "name")
    if _PARTS.search(text):
        raise UserError(_("部门名称里不要用 / 、> 或 \\ ，它们用来分开上下级。"), "name")
    return text


def _check_place(department_id: int | None, parent: int | None) -> None:
    if parent is None:
        return
    if not exists(parent):
        raise UserError(_("没有这个上级部门，请从列表中选择。"), "parent")
    inside = below(department_id) if department_id is not None else set()
    if parent in inside:
        raise UserError(_("部门不能放到自己或自己的下级里面。"), "parent")
    deepest = max((get(one).depth for one in inside), default=0) - (get(department_id).depth if department_id else 0)
    if get(parent).depth + 1 + deepest >= DEPTH:
        raise UserError(_("部门最多 %(max)d 级。", max=DEPTH), "parent")


def _check_head(head: int | None) -> None:
    if head is not None and head not in dict(people.active()):
        raise UserError(_("请从列表中选择负责人。"), "head")


def _check_sisters(department_id: int | None, text: str, parent: int | None) -> None:
    taken = Department.select().where(Department.name == text, _under(parent), Department.deleted_at.is_null())
    if any(row.id != department_id for row in taken):
        raise UserError(_("这一级已经有「%(name)s」，请换一个名称。", name=text), "name")
