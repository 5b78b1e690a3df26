"""What made something happen, in words: of a Change, a tag, a message, a line of points.

A room whose causes have a label, names or pages of their own adds them::

    causes.label("webhook", _l("推送"))

    @causes.names("webhook")
    def name_of(call_id: int) -> str | None: ...

    @causes.links("webhook")
    def link_of(call_id: int) -> str: ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import lazy_pgettext

from ..accounts import people

Name = Callable[[int], str | None]
Link = Callable[[int], str | None]
F = TypeVar("F", bound=Callable[[int], Any])

_labels: dict[str, Any] = {
    "api": _l("接口"),
    "app": _l("应用模板"),
    "bulk": _l("批量操作"),
    "decision_table": lazy_pgettext("one", "决策表"),
    "event": _l("互动"),
    "flow": _l("流程"),
    "import": _l("导入"),
    "merge": _l("合并"),
    "restore": _l("恢复旧值"),
    "rule": lazy_pgettext("one", "规则"),
    "segment": _l("条件"),
    "undo": _l("撤销"),
}
_names: dict[str, Name] = {}
_links: dict[str, Link] = {}


def label(kind: str, words: Any) -> None:
    """Says what causes of a kind are called. Raises ValueError when they are called something already."""
    _add(_labels, kind, words)


def names(kind: str) -> Callable[[F], F]:
    """Registers a function that names the cause of a kind by its id: ``None`` when it is gone, ``""`` when it needs no name
    besides the kind's label."""
    return lambda fn: _add(_names, kind, fn)


def links(kind: str) -> Callable[[F], F]:
    """Registers a function that gives the URL of a cause's page by its id."""
    return lambda fn: _add(_links, kind, fn)


def _add(known: dict[str, Any], kind: str, one: Any) -> Any:
    if kind in known:
        raise ValueError(f"{kind!r} is a kind of cause that another room speaks for already")
    known[kind] = one
    return one


def label_of(kind: str) -> str:
    """``规则``; empty for what a person did by hand, Guke itself and kinds that nobody has named."""
    return str(_labels.get(kind, ""))


def told(kind: str, cause_id: int | None) -> tuple[str, str | None]:
    """``规则「新客欢迎」``, ``导入 #12``, and the URL of its page when it has one."""
    called = label_of(kind) or kind
    if not cause_id:
        return called, None
    name = _names[kind](cause_id) if kind in _names else None
    gone = name is None and kind in _names
    url = _links[kind](cause_id) if kind in _links and not gone else None
    if name is None:
        return f"{called} #{cause_id}", url
    return (_("%(kind)s「%(name)s」", kind=called, name=name) if name else called), url


def words(kind: str, cause_id: int | None, actor_id: int | None) -> str:
    """:func:`told` without the page, for places that show who it was as well: ``陈晓``, ``接口（陈晓）``."""
    person = people.name(actor_id) if actor_id is not None else ""
    if kind == "user":
        return person or _("人工")
    if kind == "system":
        return _("固客")
    if kind == "api" and person and cause_id is None:
        return _("接口（%(who)s）", who=person)
    return told(kind, cause_id)[0]
