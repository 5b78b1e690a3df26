"""What higher rooms hang on the write path. Hooks are called for batches, inside the write transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

if TYPE_CHECKING:
    from ..accounts.actor import Actor
    from .catalog import Form


class Cause(Struct, frozen=True):
    """What made a write happen. ``kind``: user, api, import, undo, rule, decision_table, system."""

    kind: str
    id: int | None = None
    depth: int = 0


class Draft(Struct):
    """Records about to be written. A hook may fill ``columns`` and add to ``errors``.

    ``columns``: field key → stored values, one a row; for updates a key holds ``UNSET`` where a row does not name it.
    ``ids``: the records being updated, or ``None`` for new ones; ``before``: their rows as stored, by id. ``errors``:
    row index → field key → sentence. ``excused``: field key → rows in which it need not be filled in.
    """

    form: Form
    action: str
    size: int
    columns: dict[str, list[Any]]
    actor: Actor
    cause: Cause
    ids: list[int] | None = None
    errors: dict[int, dict[str, str]] = field(default_factory=dict)
    before: dict[int, dict[str, Any]] = field(default_factory=dict)
    excused: dict[str, set[int]] = field(default_factory=dict)

    def fail(self, index: int, key: str, message: str) -> None:
        self.errors.setdefault(index, {}).setdefault(key, message)


class Batch(Struct):
    """Records just written: ``action`` is create, update, delete or restore.

    ``before``: id → the stored row as it was (not for create). ``fields``: the keys written.
    """

    form: Form
    action: str
    ids: list[int]
    fields: set[str]
    actor: Actor
    cause: Cause
    before: Mapping[int, dict[str, Any]] = field(default_factory=dict)


class _Unset:
    def __repr__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        return False


UNSET = _Unset()

_listeners: list[Callable[[Form, set[str]], bool]] = []


def listener(fn: Callable[[Form, set[str]], bool]) -> Callable[[Form, set[str]], bool]:
    """Registers what knows whether somebody waits for changes of these fields."""
    _listeners.append(fn)
    return fn


def heard(form: Form, keys: set[str]) -> bool:
    """Whether anybody waits for changes of one of ``keys``: what changes by itself each night is told only then."""
    return any(fn(form, keys) for fn in _listeners)


Derived = Callable[["Form", list[int], set[str]], None]
_derived: list[tuple[Callable[[Form, set[str]], bool], Derived]] = []


def after_derived(wanted: Callable[[Form, set[str]], bool]) -> Callable[[Derived], Derived]:
    """Registers an effect of ``records.write_derived``, which writes no Change: called with form, ids and field keys when
    ``wanted(form, keys)`` says that they matter."""

    def add(fn: Derived) -> Derived:
        _derived.append((wanted, fn))
        return fn

    return add


def derived_wanted(form: Form, keys: set[str]) -> list[Derived]:
    """The effects that want to hear of fields kept by Guke."""
    return [fn for wanted, fn in _derived if wanted(form, keys)]


Retyped = Callable[[str, str], None]
_retyped: list[Retyped] = []

_announced: set[tuple[str, str]] = set()


def announce(form_key: str, field_key: str) -> None:
    """Declares that a field kept by Guke tells of its changes as soon as somebody waits for them (:func:`heard`)."""
    _announced.add((form_key, field_key))


def announces(form_key: str, field_key: str) -> bool:
    return (form_key, field_key) in _announced


_before: dict[str, list[Callable[[Draft], None]]] = defaultdict(list)
_after: dict[str, list[Callable[[Batch], None]]] = defaultdict(list)
ANY = "*"


def before_write(form_key: str) -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    """Registers a check (or filler) that runs before rows of the form are written; ``"*"`` for every form."""

    def add(fn: Callable[[Draft], None]) -> Callable[[Draft], None]:
        _before[form_key].append(fn)
        return fn

    return add


def after_write(form_key: str) -> Callable[[Callable[[Batch], None]], Callable[[Batch], None]]:
    """Registers an effect in the same transaction as the rows; ``"*"`` for every form."""

    def add(fn: Callable[[Batch], None]) -> Callable[[Batch], None]:
        _after[form_key].append(fn)
        return fn

    return add


def run_before(draft: Draft) -> None:
    for fn in (*_before[draft.form.key], *_before[ANY]):
        fn(draft)


def after_retype(effect: Retyped) -> Retyped:
    """Registers what happens, in the transaction, when a field has become one of another type: its values and what conditions make
    of them are other ones, and no Change tells so."""
    _retyped.append(effect)
    return effect


def run_retyped(form_key: str, field_key: str) -> None:
    for effect in _retyped:
        effect(form_key, field_key)


def run_after(batch: Batch) -> None:
    for fn in (*_after[batch.form.key], *_after[ANY]):
        fn(batch)
