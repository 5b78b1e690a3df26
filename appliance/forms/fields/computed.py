"""What formula, lookup and rollup share: a real column whose values follow from others, read as the type they result in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from msgspec import Struct, field
from msgspec.structs import replace

from ...core import dialect
from .base import Field, Setting, Spec
from .text import Text

if TYPE_CHECKING:
    from ..catalog import Form
    from ..conditions import Context
    from ..formula.functions import Env

Values = dict[str, Any]
OPEN = Setting("open", "yes_no", _l("看不到来源字段的人也能看到结果"), _l("不勾选时，看不到来源字段的人也看不到这里"))


class Circle(Exception):
    """Fields that are computed from each other. ``path``: the members found so far, the last one first."""

    def __init__(self, start: Computed) -> None:
        super().__init__()
        self.start = start
        self.path: list[Computed] = []


class Needs(Struct):
    """What a computed field follows from.

    ``own``: fields of the same record. ``relation``: the own field that leads to ``form``, for a lookup; ``via``: the field of
    ``form`` that leads here, for a rollup. ``theirs``: fields of the records over there.
    """

    own: set[str] = field(default_factory=set)
    form: str | None = None
    relation: str | None = None
    via: str | None = None
    theirs: set[str] = field(default_factory=set)


class Computed(Field):
    """``bind`` finds what it is computed from; until then, and while it has a ``problem``, it is empty."""

    group: ClassVar[str] = "computed"
    computed: ClassVar[bool] = True
    column: ClassVar[str | None] = dialect.ANY
    can_be_unique = False
    input_template = "forms/fields/computed.html"
    icon = "math-function"

    def __init__(self, spec: Spec) -> None:
        spec.readonly = True
        spec.required = spec.unique = False
        spec.default = None
        self._inner: Field = Text(Spec(spec.key, spec.label, "text"))
        self._bound = self._binding = False
        self.needs = Needs()
        self.moving = False
        """Whether the values change as time goes by."""
        self.speaks = False
        """Whether the values have words of the company's language in them."""
        self.waits = False
        """Whether the problem is a form that is not there yet."""
        super().__init__(spec)

    @property
    def inner(self) -> Field:
        return self._inner

    def be_like(self, other: Field, **options: Any) -> None:
        """Values are those of ``other`` from here on, under this field's own key and label."""
        from . import build

        spec = other.inner.spec
        self._inner = build(
            replace(
                spec, key=self.key, label=self.spec.label, required=False, unique=False, default=None, readonly=True,
                options={**{k: v for k, v in spec.options.items() if k not in _RULES}, **options},
            )
        )  # fmt: skip

    def bind(self, form: Form, forms: dict[str, Form]) -> None:
        if self._bound:
            return
        if self._binding:
            raise Circle(self)
        self._binding = True
        try:
            self.find(form, forms)
        except Circle as circle:
            circle.path.append(self)
            if circle.start is not self:
                raise
            names = [f.label for f in reversed(circle.path)]
            for member in circle.path:
                member.problem = _(
                    "它和别的字段互相引用，绕成了一圈：%(names)s。", names=" → ".join([*names, names[0]])
                )
        except ValueError as error:
            self.problem = str(error)
        finally:
            self._binding, self._bound = False, True

    def find(self, form: Form, forms: dict[str, Form]) -> None:
        """Finds what the field is computed from, binding that first. Raises ValueError with the sentence of the problem."""
        raise NotImplementedError

    def empty(self) -> Any:
        """The value where there is nothing to compute it from."""
        return None

    def fill(self, rows: list[Values], env: Env) -> None:
        """Computes the field of each row of stored values, in place. Those it needs are there. Inside ``compiling.running``."""
        raise NotImplementedError

    def signature(self) -> str:
        """Changes whenever existing records must be computed again."""
        raise NotImplementedError

    # -- as what it results in ----------------------------------------------------------------------------------

    @property
    def operators(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._inner.operators

    @property
    def operator_words(self) -> dict[str, Any]:  # type: ignore[override]
        return self._inner.operator_words

    @property
    def align(self) -> str:  # type: ignore[override]
        return self._inner.align

    @property
    def sortable(self) -> bool:  # type: ignore[override]
        return self._inner.sortable

    @property
    def value_input(self) -> str:  # type: ignore[override]
        return self._inner.value_input

    @property
    def aggregates(self) -> tuple[str, ...]:  # type: ignore[override]
        return self._inner.aggregates

    @property
    def formula_type(self) -> str | None:  # type: ignore[override]
        return self._inner.formula_type

    def parse(self, raw: Any) -> Any:
        return self._inner.parse(raw)

    def to_api(self, value: Any) -> Any:
        return self._inner.to_api(value)

    def format(self, value: Any) -> str:
        return self._inner.format(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        return self._inner.render(value, record)

    def text(self, value: Any, record: Any) -> str:
        return self._inner.text(value, record)

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        return self._inner.render_whole(value, record)

    def form_value(self, value: Any) -> str:
        return self._inner.form_value(value)

    def formula_value(self, value: Any) -> Any:
        return self._inner.formula_value(value)

    def schema(self) -> dict[str, Any]:
        return self._inner.schema() | {"readOnly": True}

    def value_choices(self) -> list[tuple[str, str]] | None:
        return self._inner.value_choices()

    def operand(self, value: Any, ctx: Context) -> Any:
        return self._inner.operand(value, ctx)

    def compile(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        return self._inner.compile(column, op, value, ctx)

    def next_look(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        return self._inner.next_look(column, op, value, ctx)

    def operator_word(self, op: str) -> str:
        return self._inner.operator_word(op)

    def operand_words(self, op: str, value: Any) -> str:
        return self._inner.operand_words(op, value)


_RULES = frozenset(
    ("min", "max", "min_length", "max_length", "pattern", "message", "show_if", "require_if", "lock_if", "default_formula",
     "section", "placeholder", "width", "formula", "result", "relation", "field", "open")
)  # fmt: skip
"""Options of a field that are not about what its values are."""


def reach(form: Form, forms: dict[str, Form], keys: Iterable[str]) -> None:
    """Binds fields that another one is computed from. Raises :class:`Circle`."""
    for key in keys:
        f = form.field(key)
        if f is not None:
            f.bind(form, forms)


def describe(f: Field) -> list[Any]:
    """What a signature says of a field that another one is computed from."""
    return [f.inner.type, getattr(f.inner, "digits", 0), f.problem]
