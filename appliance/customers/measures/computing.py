"""Metrics as subjects of the engine that keeps segments, and what else the rooms must know of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee

from ...core import clock, dialect
from ...forms import catalog, records
from ...forms.catalog import Form
from ...forms.conditions import Context, Look
from ...forms.designing import uses
from ...forms.designing.uses import Use
from ..segments import keeping, subjects
from ..segments.subjects import Part, Subject
from . import store
from .definition import Measure
from .models import MeasureRow


class Figure(Subject):
    """A metric as the engine sees it."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self.number = store.number(measure.id)
        self.label = measure.label

    def looks(self) -> list[Look]:
        return self.measure.looks()

    def is_look(self, look: Look) -> bool:
        return look.what == "customer" and look.fields is not None and self.measure.key in look.fields

    def settle(self, part: Part, ctx: Context, depths: dict[int, int]) -> int:
        form = catalog.get("customer")
        if self.measure.key not in form.fields:
            return 0
        source = form.table.alias("c")
        customer = form.col("id", source)
        found = (
            source.select(customer.alias("id"), self.measure.value(form, source, ctx).alias("value"))
            # Who is in the recycle bin is asked again on coming back.
            .where(part.tie(customer), form.col("deleted_at", source).is_null())
            .alias("found")
        )
        value = peewee.Column(found, "value")
        where = (form.col("id") == peewee.Column(found, "id")) & dialect.differs(form.col(self.measure.key), value)
        return records.write_derived(form, {self.measure.key: value}, where & part.tie(form.col("id")), found)

    def next_look(self, form: Form, source: Any, ctx: Context) -> Any:
        return self.measure.next_look(form, source, ctx)


@subjects.provider
def figures() -> list[Subject]:
    return [Figure(measure) for measure in store.all()]


@keeping.after_full
def built(number: int) -> None:
    MeasureRow.update(built_at=clock.now()).where(MeasureRow.id == -number).execute()


@uses.finder
def find(form: Form, key: str | None) -> Iterator[Use]:
    """A metric needs its own field, and those that it counts."""
    customer = catalog.all_forms().get("customer")
    for measure in store.all():
        own = form.key == "customer" and key == measure.key
        if own or (customer and (form.key, key) in _named(measure, customer)):
            yield Use(store.use_words(measure), True)


def _named(measure: Measure, customer: Form) -> set[tuple[str, str | None]]:
    doc = measure.document()
    doc.pop("form", None)
    over = catalog.all_forms().get(measure.form or "")
    if over is None:
        return set()
    return uses.named(doc, over) | {(over.key, None), (over.key, measure.via)}
