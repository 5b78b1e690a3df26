"""The pages of a form: its list, saved views, many records at once, the recycle bin, search over all forms."""

from __future__ import annotations

from typing import cast

from flask import Response, jsonify, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from msgspec import Struct
from werkzeug.wrappers import Response as AnyResponse

from ..accounts.actor import current_actor
from ..accounts.guards import requires, requires_admin, requires_login
from ..core import http, jobs
from ..core.errors import NotFound, UserError
from . import (
    bin_views,
    bulk_actions,
    bulk_edit,
    bulk_undo,
    cell_views,
    choosing,
    comment_views,
    condition_views,
    deleting,
    duplicate_views,
    file_views,
    finder,
    input_views,
    listing,
    live,
    printing,
    query,
    quick_views,
    record_views,
    saved_views,
    sharing_views,
)
from .blueprint import bp, link, open_form
from .boards import kinds
from .boards import views as board_views
from .boards.calendar import WEEKDAYS
from .bulk_actions import Selection
from .formula import views as formula_views
from .listing import State
from .models import View

__all__ = [
    "bin_views",
    "board_views",
    "bp",
    "cell_views",
    "choosing",
    "comment_views",
    "condition_views",
    "duplicate_views",
    "file_views",
    "formula_views",
    "input_views",
    "live",
    "printing",
    "quick_views",
    "record_views",
    "sharing_views",
]


def _state(form_key: str) -> State:
    return State.read(open_form(form_key), current_actor(), request.args)


def _links(state: State) -> dict[str, str | None]:
    """The neighbouring rooms' pages about this form, where they exist."""
    key = state.form.key
    return {
        "import": link("imports.start", form_key=key),
        "export": link("imports.export", form_key=key),
        "design": link("designer.edit", form_key=key),
        "public": link("public_pages.index", form_key=key),
    }


@bp.get("/forms/<form_key>")
@requires("see")
def list_records(form_key: str) -> Response:
    """A form's list. htmx gets the rows, or with the target ``list`` the bar and tabs too."""
    state = _state(form_key)
    if not request.args and not http.is_htmx() and (first := saved_views.start(state.form, state.actor)):
        return cast(Response, redirect(url_for("forms.list_records", form_key=form_key, view=first.id)))
    kind = kinds.of(state)
    shown = kind.build(state)
    offered = bulk_actions.of(state.form, state.actor)
    whole = http.htmx.target == "list"
    response = http.render(
        "forms/list.html",
        "forms/_list.html" if whole else "forms/_list_body.html",
        status=200 if http.is_htmx() or not shown.problem else 422,
        list=shown,
        kind=kind,
        weekdays=WEEKDAYS,
        kinds=kinds.offered(state.form, state.actor),
        state=state,
        form=state.form,
        rights=listing.rights(state.form, current_actor()),
        views=saved_views.tabs(state.form, current_actor()) if whole or not http.is_htmx() else [],
        may_change=bool(state.view and saved_views.may_change(state.view, current_actor())),
        opening=_opening(state) if whole or not http.is_htmx() else None,
        bulk=offered,
        bulk_scripts=bulk_actions.scripts(offered),
        links=_links(state),
        sizes=listing.SIZES,
        has_totals=listing.has_totals(state),
    )
    if http.is_htmx() and request.method == "GET":
        response.headers["HX-Push-Url"] = state.url(cursor=state.cursor)
    return response


class Opening(Struct, frozen=True):
    """With which view the list opens. ``by_role``: an administrator chose it; ``url``: of the list itself."""

    view: View | None
    by_role: bool
    url: str


def _opening(state: State) -> Opening:
    by_role = saved_views.start_of_role(state.form, state.actor)
    view = by_role or saved_views.own_start(state.form, state.actor)
    url = url_for("forms.list_records", form_key=state.form.key, view=0 if view else None)
    return Opening(view, by_role is not None, url)


@bp.get("/forms/<form_key>/count")
@requires("see")
def count_records(form_key: str) -> str:
    """How many the list has: up to the cap at once, exactly on request."""
    state = _state(form_key)
    exact = request.args.get("exact") == "1"
    count = state.query().count(None if exact else listing.COUNT_CAP)
    return render_template(
        "forms/_count.html",
        state=state,
        count=count,
        more=not exact and count > listing.COUNT_CAP,
        cap=listing.COUNT_CAP,
    )


@bp.get("/forms/<form_key>/totals")
@requires("see")
def totals(form_key: str) -> str:
    state = _state(form_key)
    return render_template("forms/_totals.html", state=state, totals=listing.totals(state))


@bp.get("/forms/<form_key>/columns")
@requires("see")
def columns(form_key: str) -> str:
    state = _state(form_key)
    fields = listing.choosable(state.form, current_actor())
    rest = [k for k in fields if k not in state.columns]
    return render_template("forms/_columns.html", state=state, fields=fields, rest=rest)


@bp.post("/forms/<form_key>/columns")
@requires("see")
def choose_columns(form_key: str) -> AnyResponse:
    """Keeps the columns: in one's own view, else for oneself; those of another's view go into the URL."""
    state, actor = _state(form_key), current_actor()
    chosen = None if request.form.get("reset") else [k for k in request.form.getlist("column") if k]
    if state.view is None:
        saved_views.remember(state.form, actor, chosen)
        return http.go(State.read(state.form, actor, _without(state, "cols")).url())
    if saved_views.may_change(state.view, actor):
        saved_views.update(state.view, actor, {"columns": chosen})
        return http.go(State.read(state.form, actor, _without(state, "cols")).url())
    return http.go(state.url(columns=tuple(chosen) if chosen else state.base.columns))


def _without(state: State, name: str) -> dict[str, str]:
    return {k: v for k, v in state.args().items() if k != name}


# -- saved views ----------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/views/form")
@requires("see")
def view_form(form_key: str) -> str:
    """Asks for the name of a new view, or with ``rename`` for another name of the one that is shown."""
    state = _state(form_key)
    view = state.view if request.args.get("rename") else None
    name, shared = (view.name, view.shared) if view else ("", False)
    return render_template("forms/_view_form.html", state=state, view=view, name=name, shared=shared, errors={})


@bp.post("/forms/<form_key>/views")
@requires("see")
def save_view(form_key: str) -> AnyResponse:
    """Saves what the list shows as a new view."""
    state, actor = _state(form_key), current_actor()
    state.query()
    name, shared = request.form.get("name", "").strip(), request.form.get("shared") == "1"
    try:
        view = saved_views.create(state.form, actor, name, shared, state.values())
    except UserError as error:
        return _view_form_again(state, None, error)
    return http.go(url_for("forms.list_records", form_key=form_key, view=view.id))


def _view_form_again(state: State, view: View | None, error: UserError) -> Response:
    name, shared = request.form.get("name", ""), request.form.get("shared") == "1"
    text = render_template(
        "forms/_view_form.html",
        state=state,
        view=view,
        name=name,
        shared=shared,
        errors=error.errors or {"name": error.message},
    )
    return make_response(text, 422)


@bp.post("/forms/<form_key>/views/<int:view_id>")
@requires("see")
def update_view(form_key: str, view_id: int) -> AnyResponse:
    """Renames or shares a view, or (without a name) keeps in it what the list shows now."""
    state, actor = _state(form_key), current_actor()
    view = saved_views.get(state.form, view_id, actor)
    if "name" in request.form:
        name, shared = request.form["name"].strip(), request.form.get("shared") == "1"
        try:
            saved_views.update(view, actor, {"name": name, "shared": shared})
        except UserError as error:
            if error.status != 422:
                raise
            return _view_form_again(state, view, error)
    else:
        state.query()
        saved_views.update(view, actor, state.values())
    return http.go(url_for("forms.list_records", form_key=form_key, view=view.id))


@bp.post("/forms/<form_key>/views/<int:view_id>/delete")
@requires("see")
def delete_view(form_key: str, view_id: int) -> AnyResponse:
    form, actor = open_form(form_key), current_actor()
    view = saved_views.get(form, view_id, actor)
    saved_views.delete(view, actor)
    undo = url_for("forms.restore_view", form_key=form_key, view_id=view_id)
    response = http.toast(Response(status=204), _("已删除视图「%(name)s」", name=view.name), undo)
    return http.trigger(response, "guke:list", url_for("forms.list_records", form_key=form_key))


@bp.post("/forms/<form_key>/views/<int:view_id>/restore")
@requires("see")
def restore_view(form_key: str, view_id: int) -> AnyResponse:
    view = saved_views.restore(open_form(form_key), view_id, current_actor())
    return http.go(url_for("forms.list_records", form_key=form_key, view=view.id))


@bp.post("/forms/<form_key>/views/<int:view_id>/duplicate")
@requires("see")
def duplicate_view(form_key: str, view_id: int) -> AnyResponse:
    actor = current_actor()
    view = saved_views.duplicate(saved_views.get(open_form(form_key), view_id, actor), actor)
    return http.go(url_for("forms.list_records", form_key=form_key, view=view.id))


@bp.post("/forms/<form_key>/views/order")
@requires("see")
def order_views(form_key: str) -> AnyResponse:
    """Keeps the order of the tabs for this person; ``ids``: separated by commas."""
    ids = http.ids(request.form.get("ids", ""))
    saved_views.reorder(open_form(form_key), current_actor(), ids)
    return Response(status=204)


@bp.post("/forms/<form_key>/views/start")
@requires("see")
def start_view(form_key: str) -> AnyResponse:
    """Opens the list with a view (``view``) from now on, for this person; without one with the list itself."""
    form, actor = open_form(form_key), current_actor()
    view_id = request.form.get("view", type=http.whole)
    view = saved_views.get(form, view_id, actor) if view_id else None
    saved_views.choose_start(form, actor, view)
    words = _("以后打开%(form)s先看「%(view)s」", form=form.one, view=view.name if view else _("全部"))
    response = http.toast(Response(status=204), words)
    return http.trigger(response, "guke:tabs")


@bp.get("/forms/<form_key>/views/<int:view_id>/roles")
@requires_admin
def view_roles(form_key: str, view_id: int) -> str:
    """Asks for which roles the list opens with this view."""
    view = saved_views.get(open_form(form_key), view_id, current_actor())
    return _roles_form(form_key, view)


def _roles_form(form_key: str, view: View, error: str = "") -> str:
    return render_template(
        "forms/_view_roles.html", form_key=form_key, view=view, roles=saved_views.roles(), error=error,
        chosen=saved_views.roles_starting(view),
    )  # fmt: skip


@bp.post("/forms/<form_key>/views/<int:view_id>/roles")
@requires_admin
def save_view_roles(form_key: str, view_id: int) -> AnyResponse:
    view, actor = saved_views.get(open_form(form_key), view_id, current_actor()), current_actor()
    ids = http.ids(*request.form.getlist("role"))
    try:
        saved_views.choose_for_roles(view, actor, ids)
    except UserError as error:
        return make_response(_roles_form(form_key, view, error.message), error.status)
    response = http.toast(Response(status=204), _("已保存"))
    return http.trigger(response, "guke:close")


@bp.post("/forms/<form_key>/layout")
@requires("see")
def keep_layout(form_key: str) -> AnyResponse:
    """Keeps widths, frozen or closed columns of the view that is shown (``layout``: JSON)."""
    state = _state(form_key)
    doc = listing.read_condition(request.form.get("layout", ""))
    saved_views.arrange(state.form, state.actor, state.view, doc)
    return Response(status=204)


# -- many records ---------------------------------------------------------------------------------------------------


def _selection(form_key: str) -> Selection:
    form, args = open_form(form_key), request.form
    ids = http.ids(args.get("ids", ""))
    return Selection(
        form, current_actor(), ids[: listing.COUNT_CAP], args.get("everything") == "1",
        listing.read_condition(args.get("where", "")), args.get("q", ""),
    )  # fmt: skip


@bp.post("/forms/<form_key>/bulk/<action_key>")
@requires("see")
def bulk_action(form_key: str, action_key: str) -> AnyResponse:
    """Runs a bulk action, or (when it asks for something first) shows its dialog."""
    selection = _selection(form_key)
    action = bulk_actions.find(selection.form, current_actor(), action_key)
    if action is None:
        raise NotFound()
    count = selection.count()
    if not count:
        raise UserError(_("请先选择记录。"))
    dialog = action.dialog(selection)
    if dialog is not None and request.form.get("go") != "1":
        return _bulk_dialog(action, selection, dialog, count)
    try:
        outcome = action.run(selection, request.form)
    except UserError as error:
        if dialog is None or error.status != 422:
            raise
        return _bulk_dialog(action, selection, dialog, count, error)
    if outcome.job:
        return make_response(
            render_template("forms/_bulk_progress.html", job=jobs.get(outcome.job), form=selection.form)
        )
    response = http.toast(Response(status=204), outcome.message, outcome.undo)
    return http.trigger(response, "guke:refresh")


@bp.post("/forms/<form_key>/bulk/<action_key>/preview")
@requires("see")
def bulk_preview(form_key: str, action_key: str) -> str:
    """What the action would do with the inputs of its dialog as they stand."""
    selection = _selection(form_key)
    action = bulk_actions.find(selection.form, current_actor(), action_key)
    if action is None:
        raise NotFound()
    try:
        return action.preview(selection, request.form) or ""
    except UserError as error:
        # While the inputs are being filled in, what is still missing is a hint and no refusal.
        return render_template("forms/_bulk_hint.html", message=error.message)


@bp.get("/forms/<form_key>/bulk/input")
@requires("bulk")
def bulk_input(form_key: str) -> str:
    """The input of the field that a bulk edit writes."""
    key = request.args.get("field", "")
    return bulk_edit.inputs(open_form(form_key), current_actor(), key) if key else ""


def _bulk_dialog(
    action: bulk_actions.BulkAction, selection: Selection, dialog: str, count: int, error: UserError | None = None
) -> Response:
    text = render_template(
        "forms/_bulk_dialog.html", action=action, selection=selection, dialog=dialog, count=count, error=error
    )
    return make_response(text, 422 if error else 200)


@bp.get("/forms/<form_key>/bulk/progress/<int:job_id>")
@requires("see")
def bulk_progress(form_key: str, job_id: int) -> AnyResponse:
    """How far a large bulk action is; at its end a notice, with "undo" where that is possible."""
    form = open_form(form_key)
    job = _own_job(form_key, job_id)
    response = make_response(render_template("forms/_bulk_progress.html", job=job, form=form))
    if not job.finished:
        return response
    http.trigger(response, "guke:refresh")
    if job.kind in bulk_undo.WRITING and job.status in ("done", "cancelled"):
        return http.toast(response, bulk_undo.words(job), bulk_undo.undo_url(job))
    if job.status != "done":
        return http.toast(response, job.error or _("已取消"), kind="error" if job.error else "info")
    if job.kind == "forms.delete":
        undo = url_for("forms.undo_delete", form_key=form_key, job_id=job.id)
        return http.toast(response, deleting.deleted_words((job.result or {}).get("deleted", 0)), undo)
    if job.kind == "forms.undelete":
        return http.toast(response, deleting.restored_words((job.result or {}).get("restored", 0)))
    if job.kind == "forms.bulk_undo":
        return http.toast(response, bulk_undo.undone_words(job.result or {}))
    if told := bulk_undo.closings.get(job.kind):
        return http.toast(response, *told(job))
    return http.toast(response, _("已完成"))


def _own_job(form_key: str, job_id: int) -> jobs.Job:
    """Raises NotFound for a job of somebody else or of another form."""
    job = jobs.get(job_id)
    actor = current_actor()
    if job.payload.get("form") != form_key or (job.actor_id != actor.id and not actor.is_admin):
        raise NotFound()
    return job


@bp.post("/forms/<form_key>/bulk/progress/<int:job_id>/cancel")
@requires("see")
def cancel_bulk(form_key: str, job_id: int) -> AnyResponse:
    jobs.cancel(_own_job(form_key, job_id).id)
    return bulk_progress(form_key, job_id)


@bp.post("/forms/<form_key>/bulk/undo/<int:job_id>")
@requires("delete")
def undo_delete(form_key: str, job_id: int) -> AnyResponse:
    """Takes a large deletion back."""
    job = _own_job(form_key, job_id)
    if job.kind != "forms.delete":
        raise NotFound()
    again = jobs.enqueue("forms.undelete", job.payload | {"of": job.id}, actor_id=current_actor().id)
    response = http.toast(Response(status=204), _("正在恢复记录…"), kind="info")
    return http.trigger(response, "guke:progress", url_for("forms.bulk_progress", form_key=form_key, job_id=again))


@bp.post("/forms/<form_key>/bulk/revert/<int:job_id>")
@requires("bulk")
def undo_bulk(form_key: str, job_id: int) -> AnyResponse:
    """Takes a bulk operation back, at once while it was small."""
    job = _own_job(form_key, job_id)
    again = bulk_undo.ask(job, current_actor())
    if (job.result or job.state or {}).get("changed", 0) <= bulk_edit.AT_ONCE:
        done = jobs.work_on(again)
        if done is not None and done.status == "done":
            response = http.toast(Response(status=204), bulk_undo.undone_words(done.result or {}))
            return http.trigger(response, "guke:refresh")
    response = http.toast(Response(status=204), _("正在撤销…"), kind="info")
    return http.trigger(response, "guke:progress", url_for("forms.bulk_progress", form_key=form_key, job_id=again))


# -- recycle bin ----------------------------------------------------------------------------------------------------


@bp.get("/forms/<form_key>/bin")
@requires("delete")
def recycle_bin(form_key: str) -> Response:
    """The deleted records that the person may see, the latest first."""
    form, actor = open_form(form_key), current_actor()
    keys = [k for k in listing.default_columns(form, actor) if k in listing.choosable(form, actor)][:3]
    found = query.Query(form, actor, deleted=True).sort("-updated_at").search(request.args.get("q"))
    page = found.page(listing.SIZE, request.args.get("cursor"), keys)
    return http.render(
        "forms/bin.html", "forms/_bin.html", form=form, page=page, keys=keys, q=request.args.get("q", "")
    )


@bp.post("/forms/<form_key>/restore")
@requires("delete")
def restore_many(form_key: str) -> AnyResponse:
    """Takes records out of the recycle bin; ``ids``: separated by commas."""
    form = open_form(form_key)
    written = deleting.restore(form, http.ids(request.values.get("ids", ""))[:1000], current_actor())
    response: AnyResponse = Response(status=204)
    if written.errors:
        first = next(iter(next(iter(written.errors.values())).values()))
        response = http.toast(
            response, _("有 %(count)d 条没有恢复：%(why)s", count=len(written.errors), why=first), kind="error"
        )
    else:
        response = http.toast(response, deleting.restored_words(len(written.changed)))
    return http.trigger(response, "guke:refresh")


# -- finding --------------------------------------------------------------------------------------------------------


@bp.get("/search")
@requires_login
def search_everything() -> Response:
    """Records of all forms that the text finds."""
    text = request.args.get("q", "").strip()[:100]
    found = finder.find(text, current_actor(), 10)
    return http.render("forms/search.html", "forms/_search.html", q=text, found=found)


@bp.get("/forms/<form_key>/pick")
@requires("see")
def pick(form_key: str) -> Response:
    """Records to choose from, for relation inputs: ``[{"id", "title", "hint"}]``. ``id`` asks for one by its id."""
    form = open_form(form_key)
    wanted = request.args.get("id", type=http.whole)
    if wanted is not None:
        hits = finder.by_ids(form, [wanted], current_actor())
    else:
        hits = finder.search(form, request.args.get("q", "").strip()[:100], current_actor())
    return jsonify([hit.document() for hit in hits])
