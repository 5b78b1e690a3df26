"""What made something happen, in words. A room whose causes have names (rules, decision tables, imports) adds them."""

from __future__ import annotations

from collections.abc import Callable

from flask_babel import gettext as _
from flask_babel import pgettext

from ..accounts import people

Name = Callable[[int], str | None]

_names: dict[str, Name] = {}


def names(kind: str) -> Callable[[Name], Name]:
    """Registers a function that names the cause of a kind by its id, ``None`` when it is gone::

    @causes.names("rule")
    def name_of_rule(rule_id: int) -> str | None: ...
    """
    if kind in _names:
        raise ValueError(f"causes of kind {kind!r} have names already")

    def add(fn: Name) -> Name:
        _names[kind] = fn
        return fn

    return add


def words(kind: str, cause_id: int | None, actor_id: int | None) -> str:
    """``规则「新客欢迎」``, ``导入 12``, ``陈晓``."""
    person = people.name(actor_id) if actor_id is not None else ""
    label = {
        "user": person or _("人工"),
        "api": _("接口（%(who)s）", who=person) if person else _("接口"),
        "import": _("导入"),
        "rule": pgettext("one", "规则"),
        "decision_table": pgettext("one", "决策表"),
        "segment": _("条件"),
        "undo": _("撤销"),
        "merge": _("合并"),
        "event": _("互动"),
        "favourite": _("偏好类目"),
        "bulk": _("批量操作"),
        "system": _("固客"),
    }.get(kind, kind)
    if cause_id is None:
        return label
    named = _names[kind](cause_id) if kind in _names else None
    return _("%(kind)s「%(name)s」", kind=label, name=named) if named else _("%(kind)s %(id)d", kind=label, id=cause_id)
