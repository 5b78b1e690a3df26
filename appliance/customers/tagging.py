"""Who holds which tag: set-based verbs for bulk operations, rules and decision tables.

Each works in batches, a short transaction each, so that others get their turn; only real differences are written, with
the Change of every customer.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import peewee
from flask_babel import gettext as _
from peewee import fn

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect
from ..core.db import PARAM, db, executemany, read, write
from ..core.errors import Forbidden, UserError
from ..forms import catalog, records
from ..forms.hooks import Cause
from . import tags
from .models import CustomerTag, Tag

BATCH = 2_000

OnBatch = Callable[[int], None]
"""Called with the number done so far inside the transaction of each batch: the place to save a job's state."""

Difference = tuple[int, int | None, int | None]
"""A customer, the tag they hold, the tag they should hold."""


def add_where(tag: str, ids: Any, actor: Actor, cause: Cause, on_batch: OnBatch | None = None) -> int:
    """Gives a tag to customers (``ids``: a list, or a query such as ``Query.ids_query()``) who do not hold it.

    A tag of an exclusive group replaces the one they hold of it. Returns how many changed. Raises NotFound, Forbidden.
    """
    _allow(actor)
    with read():
        row = tags.get(tag)
        group = tags.exclusive_sets().get(row.id, {row.id})
        return _apply(_differences_for(_pairs(ids, row.id), group), actor, cause, on_batch)


def remove_where(tag: str, ids: Any, actor: Actor, cause: Cause, on_batch: OnBatch | None = None) -> int:
    """Takes a tag from those of ``ids`` who hold it. Returns how many changed."""
    _allow(actor)
    with read():
        row = tags.get(tag)
        return _apply(_differences_for(_pairs(ids, None), {row.id}), actor, cause, on_batch)


def assign_exclusive(group: str, source: Any, actor: Actor, cause: Cause, on_batch: OnBatch | None = None) -> int:
    """Makes each customer of ``source`` hold exactly the tag it names of an exclusive group.

    ``source``: a query with the columns ``id`` (of the customer) and ``tag_id``; NULL takes the group's tag away; customers who are not in it
    are left alone. Returns how many changed.
    """
    _allow(actor)
    with read():
        return _apply(_differences(source, _tags_of(group)), actor, cause, on_batch)


def preview_exclusive(group: str, source: Any) -> dict[tuple[str | None, str | None], int]:
    """What :func:`assign_exclusive` would do: ``(held name, new name)`` → how many customers."""
    with read():
        changes = _select(source, _tags_of(group)).alias("changes")
        old, new = peewee.Column(changes, "old"), peewee.Column(changes, "new")
        rows = list(
            peewee.Select([changes], [old, new, fn.COUNT(peewee.SQL("*"))]).group_by(old, new).tuples().execute(db)
        )
        names = dict(Tag.select(Tag.id, Tag.name).tuples())
    return {(names.get(old_id), names.get(new_id)): count for old_id, new_id, count in rows}


def add_to(tag: Tag, ids: Sequence[int], actor: Actor, cause: Cause) -> set[int]:
    """:func:`add_where` for one batch of customers, in the caller's ``write()``. Returns the ids that changed."""
    _allow(actor)
    group = tags.exclusive_sets().get(tag.id, {tag.id})
    return move(_differences_for([(i, tag.id) for i in ids], group), actor, cause)


def take_from(tag: Tag, ids: Sequence[int], actor: Actor, cause: Cause) -> set[int]:
    """:func:`remove_where` for one batch of customers, in the caller's ``write()``. Returns the ids that changed."""
    _allow(actor)
    return move(_differences_for([(i, None) for i in ids], {tag.id}), actor, cause)


def move(differences: Iterable[Difference], actor: Actor, cause: Cause) -> set[int]:
    """Makes customers hold another tag, or one more, or one less: one batch, in the caller's ``write()``.

    Who holds something else by now is left alone. Returns the ids that changed.
    """
    _allow(actor)
    names = dict(Tag.select(Tag.id, Tag.name).tuples())
    return _write(list(differences), names, actor, cause)


def _allow(actor: Actor) -> None:
    if actor is SYSTEM:
        return
    if not permissions.can(actor, "edit", "customer") or permissions.field_access(actor, "customer", "tags") != "edit":
        raise Forbidden(_("您不能修改客户的标签，请联系管理员。"))


def _tags_of(group_key: str) -> set[int]:
    group = tags.group_by_key(group_key)
    if not group.exclusive:
        raise UserError(_("「%(group)s」不是互斥的标签组，不能这样分配。", group=tags.i18n_label(group.label)))
    return {row[0] for row in Tag.select(Tag.id).where(Tag.group == group, Tag.deleted_at.is_null()).tuples()}


def _pairs(ids: Any, tag_id: int | None) -> Any:
    """``(customer, tag)`` for a list of ids or a query of ids."""
    if isinstance(ids, (peewee.Query, peewee.SelectQuery)):
        inner = ids.alias("chosen")
        return peewee.Select([inner], [peewee.Column(inner, "id").alias("id"), peewee.Value(tag_id).alias("tag_id")])
    return [(int(i), tag_id) for i in ids]


def _differences_for(pairs: Any, group: set[int]) -> Iterator[Difference]:
    if not isinstance(pairs, list):
        yield from _differences(pairs, group)
        return
    for start in range(0, len(pairs), BATCH):
        part = dict(pairs[start : start + BATCH])
        held = CustomerTag.select(CustomerTag.customer_id, CustomerTag.tag_id).where(
            dialect.among(CustomerTag.customer_id, part), CustomerTag.tag_id.in_(group)
        )
        old = dict(held.tuples().execute())
        yield from ((i, old.get(i), new) for i, new in part.items() if old.get(i) != new)


def _select(source: Any, group: set[int]) -> Any:
    """``(id, old, new)`` of the customers of ``source`` whose tag of the group is another."""
    wanted = source.alias("wanted")
    customer, tag = peewee.Column(wanted, "id"), peewee.Column(wanted, "tag_id")
    held = CustomerTag.alias("held")
    joined = peewee.Join(
        wanted,
        held,
        peewee.JOIN.LEFT_OUTER,
        on=(held.customer_id == customer) & held.tag_id.in_(list(group)),
    )
    return peewee.Select([joined], [customer.alias("id"), held.tag_id.alias("old"), tag.alias("new")]).where(
        dialect.differs(held.tag_id, tag)
    )


def _differences(source: Any, group: set[int]) -> Iterator[Difference]:
    """Read whole before the first is written: a million take 24 MB, and no read stays open while others write."""
    found = array("q")
    for customer, old, new in db.execute(_select(source, group)):
        found.extend((customer, old or -1, new or -1))
    for i in range(0, len(found), 3):
        customer, old, new = found[i : i + 3]
        yield customer, None if old < 0 else old, None if new < 0 else new


_insert = CustomerTag.insert_many(
    [tuple(PARAM for _column in range(6))],
    fields=[
        CustomerTag.customer_id, CustomerTag.tag_id, CustomerTag.at, CustomerTag.by, CustomerTag.cause_kind, CustomerTag.cause_id,
    ],
)  # fmt: skip
_delete = CustomerTag.delete().where((CustomerTag.customer_id == PARAM) & (CustomerTag.tag_id == PARAM))


def link(add: Sequence[tuple[int, int]], remove: Sequence[tuple[int, int]], actor_id: int | None, cause: Cause) -> None:
    """Writes the link rows, ``(customer, tag)``. Only inside ``write()``."""
    now = clock.now()
    if remove:
        executemany(_delete, remove)
    if add:
        executemany(_insert, [(c, t, now, actor_id, cause.kind, cause.id) for c, t in add])


def _apply(differences: Iterator[Difference], actor: Actor, cause: Cause, on_batch: OnBatch | None) -> int:
    names = dict(Tag.select(Tag.id, Tag.name).tuples())
    done, seen = 0, records.latest_change()
    while batch := list(islice(differences, BATCH)):
        with write():
            # Whoever changed a customer since the differences were read may have changed a tag.
            done += len(_write(batch, names, actor, cause, sure=records.latest_change() == seen))
            seen = records.latest_change()
            if on_batch is not None:
                on_batch(done)
    return done


def _write(
    batch: list[Difference], names: dict[int, str], actor: Actor, cause: Cause, *, sure: bool = False
) -> set[int]:
    groups: dict[tuple[int | None, int | None], list[int]] = defaultdict(list)
    still = (
        set() if sure else _held([c for c, _old, _new in batch], {t for _c, old, new in batch for t in (old, new) if t})
    )
    for customer, old, new in batch:
        if sure or ((old is None or (customer, old) in still) and (customer, new) not in still):
            groups[old, new].append(customer)
    form = catalog.get("customer")
    deltas = [(_delta(names, old, new), ids) for (old, new), ids in groups.items()]

    def links(allowed: set[int]) -> None:
        link(
            [(c, new) for (_old, new), ids in groups.items() if new for c in ids if c in allowed],
            [(c, old) for (old, _new), ids in groups.items() if old for c in ids if c in allowed],
            actor.id,
            cause,
        )

    return records.write_links(form, "tags", deltas, links, actor, cause)


def _held(customers: list[int], tag_ids: set[int]) -> set[tuple[int, int]]:
    rows = CustomerTag.select(CustomerTag.customer_id, CustomerTag.tag_id).where(
        dialect.among(CustomerTag.customer_id, customers), CustomerTag.tag_id.in_(tag_ids)
    )
    return set(rows.tuples().execute())


def _delta(names: dict[int, str], old: int | None, new: int | None) -> dict[str, list[str]]:
    delta = {}
    if new:
        delta["add"] = [names[new]]
    if old:
        delta["remove"] = [names[old]]
    return delta
