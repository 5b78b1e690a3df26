"""Texts with variables: ``您好 {{ record.name or "朋友" }}，您的订单 {{ record.number }} 已发货``.

Jinja in a sandbox of our own: what may stand in a text is listed here, everything else is refused when the text is saved.
There are no calls, no loops and no arithmetic, so a text takes as long as it is long. A value stands as people read it
(money, dates in the company's zone); an absent one is empty, and ``or`` or a fallback says what stands in its place.

Records are read through the query gate for the asking actor, a batch at a time.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from msgspec import Struct, field

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, settings
from ..core.db import Model
from ..core.errors import UserError
from ..forms import catalog, query
from ..forms.catalog import SYSTEM_FIELDS, Form
from ..forms.fields.base import Field
from ..forms.query import Masked, Query, Record

LONGEST = 20_000
"""Characters of a text, before and after its variables are filled in."""
LONGEST_VALUE = 2_000
CHUNK = 500
Path = tuple[str, ...]


# -- values ---------------------------------------------------------------------------------------------------------


class Value:
    """One value as a text shows it. Empty when nothing is there; compared by what it is, not by how it looks."""

    __slots__ = ("parts", "raw", "text")

    def __init__(self, text: str = "", raw: Any = None, parts: Callable[[str], Value] | None = None) -> None:
        self.text = text[:LONGEST_VALUE]
        self.raw = text if raw is None else raw
        self.parts = parts

    def part(self, name: str) -> Value:
        return self.parts(name) if self.parts else EMPTY

    def __str__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return bool(self.text)

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Value):
            return self.text == other.text
        return self.text == other or (bool(self) and not isinstance(other, str) and bool(self.raw == other))

    def __lt__(self, other: Any) -> bool:
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other: Any) -> bool:
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other: Any) -> bool:
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other: Any) -> bool:
        return self._compare(other, lambda a, b: a >= b)

    def __contains__(self, other: object) -> bool:
        return str(other) in self.text

    def _compare(self, other: Any, how: Callable[[Any, Any], Any]) -> bool:
        try:
            return bool(self) and bool(how(self.raw, other.raw if isinstance(other, Value) else other))
        except TypeError:
            return False


EMPTY = Value()


def of_record(record: Record | None, below: Mapping[str, Mapping[int, Record]] | None = None) -> Value:
    """A record's values by key or label. ``below``: the related records that were read, by field key and id."""
    if record is None:
        return EMPTY

    def part(name: str) -> Value:
        f = field_named(record.form, name)
        if f is None:
            return EMPTY
        held = record.get(f.key)
        if held is None or held in ("", [], {}):
            return EMPTY
        if isinstance(held, Masked):
            return Value(str(held))
        text = record.text(f.key)
        if f.type == "relation":
            other = (below or {}).get(f.key, {}).get(held)
            return Value(text if other is None else other.title, parts=of_record(other).parts)
        return Value(text, _raw(f, held), _name_of(text) if f.value_input == "person" else None)

    return Value(record.title, parts=part)


def _raw(f: Field, held: Any) -> Any:
    try:
        return f.formula_value(held)
    except (ValueError, TypeError, ArithmeticError):
        return None


def _name_of(text: str) -> Callable[[str], Value]:
    return lambda name: Value(text) if name == "name" else EMPTY


def of_stored(form: Form, values: Mapping[str, Any]) -> Value:
    """Stored values of a form's fields that are in no record any more (what stood there before)."""

    def part(name: str) -> Value:
        f = field_named(form, name)
        held = values.get(f.key) if f else None
        return EMPTY if f is None or held is None else Value(f.format(held), _raw(f, held))

    return Value(parts=part)


def of_plain(value: Any) -> Value:
    """What is no field's value: text, numbers, moments (``datetime``), dictionaries of these."""
    if isinstance(value, Value):
        return value
    if value is None:
        return EMPTY
    if isinstance(value, Model):
        value = value.__data__
    if isinstance(value, Mapping):
        return Value(parts=lambda name: of_plain(value.get(name)))
    if isinstance(value, bool):
        return Value(_("是") if value else _("否"), value)
    if isinstance(value, (list, tuple)):
        return Value(_("、").join(str(of_plain(one)) for one in value))
    if hasattr(value, "strftime"):
        return Value(value.strftime("%Y-%m-%d %H:%M" if hasattr(value, "hour") else "%Y-%m-%d"), value)
    return Value(str(value), value)


def field_named(form: Form, name: str) -> Field | None:
    """The field that a text names by its key or its label."""
    return form.field(name) or form.fields.get(_by_label(form, name))


def _by_label(form: Form, name: str) -> str:
    known: dict[str, str] | None = form.__dict__.get("_text_labels")
    if known is None:
        known = form.__dict__["_text_labels"] = {}
        for key, f in form.fields.items():
            label = f.spec.label
            for text in label.values() if isinstance(label, dict) else (label,):
                known.setdefault(str(text), key)
    return known.get(name, "")


# -- what may stand in a text ----------------------------------------------------------------------------------------


class Root(Struct, frozen=True):
    """Something else that texts may name. ``fields``: its parts with their labels; ``load`` fills it for records."""

    name: str
    label: Any
    fields: Mapping[str, Any]
    load: Callable[[Form, list[int], Actor], Mapping[int, Any]]
    suits: Callable[[Form], bool] = lambda form: True


_roots: dict[str, Root] = {}
RECORD, CUSTOMER, OLD, EVENT, OCCURS, NOW, TODAY, COMPANY, UNSUBSCRIBE = (
    "record", "customer", "old", "event", "occurs_on", "now", "today", "company", "unsubscribe",
)  # fmt: skip
UNSUBSCRIBE_MARK = "{unsubscribe}"
"""Stands in a filled-in text where the link goes, which is known only once the message has its number."""
BUILT_IN = {RECORD, CUSTOMER, OLD, EVENT, OCCURS, NOW, TODAY, COMPANY, UNSUBSCRIBE}


def root(entry: Root) -> None:
    """Makes one more name known to all texts (``coupon.code``). Raises on one that is taken."""
    if entry.name in BUILT_IN or entry.name in _roots:
        raise ValueError(f"texts know {entry.name!r} already")
    _roots[entry.name] = entry


def _date(value: Any) -> str:
    raw: Any = value.raw if isinstance(value, Value) else value
    if hasattr(raw, "strftime"):
        return _("%(month)d月%(day)d日", month=raw.month, day=raw.day)
    return str(value)


def _time(value: Any) -> str:
    raw: Any = value.raw if isinstance(value, Value) else value
    return raw.strftime("%H:%M") if hasattr(raw, "hour") else str(value)


DOUBLE = (
    "欧阳",
    "司马",
    "上官",
    "诸葛",
    "东方",
    "皇甫",
    "尉迟",
    "公孙",
    "慕容",
    "令狐",
    "长孙",
    "宇文",
    "司徒",
    "夏侯",
    "独孤",
    "南宫",
)


def _surname(value: Any) -> str:
    name = str(value).strip()
    if not name or not "\u4e00" <= name[0] <= "\u9fff":
        return name.rpartition(" ")[2]
    return name[:2] if name.startswith(DOUBLE) and len(name) > 2 else name[:1]


def _hidden(value: Any) -> str:
    text = str(value)
    return text if len(text) < 5 else f"{text[:3]}****{text[-4:]}" if len(text) > 7 else f"{text[0]}***{text[-1]}"


FILTERS: dict[str, tuple[Callable[..., Any], Any]] = {
    "default": (lambda value, other="": value if value else other, _l("没有值时写什么")),
    "date": (_date, _l("几月几日")),
    "time": (_time, _l("几点几分")),
    "surname": (_surname, _l("只要姓")),
    "hide": (_hidden, _l("号码中间用星号")),
    "truncate": (lambda value, length=20: cut(str(value), length), _l("最多几个字")),
    "upper": (lambda value: str(value).upper(), _l("大写字母")),
    "lower": (lambda value: str(value).lower(), _l("小写字母")),
    "trim": (lambda value: str(value).strip(), _l("去掉两头的空格")),
}
"""What stands after ``|`` in a text: the function and what it does, for people."""


def cut(text: str, length: Any) -> str:
    """At most ``length`` characters, the last of them an ellipsis when something was left out."""
    most = length if isinstance(length, int) and 1 <= length <= LONGEST_VALUE else 20
    return text if len(text) <= most else text[: most - 1] + "…"


class _Sandbox(ImmutableSandboxedEnvironment):
    """Nothing but parts of values can be reached, whatever got past :func:`check`."""

    def __init__(self) -> None:
        super().__init__(autoescape=False, keep_trailing_newline=True)
        self.globals.clear()
        self.tests.clear()
        self.filters.clear()
        self.filters.update({name: fn for name, (fn, _label) in FILTERS.items()})

    def getattr(self, obj: Any, attribute: str) -> Any:
        return obj.part(attribute) if isinstance(obj, Value) else EMPTY

    def getitem(self, obj: Any, argument: Any) -> Any:
        return obj.part(str(argument)) if isinstance(obj, Value) else EMPTY

    def call(self, *args: Any, **kwargs: Any) -> Any:
        raise UserError(_("文字里不能调用函数。"))


_environment = _Sandbox()

_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Const, nodes.Filter, nodes.Or,
    nodes.And, nodes.Not, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.If, nodes.Concat, nodes.Tuple, nodes.List,
)  # fmt: skip


class _Text(Struct, frozen=True):
    """A text that can be filled in. ``paths``: what it names."""

    template: Any
    paths: frozenset[Path]


@lru_cache(maxsize=1024)
def _compiled(text: str) -> _Text:
    """Raises :class:`UserError` for what may not stand in a text."""
    if len(text) > LONGEST:
        raise UserError(_("文字最多 %(max)d 个字。", max=LONGEST))
    try:
        tree = _environment.parse(text)
        paths = set(_walk(tree))
        return _Text(_environment.from_string(text), frozenset(paths))
    except TemplateSyntaxError as error:
        raise UserError(
            _("文字第 %(line)d 行的变量写得不对，请检查大括号是否成对、引号是否成双。", line=error.lineno)
        ) from None
    except RecursionError:
        raise UserError(_("文字里的变量套得太深，请写得简单些。")) from None


def _walk(node: nodes.Node) -> Iterable[Path]:
    if not isinstance(node, _ALLOWED):
        raise UserError(
            _("文字第 %(line)d 行写了不能用的内容；只能写变量、「or」、「if」和列出的处理方式。", line=node.lineno or 1)
        )
    if isinstance(node, (nodes.Name, nodes.Getattr)):
        yield _path(node)
        return
    if isinstance(node, nodes.Filter):
        if node.name not in FILTERS:
            known = _("、").join(FILTERS)
            raise UserError(_("没有「%(name)s」这种处理方式，可用：%(all)s。", name=str(node.name)[:40], all=known))
        if node.kwargs or node.dyn_args or node.dyn_kwargs or not all(isinstance(a, nodes.Const) for a in node.args):
            raise UserError(_("「%(name)s」后面的括号里只能写一个数字或一段引号里的文字。", name=node.name))
        if len(node.args) > (1 if node.name in ("default", "truncate") else 0):
            raise UserError(_("「%(name)s」后面的内容太多了。", name=node.name))
    for child in node.iter_child_nodes():
        yield from _walk(child)


def _path(node: nodes.Node) -> Path:
    steps: list[str] = []
    while isinstance(node, nodes.Getattr):
        steps.append(node.attr)
        node = node.node
    if not isinstance(node, nodes.Name):
        raise UserError(_("文字里的变量要从 record、customer 这样的名字写起。"))
    return (node.name, *reversed(steps))


# -- checking ---------------------------------------------------------------------------------------------------------


def check(template: str, form: Form | None, *, extra: Iterable[str] = ()) -> None:
    """Raises :class:`UserError` that names the variable which does not exist, or what may not stand in a text.

    ``form``: whose records the text is about; ``None``: it names no record. ``extra``: more roots that will be given.
    """
    known = frozenset(extra)
    for path in sorted(_compiled(template).paths):
        if path[0] not in known:
            _check_path(path, form)


def is_plain(template: str) -> bool:
    """Whether the text names nothing."""
    return not _compiled(template).paths


def _check_path(path: Path, form: Form | None) -> None:
    name, rest = path[0], path[1:]
    if name in (NOW, TODAY, UNSUBSCRIBE, OCCURS) and not rest:
        return
    if name == COMPANY and rest in ((), ("name",)):
        return
    if name == EVENT and 1 <= len(rest) <= 3:
        return
    if name in _roots:
        entry = _roots[name]
        if len(rest) == 1 and rest[0] in entry.fields and (form is None or entry.suits(form)):
            return
        raise _unknown(path, [f"{name}.{key}" for key in entry.fields])
    target = _form_of(name, form)
    if target is None:
        raise _unknown(
            path, [RECORD, COMPANY, NOW] if form is None else [RECORD, CUSTOMER, COMPANY, NOW, EVENT, OLD, *_roots]
        )
    if not rest:
        return
    f = field_named(target, rest[0])
    if f is None:
        raise _unknown(path, [f"{name}.{key}" for key in (*target.fields, *SYSTEM_FIELDS)])
    if len(rest) == 1:
        return
    if f.value_input == "person" and rest[1:] == ("name",):
        return
    if f.type == "relation" and name != OLD and len(rest) == 2:
        below = catalog.get(f.options["form"])
        if field_named(below, rest[1]) is None:
            raise _unknown(path, [f"{name}.{rest[0]}.{key}" for key in (*below.fields, *SYSTEM_FIELDS)])
        return
    raise UserError(_("变量「%(name)s」写得太深：关联的记录只能往下写一层。", name=".".join(path)))


def _unknown(path: Path, known: list[str]) -> UserError:
    name = ".".join(path)
    near = difflib.get_close_matches(name, known, 1, 0.6)
    if near:
        return UserError(_("没有变量「%(name)s」，您是不是想写「%(near)s」？", name=name, near=near[0]))
    return UserError(_("没有变量「%(name)s」，请从变量列表中选择。", name=name))


def customer_field(form: Form) -> Field | None:
    """The relation by which records of a form belong to a customer: the one called so, else the first."""
    found = [f for f in form.fields.values() if f.type == "relation" and f.options.get("form") == "customer"]
    return next((f for f in found if f.key == CUSTOMER), found[0] if found else None)


def _form_of(name: str, form: Form | None) -> Form | None:
    if form is None:
        return None
    if name in (RECORD, OLD):
        return form
    if name == CUSTOMER:
        return form if form.key == CUSTOMER else catalog.get(CUSTOMER) if customer_field(form) else None
    return None


# -- what a text reads ------------------------------------------------------------------------------------------------


def reads(templates: Iterable[str], form: Form | None) -> list[str]:
    """The fields whose values stand in texts, as ``form.field``: who may not see one may not read the text."""
    found: set[str] = set()
    for template in templates:
        for path in _compiled(template).paths:
            found |= _read_by(path, form)
    return sorted(found)


def _read_by(path: Path, form: Form | None) -> set[str]:
    target, rest = _form_of(path[0], form), path[1:]
    if target is None or form is None:
        return set()
    found: set[str] = set()
    if path[0] == CUSTOMER and target is not form:
        lead = customer_field(form)
        found |= {f"{form.key}.{lead.key}"} if lead else set()
    if not rest:
        return found | ({f"{target.key}.{target.title_field}"} if target.title_field else set())
    f = field_named(target, rest[0])
    if f is None or f.key in SYSTEM_FIELDS:
        return found
    found.add(f"{target.key}.{f.key}")
    if f.type == "relation":
        below = catalog.get(f.options["form"])
        inner = field_named(below, rest[1]) if len(rest) > 1 else below.title
        found |= {f"{below.key}.{inner.key}"} if inner and inner.key not in SYSTEM_FIELDS else set()
    return found


def may_read(fields: Iterable[str], actor: Actor) -> bool:
    """Whether the actor sees all these fields whole."""
    if actor is SYSTEM or actor.is_admin:
        return True
    for name in fields:
        form_key, _dot, key = name.partition(".")
        form = catalog.all_forms().get(form_key)
        if form is None or not permissions.can(actor, "see", form_key):
            return False
        if key in form.fields and key not in query.clear(form, actor):
            return False
    return True


# -- filling in -------------------------------------------------------------------------------------------------------


def render(template: str, values: Mapping[str, Any]) -> str:
    """The text with ``values`` (by root: records' values, dictionaries, plain values) filled in. Raises UserError."""
    given = {name: of_plain(value) for name, value in (_moment() | dict(values)).items()}
    return _fill(_compiled(template), given)


def _fill(text: _Text, values: Mapping[str, Value]) -> str:
    done = "".join(
        text.template.root_render_func(text.template.new_context({n: values.get(n, EMPTY) for n in _names(text)}))
    )
    if len(done) > LONGEST:
        raise UserError(_("填好的文字超过 %(max)d 个字，请缩短。", max=LONGEST))
    return done


def _names(text: _Text) -> Iterable[str]:
    return {path[0] for path in text.paths}


def _moment() -> dict[str, Any]:
    now = clock.local(clock.now(), settings.tz())
    name = settings.get("company.name")
    company = Value(name, parts=_name_of(name))
    return {NOW: now, TODAY: now.date(), COMPANY: company, UNSUBSCRIBE: UNSUBSCRIBE_MARK}


def render_many(
    template: str,
    form: Form,
    ids: Iterable[int],
    extra: Mapping[int, Mapping[str, Any]] | None = None,
    actor: Actor = SYSTEM,
    fallbacks: Mapping[str, str] | None = None,
) -> dict[int, str]:
    """The text for each of the records that the actor may see; some queries for all of them together.

    ``extra``: more roots by record (``event``, ``old``: stored values); ``fallbacks``: variable → what stands in its place
    when it is empty. Raises UserError.
    """
    return {i: found[0] for i, found in render_all([template], form, ids, extra, actor, fallbacks).items()}


def render_all(
    templates: list[str],
    form: Form,
    ids: Iterable[int],
    extra: Mapping[int, Mapping[str, Any]] | None = None,
    actor: Actor = SYSTEM,
    fallbacks: Mapping[str, str] | None = None,
) -> dict[int, list[str]]:
    """:func:`render_many` for several texts about the same records."""
    texts = [_compiled(template) for template in templates]
    paths = frozenset().union(*(text.paths for text in texts))
    common = {name: of_plain(value) for name, value in _moment().items()}
    wanted, out = list(ids), {}
    for start in range(0, len(wanted), CHUNK):
        part = wanted[start : start + CHUNK]
        loaded = _load(paths, form, part, actor)
        for i in part if loaded else ():
            values = {name: found[i] for name, found in loaded.items() if i in found}
            if RECORD not in values:
                continue
            for name, value in (extra or {}).get(i, {}).items():
                stored = name == OLD and isinstance(value, Mapping)
                values[name] = of_stored(form, _seen(form, value, actor)) if stored else of_plain(value)
            given = common | values
            if fallbacks:
                given = {name: _with_fallbacks(value, name, fallbacks) for name, value in given.items()}
            out[i] = [_fill(text, given) for text in texts]
    return out


def _seen(form: Form, values: Mapping[str, Any], actor: Actor) -> Mapping[str, Any]:
    if actor is SYSTEM or actor.is_admin:
        return values
    clear = query.clear(form, actor)
    return {key: value for key, value in values.items() if key in clear}


def _with_fallbacks(value: Value, path: str, fallbacks: Mapping[str, str]) -> Value:
    """The value, or what stands in its place; the same for its parts."""
    if not any(name == path or name.startswith(f"{path}.") for name in fallbacks):
        return value
    return Value(
        value.text or fallbacks.get(path, ""),
        value.raw if value else None,
        lambda name: _with_fallbacks(value.part(name), f"{path}.{name}", fallbacks),
    )


class _Needs(Struct):
    """What is read of a form's records: their own fields and, by relation, those of related ones."""

    own: set[str] = field(default_factory=set)
    below: dict[str, set[str]] = field(default_factory=dict)


def _needs(paths: Iterable[Path], form: Form) -> _Needs:
    needs = _Needs()
    lead = customer_field(form)
    for path in paths:
        name, rest = path[0], path[1:]
        if name == CUSTOMER and form.key != CUSTOMER and lead:
            name, rest = RECORD, (lead.key, *rest)
        if name not in (RECORD, CUSTOMER) or not rest:
            continue
        f = field_named(form, rest[0])
        if f is None or f.key in SYSTEM_FIELDS:
            continue
        needs.own.add(f.key)
        if f.type == "relation" and len(rest) > 1:
            inner = field_named(catalog.get(f.options["form"]), rest[1])
            needs.below.setdefault(f.key, set()).update({inner.key} if inner else set())
    return needs


def _load(paths: frozenset[Path], form: Form, ids: list[int], actor: Actor) -> dict[str, dict[int, Value]]:
    """Root → record → value."""
    needs = _needs(paths, form)
    records = query.told_of(form, ids, actor, sorted(needs.own))
    below = {key: _related(form.fields[key], keys, records, key, actor) for key, keys in needs.below.items()}
    whole = {record.id: of_record(record, below) for record in records}
    found = {RECORD: whole}
    lead = customer_field(form)
    if form.key == CUSTOMER:
        found[CUSTOMER] = whole
    elif lead and any(path[0] == CUSTOMER for path in paths):
        found[CUSTOMER] = {i: value.part(lead.key) for i, value in whole.items()}
    seen = list(whole)
    for name in {path[0] for path in paths} & _roots.keys():
        found[name] = {i: of_plain(value) for i, value in _roots[name].load(form, seen, actor).items()}
    return found


def _related(f: Field, keys: set[str], records: list[Record], key: str, actor: Actor) -> dict[int, Record]:
    target = catalog.get(f.options["form"])
    ids = sorted({held for record in records if isinstance(held := record.get(key), int)})
    if not ids or (actor is not SYSTEM and not permissions.can(actor, "see", target.key)):
        return {}
    return {record.id: record for record in Query(target, actor).get_many(ids, sorted(keys))}


# -- the picker -------------------------------------------------------------------------------------------------------


class Variable(Struct, frozen=True):
    """One entry of the variable picker: ``path`` as it stands in a text, its label and the heading it stands under."""

    path: str
    label: str
    group: str


def variables(form: Form | None, actor: Actor) -> list[Variable]:
    """What a text about records of the form may name, as far as the actor sees it."""
    found: list[Variable] = []
    if form is not None:
        seen = query.clear(form, actor)
        found += [Variable(f"{RECORD}.{key}", f.label, form.one) for key, f in seen.items()]
        for key, f in seen.items():
            if f.type != "relation" or not permissions.can(actor, "see", f.options["form"]):
                continue
            below = catalog.get(f.options["form"])
            found += [
                Variable(f"{RECORD}.{key}.{inner}", g.label, f.label)
                for inner, g in query.clear(below, actor).items()
                if g.column
            ]
        for entry in _roots.values():
            if entry.suits(form):
                found += [Variable(f"{entry.name}.{k}", str(v), str(entry.label)) for k, v in entry.fields.items()]
    general = _("通用")
    found += [
        Variable(f"{COMPANY}.name", _("公司名称"), general), Variable(TODAY, _("今天的日期"), general),
        Variable(NOW, _("现在的时间"), general), Variable(UNSUBSCRIBE, _("退订链接"), general),
    ]  # fmt: skip
    return found


_IN_TEXT = re.compile(r"\{\{\s*([^}|]+?)\s*(?:\|[^}]*)?\}\}")


def named_in(template: str) -> list[str]:
    """The variables of a text in the order in which they stand, each once; for lists of fallback values."""
    known = {".".join(path) for path in _compiled(template).paths}
    order = [m.group(1).split(" or ")[0].strip() for m in _IN_TEXT.finditer(template)]
    return [*dict.fromkeys(p for p in order if p in known), *sorted(known - set(order))]
