"""What needs a person: every room says how many of its things wait for somebody, the home page shows them::

    attention.register("unknown_sends", _l("发送结果未知"), "mail-question", "messaging.unknown", unknown_of)

``count(actor)`` is asked each time the home page is shown, so it must be one look into an index; 0 shows nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field

from .nav import Right

Count = Callable[[Any], int]


class Kind(Struct, frozen=True):
    """One sort of thing that waits. ``right``: who is asked at all, as in ``nav``; ``values`` fill the page's URL."""

    key: str
    label: Any
    icon: str
    endpoint: str
    count: Count
    right: Right = None
    order: int = 100
    values: dict[str, Any] = field(default_factory=dict)


_kinds: dict[str, Kind] = {}


def register(
    key: str,
    label: Any,
    icon: str,
    endpoint: str,
    count: Count,
    right: Right = None,
    *,
    order: int = 100,
    **values: Any,
) -> None:
    """Makes a sort of thing known. ``count(actor)``: how many wait for this person. Raises on a key that is taken."""
    if key in _kinds:
        raise ValueError(f"what needs a person is told twice under {key!r}; choose another key")
    _kinds[key] = Kind(key, label, icon, endpoint, count, right, order, values)


def kinds() -> list[Kind]:
    """All that was registered, in order."""
    return sorted(_kinds.values(), key=lambda kind: kind.order)
