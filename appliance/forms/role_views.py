"""Settings → roles: who may do what with which form, how far, and with which of its fields."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_pgettext
from msgspec import Struct
from msgspec.structs import replace
from werkzeug.wrappers import Response

from ..accounts import roles, users
from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin
from ..accounts.permissions import ANY, COMMON_ROOMS, NOTHING, ROOMS, VERBS, FormRights, Rights
from ..core import http, nav
from ..core.errors import NotFound, UserError
from . import catalog, rights
from .catalog import Form

bp = Blueprint("settings_roles", __name__, url_prefix="/settings/roles")

nav.add(
    "settings", lazy_pgettext("page", "角色"), "settings_roles.index", "shield", "admin", order=22, words="roles rights permissions juese quanxian",
)  # fmt: skip

Answer = Response | str | tuple[str, int]


class Row(Struct, frozen=True):
    """One line of the matrix. ``own``: the role says something of this form itself."""

    key: str
    label: str
    icon: str
    granted: FormRights
    own: bool

    @property
    def scope(self) -> str:
        return rights.word_of(self.granted.scope)

    @property
    def fields(self) -> int:
        """How many fields are not simply to be edited."""
        return sum(access != "edit" for access in self.granted.fields.values())


def _rows(role: roles.Described) -> list[Row]:
    forms = [form for form in catalog.all() if form.part_of is None]
    found = [Row(f.key, f.label, f.icon, role.rights.on(f.key), f.key in role.rights.forms) for f in forms]
    return [*found, Row(ANY, _("其他表单和以后新建的表单"), "forms", role.rights.forms.get(ANY) or NOTHING, True)]


@bp.get("")
@requires_admin
def index() -> str:
    return _index()


def _index(**context: Any) -> str:
    return render_template("accounts/roles.html", roles=roles.everything(), **{"values": {}, "errors": {}} | context)


@bp.post("")
@requires_admin
def create() -> Answer:
    """A new role that starts with the rights of another one, or with none."""
    base = request.form.get("base", "")
    try:
        start = replace(roles.get(base).rights, admin=False) if base else Rights()
        key = roles.create(request.form.get("label", "").strip(), start, current_actor())
    except UserError as error:
        return _index(values=request.form, errors=error.errors or {"label": error.message}), 422
    return redirect(url_for(".show", key=key), 303)


@bp.get("/<key>")
@requires_admin
def show(key: str) -> str:
    return _show(key)


def _show(key: str, error: str = "", label: str | None = None) -> str:
    role = roles.get(key)
    return render_template(
        "accounts/role.html",
        role=role,
        label=role.label if label is None else label,
        error=error,
        rows=_rows(role),
        verbs=rights.verb_words(),
        scopes=rights.scope_choices(),
        rooms=ROOMS,
        everybody=[user for user in users.people(active=True)],
        held={user_id for user_id, _name in role.people},
    )


@bp.post("/<key>")
@requires_admin
def save(key: str) -> Answer:
    """The whole page: name, matrix, other rights, people."""
    role = roles.get(key)
    label = request.form.get("label", "").strip()
    try:
        given = role.rights if role.rights.admin else _matrix(role)
        roles.change(key, current_actor(), label=None if label == role.label else label, rights=given)
        if "people-shown" in request.form:
            roles.set_people(key, set(http.ids(*request.form.getlist("people"))), current_actor())
        rights.prepare(given)
    except UserError as error:
        return _show(key, error.message, label), 422
    flash(_("角色已保存，立即生效。"), "success")
    return redirect(url_for(".show", key=key), 303)


def _matrix(role: roles.Described) -> Rights:
    """The rights as the matrix was sent. A form that says what the others say needs no word of its own."""
    sent: dict[str, FormRights] = {}
    for row in _rows(role):
        verbs = frozenset(verb for verb in VERBS if verb in request.form.getlist(f"verbs.{row.key}"))
        word = request.form.get(f"scope.{row.key}", row.scope)
        scope = row.granted.scope if word == row.scope else rights.scope_of(word, {})
        granted = replace(row.granted, verbs=verbs, scope=scope)
        if row.own or (verbs, word) != (row.granted.verbs, row.scope):
            sent[row.key] = granted
    rooms = frozenset(room for room in ROOMS if room in request.form.getlist("rooms"))
    return rights.check(Rights(forms=sent, rooms=rooms).document() | {"rooms": sorted(rooms)})


@bp.post("/<key>/copy")
@requires_admin
def copy(key: str) -> Response:
    made = roles.copy(key, current_actor())
    flash(_("已复制，改好名称和权限后再分给人。"), "success")
    return redirect(url_for(".show", key=made), 303)


@bp.post("/<key>/delete")
@requires_admin
def delete(key: str) -> Response:
    role = roles.get(key)
    try:
        roles.delete(key, current_actor())
    except UserError as error:
        flash(error.message, "error")
        return redirect(url_for(".show" if request.form.get("from") == "page" else ".index", key=key), 303)
    flash(_("角色「%(role)s」已删除。", role=role.label), "success")
    return redirect(url_for(".index"), 303)


# -- one form of a role -------------------------------------------------------------------------------------------


def _form(form_key: str) -> Form | None:
    """``None`` stands for all other forms. Raises NotFound."""
    if form_key == "other":
        return None
    form = catalog.get(form_key)
    if form.part_of is not None:
        raise NotFound()
    return form


@bp.get("/<key>/forms/<form_key>")
@requires_admin
def form_rights(key: str, form_key: str) -> str:
    return _form_page(key, form_key)


def _form_page(
    key: str, form_key: str, granted: FormRights | None = None, errors: Mapping[str, str] | None = None
) -> str:
    role, form = roles.get(key), _form(form_key)
    place = form.key if form else ANY
    now = granted or (role.rights.on(place) if form else role.rights.forms.get(ANY) or NOTHING)
    return render_template(
        "accounts/role_form.html",
        role=role,
        form=form,
        form_key=form_key,
        granted=now,
        scope=rights.word_of(now.scope),
        own=place in role.rights.forms,
        verbs=rights.verb_words(),
        scopes=[(word, text) for word, text in rights.scope_choices() if form or word != "condition"],
        accesses=rights.field_choices(),
        errors=errors or {},
    )


@bp.post("/<key>/forms/<form_key>")
@requires_admin
def save_form_rights(key: str, form_key: str) -> Answer:
    role, form = roles.get(key), _form(form_key)
    place = form.key if form else ANY
    forms = {k: granted.document() for k, granted in role.rights.forms.items()}
    if form and "reset" in request.form:
        forms.pop(form.key, None)
    else:
        forms[place] = _sent(form)
    try:
        if role.rights.admin:
            raise UserError(_("管理员总是拥有全部权限。要收窄权限，请新建一个角色。"))
        rooms = sorted(role.rights.rooms) if role.rights.rooms != COMMON_ROOMS else sorted(COMMON_ROOMS)
        given = rights.check({"forms": forms, "rooms": rooms})
        roles.change(key, current_actor(), rights=given)
        rights.prepare(given)
    except UserError as error:
        return _form_page(
            key, form_key, FormRights.open(_known(forms[place])), error.errors or {"": error.message}
        ), 422
    flash(_("角色已保存，立即生效。"), "success")
    return redirect(url_for(".show", key=key), 303)


def _sent(form: Form | None) -> dict[str, Any]:
    word = request.form.get("scope", "all")
    fields = {
        f.key: access for f in (form.fields.values() if form else ()) if (access := request.form.get(f"field.{f.key}", "edit")) != "edit"
    }  # fmt: skip
    return {
        "verbs": [verb for verb in VERBS if verb in request.form.getlist("verbs")],
        "scope": rights.scope_of(word, _condition("where")),
        "deny": _condition("deny"),
        "fields": fields,
    }


def _known(document: dict[str, Any]) -> dict[str, Any]:
    """What can be shown again of a document that was refused."""
    shown = {k: access for k, access in document["fields"].items() if access in dict(rights.field_choices())}
    return {**document, "fields": shown}


def _condition(name: str) -> dict[str, Any]:
    try:
        doc = json.loads(request.form.get(name) or "{}")
    except ValueError:
        return {}
    return doc if isinstance(doc, dict) else {}
