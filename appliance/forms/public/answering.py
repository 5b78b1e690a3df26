"""A stranger fills in a public page: may they still, what are they asked, and what becomes of it."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any

from flask import current_app
from flask_babel import gettext as _
from msgspec import Struct, field

from ...accounts.actor import SYSTEM
from ...core import clock, settings
from ...core.db import write
from ...core.errors import FieldErrors, UserError
from .. import catalog, field_rules, query, records, relations
from ..catalog import Form
from ..fields.base import Field
from ..fields.link import LinkField
from ..hooks import Cause
from ..record_pages import Input
from . import pages
from .models import PublicPage
from .pages import Chosen

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

TRAP = "website"
"""An input that no person sees; who fills it in is a machine."""
WINDOW = 3600
REMEMBERED = 10_000


class TooMany(UserError):
    """This address has sent too many answers; ``seconds`` until it may again."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        super().__init__(_("提交得太频繁了，请 %(minutes)d 分钟后再试。", minutes=max(1, seconds // 60)))
        self.status = 429


class Closed(UserError):
    """The page takes no answers; the text says why."""


_guard = Lock()


def _count(page: PublicPage, ip: str) -> None:
    """Raises :class:`TooMany`. One address: an office or a whole mobile network may share it."""
    now, most = clock.now(), settings.get("public.per_hour")
    key = hashlib.sha256(f"{page.id}:{ip}".encode()).hexdigest()
    sent: dict[str, deque[int]] = current_app.extensions.setdefault("public_answers", {})
    with _guard:
        times = sent.setdefault(key, deque())
        while times and times[0] <= now - WINDOW:
            times.popleft()
        if len(times) >= most:
            raise TooMany(times[0] + WINDOW - now)
        times.append(now)
        if len(sent) > REMEMBERED:
            for old in [k for k, t in sent.items() if not t or t[-1] <= now - WINDOW] or list(sent)[: REMEMBERED // 2]:
                del sent[old]


def check_open(page: PublicPage) -> None:
    """Raises :class:`Closed`."""
    now = clock.now()
    if not page.active:
        raise Closed(_("这个表单现在不开放。"))
    if page.opens_at and now < page.opens_at:
        begins = catalog.SYSTEM_FIELDS["created_at"].format(page.opens_at)
        raise Closed(_("还没有开始，%(time)s 开始填写。", time=begins))
    if page.closes_at and now >= page.closes_at:
        raise Closed(_("已经截止，谢谢您的关注。"))
    if page.most and page.answers >= page.most:
        raise Closed(_("名额已满，谢谢您的关注。"))


class Sheet(Struct):
    """The page as it is shown: its inputs, and what the link brings along for fields that are not shown."""

    page: PublicPage
    form: Form
    inputs: list[Input]
    carried: dict[str, str]
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def lively(self) -> bool:
        """Whether fields appear or become required while one types."""
        return bool(field_rules.ruled(self.form))

    @property
    def other_errors(self) -> list[str]:
        here = {one.name for one in self.inputs}
        return [message for key, message in self.errors.items() if key not in here]


def sheet(
    page: PublicPage,
    link: Mapping[str, str],
    typed: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> Sheet:
    """``link``: the query of the link; ``typed``: what was sent already."""
    form = catalog.get(page.form)
    inputs, carried = [], {}
    for one in pages.chosen(page, form):
        f, start = form.fields[one.key], _start(one, form.fields[one.key], link)
        if not one.shown:
            if one.linked and one.key in link:
                carried[one.key] = start
            continue
        value = typed[one.key] if typed is not None and one.key in typed else start
        message = (errors or {}).get(one.key, "")
        inputs.append(Input(f, value, message, stored=_stored(f, start), required=one.required or f.required))
    return Sheet(page, form, inputs, carried, dict(errors or {}))


def _start(one: Chosen, f: Field, link: Mapping[str, str]) -> str:
    """What a field starts as: from the link where it may, else what the company set, else the form's default."""
    if one.linked and (text := link.get(one.key, "")[:500]) and _stored(f, text) is not None:
        return f.form_value(_stored(f, text))
    value = _stored(f, one.value) if one.value else f.default()
    return f.form_value(value)


def _stored(f: Field, raw: Any) -> Any:
    try:
        return f.parse(raw)
    except ValueError:
        return None


def values(page: PublicPage, form: Form, given: MultiDict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """What the answer holds, by key, and the sentence for each field that the page needs."""
    out: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for one in pages.chosen(page, form):
        f = form.fields[one.key]
        if one.shown or (one.linked and given.get(one.key)):
            out[one.key] = f.from_form(given)
        elif one.value:
            out[one.key] = one.value
        if one.shown and one.required and out.get(one.key) in (None, "", [], {}):
            errors[one.key] = _("请填写「%(field)s」。", field=f.label)
    return out, errors


def states(page: PublicPage, given: MultiDict[str, str]) -> dict[str, field_rules.State]:
    """How the fields of the page stand for what is typed so far."""
    form = catalog.get(page.form)
    typed, _errors = values(page, form, given)
    return _states(page, form, typed)


def _states(page: PublicPage, form: Form, typed: Mapping[str, Any]) -> dict[str, field_rules.State]:
    row = {key: f.default() for key, f in form.fields.items()}
    row |= {key: _stored(form.fields[key], raw) for key, raw in typed.items()}
    found = field_rules.states(form, [row])[0]
    return {one.key: found[one.key] for one in pages.chosen(page, form) if one.shown and one.key in found}


def answer(page: PublicPage, given: MultiDict[str, str], ip: str) -> None:
    """Takes one answer. Raises Closed, TooMany, FieldErrors; then nothing was written."""
    check_open(page)
    if given.get(TRAP):
        # A machine; it need not know.
        return
    form = catalog.get(page.form)
    _count(page, ip)
    typed, missing = values(page, form, given)
    filled = {key: raw for key, raw in typed.items() if raw not in (None, "", [], {})}
    hidden = {key for key, state in _states(page, form, typed).items() if not state.shown}
    missing = {key: message for key, message in missing.items() if key not in hidden}
    if missing:
        raise FieldErrors(missing)
    with write():
        # Asked again inside the transaction: the last place is given away once.
        now = PublicPage.get_by_id(page.id)
        check_open(now)
        cause = Cause("public", page.id)
        known = _known(form, filled) if now.on_known == "fill" else None
        if known is None:
            known = records.create(form, filled, SYSTEM, cause)
        else:
            _fill(form, known, filled, cause)
        _agree(page, form, known, filled, hidden)
        PublicPage.update(answers=PublicPage.answers + 1).where(PublicPage.id == page.id).execute()


def _known(form: Form, filled: Mapping[str, Any]) -> int | None:
    """The record that has one of the unique values of the answer."""
    for key, raw in filled.items():
        f = form.fields[key]
        if f.unique and f.column:
            found = relations.lookup(form, key, [f.parse(raw)])
            if found:
                return found[0][1]
    if form.key in relations.resolvers:
        kinds = [kind for f in form.links.values() if isinstance(f, LinkField) for kind in f.import_parts()]
        for kind in kinds:
            if kind in filled and (found_id := _resolved(form.key, kind, filled[kind])) is not None:
                return found_id
    return None


def _resolved(form_key: str, kind: str, raw: Any) -> int | None:
    try:
        return relations.find(form_key, {kind: raw})
    except (ValueError, UserError):
        return None


def _fill(form: Form, record_id: int, filled: Mapping[str, Any], cause: Cause) -> None:
    """Writes only what the record lacks: a stranger changes nothing that is there."""
    held = query.Query(form, SYSTEM).get(record_id).values
    blank = {key: raw for key, raw in filled.items() if held.get(key) in (None, "", [], {})}
    if blank:
        records.update(form, record_id, blank, SYSTEM, cause=cause)


def _agree(page: PublicPage, form: Form, record_id: int, filled: Mapping[str, Any], hidden: set[str]) -> None:
    """Writes down what a "yes" agrees to: only of a field that the person saw and answered."""
    keeper = pages.consents(form)
    for one in pages.chosen(page, form) if keeper else ():
        if one.consent and one.shown and one.key not in hidden and _stored(form.fields[one.key], filled.get(one.key)):
            keeper.give(record_id, one.consent["purpose"], one.consent["channels"], page)  # type: ignore[union-attr]
