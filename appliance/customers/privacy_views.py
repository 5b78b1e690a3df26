"""A customer's privacy: what they agreed to, all their data in one file, and the end of it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request, stream_with_context, url_for
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import people, permissions
from ..accounts.actor import Actor, current_actor
from ..accounts.guards import requires
from ..core import files, http
from ..core.errors import FieldErrors, NotFound, UserError
from ..forms import catalog, panels, query
from ..forms.panels import Action
from ..forms.query import Record
from . import consents, erasing, personal_data

bp = Blueprint("privacy", __name__)


def _customer(record_id: int) -> Record:
    """The customer, when the person may see it. Raises NotFound."""
    return query.get(catalog.get("customer"), record_id, current_actor())


# -- consents -------------------------------------------------------------------------------------------------------


@panels.panel("customer", "consents", _l("同意与退订"), place="side", order=40)
def consent_panel(record: Record, actor: Actor) -> str:
    """What stands for each purpose and channel; a tap opens the history of one and the buttons to change it."""
    stands = consents.current(record.id)
    wanted = consents.purposes() | {key: consents.purpose_label(key) for key, _channel in stands}
    return render_template(
        "customers/privacy/_consents.html", record=record, stands=stands, purposes=wanted, channels=consents.CHANNELS,
        states=consents.STATES, may=permissions.can(actor, "edit", "customer"),
    )  # fmt: skip


@bp.get("/customers/<int:record_id>/consents/<purpose>/<channel>")
@requires("see", form="customer")
def consent(record_id: int, purpose: str, channel: str) -> str:
    """The dialog of one purpose and channel: what was said, and what is said now."""
    return _dialog(_customer(record_id), purpose, channel)


def _dialog(record: Record, purpose: str, channel: str, errors: dict[str, str] | None = None) -> str:
    if channel not in consents.CHANNELS:
        raise NotFound()
    said = [one for one in consents.history(record.id) if (one.purpose, one.channel) == (purpose, channel)]
    if purpose not in consents.purposes() and not said:
        raise NotFound()
    return render_template(
        "customers/privacy/_consent.html", record=record, purpose=purpose, channel=channel, said=said,
        names=(consents.purpose_label(purpose), consents.channel_label(channel)), states=consents.STATES,
        sources={k: str(v) for k, v in consents.SOURCES.items() if k not in ("api", "import")},
        source_words=consents.source_words, typed=request.form, errors=errors or {},
        may=permissions.can(current_actor(), "edit", "customer") and purpose in consents.purposes(),
    )  # fmt: skip


@bp.post("/customers/<int:record_id>/consents/<purpose>/<channel>")
@requires("edit", form="customer")
def change_consent(record_id: int, purpose: str, channel: str) -> AnyResponse:
    """Writes down what the customer says now; the panel shows it."""
    record, actor = _customer(record_id), current_actor()
    state = request.form.get("state", "")
    try:
        consents.record(
            record_id, purpose, [channel], state, request.form.get("source", ""), actor,
            evidence=request.form.get("evidence", ""),
        )  # fmt: skip
    except FieldErrors as error:
        response = http.make_response(_dialog(record, purpose, channel, error.errors))
        response.headers["HX-Retarget"] = "#action-dialog"
        response.headers["HX-Reswap"] = "innerHTML"
        return response
    said = {"purpose": consents.purpose_label(purpose), "channel": consents.channel_label(channel)}
    message = (
        _("已登记：同意「%(purpose)s」（%(channel)s）", **said)
        if state == consents.GRANTED
        else _("已登记：撤回「%(purpose)s」（%(channel)s）", **said)
    )
    return http.toast(consent_panel(record, actor), message)


# -- all data of one customer -----------------------------------------------------------------------------------------


@panels.actions("customer")
def data_action(record: Record, actor: Actor) -> list[Action]:
    if not permissions.can(actor, "export", "customer"):
        return []
    url = url_for("privacy.data", record_id=record.id)
    return [Action(_("导出全部资料"), url, "download", method="dialog", menu=True)]


@bp.get("/customers/<int:record_id>/data")
@requires("export", form="customer")
def data(record_id: int) -> str:
    """The dialog that says what the file holds."""
    return render_template("customers/privacy/_data.html", record=_customer(record_id), job=None, file_id=None)


@bp.post("/customers/<int:record_id>/data")
@requires("export", form="customer")
def make_data(record_id: int) -> str:
    job_id = personal_data.start(record_id, current_actor())
    return _data_state(record_id, job_id)


@bp.get("/customers/<int:record_id>/data/<int:job_id>")
@requires("export", form="customer")
def data_state(record_id: int, job_id: int) -> str:
    return _data_state(record_id, job_id)


def _data_state(record_id: int, job_id: int) -> str:
    record = _customer(record_id)
    job = personal_data.of_job(job_id, record_id, current_actor())
    return render_template(
        "customers/privacy/_data.html",
        record=record,
        job=job,
        file_id=personal_data.ready(job),
        days=personal_data.KEPT_DAYS,
    )


@bp.get("/customers/<int:record_id>/data/<int:job_id>/file")
@requires("export", form="customer")
def data_file(record_id: int, job_id: int) -> Response:
    _customer(record_id)
    file_id = personal_data.ready(personal_data.of_job(job_id, record_id, current_actor()))
    if file_id is None:
        raise NotFound(_("这个链接已过期，请重新导出。"))
    known = files.get(file_id)
    response = Response(stream_with_context(files.chunks(file_id)), mimetype="application/zip")
    response.content_length = known.size
    response.headers.set("Content-Disposition", "attachment", filename=known.name)
    response.headers["Cache-Control"] = "no-store"
    return response


# -- erasure ----------------------------------------------------------------------------------------------------------


@panels.actions("customer")
def erase_action(record: Record, actor: Actor) -> list[Action]:
    if not erasing.may(actor) or erasing.of(record.id):
        return []
    url = url_for("privacy.erase_dialog", record_id=record.id)
    return [Action(_("删除个人信息"), url, "eraser", method="dialog", menu=True, danger=True)]


def _is_erased(record: Record, actor: Actor) -> bool:
    return erasing.of(record.id) is not None


@panels.panel("customer", "erased", _l("个人信息已删除"), place="main", order=0, shows=_is_erased)
def erased_panel(record: Record, actor: Actor) -> str:
    found = erasing.of(record.id)
    who = people.name(found.actor_id) if found and found.actor_id else _("固客")
    return render_template("customers/privacy/_erased.html", erasure=found, who=who)


def _word() -> str:
    return _("永久删除")


@bp.get("/customers/<int:record_id>/erase")
@requires("purge", form="customer")
def erase_dialog(record_id: int) -> str:
    """What would go and what would stay, before anybody confirms it."""
    return _erase_dialog(_customer(record_id), {})


def _erase_dialog(record: Record, errors: dict[str, str]) -> str:
    return render_template(
        "customers/privacy/_erase.html", record=record, reach=erasing.reach(record.id), word=_word(), errors=errors,
        typed=request.form,
    )  # fmt: skip


@bp.post("/customers/<int:record_id>/erase")
@requires("purge", form="customer")
def erase(record_id: int) -> AnyResponse | str:
    """Cannot be taken back: the word is typed, and the reason is kept."""
    record = _customer(record_id)
    errors = (
        {} if request.form.get("word", "").strip() == _word() else {"word": _("请输入「%(word)s」。", word=_word())}
    )
    if errors:
        return _erase_dialog(record, errors)
    try:
        erasing.erase(record_id, request.form.get("reason", ""), current_actor())
    except UserError as error:
        return _erase_dialog(record, error.errors or {"reason": error.message})
    flash(_("个人信息已删除。"), "success")
    return http.go(url_for("forms.show_record", form_key="customer", record_id=record_id))
