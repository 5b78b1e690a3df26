"""The outbox: what is to be sent is reserved here, in the caller's transaction, and sent later by a job (``sending``).

Nothing else sends. A message is unique by its ``key``: asking again for the same thing for the same receiver and occurrence
finds the row that is there, whatever became of it.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..accounts.actor import Actor
from ..core import clock, dialect, jobs
from ..core.db import PARAM, Statement, write
from ..core.errors import UserError
from ..forms.hooks import Cause
from . import senders
from .models import Message
from .senders import Target

SERVICE, MARKETING, INTERNAL = "service", "marketing", "internal"
PURPOSES = {SERVICE: _l("服务通知"), MARKETING: _l("营销信息"), INTERNAL: _l("内部通知")}
PRIORITY = {INTERNAL: 0, SERVICE: 1, MARKETING: 2}
LIFE = {INTERNAL: clock.DAY, SERVICE: 3 * clock.DAY, MARKETING: 3 * clock.DAY}
"""Seconds after which a message is not sent any more, unless its draft says otherwise: nobody wants old news in a burst."""

RESERVED, HELD, SENDING, DELIVERED, FAILED, UNKNOWN, EXPIRED, CANCELLED, SUPPRESSED, TEST = (
    "reserved", "held", "sending", "delivered", "failed", "unknown", "expired", "cancelled", "suppressed", "test",
)  # fmt: skip
STATES = {
    RESERVED: _l("等待发送"), HELD: _l("稍后发送"), SENDING: _l("正在发送"), DELIVERED: _l("已发出"), FAILED: _l("发送失败"),
    UNKNOWN: _l("结果不明"), EXPIRED: _l("已过期"), CANCELLED: _l("已取消"), SUPPRESSED: _l("不发送"), TEST: _l("测试，未发出"),
}  # fmt: skip
"""reserved: to be sent now; held: later, ``why`` says why; sending: the provider is being asked; unknown: it may have gone
out; suppressed: a rule of the company, the law or the customer forbids it; test: nothing leaves yet."""
WAITING = (RESERVED, HELD)
ENDED = (DELIVERED, FAILED, EXPIRED, CANCELLED, SUPPRESSED, TEST)

LONGEST_SUBJECT = 200
SEND = "messages.send"
"""The kind, and the only key, of the job that sends: of all processes one sends at a time."""


class Draft(Struct, frozen=True):
    """A message to be reserved. ``text`` or ``template`` (its key) is needed.

    ``key``: what it is for, e.g. ``rule:7:0:customer:12:2026-11-30``. ``link``: a path of this site. ``connection``: the key
    of the one to go through, else the first that fits. Times are UTC seconds. ``reads``: what ``texts.reads`` says of the text.
    """

    via: str
    to: Target
    text: str | None = None
    template: str | None = None
    subject: str = ""
    link: str = ""
    purpose: str | None = None
    connection: str | None = None
    expires_at: int | None = None
    due_at: int | None = None
    form_key: str | None = None
    record_id: int | None = None
    key: str = ""
    params: dict[str, Any] | None = None
    reads: Sequence[str] = ()
    context: dict[str, Any] = field(default_factory=dict)
    """More that the template may name: ``event``, ``old``."""


class Reserved(Struct, frozen=True):
    """The ledger's row of a draft. ``fresh``: it was made now; else the same message was asked for before."""

    key: str
    id: int
    fresh: bool


_COLUMNS = [
    Message.key, Message.state, Message.via, Message.connection, Message.pinned, Message.purpose, Message.priority,
    Message.target_kind, Message.target_id, Message.customer_id, Message.address, Message.lane, Message.subject,
    Message.text, Message.link, Message.template, Message.params, Message.reads, Message.form_key, Message.record_id,
    Message.cause_kind, Message.cause_id, Message.actor_id, Message.created_at, Message.due_at, Message.expires_at,
    Message.attempts, Message.cost, Message.why, Message.struck,
]  # fmt: skip
_insert = Statement(Message.insert_many([tuple(PARAM for _column in _COLUMNS)], fields=_COLUMNS).on_conflict_ignore())
_known = Statement(Message.select(Message.key, Message.id).where(dialect.any_of(Message.key, PARAM)))


def send(drafts: Iterable[Draft], cause: Cause, actor: Actor) -> list[Reserved]:
    """Reserves messages, in the caller's transaction; a job sends them. Returns a row for each draft, in order.

    Raises :class:`UserError` for a draft that no sender can carry (unknown ``via``, nobody it reaches, no text).
    """
    from . import templates

    wanted = list(drafts)
    if not wanted:
        return []
    with write():
        filled = templates.fill(wanted, actor)
        keys = [draft.key or f"{cause.kind}:{random.token_hex(12)}" for draft in filled]
        before = _ids(keys)
        now, routes = clock.now(), _Routes()
        rows = {}
        for key, draft in zip(keys, filled, strict=True):
            if key not in before and key not in rows:
                rows[key] = _row(key, draft, cause, actor, now, routes)
        if rows:
            _insert.executemany(rows.values())
            after = before | _ids(list(rows))
            waits = min(row[_DUE] for row in rows.values())
            wake(max(now, waits))
        else:
            after = before
    made: set[str] = set()
    out = []
    for key in keys:
        out.append(Reserved(key, after[key], key in rows and key not in made))
        made.add(key)
    return out


_DUE = [column.name for column in _COLUMNS].index("due_at")


def wake(at: int | None = None) -> None:
    """Asks for the job that sends, now or at a later moment; in the caller's transaction if one is open."""
    jobs.enqueue(SEND, unique=SEND, due_at=at)


def _ids(keys: list[str]) -> dict[str, int]:
    return dict(_known.execute(dialect.dumps(keys)).fetchall())


class _Routes:
    """The usual connection of each way out and kind of receiver, looked up once a batch."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}

    def of(self, draft: Draft) -> str:
        if draft.connection:
            return draft.connection
        place = draft.via, draft.to.kind
        if place not in self._known:
            try:
                found = senders.get(draft.via).connection_for(draft.to)
            except UserError:
                found = None
            self._known[place] = found.key if found else ""
        return self._known[place]


def check(draft: Draft) -> None:
    """Raises :class:`UserError` for what no sender can carry."""
    sender = senders.get(draft.via)
    if draft.to.kind not in sender.reaches:
        raise UserError(_("「%(sender)s」不能发给这样的对象。", sender=str(sender.label)), "to")
    if draft.purpose is not None and draft.purpose not in PURPOSES:
        raise UserError(
            _("没有「%(purpose)s」这种用途，可选：%(all)s。", purpose=draft.purpose, all=_("、").join(PURPOSES)),
            "purpose",
        )
    if draft.text is None:
        raise UserError(_("请填写要发送的文字，或选择一个模板。"), "text")


def _row(key: str, draft: Draft, cause: Cause, actor: Actor, now: int, routes: _Routes) -> tuple[Any, ...]:
    check(draft)
    to = draft.to
    purpose = draft.purpose or (SERVICE if to.kind in ("customer", "address") else INTERNAL)
    due = max(now, draft.due_at or now)
    expires = draft.expires_at or due + LIFE[purpose]
    subject = " ".join(draft.subject.split())[:LONGEST_SUBJECT]
    customer_id = to.id if to.kind == "customer" else None
    place = draft.connection or draft.via
    lane = f"{to.kind}:{to.id or to.text or place}"
    text = (draft.text or "").strip()
    state, why = (RESERVED, "") if due <= now else (HELD, "later")
    if not text:
        # The variables of this record left nothing to say.
        state, why = SUPPRESSED, "empty"
    return (
        key, state, draft.via, routes.of(draft), draft.connection is not None, purpose,
        PRIORITY[purpose], to.kind, to.id, customer_id, to.text, lane, subject, text, draft.link,
        draft.template, dialect.dumps(draft.params) if draft.params else None,
        dialect.dumps(list(draft.reads)) if draft.reads else None, draft.form_key, draft.record_id, cause.kind, cause.id,
        actor.id, now, due, expires, 0, 0, why, 0,
    )  # fmt: skip


def unsaved(drafts: Iterable[Draft], cause: Cause, actor: Actor) -> list[Message]:
    """The rows that drafts would become, in no table: for looking at what would happen to them. Raises UserError."""
    from . import templates

    now, routes = clock.now(), _Routes()
    names = [column.name for column in _COLUMNS]
    rows = []
    for n, draft in enumerate(templates.fill(list(drafts), actor)):
        values = dict(zip(names, _row(f"preview:{n}", draft, cause, actor, now, routes), strict=True))
        rows.append(Message(**values | {"params": draft.params, "reads": list(draft.reads)}))
    return rows


def target_of(row: Message) -> Target:
    return Target(row.target_kind, row.target_id, row.address if row.target_kind == "address" else "")


def cancel(condition: Any, actor: Actor, why: str = "cancelled") -> int:
    """Takes back messages that still wait. ``condition``: over :class:`Message`. Returns how many."""
    with write():
        return int(
            Message.update(state=CANCELLED, why=why, detail={"by": actor.id}, ended_at=clock.now())
            .where(Message.state.in_(WAITING), condition)
            .execute()
        )
