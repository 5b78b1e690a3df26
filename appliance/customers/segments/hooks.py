"""What higher rooms hang on moves: rules that start when a customer enters or leaves."""

from __future__ import annotations

from collections.abc import Callable

Moved = Callable[[set[int]], None]

_after: list[Moved] = []


def after_moves(fn: Moved) -> Moved:
    """Registers ``fn(segment ids)``: called in the transaction in which rows of ``SegmentMove`` were added for them."""
    _after.append(fn)
    return fn


def run(segment_ids: set[int]) -> None:
    for fn in _after:
        fn(segment_ids)
