"""Writes fields of the records that are related to a record, one way or the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...accounts.actor import SYSTEM
from ...core import dialect
from ...core.db import db
from ...forms import catalog, conditions
from ...forms.catalog import Form
from ...forms.conditions import Context
from ...forms.fields.base import Field
from . import values
from .base import Action, ActionError, Effect, Work
from .set import Set, check_values, write_values
from .values import Sources, Value

CHUNK = 1000


class UpdateRelated(Action):
    """``{relation: field, where?, values}``: the record that this field names (an order's customer); or ``{form, via?: field,
    where?, values}``: the records of a form that name this one (a customer's open tasks), by their field ``via``.

    ``values`` as in ``set``; ``{"field": "x"}`` takes the value from this record.
    """

    name = "update_related"
    label = _l("修改相关记录")
    icon = "relation-one-to-many"
    template = "automation/actions/update_related.html"
    params = frozenset({"relation", "form", "via", "where", "values"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return bool(cls.targets(form))

    @staticmethod
    def targets(form: Form) -> list[tuple[str, str]]:
        """What the inputs offer: ``out:<field>`` and ``in:<form>.<field>``."""
        out = [
            (f"out:{key}", _("它的%(field)s", field=f.label))
            for key, f in form.columns.items()
            if f.type == "relation" and f.options.get("form") in catalog.all_forms()
        ]
        back = [
            (f"in:{other.key}.{f.key}", _("它的%(form)s（按「%(field)s」）", form=other.many, field=f.label))
            for other, f in catalog.inverse(form)
            if other.part_of is None
        ]
        return out + back

    @classmethod
    def blank(cls, form: Form, asked: Mapping[str, str]) -> dict[str, Any]:
        return {"action": cls.name} | cls._of_target(asked.get("target", ""))

    @staticmethod
    def _of_target(text: str) -> dict[str, Any]:
        way, _colon, name = text.partition(":")
        if way == "out":
            return {"relation": name}
        form_key, _dot, field = name.partition(".")
        return {"form": form_key, "via": field} if way == "in" else {}

    @classmethod
    def of_form(cls, given: Any, slot: str, form: Form) -> dict[str, Any]:
        from ..editing import condition

        doc: dict[str, Any] = {"action": cls.name} | cls._of_target(given.get(f"{slot}.target", ""))
        target = cls(doc, form).target
        if target is not None:
            fields = [f for key in given.getlist(f"{slot}.field") if (f := target.fields.get(key))]
            doc["values"] = values.of_form(given, f"{slot}.value.", fields)
            if where := condition(given, f"{slot}.where"):
                doc["where"] = where
        return doc

    @property
    def chosen(self) -> str:
        """The target as the inputs name it."""
        if self.doc.get("relation"):
            return f"out:{self.doc['relation']}"
        via = self.via
        return f"in:{self.doc.get('form')}.{via.key}" if via else ""

    @property
    def leading(self) -> Field | None:
        """The relation of this form that leads to the records."""
        f = self.form.columns.get(str(self.doc.get("relation") or ""))
        return f if f is not None and f.type == "relation" else None

    @property
    def via(self) -> Field | None:
        """The relation of the other form that leads here."""
        named, key = self.doc.get("via"), self.doc.get("form")
        found = [f for other, f in catalog.inverse(self.form) if other.key == key]
        if named:
            return next((f for f in found if f.key == named), None)
        return next((f for f in found if f.key == self.form.key), found[0] if found else None)

    @property
    def target(self) -> Form | None:
        if self.doc.get("relation"):
            return catalog.all_forms().get(str(self.leading.options["form"])) if self.leading else None
        return catalog.all_forms().get(str(self.doc.get("form"))) if self.via else None

    @staticmethod
    def fields(target: Form) -> list[Field]:
        return Set.fields(target)

    @property
    def values(self) -> dict[str, Any]:
        found = self.doc.get("values")
        return found if isinstance(found, dict) else {}

    @property
    def where(self) -> dict[str, Any]:
        found = self.doc.get("where")
        return found if isinstance(found, dict) else {}

    def opened(self, target: Form) -> dict[str, Value]:
        return {
            key: values.read(target.fields[key], raw, self.form)
            for key, raw in self.values.items()
            if key in target.fields
        }

    def check(self) -> None:
        if bool(self.doc.get("relation")) == bool(self.doc.get("form")):
            raise ActionError(_("请选择修改哪些相关记录。"), "relation")
        target = self.target
        if target is None:
            path = "relation" if self.doc.get("relation") else "form"
            raise ActionError(_("「%(form)s」没有这样的关联，请从列表中选择。", form=self.form.label), path)
        if not self.values:
            raise ActionError(_("请选择要修改的字段。"), "values")
        check_values(self.values, target, self.form, {f.key for f in Set.fields(target)})
        for key, raw in self.values.items():
            if values.More.reads(target.fields[key], raw):
                # What is added to stands in the related record, which several records may share.
                raise ActionError(_("相关记录只能改成一个值，不能加减。"), f"values.{key}")
        if self.doc.get("where") is not None:
            try:
                conditions.validate(self.doc["where"], target)
            except conditions.ConditionError as error:
                raise ActionError(error.message, f"where.{error.path}" if error.path else "where") from error

    def words(self) -> str:
        target = self.target
        if target is None:
            return _("修改相关记录")
        what = _("，").join(value.words() for value in self.opened(target).values())
        if self.leading is not None:
            return _("修改它的%(field)s：%(what)s", field=self.leading.label, what=what)
        if self.where:
            text = conditions.words(self.where, target).strip()
            return _("修改它的%(form)s（%(where)s）：%(what)s", form=target.many, where=text, what=what)
        return _("修改它的%(form)s：%(what)s", form=target.many, what=what)

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        target = self.target
        assert target is not None
        pairs = self._pairs(ids, target, work)
        effect, opened = Effect(), self.opened(target)
        sources = Sources(work.form, ids, work.now, work.actor, work.origin)
        found = list(pairs)
        owners: dict[int, set[int]] = defaultdict(set)
        for start in range(0, len(found), CHUNK):
            part = {i: next(iter(pairs[i])) for i in found[start : start + CHUNK]}
            done = write_values(target, part, opened, sources, work)
            for i in done.changed:
                owners[i] |= pairs[i]
            for i, why in done.failed.items():
                effect.failed |= dict.fromkeys(pairs[i], why)
        effect.changed = set().union(*owners.values()) if owners else set()
        return effect

    def _pairs(self, ids: Sequence[int], target: Form, work: Work) -> dict[int, set[int]]:
        """Related record → the records that it is related to, of those that meet the condition."""
        form, t = work.form, target.table.alias("related")
        ctx = Context(work.actor or SYSTEM, now=work.now)
        test = conditions.compile(self.where, target, ctx, t) if self.where else None
        tests = [target.col("deleted_at", t).is_null(), *([] if test is None else [test])]
        pairs: dict[int, set[int]] = defaultdict(set)
        if self.leading is not None:
            rows = form.table.select(form.col(self.leading.key), form.col("id")).where(
                dialect.among(form.col("id"), ids), form.col(self.leading.key).is_null(False)
            )
            named: dict[int, set[int]] = defaultdict(set)
            for related, record_id in rows.tuples().execute(db):
                named[related].add(record_id)
            wanted = t.select(target.col("id", t)).where(dialect.among(target.col("id", t), list(named)), *tests)
            for (related,) in wanted.tuples().execute(db):
                pairs[related] = named[related]
            return pairs
        via = self.via
        assert via is not None
        column = target.col(via.key, t)
        rows = t.select(target.col("id", t), column).where(dialect.among(column, list(ids)), *tests)
        for related, record_id in rows.tuples().execute(db):
            pairs[related].add(record_id)
        return pairs
