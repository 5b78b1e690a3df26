"""Decision tables: ordered rows of condition → outcome, the first hit wins. The verbs for screens and API stand last."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_pgettext
from msgspec import field
from peewee import Case, Value

from ..core.errors import UserError
from ..forms import conditions
from ..forms.catalog import Form
from ..forms.conditions import Context
from . import targets, triggers
from .definitions import LIMIT, Book, Subject, folder_name, problem_of_condition
from .models import DecisionTableRow
from .targets import Target
from .triggers import Schedule, Trigger

OTHERS = -1
"""The index of the default: what no row hits."""


class DecisionTable(Subject):
    """``target``, ``rows`` and ``on`` are JSON, as in app packages. Without a default, records that no row hits lose
    the tag, or have the field emptied."""

    kind = "decision_table"
    noun = lazy_pgettext("one", "决策表")
    keys = frozenset(("key", "label", "form", "schedule", "on", "target", "rows", "default", "folder", "enabled"))

    target_doc: dict[str, Any] = field(default_factory=dict)
    rows: list[Any] = field(default_factory=list)
    default: Any = None
    schedule: str | None = None
    on: dict[str, Any] | None = None

    @classmethod
    def read(cls, doc: dict[str, Any]) -> DecisionTable:
        return cls(
            key=str(doc.get("key") or ""),
            label_doc=doc.get("label") or "",
            form_key=str(doc.get("form") or "customer"),
            target_doc=doc.get("target") or {},
            rows=doc.get("rows") or [],
            default=doc.get("default"),
            schedule=doc.get("schedule") or None,
            on=doc.get("on") or None,
            folder=folder_name(doc.get("folder")),
        )

    @classmethod
    def open(cls, row: DecisionTableRow) -> DecisionTable:
        return cls(
            key=row.key, label_doc=row.label, form_key=row.form, target_doc=row.target, rows=row.rows,
            default=row.default, schedule=row.schedule, on=row.on,
        )  # fmt: skip

    def columns(self) -> dict[str, Any]:
        return {
            "target": self.target_doc, "rows": self.rows, "default": self.default, "schedule": self.schedule,
            "on": self.on,
        }  # fmt: skip

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"key": self.key, "label": self.label_doc, "form": self.form_key}
        if self.schedule:
            doc["schedule"] = self.schedule
        if self.on:
            doc["on"] = self.on
        doc |= {"target": self.target_doc, "rows": self.rows}
        if self.default is not None:
            doc["default"] = self.default
        if self.folder:
            doc["folder"] = self.folder
        return doc | {"enabled": self.enabled}

    def triggers(self) -> list[Trigger]:
        docs = ([{Schedule.key: self.schedule}] if self.schedule else []) + ([self.on] if self.on else [])
        return [triggers.build(doc, self.form) for doc in docs]

    def when(self) -> str:
        return super().when() or _("有人点按钮时")

    @property
    def target(self) -> Target:
        """Raises :class:`UserError`."""
        return targets.build(self.target_doc, self.form)

    # -- checking -----------------------------------------------------------------------------------------------

    def check(self, form: Form) -> dict[str, str]:
        found: dict[str, str] = {}
        for path, doc in (("schedule", {Schedule.key: self.schedule} if self.schedule else None), ("on", self.on)):
            if doc is not None:
                try:
                    trigger = triggers.build(doc, form)
                    if path == "on" and not trigger.decides:
                        found[path] = _("决策表不能由「%(trigger)s」触发。", trigger=trigger.label)
                except UserError as error:
                    found[path] = error.message
        if self.schedule and isinstance(self.on, dict) and Schedule.key in self.on:
            found["on"] = _("定时已经写在 schedule 里，on 请写别的触发方式。")
        try:
            target = targets.build(self.target_doc, form)
        except UserError as error:
            return found | {"target": error.message}
        return found | self._check_rows(form, target)

    def _check_rows(self, form: Form, target: Target) -> dict[str, str]:
        if not isinstance(self.rows, list) or not self.rows:
            return {"rows": _("请至少添加一行。")}
        if len(self.rows) > LIMIT:
            return {"rows": _("行数太多了，最多 %(max)d 行。", max=LIMIT)}
        found: dict[str, str] = {}
        for i, row in enumerate(self.rows):
            if not isinstance(row, dict):
                found[f"rows.{i}"] = _("每一行要写明条件和结果。")
                continue
            found |= problem_of_condition(row.get("where") or {}, form, f"rows.{i}.where")
            try:
                target.check(row.get("then"))
            except UserError as error:
                found[f"rows.{i}.then"] = error.message
        if self.default is None and not target.can_be_empty:
            found["default"] = _("「%(target)s」是必填的，请选择其余记录的结果。", target=target.name)
        elif self.default is not None:
            try:
                target.check(self.default)
            except UserError as error:
                found["default"] = error.message
        return found

    # -- deciding -----------------------------------------------------------------------------------------------

    def outcomes(self) -> list[Any]:
        """The stored value of each row's outcome, in order."""
        target = self.target
        return [target.stored(row["then"]) for row in self.rows]

    def default_outcome(self) -> Any:
        return None if self.default is None else self.target.stored(self.default)

    def _case(self, ctx: Context, values: list[Any], default: Any) -> Any:
        form = self.form
        pairs = []
        for row, value in zip(self.rows, values, strict=True):
            test = conditions.compile(row.get("where") or {}, form, ctx)
            pairs.append((Value(1) == 1 if test is None else test, value))
        return Case(None, pairs, default)

    def hit(self, ctx: Context) -> Any:
        """One expression: the index of the first row that a record meets, :data:`OTHERS` when none."""
        return self._case(ctx, list(range(len(self.rows))), OTHERS)

    def decided(self, ctx: Context) -> Any:
        """One expression: the stored outcome of a record."""
        return self._case(ctx, self.outcomes(), self.default_outcome())

    # -- in words -----------------------------------------------------------------------------------------------

    def row_words(self, index: int) -> str:
        """The condition of a row."""
        try:
            return conditions.words(self.rows[index].get("where") or {}, self.form).strip()
        except UserError as error:
            return error.message

    def outcome_words(self, index: int) -> str:
        """The outcome of a row, or of what no row hits."""
        value = self.default if index == OTHERS else self.rows[index].get("then")
        try:
            return self.target.words(value)
        except UserError as error:
            return error.message

    def sentence(self) -> str:
        outcomes = _("、").join(dict.fromkeys(self.outcome_words(i) for i in range(len(self.rows))))
        try:
            return _(
                '%(when)s，按 %(rows)d 行条件决定%(target)s：%(outcomes)s。',
                when=self.when(), rows=len(self.rows), target=self.target.name, outcomes=outcomes,
            )  # fmt: skip
        except UserError as error:
            return error.message


book: Book[DecisionTable] = Book(DecisionTable, DecisionTableRow)

all = book.all
get, by_id, save, delete, restore = book.get, book.by_id, book.save, book.delete, book.restore
switch, run, versions, arrange = book.switch, book.run, book.versions, book.arrange
