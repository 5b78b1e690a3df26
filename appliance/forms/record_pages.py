"""What the page of one record shows, and what its inputs hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from markupsafe import Markup
from msgspec import Struct, field

from ..accounts import permissions, sharing
from ..accounts.actor import Actor
from . import catalog, layout, listing, live, panels, query
from .catalog import SYSTEM_FIELDS, Form
from .fields.base import Field
from .fields.sub_form import SubForm
from .panels import RecordPage
from .query import Page, Record

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

RELATED_ROWS = 8
RELATED_COLUMNS = 8
FACTS = 4


class Shown(Struct, frozen=True):
    """A field's value on a page. ``editable``: by this person, here and now."""

    field: Field
    html: Markup
    editable: bool

    @property
    def width(self) -> str:
        return width_of(self.field)


def width_of(f: Field) -> str:
    """How much of its section a field takes: full, half, third, or as much as the section's columns say."""
    named = f.options.get("width")
    if named in ("full", "half", "third"):
        return str(named)
    return "full" if f.wide else ""


class Section(Struct, frozen=True):
    """A block of fields. ``fields``: :class:`Shown` on a page, :class:`Input` on an edit page."""

    label: str
    columns: int
    collapsed: bool
    fields: list[Any]


class Tab(Struct, frozen=True):
    label: str
    sections: list[Section]

    @property
    def wrong(self) -> int:
        """How many of its inputs hold something that cannot be saved."""
        return sum(bool(one.error) for section in self.sections for one in section.fields if isinstance(one, Input))

    @property
    def asks(self) -> bool:
        """Whether it holds a field on which two people disagree."""
        fields = [one for section in self.sections for one in section.fields]
        return any(isinstance(one, Input) and one.theirs is not None for one in fields)


def arranged(form: Form, fields: Mapping[str, Any]) -> list[Tab]:
    """``fields`` by key, put where the form's layout has them. Empty sections and tabs are left out."""
    found = [
        Tab(
            tab.label,
            [
                Section(section.label or _("基本信息"), section.columns, section.collapsed, here)
                for section in tab.sections
                if (here := [fields[key] for key in section.fields if key in fields])
            ],
        )
        for tab in _layout(form).tabs
    ]
    return [tab for tab in found if tab.sections]


def _layout(form: Form) -> layout.Layout:
    """The form's own layout; else sections that its fields name, and last what Guke keeps itself."""
    if form.options.get("layout"):
        return layout.read(form.options["layout"], form.fields, SYSTEM_FIELDS)
    kept = [key for key, f in form.fields.items() if f.readonly and f.group != "computed"]
    found = layout.read(None, {key: f for key, f in form.fields.items() if key not in kept}, SYSTEM_FIELDS)
    if kept:
        found.tabs[-1].sections.append(layout.Section(_("固客统计"), fields=kept))
    return found


class Related(Struct, frozen=True):
    """Records of ``form`` that point here through ``via``."""

    form: Form
    via: Field
    may_create: bool
    may_edit: bool = False
    ambiguous: bool = False

    @property
    def may_unlink(self) -> bool:
        return self.may_edit and not self.via.required

    @property
    def key(self) -> str:
        return f"{self.form.key}-{self.via.key}"

    @property
    def label(self) -> str:
        """Several ways from one form to this one, or from the form to itself, are told apart by the field."""
        if self.via.inverse_label or not self.ambiguous:
            return self.via.inverse_label or self.form.label
        return f"{self.form.label} · {self.via.label}"


def build(record: Record, actor: Actor) -> RecordPage:
    """Everything but what is fetched later (related lists, panels, history)."""
    return RecordPage(
        record, actor, tabs(record, actor), facts(record, actor), related(record.form, actor),
        panels.of(record, actor), panels.actions_of(record, actor), _rights(record, actor),
    )  # fmt: skip


def may_edit(record: Record, actor: Actor) -> bool:
    """Whether this very record is the actor's to edit: one that was only shown to them is not."""
    if not sharing.any_for(actor.id, record.form.key):
        return True
    if record.writable is None:
        record.writable = record.id in query.visible_ids(record.form.key, [record.id], actor, verb="edit")
    return record.writable


def _rights(record: Record, actor: Actor) -> dict[str, bool]:
    found = listing.rights(record.form, actor)
    if sharing.any_for(actor.id, record.form.key):
        found["edit"] = found["edit"] and may_edit(record, actor)
        own = query.visible_ids(record.form.key, [record.id], actor, verb="delete")
        found["delete"] = found["delete"] and record.id in own
    return found


def shown(record: Record, key: str, actor: Actor, locked: bool | None = None) -> Shown:
    """``locked``: whether the form's own conditions lock the field; asked for when it is not said."""
    f = record.form.field(key)
    assert f is not None
    may = key in record.form.fields and editable(record.form, f, actor) and may_edit(record, actor)
    if may and locked is None and (state := live.states_of(record.form, record.id).get(key)):
        locked = state.locked
    return Shown(f, record.whole(key), may and not locked)


def editable(form: Form, f: Field, actor: Actor, verb: str = "edit") -> bool:
    return (
        not f.readonly
        and permissions.can(actor, verb, form.key)
        and permissions.field_access(actor, form.key, f.key) == "edit"
    )


def tabs(record: Record, actor: Actor) -> list[Tab]:
    """The fields where the layout has them; those whose condition does not hold are left out."""
    states = live.states_of(record.form, record.id)
    found = {}
    for key in (*query.readable(record.form, actor), *SYSTEM_FIELDS):
        state = states.get(key)
        if state is None or state.shown:
            found[key] = shown(record, key, actor, bool(state and state.locked))
    return arranged(record.form, found)


def facts(record: Record, actor: Actor) -> list[Shown]:
    """A few values for the header: the list's first columns that hold something."""
    keys = [
        k for k in listing.default_columns(record.form, actor) if k in record.values and k != record.form.title_field
    ]
    # Values that are many (tags) have more room elsewhere on the page.
    filled = [k for k in keys if k in record.form.columns and record.values[k] is not None]
    return [shown(record, k, actor) for k in filled[:FACTS]]


def related(form: Form, actor: Actor) -> list[Related]:
    """The forms whose records point at this one, as far as the person may see them and the field that points. Line items
    stand among the fields already."""
    here = {(f.child.key, f.via) for f in query.readable(form, actor).values() if isinstance(f, SubForm) and f.child}
    found = [
        (other, f)
        for other, f in catalog.pointing(form)
        if (other.key, f.key) not in here
        and permissions.can(actor, "see", other.key)
        and f.key in query.clear(other, actor)
    ]
    often = Counter(other.key for other, _field in found) + Counter((form.key,))
    return [
        Related(other, f, permissions.can(actor, "create", other.key), editable(other, f, actor), often[other.key] > 1)
        for other, f in found
    ]


def related_page(item: Related, record_id: int, actor: Actor, cursor: str | None) -> tuple[list[Field], Page]:
    """The columns and a page of a related list, the latest first."""
    keys = [k for k in listing.default_columns(item.form, actor) if k != item.via.key and k != item.form.title_field]
    fields = [f for k in keys if (f := query.readable(item.form, actor).get(k))][:RELATED_COLUMNS]
    found = query.Query(item.form, actor).where(item.via.naming(record_id))
    return fields, found.page(RELATED_ROWS, cursor, [f.key for f in fields])


def related_where(item: Related, record_id: int) -> str:
    """The filter of the list that shows them all."""
    return json.dumps(item.via.naming(record_id), separators=(",", ":"))


# -- inputs ---------------------------------------------------------------------------------------------------------


class Input(Struct, dict=True):
    """One field as an edit page shows it. ``value``: what the input holds; ``theirs``: what somebody else saved meanwhile.

    ``computed``: there is no input, only the value as text, which follows from the others. ``hidden``: the form does not
    ask for it as things stand.
    """

    field: Field
    value: Any
    error: str = ""
    title: str = ""
    theirs: str | None = None
    stored: Any = None
    computed: bool = False
    hidden: bool = False
    required: bool = False

    def __post_init__(self) -> None:
        self.required = self.required or self.field.required

    @property
    def name(self) -> str:
        return self.field.key

    @property
    def width(self) -> str:
        return width_of(self.field)


class Editing(Struct):
    """An edit page. ``base``: what the inputs held when the page was opened; new records have none."""

    form: Form
    tabs: list[Tab]
    record: Record | None = None
    version: int | None = None
    base: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    message: str = ""
    conflict: bool = False

    @property
    def inputs(self) -> list[Input]:
        return [one for tab in self.tabs for section in tab.sections for one in section.fields]

    @property
    def other_errors(self) -> list[str]:
        """Errors of fields that have no input on the page."""
        here = {one.name for one in self.inputs}
        return [message for key, message in self.errors.items() if key not in here]

    @property
    def open_tab(self) -> int:
        """The tab to open first: where something is to be mended."""
        wanted = [i for i, tab in enumerate(self.tabs) if tab.wrong or tab.asks]
        return wanted[0] if wanted else 0

    @property
    def lively(self) -> bool:
        """Whether the form answers while it is filled in."""
        return live.needed(self.form)


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
    base = base_of(form, actor, record) if record else {}
    said = _live(form, actor, record, typed or {})
    found: dict[str, Input] = {}
    for f in inputs_of(form, actor, "edit" if record else "create"):
        stored = record.values.get(f.key) if record else f.default()
        value = typed[f.key] if typed is not None and f.key in typed else f.form_value(stored)
        state = said["states"].get(f.key, {})
        found[f.key] = Input(
            f, value, (errors or {}).get(f.key, ""), title_of(f, value, actor), stored=stored,
            hidden=not state.get("shown", True), required=state.get("required", False),
        )  # fmt: skip
    for key, value in said["values"].items():
        found.setdefault(key, Input(form.fields[key], value["text"], computed=True))
    version = record.version if record else None
    return Editing(form, arranged(form, found), record, version, base, dict(errors or {}))


def _live(form: Form, actor: Actor, record: Record | None, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says of its fields as the page opens."""
    if not live.needed(form):
        return {"states": {}, "values": {}}
    row = live.read_row(form, typed, record.id if record else None, actor)
    return live.answer(form, [row], actor)[0]


def base_of(form: Form, actor: Actor, record: Record) -> dict[str, str]:
    """What the inputs of a record hold, for telling later what was changed."""
    return {f.key: f.form_value(record.values.get(f.key)) for f in inputs_of(form, actor, "edit")}


def copy_of(record: Record, actor: Actor) -> dict[str, Any]:
    """What a new record starts with that is made after this one: everything that need not be its own."""
    clear = query.clear(record.form, actor)
    fields = [f for f in inputs_of(record.form, actor, "create") if f.key in clear]
    alone = {key for keys in record.form.unique_sets for key in keys}
    return {
        f.key: f.form_value(record.values.get(f.key))
        for f in fields
        if not f.unique and f.group != "file" and f.key not in alone and f.type != "identities"
    }


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
        return f.form_value(f.read(raw)) != before
    except ValueError:
        return True


def overlap(current: dict[str, str], base: Mapping[str, str], changed: Mapping[str, Any]) -> list[str]:
    """Fields that both this person and somebody else changed since the page was opened."""
    return [key for key in changed if current.get(key, "") != base.get(key, "")]


def count_words(item: Related, record_id: int, actor: Actor) -> str:
    """How many related records there are; large numbers end in ``+``."""
    cap = 999
    found = query.Query(item.form, actor).where(item.via.naming(record_id)).count(cap)
    return f"{cap}+" if found > cap else str(found)
