"""What a field type is. One file a type; ``__init__`` lists them. Nobody else asks "which type?"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext
from markupsafe import Markup, escape
from msgspec import Struct, field

from ...core import dialect
from ...core.i18n import label as i18n_label
from ..parsing import clean
from .errors import FieldError
from .patterns import LONGEST_VALUE, compile_pattern

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ..conditions import Context
    from ..hooks import Draft

__all__ = ["ORDERED", "Field", "FieldError", "Setting", "Spec"]

Label = str | dict[str, str]

NEGATIVE = {
    "ne": "eq",
    "not_in": "in",
    "not_contains": "contains",
    "empty": "not_empty",
    "not_within": "within",
    "has_none": "has_any",
    "not_under": "under",
}
"""Operators that are the complement of another: an absent value satisfies them."""

OPERATOR_WORDS = {
    "eq": lazy_pgettext("operator", "是"),
    "ne": _l("不是"),
    "in": _l("是其中之一"),
    "not_in": _l("不是其中任何一个"),
    "lt": _l("小于"),
    "lte": _l("不超过"),
    "gt": _l("大于"),
    "gte": _l("不低于"),
    "between": _l("介于"),
    "contains": _l("包含"),
    "not_contains": _l("不包含"),
    "starts_with": _l("开头是"),
    "empty": _l("为空"),
    "not_empty": _l("不为空"),
    "within": _l("在最近"),
    "not_within": _l("不在最近"),
    "next": _l("在未来"),
    "this": _l("在本"),
    "last": _l("在上一"),
    "anniversary_within": _l("周年日在未来"),
    "has_any": _l("含有任一"),
    "has_all": _l("同时含有"),
    "has_none": _l("不含任何"),
    "ends_with": _l("结尾是"),
    "near": _l("距离"),
    "under": _l("属于"),
    "not_under": _l("不属于"),
}


def raw_text(raw: Any) -> str:
    """The text of a raw value; a whole float (spreadsheets make floats of numbers) has no ``.0``."""
    if type(raw) is str:
        return clean(raw)
    if raw is None:
        return ""
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < 1e15:
        return str(int(raw))
    return str(raw)


def is_label(value: Any) -> bool:
    """Whether a value can stand as a label: text, or text by language; ``None`` is none at all."""
    if isinstance(value, dict):
        return bool(value) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())
    return value is None or isinstance(value, str)


class Setting(Struct, frozen=True):
    """One option of a field type, as the designer asks for it. ``key``: the option in the field's document.

    ``kind``: text, long_text, number, yes_no, choice, choices_editor, form, field, fields, formula, condition, pattern,
    color or tree. ``choices``: ``(value, label)`` pairs. ``start``: what it is when nobody said.
    """

    key: str
    kind: str
    label: Any
    help: Any = ""
    choices: tuple[tuple[str, Any], ...] = ()
    start: Any = None


class Spec(Struct):
    """A field's definition, in the shape of an app package's *field* (unknown keys are the type's options)."""

    key: str
    label: Label
    type: str
    required: bool = False
    unique: bool = False
    indexed: bool = False
    readonly: bool = False
    default: Any = None
    help: Label | None = None
    options: dict[str, Any] = field(default_factory=dict)
    system: bool = False
    id: int | None = None
    position: int = 0

    PLAIN: ClassVar[tuple[str, ...]] = (
        "key", "label", "type", "required", "unique", "indexed", "readonly", "default", "help", "system",
    )  # fmt: skip

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Spec:
        """Raises :class:`FieldError` for a document that is no definition."""
        for name in ("key", "type"):
            if not isinstance(doc.get(name), str):
                raise FieldError(_("字段要有「%(name)s」，写成文字。", name=name))
        for name in ("label", "help"):
            if not is_label(doc.get(name, doc["key"])):
                raise FieldError(_('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name=name))
        for name in ("required", "unique", "indexed", "readonly", "system"):
            if not isinstance(doc.get(name, False), bool):
                raise FieldError(_("「%(name)s」只能是 true 或 false。", name=name))
        plain = {"label": doc["key"]} | {k: doc[k] for k in cls.PLAIN if k in doc}
        return cls(**plain, options={k: v for k, v in doc.items() if k not in cls.PLAIN})

    def document(self) -> dict[str, Any]:
        """The definition as the API and app packages print it; what is at its default is left out."""
        doc: dict[str, Any] = {"key": self.key, "label": self.label, "type": self.type}
        for name in ("required", "unique", "indexed", "readonly", "system"):
            if getattr(self, name):
                doc[name] = True
        for name in ("default", "help"):
            if getattr(self, name) is not None:
                doc[name] = getattr(self, name)
        return doc | self.options


class Field:
    """One field of one form.

    A *stored* value is what the column holds: ``None`` (absent), ``str``, ``int`` or ``float``. A type overrides what
    it needs; the defaults are those of a line of text.
    """

    type: ClassVar[str]
    name: ClassVar[Any]
    """The type's name for people (lazy text)."""
    icon: ClassVar[str] = "letter-t"
    column: ClassVar[str | None] = dialect.TEXT
    """The SQL type, or ``None`` when the values live in a link table."""
    operators: ClassVar[tuple[str, ...]] = ("eq", "ne", "in", "not_in", "empty", "not_empty")
    align: ClassVar[str] = "left"
    sortable: ClassVar[bool] = True
    input_template: ClassVar[str] = "forms/fields/text.html"
    written: ClassVar[bool] = True
    """Whether text is typed into the input, so that it can show a hint while it is empty."""
    value_input: ClassVar[str] = "text"
    """How the condition builder asks for a value: text, number, date, datetime, time, month, duration, choice, person,
    relation, none."""
    value_pick: ClassVar[str] = ""
    """What a condition's value is looked up in: a kind of ``choosing``."""
    aggregates: ClassVar[tuple[str, ...]] = ("count", "distinct")
    buckets: ClassVar[tuple[str, ...]] = ()
    """The periods that records can be grouped into by the values."""
    operator_words: ClassVar[dict[str, Any]] = {}
    """Words of operators that read differently for this type."""
    multiple: ClassVar[bool] = False
    needs_database: ClassVar[bool] = False
    """Whether ``parse`` asks the database: an import's reader process, which has none, leaves such values alone."""
    revealable: ClassVar[bool] = False
    """Whether the value is masked for everybody, and shown whole on demand (``forms.revealing``)."""
    searchable: ClassVar[bool] = True
    """Whether quick search may look into what is stored."""
    scripts: ClassVar[tuple[str, ...]] = ()
    """Files of ``static/js/inputs`` that the input needs."""

    # What the designer knows of a type.
    group: ClassVar[str] = "basic"
    """Where the palette shows it: basic, number, time, choice, people, contact, relation, file, computed."""
    addable: ClassVar[bool] = True
    only_forms: ClassVar[tuple[str, ...] | None] = None
    """Keys of the only forms that can have such a field."""
    computed: ClassVar[bool] = False
    """Whether the value follows from other values (the form shows it while it is filled in)."""
    moves_along: ClassVar[bool] = False
    """Whether the values are rows of their own that go along when a record is merged into another (``forms.merging``)."""
    can_be_public: ClassVar[bool] = True
    """Whether strangers can be asked for it: not when the value is chosen from the company's own records or people."""
    can_be_unique: ClassVar[bool] = True
    can_be_indexed: ClassVar[bool] = True
    rules: ClassVar[tuple[str, ...]] = ()
    """Those of min, max, min_length, max_length and pattern that its values can be held to."""

    # What formulas know of a type.
    formula_type: ClassVar[str | None] = "text"
    """What a formula reads a value as (``formula.compiling``); ``None``: formulas cannot use it."""
    problem: str = ""
    """Why the field's value cannot be computed at present, as a sentence; such a field is empty."""
    origins: tuple[tuple[str, str], ...] = ()
    """Form and field of the values that the field repeats: who may not see those may not see these."""
    through: tuple[str, ...] = ()
    """Forms of which the value repeats a single record's, the nearest first: who sees only some of those records must not
    learn of the others here."""

    @classmethod
    def settings(cls) -> tuple[Setting, ...]:
        """The type's own options, in the order in which the designer asks for them."""
        return ()

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.key = spec.key
        self.required = spec.required
        self.unique = spec.unique
        self.indexed = spec.indexed or spec.unique
        self.readonly = spec.readonly
        self.options = spec.options
        self.check_options()
        if not isinstance(self.options.get("personal", False), bool):
            raise FieldError(_("「%(name)s」只能是 true 或 false。", name="personal"))
        self._limits = self._read_rules()
        if self._limits:
            self._hold_to_rules()

    # -- definition ---------------------------------------------------------------------------------------------

    def check_options(self) -> None:
        """Raises :class:`FieldError` when the type's own options make no sense."""

    def _read_rules(self) -> dict[str, Any]:
        given = {name: self.options.get(name) for name in self.rules}
        try:
            limits = {name: self.limit(name, raw) for name, raw in given.items() if raw is not None and raw != ""}
        except ValueError as error:
            raise FieldError(_("「%(field)s」的限制写得不对：%(why)s", field=self.label, why=error)) from error
        for low, high in (("min", "max"), ("min_length", "max_length")):
            if low in limits and high in limits and limits[low] > limits[high]:
                raise FieldError(_("「%(field)s」的下限比上限还大，请对调。", field=self.label))
        return limits

    def _hold_to_rules(self) -> None:
        """Whatever way a value comes in, it comes through ``parse`` or ``parse_many``; a field without rules pays nothing."""
        parse, parse_many = self.parse, self.parse_many

        def checked(raw: Any) -> Any:
            value = parse(raw)
            self.check_rules(value)
            return value

        def checked_many(raws: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
            values, errors = parse_many(raws)
            for i, value in enumerate(values):
                try:
                    self.check_rules(value)
                except FieldError as error:
                    values[i], errors[i] = None, str(error)
            return values, errors

        self.parse = checked  # type: ignore[method-assign]
        if type(self).parse_many is not Field.parse_many:
            self.parse_many = checked_many  # type: ignore[method-assign]

    def limit(self, name: str, raw: Any) -> Any:
        """One of ``rules`` as the definition gives it, ready to be compared. Raises ``ValueError``."""
        if name == "pattern":
            return compile_pattern(raw)
        if name in ("min_length", "max_length"):
            return _length(raw)
        return self.read(raw)

    def check_rules(self, value: Any) -> None:
        """Raises :class:`FieldError` for a stored value beyond the field's limits, in the company's own words if it has any."""
        if value is None or not self._limits:
            return
        for name, limit in self._limits.items():
            if self._breaks(name, limit, value):
                own = self.options.get("message")
                raise FieldError(i18n_label(own) if own else self.limit_words(name, limit))

    def _breaks(self, name: str, limit: Any, value: Any) -> bool:
        if name == "pattern":
            return len(value) > LONGEST_VALUE or not limit.fullmatch(value)
        size = len(value) if name.endswith("_length") else self.measure(value)
        if size is None:
            return False
        return bool(size < limit if name.startswith("min") else size > limit)

    def measure(self, value: Any) -> Any:
        """What ``min`` and ``max`` are compared with; ``None``: nothing."""
        return value

    def limit_words(self, name: str, limit: Any) -> str:
        """The sentence for a value beyond a limit."""
        if name == "min":
            return _("不能小于 %(limit)s。", limit=self.format(limit))
        if name == "max":
            return _("不能大于 %(limit)s。", limit=self.format(limit))
        if name == "min_length":
            return _("至少 %(min)d 个字。", min=limit)
        if name == "max_length":
            return _("最多 %(max)d 个字。", max=limit)
        return _("格式不对。")

    @property
    def inner(self) -> Field:
        """The field that says what kind of values these are: of a computed field, the one it results in."""
        return self

    def bind(self, form: Any, forms: dict[str, Any]) -> None:
        """Called when all forms are known: a computed field finds what it is computed from, or says its ``problem``."""

    def installed(self, form: Any, actor: Any) -> None:
        """Called inside the transaction that adds the field to ``form`` or changes it: what it needs besides is made."""

    @property
    def show_if(self) -> dict[str, Any] | None:
        """The condition over the record's own fields under which the field is asked for; ``None``: always."""
        return self.options.get("show_if") or None

    @property
    def require_if(self) -> dict[str, Any] | None:
        """The condition under which the field must be filled in."""
        return self.options.get("require_if") or None

    @property
    def lock_if(self) -> dict[str, Any] | None:
        """The condition under which people may no longer change the value."""
        return self.options.get("lock_if") or None

    @property
    def label(self) -> str:
        return i18n_label(self.spec.label)

    @property
    def help(self) -> str:
        return i18n_label(self.spec.help) if self.spec.help else ""

    def default(self) -> Any:
        """The stored default of a new record, or ``None``."""
        return None if self.spec.default is None else self.parse(self.spec.default)

    @property
    def wide(self) -> bool:
        """Whether it takes the whole width of its section unless the form says otherwise."""
        return self.column is not None and not self.sortable

    @property
    def points_at(self) -> str | None:
        """The key of the form whose records the values are."""
        return None

    @property
    def inverse_label(self) -> str:
        """What the records that point at one are called on its page, when the company has a name for them."""
        return ""

    def naming(self, record_id: int) -> dict[str, Any]:
        """The condition on records of this field's form that point at one record."""
        return {"field": self.key, "op": "eq", "value": record_id}

    def linked(self, held: Any, record_id: int) -> Any:
        """The value of one that holds ``held`` and shall point at the record."""
        return record_id

    def unlinked(self, held: Any, record_id: int) -> Any:
        """The same, when it shall no longer point there."""
        return None

    def input_scripts(self) -> tuple[str, ...]:
        """Every script that a page with this field's input must load."""
        return self.scripts

    @property
    def placeholder(self) -> str:
        """What an empty input says, in the company's words."""
        own = self.options.get("placeholder")
        return i18n_label(own) if own and is_label(own) else ""

    # -- in and out ---------------------------------------------------------------------------------------------

    def parse(self, raw: Any) -> Any:
        """What a person, a file or the API gave → the stored value; blank gives ``None``. Raises :class:`FieldError`."""
        raise NotImplementedError

    def read(self, raw: Any) -> Any:
        """:meth:`parse` without the field's rules: what a condition asks for may lie beyond them."""
        return type(self).parse(self, raw)

    def parse_many(self, raws: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
        """Column-wise :meth:`parse`: the stored values and, by index, the sentence for each bad one."""
        try:
            distinct = dict.fromkeys(raws)
        except TypeError:
            return self._parse_each(raws)
        table: dict[Any, Any] = {}
        bad: dict[Any, str] = {}
        parse = self.parse
        for raw in distinct:
            try:
                table[raw] = None if raw is None or raw == "" else parse(raw)
            except ValueError as error:
                table[raw] = None
                bad[raw] = str(error)
        errors = {i: bad[raw] for i, raw in enumerate(raws) if raw in bad} if bad else {}
        return [table[raw] for raw in raws], errors

    def _parse_each(self, raws: Sequence[Any]) -> tuple[list[Any], dict[int, str]]:
        """For columns with lists or dictionaries among the values."""
        out: list[Any] = []
        errors: dict[int, str] = {}
        for i, raw in enumerate(raws):
            try:
                out.append(None if raw is None or raw == "" else self.parse(raw))
            except ValueError as error:
                out.append(None)
                errors[i] = str(error)
        return out, errors

    def sealed(self, shown: Markup, record: Any) -> Markup:
        """A masked value with the button that asks why the whole is wanted."""
        url = f"/forms/{record.form.key}/records/{record.id}/fields/{self.key}/reveal"
        return Markup(
            '<span class="sealed">{} <button type="button" class="btn btn-ghost btn-sm" hx-get="{}" hx-target="#action-dialog" '
            'data-dialog="action-dialog" title="{}">{}</button></span>'
        ).format(shown, url, _("要写原因，会记入操作日志"), _("显示完整内容"))

    def reveal(self, value: Any) -> str | None:
        """The whole of a masked value, of types that are ``revealable``; ``None``: there is none to be had."""
        return None

    def complete(self, draft: Draft) -> None:
        """Fills columns of records about to be written (its own, or others that follow from it)."""

    def to_api(self, value: Any) -> Any:
        return value

    def format(self, value: Any) -> str:
        """Plain text: lists, exports, sentences."""
        return "" if value is None else str(value)

    def render(self, value: Any, record: Any = None) -> Markup:
        """The cell of a list or page."""
        return escape(self.format(value))

    def text(self, value: Any, record: Any) -> str:
        """Plain text of a value that stands in ``record``, for exports: related records by their titles."""
        return self.format(value)

    def render_whole(self, value: Any, record: Any = None) -> Markup:
        """The value on the page of its record, where there is more room than in a list."""
        return self.render(value, record)

    def form_value(self, value: Any) -> str:
        """What the input shows for a stored value; ``parse(form_value(v)) == v``."""
        return self.format(value)

    def from_form(self, given: MultiDict[str, str]) -> Any:
        """The raw value in a submitted HTML form. An input that can be empty sends an empty value of its name along."""
        return [v for v in given.getlist(self.key) if v] if self.multiple else given.get(self.key, "")

    def formula_value(self, value: Any) -> Any:
        """A stored value as formulas work with it (``formula.functions``)."""
        return self.format(value)

    def from_formula(self, value: Any) -> Any:
        """What a formula resulted in → the stored value. Raises ValueError when the column cannot hold it."""
        return self.parse(value)

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the API form of a value."""
        return {"type": ["string", "null"]}

    # -- groups -------------------------------------------------------------------------------------------------

    @property
    def groupable(self) -> bool:
        """Whether records can be grouped by the values."""
        return self.column is not None

    def bucketed(self, column: Any, size: str) -> Any:
        """An expression: the period of one of ``buckets`` that the value falls in."""
        raise NotImplementedError

    def group_text(self, value: Any) -> str:
        """What a group of records is called that have (one of many: that hold) this value."""
        return self.format(value)

    def group_to_api(self, value: Any) -> Any:
        """A group's value as the API prints it."""
        return self.to_api(value)

    def group_test(self, value: Any) -> dict[str, Any] | None:
        """Operator and value of the condition that a group's records meet; ``None``: no condition says it."""
        return {"op": "eq", "value": self.to_api(value)} if "eq" in self.operators else None

    # -- conditions ---------------------------------------------------------------------------------------------

    def sought(self, column: Any, text: str) -> Any:
        """An expression for values that quick search does not look into but that ``text`` names; ``None``: it names none."""
        return None

    def value_choices(self) -> list[tuple[str, str]] | None:
        """``(value, label)`` of what a condition's value is chosen from; ``None`` when it is typed."""
        return None

    def operand(self, value: Any, ctx: Context) -> Any:
        """A condition's value → a stored value. Raises :class:`FieldError`."""
        return self.read(value)

    def next_look(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        """An expression: when the answer to ``column op value`` may change though nothing is written (UTC seconds after
        ``ctx.now``; NULL: never). ``None``: time plays no part."""
        return None

    def compile(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        """``column op value`` as a peewee expression; the operator's meaning is CONTRACT section 3's."""
        if op not in self.operators:
            raise FieldError(
                _("「%(field)s」不能用「%(op)s」来比较。", field=self.label, op=OPERATOR_WORDS.get(op, op))
            )
        if op == "empty":
            return column.is_null()
        if op in NEGATIVE:
            return dialect.negate(self.compile_positive(column, NEGATIVE[op], value, ctx))
        return self.compile_positive(column, op, value, ctx)

    def compile_positive(self, column: Any, op: str, value: Any, ctx: Context) -> Any:
        if op == "not_empty":
            return column.is_null(False)
        if op == "in":
            return column.in_([self._needed(v, ctx) for v in self._list(value)])
        if op == "between":
            pair = self._list(value)
            if len(pair) != 2:
                raise FieldError(_("「%(field)s」介于要给出两个值。", field=self.label))
            return (column >= self._needed(pair[0], ctx)) & (column <= self._needed(pair[1], ctx))
        if op in ("contains", "starts_with"):
            if not isinstance(value, str) or not value:
                raise FieldError(_("请给出「%(field)s」要查找的文字。", field=self.label))
            return getattr(dialect, op)(column, value)
        return COMPARE[op](column, self._needed(value, ctx))

    def _list(self, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise FieldError(_("「%(field)s」的这个比较需要一列值。", field=self.label))
        return value

    def _needed(self, value: Any, ctx: Context) -> Any:
        parsed = self.operand(value, ctx)
        if parsed is None:
            raise FieldError(_("请给出「%(field)s」要比较的值。", field=self.label))
        return parsed

    def words(self, op: str, value: Any) -> str:
        """The test as words, e.g. ``城市 是 杭州``."""
        name = self.operator_word(op)
        if op in ("empty", "not_empty"):
            return f"{self.label} {name}"
        return f"{self.label} {name} {self.operand_words(op, value)}"

    def operator_word(self, op: str) -> str:
        return str(self.operator_words.get(op) or OPERATOR_WORDS.get(op, op))

    def operand_words(self, op: str, value: Any) -> str:
        if isinstance(value, list):
            joint = _(" ~ ") if op == "between" else _("、")
            return joint.join(self._word(v) for v in value)
        return self._word(value)

    def _word(self, value: Any) -> str:
        if isinstance(value, dict) and value.get("me"):
            return _("我")
        try:
            return self.format(self.read(value))
        except ValueError:
            return str(value)


def _length(raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= LONGEST_TEXT:
        raise FieldError(_("字数要是 0 到 %(max)d 之间的整数。", max=LONGEST_TEXT))
    return raw


LONGEST_TEXT = 200_000

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda c, v: c == v,
    "lt": lambda c, v: c < v,
    "lte": lambda c, v: c <= v,
    "gt": lambda c, v: c > v,
    "gte": lambda c, v: c >= v,
}

ORDERED = ("eq", "ne", "in", "not_in", "lt", "lte", "gt", "gte", "between", "empty", "not_empty")
