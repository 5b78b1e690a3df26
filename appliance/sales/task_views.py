"""Tasks: my day, the team, doing and putting off in place; the panel on the record that a task is about."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_pgettext, pgettext
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import people, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires
from ..core import clock, http, settings
from ..core.errors import FieldErrors, Forbidden, NotFound, UserError
from ..forms import panels, query, records
from ..forms.query import Record
from . import tasks
from .blueprint import bp

CHANGED = "guke:tasks"
"""The browser event after which lists of tasks on the page ask for themselves again."""


@bp.get("/tasks")
@requires("see", form="task")
def my_day() -> AnyResponse:
    return http.render("sales/my_day.html", "sales/_day.html", **_day(None), tabs=_tabs("day"), errors={}, typed={})


@bp.get("/tasks/of/<int:user_id>")
@requires("see", form="task")
def day_of(user_id: int) -> AnyResponse:
    """Somebody else's day, as far as the tasks are the reader's to see."""
    if not people.login(user_id):
        raise NotFound()
    return http.render("sales/day_of.html", "sales/_day.html", **_day(user_id), tabs=_tabs("team"))


def _day(user_id: int | None) -> dict[str, Any]:
    actor = current_actor()
    return {
        "day": tasks.day_of(actor, user_id),
        "user_id": user_id,
        "person": people.name(user_id) if user_id else "",
        "may_add": permissions.can(actor, "create", "task"),
    }


def _tabs(here: str) -> list[tuple[str, str, bool, None]]:
    actor = current_actor()
    found = [(_("我的一天"), url_for("sales.my_day"), here == "day", None)]
    team = tasks.team_ids(actor)
    if team is None or team:
        found.append((_("团队"), url_for("sales.team"), here == "team", None))
    found.append(
        (pgettext("view", "日历"), url_for("forms.list_records", form_key="task", kind="calendar"), False, None)
    )
    found.append((pgettext("view", "看板"), url_for("forms.list_records", form_key="task", kind="kanban"), False, None))
    found.append((_("全部任务"), url_for("forms.list_records", form_key="task"), False, None))
    return found


@bp.get("/tasks/team")
@requires("see", form="task")
def team() -> AnyResponse:
    actor = current_actor()
    ids = tasks.team_ids(actor)
    if ids is not None and not ids:
        raise Forbidden(_("这一页给部门主管看。您不是任何部门的主管。"))
    return http.render("sales/team.html", people=tasks.team(actor), tabs=_tabs("team"))


# -- in place -------------------------------------------------------------------------------------------------------


@bp.post("/tasks/quick")
@requires("create", form="task")
def quick_task() -> AnyResponse:
    """A new task from one line; on a record's page it is about that record."""
    typed = {key: request.form.get(key, "").strip() for key in ("title", "due", "assignee", "customer", "lead")}
    values: dict[str, Any] = {"title": typed["title"]}
    chosen = {key: request.form.get(key, type=http.whole) for key in ("assignee", "customer", "lead")}
    values |= {key: number for key, number in chosen.items() if number is not None}
    try:
        if typed["due"]:
            values["due_at"] = clock.iso(_due(typed["due"]), settings.tz())
        tasks.add(values, current_actor())
    except FieldErrors as error:
        return _again(error.errors, typed)
    except UserError as error:
        return _again({error.field or "title": error.message}, typed)
    response = http.toast(_quick_form({}, {}, typed), _("已添加任务。")) if http.htmx else http.go(url_for(".my_day"))
    return http.trigger(response, CHANGED)


def _due(word: str) -> int:
    """A word of the quick form: today, tomorrow, or one of the snoozes. Raises UserError."""
    if word == "today":
        return (
            tasks.end_of_today() - 6 * 3600
            if tasks.end_of_today() - 6 * 3600 > clock.now()
            else tasks.end_of_today() - 60
        )
    return tasks.snooze_to(word)


def _quick_form(errors: dict[str, str], typed: dict[str, str], about: dict[str, str] | None = None) -> str:
    about = about if about is not None else typed
    return render_template(
        "sales/_quick_task.html", errors=errors, typed=typed, customer=about.get("customer"), lead=about.get("lead")
    )


def _again(errors: dict[str, str], typed: dict[str, str]) -> AnyResponse:
    if http.is_htmx():
        return http.make_response(_quick_form(errors, typed), 422)
    return http.render("sales/my_day.html", status=422, **_day(None), tabs=_tabs("day"), errors=errors, typed=typed)


@bp.post("/tasks/<int:record_id>/done")
@requires("edit", form="task")
def task_done(record_id: int) -> AnyResponse:
    tasks.done(record_id, current_actor())
    return _row(record_id, _("已完成。"), url_for(".task_reopen", record_id=record_id))


@bp.post("/tasks/<int:record_id>/reopen")
@requires("edit", form="task")
def task_reopen(record_id: int) -> AnyResponse:
    tasks.reopen(record_id, current_actor())
    return http.trigger(_row(record_id), CHANGED)


@bp.post("/tasks/<int:record_id>/snooze")
@requires("edit", form="task")
def task_snooze(record_id: int) -> AnyResponse:
    was = tasks.snooze(record_id, request.form.get("to", ""), current_actor())
    undo = url_for(".task_move", record_id=record_id, to=was or "")
    return http.trigger(_row(record_id, _("已推迟。"), undo), CHANGED)


@bp.post("/tasks/<int:record_id>/move")
@requires("edit", form="task")
def task_move(record_id: int) -> AnyResponse:
    """Takes a snooze back. ``to``: UTC seconds, empty for no due moment."""
    to = request.args.get("to", type=http.whole)
    tasks.move(tasks.get(record_id, current_actor()), to, current_actor())
    return http.trigger(_row(record_id), CHANGED)


def _row(record_id: int, message: str = "", undo: str | None = None) -> AnyResponse:
    """The task's row as it is now, for whatever list it stands in."""
    if not http.htmx:
        return http.redirect_back(url_for(".my_day"))
    body = render_template("sales/_task.html", task=tasks.get(record_id, current_actor()), now=clock.now())
    return http.toast(body, message, undo) if message else http.make_response(body)


# -- on the record's page ---------------------------------------------------------------------------------------------


def _may_see(_record: Record, actor: Actor) -> bool:
    return permissions.can(actor, "see", "task")


def tasks_panel(record: Record, actor: Actor) -> str:
    """The tasks about a customer or a lead, with a line to add one."""
    return render_template(
        "sales/_tasks_panel.html",
        record=record,
        tasks=tasks.of_record(record.form.key, record.id, actor),
        may_add=permissions.can(actor, "create", "task"),
        errors={},
        typed={},
        now=clock.now(),
    )


for _key in ("lead", "customer"):
    panels.panel(_key, "tasks", lazy_pgettext("work", "待办"), place="side", order=20, shows=_may_see)(tasks_panel)


@bp.get("/tasks/about/<form_key>/<int:record_id>")
@requires("see", form="task")
def tasks_about(form_key: str, record_id: int) -> AnyResponse:
    """The panel's content anew."""
    from ..forms import catalog

    if form_key not in ("lead", "customer"):
        raise NotFound()
    actor = current_actor()
    return http.make_response(tasks_panel(query.get(catalog.get(form_key), record_id, actor), actor))


@panels.actions("task")
def task_actions(record: Record, actor: Actor) -> list[panels.Action]:
    if not permissions.can(actor, "edit", "task"):
        return []
    if record.values.get("status") in ("open", "doing"):
        return [panels.Action(_("完成"), url_for("sales.task_finish", record_id=record.id), "check", "post")]
    return []


@bp.post("/tasks/<int:record_id>/finish")
@requires("edit", form="task")
def task_finish(record_id: int) -> AnyResponse:
    """Done, from the task's own page."""
    tasks.done(record_id, current_actor(), records.USER)
    return http.go(url_for("forms.show_record", form_key="task", record_id=record_id))
