"""Finding, or making, the customers that references name: ``{"taobao_nick": "x", "name": "王芳", "phone": "138…"}``.

Identity kinds say who it is, in the order given; other keys are the customer's fields, for one who is made now or who has
them blank. What a platform gave (a nick, a member number) is certain. A phone or e-mail is not: a parcel may go to
somebody else, so it only says who it is when nothing certain speaks against it. A reference may name two customers: then they
may be one person, which ``doubles`` is told.
"""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect
from ..core.db import db
from ..forms import catalog, query, records, relations
from ..forms.hooks import Draft
from ..forms.relations import Reference
from . import doubles, identities
from .identities import Key
from .kinds import CONTACTS, Kind


class Wanted(Struct):
    """What equal references of a batch say of one customer; ``places``: which references. ``id``: found or made."""

    keys: list[Key]
    values: dict[str, Any]
    places: list[int] = field(default_factory=list)
    id: int | None = None
    error: str | None = None
    seen_at: int | None = None


def resolve(references: list[Reference], draft: Draft | None) -> tuple[list[int | None], dict[int, str]]:
    """``relations.Resolver`` of customers. Without a draft nobody is made and nothing is filled in."""
    actor = draft.actor if draft is not None else SYSTEM
    kinds = identities.kinds()
    errors: dict[int, str] = {}
    wanted = _distinct(references, kinds, errors)
    held = identities.owners({key for w in wanted for key in w.keys})
    before = dict(held)
    _find(wanted, held, kinds)
    _visible(wanted, actor)
    if draft is None:
        for w in wanted:
            if w.id is None and w.error is None:
                w.error = _unknown(w, kinds)
    else:
        _note_moments(wanted, references, draft)
        _complete([w for w in wanted if w.id is not None], held, kinds, draft)
        # By what was just learnt of one customer another reference of the batch may know them.
        _find([w for w in wanted if w.id is None and w.error is None], held, kinds)
        _make([w for w in wanted if w.id is None and w.error is None], held, kinds, draft)
        doubles.met((w.id, before[key], key) for w in wanted if w.id for key in w.keys if before.get(key, w.id) != w.id)
    ids: list[int | None] = [None] * len(references)
    for w in wanted:
        for i in w.places:
            ids[i] = w.id if w.error is None else None
            if w.error is not None:
                errors[i] = w.error
    return ids, errors


def _distinct(references: list[Reference], kinds: dict[str, Kind], errors: dict[int, str]) -> list[Wanted]:
    """References that say the same are one."""
    found: dict[tuple[Any, ...], Wanted | str] = {}
    form = catalog.get("customer")
    for i, reference in enumerate(references):
        mark = tuple(reference.items())
        known = found.get(mark)
        if known is None:
            try:
                known = _read(reference, kinds, form)
            except ValueError as error:
                known = str(error)
            found[mark] = known
        if isinstance(known, str):
            errors[i] = known
        else:
            known.places.append(i)
    return [w for w in found.values() if isinstance(w, Wanted)]


def _read(reference: Reference, kinds: dict[str, Kind], form: catalog.Form) -> Wanted:
    scope = str(reference.get("scope") or "")
    wanted = Wanted([], {})
    for key, value in reference.items():
        if key in kinds:
            parsed = kinds[key].parse(value)
            # A phone is the same phone in every shop; a platform's id is one of that shop.
            wanted.keys.append(Key(key, parsed, "" if key in CONTACTS else scope))
        elif key == "id":
            wanted.id = int(value)
        elif key in form.columns and not form.fields[key].readonly:
            wanted.values[key] = form.fields[key].parse(value)
        elif key != "scope":
            raise ValueError(_("「%(form)s」没有字段或身份「%(key)s」。", form=form.label, key=key))
    if not wanted.keys and wanted.id is None:
        raise ValueError(_("请用会员号、手机或平台身份来指明客户。"))
    return wanted


def _find(wanted: list[Wanted], held: dict[Key, int], kinds: dict[str, Kind]) -> None:
    """Sets the id of those who are known already."""
    doubtful: list[tuple[Wanted, int]] = []
    for w in wanted:
        if w.id is not None:
            continue
        certain = [held[key] for key in w.keys if kinds[key.kind].strong and key in held]
        likely = [held[key] for key in w.keys if not kinds[key.kind].strong and key in held]
        # Who is named by two is the one whose identity stands first; the pair is kept for the duplicates (``doubles``).
        if certain:
            w.id = certain[0]
        elif likely and not any(kinds[key.kind].strong for key in w.keys):
            w.id = likely[0]
        elif likely:
            doubtful.append((w, likely[0]))
    if doubtful:
        _weigh(doubtful)


def _weigh(doubtful: list[tuple[Wanted, int]]) -> None:
    """A new nick with a known phone is the known customer, unless they have another nick there: then it is somebody else
    at the same phone."""
    others = identities.of({owner for _w, owner in doubtful})
    for w, owner in doubtful:
        taken = {(key.kind, key.scope) for key in others.get(owner, {})}
        if not any((key.kind, key.scope) in taken for key in w.keys if key.kind not in CONTACTS):
            w.id = owner


def _visible(wanted: list[Wanted], actor: Actor) -> None:
    """Whoever the actor may not see is not found, and cannot be made a second time either."""
    given = {w.id for w in wanted if w.id is not None}
    seen = query.visible_ids("customer", given, actor) if given else set()
    for w in wanted:
        if w.id is not None and w.id not in seen:
            w.error, w.id = _("没有找到这位客户，或者您不能查看，请联系管理员。"), None


def _note_moments(wanted: list[Wanted], references: list[Reference], draft: Draft) -> None:
    """A customer was first seen at the earliest moment of the records that name them."""
    columns = [
        draft.columns[key] for key, f in draft.form.columns.items() if f.type == "datetime" and key in draft.columns
    ]
    if not columns:
        return
    rows = {id(value): i for column in draft.columns.values() for i, value in enumerate(column) if type(value) is dict}
    now = clock.now()
    for w in wanted:
        if w.id is None:
            places = [rows[id(references[i])] for i in w.places if id(references[i]) in rows]
            moments = [c[i] for c in columns for i in places if isinstance(c[i], int) and 0 < c[i] <= now]
            w.seen_at = min(moments, default=None)


# -- those who are known ------------------------------------------------------------------------------------------


def _complete(found: list[Wanted], held: dict[Key, int], kinds: dict[str, Kind], draft: Draft) -> None:
    """Gives known customers the identities they lack and fills fields they have blank."""
    identities.seen(key for w in found for key in w.keys if key in held)
    new = [w for w in found if w.values or any(key not in held for key in w.keys)]
    if not new or not _may(draft.actor, "edit"):
        return
    form = catalog.get("customer")
    blanks = _blanks(form, new)
    changes: dict[int, dict[str, Any]] = {}
    for w in new:
        assert w.id is not None
        row = changes.setdefault(w.id, {})
        values = w.values | {key.kind: key.value for key in w.keys if key.kind in CONTACTS and key not in held}
        for key, value in values.items():
            if value is not None and key in blanks.get(w.id, ()) and _may_write(draft.actor, key):
                row.setdefault(key, value)
        added = [key for key in w.keys if key not in held and kinds[key.kind].strong]
        if added and _may_write(draft.actor, "identities"):
            row.setdefault("identities", {"add": []})["add"] += [key.text() for key in added]
        held.update(dict.fromkeys((k for k in w.keys if kinds[k.kind].strong or row.get(k.kind) == k.value), w.id))
    records.update_many(form, {i: row for i, row in changes.items() if row}, draft.actor, draft.cause, parsed=True)


def _blanks(form: catalog.Form, wanted: list[Wanted]) -> dict[int, set[str]]:
    """Which of the fields that the references bring are blank."""
    keys = sorted({key for w in wanted for key in (*w.values, *(k.kind for k in w.keys if k.kind in CONTACTS))})
    ids = list({w.id for w in wanted})
    out: dict[int, set[str]] = {}
    rows = form.table.select(form.col("id"), *[form.col(k) for k in keys]).where(dialect.among(form.col("id"), ids))
    for record_id, *values in rows.tuples().execute(db):
        out[record_id] = {key for key, value in zip(keys, values, strict=True) if value is None}
    return out


# -- those who are new --------------------------------------------------------------------------------------------


def _make(unknown: list[Wanted], held: dict[Key, int], kinds: dict[str, Kind], draft: Draft) -> None:
    """Makes the customers nobody knows yet: references that share an identity are one customer."""
    if not unknown:
        return
    if not _may(draft.actor, "create"):
        for w in unknown:
            w.error = _unknown(w, kinds)
        return
    groups = _united(unknown, held, kinds)
    rows = [_row(group, held) for group in groups]
    written = records.create_many(catalog.get("customer"), rows, draft.actor, draft.cause, parsed=True)
    for n, group in enumerate(groups):
        for w in group:
            w.id = written.ids[n]
            if n in written.errors:
                w.error = _("客户没有建成：%(why)s", why="；".join(written.errors[n].values()))


def _united(unknown: list[Wanted], held: dict[Key, int], kinds: dict[str, Kind]) -> list[list[Wanted]]:
    """Groups of references that name the same new customer, in order."""
    groups: list[list[Wanted]] = []
    by_key: dict[Key, int] = {}
    strong: list[set[tuple[str, str]]] = []
    for w in unknown:
        certain = [key for key in w.keys if kinds[key.kind].strong]
        place = next((by_key[key] for key in certain if key in by_key), None)
        if place is None:
            sorts = {(key.kind, key.scope) for key in certain}
            place = next(
                (by_key[k] for k in w.keys if k not in certain and k in by_key and not sorts & strong[by_key[k]]), None
            )
        if place is None:
            place = len(groups)
            groups.append([])
            strong.append(set())
        groups[place].append(w)
        strong[place].update((key.kind, key.scope) for key in certain)
        for key in w.keys:
            by_key.setdefault(key, place)
    return groups


def _row(group: list[Wanted], held: dict[Key, int]) -> dict[str, Any]:
    """The values of a new customer. ``held`` grows, so that two new ones do not ask for one phone."""
    row: dict[str, Any] = {}
    own: dict[str, list[Any]] = {}
    for w in group:
        for name, value in w.values.items():
            if value is not None:
                row.setdefault(name, value)
        for key in w.keys:
            if key in held or row.get(key.kind):
                continue
            held[key] = 0
            if key.kind in CONTACTS:
                row[key.kind] = key.value
            else:
                own.setdefault(key.kind, []).append(
                    {"value": key.value, "scope": key.scope} if key.scope else key.value
                )
    if own:
        row["identities"] = own
    if "name" not in row:
        nick = next((k.value for w in group for k in w.keys if k.kind.endswith("_nick")), None)
        called = row.get("nickname") or nick
        if called is not None:
            row["name"] = called
    moments = [w.seen_at for w in group if w.seen_at is not None]
    if moments:
        row.setdefault("first_seen_at", min(moments))
    return row


def _may(actor: Actor, verb: str) -> bool:
    return actor is SYSTEM or permissions.can(actor, verb, "customer")


def _may_write(actor: Actor, key: str) -> bool:
    return actor is SYSTEM or permissions.field_access(actor, "customer", key) == "edit"


def _say(key: Key, kinds: dict[str, Kind]) -> str:
    return f"{kinds[key.kind].label} {key.value}"


def _unknown(w: Wanted, kinds: dict[str, Kind]) -> str:
    named = _("、").join(_say(key, kinds) for key in w.keys)
    return _("没有找到客户：%(who)s。", who=named or str(w.id))


relations.resolvers["customer"] = resolve
