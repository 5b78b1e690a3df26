"""Which fields hold something about a person, and how they are emptied so that nothing of them is left.

A field's definition may say ``"personal": true`` or ``false``; else its type and its name decide. :func:`wipe` leaves the
record, its amounts and its dates, and takes the rest away: values, history, comments, files, search entries.
"""

from __future__ import annotations

import re
from typing import Any

import peewee
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from ..accounts.actor import Actor
from ..core import clock, compacting, dialect
from ..core.db import db, in_write, write
from . import catalog, causes, comments, duplicates, hooks, records, sealing, search, uploads
from .catalog import SYSTEM_FIELDS, Form
from .fields.base import Field
from .file_models import RecordFile
from .hooks import Batch, Cause
from .models import Change, FieldLink, FieldRow, FieldValue

ALWAYS = frozenset(
    ("phone", "email", "id_card", "address", "location", "signature", "identities", "attachments", "images", "long_text",
     "rich_text", "markdown", "url", "json")
)  # fmt: skip
"""Types whose values are about a person wherever they stand, or may say anything."""
OF_PEOPLE = frozenset(("text", "tags", "barcode"))
"""On the form of customers these are, too."""
NOT_OF_PEOPLE = frozenset(("province", "city", "channel", "source"))
BIRTHDAY = "birthday"
NAMED = re.compile(
    r"receiver|consignee|recipient|contact|buyer|addressee|mobile|phone|address|wechat|nick|id_?card|person_name"
    r"|收货|收件|联系人|买家|姓名|手机|电话|地址|昵称|微信|身份证",
    re.IGNORECASE,
)
BATCH = 50

causes.label("erasure", _l("删除个人信息"))
causes.label("retention", _l("保存期限"))


def by_nature(form_key: str, f: Field) -> bool:
    """Whether a field is personal when its definition says nothing of it."""
    if f.type in ALWAYS:
        return True
    if form_key == "customer" and (f.key == BIRTHDAY or (f.type in OF_PEOPLE and f.key not in NOT_OF_PEOPLE)):
        return True
    label = f.spec.label if isinstance(f.spec.label, str) else " ".join(f.spec.label.values())
    return f.type == "text" and bool(NAMED.search(f.key) or NAMED.search(label))


def is_personal(form: Form, f: Field) -> bool:
    said = f.options.get("personal")
    if isinstance(said, bool):
        return said
    if f.origins:
        places = [(catalog.all_forms().get(key), name) for key, name in f.origins]
        return any(
            other is not None
            and (there := other.fields.get(name)) is not None
            and there is not f
            and is_personal(other, there)
            for other, name in places
        )
    return by_nature(form.key, f)


def fields_of(form: Form) -> dict[str, Field]:
    return {key: f for key, f in form.fields.items() if is_personal(form, f)}


def pseudonym(form: Form, record_id: int) -> str:
    return _("已删除%(form)s #%(id)d", form=form.one, id=record_id)


def wipe(form: Form, ids: list[int], actor: Actor, cause: Cause, *, named: bool = False) -> None:
    """Empties the personal fields of records for good, also of those in the recycle bin. Only inside ``write()``.

    ``named``: the title, when it goes, becomes a pseudonym. Nothing can be taken back: the old values stand nowhere.
    """
    assert in_write()
    for start in range(0, len(ids), BATCH):
        _wipe(form, ids[start : start + BATCH], actor, cause, named)


def _wipe(form: Form, ids: list[int], actor: Actor, cause: Cause, named: bool) -> None:
    fields = fields_of(form)
    inside = dialect.among(form.col("id"), ids)
    names = ["id", "version", "created_at", "created_by", "deleted_at", *form.columns]
    rows = form.table.select(*[form.col(name) for name in names]).where(inside).tuples().execute(db)
    before = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    if not before:
        return
    empty: dict[Any, Any] = {form.col(key): None for key, f in fields.items() if f.column}
    empty |= {form.col(name): None for name in _left_over(form)}
    now = {
        form.col("updated_at"): clock.now(),
        form.col("updated_by"): actor.id,
        form.col("version"): form.col("version") + 1,
    }
    peewee.Update(form.table, empty | now).where(inside).execute(db)
    title = form.title
    if named and title is not None and title.key in fields and title.type in ("text", "long_text"):
        for record_id in before:
            words = {form.col(title.key): pseudonym(form, record_id)}
            peewee.Update(form.table, words).where(form.col("id") == record_id).execute(db)
    for f in fields.values():
        if not f.column:
            f.purged(list(before))  # type: ignore[attr-defined]
    _of_deleted_fields(form, list(before))
    alive = [i for i, row in before.items() if row["deleted_at"] is None]
    hooks.run_after(Batch(form, "update", alive, set(fields), actor, cause, {i: before[i] for i in alive}))
    search.written(form, alive, set(form.search_fields))
    if form.search_fields and (gone := [i for i in before if i not in alive]):
        index = peewee.Table(form.search_table).bind(db)
        index.delete().where(peewee.Column(index, "rowid").in_(gone)).execute()
    for record_id in before:
        records.note(form, record_id, actor, cause)
    comments.purge(form.id, list(before))
    duplicates.gone(form.id, list(before))
    _scrub_history(form, list(before), set(fields))


@compacting.first
def search_indexes() -> None:
    """An index keeps what was deleted from it until its pieces are joined."""
    for form in catalog.all():
        if form.search_fields:
            with write():
                dialect.compact_search_table(db, form.search_table)


def _left_over(form: Form) -> list[str]:
    """Columns of fields that were deleted or converted and can still come back."""
    kept = {"id", "deleted_at", "version", *SYSTEM_FIELDS, *form.columns}
    return [name for name in dialect.columns(db, form.table_name) if name not in kept]


def _of_deleted_fields(form: Form, ids: list[int]) -> None:
    gone = [
        i
        for (i,) in FieldRow.select(FieldRow.id)
        .where(FieldRow.form == form.id, FieldRow.deleted_at.is_null(False))
        .tuples()
    ]
    if not gone:
        return
    for model in (FieldValue, FieldLink):
        model.delete().where(model.field_id.in_(gone), dialect.among(model.record_id, ids)).execute()
    uploads.forget(RecordFile.field_id.in_(gone) & dialect.among(RecordFile.record_id, ids))


def _scrub_history(form: Form, ids: list[int], keys: set[str]) -> None:
    """That something was written, by whom and when, stays; what, only of fields that are not personal."""
    kept = {key for key in form.fields if key not in keys}
    theirs = (Change.form_id == form.id) & dialect.among(Change.record_id, ids)
    with sealing.opened(theirs):
        for change_id, fields in list(Change.select(Change.id, Change.fields).where(theirs).tuples()):
            left = {key: value for key, value in (fields or {}).items() if key in kept}
            if left != fields:
                Change.update(fields=left).where(Change.id == change_id).execute()
