"""What happened to a record, in words: its Changes as their reader may see them.

Higher rooms say what their causes are::

    @history.cause("import")
    def import_cause(cause_id: int) -> tuple[str, str | None]:
        return _("导入 #%(id)d", id=cause_id), url_for("imports.show", import_id=cause_id)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts import people
from ..accounts.actor import Actor
from . import catalog, query
from .catalog import Form
from .fields.base import Field
from .models import Change

PAGE = 20
LONG = 200

CauseWords = Callable[[int], tuple[str, str | None]]

_causes: dict[str, CauseWords] = {}

KINDS = {
    "import": _l("导入"),
    "api": _l("接口"),
    "rule": _l("规则"),
    "decision_table": _l("决策表"),
    "flow": _l("流程"),
    "undo": _l("撤销"),
    "bulk": _l("批量操作"),
    "merge": _l("合并"),
    "app": _l("应用模板"),
}
"""What a cause is called when its room says nothing more of it."""

ACTIONS = {
    "create": _l("新建了记录"),
    "update": _l("修改了"),
    "delete": _l("移到了回收站"),
    "restore": _l("从回收站恢复"),
}


def cause(kind: str) -> Callable[[CauseWords], CauseWords]:
    """Registers the words (and the link) of a kind of cause. Raises when the kind has them already."""
    if kind in _causes:
        raise ValueError(f"causes of kind {kind!r} have their words already")

    def add(fn: CauseWords) -> CauseWords:
        _causes[kind] = fn
        return fn

    return add


@dataclass(frozen=True)
class Line:
    """One field's part of a change. ``old`` or ``new`` may be empty."""

    label: str
    old: str
    new: str
    quiet: bool = False
    """The reader may know that it changed, not from what to what."""


@dataclass
class Entry:
    """One change. ``cause``: words and link, unless a person did it by hand."""

    id: int
    at: int
    who: str
    action: str
    words: str
    cause: tuple[str, str | None] | None
    lines: list[Line] = field(default_factory=list)


def of(form: Form, record_id: int, actor: Actor, before: int | None = None) -> tuple[list[Entry], int | None]:
    """The latest changes of a record (older than the change ``before``), and the id to go on from.

    The caller has made sure that the record may be seen.
    """
    rows = Change.select().where(Change.form_id == form.id, Change.record_id == record_id)
    if before:
        rows = rows.where(Change.id < before)
    changes = list(rows.order_by(Change.id.desc()).limit(PAGE + 1))
    # A change of nothing but fields that the reader does not see is none for them.
    shown = [e for e in entries(form, changes[:PAGE], actor) if e.lines or e.action != "update"]
    return shown, (changes[PAGE - 1].id if len(changes) > PAGE else None)


def entries(form: Form, changes: list[Any], actor: Actor) -> list[Entry]:
    """These changes of records of one form, in words."""
    # What Guke keeps itself follows from other records, which have a history of their own.
    seen = {k: f for k, f in query.readable(form, actor).items() if not f.readonly}
    clear = {k: f for k, f in query.clear(form, actor).items() if k in seen}
    found = _titles(changes, clear, actor)
    return [_entry(change, seen, clear, found) for change in changes]


def _entry(change: Any, seen: dict[str, Field], clear: dict[str, Field], titles: dict[tuple[str, int], str]) -> Entry:
    lines = []
    for key, value in (change.fields or {}).items():
        if key in clear:
            old, new = _sides(change.action, clear[key], value, titles)
            if old or new:
                lines.append(Line(clear[key].label, old, new))
        elif key in seen:
            lines.append(Line(seen[key].label, "", "", quiet=True))
    who = people.name(change.actor_id) if change.actor_id else _("固客")
    return Entry(change.id, change.at, who, change.action, str(ACTIONS[change.action]), _cause(change), lines)


def _cause(change: Any) -> tuple[str, str | None] | None:
    kind, number = change.cause_kind, change.cause_id
    if kind in ("user", "system"):
        return None
    if kind in _causes and number:
        return _causes[kind](number)
    name = str(KINDS.get(kind, kind))
    return (f"{name} #{number}" if number else name), None


def _sides(action: str, f: Field, value: Any, titles: dict[tuple[str, int], str]) -> tuple[str, str]:
    if isinstance(value, dict) and set(value) <= {"add", "remove"}:
        return _text(f, value.get("remove"), titles), _text(f, value.get("add"), titles)
    if action == "update" and isinstance(value, list) and len(value) == 2:
        return _text(f, value[0], titles), _text(f, value[1], titles)
    return "", _text(f, value, titles)


def _text(f: Field, value: Any, titles: dict[tuple[str, int], str]) -> str:
    if value is None or value in ([], {}):
        return ""
    if f.type == "relation":
        return titles.get((f.options["form"], value), _("不可见"))
    text = f.format(value)
    return text if len(text) <= LONG else text[:LONG] + "…"


def _titles(changes: list[Any], clear: dict[str, Field], actor: Actor) -> dict[tuple[str, int], str]:
    wanted: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        for key, value in (change.fields or {}).items():
            f = clear.get(key)
            if f is not None and f.type == "relation":
                sides = value if isinstance(value, list) else [value]
                wanted[f.options["form"]].update(v for v in sides if isinstance(v, int))
    return {
        (form_key, record_id): title
        for form_key, ids in wanted.items()
        for record_id, title in query.titles(catalog.get(form_key), ids, actor).items()
    }
