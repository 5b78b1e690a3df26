"""A form's list: what its URL says, and the page of records it shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from flask import url_for
from flask_babel import gettext as _
from markupsafe import Markup
from msgspec import Struct, field
from msgspec.structs import replace

from ..accounts import permissions
from ..accounts.actor import Actor
from ..core.errors import NotFound, UserError
from . import conditions, query, saved_views
from .boards.settings import PLAIN, SHOWN, Settings
from .catalog import SYSTEM_FIELDS, Form
from .fields.base import Field
from .fields.number import Money
from .models import View

SIZES = (25, 50, 100, 200)
SIZE = 50
COUNT_CAP = 10_000
DEFAULT_COLUMNS = 8


class Base(Struct, frozen=True):
    """What a list shows when its URL says nothing more: its saved view, or what the person chose for the list itself."""

    where: dict[str, Any] = field(default_factory=dict)
    sort: str | None = None
    columns: tuple[str, ...] = ()
    kind: str = "list"
    settings: Settings = PLAIN

    @classmethod
    def of(cls, form: Form, actor: Actor, view: View | None) -> Base:
        own: Any = saved_views.personal(form, actor)
        source = view or own
        columns = list(source.columns) if source and source.columns else default_columns(form, actor)
        shown = _visible(form, actor, columns)
        settings = saved_views.arranged(view, own)
        if view is None:
            return cls(columns=shown, settings=settings.filled(form.views))
        return cls(dict(view.where), view.sort or None, shown, view.kind, settings)


class State(Struct, frozen=True):
    """What a list shows, as its URL says it: ``view``, ``kind``, ``q``, ``where``, ``sort``, ``cols``, ``size``, ``cursor``,
    ``on`` (the day a calendar is open at) and what ``Settings.SHOWN`` names.

    What the URL leaves out comes from the saved view, else from the person's own choice, else from the form.
    """

    form: Form
    actor: Actor
    view: View | None = None
    text: str = ""
    where: dict[str, Any] = field(default_factory=dict)
    sort: str | None = None
    columns: tuple[str, ...] = ()
    size: int = SIZE
    cursor: str | None = None
    kind: str = "list"
    settings: Settings = PLAIN
    on: str = ""
    whole: bool = False
    """Whether the URL asks for the list itself although another view would open first."""
    base: Base = Base()
    problem: str = ""
    """Why the URL cannot be shown as it stands."""

    @classmethod
    def read(cls, form: Form, actor: Actor, args: Mapping[str, str]) -> State:
        problem, view = "", None
        if args.get("view", "0") != "0":
            try:
                view = saved_views.get(form, _number(args["view"]), actor)
            except NotFound as error:
                problem = error.message
        base = Base.of(form, actor, view)
        where = base.where
        if "where" in args:
            try:
                where = read_condition(args["where"])
            except UserError as error:
                problem = error.message
        named = [key for key in args.get("cols", "").split(",") if key]
        size = _number(args.get("size"))
        return cls(
            form=form,
            actor=actor,
            view=view,
            text=args.get("q", "").strip()[:100],
            where=where,
            sort=args.get("sort", base.sort) or None,
            columns=_visible(form, actor, named) if named else base.columns,
            size=size if size in SIZES else SIZE,
            cursor=args.get("cursor") or None,
            kind=args.get("kind") or base.kind,
            settings=base.settings.read(args),
            on=args.get("on", "")[:10],
            whole=args.get("view") == "0",
            base=base,
            problem=problem,
        )

    def args(self) -> dict[str, str]:
        """The shortest query that reads back as this state."""
        out: dict[str, str] = {}
        if self.view:
            out["view"] = str(self.view.id)
        elif self.whole:
            out["view"] = "0"
        if self.kind != self.base.kind:
            out["kind"] = self.kind
        if self.text:
            out["q"] = self.text
        if self.where != self.base.where:
            out["where"] = json.dumps(self.where, ensure_ascii=False, separators=(",", ":"))
        if self.sort != self.base.sort:
            out["sort"] = self.sort or ""
        if self.columns != self.base.columns:
            out["cols"] = ",".join(self.columns)
        if self.size != SIZE:
            out["size"] = str(self.size)
        out |= self.settings.args(self.base.settings)
        if self.on:
            out["on"] = self.on
        if self.cursor:
            out["cursor"] = self.cursor
        return out

    def url(self, endpoint: str = "forms.list_records", **changes: Any) -> str:
        """The URL of this state with ``changes``; any change but ``cursor`` goes back to the first page. What is no part of
        a state stands in the URL as it is."""
        known = {k: v for k, v in changes.items() if k in self.__struct_fields__}
        shown = {k: v for k, v in changes.items() if k in SHOWN}
        if shown:
            known["settings"] = replace(self.settings, **shown)
        others = {k: v for k, v in changes.items() if k not in known and k not in shown}
        values: dict[str, Any] = replace(self, **{"cursor": None} | known).args() | others
        return url_for(endpoint, form_key=self.form.key, **values)

    @property
    def query_string(self) -> str:
        """The state as the query of a URL."""
        return urlencode(self.args())

    @property
    def reset_url(self) -> str:
        """The same view without search, filter and order of its own."""
        view = self.view.id if self.view else 0 if self.whole else None
        return url_for("forms.list_records", form_key=self.form.key, view=view)

    @property
    def changed(self) -> bool:
        """Whether it shows something else than its saved view."""
        return Base(self.where, self.sort, self.columns, self.kind, self.settings) != self.base

    @property
    def narrowed(self) -> bool:
        return bool(self.text or self.where)

    def query(self) -> query.Query:
        """Raises UserError (ConditionError) for a filter or an order that cannot be."""
        return query.Query(self.form, self.actor).where(self.where).search(self.text).sort(self.sort)

    def values(self) -> dict[str, Any]:
        """What a saved view keeps of it."""
        return {
            "where": self.where, "sort": self.sort, "columns": list(self.columns),
            "kind": self.kind, "settings": self.settings.document(),
        }  # fmt: skip


def read_condition(text: str) -> dict[str, Any]:
    """The condition in a URL or a form. Raises UserError."""
    try:
        doc = json.loads(text or "{}")
    except ValueError:
        doc = None
    if not isinstance(doc, dict):
        raise UserError(_("网址里的筛选条件不完整，请清除后重新筛选。"), "where")
    return doc


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 16 else 0


def default_columns(form: Form, actor: Actor) -> list[str]:
    """The columns of a list nobody has arranged yet."""
    named = form.options.get("columns")
    if named:
        return list(named)
    return [k for k, f in query.readable(form, actor).items() if f.column and f.sortable][:DEFAULT_COLUMNS]


def choosable(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields a column may show; the title stands first anyway."""
    fields = {k: f for k, f in query.readable(form, actor).items() if k != form.title_field}
    return fields | {k: f for k, f in SYSTEM_FIELDS.items() if k != "id" or form.title_field}


def _visible(form: Form, actor: Actor, keys: list[str]) -> tuple[str, ...]:
    known = choosable(form, actor)
    return tuple(dict.fromkeys(k for k in keys if k in known))


class Column(Struct, frozen=True):
    """A column as its header shows it. ``direction``: asc, desc or nothing; ``sort_url``: what a click on it opens;
    ``width``: in pixels, when the person drew one; ``editable``: its cells can be edited in place."""

    key: str
    label: str
    align: str
    direction: str
    sort_url: str | None
    width: int | None = None
    editable: bool = False


class Row(Struct, frozen=True):
    id: int
    title: str
    url: str
    cells: Markup
    """The ``td`` elements, without the title's."""
    color: str = ""


class Listing(Struct):
    """One page of a list, ready for its template."""

    state: State
    columns: list[Column] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    chips: list[tuple[str, str]] = field(default_factory=list)
    """``(words, URL without it)`` of each part of the filter."""
    next_url: str | None = None
    prev_url: str | None = None
    problem: str = ""

    @property
    def width(self) -> int:
        """Of the whole table in pixels, when its columns have widths of their own; else 0."""
        if not any(c.width for c in self.columns):
            return 0
        return sum(c.width or NORMAL for c in self.columns) + BESIDE


NORMAL = 160
"""The width of a column beside others that have widths of their own."""
BESIDE = 96
"""The room of the boxes before and the buttons after them."""


def build(state: State) -> Listing:
    """Reads one page. What cannot be shown comes out as ``problem``, a sentence."""
    listing = Listing(state, problem=state.problem)
    if state.problem:
        return listing
    form = state.form
    try:
        page = state.query().page(state.size, state.cursor, read_keys(state, state.columns))
        listing.chips = [(words, state.url(where=rest)) for words, rest in conditions.chips(state.where, form)]
    except UserError as error:
        listing.problem = error.message
        return listing
    listing.columns = columns(state)
    listing.rows = rows(state, listing.columns, page.records)
    listing.next_url = state.url(cursor=page.next_cursor) if page.next_cursor else None
    listing.prev_url = state.url(cursor=page.prev_cursor) if page.prev_cursor else None
    return listing


def read_keys(state: State, keys: Iterable[str]) -> list[str]:
    """The fields to read for rows that show ``keys``."""
    from .boards import cards

    return cards.read_keys(state, keys)


def columns(state: State) -> list[Column]:
    """The headers; the title's comes first."""
    form, clear = state.form, query.clear(state.form, state.actor)
    title = form.title_field if form.title_field in clear else None
    out = [_column(state, title or "id", form.fields.get(title or ""), sortable=True)]
    for key in state.columns:
        f = form.field(key)
        assert f is not None
        out.append(_column(state, key, f, f.sortable and (key in clear or key in SYSTEM_FIELDS)))
    return out


def _column(state: State, key: str, f: Field | None, sortable: bool) -> Column:
    # These modules stand on this one.
    from . import record_pages

    label = f.label if f else state.form.label
    direction = {key: "asc", f"-{key}": "desc"}.get(state.sort or "", "")
    # Numbers and dates are mostly wanted from the top, names from A.
    first, second = (f"-{key}", key) if f is not None and f.column != "TEXT" else (key, f"-{key}")
    following: dict[str | None, str | None] = {first: second, second: None}
    url = state.url(sort=following.get(state.sort, first)) if sortable else None
    editable = f is not None and key in state.form.fields and record_pages.editable(state.form, f, state.actor)
    return Column(key, label, f.align if f else "left", direction, url, state.settings.widths.get(key), editable)


def rows(state: State, columns: list[Column], records: list[query.Record]) -> list[Row]:
    # The cells are put together here: five hundred of them through a template are half of the time that a list takes.
    from .boards import cards

    base = url_for("forms.show_record", form_key=state.form.key, record_id=0)[:-1]
    starts = [(c.key, _cell(c, place, state.settings.frozen)) for place, c in enumerate(columns) if place]
    paint = cards.painter(state.form, state.actor)
    return [
        Row(
            r.id, r.title, f"{base}{r.id}", Markup("".join([f"{start}{r.cell(key)}</td>" for key, start in starts])),  # nosec B704: cells come escaped
            paint(r),
        )
        for r in records
    ]  # fmt: skip


def _cell(column: Column, place: int, frozen: int) -> Markup:
    """The beginning of a cell: everything but its value."""
    classes = ["num"] if column.align == "right" else []
    if place < frozen:
        classes += ["frozen", f"frozen-{place}"]
    if column.editable:
        classes.append("can")
    named = Markup(' class="{}"').format(" ".join(classes)) if classes else Markup("")
    return Markup('<td{} data-l="{}">').format(named, column.label)


def totals(state: State) -> dict[str, str]:
    """The sums of the list's money columns, as text. Raises UserError."""
    clear = query.clear(state.form, state.actor)
    money = {k: f for k in state.columns if isinstance(f := clear.get(k), Money)}
    if not money:
        return {}
    sums = state.query().aggregate([], [{"agg": "sum", "of": k, "as": k} for k in money])[0]
    return {k: f.format(sums[k] or 0) for k, f in money.items()}


def has_totals(state: State) -> bool:
    clear = query.clear(state.form, state.actor)
    return any(isinstance(clear.get(k), Money) for k in state.columns)


def rights(form: Form, actor: Actor) -> dict[str, bool]:
    """What the person may do with the form's records, for the buttons."""
    return {verb: permissions.can(actor, verb, form.key) for verb in permissions.VERBS}
