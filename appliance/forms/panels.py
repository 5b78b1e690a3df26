"""What higher rooms put onto the page of a record, or make of the whole page.

A panel is a piece of HTML beside or below the record's own fields; it is fetched when the page is shown, so a slow one
holds nobody up::

    @panels.panel("customer", "timeline", _l("动态"), place="side", order=10)
    def timeline(record: Record, actor: Actor) -> str:
        return render_template("customers/_timeline.html", record=record, …)

An action is a button of the page's header::

    @panels.actions("customer")
    def merge(record: Record, actor: Actor) -> list[Action]:
        return [Action(_("合并"), url_for("customers.merge", record_id=record.id), "arrows-join")]

A page replaces the template of a form's records. The template extends ``forms/record.html`` (blocks: ``before``,
``sections``, ``main``, ``side``, ``extra_head``, ``after``) and sees, besides ``page`` (a :class:`RecordPage`), ``record`` and
``form``, what the function returns::

    @panels.page("customer", "customers/record.html")
    def customer_page(record: Record, actor: Actor) -> dict[str, Any]:
        return {"metrics": …}

``"*"`` as the form key stands for every form. Everything here is handed a record that its reader may see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from ..accounts.actor import Actor
    from .query import Record

ANY = "*"
PLACES = ("main", "side")

Render = Callable[["Record", "Actor"], str]
Shows = Callable[["Record", "Actor"], bool]


class Panel(Struct, frozen=True):
    """A block of a record's page. ``place``: ``main`` (under the fields) or ``side``."""

    key: str
    label: Any
    render: Render
    place: str
    order: int
    shows: Shows


class Action(Struct, frozen=True):
    """A button in the header of a record. ``method``: ``get`` opens the URL as a page, ``dialog`` loads it into a dialog,
    ``post`` sends it by htmx."""

    label: str
    url: str
    icon: str | None = None
    method: str = "get"
    danger: bool = False
    menu: bool = False
    """Whether it stands in the menu and not beside it."""


Actions = Callable[["Record", "Actor"], list[Action]]
Context = Callable[["Record", "Actor"], dict[str, Any]]

_panels: dict[str, dict[str, Panel]] = defaultdict(dict)
_actions: dict[str, list[Actions]] = defaultdict(list)
_pages: dict[str, tuple[str, Context]] = {}


def panel(
    form_key: str, key: str, label: Any, *, place: str = "main", order: int = 100, shows: Shows | None = None
) -> Callable[[Render], Render]:
    """Adds a panel to the records of a form. ``shows(record, actor)`` false leaves it out. Raises on a key that is taken."""
    if place not in PLACES:
        raise ValueError(f"panel {key!r}: place must be one of {', '.join(PLACES)}")
    if key in _panels[form_key]:
        raise ValueError(f"form {form_key!r} has the panel {key!r} already; choose another key")

    def add(render: Render) -> Render:
        _panels[form_key][key] = Panel(key, label, render, place, order, shows or (lambda record, actor: True))
        return render

    return add


def actions(form_key: str) -> Callable[[Actions], Actions]:
    """Adds buttons to the header of a form's records."""

    def add(fn: Actions) -> Actions:
        _actions[form_key].append(fn)
        return fn

    return add


def page(form_key: str, template: str) -> Callable[[Context], Context]:
    """Makes ``template`` the page of a form's records. Raises when the form has one already."""
    if form_key in _pages:
        raise ValueError(f"form {form_key!r} has a record page already")

    def add(fn: Context) -> Context:
        _pages[form_key] = (template, fn)
        return fn

    return add


def of(record: Record, actor: Actor) -> list[Panel]:
    """The panels of a record, in order."""
    found = {**_panels[ANY], **_panels[record.form.key]}
    return sorted((p for p in found.values() if p.shows(record, actor)), key=lambda p: p.order)


def find(record: Record, actor: Actor, key: str) -> Panel | None:
    return next((p for p in of(record, actor) if p.key == key), None)


def actions_of(record: Record, actor: Actor) -> list[Action]:
    """The extra buttons of a record's header."""
    return [action for fn in (*_actions[record.form.key], *_actions[ANY]) for action in fn(record, actor)]


def template_of(record: Record, actor: Actor) -> tuple[str, dict[str, Any]]:
    """The template of a record's page and what it sees besides the page."""
    template, fn = _pages.get(record.form.key, ("forms/record.html", lambda _record, _actor: {}))
    return template, fn(record, actor)


class RecordPage(Struct):
    """Everything a record's page shows; made by ``record_pages.build``.

    ``tabs``: the fields where the layout has them; ``facts``: the fields of the header; ``related``: lists of records that
    point here.
    """

    record: Record
    actor: Actor
    tabs: list[Any]
    facts: list[Any]
    related: list[Any]
    panels: list[Panel]
    actions: list[Action]
    rights: dict[str, bool] = field(default_factory=dict)

    @property
    def scripts(self) -> list[str]:
        """Files of ``static/js/inputs`` that the inputs of the related records need besides the form's own."""
        own = {name for f in self.record.form.fields.values() for name in f.input_scripts()}
        others = [f for item in self.related for f in item.form.fields.values()]
        return [name for name in dict.fromkeys(name for f in others for name in f.input_scripts()) if name not in own]
