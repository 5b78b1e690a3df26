"""The one way to fetch a URL that somebody typed in (webhooks, sign-in servers): never into the company's own network.

The host is resolved once, every address it has is checked, and the connection goes to an address that was checked: a
name that points elsewhere a moment later (DNS rebinding) gains nothing. Each redirect goes through the same. Proxies of
the environment are not asked: they would resolve the name again.

An administrator opens single hosts of the own network in the setting ``security.allowed_hosts``.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from . import settings
from .errors import UserError

TIMEOUT = 10.0
LIMIT = 4 * 1024 * 1024
REDIRECTS = 3
_BLOCK = 64 * 1024
PORTS = {"http": 80, "https": 443}
_CONTROL = {chr(c) for c in range(0x21)} | {"\x7f", "\\"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What Python's own tables call global, and is not a place to talk to all the same.
_CLOSED = tuple(
    ipaddress.ip_network(net)
    for net in ("0.0.0.0/8", "100.64.0.0/10", "168.63.129.16/32", "192.0.0.0/24", "198.18.0.0/15", "fec0::/10", "2001::/32")
)  # fmt: skip
_MAPPED = tuple(ipaddress.IPv6Network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96"))


class Refused(UserError):
    """The URL may not be fetched: its scheme, or where it leads."""


class Failed(UserError):
    """The other side did not answer, too late, too much, or not in HTTP. ``uncertain``: it may have got the request."""

    status = 502

    def __init__(self, message: str, *, uncertain: bool) -> None:
        super().__init__(message)
        self.uncertain = uncertain


class Answer(Struct, frozen=True):
    """What the other side said. ``url``: after redirects; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    url: str

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """Raises :class:`ValueError` for what is no JSON."""
        try:
            return json.loads(self.body)
        except RecursionError as e:
            raise ValueError("nested too deep") from e


settings.declare(
    "security.allowed_hosts",
    "",
    _l("允许访问的内网主机"),
    help=_l(
        "固客向外发送请求时不访问本机和内网。要连接内网的 ERP、登录服务器等，请在这里写主机名、IP 或网段，用逗号分开。"
    ),
)


def _hosts() -> list[str]:
    return [one.strip().lower() for one in re.split(r"[,，;；\s]+", settings.get("security.allowed_hosts")) if one]


def check_hosts(_text: str) -> None:
    for host in _hosts():
        if _pattern(host) is None:
            raise UserError(
                _(
                    "「%(host)s」不是主机名、IP 地址或网段。请写如 erp.local、192.168.1.20 或 192.168.1.0/24。",
                    host=host,
                ),
                "security.allowed_hosts",
            )


settings.on_change("security.allowed_hosts", check_hosts)


def _pattern(host: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | str | None:
    """A network, a host name, or ``None`` for what is neither."""
    try:
        return ipaddress.ip_network(host.strip("[]"), strict=False)
    except ValueError:
        labels = host.rstrip(".").split(".")
        plain = all(label and len(label) <= 63 and label.replace("-", "").isalnum() for label in labels)
        return host.rstrip(".") if plain and len(host) <= 253 and not labels[-1].isdigit() else None


def fetch(
    url: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = TIMEOUT,
    limit: int = LIMIT,
    redirects: int = REDIRECTS,
) -> Answer:
    """Fetches ``url``: at most ``timeout`` seconds and ``limit`` bytes in all. Whatever the status, it is an answer.

    Only GET and HEAD follow redirects; what the caller sends along goes to the first host alone. Raises :class:`Refused`
    and :class:`Failed`.
    """
    until = time.monotonic() + timeout
    sent = dict(headers or {})
    for _hop in range(redirects + 1):
        parts = check_url(url)
        answer = _once(parts, method, sent, body, until, limit)
        where = answer.headers.get("location")
        if method not in ("GET", "HEAD") or answer.status not in (301, 302, 303, 307, 308) or not where:
            return answer
        url = urljoin(url, where)
        after = urlsplit(url)
        if (after.scheme, after.netloc) != (parts.scheme, parts.netloc):
            sent = {name: value for name, value in sent.items() if name.lower() in ("accept", "user-agent")}
    raise Failed(_("对方重定向次数太多，请核对网址。"), uncertain=False)


def check_url(url: str) -> SplitResult:
    """The parts of a URL that has a form we speak; where it leads is looked at when it is fetched. Raises :class:`Refused`."""
    if len(url) > 2000 or any(c in _CONTROL for c in url):
        raise Refused(_("网址里有不能用的字符，请重新填写。"))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Refused(_("网址写得不对，请重新填写。")) from None
    if parts.scheme not in PORTS:
        raise Refused(_("网址要以 http:// 或 https:// 开头。"))
    if not parts.hostname or "@" in parts.netloc or "%" in parts.netloc or port == 0:
        raise Refused(_("网址写得不对：不能带用户名，要有主机名。"))
    return parts


def addresses(host: str, port: int) -> list[Address]:
    """Where ``host`` may be reached. Raises :class:`Refused` when any of its addresses is one that we do not talk to."""
    try:
        # Also what only the system's resolver understands: 0x7f.1, 2130706433, 127.1.
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Failed(_("找不到主机 %(host)s，请核对网址和网络。", host=host), uncertain=False) from None
    known = list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))
    for address in known:
        if not is_public(address) and not _is_allowed(host, address):
            raise Refused(
                _(
                    "%(host)s 在本机或内网（%(address)s），默认不能访问。确实需要时，请管理员把它加入「允许访问的内网主机」。",
                    host=host,
                    address=str(address),
                )
            )
    return known


def is_public(address: Address) -> bool:
    """Whether anybody on the internet reaches it: no loopback, private, link-local, metadata, multicast address, and none
    of these inside an IPv6 one (mapped, translated, tunnelled)."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in net for net in _MAPPED):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    shut = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    if shut or address.is_reserved or address.is_unspecified or not address.is_global:
        return False
    return not any(address.version == net.version and address in net for net in _CLOSED)


def _is_allowed(host: str, address: Address) -> bool:
    plain = getattr(address, "ipv4_mapped", None) or address
    for pattern in map(_pattern, _hosts()):
        if isinstance(pattern, str):
            if pattern == host.lower().rstrip("."):
                return True
        elif pattern is not None and pattern.version == plain.version and plain in pattern:
            return True
    return False


def _once(
    parts: SplitResult, method: str, headers: dict[str, str], body: bytes | None, until: float, limit: int
) -> Answer:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    connection = _Pinned(host, port, addresses(host, port), parts.scheme == "https", until)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = False
    try:
        with connection.deadline():
            connection.connect()
            sent = True
            said = {"Accept-Encoding": "identity", "User-Agent": "Guke", **headers}
            connection.request(method, path, body=body, headers=said)
            response = connection.getresponse()
            content = _read(response, limit)
        named = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, named, content, parts.geturl())
    except (OSError, http.client.HTTPException, ValueError) as e:
        if isinstance(e, TimeoutError) or time.monotonic() >= until:
            raise Failed(_("%(host)s 没有及时回答，请稍后再试。", host=host), uncertain=sent) from None
        raise Failed(_("连接 %(host)s 失败（%(why)s）。", host=host, why=_why(e)), uncertain=sent) from e
    finally:
        connection.close()


def _why(error: Exception) -> str:
    """What went wrong on the line, in words where it is something that happens every day."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _("对方的证书不可信：%(why)s", why=error.verify_message[:150])
    if isinstance(error, ConnectionRefusedError):
        return _("对方没有在这个端口上接受连接")
    if isinstance(error, (ConnectionResetError, BrokenPipeError, http.client.IncompleteRead)):
        return _("对方断开了连接")
    return (str(error) or type(error).__name__)[:200]


def _read(response: http.client.HTTPResponse, limit: int) -> bytes:
    found = bytearray()
    while block := response.read(min(_BLOCK, limit + 1 - len(found))):
        found += block
        if len(found) > limit:
            raise Failed(_("对方的回答超过 %(size)s KB，没有接收。", size=limit // 1024), uncertain=True)
    return bytes(found)


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were checked, whatever the name says by now."""

    def __init__(self, host: str, port: int, known: list[Address], tls: bool, until: float) -> None:
        super().__init__(host, port)
        self._known, self._tls, self._until = known, tls, until
        # Our own hold of it: the base class lets go of the socket before the body is read.
        self._line: socket.socket | None = None
        self.default_port = PORTS["https" if tls else "http"]

    def connect(self) -> None:
        problem: OSError = OSError("no address")
        for address in self._known:
            try:
                self.sock = socket.create_connection((str(address), self.port), self._left())
                break
            except OSError as e:
                problem = e
        else:
            raise problem
        if self._tls:
            context = ssl.create_default_context()
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
        self._line = self.sock

    @contextmanager
    def deadline(self) -> Iterator[None]:
        """Cuts the line when the time is over: a socket's own timeout begins anew with every byte that trickles in."""
        timer = threading.Timer(self._left(), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield
            self._left()
        finally:
            timer.cancel()

    def _cut(self) -> None:
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)

    def _left(self) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left
