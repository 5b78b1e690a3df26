"""Who can see a record, and why: the answer of the query gate for each person, in words."""

from __future__ import annotations

from flask_babel import gettext as _
from msgspec import Struct

from ..accounts import people, permissions, roles, sharing, users
from ..accounts.actor import Actor
from ..accounts.permissions import FormRights
from . import conditions, query
from .catalog import Form


class Seer(Struct, frozen=True):
    """A person. ``why``: what lets them see the record, or (``sees`` false) what keeps them from it."""

    id: int
    name: str
    sees: bool
    edits: bool
    why: list[str]


def of_record(form: Form, record_id: int) -> list[Seer]:
    """Everybody who sees the record, and those whom a denial keeps from it."""
    labels = {role.id: role.label for role in roles.everything()}
    shares = {user_id: share for share in sharing.of(form.key, record_id) for user_id in sharing.reached(share)}
    found = []
    for user_id, name in people.active():
        actor = users.actor_of(user_id)
        if actor is None:
            continue
        sees = record_id in query.visible_ids(form.key, [record_id], actor)
        why, denied = _reasons(form, record_id, actor, labels)
        if user_id in shares and not actor.is_admin:
            by = people.name(shares[user_id].created_by or 0) or _("系统")
            why.append(_("%(name)s 分享", name=by))
        if sees or denied:
            edits = sees and permissions.can(actor, "edit", form.key)
            edits = edits and record_id in query.visible_ids(form.key, [record_id], actor, verb="edit")
            found.append(Seer(user_id, name, sees, edits, why if sees else denied))
    return sorted(found, key=lambda one: not one.sees)


def _reasons(form: Form, record_id: int, actor: Actor, labels: dict[int, str]) -> tuple[list[str], list[str]]:
    if actor.is_admin:
        return [_("管理员")], []
    ctx = conditions.Context(actor=conditions.seeing_all(actor))
    why, denied = [], []
    for role_id, held in zip(actor.role_ids, permissions.rights_of(actor), strict=True):
        granted, role = held.on(form.key), labels.get(role_id, "")
        if granted.deny and conditions.holds(dict(granted.deny), form, record_id, ctx):
            denied.append(
                _("角色「%(role)s」拒绝：%(words)s", role=role, words=conditions.words(dict(granted.deny), form))
            )
        if "see" in granted.verbs and conditions.holds(dict(granted.scope), form, record_id, ctx):
            why.append(_("角色「%(role)s」：%(words)s", role=role, words=_scope_words(granted, form)))
    return why, denied


def _scope_words(granted: FormRights, form: Form) -> str:
    return conditions.words(dict(granted.scope), form) if granted.scope else _("全部")
