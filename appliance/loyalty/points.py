"""The ledger of points: earned, spent, taken back, expired. ``customer.points`` is its sum, kept in the same transaction.

What a record caused stands or falls with it (:mod:`.earned`): a refund takes back in proportion, a cancelled or deleted order
all of it, each once; what comes back gives it back. What a rule's run or a bulk operation caused goes when that is undone.

Points are spent in the order in which they expire, so what is left of a balance are the entries that expire last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from msgspec import Struct, field
from peewee import fn

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, incidents, jobs, schema, settings
from ..core.db import db, insert_rows, read, write
from ..core.errors import FieldErrors
from ..core.jobs import Job
from ..forms import catalog, hooks, keeping
from ..forms.hooks import Cause
from .models import PointsEntry

FIELD = "points"
MOST = 10_000_000
"""Points of one entry."""
LONGEST_REASON = 200
BATCH = 500

hooks.announce("customer", FIELD)

settings.declare(
    "loyalty.points_floor", "zero", _l("积分不够扣时"), "choice",
    options={"zero": _l("扣到 0 为止"), "debt": _l("记为负数，以后的积分先抵扣")},
)  # fmt: skip
settings.declare(
    "loyalty.points_days", 0, _l("积分有效天数"), "integer", least=0, most=3650,
    help=_l("0 表示长期有效。只影响以后得到的积分。"),
)  # fmt: skip

KINDS = {
    "earned": _l("获得"),
    "spent": _l("扣减"),
    "adjusted": _l("手工调整"),
    "taken_back": _l("收回"),
    "given_back": _l("退还"),
    "expired": _l("到期"),
}


class Gift(Struct, frozen=True):
    """Points for a customer; negative ones are taken away. ``form`` and ``record_id``: what they are for; ``basis``: what that
    was worth; ``key``: names this effect for ever."""

    customer_id: int
    points: int
    form: str | None = None
    record_id: int | None = None
    basis: int | None = None
    key: str | None = None


class Given(Struct):
    """By place in the list of gifts: the points that really moved, and why others did not."""

    moved: dict[int, int] = field(default_factory=dict)
    skipped: dict[int, str] = field(default_factory=dict)


def floor() -> int | None:
    """The least balance; ``None``: there is none."""
    return None if settings.get("loyalty.points_floor") == "debt" else 0


# -- giving and taking ------------------------------------------------------------------------------------------------


def give(
    gifts: Sequence[Gift],
    reason: str,
    cause: Cause,
    actor: Actor,
    *,
    kind: str | None = None,
    reasons: Sequence[str] = (),
) -> Given:
    """Writes entries, a batch at once, inside ``write()``. An effect that was given before is not given again.

    ``kind``: default earned, or spent for negative points. ``reasons``: one a gift, in place of ``reason``.
    """
    given = Given()
    known = _known([gift.key for gift in gifts if gift.key])
    balances = balances_of({gift.customer_id for gift in gifts})
    moved: dict[int, int] = defaultdict(int)
    rows: list[dict[str, Any]] = []
    now, days, least = clock.now(), settings.get("loyalty.points_days"), floor()
    for n, gift in enumerate(gifts):
        if gift.key in known:
            given.skipped[n] = _("这次的积分已经给过了。")
            continue
        if gift.customer_id not in balances:
            given.skipped[n] = _("没有对应的客户。")
            continue
        has = balances[gift.customer_id] + moved[gift.customer_id]
        points = gift.points if gift.points >= 0 or least is None else -min(-gift.points, max(0, has - least))
        if points == 0:
            given.skipped[n] = _("没有可以扣的积分。") if gift.points < 0 else _("算出来是 0 分。")
            continue
        if gift.key:
            known.add(gift.key)
        moved[gift.customer_id] += points
        given.moved[n] = points
        rows.append({
            "customer_id": gift.customer_id, "points": points, "reason": (reasons[n] if reasons else reason)[:LONGEST_REASON],
            "kind": kind or ("earned" if points > 0 else "spent"), "at": now,
            "expires_at": now + days * clock.DAY if days and points > 0 else None,
            "cause_kind": cause.kind, "cause_id": cause.id, "actor_id": actor.id, "form": gift.form,
            "record_id": gift.record_id, "basis": gift.basis, "key": gift.key, "stands": points,
        })  # fmt: skip
    _insert(rows)
    _add_to_balances(balances, moved, actor, cause)
    return given


def adjust(customer_id: int, points: Any, reason: Any, actor: Actor) -> int:
    """A person gives or takes points, with a reason. Returns the points that moved. Raises FieldErrors."""
    errors = {}
    try:
        amount = int(str(points).strip())
        if amount == 0 or abs(amount) > MOST:
            raise ValueError
    except ValueError:
        errors["points"] = _("请填写不为 0 的整数，增加写 50，扣减写 -50。")
    text = reason.strip() if isinstance(reason, str) else ""
    if not text or len(text) > LONGEST_REASON:
        errors["reason"] = _("请写明原因，最多 %(max)d 个字。", max=LONGEST_REASON)
    if errors:
        raise FieldErrors(errors)
    with write():
        given = give([Gift(customer_id, amount)], text, Cause("user"), actor, kind="adjusted")
        if given.skipped:
            raise FieldErrors({"points": given.skipped[0]})
        return given.moved[0]


def _known(keys: list[str]) -> set[str | None]:
    if not keys:
        return set()
    return {key for (key,) in PointsEntry.select(PointsEntry.key).where(dialect.among(PointsEntry.key, keys)).tuples()}


def _insert(rows: list[dict[str, Any]]) -> None:
    blank = {"expires_at": None, "of": None, "form": None, "record_id": None, "basis": None, "key": None, "stands": 0}
    defaults = {"expired": 0, "waived": 0, "undone": False, "closed": False}
    insert_rows(PointsEntry, [blank | defaults | row for row in rows])


def balances_of(ids: Collection[int]) -> dict[int, int]:
    """The balances of customers that are there, those in the recycle bin included."""
    form = catalog.get("customer")
    rows = form.table.select(form.col("id"), form.col(FIELD)).where(dialect.among(form.col("id"), ids))
    return {i: points or 0 for i, points in rows.tuples().execute(db)}


def _add_to_balances(balances: dict[int, int], moved: dict[int, int], actor: Actor, cause: Cause) -> None:
    _store({i: balances[i] + points for i, points in moved.items() if points}, actor, cause)


def _store(new: dict[int, int], actor: Actor, cause: Cause) -> None:
    keeping.keep(catalog.get("customer"), {i: {FIELD: value} for i, value in new.items()}, actor, cause)


# -- taking back ------------------------------------------------------------------------------------------------------


def _held(entry: PointsEntry, stands: int) -> int:
    """What an entry gives the customer when ``stands`` of its points are justified; expired ones are gone anyway."""
    return max(0, stands - entry.expired) if entry.points > 0 else stands


def settle(wanted: Iterable[tuple[PointsEntry, int]], cause: Cause, actor: Actor, *, undone: bool = False) -> int:
    """Makes entries stand with so many points (``(entry, points)``), by lines that take back or give back the difference.
    Inside ``write()``. Returns how many entries changed."""
    pairs = [(entry, stands) for entry, stands in wanted if stands != entry.stands or undone]
    if not pairs:
        return 0
    balances = balances_of({entry.customer_id for entry, _stands in pairs})
    moved: dict[int, int] = defaultdict(int)
    rows, least, now = [], floor(), clock.now()
    for entry, stands in pairs:
        has = balances.get(entry.customer_id, 0) + moved[entry.customer_id]
        # What comes back to an entry whose time is over is over, too.
        late = stands - entry.stands if entry.closed and stands > entry.stands else 0
        difference = 0 if late else _held(entry, stands) - _held(entry, entry.stands)
        waived = entry.waived
        if difference < 0:
            points = difference if least is None else -min(-difference, max(0, has - least))
            waived += points - difference
        else:
            # What could not be taken before is not given a second time.
            points = difference - min(difference, waived)
            waived -= difference - points
        values: dict[str, Any] = {"stands": stands, "waived": waived, "expired": entry.expired + late}
        if undone:
            values |= {"undone": True, "key": None}
        PointsEntry.update(**values).where(PointsEntry.id == entry.id).execute()
        if points:
            moved[entry.customer_id] += points
            rows.append({
                "customer_id": entry.customer_id, "points": points, "kind": "taken_back" if points < 0 else "given_back",
                "reason": entry.reason, "at": now, "expires_at": None, "of": entry.id, "cause_kind": cause.kind,
                "cause_id": cause.id, "actor_id": actor.id, "form": entry.form, "record_id": entry.record_id,
            })  # fmt: skip
    _insert(rows)
    _add_to_balances(balances, {i: p for i, p in moved.items() if i in balances}, actor, cause)
    return len(pairs)


# -- reading ----------------------------------------------------------------------------------------------------------


def history(customer_id: int, limit: int = 50, before: int | None = None) -> list[PointsEntry]:
    """Newest first; ``before``: only lines with a smaller id."""
    query = PointsEntry.select().where(PointsEntry.customer_id == customer_id)
    if before is not None:
        query = query.where(PointsEntry.id < before)
    with read():
        return list(query.order_by(PointsEntry.id.desc()).limit(limit))


def expiring(customer_id: int, until: int) -> int:
    """How many points expire before ``until`` if none are spent."""
    with read():
        lots = list(_open_lots([customer_id]))
        balance = balances_of([customer_id]).get(customer_id, 0)
    return sum(
        left for entry, left in _left(lots, balance) if entry.expires_at is not None and entry.expires_at <= until
    )


# -- expiry -----------------------------------------------------------------------------------------------------------


def _open_lots(ids: Collection[int]) -> Any:
    return PointsEntry.select().where(
        dialect.among(PointsEntry.customer_id, list(ids)),
        PointsEntry.points > 0,
        PointsEntry.of.is_null(),
        PointsEntry.closed == False,  # noqa: E712
    )


def _left(lots: list[PointsEntry], balance: int) -> list[tuple[PointsEntry, int]]:
    """What is left of each entry, the last to expire first."""
    order = sorted(lots, key=lambda e: (e.expires_at is None, e.expires_at or 0, e.id), reverse=True)
    out, rest = [], max(0, balance)
    for entry in order:
        left = min(_held(entry, entry.stands) + entry.waived, rest)
        rest -= left
        out.append((entry, left))
    return out


@schema.seed
def timers() -> None:
    jobs.schedule("loyalty.expire", "20 0 * * *", "loyalty.expire")
    jobs.schedule("loyalty.check", "25 4 * * *", "loyalty.check")


@jobs.handler("loyalty.expire", label=_l("积分到期"))
def expire(job: Job) -> dict[str, Any]:
    """Batch by batch, each a transaction; what is done is closed, so it goes on where it was interrupted."""
    done = 0
    while True:
        with write():
            found = _expire_some(clock.now())
        if not found:
            return {"points_expired": done}
        done += found
        job.check()


def _expire_some(now: int) -> int:
    due = PointsEntry.select(PointsEntry.customer_id).where(
        PointsEntry.expires_at <= now,
        PointsEntry.closed == False,  # noqa: E712
    )
    ids = [i for (i,) in due.distinct().order_by(PointsEntry.customer_id).limit(BATCH).tuples()]
    if not ids:
        return 0
    lots: dict[int, list[PointsEntry]] = defaultdict(list)
    for entry in _open_lots(ids):
        lots[entry.customer_id].append(entry)
    balances, cause = balances_of(ids), Cause("system")
    moved: dict[int, int] = defaultdict(int)
    rows: list[dict[str, Any]] = []
    for customer_id, entries in lots.items():
        for entry, left in _left(entries, balances.get(customer_id, 0)):
            if entry.expires_at is None or entry.expires_at > now:
                continue
            PointsEntry.update(expired=entry.expired + left, closed=True).where(PointsEntry.id == entry.id).execute()
            if left:
                moved[customer_id] -= left
                rows.append({
                    "customer_id": customer_id, "points": -left, "kind": "expired", "reason": entry.reason, "at": now,
                    "of": entry.id, "cause_kind": cause.kind, "cause_id": None, "actor_id": None,
                })  # fmt: skip
    # An entry of a customer who is gone, or one that takes away, has nothing that could expire.
    PointsEntry.update(closed=True).where(
        dialect.among(PointsEntry.customer_id, ids), PointsEntry.expires_at <= now
    ).execute()
    _insert(rows)
    _add_to_balances(balances, {i: p for i, p in moved.items() if i in balances}, SYSTEM, cause)
    return len(ids)


# -- the nightly check ------------------------------------------------------------------------------------------------

incidents.declare("points_drift", _l("积分余额对不上"))


def sums(ids: Collection[int]) -> dict[int, int]:
    """The balances as the ledger says."""
    rows = (
        PointsEntry.select(PointsEntry.customer_id, fn.SUM(PointsEntry.points))
        .where(dialect.among(PointsEntry.customer_id, list(ids)))
        .group_by(PointsEntry.customer_id)
    )
    return dict.fromkeys(ids, 0) | dict(rows.tuples())


def recount(ids: Collection[int], actor: Actor, cause: Cause) -> int:
    """Makes balances what the ledger says; inside ``write()``. Returns how many were something else."""
    held = balances_of(ids)
    said = sums(list(held))
    wrong = {i: said[i] for i in held if held[i] != said[i]}
    _store(wrong, actor, cause)
    return len(wrong)


@jobs.handler("loyalty.check", heavy=True, label=_l("核对积分"))
def check(job: Job) -> dict[str, Any]:
    """Every customer with points or with entries, by id; a difference is mended and reported."""
    form = catalog.get("customer")
    state = job.state or {"after": 0, "wrong": 0}
    while True:
        with write():
            ids = _next_customers(form, state["after"])
            if not ids:
                break
            state = {"after": ids[-1], "wrong": state["wrong"] + recount(ids, SYSTEM, Cause("system"))}
            job.save_state(state)
        job.check()
    if state["wrong"]:
        why = ngettext(
            "夜间核对时发现 %(num)d 位客户的积分与明细不一致，已按明细改正。请把这条消息告诉固客的维护者。",
            "夜间核对时发现 %(num)d 位客户的积分与明细不一致，已按明细改正。请把这条消息告诉固客的维护者。",
            state["wrong"],
        )
        incidents.open("points_drift", why, "loyalty.check", "points_drift")
    return {"points_corrected": state["wrong"]}


def _next_customers(form: Any, after: int) -> list[int]:
    row_id = form.col("id")
    with_entries = (
        PointsEntry.select(PointsEntry.customer_id)
        .where(PointsEntry.customer_id > after)
        .distinct()
        .order_by(PointsEntry.customer_id)
        .limit(BATCH)
    )
    found = {i for (i,) in with_entries.tuples()}
    last = max(found) if len(found) == BATCH else None
    holding = form.table.select(row_id).where(row_id > after, fn.COALESCE(form.col(FIELD), 0) != 0)
    if last is not None:
        holding = holding.where(row_id <= last)
    found |= {i for (i,) in holding.order_by(row_id).limit(BATCH).tuples().execute(db)}
    return sorted(found)[:BATCH]
