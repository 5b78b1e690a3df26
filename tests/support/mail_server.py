"""A small real SMTP server on loopback: plain, STARTTLS or TLS, with login. ``mode`` as in ``platforms``."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOGIN, PASSWORD = "service@example.com", "an-authorisation-code-99"


@dataclass
class MailServer:
    security: str = "none"
    mode: str = "ok"
    port: int = 0
    letters: list[EmailMessage] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    context: ssl.SSLContext | None = None

    def talk(self, line: socket.socket) -> None:
        tls = self.security == "ssl"
        if tls and self.context:
            line = self.context.wrap_socket(line, server_side=True)
        file = line.makefile("rb")

        def say(text: str) -> None:
            line.sendall(text.encode() + b"\r\n")

        signed_in = False
        say("220 mail.example.com ready" if self.mode != "broken" else "421 try later")
        while command := file.readline().decode().strip():
            verb, _space, rest = command.partition(" ")
            match verb.upper():
                case "EHLO":
                    say("250-mail.example.com")
                    if self.security == "starttls" and not tls:
                        say("250-STARTTLS")
                    say("250 AUTH PLAIN LOGIN")
                case "STARTTLS" if self.context:
                    say("220 go on")
                    line = self.context.wrap_socket(line, server_side=True)
                    file, tls = line.makefile("rb"), True
                case "AUTH":
                    _scheme, _gap, token = rest.partition(" ")
                    given = base64.b64decode(token).decode().split("\0")[1:]
                    signed_in = given == [LOGIN, PASSWORD] and self.mode != "credentials"
                    say("235 welcome" if signed_in else "535 Login fail. Authorization code is expired")
                case "MAIL":
                    say("250 ok" if signed_in else "530 please sign in")
                case "RCPT":
                    say({"busy": "450 too many letters", "refused": "550 no such user"}.get(self.mode, "250 ok"))
                case "DATA":
                    say("354 go on")
                    lines = []
                    while (one := file.readline()) not in (b".\r\n", b""):
                        lines.append(one.removeprefix(b"."))
                    if self.mode == "silent":
                        line.close()
                        return
                    self.letters.append(message_from_bytes(b"".join(lines), policy=policy.default))  # type: ignore[arg-type]
                    self.encrypted.append(tls)
                    say("250 queued")
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("250 ok")


@contextmanager
def serving(security: str, folder: Path) -> Iterator[MailServer]:
    """``folder`` gets the certificate, ``ca.pem``, that a client must trust."""
    server = MailServer(security)
    if security != "none":
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(*certificate(folder))
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def one(line: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError), line:
            server.talk(line)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = folder / "ca.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret
