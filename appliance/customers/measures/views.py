"""Pages of the company's metrics: the list, the editor with its figures of a few customers."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ...accounts import permissions
from ...accounts.actor import current_actor
from ...accounts.guards import requires, requires_room
from ...core import http, nav
from ...core.db import db, read
from ...core.errors import UserError
from ...core.i18n import relabelled
from ...forms import builder, catalog
from ...forms.catalog import Form
from ...forms.conditions import Context
from ...forms.designing import uses
from ...forms.fields import build
from ...forms.fields.base import Spec
from ...forms.fields.moment import PERIOD_WORDS, Moment
from ...forms.query import Query
from ..events import columns, kinds
from . import definition, store
from .definition import AGGREGATES, NEEDS_FIELD, Measure

bp = Blueprint("measures", __name__, url_prefix="/metrics")
EVENTS = "@event"
"""What the list of forms offers for events."""
SAMPLE = 8

nav.add(
    "automation", _l("公司指标"), "measures.index", "math-function", right="segments", order=37,
    words="metrics zhibiao 指标 统计",
)  # fmt: skip


@bp.get("/")
@requires("see", form="customer")
def index() -> Response:
    actor, form = current_actor(), catalog.get("customer")
    rows = [(m, form.fields.get(m.key), _used(m, form)) for m in store.all()]
    shown = [row for row in rows if permissions.field_access(actor, "customer", row[0].key) != "hidden"]
    return http.render("measures/list.html", rows=shown, may=permissions.has_room(actor, "segments"))


def _used(measure: Measure, form: Form) -> str:
    return uses.words([use for use in uses.of_field(form, measure.key) if use.words != store.use_words(measure)])


@bp.get("/new")
@requires_room("segments")
def new() -> Response:
    return _editor({"form": "order", "agg": "count"}, None)


@bp.get("/<key>/edit")
@requires_room("segments")
def edit(key: str) -> Response:
    measure = store.get(key)
    return _editor(measure.document(), measure)


def _editor(
    doc: dict[str, Any], old: Measure | None, errors: dict[str, str] | None = None, message: str = ""
) -> Response:
    found = errors or {}
    status = 422 if errors or message else 200
    return http.render(
        "measures/edit.html", "measures/_form.html", status=200 if http.is_htmx() else status, doc=doc, measure=old,
        errors=found, message=message, problem=builder.problem(found),
        version=old.version if old else "", **_choices(doc),
    )  # fmt: skip


def _choices(doc: dict[str, Any]) -> dict[str, Any]:
    """What the editor offers for what is chosen so far."""
    customer = catalog.get("customer")
    forms = {o.key: o.label for o, _f in catalog.pointing(customer) if not o.part_of} | {EVENTS: _("互动")}
    over = catalog.all_forms().get(doc.get("form") or "")
    agg = doc.get("agg") or "count"
    links = [(f.key, f.label) for o, f in catalog.pointing(customer) if over and o.key == over.key]
    if doc.get("event") is not None or over is None:
        fields, dates = [("seconds", columns.SECONDS.label)], [("at", columns.AT.label)]
    else:
        own = [f for f in over.fields.values() if f.column]
        fields = [
            (f.key, f.label) for f in own
            if agg in f.inner.aggregates and (agg == "distinct" or f.inner.type in definition.TYPES)
        ]  # fmt: skip
        dates = [(f.key, f.label) for f in own if isinstance(f.inner, Moment)] + [("created_at", _("创建时间"))]
    return {
        "forms": forms, "over": over, "source": EVENTS if doc.get("event") is not None else doc.get("form"), "links": links,
        "aggs": [(key, text) for key, text in AGGREGATES.items() if key not in NEEDS_FIELD or fields or key == agg],
        "needs_field": agg in NEEDS_FIELD, "fields": fields, "dates": dates, "kinds": kinds.all_kinds(),
        "windows": _windows(), "window": _window_of(doc.get("window") or {}),
        "customer": customer, "dated": bool(doc.get("window")) or agg in ("first", "last"),
    }  # fmt: skip


def _windows() -> dict[str, str]:
    found = {"": _("全部时间"), "days": _("最近几天")}
    for period, word in PERIOD_WORDS.items():
        if period != "day":
            found[f"this:{period}"] = _("本%(period)s", period=word)
            found[f"last:{period}"] = _("上%(period)s", period=word)
    return found


def _window_of(window: dict[str, Any]) -> tuple[str, Any]:
    if "days" in window:
        return "days", window["days"]
    return (":".join(map(str, next(iter(window.items())))), 30) if window else ("", 30)


def _typed(old: Measure | None) -> dict[str, Any]:
    sent = request.form
    label = relabelled(old.label_doc if old else "", sent.get("label", "").strip())
    doc: dict[str, Any] = {"label": label, "agg": sent.get("agg", "count")}
    source = sent.get("source", "")
    if source == EVENTS:
        doc["event"] = sent.getlist("event")
    else:
        doc |= {"form": source, "via": sent.get("via") or None}
    doc["of"] = sent.get("of") or None
    window = sent.get("window", "")
    if window == "days":
        days = sent.get("days", "").strip()
        doc["window"] = {"days": int(days) if days.isascii() and days.isdecimal() and len(days) < 6 else 0}
    elif window:
        doc["window"] = dict([window.split(":", 1)])
    doc["on"] = sent.get("on") or None
    try:
        doc["where"] = json.loads(sent.get("where") or "{}")
    except ValueError:
        doc["where"] = None
    doc["indexed"] = "indexed" in sent
    return {key: value for key, value in doc.items() if value is not None}


def _tidy(doc: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what was chosen for another form, or for another way of summing up."""
    offered = _choices(doc)
    for name, options in (("of", offered["fields"]), ("via", offered["links"]), ("on", offered["dates"])):
        if doc.get(name) not in {key for key, _label in options}:
            doc.pop(name, None)
    if not offered["needs_field"]:
        doc.pop("of", None)
    if not offered["dated"]:
        doc.pop("on", None)
    if len(offered["links"]) < 2:
        doc.pop("via", None)
    return doc


@bp.post("/draw")
@requires_room("segments")
def draw() -> Response:
    """The editor again, for another form or another way of summing up."""
    key = request.form.get("key")
    old = store.get(key) if key else None
    doc = _tidy(_typed(old))
    if request.form.get("source") != request.form.get("was"):
        doc.pop("where", None)
    return _editor(doc, old)


@bp.post("/new")
@requires_room("segments")
def create() -> AnyResponse:
    return _save(None)


@bp.post("/<key>/edit")
@requires_room("segments")
def save(key: str) -> AnyResponse:
    return _save(store.get(key))


def _save(old: Measure | None) -> AnyResponse:
    doc = _tidy(_typed(old))
    try:
        saved = store.save(
            doc, current_actor(), old.key if old else None, version=request.form.get("version", type=http.whole)
        )
    except UserError as error:
        return _editor(doc, old, error.errors or None, "" if error.errors else error.message)
    flash(_("已保存指标「%(name)s」，正在计算。", name=saved.label), "success")
    return http.go(url_for("measures.index"))


@bp.post("/sample")
@requires_room("segments")
def sample() -> str:
    """The figure as it is typed, of some customers that the person sees."""
    try:
        key = request.form.get("key")
        measure = definition.read(
            {"key": "sample"} | _tidy(_typed(store.get(key) if key else None)) | {"label": "-"}, current_actor()
        )
        rows, field = _figures(measure)
    except UserError as error:
        return render_template("measures/_sample.html", error=error.first)
    except ValueError as error:
        return render_template("measures/_sample.html", error=str(error))
    return render_template("measures/_sample.html", error="", rows=rows, words=measure.words(), field=field)


def _figures(measure: Measure) -> tuple[list[tuple[Any, str]], Any]:
    form, actor = catalog.get("customer"), current_actor()
    doc = measure.field_document()
    options = {k: v for k, v in doc.items() if k == "digits"}
    field = build(Spec(measure.key, measure.label_doc, doc["type"], options=options))
    records = Query(form, actor).sort("-last_paid_at").page(SAMPLE, fields=[]).records
    source = form.table.alias("c")
    ids = [r.id for r in records]
    ctx = Context(actor=actor, tie=lambda column: column.in_(ids))
    with read():
        query = source.select(form.col("id", source), measure.value(form, source, ctx)).where(
            form.col("id", source).in_(ids)
        )
        values = dict(query.tuples().execute(db))
    return [(r, field.format(values.get(r.id))) for r in records], field


@bp.post("/<key>/delete")
@requires_room("segments")
def delete(key: str) -> AnyResponse:
    try:
        gone = store.delete(key, current_actor())
    except UserError as error:
        return http.toast(_rows(), error.message, kind="error")
    return http.toast(
        _rows(), _("已删除指标「%(name)s」", name=gone.label), url_for("measures.restore", measure_id=gone.id)
    )


def _rows() -> str:
    form = catalog.get("customer")
    rows = [(m, form.fields.get(m.key), _used(m, form)) for m in store.all()]
    return render_template("measures/_list.html", rows=rows, may=True)


@bp.post("/restore/<int:measure_id>")
@requires_room("segments")
def restore(measure_id: int) -> AnyResponse:
    store.restore(measure_id, current_actor())
    return http.trigger(Response(status=204), "guke:metrics")
