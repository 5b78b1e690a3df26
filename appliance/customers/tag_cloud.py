"""The tags by how many customers hold them: the more, the larger."""

from __future__ import annotations

import math

from msgspec import Struct

from .tags import GroupView

SHOWN = 120
SIZES = 5


class Word(Struct, frozen=True):
    """One tag. ``size``: 1 to 5; ``group``: the key of its group."""

    name: str
    color: str
    count: int
    size: int
    group: str


def of(groups: list[GroupView]) -> list[Word]:
    """The tags that somebody holds, the commonest ones, by name. Sizes go by the logarithm: each is a few times the one before."""
    held = [(tag, group) for group in groups for tag in group.tags if tag.count]
    held.sort(key=lambda pair: -(pair[0].count or 0))
    most = held[:SHOWN]
    if not most:
        return []
    low, high = math.log(most[-1][0].count or 1), math.log(most[0][0].count or 1)
    words = [
        Word(tag.name, tag.color, tag.count or 0, _size(math.log(tag.count or 1), low, high), group.key)
        for tag, group in most
    ]
    return sorted(words, key=lambda word: word.name)


def _size(value: float, low: float, high: float) -> int:
    return 1 + round((SIZES - 1) * (value - low) / (high - low)) if high > low else 3
