"""The people of the company as values of fields: found by login, name or id; shown by name."""

from __future__ import annotations

from ..core.db import read
from .cache import Cache
from .models import User

_all: Cache[dict[int, tuple[str, str, bool]]] = Cache()


def _people() -> dict[int, tuple[str, str, bool]]:
    return _all.get(0, _load)


def _load() -> dict[int, tuple[str, str, bool]]:
    with read():
        rows = User.select(User.id, User.login, User.name, User.active).tuples()
        return {user_id: (login, name, active) for user_id, login, name, active in rows}


def find(who: int | str) -> int | None:
    """The id of a person named by id, login or (when only one has it) name; ``None`` when there is none."""
    people = _people()
    text = str(who).strip()
    if text.isdecimal() and len(text) < 16 and int(text) in people:
        return int(text)
    folded = text.casefold()
    for user_id, (login_, _name, _active) in people.items():
        if login_ == folded:
            return user_id
    named = [user_id for user_id, (_login, name_, active) in people.items() if name_ == text and active]
    return named[0] if len(named) == 1 else None


def login(user_id: int) -> str | None:
    """How the API names a person."""
    found = _people().get(user_id)
    return found[0] if found else None


def name(user_id: int) -> str:
    """The person's name; empty for one who is not known."""
    found = _people().get(user_id)
    return found[1] if found else ""


def everybody() -> list[tuple[int, str, str, bool]]:
    """``(id, login, name, active)`` of all people, by name."""
    return sorted(((i, *found) for i, found in _people().items()), key=lambda p: p[2])


def active() -> list[tuple[int, str]]:
    """``(id, name)`` of everybody who can be given work, by name."""
    return sorted(((i, name_) for i, (_login, name_, on) in _people().items() if on), key=lambda p: p[1])


def is_active(user_id: int) -> bool:
    """Whether the person can be given work."""
    found = _people().get(user_id)
    return bool(found and found[2])
