"""When a rule or decision table acts: one class a kind of trigger, by the JSON key that marks it."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..core.errors import UserError
from ..forms.catalog import Form
from . import timetable


class TriggerError(UserError):
    """A trigger that cannot be understood, or not yet."""

    def __init__(self, message: object) -> None:
        super().__init__(message, "on")


class Trigger:
    """``doc`` is the trigger's JSON."""

    key: ClassVar[str]
    label: ClassVar[Any]
    icon: ClassVar[str] = "bolt"
    template: ClassVar[str | None] = None
    """The partial with this trigger's inputs in the editor."""

    def __init__(self, doc: dict[str, Any], form: Form) -> None:
        self.doc = doc
        self.form = form
        self.check()

    def check(self) -> None:
        """Raises :class:`TriggerError`."""
        if self.doc.get(self.key) is not True:
            raise TriggerError(_("触发方式「%(trigger)s」要写成 true。", trigger=self.label))

    def words(self) -> str:
        return str(self.label)

    @property
    def cron(self) -> str | None:
        """The timer it wants."""
        return None

    def listens(self) -> list[tuple[str, str | None]]:
        """The writes it wants to hear of: (action, field or any)."""
        return []

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        """The JSON that the editor's inputs stand for."""
        return {cls.key: True}


TRIGGERS: dict[str, type[Trigger]] = {}

LATER = {
    "deleted": _l("删除时"),
    "event": _l("发生互动时"),
    "date": _l("到了某个日期"),
    "enters": _l("进入客群时"),
    "leaves": _l("离开客群时"),
    "webhook": _l("收到外部通知时"),
}
"""Triggers that this release does not have: refused, never silently ignored."""


def register(cls: type[Trigger]) -> type[Trigger]:
    """Adds a kind of trigger. Raises on a key that is taken."""
    if cls.key in TRIGGERS:
        raise ValueError(f"trigger {cls.key!r} is registered twice")
    TRIGGERS[cls.key] = cls
    return cls


def build(doc: Any, form: Form) -> Trigger:
    """The trigger of a document. Raises :class:`TriggerError`."""
    known = _("、").join(_("%(key)s（%(label)s）", key=key, label=cls.label) for key, cls in TRIGGERS.items())
    if not isinstance(doc, dict) or not doc:
        raise TriggerError(_("请选择触发方式，可用：%(known)s。", known=known))
    for key, label in LATER.items():
        if key in doc:
            raise TriggerError(_("「%(trigger)s」触发这一版还不支持，请改用：%(known)s。", trigger=label, known=known))
    found = [cls for key, cls in TRIGGERS.items() if key in doc]
    if len(found) != 1:
        raise TriggerError(_("不认识这个触发方式，可用：%(known)s。", known=known))
    return found[0](doc, form)


@register
class Schedule(Trigger):
    """``{"schedule": "0 3 * * *"}``, in the company's time zone; a moment missed while off is caught up once."""

    key = "schedule"
    label = _l("定时")
    icon = "clock"
    template = "automation/_schedule.html"

    def check(self) -> None:
        try:
            timetable.check(self.doc[self.key])
        except UserError as error:
            raise TriggerError(error.message) from error

    @property
    def cron(self) -> str:
        return " ".join(str(self.doc[self.key]).split())

    def words(self) -> str:
        return timetable.read(self.cron).words()

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        return {cls.key: timetable.of_form(values, values.getlist("schedule.weekday"))}


@register
class Created(Trigger):
    """``{"created": true}``"""

    key = "created"
    label = _l("新建时")
    icon = "plus"

    def words(self) -> str:
        return _("新建%(form)s时", form=self.form.one)

    def listens(self) -> list[tuple[str, str | None]]:
        return [("create", None)]


@register
class Updated(Trigger):
    """``{"updated": ["stage", …]}``: one of these fields was given another value; ``[]``: any field."""

    key = "updated"
    label = _l("字段变化时")
    icon = "edit"
    template = "automation/_updated.html"

    def check(self) -> None:
        fields = self.doc[self.key]
        if fields is True:
            return
        if not isinstance(fields, list):
            raise TriggerError(_("请列出哪些字段变化时触发。"))
        for key in fields:
            field = self.form.fields.get(key) if isinstance(key, str) else None
            if field is None:
                raise TriggerError(_("「%(form)s」没有字段「%(key)s」。", form=self.form.label, key=key))
            if field.readonly and not field.computed:
                raise TriggerError(_("「%(field)s」由固客计算，它变化时不会触发，请改用定时。", field=field.label))

    @property
    def fields(self) -> list[str]:
        fields = self.doc[self.key]
        return [] if fields is True else list(fields)

    def words(self) -> str:
        if not self.fields:
            return _("%(form)s有修改时", form=self.form.one)
        labels = [field.label for key in self.fields if (field := self.form.fields.get(key))]
        return _("%(fields)s变化时", fields=_("、").join(_("「%(name)s」", name=label) for label in labels))

    def listens(self) -> list[tuple[str, str | None]]:
        return [("update", key) for key in self.fields] or [("update", None)]

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        return {cls.key: values.getlist("on.fields")}


@register
class Manual(Trigger):
    """``{"manual": true}``: the button of the rule, and of a record's page."""

    key = "manual"
    label = _l("手动（按钮）")
    icon = "player-play"

    def words(self) -> str:
        return _("有人点按钮时")
