"""Makes a record of any form for each record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...forms import catalog
from ...forms.catalog import Form
from ...forms.fields.base import Field
from . import making, values
from .base import Action, ActionError, Effect, Work
from .set import check_values
from .values import Sources, Value


class CreateRecord(Action):
    """``{form, values: {field: value}}``: values as they stand, texts with variables, moments from now, and with ``{"field":
    "x"}`` what the record holds (``{"field": "id"}``: the record itself)."""

    name = "create_record"
    label = _l("建记录")
    icon = "circle-plus"
    template = "automation/actions/create_record.html"
    params = frozenset({"form", "values"})

    @staticmethod
    def targets() -> list[tuple[str, str]]:
        return [(form.key, form.label) for form in catalog.all() if form.part_of is None]

    @classmethod
    def blank(cls, form: Form, asked: Mapping[str, str]) -> dict[str, Any]:
        target = catalog.all_forms().get(asked.get("target", ""))
        if target is None:
            return {"action": cls.name}
        # What the new record needs, and how it names this one, stands ready.
        wanted: dict[str, Any] = {}
        for f in cls.fields(target):
            if f.type == "relation" and f.options.get("form") == form.key:
                wanted[f.key] = {"field": "id"}
            elif f.required and f.spec.default is None:
                wanted[f.key] = None
        return {"action": cls.name, "form": target.key, "values": wanted}

    @classmethod
    def of_form(cls, given: Any, slot: str, form: Form) -> dict[str, Any]:
        target = catalog.all_forms().get(given.get(f"{slot}.form", ""))
        doc: dict[str, Any] = {"action": cls.name, "form": given.get(f"{slot}.form", "")}
        if target is not None:
            fields = [f for key in given.getlist(f"{slot}.field") if (f := target.fields.get(key))]
            doc["values"] = values.of_form(given, f"{slot}.value.", fields)
        return doc

    @staticmethod
    def fields(target: Form) -> list[Field]:
        return [f for f in target.fields.values() if not f.readonly]

    @property
    def target(self) -> Form | None:
        return catalog.all_forms().get(str(self.doc.get("form") or ""))

    @property
    def values(self) -> dict[str, Any]:
        found = self.doc.get("values")
        return found if isinstance(found, dict) else {}

    def opened(self, target: Form) -> dict[str, Value]:
        return {
            key: values.read(target.fields[key], raw, self.form)
            for key, raw in self.values.items()
            if key in target.fields
        }

    def check(self) -> None:
        target = self.target
        if target is None or target.part_of is not None:
            raise ActionError(_("请选择要建哪种记录。"), "form")
        allowed = {f.key for f in self.fields(target)}
        check_values(self.values, target, self.form, allowed)
        for f in target.fields.values():
            if f.required and not f.readonly and f.spec.default is None and self.values.get(f.key) in (None, "", []):
                raise ActionError(_("「%(field)s」是必填的，请写明填什么。", field=f.label), f"values.{f.key}")

    def words(self) -> str:
        target = self.target
        if target is None:
            return _("建一条记录")
        parts = [
            _("%(field)s 是 %(value)s", field=value.field.label, value=value.shown())
            for value in self.opened(target).values()
            if value.raw not in (None, "", [])
        ]
        return _("建一条%(form)s（%(values)s）", form=target.one, values=_("，").join(parts))

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        target = self.target
        assert target is not None
        sources = Sources(work.form, ids, work.now, work.actor, work.origin)
        given = {key: value.given(sources) for key, value in self.opened(target).items()}
        rows = {i: {key: value for key, make in given.items() if (value := make(i)) is not None} for i in ids}
        return making.make(target, rows, work)
