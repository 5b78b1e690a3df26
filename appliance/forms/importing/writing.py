"""Writes one batch of parsed rows: which are new, which are known, whom they belong to, what is made along."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import asdict

from ...accounts.actor import Actor
from ...core import dialect
from .. import catalog, query, records, relations
from ..catalog import Form
from ..fields.base import Field
from ..fields.link import LinkField
from ..fields.relations import Relations
from ..hooks import Cause
from ..models import Change
from . import naming
from .mapping import ID, Target, children
from .plan import ANY_NAME, Plan, child_reads
from .related import Related

Columns = dict[str, list[Any]]

MASK = "*"
"""What stands for each character that a masked value keeps to itself."""


class Counts(Struct):
    """Rows by what became of them; ``related`` and ``children``: records made along the way."""

    created: int = 0
    updated: int = 0
    skipped: int = 0
    failed: int = 0
    blank: int = 0
    summary: int = 0
    related: int = 0
    children: int = 0

    @classmethod
    def open(cls, document: dict[str, int] | None) -> Counts:
        return cls(**(document or {}))

    def document(self) -> dict[str, int]:
        return asdict(self)

    @property
    def rows(self) -> int:
        return self.created + self.updated + self.skipped + self.failed


class Parsed(Struct):
    """A batch as the reader sends it: row numbers, stored values by target path, sentences for bad cells by row."""

    numbers: list[int]
    columns: Columns
    errors: dict[int, dict[str, str]]

    @property
    def size(self) -> int:
        return len(self.numbers)

    def without(self, rows: set[int]) -> Parsed:
        keep = [i for i in range(self.size) if i not in rows]
        return Parsed(
            [self.numbers[i] for i in keep],
            {path: [column[i] for i in keep] for path, column in self.columns.items()},
            {},
        )


class Writer(Struct, dict=True):
    """Carries a plan out, batch by batch. Each call of :meth:`write` belongs in one ``write()``."""

    form: Form
    plan: Plan
    targets: dict[str, Target]
    actor: Actor
    cause: Cause
    counts: Counts = field(default_factory=Counts)
    failures: list[tuple[int, str]] = field(default_factory=list)
    """(row number, why) of the rows of the last batch that were not imported."""
    masks: dict[int, dict[str, str]] = field(default_factory=dict)
    """By row number the cells of the last batch that show a value only in part, as our own exports do."""

    def __post_init__(self) -> None:
        self.via: dict[str, dict[str, Target]] = defaultdict(dict)
        for path in self.targets:
            target = self.targets[path]
            self.via[target.via][path] = target
        self.child_fields = {child.key: relation for child, relation in children(self.form)}
        self.related = {
            via: Related(self.form.fields[via], targets, plan_constants(self.plan, via), self.actor, self.cause)
            for via, targets in self.via.items()
            if via and via not in self.child_fields
        }

    def write(self, batch: Parsed) -> None:
        self.failures, self.masks = [], {}
        batch = self._read_here(batch)
        if self.plan.bad_cells == "fail" and batch.errors:
            for i in sorted(batch.errors):
                self._fail(batch.numbers[i], self._sentence(batch.errors[i]))
            batch = batch.without(set(batch.errors))
        if batch.size:
            self._write(batch, self._own_columns(batch))

    def _fail(self, number: int, reason: str) -> None:
        self.failures.append((number, reason))
        self.counts.failed += 1

    def _sentence(self, errors: dict[str, str]) -> str:
        parts = []
        for path, message in errors.items():
            target = self.targets.get(path)
            known = self.form.field(path)
            label = target.label if target else known.label if known else ""
            parts.append(_("%(name)s：%(why)s", name=label, why=message) if label and label not in message else message)
        return _("；").join(parts)

    def _read_here(self, batch: Parsed) -> Parsed:
        """Reads the columns that need the database (people, tags), once a batch."""
        for path, column in batch.columns.items():
            target = self.targets[path]
            if target.field is not None and not child_reads(target):
                if target.field.revealable and not target.via:
                    column = self._put_aside(batch, path, column)
                batch.columns[path], errors = self._read_column(batch, target, column)
                for i, message in errors.items():
                    batch.errors.setdefault(i, {})[path] = message
        return batch

    def _read_column(self, batch: Parsed, target: Target, column: list[Any]) -> tuple[list[Any], dict[int, str]]:
        assert target.field is not None
        if not isinstance(target.field, Relations) or target.numbers:
            return target.field.parse_many(column)
        numbers = batch.columns.get(f"{target.path}.{ID}")
        if numbers is not None:
            # Where the row says the numbers, the titles beside them are for people.
            column = [None if known else cell for cell, known in zip(column, numbers, strict=True)]
        return naming.read(target.field, column, self.actor)

    def _put_aside(self, batch: Parsed, path: str, column: list[Any]) -> list[Any]:
        """The column without the cells that show a value only in part: they are compared with what the record holds."""
        rest = list(column)
        for i, cell in enumerate(column):
            if isinstance(cell, str) and MASK in cell:
                self.masks.setdefault(batch.numbers[i], {})[path], rest[i] = cell.strip(), None
        return rest

    def _differing(self, batch: Parsed, known: dict[int, int]) -> dict[int, str]:
        """Row → the sentence for a value in part that is not the one which its record holds."""
        places = [i for i, number in enumerate(batch.numbers) if number in self.masks]
        if not places or self.plan.bad_cells == "empty":
            return {}
        ids = [known[i] for i in places if i in known]
        held = {record.id: record for record in query.Query(self.form, self.actor).get_many(ids)}
        wrong: dict[int, str] = {}
        for i in places:
            record = held.get(known.get(i, 0))
            for path, text in self.masks[batch.numbers[i]].items():
                if record is None or record.text(path) != text:
                    why = _("「%(value)s」只是号码的一部分，和记录里的对不上，请填完整的号码。", value=text)
                    wrong[i] = self._sentence({path: why})
        return wrong

    def _own_columns(self, batch: Parsed) -> Columns:
        """The columns of the records themselves: plain fields, parts of link fields, what names related records."""
        own: Columns = {}
        parts: dict[str, Columns] = defaultdict(dict)
        for path, target in self.via[""].items():
            column = batch.columns.get(path)
            if path in self.plan.constants:
                constant = self.plan.constants[path]
                column = [constant if value is None else value for value in column or [None] * batch.size]
            if column is None or target.field is None or path == ID:
                continue
            if target.numbers and path != target.key:
                # The numbers beside the titles of several related records: where there are any, they count.
                titles = own.get(target.key) or [None] * batch.size
                own[target.key] = [number or title for number, title in zip(column, titles, strict=True)]
            elif target.link:
                parts[target.link][target.key] = column
            else:
                own[path] = column
        for link, columns in parts.items():
            kinds = list(columns)
            own[link] = [
                {kind: [value] for kind, value in zip(kinds, row, strict=True) if value is not None} or None
                for row in zip(*columns.values(), strict=True)
            ]
        for via, related in self.related.items():
            if columns := _below(batch.columns, via):
                own[via] = related.values(columns, batch.size)
        return own

    def _write(self, batch: Parsed, own: Columns) -> None:
        known, ambiguous = self._known(batch)
        ambiguous |= self._differing(batch, known)
        new: list[int] = []
        again: dict[int, int] = {}
        """Row → the earlier new row of this batch that is the same record."""
        first: dict[Any, int] = {}
        updates: list[tuple[int, int]] = []
        rule = self.plan.on_duplicate
        marks = self._marks(batch)
        for i in range(batch.size):
            earlier = next((first[mark] for mark in marks[i] if mark in first), None)
            if i in ambiguous:
                self._fail(batch.numbers[i], ambiguous[i])
            elif rule == "create" or (i not in known and earlier is None):
                new.append(i)
                for mark in marks[i]:
                    first.setdefault(mark, i)
            elif rule == "skip":
                self.counts.skipped += 1
            elif i in known:
                updates.append((i, known[i]))
            elif earlier is not None:
                again[i] = earlier
        made = self._create(batch, own, new)
        with_items = self._with_items(batch, made, first, marks, known)
        for child_key, relation in self.child_fields.items():
            # A platform's report that names an order twice says the same item twice.
            rows = with_items if catalog.get(child_key).part_of else made
            self._create_children(batch, child_key, relation.key, rows)
        for i, earlier in again.items():
            if earlier in made:
                updates.append((i, made[earlier]))
            else:
                self._fail(batch.numbers[i], _("同一编号的前一行没有导入成功。"))
        self._update(batch, own, updates)

    def _marks(self, batch: Parsed) -> list[list[Any]]:
        """What tells the rows of one batch apart. A phone tells only where the row has nothing more certain."""
        if self.plan.key != ANY_NAME:
            column = batch.columns.get(self.plan.key or "", [None] * batch.size)
            return [[] if value is None else [value] for value in column]
        certain, weak = self._names(batch, link=True), self._names(batch, link=False)
        marks: list[list[Any]] = []
        for i in range(batch.size):
            row = [(path, column[i]) for path, column in certain.items() if column[i] is not None]
            marks.append(row or [(path, column[i]) for path, column in weak.items() if column[i] is not None])
        return marks

    def _names(self, batch: Parsed, *, link: bool) -> Columns:
        return {
            path: column
            for path, target in self.via[""].items()
            if target.names and bool(target.link) == link and path != ID
            and (column := batch.columns.get(path)) is not None
        }  # fmt: skip

    def _known(self, batch: Parsed) -> tuple[dict[int, int], dict[int, str]]:
        """Row → the record its key names; row → why its key does not decide."""
        key = self.plan.key
        if key == ANY_NAME:
            return self._known_by_any(batch)
        column = batch.columns.get(key) if key else None
        if not key or column is None:
            return {}, {}
        target = self.targets[key]
        found, twice = self._holders(target, list({value for value in column if value is not None}))
        known = {i: found[value] for i, value in enumerate(column) if value in found}
        ambiguous = {
            i: _("有多条记录的「%(field)s」是「%(value)s」，无法判断更新哪一条。", field=target.label, value=value)
            for i, value in enumerate(column)
            if value in twice
        }
        return known, ambiguous

    def _holders(self, target: Target, values: list[Any]) -> tuple[dict[Any, int], set[Any]]:
        """Value → the record that holds it; the values that several records hold."""
        if target.link:
            return self._link(target.link).holders(target.key, values), set()
        if target.names and target.field and not target.field.unique and target.key != ID:
            link = next(link for link in self.form.links.values() if target.key in _parts(link))
            return self._link(link.key).holders(target.key, values), set()
        found: dict[Any, int] = {}
        twice: set[Any] = set()
        for value, record_id in relations.lookup(self.form, target.key, values):
            if value in found:
                twice.add(value)
            found[value] = record_id
        return found, twice

    def _link(self, key: str) -> LinkField:
        field = self.form.fields[key]
        assert isinstance(field, LinkField)
        return field

    def _known_by_any(self, batch: Parsed) -> tuple[dict[int, int], dict[int, str]]:
        """A row is the record that any of its identities names. Where they name none or two, the form's room says."""
        names = self._names(batch, link=False) | self._names(batch, link=True)
        held = {
            path: self._holders(self.targets[path], list({value for value in column if value is not None}))[0]
            for path, column in names.items()
        }
        known: dict[int, int] = {}
        if not any(held.values()):
            return known, {}
        doubtful: list[int] = []
        for i in range(batch.size):
            hits = {
                held[path][column[i]]: bool(self.targets[path].link)
                for path, column in names.items()
                if column[i] in held[path]
            }
            if len(hits) == 1 and any(hits.values()):
                known[i] = next(iter(hits))
            elif hits:
                doubtful.append(i)
        if not doubtful:
            return known, {}
        asked = [
            {self.targets[path].key: column[i] for path, column in names.items() if column[i] is not None}
            for i in doubtful
        ]
        ids, errors = relations.resolve(self.form.key, asked, None)
        known |= {i: record_id for i, record_id in zip(doubtful, ids, strict=True) if record_id is not None}
        # Somebody else at the same phone is a new customer without it; writing the row says so.
        return known, {doubtful[n]: why for n, why in errors.items() if len(set(_hits(held, names, doubtful[n]))) > 1}

    def _create(self, batch: Parsed, own: Columns, rows: list[int]) -> dict[int, int]:
        """Row → id of the record it became."""
        if not rows:
            return {}
        whole = len(rows) == batch.size
        columns = own if whole else {key: [column[i] for i in rows] for key, column in own.items()}
        written = records.create_many(self.form, None, self.actor, self.cause, columns=dict(columns), parsed=True)
        made: dict[int, int] = {}
        for n, i in enumerate(rows):
            record_id = written.ids[n]
            if record_id is None:
                self._fail(batch.numbers[i], self._sentence(written.errors.get(n, {})))
            else:
                made[i] = record_id
        self.counts.created += len(made)
        return made

    def _with_items(
        self, batch: Parsed, made: dict[int, int], first: dict[Any, int], marks: list[list[Any]], known: dict[int, int]
    ) -> dict[int, int]:
        """Row → the record of this import that its line items belong to: several rows may each bring one of them."""
        if not any(via in self.child_fields and catalog.get(via).part_of for via in self.via):
            return made
        rows = dict(made)
        if self.plan.on_duplicate == "create":
            return rows
        failed = {number for number, _why in self.failures}
        for i in range(batch.size):
            earlier = next((first[mark] for mark in marks[i] if mark in first), i)
            if i not in rows and earlier in made and batch.numbers[i] not in failed:
                rows[i] = made[earlier]
        of_before = self._made_before({record_id for i, record_id in known.items() if i not in rows})
        return rows | {
            i: record_id for i, record_id in known.items() if record_id in of_before and batch.numbers[i] not in failed
        }

    def _made_before(self, ids: set[int]) -> set[int]:
        """Those of ``ids`` that an earlier batch of this import made."""
        if not ids or self.cause.id is None:
            return set()
        mine = (Change.cause_kind == self.cause.kind) & (Change.cause_id == self.cause.id) & (Change.action == "create")
        there = (Change.form_id == self.form.id) & dialect.among(Change.record_id, ids)
        return {record_id for (record_id,) in Change.select(Change.record_id).where(mine & there).tuples()}

    def _create_children(self, batch: Parsed, child_key: str, relation: str, made: dict[int, int]) -> None:
        below = _below(batch.columns, child_key)
        rows = [i for i in made if any(column[i] is not None for column in below.values())]
        if not rows:
            return
        form = catalog.get(child_key)
        columns: Columns = {relation: [made[i] for i in rows]}
        for key, column in below.items():
            target = self.targets[f"{child_key}.{key}"]
            values = [column[i] for i in rows]
            if "." in key:
                field_key, _dot, unique = key.partition(".")
                related = form.fields[field_key].options["form"]
                found = dict(relations.lookup(catalog.get(related), unique, [v for v in set(values) if v is not None]))
                columns[field_key] = [found.get(value) for value in values]
            elif target.link:
                columns[target.link] = [None if v is None else {target.key: [v]} for v in values]
            else:
                columns[key] = values
        written = records.create_many(form, None, self.actor, self.cause, columns=columns, parsed=True)
        for n, errors in written.errors.items():
            why = _("；").join(errors.values())
            self._fail(batch.numbers[rows[n]], _("「%(items)s」没有导入：%(why)s", items=form.label, why=why))

    def _update(self, batch: Parsed, own: Columns, updates: list[tuple[int, int]]) -> None:
        """Cells that hold something replace what the record holds; empty cells leave it alone."""
        if not updates:
            return
        rows: dict[int, dict[str, Any]] = {}
        by_record: dict[int, list[int]] = defaultdict(list)
        for i, record_id in updates:
            values = rows.setdefault(record_id, {})
            by_record[record_id].append(i)
            for key, column in own.items():
                if column[i] is None or column[i] == []:
                    continue
                link = self.form.fields[key]
                if isinstance(link, LinkField) and link.gathers:
                    values.setdefault(key, {"add": []})["add"] += _entries(column[i])
                else:
                    values[key] = column[i]
        written = records.update_many(self.form, rows, self.actor, self.cause, parsed=True)
        for n, record_id in enumerate(rows):
            for i in by_record[record_id]:
                if n in written.errors:
                    self._fail(batch.numbers[i], self._sentence(written.errors[n]))
                else:
                    self.counts.updated += 1


def _parts(field: Field) -> dict[str, Any]:
    return field.import_parts() if isinstance(field, LinkField) else {}


def _hits(held: dict[str, dict[Any, int]], names: Columns, i: int) -> list[int]:
    return [held[path][column[i]] for path, column in names.items() if column[i] in held[path]]


def _entries(value: Any) -> list[Any]:
    """A link field's value as entries that can be added: ``{"member_no": ["1"]}`` → ``["member_no:1"]``."""
    if isinstance(value, dict):
        return [f"{kind}:{held}" for kind, values in value.items() for held in values]
    return list(value)


def _below(columns: Columns, via: str) -> Columns:
    """The columns whose path goes through ``via``, by the rest of the path."""
    start = f"{via}."
    return {path[len(start) :]: column for path, column in columns.items() if path.startswith(start)}


def plan_constants(plan: Plan, via: str) -> dict[str, Any]:
    return {path.removeprefix(f"{via}."): value for path, value in plan.constants.items() if path.startswith(f"{via}.")}
