"""Paths into a JSON document, as people pick them: ``data.buyer.name``.

A path goes by keys and by ``[0]`` (a place in a list), ``[label=姓名]`` (the entry of a list whose ``label`` is 姓名) and
``[]`` (each entry of a list: one record each). A key that holds a dot or a bracket is written ``["a.b"]``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ..core.errors import UserError

MOST_STEPS = 20
MOST_LEAVES = 300
LABELS = ("label", "name", "key", "title", "field", "标签", "字段")
"""What the entries of a list of named values call the name; the value stands beside it as :data:`VALUES`."""
VALUES = ("value", "val", "content", "answer", "值")
MISSING = object()

_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d{1,6})\]|\[\]|\[([^\[\]="]+)=([^\[\]]*)\]|([^.\[\]]+)')

EACH = object()
Step = Any
"""A key, a place in a list, :data:`EACH`, or a pair (name, value) that an entry must have."""


def parse(path: str) -> tuple[Step, ...]:
    """Raises :class:`UserError` with a sentence for what is no path."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        if path[at] == "." and steps and at + 1 < len(path):
            at += 1
        found = _STEP.match(path, at)
        if found is None:
            raise UserError(_("路径「%(path)s」写得不对，例如 data.name、list[0].phone。", path=path[:80]))
        quoted, place, name, value, key = found.groups()
        if quoted is not None:
            steps.append(json.loads(f'"{quoted}"'))
        elif place is not None:
            steps.append(int(place))
        elif name is not None:
            steps.append((name, value))
        else:
            steps.append(key if key is not None else EACH)
        at = found.end()
    if len(steps) > MOST_STEPS:
        raise UserError(_("路径太长，最多 %(most)d 层。", most=MOST_STEPS))
    if steps.count(EACH) > 1:
        raise UserError(_("路径「%(path)s」里的 [] 只能有一个。", path=path[:80]))
    return tuple(steps)


def get(doc: Any, steps: tuple[Step, ...]) -> Any:
    """What stands there; ``None`` where there is nothing."""
    for step in steps:
        doc = _go(doc, step)
        if doc is MISSING:
            return None
    return doc


def _go(doc: Any, step: Step) -> Any:
    if isinstance(step, int):
        return doc[step] if isinstance(doc, list) and step < len(doc) else MISSING
    if isinstance(step, tuple):
        rows = doc if isinstance(doc, list) else []
        return next((one for one in rows if isinstance(one, dict) and str(one.get(step[0])) == step[1]), MISSING)
    return doc.get(step, MISSING) if isinstance(doc, dict) else MISSING


def list_of(steps: tuple[Step, ...]) -> tuple[Step, ...] | None:
    """The steps to the list of which each entry is a record; ``None``: the path has no ``[]``."""
    return steps[: steps.index(EACH)] if EACH in steps else None


class Leaf(Struct, frozen=True):
    """A value of a document, with the path that leads to it."""

    path: str
    value: Any

    @property
    def name(self) -> str:
        """What it is called: the last key, or the label of a named value."""
        last = next((step for step in reversed(parse(self.path)) if isinstance(step, (str, tuple))), "")
        steps = parse(self.path)
        named = next((step for step in reversed(steps) if isinstance(step, tuple)), None)
        return named[1] if named and last in VALUES else str(last)


def leaves(doc: Any) -> list[Leaf]:
    """The values that can be picked, in the document's order."""
    found: list[Leaf] = []
    for leaf in _leaves(doc, "", each=False):
        found.append(leaf)
        if len(found) >= MOST_LEAVES:
            break
    return found


def _leaves(doc: Any, path: str, *, each: bool) -> Iterator[Leaf]:
    if len(path) > 300:
        return
    if isinstance(doc, dict):
        for key, value in doc.items():
            yield from _leaves(value, _join(path, str(key)), each=each)
    elif isinstance(doc, list) and doc and all(isinstance(one, dict) for one in doc):
        pair = _named(doc)
        if pair:
            for one in doc:
                yield from _leaves(one.get(pair[1]), f"{path}[{pair[0]}={one[pair[0]]}].{pair[1]}", each=each)
        else:
            yield from _leaves(doc[0], f"{path}[0]" if each else f"{path}[]", each=True)
    elif path:
        yield Leaf(path, doc)


def _join(path: str, key: str) -> str:
    if re.fullmatch(r"[^.\[\]\"\\]+", key):
        return f"{path}.{key}" if path else key
    return f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _named(rows: list[dict[str, Any]]) -> tuple[str, str] | None:
    """The keys of name and value when the list is one of named values: ``[{"label": "姓名", "value": "张三"}]``."""
    name = next((key for key in LABELS if all(isinstance(row.get(key), str) for row in rows)), None)
    value = next((key for key in VALUES if all(key in row for row in rows)), None)
    if name is None or value is None or len({row[name] for row in rows}) < len(rows):
        return None
    good = all(re.fullmatch(r"[^\[\]]{1,60}", row[name]) for row in rows)
    return (name, value) if good else None
