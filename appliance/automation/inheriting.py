"""What rules have done with a record that became part of another: the other is not greeted again for it."""

from __future__ import annotations

from typing import Any

from ..accounts.actor import Actor
from ..forms import merging
from ..forms.catalog import Form
from ..forms.hooks import Cause
from .models import RuleDone, RuleRow


@merging.moves(merging.ANY)
class RulesDone(merging.Mover):
    """The periods in which a rule has acted on the source count for the target too."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        mine = RuleRow.select(RuleRow.id).where(RuleRow.form == form.key)
        theirs = RuleDone.select(RuleDone.rule_id, RuleDone.period).where(
            (RuleDone.record_id == source) & RuleDone.rule_id.in_(mine)
        )
        added = []
        for rule_id, period in list(theirs.tuples()):
            written = RuleDone.insert(rule_id=rule_id, period=period, record_id=target).on_conflict_ignore()
            if written.as_rowcount().execute():
                added.append([rule_id, period])
        return added

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        for rule_id, period in moved or []:
            RuleDone.delete().where(
                (RuleDone.rule_id == rule_id) & (RuleDone.period == period) & (RuleDone.record_id == target)
            ).execute()
