"""Signing in with the company's directory (LDAP, Active Directory): find the entry, then bind as it.

``ldap3`` is loaded when a directory is asked, never before.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _

from ..core.errors import UserError
from . import sources
from .models import User
from .sources import Ldap, Vouched

if TYPE_CHECKING:
    import ldap3

log = logging.getLogger(__name__)

DISABLED = 2
"""The bit of Active Directory's userAccountControl that says so."""
TIMEOUT = 5
"""Seconds for connecting and for each answer."""
UNCHANGING = ("entryUUID", "objectGUID", "ipaUniqueID", "nsUniqueId")
"""Attributes that name an entry for good, in the order of preference; else its DN does."""


def find(login: str, password: str) -> User | None:
    """The active person whom the directory knows by this login and password; ``None``: nobody, or it is off.

    Raises :class:`UserError` when the directory cannot be asked.
    """
    source = sources.get("ldap")
    # An empty password would be an anonymous bind, which directories answer with success.
    if not source.enabled or not password or not login:
        return None
    try:
        who = _vouch(source.options, sources.secret("ldap"), login, password)
    except UserError as error:
        log.warning("the directory could not be asked: %s", error.message)
        raise UserError(_("现在连不上公司的目录服务器，请稍后再试，或联系管理员。")) from error
    if who is None:
        return None
    try:
        return User.get_by_id(sources.admit("ldap", who))
    except UserError:
        return None


def test(options: Ldap, secret: str) -> str:
    """Connects and looks for one person; says in a sentence how it went. Raises :class:`UserError`."""
    import ldap3

    with _speaking(options) as connection:
        _bind(connection, options, secret)
        found = _search(connection, options, options.filter.replace("{login}", "*"), ldap3)
    if not found:
        return _("连接成功，但按现在的位置和条件一个人也找不到，请核对“从哪里找”和“查找条件”。")
    who = _read(found[0], options)
    return _("连接成功，找到了人员，例如 %(name)s（%(login)s）。", name=who.name or who.login, login=who.login)


def still_there(subjects: list[str]) -> set[str]:
    """Those of the people (:attr:`Vouched.subject`) who are in the directory and not locked there.

    Raises :class:`UserError` when the directory cannot be asked.
    """
    source = sources.get("ldap")
    options, found = source.options, set()
    with _speaking(options) as connection:
        _bind(connection, options, sources.secret("ldap"))
        for subject in subjects:
            if _is_there(connection, options, subject):
                found.add(subject)
    return found


def _is_there(connection: Any, options: Ldap, subject: str) -> bool:
    """By the number that never changes, in the words of any of the attributes that may hold it; else by its place."""
    import ldap3
    from ldap3.utils.conv import escape_bytes

    base, scope, one = options.base, ldap3.SUBTREE, "(objectClass=*)"
    if subject.startswith("dn:"):
        base, scope = subject.removeprefix("dn:"), ldap3.BASE
    else:
        number = escape_bytes(bytes.fromhex(subject))
        one = "(|" + "".join(f"({name}={number})" for name in UNCHANGING) + ")"
    wanted = f"(&{options.filter.replace('{login}', '*')}{one})"
    connection.search(base, wanted, scope, attributes=["userAccountControl", "nsAccountLock"], size_limit=2)
    code, why = connection.result["result"], connection.result["description"]
    if code == 32:
        return False
    if code not in (0, 4):
        raise UserError(_("目录服务器没有回答查找（%(why)s）。请核对服务账号的权限和查找条件。", why=why), "filter")
    return any(not _is_locked(entry) for entry in connection.response if entry["type"] == "searchResEntry")


def _is_locked(entry: Any) -> bool:
    raw = {name.casefold(): values for name, values in entry["raw_attributes"].items()}
    flags = (raw.get("useraccountcontrol") or [b""])[0]
    locked = (raw.get("nsaccountlock") or [b""])[0]
    return (flags.isdigit() and bool(int(flags) & DISABLED)) or locked.upper() == b"TRUE"


def _vouch(options: Ldap, secret: str, login: str, password: str) -> Vouched | None:
    import ldap3
    from ldap3.utils.conv import escape_filter_chars

    with _speaking(options) as connection:
        _bind(connection, options, secret)
        found = _search(connection, options, options.filter.replace("{login}", escape_filter_chars(login)), ldap3)
    if len(found) != 1:
        return None
    with _speaking(options) as own:
        own.user, own.password, own.authentication = found[0]["dn"], password, ldap3.SIMPLE
        if not own.bind():
            return None
    return _read(found[0], options)


class _speaking:
    """A connection to the directory, encrypted as set, not bound yet; errors become sentences."""

    def __init__(self, options: Ldap) -> None:
        self.options = options

    def __enter__(self) -> Any:
        try:
            self.connection = _open(self.options)
        except Exception as error:
            raise _sentence(error, self.options) from error
        return self.connection

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self.connection.unbind()
        except Exception:
            log.debug("the directory had hung up already")
        if error is not None and not isinstance(error, UserError) and isinstance(error, Exception):
            raise _sentence(error, self.options) from error


def _open(options: Ldap) -> ldap3.Connection:
    import ldap3

    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_data=options.certificate or None)
    server = ldap3.Server(
        options.host,
        options.port,
        use_ssl=options.security == "tls",
        tls=tls if options.security != "none" else None,
        connect_timeout=TIMEOUT,
        get_info=ldap3.NONE,
    )
    connection = ldap3.Connection(
        server, receive_timeout=TIMEOUT, auto_referrals=False, read_only=True, raise_exceptions=False
    )
    connection.open()
    if options.security == "starttls" and not connection.start_tls():
        raise UserError(_("目录服务器不支持 StartTLS，请换一种加密方式。"), "security")
    return connection


def _bind(connection: Any, options: Ldap, secret: str) -> None:
    """As the service account, else as nobody."""
    import ldap3

    if options.bind_dn:
        if not secret:
            raise UserError(_("请填写服务账号的密码。"), "secret")
        connection.user, connection.password, connection.authentication = options.bind_dn, secret, ldap3.SIMPLE
    if not connection.bind():
        raise UserError(_("目录服务器不接受这个服务账号或密码。"), "bind_dn")


def _search(connection: Any, options: Ldap, text: str, ldap3: Any) -> list[Any]:
    """At most two entries: more than one is as good as none."""
    wanted = {options.login_from, options.name_from, options.email_from, options.department_from, options.groups_from}
    connection.search(
        options.base, text, ldap3.SUBTREE, attributes=sorted((wanted - {""}) | set(UNCHANGING)), size_limit=2
    )
    code = connection.result["result"]
    if code == 32:
        raise UserError(_("目录里没有这个位置：%(base)s。", base=options.base), "base")
    if code not in (0, 4):
        why = connection.result["description"]
        raise UserError(_("目录服务器没有回答查找（%(why)s）。请核对服务账号的权限和查找条件。", why=why), "filter")
    return [entry for entry in connection.response if entry["type"] == "searchResEntry"]


def _read(entry: Any, options: Ldap) -> Vouched:
    raw = {name.casefold(): values for name, values in entry["raw_attributes"].items()}

    def text(name: str) -> str:
        values = raw.get(name.casefold()) or [b""]
        return bytes(values[0]).decode("utf-8", "replace").strip()

    lasting = next((bytes(raw[n.casefold()][0]) for n in UNCHANGING if raw.get(n.casefold())), None)
    groups = (raw.get(options.groups_from.casefold()) or []) if options.groups_from else []
    return Vouched(
        subject=lasting.hex() if lasting else f"dn:{entry['dn'].casefold()}",
        login=text(options.login_from),
        name=text(options.name_from),
        email=text(options.email_from),
        department=text(options.department_from) if options.department_from else "",
        groups=tuple(bytes(group).decode("utf-8", "replace") for group in groups),
    )


def _sentence(error: Exception, options: Ldap) -> UserError:
    from ldap3.core import exceptions

    if isinstance(error, UserError):
        return error
    where = f"{options.host}:{options.port}"
    said = str(error).lower()
    if "certificate" in said or isinstance(error, (exceptions.LDAPCertificateError, ssl.SSLCertVerificationError)):
        return UserError(
            _("%(where)s 的证书不受信任。请粘贴签发它的根证书，并核对主机名与证书一致。", where=where), "certificate"
        )
    if isinstance(error, exceptions.LDAPInvalidFilterError):
        return UserError(_("查找条件写得不对，例如 (uid={login})。"), "filter")
    if isinstance(error, exceptions.LDAPStartTLSError):
        return UserError(_("目录服务器不支持 StartTLS，请换一种加密方式。"), "security")
    if isinstance(error, (exceptions.LDAPSocketOpenError, OSError)):
        return UserError(_("连不上 %(where)s。请核对主机、端口、加密方式和防火墙。", where=where), "host")
    return UserError(_("目录服务器的回答无法理解（%(why)s）。请核对端口和加密方式。", why=type(error).__name__), "host")
