"""Directories and providers that vouch for people: what is set, and which person of ours somebody is.

Both are off until an administrator turns them on. The local password of an administrator always works.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import asdict

from ..core import clock, settings
from ..core.db import read, write
from ..core.errors import FieldErrors, UserError
from . import audit, departments, sessions, users
from .actor import SYSTEM, Actor
from .cache import Cache, forget
from .models import OutsideIdentity, Role, SignInSource, User, UserRole

settings.declare(
    "signin.local",
    "everybody",
    _l("谁可以用固客的密码登录"),
    "choice",
    options={"everybody": _l("所有人"), "admins": _l("只有管理员，其他人从目录或统一登录进入")},
)


settings.declare(
    "signin.provider_hours", 24, _l("统一登录每隔多少小时重新验证"), "integer", least=1, most=1440,
    help=_l("从统一登录进来的人到时要再经过它一次：在那里停用的人最迟此时失去访问。"),
)  # fmt: skip


class Common(Struct, frozen=True):
    """What both kinds have. ``groups``: lines ``group => role key``."""

    name_from: str = "name"
    email_from: str = "email"
    department_from: str = ""
    groups_from: str = ""
    groups: str = ""
    role: str = "staff"
    create: bool = True
    link: bool = False

    @property
    def roles_of_groups(self) -> list[tuple[str, str]]:
        """``[(group in lower case, role key)]``."""
        pairs = [re.split(r"\s*(?:=>|→)\s*", line.strip()) for line in self.groups.splitlines() if line.strip()]
        return [(pair[0].casefold(), pair[1]) for pair in pairs if len(pair) == 2]


class Ldap(Common, frozen=True):
    """A directory. ``security``: tls (ldaps), starttls or none. ``certificate``: PEM of its own authority."""

    host: str = ""
    port: int = 636
    security: str = "tls"
    certificate: str = ""
    bind_dn: str = ""
    base: str = ""
    filter: str = "(uid={login})"
    login_from: str = "uid"
    name_from: str = "cn"
    email_from: str = "mail"
    groups_from: str = "memberOf"


class Oidc(Common, frozen=True):
    """A provider. ``label``: what the button says. ``domains``: the only e-mail domains that may come in; empty: any."""

    issuer: str = ""
    client_id: str = ""
    label: str = ""
    scopes: str = "openid profile email"
    domains: str = ""
    login_from: str = "preferred_username"
    groups_from: str = "groups"

    @property
    def allowed_domains(self) -> list[str]:
        return [d.lstrip("@").casefold() for d in re.split(r"[,，;；\s]+", self.domains) if d]


HOUR = 3_600

KINDS: dict[str, type[Common]] = {"ldap": Ldap, "oidc": Oidc}
SECURITY = {"tls": _l("LDAPS（加密）"), "starttls": _l("StartTLS（加密）"), "none": _l("不加密，只用于测试")}


class Source(Struct, frozen=True):
    """How one kind is set. The secret is read only where it is used: :func:`secret`."""

    kind: str
    enabled: bool
    options: Any
    has_secret: bool = False


class Vouched(Struct, frozen=True):
    """Somebody a source knows. ``subject`` never changes there; the rest may."""

    subject: str
    login: str
    name: str = ""
    email: str = ""
    department: str = ""
    groups: tuple[str, ...] = field(default=())


_sources: Cache[Source] = Cache()


def get(kind: str) -> Source:
    return _sources.get(kind, lambda: _load(kind))


def _load(kind: str) -> Source:
    query = SignInSource.select(SignInSource.enabled, SignInSource.options, SignInSource.secret.is_null(False))
    with read():
        row = query.where(SignInSource.kind == kind).tuples().first()
    cls = KINDS[kind]
    if row is None:
        return Source(kind, False, cls())
    known = cls.__struct_fields__
    return Source(kind, bool(row[0]), cls(**{k: v for k, v in row[1].items() if k in known}), bool(row[2]))


def secret(kind: str) -> str:
    """The password or client secret; empty when there is none. Raises :class:`UserError` when the key is another one."""
    with read():
        row = SignInSource.get_or_none(SignInSource.kind == kind)
    return (row.secret or "") if row else ""


def is_on(kind: str) -> bool:
    return get(kind).enabled


def read_options(kind: str, given: Mapping[str, str]) -> Any:
    """The options that a form says, checked. Raises :class:`FieldErrors`."""
    cls = KINDS[kind]
    typed: dict[str, Any] = {}
    for name in cls.__struct_fields__:
        raw = given.get(name, "").strip()
        if name in ("create", "link"):
            typed[name] = bool(raw)
        elif name == "port":
            typed[name] = int(raw) if raw.isdecimal() and len(raw) < 6 else 0
        else:
            typed[name] = raw
    options = cls(**typed)
    errors = _common_errors(options)
    if isinstance(options, Ldap):
        errors |= _ldap_errors(options)
    elif isinstance(options, Oidc):
        errors |= _oidc_errors(options)
    if errors:
        raise FieldErrors(errors)
    return options


def _common_errors(options: Any) -> dict[str, str]:
    errors, known = {}, dict(users.roles())
    if options.role not in known:
        errors["role"] = _("请从列表中选择角色。")
    lines = [line for line in options.groups.splitlines() if line.strip()]
    pairs = options.roles_of_groups
    if len(pairs) != len(lines):
        errors["groups"] = _("每行写一个：组 => 角色，例如 sales => staff。")
    elif wrong := [role for _group, role in pairs if role not in known]:
        errors["groups"] = _("没有角色 %(role)s；有：%(known)s。", role=wrong[0], known=_("、").join(known))
    if not options.login_from:
        errors["login_from"] = _("请填写登录名取自哪一项。")
    return errors


def _ldap_errors(options: Ldap) -> dict[str, str]:
    errors = {}
    if not re.fullmatch(r"[\w.:-]{1,253}", options.host):
        errors["host"] = _("请填写目录服务器的主机名或 IP，不带 ldap://。")
    if not 0 < options.port < 65536:
        errors["port"] = _("端口是 1 到 65535 之间的数，通常是 636 或 389。")
    if options.security not in SECURITY:
        errors["security"] = _("请从列表中选择一项。")
    if not options.base:
        errors["base"] = _("请填写从哪里开始查找人员，例如 ou=people,dc=example,dc=com。")
    balanced = options.filter.count("(") == options.filter.count(")")
    if "{login}" not in options.filter or not options.filter.startswith("(") or not balanced:
        errors["filter"] = _("查找条件要用括号括起来，并包含 {login}，例如 (uid={login})。")
    if options.certificate and "-----BEGIN CERTIFICATE-----" not in options.certificate:
        errors["certificate"] = _("请粘贴 PEM 格式的证书，以 -----BEGIN CERTIFICATE----- 开头。")
    return errors


def _oidc_errors(options: Oidc) -> dict[str, str]:
    errors = {}
    try:
        url = urlsplit(options.issuer)
        local = url.hostname in ("localhost", "127.0.0.1", "::1")
        good = bool(url.hostname) and not url.query and not url.fragment
    except ValueError:
        good = local = False
        url = urlsplit("")
    if not good or not (url.scheme == "https" or (url.scheme == "http" and local)):
        errors["issuer"] = _("请填写 https:// 开头的发行者网址，例如 https://login.example.com。")
    if not options.client_id:
        errors["client_id"] = _("请填写在登录服务那里登记的客户端 ID。")
    if "openid" not in options.scopes.split():
        errors["scopes"] = _("范围里必须有 openid。")
    return errors


def save(kind: str, enabled: bool, options: Any, new_secret: str, actor: Actor) -> None:
    """Keeps it; an empty ``new_secret`` leaves the one there is."""
    before = get(kind)
    row = {"kind": kind, "enabled": enabled, "options": asdict(options)}
    preserved = [SignInSource.enabled, SignInSource.options]
    if new_secret:
        row["secret"] = new_secret
        preserved.append(SignInSource.secret)
    with write():
        SignInSource.insert(row).on_conflict(conflict_target=[SignInSource.kind], preserve=preserved).execute()
        if not enabled and settings.get("signin.local") == "admins" and not is_on(_other(kind)):
            settings.set("signin.local", "everybody", actor)
        changed = [key for key, value in asdict(options).items() if getattr(before.options, key) != value]
        changed += ["secret"] if new_secret else []
        changed += ["enabled"] if before.enabled != enabled else []
        audit.note("source.changed", {"source": kind, "active": enabled, "name": ", ".join(changed) or None}, actor)
        forget()


def _other(kind: str) -> str:
    return "oidc" if kind == "ldap" else "ldap"


def set_local(choice: str, hours: str, actor: Actor) -> None:
    """Who may use a password of ours, and how long a provider's word counts. Raises :class:`UserError` when nobody else could
    come in any other way."""
    if choice == "admins" and not any(is_on(kind) for kind in KINDS):
        raise UserError(_("请先启用目录或统一登录，否则其他人都无法登录。"), "signin.local")
    keys = ("signin.local", "signin.provider_hours")
    before = {key: settings.get(key) for key in keys}
    with write():
        settings.set("signin.local", choice, actor)
        settings.set("signin.provider_hours", hours or before["signin.provider_hours"], actor)
        audit.note(
            "settings.changed", {k: [before[k], now] for k in keys if (now := settings.get(k)) != before[k]}, actor
        )


def local_is_open(user: User) -> bool:
    """Whether this person may come in with a password of ours. Administrators always may."""
    if settings.get("signin.local") == "everybody" or not any(is_on(kind) for kind in KINDS):
        return True
    actor = users.actor_of(user.id)
    return actor is not None and actor.is_admin


def longest_session(user_id: int) -> int:
    """Seconds that a session of the person lasts: who comes from a provider is asked for there again and again."""
    if not is_on("oidc"):
        return sessions.LONGEST
    with read():
        theirs = OutsideIdentity.select().where(OutsideIdentity.kind == "oidc", OutsideIdentity.user == user_id)
        return int(settings.get("signin.provider_hours")) * HOUR if theirs.exists() else sessions.LONGEST


def admit(kind: str, who: Vouched) -> int:
    """The id of our person for somebody a source vouches for; a new one where that is allowed.

    Raises :class:`UserError`, in words for the person; the log says why.
    """
    options = get(kind).options
    with write():
        identity = OutsideIdentity.get_or_none(OutsideIdentity.kind == kind, OutsideIdentity.subject == who.subject)
        user_id = identity.user_id if identity else _first_time(kind, who, options)
        if users.actor_of(user_id) is None:
            raise _no_account()
        seen = {"email": who.email or None, "seen_at": clock.now()}
        if identity:
            OutsideIdentity.update(seen).where(OutsideIdentity.id == identity.id).execute()
        else:
            named = {"kind": kind, "subject": who.subject, "user": user_id, "created_at": clock.now()}
            OutsideIdentity.insert(named | seen).execute()
            _place(user_id, who.department)
        _sync_roles(user_id, who, options)
    return int(user_id)


def _no_account() -> UserError:
    return UserError(_("您在固客里没有可用的账号，请联系管理员。"))


def _first_time(kind: str, who: Vouched, options: Any) -> int:
    login = users.fold(who.login)
    user = User.get_or_none(User.login == login)
    if user is None:
        if not options.create or users.login_spelled_wrong(login):
            raise _no_account()
        return users.create(login, (who.name.strip() or login)[:60], None, options.role, SYSTEM)
    actor = users.actor_of(user.id)
    known = OutsideIdentity.select().where(OutsideIdentity.kind == kind, OutsideIdentity.user == user.id).exists()
    # Whoever runs the directory must not become an administrator here by taking the name of one.
    if not options.link or actor is None or actor.is_admin or known:
        raise _no_account()
    return int(user.id)


def _place(user_id: int, text: str) -> None:
    """Into the department of that name, if there is one and the person has none."""
    found = departments.find(text.strip()) if text.strip() else None
    if found and not departments.of_user(user_id):
        departments.set_of_user(user_id, [found], SYSTEM)


def _sync_roles(user_id: int, who: Vouched, options: Any) -> None:
    """Gives and takes the roles that groups stand for; others stay. Somebody is left to administer in any case."""
    pairs = options.roles_of_groups
    if not pairs:
        return
    groups = {name for group in who.groups for name in _names_of(group)}
    held = {key for key, _label in users.roles_of([user_id]).get(user_id, [])}
    wanted = (held - {role for _group, role in pairs}) | {role for group, role in pairs if group in groups}
    wanted = wanted or {options.role}
    if wanted == held:
        return
    try:
        with write():
            UserRole.delete().where(UserRole.user == user_id).execute()
            for role in Role.select().where(Role.key.in_(wanted)):
                UserRole.insert(user=user_id, role=role.id).execute()
            users.keep_an_admin()
            audit.note("user.changed", {"user": user_id, "role": ", ".join(sorted(wanted))}, SYSTEM)
            forget()
    except UserError:
        return


def _names_of(group: str) -> set[str]:
    """A group by its whole name and, in a directory, by the first part: ``cn=sales,ou=…`` is also ``sales``."""
    folded = group.casefold().strip()
    first = folded.split(",", 1)[0]
    return {folded, first.partition("=")[2]} if "=" in first else {folded}
