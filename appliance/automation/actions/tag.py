"""Gives customers a tag, or takes it away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ...core import dialect
from ...core.errors import UserError
from ...customers import tagging, tags
from ...forms import conditions
from ...forms.catalog import Form
from ...forms.conditions import Context
from .base import Action, ActionError, Effect, Work


class _TagAction(Action):
    template = "automation/actions/tag.html"
    params = frozenset({"tag"})

    @classmethod
    def suits(cls, form: Form) -> bool:
        return form.key == "customer"

    @classmethod
    def of_form(cls, values: Any, slot: str, form: Form) -> dict[str, Any]:
        return {"action": cls.name, "tag": values.get(f"{slot}.tag", "").strip()}

    @property
    def tag(self) -> str:
        return str(self.doc.get("tag") or "").strip()

    def check(self) -> None:
        if not self.tag:
            raise ActionError(_("请选择标签。"), "tag")
        try:
            tags.clean_name(self.tag)
        except UserError as error:
            raise ActionError(error.message, "tag") from error

    def _holds(self, ctx: Context) -> Any:
        return conditions.compile({"tag": self.tag}, self.form, ctx)


class AddTag(_TagAction):
    """``{"action": "add_tag", "tag": "沉默预警"}``. A tag of an exclusive group takes the place of the one that is held;
    one that does not exist yet is made."""

    name = "add_tag"
    label = _l("打标签")
    icon = "tag"

    def words(self) -> str:
        return _("打上标签「%(tag)s」", tag=self.tag)

    def pending(self, ctx: Context) -> Any:
        return dialect.negate(self._holds(ctx))

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        tags.ensure([self.tag])
        return Effect(tagging.add_to(tags.get(self.tag), ids, work.actor, work.cause))


class RemoveTag(_TagAction):
    """``{"action": "remove_tag", "tag": "沉默预警"}``"""

    name = "remove_tag"
    label = _l("去标签")
    icon = "tags"

    def words(self) -> str:
        return _("去掉标签「%(tag)s」", tag=self.tag)

    def pending(self, ctx: Context) -> Any:
        return self._holds(ctx)

    def apply(self, ids: Sequence[int], work: Work) -> Effect:
        if not tags.ids_of([self.tag]):
            return Effect()
        return Effect(tagging.take_from(tags.get(self.tag), ids, work.actor, work.cause))
