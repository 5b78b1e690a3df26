"""What the ledger holds about people: shown in their export, moved when they are merged, gone when they are erased or old."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext

from ..accounts.actor import Actor
from ..core import clock, dialect, jobs, schema, settings
from ..core.db import read, write
from ..core.jobs import Job
from ..customers import erasing, personal_data
from ..forms import merging, purging
from ..forms.catalog import Form
from ..forms.hooks import Cause
from ..forms.query import Record
from . import ledger, outbox, policy
from .models import Message, MessageAttempt, MessageBlock

BATCH = 1000
UPKEEP = "messages.upkeep"

erasing.texts(Message, "subject", "text", "address", "params", "error", "lane")
erasing.texts(MessageAttempt, "address", "error")


@personal_data.part("messages", lazy_pgettext("sent", "消息"))
def held(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    before: int | None = None
    while True:
        entries, before = ledger.page(actor, ledger.Filter(customer_id=customer.id), before, 200)
        found += [
            {"at": clock.local(e.at, settings.tz()).strftime("%Y-%m-%d %H:%M:%S"), "via": e.via, "address": e.row.address,
             "state": e.state, "why": e.why, "subject": e.subject or "", "text": e.text or ""}
            for e in entries
        ]  # fmt: skip
        if before is None:
            return found


@merging.moves("customer")
class Messages(merging.Mover):
    """What was sent to the source was sent to the target, and what still waits goes there."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        ids = [row[0] for row in Message.select(Message.id).where(Message.customer_id == source).tuples()]
        self._give(ids, target)
        return ids

    def _give(self, ids: list[int], customer_id: int) -> None:
        mine = dialect.among(Message.id, ids)
        Message.update(customer_id=customer_id, target_id=customer_id, lane=f"customer:{customer_id}").where(
            mine
        ).execute()

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        still = Message.select(Message.id).where(dialect.among(Message.id, moved), Message.customer_id == target)
        self._give([row[0] for row in still.tuples()], source)


def strike(condition: Any, now: int) -> int:
    """Takes the words away and leaves the books: when, by what way, what it cost. Only inside ``write()``."""
    ids = [row[0] for row in Message.select(Message.id).where(condition).tuples()]
    mine = dialect.among(Message.id, ids)
    Message.update(state=outbox.CANCELLED, why="erased", ended_at=now).where(
        mine, Message.state.in_(outbox.WAITING)
    ).execute()
    Message.update(subject="", text="", address="", params=None, error=None, provider_id=None, struck=True).where(
        mine
    ).execute()
    MessageAttempt.update(address="", error=None).where(dialect.among(MessageAttempt.message_id, ids)).execute()
    return len(ids)


@erasing.also
def forget(customer_ids: list[int]) -> None:
    """The customers are gone: so is what was said to them, and where they were reached."""
    mine = dialect.among(Message.customer_id, customer_ids)
    rows = Message.select(Message.address).where(mine, Message.address != "").distinct()
    addresses = [row[0] for row in rows.tuples()]
    MessageBlock.update(why="").where(dialect.among(MessageBlock.address, addresses)).execute()
    strike(mine, clock.now())


@purging.also("customer")
def purged(form: Form, ids: list[int]) -> None:
    forget(ids)


@schema.seed
def timer() -> None:
    jobs.schedule(UPKEEP, "50 4 * * *", UPKEEP)


@jobs.handler(UPKEEP, label=_l("清理旧消息的文字"))
def upkeep(job: Job) -> dict[str, Any]:
    """Words that are older than the company keeps them go; whatever waits is looked at, should a wake-up have been lost."""
    before = clock.now() - policy.get().keep_days * clock.DAY
    gone = 0
    old = (Message.ended_at < before) & (Message.struck == False)  # noqa: E712
    while True:
        job.check()
        with write():
            some = [row[0] for row in Message.select(Message.id).where(old).limit(BATCH).tuples()]
            gone += strike(dialect.among(Message.id, some), clock.now())
        if len(some) < BATCH:
            break
    with read():
        waits = Message.select(Message.id).where(Message.state.in_((*outbox.WAITING, outbox.SENDING))).exists()
    if waits:
        outbox.wake()
    return {"messages_struck": gone}
