"""What a call becomes: which of its values fill which fields, and which record it is."""

from __future__ import annotations

import json
from collections.abc import Mapping as AnyMapping
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts.actor import SYSTEM
from ..core import clock, settings
from ..core.errors import NotFound, UserError
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.hooks import Cause
from ..forms.importing import address
from ..forms.importing import mapping as importing
from ..forms.importing import plan as plans
from ..forms.importing.mapping import Target
from ..forms.importing.plan import ANY_NAME, Plan, child_reads
from ..forms.importing.writing import Parsed, Writer
from . import paths

MOST_ROWS = 500
"""Records that one call may lead to."""
MOMENTS = range(10**8, 10**14)
"""Numbers in a field of moments that are seconds or milliseconds since 1970."""


class Source(Struct, frozen=True):
    """Where a field's value comes from. ``default``: used where the path leads to nothing; alone it is the value.
    ``fen``: the number there counts hundredths."""

    path: str = ""
    default: str = ""
    fen: bool = False

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = {"path": self.path} if self.path else {}
        if self.default:
            found["default"] = self.default
        return found | ({"as": "fen"} if self.fen else {})


class Mapping(Struct, frozen=True):
    """``fields``: target path (see ``forms.importing.mapping``) → source. ``key``: the target that tells records apart,
    ``*`` any identity, ``None``: each call is a new record. ``known``: what happens to one that is there."""

    form: str
    fields: dict[str, Source] = field(default_factory=dict)
    key: str | None = None
    known: str = "update"

    @classmethod
    def open(cls, doc: AnyMapping[str, Any]) -> Mapping:
        """``{"form", "key", "known", "fields": {target: {"path", "default", "as"}}}``. Raises :class:`UserError`."""
        fields = doc.get("fields") or {}
        if not isinstance(fields, AnyMapping) or not all(isinstance(one, AnyMapping) for one in fields.values()):
            raise UserError(_('对应关系的 fields 要是 {字段: {"path": 路径}}。'))
        sources = {
            str(target): Source(
                str(one.get("path") or "").strip(), str(one.get("default") or "").strip(), one.get("as") == "fen"
            )
            for target, one in fields.items()
        }
        key = doc.get("key")
        known = str(doc.get("known") or "update")
        return cls(str(doc.get("form") or ""), sources, str(key) if key else None, known)

    def document(self) -> dict[str, Any]:
        fields = {target: source.document() for target, source in self.fields.items()}
        return {"form": self.form, "key": self.key, "known": self.known, "fields": fields}

    def checked(self) -> Mapping:
        """The same, when it can be carried out. Raises :class:`UserError`."""
        form = self.the_form()
        targets = importing.targets(form)
        used = {target: source for target, source in self.fields.items() if source.path or source.default}
        lists = set()
        for source in used.values():
            if source.path and (found := paths.list_of(paths.parse(source.path))) is not None:
                lists.add(found)
        if len(lists) > 1:
            raise UserError(_("带 [] 的路径要在同一个列表里。"))
        plans.check(self.plan(), targets)
        return Mapping(self.form, used, self.key, self.known)

    def the_form(self) -> Form:
        try:
            return catalog.get(self.form)
        except NotFound:
            raise UserError(_("请选择调用的内容放进哪个表单。")) from None

    def plan(self) -> Plan:
        filled = [target for target, source in self.fields.items() if source.path or source.default]
        return Plan(columns=dict(enumerate(filled)), key=self.key, on_duplicate=self.known)

    # -- carrying out -------------------------------------------------------------------------------------------------

    def rows(self, doc: Any) -> list[dict[str, Any]]:
        """The values of a call as they stand there, by target; one row for each record."""
        read = {target: (source, paths.parse(source.path)) for target, source in self.fields.items()}
        where = next((found for _s, steps in read.values() if (found := paths.list_of(steps)) is not None), None)
        if where is None:
            return [{target: _value(source, paths.get(doc, steps)) for target, (source, steps) in read.items()}]
        entries = paths.get(doc, where)
        entries = entries if isinstance(entries, list) else []
        if len(entries) > MOST_ROWS:
            raise UserError(
                _("一次调用最多 %(most)d 条记录，这次有 %(count)d 条。", most=MOST_ROWS, count=len(entries))
            )
        skip = len(where) + 1
        return [
            {
                target: _value(source, paths.get(entry, steps[skip:]) if paths.EACH in steps else paths.get(doc, steps))
                for target, (source, steps) in read.items()
            }
            for entry in entries
        ]

    def write(self, doc: Any, cause: Cause) -> Written:
        """Carries a call out, inside the caller's ``write()``."""
        form = self.the_form()
        targets = importing.targets(form)
        rows = self.rows(doc)
        columns, errors = _columns(rows, {path: targets[path] for path in self.fields if path in targets})
        known = {path: targets[path] for path in columns if path in targets}
        writer = _Keeping(form, self.plan(), known, SYSTEM, cause)
        if rows:
            writer.write(Parsed(list(range(1, len(rows) + 1)), columns, errors))
        return Written(
            form.key, len(rows), [writer.ids[i] for i in sorted(writer.ids)], writer.failures, set(writer.made)
        )


class Written(Struct):
    """What a call became: ``ids`` of records made or changed, ``made`` those that are new, ``failures``: (row, why)."""

    form: str
    rows: int
    ids: list[int]
    failures: list[tuple[int, str]]
    made: set[int]


class _Keeping(Writer):
    """A writer that remembers which record each row became."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.ids: dict[int, int] = {}
        self.made: set[int] = set()

    def _create(self, batch: Parsed, own: dict[str, list[Any]], rows: list[int]) -> dict[int, int]:
        found = super()._create(batch, own, rows)
        self.ids |= {batch.numbers[i]: record_id for i, record_id in found.items()}
        self.made |= set(found.values())
        return found

    def _update(self, batch: Parsed, own: dict[str, list[Any]], updates: list[tuple[int, int]]) -> None:
        before = len(self.failures)
        super()._update(batch, own, updates)
        failed = {number for number, _why in self.failures[before:]}
        self.ids |= {batch.numbers[i]: record_id for i, record_id in updates if batch.numbers[i] not in failed}


def _columns(
    rows: list[dict[str, Any]], targets: dict[str, Target]
) -> tuple[dict[str, list[Any]], dict[int, dict[str, str]]]:
    """The values by target, parsed where that needs no database, and the sentences for those that cannot be read."""
    columns: dict[str, list[Any]] = {}
    errors: dict[int, dict[str, str]] = {}
    for path, target in targets.items():
        raw = [_plain(target, row.get(path)) for row in rows]
        if target.field is None:
            columns |= address.split_column(path, raw)
        elif child_reads(target):
            columns[path], wrong = target.field.parse_many(raw)
            for i, message in wrong.items():
                errors.setdefault(i, {})[path] = message
        else:
            columns[path] = raw
    return columns, errors


def _value(source: Source, found: Any) -> Any:
    if not source.path or found in (None, "") or found == []:
        return source.default or None
    if source.fen and isinstance(found, (int, float, str)) and not isinstance(found, bool):
        try:
            return f"{float(found) / 100:.2f}"
        except ValueError:
            return found
    return found


def _plain(target: Target, value: Any) -> Any:
    """A JSON value as the field reads it."""
    kind = target.field.type if target.field else "text"
    if kind in ("datetime", "date") and isinstance(value, (int, float)) and not isinstance(value, bool):
        number = int(value)
        if number in MOMENTS:
            seconds = number // 1_000 if number > 10**11 else number
            moment = clock.local(seconds, settings.tz())
            return moment.isoformat() if kind == "datetime" else moment.date().isoformat()
    if isinstance(value, (dict, list)) and kind not in STRUCTURED:
        return json.dumps(value, ensure_ascii=False)
    return value


STRUCTURED = frozenset(
    {
        "multi_choice",
        "tags",
        "relations",
        "relation",
        "json",
        "persons",
        "departments",
        "identities",
        "location",
        "address",
    }
)
"""Field types that read lists or objects themselves."""


def labels(form: Form, wanted: AnyMapping[str, Any]) -> dict[str, str]:
    """What the targets are called."""
    targets = importing.targets(form)
    return {
        path: (f"{targets[path].group} · {targets[path].label}" if targets[path].via else targets[path].label)
        for path in wanted
        if path in targets
    }


def keys(mapping: Mapping) -> dict[str, str]:
    """The targets by which a record can be recognised, with their labels."""
    return plans.keys(mapping.plan(), importing.targets(mapping.the_form()))


def propose(form: Form, doc: Any) -> Mapping:
    """What a call itself suggests, by the names of its values."""
    leaves = paths.leaves(doc)
    targets = importing.targets(form)
    found = importing.propose([leaf.name for leaf in leaves], [[leaf.value] for leaf in leaves], targets)
    fields = {path: Source(leaves[i].path) for i, path in found.items() if path != importing.ID}
    plan = Plan(columns=dict(enumerate(fields)))
    return Mapping(form.key, fields, plans.default_key(plan, targets))


__all__ = ["ANY_NAME", "Mapping", "Source", "Written", "keys", "labels", "propose"]
