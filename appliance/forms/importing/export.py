"""Records → a file, through the query gate: what a person may not see does not leave the house."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ...accounts import permissions, users
from ...accounts.actor import SYSTEM, Actor
from ...core import clock, files, jobs, settings
from ...core.errors import Forbidden, UserError
from ...core.i18n import speaking
from ...core.jobs import Job
from .. import catalog, watermark
from ..catalog import SYSTEM_FIELDS, Form
from ..fields import build
from ..fields.base import Field
from ..fields.link import LinkField
from ..query import Masked, Query, Record, readable
from . import tables

SUFFIXES = tuple(tables.KINDS)


class Column(Struct, frozen=True):
    """One column of the file: its header, and how a record fills it so that importing reads the same value."""

    key: str
    header: str
    cell: Callable[[Record], Any]


def columns(form: Form, actor: Actor, keys: list[str] | None = None) -> list[Column]:
    """The columns that ``actor`` may see, all or those named; first the record's own number."""
    fields = readable(form, actor)
    found = [Column("id", _("固客编号"), lambda record: record.id)]
    for key in keys or list(fields):
        field = fields.get(key) or SYSTEM_FIELDS.get(key)
        if field is None:
            raise UserError(_("「%(form)s」没有字段「%(key)s」。", form=form.label, key=key))
        if key != "id":
            found += _columns_of(form, key, field)
    return found


def _columns_of(form: Form, key: str, field: Field) -> Iterator[Column]:
    if isinstance(field, LinkField) and (parts := field.import_parts()):
        for kind, spec in parts.items():
            if kind not in form.fields:
                yield Column(key, build(spec).label, partial(_part, key, kind))
    elif field.points_at and field.column is None:
        yield Column(key, field.label, lambda record: record.text(key) or None)
        yield Column(key, f"{field.label} · {_('固客编号')}", partial(_numbers, key))
    elif field.type == "relation":
        # The title is for people; the number is what comes back.
        yield Column(key, field.label, lambda record: record.text(key) or None)
        yield Column(key, f"{field.label} · {_('固客编号')}", lambda record: record.get(key))
    else:
        yield Column(key, field.label, partial(_cell, key, field))


def _part(key: str, kind: str, record: Record) -> Any:
    value = record.get(key)
    if isinstance(value, Masked):
        return str(value)
    entries = (value or {}).get(kind, [])
    return "、".join(e["value"] if isinstance(e, dict) else str(e) for e in entries) or None


def _numbers(key: str, record: Record) -> Any:
    value = record.get(key)
    return str(value) if isinstance(value, Masked) else "、".join(map(str, value or [])) or None


def _cell(key: str, field: Field, record: Record) -> Any:
    value = record.get(key)
    if value is None or isinstance(value, Masked):
        return None if value is None else str(value)
    if isinstance(value, list):
        return record.text(key) or None
    if field.align == "right" or field.value_input == "number":
        return _number(field.form_value(value))
    return field.format(value)


def _number(text: str) -> Any:
    """A number cell, so that the sheet can be summed; what is not plain (``15%``) stays text."""
    try:
        return int(text) if "." not in text else float(text)
    except ValueError:
        return text


def selected(
    form: Form, actor: Actor, where: Any = None, search: str | None = None, sort: str | None = None,
    ids: list[int] | None = None,
) -> Query:  # fmt: skip
    """The records to export. Raises Forbidden without the right to."""
    if actor is not SYSTEM and not permissions.can(actor, "export", form.key):
        raise Forbidden(_("您没有导出「%(form)s」的权限，请联系管理员。", form=form.label))
    query = Query(form, actor).where(where or {}).search(search)
    if ids:
        query = query.only(form.col("id").in_(ids))
    return query.sort(sort) if sort else query


def write_file(query: Query, path: Path, keys: list[str] | None = None, job: Job | None = None) -> int:
    """Writes records to ``path`` (by its suffix), page by page; returns how many. ``keys``: the fields, else all."""
    if path.suffix.lower().lstrip(".") not in SUFFIXES:
        raise UserError(_("导出的文件名要以 .xlsx 或 .csv 结尾。"))
    wanted = columns(query.form, query.actor, keys)
    total = query.count() if job else 0
    written = 0

    def rows() -> Iterator[list[Any]]:
        nonlocal written
        for record in query.each(fields=dict.fromkeys(c.key for c in wanted if c.key not in SYSTEM_FIELDS)):
            yield [column.cell(record) for column in wanted]
            written += 1
            if job and written % 500 == 0:
                job.progress(written, total)

    tables.write_table(path, [column.header for column in wanted], rows(), watermark.of_export(query.actor))
    return written


def file_name(form: Form, suffix: str, actor: Actor | None = None) -> str:
    today: dt.date = clock.today(settings.tz())
    return f"{form.label}-{today:%Y%m%d}{watermark.in_name(actor)}.{suffix}"


@jobs.handler("export", label=_l("导出"))
def run(job: Job) -> dict[str, Any]:
    """Makes the file and keeps it for a download by the one who asked."""
    asked = job.payload
    actor = users.actor_of(job.actor_id) if job.actor_id is not None else SYSTEM
    if actor is None:
        raise UserError(_("发起导出的人已停用。"))
    form = catalog.get(asked["form"])
    with speaking(asked.get("locale")), tempfile.TemporaryDirectory(prefix="guke-") as folder:
        path = Path(folder) / f"export.{asked['suffix']}"
        query = selected(form, actor, asked["where"], asked["search"], asked["sort"], asked["ids"])
        count = write_file(query, path, asked["keys"], job)
        with path.open("rb") as content:
            file_id = files.save(content, file_name(form, asked["suffix"], actor), actor_id=actor.id)
    return {"file_id": file_id, "records_exported": count}
