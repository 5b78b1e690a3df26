"""How a view shows its records, beside filter, order and columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict, replace

MAX_FROZEN = 4
NARROW, WIDE = 48, 800
"""Widths of a column in pixels."""


class Settings(Struct, frozen=True):
    """Fields are named by key; an empty one is chosen by the kind of view.

    ``by``, ``sum``: the field whose values are a kanban's columns, the number added up in each. ``date``, ``until``:
    first and last day of a calendar's entries; ``span``: month or week. ``cover``: the picture of a gallery's card.
    ``parent``: the relation that makes a tree. ``cards``: fields on a card. ``collapsed``: values of closed columns.
    ``widths``: of a list's columns, in pixels. ``frozen``: how many of a list's columns stay in sight.
    """

    by: str = ""
    sum: str = ""
    date: str = ""
    until: str = ""
    span: str = ""
    cover: str = ""
    parent: str = ""
    cards: tuple[str, ...] = ()
    collapsed: tuple[str, ...] = ()
    widths: Mapping[str, int] = field(default_factory=dict)
    frozen: int = 1

    @classmethod
    def open(cls, doc: Mapping[str, Any]) -> Settings:
        """Reads the stored JSON; what it does not know or cannot use is left out."""
        found: dict[str, Any] = {}
        for name in TEXTS:
            if isinstance(doc.get(name), str):
                found[name] = doc[name]
        for name in LISTS:
            if isinstance(doc.get(name), list):
                found[name] = tuple(str(item) for item in doc[name])[:200]
        widths = doc.get("widths")
        if isinstance(widths, dict):
            found["widths"] = {k: min(max(w, NARROW), WIDE) for k, w in widths.items() if isinstance(w, int)}
        if isinstance(doc.get("frozen"), int):
            found["frozen"] = min(max(doc["frozen"], 1), MAX_FROZEN)
        return cls(**found)

    def document(self) -> dict[str, Any]:
        """What differs from the default."""
        plain = asdict(Settings())
        doc = {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if v != plain[name]}
        return {name: v for name, v in doc.items() if v != []}

    def filled(self, doc: Mapping[str, Any]) -> Settings:
        """With what a form's definition says (``form.views``: a document by kind of view) where this says nothing."""
        known = Settings.open({k: v for view in doc.values() if isinstance(view, Mapping) for k, v in view.items()})
        empty = {name: getattr(known, name) for name in SHOWN if not getattr(self, name)}
        return replace(self, **empty)

    def read(self, args: Mapping[str, str]) -> Settings:
        """With what a URL says."""
        texts: dict[str, Any] = {name: args[name][:100] for name in TEXTS if name in args}
        if "cards" in args:
            texts["cards"] = tuple(k for k in args["cards"].split(",") if k)
        return replace(self, **texts)

    def args(self, base: Settings) -> dict[str, str]:
        """What a URL must say to change ``base`` into this."""
        out = {name: getattr(self, name) for name in TEXTS if getattr(self, name) != getattr(base, name)}
        if self.cards != base.cards:
            out["cards"] = ",".join(self.cards)
        return out


TEXTS = ("by", "sum", "date", "until", "span", "cover", "parent")
LISTS = ("cards", "collapsed")
SHOWN = (*TEXTS, "cards")
"""What the URL says; the rest is kept without asking."""
ARRANGED = ("collapsed", "widths", "frozen")

PLAIN = Settings()
