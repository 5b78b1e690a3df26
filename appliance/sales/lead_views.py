"""Working on leads and customers: the quick note, turning a lead into a customer; how a person is reminded."""

from __future__ import annotations

from typing import Any

from flask import flash, make_response, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires, requires_login
from ..core import clock, http, settings
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import catalog, panels, query
from ..forms.query import Query, Record
from . import follow_ups, leads, telling
from .blueprint import bp

SHOWN = 5

# -- follow-ups -----------------------------------------------------------------------------------------------------


def _may_follow_up(_record: Record, actor: Actor) -> bool:
    return permissions.can(actor, "see", "follow_up")


def follow_up_panel(record: Record, actor: Actor) -> str:
    """The box to write a follow-up in, and the last ones."""
    return _box(record, actor, {}, {})


def _box(record: Record, actor: Actor, errors: dict[str, str], typed: Any) -> str:
    form = catalog.get("follow_up")
    about = Query(form, actor).only(form.col(record.form.key) == record.id)
    return render_template(
        "sales/_follow_up.html", record=record, kinds=form.fields["kind"].value_choices(),
        whens=follow_ups.words_of_choices(), errors=errors, typed=typed, last=about.page(SHOWN).records,
        may=permissions.can(actor, "create", "follow_up"), next_at=record.values.get("next_follow_up_at"),
        now=clock.now(),
    )  # fmt: skip


def follow_up_action(record: Record, actor: Actor) -> list[panels.Action]:
    """The same box from the head of the page: on a phone it would lie far below."""
    if not permissions.can(actor, "create", "follow_up"):
        return []
    address = url_for("sales.follow_up_box", form_key=record.form.key, record_id=record.id, dialog=1)
    return [panels.Action(_("跟进"), address, "message-2", "dialog")]


# A customer's page has a box of its own (``customers.page_views``).
panels.actions("lead")(follow_up_action)
panels.panel("lead", "follow_up", _l("记跟进"), place="side", order=5, shows=_may_follow_up)(follow_up_panel)


def _record(form_key: str, record_id: int) -> Record:
    if form_key not in follow_ups.ABOUT:
        raise NotFound()
    return query.get(catalog.get(form_key), record_id, current_actor())


@bp.get("/follow-ups/<form_key>/<int:record_id>")
@requires("see")
def follow_up_box(form_key: str, record_id: int) -> AnyResponse:
    """The box, for whatever page wants it; as a dialog with ``?dialog=1``."""
    record, actor = _record(form_key, record_id), current_actor()
    box = _box(record, actor, {}, {})
    if request.args.get("dialog"):
        box = render_template("sales/_follow_up_dialog.html", record=record, box=box)
    return make_response(box)


@bp.post("/follow-ups/<form_key>/<int:record_id>")
@requires("create", form="follow_up")
def follow_up_write(form_key: str, record_id: int) -> AnyResponse:
    record, actor, sent = _record(form_key, record_id), current_actor(), request.form
    values: dict[str, Any] = {
        "content": sent.get("content", "").strip() or sent.get("quick", ""),
        "kind": sent.get("kind") or None,
    }
    try:
        values["next_at"] = _next_at(sent.get("next", ""), sent.get("next_at", ""))
        follow_ups.write(form_key, record_id, values, actor)
    except FieldErrors as error:
        return make_response(_box(record, actor, error.errors, sent), 422)
    if not http.htmx:
        flash(_("跟进已记下。"), "success")
        return http.go(url_for("forms.show_record", form_key=form_key, record_id=record_id))
    fresh = _record(form_key, record_id)
    return http.trigger(http.toast(_box(fresh, actor, {}, {}), _("跟进已记下。")), "guke:saved", "follow_up")


def _next_at(days: str, moment: str) -> str | None:
    """A number of days, else a moment as a date input writes it. Raises FieldErrors."""
    if moment:
        return moment
    if not days:
        return None
    if not days.isdecimal() or len(days) > 4 or int(days) > 3650:
        raise FieldErrors({"next_at": _("请从列表中选择一项。")})
    return clock.iso(follow_ups.moment_in(int(days)), settings.tz())


# -- leads become customers -------------------------------------------------------------------------------------------


@panels.actions("lead")
def lead_actions(record: Record, actor: Actor) -> list[panels.Action]:
    if not leads.may_convert(record, actor):
        return []
    return [panels.Action(_("转客户"), url_for("sales.lead_convert", record_id=record.id), "user-check", "dialog")]


def _lead(record_id: int) -> Record:
    return query.get(catalog.get("lead"), record_id, current_actor())


@bp.get("/leads/<int:record_id>/convert")
@requires("edit", form="lead")
def lead_convert(record_id: int) -> AnyResponse:
    """The dialog: whom the lead may be already, or a new customer."""
    return _convert_dialog(_lead(record_id))


def _convert_dialog(lead: Record, error: str = "") -> AnyResponse:
    found = leads.matches(query.get(lead.form, lead.id, current_actor()), current_actor())
    page = render_template("sales/_convert.html", lead=lead, found=found, error=error)
    return make_response(page, 422 if error else 200)


@bp.post("/leads/<int:record_id>/convert")
@requires("edit", form="lead")
def lead_convert_save(record_id: int) -> AnyResponse:
    into = leads.NEW if request.form.get("into") == leads.NEW else request.form.get("into", type=http.whole)
    try:
        customer_id = leads.convert(record_id, current_actor(), into)
    except UserError as error:
        return _convert_dialog(_lead(record_id), error.first)
    flash(_("已转为客户，跟进和任务也跟过来了。"), "success")
    return http.go(url_for("forms.show_record", form_key="customer", record_id=customer_id))


# -- how I am reminded ------------------------------------------------------------------------------------------------


@bp.get("/me/reminders")
@requires_login
def my_reminders() -> AnyResponse:
    choice = telling.choice(current_actor().id or 0)
    return _reminders({}, {"early": choice.early, "via": list(choice.via), "digest": choice.digest})


def _reminders(errors: dict[str, str], values: dict[str, Any]) -> AnyResponse:
    return http.render(
        "sales/reminders.html", values=values, errors=errors, ways=telling.ways(), earlies=_earlies(),
        status=422 if errors else 200,
    )  # fmt: skip


def _earlies() -> list[tuple[str, str]]:
    words = {0: _("到期时"), 60: _("提前 1 小时"), 120: _("提前 2 小时"), 1440: _("提前 1 天")}
    return [
        *((str(m), words.get(m) or _("提前 %(minutes)d 分钟", minutes=m)) for m in telling.EARLY),
        ("", _("不提醒")),
    ]


@bp.post("/me/reminders")
@requires_login
def my_reminders_save() -> AnyResponse:
    sent, actor = request.form, current_actor()
    values = {
        "early": sent.get("early", type=http.whole), "via": sent.getlist("via"), "digest": sent.get("digest", ""),
    }  # fmt: skip
    try:
        telling.save(actor.id or 0, values["early"], values["via"], values["digest"].strip())  # type: ignore[arg-type, union-attr]
    except FieldErrors as error:
        return _reminders(error.errors, values)
    flash(_("提醒方式已保存。"), "success")
    return http.go(url_for(".my_reminders"))
