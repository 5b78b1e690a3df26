"""A rule on one chosen record: each of its tests, and what its actions would do. Nothing is done."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..core import clock, workdays
from ..core.db import db, read
from ..forms import conditions
from ..forms.conditions import Context, Explained
from .changed import blank
from .models import RuleDone
from .rules import PERIODS, Rule


class Step(Struct):
    """One action: in words; ``would``: whether it would change anything (``None``: it only knows when it acts)."""

    words: str
    would: bool | None
    undoable: bool


class Tried(Struct):
    """``tests``: the condition, test by test; ``passed``: whether the record meets it; ``held``: why the rule would not act
    though it does."""

    tests: Explained
    passed: bool
    held: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    @property
    def acts(self) -> bool:
        return self.passed and not self.held

    def lines(self) -> list[tuple[int, Explained]]:
        """The tests with how deep they stand, in order."""
        return list(_flat(self.tests, 0))

    def document(self) -> dict[str, Any]:
        return {
            "passed": self.passed, "test": self.tests.document(), "held_back": self.held,
            "actions": [{"words": s.words, "would_change": s.would, "undoable": s.undoable} for s in self.steps],
        }  # fmt: skip


def _flat(test: Explained, depth: int) -> Any:
    yield depth, test
    for part in test.parts:
        yield from _flat(part, depth + 1)


def on(rule: Rule, record_id: int) -> Tried:
    """Asks the rule about one record as it stands now. Raises FieldErrors when the rule has problems."""
    rule.must_be_sound()
    form, now = rule.form, clock.now()
    ctx = Context(now=now, record_id=record_id)
    with read():
        tests = conditions.explain(blank(rule.where), form, record_id, ctx)
        steps = []
        for action in rule.actions():
            pending = action.pending(Context(now=now))
            would = None
            if pending is not None:
                row = form.table.select(pending).where(form.col("id") == record_id).tuples().execute(db)
                would = any(bool(value) for (value,) in row)
            steps.append(Step(action.words(), would, action.undoable))
        return Tried(tests, tests.passed, _held(rule, record_id, now), steps)


def _held(rule: Rule, record_id: int, now: int) -> list[str]:
    found = []
    if rule.id and rule.once_per:
        period = rule.period(now)
        mine = (RuleDone.rule_id == rule.id) & (RuleDone.record_id == record_id) & (RuleDone.period == period)
        if RuleDone.select().where(mine).exists():
            found.append(_("%(often)s，这一期已经做过了。", often=PERIODS[rule.once_per]))
    if rule.working_hours and not workdays.is_working_moment(now):
        found.append(_("现在不是工作时间。"))
    return found
