"""Saying no to advertising: the words every such message ends with, the link behind them, and a reply that says so."""

from __future__ import annotations

import hmac

from flask_babel import gettext as _

from ..accounts.actor import SYSTEM
from ..core import clock, secrets
from ..core.db import read, write
from ..core.errors import NotFound
from ..customers import consents
from ..forms import query
from . import outbox
from .models import Message, MessageBlock
from .policy import Policy, consent_channel
from .texts import UNSUBSCRIBE_MARK as MARK

PURPOSE = "messages.unsubscribe"
REPLIES = frozenset(("r", "t", "td", "n", "退订", "拒收", "取消订阅", "stop", "unsubscribe"))


def path(message_id: int) -> str:
    return f"/u/{message_id}-{secrets.sign(str(message_id), PURPOSE)[:32]}"


def finish(row: Message, rules: Policy) -> tuple[str, str]:
    """The text as it goes out, and the link by which its receiver unsubscribes (empty: none)."""
    site = rules.site_url.rstrip("/")
    link = site + path(row.id) if row.id and site else ""
    text = row.text.replace(MARK, link)
    if row.purpose != outbox.MARKETING:
        return text, ""
    if row.via == "sms" and rules.sms_suffix and rules.sms_suffix not in text:
        text = f"{text} {rules.sms_suffix}"
    if row.via == "email" and link and MARK not in row.text:
        text = f"{text}\n\n" + _("如不想再收到这类邮件，请点击退订：%(link)s", link=link)
    return text, link


def open_link(token: str) -> Message:
    """The message whose link it is. Raises NotFound."""
    number, _dash, signature = token.partition("-")
    if not (number.isascii() and number.isdecimal() and len(number) < 16):
        raise NotFound()
    if not hmac.compare_digest(path(int(number)).encode(), f"/u/{int(number)}-{signature}".encode()):
        raise NotFound()
    with read():
        row: Message | None = Message.get_or_none(Message.id == int(number))
    if row is None:
        raise NotFound()
    return row


def unsubscribe(row: Message, source: str, evidence: str) -> None:
    """Its receiver wants no more advertising this way."""
    with write():
        if row.address:
            block(row.via, row.address, "marketing", "unsubscribed")
        if row.customer_id is not None:
            _withdraw({row.customer_id}, row.via, source, evidence)


def _withdraw(ids: set[int], via: str, source: str, evidence: str) -> None:
    channel = consent_channel(via)
    alive = query.visible_ids("customer", ids, SYSTEM)
    if "marketing" not in consents.purposes():
        return
    for customer_id in alive:
        said = consents.current(customer_id).get(("marketing", channel))
        if said is None or said.state != consents.WITHDRAWN:
            consents.record(customer_id, "marketing", [channel], consents.WITHDRAWN, source, SYSTEM, evidence=evidence)


def replied(via: str, address: str, text: str) -> bool:
    """Somebody answered a message: when the answer says no, it is obeyed. Returns whether it did."""
    said = text.strip().strip("。.!！").casefold()
    if said not in REPLIES or not address:
        return False
    with write():
        block(via, address, "marketing", "unsubscribed")
        rows = Message.select(Message.customer_id).where(
            Message.via == via, Message.address == address, Message.customer_id.is_null(False)
        )
        ids = {row[0] for row in rows.distinct().tuples()}
        if ids:
            _withdraw(ids, via, "chat", _("回复「%(text)s」退订", text=text.strip()[:20]))
    return True


def block(via: str, address: str, scope: str, why: str, actor_id: int | None = None) -> None:
    """Puts an address on the list; a wider scope outweighs a narrower one. Only inside ``write()``."""
    known = MessageBlock.get_or_none(MessageBlock.via == via, MessageBlock.address == address)
    if known is None:
        MessageBlock.insert(via=via, address=address, scope=scope, why=why, at=clock.now(), actor_id=actor_id).execute()
    elif known.scope != "all" and scope == "all":
        MessageBlock.update(scope=scope, why=why, at=clock.now(), actor_id=actor_id).where(
            MessageBlock.id == known.id
        ).execute()
