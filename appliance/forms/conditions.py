"""The one compiler: a condition (CONTRACT section 3) to SQL, to words, and to an explanation for one record.

List filters, segments, rules, decision tables, report filters and row permissions all go through :func:`compile`. A kind of test
is a class in a registry; higher rooms add theirs (tags, events, segments).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field
from msgspec.structs import replace
from peewee import fn

from ..accounts import departments, deputies, permissions, sharing
from ..accounts.actor import SYSTEM, Actor
from ..accounts.cache import Cache
from ..core import clock, dialect, settings
from ..core.db import db
from ..core.errors import UserError
from . import catalog
from .catalog import Form
from .fields.base import NEGATIVE, OPERATOR_WORDS, Field, FieldError, Spec
from .fields.link import LinkField
from .fields.moment import span_words
from .fields.number import Decimal, Integer
from .fields.relation import Relation
from .fields.relations import Relations

Condition = dict[str, Any]

MAX_TESTS = 200
MAX_DEPTH = 12
MAX_VALUES = 20_000
"""Values in all lists of a condition, inner conditions included: the database takes some thirty thousand at once."""


class ConditionError(UserError):
    """A condition that cannot be understood. ``path`` says where, e.g. ``all.0.value``."""

    def __init__(self, message: object, path: str = "") -> None:
        self.path = path
        super().__init__(message, "where")


class Context(Struct):
    """For whom and when a condition is compiled.

    With an ``actor`` other than the system the condition may only use what that person sees. ``record_id`` is set
    when the condition is asked of one record (``tie``: of a batch): sub-queries are then tied to it and stay cheap
    (:meth:`tied`). ``scan``: most rows are
    expected to match, so the table is read once from end to end. ``unsaved``: the source holds values that are in no
    table yet (:func:`met_by`), those of many-valued fields as JSON lists.
    """

    actor: Actor = SYSTEM
    now: int = field(default_factory=clock.now)
    tz: ZoneInfo = field(default_factory=settings.tz)
    record_id: int | None = None
    level: int = 0
    scan: bool = False
    unsaved: bool = False
    tie: Callable[[Any], Any] | None = None
    """When the condition is asked of a batch of records: makes a test of any column that holds their ids."""

    def inner(self) -> Context:
        return replace(self, record_id=None, level=self.level + 1, scan=False, unsaved=False, tie=None)

    @property
    def whole(self) -> bool:
        """Whether all records of the form are asked about, and not one or a batch."""
        return self.record_id is None and self.tie is None

    def tied(self, column: Any) -> Any:
        """That ``column`` holds the id of one of the records that are asked about; ``None`` when all are."""
        if self.record_id is not None:
            return column == self.record_id
        return None if self.tie is None else self.tie(column)

    def moment(self, seconds: int) -> Context:
        return replace(self, now=seconds)


class Explained(Struct):
    """One test of a condition, answered for one record."""

    words: str
    passed: bool
    actual: str = ""
    parts: list[Explained] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        doc: dict[str, Any] = {"words": self.words, "passed": self.passed}
        if self.actual:
            doc["actual"] = self.actual
        if self.parts:
            doc["parts"] = [p.document() for p in self.parts]
        return doc


class Step(Struct, frozen=True):
    """One step from a record to others: through the field ``field`` of its form ``form``, or (``back``) to the records of
    ``form`` whose field ``field`` points at it."""

    form: str
    field: str
    back: bool


class Look(Struct, frozen=True):
    """One thing that a condition looks at: fields of a form (``None``: any write counts), reached from the record by
    ``trail``. ``what`` is the form's key, or a word with ``@`` for what is no form: ``@event``, ``@consent``, ``@segment:3``.

    Whoever keeps the outcome of a condition asks again for the records that a write touches through one of its looks.
    """

    what: str
    fields: frozenset[str] | None = None
    trail: tuple[Step, ...] = ()

    def behind(self, step: Step) -> Look:
        return replace(self, trail=(step, *self.trail))


class Test:
    """A kind of leaf in a condition; ``name`` is the JSON key that marks it."""

    name: ClassVar[str]

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        """A peewee expression over ``source`` (the form's table or an alias). Raises FieldError or ConditionError."""
        raise NotImplementedError

    def words(self, doc: Condition, form: Form) -> str:
        raise NotImplementedError

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        """What the record ``ctx.record_id`` has in place of what was asked; empty when there is nothing to say."""
        return ""

    def forms(self, doc: Condition, form: Form) -> set[str]:
        """Keys of the forms whose records decide this test."""
        return {form.key}

    def fields(self, doc: Condition, form: Form) -> set[str]:
        """Fields of ``form`` itself that decide this test."""
        return set()

    def looks(self, doc: Condition, form: Form) -> list[Look]:
        """What decides this test, with the way there. By default fields of the record itself."""
        return [Look(form.key, frozenset(self.fields(doc, form)) or None)]

    def next_look(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        """An expression over ``source``: the earliest moment (UTC seconds, after ``ctx.now``) at which the answer may change
        by the passing of time alone, NULL where it never does. ``None``: time plays no part in this test."""
        return None

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        """What the condition builder offers of this test for records of ``form``; the shape stands in ``builder.py``."""
        return []

    def virtual(self, form: Form, actor: Actor) -> dict[str, Any]:
        """What the builder's nested conditions of this test ask about when it is no form: key → ``label``, ``fields``, ``tests``."""
        return {}

    def virtual_words(self, key: str, where: Condition, actor: Actor) -> str | None:
        """A condition on what ``virtual`` calls ``key`` as words; ``None``: it is another test's. Raises FieldError or
        ConditionError when the condition makes no sense."""
        return None


TESTS: dict[str, Test] = {}


def test(cls: type[Test]) -> type[Test]:
    """Adds a kind of test. Raises on a name that is taken."""
    if cls.name in TESTS:
        raise ValueError(f"condition test {cls.name!r} is registered twice")
    TESTS[cls.name] = cls()
    return cls


# -- compiling ----------------------------------------------------------------------------------------------------


def compile(condition: Condition | None, form: Form, ctx: Context | None = None, source: Any = None) -> Any:
    """A peewee expression that is true for the records that meet the condition, or ``None`` when all do.

    Raises :class:`ConditionError` with a sentence when the condition makes no sense or uses what the actor may not see.
    """
    if _values(condition) > MAX_VALUES:
        raise ConditionError(_("条件里的值太多了，最多 %(max)d 个。", max=MAX_VALUES), "")
    budget = [MAX_TESTS]
    return _compile(condition or {}, form, form.table if source is None else source, ctx or Context(), "", 0, budget)


def _values(condition: Any) -> int:
    count, waiting = 0, [condition]
    while waiting and count <= MAX_VALUES:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list):
            count += len(part)
            waiting += part
    return count


def _compile(doc: Any, form: Form, source: Any, ctx: Context, path: str, depth: int, budget: list[int]) -> Any:
    if not isinstance(doc, dict):
        raise ConditionError(_("条件要写成一个对象。"), path)
    if depth > MAX_DEPTH:
        raise ConditionError(_("条件嵌套太深了，最多 %(max)d 层。", max=MAX_DEPTH), path)
    budget[0] -= 1
    if budget[0] < 0:
        raise ConditionError(_("条件太多了，最多 %(max)d 个。", max=MAX_TESTS), path)
    if not doc:
        return None
    group = next((g for g in ("all", "any", "not") if g in doc), None)
    if group:
        if len(doc) != 1:
            raise ConditionError(_("「%(group)s」旁边不能有别的内容。", group=group), path)
        if group == "not":
            inner = _compile(doc["not"], form, source, ctx, f"{path}not.", depth + 1, budget)
            return peewee.Value(1) == 0 if inner is None else dialect.negate(inner)
        if not isinstance(doc[group], list):
            raise ConditionError(_("「%(group)s」里要是一列条件。", group=group), path)
        parts = [
            _compile(part, form, source, ctx, f"{path}{group}.{i}.", depth + 1, budget)
            for i, part in enumerate(doc[group])
        ]
        if group == "all":
            return _join([p for p in parts if p is not None], "and")
        if not parts:
            return peewee.Value(1) == 0
        return None if any(p is None for p in parts) else _join(parts, "or")
    leaf = _leaf(doc, path)
    try:
        return leaf.compile(doc, form, source, ctx)
    except FieldError as error:
        raise ConditionError(str(error), path) from error
    except ConditionError as error:
        error.path = path + error.path
        raise
    except (ValueError, TypeError, KeyError) as error:
        raise ConditionError(str(error) if isinstance(error, ValueError) else _("这个条件写得不对。"), path) from error


def _join(parts: list[Any], how: str) -> Any:
    result = None
    for part in parts:
        result = part if result is None else (result & part if how == "and" else result | part)
    return result


def _leaf(doc: Condition, path: str = "") -> Test:
    found = [t for name, t in TESTS.items() if name in doc]
    # {"event": …, "where": …} and {"related": …, "of": …} hold one marking key each.
    if len(found) != 1:
        raise ConditionError(_("不认识这个条件：%(keys)s。", keys=", ".join(map(str, doc))[:80]), path)
    return found[0]


def validate(condition: Any, form: Form, actor: Actor = SYSTEM) -> None:
    """Raises :class:`ConditionError` when the condition cannot be compiled for ``actor``."""
    compile(condition, form, Context(actor=actor))


def holds(condition: Condition | None, form: Form, record_id: int, ctx: Context | None = None) -> bool:
    """Whether one record meets the condition."""
    ctx = replace(ctx or Context(), record_id=record_id)
    expression = compile(condition, form, ctx)
    query = form.table.select(form.col("id")).where(form.col("id") == record_id)
    if expression is not None:
        query = query.where(expression)
    return bool(list(query.tuples().execute(db)))


def met_by(
    condition: Condition | None, form: Form, rows: Sequence[Mapping[str, Any]], ctx: Context | None = None
) -> list[bool]:
    """Whether each row of stored values meets the condition, saved or not. ``rows`` may hold ``id``; what they leave out is absent."""
    expression_of = partial(compile, condition, form, replace(ctx or Context(), unsaved=True))
    names = sorted(fields_used(condition, form) | {"id"})
    if not rows or expression_of() is None:
        return [True] * len(rows)
    source = dialect.json_rows([[row.get(name) for name in names] for row in rows], names)
    found = peewee.Select([source], [peewee.Column(source, "n")]).where(expression_of(source))
    places = {n for (n,) in found.tuples().execute(db)}
    return [i in places for i in range(len(rows))]


# -- words --------------------------------------------------------------------------------------------------------


def words(condition: Condition | None, form: Form) -> str:
    """The condition as a sentence in the reader's language."""
    if not condition:
        return _("全部%(form)s", form=form.many)
    return _words(condition, form, top=True)


def _words(doc: Condition, form: Form, top: bool = False) -> str:
    if not doc:
        return _("任意")
    for group, joint in (("all", _(" 且 ")), ("any", _(" 或 "))):
        if group in doc:
            parts = [_words(part, form) for part in doc[group]]
            text = joint.join(parts) if parts else _("任意")
            return text if top or len(parts) < 2 else _("（%(text)s）", text=text)
    if "not" in doc:
        return _("不满足（%(test)s）", test=_words(doc["not"], form, top=True))
    return _leaf(doc).words(doc, form)


def chips(condition: Condition | None, form: Form) -> list[tuple[str, Condition]]:
    """The parts of a condition that are joined by "and": each as words, with the condition that is left without it."""
    if not condition:
        return []
    parts = condition["all"] if set(condition) == {"all"} else [condition]
    out = []
    for i, part in enumerate(parts):
        rest = [p for j, p in enumerate(parts) if j != i]
        out.append((_words(part, form, top=True), {"all": rest} if rest else {}))
    return out


def virtual_words(key: str, where: Condition, actor: Actor) -> str:
    """A condition on something that is no form (:meth:`Test.virtual`) as words. Raises ConditionError."""
    try:
        found = (leaf.virtual_words(key, where, actor) for leaf in TESTS.values())
        said = next((text for text in found if text is not None), None)
    except FieldError as error:
        raise ConditionError(str(error)) from error
    if said is None:
        raise ConditionError(_("不认识这个条件：%(keys)s。", keys=key[:80]))
    return said


# -- explaining ---------------------------------------------------------------------------------------------------


def explain(condition: Condition | None, form: Form, record_id: int, ctx: Context | None = None) -> Explained:
    """Why one record does or does not meet the condition, test by test."""
    ctx = replace(ctx or Context(), record_id=record_id)
    if not condition:
        return Explained(words({}, form), True)
    for group in ("all", "any"):
        if group in condition:
            parts = [explain(part, form, record_id, ctx) for part in condition[group]]
            passed = (all if group == "all" else any)(p.passed for p in parts)
            return Explained(_("全部满足") if group == "all" else _("满足其一"), passed, parts=parts)
    if "not" in condition:
        inner = explain(condition["not"], form, record_id, ctx)
        return Explained(_("不满足以下条件"), not inner.passed, parts=[inner])
    leaf = _leaf(condition)
    passed = holds(condition, form, record_id, ctx)
    return Explained(leaf.words(condition, form), passed, leaf.actual(condition, form, ctx))


# -- what a condition looks at ------------------------------------------------------------------------------------


def forms_used(condition: Condition | None, form: Form) -> set[str]:
    """Keys of the forms whose records decide the condition."""
    return _collect(condition, lambda leaf, doc: leaf.forms(doc, form))


def fields_used(condition: Condition | None, form: Form) -> set[str]:
    """Fields of ``form`` itself that the condition looks at."""
    return _collect(condition, lambda leaf, doc: leaf.fields(doc, form))


def looks(condition: Condition | None, form: Form) -> list[Look]:
    """All that the condition looks at: a write elsewhere cannot change its answer for any record of ``form``."""
    return list(dict.fromkeys(look for leaf, doc in _leaves(condition) for look in leaf.looks(doc, form)))


def next_look(condition: Condition | None, form: Form, source: Any, ctx: Context) -> Any:
    """An expression over ``source``: when a record must be looked at again though nobody wrote anything (UTC seconds, NULL:
    never). ``None`` when time plays no part in the condition."""
    return dialect.earliest([leaf.next_look(doc, form, source, ctx) for leaf, doc in _leaves(condition)])


def _leaves(doc: Condition | None) -> list[tuple[Test, Condition]]:
    if not doc:
        return []
    for group in ("all", "any"):
        if group in doc:
            return [leaf for part in doc[group] for leaf in _leaves(part)]
    return _leaves(doc["not"]) if "not" in doc else [(_leaf(doc), doc)]


def _collect(doc: Condition | None, of: Callable[[Test, Condition], set[str]]) -> set[str]:
    return set().union(*[of(leaf, part) for leaf, part in _leaves(doc)])


# -- the tests of this room ---------------------------------------------------------------------------------------


def partly_seen(f: Field, actor: Actor) -> list[str]:
    """The forms that the field repeats single records of and of which the actor sees only some."""
    if not f.through or actor is SYSTEM or actor.is_admin:
        return []
    return [key for key in f.through if permissions.scope(actor, key)]


def visible_field(form: Form, key: str, ctx: Context) -> Field:
    """A field that the condition's author may use. One that is hidden or masked does not exist for them."""
    found = form.field(key)
    if (
        found is None
        or (ctx.actor is not SYSTEM and permissions.field_access(ctx.actor, form.key, key) in ("hidden", "masked"))
        or partly_seen(found, ctx.actor)
    ):
        raise FieldError(_("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key))
    return found


def within(form: Form, source: Any, ctx: Context, verb: str = "see") -> Any:
    """What a row must meet to be the actor's to see (to edit, to delete): scopes, shares and denials. ``None``: nothing."""
    actor = ctx.actor
    if actor is SYSTEM or actor.is_admin:
        return None
    # The scope is the company's own words: it may use fields that its subject does not see.
    scope = permissions.scope(actor, form.key, verb)
    many = ctx.scan or _many.get((form.key, actor.id), lambda: _holds_many(scope, form, actor))
    asking = replace(ctx, actor=seeing_all(actor), record_id=None, scan=many)
    return compile(scope, form, asking, source)


MANY = 5_000
"""From so many own rows on a list is read in its own order and the others passed over: sorting them all takes longer."""

_many: Cache[bool] = Cache()


def _holds_many(scope: Condition, form: Form, actor: Actor) -> bool:
    """Whether a scope that goes by whose a record is holds many; the index alone tells, within a millisecond."""
    own = next((c for c in (scope, *scope.get("any", ())) if c.get("whose") in ("me", "department", "below")), None)
    if own is None:
        return False
    inside = compile(own, form, Context(actor=seeing_all(actor)))
    rows = form.table.select(peewee.Value(1)).where(inside).limit(MANY + 1)
    return int(peewee.Select([rows.alias("n")], [fn.COUNT(peewee.SQL("*"))]).scalar(db)) > MANY


def seeing_all(actor: Actor) -> Actor:
    """Somebody who sees all but is, for "me", the actor."""
    return Actor(id=actor.id, name=actor.name, login=actor.login, is_admin=True, role_ids=())


def live(form: Form, source: Any, ctx: Context) -> Any:
    """Rows of a related form that count: not deleted and, for a person, within their rows."""
    expression = form.col("deleted_at", source).is_null()
    if ctx.actor is not SYSTEM:
        if not permissions.can(ctx.actor, "see", form.key):
            return peewee.Value(1) == 0
        inside = within(form, source, ctx.inner())
        if inside is not None:
            expression = expression & inside
        whose = of_parent(form, source, ctx)
        if whose is not None:
            expression = expression & whose
    return expression


@permissions.parts
def _whole(form_key: str) -> str | None:
    """The form whose line items a form holds."""
    form = catalog.all_forms().get(form_key)
    return form.part_of.form if form is not None and form.part_of is not None else None


def of_parent(form: Form, source: Any, ctx: Context) -> Any:
    """For line items: that the actor sees the record and the field which they belong to. Nothing for other forms."""
    part = form.part_of
    if part is None or ctx.actor is SYSTEM or ctx.actor.is_admin:
        return None
    parent = catalog.all_forms().get(part.form)
    if parent is None or permissions.field_access(ctx.actor, part.form, part.field) in ("hidden", "masked"):
        return peewee.Value(1) == 0
    inner = ctx.inner()
    owner = parent.table.alias(f"o{inner.level}_{parent.key}")
    there = (parent.col("id", owner) == form.col(part.via, source)) & live(parent, owner, inner)
    return fn.EXISTS(owner.select(peewee.Value(1)).where(there))


def alias(form: Form, ctx: Context) -> Any:
    return form.table.alias(f"x{ctx.level}_{form.key}")


@test
class FieldTest(Test):
    """``{"field": "city", "op": "eq", "value": v}``; ``"customer.level"`` goes through relations."""

    name = "field"

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        path, op = doc["field"], doc.get("op", "eq")
        if not isinstance(path, str) or not isinstance(op, str):
            raise FieldError(_("条件里的字段和比较方式要写成文字。"))
        head, _dot, rest = path.partition(".")
        field_ = visible_field(form, head, ctx)
        if not rest:
            if ctx.unsaved and isinstance(field_, LinkField):
                return field_.compile_unsaved(form.col(head, source), op, doc.get("value"), ctx)
            column = form.col(head if field_.column else "id", source)
            if ctx.scan and field_.column and not (op in ("eq", "in") and (field_.unique or field_.type == "relation")):
                column = dialect.unindexed(column)
            return field_.compile(column, op, doc.get("value"), ctx)
        if not isinstance(field_, (Relation, Relations)):
            raise FieldError(_("「%(field)s」不是关联字段，后面不能再接字段。", field=field_.label))
        target = catalog.get(field_.target)
        # Through a relation the operators about absence are turned round, so that no related record counts as absent.
        positive = doc | {"field": rest, "op": NEGATIVE.get(op, op)}
        other = alias(target, ctx)
        deeper = ctx.inner()
        if ctx.tied(form.col("id", source)) is not None:
            deeper.tie = partial(self._led_to, form, field_, ctx)
        inner = self.compile(positive, target, other, deeper)
        rows = other.select(target.col("id", other)).where(live(target, other, ctx.inner()), inner)
        if (ctx.scan or ctx.tie) and isinstance(field_, Relation):
            found = fn.EXISTS(rows.where(target.col("id", other) == form.col(head, source)))
        else:
            found = field_.pointing(form, source, rows)
        return dialect.negate(found) if op in NEGATIVE else found

    @staticmethod
    def _led_to(form: Form, field_: Relation | Relations, ctx: Context, column: Any) -> Any:
        """A test of a column of ids: one of the records that are asked about leads there."""
        own = form.table.alias(f"t{ctx.level}_{form.key}")
        pairs, led = field_.pairs(form, own)
        return column.in_(peewee.Select([pairs], [led]).where(ctx.tied(form.col("id", own))))

    def looks(self, doc: Condition, form: Form) -> list[Look]:
        head, _dot, rest = str(doc["field"]).partition(".")
        # Who wrote a record last, and when, changes with any write.
        own = [Look(form.key, None if head in ("updated_at", "updated_by", "version") else frozenset({head}))]
        if not rest:
            return own
        step = Step(form.key, head, back=False)
        target = catalog.get(form.fields[head].options["form"])
        return own + [look.behind(step) for look in self.looks(doc | {"field": rest}, target)]

    def next_look(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        head, _dot, rest = str(doc["field"]).partition(".")
        field_ = visible_field(form, head, ctx)
        if not rest:
            return field_.next_look(form.col(head, source), doc.get("op", "eq"), doc.get("value"), ctx)
        target = catalog.get(field_.options["form"])
        other = target.table.alias(f"n{ctx.level}_{target.key}")
        inner = self.next_look(doc | {"field": rest}, target, other, ctx.inner())
        if inner is None or not isinstance(field_, (Relation, Relations)):
            return None
        own = form.table.alias(f"m{ctx.level}_{form.key}")
        pairs, led = field_.pairs(form, own)
        rows = peewee.Join(pairs, other, on=target.col("id", other) == led)
        return peewee.Select([rows], [fn.MIN(inner)]).where(form.col("id", own) == form.col("id", source))

    def _walk(self, doc: Condition, form: Form) -> tuple[list[Field], Form]:
        keys = str(doc["field"]).split(".")
        chain: list[Field] = []
        for i, key in enumerate(keys):
            field_ = form.field(key)
            if field_ is None:
                raise ConditionError(_("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key))
            chain.append(field_)
            if i < len(keys) - 1:
                form = catalog.get(field_.options.get("form", ""))
        return chain, form

    def words(self, doc: Condition, form: Form) -> str:
        chain, _form = self._walk(doc, form)
        prefix = "".join(_("%(relation)s的", relation=f.label) for f in chain[:-1])
        return prefix + chain[-1].words(doc.get("op", "eq"), doc.get("value"))

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        chain, _last = self._walk(doc, form)
        current, record_id = form, ctx.record_id
        for field_ in chain:
            if not field_.column:
                return field_.format(field_.load([record_id]).get(record_id))  # type: ignore[attr-defined]
            row = current.table.select(current.col(field_.key)).where(current.col("id") == record_id).tuples()
            value = next((r[0] for r in row.execute(db)), None)
            if value is None:
                return _("空")
            if field_ is not chain[-1]:
                current, record_id = catalog.get(field_.options["form"]), value
        return field_.format(value)

    def forms(self, doc: Condition, form: Form) -> set[str]:
        chain, _last = self._walk(doc, form)
        return {form.key} | {f.options["form"] for f in chain[:-1]}

    def fields(self, doc: Condition, form: Form) -> set[str]:
        return {str(doc["field"]).partition(".")[0]}


def owner_key(form: Form) -> str:
    """The column that says whose a record is: the form's owner field, else its first person field, else who made it."""
    fields = list(form.fields.values())
    for kind in ("owner", "person"):
        for f in fields:
            if f.type == kind:
                return f.key
    return "created_by"


@test
class WhoseTest(Test):
    """``{"whose": "me"}``: whose the record is (:func:`owner_key`), or whom it was shared with. The words: :data:`WHOSE`."""

    name = "whose"

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        word = self._word(doc)
        if word in ("shared", "shared_edit"):
            return form.col("id", source).in_(sharing.ids(ctx.actor.id, form.key, edit=word == "shared_edit"))
        key = owner_key(form)
        if key != "created_by":
            visible_field(form, key, ctx)
        people = self._people(word, ctx.actor)
        column = form.col(key, source)
        if ctx.scan:
            column = dialect.unindexed(column)
        return column == people[0] if len(people) == 1 else column.in_(people)

    def _word(self, doc: Condition) -> str:
        word = doc["whose"]
        if len(doc) != 1 or not isinstance(word, str) or word not in WHOSE:
            raise FieldError(_("「whose」要是 %(words)s 之一。", words=", ".join(WHOSE)))
        return word

    @staticmethod
    def _people(word: str, actor: Actor) -> list[int]:
        me = deputies.stands_for(actor)
        if word == "me" or not me:
            return me
        around = departments.of_user(actor.id) if word == "department" else departments.reach_of(actor.id)
        return sorted({*me} | departments.people_in(around))

    def words(self, doc: Condition, form: Form) -> str:
        return str(WHOSE[self._word(doc)])

    def fields(self, doc: Condition, form: Form) -> set[str]:
        key = owner_key(form)
        return {key} if key in form.fields and not self._word(doc).startswith("shared") else set()

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        options = [[word, str(text)] for word, text in WHOSE.items() if word != "shared_edit"]
        return [{
            "id": "whose", "group": _("归属"), "label": _("归属"), "fixed": {}, "start": {"whose": "me"},
            "parts": [{"at": "whose", "input": "select", "options": options}],
        }]  # fmt: skip


WHOSE = {
    "me": _l("本人的"),
    "department": _l("本部门的"),
    "below": _l("本部门及下级的"),
    "shared": _l("分享给我的"),
    "shared_edit": _l("分享给我修改的"),
}


AGGREGATES = ("count", "sum", "avg", "min", "max", "distinct")
COUNT = Integer(Spec("count", {"zh": "次数", "en": "count"}, "integer"))
"""What reads the value that a count is compared with."""
NUMBER_OPS = ("eq", "ne", "lt", "lte", "gt", "gte", "between", "in", "not_in")


def aggregate_test(
    value: Any, agg: str, op: str, wanted: Any, of: Field | None, ctx: Context
) -> tuple[Any, bool, Field]:
    """For ``agg(of) op wanted``: the expression over ``value``, whether it is true over nothing, and the field that reads values."""
    if op not in NUMBER_OPS and op not in ("empty", "not_empty"):
        raise FieldError(_("汇总值不能用「%(op)s」来比较。", op=OPERATOR_WORDS.get(op, op)))
    if agg in ("count", "distinct"):
        reader: Field = COUNT
    elif of is None:
        raise FieldError(_("请指明要汇总哪个字段。"))
    elif agg not in of.aggregates:
        raise FieldError(_("「%(field)s」不能这样汇总。", field=of.label))
    else:
        reader = of
    if agg == "avg" and isinstance(reader, Integer):
        # An average of whole numbers is not whole: compare with decimals.
        reader = Decimal(Spec(reader.key, reader.spec.label, "decimal"))
        value = value * reader.scale
    expression = reader.compile(value, op, wanted, ctx)
    if agg in ("count", "sum", "distinct"):
        nothing = bool(
            db.execute(peewee.Select(columns=[reader.compile(peewee.Value(0), op, wanted, ctx)])).fetchone()[0]
        )
    else:
        nothing = op in NEGATIVE
    return expression, nothing, reader


def aggregate_of(agg: str, column: Any) -> Any:
    """The SQL aggregate; a count without a column counts rows. Raises FieldError for one that there is not."""
    if agg not in AGGREGATES:
        raise FieldError(_("没有「%(agg)s」这种汇总。", agg=agg))
    if agg == "count":
        return fn.COUNT(peewee.SQL("*")) if column is None else fn.COUNT(column)
    if agg == "distinct":
        return fn.COUNT(column.distinct())
    return getattr(fn, agg.upper())(column)


def agg_words(agg: str) -> str:
    return {
        "count": _("数量"), "sum": _("合计"), "avg": _("平均"), "min": _("最小"), "max": _("最大"), "distinct": _("不同值个数"),
    }[agg]  # fmt: skip


@test
class RelatedTest(Test):
    """``{"related": "order", "where": c, "within": {"days": 30}, "on": "paid_at", "agg": "sum", "of": "amount", "op": "gte", "value": 2000}``.

    Over records of a form that relate to this one. ``via`` names the relation field when there are several. Without
    ``agg`` it asks for at least one. ``minus`` names a field of the same kind that is taken from ``of`` in each row: what an
    order is worth is its ``amount`` minus ``refunded``.
    """

    name = "related"

    @staticmethod
    def _minus(doc: Condition, other: Form, of: Field | None, ctx: Context) -> Field | None:
        if of is None or not doc.get("minus"):
            return None
        less = visible_field(other, doc["minus"], ctx).inner
        if less.type != of.type or "sum" not in of.aggregates:
            raise FieldError(_("「%(less)s」不能从「%(field)s」里减去。", less=less.label, field=of.label))
        return less

    def _column(self, doc: Condition, other: Form, of: Field | None, rows: Any, ctx: Context) -> Any:
        """What is summed up in each row; ``None``: the rows themselves are counted."""
        if of is None:
            return other.col("id", rows) if doc.get("agg") == "distinct" else None
        less = self._minus(doc, other, of, ctx)
        column = other.col(of.key, rows)
        # What has nothing to take away counts whole.
        return column - fn.COALESCE(other.col(less.key, rows), 0) if less else column

    def _parts(
        self, doc: Condition, form: Form, ctx: Context
    ) -> tuple[Form, Relation | Relations, str, Field | None, str, Any]:
        other = catalog.get(str(doc["related"]))
        links: list[Any] = [
            f for o, f in catalog.pointing(form) if o.key == other.key and doc.get("via") in (None, f.key)
        ]
        if not links:
            raise FieldError(_("「%(other)s」没有关联到「%(form)s」。", other=other.label, form=form.label))
        agg = doc.get("agg", "count")
        of = visible_field(other, doc["of"], ctx).inner if doc.get("of") else None
        return other, links[0], agg, of, doc.get("op", "gte"), doc.get("value", 1)

    def _inside(self, doc: Condition, other: Form, source: Any, ctx: Context) -> Any:
        expression = live(other, source, ctx)
        where = compile(doc.get("where"), other, ctx, source)
        if where is not None:
            expression = expression & where
        if "within" in doc:
            on = visible_field(other, doc.get("on", "created_at"), ctx)
            expression = expression & on.compile(other.col(on.key, source), "within", doc["within"], ctx)
        return expression

    def compile(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        inner = ctx.inner()
        other, link, agg, of, op, value = self._parts(doc, form, inner)
        rows = alias(other, inner)
        pairs, owner = link.pairs(other, rows)
        column = self._column(doc, other, of, rows, inner)
        total = aggregate_of(agg, column)
        passes, nothing, _reader = aggregate_test(total, agg, op, value, of, ctx)
        mine = ctx.tied(owner)
        if mine is not None:
            # One record, or a batch: a sub-query tied to it reads a handful of rows instead of grouping the whole table.
            inner.tie = partial(self._of_these, other, link, ctx)
        inside = self._inside(doc, other, rows, inner) & owner.is_null(False)
        if mine is not None:
            inside = inside & mine
        # Records with no related row are in no group: when nothing would pass, look for the groups that do not.
        having = dialect.negate(passes) if nothing else passes
        if agg == "count" and column is None and not nothing and (op, value) == ("gte", 1):
            groups = peewee.Select([pairs], [owner]).where(inside)
        else:
            groups = peewee.Select([pairs], [owner]).where(inside).group_by(owner).having(having)
        found = form.col("id", source).in_(groups)
        return dialect.negate(found) if nothing else found

    def total(self, doc: Condition, form: Form, source: Any, ctx: Context, make: Callable[[Any], Any]) -> Any:
        """A scalar query for each record of ``source``: ``make(column of "of")`` over the rows that the test is about.

        For figures that are kept (``op`` and ``value`` play no part). Raises FieldError or ConditionError.
        """
        inner = ctx.inner()
        other, link, _agg, of, _op, _value = self._parts(doc, form, inner)
        rows = alias(other, inner)
        pairs, owner = link.pairs(other, rows)
        if ctx.tied(owner) is not None:
            inner.tie = partial(self._of_these, other, link, ctx)
        inside = self._inside(doc, other, rows, inner) & (owner == form.col("id", source))
        column = self._column(doc, other, of, rows, inner) if of else other.col("id", rows)
        return peewee.Select([pairs], [make(column)]).where(inside)

    @staticmethod
    def _of_these(other: Form, link: Relation | Relations, ctx: Context, column: Any) -> Any:
        """A test of a column of ids: a record that relates to one of those that are asked about."""
        rows = other.table.alias(f"t{ctx.level}_{other.key}")
        pairs, owner = link.pairs(other, rows)
        return column.in_(peewee.Select([pairs], [other.col("id", rows)]).where(ctx.tied(owner)))

    def looks(self, doc: Condition, form: Form) -> list[Look]:
        other, link, _agg, of, _op, _value = self._parts(doc, form, Context())
        own = {link.key} | ({of.key} if of else set()) | ({str(doc.get("on", "created_at"))} & set(other.fields))
        if less := self._minus(doc, other, of, Context()):
            own.add(less.key)
        step = Step(other.key, link.key, back=True)
        inner = [Look(other.key, frozenset(own)), *looks(doc.get("where"), other)]
        return [look.behind(step) for look in inner]

    def next_look(self, doc: Condition, form: Form, source: Any, ctx: Context) -> Any:
        inner = ctx.inner()
        other, link, _agg, _of, _op, _value = self._parts(doc, form, inner)
        rows = other.table.alias(f"n{ctx.level}_{other.key}")
        pairs, owner = link.pairs(other, rows)
        moving = next_look(doc.get("where"), other, rows, inner)
        leaving = None
        if "within" in doc:
            on = visible_field(other, doc.get("on", "created_at"), inner)
            leaving = on.next_look(other.col(on.key, rows), "within", doc["within"], inner)
        first = dialect.earliest([moving, leaving])
        if first is None:
            return None
        counts = (owner == form.col("id", source)) & live(other, rows, inner)
        if moving is None:
            # What time cannot bring in or put out need not be waited for.
            where = compile(doc.get("where"), other, inner, rows)
            counts = counts if where is None else counts & where
        return peewee.Select([pairs], [fn.MIN(first)]).where(counts)

    def words(self, doc: Condition, form: Form) -> str:
        other, _link, agg, of, op, value = self._parts(doc, form, Context())
        rows = other.label
        if doc.get("where"):
            rows = _("%(form)s（%(where)s）", form=rows, where=_words(doc["where"], other, top=True))
        if "within" in doc:
            rows = _("最近 %(span)s %(rows)s", span=span_words(doc["within"]), rows=rows)
        if of:
            less = self._minus(doc, other, of, Context())
            field = _("%(field)s减%(less)s", field=of.label, less=less.label) if less else of.label
            subject = _("%(rows)s %(field)s %(agg)s", rows=rows, field=field, agg=agg_words(agg))
        else:
            subject = _("%(rows)s %(agg)s", rows=rows, agg=agg_words(agg))
        if op in ("empty", "not_empty"):
            return f"{subject} {OPERATOR_WORDS[op]}"
        reader = of if of and agg not in ("count", "distinct") else COUNT
        return f"{subject} {OPERATOR_WORDS[op]} {reader.operand_words(op, value)}"

    def actual(self, doc: Condition, form: Form, ctx: Context) -> str:
        inner = ctx.inner()
        other, link, agg, of, op, value = self._parts(doc, form, inner)
        rows = alias(other, inner)
        column = self._column(doc, other, of, rows, inner)
        total = aggregate_of(agg, column)
        _test, _nothing, reader = aggregate_test(total, agg, op, value, of, ctx)
        pairs, owner = link.pairs(other, rows)
        inside = self._inside(doc, other, rows, inner) & (owner == ctx.record_id)
        found = next(iter(peewee.Select([pairs], [total]).where(inside).tuples().execute(db)))[0]
        if found is None:
            return reader.format(0) if agg == "sum" else _("空")
        if agg == "avg" and isinstance(reader, Decimal) and of is not None and of.type == "integer":
            found = found * reader.scale
        return reader.format(found)

    def forms(self, doc: Condition, form: Form) -> set[str]:
        other = catalog.get(str(doc["related"]))
        return {other.key} | forms_used(doc.get("where"), other)

    def builder(self, form: Form, actor: Actor) -> list[dict[str, Any]]:
        from .builder import related_entries

        return related_entries(form, actor)
