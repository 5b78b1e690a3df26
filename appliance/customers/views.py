"""The customer's page and its parts, the tag page, the settings of the RFM model."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit, gate, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires, requires_admin, requires_room
from ..core import clock, http, nav, settings
from ..core.errors import NotFound, UserError
from ..forms import catalog, panels, query, records
from ..forms.query import Record
from . import (
    explaining,
    favourites,
    insight,
    merging,
    page_views,
    rfm,
    rfm_form,
    tag_cloud,
    tag_test,
    tags,
    tiles,
    timeline,
)

bp = Blueprint("customers", __name__)

nav.add(
    "automation",
    _l("标签"),
    "customers.tag_page",
    "tags",
    right=("see", "customer"),
    order=40,
    words="tag label 标签组",
)
nav.add(
    "settings",
    _l("RFM 模型"),
    "customers.rfm_model",
    "chart-dots",
    right="admin",
    order=60,
    words="rfm score 评分 客户分层",
)


def _record(record_id: int) -> Record:
    """The customer, when the person may see it. Raises NotFound."""
    return query.get(catalog.get("customer"), record_id, current_actor())


def _may_tag(actor: Actor) -> bool:
    return permissions.can(actor, "edit", "customer") and permissions.field_access(actor, "customer", "tags") == "edit"


# -- the customer's page --------------------------------------------------------------------------------------------


@panels.page("customer", "customers/record.html")
def customer_page(record: Record, actor: Actor) -> dict[str, Any]:
    """What the customer's page shows besides the record: figures and tags; the scores come after it."""
    readable = query.clear(record.form, actor)
    return {
        "tiles": tiles.of(record, actor),
        "scored": "rfm_segment" in readable and record.values.get("rfm_segment") is not None,
        "tags": _tags(record, actor) if "tags" in readable else None,
        "insight": insight.seen_orders(actor),
        "box": page_views.follow_up_box(actor),
    }


@bp.get("/customers/<int:record_id>/scores")
@requires("see", form="customer")
def scores(record_id: int) -> AnyResponse:
    """The scores with their reasons. Ranking one among a million takes longer than the rest of the page."""
    record = _record(record_id)
    if "rfm_segment" not in query.clear(record.form, current_actor()):
        raise NotFound()
    return http.make_response(
        render_template(
            "customers/_rfm.html",
            record=record,
            rfm=explaining.explain(record.id),
            period=explaining.period_words(rfm.config()),
        )
    )


def _tags(record: Record, actor: Actor) -> dict[str, Any]:
    colors = tags.colors()
    return {
        "held": [(name, colors.get(name, "gray")) for name in record.values.get("tags") or []],
        "may": _may_tag(actor),
    }


def _tag_bar(record_id: int, message: str = "", undo: str | None = None, error: str = "") -> AnyResponse:
    record = _record(record_id)
    body = render_template("customers/_tags.html", record=record, tags=_tags(record, current_actor()), error=error)
    response = http.toast(body, message, undo) if message else http.make_response(body)
    return response if error else http.trigger(response, "guke:saved", "tags")


@bp.get("/customers/<int:record_id>/tags")
@requires("see", form="customer")
def tag_bar(record_id: int) -> AnyResponse:
    """The tags of a customer, after they changed elsewhere on the page."""
    record = _record(record_id)
    return http.make_response(
        render_template("customers/_tags.html", record=record, tags=_tags(record, current_actor()), error="")
    )


@bp.get("/customers/<int:record_id>/tag-choices")
@requires("edit", form="customer")
def tag_choices(record_id: int) -> str:
    """The tags to choose from: there may be hundreds, so they come when somebody wants them."""
    record = _record(record_id)
    if not _may_tag(current_actor()):
        raise NotFound()
    held = record.values.get("tags") or []
    return render_template("customers/_tag_choices.html", record=record, groups=tags.groups(), held=held)


@bp.post("/customers/<int:record_id>/tags")
@requires("edit", form="customer")
def change_tags(record_id: int) -> AnyResponse:
    """Adds the tag ``add``, takes away ``remove``; the answer is the customer's tags, with "undo"."""
    record = _record(record_id)
    delta = {key: request.values.getlist(key) for key in ("add", "remove") if request.values.get(key)}
    before = record.values.get("tags") or []
    try:
        records.update(record.form, record_id, {"tags": delta}, current_actor())
    except UserError as error:
        return _tag_bar(record_id, error=error.errors.get("tags", error.message))
    now = _record(record_id).values.get("tags") or []
    gained, lost = [t for t in now if t not in before], [t for t in before if t not in now]
    if not gained and not lost:
        return _tag_bar(record_id)
    undo = url_for("customers.undo_tags", record_id=record_id, add=lost, remove=gained)
    if gained and lost:
        text = _("已打上「%(new)s」，换下「%(old)s」", new=_("、").join(gained), old=_("、").join(lost))
    elif gained:
        text = _("已打上「%(new)s」", new=_("、").join(gained))
    else:
        text = _("已去掉「%(old)s」", old=_("、").join(lost))
    return _tag_bar(record_id, text, undo)


@bp.post("/customers/<int:record_id>/tags/undo")
@requires("edit", form="customer")
def undo_tags(record_id: int) -> AnyResponse:
    """Takes a change of tags back."""
    record = _record(record_id)
    delta = {key: request.args.getlist(key) for key in ("add", "remove") if request.args.get(key)}
    records.update(record.form, record_id, {"tags": delta}, current_actor())
    return http.trigger(Response(status=204), "guke:saved", "tags")


@bp.get("/customers/<int:record_id>/why-tag")
@requires("see", form="customer")
def why_tag(record_id: int) -> str:
    """Who or what gave the customer a tag, and when."""
    record = _record(record_id)
    name = request.args.get("tag", "")
    if "tags" not in query.clear(record.form, current_actor()):
        raise UserError(_("您不能查看客户的标签。"))
    return render_template("customers/_why.html", record=record, name=name, why=tag_test.why(record_id, name))


TIMELINE = "guke_timeline"
"""The cookie that remembers which sources a person looks at."""


def _kinds(actor: Actor) -> list[str]:
    """The timeline's sources wanted by the address, else those of last time; none: all."""
    said = request.args.get("kinds", request.cookies.get(TIMELINE, ""))
    return timeline.chosen(said.split(","), actor)


@bp.get("/customers/<int:record_id>/timeline")
@requires("see", form="customer")
def show_timeline(record_id: int) -> AnyResponse:
    """A page of the timeline. ``kinds``: the sources wanted, by comma; ``cursor``: where to go on; ``day``: the heading above."""
    record, actor = _record(record_id), current_actor()
    kinds, cursor = _kinds(actor), request.args.get("cursor")
    page = timeline.page(record, actor, kinds, cursor)
    response = http.make_response(
        render_template(
            "customers/_timeline.html", record=record, page=page, kinds=kinds, cursor=cursor,
            sources=[] if cursor else timeline.sources(actor), above=request.args.get("day", ""),
            head=page.head,
        )
    )  # fmt: skip
    if "kinds" in request.args and not cursor:
        gate.set_cookie(response, TIMELINE, ",".join(kinds), seconds=365 * clock.DAY)
    return response


@bp.get("/customers/<int:record_id>/timeline/head")
@requires("see", form="customer")
def timeline_head(record_id: int) -> AnyResponse:
    """Whether something new stands at the top: what an open page asks from time to time."""
    record, actor = _record(record_id), current_actor()
    return http.make_response({"head": timeline.head(record, actor, _kinds(actor))})


# -- tags -----------------------------------------------------------------------------------------------------------


@bp.get("/tags")
@requires("see", form="customer")
def tag_page() -> Response:
    return http.render("customers/tags.html", "customers/_tag_groups.html", **_tag_context())


def _tag_context() -> dict[str, Any]:
    groups, actor = tags.groups(counts=True), current_actor()
    may_rules = permissions.has_room(actor, "rules")
    return {
        "groups": groups,
        "cloud": tag_cloud.of(groups),
        "colors": tags.COLORS,
        "may": _may_tag(actor),
        "favourites": favourites.preview() if may_rules else None,
        "favourites_on": settings.get(favourites.SETTING),
    }


@bp.post("/tags/favourites")
@requires_room("rules")
def favourite_tags() -> AnyResponse:
    """Switches the tags of favourite categories on or off."""
    on, actor = request.form.get("on") == "1", current_actor()
    settings.set(favourites.SETTING, "1" if on else "", actor)
    audit.note("settings.changed", {favourites.SETTING: [not on, on]})
    url = url_for("customers.favourite_tags_back", on="0" if on else "1")
    message = _("已启用，正在打标签。") if on else _("已停用，打过的标签还在。")
    return _tag_groups(message, url)


@bp.post("/tags/favourites/undo")
@requires_room("rules")
def favourite_tags_back() -> AnyResponse:
    """Takes :func:`favourite_tags` back."""
    settings.set(favourites.SETTING, "1" if request.args.get("on") == "1" else "", current_actor())
    return http.trigger(Response(status=204), "guke:tags")


def _tag_groups(message: str, undo: str | None = None) -> AnyResponse:
    return http.toast(render_template("customers/_tag_groups.html", **_tag_context()), message, undo)


def _dialog(template: str, error: UserError | None = None, **context: Any) -> Response:
    body = render_template(
        template, groups=tags.groups(), colors=tags.COLORS, error=error.message if error else "", **context
    )
    response: Response = http.make_response(body)
    if error:
        # The dialog stays open with what was typed.
        response.headers["HX-Retarget"] = "#tag-dialog"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


@bp.get("/tags/form")
@requires("edit", form="customer")
def tag_form() -> Response:
    """The dialog that makes a tag, or edits ``tag``."""
    tag_id = request.args.get("tag", type=http.whole)
    tag = tags.tag_by_id(tag_id) if tag_id else None
    return _dialog("customers/_tag_form.html", tag=tag, group=request.args.get("group"), typed={})


@bp.post("/tags/save")
@requires("edit", form="customer")
def save_tag() -> AnyResponse:
    """Makes a tag or changes one."""
    typed = request.form
    tag_id = typed.get("tag", type=http.whole)
    color = typed.get("color") or None
    try:
        if tag_id:
            tag = tags.update(tag_id, name=typed.get("name"), color=color, group=typed.get("group"))
            return _tag_groups(_("已保存标签「%(name)s」", name=tag.name))
        tag = tags.create(typed.get("name", ""), group=typed.get("group") or tags.DEFAULT_GROUP, color=color)
    except UserError as error:
        known = tags.tag_by_id(tag_id) if tag_id else None
        return _dialog("customers/_tag_form.html", error, tag=known, group=typed.get("group"), typed=typed)
    return _tag_groups(_("已新建标签「%(name)s」", name=tag.name))


@bp.post("/tags/<int:tag_id>/delete")
@requires("edit", form="customer")
def delete_tag(tag_id: int) -> AnyResponse:
    """Takes a tag away from everybody; can be undone."""
    tag = tags.tag_by_id(tag_id)
    tags.delete(tag_id)
    return _tag_groups(_("已删除标签「%(name)s」", name=tag.name), url_for("customers.restore_tag", tag_id=tag_id))


@bp.post("/tags/<int:tag_id>/restore")
@requires("edit", form="customer")
def restore_tag(tag_id: int) -> AnyResponse:
    tags.restore(tag_id)
    return http.trigger(Response(status=204), "guke:tags")


@bp.post("/tags/<int:tag_id>/merge")
@requires("bulk", form="customer")
def merge_tag(tag_id: int) -> AnyResponse:
    """Gives the holders of a tag another one in its place, as a job."""
    into = request.form.get("into", type=http.whole)
    try:
        if not into:
            raise UserError(_("请选择合并到哪个标签。"), "into")
        merging.ask(tag_id, into, current_actor())
    except UserError as error:
        return _dialog("customers/_tag_merge.html", error, tag=tags.tag_by_id(tag_id))
    return _tag_groups(_("正在合并，客户多时需要几秒钟。"))


@bp.get("/tags/<int:tag_id>/merge")
@requires("bulk", form="customer")
def merge_form(tag_id: int) -> Response:
    return _dialog("customers/_tag_merge.html", tag=tags.tag_by_id(tag_id))


@bp.get("/tags/groups/form")
@requires("edit", form="customer")
def group_form() -> Response:
    """The dialog that makes a tag group, or edits ``group``."""
    key = request.args.get("group")
    return _dialog("customers/_group_form.html", group=tags.group_by_key(key) if key else None, typed={})


@bp.post("/tags/groups/save")
@requires("edit", form="customer")
def save_group() -> AnyResponse:
    typed = request.form
    key = typed.get("group")
    values: dict[str, Any] = {
        "label": typed.get("label", "").strip(), "exclusive": typed.get("exclusive") == "1", "color": typed.get("color") or "blue",
    }  # fmt: skip
    try:
        if key:
            tags.update_group(key, **values)
        else:
            tags.create_group(**values)
    except UserError as error:
        return _dialog("customers/_group_form.html", error, group=tags.group_by_key(key) if key else None, typed=typed)
    return _tag_groups(_("已保存标签组「%(name)s」", name=values["label"]))


@bp.post("/tags/groups/<key>/delete")
@requires("edit", form="customer")
def delete_group(key: str) -> AnyResponse:
    """Takes a group away; its tags go to the default group."""
    label = tags.i18n_label(tags.group_by_key(key).label)
    tags.delete_group(key)
    return _tag_groups(_("已删除标签组「%(name)s」，其中的标签已移到未分组", name=label))


# -- the RFM model ----------------------------------------------------------------------------------------------------


@bp.get("/customers/rfm")
@requires_admin
def rfm_model() -> Response:
    return _rfm_page(rfm_form.shown(rfm.config()))


def _rfm_page(typed: dict[str, str], errors: dict[str, str] | None = None, status: int = 200) -> Response:
    return http.render(
        "customers/rfm.html", status=status, typed=typed, errors=errors or {}, state=rfm.state(),
        letters=explaining.NAMES, figures=rfm_form.figures(), unit=rfm_form.UNITS,
    )  # fmt: skip


@bp.post("/customers/rfm")
@requires_admin
def save_rfm_model() -> AnyResponse:
    try:
        rfm.configure(rfm_form.read(request.form))
    except UserError as error:
        return _rfm_page(request.form.to_dict(), error.errors or {"period": error.message}, 422)
    flash(_("已保存，正在重新评分。"), "success")
    return http.go(url_for("customers.rfm_model"))
