"""What happened to a record, in words: its Changes as their reader may see them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, ClassVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ..accounts import people, permissions
from ..accounts.actor import Actor
from ..core.errors import Conflict, FieldErrors, NotFound
from . import catalog, causes, query, records
from .catalog import Form
from .designing import conversion
from .fields.base import Field
from .hooks import Cause
from .models import Change
from .query import Record

PAGE = 20
LONG = 200
BY_HAND = ("user", "system")
"""Causes that need no word: who it was is all there is to say."""

ACTIONS = {
    "create": _l("新建了记录"),
    "update": _l("修改了"),
    "delete": _l("移到了回收站"),
    "restore": _l("从回收站恢复"),
}


class Line(Struct, frozen=True):
    """One field's part of a change. ``old`` or ``new`` (cut short when they are long) may be empty."""

    key: str
    label: str
    whole_old: str
    whole_new: str
    quiet: bool = False
    """The reader may know that it changed, not from what to what."""
    restorable: bool = False
    """Whether the reader may put the old value back."""

    LONG: ClassVar[int] = LONG

    @property
    def old(self) -> str:
        return _cut(self.whole_old)

    @property
    def new(self) -> str:
        return _cut(self.whole_new)


def _cut(text: str) -> str:
    return text if len(text) <= LONG else text[:LONG] + "…"


class Entry(Struct):
    """One change. ``cause``: words and link, unless a person did it by hand."""

    id: int
    at: int
    who: str
    action: str
    words: str
    cause: tuple[str, str | None] | None
    lines: list[Line] = field(default_factory=list)
    merged: bool = False
    """Another record became part of this one."""


class Filter(Struct, frozen=True):
    """What of a history to show: changes of one field, by one person."""

    field: str = ""
    who: int | None = None

    def takes(self, change: Any) -> bool:
        return (not self.field or self.field in (change.fields or {})) and (not self.who or change.actor_id == self.who)


EVERYTHING = Filter()


def of(
    form: Form, record_id: int, actor: Actor, before: int | None = None, only: Filter = EVERYTHING
) -> tuple[list[Entry], int | None]:
    """The latest changes of a record (older than the change ``before``), and the id to go on from.

    The caller has made sure that the record may be seen.
    """
    if only.field and only.field not in _seen(form, actor):
        raise NotFound()
    shown: list[Entry] = []
    while len(shown) < PAGE:
        rows = Change.select().where(Change.form_id == form.id, Change.record_id == record_id)
        if before:
            rows = rows.where(Change.id < before)
        changes = list(rows.order_by(Change.id.desc()).limit(PAGE + 1))
        found = entries(form, [c for c in changes[:PAGE] if only.takes(c)], actor)
        # A change of nothing but fields that the reader does not see is none for them.
        shown += [e for e in found if e.lines or e.action != "update" or e.merged]
        if len(changes) <= PAGE:
            return shown, None
        before = changes[PAGE - 1].id
    return shown, before


def authors(form: Form, record_id: int) -> list[tuple[int, str]]:
    """Who changed the record: id and name."""
    mine = (Change.form_id == form.id) & (Change.record_id == record_id) & Change.actor_id.is_null(False)
    ids = [row[0] for row in Change.select(Change.actor_id).where(mine).distinct().tuples()]
    return sorted(((i, people.name(i)) for i in ids if people.name(i)), key=lambda pair: pair[1])


def fields_of(form: Form, actor: Actor) -> list[Field]:
    """The fields by which a reader may filter."""
    return list(_seen(form, actor).values())


def _seen(form: Form, actor: Actor) -> dict[str, Field]:
    # What Guke keeps itself follows from other records, which have a history of their own.
    return {k: f for k, f in query.readable(form, actor).items() if not f.readonly}


def entries(form: Form, changes: list[Any], actor: Actor) -> list[Entry]:
    """These changes of records of one form, in words."""
    seen = _seen(form, actor)
    clear = {k: f for k, f in query.clear(form, actor).items() if k in seen}
    found = _titles(changes, clear, actor)
    mine = set(restorable(form, actor))
    return [_entry(change, seen, clear, found, mine) for change in changes]


def _entry(
    change: Any,
    seen: dict[str, Field],
    clear: dict[str, Field],
    titles: dict[tuple[str, int], str],
    restorable: set[str],
) -> Entry:
    lines = []
    form = catalog.by_id(change.form_id)
    for key, value in (change.fields or {}).items():
        if key in clear:
            # A field may have had another type when the Change was written.
            then = form.field_at(key, change.id) if form else None
            old, new = _sides(change.action, then or clear[key], value, titles)
            if old or new:
                back = change.action == "update" and key in restorable
                lines.append(Line(key, clear[key].label, old, new, restorable=back))
        elif key in seen:
            lines.append(Line(key, seen[key].label, "", "", quiet=True))
    who = people.name(change.actor_id) if change.actor_id else _("固客")
    words = ACTIONS.get(change.action, ACTIONS["update"])
    merged = change.cause_kind == "merge"
    cause = None if change.cause_kind in BY_HAND else causes.told(change.cause_kind, change.cause_id)
    return Entry(change.id, change.at, who, change.action, str(words), cause, lines, merged)


def _sides(action: str, f: Field, value: Any, titles: dict[tuple[str, int], str]) -> tuple[str, str]:
    if isinstance(value, dict) and set(value) <= {"add", "remove"}:
        return _text(f, value.get("remove"), titles), _text(f, value.get("add"), titles)
    if action == "update" and isinstance(value, list) and len(value) == 2:
        return _text(f, value[0], titles), _text(f, value[1], titles)
    return "", _text(f, value, titles)


def _text(f: Field, value: Any, titles: dict[tuple[str, int], str]) -> str:
    if value is None or value in ([], {}):
        return ""
    if _points(f):
        several = value if isinstance(value, list) else [value]
        return _("、").join(titles.get((f.options["form"], one), _("不可见")) for one in several)
    return f.format(value)


def _points(f: Field) -> bool:
    """Whether the values are ids of records of another form."""
    return f.type in ("relation", "relations")


def _titles(changes: list[Any], clear: dict[str, Field], actor: Actor) -> dict[tuple[str, int], str]:
    wanted: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        for key, value in (change.fields or {}).items():
            f = clear.get(key)
            if f is not None and _points(f):
                wanted[f.options["form"]].update(_ids(value))
    return {
        (form_key, record_id): title
        for form_key, ids in wanted.items()
        for record_id, title in query.titles(catalog.get(form_key), ids, actor).items()
    }


def _ids(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [one for side in value.values() for one in _ids(side)]
    if isinstance(value, list):
        return [one for part in value for one in _ids(part)]
    return [value] if isinstance(value, int) else []


# -- going back -----------------------------------------------------------------------------------------------------


class Step(Struct, frozen=True):
    """One field as it would be put back."""

    field: Field
    now: str
    then: str


def restorable(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields whose earlier values the actor may put back."""
    if not permissions.can(actor, "edit", form.key):
        return {}
    return {
        key: f
        for key, f in query.clear(form, actor).items()
        if not f.readonly
        # Rows of their own are restored in their own histories; files can be put back.
        and (not f.moves_along or f.group == "file")
        and permissions.field_access(actor, form.key, key) == "edit"
    }


def earlier(record: Record, change_id: int, actor: Actor, key: str | None = None) -> dict[str, Any]:
    """What to write so that the record is again as the Change ``change_id`` left it; with ``key`` only that field, as it
    was *before* that Change. Fields that are so already are not in it. Raises NotFound."""
    form = record.form
    mine = (Change.form_id == form.id) & (Change.record_id == record.id)
    if not Change.select().where(mine, Change.id == change_id).exists():
        raise NotFound()
    fields = restorable(form, actor)
    if key is not None:
        if key not in fields:
            raise NotFound()
        fields = {key: fields[key]}
    since = Change.id >= change_id if key is not None else Change.id > change_id
    steps: dict[str, list[Any]] = defaultdict(list)
    rows = Change.select(Change.id, Change.fields).where(mine, since, Change.action == "update").order_by(Change.id)
    for number, values in rows.tuples():
        for name, change in values.items():
            said = conversion.translated(form, name, number, change) if name in fields else None
            if said is not None:
                steps[name].append(said)
    return {name: value for name, changes in steps.items() for value in _before(record, fields[name], changes)}


def _before(record: Record, f: Field, changes: list[Any]) -> list[Any]:
    """The value before these changes, in a list; nothing when it is the same now."""
    now = record.values.get(f.key)
    if not isinstance(changes[0], dict):
        return [] if changes[0][0] == now else [changes[0][0]]
    added = [one for delta in changes for one in delta.get("add", [])]
    removed = [one for delta in changes for one in delta.get("remove", [])]
    add, drop = [one for one in removed if one not in added], [one for one in added if one not in removed]
    if not add and not drop:
        return []
    if not f.moves_along:
        return [{"add": add, "remove": drop}]
    gone = {one.get("id") for one in drop if isinstance(one, dict)}
    return [[one for one in now or [] if one.get("id") not in gone] + add]


def preview(record: Record, values: dict[str, Any], actor: Actor) -> list[Step]:
    """The fields that :func:`go_back` would change."""
    titles = {
        (form_key, i): title
        for form_key, ids in _pointed(record, values).items()
        for i, title in query.titles(catalog.get(form_key), ids, actor).items()
    }
    out = []
    for key, value in values.items():
        f = record.form.fields[key]
        now = record.values.get(key)
        then = value
        if isinstance(value, dict) and isinstance(now, list):
            then = [one for one in now if one not in value["remove"]] + value["add"]
        out.append(Step(f, record.text(key), _text(f, then, titles)))
    return out


def _pointed(record: Record, values: dict[str, Any]) -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for key, value in values.items():
        f = record.form.fields[key]
        if _points(f):
            found[f.options["form"]].update(_ids(value), _ids(record.values.get(key)))
    return found


def go_back(record: Record, change_id: int, values: dict[str, Any], actor: Actor) -> int | None:
    """Writes ``values`` (:func:`earlier`'s). Returns the Change to go back to for undoing that. Raises FieldErrors,
    Conflict when somebody else has changed the record since it was read."""
    form = record.form
    mine = (Change.form_id == form.id) & (Change.record_id == record.id)
    last = Change.select(Change.id).where(mine).order_by(Change.id.desc()).limit(1).scalar()
    written = records.update_many(
        form, {record.id: values}, actor, Cause("restore", change_id), versions={record.id: record.version}, parsed=True
    )
    errors = written.errors.get(0, {})
    if "_version" in errors:
        raise Conflict(errors["_version"])
    if errors:
        raise FieldErrors(errors)
    return int(last) if last else None
