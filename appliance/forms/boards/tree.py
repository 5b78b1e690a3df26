"""Records under the record that a relation of theirs names, opened level by level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

from ...accounts import permissions
from ...accounts.actor import SYSTEM
from ...core.db import db
from ...core.errors import UserError
from .. import listing, query
from ..fields.base import Field
from ..listing import Column, Row, State
from .base import Board, Kind, Move, Offer, clear_columns, labels, may_move, pick

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ...accounts.actor import Actor
    from ..catalog import Form

SIZE = 50
CAP = 99
DEEPEST = 200
"""Levels that the check against circles walks up."""


class Branch(Struct, frozen=True):
    """A row of the tree. ``children``: how many stand directly under it (99+ when there are more)."""

    row: Row
    children: int
    under: str = ""
    """The title of the record it stands under, where the tree is cut by a search."""

    @property
    def count(self) -> str:
        return f"{CAP}+" if self.children > CAP else str(self.children)


class TreeBoard(Board):
    parent: Field | None = None
    columns: list[Column] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    next_url: str | None = None
    prev_url: str | None = None
    may_move: bool = False


class Tree(Kind):
    key = "tree"
    label = _l("层级")
    icon = "binary-tree"
    template = "forms/boards/_tree.html"
    has_cards = False

    def suits(self, form: Form, actor: Actor) -> bool:
        return bool(parents_of(form, actor))

    def offers(self, state: State) -> list[Offer]:
        found = parents_of(state.form, state.actor)
        return [Offer("parent", _("上级字段"), labels(found), field_of(state).key)] if len(found) > 1 else []

    def read(self, state: State, chips: list[tuple[str, str]]) -> TreeBoard:
        """The top of the tree, or, where a search or filter cuts it, what that finds."""
        parent = field_of(state)
        found = state.query() if state.narrowed else roots(state, parent).sort(order(state))
        page = found.page(SIZE, state.cursor, listing.read_keys(state, [*state.columns, parent.key]))
        board = TreeBoard(state, chips, "", parent, may_move=may_move(state.form, parent, state.actor))
        board.columns = listing.columns(state)
        board.branches = branches(state, parent, page.records)
        board.next_url = state.url(cursor=page.next_cursor) if page.next_cursor else None
        board.prev_url = state.url(cursor=page.prev_cursor) if page.prev_cursor else None
        return board

    def move(self, state: State, record: query.Record, args: MultiDict[str, str]) -> Move:
        parent = field_of(state)
        text = args.get("to", args.get(parent.key, ""))
        to = int(text) if text.isdecimal() and len(text) < 16 else None
        expected = record.values.get(parent.key)
        if to is None:
            return Move({parent.key: None}, {parent.key: expected}, _("已移到最上层"))
        above = query.get(state.form, to, state.actor)
        check_circle(state.form, parent, record.id, to)
        return Move({parent.key: to}, {parent.key: expected}, _("已移到「%(title)s」下面", title=above.title))


def parents_of(form: Form, actor: Actor) -> dict[str, Field]:
    """The relations of a form to itself."""
    own = clear_columns(form, actor)
    return {k: f for k, f in own.items() if f.value_input == "relation" and f.options.get("form") == form.key}


def field_of(state: State) -> Field:
    """Raises UserError."""
    what = _("「%(form)s」没有关联自己的字段。加一个关联到「%(form)s」的字段就能用层级。", form=state.form.label)
    return pick(state.settings.parent, parents_of(state.form, state.actor), what)


def roots(state: State, parent: Field) -> query.Query:
    """The records above which there is none, or none that the person sees."""
    found = state.query()
    if state.actor is SYSTEM or not permissions.scope(state.actor, state.form.key):
        return found.only(state.form.col(parent.key).is_null())
    return found.where({"field": f"{parent.key}.id", "op": "empty"})


def order(state: State) -> str:
    """The oldest first where nobody said otherwise: what stands at the top was mostly made first, so it is found at once."""
    return state.sort or "id"


def under(state: State, parent: Field, above: int) -> query.Query:
    return query.Query(state.form, state.actor).only(state.form.col(parent.key) == above)


def children(state: State, above: int, cursor: str | None) -> tuple[list[Branch], str | None]:
    """A page of what stands directly under a record, and the cursor of the next. Raises NotFound, UserError."""
    parent = field_of(state)
    query.get(state.form, above, state.actor)
    found = under(state, parent, above).sort(order(state))
    page = found.page(SIZE, cursor, listing.read_keys(state, [*state.columns, parent.key]))
    return branches(state, parent, page.records), page.next_cursor


def branches(state: State, parent: Field, records: list[query.Record]) -> list[Branch]:
    columns = listing.columns(state)
    rows = listing.rows(state, columns, records)
    return [
        Branch(row, under(state, parent, record.id).count(CAP), _under(record, parent) if state.narrowed else "")
        for row, record in zip(rows, records, strict=True)
    ]


def _under(record: query.Record, parent: Field) -> str:
    value = record.values.get(parent.key)
    return record.titles.get((parent.key, value), "") if value is not None else ""


def check_circle(form: Form, parent: Field, record_id: int, to: int) -> None:
    """Raises UserError when ``to`` is the record itself or stands somewhere under it."""
    at: Any = to
    for _step in range(DEEPEST):
        if at == record_id:
            raise UserError(_("不能移到它自己或它的下级里。"))
        # Every record counts, also those that the person does not see: a circle would be one all the same.
        at = form.table.select(form.col(parent.key)).where(form.col("id") == at).scalar(db)
        if at is None:
            return
    raise UserError(_("层级太深了，最多 %(max)d 层。", max=DEEPEST))
