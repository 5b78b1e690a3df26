"""A field of a related record, kept beside the relation that leads to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import dialect
from ...core.db import PARAM
from .base import FieldError, Setting
from .computed import Computed, Needs, Values, describe, reach

if TYPE_CHECKING:
    from ..catalog import Form
    from ..formula.functions import Env


class Lookup(Computed):
    """Options: ``relation`` (a relation field of this form), ``field`` (a field of the form it leads to).

    Its values are of the other field's type. Who may not see the relation or the other field may not see them here.
    """

    type = "lookup"
    name = _l("引用")
    icon = "link"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("relation", "field", _l("通过哪个关联字段")),
            Setting("field", "field", _l("引用它的哪个字段"), _l("那边改了，这里跟着变")),
        )

    def check_options(self) -> None:
        for name in ("relation", "field"):
            if not isinstance(self.options.get(name), str) or not self.options[name]:
                raise FieldError(_("「%(field)s」要指明通过哪个关联字段、引用哪个字段。", field=self.label))

    def find(self, form: Form, forms: dict[str, Form]) -> None:
        relation = form.fields.get(self.options["relation"])
        if relation is None or relation.type != "relation":
            raise ValueError(_("「%(form)s」没有关联字段「%(key)s」。", form=form.label, key=self.options["relation"]))
        target = forms.get(relation.options["form"])
        if target is None:
            raise ValueError(_("「%(field)s」关联的表单已被删除。", field=relation.label))
        other = target.field(self.options["field"])
        if other is None:
            raise ValueError(_("「%(form)s」没有字段「%(key)s」。", form=target.label, key=self.options["field"]))
        reach(target, forms, [other.key])
        if other.problem:
            raise ValueError(_("字段「%(field)s」现在算不出来：%(why)s", field=other.label, why=other.problem))
        if not other.column or other.inner.type == "relation":
            raise ValueError(_("「%(field)s」是%(type)s，不能引用。", field=other.label, type=other.name))
        self.be_like(other)
        self.target = target
        self.other = other.key
        self.needs = Needs({relation.key}, target.key, relation=relation.key, theirs={other.key})
        if other.key in target.fields:
            self.origins = ((form.key, relation.key), (target.key, other.key), *other.origins)
        else:
            self.origins = ((form.key, relation.key), (target.key, ""))
        self.through = (target.key, *other.through)
        self._signature = [target.key, other.key, *describe(other)]

    def fill(self, rows: list[Values], env: Env) -> None:
        relation = str(self.needs.relation)
        ids = {row.get(relation) for row in rows} - {None}
        found: dict[Any, Any] = {}
        if ids:
            form = self.target
            live = form.col("deleted_at").is_null()
            statement = form.statement(
                ("lookup", self.other),
                lambda: form.table.select(form.col("id"), form.col(self.other)).where(
                    dialect.any_of(form.col("id"), PARAM), live
                ),
            )
            with_values = statement.execute(dialect.dumps(sorted(ids)))
            found = dict(with_values.fetchall())
        for row in rows:
            row[self.key] = found.get(row.get(relation))

    def signature(self) -> str:
        return dialect.dumps(["lookup", self.needs.relation, *self._signature])
