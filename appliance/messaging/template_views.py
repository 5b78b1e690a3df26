"""Templates: the list, the editor with a preview on a chosen customer, a test to oneself, versions."""

from __future__ import annotations

from typing import Any

from flask import flash, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import people
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires_room
from ..core import clock, http, i18n
from ..core.db import write
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import catalog, query
from ..forms.hooks import Cause
from . import outbox, senders, templates, texts, wording
from .blueprint import bp
from .ledger import ROOM
from .outbox import Draft
from .senders import Target
from .templates import Template


@bp.get("/messages/templates/")
@requires_room(ROOM)
def templates_page() -> AnyResponse:
    return http.render(
        "messages/templates.html", "messages/_templates.html", templates=templates.all(), ways=senders.SENDERS,
        purposes=outbox.PURPOSES, used=templates.use_counts(),
    )  # fmt: skip


def _kinds() -> list[tuple[str, str, Any]]:
    """``(kind of connection, label, way out)`` of the platforms that want templates of their own."""
    from ..connections import kinds

    found = []
    for sender in senders.SENDERS.values():
        for transport in sender.transports:
            if transport.by_template and transport.kind:
                found.append((transport.kind, str(kinds.get(transport.kind).label), sender))
    return found


def _document(old: Template | None) -> dict[str, Any]:
    """The document that the editor's inputs stand for."""
    given = request.form
    names = zip(given.getlist("fallback.name"), given.getlist("fallback.text"), strict=False)
    doc: dict[str, Any] = {
        "label": given.get("label", "").strip(), "form": old.form_key if old else given.get("form", "customer"),
        "via": given.getlist("via"), "purpose": given.get("purpose", ""), "subject": given.get("subject", "").strip(),
        "text": given.get("text", "").replace("\r\n", "\n").strip(), "enabled": bool(given.get("enabled")),
        "fallbacks": {name: text.strip() for name, text in names if name and text.strip()}, "codes": {},
    }  # fmt: skip
    if old and isinstance(old.label_doc, dict) and doc["label"] == old.label:
        doc["label"] = old.label_doc
    for kind, _label, _sender in _kinds():
        code = given.get(f"code.{kind}", "").strip()
        pairs = zip(given.getlist(f"param.{kind}.name"), given.getlist(f"param.{kind}.text"), strict=False)
        params = {name.strip(): text.strip() for name, text in pairs if name.strip()}
        if code or params:
            doc["codes"][kind] = {"code": code, "params": params}
    return doc


def _editor(doc: dict[str, Any], template: Template | None, errors: dict[str, str], status: int = 200) -> AnyResponse:
    actor = current_actor()
    forms = catalog.all_forms()
    form = forms.get(doc.get("form") or "customer") or catalog.get("customer")
    shown = {name: error for name, error in errors.items()}
    return http.render(
        "messages/template.html", None, status, doc=doc, saved=template, errors=shown, form=form,
        forms=[(f.key, f.label) for f in forms.values() if not f.part_of], ways=senders.SENDERS, purposes=outbox.PURPOSES,
        variables=texts.variables(form, actor), filters=texts.FILTERS, kinds=_kinds(), named=_named(doc.get("text", "")),
        versions=templates.versions(template) if template else [], name_of=people.name,
        samples=_samples(form.key, actor),
    )  # fmt: skip


def _named(text: str) -> list[str]:
    try:
        return [name for name in texts.named_in(text) if name.split(".")[0] in (texts.RECORD, texts.CUSTOMER)]
    except UserError:
        return []


def _samples(form_key: str, actor: Actor) -> list[tuple[int, str]]:
    """Some records to look at the text with."""
    form = catalog.get(form_key)
    return [(record.id, record.title) for record in query.Query(form, actor).page(20, None, []).records]


@bp.get("/messages/templates/new")
@requires_room(ROOM)
def templates_new() -> AnyResponse:
    doc = {"form": request.args.get("form", "customer"), "purpose": outbox.SERVICE, "text": "", "enabled": True}
    return _editor(doc, None, {})


@bp.post("/messages/templates/new")
@requires_room(ROOM)
def templates_create() -> AnyResponse:
    doc = _document(None)
    try:
        made = templates.save(doc | {"key": templates.new_key(doc["label"])}, current_actor())
    except FieldErrors as error:
        return _editor(doc, None, error.errors, 422)
    flash(_("已保存模板「%(template)s」。", template=made.label), "success")
    return http.go(url_for(".template_page", key=made.key))


@bp.get("/messages/templates/<key>")
@requires_room(ROOM)
def template_page(key: str) -> AnyResponse:
    template = templates.get(key)
    return _editor(template.document() | {"enabled": template.enabled}, template, {})


@bp.post("/messages/templates/<key>")
@requires_room(ROOM)
def template_save(key: str) -> AnyResponse:
    template, doc = templates.get(key), _document(templates.get(key))
    try:
        templates.save(doc, current_actor(), key, request.form.get("version", type=http.whole))
    except UserError as error:
        return _editor(doc, template, error.errors or {"": error.message}, error.status)
    flash(_("已保存。"), "success")
    return http.go(url_for(".template_page", key=key))


@bp.post("/messages/templates/<key>/delete")
@requires_room(ROOM)
def template_delete(key: str) -> AnyResponse:
    template = templates.get(key)
    templates.delete(key, current_actor())
    return http.toast("", _("已删除「%(name)s」", name=template.label), url_for(".template_restore", key=key))


@bp.post("/messages/templates/<key>/restore")
@requires_room(ROOM)
def template_restore(key: str) -> AnyResponse:
    templates.restore(key, current_actor())
    return http.trigger(http.toast("", _("已恢复。")), "guke:templates")


@bp.post("/messages/templates/<key>/revert")
@requires_room(ROOM)
def template_revert(key: str) -> AnyResponse:
    templates.revert(key, request.form.get("back_to", 0, type=http.whole), current_actor())
    flash(_("已恢复这个版本，作为最新的一版。"), "success")
    return http.go(url_for(".template_page", key=key))


@bp.post("/messages/templates/preview")
@requires_room(ROOM)
def template_preview() -> AnyResponse:
    """How the text reads for a record that the person sees, with what they see of it; its length, parts and price."""
    actor, given = current_actor(), request.form
    form = catalog.get(given.get("form", "customer"))
    chosen = given.get("sample", type=http.whole)
    names = zip(given.getlist("fallback.name"), given.getlist("fallback.text"), strict=False)
    fallbacks = {name: text for name, text in names if text}
    text, error, subject = "", "", ""
    try:
        for part in (given.get("subject", ""), given.get("text", "")):
            texts.check(part, form)
        with i18n.speaking(i18n.company_locale()):
            filled = texts.render_all(
                [given.get("subject", ""), given.get("text", "")],
                form,
                [chosen] if chosen else [],
                None,
                actor,
                fallbacks,
            )
        subject, text = filled.get(chosen or 0, ["", ""])
    except UserError as problem:
        error = problem.message
    text = text.replace(texts.UNSUBSCRIBE_MARK, _("（退订链接）"))
    named = _named(given.get("text", ""))
    via = given.getlist("via") or ["sms"]
    measure = wording.measure(text, given.get("purpose", ""), via) if text else None
    return http.render(
        "messages/_preview.html", None, text=text, subject=subject, error=error, measure=measure, named=named,
        fallbacks=fallbacks, chosen=chosen, labels={v.path: v.label for v in texts.variables(form, actor)},
    )  # fmt: skip


@bp.post("/messages/templates/<key>/test")
@requires_room(ROOM)
def template_test(key: str) -> AnyResponse:
    """Sends it to oneself: inside the app, or by another way to one's own account there."""
    actor, template = current_actor(), templates.get(key)
    via = request.form.get("test_via", "in_app")
    sender = senders.get(via)
    if "user" not in sender.reaches:
        raise UserError(_("「%(via)s」不能发给同事，请换一种方式来试。", via=str(sender.label)), "via")
    chosen = request.form.get("sample", type=http.whole)
    if not chosen:
        raise UserError(_("请先选择一条记录来填变量。"), "sample")
    filled = texts.render_all(template.parts(), template.form, [chosen], None, actor, template.fallbacks)
    if chosen not in filled:
        raise NotFound()
    with write():
        outbox.send(
            [Draft(
                via, Target.user(actor.id or 0), _("【试发】%(text)s", text=filled[chosen][1]), subject=filled[chosen][0],
                purpose=outbox.INTERNAL, key=f"template-test:{template.key}:{actor.id}:{clock.now()}",
                params=template.params(filled[chosen][2:]),
            )],
            Cause("user"), actor,
        )  # fmt: skip
    return http.toast("", _("已发给您自己，几秒后可以在那里看到。"))
