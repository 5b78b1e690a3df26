"""Which column fills what. Targets are paths:

``amount`` a field; ``tags`` a field of many values; ``member_no`` (an identity kind) a part of one;
``customer.phone`` a field of the related record, which is found by a name that is unique (``customer.member_no``) or
made; ``order_item.name`` a field of a record that is made along with this one; ``@address`` an address to take apart.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from ...accounts import permissions
from ...accounts.actor import SYSTEM, Actor
from ...core.errors import UserError
from .. import catalog
from ..catalog import SYSTEM_FIELDS, Form
from ..fields import build
from ..fields.base import Field
from ..fields.link import LinkField
from ..parsing import narrow
from . import address, synonyms

ID = "id"
"""The target path of the record's own number: finds a record, is never written."""
ID_HEADERS = ("固客编号", "Guke ID")
"""What our own exports call it, in every language."""
FUZZY = 0.84
"""Likeness at which two names are proposed as the same."""


class Target(Struct, frozen=True):
    """``field`` reads the cells (``None``: an address, which is taken apart). ``via``: "" for the record itself, else
    the relation field or the child form that the path begins with. ``link``: the multi-valued field that ``key`` is a
    part of. ``names``: a value names one record (a unique field, an identity). ``numbers``: the cells hold the numbers of
    related records, as our own exports do. ``owned``: a field of line items that exist for ``form`` only.
    """

    path: str
    form: Form
    key: str
    label: str
    group: str
    field: Field | None
    via: str = ""
    child: bool = False
    link: str = ""
    names: bool = False
    numbers: bool = False
    owned: bool = False

    @property
    def words(self) -> list[str]:
        return synonyms.words(self.form.key, self.key)

    @property
    def titles(self) -> list[str]:
        """Names that mean exactly this: the key and the label in every language."""
        labels = self._labels()
        if self.key == ID:
            return list(ID_HEADERS)
        if self.numbers:
            # A column that is merely called "客户" holds names; only our own export says that it holds numbers.
            return [self.path, *(f"{label} · {header}" for label in labels for header in ID_HEADERS)]
        return [self.key, self.path, *labels]

    def _labels(self) -> list[str]:
        label = self.field.spec.label if self.field else self.label
        return list(label.values()) if isinstance(label, dict) else [str(label)]


def targets(form: Form, actor: Actor = SYSTEM) -> dict[str, Target]:
    """Everything a file's column can fill when records of ``form`` are imported, by path, in the order to show."""
    found = _own(form, actor, "", form.label, False)
    for key, field in _writable(form, actor).items():
        if field.type == "relation":
            related = catalog.get(field.options["form"])
            if actor is SYSTEM or permissions.can(actor, "see", related.key):
                found |= _own(related, actor, f"{key}.", field.label, False)
    for child, field in children(form):
        if actor is SYSTEM or permissions.can(actor, "create", child.key):
            part = child.part_of
            group = form.fields[part.field].label if part and part.field in form.fields else child.label
            own = _own(child, actor, f"{child.key}.", group, True)
            found |= {path: target for path, target in own.items() if target.key != field.key}
    return found


def children(form: Form) -> list[tuple[Form, Field]]:
    """Forms whose records cannot be without a record of ``form`` (items of an order), and their relation field."""
    return [(other, field) for other, field in catalog.inverse(form) if field.required and other.key != form.key]


def _writable(form: Form, actor: Actor) -> dict[str, Field]:
    return {
        key: field
        for key, field in form.fields.items()
        if not field.readonly and (actor is SYSTEM or permissions.field_access(actor, form.key, key) == "edit")
    }


def _own(form: Form, actor: Actor, prefix: str, group: str, child: bool) -> dict[str, Target]:
    via = prefix.rstrip(".")
    found: dict[str, Target] = {}

    def add(key: str, label: str, field: Field | None, link: str = "") -> None:
        names = bool(link) or key in kinds or bool(field and field.unique)
        numbers, owned = bool(field and field.type == "relation"), child and form.part_of is not None
        path = prefix + key
        found[path] = Target(path, form, key, label, group, field, via, child, link, names, numbers, owned)

    if not prefix:
        number = SYSTEM_FIELDS[ID]
        found[ID] = Target(ID, form, ID, _("固客编号"), group, number, names=True)
    fields = _writable(form, actor)
    parts = {
        kind: (key, build(spec))
        for key, field in fields.items()
        if isinstance(field, LinkField)
        for kind, spec in field.import_parts().items()
    }
    kinds = set(parts)
    for key, field in fields.items():
        if isinstance(field, LinkField) and field.import_parts():
            for kind, (link, part) in parts.items():
                if kind not in fields and link == key:
                    add(kind, part.label, part, link)
        elif field.type != "relation" or not prefix:
            add(key, field.label, field)
            if field.points_at and field.column is None and not prefix:
                path = f"{key}.{ID}"
                title = f"{field.label} · {_('固客编号')}"
                found[path] = Target(path, form, key, title, group, field, numbers=True)
        elif child:
            # The record of a third form, by its unique field: the product of an order item by its code.
            other = catalog.get(field.options["form"])
            for unique in (f for f in other.fields.values() if f.unique):
                path = f"{key}.{unique.key}"
                add(path, f"{field.label} · {unique.label}", unique)
    if "province" in fields and "city" in fields:
        add(address.SUFFIX, _("地址（自动拆成省、市、区）"), None)
    return found


@lru_cache(maxsize=4096)
def bare(name: str) -> str:
    """A header for comparing: lower case, no blanks, underlines or bracketed units: ``Paid_At`` → ``paidat``."""
    text = re.sub(r"[(（\[【].*?[)）\]】]", "", narrow(name).casefold())
    return re.sub(r"[\s_\-*:：#/]+", "", text)


def known_words(form: Form) -> list[str]:
    """Case-folded names that headers of such a file often are; helps to find the header row."""
    words: set[str] = set()
    for target in targets(form).values():
        words.update(name.casefold() for name in (*target.titles, *target.words))
    return sorted(words)


def propose(names: list[str], samples: list[list[Any]], all_targets: dict[str, Target]) -> dict[int, str]:
    """Column index → target path, for the columns whose name says what they are. A target is given once."""
    offers: list[tuple[float, int, str]] = []
    for i, name in enumerate(names):
        if not name:
            continue
        for path, target in all_targets.items():
            score = likeness(name, target)
            if score and (score >= 0.9 or _fits(target, samples[i] if i < len(samples) else [])):
                offers.append((score, -i, path))
    taken: dict[int, str] = {}
    used: set[str] = set()
    # Exact names first; of equal ones the record's own field before a related record's, and left before right.
    for _score, i, path in sorted(offers, key=lambda o: (-o[0], -o[1], "." in o[2])):
        if -i not in taken and path not in used:
            taken[-i] = path
            used.add(path)
    # A made-along record without its name (a lone quantity) would be an empty shell.
    for via in {all_targets[path].via for path in used if all_targets[path].child}:
        child = catalog.get(via)
        if not child.part_of and f"{via}.{child.title_field}" not in used:
            taken = {i: path for i, path in taken.items() if all_targets[path].via != via}
    return dict(sorted(taken.items()))


def likeness(name: str, target: Target) -> float:
    """1 for the very name, 0 for another thing."""
    whole, last = bare(name), bare(name.rsplit("/", 1)[-1])
    distance = 0.0 if not target.via else 0.02
    if any(whole == bare(title) for title in (target.path, *_exact(target))):
        return 1.0 - distance
    words = [bare(word) for word in target.words]
    if whole in words:
        return 0.96 - distance
    if last != whole and (last in words or any(last == bare(title) for title in _exact(target))):
        return 0.92 - distance
    if len(last) < 3:
        return 0.0
    nearest = max((difflib.SequenceMatcher(None, last, word).ratio() for word in words), default=0.0)
    return nearest * 0.89 - distance if nearest >= FUZZY else 0.0


def _exact(target: Target) -> list[str]:
    """Titles that may be taken for this target alone. A related record is meant only by a name that identifies one:
    ``name`` in a file of orders is not safely the customer's.
    """
    spelled = [f"{target.group}{target.label}", f"{target.group}.{target.label}"]
    if not target.via:
        return target.titles
    if target.owned:
        return [*target.titles, *spelled]
    return [*target.titles, *spelled] if target.names else [target.path, *spelled]


def _fits(target: Target, samples: list[Any]) -> bool:
    """Whether the field can read most of the samples; a guess by name alone is not proposed against them."""
    if target.field is None or target.field.needs_database or not samples:
        return True
    _values, errors = target.field.parse_many(samples)
    return len(errors) * 2 <= len(samples)


def check(mapping: dict[int, str], all_targets: dict[str, Target]) -> None:
    """Raises :class:`UserError` when a path does not exist."""
    for path in mapping.values():
        if path not in all_targets:
            raise UserError(_("没有「%(path)s」这个导入目标。可用：%(all)s", path=path, all=_some(all_targets)))


def missing(paths: Iterable[str], all_targets: dict[str, Target]) -> list[str]:
    """Labels of required fields that nothing fills. A related record counts when one of its names is filled."""
    filled = set(paths)
    starts = {path.split(".")[0] for path in filled}
    return [
        target.label
        for target in all_targets.values()
        if not target.via and target.field and target.field.required and target.field.spec.default is None
        and target.path not in filled and target.path not in starts
    ]  # fmt: skip


def _some(all_targets: dict[str, Target]) -> str:
    paths = list(all_targets)
    return _("、").join(paths[:40]) + ("…" if len(paths) > 40 else "")
