"""The visible list of kinds of view. A new one is one module here, its template and one line below."""

from __future__ import annotations

from flask_babel import gettext as _
from flask_babel import lazy_pgettext

from ...accounts.actor import Actor
from ...core.errors import UserError
from .. import listing
from ..catalog import Form
from ..listing import Listing, State
from .base import Kind
from .calendar import Calendar
from .gallery import Gallery
from .kanban import Kanban
from .tree import Tree


class List(Kind):
    """The table."""

    key = "list"
    label = lazy_pgettext("view", "列表")
    icon = "list"
    template = "forms/_list_table.html"
    has_cards = False

    def build(self, state: State) -> Listing:
        return listing.build(state)


KINDS: dict[str, Kind] = {kind.key: kind for kind in (List(), Kanban(), Calendar(), Gallery(), Tree())}


def offered(form: Form, actor: Actor) -> list[Kind]:
    """The kinds that make sense for the form, as far as the person sees it."""
    return [kind for kind in KINDS.values() if kind.suits(form, actor)]


def of(state: State) -> Kind:
    return KINDS.get(state.kind) or KINDS["list"]


def demand(state: State, key: str) -> Kind:
    """The kind of that key. Raises UserError for one that the form cannot be shown as."""
    kind = KINDS.get(key)
    if kind is None or not kind.suits(state.form, state.actor):
        raise UserError(_("这个表单不能这样看。"))
    return kind
