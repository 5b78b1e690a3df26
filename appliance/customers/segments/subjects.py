"""What is kept up to date customer by customer: segments, and the company's own metrics. One engine serves both.

A room offers its subjects through :func:`provider`. :func:`index` says which of them a write concerns.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field

from ...core import dialect
from ...core.db import PARAM, Statement, db, read
from ...core.errors import UserError
from ...core.models import Setting
from ...forms import catalog
from ...forms.catalog import Form
from ...forms.conditions import Context, Look

_TOKEN = "_segments"
_READ = Statement(Setting.select(Setting.value).where(Setting.key == PARAM))


class Part(Struct, frozen=True):
    """Some customers: a batch of ids, or all from ``low`` up to but without ``high``."""

    ids: tuple[int, ...] | None = None
    low: int = 0
    high: int = 0

    def tie(self, column: Any) -> Any:
        """A test of a column of customers' ids."""
        if self.ids is None:
            return (column >= self.low) & (column < self.high)
        return dialect.among(column, self.ids)


class Subject:
    """``number``: a segment's id, or minus a metric's."""

    number: int
    label: str

    def looks(self) -> list[Look]:
        """What it looks at. Raises UserError when its definition makes no sense (any more)."""
        raise NotImplementedError

    def is_look(self, look: Look) -> bool:
        """Whether a look of another subject is at this one."""
        raise NotImplementedError

    def settle(self, part: Part, ctx: Context, depths: dict[int, int]) -> int:
        """Brings the customers of ``part`` up to date, inside ``write()``; returns how many were out of date.

        ``depths``: by customer, how many rules led here (0 for those it leaves out). What follows is told to ``touching``.
        """
        raise NotImplementedError

    def next_look(self, form: Form, source: Any, ctx: Context) -> Any:
        """See ``conditions.next_look``."""
        raise NotImplementedError


class Index(Struct, dict=True):
    """All subjects that are switched on, those first that others look at, and who looks at what."""

    subjects: list[Subject]
    watching: dict[str, list[tuple[Look, int]]] = field(default_factory=lambda: defaultdict(list))
    broken: dict[int, str] = field(default_factory=dict)
    """Subjects whose definition makes no sense any more, and why."""

    def __post_init__(self) -> None:
        self.by_number = {s.number: s for s in self.subjects}
        self.rank = {s.number: n for n, s in enumerate(self.subjects)}

    def watchers(self, what: str, fields: Iterable[str] | None) -> list[tuple[Look, int]]:
        """Looks that a write concerns; ``fields``: those written, ``None``: the record came or went."""
        found = self.watching.get(what)
        if not found:
            return []
        if fields is None:
            return found
        given = set(fields)
        return [(look, number) for look, number in found if look.fields is None or look.fields & given]


_providers: list[Callable[[], list[Subject]]] = []
_held: tuple[Any, Index] | None = None


def provider(fn: Callable[[], list[Subject]]) -> Callable[[], list[Subject]]:
    """Registers a function that gives the subjects of a room that are switched on."""
    _providers.append(fn)
    return fn


def changed() -> None:
    """A definition is new. Every process notices at its next write. Only inside ``write()``."""
    Setting.insert(key=_TOKEN, value=secrets.token_hex(8), updated_at=0).on_conflict(
        conflict_target=[Setting.key], preserve=[Setting.value]
    ).execute()


def index() -> Index:
    """As the definitions stand now."""
    global _held
    with read():
        row = _READ.execute(_TOKEN).fetchone()
        version = (db.database, row[0] if row else None, catalog.version())
        if _held is None or _held[0] != version:
            _held = (version, _build([s for fn in _providers for s in fn()]))
        return _held[1]


def _build(found: list[Subject]) -> Index:
    looks: dict[int, list[Look]] = {}
    broken: dict[int, str] = {}
    for subject in found:
        try:
            looks[subject.number] = subject.looks()
        except (UserError, ValueError, KeyError) as error:
            broken[subject.number] = str(error)
    sound = [s for s in found if s.number in looks]
    built = Index(_ordered(sound, looks), broken=broken)
    for subject in sound:
        # Whoever comes into being, goes or comes back is asked about everywhere.
        whole = Look("customer", frozenset())
        for look in {whole, *looks[subject.number]}:
            built.watching[look.what].append((look, subject.number))
    return built


def _ordered(found: list[Subject], looks: dict[int, list[Look]]) -> list[Subject]:
    """Each after those it looks at, so that nobody is seen to come and go within one transaction."""
    needs = {
        s.number: [o for o in found if o is not s and any(o.is_look(look) for look in looks[s.number])] for s in found
    }
    out: list[Subject] = []
    seen: set[int] = set()

    def put(subject: Subject) -> None:
        if subject.number in seen:
            return
        seen.add(subject.number)
        for other in needs[subject.number]:
            put(other)
        out.append(subject)

    for subject in found:
        put(subject)
    return out
