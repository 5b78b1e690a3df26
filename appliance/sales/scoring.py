"""Lead scores: points with a reason that fade by the day, and grades by cut points.

A score changes by fading only at midnight, and of each lead it is known at which midnight next: a night touches those leads alone.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, jobs, schema, settings
from ..core.db import db, insert_rows, read, write
from ..core.jobs import Job
from ..customers import erasing
from ..forms import catalog, hooks, keeping, merging, purging, reversing
from ..forms.catalog import Form
from ..forms.hooks import Cause
from . import builtin as builtin  # the form is planted before the fields that this module adds to it
from .models import ScoreDue, ScoreEntry

LEAD, SCORE, GRADE = "lead", "score", "grade"
NONE, HALF_LIFE, LINEAR = "none", "half_life", "linear"
GRADES = ("A", "B", "C", "D")
BATCH = 500
MOST = 10_000
"""Points of one entry."""
LONGEST_REASON = 200
FARTHEST = 3650
"""Days that fading is looked ahead."""

settings.declare(
    "scoring.fade", HALF_LIFE, _l("分数随时间"), "choice",
    options={NONE: _l("不变"), HALF_LIFE: _l("每过这么多天减半"), LINEAR: _l("这么多天后匀速减到 0")},
)  # fmt: skip
settings.declare("scoring.days", 30, _l("天数"), "integer", least=1, most=FARTHEST)
settings.declare("scoring.a", 80, _l("A 级从多少分起"), "integer", least=-MOST, most=MOST)
settings.declare("scoring.b", 50, _l("B 级从多少分起"), "integer", least=-MOST, most=MOST)
settings.declare(
    "scoring.c", 20, _l("C 级从多少分起"), "integer", least=-MOST, most=MOST, help=_l("再低就是 D 级。")
)  # fmt: skip

hooks.announce(LEAD, SCORE)
hooks.announce(LEAD, GRADE)
erasing.texts(ScoreEntry, "reason")

FIELDS: dict[str, Any] = {
    "key": LEAD,
    "fields": [
        {"key": SCORE, "type": "integer", "label": {"zh": "评分", "en": "Score"}, "system": True, "readonly": True, "indexed": True},
        {"key": GRADE, "type": "choice", "label": {"zh": "评级", "en": "Grade"}, "system": True, "readonly": True, "indexed": True,
         "choices": [{"value": g, "label": g, "color": c} for g, c in zip(GRADES, ("red", "orange", "blue", "gray"), strict=True)]},
    ],
}  # fmt: skip


@schema.seed
def install_fields() -> None:
    catalog.install([FIELDS])


class Fade(Struct, frozen=True):
    """How points fade. ``days``: the half-life, or the days until nothing is left."""

    kind: str = NONE
    days: int = 0

    def left(self, age: int) -> float:
        """The share that is left after ``age`` whole days."""
        if self.kind == HALF_LIFE:
            return float(0.5 ** (age / self.days))
        return max(0.0, 1 - age / self.days) if self.kind == LINEAR else 1.0


def company_fade() -> Fade:
    kind = settings.get("scoring.fade")
    return Fade(kind, settings.get("scoring.days")) if kind != NONE else Fade()


class Points(Struct, frozen=True):
    """Points for a lead; ``key`` names this effect for ever."""

    lead_id: int
    points: int
    key: str | None = None


class Given(Struct):
    """By place: leads whose points were written, and why others were not."""

    done: set[int] = field(default_factory=set)
    skipped: dict[int, str] = field(default_factory=dict)


def give(gifts: Sequence[Points], reason: str, fade: Fade, cause: Cause, actor: Actor) -> Given:
    """Writes entries and the scores that follow; inside ``write()``."""
    given, rows = Given(), []
    keys = [gift.key for gift in gifts if gift.key]
    known = (
        {k for (k,) in ScoreEntry.select(ScoreEntry.key).where(dialect.among(ScoreEntry.key, keys)).tuples()}
        if keys
        else set()
    )
    for n, gift in enumerate(gifts):
        if gift.key in known:
            given.skipped[n] = _("这次的分数已经给过了。")
            continue
        known |= {gift.key} if gift.key else set()
        given.done.add(n)
        rows.append({
            "lead_id": gift.lead_id, "points": gift.points, "reason": reason[:LONGEST_REASON], "at": clock.now(),
            "fade": fade.kind, "days": fade.days, "cause_kind": cause.kind, "cause_id": cause.id, "actor_id": actor.id,
            "key": gift.key, "undone": False,
        })  # fmt: skip
    insert_rows(ScoreEntry, rows)
    recompute({gifts[n].lead_id for n in given.done}, actor, cause)
    return given


# -- computing --------------------------------------------------------------------------------------------------------


def _day(at: int) -> int:
    return (clock.local(at, settings.tz()).date()).toordinal()


class Lot(Struct, frozen=True):
    """One entry, with the day on which it was given."""

    points: int
    day: int
    fade: Fade


def total(lots: Sequence[Lot], today: int) -> int:
    """The score on a day, rounded half up."""
    exact = sum(lot.points * lot.fade.left(max(0, today - lot.day)) for lot in lots)
    return int((exact + 0.5) // 1)


def changes_on(lots: Sequence[Lot], today: int) -> int | None:
    """The next day on which the score is another; ``None``: it stays."""
    if all(lot.fade.kind == NONE for lot in lots):
        return None
    now = total(lots, today)
    for day in range(today + 1, today + FARTHEST):
        if total(lots, day) != now:
            return day
        if all(abs(lot.points) * lot.fade.left(day - lot.day) < 0.01 for lot in lots if lot.fade.kind != NONE):
            return None
    return None


def grade(score: int | None) -> str | None:
    """The grade of a score by the company's cut points."""
    if score is None:
        return None
    cuts = zip(GRADES, (settings.get(f"scoring.{letter}") for letter in "abc"), strict=False)
    return next((letter for letter, cut in cuts if score >= cut), GRADES[-1])


def lots_of(leads: Collection[int]) -> dict[int, list[Lot]]:
    out: dict[int, list[Lot]] = defaultdict(list)
    rows = ScoreEntry.select(
        ScoreEntry.lead_id, ScoreEntry.points, ScoreEntry.at, ScoreEntry.fade, ScoreEntry.days
    ).where(
        dialect.among(ScoreEntry.lead_id, list(leads)),
        ScoreEntry.undone == False,  # noqa: E712
    )
    for lead_id, points, at, kind, days in rows.tuples():
        out[lead_id].append(Lot(points, _day(at), Fade(kind, days)))
    return out


def recompute(leads: Collection[int], actor: Actor = SYSTEM, cause: Cause = Cause("system")) -> int:  # noqa: B008
    """Makes scores and grades what the entries say now; inside ``write()``. Returns how many were something else."""
    if not leads:
        return 0
    form, today = catalog.get(LEAD), _day(clock.now())
    rows = form.table.select(form.col("id"), form.col(SCORE), form.col(GRADE)).where(
        dialect.among(form.col("id"), list(leads))
    )
    held = {i: (score, letter) for i, score, letter in rows.tuples().execute(db)}
    lots = lots_of(held)
    new = {i: total(lots[i], today) if i in lots else None for i in held}
    wrong = {i: {SCORE: new[i], GRADE: grade(new[i])} for i in held if held[i] != (new[i], grade(new[i]))}
    keeping.keep(form, wrong, actor, cause)
    _plan(lots, list(leads), today)
    return len(wrong)


def _plan(lots: dict[int, list[Lot]], leads: list[int], today: int) -> None:
    """Notes when each lead must be looked at again."""
    ScoreDue.delete().where(dialect.among(ScoreDue.lead_id, leads)).execute()
    tz, rows = settings.tz(), []
    for lead_id, held in lots.items():
        day = changes_on(held, today)
        if day is not None:
            rows.append({"lead_id": lead_id, "next_at": clock.start_of(dt.date.fromordinal(day), tz)})
    insert_rows(ScoreDue, rows)


@schema.seed
def timer() -> None:
    jobs.schedule("sales.scores", "1 0 * * *", "sales.scores")


@jobs.handler("sales.scores", label=_l("线索评分随时间变化"))
def fade_due(job: Job) -> dict[str, Any]:
    """The leads whose score is another by now, a batch a transaction."""
    done = 0
    while True:
        with write():
            due = ScoreDue.select(ScoreDue.lead_id).where(ScoreDue.next_at <= clock.now()).limit(BATCH)
            ids = [i for (i,) in due.tuples()]
            if not ids:
                return {"leads_rescored": done}
            done += recompute(ids)
            # A lead that is gone for good is not asked about again.
            ScoreDue.delete().where(dialect.among(ScoreDue.lead_id, ids), ScoreDue.next_at <= clock.now()).execute()
        job.check()


@jobs.handler("sales.regrade", label=_l("重新评级"))
def regrade(job: Job) -> dict[str, Any]:
    """After other cut points: every lead that has a score."""
    form, after, done = catalog.get(LEAD), (job.state or {}).get("after", 0), 0
    while True:
        with write():
            rows = form.table.select(form.col("id")).where(form.col("id") > after, form.col(SCORE).is_null(False))
            ids = [i for (i,) in rows.order_by(form.col("id")).limit(BATCH).tuples().execute(db)]
            if not ids:
                return {"leads_rescored": done}
            done, after = done + recompute(ids), ids[-1]
            job.save_state({"after": after})
        job.check()


def _regrade(_value: Any) -> None:
    jobs.enqueue("sales.regrade", {}, unique="sales.regrade")


for _key in ("scoring.a", "scoring.b", "scoring.c"):
    settings.on_change(_key, _regrade)


# -- reading ----------------------------------------------------------------------------------------------------------


class Line(Struct, frozen=True):
    """An entry as the panel shows it; ``left``: what it counts today."""

    entry: ScoreEntry
    left: int


def history(lead_id: int, limit: int = 100) -> list[Line]:
    """Newest first."""
    with read():
        rows = list(
            ScoreEntry.select()
            .where(ScoreEntry.lead_id == lead_id, ScoreEntry.undone == False)  # noqa: E712
            .order_by(ScoreEntry.id.desc())
            .limit(limit)
        )
    today = _day(clock.now())
    return [Line(row, total([Lot(row.points, _day(row.at), Fade(row.fade, row.days))], today)) for row in rows]


# -- taking back, merging, the end -----------------------------------------------------------------------------------


@reversing.ledger
class Scores(reversing.Ledger):
    """Points that a run or a bulk operation gave."""

    def _mine(self, kind: str, cause_id: int) -> Any:
        undone = ScoreEntry.undone == False  # noqa: E712
        return (ScoreEntry.cause_kind == kind) & (ScoreEntry.cause_id == cause_id) & undone

    def holds(self, kind: str, cause_id: int) -> bool:
        return bool(ScoreEntry.select().where(self._mine(kind, cause_id)).exists())

    def take_back(self, kind: str, cause_id: int, limit: int, actor: Actor, cause: Cause) -> tuple[int, int]:
        rows = list(
            ScoreEntry.select(ScoreEntry.id, ScoreEntry.lead_id).where(self._mine(kind, cause_id)).limit(limit).tuples()
        )
        if rows:
            ids = [i for i, _lead in rows]
            ScoreEntry.update(undone=True, key=None).where(dialect.among(ScoreEntry.id, ids)).execute()
            recompute({lead for _i, lead in rows}, actor, cause)
        return len(rows), 0


@merging.moves(LEAD)
class Merged(merging.Mover):
    """The points of both leads count for the one that stays."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        ids = [i for (i,) in ScoreEntry.select(ScoreEntry.id).where(ScoreEntry.lead_id == source).tuples()]
        self._give(ids, source, target, actor, cause)
        return ids

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        self._give(moved, target, source, actor, cause)

    @staticmethod
    def _give(ids: list[int], source: int, target: int, actor: Actor, cause: Cause) -> None:
        if ids:
            ScoreEntry.update(lead_id=target).where(dialect.among(ScoreEntry.id, ids)).execute()
            recompute([source, target], actor, cause)


@purging.also(LEAD)
def purged(form: Form, ids: list[int]) -> None:
    for model in (ScoreEntry, ScoreDue):
        model.delete().where(dialect.among(model.lead_id, ids)).execute()
