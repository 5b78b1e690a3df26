"""Settings → forms: every form of the company, its order and groups, ways to a new one, and the recycle bin."""

from __future__ import annotations

from typing import Any

from flask import flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext
from msgspec import Struct, field
from werkzeug.wrappers import Response as AnyResponse

from ...accounts import permissions
from ...accounts.actor import Actor, current_actor
from ...accounts.guards import requires
from ...core import http, i18n, nav
from ...core.errors import UserError
from .. import catalog, fields
from ..catalog import Form
from . import arranging, bin, copying, drafts, editor_views, keys, templates
from .blueprint import bp, url_of, who
from .drafts import Draft

__all__ = ["bp", "editor_views"]

nav.add(
    "settings",
    lazy_pgettext("forms", "表单"),
    "designer.forms",
    "forms",
    "design",
    order=20,
    words="forms biaodan design designer sheji",
)
nav.action(_l("新建表单"), "designer.forms", "plus", "design", words="new form xinjian biaodan", new=1)


class Tile(Struct):
    """One form on the page. ``draft``: the work on it that is not published."""

    form: Form
    records: int
    draft: Draft | None = None


class Group(Struct):
    """``name``: as it is stored; empty for the forms without one."""

    name: Any
    tiles: list[Tile] = field(default_factory=list)

    @property
    def label(self) -> str:
        return i18n.label(self.name)


def _groups(actor: Actor) -> list[Group]:
    """The forms that the person may design, in their groups; those without a group come last."""
    working = {draft.form_key: draft for draft in drafts.all(actor) if draft.form_key and draft.changed}
    found: dict[str, Group] = {}
    for form in catalog.all():
        if permissions.can(actor, "design", form.key):
            group = found.setdefault(i18n.label(form.group), Group(form.group or ""))
            group.tiles.append(Tile(form, catalog.count(form), working.get(form.key)))
    return sorted(found.values(), key=lambda g: not g.label)


def _fresh(actor: Actor) -> list[Draft]:
    """Drafts of forms that were never published."""
    return [draft for draft in drafts.all(actor) if draft.form_key is None]


@bp.get("/designer")
@requires("design")
def forms() -> str:
    """Every form in its group, and the drafts of those that are still to come."""
    actor = current_actor()
    groups = _groups(actor)
    return render_template(
        "forms/designer/forms.html",
        groups=groups,
        fresh=_fresh(actor),
        names=[g.label for g in groups if g.label],
        templates=templates.all(),
        deleted=len(bin.forms(actor)),
        opened=request.args.get("new") == "1",
        who=who,
    )


@bp.post("/designer/new")
@requires("design")
def new() -> AnyResponse:
    """Begins a form: from a template, or empty with the name given."""
    actor, template = current_actor(), request.form.get("template", "")
    if template:
        return http.go(url_of(templates.start(template, actor)))
    name = request.form.get("name", "").strip()
    if not name:
        raise UserError(_("请给表单起个名字。"), "name")
    doc = {"key": keys.for_form(name), "label": name, "icon": "table", "fields": []}
    return http.go(url_of(drafts.start(doc, actor)))


@bp.post("/designer/order")
@requires("design")
def order() -> AnyResponse:
    """Keeps the order of all forms and the group each is in: ``form`` and ``group``, in pairs."""
    pairs = zip(request.form.getlist("form"), request.form.getlist("group"), strict=True)
    arranging.arrange(list(pairs), current_actor())
    return http.toast("", _("已保存新的顺序和分组。"))


@bp.get("/designer/forms/<form_key>/copy")
@requires("design")
def copy_form(form_key: str) -> str:
    """Asks for the name of the copy, for the dialog."""
    form = catalog.get(form_key)
    name = _("%(form)s 副本", form=form.label)
    return render_template("forms/designer/_copy.html", form=form, name=name, error="")


@bp.post("/designer/forms/<form_key>/copy")
@requires("design")
def make_copy(form_key: str) -> AnyResponse | tuple[str, int]:
    """Makes the copy and goes to its designer."""
    form, name = catalog.get(form_key), request.form.get("name", "").strip()
    try:
        if not name:
            raise UserError(_("请给表单起个名字。"), "name")
        made = copying.copy(form, keys.for_form(name), name, current_actor(), request.form.get("records") == "1")
    except UserError as error:
        return render_template("forms/designer/_copy.html", form=form, name=name, error=error.message), 422
    flash(_("已复制为「%(form)s」。", form=made.label), "success")
    return http.go(url_for(".edit", form_key=made.key))


@bp.post("/designer/forms/<form_key>/delete")
@requires("design")
def delete_form(form_key: str) -> AnyResponse:
    """Moves a form with its records to the bin; it can be undone."""
    form = catalog.get(form_key)
    bin.delete_form(form, current_actor())
    flash(_("「%(form)s」已移到回收站，记录还在，可以恢复。", form=form.label), "success")
    return http.go(url_for(".forms"))


@bp.post("/designer/drafts/<int:draft_id>/drop")
@requires("design")
def drop_draft(draft_id: int) -> AnyResponse:
    """Throws away the draft of a form that was never published."""
    drafts.discard(draft_id, current_actor())
    flash(_("草稿已丢弃。"), "success")
    return http.go(url_for(".forms"))


# -- the recycle bin --------------------------------------------------------------------------------------------------


@bp.get("/designer/bin", endpoint="bin")
@requires("design")
def show_bin() -> str:
    """Deleted forms, and the deleted fields of the forms there are; with ``form`` of that one only."""
    actor, wanted = current_actor(), request.args.get("form")
    shown = [f for f in catalog.all() if permissions.can(actor, "design", f.key) and wanted in (None, f.key)]
    found = [(form, listed) for form in shown if (listed := bin.fields(form))]
    return render_template(
        "forms/designer/bin.html",
        forms=[] if wanted else bin.forms(actor),
        fields=found,
        only=catalog.get(wanted) if wanted else None,
        types=fields.TYPES,
        who=who,
    )


def _bin_url() -> str:
    return url_for(".bin", form=request.form.get("back") or None)


@bp.post("/designer/bin/<form_key>/restore")
@requires("design")
def restore_form(form_key: str) -> AnyResponse:
    form = bin.restore_form(form_key, current_actor())
    flash(_("「%(form)s」已恢复。", form=form.label), "success")
    return http.go(url_for(".forms"))


@bp.post("/designer/bin/<form_key>/purge")
@requires("design")
def purge_form(form_key: str) -> AnyResponse:
    """Deletes a form for good; ``word`` is its name as typed."""
    count = bin.purge_form(form_key, request.form.get("word", ""), current_actor())
    flash(_("已彻底删除，连同 %(count)s 条记录。", count=f"{count:,}"), "success")
    return http.go(_bin_url())


@bp.post("/designer/bin/<form_key>/fields/<field_key>/restore")
@requires("design")
def restore_field(form_key: str, field_key: str) -> AnyResponse:
    f = bin.restore_field(catalog.get(form_key), field_key, current_actor())
    flash(_("字段「%(field)s」已恢复，数据也回来了。", field=f.label), "success")
    return http.go(_bin_url())


@bp.post("/designer/bin/<form_key>/fields/<field_key>/purge")
@requires("design")
def purge_field(form_key: str, field_key: str) -> AnyResponse:
    """Deletes a field for good; ``word`` is its name as typed."""
    count = bin.purge_field(catalog.get(form_key), field_key, request.form.get("word", ""), current_actor())
    flash(_("已彻底删除，连同 %(count)s 个值。", count=f"{count:,}"), "success")
    return http.go(_bin_url())
