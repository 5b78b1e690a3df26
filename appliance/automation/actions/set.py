"""Gives fields a value."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import dialect
from ...forms import records, row_inputs
from ...forms.catalog import Form
from ...forms.conditions import Context
from ...forms.fields.base import Field
from .base import Action, ActionError, Effect, Work


class Set(Action):
    """``{"action": "set", "values": {"stage": "following"}}``; ``null`` empties a field."""

    name = "set"
    label = _l("修改字段")
    icon = "edit"
    template = "automation/actions/set.html"

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        prefix = f"{slot}.value."
        fields = [f for key in values.getlist(f"{slot}.field") if (f := form.fields.get(key))]
        given = row_inputs.read(values, prefix, fields)
        return {"action": cls.name, "values": {f.key: given.get(f.key) or None for f in fields}}

    @staticmethod
    def fields(form: Form) -> list[Field]:
        """The fields that can be given one value on many records."""
        return [f for f in form.columns.values() if not f.readonly and not f.unique]

    @property
    def values(self) -> dict[str, Any]:
        values = self.doc.get("values")
        return values if isinstance(values, dict) else {}

    def check(self) -> None:
        if not self.values:
            raise ActionError(_("请选择要修改的字段。"), "values")
        allowed = {f.key for f in self.fields(self.form)}
        for key, raw in self.values.items():
            field = self.form.fields.get(key)
            path = f"values.{key}"
            if field is None:
                raise ActionError(_("「%(form)s」没有字段「%(key)s」。", form=self.form.label, key=key), path)
            if field.readonly:
                raise ActionError(_("「%(field)s」由固客计算，不能填写。", field=field.label), path)
            if key not in allowed:
                raise ActionError(_("「%(field)s」不能一次给许多记录填同一个值。", field=field.label), path)
            try:
                value = field.parse(raw)
            except ValueError as error:
                raise ActionError(str(error), path) from error
            if value is None and field.required:
                raise ActionError(_("「%(field)s」是必填的，不能清空。", field=field.label), path)

    def words(self) -> str:
        parts = []
        for key, raw in self.values.items():
            field = self.form.fields.get(key)
            label = field.label if field else key
            if field is None or raw in (None, ""):
                parts.append(_("清空「%(field)s」", field=label))
            else:
                parts.append(_("把「%(field)s」改为「%(value)s」", field=label, value=field._word(raw)))
        return _("，").join(parts)

    def pending(self, ctx: Context) -> Any:
        tests = [
            dialect.differs(self.form.col(key), self.form.fields[key].parse(raw)) for key, raw in self.values.items()
        ]
        return reduce(lambda a, b: a | b, tests)

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        return Effect(set(records.update_set(work.form, self.values, ids, work.actor, work.cause)))
