"""The pages of reports and dashboards."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, flash, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import audit, permissions
from ..accounts.actor import current_actor
from ..accounts.guards import requires_admin, requires_login
from ..core import clock, http, nav, settings
from ..core.errors import Forbidden, NotFound, UserError
from ..core.i18n import label as i18n_label
from ..forms import catalog, conditions, query
from ..forms.blueprint import link
from . import chart, editing, export, ranges, saved
from .data import Result, data, peek, soon
from .definition import Definition
from .saved import Dashboard, Report, Tile

bp = Blueprint("reports", __name__)

nav.add("reports", _l("经营总览"), "reports.dashboard", "layout-dashboard", order=10, words="dashboard", key="overview")
nav.add("reports", _l("报表与看板"), "reports.reports", "report-analytics", order=20, words="reports charts")
nav.action(_l("新建报表"), "reports.new_report", "chart-bar", words="new report")

WIDTHS = (3, 4, 6, 8, 12)
HEIGHTS = (1, 2, 3)


# -- dashboards -----------------------------------------------------------------------------------------------------


@bp.get("/dashboards/<key>")
@requires_login
def dashboard(key: str) -> Response:
    """The tiles that are known already at once, the others as they are ready."""
    shown = saved.dashboard(key)
    span, problem = _span_of_page(shown)
    tiles = [_Placed(n, tile, _report(tile.report), span) for n, tile in enumerate(shown.tiles)]
    return http.render(
        "reports/dashboard.html", "board", dashboard=shown, tiles=tiles, span=span, presets=ranges.PRESETS,
        problem=problem, dashboards=saved.dashboards(), empty=_is_new(),
        import_url=link("importing.start", form="order"),
    )  # fmt: skip


@bp.get("/dashboards/<key>/tiles/<int:number>")
@requires_login
def tile(key: str, number: int) -> Response:
    shown = saved.dashboard(key)
    if number >= len(shown.tiles):
        raise NotFound()
    span, _problem = _span_of_page(shown)
    placed = _Placed(number, shown.tiles[number], _report(shown.tiles[number].report), span)
    placed.compute()
    return http.render("reports/_tile.html", dashboard=shown, tile=placed, span=span)


class _Placed:
    """A tile with what is known of its figures."""

    def __init__(self, number: int, tile: Tile, report: Report | None, span: ranges.Range) -> None:
        self.number, self.tile, self.report, self.span = number, tile, report, span
        self.result: Result | None = None
        self.again = False
        self.error = "" if report else _("这里的数据您没有权限查看，或报表已被删除。")
        if report:
            self._try(lambda: peek(report.definition, current_actor(), span))

    def compute(self) -> None:
        """Asks for the figures; what takes long shows what was known before, and is asked for again."""
        report = self.report
        if not report:
            return
        self.again = True
        self._try(lambda: soon(report.definition, current_actor(), self.span) or self.result)

    def _try(self, ask: Any) -> None:
        try:
            self.result = ask()
        except UserError as error:
            self.error = error.message

    @property
    def waiting(self) -> bool:
        """Whether the browser is to ask for the figures."""
        return not self.error and (self.result is None or not self.result.fresh)

    @property
    def spec(self) -> dict[str, Any]:
        assert self.result
        return chart.spec(self.result)

    @property
    def cross(self) -> chart.Cross | None:
        return _cross(self.result)

    @property
    def drawn(self) -> bool:
        return bool(self.result and _drawn(self.result))

    @property
    def kind(self) -> str:
        return self.report.definition.chart if self.report else "error"


@bp.get("/dashboards/<key>/edit")
@requires_admin
def dashboard_edit(key: str) -> Response:
    shown = saved.dashboard(key)
    reports = {r.key: r for r in saved.reports(current_actor())}
    return http.render(
        "reports/dashboard_edit.html", dashboard=shown, reports=reports, widths=WIDTHS, heights=HEIGHTS,
    )  # fmt: skip


@bp.post("/dashboards/<key>")
@requires_admin
def dashboard_save(key: str) -> AnyResponse:
    sent: dict[str, Any] = {"tiles": _tiles_sent()}
    if request.form.get("label", "").strip() != saved.dashboard(key).label:
        sent["label"] = request.form.get("label", "")
    saved.update_dashboard(key, sent, current_actor())
    flash(_("看板已保存。"), "success")
    return http.go(url_for("reports.dashboard", key=key))


@bp.post("/dashboards")
@requires_admin
def dashboard_create() -> AnyResponse:
    made = saved.create_dashboard({"label": request.form.get("label", "")}, current_actor())
    return http.go(url_for("reports.dashboard_edit", key=made.key))


@bp.post("/dashboards/<key>/delete")
@requires_admin
def dashboard_delete(key: str) -> AnyResponse:
    saved.delete_dashboard(key, current_actor())
    flash(_("看板已删除。"), "success")
    return http.go(url_for("reports.reports"))


def _tiles_sent() -> list[dict[str, Any]]:
    """``[{"report", "w", "h"}, …]`` in reading order."""
    try:
        sent = json.loads(request.form.get("tiles", ""))
        return saved.pack((str(t["report"]), int(t["w"]), int(t["h"])) for t in sent)
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(_("看板的内容不完整，请刷新页面后重试。"), "tiles") from error


# -- reports --------------------------------------------------------------------------------------------------------


@bp.get("/reports")
@requires_login
def reports() -> Response:
    found = saved.reports(current_actor())
    return http.render("reports/list.html", reports=found, dashboards=saved.dashboards(), forms=catalog.all_forms())


@bp.get("/reports/<key>")
@requires_login
def reports_page(key: str) -> Response:
    report = saved.get(key, current_actor())
    span, problem = _span_of_page(report)
    form = catalog.get(report.definition.form)
    result, error, more = None, "", {}
    try:
        more = _where_sent()
        result = data(report.definition, current_actor(), span, more)
    except UserError as e:
        error = e.message
    return http.render(
        "reports/report.html", "result", report=report, result=result, error=error or problem, span=span,
        spec=chart.spec(result) if result else None, cross=_cross(result), presets=ranges.PRESETS, form=form,
        where=request.args.get("where", ""), words=conditions.words(dict(report.definition.where), form),
        own=report.may_change(current_actor()), drawn=bool(result and _drawn(result)), filter=more,
        where_words=conditions.words(more, form) if more and result else "",
    )  # fmt: skip


@bp.get("/reports/<key>/export.<suffix>")
@requires_login
def reports_export(key: str, suffix: str) -> Response:
    actor = current_actor()
    report = saved.get(key, actor)
    if not _may_export(report):
        raise Forbidden(_("您没有导出的权限。需要时请联系管理员。"))
    span, _problem = _span_of_page(report)
    content = export.write(data(report.definition, actor, span, _where_sent()), suffix)
    audit.note("report.exported", {"name": report.label}, about=f"report:{report.key}")
    name = f"{report.label}-{clock.today(settings.tz()).isoformat()}.{suffix}"
    response = Response(content, mimetype=export.SUFFIXES[suffix])
    response.headers["Content-Disposition"] = f"attachment; filename=report.{suffix}; filename*=UTF-8''{quote(name)}"
    return response


def _may_export(report: Report) -> bool:
    return permissions.can(current_actor(), "export", report.definition.form)


@bp.get("/reports/new")
@requires_login
def new_report() -> Response:
    actor = current_actor()
    choice = editing.forms(actor)
    wanted = request.args.get("form") or ("order" if any(f.key == "order" for f in choice) else choice[0].key)
    form = next((f for f in choice if f.key == wanted), None)
    if form is None:
        raise NotFound()
    return _editor_page(editing.Editor.open(editing.starting(form), actor), None)


@bp.get("/reports/<key>/edit")
@requires_login
def reports_edit(key: str) -> Response:
    report = saved.get(key, current_actor())
    return _editor_page(editing.Editor.open(report.definition, current_actor()), report)


def _editor_page(editor: editing.Editor, report: Report | None) -> Response:
    actor = current_actor()
    return http.render(
        "reports/editor.html", "editor", editor=editor, report=report, forms=editing.forms(actor),
        own=report.may_change(actor) if report else False, **_preview(editor.definition),
    )  # fmt: skip


@bp.post("/reports/preview")
@requires_login
def preview() -> Response:
    try:
        context = _preview(Definition.read(editing.read(request.form)))
    except UserError as error:
        context = {"result": None, "error": error.message, "spec": None, "cross": None}
    return http.render("reports/_result.html", report=None, span=ranges.ALL, preview=True, **context)


def _preview(definition: Definition) -> dict[str, Any]:
    try:
        definition.check(current_actor())
        result = data(definition, current_actor())
    except UserError as error:
        return {"result": None, "error": error.message, "spec": None, "cross": None}
    return {"result": result, "error": "", "spec": chart.spec(result), "cross": _cross(result)}


@bp.post("/reports")
@requires_login
def save_new() -> AnyResponse:
    made = saved.create(editing.read(request.form), current_actor())
    flash(_("报表「%(report)s」已保存。", report=made.label), "success")
    return http.go(url_for("reports.reports_page", key=made.key))


@bp.post("/reports/<key>")
@requires_login
def save(key: str) -> AnyResponse:
    if request.form.get("copy"):
        return save_new()
    sent = editing.read(request.form)
    report = saved.get(key, current_actor())
    if sent["label"] == report.label:
        # The name that is shown is one of several languages: unchanged, it stays as it was.
        sent["label"] = report.spec_label
    saved.update(key, sent, current_actor())
    flash(_("报表已保存。"), "success")
    return http.go(url_for("reports.reports_page", key=key))


@bp.post("/reports/<key>/delete")
@requires_login
def reports_delete(key: str) -> AnyResponse:
    saved.delete(key, current_actor())
    flash(_("报表已删除。"), "success")
    return http.go(url_for("reports.reports"))


# -- shared ---------------------------------------------------------------------------------------------------------


def _report(key: str) -> Report | None:
    try:
        return saved.get(key, current_actor())
    except NotFound:
        return None


def _cross(result: Result | None) -> chart.Cross | None:
    """The result of two dimensions as a table of its own."""
    if result is None or len(result.definition.dimensions) != 2:
        return None
    return chart.Cross(result, next(i for i, c in enumerate(result.columns) if c.role == "measure"))


def _drawn(result: Result) -> bool:
    """Whether the browser draws it (the others are words and tables)."""
    return result.definition.chart in chart.DRAWN and not result.empty


def _where_sent() -> dict[str, Any]:
    """The further filter that the URL holds."""
    text = request.args.get("where", "")
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(_("地址里的筛选条件看不懂，请重新筛选。"), "where")
    return found


def _span_of_page(shown: Dashboard | Report) -> tuple[ranges.Range, str]:
    """The range that the URL names, else one in which there is something to see; and what is wrong with the URL."""
    try:
        named = ranges.read(request.args)
        return (named, "") if named else (_fitting(shown), "")
    except UserError as error:
        return _fitting(shown), error.message


def _fitting(shown: Dashboard | Report) -> ranges.Range:
    """Twelve months; everything, when the newest record is older than that."""
    for definition in _definitions(shown):
        field = definition.time_field
        if not field or "." in field or definition.range:
            continue
        try:
            known = {"field": field, "op": "not_empty"}
            found = query.Query(catalog.get(definition.form), current_actor()).where(known)
            newest = found.sort(f"-{field}").page(1, fields=[field]).records
        except UserError:
            continue
        year = ranges.preset("12m")
        inside = newest and found.where({"all": year.condition(field)}).count(0)
        return year if inside or not newest else ranges.ALL
    return ranges.ALL


def _definitions(shown: Dashboard | Report) -> list[Definition]:
    if isinstance(shown, Report):
        return [shown.definition]
    return [report.definition for tile in shown.tiles if (report := _report(tile.report))]


def _is_new() -> bool:
    """Whether the company has no orders and no customers that the reader sees: then there is nothing to chart yet."""
    for key in ("order", "customer"):
        try:
            if query.Query(catalog.get(key), current_actor()).page(1, fields=[]).records:
                return False
        except NotFound:
            continue
    return True


@bp.app_template_global("measure_label")
def measure_label(report: Report) -> str:
    """What a report counts, in a few words, for lists of reports."""
    form = catalog.get(report.definition.form)
    return i18n_label(_("、").join(m.title(form) for m in report.definition.measures))
