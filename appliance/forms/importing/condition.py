"""The condition ``{"import": 12}``: the record was made or changed by that import."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ..catalog import Form
from ..conditions import Condition, Context, Test, test
from ..fields.base import FieldError
from ..models import Change
from .models import Import


@test
class ImportTest(Test):
    name = "import"

    def _id(self, doc: Condition) -> int:
        if isinstance(doc["import"], bool) or not isinstance(doc["import"], int):
            raise FieldError(_("请给出导入的编号。"))
        return doc["import"]

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        touched = Change.select(Change.record_id).where(
            Change.cause_kind == "import", Change.cause_id == self._id(doc), Change.form_id == form.id
        )
        return form.col("id", source).in_(touched)

    def words(self, doc: Condition, form: Form) -> str:
        row = Import.get_or_none(Import.id == self._id(doc))
        return _("来自导入「%(file)s」", file=row.file_name) if row else _("来自导入 %(id)s", id=doc["import"])
