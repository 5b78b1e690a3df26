"""The one write path. Nothing else writes to a form's table.

Every verb works on many records: values are read column by column, relations and uniqueness are checked with one
query a chunk, rows and their Changes are written by set statements, hooks see the whole batch, all in one transaction.
Callers with more than about a thousand records call once a batch, so that others get their turn in between.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import peewee
from flask_babel import gettext as _
from msgspec import Struct, field
from peewee import fn

from ..accounts import permissions
from ..accounts.actor import SYSTEM, Actor
from ..core import clock, dialect
from ..core.db import PARAM, Statement, db, write
from ..core.errors import Conflict, FieldErrors, Forbidden, NotFound
from . import field_rules, query, relations, search
from .catalog import Form
from .fields.link import LinkField
from .formula import filling
from .hooks import UNSET, Batch, Cause, Draft, derived_wanted, run_after, run_before
from .models import Change, FormRow

USER = Cause("user")
CHUNK = 500


class Written(Struct):
    """What a bulk verb did: the id of each row that was written (``None``: it was not), and why not, by index and field."""

    ids: list[int | None]
    errors: dict[int, dict[str, str]] = field(default_factory=dict)
    changed: set[int] = field(default_factory=set)
    """Ids whose record really changed."""
    created: set[int] = field(default_factory=set)
    """Indexes of the rows that made a new record."""


# -- create -------------------------------------------------------------------------------------------------------


def create(form: Form, values: dict[str, Any], actor: Actor, cause: Cause = USER) -> int:
    """One new record; returns its id. Raises FieldErrors, Forbidden."""
    written = create_many(form, [values], actor, cause)
    if written.errors:
        raise FieldErrors(written.errors[0])
    assert written.ids[0] is not None
    return written.ids[0]


def create_many(
    form: Form,
    rows: Sequence[dict[str, Any]] | None,
    actor: Actor,
    cause: Cause = USER,
    *,
    columns: dict[str, list[Any]] | None = None,
    parsed: bool = False,
) -> Written:
    """New records from ``rows``, or from ``columns`` (field key → values, all of one length).

    With ``parsed`` the values are already stored values (an import's reader process made them). A bad row fails alone.
    """
    _may(actor, "create", form)
    if columns is None:
        columns, size = _to_columns(rows or [], missing=None)
    else:
        size = len(next(iter(columns.values()), []))
    draft = Draft(form, "create", size, columns, actor, cause)
    _check_keys(draft)
    if not parsed:
        _parse(draft)
    _defaults(draft)
    with write():
        _prepare(draft)
        _required(draft)
        _unique(draft)
        good = [i for i in range(size) if i not in draft.errors]
        ids: list[int | None] = [None] * size
        if good:
            first = _next_ids(form, len(good))
            for offset, i in enumerate(good):
                ids[i] = first + offset
            _insert(draft, good, first)
        return Written(ids, draft.errors, {i for i in ids if i is not None}, set(good))


def problems(
    form: Form, rows: Sequence[dict[str, Any]], actor: Actor, cause: Cause, ids: list[int] | None = None
) -> dict[int, dict[str, str]]:
    """Why rows of stored values would be refused, by index and field; nothing is written. ``ids``: the records that they
    would change, else new ones. Only inside ``write()``. Raises Forbidden."""
    if not rows:
        return {}
    _may(actor, "create" if ids is None else "edit", form)
    columns, size = _to_columns(rows, missing=None if ids is None else UNSET)
    draft = Draft(form, "create" if ids is None else "update", size, columns, actor, cause, ids=ids)
    _check_keys(draft)
    if ids is None:
        _defaults(draft)
    else:
        draft.before = _stored_rows(form, ids, actor)
    _prepare(draft)
    _required(draft)
    _unique(draft, None if ids is None else _differences(draft, draft.before))
    return draft.errors


def _insert(draft: Draft, good: list[int], first: int) -> None:
    form, now, actor_id = draft.form, clock.now(), draft.actor.id
    filling.fill_new(draft, good, first, now)
    size = len(good)
    ids = range(first, first + size)
    whole = size == draft.size
    stored = {
        key: values if whole else [values[i] for i in good]
        for key, values in draft.columns.items()
        if key in form.columns
    }
    # Columns that are empty throughout the batch need not be written or logged.
    stored = {key: values for key, values in stored.items() if any(v is not None for v in values)}
    links = {
        key: {first + n: draft.columns[key][i] for n, i in enumerate(good) if draft.columns[key][i]}
        for key in draft.columns
        if key in form.links
    }
    base = ["id", "version", "created_at", "created_by", "updated_at", "updated_by"]
    constants = [[1] * size, [now] * size, [actor_id] * size, [now] * size, [actor_id] * size]
    names = [*base, *stored]
    statement = form.statement(
        ("insert", *names),
        lambda: peewee.Insert(
            form.table, insert=[tuple(PARAM for _name in names)], columns=[form.col(name) for name in names]
        ),
    )
    statement.executemany(zip(ids, *constants, *stored.values(), strict=True))
    linked = [key for key, values in links.items() if values]
    for key in linked:
        _link(form, key).write(links[key], actor_id, draft.cause)
    log = form.statement(("log", *stored, *linked), lambda: _created_changes(form, [*stored], linked))
    log.execute(now, actor_id, draft.cause.kind, draft.cause.id, draft.cause.depth, first, first + size - 1)
    fields = set(stored) | {key for key, values in links.items() if values}
    _after(Batch(form, "create", list(ids), fields, draft.actor, draft.cause))


def _created_changes(form: Form, stored: list[str], linked: list[str]) -> Any:
    """The Changes of new records, written by the database from the rows themselves."""
    pairs = [(key, form.col(key)) for key in stored]
    pairs += [(key, _link(form, key).created(form.col("id"))) for key in linked]
    inside = form.col("id").between(PARAM, PARAM)
    return _changes(form, "create", dialect.json_object(pairs), inside, PARAM, (PARAM, PARAM, PARAM), PARAM)


def _next_ids(form: Form, count: int) -> int:
    statement = form.statement(
        "next_ids",
        lambda: FormRow.update(last_id=FormRow.last_id + PARAM).where(FormRow.id == form.id).returning(FormRow.last_id),
    )
    return int(statement.execute(count).fetchone()[0]) - count + 1


# -- update -------------------------------------------------------------------------------------------------------


def update(
    form: Form, record_id: int, values: dict[str, Any], actor: Actor, *, version: int | None = None, cause: Cause = USER
) -> None:
    """Changes one record. Raises NotFound, Conflict when ``version`` is not the record's, FieldErrors, Forbidden."""
    written = update_many(form, {record_id: values}, actor, cause, versions={record_id: version} if version else None)
    if written.errors:
        errors = written.errors[0]
        if "_missing" in errors:
            raise NotFound()
        if "_version" in errors:
            raise Conflict(errors["_version"])
        raise FieldErrors(errors)


def update_many(
    form: Form,
    rows: dict[int, dict[str, Any]],
    actor: Actor,
    cause: Cause = USER,
    *,
    versions: dict[int, int | None] | None = None,
    parsed: bool = False,
) -> Written:
    """Changes records, each with its own values; what already holds is not written. A bad row fails alone."""
    _may(actor, "edit", form)
    columns, size = _to_columns(list(rows.values()), missing=UNSET)
    draft = Draft(form, "update", size, columns, actor, cause, ids=list(rows))
    _check_keys(draft)
    if not parsed:
        _parse(draft)
    with write():
        before = draft.before = _stored_rows(form, draft.ids or [], actor)
        for i, record_id in enumerate(draft.ids or []):
            row = before.get(record_id)
            if row is None:
                draft.fail(i, "_missing", _("没有找到这条记录。"))
            elif versions and versions.get(record_id) not in (None, row["version"]):
                draft.fail(i, "_version", _("这条记录刚被别人改过，请看过最新内容后再保存。"))
        _prepare(draft)
        _required(draft)
        changes = _differences(draft, before)
        _unique(draft, changes)
        for i in draft.errors:
            changes.pop((draft.ids or [])[i], None)
        filling.fill_changed(form, before, changes)
        changed = _apply(draft, before, changes)
        ids = [None if i in draft.errors else record_id for i, record_id in enumerate(draft.ids or [])]
        return Written(ids, draft.errors, changed)


def _differences(draft: Draft, before: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """Id → the column values that are really new."""
    changes: dict[int, dict[str, Any]] = defaultdict(dict)
    for key, values in draft.columns.items():
        if key not in draft.form.columns:
            continue
        for record_id, value in zip(draft.ids or [], values, strict=True):
            row = before.get(record_id)
            if value is not UNSET and row is not None and row[key] != value:
                changes[record_id][key] = value
    return changes


def _apply(draft: Draft, before: dict[int, dict[str, Any]], changes: dict[int, dict[str, Any]]) -> set[int]:
    form, now, actor_id = draft.form, clock.now(), draft.actor.id
    logged: dict[int, dict[str, Any]] = {
        record_id: {key: [before[record_id][key], value] for key, value in new.items()}
        for record_id, new in changes.items()
    }
    for key in draft.columns:
        if key in form.links:
            wanted = {
                record_id: value
                for i, (record_id, value) in enumerate(zip(draft.ids or [], draft.columns[key], strict=True))
                if value is not UNSET and i not in draft.errors
            }
            if not wanted:
                continue
            for record_id, delta in _link(form, key).write(wanted, actor_id, draft.cause).items():
                logged.setdefault(record_id, {})[key] = delta
    if not logged:
        return set()
    shapes: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for record_id in logged:
        shapes[tuple(changes.get(record_id, {}))].append(record_id)
    for keys, ids in shapes.items():
        # peewee writes assignments in the order of their names.
        order = sorted([*keys, "updated_at", "updated_by"])
        statement = form.statement(("update", *order), partial(_row_update, form, keys))
        stamp = {"updated_at": now, "updated_by": actor_id}
        rows = ((stamp | changes.get(record_id, {}), record_id) for record_id in ids)
        statement.executemany([*[new[key] for key in order], record_id] for new, record_id in rows)
    cause = draft.cause
    _CHANGE.executemany(
        (now, form.id, record_id, "update", dialect.dumps(fields), actor_id, cause.kind, cause.id, cause.depth)
        for record_id, fields in logged.items()
    )
    fields = {key for entry in logged.values() for key in entry}
    old = {record_id: before[record_id] for record_id in logged}
    _after(Batch(form, "update", list(logged), fields, draft.actor, draft.cause, old))
    return set(logged)


def _row_update(form: Form, keys: tuple[str, ...]) -> Any:
    assignments = {form.col(key): PARAM for key in (*keys, "updated_at", "updated_by")}
    assignments[form.col("version")] = form.col("version") + 1
    return peewee.Update(form.table, assignments).where(form.col("id") == PARAM)


# -- delete and restore -------------------------------------------------------------------------------------------


def delete(form: Form, record_id: int, actor: Actor, cause: Cause = USER) -> None:
    """Moves one record to the recycle bin. Raises NotFound."""
    if not delete_many(form, [record_id], actor, cause):
        raise NotFound()


def delete_many(form: Form, ids: Sequence[int], actor: Actor, cause: Cause = USER) -> set[int]:
    """Moves records to the recycle bin; returns the ids that were there to delete."""
    _may(actor, "delete", form)
    with write():
        before = _stored_rows(form, ids, actor, verb="delete")
        if not before:
            return set()
        gone = list(before)
        for f in form.links.values():
            _link(form, f.key).released(gone)
        _mark(form, gone, clock.now(), actor)
        _log_ids(form, "delete", gone, actor, cause)
        _after(Batch(form, "delete", gone, set(), actor, cause, before))
        return set(gone)


def restore(form: Form, record_id: int, actor: Actor, cause: Cause = USER) -> None:
    """Takes one record out of the recycle bin. Raises NotFound, FieldErrors when its unique values are taken."""
    written = restore_many(form, [record_id], actor, cause)
    if written.errors:
        raise FieldErrors(written.errors[0])
    if not written.changed:
        raise NotFound()


def restore_many(form: Form, ids: Sequence[int], actor: Actor, cause: Cause = USER) -> Written:
    """Takes records out of the recycle bin; one whose unique values others hold by now stays there."""
    _may(actor, "delete", form)
    with write():
        before = _stored_rows(form, ids, actor, deleted=True, verb="delete")
        found = list(before)
        together = {key for keys in form.unique_sets for key in keys}
        columns = {
            key: [before[i][key] for i in found] for key, f in form.columns.items() if f.unique or key in together
        }
        draft = Draft(form, "restore", len(found), columns, actor, cause, ids=found)
        _unique(draft)
        for key in form.links:
            for record_id, message in _link(form, key).reclaimed(found).items():
                draft.fail(found.index(record_id), key, message)
        back = [record_id for i, record_id in enumerate(found) if i not in draft.errors]
        if back:
            _mark(form, back, None, actor)
            _log_ids(form, "restore", back, actor, cause)
            _after(Batch(form, "restore", back, set(), actor, cause, before))
        return Written(list(found), draft.errors, set(back))


def note(form: Form, record_id: int, actor: Actor, cause: Cause) -> None:
    """Puts into a record's history that something was done to it that none of its own fields shows."""
    with write():
        _log_ids(form, "update", [record_id], actor, cause)


def _mark(form: Form, ids: list[int], deleted_at: int | None, actor: Actor) -> None:
    for start in range(0, len(ids), CHUNK):
        peewee.Update(
            form.table,
            {
                form.col("deleted_at"): deleted_at,
                form.col("updated_at"): clock.now(),
                form.col("updated_by"): actor.id,
                form.col("version"): form.col("version") + 1,
            },
        ).where(form.col("id").in_(ids[start : start + CHUNK])).execute(db)


# -- set-based ----------------------------------------------------------------------------------------------------


def update_set(form: Form, values: dict[str, Any], ids: Sequence[int], actor: Actor, cause: Cause) -> list[int]:
    """Gives many records the same values by two statements (their Changes, then the rows). Returns the ids that changed.

    ``ids``: at most a few thousand, a batch. Raises FieldErrors for values that the fields do not take.
    """
    _may(actor, "edit", form)
    together = any(key in keys for keys in form.unique_sets for key in values)
    if field_rules.ruled(form) or together or filling.differs_by_record(form, set(values)):
        # What may be written, or what follows from it, depends on the record.
        return sorted(update_many(form, {i: values for i in ids}, actor, cause).changed)
    columns, _size = _to_columns([values], missing=UNSET)
    draft = Draft(form, "update", 1, columns, actor, cause)
    _check_keys(draft)
    _parse(draft)
    for key in values:
        f = form.fields.get(key)
        if f is not None and (f.unique or not f.column):
            draft.fail(0, key, _("「%(field)s」不能一次给许多记录填同一个值。", field=f.label))
        elif f is not None and f.required and draft.columns[key][0] is None:
            draft.fail(0, key, _("请填写「%(field)s」。", field=f.label))
    if draft.errors:
        raise FieldErrors(draft.errors[0])
    new = {key: column[0] for key, column in draft.columns.items()}
    with write():
        before = _stored_rows(form, ids, actor)
        touched = [i for i, row in before.items() if any(row[key] != value for key, value in new.items())]
        now = clock.now()
        if touched:
            inside = dialect.among(form.col("id"), touched)
            pairs = [(key, dialect.json_pair(form.col(key), peewee.Value(value))) for key, value in new.items()]
            _log(form, "update", dialect.json_object(pairs), inside, actor, cause, now)
            assignments = {form.col(key): value for key, value in new.items()} | {
                form.col("updated_at"): now,
                form.col("updated_by"): actor.id,
                form.col("version"): form.col("version") + 1,
            }
            peewee.Update(form.table, assignments).where(inside).execute(db)
            _after(Batch(form, "update", touched, set(new), actor, cause, {i: before[i] for i in touched}))
        return touched


def write_links(
    form: Form,
    key: str,
    deltas: list[tuple[Any, list[int]]],
    links: Callable[[set[int]], None],
    actor: Actor,
    cause: Cause,
) -> set[int]:
    """Changes a multi-valued field of many records, a batch at a time; returns the ids that changed.

    ``deltas``: what Changes say, and the records of which it is true. ``links`` writes the link rows of those ids that
    exist and are the actor's to change; everything else of a write is done here.
    """
    with write():
        now = clock.now()
        before = _Unchanged(form, [i for _delta, ids in deltas for i in ids], actor)
        if not before:
            return set()
        links(set(before))
        for delta, ids in deltas:
            told = [i for i in ids if i in before]
            if told:
                inside = dialect.among(form.col("id"), told)
                _log(form, "update", peewee.Value(dialect.dumps({key: delta})), inside, actor, cause, now)
                assignments = {
                    form.col("updated_at"): now,
                    form.col("updated_by"): actor.id,
                    form.col("version"): form.col("version") + 1,
                }
                peewee.Update(form.table, assignments).where(inside).execute(db)
        _after(Batch(form, "update", list(before), {key}, actor, cause, before))
        return set(before)


def write_derived(form: Form, assignments: dict[str, Any], where: Any, source: Any = None) -> int:
    """Sets fields that are kept by Guke (metrics, scores) from expressions. They are facts about other records, so no
    Change is written and versions stay: the records that caused them have their own."""
    readonly = {key for key, f in form.fields.items() if f.readonly}
    assert set(assignments) <= readonly, set(assignments) - readonly
    statement = peewee.Update(form.table, {form.col(key): value for key, value in assignments.items()})
    if source is not None:
        statement = statement.from_(source)
    statement = statement.where(where)
    keys = set(assignments)
    watched, effects = filling.watched(form, keys), derived_wanted(form, keys)
    if not watched and not effects:
        with write():
            return int(statement.execute(db))
    from .formula import spreading

    with write():
        ids = [i for (i,) in statement.returning(form.col("id")).tuples().execute(db)]
        if watched:
            spreading.derived(form, ids, keys)
        for effect in effects if ids else ():
            effect(form, ids, keys)
        return len(ids)


def write_derived_each(
    form: Form, keys: tuple[str, ...], build: Callable[[], peewee.Query], rows: Sequence[Sequence[Any]]
) -> None:
    """As :func:`write_derived`, for records with values of their own each. ``build`` makes the statement, once; ``rows``: its
    values, the last of which is the record's id. Only inside ``write()``."""
    assert all(form.fields[key].readonly for key in keys), keys
    form.statement(("derived", *keys), build).executemany(rows)
    ids, names = [row[-1] for row in rows], set(keys)
    if filling.watched(form, names):
        from .formula import spreading

        spreading.derived(form, ids, names)
    for effect in derived_wanted(form, names):
        effect(form, ids, names)


def _computed_update(form: Form, keys: tuple[str, ...]) -> Any:
    return peewee.Update(form.table, {form.col(key): PARAM for key in keys}).where(form.col("id") == PARAM)


def write_computed(
    form: Form,
    before: dict[int, dict[str, Any]],
    changes: dict[int, dict[str, Any]],
    actor: Actor,
    cause: Cause,
    *,
    told: bool = True,
) -> None:
    """Stores what computed fields come to now (``changes``: id → values that are new). Inside ``write()``.

    Version and time of change stay: nobody has edited the record. With ``told`` a Change says what has changed and hooks
    hear of it, but for records in the recycle bin, which nobody asks about.
    """
    shapes: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for record_id, new in changes.items():
        shapes[tuple(sorted(new))].append(record_id)
    for keys, ids in shapes.items():
        statement = form.statement(("computed", *keys), partial(_computed_update, form, keys))
        statement.executemany([*[changes[i][key] for key in keys], i] for i in ids)
    live = {i: new for i, new in changes.items() if before[i]["deleted_at"] is None}
    if not live:
        return
    fields = {key for new in live.values() for key in new}
    if not told:
        search.written(form, list(live), fields)
        return
    now = clock.now()
    _CHANGE.executemany(
        (
            now, form.id, i, "update", dialect.dumps({key: [before[i][key], value] for key, value in new.items()}),
            actor.id, cause.kind, cause.id, cause.depth,
        )
        for i, new in live.items()
    )  # fmt: skip
    _after(Batch(form, "update", list(live), fields, actor, cause, {i: before[i] for i in live}))


def upsert(form: Form, key: str, rows: Sequence[dict[str, Any]], actor: Actor, cause: Cause = USER) -> Written:
    """Updates the records whose field ``key`` (a unique field) has the value a row gives, creates the others.

    Two rows with one key value: the later one updates what the earlier one made. ``Written.changed`` holds ids that
    were created or changed; ``errors`` by index.
    """
    f = form.fields.get(key)
    if f is None or not f.unique:
        raise FieldErrors({key: _("「%(key)s」不是唯一字段，不能用来对应记录。", key=key)})
    result = Written([None] * len(rows))
    values, errors = f.parse_many([row.get(key) for row in rows])
    for i, message in errors.items():
        result.errors[i] = {key: message}
    for i, value in enumerate(values):
        if value is None and i not in result.errors:
            result.errors[i] = {key: _("请填写「%(field)s」。", field=f.label)}
    pending = [i for i in range(len(rows)) if i not in result.errors]
    while pending:
        # One round takes the first row of each key value.
        first: dict[Any, int] = {}
        for i in pending:
            first.setdefault(values[i], i)
        pending = [i for i in pending if first[values[i]] != i]
        _upsert_round(form, key, rows, first, actor, cause, result)
    return result


def _upsert_round(
    form: Form,
    key: str,
    rows: Sequence[dict[str, Any]],
    first: dict[Any, int],
    actor: Actor,
    cause: Cause,
    result: Written,
) -> None:
    with write():
        known = dict(relations.lookup(form, key, list(first)))
        new = [i for value, i in first.items() if value not in known]
        old = {known[value]: i for value, i in first.items() if value in known}
        if old:
            written = update_many(form, {record_id: rows[i] for record_id, i in old.items()}, actor, cause)
            _merge(result, written, list(old.values()))
        if new:
            written = create_many(form, [rows[i] for i in new], actor, cause)
            _merge(result, written, new)


def _merge(result: Written, written: Written, places: list[int]) -> None:
    for n, i in enumerate(places):
        result.ids[i] = written.ids[n]
        if n in written.errors:
            result.errors[i] = written.errors[n]
        if n in written.created:
            result.created.add(i)
    result.changed |= written.changed


# -- steps that all verbs share -----------------------------------------------------------------------------------


def _may(actor: Actor, verb: str, form: Form) -> None:
    if actor is not SYSTEM and not permissions.can(actor, verb, form.key):
        raise Forbidden(_("您没有这项权限，请联系管理员。"))


def _link(form: Form, key: str) -> LinkField:
    f = form.fields[key]
    assert isinstance(f, LinkField)
    return f


def _to_columns(rows: Sequence[dict[str, Any]], missing: Any) -> tuple[dict[str, list[Any]], int]:
    keys = dict.fromkeys(key for row in rows for key in row)
    return {key: [row.get(key, missing) for row in rows] for key in keys}, len(rows)


def _check_keys(draft: Draft) -> None:
    """Refuses what does not exist, is kept by Guke or is not the actor's to write: the rows that name it fail."""
    form, actor = draft.form, draft.actor
    for key in list(draft.columns):
        f = form.fields.get(key)
        access = "edit" if actor is SYSTEM else permissions.field_access(actor, form.key, key)
        if f is None or access == "hidden":
            message = _("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key)
        elif f.readonly:
            message = _("「%(field)s」由固客计算，不能填写。", field=f.label)
        elif access != "edit":
            message = _("您不能修改「%(field)s」。", field=f.label)
        else:
            continue
        for i, value in enumerate(draft.columns.pop(key)):
            if value is not UNSET and value is not None:
                draft.fail(i, key, message)


def _parse(draft: Draft) -> None:
    for key, raws in draft.columns.items():
        f = draft.form.fields[key]
        if draft.action == "update":
            named = [i for i, raw in enumerate(raws) if raw is not UNSET]
            values, errors = f.parse_many([raws[i] for i in named])
            column: list[Any] = [UNSET] * draft.size
            for i, value in zip(named, values, strict=True):
                column[i] = value
            draft.columns[key] = column
            errors = {named[n]: message for n, message in errors.items()}
        else:
            draft.columns[key], errors = f.parse_many(raws)
        for i, message in errors.items():
            draft.fail(i, key, message)


def _defaults(draft: Draft) -> None:
    for key, f in draft.form.columns.items():
        if f.spec.default is None:
            continue
        default = f.default()
        column = draft.columns.get(key)
        draft.columns[key] = (
            [default] * draft.size if column is None else [default if value is None else value for value in column]
        )


def _prepare(draft: Draft) -> None:
    """Turns references into ids and lets hooks and link fields have their say."""
    for key, values in draft.columns.items():
        f = draft.form.fields[key]
        if f.type == "relation":
            _resolve(draft, key, f.options["form"])
        elif not f.column:
            _link(draft.form, key).check(draft, values)
    if draft.action == "create":
        filling.defaults(draft)
    run_before(draft)
    field_rules.apply(draft)


def _resolve(draft: Draft, key: str, target: str) -> None:
    column = draft.columns[key]
    named = [i for i, value in enumerate(column) if isinstance(value, dict) and i not in draft.errors]
    if named:
        ids, errors = relations.resolve(target, [column[i] for i in named], draft)
        for n, i in enumerate(named):
            column[i] = ids[n]
            if n in errors:
                draft.fail(i, key, errors[n])
    given = {value for i, value in enumerate(column) if isinstance(value, int) and i not in draft.errors} - set(
        column[i] for i in named if column[i] is not None
    )
    if given:
        seen = query.visible_ids(target, given, draft.actor)
        for i, value in enumerate(column):
            if value in given and value not in seen:
                draft.fail(i, key, _("没有编号为 %(id)s 的记录。", id=value))


def _required(draft: Draft) -> None:
    for key, f in draft.form.fields.items():
        if not f.required:
            continue
        column = draft.columns.get(key)
        if column is None and draft.action == "update":
            continue
        message = _("请填写「%(field)s」。", field=f.label)
        excused = draft.excused.get(key, ())
        for i in range(draft.size):
            value = None if column is None else column[i]
            if value is not UNSET and (value is None or value in ([], {})) and i not in excused:
                draft.fail(i, key, message)


def _unique(draft: Draft, changes: dict[int, dict[str, Any]] | None = None) -> None:
    """``changes``: for updates, only what really changes needs asking."""
    form = draft.form
    for key, column in draft.columns.items():
        f = form.fields[key]
        if not f.unique or not f.column:
            continue
        places: dict[Any, list[int]] = defaultdict(list)
        for i, value in enumerate(column):
            if value is None or value is UNSET or i in draft.errors:
                continue
            if changes is None or key in changes.get((draft.ids or [])[i], {}):
                places[value].append(i)
        taken = dict(relations.lookup(form, key, list(places)))
        message = _("「%(field)s」已被别的记录使用。", field=f.label)
        for value, rows in places.items():
            for i in rows if value in taken else rows[1:]:
                draft.fail(i, key, message)
    for keys in form.unique_sets:
        _unique_together(draft, keys, changes)


def _unique_together(draft: Draft, keys: tuple[str, ...], changes: dict[int, dict[str, Any]] | None) -> None:
    """No two records hold the same values in all of ``keys``; one that lacks any of them stands for itself."""
    form, ids = draft.form, draft.ids or []
    if not any(key in draft.columns for key in keys):
        return
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for i in range(draft.size):
        if i in draft.errors or (changes is not None and not any(key in changes.get(ids[i], {}) for key in keys)):
            continue
        old = draft.before.get(ids[i], {}) if ids else {}
        given = [draft.columns[key][i] if key in draft.columns else UNSET for key in keys]
        values = tuple(old.get(key) if value is UNSET else value for key, value in zip(keys, given, strict=True))
        if None not in values:
            places[values].append(i)
    taken = relations.lookup_together(form, keys, list(places))
    names = _("、").join(form.fields[key].label for key in keys)
    message = _("已有一条记录的「%(fields)s」和这些值完全相同。", fields=names)
    for values, rows in places.items():
        others = taken.get(values, set())
        for n, i in enumerate(rows):
            if n or others - ({ids[i]} if ids else set()):
                draft.fail(i, next((key for key in keys if key in draft.columns), keys[0]), message)


def _stored_rows(
    form: Form, ids: Sequence[int], actor: Actor, deleted: bool = False, verb: str = "edit"
) -> dict[int, dict[str, Any]]:
    """The rows as stored, of those that exist and are the actor's to ``edit`` or to ``delete``."""
    seen = partial(query.visible_ids, form.key, set(ids), actor, deleted=deleted, verb=verb)
    allowed = seen() if actor is not SYSTEM else set(ids)
    names = ["id", "version", "created_at", "created_by", "deleted_at", *form.columns]
    wanted = [i for i in ids if i in allowed]
    select = form.table.select(*[form.col(name) for name in names]).where(form.col("deleted_at").is_null(not deleted))
    statement = form.statement(("stored", deleted), lambda: select.where(dialect.any_of(form.col("id"), PARAM)))
    rows = statement.execute(dialect.dumps(wanted)).fetchall() if wanted else []
    out = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    return {i: out[i] for i in wanted if i in out}


class _Unchanged(Mapping[int, dict[str, Any]]):
    """As :func:`_stored_rows`, for a write that leaves the columns as they are: rows are read when somebody asks."""

    def __init__(self, form: Form, ids: list[int], actor: Actor) -> None:
        self._form = form
        allowed = set(ids) if actor is SYSTEM else query.visible_ids(form.key, set(ids), actor, verb="edit")
        select = form.table.select(form.col("id")).where(form.col("deleted_at").is_null())
        there = form.statement(("there",), lambda: select.where(dialect.any_of(form.col("id"), PARAM)))
        live = {i for (i,) in there.execute(dialect.dumps([i for i in ids if i in allowed]))}
        self._ids = dict.fromkeys(i for i in ids if i in live)
        self._rows: dict[int, dict[str, Any]] | None = None

    def __getitem__(self, record_id: int) -> dict[str, Any]:
        if record_id not in self._ids:
            raise KeyError(record_id)
        if self._rows is None:
            self._rows = _stored_rows(self._form, list(self._ids), SYSTEM)
        return self._rows[record_id]

    def __contains__(self, record_id: object) -> bool:
        return record_id in self._ids

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


CHANGE_FIELDS = [
    Change.at, Change.form_id, Change.record_id, Change.action, Change.fields, Change.actor_id, Change.cause_kind,
    Change.cause_id, Change.depth,
]  # fmt: skip


_CHANGE = Statement(peewee.Insert(Change, insert=[(PARAM,) * len(CHANGE_FIELDS)], columns=CHANGE_FIELDS))


def _changes(
    form: Form, action: str, fields: Any, where: Any, actor: Any, cause: tuple[Any, Any, Any], now: Any
) -> Any:
    """INSERT … SELECT of one Change for each row that ``where`` selects. The last three may be ``PARAM``."""
    rows = form.table.select(
        now, peewee.Value(form.id), form.col("id"), peewee.Value(action), fields, actor, *cause
    ).where(where).order_by(form.col("id"))  # fmt: skip
    return Change.insert_from(rows, fields=CHANGE_FIELDS)


def _log(form: Form, action: str, fields: Any, where: Any, actor: Actor, cause: Cause, now: int) -> None:
    """Writes the Changes of many rows by one statement."""
    why = (peewee.Value(cause.kind), peewee.Value(cause.id), peewee.Value(cause.depth))
    _changes(form, action, fields, where, peewee.Value(actor.id), why, peewee.Value(now)).execute()


def log_update(form: Form, fields: Any, where: Any, actor: Actor, cause: Cause) -> None:
    """Writes a Change of records whose values a conversion takes away; ``fields``: an expression for its document."""
    _log(form, "update", fields, where, actor, cause, clock.now())


def _log_ids(form: Form, action: str, ids: list[int], actor: Actor, cause: Cause) -> None:
    for start in range(0, len(ids), CHUNK):
        inside = form.col("id").in_(ids[start : start + CHUNK])
        _log(form, action, peewee.Value("{}"), inside, actor, cause, clock.now())


def _after(batch: Batch) -> None:
    run_after(batch)
    search.written(batch.form, batch.ids, batch.fields)


def latest_change() -> int:
    """The id of the newest Change: where a reader of the log starts."""
    return int(Change.select(fn.MAX(Change.id)).scalar() or 0)
