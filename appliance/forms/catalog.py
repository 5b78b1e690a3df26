"""The forms and fields the company has, kept in memory and read again when another process changed them."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import peewee
from flask import g, has_request_context
from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts import audit
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect, i18n, schema
from ..core.db import Statement, db, in_write, read, write
from ..core.errors import FieldErrors, NotFound, UserError
from ..core.i18n import label as i18n_label
from . import fields as types
from . import layout as layouts
from . import options as form_options
from .designing.models import FormVersion
from .fields.base import Field, FieldError, Spec, is_label
from .fields.moment import DateTime
from .fields.number import Integer
from .fields.people import Person
from .models import CatalogVersion, FieldRow, FormRow

KEY = re.compile(r"[a-z][a-z0-9_]{0,47}")
RESERVED = {"id", "version", "created_at", "created_by", "updated_at", "updated_by", "deleted_at", "rowid", "oid"}


def _system_fields() -> dict[str, Field]:
    """Every record has these; they are kept by Guke."""
    docs: list[tuple[type[Field], str, dict[str, str]]] = [
        (Integer, "id", {"zh": "编号", "en": "ID"}),
        (DateTime, "created_at", {"zh": "创建时间", "en": "Created at"}),
        (Person, "created_by", {"zh": "创建人", "en": "Created by"}),
        (DateTime, "updated_at", {"zh": "修改时间", "en": "Updated at"}),
        (Person, "updated_by", {"zh": "修改人", "en": "Updated by"}),
    ]
    return {key: cls(Spec(key, text, cls.type, readonly=True, system=True)) for cls, key, text in docs}


SYSTEM_FIELDS = _system_fields()


class PartOf(Struct, frozen=True):
    """The form and the field whose line items a form's records are, and the relation by which they point there."""

    form: str
    field: str
    via: str


class Form(Struct, dict=True):
    """A kind of record. ``fields`` are the company's, in order; ``field()`` finds system fields too."""

    id: int
    key: str
    spec_label: Any
    icon: str
    title_field: str | None
    group: Any
    options: dict[str, Any]
    system: bool
    position: int
    fields: dict[str, Field] = field(default_factory=dict)
    _statements: dict[Any, Statement] = field(default_factory=dict)

    def statement(self, key: Any, build: Callable[[], peewee.Query]) -> Statement:
        """The compiled query of that key; it lives as long as this definition of the form."""
        found = self._statements.get(key)
        if found is None:
            found = self._statements[key] = Statement(build())
        return found

    def __post_init__(self) -> None:
        self.table_name = f"f_{self.key}"
        self.table = peewee.Table(self.table_name).bind(db)

    @property
    def label(self) -> str:
        return i18n_label(self.spec_label)

    @property
    def one(self) -> str:
        """What one record is called in the middle of a sentence: "customer" where the label is "Customers"."""
        return i18n.one(self.label)

    @property
    def many(self) -> str:
        """What the records are called in the middle of a sentence."""
        return i18n.many(self.label)

    @property
    def search_table(self) -> str:
        return f"s_{self.key}"

    @cached_property
    def columns(self) -> dict[str, Field]:
        """The fields that are columns of the table."""
        return {key: f for key, f in self.fields.items() if f.column}

    @property
    def part_of(self) -> PartOf | None:
        """For a form that was made for the line items of one field: whose they are."""
        doc = self.options.get(PART_OF)
        return PartOf(doc["form"], doc["field"], doc["via"]) if doc else None

    @cached_property
    def unique_sets(self) -> list[tuple[str, ...]]:
        """Fields whose values together are in no other record."""
        return [tuple(keys) for keys in self.options.get("unique", []) if set(keys) <= set(self.columns)]

    @cached_property
    def links(self) -> dict[str, Field]:
        """The fields whose values live in link tables."""
        return {key: f for key, f in self.fields.items() if not f.column}

    @property
    def title(self) -> Field | None:
        return self.fields.get(self.title_field or "")

    @cached_property
    def layout(self) -> layouts.Layout:
        """Where the fields stand on the page; every one of them, unless the layout hides it."""
        return layouts.read(self.options.get("layout"), self.fields, SYSTEM_FIELDS)

    @property
    def color(self) -> str | None:
        return self.options.get("color")

    @property
    def color_field(self) -> Field | None:
        """The choice field whose colour rows, cards and calendar entries take."""
        return self.fields.get(self.options.get("color_field") or "")

    @property
    def views(self) -> dict[str, Any]:
        """What the form says about its board, calendar and other views, by kind."""
        found: dict[str, Any] = self.options.get("views") or {}
        return found

    @property
    def converting(self) -> dict[str, int]:
        """The fields whose values are being converted to another type: key → the job that does it."""
        found: dict[str, int] = self.options.get(CONVERTING) or {}
        return found

    def field_at(self, key: str, change_id: int) -> Field | None:
        """The field as it was when that Change was written: a field may have changed its type since."""
        for last, doc, _number in self.options.get(RETYPED, {}).get(key, []):
            if change_id <= last:
                return types.build(Spec.read(doc))
        return self.field(key)

    def field(self, key: str) -> Field | None:
        return self.fields.get(key) or SYSTEM_FIELDS.get(key)

    def col(self, key: str, source: Any = None) -> peewee.Column:
        """The column of a field, of the table itself or of an alias of it."""
        return peewee.Column(self.table if source is None else source, key)

    def document(self) -> dict[str, Any]:
        """The definition in the shape of an app package's *form*."""
        doc: dict[str, Any] = {"key": self.key, "label": self.spec_label, "icon": self.icon}
        if self.title:
            doc["title_field"] = self.title_field
        if self.group:
            doc["group"] = self.group
        if self.system:
            doc["system"] = True
        return doc | self._options_document() | {"fields": [f.spec.document() for f in self.fields.values()]}

    def _options_document(self) -> dict[str, Any]:
        """The options as they are in force: what names a deleted field is left out."""
        doc = {key: self.options[key] for key in form_options.KEYS if self.options.get(key)}
        if "layout" in doc:
            doc["layout"] = self.layout.document()
        if "unique" in doc:
            doc["unique"] = [list(keys) for keys in doc["unique"] if set(keys) <= set(self.fields)]
        for name in ("search", "columns"):
            if name in doc:
                doc[name] = [key for key in doc[name] if self.field(key)]
        if "color_field" in doc and self.color_field is None:
            del doc["color_field"]
        return {key: value for key, value in doc.items() if value}

    @cached_property
    def search_fields(self) -> list[str]:
        """The fields that quick search looks into: those the form names, else its title and unique or phone fields."""
        named = self.options.get("search")
        if named:
            return [k for k in named if k in self.fields and self.fields[k].searchable]
        return [
            k for k, f in self.columns.items()
            if f.searchable
            and (k == self.title_field or f.type == "phone" or (f.unique and f.column == dialect.TEXT))
        ]  # fmt: skip


PART_OF = "_part_of"
"""Key of ``form.options``: see :attr:`Form.part_of`."""
CONVERTING, RETYPED = "_converting", "_retyped"
"""Keys of ``form.options`` that are no part of the definition. The first: field → the job that converts it. The second:
field → ``[[last Change, the field's document until then, the cause of
what was lost], …]``, oldest first."""

_lock = threading.Lock()
_cache: tuple[tuple[str, str], dict[str, Form]] = (("", "?"), {})


def _load() -> dict[str, Form]:
    forms = unbound()
    for form in forms.values():
        for f in form.fields.values():
            f.bind(form, forms)
    return forms


def unbound() -> dict[str, Form]:
    """The forms read anew, their computed fields not yet bound to what they are computed from."""
    forms: dict[int, Form] = {}
    for row in FormRow.select().where(FormRow.deleted_at.is_null()).order_by(FormRow.position, FormRow.id):
        forms[row.id] = Form(
            row.id, row.key, row.label, row.icon, row.title_field, row.group, row.options, row.system, row.position
        )
    rows = FieldRow.select().where(FieldRow.deleted_at.is_null()).order_by(FieldRow.position, FieldRow.id)
    for row in rows:
        if row.form_id in forms:
            forms[row.form_id].fields[row.key] = types.build(spec_of(row))
    return {form.key: form for form in forms.values()}


def spec_of(row: Any) -> Spec:
    return Spec(
        row.key, row.label, row.type, row.required, row.unique, row.indexed, row.readonly, row.default, row.help,
        row.options, row.system, row.id, row.position,
    )  # fmt: skip


_version_query = CatalogVersion.select(CatalogVersion.token).limit(1).sql()


def version() -> tuple[str, str]:
    """Changes with every change of any form: what is worked out from definitions holds as long as it stays."""
    return _version()


def _version() -> tuple[str, str]:
    # Within one request the definitions stay as they were at its beginning, unless it changes them itself.
    known: tuple[str, str] | None = g.get("catalog_version") if has_request_context() else None
    if known is None:
        with read():
            row = db.execute_sql(*_version_query).fetchone()
        known = db.database, row[0] if row else ""
        if has_request_context() and not in_write():
            g.catalog_version = known
    return known


def all_forms() -> dict[str, Form]:
    """By key. The token that every change of a definition renews is compared on each call (about 10 µs)."""
    global _cache
    version = _version()
    cached = _cache
    if cached[0] != version:
        with _lock:
            if _cache[0] != version:
                _cache = version, _load()
            # What a transaction has not committed yet is another version: each thread returns what it has read itself.
            cached = _cache
    return cached[1]


def all() -> list[Form]:
    return list(all_forms().values())


audit.says("form", lambda: {key: form.label for key, form in all_forms().items()})


def get(key: str) -> Form:
    """Raises :class:`NotFound`."""
    form = all_forms().get(key)
    if form is None:
        raise NotFound(_("没有「%(key)s」这个表单。", key=key))
    return form


def by_id(form_id: int) -> Form | None:
    return next((f for f in all_forms().values() if f.id == form_id), None)


def inverse(form: Form) -> list[tuple[Form, Field]]:
    """The relation fields of all forms that point at ``form``."""
    return [
        (other, f)
        for other in all_forms().values()
        for f in other.fields.values()
        if f.type == "relation" and f.options.get("form") == form.key
    ]


def pointing(form: Form) -> list[tuple[Form, Field]]:
    """The fields of all forms whose values are records of ``form``, one or several."""
    return [(other, f) for other in all_forms().values() for f in other.fields.values() if f.points_at == form.key]


def touch() -> None:
    """The definitions have changed: everybody reads them again."""
    token = secrets.token_hex(8)
    if has_request_context():
        g.pop("catalog_version", None)
    CatalogVersion.insert(id=1, token=token).on_conflict(
        conflict_target=[CatalogVersion.id], update={CatalogVersion.token: token}
    ).execute()


def _check_key(key: Any) -> str:
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise UserError(_("键名要以小写字母开头，只含小写字母、数字和下划线。"), "key")
    return key


# -- definition -------------------------------------------------------------------------------------------------


class _Edit(threading.local):
    key: str | None = None


_edit = _Edit()


@contextmanager
def editing(key: str, actor: Actor, action: str = "form.changed") -> Iterator[None]:
    """One change of a form's definition, however many verbs it takes: one transaction, one version, one audit entry."""
    if _edit.key == key:
        yield
        return
    outer, _edit.key = _edit.key, key
    try:
        with write():
            before = all_forms().get(key)
            old = before.document() if before else None
            known = all_forms()
            _keep_first(before)
            yield
            touch()
            # The engines of conditions and of computed fields are built on the catalogue.
            from . import field_rules
            from .formula import checking

            field_rules.check(all_forms().get(key), old)
            checking.settle(key, old, known)
            _note(key, before, old, actor, action)
    finally:
        _edit.key = outer


def _keep_first(form: Form | None) -> None:
    """The definition as it was before the first change that is recorded."""
    if form and not FormVersion.select().where(FormVersion.form_id == form.id).exists():
        FormVersion.create(form_id=form.id, number=1, doc=form.document(), at=clock.now())


def _note(key: str, before: Form | None, old: dict[str, Any] | None, actor: Actor, action: str) -> None:
    after = all_forms().get(key)
    new = after.document() if after else None
    form = after or before
    if form is None or new == old:
        return
    number = version_of(form) + 1
    if number > 1 and actor is SYSTEM and schema.planting():
        # What several rooms put into a form of a new company is its first version.
        newest = (FormVersion.form_id == form.id) & (FormVersion.number == number - 1)
        FormVersion.update(doc=new or old).where(newest).execute()
        return
    FormVersion.create(form_id=form.id, number=number, doc=new or old, at=clock.now(), by=actor.id)
    detail = {"form": key, "version": number}
    if not (form.system and action == "form.created"):
        audit.note(action, detail, actor)


def version_of(form: Form) -> int:
    """The number of the definition that is in force; 0: it never changed."""
    return int(
        FormVersion.select(peewee.fn.MAX(FormVersion.number)).where(FormVersion.form_id == form.id).scalar() or 0
    )


def create_form(doc: dict[str, Any], actor: Actor = SYSTEM) -> Form:
    """Makes a form, its table and its indexes. ``doc``: the shape of an app package's *form*."""
    key = _check_key(doc.get("key"))
    with editing(key, actor, "form.created"):
        if not is_label(doc.get("label")):
            raise UserError(_('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="label"), "label")
        _demand_free(key)
        specs = [_read(d) for d in doc.get("fields") or []]
        if len({s.key for s in specs}) != len(specs):
            raise UserError(_("同一个键名的字段出现了两次。"), "fields")
        options = {k: doc[k] for k in form_options.KEYS if doc.get(k) is not None}
        row = FormRow.create(
            key=key, label=doc.get("label") or key, icon=doc.get("icon") or "table", title_field=doc.get("title_field"),
            group=doc.get("group"), options=options, system=doc.get("system", False),
            position=doc.get("position", FormRow.select().count() * 10),
        )  # fmt: skip
        built = [build_field(spec, key) for spec in specs]
        if row.title_field and row.title_field not in [f.key for f in built]:
            raise UserError(_("标题字段「%(key)s」不在字段里。", key=row.title_field), "title_field")
        _check_form(doc, {f.key: f for f in built})
        table = f"f_{key}"
        base = {
            "id": "INTEGER PRIMARY KEY", "version": "INTEGER NOT NULL", "created_at": "INTEGER NOT NULL",
            "created_by": "INTEGER", "updated_at": "INTEGER NOT NULL", "updated_by": "INTEGER", "deleted_at": "INTEGER",
        }  # fmt: skip
        dialect.create_table(db, table, base | {f.key: f.column for f in built if f.column})
        dialect.create_index(db, f"i_{key}__created_at", table, ["created_at"])
        for position, f in enumerate(built):
            _store_field(row.id, f.spec, position)
            _index(key, f)
        touch()
        form = get(key)
        for keys in form.unique_sets:
            _index_set(form, keys)
        if form.search_fields:
            dialect.create_search_table(db, form.search_table, form.search_fields)
        for f in built:
            f.installed(form, actor)
    return get(key)


def check_new_key(key: Any) -> str:
    """Raises UserError for what cannot be the key of a new form."""
    _demand_free(_check_key(key))
    return str(key)


def _demand_free(key: str) -> None:
    old = FormRow.get_or_none(FormRow.key == key)
    if old is not None and old.deleted_at:
        raise UserError(_("回收站里有「%(key)s」这个表单，请恢复它、彻底删除它，或换一个键名。", key=key), "key")
    if old is not None:
        raise UserError(_("已经有「%(key)s」这个表单了。", key=key), "key")


def _check_form(doc: dict[str, Any], fields: dict[str, Field]) -> None:
    """Raises FieldErrors with the place of each thing that is wrong besides the fields."""
    found = form_options.problems(doc, fields, SYSTEM_FIELDS)
    if not is_label(doc.get("group")):
        found["group"] = _('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="group")
    if not isinstance(doc.get("icon", ""), str):
        found["icon"] = _("「%(key)s」要是文字。", key="icon")
    if found:
        raise FieldErrors(found)


def build_field(spec: Spec, own: str | None = None) -> Field:
    """The field of a definition. ``own``: the form being made, which its fields may point at. Raises UserError."""
    _check_key(spec.key)
    if spec.key in RESERVED:
        raise UserError(_("「%(key)s」是保留的键名，请换一个。", key=spec.key), "key")
    try:
        f = types.build(spec)
        f.default()
    except FieldError as error:
        raise UserError(str(error), spec.key) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(_("「%(field)s」的设置写得不对：%(why)s", field=spec.key, why=error), spec.key) from error
    if f.unique and not f.can_be_unique:
        raise UserError(_("「%(field)s」这种字段不能设为唯一。", field=f.label), spec.key)
    if f.only_forms is not None and own not in f.only_forms:
        raise UserError(_("这个表单不能有「%(type)s」字段。", type=f.name), spec.key)
    if f.points_at not in (None, own) and f.points_at not in all_forms():
        raise UserError(_("没有「%(key)s」这个表单。", key=f.points_at), "form")
    return f


def _read(doc: dict[str, Any]) -> Spec:
    try:
        return Spec.read(doc)
    except FieldError as error:
        raise UserError(str(error), "key") from error


def _store_field(form_id: int, spec: Spec, position: int) -> None:
    FieldRow.create(
        form=form_id, key=spec.key, label=spec.label, type=spec.type, required=spec.required, unique=spec.unique,
        indexed=spec.indexed, readonly=spec.readonly, default=spec.default, help=spec.help, options=spec.options,
        system=spec.system, position=position,
    )  # fmt: skip


def _index(form_key: str, f: Field) -> None:
    if not f.column:
        return
    if f.unique:
        dialect.create_index(db, f"u_{form_key}__{f.key}", f"f_{form_key}", [f.key], unique=True, absent="deleted_at")
    elif f.indexed or f.type == "relation":
        dialect.create_index(db, f"i_{form_key}__{f.key}", f"f_{form_key}", [f.key], filled=f.key)


def _unindex(form_key: str, key: str) -> None:
    dialect.drop_index(db, f"u_{form_key}__{key}")
    dialect.drop_index(db, f"i_{form_key}__{key}")


def _set_name(form: Form, keys: tuple[str, ...]) -> str:
    return f"us_{form.key}__" + "__".join(keys)


def _index_set(form: Form, keys: tuple[str, ...]) -> None:
    """Two records never share all of these values. Raises UserError when some do already."""
    try:
        dialect.create_index(
            db, _set_name(form, keys), form.table_name, list(keys), unique=True, absent="deleted_at"
        )  # fmt: skip
    except peewee.IntegrityError:
        # Asking first would read the whole table twice.
        refuse_duplicates(form, keys)
        raise


@contextmanager
def _kept_in_step(form: Form) -> Iterator[None]:
    """The indexes over several fields and the search table follow what the block does to the definition."""
    yield
    touch()
    after = get(form.key)
    for keys in set(form.unique_sets) - set(after.unique_sets):
        dialect.drop_index(db, _set_name(form, keys))
    for keys in after.unique_sets:
        if keys not in form.unique_sets:
            _index_set(after, keys)
    if set(after.search_fields) - set(form.search_fields):
        from . import search

        search.reshape(after)


def add_field(form: Form, doc: dict[str, Any], actor: Actor = SYSTEM, position: int | None = None) -> Field:
    """Adds a column; existing records have it empty at once, whatever their number."""
    spec = _read(doc)
    f = build_field(spec, form.key)
    with editing(form.key, actor), _kept_in_step(form):
        old = FieldRow.get_or_none(FieldRow.form == form.id, FieldRow.key == spec.key)
        if old is not None and old.deleted_at:
            raise UserError(
                _("回收站里有字段「%(key)s」，请恢复它、彻底删除它，或换一个键名。", key=spec.key), "key"
            )  # fmt: skip
        if old is not None:
            raise UserError(_("这个表单已经有字段「%(key)s」了。", key=spec.key), "key")
        if f.column:
            dialect.add_column(db, form.table_name, f.key, f.column)
        last = FieldRow.select(peewee.fn.MAX(FieldRow.position)).where(FieldRow.form == form.id).scalar()
        _store_field(form.id, spec, position if position is not None else -1 if last is None else last + 1)
        _index(form.key, f)
        if type(f).installed is not Field.installed:
            # Only some types have more to do, and reading all definitions again takes ten milliseconds.
            touch()
            f.installed(get(form.key), actor)
    return get(form.key).fields[spec.key]


FORM_KEYS = ("label", "icon", "title_field", "group", *form_options.KEYS)


def update_form(form: Form, doc: dict[str, Any], actor: Actor = SYSTEM) -> Form:
    """Changes what ``doc`` names of label, icon, title field, group and the options; ``None`` takes one away."""
    with editing(form.key, actor), _kept_in_step(form):
        row = FormRow.get_by_id(form.id)
        title = doc.get("title_field", form.title_field if form.title else None)
        if title and title not in list(form.fields):
            raise UserError(_("标题字段「%(key)s」不在字段里。", key=title), "title_field")
        if not is_label(doc.get("label")):
            raise UserError(_('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="label"), "label")
        _check_form(doc, form.fields)
        row.label, row.icon = doc.get("label") or row.label, doc.get("icon") or row.icon
        row.title_field, row.group = title, doc.get("group", row.group)
        options = dict(row.options)
        for key in form_options.KEYS:
            if key in doc:
                options[key] = doc[key]
        row.options = {key: value for key, value in options.items() if value not in (None, [], {})}
        row.save()
    return get(form.key)


def set_field_options(form: Form, key: str, options: dict[str, Any]) -> None:
    """Adds what a field has found out itself to its options. Only inside ``write()``."""
    row = FieldRow.get(FieldRow.form == form.id, FieldRow.key == key)
    row.options = row.options | options
    row.save()
    touch()


def set_option(form_id: int, key: str, value: Any) -> None:
    """Keeps what is no part of the definition with a form (``None`` takes it away). Only inside ``write()``."""
    row = FormRow.get_by_id(form_id)
    row.options = {k: v for k, v in (row.options | {key: value}).items() if v is not None}
    row.save()
    touch()


def update_field(form: Form, key: str, doc: dict[str, Any], actor: Actor = SYSTEM) -> Field:
    """Changes label, help, required, default or the type's options. The key stays; the type is changed by
    ``designing.conversion``."""
    current = form.fields.get(key)
    if current is None:
        raise NotFound(_("没有「%(key)s」这个字段。", key=key))
    if doc.get("key", key) != key:
        raise UserError(_("字段的键名不能改。"), "key")
    if doc.get("type", current.type) != current.type:
        raise UserError(_("字段的类型要在设计器里改，或在接口里加上 convert。"), "type")
    spec = _read(_merged(current.spec.document(), doc))
    if current.spec.system:
        spec.system, spec.readonly = True, current.readonly
    f = build_field(spec, form.key)
    if f.points_at != current.points_at and filled(form, key):
        raise UserError(_("「%(field)s」里已有记录，不能改为关联别的表单。", field=current.label), key)
    with editing(form.key, actor), _kept_in_step(form):
        row = FieldRow.get(FieldRow.form == form.id, FieldRow.key == key)
        row.label, row.help, row.required, row.default = spec.label, spec.help, spec.required, spec.default
        row.options, row.unique, row.indexed = spec.options, spec.unique, spec.indexed
        row.save()
        if f.unique != current.unique or f.indexed != current.indexed:
            _unindex(form.key, key)
            try:
                _index(form.key, f)
            except peewee.IntegrityError:
                refuse_duplicates(form, (key,))
                raise
        touch()
        f.installed(get(form.key), actor)
    return get(form.key).fields[key]


def whole_field(form: Form, key: str, doc: dict[str, Any]) -> Field:
    """The field as ``doc`` alone would make it, in the place of the one there is. Raises UserError."""
    current = form.fields[key].spec
    spec = _read({k: v for k, v in doc.items() if v is not None})
    spec.id, spec.position = current.id, current.position
    spec.system, spec.readonly = current.system, current.readonly
    return build_field(spec, form.key)


def deleted_field(form: Form, key: str) -> Field | None:
    """The field of that key in the recycle bin."""
    row = FieldRow.get_or_none(FieldRow.form == form.id, FieldRow.key == key, FieldRow.deleted_at.is_null(False))
    return types.build(spec_of(row)) if row else None


def _merged(current: dict[str, Any], doc: dict[str, Any]) -> dict[str, Any]:
    """``doc`` over ``current``; an option given as ``None`` is taken away."""
    return {k: v for k, v in (current | doc).items() if v is not None}


def retype(form: Form, key: str, spec: Spec, swap: Callable[[], None], was: list[Any]) -> None:
    """The field's definition becomes ``spec``, another type's; ``swap`` puts the converted values in their place.

    ``was``: the entry of what it was. Called by ``designing.conversion`` inside its transaction.
    """
    _unindex(form.key, key)
    for keys in form.unique_sets:
        if key in keys:
            dialect.drop_index(db, _set_name(form, keys))
    swap()
    row = FieldRow.get(FieldRow.form == form.id, FieldRow.key == key)
    row.label, row.type, row.help, row.required, row.default = (
        spec.label,
        spec.type,
        spec.help,
        spec.required,
        spec.default,
    )
    row.options, row.unique, row.indexed = spec.options, spec.unique, spec.indexed
    row.save()
    retyped = form.options.get(RETYPED, {})
    set_option(form.id, RETYPED, retyped | {key: [*retyped.get(key, []), was]})
    after = get(form.key)
    _index(form.key, after.fields[key])
    for keys in after.unique_sets:
        if key in keys:
            _index_set(after, keys)
    if after.search_fields != form.search_fields:
        from . import search

        search.reshape(after)


def shape(spec: Spec) -> tuple[str, Any]:
    """What tells how a field's values are stored."""
    return spec.type, spec.options.get("digits")


def types_now(form: Form) -> dict[str, tuple[str, Any]] | None:
    """The :func:`shape` of each field as it is in the database this moment; ``None``: as ``form`` says. Only in a write."""
    row = db.execute_sql(*_version_query).fetchone()
    version, forms = _cache
    if version == (db.database, row[0] if row else "") and forms.get(form.key) is form:
        return None
    rows = FieldRow.select().where(FieldRow.form == form.id, FieldRow.deleted_at.is_null())
    return {row.key: shape(spec_of(row)) for row in rows}


def order_fields(form: Form, keys: list[str], actor: Actor = SYSTEM) -> None:
    """Puts the fields into the order of ``keys``; those it does not name come after, in theirs."""
    rest = [key for key in form.fields if key not in keys]
    wanted = [key for key in keys if key in form.fields] + rest
    if wanted == list(form.fields):
        return
    with editing(form.key, actor):
        for position, key in enumerate(wanted):
            FieldRow.update(position=position).where(FieldRow.form == form.id, FieldRow.key == key).execute()
        touch()


def count(form: Form, *, deleted: bool | None = False) -> int:
    """The records of the form: those there are, those in the recycle bin, or (``None``) all."""
    query = form.table.select(peewee.fn.COUNT(peewee.SQL("*")))
    if deleted is not None:
        query = query.where(form.col("deleted_at").is_null(not deleted))
    return int(query.scalar(db) or 0)


def filled(form: Form, key: str) -> int:
    """How many records have a value in the field, those in the recycle bin included."""
    f = form.fields[key]
    if f.column:
        query = form.table.select(peewee.fn.COUNT(form.col(key)))
        return int(query.scalar(db) or 0)
    from . import conditions

    test = f.compile(form.col("id"), "not_empty", None, conditions.Context(SYSTEM))
    return int(form.table.select(peewee.fn.COUNT(form.col("id"))).where(test).scalar(db) or 0)


def refuse_duplicates(form: Form, keys: tuple[str, ...]) -> None:
    """Raises UserError, with their number and an example, when records share their values in all of ``keys``."""
    found = duplicates(form, keys)
    if not found:
        return
    names = _("、").join(form.fields[key].label for key in keys)
    shown = _("、").join(form.fields[key].format(value) for key, value in zip(keys, found[0], strict=True))
    number = f"{MANY:,}+" if len(found) > MANY else f"{len(found):,}"
    raise UserError(
        _(
            "「%(fields)s」不能设为唯一：有 %(count)s 组记录的值相同，例如「%(example)s」。请先合并或修改这些记录。",
            fields=names, count=number, example=shown,
        ),
        "unique",
    )  # fmt: skip


MANY = 9_999
"""More shared values than this are not counted."""


def duplicates(form: Form, keys: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """The values (or rows of values) that several live records share; not many more than :data:`MANY`."""
    columns = [form.col(key) for key in keys]
    query = form.table.select(*columns).where(form.col("deleted_at").is_null())
    for column in columns:
        query = query.where(column.is_null(False))
    query = query.group_by(*columns).having(peewee.fn.COUNT(peewee.SQL("*")) > 1)
    return list(query.limit(MANY + 1).tuples().execute(db))


def delete_field(form: Form, key: str, actor: Actor = SYSTEM) -> None:
    """Hides a field; its column and data stay until it is purged."""
    f = form.fields.get(key)
    if f is None:
        raise NotFound(_("没有「%(key)s」这个字段。", key=key))
    if f.spec.system:
        raise UserError(_("「%(field)s」是固客自带的字段，不能删除。", field=f.label))
    with editing(form.key, actor), _kept_in_step(form):
        FieldRow.update(deleted_at=clock.now()).where(FieldRow.form == form.id, FieldRow.key == key).execute()
        # Nobody can see its values now, so they must not be in anybody's way.
        _unindex(form.key, key)


def delete_form(form: Form, actor: Actor = SYSTEM) -> None:
    """Hides a form; its table and records stay until it is purged."""
    if form.system:
        raise UserError(_("「%(form)s」是固客自带的表单，不能删除。", form=form.label))
    with editing(form.key, actor, "form.deleted"):
        # The rows of its line items go along.
        ids = [form.id, *(part.id for part in parts_of(form))]
        FormRow.update(deleted_at=clock.now()).where(FormRow.id.in_(ids)).execute()
        touch()


def hidden(key: str, field_key: str | None = None) -> bool:
    """Whether a form, or one of its fields, is there but deleted."""
    if field_key is None:
        return bool(FormRow.select().where(FormRow.key == key, FormRow.deleted_at.is_null(False)).exists())
    query = FieldRow.select().join(FormRow).where(FormRow.key == key, FieldRow.key == field_key)
    return bool(query.where(FieldRow.deleted_at.is_null(False)).exists())


def restore_form(key: str, actor: Actor = SYSTEM) -> Form:
    """Brings a deleted form back, with its records. Raises NotFound."""
    if not hidden(key):
        raise NotFound(_("回收站里没有「%(key)s」这个表单。", key=key))
    with editing(key, actor, "form.restored"):
        FormRow.update(deleted_at=None).where(FormRow.key == key).execute()
        for row in deleted_parts(key):
            FormRow.update(deleted_at=None).where(FormRow.id == row.id).execute()
        touch()
    return get(key)


def parts_of(form: Form) -> list[Form]:
    """The forms that were made for the line items of ``form``."""
    return [other for other in all_forms().values() if other.part_of and other.part_of.form == form.key]


def deleted_parts(key: str) -> list[FormRow]:
    """The same of a form in the recycle bin."""
    rows = FormRow.select().where(FormRow.deleted_at.is_null(False))
    return [row for row in rows if (row.options.get(PART_OF) or {}).get("form") == key]


def restore_field(form: Form, key: str, actor: Actor = SYSTEM) -> Field:
    """Brings a deleted field back, with its values; no longer unique if records share a value by now. Raises NotFound."""
    if not hidden(form.key, key):
        raise NotFound(_("回收站里没有字段「%(key)s」。", key=key))
    with editing(form.key, actor):
        mine = (FieldRow.form == form.id) & (FieldRow.key == key)
        FieldRow.update(deleted_at=None).where(mine).execute()
        touch()
        back = get(form.key)
        if back.fields[key].unique and duplicates(back, (key,)):
            FieldRow.update(unique=False, indexed=True).where(mine).execute()
        together = [list(keys) for keys in back.unique_sets if not (key in keys and duplicates(back, keys))]
        if "unique" in back.options:
            set_option(form.id, "unique", together)
        with _kept_in_step(form):
            touch()
        f = get(form.key).fields[key]
        _index(form.key, f)
    return f


def shell(row: FormRow) -> Form:
    """A form that may be in the recycle bin, with the fields it had."""
    form = Form(
        row.id, row.key, row.label, row.icon, row.title_field, row.group, row.options, row.system, row.position
    )  # fmt: skip
    rows = FieldRow.select().where(FieldRow.form == row.id).order_by(FieldRow.position, FieldRow.id)
    form.fields = {one.key: types.build(spec_of(one)) for one in rows}
    return form


def drop_column(form: Form, f: Field) -> None:
    """A deleted field's column goes for good."""
    _unindex(form.key, f.key)
    set_aside(form, f.key)


ASIDE = "_old_"


def set_aside(form: Form, column: str) -> None:
    """Takes a column out of sight at once, whatever the number of records; a job clears its values away."""
    from ..core import jobs

    name = f"{ASIDE}{secrets.token_hex(4)}_{column}"
    dialect.rename_column(db, form.table_name, column, name)
    jobs.enqueue("forms.drop_old", {}, unique="forms.drop_old")


def forget(row: FormRow) -> None:
    """The rows that define a form go; its tables went before."""
    FieldRow.delete().where(FieldRow.form == row.id).execute()
    row.delete_instance()
    touch()


def rename_column(form: Form, key: str, new: str) -> None:
    """Moves a field's values to another column; its indexes go, the new key's are made with its definition."""
    _unindex(form.key, key)
    if key in dialect.columns(db, form.table_name):
        dialect.rename_column(db, form.table_name, key, new)
    if (f := form.fields.get(key)) is not None:
        _index(form.key, types.build(Spec.read(f.spec.document() | {"key": new})))


def install(docs: list[dict[str, Any]]) -> None:
    """Makes the forms and fields that are not there yet and leaves what the company changed alone. A form of the company's own
    under the same key, also one in the recycle bin, becomes the built-in one and keeps all it has (``adopting``)."""
    known = all_forms()
    for doc in docs:
        if doc["key"] not in known and hidden(doc["key"]):
            restore_form(doc["key"])
        elif doc["key"] not in known:
            create_form(doc)
            continue
        form = get(doc["key"])
        with editing(form.key, SYSTEM), _kept_in_step(form):
            from . import adopting

            adopting.make_room(form, doc["fields"])
            for field_doc in doc["fields"]:
                there = get(form.key)
                if field_doc["key"] not in there.fields and not hidden(form.key, field_doc["key"]):
                    add_field(there, field_doc)
