"""The pages of imports and exports: the wizard, its background work, the history, downloads."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, request, send_file, stream_with_context, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ...accounts import audit, permissions, users
from ...accounts.actor import Actor, current_actor
from ...accounts.guards import requires, requires_login
from ...core import clock, files, http, i18n, jobs, nav
from ...core.errors import NotFound, UserError
from .. import catalog, causes, listing
from . import export as exporting
from . import imports, mapping, saved_presets, sheets, template, undo, wizard
from . import plan as plans
from .models import Import, SavedPreset
from .plan import Facts, Plan
from .presets import PRESETS
from .tables import KINDS

bp = Blueprint("imports", __name__)

DIRECT = 5_000
"""Records up to which an export is made while the person waits."""

nav.action(_l("导入订单"), "imports.start", "file-import", right=("import", "order"), form_key="order")
nav.action(_l("导入客户"), "imports.start", "file-import", right=("import", "customer"), form_key="customer")
nav.add("settings", _l("导入记录"), "imports.history", "file-import", right="import", order=60)


@causes.links("import")
def _link(import_id: int) -> str:
    return url_for("imports.show", import_id=import_id)


def _own(import_id: int) -> Import:
    """The import of the URL, for the one who made it and for administrators. Raises :class:`NotFound`."""
    actor = current_actor()
    row = imports.get(import_id)
    if not actor.is_admin and row.actor_id != actor.id:
        raise NotFound()
    permissions.demand(actor, "import", row.form)
    return row


@bp.get("/import")
@requires_login
def choose() -> AnyResponse | Response:
    """Which form to import into; ``?form=order`` goes there at once."""
    if request.args.get("form"):
        return http.go(url_for("imports.start", form_key=request.args["form"]))
    actor = current_actor()
    forms = [form for form in catalog.all() if permissions.can(actor, "import", form.key)]
    if not forms:
        permissions.demand(actor, "import")
    return http.render("forms/importing/choose.html", forms=forms)


@bp.get("/forms/<form_key>/import")
@requires("import")
def start(form_key: str) -> Response:
    return _start_page(form_key)


def _start_page(form_key: str, error: str | None = None) -> Response:
    form, actor = catalog.get(form_key), current_actor()
    saved = [(preset, saved_presets.may_change(preset, actor)) for preset in saved_presets.of(form.key)]
    presets = [preset for preset in PRESETS.values() if preset.form == form.key]
    return http.render(
        "forms/importing/start.html", form=form, presets=presets, saved=saved, error=error, status=422 if error else 200
    )


@bp.get("/forms/<form_key>/import/template")
@requires("import")
def download_template(form_key: str) -> Response:
    """An empty workbook with the form's columns."""
    form = catalog.get(form_key)
    with tempfile.TemporaryDirectory(prefix="guke-") as folder:
        path = Path(folder) / "template.xlsx"
        template.write(form, current_actor(), path)
        content = path.open("rb")
    name = _("%(form)s导入模板", form=form.label) + ".xlsx"
    return send_file(content, mimetype=KINDS["xlsx"], as_attachment=True, download_name=name)


@bp.post("/forms/<form_key>/import")
@requires("import")
def upload(form_key: str) -> AnyResponse | Response:
    form = catalog.get(form_key)
    sent = request.files.get("file")
    try:
        if sent is None or not sent.filename:
            raise UserError(_("请选择一个文件。"), "file")
        row = imports.begin(form, sent.stream, sent.filename, current_actor())
        imports.save_plan(row, plans.propose(form, Facts.open(row.facts), current_actor()))
    except UserError as error:
        return _start_page(form_key, error.message)
    if len(Facts.open(row.facts).sheets) > 1 and sheets.several(sheets.propose(row, current_actor())):
        return http.go(url_for("imports.choose_sheets", import_id=row.id))
    return http.go(url_for("imports.show", import_id=row.id))


@bp.get("/imports/<int:import_id>/sheets")
@requires_login
def choose_sheets(import_id: int) -> Response:
    """Which sheet of the file goes to which form."""
    return _sheets_page(_own(import_id))


def _sheets_page(row: Import, error: UserError | None = None) -> Response:
    actor = current_actor()
    forms = [form for form in catalog.all() if permissions.can(actor, "import", form.key)]
    return http.render(
        "forms/importing/sheets.html", row=row, form=catalog.get(row.form), forms=forms,
        proposed=sheets.propose(row, actor), error=error, status=422 if error else 200,
    )  # fmt: skip


@bp.post("/imports/<int:import_id>/sheets")
@requires_login
def split_sheets(import_id: int) -> AnyResponse | Response:
    """Makes an import of each sheet that has a form chosen."""
    row = _own(import_id)
    chosen = {int(k[6:]): v for k, v in request.form.items() if k.startswith("sheet-") and k[6:].isdecimal() and v}
    try:
        made = sheets.split(row, chosen, current_actor())
    except UserError as error:
        return _sheets_page(row, error)
    return http.go(url_for("imports.show", import_id=made[0].id))


@bp.post("/imports/<int:import_id>/preset")
@requires_login
def save_preset(import_id: int) -> Response:
    """Keeps this import's decisions as a preset of the company."""
    row = _own(import_id)
    name, error, saved = request.form.get("name", ""), "", None
    try:
        saved = saved_presets.save(row, name, current_actor())
    except UserError as problem:
        error = problem.message
    return http.render(
        "forms/importing/_save_preset.html", row=row, name=name, error=error, saved=saved, status=422 if error else 200
    )


def _preset(preset_id: int, *, deleted: bool = False) -> SavedPreset:
    preset = saved_presets.get(preset_id, deleted=deleted)
    permissions.demand(current_actor(), "import", preset.form)
    return preset


@bp.post("/import-presets/<int:preset_id>")
@requires_login
def rename_preset(preset_id: int) -> AnyResponse | Response:
    preset = _preset(preset_id)
    saved_presets.rename(preset, request.form.get("name", ""), current_actor())
    return http.go(url_for("imports.start", form_key=preset.form))


@bp.post("/import-presets/<int:preset_id>/delete")
@requires_login
def delete_preset(preset_id: int) -> AnyResponse:
    preset = _preset(preset_id)
    saved_presets.delete(preset, current_actor())
    undo_url = url_for("imports.restore_preset", preset_id=preset.id)
    return http.toast(Response(""), _("已删除预设「%(name)s」", name=preset.name), undo_url)


@bp.post("/import-presets/<int:preset_id>/restore")
@requires_login
def restore_preset(preset_id: int) -> AnyResponse:
    preset = _preset(preset_id, deleted=True)
    saved_presets.restore(preset, current_actor())
    return http.go(url_for("imports.start", form_key=preset.form))


@bp.get("/imports")
@requires_login
def history() -> Response:
    actor = current_actor()
    permissions.demand(actor, "import")
    rows = [row for row in imports.recent() if actor.is_admin or row.actor_id == actor.id]
    names = users.names(row.actor_id for row in rows if row.actor_id is not None)
    counts = {row.id: imports.counts(row) for row in rows}
    return http.render("forms/importing/history.html", rows=rows, names=names, counts=counts)


@bp.get("/imports/<int:import_id>")
@requires_login
def show(import_id: int) -> Response:
    """The import as it stands: the mapping of a draft, the progress of a running one, the result."""
    row = _own(import_id)
    if row.status == "draft":
        return _mapping_page(row)
    return http.render("forms/importing/show.html", "forms/importing/_state.html", **_state(row))


def _mapping_page(row: Import, error: UserError | None = None) -> Response:
    page = wizard.MappingPage(row, current_actor(), error)
    return http.render("forms/importing/map.html", "work", page=page, row=row, status=422 if error else 200)


@bp.post("/imports/<int:import_id>/sheet")
@requires_login
def sheet(import_id: int) -> Response:
    """Another sheet, another header row, another preset: the columns are proposed anew."""
    row = _own(import_id)
    form, facts = catalog.get(row.form), Facts.open(row.facts)
    try:
        before = facts.sheet
        facts = wizard.read_sheet(row, form, facts, request.form)
        preset = request.form.get("preset") if facts.sheet == before else None
        imports.save_plan(row, plans.propose(form, facts, current_actor(), preset), facts)
    except UserError as error:
        return _mapping_page(row, error)
    return _mapping_page(row)


@bp.post("/imports/<int:import_id>/columns")
@requires_login
def columns(import_id: int) -> AnyResponse | Response:
    """Keeps the mapping. ``next`` goes on to the preview; without it the page only says what is still missing."""
    row = _own(import_id)
    form = catalog.get(row.form)
    plan = wizard.read_columns(row, form, request.form, current_actor())
    imports.save_plan(row, plan)
    if "next" not in request.form:
        return http.render("forms/importing/_missing.html", page=wizard.MappingPage(row, current_actor()))
    try:
        plans.check(plan, mapping.targets(form, current_actor()))
    except UserError as error:
        return _mapping_page(row, error)
    return http.go(url_for("imports.preview", import_id=row.id))


@bp.get("/imports/<int:import_id>/preview")
@requires_login
def preview(import_id: int) -> AnyResponse | Response:
    row = _own(import_id)
    if row.status != "draft":
        return http.go(url_for("imports.show", import_id=row.id))
    return _preview_page(row)


def _preview_page(row: Import, error: UserError | None = None) -> AnyResponse | Response:
    actor = current_actor()
    try:
        plans.check(Plan.open(row.plan), mapping.targets(catalog.get(row.form), actor))
        if row.check_job is None:
            imports.start_check(row, actor)
        page = wizard.PreviewPage(row, actor, error)
    except UserError as problem:
        return _mapping_page(row, problem)
    return http.render("forms/importing/preview.html", "work", page=page, row=row, status=422 if error else 200)


@bp.get("/imports/<int:import_id>/check")
@requires_login
def check(import_id: int) -> Response:
    """What the whole file's check has found; polls itself until it is done."""
    row = _own(import_id)
    return http.render(
        "forms/importing/_check.html", check=wizard.Check(wizard.MappingPage(row, current_actor())), row=row
    )


@bp.post("/imports/<int:import_id>/options")
@requires_login
def options(import_id: int) -> AnyResponse | Response:
    """Key, duplicates, bad cells, how dates are meant. ``start`` begins the import."""
    row = _own(import_id)
    actor = current_actor()
    imports.save_plan(row, wizard.read_options(row, request.form))
    if "start" not in request.form:
        return _preview_page(row)
    try:
        if row.set_id is None:
            imports.start(row, actor)
            return http.go(url_for("imports.show", import_id=row.id))
        imports.confirm(row)
        following = sheets.following(row)
        if following is None:
            sheets.start(row, actor)
    except UserError as error:
        return _preview_page(row, error)
    return http.go(url_for("imports.show", import_id=following.id if following else row.id))


@bp.get("/imports/<int:import_id>/progress")
@requires_login
def progress(import_id: int) -> Response:
    """The state fragment: it polls itself while something runs."""
    return http.render("forms/importing/show.html", "forms/importing/_state.html", **_state(_own(import_id)))


def _state(row: Import) -> dict[str, Any]:
    job_id = row.job_id if row.status == "running" else row.undo_job if row.status == "undoing" else None
    job = jobs.get(job_id) if job_id else None
    return {
        "row": row,
        "form": catalog.get(row.form),
        "counts": imports.counts(row),
        "job": job,
        "pace": wizard.pace(job) if job else None,
        "failures": imports.failures(row) if row.status not in imports.ACTIVE else [],
        "set": sheets.document(row),
        "seconds": (row.finished_at or clock.now()) - (row.started_at or clock.now()),
    }


@bp.post("/imports/<int:import_id>/cancel")
@requires_login
def cancel(import_id: int) -> AnyResponse | Response:
    row = _own(import_id)
    imports.cancel(row)
    return http.render("forms/importing/_state.html", **_state(imports.get(row.id)))


@bp.post("/imports/<int:import_id>/discard")
@requires_login
def discard(import_id: int) -> AnyResponse:
    row = _own(import_id)
    imports.discard(row)
    return http.go(url_for("imports.start", form_key=row.form))


@bp.get("/imports/<int:import_id>/undo")
@requires_login
def ask_undo(import_id: int) -> Response:
    """What an undo would do, before it is asked for."""
    row = _own(import_id)
    return http.render("forms/importing/_undo.html", row=row, undo=undo.preview(row))


@bp.post("/imports/<int:import_id>/undo")
@requires_login
def take_back(import_id: int) -> AnyResponse | Response:
    row = _own(import_id)
    undo.start(row, current_actor())
    return http.go(url_for("imports.show", import_id=row.id))


@bp.post("/imports/<int:import_id>/undo-all")
@requires_login
def take_all_back(import_id: int) -> AnyResponse | Response:
    """Takes back every sheet of the set, the last first."""
    row = _own(import_id)
    for one in reversed(sheets.of(row)):
        if imports.get(one.id).status in undo.DONE:
            undo.start(one, current_actor())
    return http.go(url_for("imports.show", import_id=row.id))


@bp.get("/imports/<int:import_id>/errors")
@requires_login
def errors(import_id: int) -> Response:
    """The failed rows with their reasons."""
    row = _own(import_id)
    if row.errors_file is None:
        raise NotFound(_("这次导入没有失败的行。"))
    return _download(row.errors_file)


@bp.get("/imports/<int:import_id>/file")
@requires_login
def source(import_id: int) -> Response:
    """The file as it was uploaded."""
    return _download(_own(import_id).file_id)


def _download(file_id: int) -> Response:
    try:
        known = files.get(file_id)
    except NotFound:
        raise NotFound(_("这个文件已按保留期限清理。")) from None
    response = Response(stream_with_context(files.chunks(file_id)), mimetype=known.mime)
    response.headers.set("Content-Disposition", "attachment", filename=known.name)
    response.content_length = known.size
    return response


# -- export -------------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/export")
@requires("export")
def export(form_key: str) -> AnyResponse | Response:
    """The list of the URL as a file; ``format`` xlsx or csv. A big one is made in the background."""
    form, actor = catalog.get(form_key), current_actor()
    suffix = request.args.get("format", "xlsx")
    if suffix not in KINDS:
        raise UserError(_("导出格式只能是 xlsx 或 csv。"))
    state = listing.State.read(form, actor, request.args)
    if state.problem:
        raise UserError(state.problem)
    ids = http.ids(request.args.get("ids", ""))
    keys = [key for key in request.args.get("columns", "").split(",") if key] or None
    query = exporting.selected(form, actor, state.where, state.text, state.sort, ids)
    if query.count(cap=DIRECT) > DIRECT:
        asked = {
            "form": form.key, "suffix": suffix, "where": state.where, "search": state.text, "sort": state.sort,
            "ids": ids, "keys": keys, "locale": i18n.current(),
        }  # fmt: skip
        audit.note("records.exported", {"name": form.label, "background": True}, about=f"form:{form.key}")
        return http.go(url_for("imports.exporting_state", job_id=jobs.enqueue("export", asked, actor_id=actor.id)))
    with tempfile.TemporaryDirectory(prefix="guke-") as folder:
        path = Path(folder) / f"export.{suffix}"
        count = exporting.write_file(query, path, keys)
        audit.note("records.exported", {"name": form.label, "count": count}, about=f"form:{form.key}")
        # The open file outlives its name.
        content = path.open("rb")
    return send_file(
        content, mimetype=KINDS[suffix], as_attachment=True, download_name=exporting.file_name(form, suffix)
    )


def _export_job(job_id: int, actor: Actor) -> jobs.Job:
    job = jobs.get(job_id)
    if job.kind != "export" or job.actor_id != actor.id:
        raise NotFound()
    return job


@bp.get("/exports/<int:job_id>")
@requires_login
def exporting_state(job_id: int) -> Response:
    job = _export_job(job_id, current_actor())
    form = catalog.get(job.payload["form"])
    return http.render("forms/importing/export.html", "forms/importing/_export.html", job=job, form=form)


@bp.get("/exports/<int:job_id>/file")
@requires_login
def export_file(job_id: int) -> Response:
    job = _export_job(job_id, current_actor())
    if job.status != "done" or not job.result or not job.result["file_id"]:
        abort(404)
    return _download(job.result["file_id"])


@bp.post("/exports/<int:job_id>/cancel")
@requires_login
def cancel_export(job_id: int) -> Response:
    job = _export_job(job_id, current_actor())
    jobs.cancel(job.id)
    return http.render("forms/importing/_export.html", job=jobs.get(job.id), form=catalog.get(job.payload["form"]))
