"""Links to a record of a form, and to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import dialect
from .base import Field, FieldError

if TYPE_CHECKING:
    from ..conditions import Context


class Relation(Field):
    """A record of the form ``form``: stored as its id. Given as an id or as ``{"<unique field>": value}``.

    ``parse`` only brings the reference into shape; ``relations.resolve`` looks the records up, many at a time.
    """

    type = "relation"
    formula_type = "reference"
    name = _l("关联记录")
    icon = "link"
    column = dialect.INTEGER
    operators = ("eq", "ne", "in", "not_in", "empty", "not_empty")
    value_input = "relation"
    input_template = "forms/fields/relation.html"

    def check_options(self) -> None:
        target = self.options.get("form")
        if not isinstance(target, str) or not target:
            raise FieldError(_("「%(field)s」要指明关联哪个表单。", field=self.label))
        self.target = target

    def parse(self, raw: Any) -> Any:
        if raw is None or raw == "" or raw == {}:
            return None
        if isinstance(raw, bool):
            raise FieldError(_("这里要填关联的记录。"))
        if isinstance(raw, int) and 0 < raw < 2**53:
            return raw
        if isinstance(raw, float) and raw.is_integer():
            return int(raw)
        if isinstance(raw, str) and raw.strip().isdecimal() and len(raw.strip()) < 16:
            return self.parse(int(raw))
        if isinstance(raw, dict) and isinstance(raw.get("id"), int):
            return self.parse(raw["id"])
        if isinstance(raw, dict) and all(isinstance(v, (str, int)) and v != "" for v in raw.values()):
            return raw
        raise FieldError(_('这里要填记录的编号，或 {"字段": "值"}。'))

    def operand(self, value: Any, ctx: Context) -> int | None:
        reference = self.parse(value)
        if isinstance(reference, dict):
            from ..relations import find

            # A reference that names nobody matches nothing.
            return find(self.target, reference) or 0
        return reference

    def render(self, value: Any, record: Any = None) -> Markup:
        if value is None:
            return Markup("")
        title = record.titles.get((self.key, value)) if record is not None else None
        if title is None:
            return Markup('<span class="text-secondary">{}</span>').format(_("不可见"))
        return Markup('<a href="/forms/{}/records/{}">{}</a>').format(self.target, value, title)

    def formula_value(self, value: Any) -> Any:
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string", "object", "null"]}


class Person(Field):
    """A user of this Guke: stored as the user's id. Given as an id, a login or ``{"login": …}``."""

    type = "person"
    name = _l("人员")
    icon = "user"
    column = dialect.INTEGER
    operators = ("eq", "ne", "in", "not_in", "empty", "not_empty")
    value_input = "person"
    needs_database = True
    input_template = "forms/fields/person.html"

    def parse(self, raw: Any) -> int | None:
        from ...accounts import people

        if raw is None or raw == "":
            return None
        if isinstance(raw, dict):
            raw = raw.get("id") or raw.get("login")
        if isinstance(raw, bool) or not isinstance(raw, (int, str)):
            raise FieldError(_("这里要填人员。"))
        found = people.find(raw)
        if found is None:
            raise FieldError(_("没有叫「%(name)s」的人员。", name=str(raw)[:40]))
        return found

    def operand(self, value: Any, ctx: Context) -> int | None:
        if isinstance(value, dict) and value.get("me"):
            return ctx.actor.id if ctx.actor.id is not None else 0
        return self.parse(value)

    def to_api(self, value: Any) -> Any:
        from ...accounts import people

        return None if value is None else people.login(value)

    def format(self, value: Any) -> str:
        from ...accounts import people

        return "" if value is None else people.name(value)

    def form_value(self, value: Any) -> str:
        return "" if value is None else str(value)

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string", "object", "null"]}
