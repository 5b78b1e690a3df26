"""Deputies: who stands in for whom while somebody is away.

While it lasts, the deputy sees what is the absent person's own (:func:`stands_for`) and is told what they are told. What
the deputy may do stays with the deputy's own roles. It does not pass on: a deputy's deputy stands in for the deputy only.
"""

from __future__ import annotations

import datetime as dt

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct

from ..core import clock, jobs, schema, settings
from ..core.db import read, write
from ..core.errors import FieldErrors, Forbidden, NotFound
from . import audit, notices, people, users
from .actor import SYSTEM, Actor
from .cache import Cache, forget
from .models import Deputy

LONGEST = 366
"""Days."""
NOTE = 200


class Standing(Struct, frozen=True):
    """One person standing in for another, from ``starts_at`` until just before ``ends_at`` (UTC seconds)."""

    id: int
    user_id: int
    deputy_id: int
    starts_at: int
    ends_at: int
    note: str

    @property
    def user(self) -> str:
        return people.name(self.user_id)

    @property
    def deputy(self) -> str:
        return people.name(self.deputy_id)

    @property
    def last_day(self) -> int:
        """A moment of the last day."""
        return self.ends_at - 1

    @property
    def state(self) -> str:
        """``coming``, ``now`` or ``over``."""
        now = clock.now()
        return "coming" if now < self.starts_at else "now" if now < self.ends_at else "over"


_open: Cache[tuple[Standing, ...]] = Cache()


def _standing() -> list[Standing]:
    """Those that stand in at this moment."""
    return [one for one in _open.get(0, _load) if one.state == "now"]


def _load() -> tuple[Standing, ...]:
    with read():
        rows = Deputy.select().where(Deputy.ended_at.is_null(), Deputy.ends_at > clock.now())
        return tuple(_shown(row) for row in rows)


def _shown(row: Deputy) -> Standing:
    return Standing(row.id, row.user_id, row.deputy_id, row.starts_at, row.ends_at, row.note)


def stands_for(actor: Actor) -> list[int]:
    """The people whose own records are the actor's own now: the actor, and whom they stand in for."""
    if actor.id is None:
        return []
    return [actor.id, *(one.user_id for one in _standing() if one.deputy_id == actor.id)]


def of_deputy(actor: Actor) -> list[Standing]:
    """Whom the actor stands in for now."""
    return [one for one in _standing() if one.deputy_id == actor.id]


def of_person(actor: Actor) -> list[Standing]:
    """Who stands in for the actor now."""
    return [one for one in _standing() if one.user_id == actor.id]


def absent() -> set[int]:
    """The people who are away now: somebody stands in for them."""
    return {one.user_id for one in _standing()}


@notices.stand_ins
def told_instead(user_id: int) -> list[tuple[int, str]]:
    """Who is told what ``user_id`` is told, with the name of whom they stand in for."""
    return [(one.deputy_id, one.user) for one in _standing() if one.user_id == user_id]


def listed(actor: Actor, limit: int = 100) -> list[Standing]:
    """What the actor may look at, latest first: everything for an administrator, else what concerns them."""
    query = Deputy.select().where(Deputy.ended_at.is_null())
    if not actor.is_admin:
        query = query.where((Deputy.user == actor.id) | (Deputy.deputy == actor.id))
    with read():
        return [_shown(row) for row in query.order_by(Deputy.ends_at.desc(), Deputy.id.desc()).limit(limit)]


def name(user_id: int, deputy_id: int | None, since: str, until: str, note: str, actor: Actor) -> int:
    """Names a deputy for the days ``since`` to ``until`` (``2026-10-01``), both included; returns the id.

    Everybody for themselves, administrators for anybody. Raises :class:`FieldErrors`, :class:`Forbidden`.
    """
    if user_id != actor.id and not actor.is_admin:
        raise Forbidden(_("只能为自己指定代理。需要时请联系管理员。"))
    first, last = _day(since), _day(until)
    errors = _errors(user_id, deputy_id, first, last, note)
    if errors or first is None or last is None or deputy_id is None:
        raise FieldErrors(errors)
    tz = settings.tz()
    starts_at, ends_at = clock.start_of(first, tz), clock.start_of(last + dt.timedelta(days=1), tz)
    with write():
        if _overlaps(user_id, deputy_id, starts_at, ends_at):
            raise FieldErrors({"deputy": _("这段时间已经由 %(name)s 代理了。", name=people.name(deputy_id))})
        number = int(
            Deputy.insert(
                user=user_id,
                deputy=deputy_id,
                starts_at=starts_at,
                ends_at=ends_at,
                note=note.strip(),
                created_by=actor.id,
                created_at=clock.now(),
            ).execute()
        )
        detail = {"user": user_id, "deputy": deputy_id, "since": first.isoformat(), "until": last.isoformat()}
        audit.note("deputy.named", detail, actor)
        forget()
        _tell(user_id, deputy_id, first, last, actor)
    return number


def _errors(
    user_id: int, deputy_id: int | None, first: dt.date | None, last: dt.date | None, note: str
) -> dict[str, str]:
    errors = {}
    if not people.is_active(user_id):
        errors["user"] = _("请从列表中选择人员。")
    if deputy_id is None or not people.is_active(deputy_id):
        errors["deputy"] = _("请从列表中选择代理人。")
    elif deputy_id == user_id:
        errors["deputy"] = _("代理人要是另一个人。")
    if first is None:
        errors["since"] = _("请选择开始日期。")
    if last is None:
        errors["until"] = _("请选择结束日期。")
    elif last < clock.today(settings.tz()):
        errors["until"] = _("结束日期已经过去了。")
    elif first and last < first:
        errors["until"] = _("结束日期不能早于开始日期。")
    elif first and (last - first).days >= LONGEST:
        errors["until"] = _("一次最多代理 %(days)s 天。", days=LONGEST)
    if len(note.strip()) > NOTE:
        errors["note"] = _("说明最多 %(most)s 个字。", most=NOTE)
    return errors


def _day(text: str) -> dt.date | None:
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None


def _overlaps(user_id: int, deputy_id: int, starts_at: int, ends_at: int) -> bool:
    same = (Deputy.user == user_id) & (Deputy.deputy == deputy_id) & Deputy.ended_at.is_null()
    return bool(Deputy.select().where(same, Deputy.starts_at < ends_at, Deputy.ends_at > starts_at).exists())


def _tell(user_id: int, deputy_id: int, first: dt.date, last: dt.date, actor: Actor) -> None:
    said = {"user": people.name(user_id), "deputy": people.name(deputy_id), "first": first, "last": last}
    if deputy_id != actor.id:
        notices.tell(
            [deputy_id],
            "deputy",
            lambda to: _("%(first)s 至 %(last)s 由您代理 %(user)s。", **said),
            "/settings/deputies",
        )
    if user_id != actor.id:
        notices.tell(
            [user_id],
            "deputy",
            lambda to: _("%(first)s 至 %(last)s 由 %(deputy)s 代理您。", **said),
            "/settings/deputies",
        )


def end(standing_id: int, actor: Actor) -> None:
    """Ends it now: by the person, the deputy or an administrator. Raises :class:`NotFound`."""
    with write():
        row = Deputy.get_or_none(Deputy.id == standing_id, Deputy.ended_at.is_null())
        if row is None or not (actor.is_admin or actor.id in (row.user_id, row.deputy_id)):
            raise NotFound(_("这个代理已经结束了。"))
        Deputy.update(ended_at=clock.now()).where(Deputy.id == row.id).execute()
        audit.note("deputy.ended", {"user": row.user_id, "deputy": row.deputy_id}, actor)
        forget()


@schema.seed
def timer() -> None:
    jobs.schedule("accounts.deputies", "5 0 * * *", "accounts.deputies")


@jobs.handler("accounts.deputies", label=_l("结束到期的代理"))
def end_those_over(job: jobs.Job) -> dict[str, int]:
    """Writes into the log what ended by itself."""
    with write():
        rows = list(Deputy.select().where(Deputy.ended_at.is_null(), Deputy.ends_at <= clock.now()))
        for row in rows:
            Deputy.update(ended_at=row.ends_at).where(Deputy.id == row.id).execute()
            audit.note("deputy.ended", {"user": row.user_id, "deputy": row.deputy_id}, SYSTEM)
    return {"ended": len(rows)}


def everybody_active() -> list[tuple[int, str]]:
    """Who can stand in: ``(id, name)``."""
    return [(user.id, user.name) for user in users.people(active=True)]
