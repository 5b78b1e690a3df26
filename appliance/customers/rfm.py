"""R, F, M, I and W scores and the eight segments (CONTRACT section 6).

A score depends on how many customers are strictly worse, so it is a step function of the value: per letter there are four
*cuts*, the least values of scores 2 to 5. They are found by four look-ups in an index. After new orders only customers whose
value changed, or lies between an old and a new cut, can have another score. The result is that of scoring everybody anew.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import peewee
from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import asdict
from peewee import Case, fn

from ..core import clock, dialect, settings
from ..core.db import read, write
from ..core.errors import UserError
from ..forms import catalog, records
from . import metrics, touched
from .events import figures
from .events.models import Event
from .models import RfmModel, RfmValue

COLUMNS = {"r": RfmValue.day, "f": RfmValue.f, "m": RfmValue.m, "i": RfmValue.i, "w": RfmValue.w}
"""What each letter is scored by; more is better, for R a later day."""
LETTERS = tuple(COLUMNS)
SEGMENTS = {
    "HHH": "重要价值", "HLH": "重要发展", "LHH": "重要保持", "LLH": "重要挽留",
    "HHL": "一般价值", "HLL": "一般发展", "LHL": "一般保持", "LLL": "一般挽留",
}  # fmt: skip
"""R, F, M high or low → the value of ``rfm_segment``."""
EPOCH = dt.date(1970, 1, 1)

Which = Callable[[Any], Any]
"""Makes a test of the customer id column it is given."""
Cuts = dict[str, list[int | None]]
"""Letter → the least values of scores 2, 3, 4, 5; ``None``: nobody reaches it."""


class Config(Struct, frozen=True):
    """How the company scores. ``period``: days back from today, ``None`` all time. ``cuts``: letter → four numbers that
    take the place of fifths (R: days, at most so many for scores 5 to 2, rising; others: at least so much for scores 2
    to 5, rising; M in fen). ``high``: letter → the score from which on it is high, instead of "above the mean".
    """

    period: int | None = None
    cuts: dict[str, list[int]] = field(default_factory=dict)
    high: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Config:
        """Raises :class:`UserError` for numbers that make no sense."""
        period, cuts, high = doc.get("period"), doc.get("cuts") or {}, doc.get("high") or {}
        if period is not None and (
            not isinstance(period, int) or isinstance(period, bool) or not 1 <= period <= 36_500
        ):
            raise UserError(_("统计周期要在 1 到 36500 天之间，留空表示全部时间。"), "period")
        for letter, points in cuts.items():
            if letter not in LETTERS or len(points) != 4 or not all(type(p) is int for p in points):
                raise UserError(_("%(letter)s 的分界值要写四个数。", letter=letter.upper()), f"cut_{letter}")
            if sorted(set(points)) != list(points):
                raise UserError(_("%(letter)s 的四个分界值要从小到大。", letter=letter.upper()), f"cut_{letter}")
        for letter, score in high.items():
            if letter not in LETTERS or type(score) is not int or not 1 <= score <= 5:
                raise UserError(_("高分界线要在 1 到 5 分之间。"), f"high_{letter}")
        return cls(period, {k: list(v) for k, v in cuts.items()}, dict(high))

    @property
    def moves(self) -> bool:
        """Whether scores change by the mere passing of days."""
        return self.period is not None or "r" in self.cuts


class State(Struct):
    """What the last scoring found. ``high``: letter → the score from which on it is high. ``applying``: the cuts of a
    scoring that has begun to write and may have been interrupted.
    """

    cuts: Cuts = field(default_factory=dict)
    high: dict[str, int] = field(default_factory=dict)
    count: dict[str, int] = field(default_factory=dict)
    today: int = 0
    at: int = 0
    config: dict[str, Any] | None = None
    applying: list[Cuts] = field(default_factory=list)
    asked: int = 0
    answered: int = 0
    """How often everything was asked to be computed anew (model changed, every night), and how many of these were done."""


def config() -> Config:
    return Config.read(_row().config)


def state() -> State:
    return State(**_row().state)


def _row() -> RfmModel:
    with read():
        row = RfmModel.get_or_none(RfmModel.id == 1)
    return row if row is not None else RfmModel(config={}, state={})


def configure(doc: dict[str, Any]) -> Config:
    """Changes the model and asks for a scoring of everybody. Raises UserError."""
    wanted = Config.read(doc)
    with write():
        RfmModel.insert(id=1, config=asdict(wanted), state={}).on_conflict(
            conflict_target=[RfmModel.id], preserve=[RfmModel.config]
        ).execute()
        ask_full()
    return wanted


def ask_full() -> None:
    """Asks for everything to be computed anew."""
    with write():
        found = state()
        found.asked += 1
        save(found)
        touched.ask()


def save(found: State) -> None:
    """Keeps what the scoring found. Only inside ``write()``."""
    RfmModel.insert(id=1, config={}, state=asdict(found)).on_conflict(
        conflict_target=[RfmModel.id], preserve=[RfmModel.state]
    ).execute()


def today() -> int:
    """The number of the company's calendar day, counted from 1970-01-01."""
    return (clock.today(settings.tz()) - EPOCH).days


# -- values -------------------------------------------------------------------------------------------------------


def refresh_values(which: Which, model: Config) -> None:
    """Brings what customers are scored by up to date with their figures. Only inside ``write()``."""
    source = _values(which, model).alias("found")
    names = ["customer_id", "day", "f", "m", "i", "w"]
    columns = [peewee.Column(source, name) for name in names]
    scored = peewee.Column(source, "day").is_null(False) | peewee.Column(source, "i").is_null(False)
    new = {name: getattr(peewee.EXCLUDED, name) for name in names[1:]}
    changed: Any = None
    for name in names[1:]:
        test = dialect.differs(getattr(RfmValue, name), new[name])
        changed = test if changed is None else changed | test
    RfmValue.insert_from(
        peewee.Select([source], columns).where(scored), fields=[getattr(RfmValue, name) for name in names]
    ).on_conflict(
        conflict_target=[RfmValue.customer_id],
        update={getattr(RfmValue, name): value for name, value in new.items()},
        where=changed,
    ).execute()
    gone = _values(which, model).alias("found")
    kept = peewee.Select([gone], [peewee.Column(gone, "customer_id")]).where(
        peewee.Column(gone, "day").is_null(False) | peewee.Column(gone, "i").is_null(False)
    )
    RfmValue.delete().where(which(RfmValue.customer_id), RfmValue.customer_id.not_in(kept)).execute()


def _values(which: Which, model: Config) -> Any:
    """``(customer_id, day, f, m, i, w)`` of live customers."""
    form = catalog.get("customer")
    c = form.table.alias("c")
    cid = form.col("id", c)
    source: Any = c
    if model.period is None:
        last, count, total = (form.col(k, c) for k in ("last_paid_at", "order_count", "total_paid"))
        interactions, watched = form.col("interaction_count", c), form.col("watch_seconds", c)
        happened = Event.select(Event.customer_id).where(Event.customer_id == cid)
        active: Any = fn.EXISTS(happened)
    else:
        since = clock.start_of(EPOCH + dt.timedelta(days=today() - model.period), settings.tz())
        orders, events = _orders_of(which, since).alias("orders"), figures.sums(which, since).alias("events")
        for other in (orders, events):
            source = peewee.Join(source, other, peewee.JOIN.LEFT_OUTER, on=peewee.Column(other, "customer") == cid)
        last, count, total = (peewee.Column(orders, k) for k in ("last_paid_at", "order_count", "total_paid"))
        interactions, watched = (peewee.Column(events, k) for k in ("interaction_count", "watch_seconds"))
        active = peewee.Column(events, "customer").is_null(False)
    bought = count > 0
    return peewee.Select(
        [source],
        [
            cid.alias("customer_id"),
            Case(None, [(bought, dialect.local_day(last, settings.tz()))], None).alias("day"),
            Case(None, [(bought, count)], None).alias("f"),
            Case(None, [(bought, total)], None).alias("m"),
            Case(None, [(active, fn.COALESCE(interactions, 0))], None).alias("i"),
            Case(None, [(active, fn.COALESCE(watched, 0))], None).alias("w"),
        ],
    ).where(which(cid), form.col("deleted_at", c).is_null())


def _orders_of(which: Which, since: int) -> Any:
    order = catalog.get("order")
    customer, paid_at = order.col("customer"), order.col("paid_at")
    return (
        order.table.select(
            customer.alias("customer"),
            fn.MAX(paid_at).alias("last_paid_at"),
            fn.COUNT(paid_at).alias("order_count"),
            fn.SUM(metrics.value(order)).alias("total_paid"),
        )
        .where(which(customer), metrics.paid(order), paid_at >= since)
        .group_by(customer)
    )


# -- cuts ---------------------------------------------------------------------------------------------------------


def measure(model: Config) -> State:
    """Finds the cuts and the high scores of the customers as they are now."""
    found = State(today=today(), at=clock.now(), config=asdict(model))
    with read():
        for letter, column in COLUMNS.items():
            total = RfmValue.select(fn.COUNT(column)).where(column.is_null(False)).scalar()
            found.count[letter] = total
            given = model.cuts.get(letter)
            points = _given(letter, column, given, found.today) if given else _fifths(column, total)
            found.cuts[letter] = [point for point, _reached in points]
            mean = (total + sum(reached for _point, reached in points)) // total if total else 0
            found.high[letter] = model.high.get(letter, mean + 1)
    return found


def _given(letter: str, column: Any, points: list[int], day: int) -> list[tuple[int | None, int]]:
    least = [day - days for days in reversed(points)] if letter == "r" else points
    return [(point, RfmValue.select(fn.COUNT(column)).where(column >= point).scalar()) for point in least]


def _fifths(column: Any, total: int) -> list[tuple[int | None, int]]:
    """For scores 2 to 5: the least value that has it, and how many have it or a higher one.

    Score k belongs to values below which at least ``(k − 1) × total / 5`` customers are: those above the value that stands
    last in so many, in rising order.
    """
    if not total:
        return [(None, 0)] * 4
    points = []
    for k in range(2, 6):
        below = -(-(k - 1) * total // 5)
        last, customer = _standing(column, below, total)
        point = RfmValue.select(fn.MIN(column)).where(column > last).scalar()
        equal = RfmValue.select(fn.COUNT(column)).where(column == last, RfmValue.customer_id > customer).scalar()
        points.append((point, total - below - equal))
    return points


def _standing(column: Any, place: int, total: int) -> tuple[int, int]:
    """The value and customer at a place (from 1) of the rising order, counted from the nearer end of the index."""
    rising = place * 2 <= total
    order = [column.asc(), RfmValue.customer_id.asc()] if rising else [column.desc(), RfmValue.customer_id.desc()]
    rows = RfmValue.select(column, RfmValue.customer_id).where(column.is_null(False)).order_by(*order)
    found: tuple[int, int] = rows.limit(1).offset(place - 1 if rising else total - place).tuples().first()
    return found


# -- scores -------------------------------------------------------------------------------------------------------


def moved(before: list[Cuts], now: Cuts) -> Any:
    """An expression over values: they lie where one of the cuts has been and now is not, so their score may be another.

    ``None`` when no cut moved.
    """
    test: Any = None
    for letter, column in COLUMNS.items():
        for k in range(4):
            points = [cuts[letter][k] for cuts in (*before, now)]
            if len(set(points)) == 1:
                continue
            low = min(p for p in points if p is not None)
            inside = column >= low
            if None not in points:
                inside = inside & (column < max(p for p in points if p is not None))
            test = inside if test is None else test | inside
    return test


def write_scores(which: Which, found: State) -> int:
    """Scores and segments of the customers ``which`` picks; returns how many changed. Only inside ``write()``."""
    form = catalog.get("customer")
    c = form.table.alias("c")
    joined = peewee.Join(c, RfmValue, peewee.JOIN.LEFT_OUTER, on=RfmValue.customer_id == form.col("id", c))
    scores = (
        peewee.Select(
            [joined],
            [form.col("id", c).alias("id")]
            + [_score(column, found.cuts[letter]).alias(letter) for letter, column in COLUMNS.items()],
        )
        .where(which(form.col("id", c)))
        .alias("scores")
    )
    new = {f"{letter}_score": peewee.Column(scores, letter) for letter in LETTERS}
    new["rfm_segment"] = _segment(scores, found.high)
    changed: Any = None
    for key, column in new.items():
        test = dialect.differs(form.col(key), column)
        changed = test if changed is None else changed | test
    return records.write_derived(form, new, (form.col("id") == peewee.Column(scores, "id")) & changed, scores)


def _score(column: Any, cuts: list[int | None]) -> Any:
    steps: list[tuple[Any, int | None]] = [(column.is_null(), None)]
    steps += [(column >= cuts[k], k + 2) for k in (3, 2, 1, 0) if cuts[k] is not None]
    return Case(None, steps, 1)


def _segment(scores: Any, high: dict[str, int]) -> Any:
    r, f, m = (peewee.Column(scores, letter) for letter in "rfm")
    steps: list[tuple[Any, Any]] = [(m.is_null(), None)]
    for pattern, name in SEGMENTS.items():
        tests = [
            column >= high[letter] if mark == "H" else column < high[letter]
            for letter, column, mark in zip("rfm", (r, f, m), pattern, strict=True)
        ]
        steps.append((tests[0] & tests[1] & tests[2], name))
    return Case(None, steps, None)
