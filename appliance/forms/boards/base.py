"""What a kind of view is. One file a kind; ``kinds`` lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from flask_babel import gettext as _
from msgspec import Struct, field

from ...accounts.actor import Actor
from ...core.errors import UserError
from .. import conditions, query, record_pages
from ..catalog import SYSTEM_FIELDS, Form
from ..fields.base import Field
from ..listing import State

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict


class Offer(Struct, frozen=True):
    """A setting that the menu of a kind asks for. ``fields``: ``(key, label)`` to choose from."""

    key: str
    label: Any
    fields: list[tuple[str, str]]
    value: str
    optional: bool = False


class Board(Struct):
    """One page of a view, ready for its template. ``chips``: ``(words, URL without it)`` of each part of the filter."""

    state: State
    chips: list[tuple[str, str]] = field(default_factory=list)
    problem: str = ""


class Move(Struct, frozen=True):
    """A card put somewhere else: the values that say so, and those it had where it was taken from."""

    values: dict[str, Any]
    expected: dict[str, Any]
    words: str


class Kind:
    """A way to look at the records that a list's filter, search and order give."""

    key: ClassVar[str]
    label: ClassVar[Any]
    icon: ClassVar[str]
    template: ClassVar[str]
    has_cards: ClassVar[bool] = True

    def suits(self, form: Form, actor: Actor) -> bool:
        """Whether the form has what this kind needs, as far as the person sees it."""
        return True

    def offers(self, state: State) -> list[Offer]:
        """What its menu asks for."""
        return []

    def build(self, state: State) -> Any:
        """Reads one page; what cannot be shown comes out as ``problem``, a sentence."""
        board = Board(state, problem=state.problem)
        if state.problem:
            return board
        try:
            board.chips = chips(state)
            return self.read(state, board.chips)
        except UserError as error:
            board.problem = error.message
            return board

    def read(self, state: State, chips: list[tuple[str, str]]) -> Board:
        """Raises UserError."""
        raise NotImplementedError

    def move(self, state: State, record: query.Record, args: MultiDict[str, str]) -> Move:
        """What putting a record somewhere else writes. Raises UserError, NotFound."""
        raise UserError(_("这里不能移动记录。"))


def chips(state: State) -> list[tuple[str, str]]:
    return [(words, state.url(where=rest)) for words, rest in conditions.chips(state.where, state.form)]


def clear_columns(form: Form, actor: Actor) -> dict[str, Field]:
    """The single-valued fields that the person sees whole: nothing else is grouped, placed or added up by."""
    return {k: f for k, f in query.clear(form, actor).items() if f.column}


def moments(form: Form, actor: Actor) -> dict[str, Field]:
    """Fields that say a day; those that Guke keeps come last."""
    own = clear_columns(form, actor) | {k: f for k, f in SYSTEM_FIELDS.items() if k.endswith("_at")}
    return {k: f for k, f in own.items() if f.value_input in ("date", "datetime")}


def pick(wanted: str, among: dict[str, Field], what: str) -> Field:
    """The field of that key, else the first there is. Raises UserError when there is none."""
    found = among.get(wanted) or next(iter(among.values()), None)
    if found is None:
        raise UserError(what)
    return found


def labels(fields: Mapping[str, Field]) -> list[tuple[str, str]]:
    return [(k, f.label) for k, f in fields.items()]


def may_move(form: Form, f: Field, actor: Actor) -> bool:
    """Whether the person may write the field that a place stands for."""
    return f.key in form.fields and record_pages.editable(form, f, actor)
