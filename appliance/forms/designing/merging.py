"""Three definitions into one: what was published meanwhile goes into a draft that began before."""

from __future__ import annotations

from typing import Any

Doc = dict[str, Any]


def merge(base: Doc, theirs: Doc, mine: Doc) -> Doc:
    """``mine`` with what ``theirs`` changed since ``base``. Where both changed one thing, mine stays."""
    out = _merge_keys(base, theirs, mine, skip=("fields",))
    fields = _fields(base), _fields(theirs), _fields(mine)
    out["fields"] = [
        _merge_keys(fields[0].get(key, {}), fields[1].get(key, {}), fields[2].get(key, {}))
        for key in _order(*fields)
    ]  # fmt: skip
    return out


def _fields(doc: Doc) -> dict[str, Doc]:
    return {str(f.get("key")): f for f in doc.get("fields", []) if isinstance(f, dict)}


def _order(base: dict[str, Doc], theirs: dict[str, Doc], mine: dict[str, Doc]) -> list[str]:
    """My order; what they added comes after, what they deleted and I did not touch goes."""
    kept = [key for key in mine if key in theirs or key not in base or mine[key] != base[key]]
    return kept + [key for key in theirs if key not in mine and key not in base]


def _merge_keys(base: Doc, theirs: Doc, mine: Doc, skip: tuple[str, ...] = ()) -> Doc:
    out: Doc = {}
    for key in [*mine, *(key for key in theirs if key not in mine)]:
        if key in skip:
            continue
        values = [doc.get(key, _ABSENT) for doc in (base, theirs, mine)]
        value = values[1] if values[2] == values[0] else values[2]
        if value is not _ABSENT:
            out[key] = value
    return out


_ABSENT = object()
