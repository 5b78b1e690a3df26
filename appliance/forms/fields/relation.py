"""Links to a record of a form, and to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup

from ...core import dialect
from ...core.i18n import label as i18n_label
from .base import Field, FieldError, Setting, is_label

if TYPE_CHECKING:
    from ..catalog import Form
    from ..conditions import Context


def read_inverse(field: Field) -> dict[str, Any]:
    """The option ``inverse``: ``{"key", "label"}``, or the label alone. Raises FieldError."""
    inverse = field.options.get("inverse") or {}
    if isinstance(inverse, str):
        return {"label": inverse}
    if (
        not isinstance(inverse, dict)
        or not is_label(inverse.get("label"))
        or not isinstance(inverse.get("key", ""), str)
    ):
        raise FieldError(_('「%(field)s」的反向名称要写成文字，或 {"key": …, "label": …}。', field=field.label))
    return inverse


def scripts_of(form_key: str) -> list[str]:
    """What the dialog for a new record of that form needs."""
    from .. import catalog

    form = catalog.all_forms().get(form_key)
    return [name for f in form.fields.values() for name in f.scripts] if form else []


def read_reference(raw: Any) -> Any:
    """An id, or ``{"<unique field>": value}``; blank gives ``None``. Raises FieldError."""
    if raw is None or raw == "" or raw == {}:
        return None
    if isinstance(raw, bool):
        raise FieldError(_("这里要填关联的记录。"))
    if isinstance(raw, int) and 0 < raw < 2**53:
        return raw
    if isinstance(raw, float) and raw.is_integer():
        return int(raw)
    if isinstance(raw, str) and raw.strip().isdecimal() and len(raw.strip()) < 16:
        return read_reference(int(raw))
    if isinstance(raw, dict) and isinstance(raw.get("id"), int):
        return read_reference(raw["id"])
    if isinstance(raw, dict) and all(isinstance(v, (str, int)) and v != "" for v in raw.values()):
        return raw
    raise FieldError(_('这里要填记录的编号，或 {"字段": "值"}。'))


def find_reference(form_key: str, reference: Any, ctx: Context) -> int | None:
    """The id that a condition's value stands for; a reference that names nobody its author sees matches nothing."""
    if isinstance(reference, dict):
        from ..relations import find

        return find(form_key, reference, ctx.actor) or 0
    return None if reference is None else int(reference)


class Pointing(Field):
    """What points at records of the form ``form``, whether at one or at several."""

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        return (
            Setting("form", "form", _l("关联哪个表单")),
            Setting("inverse", "text", _l("在对方页面上的名称"), help=_l("例如订单关联客户时，客户页面上这一列叫“订单”。")),
        )  # fmt: skip

    def check_options(self) -> None:
        target = self.options.get("form")
        if not isinstance(target, str) or not target:
            raise FieldError(_("「%(field)s」要指明关联哪个表单。", field=self.label))
        self.target = target
        self.inverse = read_inverse(self)

    def input_scripts(self) -> tuple[str, ...]:
        return (*self.scripts, *scripts_of(self.target))

    @property
    def points_at(self) -> str | None:
        return self.target

    @property
    def inverse_label(self) -> str:
        return i18n_label(self.inverse.get("label")) if self.inverse else ""


class Relation(Pointing):
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
    can_be_public = False
    scripts = ("relations.js",)
    group = "relation"

    def pointing(self, form: Form, source: Any, targets: Any) -> Any:
        """An expression: the record in ``source`` points at one of ``targets`` (a select of ids)."""
        return form.col(self.key, source).in_(targets)

    def pairs(self, form: Form, source: Any) -> tuple[Any, Any]:
        """``source`` so that each row is a record with one that it points at, and the column with that one's id."""
        return source, form.col(self.key, source)

    def parse(self, raw: Any) -> Any:
        return read_reference(raw)

    def operand(self, value: Any, ctx: Context) -> int | None:
        return find_reference(self.target, self.parse(value), ctx)

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
