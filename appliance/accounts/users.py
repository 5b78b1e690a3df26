"""People: create, change, disable, give roles; the actor that acts for them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from peewee import fn

from ..core import clock, i18n, schema
from ..core.db import read, write
from ..core.errors import FieldErrors, NotFound, UserError
from . import audit, passwords
from .actor import Actor
from .cache import Cache, forget
from .models import ApiToken, OneTimeLink, Role, Session, User, UserRole
from .permissions import ADMIN, STAFF, Rights

THEMES = {"auto": _l("跟随系统"), "light": _l("浅色"), "dark": _l("深色")}

_LOGIN = re.compile(r"[\w.@+-]{2,60}")
_actors: Cache[Actor | None] = Cache()


@schema.seed
def seed_roles() -> None:
    """The two built-in roles."""
    for key, label, rights in (
        ("admin", {"zh": "管理员", "en": "Administrator"}, ADMIN),
        ("staff", {"zh": "员工", "en": "Staff"}, STAFF),
    ):
        Role.insert(key=key, label=label, rights=rights.document(), system=True).on_conflict_ignore().execute()


def create(login: str, name: str, password: str | None, role: str, actor: Actor) -> int:
    """Adds a person and returns the id. Without a password nobody can sign in until a reset link was used.

    Raises :class:`UserError` naming the field (login, name, password, role).
    """
    login, name = fold(login), name.strip()
    errors = _check(login, name, password, role)
    if errors:
        raise FieldErrors(errors)
    hashed = passwords.hash_password(password) if password else None
    with write():
        if User.select().where(User.login == login).exists():
            raise UserError(_("已经有人用这个登录名，请换一个。"), "login")
        now = clock.now()
        user_id = int(
            User.insert(
                login=login,
                name=name,
                password_hash=hashed,
                created_at=now,
                password_changed_at=now if hashed else None,
            ).execute()
        )
        _give(user_id, role)
        audit.note("user.created", {"user": user_id, "login": login, "role": role}, actor)
        forget()
    return user_id


def _check(login: str, name: str, password: str | None, role: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    if problem := login_spelled_wrong(login):
        errors["login"] = problem
    if not name or len(name) > 60:
        errors["name"] = _("请填写姓名，最多 60 个字。")
    if role not in dict(roles()):
        errors["role"] = _("请从列表中选择角色。")
    if password is not None:
        try:
            passwords.check(password, login)
        except UserError as error:
            errors |= error.errors
    return errors


def login_spelled_wrong(login: str) -> str | None:
    """What is wrong with a folded login name, in words; ``None``: nothing."""
    if _LOGIN.fullmatch(login):
        return None
    return _("登录名用 2 到 60 个字母、数字、汉字或 . _ @ + - ，不含空格。")


def fold(login: str) -> str:
    """The form of a login name that is stored and compared."""
    return login.strip().casefold()


def update(user_id: int, actor: Actor, *, name: str | None = None, role: str | None = None) -> None:
    """Changes name or role. Raises :class:`UserError` when it would leave no administrator."""
    user = get(user_id)
    if name is not None and not 0 < len(name.strip()) <= 60:
        raise UserError(_("请填写姓名，最多 60 个字。"), "name")
    if role is not None and role not in dict(roles()):
        raise UserError(_("请从列表中选择角色。"), "role")
    with write():
        if name is not None:
            User.update(name=name.strip()).where(User.id == user.id).execute()
        if role is not None:
            UserRole.delete().where(UserRole.user == user.id).execute()
            _give(user.id, role)
            keep_an_admin()
        audit.note("user.changed", {"user": user.id, "name": name, "role": role}, actor)
        forget()


def disable(user_id: int, actor: Actor) -> None:
    """Ends the person's sessions, tokens and open links at once. What they did stays."""
    user = get(user_id)
    with write():
        User.update(active=False).where(User.id == user.id).execute()
        keep_an_admin()
        Session.delete().where(Session.user == user.id).execute()
        OneTimeLink.delete().where(OneTimeLink.user == user.id).execute()
        ApiToken.update(revoked_at=clock.now()).where(ApiToken.user == user.id, ApiToken.revoked_at.is_null()).execute()
        audit.note("user.disabled", {"user": user.id}, actor)
        forget()


def enable(user_id: int, actor: Actor) -> None:
    user = get(user_id)
    with write():
        User.update(active=True).where(User.id == user.id).execute()
        audit.note("user.enabled", {"user": user.id}, actor)
        forget()


def set_password(user_id: int, password: str, actor: Actor | None = None) -> None:
    """Sets a new password and ends every session of the person. Raises :class:`UserError`."""
    user = get(user_id)
    passwords.check(password, user.login)
    hashed = passwords.hash_password(password)
    with write():
        User.update(password_hash=hashed, password_changed_at=clock.now()).where(User.id == user.id).execute()
        Session.delete().where(Session.user == user.id).execute()
        audit.note("password.changed", {"user": user.id}, actor or actor_of(user.id))
        forget()


def set_locale(user_id: int, locale: str) -> None:
    if locale in i18n.LOCALES:
        _set(user_id, locale=locale)


def set_theme(user_id: int, theme: str) -> None:
    if theme in THEMES:
        _set(user_id, theme=theme)


def _set(user_id: int, **values: str) -> None:
    with write():
        User.update(**values).where(User.id == user_id).execute()
        forget()


def get(user_id: int) -> User:
    """Raises :class:`NotFound`."""
    with read():
        user = User.get_or_none(User.id == user_id)
    if user is None:
        raise NotFound(_("没有这位用户。"))
    return user


def by_login(login: str) -> User:
    """Raises :class:`NotFound`."""
    with read():
        user = User.get_or_none(User.login == fold(login))
    if user is None:
        raise NotFound(_("没有登录名为 %(login)s 的用户。", login=login))
    return user


def people(*, active: bool | None = None) -> list[User]:
    """Everybody by name; ``active=True``: who can be given work."""
    query = User.select().order_by(User.active.desc(), User.name, User.id)
    with read():
        return list(query if active is None else query.where(User.active == active))


def names(ids: Iterable[int]) -> dict[int, str]:
    """``{id: name}`` of the people with these ids."""
    with read():
        return dict(User.select(User.id, User.name).where(User.id.in_(list(set(ids)))).tuples())


def roles() -> list[tuple[str, str]]:
    """``[(key, label)]`` of the roles there are."""
    with read():
        return [(role.key, i18n.label(role.label)) for role in Role.select().order_by(Role.id)]


def roles_of(ids: Iterable[int]) -> dict[int, list[tuple[str, str]]]:
    """``{user id: [(role key, label)]}``."""
    found: dict[int, list[tuple[str, str]]] = {}
    query = UserRole.select(UserRole.user, Role).join(Role).where(UserRole.user.in_(list(ids))).order_by(Role.id)
    with read():
        for row in query:
            found.setdefault(row.user_id, []).append((row.role.key, i18n.label(row.role.label)))
    return found


def add_role(key: str, label: object, rights: Rights) -> int:
    """Makes a role and returns its id."""
    with write():
        role_id = int(Role.insert(key=key, label=label, rights=rights.document()).execute())
        audit.note("role.created", {"role": key})
        forget()
    return role_id


def role(key: str) -> tuple[object, Rights] | None:
    """Label and rights of a role; ``None``: there is none of that key."""
    with read():
        row = Role.get_or_none(Role.key == key)
    return (row.label, Rights.open(row.rights)) if row else None


def update_role(key: str, label: object, rights: Rights) -> None:
    """Changes a role. Raises :class:`UserError` when nobody could administer any more."""
    with write():
        Role.update(label=label, rights=rights.document()).where(Role.key == key).execute()
        keep_an_admin()
        audit.note("role.changed", {"role": key})
        forget()


def delete_role(key: str) -> None:
    """Raises :class:`UserError` while people have the role, and for a built-in one."""
    with write():
        row = Role.get_or_none(Role.key == key)
        if row is None or row.system:
            raise UserError(_("请从列表中选择角色。"), "role")
        if UserRole.select().where(UserRole.role == row.id).exists():
            raise UserError(_("角色「%(role)s」还有人在用，保留。", role=i18n.label(row.label)))
        audit.note("role.deleted", {"name": i18n.label(row.label)}, about=f"role:{key}")
        row.delete_instance()
        forget()


def has_admin() -> bool:
    """Whether an active administrator exists: the end of every setup link."""
    with read():
        return bool(_admins())


def actor_of(user_id: int) -> Actor | None:
    """The actor for an active person; ``None`` for one who was disabled or is gone."""
    return _actors.get(user_id, lambda: _load(user_id))


def _load(user_id: int) -> Actor | None:
    with read():
        user = User.get_or_none(User.id == user_id, User.active)
        if user is None:
            return None
        roles = Role.select(Role.id, Role.rights).join(UserRole).where(UserRole.user == user_id)
        held = {role_id: Rights.open(rights) for role_id, rights in roles.tuples()}
    return Actor(
        id=user.id,
        name=user.name,
        login=user.login,
        is_admin=any(rights.admin for rights in held.values()),
        role_ids=tuple(held),
        locale=user.locale,
        theme=user.theme,
    )


def _give(user_id: int, role: str) -> None:
    UserRole.insert(user=user_id, role=Role.get(Role.key == role).id).execute()


def _admins() -> int:
    admin_roles = [role.id for role in Role.select() if Rights.open(role.rights).admin]
    query = User.select(fn.COUNT(User.id.distinct())).join(UserRole)
    return int(query.where(User.active, UserRole.role.in_(admin_roles)).scalar() or 0)


def keep_an_admin() -> None:
    if not _admins():
        raise UserError(_("至少要有一位能登录的管理员。请先让另一个人成为管理员。"))
