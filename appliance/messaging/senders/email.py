"""E-mail over SMTP. A letter keeps its Message-ID at every try, by which mail servers know a second copy."""

from __future__ import annotations

import email.policy
import email.utils
import hashlib
import re
import smtplib
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Choice, Number, Param, Secret
from ...core import clock, outbound
from . import reaching
from .base import Limit, Message, Outcome, Rejected, Target, Transport
from .saying import MINUTE

TIMEOUT = 20.0
SECURITY = {
    "ssl": _l("SSL/TLS（通常 465 端口）"),
    "starttls": _l("STARTTLS（通常 587 端口）"),
    "none": _l("不加密，只用于内网"),
}
TEXT_BYTES = 1_000_000


class Smtp(Kind):
    key = "smtp"
    label = _l("邮箱（SMTP）")
    icon = "mail"
    order = 50
    about = _l("用公司的邮箱发邮件给员工和客户。")
    params = (
        Param("host", _l("服务器"), _l("例如 smtp.exmail.qq.com。"), required=True, most=253),
        Number("port", _l("端口"), default=465, least=1, greatest=65_535),
        Choice("security", _l("加密"), default="ssl", options=SECURITY),
        Param("login", _l("登录名"), _l("通常就是邮箱地址；留空就不登录。"), most=200),
        Secret("password", _l("密码或授权码"), _l("多数邮箱要用「授权码」，不是登录网页的密码。")),
        Param("sender", _l("发件地址"), _l("例如 service@example.com。"), required=True, most=200),
        Param("sender_name", _l("发件人名称"), most=60),
        Param("reply_to", _l("回复地址"), _l("留空就回到发件地址。"), advanced=True, most=200),
        Number(
            "per_minute",
            _l("每分钟最多几封"),
            _l("邮箱服务商的限制。"),
            default=30,
            least=1,
            greatest=10_000,
            advanced=True,
        ),
    )

    def check(self, config: dict[str, Any]) -> dict[str, str]:
        errors = {}
        if not re.fullmatch(r"[\w.:-]{1,253}", config["host"]):
            errors["host"] = _("请填写邮件服务器的主机名或 IP，不带 smtp://。")
        for key in ("sender", "reply_to"):
            if config.get(key) and not reaching.EMAIL.fullmatch(config[key]):
                errors[key] = _("请填写完整的邮箱地址，例如 li@example.com。")
        return errors

    def test(self, connection: Connection) -> str:
        try:
            with _line(connection) as line:
                line.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise Rejected(_outcome(error)) from error
        return _("邮件服务器接受登录，可以发送。")


kinds.register(Smtp())


class Email(Transport):
    kind = Smtp.key
    reaches = frozenset({"customer", "user", "address"})

    def addresses(self, targets: Iterable[Target]) -> dict[Target, str]:
        todo = list(targets)
        found = reaching.customers(todo, "email", reaching.EMAIL) | reaching.users(todo, "email")
        return found | reaching.addresses(todo, reaching.EMAIL)

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(int(connection.config.get("per_minute") or 30), MINUTE),) if connection else ()

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        if len(message.text.encode()) > TEXT_BYTES:
            return _("邮件正文最多 1 MB，请写短一些。")
        if not message.to.isascii():
            return _("邮箱地址里有全角字符或汉字，邮件服务器不认识，请核对。")
        return None

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        letter = compose(message, connection.config)
        handed_over = False
        try:
            with _line(connection) as line:
                _answered(line.mail(connection.config["sender"]), _sender_refused)
                _answered(line.rcpt(message.to), _recipient_refused)
                handed_over = True
                code, said = line.data(letter.as_bytes())
                _answered((code, said), _letter_refused)
        except Rejected as error:
            return error.outcome
        except smtplib.SMTPDataError as error:
            # The server did not even want to see it.
            return _letter_refused(error.smtp_code, _text(error.smtp_error))
        except (smtplib.SMTPException, OSError) as error:
            if handed_over:
                return Outcome.unknown(_("邮件交出后连接断了，不知道是否已经发出。"))
            return _outcome(error)
        return Outcome.delivered(letter["Message-ID"])


def compose(message: Message, config: dict[str, Any]) -> EmailMessage:
    """The letter; whatever the texts hold, no line of theirs becomes a header."""
    letter = EmailMessage(policy=email.policy.SMTP)
    domain = config["sender"].rpartition("@")[2]
    letter["From"] = email.utils.formataddr((_line_of(config.get("sender_name") or ""), config["sender"]))
    letter["To"] = message.to
    letter["Subject"] = _line_of(message.subject or message.text.split("\n", 1)[0])[:200]
    letter["Date"] = email.utils.format_datetime(email.utils.localtime(clock.local(clock.now(), clock.zone("UTC"))))
    letter["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:40]}@{domain}>"
    letter["Auto-Submitted"] = "auto-generated"
    if config.get("reply_to"):
        letter["Reply-To"] = config["reply_to"]
    if message.unsubscribe:
        letter["List-Unsubscribe"] = f"<{_line_of(message.unsubscribe)}>"
        if message.unsubscribe.startswith("https://"):
            letter["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    letter.set_content("\n\n".join(part for part in (message.text, message.link) if part) + "\n", cte="base64")
    return letter


def _line_of(text: str) -> str:
    return " ".join(text.split())


class _Pinned:
    """Connects to an address that was checked, whatever the name says a moment later."""

    known: list[outbound.Address]
    _host: str
    """The name that a certificate is checked against."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        problem: OSError = OSError("no address")
        for address in self.known:
            try:
                return self._wrapped(socket.create_connection((str(address), port), timeout), host)
            except OSError as error:
                problem = error
        raise problem

    def _wrapped(self, line: socket.socket, host: str) -> socket.socket:
        return line


class _Plain(_Pinned, smtplib.SMTP):
    pass


class _Tls(_Pinned, smtplib.SMTP):
    def _wrapped(self, line: socket.socket, host: str) -> socket.socket:
        return ssl.create_default_context().wrap_socket(line, server_hostname=host)


@contextmanager
def _line(connection: Connection) -> Iterator[smtplib.SMTP]:
    """A connection that is encrypted and signed in as the company wants it."""
    config = connection.config
    line = (_Tls if config["security"] == "ssl" else _Plain)(timeout=TIMEOUT)
    line.known = outbound.addresses(config["host"], int(config["port"]))
    line._host = config["host"]
    try:
        code, said = line.connect(config["host"], int(config["port"]))
        if code != 220:
            raise smtplib.SMTPConnectError(code, said)
        line.ehlo_or_helo_if_needed()
        if config["security"] == "starttls":
            line.starttls(context=ssl.create_default_context())
            line.ehlo_or_helo_if_needed()
        if config.get("login"):
            line.login(config["login"], config.get("password") or "")
        yield line
    finally:
        with suppress(smtplib.SMTPException, OSError):
            line.quit()
        line.close()


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _answered(answer: tuple[int, bytes], otherwise: Any) -> None:
    code, said = answer
    if not 200 <= code < 300:
        raise Rejected(otherwise(code, _text(said)))


def _own(code: int, said: str) -> str:
    return _("邮件服务器：%(message)s（%(code)s）", message=" ".join(said.split())[:200], code=code)


def _sender_refused(code: int, said: str) -> Outcome:
    if 400 <= code < 500:
        return Outcome.retry(_own(code, said))
    why = _("邮件服务器不接受这个发件地址，请核对连接里的发件地址。")
    return Outcome.failed(f"{why}{_own(code, said)}", credentials=True)


def _recipient_refused(code: int, said: str) -> Outcome:
    if 400 <= code < 500:
        return Outcome.retry(_own(code, said), 10 * MINUTE)
    why = _("收件地址不存在，或拒收。")
    return Outcome.failed(f"{why}{_own(code, said)}")


def _letter_refused(code: int, said: str) -> Outcome:
    if 400 <= code < 500:
        return Outcome.retry(_own(code, said), 10 * MINUTE)
    why = _("邮件服务器不接受这封邮件。")
    return Outcome.failed(f"{why}{_own(code, said)}")


def _outcome(error: Exception) -> Outcome:
    """What went wrong before the letter was handed over."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        why = _("邮箱的登录名或授权码不对，请在连接里重新填写。")
        return Outcome.failed(f"{why}{_own(error.smtp_code, _text(error.smtp_error))}", credentials=True)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Outcome.failed(_("邮件服务器不支持这种加密或登录方式，请换一种。"), credentials=True)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Outcome.failed(_("邮件服务器的证书不可信，请核对服务器名。"), credentials=True)
    if isinstance(error, ssl.SSLError):
        return Outcome.failed(_("加密方式和端口不配，请核对（SSL 通常 465，STARTTLS 通常 587）。"), credentials=True)
    if isinstance(error, smtplib.SMTPResponseException):
        if error.smtp_code >= 500:
            return Outcome.failed(_own(error.smtp_code, _text(error.smtp_error)), credentials=True)
        return Outcome.retry(_own(error.smtp_code, _text(error.smtp_error)))
    if isinstance(error, TimeoutError):
        return Outcome.retry(_("邮件服务器没有及时回答，请核对服务器名和端口。"))
    return Outcome.retry(
        _("连不上邮件服务器（%(why)s），请核对服务器名和端口。", why=str(error)[:100] or type(error).__name__)
    )
