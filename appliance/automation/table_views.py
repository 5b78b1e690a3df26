"""Decision tables: list, editor, preview, explanation."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from flask_babel import gettext as _

from ..accounts.actor import current_actor
from ..accounts.guards import requires_room
from ..core import http
from ..core.errors import UserError
from ..forms import catalog, query
from . import editing, explain, preview
from . import tables as verbs
from .blueprint import bp
from .editing import RowCard, TableEditor
from .shared_views import listing, save
from .tables import DecisionTable


@bp.get("/tables")
@requires_room("rules")
def tables() -> Any:
    return listing("tables")


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
    def again(table: DecisionTable, errors: dict[str, str], message: str) -> Any:
        return _page(TableEditor(table, table.form, errors, message, request.form.getlist("row")), 422)

    return save("tables", old, editing.table_of_form, again)


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
