"""What the shell offers: rooms of the left rail, and actions of the command palette. Rooms add their own::

    nav.add("automation", _l("规则"), "automation.rules", "bolt", right="admin", order=10)
    nav.action(_l("导入订单"), "imports.start", "file-import", right=("import", "order"), form_key="order")

Forms appear by themselves. ``right``: ``None`` everybody, ``"admin"``, a room of ``permissions.ROOMS``, a verb, or
``(verb, form key)``.
"""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from msgspec import Struct, field

Right = None | str | tuple[str, str]

GROUPS: dict[str, Any] = {
    "home": None,
    "records": _l("业务"),
    "automation": _l("自动化"),
    "reports": _l("报表"),
    "settings": _l("设置"),
}
"""The groups of the rail, in order; a group without a label has no heading."""


class Entry(Struct, frozen=True):
    """One link. ``words``: more words that the palette finds it by."""

    label: Any
    endpoint: str
    icon: str
    right: Right = None
    values: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    order: int = 100
    words: str = ""


_entries: dict[tuple[str, str, str], Entry] = {}
_actions: dict[tuple[str, str], Entry] = {}


def add(
    group: str,
    label: Any,
    endpoint: str,
    icon: str,
    right: Right = None,
    *,
    order: int = 100,
    words: str = "",
    **values: Any,
) -> None:
    """Puts a page into the rail. ``values`` fill the URL; adding the same page twice is an error."""
    if group not in GROUPS:
        raise ValueError(f"no group {group!r} in the rail; there are {', '.join(GROUPS)}")
    _put(_entries, (group, endpoint, repr(values)), Entry(label, endpoint, icon, right, values, group, order, words))


def action(label: Any, endpoint: str, icon: str, right: Right = None, *, words: str = "", **values: Any) -> None:
    """Offers something to do in the command palette."""
    _put(_actions, (endpoint, repr(values)), Entry(label, endpoint, icon, right, values, words=words))


def entries() -> list[Entry]:
    """All pages, by group and order."""
    groups = list(GROUPS)
    return sorted(_entries.values(), key=lambda e: (groups.index(e.group), e.order))


def actions() -> list[Entry]:
    return list(_actions.values())


def _put(registry: dict[Any, Entry], key: Any, entry: Entry) -> None:
    if key in registry:
        raise ValueError(f"{entry.endpoint} is in the shell already; add it once")
    registry[key] = entry
