"""The visible list of actions. A new action is one module, its template, one line here and a heading in the manual."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from ...forms.catalog import Form
from .assign import Assign
from .base import Action, ActionError, Effect, Work
from .call_webhook import CallWebhook
from .create_record import CreateRecord
from .create_task import CreateTask
from .send import Send
from .set import Set
from .tag import AddTag, RemoveTag
from .update_related import UpdateRelated

ACTIONS: dict[str, type[Action]] = {}


def register(cls: type[Action]) -> type[Action]:
    """Adds an action (also used by higher rooms). Raises on a name that is taken."""
    if cls.name in ACTIONS:
        raise ValueError(f"action {cls.name!r} is registered twice")
    ACTIONS[cls.name] = cls
    return cls


for _cls in (Set, AddTag, RemoveTag, Assign, CreateTask, CreateRecord, UpdateRelated, Send, CallWebhook):
    register(_cls)


def offered(form: Form) -> list[type[Action]]:
    """The actions that make sense for records of the form."""
    return [cls for cls in ACTIONS.values() if cls.suits(form)]


def open_action(doc: Any, form: Form) -> Action:
    """The action of a document, its parameters unchecked. Raises :class:`ActionError` for one that does not exist."""
    name = doc.get("action") if isinstance(doc, dict) else None
    cls = ACTIONS.get(name) if isinstance(name, str) else None
    if cls is None:
        known = _("、").join(ACTIONS)
        if not name:
            raise ActionError(_("请在 action 里写明做什么，可用：%(known)s。", known=known), "action")
        raise ActionError(_("没有「%(name)s」这个动作，可用：%(known)s。", name=str(name)[:40], known=known), "action")
    return cls(doc, form)


def build(doc: Any, form: Form) -> Action:
    """The action of a document, checked. Raises :class:`ActionError`."""
    action = open_action(doc, form)
    if not action.suits(form):
        raise ActionError(_("「%(action)s」不能用于%(form)s。", action=action.label, form=form.many), "action")
    if unknown := sorted(doc.keys() - action.params - {"action"}):
        name = str(unknown[0])[:40]
        known = _("、").join(sorted(action.params))
        raise ActionError(
            _("「%(action)s」没有「%(name)s」这一项，可写：%(known)s。", action=action.label, name=name, known=known),
            name,
        )
    action.check()
    return action


__all__ = ["ACTIONS", "Action", "ActionError", "Effect", "Work", "build", "offered", "open_action", "register"]
