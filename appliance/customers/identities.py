"""Who is who: the identities that customers are known by, each held by one live customer.

The customer's own phone and e-mail are identities too; hooks on the write path keep them in step with the fields.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

import peewee
from flask_babel import gettext as _

from ..accounts.actor import Actor
from ..core import clock, dialect
from ..core.db import PARAM, Statement, executemany
from ..forms import catalog, query
from ..forms.catalog import Form
from ..forms.hooks import UNSET, Batch, Draft, after_write, before_write
from .kinds import CONTACTS, Kind
from .models import Identity

FIELD = "field"
"""The evidence of identities that stand in the customer's own phone or e-mail field."""


class Key(NamedTuple):
    """What is unique among live customers."""

    kind: str
    value: str
    scope: str = ""

    def text(self) -> str:
        """As Changes hold it: ``member_no:00001``, ``douyin_id@shop-1:abc``."""
        return f"{self.kind}@{self.scope}:{self.value}" if self.scope else f"{self.kind}:{self.value}"


def kinds() -> dict[str, Kind]:
    """All kinds by key, the company's own included."""
    field = catalog.get("customer").fields["identities"]
    return field.kinds  # type: ignore[attr-defined]


def owners(keys: Iterable[Key]) -> dict[Key, int]:
    """The live customers that hold these identities: one query a kind."""
    wanted: dict[str, list[str]] = defaultdict(list)
    asked = set(keys)
    for kind, value, _scope in asked:
        wanted[kind].append(value)
    found: dict[Key, int] = {}
    for kind, values in wanted.items():
        for value, scope, customer_id in _owners.execute(kind, dialect.dumps(values)):
            key = Key(kind, value, scope)
            if key in asked:
                found[key] = customer_id
    return found


_owners = Statement(
    Identity.select(Identity.value, Identity.scope, Identity.customer_id).where(
        Identity.kind == PARAM, dialect.any_of(Identity.value, PARAM), Identity.active == True  # noqa: E712
    )
)  # fmt: skip
_holders = Statement(
    Identity.select(Identity.value, Identity.customer_id).where(
        Identity.kind == PARAM, Identity.scope == "", dialect.any_of(Identity.value, PARAM), Identity.active == True  # noqa: E712
    )
)  # fmt: skip


def holders(kind: str, values: list[str]) -> dict[str, int]:
    """Value → the live customer that holds it, of one kind and without a scope."""
    return dict(_holders.execute(kind, dialect.dumps(values)).fetchall())


_of = Statement(
    Identity.select(Identity.customer_id, Identity.kind, Identity.value, Identity.scope, Identity.evidence)
    .where(dialect.any_of(Identity.customer_id, PARAM))
    .order_by(Identity.id)
)


def of(ids: Iterable[int]) -> dict[int, dict[Key, str]]:
    """All identities of customers with their evidence."""
    found: dict[int, dict[Key, str]] = defaultdict(dict)
    for customer_id, kind, value, scope, evidence in _of.execute(dialect.dumps(list(ids))):
        found[customer_id][Key(kind, value, scope)] = evidence
    return found


COLUMNS = [
    Identity.customer_id, Identity.kind, Identity.scope, Identity.value, Identity.evidence, Identity.first_seen_at,
    Identity.last_seen_at, Identity.active,
]  # fmt: skip
_insert = Identity.insert_many([tuple(PARAM for _column in COLUMNS)], fields=COLUMNS)


def add(pairs: Iterable[tuple[int, Key]], evidence: str) -> None:
    """Gives customers identities that nobody holds (:func:`owners` was asked). Only inside ``write()``."""
    now = clock.now()
    rows = [(customer_id, k.kind, k.scope, k.value, evidence, now, now, 1) for customer_id, k in pairs]
    if rows:
        executemany(_insert, rows)


_remove = Identity.delete().where(
    (Identity.customer_id == PARAM) & (Identity.kind == PARAM) & (Identity.value == PARAM) & (Identity.scope == PARAM)
)


def remove(pairs: Iterable[tuple[int, Key]]) -> None:
    """Takes identities away from customers. Only inside ``write()``."""
    rows = [(customer_id, k.kind, k.value, k.scope) for customer_id, k in pairs]
    if rows:
        executemany(_remove, rows)


def seen(keys: Iterable[Key]) -> None:
    """Notes that the identities were met today. Only inside ``write()``."""
    values: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in keys:
        values[key.kind, key.scope].append(key.value)
    now = clock.now()
    for (kind, scope), group in values.items():
        _seen.execute(now, kind, scope, dialect.dumps(group), now - clock.DAY)


_seen = Statement(
    Identity.update(last_seen_at=PARAM).where(
        Identity.kind == PARAM, Identity.scope == PARAM, dialect.any_of(Identity.value, PARAM),
        Identity.active == True, Identity.last_seen_at < PARAM,  # noqa: E712
    )
)  # fmt: skip


def set_active(ids: list[int], active: bool) -> None:
    Identity.update(active=active).where(dialect.among(Identity.customer_id, ids)).execute()


def taken_message(key: Key, owner: int | None, actor: Actor | None) -> str:
    """The sentence for a value that somebody else holds; ``owner`` ``None``: another row of the same batch.

    The holder is named to an ``actor`` who may see them.
    """
    label = kinds()[key.kind].label if key.kind in kinds() else key.kind
    if owner is None:
        return _("%(kind)s %(value)s 在这批数据里出现了两次。", kind=label, value=key.value)
    names = query.titles(catalog.get("customer"), [owner], actor) if actor else {}
    if owner in names:
        return _(
            "%(kind)s %(value)s 已属于客户 %(name)s（编号 %(id)d）。",
            kind=label,
            value=key.value,
            name=names[owner],
            id=owner,
        )
    return _("%(kind)s %(value)s 已属于另一位客户。", kind=label, value=key.value)


Claim = tuple[int, str, Key]
"""A row of a draft, the field that names the identity, the identity."""


def claim(draft: Draft, wanted: list[Claim]) -> None:
    """Fails the rows of a draft that ask for an identity which another customer, or an earlier row, has."""
    held = owners({key for _i, _field, key in wanted})
    first: dict[Key, int] = {}
    for i, field_key, key in wanted:
        owner = held.get(key)
        if owner is not None and owner != (draft.ids[i] if draft.ids else None):
            draft.fail(i, field_key, taken_message(key, owner, draft.actor))
        elif first.setdefault(key, i) != i:
            draft.fail(i, field_key, taken_message(key, None, draft.actor))


Plain = dict[str, list[str]]
"""Kind → values without a scope: what almost every identity is. Columns of them are handled without a Key for each."""


def plain(draft: Draft) -> Plain | None:
    """All identities that a draft's rows ask for, if none of them is scoped or part of a change."""
    found: Plain = {
        kind: [value for value in draft.columns[kind] if value is not None]
        for kind in CONTACTS
        if kind in draft.columns
    }
    for value in draft.columns.get("identities", ()):
        if value:
            for kind, entries in value.items():
                found.setdefault(kind, []).extend(entries)
    return found if all(set(map(type, values)) <= {str} for values in found.values()) else None


def all_free(draft: Draft) -> bool:
    """Whether nothing that new customers ask for is held by anybody or asked for twice: one query a kind says so."""
    named = plain(draft)
    return named is not None and all(
        len(set(values)) == len(values) and not holders(kind, values) for kind, values in named.items()
    )


def add_plain(rows: Iterable[tuple[int, str, str]], evidence: str) -> None:
    """Gives new customers identities: ``(customer, kind, value)``. Only inside ``write()``."""
    now = clock.now()
    executemany(_insert, [(customer_id, kind, "", value, evidence, now, now, 1) for customer_id, kind, value in rows])


# -- the customer's own phone and e-mail ---------------------------------------------------------------------------


@before_write("customer")
def identities_are_free(draft: Draft) -> None:
    """Before a customer is written: its phone, e-mail and other identities must not be another's."""
    _contacts_from_identities(draft)
    if draft.action != "create" or not all_free(draft):
        _claim_each(draft)
    if draft.action == "create":
        now = clock.now()
        seen_at = draft.columns.get("first_seen_at", [None] * draft.size)
        draft.columns["first_seen_at"] = [now if at is None else at for at in seen_at]


def _claim_each(draft: Draft) -> None:
    wanted: list[Claim] = [
        (i, kind, Key(kind, value))
        for kind in CONTACTS
        for i, value in enumerate(draft.columns.get(kind, ()))
        if value is not None and value is not UNSET and i not in draft.errors
    ]
    field = draft.form.fields.get("identities")
    for i, value in enumerate(draft.columns.get("identities", ())):
        if value and value is not UNSET and i not in draft.errors and field is not None:
            wanted += [(i, "identities", key) for key in field.named(value)]  # type: ignore[attr-defined]
    if wanted:
        claim(draft, wanted)


def _contacts_from_identities(draft: Draft) -> None:
    """A phone given among the identities of a customer without one becomes its phone; one that is its phone is not
    kept twice."""
    column = draft.columns.get("identities")
    if column is None or not any(v and v is not UNSET and not v.keys().isdisjoint(CONTACTS) for v in column):
        return
    for kind in CONTACTS:
        own = draft.columns.get(kind)
        for i, value in enumerate(column):
            given = value.get(kind) if value else None
            if not isinstance(given, list):
                continue
            if draft.action == "create" and given and (own is None or own[i] is None) and isinstance(given[0], str):
                own = draft.columns.setdefault(kind, [None] * draft.size)
                own[i] = given[0]
            if own is not None and own[i] in given:
                column[i] = value | {kind: [v for v in given if v != own[i]]}


@after_write("customer")
def keep_contacts(batch: Batch) -> None:
    """After customers were written: their phone and e-mail identities are those of the fields."""
    if batch.action == "restore":
        set_active(batch.ids, True)
        return
    for kind in CONTACTS:
        if kind in batch.fields:
            if batch.action == "update":
                _renew(batch, kind)
            elif batch.action == "create":
                add_contacts = batch.form.statement(
                    ("contacts", kind),
                    partial(_contacts, batch.form, kind, batch.form.col("id").between(PARAM, PARAM)),
                )
                now = clock.now()
                add_contacts.execute(now, now, batch.ids[0], batch.ids[-1])


def _contacts(form: Form, kind: str, which: Any) -> Any:
    """INSERT … SELECT of the identities that a contact field gives; the two moments are ``PARAM``."""
    column = form.col(kind)
    rows = form.table.select(
        form.col("id"), peewee.Value(kind), peewee.Value(""), column, peewee.Value(FIELD), PARAM, PARAM, peewee.Value(1)
    ).where(which, column.is_null(False))
    return Identity.insert_from(rows, fields=COLUMNS)


def _renew(batch: Batch, kind: str) -> None:
    column, record_id = batch.form.col(kind), batch.form.col("id")
    same = batch.form.table.select(peewee.Value(1)).where(record_id == Identity.customer_id, column == Identity.value)
    is_own = peewee.fn.EXISTS(same)
    mine = dialect.among(Identity.customer_id, batch.ids) & (Identity.kind == kind) & (Identity.scope == "")
    Identity.delete().where(mine & (Identity.evidence == FIELD) & ~is_own).execute()
    Identity.update(evidence=FIELD).where(mine & is_own).execute()
    known = Identity.select(peewee.Value(1)).where(
        Identity.customer_id == record_id, Identity.kind == kind, Identity.scope == "", Identity.value == column
    )
    missing = dialect.among(record_id, batch.ids) & ~peewee.fn.EXISTS(known)
    Statement(_contacts(batch.form, kind, missing)).execute(clock.now(), clock.now())
