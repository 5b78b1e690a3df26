"""Gives fields a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...forms import records
from ...forms.catalog import Form
from ...forms.conditions import Context
from ...forms.fields.base import Field
from . import values
from .base import Action, ActionError, Effect, Work
from .values import Sources, Value


class Set(Action):
    """``{"action": "set", "values": {"stage": "following"}}``; ``null`` empties a field.

    Beside a plain value: ``{"now": true, "plus": {"days": 3}}``, ``{"field": "other"}``, ``{"add": 5}`` for numbers,
    ``{"add": […], "remove": […]}`` for fields with several values.
    """

    name = "set"
    label = _l("修改字段")
    icon = "edit"
    template = "automation/actions/set.html"
    params = frozenset({"values"})

    @classmethod
    def of_form(cls, given: Any, slot: str, form: Form) -> dict[str, Any]:
        fields = [f for key in given.getlist(f"{slot}.field") if (f := form.fields.get(key))]
        return {"action": cls.name, "values": values.of_form(given, f"{slot}.value.", fields)}

    @staticmethod
    def fields(form: Form) -> list[Field]:
        """The fields that can be written on many records at once."""
        return [
            f for f in form.fields.values()
            if not f.readonly and not f.unique and (f.column or ("has_any" in f.operators and f.type != "tags"))
        ]  # fmt: skip

    @property
    def values(self) -> dict[str, Any]:
        found = self.doc.get("values")
        return found if isinstance(found, dict) else {}

    def opened(self) -> dict[str, Value]:
        """The values by field; what names no field is left out."""
        fields = self.form.fields
        return {key: values.read(fields[key], raw, self.form) for key, raw in self.values.items() if key in fields}

    def check(self) -> None:
        if not self.values:
            raise ActionError(_("请选择要修改的字段。"), "values")
        check_values(self.values, self.form, self.form, {f.key for f in self.fields(self.form)})

    def words(self) -> str:
        opened = self.opened()
        return _("，").join(
            opened[key].words() if key in opened else _("清空「%(field)s」", field=key) for key in self.values
        )

    def pending(self, ctx: Context) -> Any:
        tests = [
            value.pending(self.form.col(key) if value.field.column else None, ctx.now)
            for key, value in self.opened().items()
        ]
        return None if any(test is None for test in tests) else reduce(lambda a, b: a | b, tests)

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        opened = self.opened()
        sources = Sources(work.form, ids, work.now, work.actor, work.origin)
        return write_values(work.form, dict.fromkeys(ids, None), opened, sources, work)


def check_values(given: dict[str, Any], form: Form, source: Form, allowed: set[str]) -> None:
    """Checks what is to be written into fields of ``form``. Raises :class:`ActionError` with ``values.<field>``."""
    for key, raw in given.items():
        field, path = form.fields.get(key), f"values.{key}"
        if field is None:
            raise ActionError(_("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key), path)
        if field.readonly:
            raise ActionError(_("「%(field)s」由固客计算，不能填写。", field=field.label), path)
        if key not in allowed:
            raise ActionError(_("「%(field)s」不能一次给许多记录填同一个值。", field=field.label), path)
        why = values.problem(values.read(field, raw, source))
        if why:
            raise ActionError(why, path)


def write_values(
    form: Form, of: Mapping[int, int | None], opened: dict[str, Value], sources: Sources, work: Work
) -> Effect:
    """Writes values into records of ``form``. ``of``: record → the record that values are made from (``None``: itself)."""
    ids = list(of)
    if all(value.same and value.field.column for value in opened.values()):
        rows = {key: value.given(sources)(0) for key, value in opened.items()}
        return Effect(set(records.update_set(form, rows, ids, work.actor, work.cause)))
    given = {key: value.given(sources) for key, value in opened.items()}
    made_from = {i: i if source is None else source for i, source in of.items()}
    wanted = {i: {key: make(made_from[i]) for key, make in given.items()} for i in ids}
    written = records.update_many(form, wanted, work.actor, work.cause)
    failed = {ids[n]: _("；").join(e.values()) for n, e in written.errors.items() if "_missing" not in e}
    return Effect(written.changed, failed)
