"""What the page of one record shows, and what its inputs hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from markupsafe import Markup

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core.i18n import label
from . import catalog, listing, panels, query
from .catalog import Form
from .fields.base import Field
from .panels import RecordPage
from .query import Page, Record

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

RELATED_ROWS = 8
RELATED_COLUMNS = 5
FACTS = 4


@dataclass(frozen=True)
class Shown:
    """A field's value on a page. ``editable``: by this person, here."""

    field: Field
    html: Markup
    editable: bool

    @property
    def wide(self) -> bool:
        return not self.field.sortable and self.field.column is not None


@dataclass(frozen=True)
class Related:
    """Records of ``form`` that point here through ``via``."""

    form: Form
    via: Field
    may_create: bool

    @property
    def key(self) -> str:
        return f"{self.form.key}-{self.via.key}"


def build(record: Record, actor: Actor) -> RecordPage:
    """Everything but what is fetched later (related lists, panels, history)."""
    return RecordPage(
        record, actor, sections(record, actor), facts(record, actor), related(record.form, actor),
        panels.of(record, actor), panels.actions_of(record, actor), listing.rights(record.form, actor),
    )  # fmt: skip


def shown(record: Record, key: str, actor: Actor) -> Shown:
    f = record.form.fields[key]
    return Shown(f, record.cell(key), editable(record.form, f, actor))


def editable(form: Form, f: Field, actor: Actor, verb: str = "edit") -> bool:
    return (
        not f.readonly
        and permissions.can(actor, verb, form.key)
        and permissions.field_access(actor, form.key, f.key) == "edit"
    )


def sections(record: Record, actor: Actor) -> list[tuple[str, list[Shown]]]:
    """The fields by section: those that the form names, the rest, and last what Guke keeps itself."""
    found: dict[str, list[Shown]] = {}
    kept: list[Shown] = []
    for key, f in query.readable(record.form, actor).items():
        one = shown(record, key, actor)
        if f.readonly:
            kept.append(one)
        else:
            found.setdefault(section_of(f), []).append(one)
    return [*found.items(), *([(_("固客统计"), kept)] if kept else [])]


def section_of(f: Field) -> str:
    return label(f.options.get("section")) or _("基本信息")


def facts(record: Record, actor: Actor) -> list[Shown]:
    """A few values for the header: the list's first columns that hold something."""
    keys = [
        k for k in listing.default_columns(record.form, actor) if k in record.values and k != record.form.title_field
    ]
    # Values that are many (tags) have more room elsewhere on the page.
    filled = [k for k in keys if k in record.form.columns and record.values[k] is not None]
    return [shown(record, k, actor) for k in filled[:FACTS]]


def related(form: Form, actor: Actor) -> list[Related]:
    """The forms whose records point at this one, as far as the person may see them and the field that points."""
    return [
        Related(other, f, permissions.can(actor, "create", other.key))
        for other, f in catalog.inverse(form)
        if permissions.can(actor, "see", other.key) and f.key in query.clear(other, actor)
    ]


def related_page(item: Related, record_id: int, actor: Actor, cursor: str | None) -> tuple[list[Field], Page]:
    """The columns and a page of a related list, the latest first."""
    keys = [k for k in listing.default_columns(item.form, actor) if k != item.via.key and k != item.form.title_field]
    fields = [f for k in keys if (f := query.readable(item.form, actor).get(k))][:RELATED_COLUMNS]
    pointing = {"field": item.via.key, "op": "eq", "value": record_id}
    found = query.Query(item.form, actor).where(pointing)
    return fields, found.page(RELATED_ROWS, cursor, [f.key for f in fields])


def related_where(item: Related, record_id: int) -> str:
    """The filter of the list that shows them all."""
    return json.dumps({"field": item.via.key, "op": "eq", "value": record_id}, separators=(",", ":"))


# -- inputs ---------------------------------------------------------------------------------------------------------


@dataclass
class Input:
    """One field as an edit page shows it. ``value``: what the input holds; ``theirs``: what somebody else saved meanwhile."""

    field: Field
    value: Any
    error: str = ""
    title: str = ""
    theirs: str | None = None
    theirs_title: str = ""
    stored: Any = None

    @property
    def name(self) -> str:
        return self.field.key


@dataclass
class Editing:
    """An edit page. ``base``: what the inputs held when the page was opened; new records have none."""

    form: Form
    sections: list[tuple[str, list[Input]]]
    record: Record | None = None
    version: int | None = None
    base: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    message: str = ""
    conflict: bool = False

    @property
    def other_errors(self) -> list[str]:
        """Errors of fields that have no input on the page."""
        here = {one.name for _label, inputs in self.sections for one in inputs}
        return [message for key, message in self.errors.items() if key not in here]


def inputs_of(form: Form, actor: Actor, verb: str) -> list[Field]:
    return [f for f in query.readable(form, actor).values() if editable(form, f, actor, verb)]


def editing(
    form: Form,
    actor: Actor,
    record: Record | None,
    typed: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Editing:
    """The edit page of a record, or of a new one. ``typed``: what was typed already, by key."""
    verb = "edit" if record else "create"
    base = base_of(form, actor, record) if record else {}
    found: dict[str, list[Input]] = {}
    for f in inputs_of(form, actor, verb):
        stored = record.values.get(f.key) if record else f.default()
        value = typed[f.key] if typed is not None and f.key in typed else f.form_value(stored)
        one = Input(f, value, (errors or {}).get(f.key, ""), title_of(f, value, actor), stored=stored)
        found.setdefault(section_of(f), []).append(one)
    return Editing(form, list(found.items()), record, record.version if record else None, base, dict(errors or {}))


def base_of(form: Form, actor: Actor, record: Record) -> dict[str, str]:
    """What the inputs of a record hold, for telling later what was changed."""
    return {f.key: f.form_value(record.values.get(f.key)) for f in inputs_of(form, actor, "edit")}


def title_of(f: Field, value: Any, actor: Actor) -> str:
    """The title of the record a relation input holds."""
    if f.type != "relation" or not str(value).isdecimal():
        return ""
    return query.titles(catalog.get(f.options["form"]), [int(value)], actor).get(int(value), "")


def typed_values(fields: list[Field], given: MultiDict[str, str]) -> dict[str, Any]:
    """What the submitted form holds of ``fields``; a field whose input was not on the page is left out."""
    return {f.key: f.from_form(given) for f in fields if f.key in given}


def changed_values(fields: list[Field], typed: dict[str, Any], base: Mapping[str, str]) -> dict[str, Any]:
    """Those of the typed values that differ from what the inputs held."""
    return {f.key: typed[f.key] for f in fields if f.key in typed and _differs(f, typed[f.key], base.get(f.key, ""))}


def _differs(f: Field, raw: Any, before: str) -> bool:
    try:
        return f.form_value(f.parse(raw)) != before
    except ValueError:
        return True


def overlap(current: dict[str, str], base: Mapping[str, str], changed: Mapping[str, Any]) -> list[str]:
    """Fields that both this person and somebody else changed since the page was opened."""
    return [key for key in changed if current.get(key, "") != base.get(key, "")]


def count_words(item: Related, record_id: int, actor: Actor) -> str:
    """How many related records there are; large numbers end in ``+``."""
    cap = 999
    found = query.Query(item.form, actor).where({"field": item.via.key, "op": "eq", "value": record_id}).count(cap)
    return f"{cap}+" if found > cap else str(found)
