"""Who names a field or a form: asked before one is deleted. Higher rooms register what of theirs does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts.models import Role
from ...accounts.permissions import Rights
from ...core.i18n import label as i18n_label
from .. import catalog
from ..catalog import Form
from ..models import View

Names = Callable[[Form, "str | None"], Iterator["Use"]]


class Use(Struct, frozen=True):
    """One thing that names the field (or the form): ``规则「七天未签收提醒」``. ``blocks``: it would fail without it."""

    words: str
    blocks: bool = False


_finders: list[Names] = []


def finder(find: Names) -> Names:
    """Registers a function that yields the uses of a form, or of one of its fields when the key is given."""
    _finders.append(find)
    return find


def of_field(form: Form, key: str) -> list[Use]:
    return _unique(use for find in _finders for use in find(form, key))


def of_form(form: Form) -> list[Use]:
    return _unique(use for find in _finders for use in find(form, None))


def _unique(found: Iterator[Use]) -> list[Use]:
    return list(dict.fromkeys(found))


def words(found: list[Use], most: int = 8) -> str:
    """The uses in one line."""
    told = _("、").join(use.words for use in found[:most])
    return _("%(uses)s 等 %(count)s 处", uses=told, count=len(found)) if len(found) > most else told


def named(doc: Any, over: Form) -> set[tuple[str, str | None]]:
    """``(form key, field key)`` of all that a document over records of ``over`` names, and ``(form key, None)`` of
    forms. Paths are followed through relations."""
    return _named(doc, over)


_TEMPLATE = re.compile(r"\brecord\.([a-z][a-z0-9_.]*)")
"""A field in a text that is filled in: ``{{ record.name }}``."""
_PATHS = frozenset(("field", "of", "on", "date", "changed", "sort", "by", "start", "end", "title", "image", "parent", "per",
                    "via"))  # fmt: skip
_LISTS = frozenset(("fields", "columns", "updated", "keys"))


def _named(doc: Any, over: Form) -> set[tuple[str, str | None]]:
    found: set[tuple[str, str | None]] = set()
    if isinstance(doc, list):
        for item in doc:
            found |= _named(item, over)
        return found
    if isinstance(doc, str):
        for path in _TEMPLATE.findall(doc):
            found |= _path(path.rstrip("."), over)
    if not isinstance(doc, dict):
        return found
    inner = over
    for name in ("related", "create_record", "form"):
        target = catalog.all_forms().get(doc[name]) if isinstance(doc.get(name), str) else None
        if target:
            found.add((target.key, None))
            inner = target
    lead = over.fields.get(doc["relation"]) if isinstance(doc.get("relation"), str) else None
    if lead is not None and lead.points_at:
        found.add((over.key, lead.key))
        inner = catalog.all_forms().get(lead.points_at, over)
    for name, value in doc.items():
        if name in _PATHS and isinstance(value, str):
            found |= _path(value.removeprefix("-"), inner)
        elif name in _LISTS and isinstance(value, list):
            for one in value:
                found |= _path(one, inner) if isinstance(one, str) else _named(one, inner)
        elif name in ("set", "values", "except") and isinstance(value, dict):
            found |= {(inner.key, key) for key in value} | _named(value, over)
        else:
            found |= _named(value, inner)
    return found


def _path(path: str, form: Form) -> set[tuple[str, str | None]]:
    found: set[tuple[str, str | None]] = set()
    at: Form | None = form
    for part in path.split("."):
        if at is None:
            break
        found.add((at.key, part))
        f = at.fields.get(part)
        at = catalog.all_forms().get(f.points_at or "") if f else None
    return found


# -- what this room itself knows ----------------------------------------------------------------------------------


@finder
def _fields(form: Form, key: str | None) -> Iterator[Use]:
    """Fields that point at the form, look through it, compute from it or depend on the field."""
    for other in catalog.all():
        for f in other.fields.values():
            if other.key == form.key and f.key == key:
                continue
            if key is None and other.key == form.key:
                continue
            if other.part_of and other.part_of.form == form.key:
                continue
            if (form.key, key) in _named_by_field(f.options, other, form, key):
                yield Use(_("%(form)s的字段「%(field)s」", form=other.label, field=f.label), f.computed)


def _named_by_field(options: dict[str, Any], other: Form, form: Form, key: str | None) -> set[tuple[str, str | None]]:
    """What a field's options name: of the form it belongs to, and of the one it points at or looks through to."""
    found: set[tuple[str, str | None]] = set()
    target = options.get("form")
    relation = options.get("relation")
    if isinstance(target, str):
        found.add((target, None))
    if isinstance(relation, str):
        found |= _path(relation, other)
        target = other.fields[relation].points_at if relation in other.fields else None
    over = catalog.all_forms().get(target) if isinstance(target, str) else None
    for name, value in options.items():
        if name in ("show_if", "require_if", "lock_if"):
            found |= named(value, other)
        elif name in ("via", "field", "of", "on") and isinstance(value, str) and over:
            found |= _path(value, over)
        elif name == "where" and over:
            found |= named(value, over)
        elif name in ("formula", "default_formula") and isinstance(value, str) and key and other.key == form.key:
            found |= {(form.key, key)} & _in_formula(value, form)
    return found


def _in_formula(text: str, form: Form) -> set[tuple[str, str | None]]:
    """The fields that a formula names, by key or label, in braces."""
    labels = {f.label: key for key, f in form.fields.items()}
    first = {name.partition(".")[0].strip() for name in re.findall(r"\{([^{}]+)\}", text)}
    return {(form.key, labels.get(name, name)) for name in first}


@finder
def _form_itself(form: Form, key: str | None) -> Iterator[Use]:
    if key is None:
        return
    if form.title_field == key:
        yield Use(_("标题字段"))
    if any(key in keys for keys in form.unique_sets):
        yield Use(_("联合唯一"))
    if form.options.get("color_field") == key:
        yield Use(_("颜色"))
    for name, view in form.views.items():
        if isinstance(view, dict) and (form.key, key) in named(view, form):
            yield Use(_("视图「%(name)s」", name=i18n_label(view.get("label") or name)))


@finder
def _views(form: Form, key: str | None) -> Iterator[Use]:
    rows = View.select(View, View.form).where(View.deleted_at.is_null(), View.name != "")
    for view in rows:
        over = catalog.by_id(view.form_id)
        if over is None or (key is None and over.key == form.key):
            continue
        doc = {"where": view.where, "columns": view.columns or [], "sort": view.sort or ""}
        if (form.key, key) in named(doc, over):
            yield Use(_("视图「%(name)s」", name=view.name))


@finder
def _roles(form: Form, key: str | None) -> Iterator[Use]:
    for role in Role.select():
        for form_key, rights in Rights.open(role.rights).forms.items():
            over = catalog.all_forms().get(form_key)
            if over is None:
                continue
            inside = over.key == form.key and key in rights.fields
            if inside or (form.key, key) in named([dict(rights.scope), dict(rights.deny)], over):
                yield Use(_("角色「%(name)s」的权限", name=i18n_label(role.label)), not inside)
                break
