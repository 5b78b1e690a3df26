"""What platforms answer, as outcomes: their codes in a table, HTTP's own statuses, texts within their limits in bytes."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...connections.kinds import Connection
from ...core import clock, outbound
from ...core.errors import UserError
from ...core.outbound import Answer
from .base import RETRY_AFTER, Message, Outcome, Transport

MINUTE, HOUR = 60, 3_600
MOST_AFTER = clock.DAY
"""Seconds that another side may make us wait at most."""


class Said(Struct, frozen=True):
    """What one of a platform's codes means. ``words``: for people, with what to do; ``credentials``: see :class:`Outcome`."""

    state: str
    words: Any
    after: int = RETRY_AFTER
    credentials: bool = False


def failed(words: Any) -> Said:
    return Said("failed", words)


def refused(words: Any) -> Said:
    """The connection itself is not accepted: everything would fail."""
    return Said("failed", words, credentials=True)


def later(words: Any, after: int = RETRY_AFTER) -> Said:
    return Said("retry", words, after)


def judge(codes: Mapping[Any, Said], code: Any, platform: Any, message: str) -> Outcome:
    """The outcome for a code; one that is not in the table fails with the platform's own words."""
    own = _("%(platform)s：%(message)s（%(code)s）", platform=str(platform), message=message[:200], code=code)
    said = codes.get(code)
    if said is None:
        return Outcome.failed(own)
    text = f"{said.words} {own}"
    if said.state == "retry":
        return Outcome.retry(text, said.after)
    return Outcome.failed(text, credentials=said.credentials)


def http_trouble(answer: Answer, platform: Any, *, paid: bool = False) -> Outcome | None:
    """The outcome when HTTP itself says no; ``None`` for an answer whose body decides.

    ``paid``: after a server's fault the message may have gone out, which must not be paid twice.
    """
    status = answer.status
    if status < 300:
        return None
    words = _("%(platform)s 回答 HTTP %(status)s", platform=str(platform), status=status)
    if status in (408, 425, 429, 503):
        return Outcome.retry(_("%(what)s，稍后再试。", what=words), retry_after(answer))
    if status >= 500:
        if paid:
            return Outcome.unknown(_("%(what)s，不知道是否已经发出。", what=words))
        return Outcome.retry(_("%(what)s，稍后再试。", what=words))
    if status < 400:
        return Outcome.failed(_("%(what)s：网址已经变了，请修改连接里的网址。", what=words), credentials=True)
    if status in (401, 403):
        return Outcome.failed(_("%(what)s：对方不认可这个连接，请检查密钥。", what=words), credentials=True)
    return None


def retry_after(answer: Answer) -> int:
    """Seconds of ``Retry-After``, a number or a date."""
    text = answer.headers.get("retry-after", "").strip()
    seconds = int(text) if text.isdecimal() and len(text) < 9 else _until(text)
    return min(max(seconds or RETRY_AFTER, 1), MOST_AFTER)


def _until(text: str) -> int:
    try:
        return int(email.utils.parsedate_to_datetime(text).timestamp()) - clock.now() if text else 0
    except ValueError:
        return 0


def document(answer: Answer) -> dict[str, Any] | None:
    """The JSON object of an answer; ``None``: it is something else (a proxy's page)."""
    try:
        doc = answer.json()
    except ValueError:
        return None
    return doc if isinstance(doc, dict) else None


def strange(platform: Any) -> Outcome:
    """The other side said something that is none of its answers: what it did with the message nobody knows."""
    return Outcome.unknown(_("%(platform)s 的回答看不懂，不知道是否已经发出。", platform=str(platform)))


def by_errcode(answer: Answer, platform: Any, codes: Mapping[Any, Said]) -> dict[str, Any] | Outcome:
    """The answer of a platform that says ``errcode`` 0 when all is well; else the outcome."""
    if trouble := http_trouble(answer, platform):
        return trouble
    doc = document(answer)
    if doc is None or "errcode" not in doc:
        return strange(platform)
    if doc["errcode"]:
        return judge(codes, _finer(doc, codes), platform, str(doc.get("sub_msg") or doc.get("errmsg")))
    return doc


def _finer(doc: dict[str, Any], codes: Mapping[Any, Said]) -> Any:
    """The code that stands inside a general one (DingTalk's 88), if it is one that we know."""
    sub = str(doc.get("sub_code") or "")
    return int(sub) if sub.isdecimal() and int(sub) in codes else doc["errcode"]


def hello(transport: Transport, connection: Connection) -> str:
    """The test of a robot: it speaks in its group. Raises :class:`UserError`."""
    outcome = transport.deliver(Message("test", "", _("固客的测试消息，收到说明连接可以使用。")), connection)
    if outcome.state != "delivered":
        raise UserError(outcome.error)
    return _("已在群里发出一条测试消息。")


def post(url: str, doc: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """Posts JSON. Raises as :func:`outbound.fetch`."""
    body = json.dumps(doc, ensure_ascii=False, separators=(",", ":")).encode()
    sent = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
    return outbound.fetch(url, method="POST", headers=sent, body=body, limit=256 * 1024)


def too_long(text: str, most: int, platform: Any) -> str | None:
    """The refusal of a text of more than ``most`` bytes."""
    size = len(text.encode())
    if size <= most:
        return None
    return _("%(platform)s 的一条消息最多 %(most)s 字节（约 %(chars)s 个汉字），这一条有 %(size)s 字节，请写短一些。", platform=str(platform), most=most, chars=most // 3, size=size)  # fmt: skip


def cut(text: str, most: int) -> str:
    """At most ``most`` bytes of a text, whole characters, with an ellipsis."""
    raw = text.encode()
    return text if len(raw) <= most else raw[: most - 3].decode(errors="ignore") + "…"


def whole(subject: str, text: str, link: str = "") -> str:
    """A message as one text."""
    return "\n".join(part for part in (subject, text, link) if part)
