"""Bulk operations of the customers' list: into a static list, and out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from ...accounts.actor import Actor
from ...core import jobs
from ...core.jobs import Job
from ...forms import bulk_actions
from ...forms.bulk_actions import BulkAction, Outcome, Selection
from ...forms.catalog import Form
from . import lists, store
from .store import STATIC

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

AT_ONCE = 2_000
KIND = "segments.list"
NEW = "+"


@bulk_actions.action("segments.list", _l("加入名单"), "list-check", right="see", forms=("customer",), order=60)
class IntoList(BulkAction):
    """Into a list that is there, or a new one."""

    def suits(self, form: Form, actor: Actor) -> bool:
        return lists.may(actor)

    def dialog(self, selection: Selection) -> str:
        found = [s for s in store.all() if s.kind == STATIC]
        return render_template("segments/_bulk.html", lists=found, new=NEW, out=False)

    def button(self, selection: Selection, count: int) -> str:
        return ngettext("把 %(num)s 位客户加入", "把 %(num)s 位客户加入", count, num=f"{count:,}")

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        key = values.get("segment", "")
        if key in ("", NEW):
            key = store.save({"label": values.get("label", ""), "static": True}, selection.actor).key
        return _start(selection, key, "add")


@bulk_actions.action("segments.unlist", _l("移出名单"), "list", right="see", forms=("customer",), order=61)
class OutOfList(BulkAction):
    def suits(self, form: Form, actor: Actor) -> bool:
        return lists.may(actor) and any(s.kind == STATIC for s in store.all())

    def dialog(self, selection: Selection) -> str:
        found = [s for s in store.all() if s.kind == STATIC]
        return render_template("segments/_bulk.html", lists=found, new=NEW, out=True)

    def button(self, selection: Selection, count: int) -> str:
        return ngettext("把 %(num)s 位客户移出", "把 %(num)s 位客户移出", count, num=f"{count:,}")

    def run(self, selection: Selection, values: MultiDict[str, str]) -> Outcome:
        return _start(selection, values.get("segment", ""), "remove")


def _start(selection: Selection, key: str, how: str) -> Outcome:
    segment = lists.static(key, selection.actor)
    payload = selection.document() | {"segment": key, "how": how}
    if selection.count() > AT_ONCE:
        job = jobs.enqueue(KIND, payload, actor_id=selection.actor.id)
        return Outcome(_("正在处理「%(name)s」…", name=segment.label), job=job)
    done = _apply(selection, key, how)
    if how == "add":
        return Outcome(
            ngettext(
                "已把 %(num)d 位客户加入「%(name)s」", "已把 %(num)d 位客户加入「%(name)s」", done, name=segment.label
            )
        )
    return Outcome(
        ngettext("已把 %(num)d 位客户移出「%(name)s」", "已把 %(num)d 位客户移出「%(name)s」", done, name=segment.label)
    )


def _apply(selection: Selection, key: str, how: str, job: Job | None = None) -> int:
    verb = lists.add if how == "add" else lists.remove
    done = 0
    for batch in selection.batches():
        done += verb(key, batch, selection.actor)
        if job is not None:
            job.progress(done)
    return done


@jobs.handler(KIND, label=_l("更新名单"))
def run(job: Job) -> dict[str, Any]:
    """Run again after a crash it finds who is in already."""
    done = _apply(Selection.open(job.payload), job.payload["segment"], job.payload["how"], job)
    return {"listed": done}
