"""The editors' inputs and the documents they stand for. A page is drawn from its document, whatever is wrong in it."""

from __future__ import annotations

import json
import secrets
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from werkzeug.datastructures import MultiDict

from ..core.errors import FieldErrors, UserError
from ..core.i18n import relabelled
from ..customers import tags
from ..forms import builder, catalog
from ..forms.catalog import Form
from ..forms.fields.base import Field
from . import actions, rules, tables, targets, timetable, triggers
from .actions import Action
from .rules import Rule
from .tables import DecisionTable
from .targets import Target
from .timetable import Timetable
from .triggers import Manual, Schedule, Trigger

Values = MultiDict[str, str]


def new_slot() -> str:
    """What the names of one card's inputs begin with."""
    return f"s{secrets.token_hex(4)}"


class Card(Struct):
    """One action in the editor. ``errors``: path inside the action → sentence."""

    slot: str
    action: Action
    errors: dict[str, str] = field(default_factory=dict)


class RowCard(Struct):
    """One row of a table in the editor."""

    slot: str
    where: dict[str, Any]
    then: Any
    words: str
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def condition_error(self) -> tuple[str, str]:
        """(sentence, path inside the condition)."""
        return builder.problem(self.errors)


class Input(Struct):
    """A field's value as the form room's input templates ask for it."""

    field: Field
    name: str
    value: Any
    error: str = ""
    title: str = ""
    stored: Any = None


def input_of(form: Form, key: str, name: str, raw: Any, error: str = "") -> Input | None:
    """The input of a field for the value ``raw`` of a document."""
    f = form.fields.get(key)
    if f is None:
        return None
    try:
        stored = f.parse(raw)
        return Input(f, name, f.form_value(stored) if stored is not None else "", error, stored=stored)
    except ValueError:
        return Input(f, name, raw if isinstance(raw, dict) else str(raw), error)


# -- from the inputs to the document ------------------------------------------------------------------------------


def condition(values: Values, name: str) -> Any:
    """The JSON that the condition builder wrote."""
    try:
        doc = json.loads(values.get(name) or "{}")
    except ValueError:
        return {}
    return doc if isinstance(doc, dict) else {}


def _label(values: Values, old: Any) -> Any:
    """The typed name; where the label is in several languages, only the one that was shown changes."""
    return relabelled(old or "", values.get("label", "").strip())


def rule_of_form(values: Values, old: Rule | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The rule's document, and the problems of inputs that no document can hold."""
    problems: dict[str, str] = {}
    doc: dict[str, Any] = {
        "label": _label(values, old.label_doc if old else None),
        "form": old.form_key if old else values.get("form", "customer"),
        "where": condition(values, "where"),
        "once_per": values.get("once_per") or None,
        "stop": bool(values.get("stop")),
        "working_hours": values.get("working_hours") or None,
        "folder": values.get("folder", ""),
        "do": [
            _action(values, slot, old.form_key if old else values.get("form", "customer"))
            for slot in values.getlist("do")
        ],
    }
    cls = triggers.TRIGGERS.get(values.get("on", ""), Schedule)
    try:
        doc["on"] = cls.of_form(values)
    except UserError as error:
        problems["on"] = error.message
        doc["on"] = old.on if old else {Schedule.key: triggers.NIGHTLY}
    return doc, problems


def _action(values: Values, slot: str, form_key: str) -> dict[str, Any]:
    name = values.get(f"{slot}.action", "")
    cls = actions.ACTIONS.get(name)
    form = catalog.all_forms().get(form_key)
    return cls.of_form(values, slot, form) if cls and form else {"action": name}


def table_of_form(values: Values, old: DecisionTable | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The table's document, and the problems of inputs that no document can hold."""
    problems: dict[str, str] = {}
    kind, _colon, name = values.get("target", "").partition(":")
    doc: dict[str, Any] = {
        "label": _label(values, old.label_doc if old else None),
        "form": old.form_key if old else values.get("form", "customer"),
        "target": {kind: name} if kind in targets.TARGETS else {},
        "rows": [
            {"where": condition(values, f"{slot}.where"), "then": values.get(f"{slot}.then") or None}
            for slot in values.getlist("row")
        ],
        "default": values.get("default") or None,
        "folder": values.get("folder", ""),
    }
    if values.get("scheduled"):
        try:
            doc["schedule"] = Schedule.of_form(values)[Schedule.key]
        except UserError as error:
            problems["schedule"] = error.message
            doc["schedule"] = old.schedule if old else triggers.NIGHTLY
    cls = triggers.TRIGGERS.get(values.get("on", ""))
    if cls is not None:
        try:
            doc["on"] = cls.of_form(values)
        except UserError as error:
            problems["on"] = error.message
            doc["on"] = old.on if old else None
    return doc, problems


# -- from the document to the page --------------------------------------------------------------------------------


def _inside(errors: dict[str, str], prefix: str) -> dict[str, str]:
    """The errors of one part: ``rows.0.then`` under ``rows.0`` is ``then``."""
    found = {}
    for path, message in errors.items():
        if path == prefix or path.startswith(f"{prefix}."):
            found[path.removeprefix(prefix).removeprefix(".")] = message
    return found


class RuleEditor(Struct):
    """``errors``: path in the document → sentence."""

    rule: Rule
    form: Form
    errors: dict[str, str] = field(default_factory=dict)
    message: str = ""

    @property
    def is_new(self) -> bool:
        return not self.rule.id

    @property
    def trigger_key(self) -> str:
        return next((key for key in triggers.TRIGGERS if key in self.rule.on), Schedule.key)

    @property
    def triggers(self) -> list[type[Trigger]]:
        return triggers.offered(self.form)

    def inputs(self, cls: type[Trigger]) -> Any:
        """What the inputs of a kind of trigger show."""
        return cls.inputs(self.rule.on if cls.key in self.rule.on else {}, self.form)

    @property
    def folders(self) -> list[str]:
        return rules.book.folders()

    @property
    def offered(self) -> list[type[Action]]:
        return actions.offered(self.form)

    @property
    def cards(self) -> list[Card]:
        cards = []
        for i, doc in enumerate(self.rule.do):
            try:
                cards.append(Card(new_slot(), actions.open_action(doc, self.form), _inside(self.errors, f"do.{i}")))
            except UserError:
                continue
        return cards

    @property
    def condition_error(self) -> tuple[str, str]:
        return builder.problem(self.errors)


class TableEditor(Struct):
    """``errors``: path in the document → sentence."""

    table: DecisionTable
    form: Form
    errors: dict[str, str] = field(default_factory=dict)
    message: str = ""
    slots: list[str] = field(default_factory=list)

    @property
    def is_new(self) -> bool:
        return not self.table.id

    @property
    def target_value(self) -> str:
        return next((f"{key}:{name}" for key, name in self.table.target_doc.items()), "")

    @property
    def target(self) -> Target | None:
        try:
            return self.table.target
        except UserError:
            return None

    @property
    def target_options(self) -> list[tuple[str, str]]:
        """What there is to decide for records of the form."""
        found: list[tuple[str, str]] = []
        if self.form.key == "customer":
            found += [
                (f"tag_group:{group.key}", _('标签组「%(group)s」', group=group.label))
                for group in tags.groups() if group.exclusive
            ]  # fmt: skip
        return found + [
            (f"field:{f.key}", _("字段「%(field)s」", field=f.label))
            for f in self.form.columns.values()
            if not f.readonly and not f.unique and f.type not in ("relation", "long_text")
        ]

    @property
    def timetable(self) -> Timetable:
        return timetable.read(self.table.schedule or triggers.NIGHTLY)

    @property
    def trigger_key(self) -> str:
        return next((key for key in triggers.TRIGGERS if key in (self.table.on or {})), "")

    @property
    def triggers(self) -> list[type[Trigger]]:
        """What may set the table off beside its timetable and a button."""
        beside = (Schedule.key, Manual.key)
        return [cls for cls in triggers.offered(self.form) if cls.decides and cls.key not in beside]

    def inputs(self, cls: type[Trigger]) -> Any:
        """What the inputs of a kind of trigger show."""
        on = self.table.on or {}
        return cls.inputs(on if cls.key in on else {}, self.form)

    @property
    def folders(self) -> list[str]:
        return tables.book.folders()

    @property
    def rows(self) -> list[RowCard]:
        cards = []
        for i, row in enumerate(self.table.rows):
            slot = self.slots[i] if i < len(self.slots) else new_slot()
            errors = _inside(self.errors, f"rows.{i}")
            cards.append(RowCard(slot, row.get("where") or {}, row.get("then"), self.table.row_words(i), errors))
        return cards

    def outcome_input(self, name: str, value: Any) -> Input | None:
        """The input of an outcome that is typed, not chosen."""
        if self.target is None or self.target.options() or self.target.key != "field":
            return None
        return input_of(self.form, self.target.named, name, value)


def forms() -> list[tuple[str, str]]:
    """The forms that rules and tables can be about."""
    return [(form.key, form.label) for form in catalog.all()]


def errors_of(error: UserError, problems: dict[str, str]) -> tuple[dict[str, str], str]:
    """(path → sentence, a sentence about no path)."""
    found = dict(error.errors) | problems if isinstance(error, FieldErrors) else dict(problems)
    return found, "" if isinstance(error, FieldErrors) else error.message
