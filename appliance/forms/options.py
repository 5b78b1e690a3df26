"""What a form's definition says besides its fields, checked in one place: layout, uniqueness, colours, lists, views."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import gettext as _

from . import layout
from .fields.base import Field, is_label

KEYS = ("layout", "unique", "color", "color_field", "search", "columns", "views")
"""Kept in ``form.options`` under the same names."""

COLORS = (
    "blue", "teal", "green", "amber", "orange", "red", "pink", "purple", "cyan", "gray", "dark",
)  # fmt: skip

FIELD_WORDS = frozenset(
    (
        "field",
        "by",
        "sum",
        "date",
        "until",
        "start",
        "end",
        "title",
        "image",
        "cover",
        "parent",
        "color_field",
        "group_by",
        "stack",
        "sort",
    )
)
"""Keys of a view's document whose value names a field (``sort`` perhaps with a minus)."""
LIST_WORDS = frozenset(("fields", "columns", "card", "cards"))
"""Keys whose value is a list of fields."""

Found = dict[str, str]


def problems(doc: dict[str, Any], fields: Mapping[str, Field], system: Mapping[str, Field]) -> Found:
    """What is wrong, by place (``layout.tabs.0.sections.1.fields``): a sentence each.

    ``doc``: the parts to be checked; ``fields``: the form's own, ``system``: those every record has.
    """
    found: Found = {}
    known = {**fields, **system}
    for key, check in _CHECKS.items():
        if doc.get(key) is not None:
            check(doc[key], fields, known, found)
    return found


def _no_field(key: Any) -> str:
    return _("没有字段「%(key)s」。", key=key)


def _layout(value: Any, _fields: Mapping[str, Field], known: Mapping[str, Field], found: Found) -> None:
    found |= layout.problems(value, known)


def _unique(value: Any, fields: Mapping[str, Field], _known: Mapping[str, Field], found: Found) -> None:
    if not isinstance(value, list):
        found["unique"] = _('联合唯一要写成一列字段组，如 [["shop", "number"]]。')
        return
    seen = set()
    for n, keys in enumerate(value):
        place = f"unique.{n}"
        if not isinstance(keys, list) or len(keys) < 2 or not all(isinstance(key, str) for key in keys):
            found[place] = _("第 %(n)s 组联合唯一至少要有两个字段。", n=n + 1)
        elif missing := next((key for key in keys if key not in fields), None):
            found[place] = _no_field(missing)
        elif len(set(keys)) != len(keys) or frozenset(keys) in seen:
            found[place] = _("第 %(n)s 组联合唯一有重复。", n=n + 1)
        elif wrong := next((key for key in keys if not _can_be_together(fields[key])), None):
            found[place] = _("「%(field)s」不能用在联合唯一里。", field=fields[wrong].label)
        else:
            seen.add(frozenset(keys))


def _can_be_together(f: Field) -> bool:
    return bool(f.column) and (f.can_be_unique or f.group in ("choice", "relation", "people", "time", "number"))


def _color(value: Any, _fields: Mapping[str, Field], _known: Mapping[str, Field], found: Found) -> None:
    if value not in COLORS:
        found["color"] = _("没有「%(color)s」这种颜色，可用：%(all)s。", color=value, all=", ".join(COLORS))


def _color_field(value: Any, fields: Mapping[str, Field], _known: Mapping[str, Field], found: Found) -> None:
    f = fields.get(value) if isinstance(value, str) else None
    if f is None:
        found["color_field"] = _no_field(value)
    elif f.type != "choice":
        found["color_field"] = _("颜色要取自单选字段，「%(field)s」不是。", field=f.label)


def _listed(name: str) -> Callable[..., None]:
    def check(value: Any, fields: Mapping[str, Field], known: Mapping[str, Field], found: Found) -> None:
        allowed = fields if name == "search" else known
        if not isinstance(value, list):
            found[name] = _("「%(name)s」要写成一列字段的键名。", name=name)
            return
        for n, key in enumerate(value):
            if not isinstance(key, str) or key not in allowed:
                found[f"{name}.{n}"] = _no_field(key)
            elif name == "search" and not allowed[key].column:
                found[f"{name}.{n}"] = _("「%(field)s」不能用来快速搜索。", field=allowed[key].label)

    return check


def _views(value: Any, _fields: Mapping[str, Field], known: Mapping[str, Field], found: Found) -> None:
    if not isinstance(value, dict):
        found["views"] = _("「%(key)s」要是一个 JSON 对象。", key="views")
        return
    for name, view in value.items():
        if not isinstance(view, (dict, bool)) and view is not None:
            found[f"views.{name}"] = _("「%(key)s」要是一个 JSON 对象。", key=name)
        elif isinstance(view, dict):
            _view(view, f"views.{name}", known, found)


def _view(view: dict[str, Any], place: str, known: Mapping[str, Field], found: Found) -> None:
    for key, value in view.items():
        if key == "label" and not is_label(value):
            found[f"{place}.label"] = _('「%(name)s」要写成文字，或 {"zh": …, "en": …}。', name="label")
        if key in FIELD_WORDS and value is not None:
            if not isinstance(value, str) or value.removeprefix("-") not in known:
                found[f"{place}.{key}"] = _no_field(value)
        elif key in LIST_WORDS and value is not None:
            wrong = value if not isinstance(value, list) else next((k for k in value if k not in known), None)
            if wrong is not None:
                found[f"{place}.{key}"] = _no_field(wrong)


_CHECKS: dict[str, Callable[..., None]] = {
    "layout": _layout,
    "unique": _unique,
    "color": _color,
    "color_field": _color_field,
    "search": _listed("search"),
    "columns": _listed("columns"),
    "views": _views,
}
