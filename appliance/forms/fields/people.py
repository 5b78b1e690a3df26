"""People and departments as values: one or several of each, and the owner of a record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup, escape

from ...accounts import departments, deputies, people
from ...accounts.actor import maybe_actor
from ...core import dialect
from ..models import FieldLink
from .base import Field, FieldError, Setting
from .many import ManyValues

if TYPE_CHECKING:
    from ..conditions import Context
    from ..hooks import Draft

FEW = 12
"""Up to so many people are offered as a plain list, more by searching."""

_AS_LIST = {"eq": "in", "ne": "not_in", "under": "in", "not_under": "not_in"}

_ID = {"type": "integer", "minimum": 1, "maximum": 2**53 - 1}


def _number(raw: Any) -> int | None:
    """The id that a raw value is, if it is one."""
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, str) and raw.strip().isascii() and raw.strip().isdecimal() and len(raw.strip()) < 12:
        raw = int(raw)
    return raw if isinstance(raw, int) and not isinstance(raw, bool) and 0 < raw < 2**53 else None


def find_person(raw: Any) -> int | None:
    """Who is meant by an id, a login, a name or ``{"login": …}``. Raises :class:`FieldError`."""
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


def find_department(raw: Any) -> int | None:
    """The department meant by an id, a name, a path or ``{"name": …}``. Raises :class:`FieldError`."""
    if raw is None or raw == "":
        return None
    if isinstance(raw, dict):
        raw = raw.get("id") or raw.get("name")
    if isinstance(raw, (bool, list, dict)) or raw is None:
        raise FieldError(_("这里要填部门。"))
    number = _number(raw)
    # One that was deleted stays where it was filled in.
    if number is not None and departments.name(number):
        return number
    found = departments.find(str(raw))
    if found is None:
        raise FieldError(_("没有叫「%(name)s」的部门，或者不止一个；可以写成「上级 / 部门」。", name=str(raw)[:40]))
    return found


def person_html(user_id: int) -> Markup:
    """The name; one who can no longer be given work is marked."""
    name = people.name(user_id)
    if people.is_active(user_id) or not name:
        return escape(name)
    return Markup('<span class="former" title="{}">{}</span>').format(_("已停用"), name)


def department_html(department_id: int) -> Markup:
    """The name, with those above it as its tooltip; a deleted one is marked."""
    name = departments.name(department_id)
    if departments.exists(department_id):
        path = departments.path(department_id)
        return Markup('<span title="{}">{}</span>').format(path, name) if path != name else escape(name)
    return Markup('<span class="former" title="{}">{}</span>').format(_("已删除"), name)


class _OfPeople(Field):
    """Conditions whose values are people: ``{"me": true}`` and ``{"my_department": true}`` stand for whoever asks."""

    group = "people"
    value_input = "person"
    needs_database = True
    can_be_public = False

    def meant(self, value: Any, ctx: Context) -> list[int] | None:
        """The ids that a value about the asker stands for; ``None`` for any other value."""
        if not isinstance(value, dict):
            return None
        if value.get("me"):
            return deputies.stands_for(ctx.actor)
        if value.get("my_department"):
            return sorted(departments.people_in(departments.reach_of(ctx.actor.id)))
        return None

    def spelled(self, op: str, value: Any, ctx: Context) -> tuple[str, Any]:
        """The test with the ids that words about the asker stand for."""
        if isinstance(value, list):
            return op, [one for given in value for one in (self._each(given, ctx))]
        found = self.meant(value, ctx)
        return (op, value) if found is None else (_AS_LIST.get(op, op), found)

    def _each(self, value: Any, ctx: Context) -> list[Any]:
        found = self.meant(value, ctx)
        return [value] if found is None else found

    def compile(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        return super().compile(column, *self.spelled(op, value, ctx), ctx)

    def _word(self, value: Any) -> str:
        if isinstance(value, dict) and value.get("me"):
            return _("我")
        if isinstance(value, dict) and value.get("my_department"):
            return _("我部门的人")
        return super()._word(value)

    def choices(self) -> list[tuple[str, list[tuple[int, str]]]]:
        """Who can be chosen, by department."""
        return departments.grouped_people()

    @property
    def few(self) -> bool:
        return len(people.active()) <= FEW

    pick = "people"
    """What the input searches: ``/pick/people``."""


class Person(_OfPeople):
    """A user of this Guke: stored as the user's id. Given as an id, a login or ``{"login": …}``."""

    type = "person"
    name = _l("人员")
    icon = "user"
    column = dialect.INTEGER
    operators = ("eq", "ne", "in", "not_in", "empty", "not_empty")
    input_template = "forms/fields/person.html"

    def parse(self, raw: Any) -> int | None:
        return find_person(raw)

    def to_api(self, value: Any) -> Any:
        return None if value is None else people.login(value)

    def format(self, value: Any) -> str:
        return "" if value is None else people.name(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup("") if value is None else person_html(value)

    def form_value(self, value: Any) -> str:
        return "" if value is None else str(value)

    def title_of(self, typed: Any) -> str:
        """The name of what the input holds."""
        number = _number(typed)
        return people.name(number) if number else ""

    def schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string", "object", "null"]}


class Owner(Person):
    """Who answers for the record. A new record is its creator's, unless it says otherwise."""

    type = "owner"
    name = _l("负责人")
    icon = "user-star"

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting(
                "creator", "yes_no", _l("默认是创建人"), _l("没有填时，新记录归创建它的人。"), start=True,
            ),
        )  # fmt: skip

    def check_options(self) -> None:
        self.creator = self.options.get("creator", True)
        # Offered to whoever fills in the form, who may leave it empty; what machines write is nobody's.
        self.offered = self.options.get("offered", self.creator)
        for name, value in (("creator", self.creator), ("offered", self.offered)):
            if not isinstance(value, bool):
                raise FieldError(_("「%(name)s」只能是 true 或 false。", name=name))

    def default(self) -> Any:
        if self.spec.default is not None or not self.offered:
            return super().default()
        actor = maybe_actor()
        return actor.id if actor else None

    def complete(self, draft: Draft) -> None:
        if draft.action != "create" or not self.creator or draft.actor.id is None:
            return
        given = draft.columns.get(self.key) or [None] * draft.size
        draft.columns[self.key] = [draft.actor.id if value is None else value for value in given]


class Persons(_OfPeople, ManyValues):
    """Several people, in the order in which they were chosen."""

    type = "persons"
    name = _l("多个人员")
    icon = "users"
    model = FieldLink
    input_template = "forms/fields/several.html"
    scripts = ("several.js",)

    def parse_item(self, raw: Any) -> Any:
        return find_person(raw)

    def format_item(self, value: Any) -> str:
        return people.name(value)

    def render_item(self, value: Any) -> Markup:
        return Markup('<span class="tag tag-gray">{}</span>').format(person_html(value))

    def item_to_api(self, value: Any) -> Any:
        return people.login(value)

    def item_schema(self) -> dict[str, Any]:
        return {"type": ["integer", "string", "object"]}

    def compile_unsaved(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        return super().compile_unsaved(column, *self.spelled(op, value, ctx), ctx)

    def title_of(self, typed: Any) -> str:
        number = _number(typed)
        return people.name(number) if number else str(typed)


class _OfDepartments(_OfPeople):
    value_input = "department"
    pick = "departments"

    def meant(self, value: Any, ctx: Context) -> list[int] | None:
        if isinstance(value, dict) and value.get("my_department"):
            return sorted(departments.reach_of(ctx.actor.id))
        return None

    def _word(self, value: Any) -> str:
        if isinstance(value, dict) and value.get("my_department"):
            return _("我的部门")
        return super()._word(value)

    def choices(self) -> list[tuple[str, list[tuple[int, str]]]]:
        return [("", departments.choices())]

    @property
    def few(self) -> bool:
        return True

    def title_of(self, typed: Any) -> str:
        number = _number(typed)
        return departments.name(number) if number else str(typed or "")


class Department(_OfDepartments):
    """A department: stored as its id. Given as an id, a name or a path (``销售部 / 华东组``)."""

    type = "department"
    name = _l("部门")
    icon = "sitemap"
    column = dialect.INTEGER
    operators = ("under", "not_under", "eq", "ne", "in", "not_in", "empty", "not_empty")
    input_template = "forms/fields/person.html"

    def parse(self, raw: Any) -> int | None:
        return find_department(raw)

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "under":
            return column.in_(sorted(departments.below(self._needed(value, ctx))))
        return super().compile_positive(column, op, value, ctx)

    def format(self, value: Any) -> str:
        return "" if value is None else departments.path(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        return Markup("") if value is None else department_html(value)

    def form_value(self, value: Any) -> str:
        return "" if value is None else str(value)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [_ID, {"type": ["string", "object", "null"]}]}


class Departments(_OfDepartments, ManyValues):
    """Several departments."""

    type = "departments"
    name = _l("多个部门")
    icon = "hierarchy-2"
    model = FieldLink
    input_template = "forms/fields/several.html"
    scripts = ("several.js",)

    def parse_item(self, raw: Any) -> Any:
        return find_department(raw)

    def format_item(self, value: Any) -> str:
        return departments.path(value)

    def render_item(self, value: Any) -> Markup:
        return Markup('<span class="tag tag-gray">{}</span>').format(department_html(value))

    def item_schema(self) -> dict[str, Any]:
        return {"anyOf": [_ID, {"type": ["string", "object"]}]}

    def compile_unsaved(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        return super().compile_unsaved(column, *self.spelled(op, value, ctx), ctx)
