"""The end of what is known about a person, while the books stay: orders keep number, amounts and dates, and belong to
"deleted customer #123" from then on.

It reaches the customer, the records merged into it, everything that points at it (orders, their items, tickets …), their
history, comments, files and search entries, and every other place where the person's name or numbers stand. Rooms above
name theirs with :func:`texts`.

Who was erased stands in the table ``erasure`` and, without anything about the person, in a file beside the database: what an
older backup brings back is erased again (:func:`reapply`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ..accounts import audit, permissions
from ..accounts.actor import SYSTEM, Actor
from ..accounts.models import Notice
from ..core import clock, compacting, dialect, files, folder, i18n
from ..core.db import db, read, write
from ..core.errors import Conflict, FieldErrors, Forbidden, NotFound
from ..core.models import JobRow
from ..forms import catalog, personal, query
from ..forms.catalog import Form
from ..forms.hooks import UNSET, Cause, Draft, before_write
from ..forms.importing import sheets
from ..forms.importing.models import Import, ImportFailure
from ..forms.models import Change, Comment, FieldLink, Merge
from . import identities
from .events import belonging
from .models import Consent, CustomerTag, Erasure

FILE = "erased.jsonl"
"""In the data folder: one line a customer, ``{"customer": id, "created_at": …, "at": …}``."""
LONGEST_REASON = 200
MARK = "***"
_EXACT = frozenset(("text", "phone", "email", "url", "barcode"))
"""Types whose values are looked for elsewhere: what a person is called and reached by."""

_texts: list[tuple[Any, tuple[str, ...]]] = []


def texts(model: Any, *columns: str) -> None:
    """Names columns (text or JSON) in which something about a person may stand in passing: it is struck out there."""
    _texts.append((model, columns))


_also: list[Callable[[list[int]], None]] = []


def also(fn: Callable[[list[int]], None]) -> Callable[[list[int]], None]:
    """Registers what else goes with erased customers: ``fn(ids)``, inside the transaction."""
    _also.append(fn)
    return fn


texts(Notice, "text")
texts(ImportFailure, "reason")
texts(Import, "facts", "plan", "checked", "error", "file_name")
texts(JobRow, "payload", "state", "result", "note", "error")


class Reach(Struct, frozen=True):
    """What an erasure would touch: label of the form and how many of its records stay without personal data."""

    kept: list[tuple[str, int]]
    comments: int
    merged: int


def may(actor: Actor) -> bool:
    return permissions.can(actor, "purge", "customer")


def of(customer_id: int) -> Erasure | None:
    with read():
        found: Erasure | None = Erasure.get_or_none(Erasure.customer_id == customer_id)
    return found


def reach(customer_id: int) -> Reach:
    form = catalog.get("customer")
    with read():
        ids = _with_merged(form, customer_id)
        touched = _related(form, ids)
        said = Comment.select().where(Comment.form_id == form.id, Comment.record_id.in_(ids)).count()
    return Reach([(other.label, len(found)) for other, found in touched if found], said, len(ids) - 1)


def erase(customer_id: int, reason: str, actor: Actor) -> None:
    """Takes away what is known about the person, at once and for good, in one transaction.

    Raises NotFound, Forbidden, FieldErrors without a reason, Conflict when it was done before.
    """
    if actor is not SYSTEM and not may(actor):
        raise Forbidden(_("删除个人信息要有「彻底删除」客户的权限。需要时请联系管理员。"))
    reason = reason.strip()
    if not reason or len(reason) > LONGEST_REASON:
        raise FieldErrors({"reason": _("请写明原因，最多 %(max)d 个字；不要写客户的姓名和号码。", max=LONGEST_REASON)})
    form = catalog.get("customer")
    if not query.visible_ids("customer", {customer_id}, actor):
        raise NotFound()
    with write():
        if Erasure.get_or_none(Erasure.customer_id == customer_id):
            raise Conflict(_("这位客户的个人信息已经删除过了。"))
        lines = _erase(form, customer_id, reason, actor)
        audit.note("privacy.erased", {"record": customer_id, "reason": reason}, actor, f"record:customer/{customer_id}")
        _remember(lines)
    compacting.ask()


def _erase(form: Form, customer_id: int, reason: str, actor: Actor) -> list[dict[str, int]]:
    ids = _with_merged(form, customer_id)
    values = _known(form, ids)
    related = _related(form, ids)
    cause = Cause("erasure", customer_id)
    with i18n.speaking(i18n.company_locale()):
        personal.wipe(form, ids, actor, cause, named=True)
    for other, found in related:
        personal.wipe(other, found, actor, cause)
    identities.Identity.delete().where(dialect.among(identities.Identity.customer_id, ids)).execute()
    CustomerTag.delete().where(dialect.among(CustomerTag.customer_id, ids)).execute()
    Consent.update(evidence="").where(dialect.among(Consent.customer_id, ids)).execute()
    belonging.erase(ids)
    for fn in _also:
        fn(ids)
    _import_files(form, ids, related)
    _export_files()
    _strike_out(values)
    return _write_down(form, ids, reason, actor)


def _with_merged(form: Form, customer_id: int) -> list[int]:
    """The customer and the records that became part of it."""
    ids = [customer_id]
    for one in ids:
        rows = Merge.select(Merge.source_id).where(
            Merge.form_id == form.id, Merge.target_id == one, Merge.undone_at.is_null()
        )
        ids += [source for (source,) in rows.tuples() if source not in ids]
    return ids


def _related(form: Form, ids: list[int]) -> list[tuple[Form, list[int]]]:
    """Records that point at these, and what points at those and at no other customer."""
    out: list[tuple[Form, list[int]]] = []
    seen: set[tuple[str, int]] = set()
    first = _pointing(form, ids)
    second = [pair for other, found in first for pair in _pointing(other, found)]
    for other, found in (*first, *((o, _without_others(o, form, f, ids)) for o, f in second)):
        fresh = [i for i in found if (other.key, i) not in seen]
        seen |= {(other.key, i) for i in fresh}
        if fresh:
            out.append((other, fresh))
    return out


def _pointing(form: Form, ids: list[int]) -> list[tuple[Form, list[int]]]:
    out = []
    for other, f in catalog.pointing(form):
        if other.key == "customer" or f.computed:
            continue
        if f.type == "relation":
            rows = other.table.select(other.col("id")).where(dialect.among(other.col(f.key), ids)).tuples().execute(db)
            found = [row[0] for row in rows]
        elif f.type == "relations":
            mine = FieldLink.field_id == f.spec.id
            held = FieldLink.select(FieldLink.record_id).where(mine, dialect.among(FieldLink.value, ids)).distinct()
            # Where others take part as well, what is written there is about them, too.
            shared = FieldLink.select(FieldLink.record_id).where(mine, ~dialect.among(FieldLink.value, ids))
            found = [i for (i,) in held.where(FieldLink.record_id.not_in(shared)).tuples()]
        else:
            continue
        if found:
            out.append((other, found))
    return out


def _without_others(other: Form, form: Form, found: list[int], ids: list[int]) -> list[int]:
    """Those of the records that point at no other customer."""
    keep = dialect.among(other.col("id"), found)
    for key, f in other.columns.items():
        if f.type == "relation" and f.options.get("form") == form.key:
            keep &= other.col(key).is_null() | dialect.among(other.col(key), ids)
    return [row[0] for row in other.table.select(other.col("id")).where(keep).tuples().execute(db)]


def _known(form: Form, ids: list[int]) -> list[str]:
    """What the person is and was called and reached by."""
    keys = [key for key, f in personal.fields_of(form).items() if f.column and f.type in _EXACT]
    found: set[str] = set()
    rows = (
        form.table.select(*[form.col(key) for key in keys]).where(dialect.among(form.col("id"), ids)) if keys else None
    )
    for row in rows.tuples().execute(db) if rows is not None else ():
        found |= {str(value) for value in row if value is not None}
    for (fields,) in (
        Change.select(Change.fields).where(Change.form_id == form.id, dialect.among(Change.record_id, ids)).tuples()
    ):
        for key in keys:
            value = (fields or {}).get(key)
            found |= {str(one) for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)}
    held = identities.Identity
    found |= {value for (value,) in held.select(held.value).where(dialect.among(held.customer_id, ids)).tuples()}
    return sorted((value for value in found if 2 <= len(value) <= 200), key=len, reverse=True)


def _import_files(form: Form, ids: list[int], related: list[tuple[Form, list[int]]]) -> None:
    """The uploaded files that these records came from."""
    for one, found in ((form, ids), *related):
        sources = Change.select(Change.cause_id).where(
            Change.form_id == one.id, dialect.among(Change.record_id, found), Change.cause_kind == "import"
        )
        for row in Import.select().where(Import.id.in_(sources), Import.files_kept == True):  # noqa: E712
            for file_id in (None if sheets.shares_file(row) else row.file_id, row.errors_file):
                if file_id is not None:
                    files.delete(file_id)
            ImportFailure.delete().where(ImportFailure.import_id == row.id).execute()
            Import.update(files_kept=False, errors_file=None, facts=_without_rows(row.facts), checked=None).where(
                Import.id == row.id
            ).execute()


def _without_rows(facts: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the reader saw, without the cells it showed as examples."""
    if not facts:
        return facts
    return facts | {"samples": [[] for _column in facts.get("samples") or ()], "top": []}


def _export_files() -> None:
    """Files that people exported in the last days may hold the person; they can be made again."""
    for row in JobRow.select().where(JobRow.kind.in_(["export", "privacy.export"]), JobRow.status == "done"):
        if row.result and row.result.get("file_id"):
            files.delete(row.result["file_id"])
            JobRow.update(result=row.result | {"file_id": None}).where(JobRow.id == row.id).execute()


def _strike_out(values: list[str]) -> None:
    for model, columns in _texts:
        key = model._meta.primary_key
        for name in columns:
            column = model._meta.fields[name]
            if not values:
                continue
            holds = None
            for value in values:
                one = dialect.contains(column, value)
                holds = one if holds is None else holds | one
            for row_id, held in list(model.select(key, column).where(holds).tuples()):
                model.update({column: _struck(held, values)}).where(key == row_id).execute()


def _struck(held: Any, values: list[str]) -> Any:
    if isinstance(held, str):
        for value in values:
            held = held.replace(value, MARK)
        return held
    if isinstance(held, list):
        return [_struck(one, values) for one in held]
    if isinstance(held, dict):
        return {_struck(key, values): _struck(one, values) for key, one in held.items()}
    return held


# -- what is written down ---------------------------------------------------------------------------------------------


def _write_down(form: Form, ids: list[int], reason: str, actor: Actor) -> list[dict[str, int]]:
    now = clock.now()
    rows = [{"customer_id": i, "at": now, "actor_id": actor.id, "reason": reason} for i in ids]
    Erasure.insert_many(rows).on_conflict_ignore().execute()
    made = form.table.select(form.col("id"), form.col("created_at")).where(dialect.among(form.col("id"), ids))
    return [{"customer": i, "created_at": at, "at": now} for i, at in made.tuples().execute(db)]


def _remember(lines: Iterable[dict[str, int]]) -> None:
    """Before the commit: a line too many is harmless, one too few would let a restored backup bring the person back."""
    handle = os.open(folder.path() / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)
        out.flush()
        os.fsync(out.fileno())


def reapply() -> int:
    """After a backup was put back: erases again whom it brought back. Returns how many customers."""
    file = folder.path() / FILE
    if not file.exists():
        return 0
    form, done = catalog.get("customer"), 0
    for line in file.read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        # The same number in another company's database is somebody else.
        there = (form.col("id") == told["customer"]) & (form.col("created_at") == told["created_at"])
        with write():
            known = Erasure.get_or_none(Erasure.customer_id == told["customer"])
            if known or not list(form.table.select(form.col("id")).where(there).tuples().execute(db)):
                continue
            _erase(form, told["customer"], _("恢复备份后重新删除"), SYSTEM)
            audit.note("privacy.reapplied", {"record": told["customer"]}, SYSTEM)
            done += 1
    if done:
        compacting.ask()
    return done


@before_write("customer")
def stays_erased(draft: Draft) -> None:
    """Nobody writes about the person into the record again."""
    if draft.action != "update" or not draft.ids:
        return
    keys = [key for key in draft.columns if key in personal.fields_of(draft.form)]
    if not keys:
        return
    gone = {
        i for (i,) in Erasure.select(Erasure.customer_id).where(dialect.among(Erasure.customer_id, draft.ids)).tuples()
    }
    for n, record_id in enumerate(draft.ids if gone else ()):
        for key in keys if record_id in gone else ():
            if draft.columns[key][n] is not UNSET and draft.columns[key][n] not in (None, [], {}):
                draft.fail(n, key, _("这位客户的个人信息已删除，不能再填写。"))
