"""A record as a card: its title, a few fields, the colour of a choice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flask import url_for
from markupsafe import Markup
from msgspec import Struct

from .. import listing, query
from ..catalog import Form
from ..fields.base import Field
from ..fields.choice import Choice
from ..listing import State

LINES = 3
COLORS = frozenset(
    ("gray", "dark", "neutral", "accent", "green", "amber", "orange", "red", "blue", "cyan", "purple", "teal", "pink")
)


class Card(Struct, frozen=True):
    """``color``: the name of a colour, or nothing; ``lines``: ``(label, value)`` of the fields that have one."""

    id: int
    title: str
    url: str
    color: str
    lines: list[tuple[str, Markup]]
    cover: str = ""
    words: str = ""
    """What a calendar says before the title: the time."""


def chosen(state: State, without: Iterable[str] = ()) -> list[str]:
    """The fields on the cards: those of the view, else the list's first columns."""
    known = listing.choosable(state.form, state.actor)
    named = [k for k in state.settings.cards if k in known]
    if named:
        return named
    skipped = set(without)
    return [k for k in state.columns if k not in skipped][:LINES]


def read_keys(state: State, keys: Iterable[str]) -> list[str]:
    """The fields to read for cards that show ``keys``."""
    color = color_field(state.form, state.actor)
    return [*dict.fromkeys([*keys, *([color] if color else [])])]


def make(
    state: State,
    records: list[query.Record],
    keys: list[str],
    words: Callable[[query.Record], str] | None = None,
    picture: Callable[[query.Record], str] | None = None,
) -> list[Card]:
    """``words``, ``picture``: say what stands before a record's title, and the URL of its cover."""
    form = state.form
    base = url_for("forms.show_record", form_key=form.key, record_id=0)[:-1]
    paint = painter(form, state.actor)
    names = [(k, f.label) for k in keys if (f := form.field(k))]
    return [
        Card(
            r.id, r.title, f"{base}{r.id}", paint(r), [(name, cell) for k, name in names if (cell := r.cell(k))],
            picture(r) if picture else "", words(r) if words else "",
        )
        for r in records
    ]  # fmt: skip


def color_field(form: Form, actor: Any) -> str:
    """The choice whose colour records take, if the person sees it; else nothing."""
    key = form.options.get("color_field")
    return key if isinstance(key, str) and isinstance(query.clear(form, actor).get(key), Choice) else ""


def painter(form: Form, actor: Any) -> Callable[[query.Record], str]:
    """Says the colour of a record."""
    key = color_field(form, actor)
    if not key:
        return lambda record: ""
    table = colors(form.fields[key])
    return lambda record: table.get(record.values.get(key), "")


def colors(f: Field) -> dict[Any, str]:
    """Value → the name of its colour, for a field with choices."""
    found = {value: doc.get("color", "") for value, doc in (f.choices if isinstance(f, Choice) else {}).items()}
    return {value: color for value, color in found.items() if color in COLORS}
