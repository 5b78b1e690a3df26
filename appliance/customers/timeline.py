"""What happened to and with a customer, from every room, in one list, newest first.

A room adds what it keeps of customers as a source::

    @timeline.source("messages", _l("消息"), "send", 40)
    def messages(customer: Record, actor: Actor, before: Mark, limit: int) -> list[Item]:
        rows = Message.select().where(Message.customer_id == customer.id, before.below(Message.at, Message.id))
        rows = rows.order_by(Message.at.desc(), Message.id.desc()).limit(limit)
        return [Item(row.at, row.id, _("短信"), url=…, by=…, text=row.text) for row in rows]

It answers with the customer's latest moments below the mark, newest first by (moment, id), at most ``limit`` of them; fewer
means that there are no more. It reads all it needs for them in a fixed number of statements, and shows nothing that the actor
may not see (the customer itself they may). Sources are merged by (moment, order of the sources, id).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct, field

from ..accounts.actor import Actor
from ..core import clock, settings
from ..core.errors import UserError
from ..forms.query import Record

PAGE = 20
"""Entries of a page; a run of equal things is one."""
LONGEST_RUN = 400
"""Moments that one page reads at most: a longer run goes on on the next page."""
FAR = 1 << 60
"""Later than everything, and larger than every id."""


class Mark(Struct, frozen=True):
    """A place in a source: what comes after it in the list is older, or as old with a smaller id."""

    at: int = FAR
    id: int = FAR

    def below(self, when: Any, record_id: Any) -> Any:
        """The test for rows that come after the mark; ``when`` and ``record_id`` are columns."""
        return (when < self.at) | ((when == self.at) & (record_id < self.id))


class Item(Struct, frozen=True):
    """One moment. ``at``: UTC seconds; ``id``: unique in its source, above 0.

    ``title``: what it was, with ``url`` where it is to be seen; ``by``: who did it; ``because``: the words and the link of what
    caused it (``causes``, ``history``). Below it stand ``text``, or ``template`` (a partial that finds ``data`` as ``data``).
    ``colour`` and ``icon`` else come from the source. Neighbours of one day with the same ``fold`` become one entry.
    """

    at: int
    id: int
    title: str
    url: str | None = None
    by: str = ""
    because: tuple[str, str | None] | None = None
    text: str = ""
    template: str = ""
    data: Any = None
    icon: str = ""
    colour: str = ""
    fold: str = ""


Reader = Callable[[Record, Actor, Mark, int], list[Item]]


class Source(Struct, frozen=True):
    """``forms``: the forms whose records it shows, which then have no place of their own in the timeline."""

    key: str
    label: Any
    icon: str
    order: int
    read: Reader
    colour: str = "neutral"
    forms: tuple[str, ...] = ()
    shows: Callable[[Actor], bool] = lambda actor: True


_sources: dict[str, Source] = {}
_makers: list[Callable[[Actor], Iterable[Source]]] = []


def source(
    key: str,
    label: Any,
    icon: str,
    order: int,
    *,
    colour: str = "neutral",
    forms: tuple[str, ...] = (),
    shows: Callable[[Actor], bool] = lambda actor: True,
) -> Callable[[Reader], Reader]:
    """Registers a source. ``order``: its place among the filters, and at equal moments; ``shows(actor)`` false leaves it out.
    Raises on a key that is taken."""
    if key in _sources or not key.replace("_", "").isalnum():
        raise ValueError(
            f"the timeline cannot have the source {key!r}: the key is taken or is not plain; choose another"
        )

    def add(read: Reader) -> Reader:
        _sources[key] = Source(key, label, icon, order, read, colour, forms, shows)
        return read

    return add


def more_sources(maker: Callable[[Actor], Iterable[Source]]) -> Callable[[Actor], Iterable[Source]]:
    """Registers what makes sources of what the company has (its own forms)."""
    _makers.append(maker)
    return maker


def taken_forms() -> set[str]:
    """The forms that a source shows."""
    return {form for one in _sources.values() for form in one.forms}


def sources(actor: Actor) -> list[Source]:
    """What the person may see, in order."""
    found = [one for one in _sources.values() if one.shows(actor)]
    found += [one for maker in _makers for one in maker(actor)]
    return sorted(found, key=lambda one: (one.order, one.key))


def chosen(keys: Iterable[str], actor: Actor) -> list[str]:
    """Those of the keys that are sources; all of them are none (everything is shown)."""
    known = [one.key for one in sources(actor)]
    found = [key for key in known if key in set(keys)]
    return [] if len(found) == len(known) else found


# -- reading --------------------------------------------------------------------------------------------------------


class Entry(Struct):
    """What the list shows as one: a moment, or a run of equal ones (the newest first)."""

    source: Source
    items: list[Item]

    @property
    def item(self) -> Item:
        return self.items[0]

    @property
    def count(self) -> int:
        return len(self.items)

    @property
    def since(self) -> int:
        return self.items[-1].at

    @property
    def icon(self) -> str:
        return self.item.icon or self.source.icon

    @property
    def colour(self) -> str:
        return self.item.colour or self.source.colour


class Day(Struct):
    """The entries of one calendar day of the company."""

    day: dt.date
    entries: list[Entry] = field(default_factory=list)

    @property
    def label(self) -> str:
        return day_words(self.day)


class Page(Struct, frozen=True):
    """``following``: where to go on, if there is more; ``last_day``: the day of the last entry, whose heading was shown;
    ``head``: as :func:`head`, of a first page."""

    days: list[Day]
    following: str | None
    last_day: str
    head: str


class Cursor(Struct, frozen=True):
    """The last moment that was shown."""

    at: int
    key: str
    id: int

    @classmethod
    def read(cls, text: str | None) -> Cursor | None:
        """Raises UserError."""
        if not text:
            return None
        try:
            at, key, number = text.split(".")
            return cls(int(at), key, int(number))
        except ValueError as error:
            raise UserError(_("翻页位置无效，请从第一页重新开始。"), "cursor") from error

    def text(self) -> str:
        return f"{self.at}.{self.key}.{self.id}"

    def mark(self, one: Source, places: dict[str, int]) -> Mark:
        """Where a source goes on: sources that come later in the order may still have something of the same second."""
        if one.key == self.key:
            return Mark(self.at, self.id)
        return Mark(self.at, FAR if places[one.key] > places.get(self.key, -1) else 0)


def page(customer: Record, actor: Actor, keys: Iterable[str] = (), cursor: str | None = None) -> Page:
    """A page of the timeline; ``keys``: the sources wanted (none: all). The caller has made sure that the customer may be seen.

    Raises UserError for a bad cursor."""
    start = Cursor.read(cursor)
    wanted = set(keys)
    used = [one for one in sources(actor) if not wanted or one.key in wanted]
    places = {one.key: n for n, one in enumerate(used)}
    streams = [
        _Stream(one, n, customer, actor, start.mark(one, places) if start else Mark()) for n, one in enumerate(used)
    ]
    top = "" if start else _sign((stream.source, item) for stream in streams if (item := stream.head()) is not None)
    tz = settings.tz()
    entries: list[tuple[dt.date, Entry]] = []
    last: Cursor | None = None
    for read, (one, item) in enumerate(_merged(streams)):
        day = clock.local(item.at, tz).date()
        before = entries[-1] if entries else None
        joins = (
            before is not None and item.fold != "" and before[0] == day
            and (before[1].source.key, before[1].item.fold) == (one.key, item.fold)
        )  # fmt: skip
        if read >= LONGEST_RUN or (len(entries) == PAGE and not joins):
            assert last is not None
            return Page(_days(entries), last.text(), entries[-1][0].isoformat(), top)
        if joins and before is not None:
            before[1].items.append(item)
        else:
            entries.append((day, Entry(one, [item])))
        last = Cursor(item.at, one.key, item.id)
    return Page(_days(entries), None, entries[-1][0].isoformat() if entries else "", top)


class _Stream:
    """A source, read as far as it is needed."""

    def __init__(self, one: Source, place: int, customer: Record, actor: Actor, mark: Mark) -> None:
        self.source, self.place = one, place
        self._customer, self._actor, self._mark = customer, actor, mark
        self._limit = PAGE + 1
        self._items: list[Item] = []
        self._ended = False

    def head(self) -> Item | None:
        if not self._items and not self._ended:
            found = self.source.read(self._customer, self._actor, self._mark, self._limit)
            self._ended = len(found) < self._limit
            self._items = found[::-1]
            if found:
                self._mark = Mark(found[-1].at, found[-1].id)
            # Whoever needs more than a page of one source is in a long run.
            self._limit = 100
        return self._items[-1] if self._items else None

    def pop(self) -> Item:
        return self._items.pop()


def _merged(streams: list[_Stream]) -> Iterator[tuple[Source, Item]]:
    while True:
        heads = [(item, stream) for stream in streams if (item := stream.head()) is not None]
        if not heads:
            return
        _item, stream = max(heads, key=lambda pair: (pair[0].at, -pair[1].place, pair[0].id))
        yield stream.source, stream.pop()


def _days(entries: list[tuple[dt.date, Entry]]) -> list[Day]:
    days: list[Day] = []
    for day, entry in entries:
        if not days or days[-1].day != day:
            days.append(Day(day))
        days[-1].entries.append(entry)
    return days


def head(customer: Record, actor: Actor, keys: Iterable[str] = ()) -> str:
    """A short text that is another one when something new stands at the top of the list: what a waiting page asks for."""
    wanted = set(keys)
    return _sign(
        (one, item)
        for one in sources(actor)
        if not wanted or one.key in wanted
        for item in one.read(customer, actor, Mark(), 1)
    )


def _sign(newest: Iterable[tuple[Source, Item]]) -> str:
    """The newest moment of each source, as a short text."""
    text = " ".join(f"{one.key}.{item.at}.{item.id}" for one, item in newest)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


WEEKDAYS = ("一", "二", "三", "四", "五", "六", "日")


def day_words(day: dt.date) -> str:
    """``今天``, ``昨天``, ``11月28日 周六``; of another year with the year."""
    from flask_babel import format_date, get_locale

    today = clock.today(settings.tz())
    if day == today:
        return _("今天")
    if day == today - dt.timedelta(days=1):
        return _("昨天")
    locale = get_locale()
    if locale is None or locale.language == "zh":
        text = f"{day.month}月{day.day}日 周{WEEKDAYS[day.weekday()]}"
        return text if day.year == today.year else f"{day.year}年{text}"
    return format_date(day, "EEE d MMM" if day.year == today.year else "d MMM y", rebase=False)
