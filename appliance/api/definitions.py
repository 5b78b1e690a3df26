"""Forms and fields as definitions, in the shapes of an app package."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from flask_babel import gettext as _

from ..accounts import people, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires_login
from ..core.errors import NotFound, UserError
from ..forms import catalog, options
from ..forms.catalog import Form
from ..forms.designing import bin as recycle_bin
from ..forms.designing import conversion, publishing
from ..forms.fields.base import Field
from ..forms.query import readable
from . import answers, body
from .limits import idempotent
from .views import bp

Doc = dict[str, Any]

PARTS = ("label", "icon", "title_field", "group", *options.KEYS)
FORM_KEYS = ("key", "fields", *PARTS)


def _seen(form_key: str, actor: Actor) -> Form:
    form = catalog.get(form_key)
    if not permissions.can(actor, "see", form.key):
        raise NotFound()
    return form


def _document(form: Form, actor: Actor) -> Doc:
    seen = readable(form, actor)
    doc = form.document()
    return doc | {"fields": [f for f in doc["fields"] if f["key"] in seen]}


def _designing(form_key: str | None = None) -> Actor:
    actor = current_actor()
    permissions.demand(actor, "design", form_key)
    return actor


@bp.get("/forms")
@requires_login
def list_forms() -> Response:
    actor = current_actor()
    if request.args.get("deleted") == "1":
        return jsonify({"forms": [_deleted_form(f) for f in recycle_bin.forms(actor)]})
    return jsonify({"forms": [_document(f, actor) for f in catalog.all() if permissions.can(actor, "see", f.key)]})


def _deleted_form(found: recycle_bin.DeletedForm) -> Doc:
    return {"key": found.key, "label": found.label, "records": found.records} | _deleted(found)


def _deleted(found: recycle_bin.DeletedForm | recycle_bin.DeletedField) -> Doc:
    return {
        "deleted_at": answers.when(found.deleted_at),
        "deleted_by": people.login(found.deleted_by) if found.deleted_by is not None else None,
    }


@bp.get("/forms/<form_key>")
@requires_login
def get_form(form_key: str) -> Response:
    actor = current_actor()
    return jsonify(_document(_seen(form_key, actor), actor))


@bp.post("/forms")
@requires_login
@idempotent
def create_form() -> Response:
    actor = _designing()
    doc = body.allow(body.read(), *FORM_KEYS)
    body.list_(doc, "fields", 500)
    for field_doc in doc.get("fields") or []:
        _refuse_own(field_doc)
    permissions.demand(actor, "design", doc["key"] if isinstance(doc.get("key"), str) else None)
    form = catalog.create_form(doc, actor)
    return answers.made(form.document(), f"/forms/{form.key}")


@bp.patch("/forms/<form_key>")
@requires_login
def update_form(form_key: str) -> Response:
    form = _seen(form_key, current_actor())
    actor = _designing(form_key)
    doc = body.allow(body.read(), *PARTS)
    return jsonify(catalog.update_form(form, doc, actor).document())


@bp.delete("/forms/<form_key>")
@requires_login
def delete_form(form_key: str) -> Response:
    form = _seen(form_key, current_actor())
    recycle_bin.delete_form(form, _designing(form_key))
    return Response(status=204)


@bp.post("/forms/<form_key>:restore")
@requires_login
def restore_form(form_key: str) -> Response:
    actor = _designing(form_key)
    return jsonify(recycle_bin.restore_form(form_key, actor).document())


@bp.get("/forms/<form_key>/fields")
@requires_login
def list_fields(form_key: str) -> Response:
    actor = current_actor()
    form = _seen(form_key, actor)
    if request.args.get("deleted") == "1":
        permissions.demand(actor, "design", form_key)
        return jsonify({"fields": [_deleted_field(f) for f in recycle_bin.fields(form)]})
    return jsonify({"fields": _document(form, actor)["fields"]})


def _deleted_field(found: recycle_bin.DeletedField) -> Doc:
    doc = {"key": found.key, "label": found.label, "type": found.type, "values": found.values}
    return doc | _deleted(found)


@bp.post("/forms/<form_key>/fields")
@requires_login
@idempotent
def create_field(form_key: str) -> Response:
    form = _seen(form_key, current_actor())
    actor = _designing(form_key)
    field = catalog.add_field(form, _refuse_own(body.read()), actor)
    return answers.made(field.spec.document())


@bp.patch("/forms/<form_key>/fields/<field_key>")
@requires_login
def update_field(form_key: str, field_key: str) -> Response:
    """A new ``type`` converts the values: 202 and the job's id when that goes on behind."""
    form = _seen(form_key, current_actor())
    actor = _designing(form_key)
    doc = body.read()
    convert, position = doc.pop("convert", False), body.whole(doc, "position")
    doc.pop("position", None)
    _refuse_own(doc)
    if not isinstance(convert, bool):
        raise UserError(_("「%(name)s」只能是 true 或 false。", name="convert"), "convert")
    job = publishing.change_field(form, field_key, doc, actor, accept=convert, position=position)
    response = jsonify(catalog.get(form_key).fields[field_key].spec.document() | ({"job": job} if job else {}))
    response.status_code = 202 if job else 200
    return response


@bp.post("/forms/<form_key>/fields/<field_key>:preview")
@requires_login
def preview_field(form_key: str, field_key: str) -> Response:
    """What a change of type would do to the values: counts and examples. Changes nothing."""
    form = _seen(form_key, current_actor())
    _designing(form_key)
    old, new = publishing.planned_field(form, field_key, _refuse_own(body.read()))
    found = conversion.examine(form, old, new)
    return jsonify(
        {
            "converted": found.ok,
            "lost": found.lost,
            "estimated": found.estimated,
            "samples": [{"old": before, "new": after} for before, after in found.samples],
            "failures": [{"old": before, "message": why} for before, why in found.failures],
        }
    )


@bp.delete("/forms/<form_key>/fields/<field_key>")
@requires_login
def delete_field(form_key: str, field_key: str) -> Response:
    form = _seen(form_key, current_actor())
    recycle_bin.delete_field(form, field_key, _designing(form_key))
    return Response(status=204)


@bp.post("/forms/<form_key>/fields/<field_key>:restore")
@requires_login
def restore_field(form_key: str, field_key: str) -> Response:
    form = _seen(form_key, current_actor())
    field: Field = recycle_bin.restore_field(form, field_key, _designing(form_key))
    return jsonify(field.spec.document())


def _refuse_own(doc: Doc) -> Doc:
    for key in ("system", "readonly"):
        if doc.get(key):
            raise UserError(_("「%(key)s」只由固客使用，不能设置。", key=key), key)
    return doc
