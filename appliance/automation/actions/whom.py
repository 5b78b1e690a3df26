"""Who is given work: the owner of a record, the owner's manager, a person, somebody of a role or of a department."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import pgettext

from ...accounts import departments, deputies, people, users
from ...core import dialect
from ...core.db import db
from .assign import DEPARTMENT, Assign
from .base import ActionError, Work

OWNER, MANAGER = "owner", "manager_of_owner"
ROLE = "role:"


def check(who: Any, form: Any, path: str) -> None:
    """Raises :class:`ActionError`."""
    if not isinstance(who, str) or not who.strip():
        raise ActionError(_("请选择谁来做。"), path)
    if who in (OWNER, MANAGER):
        if Assign.owner_of(form) is None:
            raise ActionError(_("「%(form)s」没有负责人字段，请选择具体的人。", form=form.label), path)
    elif not _candidates(who):
        raise ActionError(_("没有叫「%(name)s」的在职人员、角色或部门。", name=who[:40]), path)


def words(who: Any) -> str:
    if who == OWNER:
        return pgettext("whom", "负责人")
    if who == MANAGER:
        return _("负责人的上级")
    text = str(who or "")
    person = people.find(text)
    if person is not None:
        return people.name(person)
    if text.startswith(DEPARTMENT):
        found = departments.find(text.removeprefix(DEPARTMENT))
        return departments.name(found) if found else text.removeprefix(DEPARTMENT)
    return dict(users.roles()).get(text.removeprefix(ROLE), text)


def choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """What the inputs offer, in groups."""
    staff = [(people.login(i) or "", name) for i, name in people.active()]
    rooms = [(f"{DEPARTMENT}{i}", name) for i, name in departments.choices()]
    roles = [(f"{ROLE}{key}", label) for key, label in users.roles()]
    first = [(OWNER, _("负责人")), (MANAGER, _("负责人的上级"))]
    groups = [(_("随记录"), first), (_("人员"), staff), (_("部门里轮流"), rooms), (_("角色里轮流"), roles)]
    return [(label, found) for label, found in groups if found]


def _candidates(who: str) -> list[int]:
    """Active people whom a name stands for: a person, a department's, a role's."""
    if who.startswith(DEPARTMENT):
        found = departments.find(who.removeprefix(DEPARTMENT))
        return [i for one in sorted(departments.below(found)) for i in departments.get(one).members] if found else []
    person = None if who.startswith(ROLE) else people.find(who)
    if person is not None:
        return [person] if people.is_active(person) else []
    key, active = who.removeprefix(ROLE), [i for i, _name in people.active()]
    held = users.roles_of(active)
    return [i for i in active if any(role == key for role, _label in held.get(i, ()))]


def choose(who: str, ids: Sequence[int], work: Work) -> dict[int, int]:
    """Record → person; records for which there is nobody are left out."""
    if who in (OWNER, MANAGER):
        form = work.form
        key = Assign.owner_of(form)
        if key is None:
            return {}
        rows = form.table.select(form.col("id"), form.col(key)).where(dialect.among(form.col("id"), ids))
        owners = {i: owner for i, owner in rows.tuples().execute(db) if owner is not None}
        if who == OWNER:
            return {i: owner for i, owner in owners.items() if people.is_active(owner)}
        managers = {owner: departments.manager_of(owner) for owner in set(owners.values())}
        return {i: boss for i, owner in owners.items() if (boss := managers[owner]) is not None}
    found = _candidates(who)
    away = deputies.absent()
    present = [i for i in found if i not in away] or found
    return Assign._turns(ids, found, present, f"who:{who}", work) if found and ids else {}
