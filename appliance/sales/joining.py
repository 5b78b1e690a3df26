"""Where selling joins what other rooms do with a record: merging, erasing, personal data, a customer's timeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext
from peewee import fn

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core import clock, dialect, settings
from ..core.db import db
from ..customers import erasing, personal_data, timeline
from ..customers.segments import uses as segment_uses
from ..customers.timeline import Item, Mark
from ..forms import catalog, merging, purging, query, records
from ..forms.catalog import Form
from ..forms.designing import uses
from ..forms.designing.uses import Use
from ..forms.hooks import Cause
from ..forms.query import Query, Record
from . import ownership, terms
from .models import Ownership, Reminder

erasing.texts(Ownership, "reason")


@purging.also("lead")
@purging.also("customer")
def forget_owners(form: Form, ids: list[int]) -> None:
    Ownership.delete().where(Ownership.form_id == form.id, dialect.among(Ownership.record_id, ids)).execute()


@purging.also("task")
@purging.also("follow_up")
def forget_reminders(form: Form, ids: list[int]) -> None:
    Reminder.delete().where(Reminder.form_id == form.id, dialect.among(Reminder.record_id, ids)).execute()


@uses.finder
def uses_of(form: Form, key: str | None) -> Iterator[Use]:
    """Fields that say what never goes back to the pool."""
    for form_key in terms.FORMS:
        over = catalog.all_forms().get(form_key)
        exempt = terms.book(form_key).company.exempt
        if over and exempt and (form.key, key) in uses.named(exempt, over):
            yield Use(_("%(form)s公海的规则", form=over.many), True)


@segment_uses.finder
def of_segment(key: str) -> Iterator[str]:
    for form_key in terms.FORMS:
        if _names_segment(terms.book(form_key).company.exempt, key):
            yield _("%(form)s公海的规则", form=catalog.get(form_key).many)


def _names_segment(doc: Any, key: str) -> bool:
    if isinstance(doc, dict):
        return doc.get("segment") == key or any(_names_segment(part, key) for part in doc.values())
    return isinstance(doc, list) and any(_names_segment(part, key) for part in doc)


@merging.moves(merging.ANY)
class AboutTasks(merging.Mover):
    """Tasks that name the record by form and number alone; those with a relation to it have moved by that."""

    def move(self, form: Form, source: int, target: int, actor: Actor, cause: Cause) -> list[int]:
        return self._turn(form, source, target, None, actor, cause)

    def back(self, form: Form, source: int, target: int, moved: list[int], actor: Actor, cause: Cause) -> None:
        self._turn(form, target, source, moved, actor, cause)

    def _turn(self, form: Form, old: int, new: int, only: list[int] | None, actor: Actor, cause: Cause) -> list[int]:
        task = catalog.get("task")
        if form.key == task.key:
            return []
        rows = task.table.select(task.col("id")).where(
            task.col("form") == form.key, task.col("record") == old, task.col("deleted_at").is_null()
        )
        ids = [i for (i,) in rows.tuples().execute(db) if only is None or i in only]
        return sorted(records.update_many(task, {i: {"record": new} for i in ids}, actor, cause).changed) if ids else []


@personal_data.part("owners", _l("负责人历史"))
def owners(customer: Record, actor: Actor) -> list[dict[str, Any]]:
    """Who looked after the customer."""
    if "owner" not in query.clear(customer.form, actor):
        return []
    tz = settings.tz()
    return [
        {
            "owner": span.owner, "from": clock.iso(span.from_at, tz),
            "to": clock.iso(span.to_at, tz) if span.to_at else None, "how": span.how, "ended": span.ended,
            "reason": span.reason,
        }
        for span in ownership.of_record(customer.form, customer.id, 100)
    ]  # fmt: skip


def _sees(form_key: str) -> Any:
    return lambda actor: permissions.can(actor, "see", form_key)


def _page(
    form: Form, customer: Record, actor: Actor, when: Any, before: Mark, limit: int
) -> tuple[list[Record], dict[int, int]]:
    """The customer's latest records of a form before a mark, and the moment of each."""
    mine = Query(form, actor).only(form.col("customer") == customer.id).only(before.below(when, form.col("id")))
    rows = mine.ids_query().select_extend(when).order_by(when.desc(), form.col("id").desc()).limit(limit)
    moments = dict(rows.tuples().execute(db))
    return Query(form, actor).get_many(list(moments)), moments


@timeline.source(
    "follow_ups", _l("跟进"), "message-2", 25, colour="blue", forms=("follow_up",), shows=_sees("follow_up")
)
def follow_ups(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    form = catalog.get("follow_up")
    found, moments = _page(form, customer, actor, form.col("created_at"), before, limit)
    return [
        Item(
            moments[one.id], one.id, _("跟进（%(how)s）", how=one.text("kind")) if one.get("kind") else _("跟进"),
            url=url_for("forms.show_record", form_key="follow_up", record_id=one.id), by=one.text("owner"),
            text=one.text("content"),
        )
        for one in found
    ]  # fmt: skip


@timeline.source(
    "tasks", lazy_pgettext("work", "任务"), "checkbox", 35, colour="teal", forms=("task",), shows=_sees("task")
)
def tasks(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
    """Tasks when they were done; those that are not, when they were made."""
    form = catalog.get("task")
    when = fn.COALESCE(form.col("done_at"), form.col("created_at"))
    found, moments = _page(form, customer, actor, when, before, limit)
    return [
        Item(
            moments[one.id], one.id,
            _("完成任务：%(title)s", title=one.title) if one.get("done_at") else _("任务：%(title)s", title=one.title),
            url=url_for("forms.show_record", form_key="task", record_id=one.id), by=one.text("assignee"),
        )
        for one in found
    ]  # fmt: skip
