"""Finds, completes or makes the related records that rows of a file speak of (the customer of an order)."""

from __future__ import annotations

from typing import Any

from ...accounts.actor import Actor
from .. import catalog, records, relations
from ..fields.base import Field
from ..fields.link import LinkField
from ..hooks import Cause
from ..query import Query
from .mapping import Target

Columns = dict[str, list[Any]]
CHUNK = 500


class Related:
    """``targets``: the target paths below the relation ``relation``; ``constants``: what new records get besides."""

    def __init__(
        self, relation: Field, targets: dict[str, Target], constants: dict[str, Any], actor: Actor, cause: Cause
    ) -> None:
        self.form = catalog.get(relation.options["form"])
        self.targets = {target.key: target for target in targets.values()}
        self.constants = constants
        self.actor, self.cause = actor, cause
        # An identity of a platform tells more than a phone, which a family may share.
        naming = [target for target in self.targets.values() if target.names]
        self.naming = [t.key for t in sorted(naming, key=lambda t: (not (t.field and t.field.unique), not t.link))]
        self.seen: set[int] = set()

    def resolve(self, columns: Columns, size: int) -> tuple[list[int | None], dict[int, str], int]:
        """``columns``: key → values. Returns the id for each row, the sentence for rows that failed, how many are new.

        A row that names nobody (no identity in it) gets ``None``.
        """
        naming = [key for key in self.naming if key in columns]
        known = {key: self._known(key, columns[key]) for key in naming}
        ids: list[int | None] = [None] * size
        fresh: dict[tuple[str, Any], int] = {}
        groups: list[list[int]] = []
        learned: dict[int, dict[str, list[Any]]] = {}
        for i in range(size):
            names = [(key, columns[key][i]) for key in naming if columns[key][i] is not None]
            if not names:
                continue
            hit = next((known[key][value] for key, value in names if value in known[key]), None)
            if hit is not None:
                ids[i] = hit
                for key, value in names:
                    if value not in known[key] and self.targets[key].link:
                        learned.setdefault(hit, {}).setdefault(key, []).append(value)
                continue
            group = next((fresh[name] for name in names if name in fresh), None)
            if group is None:
                group = len(groups)
                groups.append([])
            groups[group].append(i)
            for name in names:
                fresh.setdefault(name, group)
        errors = self._make(columns, groups, ids)
        made = len(groups) - len({n for n, rows in enumerate(groups) if rows[0] in errors})
        if learned:
            self._learn(learned)
        self._complete(columns, ids)
        return ids, errors, made

    def _known(self, key: str, column: list[Any]) -> dict[Any, int]:
        values = list({value for value in column if value is not None})
        if not values:
            return {}
        field = self.targets[key].field
        if field is not None and field.unique and not self.targets[key].link:
            return dict(relations.lookup(self.form, key, values))
        ids, _errors = relations.resolve(self.form.key, [{key: value} for value in values], None)
        return {value: record_id for value, record_id in zip(values, ids, strict=True) if record_id is not None}

    def _make(self, columns: Columns, groups: list[list[int]], ids: list[int | None]) -> dict[int, str]:
        """One new record a group of rows; each field takes the first value that the group's rows give."""
        if not groups:
            return {}
        new: Columns = {}
        for key, column in columns.items():
            target = self.targets[key]
            values = [next((column[i] for i in rows if column[i] is not None), None) for rows in groups]
            if target.link:
                every = [list(dict.fromkeys(column[i] for i in rows if column[i] is not None)) for rows in groups]
                held = new.setdefault(target.link, [None] * len(groups))
                new[target.link] = [
                    (old or {}) | {key: found} if found else old for old, found in zip(held, every, strict=True)
                ]
            elif target.field is not None:
                new[key] = values
        for key, value in self.constants.items():
            new[key] = [value if old is None else old for old in new.get(key, [None] * len(groups))]
        written = records.create_many(self.form, None, self.actor, self.cause, columns=new, parsed=True)
        errors: dict[int, str] = {}
        for n, rows in enumerate(groups):
            record_id = written.ids[n]
            for i in rows:
                ids[i] = record_id
                if record_id is None:
                    errors[i] = "；".join(written.errors.get(n, {}).values())
            if record_id is not None:
                self.seen.add(record_id)
        return errors

    def _learn(self, learned: dict[int, dict[str, list[Any]]]) -> None:
        """A record that was found by one name now has the other names of the row too."""
        rows: dict[int, dict[str, Any]] = {}
        for link in {self.targets[key].link for kinds in learned.values() for key in kinds}:
            field = self.form.fields[link]
            assert isinstance(field, LinkField)
            held = field.load(list(learned))
            for record_id, kinds in learned.items():
                value = {kind: list(values) for kind, values in (held.get(record_id) or {}).items()}
                for key, values in kinds.items():
                    if self.targets[key].link == link:
                        value[key] = list(dict.fromkeys([*value.get(key, []), *values]))
                rows.setdefault(record_id, {})[link] = value
        records.update_many(self.form, rows, self.actor, self.cause, parsed=True)

    def _complete(self, columns: Columns, ids: list[int | None]) -> None:
        """Fills what known records have empty; what they hold already stays."""
        keys = [key for key, target in self.targets.items() if key in columns and target.field and not target.link]
        rows: dict[int, dict[str, Any]] = {}
        for i, record_id in enumerate(ids):
            if record_id is None or record_id in self.seen:
                continue
            for key in keys:
                if columns[key][i] is not None:
                    rows.setdefault(record_id, {}).setdefault(key, columns[key][i])
        if not rows:
            return
        fill: dict[int, dict[str, Any]] = {}
        order = list(rows)
        for start in range(0, len(order), CHUNK):
            for record in Query(self.form, self.actor).get_many(order[start : start + CHUNK], keys):
                empty = {key: value for key, value in rows[record.id].items() if record.values.get(key) is None}
                if empty:
                    fill[record.id] = empty
        if fill:
            records.update_many(self.form, fill, self.actor, self.cause, parsed=True)
