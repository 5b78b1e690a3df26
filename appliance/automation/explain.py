"""Why a record holds what a decision table gave it: which row it hit, and why each earlier one not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..accounts.actor import SYSTEM, Actor
from ..core import clock
from ..core.db import read
from ..core.errors import UserError
from ..core.i18n import label as i18n_label
from ..customers import tag_test
from ..customers.models import CustomerTag, Tag
from ..forms import causes, conditions
from ..forms.conditions import Context, Explained
from . import log, rules, tables
from .changed import blank
from .models import RuleRun
from .rules import Rule
from .tables import OTHERS, DecisionTable

PANEL = _l("标签的由来")


class RowReason(Struct):
    """One row of a table for one record."""

    index: int
    outcome: str
    passed: bool
    because: str
    """The tests that decided, with what the record has: 累计消费 不低于 ¥2,000（实际 ¥320）."""
    tree: Explained

    @property
    def sentence(self) -> str:
        known = {"row": self.index + 1, "because": self.because, "outcome": self.outcome}
        if self.passed:
            return _("第 %(row)d 行满足：%(because)s → %(outcome)s", **known)
        return _("第 %(row)d 行「%(outcome)s」不满足：%(because)s", **known)

    def document(self) -> dict[str, Any]:
        return {
            "row": self.index + 1, "outcome": self.outcome, "passed": self.passed, "why": self.sentence,
            "test": self.tree.document(),
        }  # fmt: skip


class Explanation(Struct):
    """``rows``: up to the first that hit. ``outcome``: what the table decides for the record now."""

    table: DecisionTable
    record_id: int
    outcome: str
    hit: int
    rows: list[RowReason] = field(default_factory=list)

    @property
    def sentence(self) -> str:
        """The whole answer in a line."""
        if self.hit == OTHERS:
            return _(
                "决策表「%(table)s」的每一行都不满足，所以是「%(outcome)s」。",
                table=self.table.label,
                outcome=self.outcome,
            )
        reason = self.rows[-1]
        return _(
            '决策表「%(table)s」从上往下看，第 %(row)d 行最先满足：%(because)s，所以是「%(outcome)s」。',
            table=self.table.label, row=reason.index + 1, because=reason.because, outcome=self.outcome,
        )  # fmt: skip

    def sentences(self) -> list[str]:
        """The answer, then why each earlier row did not apply."""
        return [self.sentence, *[row.sentence for row in self.rows if not row.passed]]

    def document(self) -> dict[str, Any]:
        return {
            "table": self.table.key, "record": self.record_id, "outcome": self.outcome, "why": self.sentence,
            "rows": [row.document() for row in self.rows],
        }  # fmt: skip


def explain(table: DecisionTable, record_id: int) -> Explanation:
    """Decides one record as the table would now. Raises FieldErrors when the table has problems."""
    table.must_be_sound()
    form, ctx = table.form, Context(now=clock.now(), record_id=record_id)
    rows: list[RowReason] = []
    with read():
        for i, row in enumerate(table.rows):
            tree = conditions.explain(row.get("where") or {}, form, record_id, ctx)
            because = _("，").join(_deciding(tree)) or tree.words
            rows.append(RowReason(i, table.outcome_words(i), tree.passed, because, tree))
            if tree.passed:
                return Explanation(table, record_id, rows[-1].outcome, i, rows)
    return Explanation(table, record_id, table.outcome_words(OTHERS), OTHERS, rows)


def _deciding(tree: Explained, wanted: bool | None = None) -> Iterator[str]:
    """The leaves that made the tree what it is, in words with the record's own values."""
    wanted = tree.passed if wanted is None else wanted
    if not tree.parts:
        yield _("%(test)s（实际 %(actual)s）", test=tree.words, actual=tree.actual) if tree.actual else tree.words
        return
    for part in tree.parts:
        if part.passed == wanted or len(tree.parts) == 1:
            yield from _deciding(part)


def tag(customer_id: int, name: str, actor: Actor = SYSTEM) -> list[str]:
    """Why a customer has a tag: who gave it, then the table's or rule's reasons, as far as ``actor`` may know."""
    given = tag_test.why(customer_id, name)
    row = (
        CustomerTag.select(CustomerTag.cause_kind, CustomerTag.cause_id)
        .join(Tag, on=(Tag.id == CustomerTag.tag_id))
        .where((CustomerTag.customer_id == customer_id) & (Tag.name == name) & Tag.deleted_at.is_null())
        .first()
    )
    run = RuleRun.get_or_none(RuleRun.id == row.cause_id) if row and row.cause_kind in log.BOOKS else None
    subject = log.subject_of(run) if run else None
    if subject is None:
        return [given]
    try:
        if isinstance(subject, DecisionTable):
            wheres = [line.get("where") for line in subject.rows]
            return [given, *(explain(subject, customer_id).sentences() if _may_know(wheres, subject, actor) else [])]
        assert isinstance(subject, Rule)
        return [given, *(_by_rule(subject, customer_id) if _may_know([subject.where], subject, actor) else [])]
    except UserError:
        return [given]


def _may_know(wheres: list[Any], subject: DecisionTable | Rule, actor: Actor) -> bool:
    """Whether conditions speak only of what the actor sees: an explanation names the record's own values."""
    try:
        for where in wheres:
            conditions.validate(blank(where), subject.form, actor)
    except UserError:
        return False
    return True


def _by_rule(rule: Rule, customer_id: int) -> list[str]:
    if not rule.where:
        return []
    tree = conditions.explain(blank(rule.where), rule.form, customer_id, Context(now=clock.now()))
    because = _("，").join(_deciding(tree))
    if tree.passed:
        return [_("现在仍然满足它的条件：%(because)s。", because=because)]
    return [_("现在已不满足它的条件：%(because)s。", because=because)]


@causes.names(rules.book.kind)
def _name_of_rule(run_id: int) -> str | None:
    return name_of_run(rules.book.kind, run_id)


@causes.names(tables.book.kind)
def _name_of_table(run_id: int) -> str | None:
    return name_of_run(tables.book.kind, run_id)


def name_of_run(kind: str, run_id: int) -> str | None:
    """The name of the definition whose run this was; of a deleted one too."""
    with read():
        run = RuleRun.get_or_none(RuleRun.id == run_id)
        row = log.BOOKS[kind].row.get_or_none(log.BOOKS[kind].row.id == run.subject_id) if run else None
    return i18n_label(row.label) if row else None
