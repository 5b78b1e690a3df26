"""The blueprint of the form pages; ``views`` and its sisters hang their routes on it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, url_for

from ..accounts.actor import current_actor
from . import catalog, query
from .catalog import Form

bp = Blueprint("forms", __name__)


def open_form(form_key: str) -> Form:
    """The form that the URL names. Raises NotFound when it is not there or nothing of it may be seen."""
    form = catalog.get(form_key)
    query.Query(form, current_actor())
    return form


def open_record(form_key: str, record_id: int) -> query.Record:
    """Raises NotFound."""
    return query.get(catalog.get(form_key), record_id, current_actor())


def link(endpoint: str, **values: Any) -> str | None:
    """The URL of a page of another room, ``None`` when this installation does not have it."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else None


@bp.app_template_global("field_scripts")
def field_scripts(form: Form | None) -> list[str]:
    """The files of ``static/js/inputs`` that a page with inputs of the form's fields must load, each once."""
    if not form:
        return []
    return list(dict.fromkeys(name for f in form.fields.values() for name in f.input_scripts()))
