"""The verbs of metrics: made, changed, deleted and brought back with the field that holds them."""

from __future__ import annotations

import secrets
from typing import Any

from flask_babel import gettext as _

from ...accounts import audit
from ...accounts.actor import Actor
from ...core import clock
from ...core.db import read, write
from ...core.errors import Conflict, FieldErrors, NotFound, UserError
from ...forms import catalog
from ...forms.designing import uses
from ..segments import subjects, touching
from ..segments.models import NextLook
from . import definition
from .definition import Measure
from .models import MeasureRow

MOST = 100
"""Metrics of a company."""


def number(measure_id: int) -> int:
    """The engine's number of a metric (``subjects.Subject``)."""
    return -measure_id


def _open(row: MeasureRow) -> Measure:
    doc = dict(row.document)
    events = doc.get("event")
    return Measure(
        row.key, doc["label"], doc.get("agg", "count"), doc.get("form"), [events] if isinstance(events, str) else events,
        doc.get("via"), doc.get("of"), doc.get("where") or {}, doc.get("on"), doc.get("window") or {},
        bool(doc.get("indexed")), row.id, row.version, row.built_at, row.updated_at,
    )  # fmt: skip


def all() -> list[Measure]:
    with read():
        return [
            _open(row) for row in MeasureRow.select().where(MeasureRow.deleted_at.is_null()).order_by(MeasureRow.id)
        ]


def get(key: str) -> Measure:
    """Raises :class:`NotFound`."""
    with read():
        row = MeasureRow.get_or_none(MeasureRow.key == key, MeasureRow.deleted_at.is_null())
    if row is None:
        raise NotFound(_("没有找到这个指标，它可能已被删除。"))
    return _open(row)


def save(doc: dict[str, Any], actor: Actor, key: str | None = None, *, version: int | None = None) -> Measure:
    """A new metric with its field, or one changed; all customers are computed as a job.

    Raises FieldErrors, Conflict when ``version`` is not the newest, NotFound.
    """
    with write():
        old = get(key) if key else None
        if old is not None and version is not None and version != old.version:
            raise Conflict(_("别人刚改过这个指标，请看过最新内容后再保存。"))
        if isinstance(doc, dict):
            doc = ({"key": f"metric_{secrets.token_hex(3)}"} | doc) if old is None else doc | {"key": old.key}
        measure = definition.read(doc, actor, old)
        if old is None:
            _make_field(measure)
        else:
            _change_field(measure, old)
        values: dict[str, Any] = {
            "document": measure.document(), "updated_at": clock.now(), "updated_by": actor.id,
        }  # fmt: skip
        if old is None:
            # A deleted one of the key steps aside.
            MeasureRow.update(key=MeasureRow.key.concat("~").concat(MeasureRow.id)).where(
                MeasureRow.key == measure.key
            ).execute()
            MeasureRow.insert(key=measure.key, **values, created_at=clock.now()).execute()
        else:
            MeasureRow.update(**values, version=old.version + 1).where(MeasureRow.id == old.id).execute()
        found = get(measure.key)
        audit.note("metric.created" if old is None else "metric.changed", {"name": found.label}, actor)
        if old is None or old.document() != found.document():
            subjects.changed()
            touching.ask_full(number(found.id))
        return found


def _make_field(measure: Measure) -> None:
    form = catalog.get("customer")
    if MeasureRow.select().where(MeasureRow.deleted_at.is_null()).count() >= MOST:
        raise UserError(_("指标最多 %(max)d 个，请先删掉不用的。", max=MOST))
    if measure.key in form.fields or catalog.hidden("customer", measure.key):
        raise FieldErrors({"key": _("键名「%(key)s」已被使用，请换一个。", key=measure.key)})
    catalog.add_field(form, measure.field_document())


def _change_field(measure: Measure, old: Measure) -> None:
    form, doc = catalog.get("customer"), measure.field_document()
    field = form.fields.get(old.key)
    if field is None:
        raise NotFound(_("这个指标的字段已被删除，请先从回收站恢复。"))
    if (doc["type"], doc.get("digits")) != (field.type, field.options.get("digits")):
        raise FieldErrors({"agg": _("这样改会换一种结果（如从次数变成金额）。请另建一个指标。")})
    if (measure.label_doc, measure.indexed) != (field.spec.label, field.indexed):
        catalog.update_field(form, old.key, {"label": measure.label_doc, "indexed": measure.indexed})


def delete(key: str, actor: Actor) -> Measure:
    """Takes a metric away with its field; :func:`restore` brings both back. Raises UserError naming what uses it."""
    with write():
        measure = get(key)
        form = catalog.get("customer")
        if key in form.fields:
            used = [use for use in uses.of_field(form, key) if use.blocks and use.words != use_words(measure)]
            if used:
                raise UserError(
                    _("「%(name)s」还在使用：%(uses)s。请先从那里去掉。", name=measure.label, uses=uses.words(used))
                )
            catalog.delete_field(form, key, actor)
        MeasureRow.update(deleted_at=clock.now(), updated_by=actor.id).where(MeasureRow.id == measure.id).execute()
        NextLook.delete().where(NextLook.subject == number(measure.id)).execute()
        subjects.changed()
        audit.note("metric.deleted", {"name": measure.label}, actor)
        return measure


def restore(measure_id: int, actor: Actor) -> Measure:
    """Brings a deleted metric back, and up to date. Raises NotFound."""
    with write():
        row = MeasureRow.get_or_none(MeasureRow.id == measure_id, MeasureRow.deleted_at.is_null(False))
        if row is None or "~" in row.key:
            raise NotFound()
        if catalog.hidden("customer", row.key):
            catalog.restore_field(catalog.get("customer"), row.key, actor)
        MeasureRow.update(deleted_at=None, updated_by=actor.id).where(MeasureRow.id == row.id).execute()
        subjects.changed()
        touching.ask_full(number(row.id))
        audit.note("metric.restored", {"name": _open(row).label}, actor)
        return get(row.key)


def use_words(measure: Measure) -> str:
    """How the metric is named among the uses of its field."""
    return _("公司指标「%(name)s」", name=measure.label)
