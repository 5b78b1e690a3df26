"""Gives customers a level, for good or for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...automation.actions.base import Action, ActionError, Effect, Work
from ...core import clock, dialect
from ...forms.catalog import Form
from ...forms.conditions import Context
from .. import levels, whose

LONGEST = 3650
"""Days."""


class SetLevel(Action):
    """``{level: "gold", days?: 365, after?: "normal"}``; without ``after`` the level of before comes back."""

    name = "set_level"
    label = _l("设置等级")
    icon = "crown"
    template = "automation/actions/set_level.html"
    params = frozenset({"level", "days", "after"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return levels.field() is not None and whose.customer_field(form) is not None

    @staticmethod
    def levels() -> list[tuple[str, str]]:
        f = levels.field()
        return [(value, f.format(value)) for value in getattr(f, "choices", {})] if f else []

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        doc: dict[str, Any] = {"action": cls.name, "level": values.get(f"{slot}.level", "")}
        days = values.get(f"{slot}.days", "").strip()
        if days:
            doc["days"] = int(days) if days.isdecimal() else days
            if values.get(f"{slot}.after"):
                doc["after"] = values[f"{slot}.after"]
        return doc

    def check(self) -> None:
        self._level("level")
        days = self.doc.get("days")
        if days is not None and not (type(days) is int and 0 < days <= LONGEST):
            raise ActionError(_("有效天数要是 1 到 %(most)d 的整数；留空就是一直有效。", most=LONGEST), "days")
        if self.doc.get("after") is not None:
            self._level("after")

    def _level(self, path: str) -> str:
        f = levels.field()
        try:
            value = f.parse(self.doc.get(path)) if f else None
        except ValueError as error:
            raise ActionError(str(error), path) from error
        if value is None:
            raise ActionError(_("请选择等级。"), path)
        return str(value)

    def words(self) -> str:
        name = levels.words(self.doc.get("level"))
        if not self.doc.get("days"):
            return _("等级设为「%(level)s」", level=name)
        if self.doc.get("after"):
            return _("等级设为「%(level)s」%(days)s 天，之后是「%(after)s」", level=name, days=self.doc["days"],
                     after=levels.words(self.doc["after"]))  # fmt: skip
        return _("等级设为「%(level)s」%(days)s 天，之后恢复原来的", level=name, days=self.doc["days"])

    def pending(self, ctx: Context) -> Any:
        if self.form.key != "customer" or self.doc.get("days"):
            return None
        return dialect.differs(self.form.col(levels.FIELD), self._level("level"))

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        owners = whose.customers(work.form, ids)
        customers = sorted(set(owners.values()))
        level, days = self._level("level"), self.doc.get("days")
        if days:
            after = self._level("after") if self.doc.get("after") else None
            until = work.now + days * clock.DAY
            changed = levels.give_until(customers, level, after, until, work.actor, work.cause)
        else:
            changed = levels.give(customers, level, work.actor, work.cause)
        lacking = {i: _("没有写明是哪位客户。") for i in ids if i not in owners}
        return Effect({i for i, customer in owners.items() if customer in changed}, skipped=lacking)
