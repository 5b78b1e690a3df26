"""The append-only logs that set rules off: Changes, events, moves of segments, calls from outside. One class a log.

The dispatcher reads each in the order of its ids from a cursor of its own (``StreamCursor``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any, ClassVar

from msgspec import Struct, field
from peewee import fn

from ..core import clock, dialect, jobs
from ..core.db import PARAM, Statement
from ..forms import catalog
from ..forms.models import Change
from .models import Listener

RING = "automation.dispatch"
"""The job that reads the streams."""


class Signal(Struct):
    """One entry of a stream, about one record. ``action`` and ``names``: what a listener asks for; ``delta``: the ``fields``
    of a Change; ``origin``: what texts may say of it."""

    stream: str
    id: int
    form: str
    record_id: int
    action: str
    names: frozenset[str] = frozenset()
    scope: str = ""
    depth: int = 0
    at: int = 0
    delta: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def cycle(self) -> str:
        """Names the occurrence for ever."""
        return f"{self.stream}:{self.id}"


class Stream(ABC):
    """``each``: every entry counts by itself; else several about one record, read together, are one occasion.

    ``trigger``: the word by which the log of runs knows what set a run off.
    """

    key: ClassVar[str]
    trigger: ClassVar[str]
    each: ClassVar[bool] = False
    model: ClassVar[Any]
    moment: ClassVar[Any]
    """The column with the time of an entry; it rises with the ids, but for what came late."""

    def newest(self) -> int:
        """The id of the newest entry: where a new listener begins."""
        return int(self.model.select(fn.MAX(self.model.id)).scalar() or 0)

    def read(self, after: int, listeners: Sequence[Listener], limit: int, until: int | None = None) -> list[Signal]:
        """The next entries that one of the listeners may want, by id. ``until``: up to this id."""
        wanted = self.wanted(listeners)
        if wanted is None:
            return []
        query = self.model.select().where((self.model.id > after) & wanted)
        if until is not None:
            query = query.where(self.model.id <= until)
        return self.signals(query.order_by(self.model.id).limit(limit))

    def pick(self, ids: Sequence[int]) -> list[Signal]:
        """These entries, by id."""
        query = self.model.select().where(dialect.among(self.model.id, list(ids)))
        return self.signals(query.order_by(self.model.id))

    def first_since(self, seconds: int) -> int:
        """The id behind which the entries since a moment stand: found by halving, for the time has no index."""
        low, high = 0, self.newest()
        while low < high:
            middle = (low + high) // 2
            row = (
                self.model.select(self.model.id, self.moment)
                .where(self.model.id > middle)
                .order_by(self.model.id)
                .limit(1)
                .tuples()
                .first()
            )
            if row is None or row[1] >= seconds:
                high = middle
            else:
                low = row[0]
        return low

    @abstractmethod
    def wanted(self, listeners: Sequence[Listener]) -> Any:
        """A test for the entries that one of the listeners may want; ``None``: there are none."""

    @abstractmethod
    def records(self, listeners: Sequence[Listener], after: int) -> Any:
        """A sub-select of the records that entries behind ``after`` are about."""

    @abstractmethod
    def signals(self, query: Any) -> list[Signal]:
        """The rows of a query as signals."""


def hears(listener: Listener, signal: Signal) -> bool:
    return (
        listener.stream == signal.stream
        and signal.id > listener.since
        and listener.form == signal.form
        and listener.action == signal.action
        and (listener.field is None or listener.field in signal.names)
        and (listener.scope is None or listener.scope == signal.scope)
    )


STREAMS: dict[str, Stream] = {}


def register(cls: type[Stream]) -> type[Stream]:
    """Adds a source. Raises on a key that is taken."""
    if cls.key in STREAMS:
        raise ValueError(f"stream {cls.key!r} is registered twice")
    STREAMS[cls.key] = cls()
    return cls


def ring() -> None:
    """Asks for the dispatcher, in the writer's transaction."""
    jobs.enqueue(RING, unique=RING)


_LISTENING = Statement(Listener.select(Listener.field).where(Listener.stream == PARAM))


def listened(stream: str) -> set[str | None]:
    """What anybody wants to hear of on a stream; ``None`` among it: anything."""
    return {name for (name,) in _LISTENING.execute(stream)}


def either(tests: Sequence[Any]) -> Any:
    """Any of the tests; ``None`` when there are none."""
    return reduce(lambda a, b: a | b, tests) if tests else None


@register
class Changes(Stream):
    """What was written to records."""

    key = "changes"
    trigger = "change"
    model = Change
    moment = Change.at

    def _by_form(self, listeners: Sequence[Listener]) -> Iterator[tuple[int, set[str]]]:
        forms = catalog.all_forms()
        for key in sorted({listener.form for listener in listeners}):
            if form := forms.get(key):
                yield form.id, {listener.action for listener in listeners if listener.form == key}

    def wanted(self, listeners: Sequence[Listener]) -> Any:
        return either(
            [(Change.form_id == form_id) & Change.action.in_(actions) for form_id, actions in self._by_form(listeners)]
        )

    def records(self, listeners: Sequence[Listener], after: int) -> Any:
        return Change.select(Change.record_id).where((Change.id > after) & self.wanted(listeners))

    def signals(self, query: Any) -> list[Signal]:
        keys = {form.id: form.key for form in catalog.all_forms().values()}
        columns = (
            Change.id, Change.form_id, Change.record_id, Change.action, Change.fields, Change.depth, Change.at,
        )  # fmt: skip
        return [
            Signal(
                self.key, change_id, keys[form_id], record_id, action, frozenset(fields), "", depth, at, fields,
                _before(action, fields),
            )
            for change_id, form_id, record_id, action, fields, depth, at in query.select(*columns).tuples()
            if form_id in keys
        ]  # fmt: skip


def _before(action: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The values as they were."""
    if action != "update":
        return {}
    return {"old": {key: pair[0] for key, pair in fields.items() if isinstance(pair, list) and len(pair) == 2}}


FRESH = 3 * clock.DAY
"""Seconds: what happened longer before it was told (an old file, imported) sets nothing off."""
