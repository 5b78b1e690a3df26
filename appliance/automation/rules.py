"""Rules: trigger, condition and actions in one step. The verbs at the end are what screens and the API call."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext
from msgspec import field

from ..core import clock, settings
from ..core.errors import UserError
from ..forms import conditions
from ..forms.catalog import Form
from . import actions, triggers
from .actions import Action, ActionError
from .changed import blank
from .definitions import LIMIT, Book, Subject, folder_name, problem_of_condition
from .models import RuleRow
from .triggers import Trigger, Updated

PERIODS = {
    "record": _l("每条记录只一次"),
    "day": _l("每条记录每天一次"),
    "week": _l("每条记录每周一次"),
    "month": _l("每条记录每月一次"),
    "year": _l("每条记录每年一次"),
}

OUTSIDE_HOURS = {
    "wait": _l("等到下一个工作时间再做"),
    "skip": _l("跳过，不做"),
}
"""What a rule that is limited to working hours does outside them."""


class Rule(Subject):
    """``on``, ``where`` and ``do`` are JSON; :meth:`triggers` and :meth:`actions` open them."""

    kind = "rule"
    noun = lazy_pgettext("one", "规则")
    keys = frozenset(
        ("key", "label", "form", "on", "where", "once_per", "do", "stop", "working_hours", "folder", "enabled")
    )

    on: dict[str, Any] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=dict)
    once_per: str | None = None
    do: list[dict[str, Any]] = field(default_factory=list)
    stop: bool = False
    working_hours: str | None = None
    memory: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Rule:
        return cls(
            key=str(doc.get("key") or ""),
            label_doc=doc.get("label") or "",
            form_key=str(doc.get("form") or ""),
            on=doc.get("on") or {},
            where=doc.get("where") or {},
            once_per=doc.get("once_per") or None,
            do=doc.get("do") or [],
            stop=bool(doc.get("stop")),
            working_hours=doc.get("working_hours") or None,
            folder=folder_name(doc.get("folder")),
        )

    @classmethod
    def open(cls, row: RuleRow) -> Rule:
        return cls(
            key=row.key, label_doc=row.label, form_key=row.form, on=row.on, where=row.where, once_per=row.once_per,
            do=row.do, stop=row.stop, working_hours=row.working_hours, memory=row.memory,
        )  # fmt: skip

    def columns(self) -> dict[str, Any]:
        return {
            "on": self.on, "where": self.where, "once_per": self.once_per, "do": self.do, "stop": self.stop,
            "working_hours": self.working_hours,
        }  # fmt: skip

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"key": self.key, "label": self.label_doc, "form": self.form_key, "on": self.on}
        if self.where:
            doc["where"] = self.where
        if self.once_per:
            doc["once_per"] = self.once_per
        if self.stop:
            doc["stop"] = True
        if self.working_hours:
            doc["working_hours"] = self.working_hours
        if self.folder:
            doc["folder"] = self.folder
        return doc | {"do": self.do, "enabled": self.enabled}

    def triggers(self) -> list[Trigger]:
        return [triggers.build(self.on, self.form)]

    def actions(self) -> list[Action]:
        """Raises :class:`ActionError`."""
        return [actions.build(doc, self.form) for doc in self.do]

    @property
    def by_itself(self) -> bool:
        """Whether it acts on single records as something happens to them, not on all at a time."""
        try:
            return any(trigger.listens() for trigger in self.triggers())
        except UserError:
            return False

    def check(self, form: Form) -> dict[str, str]:
        found: dict[str, str] = {}
        trigger: Trigger | None = None
        try:
            trigger = triggers.build(self.on, form)
        except UserError as error:
            found["on"] = error.message
        # Only a rule that a change sets off can ask what the change was.
        where = blank(self.where) if isinstance(trigger, Updated) else self.where
        found |= problem_of_condition(where, form, "where")
        if self.working_hours is not None and self.working_hours not in list(OUTSIDE_HOURS):
            found["working_hours"] = _("「working_hours」只能是 %(known)s。", known=_("、").join(OUTSIDE_HOURS))
        if self.once_per is not None and self.once_per not in list(PERIODS):
            found["once_per"] = _("「每…一次」只能是 %(known)s。", known=_("、").join(PERIODS))
        return found | self._check_actions(form)

    def _check_actions(self, form: Form) -> dict[str, str]:
        given: Any = self.do
        if not isinstance(given, list):
            return {"do": _("动作要写成一列。")}
        if not given:
            return {"do": _("请至少添加一个动作。")}
        if len(self.do) > LIMIT:
            return {"do": _("动作太多了，最多 %(max)d 个。", max=LIMIT)}
        found = {}
        for i, doc in enumerate(self.do):
            try:
                actions.build(doc, form)
            except ActionError as error:
                found[f"do.{i}.{error.path}" if error.path else f"do.{i}"] = error.message
        return found

    # -- in words -----------------------------------------------------------------------------------------------

    def condition_words(self) -> str:
        try:
            return conditions.words(self.where, self.form).strip()
        except UserError as error:
            return error.message

    def action_words(self) -> list[str]:
        words = []
        for doc in self.do:
            try:
                words.append(actions.open_action(doc, self.form).words())
            except UserError as error:
                words.append(error.message)
        return words

    def sentence(self) -> str:
        """当 … ，如果 … ，那么 …。"""
        what = _("，再").join(self.action_words()) or "…"
        if not self.where:
            return _("当%(when)s，%(what)s。", when=self.when(), what=what)
        condition = self.condition_words()
        return _("当%(when)s，如果%(condition)s，那么%(what)s。", when=self.when(), condition=condition, what=what)

    # -- once per period ----------------------------------------------------------------------------------------

    def period(self, now: int) -> str | None:
        """The name of the period of ``now`` (UTC seconds) in the company's zone; ``None``: acts every time."""
        if self.once_per is None:
            return None
        day = clock.local(now, settings.tz()).date()
        return {
            "record": "",
            "day": day.isoformat(),
            "week": (day - dt.timedelta(days=day.weekday())).isoformat(),
            "month": f"{day:%Y-%m}",
            "year": f"{day:%Y}",
        }[self.once_per]


book: Book[Rule] = Book(Rule, RuleRow)

all = book.all
get, by_id, save, delete, restore = book.get, book.by_id, book.save, book.delete, book.restore
switch, run, versions, arrange = book.switch, book.run, book.versions, book.arrange
