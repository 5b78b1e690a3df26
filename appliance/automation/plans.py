"""What one run will do: which records, found by a few statements, and the effect on a batch of them."""

from __future__ import annotations

import json
import logging
from array import array
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

from msgspec import Struct, field
from peewee import SQL, Value, fn

from ..core import dialect
from ..core.db import PARAM, Statement, db, executemany, write
from ..core.errors import UserError
from ..core.jobs import JobStopped, LeaseLost
from ..forms import conditions
from ..forms.catalog import Form
from ..forms.conditions import Context
from . import rules
from .actions import Action, Effect, Work
from .changed import Delta, resolve
from .models import RuleDone, RuleRow
from .rules import Rule
from .tables import OTHERS, DecisionTable

logger = logging.getLogger(__name__)

FETCH = 10_000

Changes = Sequence[tuple[int, Delta]]
"""(record id, delta) of the Changes that set a run off."""


def live(form: Form, ids: Sequence[int] | None, after: int = 0, gone: bool = False) -> list[Any]:
    """Tests for the records that a run looks at; ``gone``: those in the recycle bin."""
    tests = [form.col("deleted_at").is_null(not gone)]
    if ids is not None:
        tests.append(dialect.among(form.col("id"), ids))
    if after:
        tests.append(form.col("id") > after)
    return tests


class Done(Struct):
    """What a batch came to, by the action's place (a table has one). ``hopeless``: the places at which no other try helps,
    and why."""

    effects: dict[str, Effect] = field(default_factory=dict)
    hopeless: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> set[int]:
        return set().union(*(effect.changed for effect in self.effects.values()))

    @property
    def failed(self) -> int:
        return sum(len(effect.failed) for effect in self.effects.values())


class RulePlan:
    """``ids``: only these records; ``changes``: what happened to them; ``extra``: one more test; ``name``: the occurrence that
    nobody has twice, if not the period of ``once_per``.

    After :meth:`load`: ``matched`` records meet the condition, ``skipped`` of them were acted on in this period already, and
    ``ids`` are those on which an action would change something.
    """

    def __init__(
        self,
        rule: Rule,
        ctx: Context,
        ids: Sequence[int] | None = None,
        changes: Changes = (),
        *,
        extra: Any = None,
        name: str | None = None,
    ) -> None:
        self.rule = rule
        self.form = rule.form
        self.ctx = ctx
        self.only = ids
        self.actions = rule.actions()
        self.test = conditions.compile(resolve(rule.where, self.form, changes), self.form, ctx)
        self.extra = extra
        self.gone = any(trigger.gone for trigger in rule.triggers())
        self.period = rule.period(ctx.now) if rule.once_per else name
        self.matched = self.skipped = 0
        self.ids: array[int] = array("q")
        self.all: array[int] = array("q")
        """Every record that meets the condition; kept only for a run about a few."""

    def _matching(self, after: int = 0) -> list[Any]:
        tests = live(self.form, self.only, after, self.gone)
        return tests + [test for test in (self.extra, self.test) if test is not None]

    def _held_back(self) -> Any:
        """Records on which the rule has acted in this period."""
        done = RuleDone.select(RuleDone.record_id).where(
            (RuleDone.rule_id == self.rule.id) & (RuleDone.period == self.period)
        )
        return self.form.col("id").in_(done)

    def _pending(self) -> Any:
        """A test for the records on which an action would change something; ``None``: any may be."""
        pending = [action.pending(self.ctx) for action in self.actions]
        return None if any(p is None for p in pending) else reduce(lambda a, b: a | b, pending)

    def _effective(self) -> list[Any]:
        pending = self._pending()
        tests = [] if pending is None else [pending]
        return tests if self.period is None else [*tests, ~self._held_back()]

    def count(self) -> tuple[int, int]:
        """How many records meet the condition, and how many of them were acted on in this period already."""
        matched = self._count(self._matching())
        skipped = self._count([*self._matching(), self._held_back()]) if self.period is not None and matched else 0
        return matched, skipped

    def would_change(self) -> int:
        return self._count([*self._matching(), *self._effective()])

    def _count(self, tests: list[Any]) -> int:
        return int(self.form.table.select(fn.COUNT(SQL("*"))).where(*tests).scalar(db))

    def candidates(self, after: int = 0) -> Any:
        """The ids of the records to act on, in order."""
        row_id = self.form.col("id")
        return self.form.table.select(row_id).where(*self._matching(after), *self._effective()).order_by(row_id)

    def everybody(self) -> array[int]:
        """The ids of all that meet the condition, whether there is anything to do or not."""
        found: array[int] = array("q")
        row_id = self.form.col("id")
        cursor = db.execute(self.form.table.select(row_id).where(*self._matching()).order_by(row_id))
        while rows := cursor.fetchmany(FETCH):
            found.extend(row[0] for row in rows)
        return found

    def load(self, after: int = 0) -> None:
        """Reads in one pass what is beyond ``after``: eight bytes a record, and no read stays open while the run writes."""
        row_id, pending = self.form.col("id"), self._pending()
        columns = [
            row_id,
            Value(1) if pending is None else pending,
            Value(0) if self.period is None else self._held_back(),
        ]
        few = self.only is not None
        cursor = db.execute(self.form.table.select(*columns).where(*self._matching(after)).order_by(row_id))
        while rows := cursor.fetchmany(FETCH):
            self.matched += len(rows)
            if self.period is not None:
                self.skipped += sum(1 for row in rows if row[2])
            self.ids.extend(row[0] for row in rows if row[1] and not row[2])
            if few:
                self.all.extend(row[0] for row in rows)

    def apply(self, start: int, stop: int, work: Work) -> Done:
        """The actions, one after the other, on a batch; inside ``write()``."""
        ids = list(self.ids[start:stop])
        if self.period is not None:
            ids = self._claim(ids)
            work.cycle = f"once:{self.period}"
        return act(self.rule, self.actions, ids, work) if ids else Done()

    def _claim(self, ids: list[int]) -> list[int]:
        """Those on which nobody has acted in this period since; from now on the rule has."""
        mine = (RuleDone.rule_id == self.rule.id) & (RuleDone.period == self.period)
        query = RuleDone.select(RuleDone.record_id).where(mine & dialect.among(RuleDone.record_id, ids))
        done = {row[0] for row in query.tuples()}
        free = [i for i in ids if i not in done]
        statement = RuleDone.insert(rule_id=PARAM, period=PARAM, record_id=PARAM)
        names = sorted(("rule_id", "period", "record_id"), key=_field_order)
        values = {"rule_id": self.rule.id, "period": self.period}
        executemany(statement, [tuple(values.get(name, i) for name in names) for i in free])
        return free


_MEMORY = Statement(RuleRow.select(RuleRow.memory).where(RuleRow.id == PARAM))


def act(rule: Rule, actions: Sequence[Action], ids: list[int], work: Work, slots: Sequence[str] | None = None) -> Done:
    """The actions of a rule (those at ``slots``) on a batch, each by itself: one that fails leaves no trace, the others go
    on. Inside ``write()``."""
    work.subject = rule.timer_key
    done = Done()
    row = _MEMORY.execute(rule.id).fetchone()
    before = row[0] if row and row[0] else "{}"
    memory: dict[str, Any] = json.loads(before)
    for i, action in enumerate(actions):
        slot = str(i)
        if slots is not None and slot not in slots:
            continue
        work.slot, work.memory = slot, dict(memory.get(slot, {}))
        if attempt(done, slot, ids, partial(action.apply, ids, work)) and work.memory:
            memory[slot] = work.memory
    if dialect.dumps(memory) != before:
        RuleRow.update(memory=memory).where(RuleRow.id == rule.id).execute()
    return done


def attempt(done: Done, slot: str, ids: list[int], do: Callable[[], Effect]) -> bool:
    """Adds the effect of ``do`` to ``done``; when it fails nothing of it stays and each of ``ids`` has failed."""
    try:
        with write():
            done.effects[slot] = do()
    except UserError as error:
        done.effects[slot] = Effect(failed=dict.fromkeys(ids, error.message))
        done.hopeless[slot] = error.message
        return False
    except (JobStopped, LeaseLost):
        raise
    except Exception as error:
        logger.exception("an action failed on a batch")
        done.effects[slot] = Effect(failed=dict.fromkeys(ids, f"{type(error).__name__}: {error}"))
        return False
    return True


def _field_order(name: str) -> int:
    # peewee writes the columns of an insert in the model's order.
    return list(RuleDone._meta.fields).index(name)


class Outcomes(Struct):
    """What a table decides for all its records. ``hits``: row index (:data:`OTHERS`: none) → records; ``moves``:
    (held now, decided) → records, stored values."""

    hits: dict[int, int] = field(default_factory=dict)
    moves: dict[tuple[Any, Any], int] = field(default_factory=dict)

    @property
    def matched(self) -> int:
        return sum(n for index, n in self.hits.items() if index != OTHERS)

    @property
    def changing(self) -> int:
        return sum(n for (now, then), n in self.moves.items() if now != then)

    def before(self, value: Any) -> int:
        return sum(n for (now, _then), n in self.moves.items() if now == value)

    def after(self, value: Any) -> int:
        return sum(n for (_now, then), n in self.moves.items() if then == value)


class TablePlan:
    """``ids``: only these records."""

    def __init__(
        self, table: DecisionTable, ctx: Context, ids: Sequence[int] | None = None, changes: Changes = ()
    ) -> None:
        self.table = table
        self.form = table.form
        self.ctx = ctx
        self.only = ids
        self.target = table.target
        self.decided = table.decided(ctx)
        self.current = self.target.current()
        self.ids: array[int] = array("q")
        self.all: array[int] = array("q")
        self.matched = self.skipped = 0
        self._settled = False
        self._values: list[Any] = []
        self._now: array[int] = array("i")
        self._then: array[int] = array("i")

    def outcomes(self) -> Outcomes:
        """One pass over the records."""
        hit = self.table.hit(self.ctx)
        rows = (
            self.form.table.select(hit, self.current, fn.COUNT(SQL("*")))
            .where(*live(self.form, self.only))
            .group_by(SQL("1"), SQL("2"))
        )
        decided = {**dict(enumerate(self.table.outcomes())), OTHERS: self.table.default_outcome()}
        found = Outcomes()
        for index, now, n in rows.tuples().execute(db):
            found.hits[index] = found.hits.get(index, 0) + n
            move = (now, decided[index])
            found.moves[move] = found.moves.get(move, 0) + n
        self._settled = found.changing == 0
        return found

    def count(self) -> tuple[int, int]:
        hit = self.table.hit(self.ctx)
        tests = [*live(self.form, self.only), hit != OTHERS]
        return int(self.form.table.select(fn.COUNT(SQL("*"))).where(*tests).scalar(db)), 0

    def candidates(self, after: int = 0) -> Any:
        """(id, outcome held, outcome decided) of the records where the two differ, in order."""
        row_id = self.form.col("id")
        different = dialect.differs(self.decided, self.current)
        return (
            self.form.table.select(row_id, self.current, self.decided)
            .where(*live(self.form, self.only, after), different)
            .order_by(row_id)
        )

    def load(self, after: int = 0) -> None:
        """Reads what is to be written: sixteen bytes a record, and no read stays open while the run writes."""
        if self.only is not None:
            self.matched = self.count()[0]
        if self._settled:
            return
        index: dict[Any, int] = {}
        cursor = db.execute(self.candidates(after))
        while rows := cursor.fetchmany(FETCH):
            self.ids.extend(row[0] for row in rows)
            for column, places in ((1, self._now), (2, self._then)):
                places.extend(index.setdefault(row[column], len(index)) for row in rows)
        self._values = list(index)

    def apply(self, start: int, stop: int, work: Work) -> Done:
        """Writes the outcomes of a batch; inside ``write()``."""
        work.subject = self.table.timer_key
        value = self._values.__getitem__
        moves = zip(
            self.ids[start:stop], map(value, self._now[start:stop]), map(value, self._then[start:stop]), strict=True
        )
        done = Done()
        attempt(done, "0", list(self.ids[start:stop]), lambda: Effect(self.target.give(list(moves), work)))
        return done


Plan = RulePlan | TablePlan


def standing(rule: Any, ctx: Context) -> Any:
    """A test for the records that a run over all of them is about, by what sets the rule off; ``None``: any."""
    if rule.kind != rules.book.kind:
        return None
    return next((test for trigger in rule.triggers() if (test := trigger.standing(ctx)) is not None), None)


def plan(
    subject: Any,
    ctx: Context,
    ids: Sequence[int] | None = None,
    changes: Changes = (),
    *,
    extra: Any = None,
    name: str | None = None,
    sound: bool = False,
) -> Plan:
    """The plan of a rule or a decision table. ``sound``: it was looked over already. Raises UserError when it has problems."""
    if not sound:
        subject.must_be_sound()
    if subject.kind == rules.book.kind:
        return RulePlan(subject, ctx, ids, changes, extra=extra, name=name)
    return TablePlan(subject, ctx, ids, changes)
