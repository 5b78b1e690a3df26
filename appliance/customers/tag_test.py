"""The condition ``{"tag": "name"}``: the customer holds the tag; and why."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ..accounts.actor import Actor
from ..core import clock, settings
from ..forms import causes, query
from ..forms.catalog import Form
from ..forms.conditions import Condition, Context, Test, test, visible_field
from ..forms.fields.base import FieldError
from . import tags
from .models import CustomerTag, Tag
from .tag_field import holders


@test
class TagTest(Test):
    name = "tag"

    def _name(self, doc: Condition, form: Form) -> str:
        if form.key != "customer":
            raise FieldError(_("只有客户有标签，「%(form)s」不能按标签筛选。", form=form.label))
        if not isinstance(doc["tag"], str) or not doc["tag"].strip():
            raise FieldError(_("请选择一个标签。"))
        return doc["tag"].strip()

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        visible_field(form, "tags", ctx)
        # A tag that is not there (yet) is held by nobody.
        found = list(tags.ids_of([self._name(doc, form)]).values())
        return holders(form.col("id", source), found, ctx.whole)

    def words(self, doc: Condition, form: Form) -> str:
        return _("有标签「%(tag)s」", tag=doc["tag"])

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        return why(ctx.record_id or 0, str(doc["tag"]))

    def fields(self, doc: Condition, form: Form) -> set[str]:
        return {"tags"}

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        if form.key != "customer" or "tags" not in query.clear(form, actor):
            return []
        names = [["", ""], *([name, name] for name in tags.colors())]
        part = {"at": "tag", "input": "select", "options": names}
        return [{"id": "tag", "group": _("标签"), "label": _("有标签"), "start": {"tag": ""}, "parts": [part]}]


def why(customer_id: int, name: str) -> str:
    """Who or what gave a customer the tag, and when; or that they do not hold it."""
    row = (
        CustomerTag.select(CustomerTag)
        .join(Tag, on=(Tag.id == CustomerTag.tag_id))
        .where(CustomerTag.customer_id == customer_id, Tag.name == name, Tag.deleted_at.is_null())
        .first()
    )
    if row is None:
        return _("没有这个标签")
    at = clock.local(row.at, settings.tz()).strftime("%Y-%m-%d %H:%M")
    return _("%(who)s 在 %(at)s 打上", who=causes.words(row.cause_kind, row.cause_id, row.by), at=at)
