"""What a rule or table would do, before anybody saves it: counts from one pass, and a few of the records."""

from __future__ import annotations

from msgspec import Struct, field

from ..accounts.actor import Actor
from ..core import clock
from ..core.db import db, read
from ..forms.conditions import Context
from ..forms.query import Query, Record
from . import plans
from .changed import neutral
from .dates import DateReached
from .plans import RulePlan, TablePlan
from .rules import Rule
from .tables import OTHERS, DecisionTable

SAMPLE = 10
SOON = 30
"""Days."""


class Preview(Struct):
    """``sample``: some of the records that would change; ``coming``: for a rule that a date sets off, how many are due in the
    next :data:`SOON` days."""

    matched: int
    changing: int
    sample: list[Record] = field(default_factory=list)
    coming: int | None = None


class RowPreview(Struct):
    """One row of a table: how many records hit it (first hit wins)."""

    index: int
    words: str
    outcome: str
    hits: int


class OutcomePreview(Struct):
    """One outcome: how many records hold it now, and how many would."""

    label: str
    before: int
    after: int

    @property
    def difference(self) -> int:
        return self.after - self.before


class TablePreview(Preview):
    total: int = 0
    rows: list[RowPreview] = field(default_factory=list)
    outcomes: list[OutcomePreview] = field(default_factory=list)


def of_rule(rule: Rule, actor: Actor) -> Preview:
    """Raises FieldErrors when the rule has problems."""
    rule.must_be_sound()
    with read():
        # Nothing is changing now: what asks for a change is left out of the count.
        ctx = Context(now=clock.now())
        plan = RulePlan(_without_changes(rule), ctx, extra=plans.standing(rule, ctx))
        matched, _skipped = plan.count()
        return Preview(matched, plan.would_change(), _sample(plan, actor), _coming(rule))


def _coming(rule: Rule) -> int | None:
    """How many times a date will set the rule off soon, for records that meet its condition as they are."""
    trigger = rule.triggers()[0]
    if not isinstance(trigger, DateReached):
        return None
    now = clock.now()
    begin = trigger.reached(now)
    step = clock.DAY if trigger.exact else 1
    total = 0
    for n in range(SOON):
        test = trigger.due(begin + n * step, begin + (n + 1) * step)
        if test is not None:
            total += RulePlan(_without_changes(rule), Context(now=now), extra=test).count()[0]
    return total


def _without_changes(rule: Rule) -> Rule:
    return Rule.read(rule.document() | {"where": neutral(rule.where)}) if rule.where else rule


def of_table(table: DecisionTable, actor: Actor) -> TablePreview:
    """Raises FieldErrors when the table has problems."""
    table.must_be_sound()
    with read():
        plan = TablePlan(table, Context(now=clock.now()))
        found = plan.outcomes()
        rows = [
            RowPreview(i, table.row_words(i), table.outcome_words(i), found.hits.get(i, 0))
            for i in range(len(table.rows))
        ]
        others = RowPreview(OTHERS, "", table.outcome_words(OTHERS), found.hits.get(OTHERS, 0))
        stored = list(dict.fromkeys([*table.outcomes(), table.default_outcome()]))
        stored += [value for value in dict.fromkeys(now for now, _then in found.moves) if value not in stored]
        target = table.target
        outcomes = [OutcomePreview(target.shown(v), found.before(v), found.after(v)) for v in stored[:50]]
        return TablePreview(
            matched=found.matched,
            changing=found.changing,
            sample=_sample(plan, actor) if found.changing else [],
            total=sum(found.hits.values()),
            rows=[*rows, others],
            outcomes=outcomes,
        )


def _sample(plan: RulePlan | TablePlan, actor: Actor) -> list[Record]:
    rows = db.execute(plan.candidates().limit(SAMPLE)).fetchall()
    title = plan.form.title_field
    return Query(plan.form, actor).get_many([row[0] for row in rows], [title] if title else None)
