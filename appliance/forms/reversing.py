"""Takes back what one cause wrote to many records: each value gets back what it was before, where it still is as the cause left
it. What somebody changed since is kept.

Rules, imports and bulk operations all undo through here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..accounts.actor import Actor
from ..core import dialect
from ..core.db import db
from . import records
from .catalog import Form
from .fields.link import LinkField
from .hooks import Cause
from .models import Change


@dataclass
class Net:
    """What a cause made of one record's fields in the end: ``[old, new]``, or what it added and removed."""

    pairs: dict[str, list[Any]] = field(default_factory=dict)
    added: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    removed: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def take(self, fields: dict[str, Any]) -> None:
        """The next Change, in order."""
        for key, delta in fields.items():
            if isinstance(delta, list):
                self.pairs.setdefault(key, [delta[0], None])[1] = delta[1]
            else:
                self._move(delta.get("add", []), self.added[key], self.removed[key])
                self._move(delta.get("remove", []), self.removed[key], self.added[key])

    @staticmethod
    def _move(items: list[Any], to: list[Any], back: list[Any]) -> None:
        for item in items:
            if item in back:
                back.remove(item)
            else:
                to.append(item)


@dataclass
class Reversed:
    """``changed``: ids that were written; ``kept``: by id, the fields that somebody changed since (or that refused)."""

    changed: set[int] = field(default_factory=set)
    kept: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))


def updated(mine: Any, after: int, limit: int) -> list[int]:
    """Ids of the next records that Changes ``mine`` (an expression) updated, by id."""
    rows = Change.select(Change.record_id).where(mine & (Change.action == "update") & (Change.record_id > after))
    return [i for (i,) in rows.distinct().order_by(Change.record_id).limit(limit).tuples()]


def nets(mine: Any, ids: Iterable[int]) -> dict[int, Net]:
    """What the Changes ``mine`` did to these records of one form."""
    found: dict[int, Net] = defaultdict(Net)
    wanted = list(ids)
    if not wanted:
        return found
    rows = Change.select(Change.record_id, Change.fields).where(
        mine & (Change.action == "update") & dialect.among(Change.record_id, wanted)
    )
    for record_id, fields in rows.order_by(Change.id).tuples():
        found[record_id].take(fields)
    return found


def reverse(form: Form, done: dict[int, Net], actor: Actor, cause: Cause) -> Reversed:
    """Writes back what still is as it was left, in the caller's ``write()``. Records that are gone are kept as they are."""
    result = Reversed()
    now = _stored(form, list(done))
    for record_id in set(done) - set(now):
        result.kept[record_id].add("_missing")
    rows: dict[int, dict[str, Any]] = {record_id: {} for record_id in now}
    for record_id, values in now.items():
        for key, (old, new) in done[record_id].pairs.items():
            if key in form.columns and values[key] == new:
                if not form.fields[key].readonly:
                    rows[record_id][key] = old
            elif key not in form.columns or values[key] != old:
                result.kept[record_id].add(key)
    for key in form.links:
        _links(form, key, done, rows, result)
    rows = {record_id: back for record_id, back in rows.items() if back}
    if rows:
        written = records.update_many(form, rows, actor, cause, parsed=True)
        order = list(rows)
        result.changed = written.changed
        for n, errors in written.errors.items():
            result.kept[order[n]] |= set(errors)
    return result


def _links(form: Form, key: str, done: dict[int, Net], rows: dict[int, dict[str, Any]], result: Reversed) -> None:
    """Takes off what was added and puts back what was taken, where the values are still so."""
    touched = [i for i in rows if done[i].added.get(key) or done[i].removed.get(key)]
    link = form.fields[key]
    if not touched or link.readonly:
        return
    assert isinstance(link, LinkField)
    held = link.load(touched)
    for record_id in touched:
        net, values = done[record_id], held.get(record_id, [])
        if isinstance(values, dict):
            # Values by kind (identities): the field itself knows what an entry stands for.
            rows[record_id][key] = {"add": net.removed[key], "remove": net.added[key]}
            continue
        if any(item not in values for item in net.added[key]) or any(item in values for item in net.removed[key]):
            result.kept[record_id].add(key)
        wanted = [v for v in values if v not in net.added[key]]
        wanted += [v for v in net.removed[key] if v not in wanted and _still_free(net, key, values)]
        if wanted != values:
            rows[record_id][key] = wanted


def _still_free(net: Net, key: str, values: list[Any]) -> bool:
    """Whether what was removed may come back: not when somebody has put something else in its place since."""
    return not net.added[key] or any(item in values for item in net.added[key])


def _stored(form: Form, ids: list[int]) -> dict[int, dict[str, Any]]:
    names = ["id", *form.columns]
    rows = form.table.select(*[form.col(name) for name in names]).where(
        dialect.among(form.col("id"), ids), form.col("deleted_at").is_null()
    )
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows.tuples().execute(db)}
