"""Single records shown to a person or a department, beyond what their roles allow.

A share adds a record to those that somebody sees; what of it they see, and whether they may change records of the form at
all, their roles say. A department stands for all who belong to it or to one below it. A *deny* condition of a role wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask_babel import gettext as _

from ..core import clock
from ..core.db import read, write
from ..core.errors import NotFound, UserError
from . import audit, departments, people
from .actor import Actor
from .cache import Cache, forget
from .models import Share

MOST = 100
"""Shares of one record."""

_shared: Cache[frozenset[tuple[str, int, bool]]] = Cache()


def living(user_id: int | None) -> Any:
    """An expression: the shares that count for a person now."""
    inside = sorted(above(user_id))
    to = (Share.user == user_id) | Share.department.in_(inside) if inside else Share.user == user_id
    return to & (Share.expires_at.is_null() | (Share.expires_at > clock.now()))


def above(user_id: int | None) -> set[int]:
    """The person's departments and all above them: a share with any of these reaches the person."""
    found: set[int] = set()
    for one in departments.of_user(user_id):
        step: int | None = one
        while step is not None and step not in found:
            found.add(step)
            step = departments.get(step).parent_id
    return found


def any_for(user_id: int | None, form_key: str) -> bool:
    """Whether anything of the form is shared with the person: nearly always not, so lists pay nothing for it."""
    return user_id is not None and any(key == form_key for key, _id, _edit in _held(user_id))


def mark(user_id: int | None) -> int:
    """Differs when something else is shared with the person, or the people around the person are others."""
    around = sorted(departments.people_in(departments.reach_of(user_id)))
    return hash((_held(user_id) if user_id is not None else None, tuple(around)))


def _held(user_id: int) -> frozenset[tuple[str, int, bool]]:
    return _shared.get(user_id, lambda: _load(user_id))


def _load(user_id: int) -> frozenset[tuple[str, int, bool]]:
    with read():
        found = Share.select(Share.form_key, Share.record_id, Share.may_edit).where(living(user_id))
        return frozenset(found.tuples())


def ids(user_id: int | None, form_key: str, *, edit: bool = False) -> Any:
    """The ids of the records shared with the person, as a sub-select."""
    found = Share.select(Share.record_id).where(Share.form_key == form_key, living(user_id))
    return found.where(Share.may_edit) if edit else found


def of(form_key: str, record_id: int) -> list[Share]:
    """The shares of one record that have not expired, the latest first."""
    now = clock.now()
    here = (Share.form_key == form_key) & (Share.record_id == record_id)
    with read():
        query = Share.select().where(here, Share.expires_at.is_null() | (Share.expires_at > now))
        return list(query.order_by(Share.id.desc()))


def with_whom(share: Share) -> str:
    """The person's name or the department's path."""
    return people.name(share.user_id) if share.user_id else departments.path(share.department_id)


def reached(share: Share) -> set[int]:
    """The ids of the people whom a share reaches."""
    return {share.user_id} if share.user_id else departments.people_in(departments.below(share.department_id))


def share(
    form_key: str,
    record_id: int,
    actor: Actor,
    *,
    user: int | None = None,
    department: int | None = None,
    may_edit: bool = False,
    expires_at: int | None = None,
) -> int:
    """Shares a record with one person or one department; a second time changes what they may and until when.

    Returns the share's id. Raises :class:`UserError` naming the field.
    """
    if (user is None) == (department is None):
        raise UserError(_("请选择一个人或一个部门。"), "with")
    if user is not None and not people.is_active(user):
        raise UserError(_("请从列表中选择人员。"), "with")
    if department is not None and not departments.exists(department):
        raise UserError(_("没有这个部门，请从列表中选择。"), "with")
    if expires_at is not None and expires_at <= clock.now():
        raise UserError(_("截止日期要在今天或以后。"), "until")
    here = (Share.form_key == form_key) & (Share.record_id == record_id)
    to = Share.user == user if user is not None else Share.department == department
    with write():
        if Share.select().where(here).count() >= MOST:
            raise UserError(_("一条记录最多分享给 %(max)d 个人或部门。", max=MOST), "with")
        Share.delete().where(here, to).execute()
        made = int(
            Share.insert(
                form_key=form_key, record_id=record_id, user=user, department=department, may_edit=may_edit,
                created_at=clock.now(), created_by=actor.id, expires_at=expires_at,
            ).execute()
        )  # fmt: skip
        detail = {
            "form": form_key,
            "record": record_id,
            "user": user,
            "department": _named(department),
            "edit": may_edit,
        }
        audit.note("record.shared", detail, actor, f"record:{form_key}:{record_id}")
        forget()
    return made


def revoke(share_id: int, form_key: str, record_id: int, actor: Actor) -> Share:
    """Ends a share of this record and returns it. Raises :class:`NotFound`."""
    with write():
        found = Share.get_or_none(Share.id == share_id, Share.form_key == form_key, Share.record_id == record_id)
        if found is None:
            raise NotFound(_("这项分享已经取消了。"))
        found.delete_instance()
        detail = {
            "form": form_key,
            "record": record_id,
            "user": found.user_id,
            "department": _named(found.department_id),
        }
        audit.note("record.unshared", detail, actor, f"record:{form_key}:{record_id}")
        forget()
    return found


def forget_records(form_key: str, record_ids: Iterable[int]) -> None:
    """Removes the shares of records that are gone for good."""
    with write():
        Share.delete().where(Share.form_key == form_key, Share.record_id.in_(list(record_ids))).execute()
        forget()


def _named(department_id: int | None) -> str | None:
    return departments.path(department_id) if department_id else None
