"""A small real LDAP server on loopback (RFC 4511, BER over TCP): binds are checked, searches filtered, TLS spoken.

It does what trips clients up: an empty password binds as nobody and succeeds, only the service account may search, and
more hits than the size limit end with ``sizeLimitExceeded``.
"""

from __future__ import annotations

import datetime as dt
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SUCCESS, SIZE_LIMIT, NO_SUCH_OBJECT, INVALID_CREDENTIALS, NO_ACCESS = 0, 4, 32, 49, 50
BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77
BIND_DONE, ENTRY, SEARCH_DONE, EXTENDED_DONE = 0x61, 0x64, 0x65, 0x78
AND, OR, NOT, EQUAL, PRESENT = 0xA0, 0xA1, 0xA2, 0xA3, 0x87
START_TLS = b"1.3.6.1.4.1.1466.20037"


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(digits)]) + digits + content


def number(value: int, tag: int = 0x02) -> bytes:
    return tlv(tag, value.to_bytes(max(1, value.bit_length() // 8 + 1), "big", signed=True))


def parts(content: bytes) -> list[tuple[int, bytes]]:
    """The elements, one after the other."""
    found, at = [], 0
    while at < len(content):
        tag, size, at = content[at], content[at + 1], at + 2
        if size & 0x80:
            digits = size & 0x7F
            size, at = int.from_bytes(content[at : at + digits], "big"), at + digits
        found.append((tag, content[at : at + size]))
        at += size
    return found


@dataclass
class Entry:
    dn: str
    attributes: dict[str, list[str]]
    password: str | None = None

    def values(self, name: str) -> list[str]:
        return next((v for k, v in self.attributes.items() if k.casefold() == name.casefold()), [])


@dataclass
class Directory:
    """What the server holds, and what it was asked: ``binds`` are ``(dn, password, good)``."""

    base: str = "dc=example,dc=com"
    service: str = "cn=guke,dc=example,dc=com"
    service_password: str = "service-secret"
    entries: list[Entry] = field(default_factory=list)
    binds: list[tuple[str, str, bool]] = field(default_factory=list)
    searches: list[bytes] = field(default_factory=list)
    port: int = 0
    certificate: str = ""
    context: ssl.SSLContext | None = None

    def add(self, uid: str, name: str, password: str, **more: Any) -> Entry:
        lists = {key: [value] if isinstance(value, str) else value for key, value in more.items()}
        attributes = {"uid": [uid], "cn": [name], "objectClass": ["person"], **lists}
        entry = Entry(f"uid={uid},ou=people,{self.base}", attributes, password)
        self.entries.append(entry)
        return entry

    def bind(self, dn: str, password: str) -> int:
        known = {self.service.casefold(): self.service_password}
        known |= {e.dn.casefold(): e.password or "" for e in self.entries}
        good = not password or (bool(known.get(dn.casefold())) and known[dn.casefold()] == password)
        self.binds.append((dn, password, good))
        return SUCCESS if good else INVALID_CREDENTIALS


def meets(entry: Entry, tag: int, content: bytes) -> bool:
    if tag == AND:
        return all(meets(entry, *part) for part in parts(content))
    if tag == OR:
        return any(meets(entry, *part) for part in parts(content))
    if tag == NOT:
        return not meets(entry, *parts(content)[0])
    if tag == PRESENT:
        return bool(entry.values(content.decode()))
    if tag == EQUAL:
        name, value = (part.decode() for _tag, part in parts(content))
        return value.casefold() in [v.casefold() for v in entry.values(name)]
    raise ValueError(f"no such filter here: {tag:#x}")


class Handler(socketserver.BaseRequestHandler):
    directory: Directory
    at_once: bool

    def handle(self) -> None:
        self.bound = ""
        try:
            if self.at_once and self.directory.context:
                self.request = self.directory.context.wrap_socket(self.request, server_side=True)
            while message := self.read():
                if not self.answer(*message):
                    return
        except (OSError, IndexError):
            return

    def read(self) -> tuple[int, int, bytes] | None:
        head = self.exactly(2)
        if not head:
            return None
        size = head[1]
        if size & 0x80:
            size = int.from_bytes(self.exactly(size & 0x7F), "big")
        (_tag, raw), (op, content), *_controls = parts(self.exactly(size))
        return int.from_bytes(raw, "big"), op, content

    def exactly(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            block = self.request.recv(size - len(found))
            if not block:
                return b""
            found += block
        return found

    def send(self, message_id: int, op: int, content: bytes) -> None:
        self.request.sendall(tlv(0x30, number(message_id) + tlv(op, content)))

    def done(self, message_id: int, op: int, code: int) -> None:
        self.send(message_id, op, number(code, 0x0A) + tlv(0x04, b"") + tlv(0x04, b""))

    def answer(self, message_id: int, op: int, content: bytes) -> bool:
        if op == BIND:
            _version, (_t, dn), (_way, password) = parts(content)
            code = self.directory.bind(dn.decode(), password.decode())
            self.bound = dn.decode() if code == SUCCESS and password else ""
            self.done(message_id, BIND_DONE, code)
        elif op == SEARCH:
            self.search(message_id, parts(content))
        elif op == EXTENDED and parts(content)[0][1] == START_TLS and self.directory.context:
            self.done(message_id, EXTENDED_DONE, SUCCESS)
            self.request = self.directory.context.wrap_socket(self.request, server_side=True)
        elif op == EXTENDED:
            self.done(message_id, EXTENDED_DONE, 2)
        else:
            return False
        return True

    def search(self, message_id: int, asked: list[tuple[int, bytes]]) -> None:
        base, limit, (tag, test) = asked[0][1].decode(), int.from_bytes(asked[3][1], "big"), asked[6]
        self.directory.searches.append(test)
        if self.bound.casefold() != self.directory.service.casefold():
            return self.done(message_id, SEARCH_DONE, NO_ACCESS)
        if not base.casefold().endswith(self.directory.base):
            return self.done(message_id, SEARCH_DONE, NO_SUCH_OBJECT)
        found = [e for e in self.directory.entries if e.dn.casefold().endswith(base.casefold()) and meets(e, tag, test)]
        wanted = {name.decode().casefold() for _t, name in parts(asked[7][1])}
        for entry in found[: limit or None]:
            shown = {k: v for k, v in entry.attributes.items() if k.casefold() in wanted}
            pairs = b"".join(
                tlv(0x30, tlv(0x04, k.encode()) + tlv(0x31, b"".join(tlv(0x04, one.encode()) for one in v)))
                for k, v in shown.items()
            )
            self.send(message_id, ENTRY, tlv(0x04, entry.dn.encode()) + tlv(0x30, pairs))
        return self.done(message_id, SEARCH_DONE, SIZE_LIMIT if limit and len(found) > limit else SUCCESS)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@contextmanager
def running(folder: Path, *, tls: str = "none", name: str = "localhost") -> Iterator[Directory]:
    """``tls``: ``none``, ``tls`` (from the first byte) or ``starttls``; the certificate is made in ``folder``."""
    directory = Directory()
    if tls != "none":
        directory.certificate, directory.context = _certificate(folder, name)
    handler = type("Bound", (Handler,), {"directory": directory, "at_once": tls == "tls"})
    with _Server(("127.0.0.1", 0), handler) as server:
        directory.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield directory
        finally:
            server.shutdown()


def _certificate(folder: Path, host: str) -> tuple[str, ssl.SSLContext]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName(host)]
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ldap.pem").write_bytes(pem + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ldap.pem")
    return pem.decode(), context
