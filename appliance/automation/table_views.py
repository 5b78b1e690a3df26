"""Decision tables: list, editor, preview, explanation."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import http
from ..core.errors import UserError
from ..forms import catalog, query
from . import editing, explain, log, preview
from . import tables as verbs
from .blueprint import bp
from .editing import RowCard, TableEditor
from .shared_views import in_folders
from .tables import DecisionTable


@bp.get("/tables")
@requires_room("rules")
def tables() -> Any:
    ones = verbs.all()
    return http.render(
        "automation/tables.html", ones=ones, groups=in_folders(ones), folders=verbs.book.folders(),
        latest=log.latest("decision_table"), plural="tables",
    )  # fmt: skip


@bp.get("/tables/new")
@requires_room("rules")
def tables_new() -> Any:
    form = catalog.get(request.args.get("form", "customer"))
    editor = TableEditor(DecisionTable.read({"form": form.key, "schedule": "0 3 * * *", "rows": [{}]}), form)
    if editor.target_options:
        kind, _colon, name = editor.target_options[0][0].partition(":")
        editor.table.target_doc = {kind: name}
    return _page(editor)


@bp.get("/tables/<key>")
@requires_room("rules")
def tables_edit(key: str) -> Any:
    table = verbs.get(key)
    return _page(TableEditor(table, table.form, table.problems()))


def _page(editor: TableEditor, status: int = 200) -> Any:
    return http.render("automation/table.html", status=status, editor=editor, forms=editing.forms(), plural="tables")


@bp.post("/tables/new")
@requires_room("rules")
def tables_create() -> Any:
    return _save(None)


@bp.post("/tables/<key>")
@requires_room("rules")
def tables_save(key: str) -> Any:
    return _save(verbs.get(key))


def _save(old: DecisionTable | None) -> Any:
    doc, problems = editing.table_of_form(request.form, old)
    enabled = bool(request.form.get("enabled"))
    version = request.form.get("version", type=int)
    try:
        if problems:
            raise UserError("")
        saved = verbs.save(doc, current_actor(), old.key if old else None, enabled=enabled, version=version)
    except UserError as error:
        return _again(doc, old, *editing.errors_of(error, problems), enabled)
    if request.form.get("then") == "run":
        verbs.run(saved.key, current_actor())
    return http.go(url_for("automation.tables_edit", key=saved.key, saved=1))


def _again(doc: dict[str, Any], old: DecisionTable | None, errors: dict[str, str], message: str, enabled: bool) -> Any:
    """The page with what was typed and what is wrong with it."""
    table = DecisionTable.read(doc | {"key": old.key if old else ""})
    table.enabled = enabled
    if old:
        table.id, table.version = old.id, old.version
        table.updated_at, table.updated_by = old.updated_at, old.updated_by
    return _page(TableEditor(table, table.form, errors, message, request.form.getlist("row")), 422)


def _typed() -> tuple[DecisionTable, dict[str, str]]:
    """The table as the editor has it now."""
    doc, problems = editing.table_of_form(request.form, None)
    return DecisionTable.read({"key": "preview"} | doc | {"label": doc["label"] or _("新决策表")}), problems


@bp.post("/tables/preview")
@requires_room("rules")
def tables_preview() -> str:
    """What the table in the editor would do, as a fragment, with the count of each row out of band."""
    table, problems = _typed()
    slots = request.form.getlist("row")
    try:
        if problems:
            raise UserError(_("；").join(problems.values()))
        found = preview.of_table(table, current_actor())
        return render_template("automation/_preview_table.html", table=table, preview=found, slots=slots)
    except UserError as error:
        return render_template("automation/_preview_table.html", table=table, error=error.message, slots=slots)


@bp.post("/tables/rows")
@requires_room("rules")
def tables_rows() -> str:
    """The rows and the default anew, after another target was chosen."""
    table, _problems = _typed()
    editor = TableEditor(table, table.form, slots=request.form.getlist("row"))
    return render_template("automation/_rows.html", editor=editor)


@bp.post("/tables/row")
@requires_room("rules")
def tables_row() -> str:
    """One more row for the editor."""
    table, _problems = _typed()
    row = RowCard(editing.new_slot(), {}, None, "")
    return render_template("automation/_table_row.html", editor=TableEditor(table, table.form), row=row, open=True)


@bp.get("/tables/<key>/explain/<int:record_id>")
@requires_room("rules")
def tables_explain(key: str, record_id: int) -> Any:
    """Why the table decides for one record as it does."""
    table = verbs.get(key)
    record = query.get(table.form, record_id, current_actor())
    why = explain.explain(table, record_id)
    return http.render("automation/explain.html", block="automation/_explain.html", why=why, record=record, table=table)
