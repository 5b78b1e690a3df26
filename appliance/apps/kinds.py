"""What an app can bring, each kind through the verbs of its own room. A new kind is one class and one line below."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_pgettext

from ..accounts import users
from ..accounts.actor import SYSTEM
from ..accounts.permissions import ANY, Rights
from ..automation import rules, tables
from ..automation.definitions import Book
from ..connections import store, uses
from ..core.db import db
from ..core.errors import NotFound, UserError
from ..core.i18n import label as i18n_label
from ..customers import tags
from ..customers.measures import store as measures
from ..customers.models import CustomerTag, Tag, TagGroup
from ..customers.segments import store as segments
from ..forms import catalog, conditions
from ..forms.catalog import Form
from ..messaging import templates
from ..reports import saved
from .models import AppObject
from .package import Doc, Item


class Kind:
    """``joins``: what is there already under this key serves the app too, and does not become the app's."""

    noun: ClassVar[Any]
    joins: ClassVar[bool] = False
    replaced: ClassVar[bool] = False
    """Whether it goes when a newer version no longer has it; what holds the company's data stays."""

    def current(self, key: str) -> Doc | None:
        """How it reads now; ``None``: it is not there."""
        raise NotImplementedError

    def add(self, item: Item) -> None:
        """Raises UserError."""
        raise NotImplementedError

    def join(self, item: Item) -> None:
        """What is there already serves the app too."""

    def change(self, item: Item) -> None:
        """Raises UserError."""
        raise NotImplementedError

    def remove(self, key: str) -> str | None:
        """Takes it away, or says in a sentence why it stays."""
        raise NotImplementedError


# -- forms --------------------------------------------------------------------------------------------------------


def _holds(form: Form, key: str | None = None) -> int:
    """How many records there are, the recycle bin included; with ``key``: how many have a value in that field."""
    query = form.table.select(peewee.fn.COUNT(peewee.SQL("*")))
    if key is not None:
        query = query.where(form.col(key).is_null(False))
    return int(query.scalar(db))


class Forms(Kind):
    noun = lazy_pgettext("one", "表单")

    def current(self, key: str) -> Doc | None:
        form = catalog.all_forms().get(key)
        if form is None:
            return None
        return {"label": form.spec_label, "icon": form.icon, "title_field": form.title_field, "group": form.group}

    def add(self, item: Item) -> None:
        if not catalog.hidden(item.key):
            catalog.create_form(item.document | {"fields": item.fields})
            return
        # The app was here before: its form comes back with all it had.
        form = catalog.restore_form(item.key)
        for doc in item.fields:
            if doc["key"] in form.fields:
                catalog.update_field(form, doc["key"], doc)
            else:
                Fields().add(Item("field", f"{form.key}.{doc['key']}", doc))
        catalog.update_form(catalog.get(item.key), item.document)

    def change(self, item: Item) -> None:
        catalog.update_form(catalog.get(item.key), item.document)

    def remove(self, key: str) -> str | None:
        form = catalog.get(key)
        count = _holds(form)
        if count:
            return _("表单「%(form)s」有 %(count)s 条记录（含回收站），保留。", form=form.label, count=count)
        mine = AppObject.select(AppObject.app).where(AppObject.kind == "form", AppObject.key == key)
        family = {row.key for row in AppObject.select().where(AppObject.kind == "form", AppObject.app.in_(mine))}
        for other, _field in catalog.inverse(form):
            if other.key != key and (other.key not in family or _holds(other)):
                return _("表单「%(other)s」关联着「%(form)s」，保留。", other=other.label, form=form.label)
        catalog.delete_form(form)
        return None


class Fields(Kind):
    noun = lazy_pgettext("one", "字段")

    @staticmethod
    def _find(key: str) -> tuple[Form, str]:
        form_key, _dot, field_key = key.partition(".")
        return catalog.get(form_key), field_key

    def current(self, key: str) -> Doc | None:
        form_key, _dot, field_key = key.partition(".")
        form = catalog.all_forms().get(form_key)
        field = form.fields.get(field_key) if form else None
        return field.spec.document() if field else None

    def add(self, item: Item) -> None:
        form, key = self._find(item.key)
        if catalog.hidden(form.key, key):
            catalog.restore_field(form, key)
            catalog.update_field(catalog.get(form.key), key, item.document)
        else:
            catalog.add_field(form, item.document)

    def change(self, item: Item) -> None:
        form, key = self._find(item.key)
        catalog.update_field(form, key, item.document)

    def remove(self, key: str) -> str | None:
        form, field_key = self._find(key)
        field = form.fields[field_key]
        if not field.column or _holds(form, field_key):
            return _("%(form)s的字段「%(field)s」里有内容，保留。", form=form.label, field=field.label)
        catalog.delete_field(form, field_key)
        return None


# -- tags ---------------------------------------------------------------------------------------------------------


def _held_group(group: TagGroup) -> bool:
    return bool(CustomerTag.select().join(Tag, on=(Tag.id == CustomerTag.tag_id)).where(Tag.group == group).exists())


class TagGroups(Kind):
    noun = lazy_pgettext("one", "标签组")
    joins = True

    def current(self, key: str) -> Doc | None:
        group = TagGroup.get_or_none(TagGroup.key == key)
        return group and {"label": group.label, "exclusive": group.exclusive, "color": group.color}

    def add(self, item: Item) -> None:
        tags.install_group(item.document)

    def change(self, item: Item) -> None:
        doc = item.document
        tags.update_group(
            item.key, label=doc["label"], exclusive=doc.get("exclusive", False), color=doc.get("color", "blue")
        )

    def remove(self, key: str) -> str | None:
        group = tags.group_by_key(key)
        if Tag.select().where(Tag.group == group, Tag.deleted_at.is_null()).exists() or self._is_target(key):
            return _kept_group(group)
        tags.delete_group(key)
        return None

    @staticmethod
    def _is_target(key: str) -> bool:
        return any(table.target_doc.get("tag_group") == key for table in tables.all())


def _kept_group(group: TagGroup) -> str:
    return _("标签组「%(group)s」还在使用，保留。", group=i18n_label(group.label))


class Tags(Kind):
    noun = lazy_pgettext("one", "标签")
    joins = True

    def current(self, key: str) -> Doc | None:
        tag = Tag.get_or_none(Tag.name == key, Tag.deleted_at.is_null())
        return tag and {"group": tag.group.key, "color": tag.color}

    def add(self, item: Item) -> None:
        tags.create(item.key, group=item.document["group"], color=item.document.get("color"))

    def join(self, item: Item) -> None:
        """A tag that nobody holds, and that no table which is on gives, goes into the app's group: names are unique."""
        tag, group = tags.get(item.key), item.document["group"]
        used = CustomerTag.select().where(CustomerTag.tag_id == tag.id).exists() or any(
            table.target_doc.get("tag_group") == tag.group.key for table in tables.all(enabled=True)
        )
        if tag.group.key != group and not used:
            tags.update(tag.id, group=group)

    def change(self, item: Item) -> None:
        tag = tags.get(item.key)
        tags.update(tag.id, group=item.document["group"], color=item.document.get("color"))

    def remove(self, key: str) -> str | None:
        tag = tags.get(key)
        if _held_group(tag.group):
            return _kept_group(tag.group)
        tags.delete(tag.id)
        return None


# -- segments and metrics -----------------------------------------------------------------------------------------


class Segments(Kind):
    noun = lazy_pgettext("one", "客群")
    replaced = True

    def current(self, key: str) -> Doc | None:
        try:
            found = segments.get(key)
        except NotFound:
            return None
        return found.document() | {"enabled": found.enabled}

    def add(self, item: Item) -> None:
        segments.save({"enabled": True} | item.document, SYSTEM)

    def change(self, item: Item) -> None:
        segments.save({"enabled": True} | item.document, SYSTEM, item.key)

    def remove(self, key: str) -> str | None:
        try:
            segments.delete(key, SYSTEM)
        except UserError as error:
            return error.message
        return None


class Metrics(Kind):
    noun = lazy_pgettext("one", "公司指标")

    def current(self, key: str) -> Doc | None:
        try:
            return measures.get(key).document()
        except NotFound:
            return None

    def add(self, item: Item) -> None:
        measures.save(item.document, SYSTEM)

    def change(self, item: Item) -> None:
        measures.save(item.document, SYSTEM, item.key)

    def remove(self, key: str) -> str | None:
        try:
            measures.delete(key, SYSTEM)
        except UserError as error:
            return error.message
        return None


# -- connections --------------------------------------------------------------------------------------------------


class Connections(Kind):
    """Without their secrets: one that needs some is off until an administrator has filled them in."""

    noun = lazy_pgettext("one", "连接")
    joins = True

    def current(self, key: str) -> Doc | None:
        try:
            return store.shown(key).document()
        except NotFound:
            return None

    def add(self, item: Item) -> None:
        store.install(item.document, SYSTEM)

    def change(self, item: Item) -> None:
        store.update(item.key, {k: v for k, v in item.document.items() if k in ("label", "params")}, SYSTEM)

    def remove(self, key: str) -> str | None:
        if used := uses.of(key):
            return _("连接「%(name)s」还在使用（%(use)s），保留。", name=store.shown(key).label, use=used[0].words)
        store.delete(key, SYSTEM)
        return None


# -- automation ---------------------------------------------------------------------------------------------------


class Definitions(Kind):
    """Rules and decision tables. Switched on unless the package says otherwise."""

    replaced = True

    def __init__(self, book: Book[Any]) -> None:
        self.book = book

    def current(self, key: str) -> Doc | None:
        try:
            return self.book.get(key).document()
        except NotFound:
            return None

    def add(self, item: Item) -> None:
        self.book.save({"enabled": True} | item.document, SYSTEM)

    def change(self, item: Item) -> None:
        self.book.save({"enabled": True} | item.document, SYSTEM, item.key)

    def remove(self, key: str) -> str | None:
        self.book.delete(key, SYSTEM)
        return None


class Rules(Definitions):
    noun = lazy_pgettext("one", "规则")


class DecisionTables(Definitions):
    noun = lazy_pgettext("one", "决策表")


class MessageTemplates(Kind):
    """Texts that rules and people send."""

    noun = lazy_pgettext("one", "消息模板")
    replaced = True

    def current(self, key: str) -> Doc | None:
        try:
            found = templates.get(key)
        except NotFound:
            return None
        return found.document() | {"enabled": found.enabled}

    def add(self, item: Item) -> None:
        templates.save(item.document, SYSTEM)

    def change(self, item: Item) -> None:
        templates.save(item.document, SYSTEM, item.key)

    def remove(self, key: str) -> str | None:
        try:
            templates.delete(key, SYSTEM)
        except UserError as error:
            return error.message
        return None


# -- reports ------------------------------------------------------------------------------------------------------


class Reports(Kind):
    noun = lazy_pgettext("one", "报表")
    replaced = True

    def current(self, key: str) -> Doc | None:
        try:
            report = saved.get(key, SYSTEM)
        except NotFound:
            return None
        return report.document() | {"shared": report.shared}

    def add(self, item: Item) -> None:
        saved.create(item.document, SYSTEM)

    def change(self, item: Item) -> None:
        # What the new version leaves out goes back to its default.
        blank = {key: None for key in saved.get(item.key, SYSTEM).definition.document()}
        saved.update(item.key, blank | item.document, SYSTEM)

    def remove(self, key: str) -> str | None:
        try:
            saved.delete(key, SYSTEM)
        except UserError as error:
            return error.message
        return None


class Dashboards(Kind):
    noun = lazy_pgettext("one", "看板")
    replaced = True

    def current(self, key: str) -> Doc | None:
        try:
            return saved.dashboard(key).document()
        except NotFound:
            return None

    def add(self, item: Item) -> None:
        saved.create_dashboard(item.document, SYSTEM)

    def change(self, item: Item) -> None:
        saved.update_dashboard(item.key, item.document, SYSTEM)

    def remove(self, key: str) -> str | None:
        saved.delete_dashboard(key, SYSTEM)
        return None


# -- roles --------------------------------------------------------------------------------------------------------


class Roles(Kind):
    """``{"key", "label", "forms": {form or "*": {"verbs": […], "scope": condition, "fields": {field: access}}}}``"""

    noun = lazy_pgettext("one", "角色")

    @staticmethod
    def _rights(doc: Doc) -> Rights:
        rights = Rights.open(doc)
        for form_key, granted in rights.forms.items():
            if form_key == ANY:
                continue
            form = catalog.get(form_key)
            conditions.validate(dict(granted.scope), form)
            conditions.validate(dict(granted.deny), form)
            for key in granted.fields:
                if form.field(key) is None:
                    raise UserError(_("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key))
        return rights

    def current(self, key: str) -> Doc | None:
        found = users.role(key)
        return found and {"label": found[0], **found[1].document()}

    def add(self, item: Item) -> None:
        users.add_role(item.key, item.document["label"], self._rights(item.document))

    def change(self, item: Item) -> None:
        users.update_role(item.key, item.document["label"], self._rights(item.document))

    def remove(self, key: str) -> str | None:
        try:
            users.delete_role(key)
        except UserError as error:
            return error.message
        return None


KINDS: dict[str, Kind] = {
    "form": Forms(),
    "field": Fields(),
    "tag_group": TagGroups(),
    "tag": Tags(),
    "metric": Metrics(),
    "segment": Segments(),
    "connection": Connections(),
    "decision_table": DecisionTables(tables.book),
    "message_template": MessageTemplates(),
    "rule": Rules(rules.book),
    "report": Reports(),
    "dashboard": Dashboards(),
    "role": Roles(),
}
"""By name, in the order of installing."""

REMOVING = (
    "role",
    "dashboard",
    "report",
    "rule",
    "message_template",
    "decision_table",
    "connection",
    "segment",
    "metric",
    "tag",
    "tag_group",
    "form",
    "field",
)


def current(kind: str, key: str) -> Doc | None:
    """How an object reads now, as the database would give it back."""
    found: Doc | None = json.loads(json.dumps(KINDS[kind].current(key)))
    return found
