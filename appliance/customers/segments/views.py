"""Pages of segments: the list, one segment, its editor, and what they ask while somebody works on them."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, flash, g, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ...accounts import audit, permissions
from ...accounts.actor import current_actor
from ...accounts.guards import requires, requires_room
from ...core import http, nav
from ...core.errors import FieldErrors, NotFound, UserError
from ...core.i18n import relabelled
from ...forms import builder, catalog, conditions, query, watermark
from ...forms.conditions import Condition
from ...forms.importing import tables
from ...forms.listing import COUNT_CAP
from .. import tags
from . import dynamic_tags, figures, imports, lists, ready_made, sets, store, uses
from .store import CONDITION, SET, STATIC, Segment

bp = Blueprint("segments", __name__, url_prefix="/segments")

nav.add(
    "automation", _l("客群"), "segments.index", "users-group", right=("see", "customer"), order=35,
    words="segments kequn 人群 分群",
)  # fmt: skip
nav.action(_l("新建客群"), "segments.new", "users-group", right="segments", words="new segment xinjian kequn")

KINDS = {CONDITION: _l("按条件"), SET: _l("客群的组合"), STATIC: _l("固定名单")}
ICONS = {CONDITION: "filter", SET: "arrows-join", STATIC: "list-check"}
SAMPLE = 8


@bp.get("/")
@requires("see", form="customer")
def index() -> Response:
    actor = current_actor()
    found = store.all()
    whole = figures.sees_all(actor)
    trends = figures.trends(found) if whole else {}
    rows = [
        (s, figures.size(s, actor), figures.spark(trends.get(s.id, [])), _change(trends.get(s.id, []))) for s in found
    ]
    return http.render(
        "segments/list.html", rows=rows, whole=whole, may=lists.may(actor), kinds=KINDS, icons=ICONS,
        waiting=len(ready_made.waiting()),
    )  # fmt: skip


def _change(days: list[figures.Day]) -> int:
    """How many more there are than a week ago."""
    return days[-1].size - days[max(0, len(days) - 8)].size if days else 0


@bp.post("/ready")
@requires_room("segments")
def switch_on() -> AnyResponse:
    """Switches the ready-made segments on."""
    count = ready_made.switch_on(current_actor())
    flash(_("已启用 %(count)d 个客群，正在计算。", count=count), "success")
    return http.go(url_for("segments.index"))


# -- editor -----------------------------------------------------------------------------------------------------------


@bp.get("/new")
@requires_room("segments")
def new() -> Response:
    kind = request.args.get("kind", CONDITION)
    return _editor(Segment("", "", kind if kind in KINDS else CONDITION, _where_sent()))


def _where_sent() -> dict[str, Any]:
    """A condition in the URL: the filter of a list becomes a segment."""
    return _json_object(request.args.get("where", ""))


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


@bp.get("/<key>/edit")
@requires_room("segments")
def edit(key: str) -> Response:
    return _editor(store.get(key))


def _editor(segment: Segment, errors: dict[str, str] | None = None, message: str = "") -> Response:
    found = errors or {}
    chosen, simple = _chosen(segment)
    simple = simple and request.form.get("set_how") != "nested"
    return http.render(
        "segments/edit.html", status=422 if errors or message else 200, segment=segment, errors=found, message=message,
        form=catalog.get("customer"), kinds=KINDS, icons=ICONS, chosen=chosen, simple=simple, set_where=_nested(segment),
        problem=builder.problem(found),
        others=[s for s in store.all() if s.key != segment.key], uses=uses.of(segment) if segment.id else [],
    )  # fmt: skip


def _chosen(segment: Segment) -> tuple[dict[str, list[str]], bool]:
    """What stands in the three lists of the set's editor, and whether they can hold it."""
    out: dict[str, list[str]] = {name: [] for name in sets.PARTS}
    if segment.kind != SET:
        return out, True
    for name, given in segment.definition.items():
        items = given if isinstance(given, list) else [given]
        if name not in out or not all(isinstance(item, str) for item in items):
            return out, False
        out[name] = items
    return out, True


def _typed(old: Segment | None) -> dict[str, Any]:
    sent = request.form
    doc: dict[str, Any] = {
        "label": relabelled(old.label_doc if old else "", sent.get("label", "").strip()),
        "description": relabelled(old.description_doc if old else "", sent.get("description", "").strip()),
    }
    kind = old.kind if old else sent.get("kind", CONDITION)
    if kind == STATIC:
        return doc | {"static": True}
    if kind == SET:
        return doc | {"set": _set_typed()}
    try:
        where = json.loads(sent.get("where") or "{}")
    except ValueError:
        where = None
    return doc | {"where": where}


def _set_typed() -> Any:
    """The set expression: as three lists, or as a condition on segments that goes several levels down."""
    sent = request.form
    if sent.get("set_how") != "nested":
        expression = {name: sent.getlist(f"set_{name}") for name in sets.PARTS}
        return {name: keys for name, keys in expression.items() if keys}
    try:
        found = sets.expression(json.loads(sent.get("set_where") or "{}"))
    except ValueError:
        found = {}
    return {"all": [found]} if isinstance(found, str) else found


def _nested(segment: Segment) -> Condition:
    """The set as the builder of conditions shows it."""
    if "set_where" in request.form:
        return _json_object(request.form["set_where"])
    try:
        return sets.condition(segment.definition) if segment.kind == SET and segment.definition else {}
    except UserError:
        return {}


@bp.post("/new")
@requires_room("segments")
def create() -> AnyResponse:
    return _save(None)


@bp.post("/<key>/edit")
@requires_room("segments")
def save(key: str) -> AnyResponse:
    return _save(store.get(key))


def _save(old: Segment | None) -> AnyResponse:
    doc = _typed(old)
    version = request.form.get("version", type=http.whole)
    try:
        if old is None and not doc.get("where", True):
            raise FieldErrors({"where": _("请至少写一个条件；全部客户不用建客群。")})
        saved = store.save(doc, current_actor(), old.key if old else None, version=version)
    except UserError as error:
        kind = old.kind if old else request.form.get("kind", CONDITION)
        definition = doc.get("where") or doc.get("set") or {}
        again = Segment(
            old.key if old else "", doc["label"], kind if kind in KINDS else CONDITION, definition, doc["description"]
        )
        if old:
            again.id, again.version = old.id, old.version
        return _editor(again, error.errors or None, "" if error.errors else error.message)
    flash(_("已保存客群「%(name)s」。", name=saved.label), "success")
    return http.go(url_for("segments.show", key=saved.key))


@bp.post("/sample")
@requires_room("segments")
def sample() -> str:
    """How many the asking person would see in it as it is typed, and some of them."""
    actor = current_actor()
    old = next((s for s in store.all() if s.key == request.form.get("key")), None)
    try:
        doc = _typed(old)
        where = sets.condition(doc["set"]) if "set" in doc else doc.get("where")
        if where is None:
            raise UserError(_("这个条件写得不对。"))
        found = query.Query(catalog.get("customer"), actor).where(where)
        count = found.count(COUNT_CAP)
        page = found.sort("-updated_at").page(SAMPLE, fields=[]).records
        words = conditions.words(where, catalog.get("customer"))
    except UserError as error:
        return render_template("segments/_sample.html", error=error.message)
    return render_template(
        "segments/_sample.html", count=min(count, COUNT_CAP), more=count > COUNT_CAP, sample=page, words=words, error=""
    )


# -- one segment ------------------------------------------------------------------------------------------------------


@bp.get("/<key>")
@requires("see", form="customer")
def show(key: str) -> Response:
    segment, actor = store.get(key), current_actor()
    whole = figures.sees_all(actor)
    days = figures.trend(segment) if whole else []
    found = figures.members(segment, actor).sort("-updated_at").page(SAMPLE, fields=[]).records
    return http.render(
        "segments/show.html", "segments/_facts.html", segment=segment, size=figures.size(segment, actor), days=days,
        spec=figures.chart(segment, days) if len(days) > 1 else None, whole=whole, may=lists.may(actor), sample=found,
        uses=uses.of(segment), change=_change(days), kinds=KINDS, icons=ICONS, where=json.dumps({"segment": key}),
        others=[s for s in store.all() if s.key != key] if segment.kind == STATIC else [],
        imports=imports.recent(actor) if segment.kind == STATIC and lists.may(actor) else [],
        followers=[name for name in _followers(segment)],
    )  # fmt: skip


def _followers(segment: Segment) -> list[str]:
    return [tags.tag_by_id(tag_id).name for tag_id, followed in dynamic_tags.all().items() if followed.id == segment.id]


@bp.get("/<key>/moves")
@requires("see", form="customer")
def moves(key: str) -> str:
    segment = store.get(key)
    found, following = figures.moves(segment, current_actor(), request.args.get("before", type=http.whole))
    return render_template("segments/_moves.html", segment=segment, moves=found, following=following)


@bp.get("/<key>/explain")
@requires("see", form="customer")
def explain(key: str) -> str:
    """Why one customer is in the segment or is not."""
    segment, actor = store.get(key), current_actor()
    record_id = request.args.get("customer", type=http.whole)
    if not record_id:
        return render_template("segments/_explain.html", segment=segment, record=None)
    try:
        record = query.get(catalog.get("customer"), record_id, actor)
    except NotFound as error:
        return render_template("segments/_explain.html", segment=segment, record=None, error=error.message)
    return render_template(
        "segments/_explain.html", segment=segment, record=record, told=figures.explain(segment, record, actor),
        since=figures.since(segment, record.id),
    )  # fmt: skip


@bp.get("/<key>/trend.<suffix>")
@requires("see", form="customer")
def trend_file(key: str, suffix: str) -> Response:
    """The trend as a file."""
    segment, actor = store.get(key), current_actor()
    if suffix not in tables.KINDS or not figures.sees_all(actor):
        raise NotFound()
    days = figures.trend(segment, 730)
    header = [_("日期"), _("人数"), _("加入"), _("离开")]
    content = tables.content(suffix, header, [[d.day, d.size, d.joined, d.left] for d in days], watermark.of_export())
    audit.note("report.exported", {"name": segment.label}, actor)
    response = Response(content, mimetype=tables.KINDS[suffix])
    response.headers.set("Content-Disposition", "attachment", filename=f"segment-{segment.key}.{suffix}")
    return response


@bp.post("/<key>/switch")
@requires_room("segments")
def switch(key: str) -> AnyResponse:
    segment = store.switch(key, request.form.get("on") == "1", current_actor())
    flash(_("已启用。") if segment.enabled else _("已停用：名单停在现在的样子。"), "success")
    return http.go(url_for("segments.show", key=key))


@bp.post("/<key>/delete")
@requires_room("segments")
def delete(key: str) -> AnyResponse:
    try:
        gone = store.delete(key, current_actor())
    except UserError as error:
        flash(error.message, "error")
        return http.go(url_for("segments.show", key=key))
    if http.is_htmx():
        undo = url_for("segments.restore", segment_id=gone.id)
        return http.toast("", _("已删除客群「%(name)s」", name=gone.label), undo)
    flash(_("已删除客群「%(name)s」", name=gone.label), "success")
    return http.go(url_for("segments.index"))


@bp.post("/restore/<int:segment_id>")
@requires_room("segments")
def restore(segment_id: int) -> AnyResponse:
    store.restore(segment_id, current_actor())
    return http.trigger(Response(status=204), "guke:segments")


@bp.post("/<key>/copy")
@requires_room("segments")
def copy(key: str) -> AnyResponse:
    """Puts everybody of another segment, or of an import, into the list."""
    actor, sent = current_actor(), request.form
    try:
        if sent.get("import", type=http.whole):
            imports.copy(key, sent.get("import", 0, type=http.whole), actor)
        else:
            lists.copy(key, sent.get("segment", ""), actor)
    except UserError as error:
        flash(error.message, "error")
    else:
        flash(_("正在加入，客户多时需要几秒钟。"), "success")
    return http.go(url_for("segments.show", key=key))


@bp.post("/<key>/remove/<int:record_id>")
@requires_room("segments")
def remove(key: str, record_id: int) -> AnyResponse:
    """Takes one customer out of a list; can be undone."""
    lists.remove(key, [record_id], current_actor())
    return http.toast("", _("已移出名单"), url_for("segments.put_back", key=key, record_id=record_id))


@bp.post("/<key>/add/<int:record_id>")
@requires_room("segments")
def put_back(key: str, record_id: int) -> AnyResponse:
    lists.add(key, [record_id], current_actor())
    return http.trigger(Response(status=204), "guke:segments")


# -- dynamic tags -----------------------------------------------------------------------------------------------------

BY_HAND, FOLLOW, OWN = "hand", "follow", "own"


@bp.get("/tags/<int:tag_id>")
@requires_room("segments")
def tag_rule(tag_id: int) -> Response:
    """By what a tag is given."""
    followed = dynamic_tags.of(tag_id)
    how = BY_HAND if followed is None else OWN if followed.tag_id == tag_id else FOLLOW
    return _tag_page(
        tag_id, how, followed.key if followed else "", followed.condition if followed and how == OWN else {}
    )


def _tag_page(tag_id: int, how: str, key: str, where: Any, errors: dict[str, str] | None = None) -> Response:
    found = errors or {}
    return http.render(
        "segments/tag.html", status=422 if errors else 200, tag=tags.tag_by_id(tag_id), how=how, followed=key, where=where,
        errors=found, problem=builder.problem(found), others=store.all(),
        form=catalog.get("customer"),
    )  # fmt: skip


@bp.post("/tags/<int:tag_id>")
@requires_room("segments")
def save_tag_rule(tag_id: int) -> AnyResponse:
    sent, actor, tag = request.form, current_actor(), tags.tag_by_id(tag_id)
    how, key = sent.get("how", BY_HAND), sent.get("segment", "")
    try:
        where = json.loads(sent.get("where") or "{}")
    except ValueError:
        where = {}
    try:
        if how == FOLLOW:
            if not key:
                raise FieldErrors({"segment": _("请选择一个客群。")})
            dynamic_tags.follow(tag_id, key, actor)
        elif how == OWN:
            dynamic_tags.condition(tag_id, where, actor)
        else:
            dynamic_tags.manual(tag_id, actor)
    except UserError as error:
        return _tag_page(
            tag_id, how, key, where, error.errors or {getattr(error, "field", None) or "where": error.message}
        )
    flash(_("已保存标签「%(name)s」", name=tag.name), "success")
    return http.go(url_for("customers.tag_page"))


@bp.app_template_global("tag_follows")
def tag_follows(tag_id: int) -> str:
    """By what a tag is given, in words; empty when people give it."""
    return dynamic_tags.described(tag_id)


@bp.app_template_global("dynamic_tags")
def all_dynamic_tags() -> set[int]:
    if "dynamic_tags" not in g:
        g.dynamic_tags = set(dynamic_tags.all())
    found: set[int] = g.dynamic_tags
    return found


@bp.app_template_global("may_segments")
def may_segments() -> bool:
    """Whether the person may keep segments."""
    return permissions.has_room(current_actor(), "segments")
