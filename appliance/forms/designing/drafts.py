"""Drafts: what designers work on until it is published. One a form, shared; who is late is told, nothing is overwritten."""

from __future__ import annotations

import json
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts import people, permissions
from ...accounts.actor import Actor
from ...core import clock, settings
from ...core.db import read, write
from ...core.errors import Conflict, NotFound, UserError
from .. import catalog
from ..catalog import Form
from . import merging
from .models import FormDraft, FormVersion

Doc = dict[str, Any]
LIMIT = 1_000_000
"""Characters of a draft's document: a thousand fields fit."""


class Draft(Struct):
    """``doc``: a form definition. ``version`` counts savings. ``base_version``: the published version it began from.

    ``behind``: the published form has changed since then; publishing asks for :func:`catch_up` first.
    """

    id: int
    form_key: str | None
    doc: Doc
    version: int
    base_version: int
    created_at: int
    updated_at: int
    updated_by: int | None
    published: bool
    behind: bool = False
    changed: bool = False
    """Whether it differs from what is published."""

    @property
    def form(self) -> Form | None:
        return catalog.get(self.form_key) if self.form_key else None


def open(form_key: str | None, actor: Actor) -> Draft:
    """The draft of a form, made from what is published when there is none; ``None``: a new form. Raises Forbidden."""
    permissions.demand(actor, "design", form_key)
    if form_key is None:
        return start({"key": "", "label": "", "icon": "table", "fields": []}, actor)
    form = catalog.get(form_key)
    with write():
        row = FormDraft.get_or_none(FormDraft.form_id == form.id)
        if row is None:
            row = _new(form.document(), actor, form)
        elif row.base != catalog.version_of(form) and row.doc == _published(form, row.base):
            # Nobody has changed anything in it: it simply begins anew.
            row.doc, row.base, row.version = form.document(), catalog.version_of(form), row.version + 1
            row.save()
    return _draft(row)


def start(doc: Doc, actor: Actor) -> Draft:
    """A draft of a form that does not exist yet."""
    permissions.demand(actor, "design")
    with write():
        return _draft(_new(doc, actor, None))


def get(draft_id: int, actor: Actor) -> Draft:
    """Raises NotFound, also for what the actor may not design."""
    with read():
        return _draft(_row(draft_id, actor))


def all(actor: Actor) -> list[Draft]:
    """The drafts the actor may work on, the latest first."""
    with read():
        rows = list(FormDraft.select().order_by(FormDraft.updated_at.desc(), FormDraft.id.desc()))
        found = [_draft(row) for row in rows if row.form_id is None or catalog.by_id(row.form_id)]
    return [draft for draft in found if permissions.can(actor, "design", draft.form_key)]


def save(draft_id: int, doc: Doc, version: int, actor: Actor) -> Draft:
    """Keeps ``doc``. It need not be publishable. Raises Conflict, and keeps nothing, unless ``version`` is the latest."""
    if not isinstance(doc, dict) or not isinstance(doc.get("fields", []), list):
        raise UserError(_("请求内容要是一个 JSON 对象。"))
    if len(json.dumps(doc, ensure_ascii=False)) > LIMIT:
        raise UserError(_("表单定义太大了，请拆成几个表单。"))
    with write():
        row = _row(draft_id, actor)
        demand_version(_draft(row), version)
        row.doc, row.version = doc, row.version + 1
        row.updated_at, row.updated_by = clock.now(), actor.id
        row.save()
        return _draft(row)


def discard(draft_id: int, actor: Actor) -> None:
    """Throws a draft away; what is published stays."""
    with write():
        _row(draft_id, actor).delete_instance()


def catch_up(draft_id: int, version: int, actor: Actor) -> Draft:
    """Brings what was published since the draft began into it; where both changed the same, the draft's stays."""
    with write():
        row = _row(draft_id, actor)
        demand_version(_draft(row), version)
        form = catalog.by_id(row.form_id) if row.form_id else None
        if form is None:
            return _draft(row)
        row.doc = merging.merge(_published(form, row.base), form.document(), row.doc)
        row.base, row.version = catalog.version_of(form), row.version + 1
        row.updated_at, row.updated_by = clock.now(), actor.id
        row.save()
        return _draft(row)


def _new(doc: Doc, actor: Actor, form: Form | None) -> Any:
    now = clock.now()
    return FormDraft.create(
        form_id=form.id if form else None, doc=doc, base=catalog.version_of(form) if form else 0, created_at=now,
        updated_at=now, updated_by=actor.id,
    )  # fmt: skip


def _row(draft_id: int, actor: Actor) -> Any:
    row = FormDraft.get_or_none(FormDraft.id == draft_id)
    form = catalog.by_id(row.form_id) if row and row.form_id else None
    if row is None or (row.form_id and form is None):
        raise NotFound(_("这份草稿已经发布或丢弃了。"))
    permissions.demand(actor, "design", form.key if form else None)
    return row


def _draft(row: Any) -> Draft:
    form = catalog.by_id(row.form_id) if row.form_id else None
    return Draft(
        row.id, form.key if form else None, row.doc, row.version, row.base, row.created_at, row.updated_at,
        row.updated_by, form is not None, form is not None and row.base != catalog.version_of(form),
        form is None or row.doc != form.document(),
    )  # fmt: skip


def _published(form: Form, number: int) -> Doc:
    row = FormVersion.get_or_none(FormVersion.form_id == form.id, FormVersion.number == number)
    # A form that never changed has no version written down: it is as it was.
    return dict(row.doc) if row else form.document()


def demand_version(draft: Draft, version: int) -> None:
    """Raises Conflict, saying who saved it and when, unless ``version`` is the draft's latest."""
    if draft.version != version:
        raise Conflict(
            _(
                "%(who)s 在 %(when)s 保存过这份草稿，您的改动没有保存。请先载入最新的草稿。",
                who=people.name(draft.updated_by) if draft.updated_by else _("系统"), when=when(draft.updated_at),
            )
        )  # fmt: skip


def when(at: int) -> str:
    """A moment as a sentence says it: with its day only when that is not today."""
    tz = settings.tz()
    local = clock.local(at, tz)
    return local.strftime("%H:%M" if local.date() == clock.today(tz) else "%Y-%m-%d %H:%M")
