"""Forms and fields as definitions, in the shapes of an app package."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify
from flask_babel import gettext as _

from ..accounts import permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires_login
from ..core.errors import NotFound, UserError
from ..forms import catalog
from ..forms.catalog import Form
from ..forms.query import readable
from . import body
from .limits import idempotent
from .views import bp

FORM_KEYS = ("key", "label", "icon", "title_field", "group", "fields", "search", "columns")


def _seen(form_key: str, actor: Actor) -> Form:
    form = catalog.get(form_key)
    if not permissions.can(actor, "see", form.key):
        raise NotFound()
    return form


def _document(form: Form, actor: Actor) -> dict[str, Any]:
    seen = readable(form, actor)
    doc = form.document()
    return doc | {"fields": [f for f in doc["fields"] if f["key"] in seen]}


def _designing(form_key: str | None = None) -> None:
    permissions.demand(current_actor(), "design", form_key)


@bp.get("/forms")
@requires_login
def list_forms() -> Response:
    actor = current_actor()
    return jsonify({"forms": [_document(f, actor) for f in catalog.all() if permissions.can(actor, "see", f.key)]})


@bp.get("/forms/<form_key>")
@requires_login
def get_form(form_key: str) -> Response:
    actor = current_actor()
    return jsonify(_document(_seen(form_key, actor), actor))


@bp.post("/forms")
@requires_login
@idempotent
def create_form() -> Response:
    _designing()
    doc = body.allow(body.read(), *FORM_KEYS)
    body.list_(doc, "fields", 500)
    form = catalog.create_form(doc)
    response = jsonify(form.document())
    response.status_code = 201
    response.headers["Location"] = f"/api/v1/forms/{form.key}"
    return response


@bp.patch("/forms/<form_key>")
@requires_login
def update_form(form_key: str) -> Response:
    form = _seen(form_key, current_actor())
    _designing(form_key)
    doc = body.allow(body.read(), "label", "icon", "title_field", "group")
    return jsonify(catalog.update_form(form, doc).document())


@bp.delete("/forms/<form_key>")
@requires_login
def delete_form(form_key: str) -> Response:
    form = _seen(form_key, current_actor())
    _designing(form_key)
    catalog.delete_form(form)
    return Response(status=204)


@bp.get("/forms/<form_key>/fields")
@requires_login
def list_fields(form_key: str) -> Response:
    actor = current_actor()
    return jsonify({"fields": _document(_seen(form_key, actor), actor)["fields"]})


@bp.post("/forms/<form_key>/fields")
@requires_login
@idempotent
def create_field(form_key: str) -> Response:
    form = _seen(form_key, current_actor())
    _designing(form_key)
    field = catalog.add_field(form, _field_document())
    response = jsonify(field.spec.document())
    response.status_code = 201
    return response


@bp.patch("/forms/<form_key>/fields/<field_key>")
@requires_login
def update_field(form_key: str, field_key: str) -> Response:
    form = _seen(form_key, current_actor())
    _designing(form_key)
    return jsonify(catalog.update_field(form, field_key, _field_document()).spec.document())


@bp.delete("/forms/<form_key>/fields/<field_key>")
@requires_login
def delete_field(form_key: str, field_key: str) -> Response:
    form = _seen(form_key, current_actor())
    _designing(form_key)
    catalog.delete_field(form, field_key)
    return Response(status=204)


def _field_document() -> dict[str, Any]:
    doc = body.read()
    for key in ("system", "readonly"):
        if doc.get(key):
            raise UserError(_("「%(key)s」只由固客使用，不能设置。", key=key), key)
    return doc
