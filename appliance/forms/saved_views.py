"""Saved views of a list: a filter, an order and columns under a name, private or for everybody."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from peewee import fn

from ..accounts.actor import Actor
from ..core import clock
from ..core.db import write
from ..core.errors import Forbidden, NotFound, UserError
from .catalog import Form
from .models import View

MAX_NAME = 40


def tabs(form: Form, actor: Actor) -> list[View]:
    """The views that stand above the list for this person: shared ones and their own."""
    mine = (View.owner_id == actor.id) | View.shared
    query = View.select().where(View.form == form.id, View.name != "", View.deleted_at.is_null(), mine)
    return list(query.order_by(View.position, View.id))


def get(form: Form, view_id: int, actor: Actor) -> View:
    """Raises :class:`NotFound` for a view that is gone or another person's own."""
    view = View.get_or_none(View.id == view_id, View.form == form.id, View.deleted_at.is_null())
    if view is None or not (view.shared or view.owner_id == actor.id):
        raise NotFound(_("这个视图已被删除，或只有它的主人能看。"))
    return view


def personal(form: Form, actor: Actor) -> View | None:
    """What the person chose for the list itself, when they did."""
    found = View.get_or_none(View.form == form.id, View.owner_id == actor.id, View.name == "")
    return found


def may_change(view: View, actor: Actor) -> bool:
    return bool(view.owner_id == actor.id or actor.is_admin)


def create(form: Form, actor: Actor, name: str, shared: bool, values: dict[str, Any]) -> View:
    """``values``: where, sort, columns. Raises UserError for a name that is missing, long or taken."""
    with write():
        _check_name(form, actor, name)
        last = View.select(fn.MAX(View.position)).where(View.form == form.id).scalar() or 0
        return View.create(form=form.id, name=name, owner_id=actor.id, shared=shared, position=last + 1, **values)


def update(view: View, actor: Actor, values: dict[str, Any]) -> None:
    """Changes name, shared, where, sort or columns. Raises Forbidden, UserError."""
    with write():
        _demand(view, actor)
        if "name" in values and values["name"] != view.name:
            _check_name(view.form, actor, values["name"])
        for key, value in values.items():
            setattr(view, key, value)
        view.save()


def delete(view: View, actor: Actor) -> None:
    with write():
        _demand(view, actor)
        view.deleted_at = clock.now()
        view.save()


def restore(form: Form, view_id: int, actor: Actor) -> View:
    """Takes a deletion back. Raises NotFound, Forbidden."""
    with write():
        view = View.get_or_none(View.id == view_id, View.form == form.id)
        if view is None:
            raise NotFound()
        _demand(view, actor)
        view.deleted_at = None
        view.save()
        return view


def remember(form: Form, actor: Actor, columns: list[str] | None) -> None:
    """Keeps the columns a person chose for the list itself; ``None`` goes back to the form's own."""
    with write():
        view = personal(form, actor) or View(form=form.id, name="", owner_id=actor.id)
        view.columns = columns  # type: ignore[assignment]
        view.save()


def _demand(view: View, actor: Actor) -> None:
    if not may_change(view, actor):
        raise Forbidden(_("这是别人的视图。您可以把它另存为自己的。"))


def _check_name(form: Any, actor: Actor, name: str) -> None:
    if not name:
        raise UserError(_("请给视图起个名字。"), "name")
    if len(name) > MAX_NAME:
        raise UserError(_("名字最多 %(max)d 个字。", max=MAX_NAME), "name")
    taken = View.select().where(
        View.form == form.id, View.name == name, View.deleted_at.is_null(), (View.owner_id == actor.id) | View.shared
    )
    if taken.exists():
        raise UserError(_("已经有叫「%(name)s」的视图了，请换个名字。", name=name), "name")
