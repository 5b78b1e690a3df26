"""Records in columns by the value of one field. Dragging a card into another column writes that value.

Nothing here reads the whole of a large form while its field is indexed: counts stop at a cap, the values in use are found by
jumping from one to the next along the index, and each column reads one page of cards.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_pgettext
from msgspec import Struct, field
from peewee import fn

from ...accounts import people
from ...core import dialect
from ...core.db import db
from ...core.errors import UserError
from .. import query
from ..fields.base import Field
from ..listing import State
from . import cards
from .base import Board, Kind, Move, Offer, clear_columns, labels, may_move, pick
from .cards import Card

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from ...accounts.actor import Actor
    from ..catalog import Form

CARDS = 20
"""Cards of a column that are read at a time."""
EXACT = 5_000
"""Up to so many records all columns are counted by one pass."""
CAP = 500
"""Where counting a column of a larger form stops."""
COLUMNS = 40


class Count(Struct):
    """``more``: there are more than ``count``; ``total``: the sum as text, empty when it is not known."""

    count: int
    more: bool = False
    total: str = ""

    @property
    def text(self) -> str:
        return f"{self.count:,}+" if self.more else f"{self.count:,}"


class Column(Struct):
    """``key``: its value in a URL; ``id``: for the page; ``lazy``: its cards are fetched when it is shown."""

    value: Any
    key: str
    label: str
    color: str
    count: Count | None = None
    cards: list[Card] = field(default_factory=list)
    cursor: str | None = None
    closed: bool = False
    lazy: bool = False

    @property
    def id(self) -> str:
        return "column-" + (self.key.encode().hex() or "none")


class KanbanBoard(Board):
    by: Field | None = None
    sum: Field | None = None
    columns: list[Column] = field(default_factory=list)
    may_move: bool = False
    left_out: int = 0
    """Values that have no column because there are too many."""
    estimated: bool = False


class Kanban(Kind):
    key = "kanban"
    label = lazy_pgettext("view", "看板")
    icon = "layout-kanban"
    template = "forms/boards/_kanban.html"

    def suits(self, form: Form, actor: Actor) -> bool:
        return bool(groups_of(form, actor))

    def offers(self, state: State) -> list[Offer]:
        sums = labels(sums_of(state.form, state.actor))
        by = field_of(state)
        return [
            Offer("by", _("分列的字段"), labels(groups_of(state.form, state.actor)), by.key),
            *([Offer("sum", _("每列合计"), sums, state.settings.sum, optional=True)] if sums else []),
        ]

    def read(self, state: State, chips: list[tuple[str, str]]) -> KanbanBoard:
        by = field_of(state)
        board = KanbanBoard(state, chips, "", by, sum_of(state), may_move=may_move(state.form, by, state.actor))
        counts, board.estimated = _counts(state, by, board.sum)
        columns = [column_of(state, by, value) for value in _values(by, counts, board.estimated)]
        board.left_out = max(0, len(columns) - COLUMNS)
        board.columns = columns[:COLUMNS]
        for column in board.columns:
            column.count = counts.get(column.value) if board.estimated else counts.get(column.value, Count(0))
            # Records without a value stand in no index: counting and finding them may take a pass over all.
            column.lazy = column.value is None and board.estimated and not column.closed
            if not column.lazy and not column.closed and column.count and column.count.count:
                fill(state, by, column)
        return board

    def move(self, state: State, record: query.Record, args: MultiDict[str, str]) -> Move:
        by = field_of(state)
        to, came = value_of(by, args.get("to", "")), value_of(by, args.get("from", ""))
        return Move({by.key: to}, {by.key: came}, _("已移到「%(column)s」", column=label_of(by, to)))


def groups_of(form: Form, actor: Actor) -> dict[str, Field]:
    """The fields whose values can be columns."""
    return {k: f for k, f in clear_columns(form, actor).items() if f.value_input in ("choice", "yes_no", "person")}


def sums_of(form: Form, actor: Actor) -> dict[str, Field]:
    return {k: f for k, f in clear_columns(form, actor).items() if "sum" in f.aggregates}


def field_of(state: State) -> Field:
    """The field of the columns. Raises UserError."""
    what = _("「%(form)s」没有可以分列的字段。加一个单选字段就能用看板。", form=state.form.label)
    found = groups_of(state.form, state.actor)
    # The stage of a record, or what it is coloured by, says most.
    likely = [k for k in (state.form.options.get("color_field"), "stage", "status") if k in found]
    return pick(state.settings.by or (likely[0] if likely else ""), found, what)


def sum_of(state: State) -> Field | None:
    return sums_of(state.form, state.actor).get(state.settings.sum)


def key_of(value: Any) -> str:
    return "" if value is None else str(value)


def value_of(by: Field, key: str) -> Any:
    """The stored value of a column's key. Raises UserError."""
    if not key:
        return None
    if by.column == dialect.TEXT:
        return key[:200]
    if not key.isdecimal() or len(key) > 15:
        raise UserError(_("没有这一列。"))
    return int(key)


def label_of(by: Field, value: Any) -> str:
    return by.format(value) if value is not None else _("未填写")


def column_of(state: State, by: Field, value: Any) -> Column:
    key = key_of(value)
    return Column(
        value, key, label_of(by, value), cards.colors(by).get(value, ""), closed=key in state.settings.collapsed
    )


def inside(state: State, by: Field, value: Any) -> query.Query:
    """The records of one column."""
    at = state.form.col(by.key)
    return state.query().only(at.is_null() if value is None else at == value)


def fill(state: State, by: Field, column: Column, cursor: str | None = None) -> None:
    """Reads one page of a column's cards."""
    keys = cards.chosen(state, [by.key])
    page = inside(state, by, column.value).page(CARDS, cursor, cards.read_keys(state, keys))
    column.cards, column.cursor = cards.make(state, page.records, keys), page.next_cursor


def count(state: State, by: Field, value: Any) -> Count:
    """How many a column has, up to the cap, and their sum while they are few."""
    found = inside(state, by, value)
    number = found.count(CAP)
    total = sum_of(state)
    if number > CAP:
        return Count(CAP, more=True)
    if total is None:
        return Count(number)
    rows = found.aggregate([], [{"agg": "sum", "of": total.key, "as": "sum"}])
    return Count(number, total=total.format(rows[0]["sum"] or 0))


def exact(state: State, by: Field) -> dict[Any, Count]:
    """All columns by one pass over the records."""
    total = sum_of(state)
    measures = [{"agg": "count", "as": "n"}, *([{"agg": "sum", "of": total.key, "as": "sum"}] if total else [])]
    rows = state.query().aggregate([{"field": by.key, "as": "value"}], measures, COLUMNS * 5, "-n")
    return {
        row["value"]: Count(row["n"], total=total.format(row["sum"] or 0) if total and row["n"] else "") for row in rows
    }


def _counts(state: State, by: Field, total: Field | None) -> tuple[dict[Any, Count], bool]:
    """The columns that hold records, and whether the counts stop at a cap."""
    if not by.indexed or state.query().count(EXACT) <= EXACT:
        return exact(state, by), False
    known = [value for value, _label in by.value_choices() or []]
    values = [v for v in dict.fromkeys([*known, *_in_use(state, by)])]
    counts = {value: count(state, by, value) for value in values}
    # A value that only records of others have is not there for this person.
    return {v: c for v, c in counts.items() if c.count}, True


def _in_use(state: State, by: Field) -> Iterator[Any]:
    """The values that the column holds, by jumps along its index."""
    at = state.form.col(by.key)
    last: Any = None
    for _step in range(COLUMNS * 2):
        # Said in these words so that an index which leaves out absent values serves.
        beyond = at.is_null(False) if last is None else at > last
        last = state.form.table.select(fn.MIN(at)).where(beyond).scalar(db)
        if last is None:
            return
        yield last


def _values(by: Field, counts: dict[Any, Count], estimated: bool) -> list[Any]:
    """The columns in order: the choices, then what else there is; records without a value first when there are any (or when
    it is not known), else last: there is still a place to drag a card to."""
    if by.value_input == "yes_no":
        return [None, 1, 0] if None in counts or estimated else [1, 0]
    known = [value for value, _label in by.value_choices() or []]
    others = [v for v in counts if v is not None and v not in known]
    if by.value_input == "person":
        active = dict(people.active())
        others.sort(key=lambda v: (v not in active, by.format(v)))
    if by.required:
        return [*([None] if counts.get(None) else []), *known, *others]
    return [None, *known, *others] if None in counts or estimated else [*known, *others, None]
