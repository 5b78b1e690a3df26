"""Making one record of two, field by field, and taking that back.

The record that stays (the *target*) takes the chosen values; what pointed at the other (the *source*) points at it from then
on; the source goes to the recycle bin. Everything is one transaction, and its Changes name the merge, so the history of
each record says what happened.

Other rooms move what is theirs::

    @merging.moves("customer")                     # or "*": records of every form
    class Points(merging.Mover):
        def move(self, form, source, target, actor, cause):
            …
            return ids                             # whatever ``back`` needs (JSON)

        def back(self, form, source, target, moved, actor, cause): …
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from flask import url_for
from flask_babel import gettext as _
from msgspec import Struct
from peewee import fn

from ..accounts import people, permissions
from ..accounts.actor import Actor
from ..core import clock, dialect
from ..core.db import db, read, write
from ..core.errors import Conflict, FieldErrors, Forbidden, NotFound, UserError
from . import catalog, comments, duplicates, query, records
from .catalog import Form
from .fields.base import Field
from .file_models import RecordFile
from .hooks import Cause
from .models import Change, Duplicate, FieldLink, Merge
from .query import Record

TARGET, SOURCE, BOTH = "target", "source", "both"
BATCH = 500


class Mover:
    """Something that hangs on records and goes with them. The rooms' movers run in the order of registration."""

    key: ClassVar[str]
    early: ClassVar[bool] = False
    """Whether :meth:`move` is called before the source goes (which takes with it what cannot be without it)."""

    def add(self, source: dict[str, Any], target: dict[str, Any], values: dict[str, Any]) -> None:
        """Adds to ``values``, what the target is about to be given; ``source`` and ``target``: stored values before."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        """Called inside the transaction. Returns what :meth:`back` needs."""

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        """Takes :meth:`move` back, as far as it still stands."""


_movers: dict[str, list[Mover]] = defaultdict(list)
ANY = "*"


def moves(form_key: str) -> Callable[[type[Mover]], type[Mover]]:
    """Registers a mover for the records of a form (``"*"``: of every form). Raises when its key is taken."""

    def add(cls: type[Mover]) -> type[Mover]:
        key = f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
        if any(mover.key == key for mover in _movers[form_key]):
            raise ValueError(f"there is a mover {key!r} already; choose another name")
        cls.key = key
        _movers[form_key].append(cls())
        return cls

    return add


def _movers_of(form: Form) -> list[Mover]:
    return [*_movers[form.key], *_movers[ANY]]


# -- choosing -------------------------------------------------------------------------------------------------------


class Choice(Struct, frozen=True):
    """One field of two records. ``chosen``: target, source or (for several values) both."""

    field: Field
    target: str
    source: str
    chosen: str
    differs: bool
    many: bool


def fuller(one: Record, other: Record) -> tuple[Record, Record]:
    """Which of two records should stay: the one that holds more, the older one when they hold as much."""

    def weight(record: Record) -> tuple[int, int]:
        return sum(not _blank(v) for k, v in record.values.items() if not record.form.fields[k].readonly), -record.id

    return (one, other) if weight(one) >= weight(other) else (other, one)


def choices(target: Record, source: Record, actor: Actor) -> list[Choice]:
    """The fields that differ, with what would be kept when nobody chooses: the fuller value, else the newer one."""
    out = []
    for key, f in mergeable(target.form, actor).items():
        a, b = target.values.get(key), source.values.get(key)
        if _blank(a) and _blank(b):
            continue
        chosen = default_choice(f, target, source)
        out.append(Choice(f, target.text(key), source.text(key), chosen, a != b, f.multiple))
    return out


def default_choice(f: Field, target: Record, source: Record) -> str:
    a, b = target.values.get(f.key), source.values.get(f.key)
    if _blank(b) or a == b:
        return TARGET
    if _blank(a):
        return SOURCE
    if f.multiple:
        return BOTH
    return SOURCE if source.updated_at > target.updated_at else TARGET


def mergeable(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields whose values a person may choose: those they see whole and may change."""
    return {
        key: f
        for key, f in query.clear(form, actor).items()
        if not f.readonly and not f.moves_along and permissions.field_access(actor, form.key, key) == "edit"
    }


def _blank(value: Any) -> bool:
    return value is None or value in ("", [], {})


def united(one: Any, other: Any) -> Any:
    """What two multi-valued values hold together, without repetition."""
    if isinstance(one, dict) or isinstance(other, dict):
        first, second = one or {}, other or {}
        return {
            key: united(first.get(key), second.get(key)) for key in [*first, *(k for k in second if k not in first)]
        }
    out = list(one or [])
    return out + [value for value in other or [] if value not in out]


# -- merging --------------------------------------------------------------------------------------------------------


def merge(form: Form, target_id: int, source_id: int, chosen: Mapping[str, str], actor: Actor, why: str = "") -> int:
    """Makes the source part of the target; returns the merge's id. ``chosen``: field key → target, source or both; other
    fields are decided by :func:`default_choice`. ``why``: of the pair that they were (``duplicates.why_words``).

    Raises NotFound, Forbidden, UserError for the same record twice, FieldErrors for a choice that cannot be.
    """
    if target_id == source_id:
        raise UserError(_("请选择另一条记录来合并。"), "merge")
    for verb in ("edit", "delete"):
        if not permissions.can(actor, verb, form.key):
            raise Forbidden(_("合并要有修改和删除这类记录的权限。需要时请联系管理员。"))
    with write():
        target, source = (query.get(form, record_id, actor) for record_id in (target_id, source_id))
        values = _values(form, target, source, chosen, actor)
        merge_id = int(
            Merge.insert(
                form_id=form.id, target_id=target_id, source_id=source_id, at=clock.now(), actor_id=actor.id, why=why
            ).execute()
        )
        cause = Cause("merge", merge_id)
        everywhere = _seeing_all(actor)
        moved: dict[str, Any] = {}
        for early in (True, False):
            if not early:
                # The source goes first: the target may take over what only one record can hold.
                records.delete(form, source_id, actor, cause)
                _write(form, target_id, values, actor, cause)
            for mover in _movers_of(form):
                if mover.early == early and (found := mover.move(form, source_id, target_id, everywhere, cause)):
                    moved[mover.key] = found
        Merge.update(moved=moved).where(Merge.id == merge_id).execute()
    return merge_id


def _values(form: Form, target: Record, source: Record, chosen: Mapping[str, str], actor: Actor) -> dict[str, Any]:
    """What the target must be given."""
    fields = mergeable(form, actor)
    values: dict[str, Any] = {}
    for key, choice in chosen.items():
        if key not in fields:
            raise FieldErrors({key: _("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key)})
        if choice not in (TARGET, SOURCE, BOTH) or (choice == BOTH and not fields[key].multiple):
            raise FieldErrors({key: _("请选择「%(field)s」留哪一边的值。", field=fields[key].label)})
    for key, f in fields.items():
        choice = chosen.get(key) or default_choice(f, target, source)
        a, b = target.values.get(key), source.values.get(key)
        new = a if choice == TARGET else b if choice == SOURCE else united(a, b)
        if new != a:
            values[key] = new
    for mover in _movers_of(form):
        mover.add(source.values, target.values, values)
    return values


def _seeing_all(actor: Actor) -> Actor:
    """What hangs on the source moves whether or not the person may see it; it is still they who moved it."""
    return Actor(id=actor.id, name=actor.name, login=actor.login, is_admin=True, role_ids=())


# -- taking it back -------------------------------------------------------------------------------------------------


class Told(Struct, frozen=True):
    """A merge as its page shows it. ``against``: why it cannot be taken back now (nothing: it can)."""

    id: int
    form: Form
    target_id: int
    source_id: int
    at: int
    who: str
    undone_at: int | None
    undone_by: str
    against: str
    why: str = ""


def get(form: Form, merge_id: int, actor: Actor) -> Told:
    """Raises NotFound: for those who may not see the record that stayed there is no such merge."""
    row = _row(form, merge_id)
    if not query.visible_ids(form.key, {row.target_id}, actor) and not query.visible_ids(
        form.key, {row.target_id}, actor, deleted=True
    ):
        raise NotFound()
    return Told(
        row.id, form, row.target_id, row.source_id, row.at, people.name(row.actor_id) if row.actor_id else _("固客"),
        row.undone_at, people.name(row.undone_by) if row.undone_by else "", "" if row.undone_at else against(form, row),
        _("；").join(words for one in row.why.split("|") if one and (words := duplicates.why_words(form, one, actor))),
    )  # fmt: skip


def _row(form: Form, merge_id: int) -> Merge:
    with read():
        row = Merge.get_or_none(Merge.id == merge_id, Merge.form_id == form.id)
    if row is None:
        raise NotFound()
    return row


def against(form: Form, row: Merge) -> str:
    """The sentence for what stands against taking a merge back; empty when nothing does."""
    later = Merge.get_or_none(
        Merge.form_id == form.id, Merge.id > row.id, Merge.undone_at.is_null(),
        (Merge.source_id == row.target_id) | (Merge.source_id == row.source_id),
    )  # fmt: skip
    if later is not None:
        return _("留下的那条记录后来又并入了别的记录。请先撤销后来的合并。")
    stays, gone = _alive(form, row.target_id), _alive(form, row.source_id)
    if gone is None:
        return _("被合并的记录已从回收站彻底删除，不能再撤销。")
    if gone:
        return _("被合并的记录已经从回收站恢复了。")
    if not stays:
        return _("留下的那条记录已被删除。请先把它从回收站恢复。")
    return ""


def _alive(form: Form, record_id: int) -> bool | None:
    """Whether a record is there; ``None``: not even in the recycle bin."""
    rows = form.table.select(form.col("deleted_at")).where(form.col("id") == record_id).tuples().execute(db)
    found = list(rows)
    return None if not found else found[0][0] is None


def undo(form: Form, merge_id: int, actor: Actor) -> int:
    """Takes a merge back; returns how many values stayed because they were changed again since.

    Raises NotFound, Forbidden, Conflict saying what stands against it.
    """
    for verb in ("edit", "delete"):
        if not permissions.can(actor, verb, form.key):
            raise Forbidden(_("撤销合并要有修改和删除这类记录的权限。需要时请联系管理员。"))
    get(form, merge_id, actor)
    with write():
        row = _row(form, merge_id)
        if row.undone_at:
            raise Conflict(_("这次合并已经撤销过了。"))
        if why := against(form, row):
            raise Conflict(why)
        cause, everywhere = Cause("undo", merge_id), _seeing_all(actor)
        kept = _put_back(form, row, everywhere, cause)
        try:
            records.restore(form, row.source_id, everywhere, cause)
        except FieldErrors as error:
            raise Conflict(_("被合并的记录回不来：%(why)s", why=error.first)) from error
        for mover in reversed(_movers_of(form)):
            if mover.key in row.moved:
                mover.back(form, row.source_id, row.target_id, row.moved[mover.key], everywhere, cause)
        Merge.update(undone_at=clock.now(), undone_by=actor.id).where(Merge.id == merge_id).execute()
    return kept


def _put_back(form: Form, row: Merge, actor: Actor, cause: Cause) -> int:
    """Gives the target the values from before, where it still holds what the merge wrote."""
    mine = (
        (Change.cause_kind == "merge") & (Change.cause_id == row.id) & (Change.form_id == form.id)
        & (Change.record_id == row.target_id) & (Change.action == "update")
    )  # fmt: skip
    now = query.get(form, row.target_id, actor).values
    steps: dict[str, list[Any]] = defaultdict(list)
    for (fields,) in Change.select(Change.fields).where(mine).order_by(Change.id).tuples():
        for key, change in fields.items():
            f = form.fields.get(key)
            if f is not None and not f.readonly and not f.moves_along:
                steps[key].append(change)
    back: dict[str, Any] = {}
    kept = 0
    for key, changes in steps.items():
        if isinstance(changes[0], dict):
            back[key] = _reversed(changes)
        elif now.get(key) == changes[-1][1]:
            back[key] = changes[0][0]
        else:
            kept += 1
    try:
        _write(form, row.target_id, back, actor, cause)
    except FieldErrors as error:
        why = error.first
        raise Conflict(_("留下的记录不能变回原样：%(why)s", why=why)) from error
    return kept


def _write(form: Form, record_id: int, values: dict[str, Any], actor: Actor, cause: Cause) -> None:
    """Gives a record stored values; its history says that it was merged even when nothing of it changes."""
    written = (
        records.update_many(form, {record_id: values}, actor, cause, parsed=True) if values else records.Written([])
    )
    if written.errors:
        raise FieldErrors(written.errors[0])
    if record_id not in written.changed:
        records.note(form, record_id, actor, cause)


def _reversed(deltas: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The delta that takes several deltas back."""
    added = [one for delta in deltas for one in delta.get("add", [])]
    removed = [one for delta in deltas for one in delta.get("remove", [])]
    return {
        "add": [one for one in removed if one not in added],
        "remove": [one for one in added if one not in removed],
    }


def url_of(merge_id: int) -> str | None:
    """The page of a merge, for links from histories."""
    with read():
        form_id = Merge.select(Merge.form_id).where(Merge.id == merge_id).scalar()
    form = catalog.by_id(form_id) if form_id else None
    return url_for("forms.show_merge", form_key=form.key, merge_id=merge_id) if form else None


def done_to(form: Form, record_id: int) -> list[Merge]:
    """The merges into a record that were not taken back, newest first."""
    with read():
        return list(
            Merge.select()
            .where(Merge.form_id == form.id, Merge.target_id == record_id, Merge.undone_at.is_null())
            .order_by(Merge.id.desc())
        )


def into(form: Form, record_id: int) -> Merge | None:
    """The merge that a record in the recycle bin went into."""
    with read():
        return (
            Merge.select()
            .where(Merge.form_id == form.id, Merge.source_id == record_id, Merge.undone_at.is_null())
            .order_by(Merge.id.desc())
            .first()
        )


def merge_pair(form: Form, pair_id: int, actor: Actor) -> int:
    """Merges a pair that was found as :func:`default_choice` decides; returns the merge. Raises as :func:`merge`."""
    found = duplicates.pair(form, pair_id, actor)
    target, source = fuller(found.one, found.other)
    with read():
        why = Duplicate.get_by_id(pair_id).why
    return merge(form, target.id, source.id, {}, actor, why)


# -- what hangs on every record -----------------------------------------------------------------------------------------


@moves(ANY)
class Pairs(Mover):
    """What was found, or decided, about the source being the same as others."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        # Never empty: taking a merge back says that the two are not the same.
        return {"rows": duplicates.merged(form.id, source, target)}

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        duplicates.parted(form.id, moved["rows"], source, target, actor)


@moves(ANY)
class Comments(Mover):
    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        return comments.move(form.id, source, target)

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        comments.move_back(moved, source)


@moves(ANY)
class Pointing(Mover):
    """Records of any form that point at the source. Their Changes say which ones moved."""

    early = True

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        moved = 0
        for other, f in catalog.inverse(form):
            if not f.readonly:
                moved += self._redirect(other, f, self._ids(other, f, source), target, actor, cause)
        return moved

    def _ids(self, other: Form, f: Field, record_id: int) -> list[int]:
        rows = other.table.select(other.col("id")).where(
            other.col(f.key) == record_id, other.col("deleted_at").is_null()
        )
        return [row[0] for row in rows.tuples().execute(db)]

    def _redirect(self, other: Form, f: Field, ids: list[int], to: int, actor: Actor, cause: Cause) -> int:
        done = 0
        for start in range(0, len(ids), BATCH):
            part = ids[start : start + BATCH]
            if f.unique:
                written = records.update_many(other, {i: {f.key: to} for i in part}, actor, cause)
                if written.errors:
                    raise Conflict(
                        _("两条记录各有一条「%(form)s」，而它只能有一条。请先处理其中一条。", form=other.label)
                    )
                done += len(written.changed)
            else:
                done += len(records.update_set(other, {f.key: to}, part, actor, cause))
        return done

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        mine = (Change.cause_kind == "merge") & (Change.cause_id == cause.id) & (Change.action == "update")
        for other, f in catalog.inverse(form):
            if f.readonly:
                continue
            rows = Change.select(Change.record_id, Change.fields).where(mine, Change.form_id == other.id).tuples()
            went = [record_id for record_id, fields in rows if fields.get(f.key) == [source, target]]
            still = set(self._ids(other, f, target))
            self._redirect(other, f, [i for i in went if i in still], source, actor, cause)


@moves(ANY)
class Files(Mover):
    """The files of the source's fields; a field that holds one keeps the target's."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        moved: dict[str, list[int]] = {}
        for f in form.fields.values():
            if f.group != "file" or not f.moves_along:
                continue
            held = {record_id: self._ids(f, record_id) for record_id in (source, target)}
            ids = [i for i in held[source] if i not in held[target]]
            if ids and not (held[target] and getattr(f, "single", False)):
                self._give(f, ids, source, target)
                moved[str(f.spec.id)] = ids
        return moved

    def _ids(self, f: Field, record_id: int) -> list[int]:
        rows = RecordFile.select(RecordFile.file_id).where(
            RecordFile.field_id == f.spec.id, RecordFile.record_id == record_id, RecordFile.removed_at.is_null()
        )
        return [row[0] for row in rows.tuples()]

    def _give(self, f: Field, ids: list[int], old: int, new: int) -> None:
        RecordFile.update(record_id=new).where(
            RecordFile.field_id == f.spec.id, RecordFile.record_id == old, RecordFile.file_id.in_(ids)
        ).execute()

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        for f in form.fields.values():
            still = set(self._ids(f, target)) & set(moved.get(str(f.spec.id), []))
            if still:
                self._give(f, list(still), target, source)


@moves(ANY)
class Rows(Mover):
    """Where the line items stand in the source: after those of the target. (They point at it, so they move as such.)"""

    early = True

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        moved: dict[str, list[int]] = {}
        for f in form.links.values():
            if f.type != "sub_form":
                continue
            mine = FieldLink.field_id == f.spec.id
            ids = [r[0] for r in FieldLink.select(FieldLink.value).where(mine, FieldLink.record_id == source).tuples()]
            if ids:
                last = FieldLink.select(fn.MAX(FieldLink.position)).where(mine, FieldLink.record_id == target).scalar()
                after = 0 if last is None else last + 1
                FieldLink.update(record_id=target, position=FieldLink.position + after).where(
                    mine, FieldLink.record_id == source
                ).execute()
                moved[str(f.spec.id)] = ids
        return moved

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        for field_id, ids in moved.items():
            FieldLink.update(record_id=source).where(
                FieldLink.field_id == int(field_id), FieldLink.record_id == target, dialect.among(FieldLink.value, ids)
            ).execute()


@moves(ANY)
class Linked(Mover):
    """Many-relations of any form in which the source stands."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> Any:
        moved: dict[str, list[list[int]]] = {}
        for other, f in _many_relations(form):
            ids = self._holding(f, source)
            if ids:
                had = self._holding(f, target, ids)
                self._change(other, f, ids, {"add": [target], "remove": [source]}, actor, cause)
                moved[str(f.spec.id)] = [[i for i in ids if i not in had], had]
        return moved

    def _holding(self, f: Field, record_id: int, among: list[int] | None = None) -> list[int]:
        rows = FieldLink.select(FieldLink.record_id).where(
            FieldLink.field_id == f.spec.id, FieldLink.value == record_id
        )
        if among is not None:
            rows = rows.where(dialect.among(FieldLink.record_id, among))
        return [row[0] for row in rows.tuples()]

    def _change(
        self, other: Form, f: Field, ids: list[int], delta: dict[str, list[int]], actor: Actor, cause: Cause
    ) -> None:
        alive = query.visible_ids(other.key, ids, actor)
        for start in range(0, len(ids), BATCH):
            part = {i: {f.key: delta} for i in ids[start : start + BATCH] if i in alive}
            records.update_many(other, part, actor, cause)

    def back(self, form: Form, source: int, target: int, moved: Any, actor: Actor, cause: Cause) -> None:
        for other, f in _many_relations(form):
            swapped, had = moved.get(str(f.spec.id), [[], []])
            still = self._holding(f, target, swapped)
            self._change(other, f, still, {"add": [source], "remove": [target]}, actor, cause)
            self._change(other, f, self._holding(f, target, had), {"add": [source]}, actor, cause)


def _many_relations(form: Form) -> list[tuple[Form, Field]]:
    return [
        (other, f)
        for other in catalog.all()
        for f in other.links.values()
        if f.type == "relations" and f.options.get("form") == form.key and not f.readonly
    ]


def pointing_words(form: Form, record_id: int, actor: Actor, since: int | None = None) -> list[tuple[str, int]]:
    """What would move with a record, as far as the person may see it: label of the form, how many (at most 1000).

    ``since``: only what was made after that moment (UTC seconds)."""
    out = []
    for other, f in catalog.inverse(form):
        if permissions.can(actor, "see", other.key) and f.key in query.clear(other, actor):
            mine = query.Query(other, actor).where({"field": f.key, "op": "eq", "value": record_id})
            if since is not None:
                mine = mine.only(other.col("created_at") > since)
            found = mine.count(1000)
            if found:
                out.append((other.label, found))
    return out
