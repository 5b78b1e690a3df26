"""The condition ``{"segment": key}``: the customer is in the segment, as it stands now; and why."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from peewee import Value

from ...accounts import permissions
from ...accounts.actor import Actor
from ...core import clock, settings
from ...core.errors import NotFound
from ...forms import catalog, conditions
from ...forms.catalog import Form
from ...forms.conditions import Condition, Context, Look, Test, test
from ...forms.fields.base import FieldError
from . import store
from .models import SegmentMember
from .store import Segment


def looked_at(segment_id: int) -> str:
    """What a condition that names the segment looks at (``conditions.Look.what``)."""
    return f"@segment:{segment_id}"


@test
class SegmentTest(Test):
    name = "segment"

    def _segment(self, doc: Condition, form: Form) -> Segment:
        if form.key != "customer":
            raise FieldError(_("只有客户有客群，「%(form)s」不能按客群筛选。", form=form.label))
        if not isinstance(doc["segment"], str) or not doc["segment"]:
            raise FieldError(_("请选择一个客群。"))
        try:
            return store.get(doc["segment"])
        except NotFound as error:
            raise FieldError(error.message) from error

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        inside = SegmentMember.segment_id == self._segment(doc, form).id
        mine = ctx.tied(SegmentMember.customer_id)
        if mine is not None:
            inside &= mine
        return form.col("id", source).in_(SegmentMember.select(SegmentMember.customer_id).where(inside))

    def words(self, doc: Condition, form: Form) -> str:
        try:
            return _("在客群「%(segment)s」中", segment=self._segment(doc, form).label)
        except FieldError:
            return _("在客群「%(segment)s」中", segment=doc["segment"])

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        since = (
            SegmentMember.select(SegmentMember.since)
            .where(
                SegmentMember.segment_id == self._segment(doc, form).id,
                SegmentMember.customer_id == Value(ctx.record_id or 0),
            )
            .scalar()
        )
        if since is None:
            return _("不在其中")
        return _("%(at)s 加入", at=clock.local(since, settings.tz()).strftime("%Y-%m-%d %H:%M"))

    def fields(self, doc: Condition, form: Form) -> set[str]:
        return set()

    def looks(self, doc: Condition, form: Form) -> list[Look]:
        return [Look(looked_at(self._segment(doc, form).id))]

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        if form.key != "customer" or not permissions.can(actor, "see", "customer"):
            return []
        names = [["", ""], *([s.key, s.label] for s in store.all())]
        part = {"at": "segment", "input": "select", "options": names}
        return [
            {"id": "segment", "group": _("客群"), "label": _("在客群中"), "start": {"segment": ""}, "parts": [part]}
        ]

    def virtual(self, form: Form, actor: Actor) -> dict[str, Any]:
        """A set of segments: a condition that asks for nothing else."""
        entries = [{"test": self.name, **entry} for entry in self.builder(form, actor)]
        return {VIRTUAL: {"label": _("客群"), "fields": [], "tests": entries}} if entries else {}

    def virtual_words(self, key: str, where: Condition, actor: Actor) -> str | None:
        if key != VIRTUAL:
            return None
        form = catalog.get("customer")
        conditions.validate(where, form, actor)
        return conditions.words(where, form)


VIRTUAL = "_segment"
