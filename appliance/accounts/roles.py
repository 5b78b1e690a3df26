"""The roles of the company: made, copied, renamed, changed, deleted; who holds which."""

from __future__ import annotations

import re
import secrets as random
from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import replace

from ..core import i18n
from ..core.db import read, write
from ..core.errors import Conflict, FieldErrors, NotFound, UserError
from . import audit, users
from .actor import Actor
from .cache import forget
from .models import Role, User, UserRole
from .permissions import ADMIN, Rights

LABEL = 40
_KEY = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Described(Struct, frozen=True):
    """A role as the screen shows it. ``people``: ``(id, name)`` of those who hold it and can sign in."""

    id: int
    key: str
    label: str
    rights: Rights
    system: bool
    people: list[tuple[int, str]] = field(default_factory=list)


def everything() -> list[Described]:
    """All roles, the built-in ones first."""
    with read():
        rows = list(Role.select().order_by(Role.system.desc(), Role.id))
        held: dict[int, list[tuple[int, str]]] = {}
        holders = UserRole.select(UserRole.role, User.id, User.name).join(User).where(User.active)
        for role_id, user_id, name in holders.order_by(User.name).tuples():
            held.setdefault(role_id, []).append((user_id, name))
    return [_described(row, held.get(row.id, [])) for row in rows]


def _described(row: Any, people: list[tuple[int, str]]) -> Described:
    return Described(row.id, row.key, i18n.label(row.label), Rights.open(row.rights), row.system, people)


def get(key: str) -> Described:
    """Raises :class:`NotFound`."""
    found = next((role for role in everything() if role.key == key), None)
    if found is None:
        raise NotFound(_("没有这个角色。"))
    return found


def create(label: Any, rights: Rights, actor: Actor, key: str | None = None) -> str:
    """Makes a role and returns its key. Raises :class:`UserError` naming the field (label, key)."""
    _check_label(label)
    if key is not None and not _KEY.fullmatch(key):
        raise UserError(_("键名用小写字母开头，后面是小写字母、数字或 _，最多 40 个。"), "key")
    key = key or f"role_{random.token_hex(4)}"
    with write():
        if Role.select().where(Role.key == key).exists():
            raise Conflict(_("已经有键名为「%(key)s」的角色。", key=key))
        _check_sisters(None, label)
        users.add_role(key, label, rights)
    return key


def copy(key: str, actor: Actor) -> str:
    """Makes a role with the same rights and returns its key."""
    found = get(key)
    taken = {role.label for role in everything()}
    number, label = 1, _("%(name)s 副本", name=found.label)
    while label in taken:
        number += 1
        label = _("%(name)s 副本 %(number)d", name=found.label, number=number)
    return create(label[:LABEL], replace(found.rights, admin=False), actor)


def change(key: str, actor: Actor, *, label: Any = None, rights: Rights | None = None) -> None:
    """Raises :class:`UserError` when the rights of administrators would change, or the name is taken."""
    found = get(key)
    if found.key == "admin" and rights is not None and rights != ADMIN:
        raise UserError(_("管理员总是拥有全部权限。要收窄权限，请新建一个角色。"))
    if label is not None:
        _check_label(label)
    with write():
        row = Role.get_by_id(found.id)
        if label is not None:
            _check_sisters(found.id, label)
        users.update_role(key, row.label if label is None else label, rights or found.rights)


def delete(key: str, actor: Actor) -> None:
    """Raises :class:`UserError` for a built-in role and while people hold it."""
    found = get(key)
    if found.system:
        raise UserError(_("「%(role)s」是内置角色，不能删除。", role=found.label))
    with read():
        holders = UserRole.select(User.name).join(User).where(UserRole.role == found.id).order_by(User.name).tuples()
        names = [name for (name,) in holders]
    if names:
        shown = _("、").join(names[:5])
        raise UserError(
            _(
                "还有 %(count)d 人是「%(role)s」：%(names)s。请先给他们换角色。",
                count=len(names),
                role=found.label,
                names=shown,
            )
        )
    users.delete_role(key)


def set_people(key: str, user_ids: Iterable[int], actor: Actor) -> None:
    """Makes exactly these active people hold the role; nobody is left without any. Raises :class:`UserError`."""
    found = get(key)
    wanted, now = set(user_ids), {user_id for user_id, _name in found.people}
    with write():
        for user_id in sorted(wanted ^ now):
            held = [role for role, _label in users.roles_of([user_id]).get(user_id, [])]
            others = [role for role in held if role != key]
            set_of_user(user_id, [*others, key] if user_id in wanted else others, actor)


def set_of_user(user_id: int, keys: Iterable[str], actor: Actor) -> None:
    """Gives a person exactly these roles. Raises :class:`UserError` (role), also when nobody could administer any more."""
    wanted = list(dict.fromkeys(keys))
    user = users.get(user_id)
    known = {role.key: role for role in everything()}
    if unknown := [key for key in wanted if key not in known]:
        raise UserError(_("没有角色「%(key)s」。", key=unknown[0]), "role")
    if not wanted:
        raise UserError(_("「%(name)s」至少要有一个角色。不再用固客的人请停用。", name=user.name), "role")
    with write():
        held = [key for key, _label in users.roles_of([user_id]).get(user_id, [])]
        if set(held) == set(wanted):
            return
        UserRole.delete().where(UserRole.user == user_id).execute()
        for key in wanted:
            UserRole.insert(user=user_id, role=known[key].id).execute()
        users.keep_an_admin()
        audit.note("user.changed", {"user": user_id, "role": _("、").join(known[key].label for key in wanted)}, actor)
        forget()


def _check_label(label: Any) -> None:
    texts = list(label.values()) if isinstance(label, dict) else [label]
    if not texts or not all(isinstance(text, str) and 0 < len(text.strip()) <= LABEL for text in texts):
        raise FieldErrors({"label": _("请填写角色名称，最多 %(max)d 个字。", max=LABEL)})


def _check_sisters(role_id: int | None, label: Any) -> None:
    shown = i18n.label(label)
    if any(role.label == shown and role.id != role_id for role in everything()):
        raise UserError(_("已经有角色「%(name)s」，请换一个名称。", name=shown), "label")
