"""Sets of segments: ``{"all": [key…], "any": [key…], "not": key or [key…]}``, nested at will, read as a condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask_babel import gettext as _

from ...core.errors import UserError
from ...forms.conditions import Condition

PARTS = ("all", "any", "not")
DEPTH = 6


def condition(expression: Any, depth: int = 0) -> Condition:
    """The condition that a set expression stands for. Raises UserError."""
    if isinstance(expression, str) and expression:
        return {"segment": expression}
    if not isinstance(expression, dict) or not expression or not set(expression) <= set(PARTS) or depth > DEPTH:
        raise UserError(_("客群的组合要写成 all、any 或 not，里面是客群。"), "set")
    parts: list[Condition] = []
    for name in PARTS:
        if name not in expression:
            continue
        given = expression[name]
        inner = [condition(one, depth + 1) for one in (given if isinstance(given, list) else [given])]
        if not inner:
            continue
        if name == "not":
            parts += [{"not": one} for one in inner]
        else:
            parts.append(inner[0] if len(inner) == 1 else {name: inner})
    if not parts:
        raise UserError(_("请至少选择一个客群。"), "set")
    return parts[0] if len(parts) == 1 else {"all": parts}


def expression(where: Any) -> Any:
    """The set expression that a condition of nothing but segments stands for: the other way round. What is none is left as it
    is; :func:`condition` says so."""
    if isinstance(where, dict):
        return (
            where["segment"] if set(where) == {"segment"} else {name: expression(part) for name, part in where.items()}
        )
    return [expression(part) for part in where] if isinstance(where, list) else where


def named(doc: Any) -> Iterator[str]:
    """Keys of the segments that a condition names, inner conditions included."""
    if isinstance(doc, dict):
        if isinstance(doc.get("segment"), str):
            yield doc["segment"]
        for value in doc.values():
            yield from named(value)
    elif isinstance(doc, list):
        for value in doc:
            yield from named(value)
