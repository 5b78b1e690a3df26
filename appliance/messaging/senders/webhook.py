"""A signed call of the company's own program.

The body is JSON. With a secret the call is signed: ``X-Guke-Timestamp`` holds UTC seconds, ``X-Guke-Signature`` is
``sha256=`` and the hex HMAC-SHA256, under the secret, of the timestamp, a dot and the raw body. ``Idempotency-Key`` is the
same whenever a call is made again.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...connections import kinds
from ...connections.kinds import Connection, Kind
from ...connections.params import Number, Secret, Url
from ...core import clock, outbound
from .base import Limit, Message, Outcome, Rejected, Transport
from .saying import MINUTE, http_trouble

NAME = _l("对方")
BODY_BYTES = 256 * 1024
TIMESTAMP, SIGNATURE, KEY = "X-Guke-Timestamp", "X-Guke-Signature", "Idempotency-Key"


class WebhookOut(Kind):
    key = "webhook_out"
    label = _l("调用网址（Webhook）")
    icon = "webhook"
    order = 60
    about = _l("规则触发时，用 JSON 调用公司自己的程序或别的系统。")
    costs = _l('测试会真的调用一次，内容是 {"test": true}。')
    params = (
        Url(
            "url",
            _l("网址"),
            _l("在内网时，先把主机加入「外部访问」里允许的主机。"),
            required=True,
            placeholder="https://",
        ),
        Secret("secret", _l("签名密钥"), _l("填写后每次调用都带签名，对方用同一个密钥核对。")),
        Secret("token", _l("Bearer 令牌"), _l("填写后每次调用带上 Authorization: Bearer …。"), advanced=True),
        Number("per_minute", _l("每分钟最多几次"), default=600, least=1, greatest=60_000, advanced=True),
        Number("timeout", _l("等待几秒"), default=10, least=1, greatest=60, advanced=True),
    )

    def test(self, connection: Connection) -> str:
        outcome = Call().deliver(Message("test", "", '{"test": true}'), connection)
        if outcome.state != "delivered":
            raise Rejected(outcome)
        return _("对方已收到，并回答一切正常。")


kinds.register(WebhookOut())


def sign(secret: str, seconds: int, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


class Call(Transport):
    kind = WebhookOut.key
    reaches = frozenset({"group"})
    repeatable = True

    def limits(self, connection: Connection | None) -> tuple[Limit, ...]:
        return (Limit(int(connection.config.get("per_minute") or 600), MINUTE),) if connection else ()

    def refusal(self, message: Message, connection: Connection | None) -> str | None:
        if len(message.text.encode()) > BODY_BYTES:
            return _("调用的内容最多 256 KB。")
        return None

    def deliver(self, message: Message, connection: Connection | None) -> Outcome:
        assert connection is not None
        config, body, now = connection.config, body_of(message), clock.now()
        headers = {"Content-Type": "application/json; charset=utf-8", KEY: message.key, TIMESTAMP: str(now)}
        if config.get("secret"):
            headers[SIGNATURE] = sign(config["secret"], now, body)
        if config.get("token"):
            headers["Authorization"] = f"Bearer {config['token']}"
        answer = outbound.fetch(
            config["url"], method="POST", headers=headers, body=body, timeout=float(config.get("timeout") or 10),
            limit=64 * 1024,
        )  # fmt: skip
        if trouble := http_trouble(answer, NAME):
            return trouble
        if answer.status >= 400:
            said = " ".join(answer.text.split())[:200]
            return Outcome.failed(_("对方不接受（HTTP %(status)s）：%(said)s", status=answer.status, said=said))
        return Outcome.delivered()


def body_of(message: Message) -> bytes:
    """The message's own JSON, or a document that holds its text."""
    try:
        doc: Any = json.loads(message.text)
    except ValueError:
        doc = None
    if not isinstance(doc, (dict, list)):
        doc = {"subject": message.subject, "text": message.text, "link": message.link}
    return json.dumps(doc, ensure_ascii=False, separators=(",", ":")).encode()
