"""Takes back what one cause wrote to many records: each value gets back what it was before, where it still is as the cause left
it. What somebody changed since is kept.

Rules, imports and bulk operations all undo through here. Records that the cause made go to the recycle bin, unless a person
has worked on them since. Rooms that keep a ledger of effects (points, coupons) take theirs back by a :class:`Ledger`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from ..accounts.actor import SYSTEM, Actor
from ..core import dialect
from ..core.db import db
from . import catalog, records
from .catalog import Form
from .fields.link import LinkField
from .hooks import Cause
from .models import Change


class Net(Struct):
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


class Reversed(Struct):
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


# -- everything that one cause did ------------------------------------------------------------------------------------


class Ledger:
    """Effects that stand in no Change of a record's own fields. A room has one::

    @reversing.ledger
    class Points(reversing.Ledger): …
    """

    def holds(self, kind: str, cause_id: int) -> bool:
        """Whether the cause did anything here that is not taken back yet."""
        raise NotImplementedError

    def take_back(self, kind: str, cause_id: int, limit: int, actor: Actor, cause: Cause) -> tuple[int, int]:
        """Takes back at most ``limit`` effects, each once, inside ``write()``. Returns how many were taken back and how many had
        to stay; ``(0, 0)``: there is nothing left to do."""
        raise NotImplementedError


_ledgers: list[Ledger] = []


def ledger(cls: type[Ledger]) -> type[Ledger]:
    """Registers a room's ledger."""
    _ledgers.append(cls())
    return cls


Keeps = Callable[[Form, list[int]], set[int]]
_keeps: dict[str, Keeps] = {}


def keeps(form_key: str) -> Callable[[Keeps], Keeps]:
    """Registers which records of a form stay although what made them is undone (a coupon that was used)."""

    def add(fn: Keeps) -> Keeps:
        _keeps[form_key] = fn
        return fn

    return add


class Step(Struct, frozen=True):
    """One batch of an undo. ``state`` is what the next one goes on from (JSON)."""

    state: dict[str, Any]
    reverted: int = 0
    kept: int = 0
    done: bool = False

    @property
    def size(self) -> int:
        return self.reverted + self.kept


PHASES = ("update", "create", "ledgers")


def holds(kind: str, cause_id: int) -> bool:
    """Whether the cause did anything that can be taken back."""
    mine = _made_by(kind, cause_id) & Change.action.in_(("update", "create"))
    return Change.select().where(mine).exists() or any(one.holds(kind, cause_id) for one in _ledgers)


def _made_by(kind: str, cause_id: int) -> Any:
    return (Change.cause_kind == kind) & (Change.cause_id == cause_id)


def take_back(kind: str, cause_id: int, state: dict[str, Any] | None, limit: int, actor: Actor, cause: Cause) -> Step:
    """The next batch of taking back all that one cause did, whatever the forms; inside ``write()`` with the caller's
    checkpoint. Begins with ``state`` ``None``; goes on until ``done``."""
    state = state or {"phase": 0, "form": 0, "after": 0}
    mine = _made_by(kind, cause_id)
    if PHASES[state["phase"]] == "ledgers":
        for one in _ledgers:
            reverted, kept = one.take_back(kind, cause_id, limit, actor, cause)
            if reverted or kept:
                return Step(state, reverted, kept)
        return Step(state, done=True)
    action = PHASES[state["phase"]]
    form_id, ids = _next(mine & (Change.action == action), state["form"], state["after"], limit)
    if not ids:
        return Step({"phase": state["phase"] + 1, "form": 0, "after": 0})
    following = state | {"form": form_id, "after": ids[-1]}
    form = catalog.by_id(form_id)
    if form is None:
        return Step(following, kept=len(ids))
    if action == "update":
        kept = len(reverse(form, nets(mine & (Change.form_id == form_id), ids), actor, cause).kept)
    else:
        kept = len(ids) - len(_unmake(form, mine, ids, actor, cause))
    return Step(following, len(ids) - kept, kept)


def _next(mine: Any, form_id: int, after: int, limit: int) -> tuple[int, list[int]]:
    """The next records of one form, by form and id."""
    here = Change.select(Change.record_id).where(mine & (Change.form_id == form_id) & (Change.record_id > after))
    ids = [i for (i,) in here.distinct().order_by(Change.record_id).limit(limit).tuples()] if form_id else []
    if ids:
        return form_id, ids
    following = Change.select(Change.form_id).where(mine & (Change.form_id > form_id)).order_by(Change.form_id).limit(1)
    found = following.scalar()
    return _next(mine, found, 0, limit) if found else (form_id, [])


def _unmake(form: Form, mine: Any, ids: list[int], actor: Actor, cause: Cause) -> set[int]:
    """Moves what the cause made to the recycle bin; what a person has worked on since stays."""
    worked_on = Change.select(Change.record_id).where(
        (Change.form_id == form.id)
        & dialect.among(Change.record_id, ids)
        & Change.action.in_(("update", "restore"))
        & Change.actor_id.is_null(False)
        & ~mine
    )
    kept = {i for (i,) in worked_on.tuples()}
    if form.key in _keeps:
        kept |= _keeps[form.key](form, ids)
    # Whoever may take the action back takes back all of it: what it made need not be theirs to delete.
    able = actor if actor is SYSTEM else replace(actor, is_admin=True, role_ids=(), rights=None, limit=None)
    return records.delete_many(form, [i for i in ids if i not in kept], able, cause)
