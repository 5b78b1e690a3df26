"""Invitations: a link with which somebody becomes a user, once. They choose login name and password themselves."""

from __future__ import annotations

import hashlib
import secrets as random
from collections.abc import Iterable

from flask_babel import gettext as _
from msgspec import Struct

from ..core import clock
from ..core.db import read, write
from ..core.errors import FieldErrors, NotFound, UserError
from . import audit, departments, users
from .actor import SYSTEM, Actor
from .models import Invitation, Role, User, UserRole

DAYS = 7
MOST_DAYS = 60


class Shown(Struct, frozen=True):
    """An invitation as the list shows it. ``state``: open, used, revoked or over."""

    row: Invitation
    state: str
    roles: str
    department: str
    by: str
    user: str


def make(
    name: str,
    roles: Iterable[str],
    actor: Actor,
    *,
    login: str = "",
    department: int | None = None,
    days: int = DAYS,
) -> str:
    """The path of a new invitation; it is shown only now. Raises :class:`FieldErrors`."""
    name, login, wanted = name.strip(), users.fold(login), list(dict.fromkeys(roles))
    errors = _errors(name, login, wanted, department, days)
    if errors:
        raise FieldErrors(errors)
    secret, now = random.token_urlsafe(24), clock.now()
    with write():
        number = Invitation.insert(
            hash=_hash(secret),
            name=name,
            login=login or None,
            roles=wanted,
            department=department,
            created_by=actor.id,
            created_at=now,
            expires_at=now + days * clock.DAY,
        ).execute()
        detail = {"invitation": number, "name": name, "login": login or None, "role": _role_names(wanted)}
        audit.note("invitation.created", detail, actor)
    return f"/invite/{secret}"


def _errors(name: str, login: str, roles: list[str], department: int | None, days: int) -> dict[str, str]:
    errors = {}
    if not name or len(name) > 60:
        errors["name"] = _("请填写姓名，最多 60 个字。")
    if login and (problem := _login_problem(login)):
        errors["login"] = problem
    known = dict(users.roles())
    if not roles or any(role not in known for role in roles):
        errors["roles"] = _("请至少选择一个角色。")
    if department is not None and not departments.exists(department):
        errors["department"] = _("请从列表中选择部门。")
    if not 1 <= days <= MOST_DAYS:
        errors["days"] = _("有效天数填 1 到 %(most)s。", most=MOST_DAYS)
    return errors


def _login_problem(login: str) -> str | None:
    with read():
        taken = User.select().where(User.login == login).exists()
    return _("已经有人用这个登录名，请换一个。") if taken else users.login_spelled_wrong(login)


def find(secret: str) -> Invitation | None:
    """The living invitation of a link. It dies when who made it is no administrator any more."""
    with read():
        row = Invitation.get_or_none(Invitation.hash == _hash(secret))
    if row is None or _state(row) != "open":
        return None
    maker = users.actor_of(row.created_by) if row.created_by is not None else SYSTEM
    return row if maker and maker.is_admin else None


def accept(secret: str, login: str, name: str, password: str) -> int:
    """Makes the person and returns the id. Raises :class:`UserError`; the link then still works."""
    with write():
        row = find(secret)
        if row is None:
            raise NotFound(_("这个邀请链接已失效。请联系管理员取得新的链接。"))
        known = dict(users.roles())
        roles = [role for role in row.roles if role in known]
        if not roles:
            raise UserError(_("邀请里的角色已经不存在，请联系管理员重新邀请。"))
        user_id = users.create(row.login or login, name, password, roles[0], SYSTEM)
        for role in Role.select().where(Role.key.in_(roles[1:])):
            UserRole.insert(user=user_id, role=role.id).execute()
        if row.department_id and departments.exists(row.department_id):
            departments.set_of_user(user_id, [row.department_id], SYSTEM)
        Invitation.update(used_at=clock.now(), user=user_id).where(Invitation.id == row.id).execute()
        audit.note("invitation.used", {"invitation": row.id, "user": user_id}, users.actor_of(user_id))
    return user_id


def revoke(invitation_id: int, actor: Actor) -> None:
    """Raises :class:`NotFound` when it was used, revoked or never was."""
    living = (Invitation.id == invitation_id) & Invitation.used_at.is_null() & Invitation.revoked_at.is_null()
    with write():
        if not Invitation.update(revoked_at=clock.now()).where(living).execute():
            raise NotFound(_("这个邀请已经用过或撤销了。"))
        audit.note("invitation.revoked", {"invitation": invitation_id}, actor)


def everything(limit: int = 100) -> list[Shown]:
    """The latest invitations."""
    with read():
        rows = list(Invitation.select().order_by(Invitation.id.desc()).limit(limit))
    names = users.names({i for row in rows for i in (row.created_by, row.user_id) if i})
    return [
        Shown(
            row,
            _state(row),
            _role_names(row.roles),
            departments.name(row.department_id) if row.department_id else "",
            names.get(row.created_by, ""),
            names.get(row.user_id, ""),
        )
        for row in rows
    ]


def _state(row: Invitation) -> str:
    if row.used_at:
        return "used"
    if row.revoked_at:
        return "revoked"
    return "open" if row.expires_at > clock.now() else "over"


def _role_names(keys: Iterable[str]) -> str:
    known = dict(users.roles())
    return _("、").join(known.get(key, key) for key in keys)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
