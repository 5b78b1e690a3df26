"""Saved views of a list: a filter, an order and columns under a name, private or for everybody."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field
from msgspec.structs import asdict
from peewee import fn

from ..accounts.actor import Actor
from ..accounts.models import Role
from ..core import clock
from ..core.db import write
from ..core.errors import Forbidden, NotFound, UserError
from ..core.i18n import label
from .boards.settings import ARRANGED, Settings
from .catalog import Form
from .models import View, ViewDefault

MAX_NAME = 40


class Own(Struct):
    """What a person chose for a form's list. ``order``: ids of views as their tabs stand; ``start``: the view it opens
    with; ``arranged``: by view id (``""``: the list itself), widths and closed columns of views that are not theirs."""

    order: list[int] = field(default_factory=list)
    start: int | None = None
    arranged: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: View | None) -> Own:
        doc: dict[str, Any] = dict(row.settings) if row else {}
        return cls(**{k: v for k, v in doc.items() if k in cls.__struct_fields__})


def _visible(form: Form, actor: Actor) -> Any:
    mine = (View.owner_id == actor.id) | View.shared
    return View.select().where(View.form == form.id, View.name != "", View.deleted_at.is_null(), mine)


def tabs(form: Form, actor: Actor) -> list[View]:
    """The views that stand above the list for this person: shared ones and their own, as they arranged them."""
    order = {view_id: place for place, view_id in enumerate(Own.of(personal(form, actor)).order)}
    views = list(_visible(form, actor).order_by(View.position, View.id))
    return sorted(views, key=lambda view: order.get(view.id, len(order)))


def reorder(form: Form, actor: Actor, ids: Iterable[int]) -> None:
    """Keeps the order of the tabs, for this person."""
    row = _own_row(form, actor)
    own = Own.of(row)
    own.order = list(dict.fromkeys(ids))[:500]
    _keep(row, own)


def arranged(view: View | None, own_row: View | None) -> Settings:
    """How a view is shown to a person: its own settings, and what they arranged themselves."""
    own = Own.of(own_row).arranged.get(str(view.id) if view else "", {})
    return Settings.open((dict(view.settings) if view else {}) | own)


def arrange(form: Form, actor: Actor, view: View | None, values: dict[str, Any]) -> None:
    """Keeps widths, frozen or closed columns: in the view when it is the person's own, else for them alone."""
    clean = asdict(Settings.open(values))
    values = {k: clean[k] for k in ARRANGED if k in values}
    with write():
        if view is not None and view.owner_id == actor.id:
            view.settings = dict(view.settings) | values  # type: ignore[assignment]
            view.save()
            return
        row = _own_row(form, actor)
        own = Own.of(row)
        place = str(view.id) if view else ""
        own.arranged[place] = own.arranged.get(place, {}) | values
        _keep(row, own)


def _own_row(form: Form, actor: Actor) -> View:
    return personal(form, actor) or View(form=form.id, name="", owner_id=actor.id)


def _keep(row: View, own: Own) -> None:
    with write():
        row.settings = asdict(own)  # type: ignore[assignment]
        row.save()


# -- which view opens first -----------------------------------------------------------------------------------------


def start(form: Form, actor: Actor) -> View | None:
    """The view that the list opens with: what an administrator chose for the person's role, else what they chose."""
    return start_of_role(form, actor) or own_start(form, actor)


def start_of_role(form: Form, actor: Actor) -> View | None:
    if not actor.role_ids:
        return None
    chosen = ViewDefault.select(ViewDefault.view).where(
        ViewDefault.form == form.id, ViewDefault.role_id.in_(list(actor.role_ids))
    )
    found: View | None = _visible(form, actor).where(View.id.in_(chosen)).order_by(View.position, View.id).first()
    return found


def own_start(form: Form, actor: Actor) -> View | None:
    chosen = Own.of(personal(form, actor)).start
    found: View | None = _visible(form, actor).where(View.id == chosen).first() if chosen else None
    return found


def choose_start(form: Form, actor: Actor, view: View | None) -> None:
    """Opens the list with ``view`` from now on, for this person; ``None``: with the list itself."""
    row = _own_row(form, actor)
    own = Own.of(row)
    own.start = view.id if view else None
    _keep(row, own)


def roles() -> list[tuple[int, str]]:
    """``[(id, label)]`` of the roles there are."""
    return [(role.id, label(role.label)) for role in Role.select().order_by(Role.id)]


def roles_starting(view: View) -> set[int]:
    """Ids of the roles for which the list opens with this view."""
    return {role_id for (role_id,) in ViewDefault.select(ViewDefault.role_id).where(ViewDefault.view == view).tuples()}


def choose_for_roles(view: View, actor: Actor, role_ids: Iterable[int]) -> None:
    """Opens the list with this view for exactly these roles. Raises Forbidden, UserError for a private view."""
    if not actor.is_admin:
        raise Forbidden(_("只有管理员能给角色指定视图。"))
    wanted = set(role_ids)
    if wanted and not view.shared:
        raise UserError(_("这个视图只有它的主人能看。先把它共享，再指定给角色。"))
    with write():
        taken = (ViewDefault.form == view.form_id) & ViewDefault.role_id.in_(list(wanted))
        ViewDefault.delete().where((ViewDefault.view == view) | taken).execute()
        if wanted:
            ViewDefault.insert_many([(view.form_id, role_id, view.id) for role_id in wanted], fields=[
                ViewDefault.form, ViewDefault.role_id, ViewDefault.view,
            ]).execute()  # fmt: skip


# -- views ----------------------------------------------------------------------------------------------------------


def duplicate(view: View, actor: Actor) -> View:
    """A private copy of a view, under a name of its own."""
    for number in range(1, 100):
        name = _("%(name)s 副本", name=view.name[: MAX_NAME - 8]) + (f" {number}" if number > 1 else "")
        with write():
            if not _name_taken(view.form, actor, name):
                values = {k: getattr(view, k) for k in ("where", "sort", "columns", "kind", "settings")}
                return _insert(view.form_id, actor, name, False, values)
    raise UserError(_("这个视图的副本已经太多了，请先给它们起名字。"))


def _insert(form_id: int, actor: Actor, name: str, shared: bool, values: dict[str, Any]) -> View:
    last = View.select(fn.MAX(View.position)).where(View.form == form_id).scalar() or 0
    return View.create(form=form_id, name=name, owner_id=actor.id, shared=shared, position=last + 1, **values)


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
    """``values``: where, sort, columns, kind, settings. Raises UserError for a name that is missing, long or taken."""
    with write():
        _check_name(form, actor, name)
        return _insert(form.id, actor, name, shared, values)


def update(view: View, actor: Actor, values: dict[str, Any]) -> None:
    """Changes name, shared, where, sort, columns, kind or settings. Raises Forbidden, UserError."""
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
    if _name_taken(form, actor, name):
        raise UserError(_("已经有叫「%(name)s」的视图了，请换个名字。", name=name), "name")


def _name_taken(form: Any, actor: Actor, name: str) -> bool:
    return bool(_visible(form, actor).where(View.name == name).exists())
