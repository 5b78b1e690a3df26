"""Records that the cells of a file name: by what is unique to each, else by a title that only one of them has."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from flask_babel import gettext as _

from ...accounts.actor import Actor
from .. import catalog, query, relations
from ..catalog import Form
from ..fields.base import Field
from ..fields.link import LinkField
from ..fields.relations import Relations
from ..parsing import clean


def read(field: Relations, cells: list[Any], actor: Actor) -> tuple[list[Any], dict[int, str]]:
    """The ids that each cell names, and by index the sentence for each that names nobody or cannot decide."""
    parts = [[] if cell is None else _parts(field, cell) for cell in cells]
    found = find(catalog.get(field.target), {name for names in parts for name in names}, actor)
    values: list[Any] = []
    errors: dict[int, str] = {}
    for i, names in enumerate(parts):
        wrong = [why for name in names if isinstance(why := found[name], str)]
        if wrong:
            errors[i] = " ".join(dict.fromkeys(wrong))
        values.append(None if wrong or not names else list(dict.fromkeys(found[name] for name in names)))
    return values, errors


def _parts(field: Relations, cell: Any) -> list[str]:
    return [name for part in field.split(clean(cell)) if (name := part.strip())]


def find(form: Form, names: set[str], actor: Actor) -> dict[str, int | str]:
    """Name → the record that it means among those ``actor`` sees, or the sentence why there is none."""
    held = _holders(form, names, actor)
    seen = query.visible_ids(form.key, {one for ids in held.values() for one in ids}, actor)
    found: dict[str, int | str] = {}
    for name in names:
        ids = held[name] & seen
        if len(ids) == 1:
            found[name] = ids.pop()
        elif ids:
            found[name] = _(
                "有 %(count)d 条%(form)s叫「%(name)s」，无法判断是哪一条。", count=len(ids), form=form.label, name=name
            )
        else:
            found[name] = _("没有找到叫「%(name)s」的%(form)s。", name=name, form=form.label)
    return found


def _holders(form: Form, names: set[str], actor: Actor) -> dict[str, set[int]]:
    """The records that a name may mean: what is unique decides before titles, titles before numbers."""
    fields = query.clear(form, actor)
    held: dict[str, set[int]] = defaultdict(set)
    unique = [f for f in fields.values() if f.unique and f.column]
    for f in unique:
        _add(form, f, names, held)
    for f in fields.values():
        if isinstance(f, LinkField):
            for kind in f.import_parts():
                for value, record_id in f.holders(kind, sorted(names)).items():
                    held[str(value)].add(record_id)
    title = fields.get(form.title_field or "")
    if title is not None and title.column and not title.unique:
        _add(form, title, {name for name in names if not held[name]}, held)
    if not unique:
        for name in names:
            if not held[name] and name.isdecimal() and len(name) < 16:
                held[name].add(int(name))
    return held


def _add(form: Form, f: Field, names: set[str], held: dict[str, set[int]]) -> None:
    ordered = sorted(names)
    values, _errors = f.parse_many(ordered)
    spelled: dict[Any, list[str]] = defaultdict(list)
    for name, value in zip(ordered, values, strict=True):
        if isinstance(value, (str, int, float)):
            spelled[value].append(name)
    for value, record_id in relations.lookup(form, f.key, list(spelled)):
        for name in spelled[value]:
            held[name].add(record_id)
