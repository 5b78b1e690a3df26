"""The forms and fields the company has, kept in memory and read again when another process changed them."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import peewee
from flask import g, has_request_context
from flask_babel import gettext as _

from ..core import clock, dialect, i18n
from ..core.db import Statement, db, in_write, read, write
from ..core.errors import NotFound, UserError
from ..core.i18n import label as i18n_label
from . import fields as types
from .fields.base import Field, FieldError, Spec, is_label
from .fields.moment import DateTime
from .fields.number import Integer
from .fields.relation import Person
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


@dataclass
class Form:
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
    _statements: dict[Any, Statement] = field(default_factory=dict, repr=False)

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

    @cached_property
    def links(self) -> dict[str, Field]:
        """The fields whose values live in link tables."""
        return {key: f for key, f in self.fields.items() if not f.column}

    @property
    def title(self) -> Field | None:
        return self.fields.get(self.title_field or "")

    def field(self, key: str) -> Field | None:
        return self.fields.get(key) or SYSTEM_FIELDS.get(key)

    def col(self, key: str, source: Any = None) -> peewee.Column:
        """The column of a field, of the table itself or of an alias of it."""
        return peewee.Column(self.table if source is None else source, key)

    def document(self) -> dict[str, Any]:
        """The definition in the shape of an app package's *form*."""
        doc: dict[str, Any] = {"key": self.key, "label": self.spec_label, "icon": self.icon}
        if self.title_field:
            doc["title_field"] = self.title_field
        if self.system:
            doc["system"] = True
        return doc | {"fields": [f.spec.document() for f in self.fields.values()]}

    @cached_property
    def search_fields(self) -> list[str]:
        """The fields that quick search looks into: those the form names, else its title and unique or phone fields."""
        named = self.options.get("search")
        if named:
            return [k for k in named if k in self.fields]
        return [
            k for k, f in self.columns.items()
            if k == self.title_field or f.type == "phone" or (f.unique and f.column == dialect.TEXT)
        ]  # fmt: skip


_lock = threading.Lock()
_cache: dict[str, Form] = {}
_cached: tuple[str, str] = ("", "?")


def _load() -> dict[str, Form]:
    forms: dict[int, Form] = {}
    for row in FormRow.select().where(FormRow.deleted_at.is_null()).order_by(FormRow.position, FormRow.id):
        forms[row.id] = Form(
            row.id, row.key, row.label, row.icon, row.title_field, row.group, row.options, row.system, row.position
        )
    rows = FieldRow.select().where(FieldRow.deleted_at.is_null()).order_by(FieldRow.position, FieldRow.id)
    for row in rows:
        if row.form_id in forms:
            forms[row.form_id].fields[row.key] = types.build(_spec(row))
    return {form.key: form for form in forms.values()}


def _spec(row: Any) -> Spec:
    return Spec(
        row.key, row.label, row.type, row.required, row.unique, row.indexed, row.readonly, row.default, row.help,
        row.options, row.system, row.id, row.position,
    )  # fmt: skip


_version_query = CatalogVersion.select(CatalogVersion.token).limit(1).sql()


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
    global _cache, _cached
    version = _version()
    if _cached != version:
        with _lock:
            if _cached != version:
                _cache, _cached = _load(), version
    return _cache


def all() -> list[Form]:
    return list(all_forms().values())


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


def _touch() -> None:
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


def create_form(doc: dict[str, Any]) -> Form:
    """Makes a form, its table and its indexes. ``doc``: the shape of an app package's *form*."""
    key = _check_key(doc.get("key"))
    with write():
        if not is_label(doc.get("label")):
            raise UserError(_('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="label"), "label")
        old = FormRow.get_or_none(FormRow.key == key)
        if old is not None:
            raise UserError(_("已经有「%(key)s」这个表单了。", key=key), "key")
        specs = [_read(d) for d in doc.get("fields", [])]
        if len({s.key for s in specs}) != len(specs):
            raise UserError(_("同一个键名的字段出现了两次。"), "fields")
        options = {k: doc[k] for k in ("search", "columns") if k in doc}
        row = FormRow.create(
            key=key, label=doc.get("label") or key, icon=doc.get("icon", "table"), title_field=doc.get("title_field"),
            group=doc.get("group"), options=options, system=doc.get("system", False),
            position=doc.get("position", FormRow.select().count() * 10),
        )  # fmt: skip
        built = [_build(spec, key) for spec in specs]
        if row.title_field and row.title_field not in {f.key for f in built}:
            raise UserError(_("标题字段「%(key)s」不在字段里。", key=row.title_field), "title_field")
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
        _touch()
    form = get(key)
    _search_table(form)
    return form


def _build(spec: Spec, own: str | None = None) -> Field:
    """``own``: the form being made, which its fields may point at. Raises UserError."""
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
    target = spec.options.get("form")
    if f.type == "relation" and target != own and target not in all_forms():
        raise UserError(_("没有「%(key)s」这个表单。", key=target), "form")
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


def _search_table(form: Form) -> None:
    if form.search_fields:
        with write():
            dialect.create_search_table(db, form.search_table, form.search_fields)


def add_field(form: Form, doc: dict[str, Any]) -> Field:
    """Adds a column; existing records have it empty at once, whatever their number."""
    spec = _read(doc)
    f = _build(spec, form.key)
    with write():
        old = FieldRow.get_or_none(FieldRow.form == form.id, FieldRow.key == spec.key)
        if old is not None:
            raise UserError(_("这个表单已经有字段「%(key)s」了。", key=spec.key), "key")
        if f.column:
            dialect.add_column(db, form.table_name, f.key, f.column)
        _store_field(form.id, spec, len(form.fields))
        _index(form.key, f)
        _touch()
    return f


def update_form(form: Form, doc: dict[str, Any]) -> Form:
    """Changes label, icon, title field or group."""
    with write():
        row = FormRow.get_by_id(form.id)
        title = doc.get("title_field", row.title_field)
        if title and title not in form.fields:
            raise UserError(_("标题字段「%(key)s」不在字段里。", key=title), "title_field")
        row.label, row.icon = doc.get("label", row.label), doc.get("icon", row.icon)
        row.title_field, row.group = title, doc.get("group", row.group)
        row.save()
        _touch()
    return get(form.key)


def update_field(form: Form, key: str, doc: dict[str, Any]) -> Field:
    """Changes label, help, required, default or the type's options. Type and key stay."""
    current = form.fields.get(key)
    if current is None:
        raise NotFound(_("没有「%(key)s」这个字段。", key=key))
    if doc.get("key", key) != key or doc.get("type", current.type) != current.type:
        raise UserError(_("字段的键名和类型不能改。"), "type")
    spec = _read(current.spec.document() | doc)
    f = _build(spec, form.key)
    with write():
        row = FieldRow.get(FieldRow.form == form.id, FieldRow.key == key)
        if spec.unique and not row.unique and _has_duplicates(form, key):
            raise UserError(_("已有记录的「%(field)s」有重复，不能设为唯一。", field=current.label), "unique")
        row.label, row.help, row.required, row.default = spec.label, spec.help, spec.required, spec.default
        row.options, row.unique, row.indexed = spec.options, spec.unique, spec.indexed
        row.save()
        if f.unique != current.unique or f.indexed != current.indexed:
            dialect.drop_index(db, f"u_{form.key}__{key}")
            dialect.drop_index(db, f"i_{form.key}__{key}")
            _index(form.key, f)
        _touch()
    return f


def _has_duplicates(form: Form, key: str) -> bool:
    col = form.col(key)
    query = (
        form.table.select(col)
        .where(col.is_null(False), form.col("deleted_at").is_null())
        .group_by(col)
        .having(peewee.fn.COUNT(peewee.SQL("*")) > 1)
        .limit(1)
    )
    return bool(list(query.tuples().execute(db)))


def delete_field(form: Form, key: str) -> None:
    """Hides a field; its column and data stay until it is purged."""
    f = form.fields.get(key)
    if f is None:
        raise NotFound(_("没有「%(key)s」这个字段。", key=key))
    if f.spec.system:
        raise UserError(_("「%(field)s」是固客自带的字段，不能删除。", field=f.label))
    with write():
        FieldRow.update(deleted_at=clock.now()).where(FieldRow.form == form.id, FieldRow.key == key).execute()
        _touch()


def delete_form(form: Form) -> None:
    """Hides a form; its table and records stay until it is purged."""
    if form.system:
        raise UserError(_("「%(form)s」是固客自带的表单，不能删除。", form=form.label))
    with write():
        FormRow.update(deleted_at=clock.now()).where(FormRow.id == form.id).execute()
        _touch()


def hidden(key: str, field_key: str | None = None) -> bool:
    """Whether a form, or one of its fields, is there but deleted."""
    if field_key is None:
        return bool(FormRow.select().where(FormRow.key == key, FormRow.deleted_at.is_null(False)).exists())
    query = FieldRow.select().join(FormRow).where(FormRow.key == key, FieldRow.key == field_key)
    return bool(query.where(FieldRow.deleted_at.is_null(False)).exists())


def restore_form(key: str) -> Form:
    """Brings a deleted form back, with its records."""
    with write():
        FormRow.update(deleted_at=None).where(FormRow.key == key).execute()
        _touch()
    return get(key)


def restore_field(form: Form, key: str) -> None:
    """Brings a deleted field back, with its values."""
    with write():
        FieldRow.update(deleted_at=None).where(FieldRow.form == form.id, FieldRow.key == key).execute()
        _touch()


def install(docs: list[dict[str, Any]]) -> None:
    """Makes the forms and fields that are not there yet and leaves what the company changed alone."""
    known = all_forms()
    for doc in docs:
        if doc["key"] not in known:
            create_form(doc)
            continue
        form = get(doc["key"])
        for field_doc in doc["fields"]:
            if field_doc["key"] not in form.fields:
                add_field(form, field_doc)
