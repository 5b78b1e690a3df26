"""Records as cards with a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import field

from ...core.filetypes import RASTER
from .. import query
from ..fields.attachments import Attachments
from ..listing import State
from . import cards
from .base import Board, Kind, Offer, labels
from .cards import Card

if TYPE_CHECKING:
    from ...accounts.actor import Actor
    from ..catalog import Form

SIZE = 48


class GalleryBoard(Board):
    cover: Attachments | None = None
    cards: list[Card] = field(default_factory=list)
    next_url: str | None = None
    prev_url: str | None = None


class Gallery(Kind):
    key = "gallery"
    label = _l("画廊")
    icon = "layout-grid"
    template = "forms/boards/_gallery.html"

    def offers(self, state: State) -> list[Offer]:
        found = covers_of(state.form, state.actor)
        return [Offer("cover", _("封面"), [("-", _("没有")), *labels(found)], _cover(state, found))] if found else []

    def read(self, state: State, chips: list[tuple[str, str]]) -> GalleryBoard:
        found = covers_of(state.form, state.actor)
        cover = found.get(_cover(state, found))
        keys = cards.chosen(state, [cover.key] if cover else [])
        wanted = cards.read_keys(state, [*keys, *([cover.key] if cover else [])])
        page = state.query().page(SIZE, state.cursor, wanted)
        board = GalleryBoard(state, chips, "", cover, cards.make(state, page.records, keys, None, _picture(cover)))
        board.next_url = state.url(cursor=page.next_cursor) if page.next_cursor else None
        board.prev_url = state.url(cursor=page.prev_cursor) if page.prev_cursor else None
        return board


def covers_of(form: Form, actor: Actor) -> dict[str, Attachments]:
    """The fields that hold pictures."""
    return {k: f for k, f in query.clear(form, actor).items() if isinstance(f, Attachments)}


def _picture(cover: Attachments | None) -> Callable[[query.Record], str] | None:
    """Says the URL of a record's first picture."""
    if cover is None:
        return None

    def first(record: query.Record) -> str:
        for file in record.values.get(cover.key) or []:
            if file["mime"] in RASTER:
                return f"{cover.url(record, file)}?size=preview"
        return ""

    return first


def _cover(state: State, found: Mapping[str, Any]) -> str:
    """The chosen field, else the first; ``-`` chooses none."""
    wanted = state.settings.cover
    return wanted if wanted in found or wanted == "-" else next(iter(found), "")
