"""Sharing one record from its page, and who can see it."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

from flask import Response, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from ..accounts import departments, notices, people, permissions, sharing, users
from ..accounts.actor import SYSTEM, Actor, current_actor
from ..accounts.guards import requires, requires_admin
from ..core import clock, http, settings
from ..core.errors import Forbidden, UserError
from . import panels, purging, query, seeing
from .blueprint import bp, open_record
from .catalog import Form
from .query import Record

RECORD = "/forms/<form_key>/records/<int:record_id>"


def may_share(record: Record, actor: Actor) -> bool:
    """Whether the record is the actor's by their own roles, to change: what was only shared is not shared on."""
    if actor is SYSTEM or actor.is_admin:
        return True
    form = record.form
    if form.part_of is not None or not permissions.can(actor, "edit", form.key):
        return False
    return record.id in query.visible_ids(form.key, [record.id], actor, verb="share")


@panels.actions(panels.ANY)
def buttons(record: Record, actor: Actor) -> list[panels.Action]:
    address: dict[str, Any] = {"form_key": record.form.key, "record_id": record.id}
    found = []
    if may_share(record, actor):
        found.append(panels.Action(_("分享"), url_for("forms.shares", **address), "share", "dialog", menu=True))
    if actor.is_admin:
        found.append(panels.Action(_("谁能看到"), url_for("forms.who_sees", **address), "eye", "dialog", menu=True))
    return found


@purging.also("*")
def forget(form: Form, ids: list[int]) -> None:
    """A record that is gone for good is shared with nobody."""
    sharing.forget_records(form.key, ids)


def demand(record: Record, actor: Actor) -> None:
    """Raises Forbidden."""
    if not may_share(record, actor):
        raise Forbidden(_("这条记录不归您分享。可以请负责人或管理员来分享。"))


@bp.get(f"{RECORD}/shares")
@requires("see")
def shares(form_key: str, record_id: int) -> str:
    """With whom the record is shared: a dialog."""
    return _dialog(open_record(form_key, record_id))


def _dialog(record: Record, **context: Any) -> str:
    demand(record, current_actor())
    return render_template(
        "forms/_shares.html",
        record=record,
        form=record.form,
        shares=[
            (one, sharing.with_whom(one), _until(one.expires_at)) for one in sharing.of(record.form.key, record.id)
        ],
        people=people.active(),
        departments=departments.choices(),
        **{"errors": {}, "typed": {}} | context,
    )


def _until(expires_at: int | None) -> str:
    if expires_at is None:
        return ""
    return clock.local(expires_at - 1, settings.tz()).strftime("%Y-%m-%d")


def end_of(day: str) -> int | None:
    """The end of a day in the company's time zone; empty: none. Raises UserError."""
    if not day:
        return None
    try:
        return clock.start_of(dt.date.fromisoformat(day) + dt.timedelta(days=1), settings.tz())
    except (ValueError, OverflowError):
        raise UserError(_("请按 2027-06-30 的样子填写截止日期。"), "until") from None


@bp.post(f"{RECORD}/shares")
@requires("see")
def add_share(form_key: str, record_id: int) -> str | AnyResponse | tuple[str, int]:
    record = open_record(form_key, record_id)
    kind, _colon, number = request.form.get("with", "").partition(":")
    to = int(number) if number.isascii() and number.isdecimal() and len(number) < 12 else None
    try:
        share(
            record, current_actor(),
            user=to if kind == "u" else None, department=to if kind == "d" else None,
            may_edit=request.form.get("may") == "edit", expires_at=end_of(request.form.get("until", "").strip()),
        )  # fmt: skip
    except Forbidden:
        raise
    except UserError as error:
        return _dialog(record, errors=error.errors or {"": error.message}, typed=request.form), 422
    return http.toast(_dialog(record), _("已分享。"))


def share(
    record: Record, actor: Actor, *, user: int | None, department: int | None, may_edit: bool, expires_at: int | None
) -> int:
    """Shares the record and tells the person. Raises Forbidden, UserError."""
    demand(record, actor)
    reader = users.actor_of(user) if user is not None else None
    if reader is not None and not permissions.can(reader, "see", record.form.key):
        raise UserError(
            _(
                "%(name)s 的角色看不到「%(form)s」，分享了也打不开。请先调整角色。",
                name=reader.name,
                form=record.form.label,
            ),
            "with",
        )
    made = sharing.share(
        record.form.key, record.id, actor, user=user, department=department, may_edit=may_edit, expires_at=expires_at
    )
    if user is not None and user != actor.id:
        notices.tell([user], "shared", partial(_told, record, actor), f"/forms/{record.form.key}/records/{record.id}")
    return made


def _told(record: Record, actor: Actor, reader: Actor) -> str | None:
    """What the notice says to one who sees the record, by the title that they see."""
    found = (
        query.Query(record.form, reader).get_many([record.id], [])
        if permissions.can(reader, "see", record.form.key)
        else []
    )
    return _("%(name)s 把「%(title)s」分享给您", name=actor.name, title=found[0].title) if found else None


@bp.post(f"{RECORD}/shares/<int(max=9007199254740991):share_id>/revoke")
@requires("see")
def revoke_share(form_key: str, record_id: int, share_id: int) -> AnyResponse:
    record = open_record(form_key, record_id)
    demand(record, current_actor())
    sharing.revoke(share_id, form_key, record_id, current_actor())
    return http.toast(_dialog(record), _("已取消分享。"))


@bp.get(f"{RECORD}/who-sees")
@requires_admin
def who_sees(form_key: str, record_id: int) -> Response | str:
    """Who can see the record and why: a dialog."""
    record = open_record(form_key, record_id)
    return render_template("forms/_who_sees.html", record=record, people=seeing.of_record(record.form, record.id))
