"""Telling one person something in the ways they chose: the bell always, and by whatever else reaches them."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from msgspec import Struct
from msgspec.structs import asdict

from ..accounts import notices, users
from ..accounts.actor import SYSTEM
from ..core import clock, i18n, settings
from ..core.db import read, write
from ..core.errors import FieldErrors, UserError
from ..forms import causes
from ..forms.hooks import Cause
from ..messaging import outbox
from ..messaging.senders import SENDERS, Sender, Target
from .models import ReminderChoice

BELL = "in_app"
CAUSE = Cause("reminder")
causes.label(CAUSE.kind, _l("提醒"))

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
EARLY = (0, 5, 15, 30, 60, 120, 1440)
"""Minutes before something is due at which people can choose to be reminded."""


class Choice(Struct, frozen=True):
    """How a person is reminded. ``early``: minutes before a task is due, ``None`` never; ``via``: ways besides the bell;
    ``digest``: when the day's summary comes (``08:30``), empty never."""

    early: int | None = 15
    via: tuple[str, ...] = ()
    digest: str = ""

    @classmethod
    def read(cls, doc: dict[str, Any]) -> Choice:
        known = cls.__struct_fields__
        found = {key: value for key, value in doc.items() if key in known}
        return cls(**found | {"via": tuple(found.get("via", ()))})


def choice(user_id: int) -> Choice:
    return choices([user_id])[user_id]


def choices(user_ids: Any) -> dict[int, Choice]:
    """How each of these people is reminded."""
    wanted = set(user_ids)
    with read():
        rows = ReminderChoice.select().where(ReminderChoice.user_id.in_(list(wanted)))
        found = {row.user_id: Choice.read(row.doc) for row in rows}
    return {user_id: found.get(user_id, STANDARD) for user_id in wanted}


STANDARD = Choice()


def save(user_id: int, early: int | None, via: list[str], digest: str) -> None:
    """Keeps a person's choice. Raises FieldErrors."""
    errors: dict[str, str] = {}
    if early is not None and early not in EARLY:
        errors["early"] = _("请从列表中选择一项。")
    if unknown := [name for name in via if name not in dict(ways())]:
        errors["via"] = _("没有「%(name)s」这种方式。", name=unknown[0])
    if digest and not _TIME.fullmatch(digest):
        errors["digest"] = _("请按 24 小时制填写时间，例如 08:30。")
    if errors:
        raise FieldErrors(errors)
    doc = asdict(Choice(early, tuple(via), digest)) | {"via": via}
    with write():
        ReminderChoice.insert(user_id=user_id, doc=doc).on_conflict(
            conflict_target=[ReminderChoice.user_id], preserve=[ReminderChoice.doc]
        ).execute()
        from . import reminders

        reminders.set_digest(user_id)


def ways() -> list[tuple[str, str]]:
    """The ways besides the bell by which colleagues can be reached in this company now: name and label."""
    return [(name, str(sender.label)) for name, sender in SENDERS.items() if name != BELL and _open(sender)]


def _open(sender: Sender) -> bool:
    """Whether the way goes to colleagues and has a connection to go through."""
    if "user" not in sender.reaches:
        return False
    try:
        sender.connection_for(Target.user(0))
    except UserError:
        return False
    return True


def tell(user_id: int, kind: str, text: Any, link: str, key: str) -> None:
    """Tells one person, in their language. ``text``: words, or ``fn(actor)`` that makes them (``None``: nothing to say);
    ``key``: says the same thing only once by ways that leave the house. Only inside ``write()``."""
    notices.tell([user_id], kind, text, link)
    via, actor = choice(user_id).via, users.actor_of(user_id)
    if not via or actor is None:
        return
    with i18n.speaking(actor.locale):
        words = text(actor) if callable(text) else str(text)
        if words is None:
            return
        drafts = [
            outbox.Draft(
                via=name, to=Target.user(user_id), text=str(words), subject=str(words)[:80], link=link,
                purpose=outbox.INTERNAL, key=f"{key}:{user_id}:{name}",
            )
            for name, _label in ways()
            if name in via
        ]  # fmt: skip
        outbox.send(drafts, CAUSE, SYSTEM)


def due_words(seconds: int) -> str:
    """When something is due, in the company's zone: ``09:30`` today, ``明天 09:30``, ``昨天 09:30``, ``12-05 09:30``."""
    then, now = clock.local(seconds, settings.tz()), clock.local(clock.now(), settings.tz())
    time, days = then.strftime("%H:%M"), (then.date() - now.date()).days
    near = {-1: _("昨天 %(time)s", time=time), 0: time, 1: _("明天 %(time)s", time=time)}
    return near.get(days) or then.strftime("%m-%d %H:%M" if then.year == now.year else "%Y-%m-%d %H:%M")
