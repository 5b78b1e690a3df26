"""Whether a message that is due may go out now: one check after the other, each for the whole batch at once.

A check settles some of the batch (:meth:`Case.settle`) and leaves the rest to the next one. What passes them all is sent.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from msgspec import Struct, field
from peewee import fn

from ..accounts import people
from ..accounts.actor import SYSTEM
from ..connections import store as connections
from ..connections.kinds import Connection
from ..core import clock, dialect, settings
from ..core.errors import UserError
from ..customers import consents
from ..forms import query
from . import outbox, policy, senders, unsubscribing
from .models import Message, MessageAttempt, MessageBlock, MessageSpend
from .policy import Policy
from .senders import Sender, Target

OFF_FOR = 1800
"""Seconds until a connection that is switched off is looked at again."""
SENT = (outbox.DELIVERED, outbox.SENDING, outbox.UNKNOWN)
"""States that count against a cap: the customer has it, or may have it."""


class Case(Struct):
    """One message that is due. ``state`` stays ``None`` while nothing speaks against sending it."""

    row: Message
    sender: Sender
    target: Target
    connection: Connection | None = None
    address: str = ""
    message: senders.Message | None = None
    cost: int = 0
    state: str | None = None
    why: str = ""
    detail: dict[str, Any] = field(default_factory=dict)
    due_at: int = 0
    error: str | None = None

    @property
    def to_customer(self) -> bool:
        return self.row.target_kind in ("customer", "address")

    def settle(self, state: str, why: str, *, due_at: int = 0, error: str | None = None, **detail: Any) -> None:
        self.state, self.why, self.detail, self.error = state, why, detail, error
        # What waits is over when it expires, not a moment later.
        self.due_at = min(due_at, self.row.expires_at or due_at)

    def suppress(self, why: str, **detail: Any) -> None:
        self.settle(outbox.SUPPRESSED, why, **detail)

    def hold(self, why: str, until: int, **detail: Any) -> None:
        self.settle(outbox.HELD, why, due_at=until, **detail)


class Batch(Struct):
    cases: list[Case]
    now: int
    policy: Policy
    blocked: dict[str, int] = field(default_factory=dict)
    """Connection key → the moment from which on it takes messages again; found by :func:`_in_the_platforms_pace`."""

    def open(self) -> list[Case]:
        return [case for case in self.cases if case.state is None]


Check = Callable[[Batch], None]


def decide(rows: list[Message], now: int, blocked: dict[str, int]) -> list[Case]:
    """The verdict on each message; ``blocked`` learns which connections must pause. In the transaction that acts on it."""
    batch = Batch(
        [Case(row, senders.get(row.via), outbox.target_of(row)) for row in rows if row.via in senders.SENDERS],
        now,
        policy.get(),
        blocked,
    )
    for check in CHECKS:
        check(batch)
    return batch.cases


def preview(rows: list[Message], now: int) -> list[Case]:
    """The verdict on messages that are in no table yet, apart from the platforms' pace."""
    batch = Batch([Case(row, senders.get(row.via), outbox.target_of(row)) for row in rows], now, policy.get())
    for check in CHECKS:
        if check is not _in_the_platforms_pace:
            check(batch)
    return batch.cases


def _in_time(batch: Batch) -> None:
    for case in batch.open():
        if case.row.expires_at is not None and case.row.expires_at <= batch.now:
            case.settle(outbox.EXPIRED, "expired")


def _somebody_is_there(batch: Batch) -> None:
    ids = {case.target.id for case in batch.open() if case.target.kind == "customer" and case.target.id}
    alive = query.visible_ids("customer", ids, SYSTEM) if ids else set()
    for case in batch.open():
        if case.target.kind == "customer" and case.target.id not in alive:
            case.suppress("gone")
        elif case.target.kind == "user" and not people.is_active(case.target.id or 0):
            case.suppress("inactive")


def _nobody_objects(batch: Batch) -> None:
    """Advertising needs consent; a withdrawal holds for everything else as well."""
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in batch.open():
        if case.target.kind == "customer" and case.row.purpose != outbox.INTERNAL:
            groups[case.row.purpose, policy.consent_channel(case.row.via)].append(case)
    for (purpose, channel), cases in groups.items():
        ids = [case.target.id for case in cases]
        no = _holders(purpose, channel, consents.WITHDRAWN, ids)
        yes = _holders(purpose, channel, consents.GRANTED, ids) if purpose == outbox.MARKETING else set(ids)
        for case in cases:
            if case.target.id in no:
                case.suppress("withdrawn", channel=channel)
            elif case.target.id not in yes:
                case.suppress("no_consent", channel=channel)


def _holders(purpose: str, channel: str, state: str, ids: list[Any]) -> set[int]:
    model = consents.Consent
    found = consents.holders(purpose, channel, state).where(dialect.among(model.customer_id, ids))
    return {row[0] for row in found.tuples()}


def _routed(batch: Batch) -> None:
    """Which connection it goes through now. Without one on this way out nothing leaves: the message is a test."""
    found: dict[tuple[str, str, str], Connection | UserError | None] = {}
    for case in batch.open():
        key = case.row.connection if case.row.pinned else ""
        place = case.row.via, case.target.kind, key
        if place not in found:
            try:
                found[place] = case.sender.connection_for(case.target, key or None)
            except UserError as error:
                found[place] = error
        answer = found[place]
        if not isinstance(answer, UserError):
            case.connection = answer
        elif connections.of_kind(*case.sender.connection_kinds):
            case.hold("connection_off", batch.now + OFF_FOR)
        elif case.target.kind == "user":
            case.settle(outbox.TEST, "told_instead")
        else:
            case.settle(outbox.TEST, "unconfigured")


def _addressed(batch: Batch) -> None:
    groups: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in batch.cases:
        if case.state in (None, outbox.TEST):
            groups[case.row.via, case.connection.key if case.connection else ""].append(case)
    for cases in groups.values():
        found = cases[0].sender.addresses([case.target for case in cases], cases[0].connection)
        for case in cases:
            case.address = found.get(case.target, "")
            if case.state == outbox.TEST or case.address or case.target.kind == "group":
                continue
            case.suppress("no_address_told" if case.target.kind == "user" else "no_address")


def _not_blocked(batch: Batch) -> None:
    addresses = {case.address for case in batch.open() if case.address and case.to_customer}
    if not addresses:
        return
    rows = MessageBlock.select(MessageBlock.via, MessageBlock.address, MessageBlock.scope).where(
        dialect.among(MessageBlock.address, sorted(addresses))
    )
    scopes = {(via, address): scope for via, address, scope in rows.tuples()}
    for case in batch.open():
        scope = scopes.get((case.row.via, case.address)) if case.to_customer else None
        if scope == "all":
            case.suppress("blocked")
        elif scope == "marketing" and case.row.purpose == outbox.MARKETING:
            case.suppress("unsubscribed")


def _for_real(batch: Batch) -> None:
    """What is only tried out stays in the house; notices inside the app leave nothing."""
    for case in batch.open():
        if case.sender.connection_kinds and (batch.policy.test_all or case.row.via in batch.policy.test):
            case.settle(outbox.TEST, "test_mode")


def _in_turn(batch: Batch) -> None:
    """What is for the same receiver by the same way, and was to go before, goes before."""
    lanes = sorted({case.row.lane for case in batch.open()})
    if not lanes:
        return
    waits = (
        Message.select(Message.lane, Message.via, fn.MIN(Message.id), fn.MAX(Message.due_at))
        .where(dialect.among(Message.lane, lanes), Message.state == outbox.HELD, Message.why.in_(("retry", "resend")))
        .group_by(Message.lane, Message.via)
    )
    first = {(lane, via): (row_id, due_at) for lane, via, row_id, due_at in waits.tuples()}
    for case in batch.open():
        row_id, due_at = first.get((case.row.lane, case.row.via), (case.row.id, 0))
        if case.row.id and row_id < case.row.id:
            case.hold("turn", max(due_at, batch.now + 1))


def _awake(batch: Batch) -> None:
    for case in batch.open():
        at = batch.policy.allowed_at(batch.now, case.row.via, case.row.purpose, case.to_customer)
        if at > batch.now:
            case.hold("quiet", at)


def _not_too_often(batch: Batch) -> None:
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in batch.open():
        # A further try of the same message is not one more message.
        if case.target.kind == "customer" and case.row.attempts == 0:
            groups[case.row.purpose].append(case)
    for purpose, cases in groups.items():
        for period, most in batch.policy.caps_of(purpose).items():
            _cap(cases, purpose, period, most, batch.now)


def _cap(cases: list[Case], purpose: str, period: str, most: int, now: int) -> None:
    ids = list({case.target.id for case in cases if case.state is None})
    if not ids:
        return
    rows = (
        Message.select(Message.customer_id, fn.COUNT(Message.id))
        .where(
            dialect.among(Message.customer_id, ids), Message.purpose == purpose,
            Message.began_at >= policy.period_start(period, now), Message.state.in_(SENT),
        )
        .group_by(Message.customer_id)
    )  # fmt: skip
    had = Counter(dict(rows.tuples()))
    for case in cases:
        if case.state is not None:
            continue
        if had[case.target.id] >= most:
            case.suppress("capped", period=period, most=most)
        else:
            had[case.target.id] += 1


def _written(batch: Batch) -> None:
    """The message as it goes out, what it costs, and whether the platform would take it at all."""
    for case in batch.open():
        case.message = compose(case.row, case.connection, case.address, batch.policy)
        case.cost = case.sender.cost(case.message, case.connection)
        if why := case.sender.refusal(case.message, case.connection):
            case.settle(outbox.FAILED, "refused", error=why)


def compose(row: Message, connection: Connection | None, address: str, rules: Policy) -> senders.Message:
    params: dict[str, Any] = row.params or {}
    own = params.get(connection.kind, {}) if connection else {}
    text, link = unsubscribing.finish(row, rules)
    site = rules.site_url.rstrip("/")
    return senders.Message(
        key=row.key, to=address, text=text, subject=row.subject, link=site + row.link if row.link.startswith("/") else row.link,
        purpose=row.purpose, target=outbox.target_of(row), template_code=own.get("code", ""),
        template_params=own.get("params", {}), unsubscribe=link,
    )  # fmt: skip


def _affordable(batch: Batch) -> None:
    if not batch.policy.budget or not batch.policy.budget_stops:
        return
    left = batch.policy.budget * 100 - spent(batch.now)
    for case in batch.open():
        if case.cost and case.cost > left:
            case.hold("budget", policy.next_month(batch.now))
        else:
            left -= case.cost


def month_of(now: int) -> str:
    return clock.local(now, settings.tz()).strftime("%Y-%m")


def spent(now: int) -> int:
    """What this month's messages cost so far, in hundredths of a fen."""
    return int(MessageSpend.select(fn.SUM(MessageSpend.cost)).where(MessageSpend.month == month_of(now)).scalar() or 0)


def _in_the_platforms_pace(batch: Batch) -> None:
    """What goes beyond the platform's limits stays where it is; the job pauses the connection until there is room."""
    groups: dict[str, list[Case]] = defaultdict(list)
    for case in batch.open():
        groups[case.connection.key if case.connection else ""].append(case)
    for key, cases in groups.items():
        for limit in cases[0].sender.limits(cases[0].connection):
            if limit.per == "connection":
                _pace(batch, key, cases, limit)
            else:
                _pace_each(batch, key, cases, limit)


def _pace(batch: Batch, key: str, cases: list[Case], limit: senders.Limit) -> None:
    since = batch.now - limit.seconds
    mine = (MessageAttempt.connection == key) & (MessageAttempt.began_at > since)
    used = MessageAttempt.select(fn.COUNT(MessageAttempt.id)).where(mine).scalar() or 0
    room = max(0, limit.count - used)
    waiting = [case for case in cases if case.state is None][room:]
    if not waiting:
        return
    oldest = MessageAttempt.select(fn.MIN(MessageAttempt.began_at)).where(mine).scalar()
    free_at = (oldest or batch.now) + limit.seconds
    batch.blocked[key] = max(batch.blocked.get(key, 0), free_at)
    for case in waiting:
        case.settle(outbox.RESERVED, "rate", due_at=free_at, count=limit.count, seconds=limit.seconds)


def _pace_each(batch: Batch, key: str, cases: list[Case], limit: senders.Limit) -> None:
    live = [case for case in cases if case.state is None and case.address]
    if not live:
        return
    rows = (
        MessageAttempt.select(MessageAttempt.address, fn.COUNT(MessageAttempt.id), fn.MIN(MessageAttempt.began_at))
        .where(
            MessageAttempt.connection == key, dialect.among(MessageAttempt.address, sorted({c.address for c in live})),
            MessageAttempt.began_at > batch.now - limit.seconds,
        )
        .group_by(MessageAttempt.address)
    )  # fmt: skip
    known = {address: (count, oldest) for address, count, oldest in rows.tuples()}
    used = Counter({address: count for address, (count, _oldest) in known.items()})
    for case in live:
        if used[case.address] >= limit.count:
            oldest = known.get(case.address, (0, batch.now))[1]
            case.hold("rate", oldest + limit.seconds, count=limit.count, seconds=limit.seconds)
        else:
            used[case.address] += 1


CHECKS: list[Check] = [
    _in_time, _somebody_is_there, _nobody_objects, _routed, _addressed, _not_blocked, _for_real, _in_turn, _awake, _not_too_often,
    _written, _affordable, _in_the_platforms_pace,
]  # fmt: skip
"""In this order: what can never be sent first, then what only waits."""
