"""When a rule or decision table acts: one class a kind of trigger, by the JSON key that marks it."""

from __future__ import annotations

from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core.errors import UserError
from ..forms import hooks
from ..forms.catalog import Form
from ..forms.conditions import Context
from . import timetable


class TriggerError(UserError):
    """A trigger that cannot be understood, or not yet."""

    def __init__(self, message: object) -> None:
        super().__init__(message, "on")


class Wish(Struct, frozen=True):
    """What a trigger wants to hear of a stream; ``field`` and ``scope`` as in :class:`models.Listener`."""

    action: str
    field: str | None = None
    scope: str | None = None
    stream: str = "changes"


class Timer(Struct, frozen=True):
    """When a trigger wants a job. ``job``: which; empty: the definition's own run."""

    cron: str
    trigger: str
    job: str = ""


class Trigger:
    """``doc`` is the trigger's JSON."""

    key: ClassVar[str]
    label: ClassVar[Any]
    icon: ClassVar[str] = "bolt"
    template: ClassVar[str | None] = None
    """The partial with this trigger's inputs in the editor; it gets ``t``, what :meth:`inputs` says."""
    params: ClassVar[frozenset[str]] = frozenset()
    """The keys that its JSON may hold beside the one that marks it."""
    gone: ClassVar[bool] = False
    """Whether the records it is about are in the recycle bin."""
    decides: ClassVar[bool] = True
    """Whether a decision table may be set off by it."""

    def __init__(self, doc: dict[str, Any], form: Form) -> None:
        self.doc = doc
        self.form = form
        self.check()

    @classmethod
    def suits(cls, form: Form) -> bool:
        """Whether it makes sense for records of the form."""
        return True

    def check(self) -> None:
        """Raises :class:`TriggerError`."""
        if self.doc.get(self.key) is not True:
            raise TriggerError(_("触发方式「%(trigger)s」要写成 true。", trigger=self.label))

    def words(self) -> str:
        return str(self.label)

    def timer(self) -> Timer | None:
        """The timer it wants."""
        return None

    def listens(self) -> list[Wish]:
        """What it wants to hear of."""
        return []

    def standing(self, ctx: Context) -> Any:
        """A test for the records that a run by hand is about, for which it could have been set off by now; ``None``: any."""
        return None

    def prepare(self, subject: str) -> None:
        """What must be there before it can work; in the transaction that switches a definition (``rule:7``) on."""

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        """What the inputs show for this trigger's JSON, whatever is wrong in it; ``{}``: as they begin."""
        return doc

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        """The JSON that the editor's inputs stand for."""
        return {cls.key: True}


NIGHTLY = "0 3 * * *"

TRIGGERS: dict[str, type[Trigger]] = {}


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
    found = [cls for key, cls in TRIGGERS.items() if key in doc]
    if len(found) > 1:
        both = _("、").join(cls.key for cls in found)
        raise TriggerError(_("只能写一种触发方式，这里写了 %(both)s。", both=both))
    if not found:
        raise TriggerError(_("不认识这个触发方式，可用：%(known)s。", known=known))
    if not found[0].suits(form):
        raise TriggerError(_("「%(trigger)s」不能用于%(form)s。", trigger=found[0].label, form=form.many))
    if unknown := sorted(set(doc) - found[0].params - {found[0].key}):
        raise TriggerError(
            _("触发方式「%(trigger)s」没有「%(name)s」这一项。", trigger=found[0].label, name=unknown[0][:40])
        )
    return found[0](doc, form)


def offered(form: Form) -> list[type[Trigger]]:
    """The triggers that make sense for records of the form."""
    return [cls for cls in TRIGGERS.values() if cls.suits(form)]


@register
class Schedule(Trigger):
    """``{"schedule": "0 3 * * *"}``, in the company's time zone; a moment missed while off is caught up once."""

    key = "schedule"
    label = _l("定时")
    icon = "clock"
    template = "automation/triggers/schedule.html"

    def check(self) -> None:
        try:
            timetable.check(self.doc[self.key])
        except UserError as error:
            raise TriggerError(error.message) from error

    @property
    def cron(self) -> str:
        return " ".join(str(self.doc[self.key]).split())

    def timer(self) -> Timer:
        return Timer(self.cron, "schedule")

    def words(self) -> str:
        return timetable.read(self.cron).words()

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        return timetable.read(str(doc.get(cls.key) or NIGHTLY))

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

    def listens(self) -> list[Wish]:
        return [Wish("create")]


@register
class Updated(Trigger):
    """``{"updated": ["stage", …]}``: one of these fields was given another value; ``[]``: any field."""

    key = "updated"
    label = _l("字段变化时")
    icon = "edit"
    template = "automation/triggers/updated.html"

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
            if field.readonly and not field.computed and not hooks.announces(self.form.key, key):
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

    def listens(self) -> list[Wish]:
        return [Wish("update", key) for key in self.fields] or [Wish("update")]

    @classmethod
    def inputs(cls, doc: dict[str, Any], form: Form) -> Any:
        """The fields whose change can set a definition off, and those that are chosen."""
        chosen = doc.get(cls.key)
        watched = [f for f in form.fields.values() if not f.readonly or f.computed or hooks.announces(form.key, f.key)]
        return {"watched": watched, "fields": chosen if isinstance(chosen, list) else []}

    @classmethod
    def of_form(cls, values: Any) -> dict[str, Any]:
        return {cls.key: values.getlist("on.fields")}


@register
class Deleted(Trigger):
    """``{"deleted": true}``: a record went to the recycle bin."""

    key = "deleted"
    label = _l("删除时")
    icon = "trash"
    gone = True
    decides = False

    def words(self) -> str:
        return _("删除%(form)s时", form=self.form.one)

    def listens(self) -> list[Wish]:
        return [Wish("delete")]


@register
class Manual(Trigger):
    """``{"manual": true}``: the button of the rule, and of a record's page."""

    key = "manual"
    label = _l("手动（按钮）")
    icon = "player-play"

    def words(self) -> str:
        return _("有人点按钮时")
