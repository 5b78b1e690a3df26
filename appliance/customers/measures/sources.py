"""What a metric is taken over: records of a form that relate to the customer, or what the customer did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _

from ...core.errors import NotFound
from ...forms import catalog, conditions
from ...forms.catalog import Form
from ...forms.conditions import TESTS, Condition, Context, Look, RelatedTest, Step
from ...forms.fields.base import Field
from ..events import columns, kinds
from ..events.condition import EventTest

Make = Callable[[Any], Any]


class Source:
    """``on``: what its rows are dated by unless the metric says otherwise."""

    on: str

    @property
    def label(self) -> str:
        raise NotImplementedError

    def field(self, key: str | None) -> Field:
        """Raises NotFound."""
        raise NotImplementedError

    def test(self) -> Condition:
        """What marks a condition over its rows."""
        raise NotImplementedError

    def dated(self, on: str) -> Condition:
        """What a condition with ``within`` says about what rows are dated by."""
        return {"on": on}

    def words(self, where: Condition) -> str:
        raise NotImplementedError

    def looks(self, keys: set[str]) -> list[Look]:
        """Looks at fields of its rows."""
        return []

    def total(self, doc: Condition, form: Form, source: Any, ctx: Context, make: Make) -> Any:
        """A scalar query for each customer of ``source``: ``make(column)`` over the rows that ``doc`` is about."""
        raise NotImplementedError


class Related(Source):
    """Raises NotFound for a form that is not there, ValueError for one that does not point at customers."""

    on = "created_at"

    def __init__(self, form_key: str, via: str | None) -> None:
        self.form = catalog.get(form_key)
        links = [f for o, f in catalog.pointing(catalog.get("customer")) if o.key == form_key and via in (None, f.key)]
        if not links:
            raise ValueError(
                _("「%(other)s」没有关联到「%(form)s」。", other=self.form.label, form=catalog.get("customer").label)
            )
        self.link, self.via = links[0], via
        if form_key == "order":
            self.on = "paid_at"

    @property
    def label(self) -> str:
        return self.form.label

    def field(self, key: str | None) -> Field:
        found = self.form.field(str(key))
        if found is None:
            raise NotFound(_("「%(form)s」没有字段「%(key)s」。", form=self.form.label, key=key))
        return found.inner

    def test(self) -> Condition:
        return {"related": self.form.key} | ({"via": self.via} if self.via else {})

    def words(self, where: Condition) -> str:
        return conditions.words(where, self.form)

    def looks(self, keys: set[str]) -> list[Look]:
        return [Look(self.form.key, frozenset(keys), (Step(self.form.key, self.link.key, back=True),))] if keys else []

    def total(self, doc: Condition, form: Form, source: Any, ctx: Context, make: Make) -> Any:
        test = TESTS["related"]
        assert isinstance(test, RelatedTest)
        return test.total(doc, form, source, ctx, make)


class Events(Source):
    on = "at"

    def __init__(self, types: list[str]) -> None:
        self.types = types

    @property
    def label(self) -> str:
        known = {kind.key: kind.label for kind in kinds.every().values()}
        return _("、").join(known.get(key, key) for key in self.types)

    def field(self, key: str | None) -> Field:
        found = {"at": columns.AT, "seconds": columns.SECONDS}.get(str(key))
        if found is None:
            raise NotFound(_("互动只有「时间」和「秒数」可以汇总。"))
        return found

    def test(self) -> Condition:
        return {"event": self.types}

    def dated(self, on: str) -> Condition:
        return {}

    def words(self, where: Condition) -> str:
        return columns.words(where)

    def total(self, doc: Condition, form: Form, source: Any, ctx: Context, make: Make) -> Any:
        test = TESTS["event"]
        assert isinstance(test, EventTest)
        return test.total(doc, form, source, ctx, make)
