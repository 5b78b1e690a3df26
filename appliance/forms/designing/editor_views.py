"""The designer's page of one draft, and what it asks the server while a person works on it."""

from __future__ import annotations

import json
from copy import copy
from typing import Any

from flask import Response, flash, jsonify, render_template, request, url_for
from flask_babel import gettext as _

from ...accounts import permissions
from ...accounts.actor import SYSTEM, current_actor
from ...accounts.guards import requires
from ...core import http, i18n
from ...core.errors import Conflict, NotFound, UserError
from .. import catalog, conditions, live, options, query, record_pages
from ..catalog import SYSTEM_FIELDS, Form
from ..conditions import ConditionError
from ..fields import patterns
from ..fields.base import Field
from ..formula import checking
from . import canvas, drafts, keys, plans, publishing
from .blueprint import bp, url_of, who
from .drafts import Draft

ROOT = "/designer/drafts/<int:draft_id>"
DEFAULT_KEY = "default_value"


@bp.get("/forms/<form_key>/design")
@requires("design")
def edit(form_key: str) -> str:
    """The designer on a form's shared draft, which is made when there is none."""
    return _page(drafts.open(form_key, current_actor()))


@bp.get(ROOT)
@requires("design")
def edit_draft(draft_id: int) -> str:
    """The designer on the draft of a form that does not exist yet."""
    return _page(_draft(draft_id))


def _draft(draft_id: int) -> Draft:
    """``born`` in the URL: when the draft was begun that the page shows. Numbers come back after a draft is gone."""
    draft = drafts.get(draft_id, current_actor())
    if request.args.get("born", type=http.whole) not in (None, draft.created_at):
        raise NotFound(_("这份草稿已经发布或丢弃了。"))
    return draft


def _body() -> dict[str, Any]:
    doc = request.get_json(silent=True)
    if not isinstance(doc, dict):
        raise UserError(_("请求内容要是一个 JSON 对象。"))
    return doc


def _said(error: UserError, **more: Any) -> Response:
    response = jsonify({"message": error.message, "errors": error.errors, **more})
    response.status_code = error.status
    return response


def _page(draft: Draft) -> str:
    doc = canvas.laid_out(draft.doc)
    form, _errors = canvas.build(doc)
    docs = canvas.inputs(doc.get("fields") or [], doc)
    return render_template(
        "forms/designer/edit.html",
        draft=draft,
        form=draft.form,
        palette=canvas.palette(draft.form_key),
        types=canvas.type_docs(),
        system=canvas.system_docs(),
        scripts=canvas.scripts(),
        data=_data(draft, doc, docs, form),
    )


def _data(draft: Draft, doc: dict[str, Any], inputs: dict[str, Any], form: Form) -> dict[str, Any]:
    actor = current_actor()
    published = draft.form.fields if draft.form else {}
    return {
        "draft": f"{draft.id}.{draft.created_at}",
        "version": draft.version,
        "doc": doc,
        "form": form.key,
        "home": url_for(".edit", form_key=draft.form_key) if draft.form_key else url_for(".forms"),
        "fresh": draft.form is None,
        "notice": _notice(draft),
        "behind": draft.behind,
        "inputs": inputs,
        "problems": _problems(draft),
        "published": {key: f.type for key, f in published.items()},
        "choices": {key: canvas.choice_values(f.options.get("choices")) for key, f in published.items()},
        "columns": {
            key: [c.get("key") for c in f.options.get("fields") or [] if isinstance(c, dict)]
            for key, f in published.items()
            if f.type == "sub_form"
        },
        "types": canvas.type_docs(),
        "palette": canvas.palette(draft.form_key),
        "system": canvas.system_docs(),
        "forms": canvas.form_docs(actor, doc),
        "functions": canvas.functions(),
        "groups": canvas.groups(),
        "icons": canvas.ICONS,
        "colors": options.COLORS,
        "reserved": sorted({*catalog.RESERVED, *SYSTEM_FIELDS}),
        "lang": i18n.current(),
        "urls": _urls(draft),
    }


def _urls(draft: Draft) -> dict[str, str]:
    names = (
        "save", "state", "inputs", "key", "pattern", "formula", "default_input", "default_value", "conversion",
        "condition_meta", "condition_words", "preview", "publish", "versions", "revert", "discard", "catch_up",
    )  # fmt: skip
    found = {name: url_for(f".{name}", draft_id=draft.id, born=draft.created_at) for name in names}
    return found | {"pick": url_for("forms.pick", form_key="FORM")}


def _notice(draft: Draft) -> str:
    """Tells the second designer who works on the draft already."""
    if draft.version > 1 and draft.updated_by and draft.updated_by != current_actor().id:
        return _(
            "%(who)s 在 %(when)s 改过这份草稿，还没有发布。您看到的是最新的一版，你们的修改会合在同一份草稿里。",
            who=who(draft.updated_by), when=drafts.when(draft.updated_at),
        )  # fmt: skip
    return ""


def _problems(draft: Draft) -> dict[str, str]:
    """What stands in the way of publishing, by field key; what is about the form itself keeps its place's name."""
    found: dict[str, str] = {}
    for path, sentence in plans.problems(draft.doc, draft.form).items():
        parts = path.split(".")
        found.setdefault(parts[1] if parts[0] == "fields" and len(parts) > 1 else path, sentence)
    return found


# -- saving ---------------------------------------------------------------------------------------------------------


@bp.post(f"{ROOT}/save")
@requires("design")
def save(draft_id: int) -> Response:
    """Keeps the document; 409 with who and when, and nothing kept, when somebody else saved meanwhile."""
    body = _body()
    try:
        _draft(draft_id)
        draft = drafts.save(draft_id, body.get("doc"), body.get("version"), current_actor())  # type: ignore[arg-type]
    except Conflict as error:
        return _said(error, **_state(_draft(draft_id)))
    except UserError as error:
        return _said(error)
    return jsonify({"version": draft.version, "problems": _problems(draft)})


def _state(draft: Draft) -> dict[str, Any]:
    return {"version": draft.version, "who": who(draft.updated_by), "when": drafts.when(draft.updated_at)}


@bp.get(f"{ROOT}/state")
@requires("design")
def state(draft_id: int) -> Response:
    """The draft's version, who saved it and when; with ``doc=1`` its document too."""
    draft = _draft(draft_id)
    found = _state(draft)
    if request.args.get("doc"):
        found |= {"doc": canvas.laid_out(draft.doc), "problems": _problems(draft)}
    return jsonify(found)


@bp.post(f"{ROOT}/catch-up")
@requires("design")
def catch_up(draft_id: int) -> Response:
    """Brings what was published meanwhile into the draft."""
    try:
        draft = drafts.catch_up(draft_id, _draft(draft_id).version, current_actor())
    except UserError as error:
        return _said(error)
    return jsonify({"url": url_of(draft)})


@bp.post(f"{ROOT}/discard")
@requires("design")
def discard(draft_id: int) -> Response:
    """Throws the draft away; answers where to go."""
    draft = _draft(draft_id)
    drafts.discard(draft_id, current_actor())
    if draft.form_key:
        return jsonify({"url": url_for("forms.list_records", form_key=draft.form_key)})
    return jsonify({"url": url_for(".forms")})


# -- while one works --------------------------------------------------------------------------------------------------


@bp.post(f"{ROOT}/inputs")
@requires("design")
def inputs(draft_id: int) -> Response:
    """The inputs of the fields given, by key."""
    docs = [doc for doc in _body().get("fields") or [] if isinstance(doc, dict)]
    return jsonify({"inputs": canvas.inputs(docs, _draft(draft_id).doc)})


@bp.post(f"{ROOT}/key")
@requires("design")
def key(draft_id: int) -> Response:
    """A free key for a label: of a field beside those ``taken``, or with ``form`` of the form itself."""
    body, draft = _body(), _draft(draft_id)
    text = str(body.get("label") or "")
    if body.get("form"):
        return jsonify({"key": keys.for_form(text)})
    return jsonify({"key": keys.for_field(text, draft.form_key, [str(k) for k in body.get("taken") or []])})


@bp.post(f"{ROOT}/pattern")
@requires("design")
def pattern(draft_id: int) -> Response:
    """Whether a text fits a pattern, ``error``: why the pattern is none."""
    _draft(draft_id)
    body = _body()
    try:
        compiled = patterns.compile_pattern(str(body.get("pattern") or ""))
        return jsonify({"fits": bool(compiled.fullmatch(str(body.get("text") or ""))), "error": ""})
    except ValueError as error:
        return jsonify({"fits": False, "error": str(error)})


@bp.post(f"{ROOT}/formula")
@requires("design")
def formula(draft_id: int) -> Response:
    """``error``: what is wrong with a formula over the fields given, else ``words``: what it comes to."""
    body, draft = _body(), _draft(draft_id)
    doc = draft.doc | {"fields": body.get("fields") or []}
    found = checking.answer(
        doc, str(body.get("formula") or ""), current_actor(), key=str(body.get("key") or ""),
        default=body.get("name") == "default_formula",
    )  # fmt: skip
    problem = next(iter(found["problems"]), {"message": "", "position": 0})
    return jsonify({"error": problem["message"], "position": problem["position"], "words": found["words"]})


def _field(doc: Any, key: str = DEFAULT_KEY) -> Field:
    """A field of its own out of a document of the browser. Raises UserError."""
    if not isinstance(doc, dict):
        raise UserError(_("请求内容要是一个 JSON 对象。"))
    return canvas.read(doc | {"key": key, "required": False})


@bp.post(f"{ROOT}/default")
@requires("design")
def default_input(draft_id: int) -> Response:
    """The field's own input, for its default value."""
    form, _errors = canvas.build(_draft(draft_id).doc | {"fields": []})
    try:
        return jsonify({"html": canvas.input_html(_field(_body().get("field")), form, prefix="")})
    except UserError as error:
        return _said(error, html="")


@bp.post(f"{ROOT}/default/value")
@requires("design")
def default_value(draft_id: int) -> Response:
    """What the input for the default holds, as the definition writes it; or the sentence why not."""
    _draft(draft_id)
    try:
        doc = json.loads(request.form.get("guke_field", "{}"))
        f = _field({k: v for k, v in doc.items() if k != "default"})
        stored = f.parse(f.from_form(request.form))
        return jsonify({"value": None if stored is None else f.to_api(stored), "error": ""})
    except ValueError as error:
        return jsonify({"error": str(error)})
    except UserError as error:
        return jsonify({"error": error.message})


@bp.post(f"{ROOT}/conversion")
@requires("design")
def conversion(draft_id: int) -> Response:
    """What another type would do to the values that there are."""
    draft, doc = _draft(draft_id), _body().get("field") or {}
    fields = [doc if f.get("key") == doc.get("key") else f for f in draft.doc.get("fields") or []]
    wanted = copy(draft)
    wanted.doc = draft.doc | {"fields": fields}
    plan = plans.plan(wanted)
    path = f"fields.{doc.get('key')}"
    wrong = plan.problems.get(f"{path}.type") or plan.problems.get(path)
    if wrong:
        return _said(UserError(wrong), bad=True)
    found = next((c for c in plan.changes if c.path == path and c.kind == "retype"), None)
    examples = canvas.conversion_examples(found.converts) if found else []
    return jsonify({
        "words": found.words if found else _("没有值要转换。"), "bad": bool(found and found.loses), "examples": examples,
    })  # fmt: skip


# -- conditions ---------------------------------------------------------------------------------------------------------


def _condition_form(draft: Draft) -> Form:
    """The draft's own form, or with ``form`` another one that its fields ask about."""
    other = request.args.get("form")
    if other and other != draft.form_key:
        form = catalog.get(other)
        permissions.demand(current_actor(), "see", form.key)
        return form
    return canvas.build(draft.doc)[0]


@bp.get(f"{ROOT}/conditions/meta")
@requires("design")
def condition_meta(draft_id: int) -> Response:
    """What the condition builder offers: the draft's own fields, also those that are not published."""
    return jsonify(canvas.condition_meta(_condition_form(_draft(draft_id)), current_actor()))


@bp.post(f"{ROOT}/conditions/words")
@requires("design")
def condition_words(draft_id: int) -> Response:
    """``{"words"}`` of a condition; 422 with ``{"message", "path"}`` for one that makes no sense."""
    form, where = _condition_form(_draft(draft_id)), _body().get("where")
    try:
        if not isinstance(where, dict):
            raise ConditionError(_("条件要写成一个对象。"))
        conditions.validate(where, form, SYSTEM)
        return jsonify({"words": conditions.words(where, form)})
    except ConditionError as error:
        return _said(error, path=error.path)


# -- preview ----------------------------------------------------------------------------------------------------------


@bp.post(f"{ROOT}/preview")
@requires("design")
def preview(draft_id: int) -> str:
    """The draft's edit page as its users will see it, filled with a record's values when one is named."""
    draft = _draft(draft_id)
    form, errors = canvas.build(canvas.laid_out(draft.doc))
    record_id = _body().get("record")
    typed = _values(draft, form, int(record_id)) if isinstance(record_id, int) else None
    return render_template(
        "forms/designer/_preview.html",
        draft=draft,
        form=form,
        editing=record_pages.editing(form, SYSTEM, None, typed),
        people=canvas.people_list(),
        broken=[i18n.label(f.get("label")) for f in draft.doc.get("fields") or [] if f.get("key") in errors],
    )


def _values(draft: Draft, form: Form, record_id: int) -> dict[str, Any]:
    """What the inputs hold for a record that the designer may see; fields whose type changes stay empty."""
    if draft.form is None:
        return {}
    record = query.get(draft.form, record_id, current_actor())
    same = [f for k, f in form.fields.items() if (old := draft.form.fields.get(k)) and old.type == f.type]
    same = [f for f in same if f.group != "file" and not f.computed]
    shown = query.clear(draft.form, current_actor())
    return {f.key: f.form_value(record.values.get(f.key)) for f in same if f.key in shown}


@bp.post(f"{ROOT}/live")
@requires("design")
def preview_live(draft_id: int) -> Response:
    """The preview answers while it is filled in, as the real page does."""
    form, _errors = canvas.build(_draft(draft_id).doc)
    given = {key: f.from_form(request.form) for key, f in form.fields.items() if key in request.form}
    row = live.read_row(form, given, None, SYSTEM)
    return jsonify(live.answer(form, [row], SYSTEM)[0])


# -- publishing, versions -----------------------------------------------------------------------------------------------


@bp.get(f"{ROOT}/publish")
@requires("design")
def publish(draft_id: int) -> str:
    """What publishing would do, for the dialog."""
    draft = _draft(draft_id)
    plan = plans.plan(draft)
    return render_template(
        "forms/designer/_publish.html",
        draft=draft,
        plan=plan,
        problems=[(_place(path), _name(draft, path), sentence) for path, sentence in plan.problems.items()],
        word=_word(draft),
        names=[i18n.label(f.get("label")) or f.get("key") for f in draft.doc.get("fields") or []],
        seen_by=canvas.seen_by(draft),
    )


def _place(path: str) -> str:
    parts = path.split(".")
    return parts[1] if parts[0] == "fields" and len(parts) > 1 else path


def _name(draft: Draft, path: str) -> str:
    found = {f.get("key"): f for f in draft.doc.get("fields") or []}.get(_place(path))
    return i18n.label(found.get("label")) or str(found.get("key")) if found else _("表单设置")


def _word(draft: Draft) -> str:
    return i18n.label((draft.form.spec_label if draft.form else draft.doc.get("label")) or "").strip()


@bp.post(f"{ROOT}/publish")
@requires("design")
def publish_now(draft_id: int) -> Response:
    """Puts the draft in force; answers where to go."""
    body, draft = _body(), _draft(draft_id)
    try:
        version, accept = body.get("version"), body.get("accept") is True
        if accept and plans.plan(draft).needs_word and str(body.get("word") or "").strip() != _word(draft):
            raise UserError(_("请输入表单的名称来确认。"), "word")
        form = publishing.publish(draft_id, version, current_actor(), accept)  # type: ignore[arg-type]
    except UserError as error:
        return _said(error)
    flash(_("「%(form)s」已发布。", form=form.label), "success")
    return jsonify({"url": url_for("forms.list_records", form_key=form.key)})


@bp.get(f"{ROOT}/versions")
@requires("design")
def versions(draft_id: int) -> str:
    """The published versions, for the dialog."""
    draft = _draft(draft_id)
    found = publishing.history(draft.form) if draft.form else []
    return render_template("forms/designer/_versions.html", versions=found, who=who, draft=draft)


@bp.post(f"{ROOT}/revert")
@requires("design")
def revert(draft_id: int) -> Response:
    """Makes the draft say what a version said."""
    draft, number = _draft(draft_id), _body().get("version")
    if draft.form is None or not isinstance(number, int):
        return _said(UserError(_("这个表单还没有发布过。")))
    try:
        return jsonify({"url": url_of(publishing.revert(draft.form, number, current_actor()))})
    except UserError as error:
        return _said(error)
