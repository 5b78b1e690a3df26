"""The job that sends: reserve → begin (committed) → the provider is asked → end. Of all processes one runs it at a time.

A few threads ask providers side by side; the messages of one receiver go one after the other. Ending a message and beginning
the next is one transaction. Whatever was begun by a process that died is *unknown*: only what may be repeated without harm
is sent again by itself, everything else waits for a person.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from peewee import fn

from ..accounts import notices
from ..connections import store as connections
from ..core import clock, dialect, i18n, incidents, jobs
from ..core.db import PARAM, Statement, read, write
from ..core.errors import UserError
from ..core.jobs import Job
from . import deciding, outbox, policy, senders
from .deciding import Case
from .models import Message, MessageAttempt, MessageSpend
from .senders import Outcome

log = logging.getLogger(__name__)

BATCH = 120
THREADS = 8
SLICE = 20.0
"""Seconds of one run: then other jobs have their turn, and this one comes again."""
BACKOFF = (30, 120, 600, 1800)
"""Seconds before the second try and the further ones; there is none after the last."""
TOLD = ("told_instead", "no_address_told")
WITHHELD = (outbox.SUPPRESSED, outbox.EXPIRED)
"""Ends of messages that nobody was asked to carry."""

Withheld = Callable[[Sequence[Message]], None]
_withheld: list[Withheld] = []


def on_withheld(told: Withheld) -> Withheld:
    """Registers who is told, in the transaction that settles them, of messages that are not sent; ``reasons`` says why."""
    _withheld.append(told)
    return told


@jobs.handler(outbox.SEND, label=_l("发送消息"))
def run(job: Job) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    blocked: dict[str, int] = {}
    until = time.monotonic() + SLICE
    with read():
        recover()
        while time.monotonic() < until:
            found = _batch(blocked)
            if found is None:
                break
            counts.update(found)
            job.progress(sum(counts.values()))
        _come_again(blocked)
    return {f"messages_{name}": n for name, n in counts.items() if name in ("sent", "failed", "unknown")}


def _come_again(blocked: dict[str, int]) -> None:
    """Asks for the next run: at once when the time was up, else when the next message is due."""
    with read():
        waiting = _keys(set(blocked))
        held = Message.select(fn.MIN(Message.due_at)).where(Message.state == outbox.HELD).scalar()
    moments = [clock.now()] if waiting else [at for at in (held, *blocked.values()) if at is not None]
    if moments:
        outbox.wake(max(clock.now(), min(moments)) if waiting else max(clock.now() + 1, min(moments)))


def recover() -> int:
    """Settles what was begun and never ended: this job runs alone, so whoever began it is gone. Returns how many."""
    done = 0
    while rows := list(Message.select().where(Message.state == outbox.SENDING).limit(1000)):
        with write():
            costs = {
                message_id: cost
                for message_id, number, cost in MessageAttempt.select(
                    MessageAttempt.message_id, MessageAttempt.number, MessageAttempt.cost
                )
                .where(
                    dialect.among(MessageAttempt.message_id, [row.id for row in rows]),
                    MessageAttempt.ended_at.is_null(),
                )
                .tuples()
            }
            for row in rows:
                _end(row, row.attempts, Outcome("unknown"), "crashed", costs.get(row.id, 0))
        done += len(rows)
    if done:
        log.warning("%s message(s) were being sent when the process stopped", done)
    return done


# -- a batch ----------------------------------------------------------------------------------------------------------


def _batch(blocked: dict[str, int]) -> Counter[str] | None:
    """Sends what is due, at most :data:`BATCH`. ``None``: nothing is."""
    now = clock.now()
    with write():
        _release(now)
        rows = _due(set(blocked))
        if not rows:
            return None
        _unknown_ways(rows, now)
        cases = deciding.decide(rows, now, blocked)
        going = [case for case in cases if case.state is None]
        _settle([case for case in cases if case.state is not None], now)
    return _deliver(going) + Counter({"settled": len(cases) - len(going)})


def _release(now: int) -> None:
    Message.update(state=outbox.RESERVED).where(Message.state == outbox.HELD, Message.due_at <= now).execute()


def _keys(without: set[str]) -> list[str]:
    """The connections that have something waiting: one look into the index for each."""
    found: list[str] = []
    mine = Message.state == outbox.RESERVED
    key = Message.select(fn.MIN(Message.connection)).where(mine).scalar()
    while key is not None:
        found.append(key)
        key = Message.select(fn.MIN(Message.connection)).where(mine, Message.connection > key).scalar()
    return [key for key in found if key not in without]


def _due(without: set[str]) -> list[Message]:
    rows: list[Message] = []
    for key in _keys(without):
        waiting = Message.select().where(Message.state == outbox.RESERVED, Message.connection == key)
        rows += list(waiting.order_by(Message.priority, Message.id).limit(BATCH))
    rows.sort(key=lambda row: (row.priority, row.id))
    return rows[:BATCH]


def _unknown_ways(rows: list[Message], now: int) -> None:
    """A way out that this release does not know (an older or newer one made the message) carries nothing."""
    lost = [row.id for row in rows if row.via not in senders.SENDERS]
    if lost:
        Message.update(state=outbox.FAILED, why="refused", error=_("没有这种发送方式。"), ended_at=now).where(
            dialect.among(Message.id, lost)
        ).execute()


def _settle(cases: list[Case], now: int) -> None:
    for case in cases:
        row = case.row
        ended = case.state in outbox.ENDED
        Message.update(
            state=case.state, why=case.why, detail=case.detail or None, error=case.error or row.error,
            address=case.address or row.address, due_at=case.due_at or row.due_at, ended_at=now if ended else None,
            connection=case.connection.key if case.connection and case.state == outbox.RESERVED else row.connection,
        ).where(Message.id == row.id, Message.state == outbox.RESERVED).execute()  # fmt: skip
        if case.why in TOLD and row.target_id is not None:
            # Inside the house nobody misses what could not leave it.
            words = f"{row.subject}：{row.text}" if row.subject else row.text
            notices.tell([row.target_id], "message", words, row.link if row.link.startswith("/") else None)
    held_back = [case for case in cases if case.state in WITHHELD and case.why not in TOLD]
    for case in held_back:
        case.row.state, case.row.why = case.state, case.why
        case.row.detail = case.detail  # type: ignore[assignment]
    for told in _withheld if held_back else ():
        told([case.row for case in held_back])
    if any(case.why == "budget" for case in cases):
        incidents.open(
            "messages.budget", _("本月的消息预算已经用完，付费消息暂停发送。"), "messages:budget", "messages.budget"
        )


# -- asking providers -------------------------------------------------------------------------------------------------


class _Work(Struct):
    """What the threads share: lanes of cases, and what became of them."""

    lanes: deque[deque[Case]]
    counts: Counter[str]
    guard: threading.Lock

    def lane(self) -> deque[Case] | None:
        with self.guard:
            return self.lanes.popleft() if self.lanes else None

    def count(self, name: str) -> None:
        with self.guard:
            self.counts[name] += 1


def _deliver(cases: list[Case]) -> Counter[str]:
    by_lane: dict[str, deque[Case]] = defaultdict(deque)
    for case in cases:
        if case.connection is not None:
            by_lane[case.row.lane].append(case)
    work = _Work(deque(by_lane.values()), Counter(), threading.Lock())
    _inside([case for case in cases if case.connection is None], work)
    locale = i18n.current()
    threads = [
        threading.Thread(target=_thread, args=(work, locale), name=f"messages-{n}")
        for n in range(min(THREADS, len(work.lanes)) - 1)
    ]
    for thread in threads:
        thread.start()
    _go(work)
    for thread in threads:
        thread.join()
    return work.counts


def _thread(work: _Work, locale: str) -> None:
    try:
        with i18n.speaking(locale), read():
            _go(work)
    except Exception:
        # What it had begun is found by the next run and asked about.
        log.exception("a sending thread broke off")


def _go(work: _Work) -> None:
    last: tuple[Case, Outcome] | None = None
    while not jobs.stop_asked.is_set() and (lane := work.lane()) is not None:
        for case in lane:
            if jobs.stop_asked.is_set():
                break
            with write():
                if last is not None:
                    _finish(*last, work)
                last = None
                begun = _begin(case)
            if begun:
                outcome = _ask(case)
                last = case, outcome
                if outcome.state in ("retry", "unknown"):
                    # What comes after it for the same receiver waits its turn.
                    break
    if last is not None:
        with write():
            _finish(*last, work)


def _inside(cases: list[Case], work: _Work) -> None:
    """What stays in the house is rows of our own: told and written down in one transaction, so nothing can be unknown."""
    with write():
        for case in cases:
            if _begin(case):
                _finish(case, _ask(case), work)


def _ask(case: Case) -> Outcome:
    assert case.message is not None
    try:
        return case.sender.deliver(case.message, case.connection)
    except Exception as error:
        log.exception("sending through %s broke", case.row.via)
        return Outcome.unknown(type(error).__name__)


_start = Statement(
    Message.update(
        {
            Message.state: outbox.SENDING, Message.why: "", Message.detail: None, Message.attempts: Message.attempts + 1,
            Message.began_at: PARAM, Message.connection: PARAM, Message.address: PARAM,
        }
    ).where(Message.id == PARAM, Message.state == outbox.RESERVED)
)  # fmt: skip
_attempt = Statement(
    MessageAttempt.insert(
        {
            MessageAttempt.message_id: PARAM, MessageAttempt.number: PARAM, MessageAttempt.connection: PARAM,
            MessageAttempt.address: PARAM, MessageAttempt.began_at: PARAM, MessageAttempt.cost: PARAM,
        }
    )
)  # fmt: skip


def _begin(case: Case) -> bool:
    """Writes down that the provider is about to be asked; not for a message that was cancelled meanwhile."""
    now, row = clock.now(), case.row
    key = case.connection.key if case.connection else ""
    if not _start.execute(key, case.address, now, row.id).rowcount:
        return False
    row.attempts += 1
    row.connection = key
    _attempt.execute(row.id, row.attempts, key, case.address, now, case.cost)
    return True


def _finish(case: Case, outcome: Outcome, work: _Work) -> None:
    may_repeat = case.sender.repeatable(case.connection) and not case.sender.paid(case.connection)
    state = _end(case.row, case.row.attempts, outcome, "no_answer", case.cost, may_repeat)
    work.count({outbox.DELIVERED: "sent"}.get(state, state))


def _end(
    row: Message, number: int, outcome: Outcome, unknown_why: str, cost: int, may_repeat: bool | None = None
) -> str:
    """Writes down how a try ended; returns the message's state. Only inside ``write()``."""
    now = clock.now()
    tried = len(BACKOFF) + 1 <= number
    error = (outcome.error or "")[:500] or None
    state, why, due, detail = outbox.FAILED, "refused", row.due_at, None
    if outcome.state == "delivered":
        state, why = outbox.DELIVERED, "delivered"
    elif outcome.state == "retry":
        state, why = (outbox.FAILED, "gave_up") if tried else (outbox.HELD, "retry")
        due = now + max(outcome.retry_after or 0, BACKOFF[min(number, len(BACKOFF)) - 1])
    elif outcome.state == "unknown":
        repeat = _repeatable(row) if may_repeat is None else may_repeat
        state, why = (outbox.HELD, "resend") if repeat and not tried else (outbox.UNKNOWN, unknown_why)
        due = now + BACKOFF[min(number, len(BACKOFF)) - 1]
    paid = cost if outcome.state in ("delivered", "unknown") else 0
    waits = state == outbox.HELD
    changed = (
        Message.update(
            state=state, why=why, detail=detail, error=error, ended_at=None if waits else now,
            due_at=min(due, row.expires_at or due) if waits else row.due_at,
            provider_id=outcome.provider_id or Message.provider_id, cost=Message.cost + paid,
        )
        # A late answer still says what became of it, unless a person has decided meanwhile.
        .where(Message.id == row.id, Message.attempts == number, Message.state.in_((outbox.SENDING, outbox.UNKNOWN)))
        .execute()
    )  # fmt: skip
    MessageAttempt.update(
        ended_at=now, state=outcome.state, provider_id=outcome.provider_id, error=error, cost=paid
    ).where(MessageAttempt.message_id == row.id, MessageAttempt.number == number).execute()
    if changed and paid:
        spend(row.via, row.connection, paid, now)
    if state == outbox.UNKNOWN:
        log.info("message %s by %s: it is not known whether it arrived", row.id, row.via)
    return state


def _repeatable(row: Message) -> bool:
    """Whether sending it twice does no harm, for a message whose connection may be gone."""
    sender = senders.SENDERS.get(row.via)
    if sender is None:
        return False
    try:
        connection = connections.get(row.connection) if row.connection else None
        return sender.repeatable(connection) and not sender.paid(connection)
    except UserError:
        return False


def spend(via: str, connection: str, cost: int, now: int) -> None:
    """Adds to the month's sums; warns once when the budget is nearly used up. Only inside ``write()``."""
    month = deciding.month_of(now)
    MessageSpend.insert(month=month, via=via, connection=connection, count=1, cost=cost).on_conflict(
        conflict_target=[MessageSpend.month, MessageSpend.via, MessageSpend.connection],
        update={MessageSpend.count: MessageSpend.count + 1, MessageSpend.cost: MessageSpend.cost + cost},
    ).execute()
    rules = policy.get()
    if not rules.budget:
        return
    total, line = deciding.spent(now), rules.budget * rules.warn_percent
    if total - cost < line <= total:
        incidents.open(
            "messages.budget",
            _("本月的消息费用已达到预算的 %(percent)d%%。", percent=rules.warn_percent),
            f"messages:{month}",
            "messages.budget",
        )


incidents.declare("messages.budget", _l("消息预算"))
