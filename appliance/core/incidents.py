"""What cannot go on by itself: why, and a person's two answers, try again or skip. Never silence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import gettext as _
from msgspec import Struct

from . import clock
from .db import read, write
from .errors import NotFound, UserError
from .models import IncidentRow

Answer = Callable[[str], None]


class Kind(Struct, frozen=True):
    """``retry`` and ``skip`` get the incident's ``ref`` and run inside its transaction; ``None``: not offered."""

    key: str
    label: Any
    retry: Answer | None
    skip: Answer | None


_kinds: dict[str, Kind] = {}


def declare(key: str, label: Any, *, retry: Answer | None = None, skip: Answer | None = None) -> None:
    if key in _kinds:
        raise ValueError(f"incidents of kind {key!r} are declared already; choose another name")
    _kinds[key] = Kind(key, label, retry, skip)


def kind(key: str) -> Kind:
    try:
        return _kinds[key]
    except KeyError:
        raise KeyError(f"no incidents of kind {key!r}; declare the kind where it arises") from None


def open(kind_key: str, why: str, ref: str, topic: str | None = None) -> int:
    """Reports an incident; the same one happening again is counted, not listed twice. Returns its id.

    ``ref`` says what it is about (``job:12``); incidents of one ``topic`` close when :func:`settle` is called for it.
    """
    kind(kind_key)
    now = clock.now()
    same = IncidentRow.topic == topic if topic else IncidentRow.ref == ref
    with write():
        known = (
            IncidentRow.select(IncidentRow.id)
            .where((IncidentRow.kind == kind_key) & same & IncidentRow.resolved_at.is_null())
            .scalar()
        )
        if known:
            IncidentRow.update(why=why, ref=ref, times=IncidentRow.times + 1, last_at=now).where(
                IncidentRow.id == known
            ).execute()
            return int(known)
        return int(
            IncidentRow.insert(kind=kind_key, why=why, ref=ref, topic=topic, created_at=now, last_at=now).execute()
        )


def get(incident_id: int) -> IncidentRow:
    with read():
        row = IncidentRow.get_or_none(IncidentRow.id == incident_id)
    if row is None:
        raise NotFound()
    return row


def unresolved(limit: int = 200) -> list[IncidentRow]:
    """The open incidents, newest first."""
    with read():
        query = IncidentRow.select().where(IncidentRow.resolved_at.is_null())
        return list(query.order_by(IncidentRow.last_at.desc(), IncidentRow.id.desc()).limit(limit))


def count() -> int:
    """How many incidents are open."""
    with read():
        return int(IncidentRow.select().where(IncidentRow.resolved_at.is_null()).count())


def retry(incident_id: int, actor: Any = None) -> None:
    """Tries what failed again and closes the incident; it opens anew if it fails again."""
    _answer(incident_id, "retried", actor)


def skip(incident_id: int, actor: Any = None) -> None:
    """Closes the incident without doing what failed."""
    _answer(incident_id, "skipped", actor)


def settle(topic: str) -> None:
    """Closes the open incidents of ``topic``: it has succeeded since."""
    with write():
        IncidentRow.update(resolved_at=clock.now(), resolution="succeeded").where(
            (IncidentRow.topic == topic) & IncidentRow.resolved_at.is_null()
        ).execute()


def _answer(incident_id: int, resolution: str, actor: Any) -> None:
    with write():
        row = get(incident_id)
        if row.resolved_at is not None:
            raise UserError(_("这个问题已经处理过了，请刷新页面。"))
        known = kind(row.kind)
        answer = known.retry if resolution == "retried" else known.skip
        if resolution == "retried" and answer is None:
            raise UserError(_("这个问题不能重试，请处理原因后选择“跳过”。"))
        if answer is not None:
            answer(row.ref)
        IncidentRow.update(
            resolved_at=clock.now(), resolution=resolution, resolved_by=getattr(actor, "id", None)
        ).where(IncidentRow.id == incident_id).execute()
