"""Every action, and every rule that waits for a button, over the records chosen in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock, jobs
from ..core.errors import UserError
from ..forms import bulk_actions, bulk_undo
from ..forms.bulk_actions import BulkAction, Outcome, Selection
from ..forms.catalog import Form
from ..forms.conditions import Context
from ..forms.hooks import Cause
from . import actions, blueprint
from .actions import Action, Effect, Work
from .rules import Rule, book
from .triggers import Manual

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

AT_ONCE = 500
SAMPLES = 5
MOST = 100_000
"""Records that a rule runs over at the press of a button."""
OWN = ("set",)
"""Actions that the list has a way of its own for."""
SLOT = "do"


class ActionOverMany(BulkAction):
    """One of the registered actions, with its own inputs."""

    scripts = ("automation.js", "messages.js")

    def __init__(self, cls: type[Action], place: int) -> None:
        self.cls = cls
        self.key = cls.name
        self.label, self.icon, self.order = cls.label, cls.icon, 100 + place

    def suits(self, form: Form, actor: Actor) -> bool:
        room = self.cls.room
        return permissions.has_room(actor, room) if room else permissions.can(actor, "edit", form.key)

    def dialog(self, selection: Selection) -> str:
        blank = self.cls(self.cls.for_many(selection.form), selection.form)
        return render_template(
            "automation/_bulk_action.html",
            action=blank,
            slot=SLOT,
            form=selection.form,
            **blueprint.words_of_partials(),
        )

    def button(self, selection: Selection, count: int) -> str:
        return self.cls.over_many(count) or ngettext(
            "对 %(count)s 条执行", "对 %(count)s 条执行", count, count=f"{count:,}"
        )

    def preview(self, selection: Selection, values: MultiDict[str, str]) -> str:
        action = self._read(selection, values)
        found, count = selection.query(), selection.count()
        pending = action.pending(Context(actor=selection.actor))
        wanted = found if pending is None else found.only(pending)
        changes = None if pending is None else wanted.count()
        titles = [r.title for r in wanted.page(SAMPLES, None, []).records]
        return render_template(
            "automation/_bulk_preview.html",
            words=action.words(),
            count=count,
            changes=changes,
            titles=titles,
            more=action.foresee(selection.batches(), selection.actor),
        )

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        if self.cls.room:
            permissions.demand_room(selection.actor, self.cls.room)
        action = self._read(selection, values)
        payload = selection.document() | {"do": action.doc, "words": action.words()}
        return bulk_undo.start("automation.bulk", payload, selection, AT_ONCE)

    def _read(self, selection: Selection, values: MultiDict[str, str]) -> Action:
        """Raises ActionError."""
        return actions.build(self.cls.of_form(values, SLOT, selection.form), selection.form)


class RuleOverMany(BulkAction):
    """A rule whose trigger is a button."""

    icon = "bolt"

    def __init__(self, rule: Rule, place: int) -> None:
        self.rule = rule
        self.key, self.label, self.order = f"rule:{rule.key}", rule.label_doc, 300 + place

    def dialog(self, selection: Selection) -> str:
        return render_template("automation/_bulk_rule.html", rule=self.rule)

    def button(self, selection: Selection, count: int) -> str:
        return ngettext("对 %(count)s 条执行", "对 %(count)s 条执行", count, count=f"{count:,}")

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        """The rule runs as rules do, on what the person sees; its run stands in the log and is taken back there."""
        self.rule.must_be_sound()
        if selection.query().count(MOST) > MOST:
            raise UserError(_("一次最多对 %(max)s 条记录执行规则，请先筛选。", max=f"{MOST:,}"))
        ids = [i for batch in selection.batches() for i in batch]
        payload = {
            "id": self.rule.id, "trigger": "manual", "actor": selection.actor.id, "ids": ids, "form": selection.form.key,
        }  # fmt: skip
        job = jobs.enqueue("rule.run", payload, actor_id=selection.actor.id)
        return Outcome(_("正在执行「%(name)s」…", name=self.rule.label), job=job)


@bulk_actions.source
def of_form(form: Form) -> list[BulkAction]:
    """The actions that make sense for the form, and its rules with a button that are switched on."""
    found: list[BulkAction] = [
        ActionOverMany(cls, place) for place, cls in enumerate(actions.offered(form)) if cls.name not in OWN
    ]
    manual = [rule for rule in book.all(form=form.key, enabled=True) if Manual.key in rule.on]
    return found + [RuleOverMany(rule, place) for place, rule in enumerate(manual)]


@jobs.handler("automation.bulk", label=_l("批量执行动作"))
def run(job: jobs.Job) -> dict[str, Any]:
    """A batch a transaction, in the name of the person who asked: what they may not change stays."""
    selection = Selection.open(job.payload)
    action = actions.build(job.payload["do"], selection.form)
    memory: dict[str, Any] = {}

    def act(ids: list[int], cause: Cause) -> bulk_undo.Effect:
        work = Work(selection.form, cause, clock.now(), memory, selection.actor, cycle=str(job.id), subject="bulk")
        done: Effect = action.apply(ids, work)
        return bulk_undo.Effect(len(done.changed), done.failed | done.skipped)

    return bulk_undo.each_batch(job, selection, act)
