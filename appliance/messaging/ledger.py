"""The ledger as people read and work on it: who may see which message, filters, and what can be done about one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from peewee import fn

from ..accounts import audit, people, permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import attention, clock, dialect, settings
from ..core.db import read, write
from ..core.errors import Conflict, NotFound, UserError
from ..forms import catalog, causes, query
from ..forms.query import Query
from . import deciding, outbox, reasons, senders, texts
from .models import Message, MessageAttempt, MessageSpend

ROOM = "messages"
PAGE = 50
AGAIN = (outbox.FAILED, outbox.EXPIRED, outbox.CANCELLED, outbox.SUPPRESSED, outbox.TEST)
"""States from which a person may ask for it once more."""
ARRIVED, LOST, LEFT = "arrived", "lost", "left"
ANSWERS = {ARRIVED: _l("已经送到"), LOST: _l("没有送到，再发一次"), LEFT: _l("不再处理")}
"""What a person may say of a message of which nobody knows whether it arrived."""


class Filter(Struct, frozen=True):
    """What of the ledger is asked for; empty: all."""

    state: str = ""
    via: str = ""
    purpose: str = ""
    customer_id: int | None = None
    template: str = ""
    cause: str = ""
    """``rule``, or ``rule:12`` for one run of it."""

    def where(self) -> list[Any]:
        found: list[Any] = []
        if self.state == "waiting":
            found.append(Message.state.in_((*outbox.WAITING, outbox.SENDING)))
        elif self.state:
            found.append(Message.state == self.state)
        for column, value in (
            (Message.via, self.via),
            (Message.purpose, self.purpose),
            (Message.template, self.template),
        ):
            if value:
                found.append(column == value)
        if self.customer_id is not None:
            found.append(Message.customer_id == self.customer_id)
        kind, _colon, number = self.cause.partition(":")
        if kind:
            found.append(Message.cause_kind == kind)
        if number.isascii() and number.isdecimal() and len(number) < 16:
            found.append(Message.cause_id == int(number))
        return found


class Entry(Struct):
    """A message as its reader may see it. ``text`` is ``None`` when they may not read its words."""

    row: Message
    receiver: str
    text: str | None
    subject: str | None
    url: str | None = None
    attempts: list[MessageAttempt] = field(default_factory=list)

    @property
    def id(self) -> int:
        return int(self.row.id)

    @property
    def via(self) -> str:
        sender = senders.SENDERS.get(self.row.via)
        return str(sender.label) if sender else self.row.via

    @property
    def icon(self) -> str:
        sender = senders.SENDERS.get(self.row.via)
        return sender.icon if sender else "mail"

    @property
    def state(self) -> str:
        return str(outbox.STATES.get(self.row.state, self.row.state))

    @property
    def colour(self) -> str:
        return COLOURS.get(self.row.state, "neutral")

    @property
    def purpose(self) -> str:
        return str(outbox.PURPOSES.get(self.row.purpose, self.row.purpose))

    @property
    def why(self) -> str:
        return reasons.sentence(self.row)

    @property
    def cause(self) -> str:
        return causes.words(self.row.cause_kind, self.row.cause_id, self.row.actor_id)

    @property
    def at(self) -> int:
        return int(self.row.began_at or self.row.ended_at or self.row.created_at)

    @property
    def may_cancel(self) -> bool:
        return self.row.state in outbox.WAITING

    @property
    def may_retry(self) -> bool:
        return self.row.state in AGAIN and not self.row.struck

    def document(self) -> dict[str, Any]:
        """As the API prints it."""
        row, tz = self.row, settings.tz()

        def when(seconds: int | None) -> str | None:
            return None if seconds is None else clock.iso(seconds, tz)

        to: dict[str, Any] = {"kind": row.target_kind}
        if row.target_kind == "customer":
            to["customer"] = row.target_id
        elif row.target_kind == "user":
            to["user"] = people.login(row.target_id)
        elif row.target_kind == "address":
            to["address"] = row.address
        return {
            "id": row.id, "key": row.key, "state": row.state, "why": self.why, "via": row.via,
            "connection": row.connection or None, "purpose": row.purpose, "to": to, "address": row.address or None,
            "subject": self.subject, "text": self.text, "template": row.template,
            "record": {"form": row.form_key, "id": row.record_id} if row.form_key and row.record_id else None,
            "cause": {"kind": row.cause_kind, "id": row.cause_id}, "attempts": row.attempts,
            "cost": yuan(row.cost), "error": row.error, "provider_id": row.provider_id, "created_at": when(row.created_at),
            "due_at": when(row.due_at), "expires_at": when(row.expires_at), "sent_at": when(row.began_at),
            "ended_at": when(row.ended_at),
        }  # fmt: skip


COLOURS = {
    outbox.RESERVED: "blue", outbox.HELD: "amber", outbox.SENDING: "blue", outbox.DELIVERED: "green", outbox.FAILED: "red",
    outbox.UNKNOWN: "red", outbox.EXPIRED: "neutral", outbox.CANCELLED: "neutral", outbox.SUPPRESSED: "neutral",
    outbox.TEST: "purple",
}  # fmt: skip


def yuan(cost: int) -> str:
    """Hundredths of a fen as yuan: ``0.045``."""
    text = f"{cost // 10_000}.{cost % 10_000:04d}"
    return text.rstrip("0").ljust(text.index(".") + 3, "0")


# -- reading ----------------------------------------------------------------------------------------------------------


def visible(actor: Actor) -> Any:
    """The test of the rows that the actor may see; ``None``: all."""
    if actor is SYSTEM or actor.is_admin:
        return None
    own = (Message.target_kind == "user") & (Message.target_id == actor.id)
    if not permissions.can(actor, "see", "customer"):
        return own
    form = catalog.get("customer")
    seen = Query(form, actor).only(form.col("id") == Message.customer_id).ids_query()
    return own | (Message.customer_id.is_null(False) & fn.EXISTS(seen))


def page(actor: Actor, wanted: Filter, before: int | None = None, limit: int = PAGE) -> tuple[list[Entry], int | None]:
    """A page of the ledger, newest first, and the id below which the next one begins."""
    tests = wanted.where()
    mine = visible(actor)
    if mine is not None:
        tests.append(mine)
    if before is not None:
        tests.append(Message.id < before)
    with read():
        found = Message.select().where(*tests) if tests else Message.select()
        rows = list(found.order_by(Message.id.desc()).limit(limit + 1))
        entries_ = entries(rows[:limit], actor)
    return entries_, rows[limit - 1].id if len(rows) > limit else None


def get(message_id: int, actor: Actor) -> Entry:
    """With its tries. Raises :class:`NotFound`."""
    mine = visible(actor)
    with read():
        row = Message.get_or_none(Message.id == message_id, *([mine] if mine is not None else []))
        if row is None:
            raise NotFound()
        entry = entries([row], actor)[0]
        entry.attempts = list(
            MessageAttempt.select().where(MessageAttempt.message_id == row.id).order_by(MessageAttempt.number)
        )
    return entry


def entries(rows: list[Message], actor: Actor) -> list[Entry]:
    """Rows that the actor may see, with the names of their receivers; some queries for all of them."""
    names = query.titles(catalog.get("customer"), {row.customer_id for row in rows if row.customer_id}, actor)
    readable = _readable(rows, actor)
    return [_entry(row, names, row.id in readable) for row in rows]


def _readable(rows: list[Message], actor: Actor) -> set[int]:
    """The messages whose words the actor may read: the record is theirs to see, and so are the fields that were put in."""
    if actor is SYSTEM or actor.is_admin:
        return {row.id for row in rows}
    about: dict[str, set[int]] = {}
    for row in rows:
        if row.form_key and row.record_id:
            about.setdefault(row.form_key, set()).add(row.record_id)
    forms = catalog.all_forms()
    seen = {key: query.visible_ids(key, ids, actor) for key, ids in about.items() if key in forms}
    found = set()
    for row in rows:
        mine = row.target_kind == "user" and row.target_id == actor.id
        there = not row.form_key or not row.record_id or row.record_id in seen.get(row.form_key, ())
        if mine or (there and texts.may_read(row.reads or (), actor)):
            found.add(row.id)
    return found


def _entry(row: Message, names: dict[int, str], readable: bool) -> Entry:
    if row.target_kind == "customer":
        receiver = names.get(row.customer_id, _("客户 %(id)d", id=row.customer_id or 0))
    elif row.target_kind == "user":
        receiver = people.name(row.target_id or 0)
    else:
        receiver = row.address or _("群")
    if row.struck:
        return Entry(row, receiver, "", "")
    return Entry(row, receiver, row.text if readable else None, row.subject if readable else None)


def counts(actor: Actor) -> dict[str, int]:
    """State → how many, of what the actor may see; only of the states that somebody may have to look at, which stay few."""
    mine = visible(actor)
    asked = Message.state.in_((*outbox.WAITING, outbox.SENDING, outbox.UNKNOWN, outbox.FAILED))
    with read():
        rows = Message.select(Message.state, fn.COUNT(Message.id)).where(asked).group_by(Message.state)
        return dict((rows.where(mine) if mine is not None else rows).tuples())


class Spent(Struct, frozen=True):
    """What a month cost by one way out."""

    via: str
    count: int
    cost: int


def months(limit: int = 6) -> list[tuple[str, list[Spent]]]:
    """The latest months with what they cost, newest first."""
    with read():
        rows = (
            MessageSpend.select(
                MessageSpend.month, MessageSpend.via, fn.SUM(MessageSpend.count), fn.SUM(MessageSpend.cost)
            )
            .group_by(MessageSpend.month, MessageSpend.via)
            .order_by(MessageSpend.month.desc())
            .tuples()
        )
        found: dict[str, list[Spent]] = {}
        for month, via, count, cost in rows:
            found.setdefault(month, []).append(Spent(via, count, cost))
    return list(found.items())[:limit]


# -- working on it ----------------------------------------------------------------------------------------------------


def demand(actor: Actor) -> None:
    permissions.demand_room(actor, ROOM)


def retry(message_id: int, actor: Actor) -> None:
    """Asks for a message that did not go out once more; the rules are looked at anew. Raises Conflict, NotFound."""
    demand(actor)
    entry = get(message_id, actor)
    if not entry.may_retry:
        raise Conflict(_("这条消息现在不能再发。"))
    with write():
        _again(Message.id == message_id, actor)
        audit.note("messages.retried", {"message": message_id}, actor)


def cancel(message_id: int, actor: Actor) -> None:
    """Takes a waiting message back. Raises Conflict when it has left meanwhile."""
    demand(actor)
    get(message_id, actor)
    if not outbox.cancel(Message.id == message_id, actor):
        raise Conflict(_("这条消息已经不在等待，不能取消。"))


def _again(condition: Any, actor: Actor) -> None:
    now = clock.now()
    for purpose, life in outbox.LIFE.items():
        Message.update(
            state=outbox.RESERVED, why="asked_again", detail={"by": actor.id}, due_at=now, expires_at=now + life,
            ended_at=None, error=None,
        ).where(condition, Message.purpose == purpose, Message.state.in_((*AGAIN, outbox.UNKNOWN))).execute()  # fmt: skip
    outbox.wake()


def unknown_where(actor: Actor) -> list[Any]:
    """The tests of the messages that wait for a person's word."""
    tests = [Message.state == outbox.UNKNOWN, Message.why != LEFT]
    mine = visible(actor)
    return tests if mine is None else [*tests, mine]


def unknown(actor: Actor, limit: int = 200) -> list[Entry]:
    """The messages of which nobody knows whether they arrived, oldest first."""
    with read():
        rows = list(Message.select().where(*unknown_where(actor)).order_by(Message.id).limit(limit))
        return entries(rows, actor)


def unknown_count(actor: Actor) -> int:
    with read():
        return int(Message.select(fn.COUNT(Message.id)).where(*unknown_where(actor)).scalar() or 0)


attention.register(
    "unknown_sends", _l("不知是否送到的消息"), "help-circle", "messages.unknown", unknown_count, ROOM, order=30
)


def answer(ids: Iterable[int], word: str, actor: Actor) -> int:
    """A person says what became of messages. Returns how many were still waiting for it. Raises UserError."""
    demand(actor)
    if word not in ANSWERS:
        raise UserError(_("请选择：已经送到、再发一次，或不再处理。"), "answer")
    with write():
        wanted = dialect.among(Message.id, list(ids))
        rows = list(Message.select().where(wanted, *unknown_where(actor)))
        mine = dialect.among(Message.id, [row.id for row in rows])
        said = {"detail": {"by": actor.id}, "ended_at": clock.now()}
        if word == ARRIVED:
            Message.update(state=outbox.DELIVERED, why=ARRIVED, **said).where(mine).execute()
        elif word == LEFT:
            Message.update(why=LEFT, **said).where(mine).execute()
        else:
            for row in rows:
                _take_back_cost(row)
            _again(mine, actor)
        for row in rows:
            MessageAttempt.update(state=word).where(
                MessageAttempt.message_id == row.id, MessageAttempt.number == row.attempts
            ).execute()
        if rows:
            audit.note("messages.answered", {"answer": word, "messages": [row.id for row in rows][:100]}, actor)
    return len(rows)


def _take_back_cost(row: Message) -> None:
    """What did not arrive was not charged."""
    tried = MessageAttempt.get_or_none(MessageAttempt.message_id == row.id, MessageAttempt.number == row.attempts)
    if tried is None or not tried.cost:
        return
    month = deciding.month_of(tried.began_at)
    MessageSpend.update(count=MessageSpend.count - 1, cost=MessageSpend.cost - tried.cost).where(
        MessageSpend.month == month, MessageSpend.via == row.via, MessageSpend.connection == tried.connection
    ).execute()
    Message.update(cost=Message.cost - tried.cost).where(Message.id == row.id).execute()
    MessageAttempt.update(cost=0).where(MessageAttempt.id == tried.id).execute()
