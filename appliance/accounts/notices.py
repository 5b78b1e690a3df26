"""What a person should know, told inside the app: the bell of the top bar counts it, ``/notices`` lists it.

Any room tells people things::

    notices.tell([user_id], "task", _("您有一项新任务：%(title)s", title=title), url_for("forms.show_record", …))

``text`` is words, words by language, or a function that is asked once for each person, in their language: it returns the
words, or ``None`` for somebody who should not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask_babel import gettext as _
from peewee import fn

from ..core import clock, i18n
from ..core.db import PARAM, Statement, read, write
from ..core.errors import NotFound
from . import users
from .actor import Actor
from .models import Notice

PAGE = 30
KEPT = 90 * clock.DAY
"""Read notices are forgotten after so many seconds, unread ones after twice as long."""

Words = str | Mapping[str, str] | Callable[[Actor], str | None]


def tell(user_ids: Iterable[int], kind: str, text: Words, link: str | None = None) -> int:
    """Tells people; those who were disabled are left out. ``link``: a path of this site. Returns how many were told."""
    now = clock.now()
    told = list(dict.fromkeys(user_ids))
    instead = [(other, name) for user_id in told for fn in _stand_ins for other, name in fn(user_id)]
    rows = []
    for user_id, name in [*((user_id, "") for user_id in told), *(one for one in instead if one[0] not in told)]:
        actor = users.actor_of(user_id)
        words = _for(actor, text) if actor else None
        if actor and words:
            rows.append(
                {"user_id": user_id, "kind": kind, "text": _instead_of(name, words, actor), "link": link, "at": now}
            )
    if rows:
        with write():
            Notice.insert_many(rows).execute()
    return len(rows)


StandIns = Callable[[int], Iterable[tuple[int, str]]]
_stand_ins: list[StandIns] = []


def stand_ins(fn: StandIns) -> StandIns:
    """Registers what knows who is told as well: ``fn(user id)`` gives their ids, with the name of whom they stand for."""
    _stand_ins.append(fn)
    return fn


def _instead_of(name: str, words: Any, actor: Actor) -> Any:
    if not name:
        return words
    if isinstance(words, dict):
        return {locale: f"{_mark(name, locale)}{text}" for locale, text in words.items()}
    return f"{_mark(name, actor.locale)}{words}"


def _mark(name: str, locale: str | None) -> str:
    with i18n.speaking(locale):
        return _("代 %(name)s：", name=name)


def _for(actor: Actor, text: Words) -> Any:
    if callable(text):
        with i18n.speaking(actor.locale):
            words = text(actor)
            return None if words is None else str(words)
    return dict(text) if isinstance(text, Mapping) else str(text)


_counting = Statement(
    Notice.select(fn.COUNT(Notice.id)).where(Notice.user_id == PARAM, Notice.read_at.is_null())
)  # fmt: skip


def unread(actor: Actor) -> int:
    """How many notices the person has not read: one look into an index of the unread ones."""
    with read():
        return int(_counting.execute(actor.id).fetchone()[0])


def of(actor: Actor, before: int | None = None) -> list[Notice]:
    """A page of the person's notices, newest first, older than the notice ``before``."""
    query = Notice.select().where(Notice.user_id == actor.id)
    if before:
        query = query.where(Notice.id < before)
    with read():
        return list(query.order_by(Notice.id.desc()).limit(PAGE))


def open(notice_id: int, actor: Actor) -> str | None:
    """Marks a notice as read; returns where it leads. Raises NotFound for one of somebody else."""
    with read():
        row = Notice.get_or_none(Notice.id == notice_id, Notice.user_id == actor.id)
    if row is None:
        raise NotFound()
    if row.read_at is None:
        with write():
            Notice.update(read_at=clock.now()).where(Notice.id == notice_id).execute()
    return str(row.link) if row.link else None


def read_all(actor: Actor) -> None:
    with write():
        Notice.update(read_at=clock.now()).where(Notice.user_id == actor.id, Notice.read_at.is_null()).execute()


def forget() -> None:
    """Drops what is long over; called by the nightly upkeep."""
    now = clock.now()
    Notice.delete().where((Notice.read_at < now - KEPT) | (Notice.at < now - 2 * KEPT)).execute()
